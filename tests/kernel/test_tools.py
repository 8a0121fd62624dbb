"""``--tools`` in real front ends: which functions run, in which thread, who is asked before, and how it all stops."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from nbclient.exceptions import CellExecutionError

from or_magic.ledger.records import Turn
from or_magic.sandbox import Sandbox

from . import test_headless, test_terminal
from .conftest import PATIENCE_S, Kernel, Message, check_queued
from .test_templates import APPLIED
from .tool_cells import AREA, BACKGROUND, DATABASE, HARMLESS, HOSTILE, NAP, ROWS, SHOWING, SLEEPERS

Turns = Callable[[], list[Turn]]
run_notebook = test_headless.run_notebook
terminal = test_terminal.terminal
no_signals = pytest.mark.skipif(sys.platform == "win32", reason="another way to interrupt, tried by hand")


def requests_to(sandbox: Sandbox) -> list[list[dict[str, Any]]]:
    """The messages of all chat requests, in order."""
    return [each.body["messages"] for each in sandbox.requests if each.body and "messages" in each.body]


def results(sandbox: Sandbox) -> list[str]:
    """What the tools gave, in the last request."""
    return [message["content"] for message in requests_to(sandbox)[-1] if message["role"] == "tool"]


def roles(sandbox: Sandbox) -> str:
    """Who said the messages of the last request."""
    return " ".join(message["role"] for message in requests_to(sandbox)[-1])


def ok(kernel: Kernel, code: str) -> str:
    """Runs a cell that must not fail; returns its request."""
    request = kernel.send(code)
    reply = kernel.finish(request)
    assert reply["status"] == "ok", reply
    return request


def one_line(reply: Message) -> str:
    """The one line of a cell that failed."""
    assert reply["status"] == "error", reply
    assert reply["traceback"] == [f"{reply['ename']}: {reply['evalue']}"]
    assert "\n" not in reply["evalue"]
    return str(reply["traceback"][0])


def answered(kernel: Kernel, code: str, *words: str) -> tuple[list[str], Message]:
    """Runs a cell and types the words where it asks; returns what it asked, and how it ended."""
    request, asked = kernel.send(code), []
    for word in words:
        message = kernel._client.stdin_channel.get_msg(timeout=PATIENCE_S)
        assert message["msg_type"] == "input_request"
        asked.append(str(message["content"]["prompt"]))
        kernel._client.input(word)
    reply = kernel.finish(request)
    assert not kernel._client.stdin_channel.msg_ready()
    return asked, reply


def test_a_tool_on_the_loop_of_the_kernel(kernel: Kernel, sandbox: Sandbox) -> None:
    """A tool uses a connection that an earlier cell opened on the kernel's loop; the model gets exactly its rows."""
    ok(kernel, HARMLESS + DATABASE)
    ok(kernel, ROWS)
    request = ok(kernel, "%%openrouter sandbox/tools --tools rows --yes\nWhich rows are there?")

    first, second = requests_to(sandbox)
    assert first == [{"role": "user", "content": "Which rows are there?"}]
    *said, gave = second
    (call,) = said[1]["tool_calls"]
    assert said[0] == first[0]
    assert said[1]["role"] == "assistant"
    assert call["function"] == {"name": "rows", "arguments": '{"table": "t"}'}
    assert gave == {"role": "tool", "tool_call_id": call["id"], "content": "[[1, 2]]"}
    assert kernel.value("(_answer.tool_calls[0].value, len(_answer.steps))") == ([(1, 2)], 1)
    assert "- `[[1, 2]]`" in kernel.value("_answer.text")
    shown = [message["content"]["data"].get("text/plain", "") for message in kernel.published(request, "display_data")]
    assert [text for text in shown if text.startswith("rows(table='t') -> [[1, 2]]")]
    assert ok(kernel, "assert await rows() == [(1, 2)]")

    ok(kernel, "%%openrouter sandbox/tools\nAnd now?")
    assert requests_to(sandbox)[-1][:3] == second
    assert roles(sandbox) == "user assistant tool assistant user"
    ok(kernel, "await connection.close()")


