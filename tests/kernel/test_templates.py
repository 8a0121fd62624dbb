"""``{{ expression }}`` in real kernels: what is sent, what is refused, and what an awaitable does to the kernel."""

from __future__ import annotations

import sys
import time

import pytest

from or_magic.sandbox import Sandbox

from .code_prompts import BRACED, PLAIN
from .conftest import Kernel, check_queued

SETUP = """
import asyncio
class Pool:
    def __init__(self): self.lock = asyncio.Lock()
    async def rows(self, seconds=0.5):
        async with self.lock:
            await asyncio.sleep(seconds)
            return 'rows of the pool'
pool = Pool()
"""
APPLIED = ["", "import nest_asyncio; nest_asyncio.apply()", "import nest_asyncio2; nest_asyncio2.apply()"]


def asked(sandbox: Sandbox) -> list[object]:
    """The contents of the last messages of all chat requests, in order."""
    return [each.body["messages"][-1]["content"] for each in sandbox.requests if each.body and "messages" in each.body]


def test_code_arrives_as_it_is(kernel: Kernel, sandbox: Sandbox) -> None:
    """Prompts full of code are sent byte for byte; those with {{ under --raw, and without it they are explained."""
    plain = [prompt for prompts in PLAIN.values() for prompt in prompts]
    braced = [prompt for prompts in BRACED.values() for prompt in prompts]
    for flag, prompt in [*(("", each) for each in plain), *(("--raw", each) for each in braced)]:
        assert kernel.run(f"%%openrouter sandbox/echo --no-history {flag}\n{prompt}")["status"] == "ok", prompt
        assert asked(sandbox)[-1] == prompt
    count = len(asked(sandbox))
    for prompt in braced:
        reply = kernel.run(f"%%openrouter sandbox/echo --no-history\n{prompt}")
        assert reply["ename"] == "CommandError", prompt
        assert reply["evalue"].startswith("Line 2, column "), prompt
        assert "--raw on the first line sends the prompt as it is" in reply["evalue"]
    assert len(asked(sandbox)) == count == len(plain) + len(braced)
    assert {len(prompts) for prompts in (*PLAIN.values(), *BRACED.values())} == {3}
    assert len(PLAIN) == len(BRACED) == 13


def test_in_and_out_and_what_was_not_typed(kernel: Kernel, sandbox: Sandbox) -> None:
    """`In[n]` is a cell as it was typed, `Out[n]` its value; text in a variable, or handed over by code, is inert."""
    kernel.run("%time 40 + 2\nevil = '{{ 1/0 }} {{ x }}'\n43")  # the cell after %load_ext
    kernel.run("%%openrouter sandbox/echo --no-history\n{{ In[2] }}|{{ Out[2] }}|{{ evil }}|{x}|$x")
    kernel.run("get_ipython().run_cell_magic('openrouter', 'sandbox/echo --no-history', evil)")

    assert asked(sandbox)[-2:] == [
        "%time 40 + 2\nevil = '{{ 1/0 }} {{ x }}'\n43|43|{{ 1/0 }} {{ x }}|{x}|$x",
        "{{ 1/0 }} {{ x }}",
    ]


@pytest.mark.parametrize("applied", APPLIED, ids=["as it is", "nest_asyncio", "nest_asyncio2"])
def test_an_awaitable_leaves_the_queue_alone(own_kernel: Kernel, sandbox: Sandbox, applied: str) -> None:
    """A cell that awaits, with cells queued behind it: all run in order, a completion is answered, stderr is empty."""
    kernel = own_kernel  # what is applied stays
    kernel.run(applied or "pass")
    kernel.run(SETUP)
    requests = [
        kernel.send("%%openrouter sandbox/echo --no-history\nfirst {{ pool.rows(1) }}"),
        kernel.send("%%openrouter sandbox/echo --no-history\nsecond {{ await pool.rows(0.1) }}"),
        kernel.send("%%openrouter sandbox/echo --no-history\nthird"),
    ]

    check_queued(kernel, requests)
    assert asked(sandbox)[-3:] == ["first rows of the pool", "second rows of the pool", "third"]
    assert b"Traceback" not in kernel.aloud()
    assert kernel.run("await pool.rows(0.01)")["status"] == "ok"


@pytest.mark.skipif(sys.platform == "win32", reason="another way to interrupt, tried by hand")
def test_an_interrupt_cancels_what_is_awaited(kernel: Kernel, sandbox: Sandbox) -> None:
    """An interrupt while a template awaits ends the cell in one line, cancels the coroutine, and sends nothing."""
    kernel.run(SETUP)
    kernel.run(
        "seen = []\nasync def long():\n    try: seen.append('begun'); await asyncio.sleep(60)\n"
        "    except asyncio.CancelledError: seen.append('cancelled'); raise"
    )
    request = kernel.send("%%openrouter sandbox/echo\n{{ long() }}")
    kernel.watch(request, lambda message: message["msg_type"] == "execute_input")
    time.sleep(0.5)  # the coroutine tells nobody that it sleeps
    kernel.manager.interrupt_kernel()
    reply = kernel.finish(request)

    assert (reply["ename"], reply["traceback"]) == ("Stopped", [f"Stopped: {reply['evalue']}"])
    assert kernel.value("seen") == ["begun", "cancelled"]
    assert asked(sandbox) == []
    assert kernel.run("%%openrouter sandbox/echo\n{{ seen }}")["status"] == "ok"
