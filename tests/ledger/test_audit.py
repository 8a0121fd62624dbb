"""The audit finds whatever does not fit together, and nothing in a sound ledger."""

from __future__ import annotations

import pytest

from or_magic.ledger.audit import verify
from or_magic.ledger.records import Progress
from or_magic.ledger.store import Ledger
from or_magic.types import Message, ReasoningPart, TextPart

from .conftest import Sql
from .samples import arrived, ask, question


@pytest.fixture
def full(ledger: Ledger) -> Ledger:
    """A ledger with a conversation of two turns, a failed one, and one under way."""
    ask(ledger, thread="main")
    ask(ledger, arrived(reasoning="Hm.", cost=None), thread="main", cell_id="c2")
    ask(ledger, Progress(), "failed", prompt=Message("user", ()))
    pieces = (TextPart("a"), ReasoningPart("b"), TextPart("c"))
    ledger.checkpoint(ledger.open_turn(question(prompt=Message("user", pieces))).id, arrived("so far"))
    return ledger


def test_a_sound_ledger(full: Ledger) -> None:
    """Nothing is wrong with a ledger that was written by its own methods."""
    assert verify(full) == []


@pytest.mark.parametrize(
    ("damage", "finding"),
    [
        pytest.param("UPDATE parts SET content = 'I said no such thing'", "hash is not that", id="text altered"),
        pytest.param("UPDATE parts SET kind = 'text'", "hash is not that", id="kind altered"),
        pytest.param("UPDATE messages SET role = 'system'", "hash is not that", id="role altered"),
        pytest.param("UPDATE messages SET parent = NULL", "hash is not that", id="parent altered"),
        pytest.param("UPDATE messages SET parent = 'gone'", "its parent gone is not there", id="parent lost"),
        pytest.param("UPDATE parts SET position = position + 3", "parts are numbered [3, 4, 5]", id="parts moved"),
        pytest.param("DELETE FROM parts WHERE position = 1", "parts are numbered [0, 2]", id="part lost"),
        pytest.param("DELETE FROM messages", "there is no such message", id="messages lost"),
        pytest.param("DELETE FROM notebooks", "turn 1: its notebook 1 is not there", id="notebook lost"),
        pytest.param("UPDATE turns SET prompt = 'gone'", "its prompt gone is not there", id="prompt lost"),
        pytest.param("UPDATE turns SET answer = 'gone'", "its answer gone is not there", id="answer lost"),
        pytest.param("UPDATE turns SET answer = prompt", "does not follow its prompt", id="answer elsewhere"),
        pytest.param("UPDATE turns SET state = 'odd'", "its state 'odd' is unknown", id="state unknown"),
        pytest.param("UPDATE turns SET state = 'open'", "it is open and has an answer", id="reopened"),
        pytest.param("UPDATE turns SET state = 'complete'", "is complete and ended at None", id="never ended"),
        pytest.param("UPDATE turns SET partial_text = ''", "finished and has a checkpoint", id="leftover"),
        pytest.param("UPDATE turns SET cost_source = NULL", "the source of it None", id="cost without source"),
        pytest.param("DELETE FROM threads", "turn 1: its thread 1 is not there", id="thread lost"),
        pytest.param("UPDATE turns SET previous = 4 WHERE id = 2", "previous turn 4 is not there, or came", id="order"),
        pytest.param("UPDATE turns SET previous = 77", "its previous turn 77 is not there", id="turn before lost"),
        pytest.param("UPDATE notebooks SET thread = 77", "its thread 77 is not its own", id="current thread lost"),
        pytest.param("UPDATE turns SET cost_source = 'guess'", "'guess' is unknown", id="source unknown"),
    ],
)
def test_damage(full: Ledger, sql: Sql, damage: str, finding: str) -> None:
    """Each kind of damage is found and named."""
    sql(damage)

    assert any(finding in line for line in verify(full))


def test_damaged_index(file_ledger: Ledger, sql: Sql) -> None:
    """Damage that only SQLite itself can see is found too."""
    ask(file_ledger)
    sql("PRAGMA writable_schema=ON")
    sql("UPDATE sqlite_master SET sql = replace(sql, 'purse, service', 'service, purse') WHERE type = 'index'")
    file_ledger.close()

    assert any(line.startswith("file: ") for line in verify(file_ledger))
