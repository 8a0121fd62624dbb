"""`ask` in a plain Python process."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable

import pytest

from or_magic.ledger.records import Turn
from or_magic.sandbox import Sandbox

_ASK = "from or_magic import ask; print(ask('Wie geht es, Ærø?', model='sandbox/echo').text)"

_ASK_SLOWLY = """
from or_magic import ask
from or_magic.errors import Stopped
try:
    ask("one two three four " * 50, model="sandbox/slow")
except KeyboardInterrupt as stop:
    print(isinstance(stop, Stopped), stop)
"""

_ASK_TWICE = """
import signal, sys, threading
from or_magic import ask
timer = threading.Timer(float(sys.argv[1]), signal.raise_signal, (signal.SIGINT,))
try:
    timer.start()
    ask("first", model="sandbox/slow")
except KeyboardInterrupt:
    print("stopped")
print(ask("second", model="sandbox/echo").text)
"""

_ASK_WITH_TOOL = r"""
import typing, or_magic
@or_magic.tool(shows="code")
def run(code: typing.Literal["print(1)\x1b]0;title\x07\n2"]) -> str:
    return "ran"
async def later(word: str = "so") -> str:
    return word + " later"
print(or_magic.ask("run, then later", model="sandbox/tools", tools=[run, later]).text)
"""


def test_a_script_prints_the_answer(environment: dict[str, str], turns: Callable[[], list[Turn]]) -> None:
    """A script that asks gets the answer's text, and its process ends cleanly with nothing on stderr."""
    done = subprocess.run(
        [sys.executable, "-c", _ASK], env=environment, capture_output=True, encoding="utf-8", timeout=30, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "Wie geht es, Ærø?\n"
    assert [turn.state for turn in turns()] == ["complete"]


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGINT to send to one process")
def test_a_script_is_stopped(sandbox: Sandbox, environment: dict[str, str], turns: Callable[[], list[Turn]]) -> None:
    """SIGINT raises Stopped, which is a KeyboardInterrupt, closes the connection and is in the ledger."""
    script = subprocess.Popen(
        [sys.executable, "-c", _ASK_SLOWLY], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    sandbox.wait_for(lambda request: request.status == 200, timeout_s=20)
    script.send_signal(signal.SIGINT)
    printed, complaints = script.communicate(timeout=20)
    assert (script.returncode, complaints) == (0, "")
    assert printed.startswith("True Stopped ")
    assert sandbox.wait_for(lambda request: request.closed_by_client)
    assert [(turn.state, turn.error) for turn in turns()] == [("stopped", "stopped by the user")]


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGINT to send to one process")
def test_an_interrupt_of_the_imports(environment: dict[str, str]) -> None:
    """Wherever an interrupt falls, also while libraries are imported, the next question is answered."""
    for delay_s in ("0.03", "0.06", "0.1", "0.15"):
        done = subprocess.run(
            [sys.executable, "-c", _ASK_TWICE, delay_s], env=environment, capture_output=True, text=True, timeout=30
        )
        assert (done.stdout, done.stderr) == ("stopped\nsecond\n", ""), delay_s


@pytest.mark.skipif(sys.platform == "win32", reason="there is no pty")
def test_a_script_asks_for_approval(environment: dict[str, str]) -> None:
    """In a terminal a script shows the code, without what a terminal would obey, and asks; a coroutine runs too."""
    pexpect = pytest.importorskip("pexpect")
    child = pexpect.spawn(
        sys.executable, ["-c", _ASK_WITH_TOOL], env=environment, encoding="utf-8", timeout=20, echo=False
    )
    child.expect(r"print\(1\)\r\n2\r\nRun run\(code=.*\)\? .*\[s\]top: ")
    assert "\x1b" not in child.after
    child.sendline("y")
    child.expect(r"Run later\(word='so'\)\? .*\[s\]top: ")
    child.sendline("y")
    child.expect(pexpect.EOF)
    assert "- `ran`\r\n- `so later`" in child.before
