"""``%openrouter fix`` and ``explain``: what the model is told of a failed cell, and what becomes of its answer."""

from __future__ import annotations

from pathlib import Path

import pytest

from or_magic.sandbox import Sandbox

from .conftest import PATIENCE_S, Kernel
from .failures import CASES, MODULE, SETUP

SECRETS = ("SECRET", "98765")


@pytest.fixture
def context(kernel: Kernel, tmp_path: Path) -> Kernel:
    """A kernel with the variables of the cases, and the user's module in its folder."""
    kernel.run("import os, sys; sys.path.insert(0, os.getcwd())")
    folder = Path(str(kernel.value("os.getcwd()")))
    (folder / "ridge_like.py").write_text(MODULE)
    assert kernel.run(SETUP)["status"] == "ok"
    return kernel


def prompt(sandbox: Sandbox) -> str:
    """The last question that the service received."""
    bodies = [each.body for each in sandbox.requests if each.body and "messages" in each.body]
    (message,) = [message for message in bodies[-1]["messages"] if message["role"] == "user"]
    return str(message["content"])


def test_the_question_about_each_failure(context: Kernel, sandbox: Sandbox) -> None:
    """It holds the cell, the error, the user's functions on its way and the shapes of variables; no value of one."""
    missing = []
    for name, (cell, needs) in CASES.items():
        assert context.run(cell)["status"] == "error", name
        assert context.run("%openrouter fix sandbox/echo").get("evalue") is None, name
        asked = prompt(sandbox)
        masked = asked.replace(cell, "")  # what the user wrote into the cell is code, and goes
        missing += [(name, need) for need in (cell, *needs) if need not in asked]
        missing += [(name, f"shown: {secret}", asked) for secret in SECRETS if secret in masked]
        missing += [(name, "a path", asked)] if str(context.value("os.getcwd()")) in asked else []
        missing += [(name, "too long", len(asked))] if len(asked) > 40_000 else []
    assert missing == []
    assert len(CASES) >= 20


def test_values_go_along_only_where_asked_for(context: Kernel, sandbox: Sandbox) -> None:
    """`--values` tells what the variables hold; without it nothing does."""
    context.run("int(token)")
    context.run("%openrouter fix sandbox/echo --values")

    assert "invalid literal for int() with base 10: 'SECRET-TOKEN-1'" in prompt(sandbox)
    assert "token: str, 14 long = SECRET-TOKEN-1" in prompt(sandbox)
    context.run("%openrouter explain sandbox/echo")
    assert "SECRET" not in prompt(sandbox)


def test_the_proposed_cell_is_put_next_with_a_diff(context: Kernel) -> None:
    """What is proposed is put into the next cell, with what changed shown; it is not run, and no thread is touched."""
    context.run("ran = 0\ndef count():\n    global ran\n    ran += 1\n    raise ValueError('no')\ncount()")
    request = context.send("%openrouter fix sandbox/echo")
    reply = context.finish(request)
    (offered,) = reply["payload"]
    shown = context.published(request, "display_data")[-1]["content"]["data"]

    assert (offered["source"], offered["replace"]) == ("set_next_input", False)
    assert offered["text"].startswith("def count():")
    assert shown["text/plain"].startswith("--- the cell\n+++ proposed\n")
    assert "<script" not in shown["text/html"]
    assert context.value("ran") == 1
    context.run("%openrouter history")
    assert context.value("len(__import__('or_magic').conversation())") == 0


def test_explain_a_cell(context: Kernel, sandbox: Sandbox) -> None:
    """`explain N` asks about the cell of that number, as it was typed; of the one that failed, about its error."""
    number = context.run("%time total = 1\ntotal")["execution_count"]
    failed = context.run("1 / 0")["execution_count"]
    context.run(f"%openrouter explain {number} sandbox/echo")
    assert prompt(sandbox).startswith("Explain to a reader")
    assert "%time total = 1" in prompt(sandbox)

    context.run(f"%openrouter explain {failed} sandbox/echo  # a comment")
    assert "ZeroDivisionError" in prompt(sandbox)
    assert "There is no cell [999]" in context.run("%openrouter explain 999")["evalue"]


def test_nothing_has_failed(kernel: Kernel, sandbox: Sandbox) -> None:
    """Without a failure a line says so; or_magic's own errors are none, one from before the extension is."""
    assert "No cell has failed" in kernel.run("%openrouter fix")["evalue"]
    kernel.run("%%openrouter --modle x\nhi")
    assert "No cell has failed" in kernel.run("%openrouter explain")["evalue"]
    assert len(sandbox.requests) == 0
    kernel.run("%unload_ext or_magic")
    kernel.run("1 / 0")
    kernel.run("%load_ext or_magic")
    assert kernel.run("%openrouter fix sandbox/echo")["status"] == "ok"


def test_a_cell_that_failed_in_the_background(kernel: Kernel, sandbox: Sandbox) -> None:
    """A cell that fails in a subshell, beside the others, is the last one that failed like any other."""
    client = kernel._client
    client.control_channel.send(client.session.msg("create_subshell_request", {}))
    subshell = client.control_channel.get_msg(timeout=PATIENCE_S)["content"]["subshell_id"]
    content = {"code": "divisor = 0\n1 / divisor", "silent": False, "store_history": True, "allow_stdin": False}
    message = client.session.msg("execute_request", content)
    message["header"]["subshell_id"] = subshell
    client.shell_channel.send(message)
    assert kernel.reply(message["header"]["msg_id"])["ename"] == "ZeroDivisionError"

    assert kernel.run("%openrouter fix -m sandbox/coder")["status"] == "ok"

    assert "1 / divisor" in prompt(sandbox)
    assert "ZeroDivisionError: division by zero" in prompt(sandbox)
