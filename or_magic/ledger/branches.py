"""The branches of a thread: which questions have other versions, and how to go to them. Turns never move.

A turn that takes the place of another is its sibling: both follow the same turn. What a thread shows is the path that
leads to its tip; the siblings of what is on it are the other branches.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Select, select, update

from or_magic.errors import StoreError
from or_magic.ledger.placing import path_rows, thread_query
from or_magic.ledger.records import TurnId
from or_magic.ledger.store import Ledger, notebook_id
from or_magic.ledger.tables import messages, threads, turns

_PER_QUERY = 500
_UNFINISHED = ("stopped", "failed", "interrupted")


@dataclass(frozen=True, slots=True)
class Spot:
    """A question on the path of a thread.

    Attributes:
        steps: its turns: one, or with tools one for each step.
        branches: the first turn of each version of it, the oldest first; its own is among them.
    """

    steps: tuple[TurnId, ...]
    branches: tuple[TurnId, ...]


class Branches:
    """The branches of the threads of a ledger.

    Args:
        ledger: the ledger.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._store = ledger.store

    def spots(self, notebook: str, thread: str | None, shown: TurnId | None = None) -> list[Spot]:
        """The questions of a thread's path, the oldest first; behind them an attempt that did not end well, if that is
        the newest that was asked there.

        Args:
            thread: its name; None for the notebook's current one.
            shown: an attempt that is to stand there although it is not the newest.

        Raises:
            StoreError: the ledger cannot be read.
        """
        with self._store.reading() as connection:
            found = _thread(connection, notebook, thread)
            if found is None:
                return []
            path = [row for row in path_rows(connection, found.tip) if row.state in ("complete", "open")]
            tools = _tool_prompts(connection, [row.prompt for row in path])
            siblings = _siblings(connection, [row.id for row in path])
            spots: list[Spot] = []
            for row in path:
                if row.prompt in tools and spots:
                    spots[-1] = Spot((*spots[-1].steps, row.id), spots[-1].branches)
                else:
                    spots.append(Spot((row.id,), siblings.get(row.id, (row.id,))))
            attempt = _attempt(connection, found, shown)
            return [*spots, attempt] if attempt is not None else spots

    def go_to(self, notebook: str, turn_id: TurnId, thread: str | None = None) -> TurnId | None:
        """Lets a thread go by this turn, to the newest end that is behind it; the turn itself where it did not end well
        and can only be shown (see `spots`), else None.

        Raises:
            StoreError: there is no such turn or thread, or it cannot be written.
        """
        with self._store.writing() as connection:
            found = _thread(connection, notebook, thread)
            row = connection.execute(select(turns).where(turns.c.id == turn_id)).one_or_none()
            if found is None or row is None:
                raise StoreError(f"There is no turn {turn_id} in this thread. Look again: %openrouter history.")
            is_attempt = row.state in _UNFINISHED
            tip = row.previous if is_attempt else _end_of(connection, row, found.id)
            connection.execute(update(threads).where(threads.c.id == found.id).values(tip=tip, undone=None))
            return turn_id if is_attempt else None


def _thread(connection: Connection, notebook: str, name: str | None) -> Row[Any] | None:
    id = notebook_id(connection, notebook)
    rows = [] if id is None else connection.execute(thread_query(id)).all()
    return next((row for row in rows if (row.is_current if name is None else row.name == name)), None)


def _tool_prompts(connection: Connection, prompts: list[str]) -> set[str]:
    """Which of these prompts are what tools gave."""
    found: set[str] = set()
    for begin in range(0, len(prompts), _PER_QUERY):
        some = messages.c.hash.in_(prompts[begin : begin + _PER_QUERY])
        found |= set(connection.scalars(select(messages.c.hash).where(some, messages.c.role == "tool")))
    return found


def _asked() -> Select[Any]:
    """All turns that are questions of a user, and not steps with tools."""
    query = select(turns.c.id, turns.c.previous, turns.c.thread, turns.c.state)
    return query.join(messages, turns.c.prompt == messages.c.hash).where(messages.c.role != "tool")


def _siblings(connection: Connection, path: list[TurnId]) -> dict[TurnId, tuple[TurnId, ...]]:
    """For each turn of a path, all that follow the same turn, itself among them; of those that follow none, all of the
    same thread.
    """
    own = {row.id: row for row in _some(connection, turns.c.id, path)}
    groups: dict[tuple[TurnId | None, int | None], list[TurnId]] = {}
    previous = [row.previous for row in own.values() if row.previous is not None]
    rows = list(_some(connection, turns.c.previous, previous))
    first = {row.thread for row in own.values() if row.previous is None}
    rows += connection.execute(_asked().where(turns.c.previous.is_(None), turns.c.thread.in_(first))).all()
    for row in rows:
        groups.setdefault(_place(row), []).append(row.id)
    return {id: tuple(sorted(groups.get(_place(row), [id]))) for id, row in own.items()}


def _place(row: Row[Any]) -> tuple[TurnId | None, int | None]:
    # A fork that asks again what it shares with its origin makes a version of that; the beginnings of two threads are
    # two conversations.
    return (None, row.thread) if row.previous is None else (row.previous, None)


def _some(connection: Connection, column: Any, values: list[TurnId]) -> list[Row[Any]]:
    found: list[Row[Any]] = []
    for begin in range(0, len(values), _PER_QUERY):
        found += connection.execute(_asked().where(column.in_(values[begin : begin + _PER_QUERY]))).all()
    return found


def _attempt(connection: Connection, thread: Row[Any], shown: TurnId | None) -> Spot | None:
    """What was asked last behind the tip, if it did not end well."""
    behind = turns.c.previous.is_(None) if thread.tip is None else turns.c.previous == thread.tip
    query = _asked().where(behind, turns.c.thread == thread.id).order_by(turns.c.id)
    rows = connection.execute(query).all()
    if not rows:
        return None
    chosen = next((row for row in rows if row.id == shown), rows[-1])
    return Spot((chosen.id,), tuple(row.id for row in rows)) if chosen.state in _UNFINISHED else None


def _end_of(connection: Connection, row: Row[Any], thread: int) -> TurnId:
    """The newest end of the paths that go on behind a turn; those of the thread that goes there count first."""
    at: TurnId = row.id
    while True:
        behind = select(turns.c.id).where(turns.c.previous == at, turns.c.thread.in_((thread, row.thread)))
        behind = behind.where(turns.c.state.in_(("complete", "open")))
        newest = behind.order_by((turns.c.thread == thread).desc(), turns.c.id.desc()).limit(1)
        next_one = connection.scalar(newest)
        if next_one is None:
            return at
        at = next_one
