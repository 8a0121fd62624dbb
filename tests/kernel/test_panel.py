"""The panel in real kernels without a browser: what its callbacks do, and what it leaves where nobody watches."""

from __future__ import annotations

from typing import Any

import pytest

from or_magic.sandbox import Sandbox

from .conftest import Kernel
from .test_headless import Run, run_notebook

__all__ = ["run_notebook"]
WAIT = """
def wait(done, seconds=15):
    import time
    end = time.monotonic() + seconds
    while not done() and time.monotonic() < end:
        time.sleep(0.02)
    return done()
"""
SHOWN = "import or_magic\npanel = or_magic.Panel()"


def prompts(sandbox: Sandbox) -> list[list[str]]:
    """What users asked in each request."""
    bodies = [each.body for each in sandbox.requests if each.body and "messages" in each.body]
    return [[m["content"] for m in body["messages"] if m["role"] == "user"] for body in bodies]


def test_a_run_that_nobody_watches_leaves_the_conversation(run_notebook: Run) -> None:
    """In nbclient the panel stands beside the conversation as plain HTML, with its buttons nowhere."""
    cells = run_notebook("%openrouter ask remember me", "%openrouter panel")
    html = [output.data["text/html"] for output in cells[1].outputs if "text/html" in output.get("data", {})]

    assert "remember me" in html[-1]
    assert "<button" not in html[-1]


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("%openrouter panel sandbox/echo", "%openrouter panel takes nothing more; 'sandbox/echo' was typed."),
        ("%openrouter pannel", "No subcommand 'pannel'. Did you mean %openrouter panel?"),
        ("%unload_ext or_magic\nimport or_magic\nor_magic.Panel()", "run %load_ext or_magic first"),
        ("import or_magic\nor_magic.ModelPicker().value = 'no model'", "nor a model id, such as openai/gpt-5-mini"),
    ],
)
def test_what_a_beginner_mistypes(kernel: Kernel, code: str, said: str) -> None:
    """Each is one line that says what to do."""
    reply = kernel.run(code)

    assert reply["status"] == "error"
    assert said in reply["evalue"]


def test_a_cell_and_the_panel_ask_at_once(kernel: Kernel, sandbox: Sandbox) -> None:
    """While the panel's answer arrives a cell asks; each has its own answer, and `-o` binds that of the cell."""
    kernel.run(f"{WAIT}\n{SHOWN}\n%openrouter model sandbox/echo")
    sandbox.behave(first_token_s=0.5)
    kernel.run("panel._ask('from the panel', ())")
    assert kernel.value("wait(lambda: len(panel.session.jobs()) == 1)") is True
    kernel.run("%%openrouter -o mine\nfrom the cell")
    assert kernel.value("wait(lambda: not panel.is_busy)") is True
    assert "from the cell" in kernel.value("mine.text")
    assert kernel.value("[t.prompt.text for t in or_magic.conversation()]") == ["from the panel", "from the cell"]


def test_it_prints_nothing_and_blocks_nothing(kernel: Kernel, sandbox: Sandbox) -> None:
    """Callbacks and threads of the panel write to no stream, and a cell runs while it waits for an answer."""
    kernel.run(f"{WAIT}\n{SHOWN}\n%openrouter model sandbox/echo")
    sandbox.behave(first_token_s=2.0)
    before = len(kernel.seen)
    kernel.run("panel._ask('slow', ()); panel._stop(); panel._pressed({'do': 'nonsense'}); panel._pressed({})")
    kernel.run("panel._pressed({'do': 'undo', 'turn': 'x'}); panel._pressed({'do': 'copy', 'turn': '99'})")
    assert kernel.run("1 + 1")["status"] == "ok"
    assert kernel.value("wait(lambda: not panel.is_busy)") is True

    said = [m["content"]["text"] for m in kernel.seen[before:] if m["msg_type"] == "stream"]
    assert said == []
    assert b"Traceback" not in kernel.aloud()


def test_a_failed_branch_leaves_what_was_there(kernel: Kernel, sandbox: Sandbox) -> None:
    """A question that is asked again and fails keeps its old answer and what followed, and says so."""
    kernel.run(f"{WAIT}\n{SHOWN}\n%openrouter model sandbox/echo")
    kernel.run("%openrouter ask first")
    kernel.run("%openrouter ask second")
    sandbox.fail_next(402, "Insufficient credits")
    kernel.run("turns = or_magic.conversation().turns\npanel._pressed({'do': 'again', 'turn': str(turns[0].id)})")
    assert kernel.value("wait(lambda: 'The answer that was there stands.' in panel.box.notice)") is True
    assert kernel.value("[t.prompt.text for t in or_magic.conversation()]") == ["first", "second"]
    assert kernel.value("[len(spot.branches) for spot in panel.branch_points]") == [2, 1]


