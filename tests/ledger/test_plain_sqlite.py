"""A ledger in a file is read and written without SQLAlchemy, in the form in which SQLAlchemy wrote it."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from or_magic.errors import StoreError
from or_magic.ledger.audit import verify
from or_magic.ledger.records import Progress
from or_magic.ledger.replays import Replays
from or_magic.ledger.spending import Spending
from or_magic.ledger.store import Ledger
from or_magic.ledger.threads import Threads
from or_magic.sandbox import Sandbox
from or_magic.types import Message, Usage

from .conftest import Sql
from .samples import REAL, ask, question

_ASK = """
import sys
import or_magic

print(or_magic.ask("Hello there", model="sandbox/echo").text)
assert "sqlalchemy" not in sys.modules
"""
_CELL = """
import sys
from IPython.core.interactiveshell import InteractiveShell

shell = InteractiveShell.instance()
shell.run_line_magic("load_ext", "or_magic")
shell.run_cell("%%openrouter --model sandbox/echo\\nHello there").raise_error()
assert "sqlalchemy" not in sys.modules
"""


@pytest.mark.parametrize("script", [_ASK, _CELL], ids=["ask", "a cell"])
def test_a_question_imports_no_sqlalchemy(sandbox: Sandbox, tmp_path: Path, script: str) -> None:
    """Neither a function call nor a cell imports it, once the file has been made."""
    location = tmp_path / "ledger.sqlite"
    Ledger.open(location).close()
    environment = os.environ | {
        "OR_MAGIC_STORE": str(location),
        "OR_MAGIC_SETTINGS": str(tmp_path / "settings.toml"),
        "OPENROUTER_BASE_URL": sandbox.base_url,
        "OPENROUTER_API_KEY": "sk-or-test",
        "IPYTHONDIR": str(tmp_path),
    }

    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode == 0, done.stderr
    assert "Hello there" in done.stdout
    assert [turn.state for turn in Ledger.open(location).turns()] == ["complete"]


def test_how_values_are_written(file_ledger: Ledger, sql: Sql) -> None:
    """Text keeps all letters but a few as they are, times are UTC without a zone, truths are 1 and 0."""
    turn_id = file_ledger.open_turn(question(system="a\x00b\x1a\ud800é😀", cell_id="c1")).id
    file_ledger.finish_turn(
        turn_id, Progress("Hi.", usage=Usage(is_byok=True), may_be_billed_twice=True), "complete", None
    )
    moment = datetime(2026, 11, 28, 12, 30, 15, tzinfo=timezone(timedelta(hours=2)))
    with file_ledger.store.writing() as transaction:
        transaction.update("turns", turn_id, {"started_utc": moment})

    columns = "system, started_utc, is_byok, may_be_billed_twice, typeof(ended_utc)"
    assert sql(f"SELECT {columns} FROM turns") == [
        ("a\x1a0000b\x1a001a\x1ad800é😀", "2026-11-28 10:30:15.000000", 1, 1, "text")
    ]
    turn = file_ledger.turn(turn_id)
    assert (turn.system, turn.started_utc) == ("a\x00b\x1a\ud800é😀", moment)
    assert turn.started_utc.tzinfo is UTC
    assert turn.usage == Usage(is_byok=True)


def test_a_long_list(ledger: Ledger) -> None:
    """More values than one statement takes are asked for in several, and each row comes once."""
    ids = [ask(ledger, thread=None) for _ in range(3)]

    with ledger.store.reading() as transaction:
        rows = transaction.rows_in("SELECT id FROM turns WHERE id IN :values ORDER BY id", [*range(-1200, 0), *ids])

    assert [row.id for row in rows] == ids


def test_an_undone_transaction(ledger: Ledger) -> None:
    """What an exception has interrupted is undone, and the next transaction begins anew."""
    kept = ask(ledger)

    def change() -> None:
        with ledger.store.writing() as transaction:
            transaction.run("UPDATE turns SET service = :other", {"other": "elsewhere"})
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        change()

    assert ledger.turn(kept).service == REAL
    assert ask(ledger) > kept


def test_an_error_of_the_statement(ledger: Ledger) -> None:
    """A statement that the database refuses is an error of one line that does not repeat what was asked."""
    with pytest.raises(StoreError, match="failed") as refused, ledger.store.writing() as transaction:
        transaction.run("UPDATE nothing SET content = :text", {"text": "a secret"})

    assert "secret" not in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_turn_whose_cell_is_not_known(ledger: Ledger) -> None:
    """Where no front end tells the cell, the kept answers of such questions are found."""
    kept = ask(ledger, cell_id=None, thread=None, run="then", request_hash="k")

    found = Replays(ledger).of_cell("k", question(cell_id=None), "now")

    assert found is not None
    assert found.id == kept


def test_what_was_paid(ledger: Ledger) -> None:
    """The costs of all budget scopes, of one, and since a moment."""
    first, second = ask(ledger, budget_scope="/a"), ask(ledger, budget_scope="/b")
    spending = Spending(ledger)

    assert [paid.turn_id for paid in spending.paid(None, None)] == [first, second]
    assert [paid.turn_id for paid in spending.paid("/b", REAL)] == [second]
    assert spending.paid(None, None, datetime.now(UTC) + timedelta(hours=1)) == []


def test_words_with_signs_of_patterns(ledger: Ledger) -> None:
    """The signs that stand for any letters in SQL are found as themselves."""
    found = ask(ledger, prompt=Message.of_text("user", "100 % of a_b, and c/d"))
    ask(ledger, prompt=Message.of_text("user", "1000 of aab"))

    for words in ("100 %", "A_B", "c/d", ""):
        assert found in [turn.id for turn in ledger.find(None, words, limit=5)]
        assert len(ledger.find(None, words, limit=5)) == (1 if words else 2)


def test_others_write_meanwhile(file_ledger: Ledger) -> None:
    """A transaction that writes waits for another program's, and a reader does not."""
    ask(file_ledger)
    other = sqlite3.connect(file_ledger.location, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    assert Threads(file_ledger).current(question().notebook)[0] == "main"

    other.execute("ROLLBACK")
    other.close()
    ask(file_ledger)
    assert verify(file_ledger) == []