@pytest.mark.parametrize("applied", APPLIED, ids=["as it is", "nest_asyncio", "nest_asyncio2"])
def test_a_tool_that_awaits_leaves_the_queue_alone(own_kernel: Kernel, sandbox: Sandbox, applied: str) -> None:
    """Cells queued behind a tool that awaits run in order, a completion is answered, and stderr is empty."""
    kernel = own_kernel  # what is applied stays
    ok(kernel, f"{applied}\n{HARMLESS}{NAP}order = []")
    aloud = kernel.aloud()
    requests = [
        kernel.send("%%openrouter sandbox/tools --tools nap --yes --no-history\nnap a while"),
        kernel.send("order.append(len(_answer.tool_calls)); order.append(_answer.runs[0].value)"),
        kernel.send("%%openrouter sandbox/echo --no-history\nthird"),
    ]

    check_queued(kernel, requests)
    assert kernel.value("order") == [1, "slept"]
    assert [messages[-1]["content"] for messages in requests_to(sandbox)][-1] == "third"
    assert kernel.aloud() == aloud


@no_signals
@pytest.mark.parametrize("name", ["sleeps", "sleeps_async"])
def test_an_interrupt_in_a_tool(kernel: Kernel, sandbox: Sandbox, turns: Turns, name: str) -> None:
    """An interrupt ends the tool and its cell at once, in one line; what was done is kept, and the kernel goes on."""
    ok(kernel, HARMLESS + SLEEPERS)
    request = kernel.send(f"%%openrouter sandbox/tools --tools notes,{name} --yes\nnotes, {name}")
    kernel.watch(request, lambda message: message["msg_type"] == "stream" and "begun" in message["content"]["text"])
    time.sleep(0.3)  # the tool tells nobody that it sleeps
    begun = time.monotonic()
    kernel.manager.interrupt_kernel()
    line = one_line(kernel.finish(request))

    assert time.monotonic() - begun < 3
    assert line.startswith("Stopped: A tool was interrupted.")
    assert kernel.value("[(run.name, bool(run.error)) for run in _answer.runs]") == [("notes", False), (name, True)]
    assert kernel.value("seen") == ([60] if name == "sleeps" else [60, "cancelled"])
    _, kept = turns()
    assert kept.prompt.said == "[a tool gave] noted\n[a tool gave] Error: The user interrupted it."
    assert b"Traceback" not in kernel.aloud()
    kernel.run("interrupted = _answer")
    ok(kernel, "%%openrouter sandbox/echo\ngo on")
    assert roles(sandbox) == "user assistant tool tool user"
    assert results(sandbox) == ["noted", "Error: The user interrupted it."]
    assert kernel.value("interrupted.tool_calls[1].seconds > 0.2")
    assert kernel.value("interrupted.tool_calls[1].arguments") == {"seconds": 60}


def test_what_a_tool_shows_and_changes(kernel: Kernel, sandbox: Sandbox) -> None:
    """Prints and displays of a tool are in its cell, above its result; it runs in the main thread, on the globals."""
    ok(kernel, HARMLESS + SHOWING)
    request = ok(kernel, "%%openrouter sandbox/tools --tools look,plot --yes\nlook, then plot")

    shown = "|".join(str(each["content"]) for each in kernel.published(request, "stream", "display_data"))
    assert re.search(r"printed.*\|.*<b>displayed</b>.*\|.*look\(word=.*\|.*plot\(n=", shown)
    assert results(sandbox) == ["True", "[an image, which this model cannot see]"]
    assert kernel.value("(count, type(_answer.tool_calls[1].value).__name__)") == (1, "Figure")
    assert b"Traceback" not in kernel.aloud()


