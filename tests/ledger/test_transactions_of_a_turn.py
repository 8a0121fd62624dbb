"""A question takes one transaction to look, one to open and one to finish."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from or_magic.errors import StoreError
from or_magic.ledger.audit import verify
from or_magic.ledger.databases import Transaction
from or_magic.ledger.forgetting import Deletion
from or_magic.ledger.records import BudgetState, HistorySlice, Limit, Outlook, Settled, SpentTotal
from or_magic.ledger.store import Budgets, Ledger
from or_magic.ledger.threads import Threads
from or_magic.types import Message

from .samples import REAL, arrived, ask, question

NOTEBOOK = question().notebook
EVERY_SCOPE = (Limit("notebook", 900), Limit("day", 800), Limit("thread", 700))


@pytest.fixture
def transactions(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The transactions that the ledger begins from now on, ``reading`` or ``writing``."""
    begun: list[str] = []
    for name in ("reading", "writing"):
        make = getattr(ledger.store, name)

        @contextlib.contextmanager
        def counted(name: str = name, make: Any = make) -> Iterator[Transaction]:
            begun.append(name)
            with make() as transaction:
                yield transaction

        monkeypatch.setattr(ledger.store, name, counted)
    return begun


def set_budgets(ledger: Ledger, thread_id: int | None, service: str = REAL) -> None:
    scopes = {"notebook": 900, "day": 800, f"thread:{thread_id}": 700}
    for scope, limit in scopes.items():
        Budgets(ledger).put(NOTEBOOK, service, scope, limit)


def test_an_outlook(ledger: Ledger, transactions: list[str]) -> None:
    """It tells where a question would stand and which budgets are set, in one transaction that reads."""
    first = ask(ledger, thread="main", cell_id="c1")
    thread_id = Threads(ledger).of(NOTEBOOK)[0].id
    set_budgets(ledger, thread_id)
    transactions.clear()

    outlook = ledger.outlook(question(thread="main", cell_id="c2"))

    assert transactions == ["reading"]
    assert [exchange.turn_id for exchange in outlook.history.context] == [first]
    assert (outlook.history.previous, outlook.history.thread_id) == (first, thread_id)
    assert outlook.limits == EVERY_SCOPE


@pytest.mark.parametrize(
    "changes",
    [{"service": "https://other.example"}, {"budget_scope": "/another"}, {"thread": "another"}, {"thread": None}],
    ids=lambda changes: next(iter(changes)),
)
def test_budgets_of_others(ledger: Ledger, changes: dict[str, Any]) -> None:
    """A budget holds for its service, its budget scope and its thread alone."""
    ask(ledger, thread="main")
    set_budgets(ledger, Threads(ledger).of(NOTEBOOK)[0].id)

    limits = ledger.outlook(question(**({"thread": "main"} | changes))).limits

    assert limits == (EVERY_SCOPE[:2] if "thread" in changes else ())


def test_an_outlook_of_an_empty_ledger(ledger: Ledger) -> None:
    """Nothing is sent along, nothing is limited, and nothing is written down."""
    assert ledger.outlook(question(thread="main")) == Outlook(HistorySlice(), ())
    assert Threads(ledger).notebooks() == []


def test_opening_as_it_was_read(ledger: Ledger, transactions: list[str]) -> None:
    """A thread that has not changed is not read again: the question stands where the outlook said."""
    ask(ledger, thread="main", cell_id="c1")
    turn = question(thread="main", cell_id="c2")
    outlook = ledger.outlook(turn)
    transactions.clear()

    opened = ledger.open_turn(turn, outlook.history)

    assert transactions == ["writing"]
    assert opened.history_slice is outlook.history
    assert ledger.turn(opened.id).previous == outlook.history.previous
    assert Threads(ledger).path(NOTEBOOK)[-1] == opened.id
    assert verify(ledger) == []


@pytest.mark.parametrize("thread", ["main", None])
def test_opening_the_first_question(ledger: Ledger, thread: str | None) -> None:
    """Also of a notebook that is not known yet, and of a question that stands alone."""
    turn = question(thread=thread)
    outlook = ledger.outlook(turn)

    opened = ledger.open_turn(turn, outlook.history)

    assert opened.history_slice is outlook.history
    assert ledger.turn(opened.id).thread == thread
    assert verify(ledger) == []


def test_opening_after_the_thread_went_on(ledger: Ledger) -> None:
    """Where another question came between, the ledger is read anew."""
    first = ask(ledger, thread="main", cell_id="c1")
    turn = question(thread="main", cell_id="c2")
    history = ledger.outlook(turn).history
    between = ask(ledger, thread="main", cell_id="c3")

    opened = ledger.open_turn(turn, history)

    assert [exchange.turn_id for exchange in opened.history_slice.context] == [first, between]
    assert (opened.history_slice.previous, opened.history_slice.displaced) == (between, between)
    assert verify(ledger) == []


def test_opening_after_an_undo(ledger: Ledger) -> None:
    """Where the thread was moved back, what was taken off is not sent along."""
    ask(ledger, thread="main", cell_id="c1")
    turn = question(thread="main", cell_id="c2")
    history = ledger.outlook(turn).history
    Threads(ledger).undo(NOTEBOOK)

    opened = ledger.open_turn(turn, history)

    assert opened.history_slice == HistorySlice(thread_id=history.thread_id)


