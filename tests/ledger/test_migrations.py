"""Ledgers of earlier versions open, keep all that they held, and go on."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest

from or_magic.errors import StoreError
from or_magic.ledger.audit import verify
from or_magic.ledger.catalog_cache import CatalogCache
from or_magic.ledger.messages import message_hash
from or_magic.ledger.migrations import MIGRATIONS
from or_magic.ledger.records import Limit, SpentTotal
from or_magic.ledger.store import Ledger, _store_at
from or_magic.ledger.threads import Threads
from or_magic.types import Message

from .samples import REAL, ask, question

ASKED = Message.of_text("user", "What was first?")
ANSWERED = Message.of_text("assistant", "This.")


def old_ledger(location: str, steps: int) -> None:
    """A ledger as the first `steps` migrations left it, with one turn."""
    store, now = _store_at(location), datetime(2026, 11, 1, tzinfo=UTC)
    prompt = message_hash(None, ASKED)
    answer = message_hash(prompt, ANSWERED)
    with store.altering() as connection:
        connection.exec_driver_sql(
            "CREATE TABLE migrations (number INTEGER PRIMARY KEY, applied_utc TIMESTAMP NOT NULL)"
        )
        for number, step in enumerate(MIGRATIONS[:steps], 1):
            step(connection)
            connection.exec_driver_sql("INSERT INTO migrations VALUES (?, ?)", (number, "2026-11-01 00:00:00.000000"))
    with store.writing() as transaction:
        transaction.insert("notebooks", {"id": 1, "identity": "/old.ipynb", "created_utc": now})
        for hash, parent, message in ((prompt, None, ASKED), (answer, prompt, ANSWERED)):
            transaction.insert("messages", {"hash": hash, "parent": parent, "role": message.role})
            part = {"message": hash, "position": 0, "kind": "text", "content": message.text}
            transaction.insert("parts", part)
        row = {
            "id": 1,
            "notebook": 1,
            "purse": "/old.ipynb",
            "service": REAL,
            "parameters": "{}",
            "state": "complete",
        }
        row |= {"prompt": prompt, "answer": answer, "started_utc": now, "ended_utc": now}
        row |= {"cost_pico_usd": 42, "cost_source": "reported", "model_asked": "a/b", "cell_id": "c1"}
        transaction.insert("turns", row)
    store.close()


@pytest.mark.parametrize("steps", range(1, len(MIGRATIONS)))
def test_from_each_older_schema(tmp_path: Path, steps: int) -> None:
    """A file of each earlier schema opens with its turn whole, is sound, and takes new turns on a thread."""
    location = str(tmp_path / "ledger.sqlite")
    old_ledger(location, steps)

    ledger = Ledger.open(location)

    (old,) = ledger.turns()
    assert (old.prompt, old.answer, old.thread, old.history_turns) == (ASKED, ANSWERED, None, 0)
    assert ledger.spent("/old.ipynb", REAL).pico_usd == 42
    new = ask(ledger, notebook="/old.ipynb", thread="main")
    assert Threads(ledger).path("/old.ipynb") == [new]
    assert verify(ledger) == []
    ledger.close()


def test_all_ways_lead_to_one_schema(tmp_path: Path) -> None:
    """A file that was brought up from the first schema has the same tables and indexes as a new one."""
    old, new = str(tmp_path / "old.sqlite"), str(tmp_path / "new.sqlite")
    old_ledger(old, 1)
    schemas = []
    for location in (old, new):
        Ledger.open(location).close()
        with sqlite3.connect(location) as connection:
            rows = connection.execute("SELECT type, name, sql FROM sqlite_master WHERE name != 'migrations'").fetchall()
        connection.close()
        schemas.append(sorted((kind, name, str(sql)) for kind, name, sql in rows if "autoindex" not in name))

    assert schemas[0] == schemas[1]


def test_a_migration_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step that cannot be made leaves the file as it was."""
    location = tmp_path / "ledger.sqlite"
    old_ledger(str(location), 2)
    monkeypatch.setattr("or_magic.ledger.migrations.MIGRATIONS", (*MIGRATIONS, lambda c: c.exec_driver_sql("NONSENSE")))

    with pytest.raises(StoreError):
        Ledger.open(location)

    with sqlite3.connect(location) as connection:
        assert connection.execute("SELECT max(number) FROM migrations").fetchone() == (2,)
    connection.close()


def test_a_ledger_that_an_earlier_release_has_written(tmp_path: Path) -> None:
    """A file that commit 07e60c7 wrote opens sound and whole, and goes on: its turns, threads, budgets and sums."""
    location, ada, other = tmp_path / "ledger.sqlite", "/home/ada/notes.ipynb", "/home/ada/other.ipynb"
    with sqlite3.connect(location) as connection:
        connection.executescript((Path(__file__).parent / "schema_4.sql").read_text(encoding="utf-8"))
    connection.close()

    ledger = Ledger.open(location)

    threads = Threads(ledger)
    assert verify(ledger) == []
    assert [turn.kind for turn in ledger.turns()] == ["chat"] * 8
    assert ledger.turn(2).prompt.text == "And at night? \x00\ud83d"
    assert [turn.state for turn in ledger.turns(ada)] == ["complete"] * 3 + ["failed", "stopped", "complete"]
    assert ledger.spent(ada, REAL) == SpentTotal(63, 6, 2)
    assert ledger.outlook(question(thread="main", cell_id="new")).limits == (
        Limit("notebook", 1000),
        Limit("thread", 500),
    )
    assert (threads.current(ada), threads.current(ada, "main")) == (("draft", "Be kind."), ("main", None))
    assert CatalogCache(ledger.store).days(REAL, "models") == ["2026-11-28"]
    assert ledger.mark_interrupted() == 1
    assert threads.path(other) == []
    new = ask(ledger, thread="draft", cell_id="c7")
    assert threads.path(ada) == [6, new]
    assert verify(ledger) == []
    ledger.close()