def test_the_user_is_asked(kernel: Kernel, sandbox: Sandbox) -> None:
    """A call is asked about by name and arguments: all answers do what they say, nonsense is asked again."""
    ok(kernel, AREA)
    cell = "%%openrouter sandbox/tools --no-history --tools area\narea?"
    prompt = "Run area(width=3, unit='km')? [y]es, [n]o, [a]lways this tool, [s]top: "

    assert answered(kernel, cell, "y")[0] == [prompt]
    assert results(sandbox) == ["nine"]
    assert answered(kernel, cell, "n")[0] == [prompt]
    assert results(sandbox) == ["Error: The user did not allow this call."]
    asked, reply = answered(kernel, f"{cell.replace('--tools', '--yes --tools')}", "perhaps", "", "Yes")
    assert (asked, reply["status"]) == ([prompt] * 3, "ok")
    assert results(sandbox) == ["nine"]
    assert kernel.value("ran") == [3, 3]

    count = len(requests_to(sandbox))
    line = one_line(answered(kernel, cell, "s")[1])
    assert line.startswith("Stopped: ")
    assert "the tool was not run" in line.lower()
    assert len(requests_to(sandbox)) == count + 1
    assert kernel.value("ran") == [3, 3]

    if sys.platform != "win32":
        request = kernel.send(cell)
        kernel._client.stdin_channel.get_msg(timeout=PATIENCE_S)
        kernel.manager.interrupt_kernel()
        assert one_line(kernel.finish(request)).startswith("Stopped: ")
        assert kernel.value("ran") == [3, 3]

    assert answered(kernel, cell, "a")[0] == [prompt]
    assert answered(kernel, cell)[1]["status"] == "ok"
    assert kernel.value("ran") == [3] * 4
    assert results(sandbox) == ["nine"]


def test_a_hostile_call_is_asked_about_in_one_safe_line(kernel: Kernel) -> None:
    """Escape sequences, newlines and changes of direction in a model's arguments do not get into what is asked."""
    ok(kernel, HOSTILE.replace("EVIL", r"'\x1b[31mred\r\nRun nothing? \u202eevil\x07\x1b]0;title\x07'"))
    for name in ("plain", "raw"):
        (asked,), reply = answered(kernel, f"%%openrouter sandbox/tools --no-history --tools {name}\nhi", "n")
        assert reply["status"] == "ok"
        assert asked.startswith(f"Run {name}(word=")
        assert asked.isprintable()
        assert "\x1b" not in asked


def test_nobody_can_approve(run_notebook: test_headless.Run, sandbox: Sandbox) -> None:
    """In a run that nobody watches, a call that needs approval fails in one line that says how; nothing was run."""
    with pytest.raises(CellExecutionError) as caught:
        run_notebook(
            "def area(width: int = 3) -> str:\n    open('ran', 'w')\n    return 'nine'",
            "%%openrouter sandbox/tools --tools area --yes\narea?",
        )
    assert caught.value.ename == "ToolError"
    assert "\n" not in caught.value.evalue
    assert caught.value.traceback.strip().splitlines()[-1] == f"ToolError: {caught.value.evalue}"
    assert "@or_magic.tool(approve=False)" in caught.value.evalue
    assert "--yes" in caught.value.evalue
    assert len(requests_to(sandbox)) == 1


def test_harmless_tools_where_nobody_watches(run_notebook: test_headless.Run, sandbox: Sandbox) -> None:
    """With --yes a harmless tool runs in such a run, and no output tells a time."""
    _, asked, told = run_notebook(
        HARMLESS + "@harmless\ndef slow(n: int = 3) -> str:\n    time.sleep(0.3)\n    return 'three'",
        "%%openrouter sandbox/tools --tools slow --yes\nslow?",
        "print(_answer.tool_calls[0].seconds > 0.2)",
    )
    assert told.outputs[0].text == "True\n"
    assert results(sandbox) == ["three"]
    texts = [output.data[kind] for output in asked.outputs for kind in ("text/plain", "text/html")]
    assert any("slow(n=3) -&gt; three" in text or "slow(n=3) -> three" in text for text in texts)
    assert [text for text in texts if re.search(r"\d s\b", text.rpartition("</style>")[2])] == []


