"""`or-magic sandbox` as a program."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from or_magic.sandbox import Sandbox
from or_magic.sandbox.command import main
from or_magic.sandbox.models import CATALOG

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "or_magic.sandbox.command"]


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C cannot be sent to one process on Windows")
def test_it_runs_until_ctrl_c(stranger: httpx.Client) -> None:
    """It prints where it answers, answers there, and ends quietly with status 0."""
    with subprocess.Popen(
        [*COMMAND, "--port", "0", "--quiet"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stdout is not None
        base_url = running.stdout.readline().strip()
        assert stranger.get(f"{base_url}/models").status_code == 200
        running.send_signal(signal.SIGINT)
        rest, errors = running.communicate(timeout=10)

    assert (rest, errors, running.returncode) == ("", "", 0)


def test_it_greets_with_a_manual(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The greeting tells the base URL, the variables to set, the key to use and the control token."""

    def interrupt(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("time.sleep", interrupt)

    assert main(["--port", "0"]) == 0
    greeting = capsys.readouterr().out
    for part in (
        "OPENROUTER_BASE_URL=http://127.0.0.1:",
        "OPENROUTER_API_KEY=sk-or-",
        "curl ",
        "Control token: ",
    ):
        assert part in greeting


def test_a_taken_port_is_one_line(sandbox: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    """A port that is taken is one line on stderr and status 1."""
    assert main(["--port", str(sandbox.port)]) == 1

    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(f"No sandbox on port {sandbox.port}")
    assert printed.err.count("\n") == 1


def test_the_help_is_the_documentation(capsys: pytest.CaptureFixture[str]) -> None:
    """--help names every model, every option, and the rule for keys."""
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])

    text = capsys.readouterr().out
    for word in [model.id for model in CATALOG] + [
        "--port",
        "--pace",
        "--first-token",
        "sk-or-",
        "/sandbox/charges",
    ]:
        assert word in text


def test_an_impossible_pace_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """A negative pace is a usage error."""
    with pytest.raises(SystemExit, match="2"):
        main(["--pace", "-1"])

    assert "-1 is below 0" in capsys.readouterr().err
