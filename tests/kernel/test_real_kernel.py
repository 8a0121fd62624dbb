"""The extension in a real ipykernel, talked to as JupyterLab does."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from or_magic.ledger.audit import verify
from or_magic.ledger.records import Turn
from or_magic.ledger.store import Ledger
from or_magic.money import format_usd, pico_usd
from or_magic.sandbox import Sandbox

from .conftest import KEY, WRONG_KEY, Kernel, Message

PROMPT = "Eins *zwei* drei vier fünf. " * 20 + "Ende?"
SLOW_CELL = "%%openrouter sandbox/slow\n" + "wort " * 200
NOBODY = "http://127.0.0.1:9/api/v1"  # the discard port: nothing listens there
DRAWN = ("display_data", "update_display_data")

Turns = Callable[[], list[Turn]]


def display_id(message: Message) -> str:
    """Which output the message draws."""
    return str(message["content"]["transient"]["display_id"])


def data(message: Message) -> dict[str, Any]:
    """The mime bundle of the message."""
    bundle: dict[str, Any] = message["content"]["data"]
    return bundle


def shows(text: str) -> Callable[[Message], bool]:
    """Whether a message draws HTML with this text in it."""
    return lambda message: message["msg_type"] in DRAWN and text in data(message)["text/html"]


def test_an_answer_streams_in(kernel: Kernel, sandbox: Sandbox) -> None:
    """An answer is seen while it arrives and grows, in two outputs that end as the whole answer and its footer."""
    sandbox.behave(pace=150)
    request = kernel.send(f"%%openrouter sandbox/echo\n{PROMPT}")
    kernel.watch(request, shows("Eins"))
    assert sandbox.requests[-1].ending is None
    assert kernel.finish(request)["status"] == "ok"

    answer, tail = (display_id(message) for message in kernel.published(request, "display_data"))
    drawn = kernel.published(request, *DRAWN)
    growing = [len(data(m)["text/html"]) for m in drawn if display_id(m) == tail and shows("Eins")(m)]
    assert growing == sorted(growing)
    assert growing[0] < growing[-1]
    last_answer = [data(message) for message in drawn if display_id(message) == answer][-1]
    last_tail = [data(message) for message in drawn if display_id(message) == tail][-1]
    assert last_answer["text/plain"] == PROMPT
    assert "<em>zwei</em>" in last_answer["text/html"]
    assert f" · {format_usd(pico_usd(sandbox.charges.total_usd()))} · " in last_tail["text/plain"]
    assert last_tail["text/plain"] in last_tail["text/html"]


def test_an_answer_is_kept(kernel: Kernel, sandbox: Sandbox, turns: Turns) -> None:
    """After an answer its text is in the named variable, in `_answer` and, with cell and exact cost, in the ledger."""
    kernel.run(f"%%openrouter sandbox/echo -o found\n{PROMPT}", cell_id="c1")
    assert kernel.value("(found.text, _answer.text, found is _answer)") == (PROMPT, PROMPT, True)
    (turn,) = turns()
    assert (turn.state, turn.cell_id, turn.error) == ("complete", "c1", None)
    assert turn.prompt.text == PROMPT
    assert turn.answer is not None
    assert turn.answer.text == PROMPT
    assert turn.usage is not None
    assert turn.usage.cost_pico_usd == pico_usd(sandbox.charges.total_usd()) > 0


@pytest.mark.skipif(sys.platform == "win32", reason="another way to interrupt, tried by hand")
def test_an_interrupt_stops_the_answer(kernel: Kernel, sandbox: Sandbox, turns: Turns) -> None:
    """An interrupt ends the cell within a second with one line, hangs up, and keeps what had arrived."""
    request = kernel.send(SLOW_CELL)
    kernel.watch(request, shows("wort"))
    interrupted_s = time.monotonic()
    kernel.manager.interrupt_kernel()
    reply = kernel.reply(request)
    assert time.monotonic() - interrupted_s < 1  # the promise is "within a second"
    kernel.finish(request)

    assert (reply["status"], reply["ename"]) == ("error", "Stopped")
    assert reply["traceback"] == [f"Stopped: {reply['evalue']}"]
    assert "\n" not in reply["evalue"]
    assert sandbox.wait_for(lambda received: received.closed_by_client)
    partial = kernel.value("_answer.text")
    assert partial.startswith("wort")
    (turn,) = turns()
    assert turn.state == "stopped"
    assert turn.answer is not None
    assert turn.answer.text == partial
    assert " · stopped · " in data(kernel.published(request, *DRAWN)[-1])["text/plain"]


@pytest.mark.skipif(sys.platform == "win32", reason="another way to interrupt, tried by hand")
def test_an_interrupt_stops_run_all(kernel: Kernel, sandbox: Sandbox) -> None:
    """Cells that wait behind an interrupted one are not run, and a cell sent afterwards is."""
    request = kernel.send(SLOW_CELL)
    waiting = [kernel.send(f"%openrouter ask number {number}") for number in range(3)]
    kernel.watch(request, shows("wort"))
    kernel.manager.interrupt_kernel()
    assert kernel.finish(request)["status"] == "error"
    assert [kernel.reply(each)["status"] for each in waiting] == ["aborted"] * 3
    assert len([request for request in sandbox.requests if request.method == "POST"]) == 1
    assert kernel.run("%openrouter ask again")["status"] == "ok"


def test_run_all_runs_in_order(kernel: Kernel, sandbox: Sandbox) -> None:
    """Cells that are sent together are asked one after another, in their order."""
    prompts = [f"number {number}" for number in range(4)]
    requests = [kernel.send(f"%%openrouter sandbox/echo\n{prompt}") for prompt in prompts]
    assert [kernel.finish(request)["status"] for request in requests] == ["ok"] * 4
    assert [received.body["messages"][-1]["content"] for received in sandbox.requests] == prompts
    assert {received.ending for received in sandbox.requests} == {"complete"}
    assert kernel.value("_answer.text") == prompts[-1]


_WITH_ANOTHER_KEY = "import os; os.environ['OPENROUTER_API_KEY'] = os.environ['ANOTHER_KEY']"
_WITH_NOBODY_THERE = f"os.environ['OPENROUTER_BASE_URL'] = '{NOBODY}'"

FAILURES = [  # what is run before, the cell, the error
    ("", "%%openrouter sandbox/none\nHi", "ModelNotFoundError"),
    ("", "%%openrouter --modle x/y\nHi", "CommandError"),
    ("", "%%openrouter\n \n\t\n", "CommandError"),
    (_WITH_ANOTHER_KEY, "%%openrouter\nHi", "AuthenticationError"),
    (_WITH_NOBODY_THERE, "%%openrouter\nHi", "NotReachableError"),
]


def test_a_failure_is_one_line(kernel: Kernel) -> None:
    """Each failed cell is an error whose traceback is one line, whatever `%xmode` is, and no output has the key."""
    for before, code, kind in FAILURES:
        for mode in ("Context", "Verbose"):
            kernel.run(f"%xmode {mode}")
            kernel.run(before)
            reply = kernel.run(code)
            assert (reply["status"], reply["ename"]) == ("error", kind), code
            assert reply["traceback"] == [f"{kind}: {reply['evalue']}"], code
            assert "\n" not in reply["evalue"], code
    shown = repr(kernel.seen)
    assert KEY not in shown
    assert WRONG_KEY not in shown


def test_the_key_is_nowhere(kernel: Kernel, tmp_path: Path) -> None:
    """After answers, failures and looks at the state the key is in no output, file or log; the ledger is sound."""
    cells = ["%openrouter", "%%openrouter\nHello?", "%%openrouter sandbox/none\nHello?", "%openrouter cost", "_answer"]
    replies = [kernel.run(code)["status"] for code in ("%xmode Verbose", *cells)]
    assert replies == ["ok", "ok", "ok", "error", "ok", "ok"]
    kernel.close()

    assert KEY not in repr(kernel.seen)
    assert KEY.encode() not in kernel.aloud()
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert tmp_path / "ledger.sqlite" in files
    assert [path for path in files if KEY.encode() in path.read_bytes()] == []
    ledger = Ledger.open(tmp_path / "ledger.sqlite")
    assert verify(ledger) == []
    ledger.close()