@no_signals
def test_tools_in_the_terminal(terminal: test_terminal.Terminal, sandbox: Sandbox) -> None:
    """IPython in a terminal asks before a call and takes y and n; Ctrl-C there stops in one line."""
    terminal.type("def area(width: int = 3) -> str: print('ran it'); return 'nine'")
    line = "get_ipython().run_cell_magic('openrouter', 'sandbox/tools --no-history --tools area', 'area?')"
    shown = []
    for word in ("y", "n", None):
        terminal.child.sendline(line)
        terminal.child.expect_exact("Run area(width=3)? [y]es, [n]o, [a]lways this tool, [s]top: ")
        if word is None:
            terminal.child.sendintr()
        else:
            terminal.child.sendline(word)
        shown.append(terminal.until_prompt())

    assert re.search(r"ran it\s+area\(width=3\) -> nine.*- `nine`", shown[0], re.DOTALL)
    assert "ran it" not in shown[1] + shown[2]
    assert "not run: The user did not allow this call." in shown[1]
    refused = [each["content"] for each in requests_to(sandbox)[-2] if each["role"] == "tool"]
    assert refused == ["Error: The user did not allow this call."]
    assert len(requests_to(sandbox)) == 5
    assert "Traceback" not in "".join(shown)
    assert len([each for each in shown[2].splitlines() if "Stopped" in each]) == 1
    assert "4" in terminal.type("2 + 2")


def wait_until(kernel: Kernel, expression: str) -> None:
    """Waits until an expression is true in the kernel, which is idle in between."""
    for _ in range(60):
        if kernel.value(f"bool({expression})"):
            return
        time.sleep(0.1)
    raise AssertionError(expression)


def test_a_thread_safe_tool_in_the_background(kernel: Kernel, sandbox: Sandbox) -> None:
    """A tool that may run beside other cells does; `wait` there gives the last answer, which -o is bound to as well.

    One that needs approval is not run, since nobody can be asked there; the last answer says why.
    """
    ok(kernel, HARMLESS + BACKGROUND + AREA)
    ok(kernel, "%%openrouter sandbox/tools --bg -o it --tools beside --yes\nbeside?")
    ok(kernel, "first = it; last = it.wait(15)")

    assert kernel.value("(ran, last.done, last is not first, len(last.steps))") == ([("beside", False)], True, True, 1)
    assert kernel.value("last.text").startswith("The functions gave:")
    assert results(sandbox) == ["from beside"]
    wait_until(kernel, "it is last and _answer is last")

    ok(kernel, "ran.clear()\n%openrouter reset")
    ok(kernel, "%%openrouter sandbox/tools --bg -o it --tools area\narea?")
    ok(kernel, "last = it.wait(15)")
    assert kernel.value("(last.done, ran)") == (True, [])
    assert "@or_magic.tool(approve=False)" in kernel.value("last.error")
    assert len(requests_to(sandbox)) == 3


@pytest.mark.parametrize("then", ["pass", "await first"], ids=["idle", "awaited"])
@pytest.mark.parametrize("name", ["waits", "waits_async"])
def test_other_tools_in_the_background(kernel: Kernel, sandbox: Sandbox, name: str, then: str) -> None:
    """Any other tool waits until the kernel is idle, or awaits; it runs in the main thread, its output in its own cell.

    A cell that waits for it in the main thread keeps it from running: `wait` returns after its time.
    """
    ok(kernel, HARMLESS + BACKGROUND)
    asking = ok(kernel, f"%%openrouter sandbox/tools --bg -o it --tools {name} --yes\n{name}?")
    ok(kernel, "first = it\nwhile not first.calls: time.sleep(0.05)\nwaited = first.wait(1); was = ran[:], first.done")
    shown = [m["content"]["data"].get("text/plain") for m in kernel.published(asking, "display_data")]
    assert f"{name} needs the kernel: it runs when no cell does." in shown
    assert kernel.value("(*was, waited is first)") == ([], False, True)
    ok(kernel, then)
    wait_until(kernel, "first.done")
    ok(kernel, "last = first.wait(0)")

    assert kernel.value("(ran, last is not first, len(last.steps))") == ([(name, True)], True, 1)
    assert results(sandbox) == [f"from {name}"]
    wait_until(kernel, "it is last and _answer is last")
    assert kernel.printed(asking) == ("printed late\n" if name == "waits" else "")
    assert b"Traceback" not in kernel.aloud()
    assert ok(kernel, "await asyncio.sleep(0.01)")