def test_what_is_closed_hears_nothing(kernel: Kernel, sandbox: Sandbox) -> None:
    """A closed panel follows no cell any more; its answer that was on its way is kept all the same."""
    kernel.run(f"{WAIT}\n{SHOWN}\n%openrouter model sandbox/echo")
    kernel.run("panel._ask('kept', ())\nsession = panel.session\npanel.close()")
    assert kernel.value("wait(lambda: [t.state for t in or_magic.conversation()] == ['complete'])") is True
    kernel.run("%openrouter ask after it")

    assert kernel.value("[t.state for t in or_magic.conversation()]") == ["complete", "complete"]
    assert kernel.value("session.watchers") == []
    assert b"Traceback" not in kernel.aloud()


def test_parameters_that_were_set_and_no_others(kernel: Kernel, sandbox: Sandbox) -> None:
    """What the form sets is what `%openrouter set` sets, and the body of a question from the panel holds just that."""
    kernel.run(f"{WAIT}\n{SHOWN}\n%openrouter model sandbox/echo\n%openrouter set temperature 0.3")
    kernel.run("panel._ask('set', ())")
    assert kernel.value("wait(lambda: not panel.is_busy)") is True

    body: dict[str, Any] = sandbox.requests[-1].body or {}
    ours = ("messages", "model", "stream", "stream_options")
    assert {name: value for name, value in body.items() if name not in ours} == {"temperature": 0.3}
    assert prompts(sandbox)[-1] == ["set"]


def test_what_was_written_is_never_lost(kernel: Kernel, sandbox: Sandbox) -> None:
    """What cannot be sent, since an answer is on its way or a name is wrong, stands in the box again; edits stay so."""
    kernel.run(f"{WAIT}\n{SHOWN}\n%openrouter model sandbox/echo")
    sandbox.behave(first_token_s=0.5)
    kernel.run("panel._ask('one', ())\npanel._ask('two', ())")
    assert kernel.value("panel.box.draft, panel.box.notice") == (
        "two",
        "An answer is on its way: wait for it, or stop it.",
    )
    assert kernel.value("wait(lambda: not panel.is_busy)") is True
    kernel.run("panel._pressed({'do': 'edit', 'turn': '1'})")
    assert kernel.value("wait(lambda: panel.editing is not None)") is True
    kernel.run("panel.box.clear()\npanel._ask('{{ nowhere }}', ())")

    assert kernel.value("wait(lambda: panel.box.draft == '{{ nowhere }}')") is True
    assert "'nowhere' is not defined" in kernel.value("panel.box.notice")
    assert kernel.value("panel.editing.id, panel.box.editing[:18]") == (1, "Editing question 1")


def test_what_is_said_is_to_be_seen(kernel: Kernel, sandbox: Sandbox) -> None:
    """A notice comes after what it tells of: the box is filled before it says so, a question is gone before it is."""
    kernel.run(f"{WAIT}\n{SHOWN}\n%openrouter model sandbox/echo\nseen = []")
    kernel.run("%openrouter ask first")
    kernel.run("%openrouter ask second")
    kernel.run("panel.box.observe(lambda change: seen.append((change['new'][:18], panel.box.draft)), 'editing')")
    kernel.run("panel.box.observe(lambda change: seen.append((change['new'][:9], len(panel.branch_points))), 'notice')")
    kernel.run("panel._pressed({'do': 'edit', 'turn': '1'})")
    assert kernel.value("wait(lambda: seen)") == [("Editing question 1", "first")]
    kernel.run("panel._pressed({'do': 'undo', 'turn': '2'})")

    assert kernel.value("wait(lambda: len(seen) == 2) and seen[1]") == ("Taken out", 1)


def test_a_prompt_that_cannot_be_sent_is_there_when_it_is_said(kernel: Kernel, sandbox: Sandbox) -> None:
    """Why nothing was sent is told when the prompt stands in the box again, with the edit that it was."""
    kernel.run(f"{WAIT}\n{SHOWN}\n%openrouter model sandbox/echo\nseen = []")
    kernel.run("%openrouter ask first")
    kernel.run("panel._pressed({'do': 'edit', 'turn': '1'})")
    assert kernel.value("wait(lambda: panel.box.editing != '')") is True
    kernel.run("panel.box.observe(lambda change: seen.append((panel.box.draft, panel.box.editing != '')), 'notice')")
    kernel.run("panel.box.clear()\npanel._ask('{{ nowhere }}', ())")

    assert kernel.value("wait(lambda: seen)") == [("{{ nowhere }}", True)]
