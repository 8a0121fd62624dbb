"""What is forgotten is gone, from the disk too; what others need stays, and the store is sound."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from or_magic.ledger.audit import verify
from or_magic.ledger.forgetting import Deletion
from or_magic.ledger.records import TurnId
from or_magic.ledger.store import Ledger
from or_magic.ledger.threads import Threads
from or_magic.types import Message

from .conftest import Sql
from .samples import arrived, ask

NOTEBOOK = "/notes.ipynb"


def say(ledger: Ledger, word: str, thread: str = "main", notebook: str = NOTEBOOK) -> TurnId:
    """A turn about a word that stands nowhere else."""
    asked = Message.of_text("user", f"asked {word}")
    return ask(ledger, arrived(f"answered {word}"), notebook=notebook, cell_id=word, thread=thread, prompt=asked)


def texts(ledger: Ledger, ids: list[TurnId]) -> list[str]:
    """What was asked in these turns."""
    return [turn.prompt.text.removeprefix("asked ") for turn in ledger.turns_of(ids)]


def words(sql: Sql) -> set[str]:
    """The words of all messages that are stored."""
    return {str(content).split()[-1] for (content,) in sql("SELECT content FROM parts")}


def test_a_notebook(ledger: Ledger, sql: Sql) -> None:
    """A notebook goes with all that it said, and no other."""
    say(ledger, "mine")
    say(ledger, "branch", "draft")
    say(ledger, "other", notebook="/other.ipynb")

    assert Deletion(ledger, really=False).notebook(NOTEBOOK) == 2
    assert words(sql) == {"mine", "branch", "other"}
    assert Deletion(ledger).notebook(NOTEBOOK) == 2

    assert words(sql) == {"other"}
    assert Threads(ledger).notebooks() == ["/other.ipynb"]
    assert verify(ledger) == []


def test_a_thread(ledger: Ledger, sql: Sql) -> None:
    """A thread goes with the turns that no other thread goes on from."""
    say(ledger, "shared")
    Threads(ledger).fork(NOTEBOOK, "draft")
    say(ledger, "drafted", "draft")
    say(ledger, "kept")

    assert Deletion(ledger).thread(NOTEBOOK, "draft") == 1

    threads = Threads(ledger)
    assert words(sql) == {"shared", "kept"}
    assert texts(ledger, threads.path(NOTEBOOK)) == ["shared", "kept"]
    assert verify(ledger) == []


def test_a_thread_that_others_go_on_from(ledger: Ledger, sql: Sql) -> None:
    """What a fork goes on from stays, also when the thread that said it is forgotten."""
    say(ledger, "shared")
    say(ledger, "gone")
    Threads(ledger).undo(NOTEBOOK)
    Threads(ledger).fork(NOTEBOOK, "draft")
    say(ledger, "drafted", "draft")

    assert Deletion(ledger).thread(NOTEBOOK, "main") == 1

    assert words(sql) == {"shared", "drafted"}
    assert texts(ledger, Threads(ledger).path(NOTEBOOK)) == ["shared", "drafted"]
    assert verify(ledger) == []


def test_before_a_moment(ledger: Ledger, sql: Sql) -> None:
    """What was asked before goes, although later turns stood upon it; these keep their texts and their order."""
    old = [say(ledger, "first"), say(ledger, "second")]
    say(ledger, "third")
    say(ledger, "fourth")
    long_ago = datetime.now(UTC) - timedelta(days=9)
    with ledger.store.writing() as transaction:
        transaction.run_in("UPDATE turns SET started_utc = :then WHERE id IN :values", old, {"then": long_ago})

    assert Deletion(ledger).before(NOTEBOOK, datetime.now(UTC) - timedelta(days=1)) == 2

    assert words(sql) == {"third", "fourth"}
    third, fourth = ledger.turns_of(Threads(ledger).path(NOTEBOOK))
    assert (third.parent, third.previous) == (None, None)
    assert fourth.parent == third.answer_hash
    assert verify(ledger) == []


def test_equal_texts_of_others(ledger: Ledger, sql: Sql) -> None:
    """A message that another notebook's turn shares is not taken from it."""
    say(ledger, "same")
    kept = say(ledger, "same", notebook="/other.ipynb")

    Deletion(ledger).notebook(NOTEBOOK)

    assert words(sql) == {"same"}
    assert ledger.turn(kept).answer == Message.of_text("assistant", "answered same")
    assert verify(ledger) == []


def test_nothing_stays_in_the_file(file_ledger: Ledger) -> None:
    """The words are in none of the ledger's files after they were forgotten."""
    say(file_ledger, "swordfish")
    files = [*Path(file_ledger.location).parent.iterdir()]
    assert any(b"swordfish" in file.read_bytes() for file in files)

    Deletion(file_ledger).notebook(NOTEBOOK)

    assert not any(b"swordfish" in file.read_bytes() for file in Path(file_ledger.location).parent.iterdir())


@pytest.mark.parametrize("what", ["notebook", "thread"])
def test_nothing_to_forget(ledger: Ledger, what: str) -> None:
    """Forgetting what never was deletes nothing."""
    forgetting = Deletion(ledger)

    assert (forgetting.notebook("/never") if what == "notebook" else forgetting.thread("/never", "main")) == 0