def test_an_extension_that_the_configuration_loads(
    environment: dict[str, str], sandbox: Sandbox, tmp_path: Path
) -> None:
    """Loaded before the kernel's loop runs, it runs tools of answers in the background on that loop all the same."""
    profile = tmp_path / "ipython" / "profile_default"
    profile.mkdir(parents=True)
    (profile / "ipython_kernel_config.py").write_text("c.InteractiveShellApp.extensions = ['or_magic']\n")
    kernel = Kernel(tmp_path, environment)
    try:
        ok(kernel, HARMLESS + BACKGROUND)
        ok(kernel, "%%openrouter sandbox/tools --bg -o it --tools waits --yes\nwaits?")
        wait_until(kernel, "it.done")
        assert kernel.value("ran") == [("waits", True)]
    finally:
        kernel.close()


def test_a_stop_while_a_tool_waits(kernel: Kernel, sandbox: Sandbox) -> None:
    """An answer whose tool waits for the kernel is under way; `stop` ends it, and the tool is not run."""
    ok(kernel, HARMLESS + BACKGROUND)
    ok(kernel, "%%openrouter sandbox/tools --bg -o it --tools waits --yes\nwaits?")
    request = ok(kernel, "while not it.calls: time.sleep(0.05)\ntime.sleep(0.5)\n%openrouter jobs\n%openrouter stop")
    wait_until(kernel, "it.done")

    assert "sandbox/tools" in kernel.printed(request)
    assert kernel.value("ran") == []
    assert "A tool was interrupted" in kernel.value("it.error")
    assert "Nothing is under way." in kernel.printed(ok(kernel, "%openrouter jobs"))
    assert len(requests_to(sandbox)) == 1


def test_completing_the_names(kernel: Kernel) -> None:
    """Behind --tools Tab offers the notebook's functions, the toolbox and the service's own; also behind a comma."""
    ok(kernel, "def rainfall(x: int) -> int: return x\ndef stations() -> str: return ''\nrare = 3")

    assert kernel.complete("%%openrouter --tools rai") == ["rainfall"]
    assert kernel.complete("%%openrouter --tools rainfall,sta") == ["rainfall,stations"]
    offered = kernel.complete("%%openrouter --tools ")
    assert offered[:3] == ["rainfall", "stations", "or_magic.toolbox.variables"]
    assert "openrouter:web_search" in offered
    assert not {"rare", "open"} & set(offered)


MISTYPED = {
    "--tools aera": ("CommandError: ", "aera", "did you mean area?"),
    "--tools \"'area'\"": ("CommandError: ", "'area' is no tool: give the function itself"),
    "--tools": ("CommandError: --tools wants a value",),
    "--tools --yes": ("CommandError: --tools wants a value",),
    "--tools area --max-steps 0": ("CommandError: --max-steps is '0'; it wants a whole number from 1",),
    "--tools bare": ("CommandError: bare: the parameter width has no type hint", "def bare(width: str)"),
    "--tools area()": ("CommandError: 'nine' is no tool",),
    "--tools web_search": ("CommandError: --tools: web_search is the service's own: --tools openrouter:web_search.",),
    "--tools 7": ("CommandError: int '7' is no function",),
    "--tools area,area": ("CommandError: Two tools are called area.",),
    "--tools area -m sandbox/echo": ("CommandError: sandbox/echo calls no tools. Nothing was sent.", "sandbox/tools"),
}


def test_what_a_beginner_mistypes(kernel: Kernel, sandbox: Sandbox) -> None:
    """Whatever is wrong with --tools is said in one line before anything is sent."""
    ok(kernel, "def area(width: int = 3) -> str: return 'nine'\ndef bare(width): return width")
    for flags, needs in MISTYPED.items():
        model = "" if "-m" in flags else "-m sandbox/tools "
        line = one_line(kernel.run(f"%%openrouter {model}{flags}\nhi"))
        assert [need for need in needs if need not in line] == [], (flags, line)
    assert requests_to(sandbox) == []