def test_opening_after_the_first_question_of_another(ledger: Ledger) -> None:
    """A thread that was made meanwhile is read."""
    turn = question(thread="main", cell_id="c2")
    history = ledger.outlook(turn).history
    first = ask(ledger, thread="main", cell_id="c1")

    assert ledger.open_turn(turn, history).history_slice.previous == first


def test_opening_after_a_deletion(ledger: Ledger) -> None:
    """What was deleted meanwhile is not sent along, though the thread ends where it did."""
    old = ask(ledger, thread="main", cell_id="c1")
    kept = ask(ledger, thread="main", cell_id="c2")
    with ledger.store.writing() as transaction:
        long_ago = datetime.now(UTC) - timedelta(days=9)
        transaction.update("turns", old, {"started_utc": long_ago})
    turn = question(thread="main", cell_id="c3", prompt=Message.of_text("user", "And now?"))
    history = ledger.outlook(turn).history
    Deletion(ledger).before(NOTEBOOK, datetime.now(UTC) - timedelta(days=1))

    opened = ledger.open_turn(turn, history)

    assert [exchange.turn_id for exchange in opened.history_slice.context] == [kept]
    assert verify(ledger) == []


def test_opening_where_the_turn_before_was_deleted(ledger: Ledger) -> None:
    """A question that replaces another follows no turn that is gone."""
    old = ask(ledger, thread="main", cell_id="c1")
    ask(ledger, thread="main", cell_id="c2")
    with ledger.store.writing() as transaction:
        long_ago = datetime.now(UTC) - timedelta(days=9)
        transaction.update("turns", old, {"started_utc": long_ago})
    turn = question(thread="main", cell_id="c2", history="none")
    history = ledger.outlook(turn).history
    Deletion(ledger).before(NOTEBOOK, datetime.now(UTC) - timedelta(days=1))

    assert history.previous == old
    assert ledger.open_turn(turn, history).history_slice.previous is None
    assert verify(ledger) == []


def test_settling(ledger: Ledger, transactions: list[str]) -> None:
    """The transaction that finishes a turn tells the sums after it, and how the limits stand."""
    ask(ledger, arrived(cost=100), thread="main", cell_id="c1")
    other = ledger.open_turn(question(thread="side", cell_id="c3", worst_pico_usd=60)).id
    turn_id = ledger.open_turn(question(thread="main", cell_id="c2", worst_pico_usd=70)).id
    limits = (*EVERY_SCOPE, Limit("all", 1000), Limit("cell", 50))
    transactions.clear()

    settled = ledger.finish_turn(turn_id, arrived(cost=23), "complete", None, limits=limits)

    assert transactions == ["writing"]
    assert settled.spent == SpentTotal(123, 3, 0)
    amounts = ((123, 60), (123, 60), (123, 0), (123, 60), (0, 0))
    assert settled.states == tuple(BudgetState(limit, *each) for limit, each in zip(limits, amounts, strict=True))
    assert ledger.turn(other).state == "open"


def test_settling_what_has_no_cost(ledger: Ledger) -> None:
    """A turn of unknown cost is counted as such; what is held back for it, or estimated, counts in the limits."""
    held = ledger.open_turn(question(worst_pico_usd=70)).id
    guessed = ledger.open_turn(question()).id

    first = ledger.finish_turn(held, arrived(cost=None), "stopped", None, limits=(Limit("notebook", 100),))
    progress = arrived(cost=None, estimated_pico_usd=9)
    second = ledger.finish_turn(guessed, progress, "stopped", None, limits=(Limit("notebook", 100),))

    assert first == Settled(SpentTotal(0, 2, 1), (BudgetState(Limit("notebook", 100), 0, 70),))
    assert second == Settled(SpentTotal(0, 2, 2), (BudgetState(Limit("notebook", 100), 9, 70),))


def test_settling_twice(ledger: Ledger) -> None:
    """On a turn that is finished only the sums are told."""
    turn_id = ask(ledger, arrived(cost=5))

    assert ledger.finish_turn(turn_id, arrived(cost=7), "failed", "late", limits=()) == Settled(SpentTotal(5, 1, 0))
    assert ledger.turn(turn_id).state == "complete"


def test_settling_no_turn(ledger: Ledger) -> None:
    """A turn that is not there has no sums."""
    with pytest.raises(StoreError, match="There is no turn 7"):
        ledger.finish_turn(7, arrived(), "complete", None, limits=())


def test_the_current_thread(ledger: Ledger, transactions: list[str]) -> None:
    """A thread's name and system prompt are read in one transaction, of the current one and of any other."""
    threads = Threads(ledger)

    assert threads.current(NOTEBOOK) == ("main", None)
    threads.set_system(NOTEBOOK, "Be kind.")
    threads.fork(NOTEBOOK, "draft")
    threads.set_system(NOTEBOOK, None)
    transactions.clear()
    assert threads.current(NOTEBOOK) == ("draft", None)
    assert transactions == ["reading"]
    assert threads.current(NOTEBOOK, "main") == ("main", "Be kind.")
    assert threads.current(NOTEBOOK, "yet to be made") == ("yet to be made", None)


def test_kinds(ledger: Ledger) -> None:
    """A turn tells what was paid for, and its money counts, whatever that is."""
    ask(ledger, arrived(cost=3))
    made = ask(ledger, arrived("", cost=4), kind="embeddings", thread=None)

    assert [turn.kind for turn in ledger.turns()] == ["chat", "embeddings"]
    assert ledger.turn(made).kind == "embeddings"
    assert ledger.spent(NOTEBOOK, REAL).pico_usd == 7
