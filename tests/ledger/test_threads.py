"""Threads: what each verb says where it cannot be done, and what adopting moves and what it leaves."""

from __future__ import annotations

import pytest

from or_magic.errors import CommandError
from or_magic.ledger.audit import verify
from or_magic.ledger.records import TurnId
from or_magic.ledger.store import Ledger
from or_magic.ledger.threads import Threads, thread_name

from .samples import REAL, ask

OLD, NEW = "/old.ipynb", "/new.ipynb"


def say(ledger: Ledger, cell: str, notebook: str = OLD, thread: str = "main", **more: object) -> TurnId:
    """A turn of a cell that ended well."""
    return ask(ledger, notebook=notebook, budget_scope=notebook, cell_id=cell, thread=thread, **more)


@pytest.mark.parametrize("name", ["", " ", " a", "a\nb", "x" * 81, "\x1b[2J"])
def test_no_name_for_a_thread(name: str) -> None:
    """A name is one short line that can be shown."""
    with pytest.raises(CommandError, match="is no name for a thread"):
        thread_name(name)


def test_a_mistyped_thread(ledger: Ledger) -> None:
    """A thread that is not there is an error with the nearest name."""
    say(ledger, "a", thread="draft")

    with pytest.raises(CommandError, match=r"no thread 'drfat' in this notebook\. Did you mean draft\?"):
        Threads(ledger).switch(OLD, "drfat")


def test_a_fork_before_anything_was_asked(ledger: Ledger) -> None:
    """The first thread is there to go back to, though nothing was asked in it."""
    threads = Threads(ledger)

    assert threads.fork(NEW, "draft").forked_from == "main"
    assert threads.current_name(NEW) == "draft"
    threads.switch(NEW, "main")
    assert threads.current_name(NEW) == "main"
    assert verify(ledger) == []


def test_turns_of_one_run(ledger: Ledger) -> None:
    """With ``history="run"`` only the turns of this run go along, also where older ones stand between."""
    say(ledger, "a", run="monday")
    mine = say(ledger, "b", run="tuesday")
    opened = ask_open(ledger, "c", run="tuesday", history="run")

    assert [exchange.turn_id for exchange in opened] == [mine]


def ask_open(ledger: Ledger, cell: str, **more: object) -> list[object]:
    """What would be sent along with a question of this cell."""
    from .samples import question

    return list(ledger.outlook(question(notebook=OLD, cell_id=cell, thread="main", **more)).history.context)


def test_a_question_of_another_number(ledger: Ledger) -> None:
    """The second question of a cell's run does not take the place of the first."""
    first, second = say(ledger, "a"), say(ledger, "a", ask_number=1)

    assert Threads(ledger).path(OLD) == [first, second]


def test_adopting_what_was_renamed(ledger: Ledger) -> None:
    """Threads, turns and money go to the new name; the old one is no more."""
    ids = [say(ledger, "a"), say(ledger, "b", thread="draft")]

    names = Threads(ledger).adopt(OLD, NEW, is_moved=True)

    assert names == ["main", "draft"]
    assert [turn.id for turn in ledger.turns(NEW)] == ids
    assert ledger.spent(NEW, REAL).pico_usd == 84
    assert (ledger.spent(OLD, REAL).turns, Threads(ledger).notebooks()) == (0, [NEW])
    assert verify(ledger) == []


def test_adopting_what_was_copied(ledger: Ledger) -> None:
    """A copy goes on from the same turns; they and their money stay the old notebook's, which goes its own way."""
    first = say(ledger, "a")
    own = say(ledger, "z", notebook=NEW)

    names = Threads(ledger).adopt(OLD, NEW, is_moved=False)
    second = say(ledger, "b", notebook=NEW, thread=names[0])

    threads = Threads(ledger)
    assert names == ["main-2"]
    assert threads.path(NEW) == [first, second]
    assert threads.path(NEW, "main") == [own]
    assert threads.path(OLD) == [first]
    assert ledger.spent(OLD, REAL).turns == 1
    assert verify(ledger) == []


def test_adopting_nothing(ledger: Ledger) -> None:
    """A notebook that never asked has nothing to adopt."""
    with pytest.raises(CommandError, match="has no conversation to adopt"):
        Threads(ledger).adopt(OLD, NEW, is_moved=True)


def test_finding(ledger: Ledger) -> None:
    """Turns are found by words of the question or the answer, in one notebook or all, capital letters or not."""
    from .samples import arrived

    one = ask(ledger, arrived("Torricelli’s 100% barometer"), notebook=OLD)
    two = ask(ledger, arrived("a thermometer"), notebook=NEW)

    assert [turn.id for turn in ledger.find(None, "", limit=9)] == [one, two]
    assert [turn.id for turn in ledger.find(None, "METER", limit=9)] == [one, two]
    assert [turn.id for turn in ledger.find(None, "100%", limit=9)] == [one]
    assert [turn.id for turn in ledger.find(NEW, "", limit=9)] == [two]
    assert [turn.id for turn in ledger.find(None, "sky blue", limit=1)] == [two]
    assert ledger.find(None, "_", limit=9) == []
