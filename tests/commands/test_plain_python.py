"""Commands without a shell: on a real session, a sandbox and a plain context of Python."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from or_magic.commands import cells
from or_magic.commands.registry import run_line
from or_magic.sandbox import Behaviour, Sandbox, start

from .plain_context import PlainContext


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with start(behaviour=Behaviour(pace=0, first_token_s=0, record_delay_s=600)) as running:
        yield running


@pytest.fixture
def environment(sandbox: Sandbox, tmp_path: Path) -> dict[str, str]:
    return {
        "OPENROUTER_BASE_URL": sandbox.base_url,
        "OR_MAGIC_MODEL": "sandbox/echo",
        "OR_MAGIC_STORE": str(tmp_path / "ledger.sqlite"),
        "OR_MAGIC_SETTINGS": str(tmp_path / "settings.toml"),
    }


@pytest.fixture
def context(environment: dict[str, str]) -> Iterator[PlainContext]:
    context = PlainContext(environment)
    yield context
    context.session.close()


def test_a_line_asks_and_binds(context: PlainContext, sandbox: Sandbox) -> None:
    """`ask` sends the line, and binds the answer in the variables of the context."""
    run_line(context, "ask Why is the sky blue?")

    assert sandbox.requests[-1].body["messages"][-1]["content"] == "Why is the sky blue?"
    assert context.variables["_answer"].text == "Why is the sky blue?"


def test_a_conversation(context: PlainContext, capsys: pytest.CaptureFixture[str]) -> None:
    """`undo`, `redo`, `fork` and `history` work on the conversation, and print what they did."""
    for line in ("ask one", "ask two", "undo", "fork aside"):
        run_line(context, line)

    assert capsys.readouterr().out == (
        "Took out 1 turn: two\nThread main: 1 turn. %openrouter redo brings back.\n"
        "Thread aside goes on from here. %openrouter switch main goes back.\nThread aside: 1 turn.\n"
    )
    assert [turn.prompt.text for turn in run_line(context, "history")] == ["one"]


def test_a_cell_that_failed_is_mended(context: PlainContext, sandbox: Sandbox) -> None:
    """`fix` asks about the cell that failed, and offers what is proposed as the next cell."""
    context.fail("def count():\n    raise ValueError('no')\ncount()")
    run_line(context, "fix")

    assert "ValueError: no" in sandbox.requests[-1].body["messages"][-1]["content"]
    (offered,) = context.offered
    assert offered.startswith("def count():")


def test_a_cell_with_flags(context: PlainContext) -> None:
    """A cell's first line and templates see the variables of the context."""
    context.variables.update(m="sandbox/echo", x=2)
    cells.ask(context, "What is {{ x }}?", cells.cell_line(context, "$m -o told -f code"))

    assert context.variables["told"].text == "What is 2?"
    assert context.variables["told"] is context.variables["_answer"]


def test_nothing_of_a_front_is_imported(environment: dict[str, str]) -> None:
    """A process that asks, takes back and lists imports no IPython, no widgets and no room of a front."""
    lines = ["ask hello", "undo", "threads", "config", "cost", "help"]
    command = [sys.executable, "-m", "tests.commands.plain_context", *lines]
    done = subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=60, check=True
    )

    assert "Took out 1 turn: hello" in done.stdout
    assert done.stdout.splitlines()[-1] == "imported: []"
