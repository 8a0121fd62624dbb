"""IPython in a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from or_magic.sandbox import Sandbox

pexpect = pytest.importorskip("pexpect")
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no pty")

PROMPT = r"In \[\d+\]: "
ASK_MANY_WORDS = "get_ipython().run_line_magic('openrouter', 'ask ' + 'wort ' * 100)"


class Terminal:
    """An IPython that is typed at."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        arguments = ["-m", "IPython", "--simple-prompt", "--no-banner", "--no-confirm-exit"]
        self.child = pexpect.spawn(
            sys.executable, arguments, env=environment, cwd=str(folder), encoding="utf-8", timeout=20, echo=False
        )
        self.child.expect(PROMPT)
        self.type("%load_ext or_magic")

    def type(self, line: str) -> str:
        """Types a line; returns what was shown before the next prompt."""
        self.child.sendline(line)
        return self.until_prompt()

    def until_prompt(self) -> str:
        """What is shown before the next prompt."""
        self.child.expect(PROMPT)
        return str(self.child.before)


@pytest.fixture
def terminal(tmp_path: Path, environment: dict[str, str]) -> Iterator[Terminal]:
    """An IPython with or_magic loaded."""
    terminal = Terminal(tmp_path, environment)
    yield terminal
    terminal.child.close(force=True)


def test_an_answer_in_the_terminal(terminal: Terminal, sandbox: Sandbox) -> None:
    """A question that ends in a question mark arrives with it; its answer and its footer are shown."""
    shown = terminal.type("%openrouter ask hello there?")
    assert sandbox.requests[-1].body["messages"][-1]["content"] == "hello there?"
    assert "> hello there?" in shown
    last = shown.strip().splitlines()[-1]
    assert last.startswith("\x1b[2m")
    assert "sandbox/rehearsal via Sandbox · " in last


def test_a_cell_is_typed_line_by_line(terminal: Terminal, sandbox: Sandbox) -> None:
    """After ``%%openrouter`` the terminal waits for the prompt; empty lines send it, as with any cell magic."""
    for line in ("%%openrouter sandbox/echo -o said", "first line", "second line", ""):
        terminal.child.sendline(line)
        terminal.child.expect(r"\.\.\.: ")
    shown = terminal.type("")

    assert sandbox.requests[-1].body["messages"][-1]["content"].strip() == "first line\nsecond line"
    assert "sandbox/echo via Sandbox" in shown
    assert "second line" in terminal.type("said.text")


def test_ctrl_c_stops_the_answer(terminal: Terminal, sandbox: Sandbox) -> None:
    """Ctrl-C in the midst of an answer shows one line, closes the connection and gives the prompt back."""
    terminal.type("%openrouter model sandbox/slow")
    terminal.child.sendline(ASK_MANY_WORDS)
    terminal.child.expect("wort wort")
    terminal.child.sendintr()
    shown = terminal.until_prompt()
    assert sandbox.wait_for(lambda request: request.closed_by_client)
    stopped = [line for line in shown.splitlines() if "Stopped" in line]
    assert len(stopped) == 1
    assert stopped[0].strip().startswith("Stopped: Stopped after ")
    assert "Traceback" not in shown
    assert "2" in terminal.type("1 + 1")


def test_escape_sequences_are_not_carried_out(terminal: Terminal) -> None:
    """Escape sequences in an answer do not reach the terminal, while the answer keeps them."""
    terminal.type("%openrouter model sandbox/echo")
    shown = terminal.type(r"get_ipython().run_line_magic('openrouter', 'ask \x1b[31mred \x1b]0;title\x07sky')")
    *_, answer, footer = shown.strip().splitlines()
    assert answer.startswith("red sky")
    assert answer.isprintable()
    assert footer.count("\x1b") == 2  # dim, and plain again
    assert r"\x1b[31mred" in terminal.type("print(repr(_answer.text))")


def test_the_full_prompt(tmp_path: Path, environment: dict[str, str], sandbox: Sandbox) -> None:
    """The prompt with completion and colours takes a question mark, and Ctrl-C gives it back after one line."""
    environment |= {"TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1"}
    arguments = ["-m", "IPython", "--no-banner", "--no-confirm-exit", "--colors=NoColor"]
    child = pexpect.spawn(
        sys.executable,
        arguments,
        env=environment,
        cwd=str(tmp_path),
        encoding="utf-8",
        timeout=20,
        dimensions=(40, 120),
    )
    lines = ["%load_ext or_magic", "%openrouter model sandbox/slow", "%openrouter ask hello there?", ASK_MANY_WORDS]
    for number, line in enumerate(lines, start=1):
        child.expect(rf"In \[.*?{number}.*?\]:")
        child.send(f"{line}\r")
    child.expect("wort wort")
    child.sendintr()
    child.expect(r"Stopped: Stopped after about \d+ tokens[^\n]*\n")
    child.expect(r"In \[.*?5.*?\]:")
    child.close(force=True)
    bodies = [each.body for each in sandbox.requests if each.body]
    assert bodies[0]["messages"][-1]["content"] == "hello there?"
    assert sandbox.wait_for(lambda request: request.closed_by_client).body == bodies[1]


def test_objects_and_awaitables_in_the_terminal(terminal: Terminal, sandbox: Sandbox) -> None:
    """A template awaits on the loop that IPython's own awaits use; code is offered, an error can be explained."""
    terminal.type("import asyncio; lock = asyncio.Lock()")
    terminal.type("async def rows(): await asyncio.sleep(0.01); return [1, 2] if not lock.locked() else 'locked'")
    terminal.type("await rows()")
    terminal.type("%openrouter ask Sum {{ rows() }} up, {x} $y?")
    assert sandbox.requests[-1].body["messages"][-1]["content"] == "Sum [1, 2] up, {x} $y?"

    assert "not defined, did you mean rows?" in terminal.type("%openrouter ask Sum {{ rwos }} up")
    terminal.type("1 / 0")
    shown = terminal.type("%openrouter fix -m sandbox/coder")
    assert "ZeroDivisionError" in str(sandbox.requests[-1].body["messages"][-1]["content"])
    assert "+++ proposed" in shown
    assert "Traceback" not in shown
