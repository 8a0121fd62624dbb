"""The threads of a notebook and their branches: undo, redo, fork, switch, reset, adopt. Turns never move.

Each method is one short transaction. A notebook is named as in `NewTurn.notebook`, a thread by its name; None is the
notebook's current thread.

A turn that takes the place of another is its sibling: both follow the same turn. What a thread shows is the path that
leads to its tip; the siblings of what is on it are the other branches.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, insert, select, update

from or_magic.errors import CommandError, StoreError
from or_magic.ledger.history import path_rows, thread_query
from or_magic.ledger.messages import portions
from or_magic.ledger.records import MAIN, Thread, TurnId
from or_magic.ledger.schema import messages, notebooks, threads, turns
from or_magic.ledger.store import Ledger, made_notebook, notebook_id

_LONGEST_NAME = 80
_ON_PATH = ("complete", "open")  # the others keep their place, and are not part of the conversation
_NOTHING_TO_REDO = "There is nothing to redo: nothing was undone since the last answer."


class Threads:
    """The threads of all notebooks of a ledger.

    Args:
        ledger: the ledger.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger, self._store = ledger, ledger.store

    def of(self, notebook: str) -> list[Thread]:
        """All threads of a notebook, the oldest first; none for one that never asked.

        Raises:
            StoreError: the ledger cannot be read.
        """
        with self._store.reading() as connection:
            id = notebook_id(connection, notebook)
            rows = () if id is None else connection.execute(thread_query(id).order_by(threads.c.id))
            return [_thread_of(row) for row in rows]

    def current_name(self, notebook: str) -> str:
        """The thread that the notebook's cells work in."""
        return self.current(notebook)[0]

    def current(self, notebook: str, name: str | None = None) -> tuple[str, str | None]:
        """A thread's name and its system prompt, which is None where it has none.

        Args:
            name: None for the thread that the notebook's cells work in: before the first question that is `MAIN`.
                A thread of another name need not exist; it has no system prompt then.

        Raises:
            StoreError: the ledger cannot be read.
        """
        with self._store.reading() as connection:
            row = find_thread(connection, notebook, name)
        return (name or MAIN, None) if row is None else (row.name, row.system)

    def path(self, notebook: str, name: str | None = None) -> list[TurnId]:
        """The turns of a thread's conversation, the oldest first: those that ended well, and those under way.

        Raises:
            CommandError: there is no thread of that name.
        """
        with self._store.reading() as connection:
            thread = self._find(connection, notebook, name)
            return [] if thread is None else [row.id for row in path_rows(connection, thread.tip) if _counts(row)]

    def undo(self, notebook: str, count: int = 1, name: str | None = None) -> list[TurnId]:
        """Takes the last `count` turns off the path, each with its steps with tools; all of them, the oldest first.

        Raises:
            CommandError: there are none, or no such thread.
        """
        with self._store.writing() as connection:
            thread = self._find(connection, notebook, name)
            path = [] if thread is None else [row for row in path_rows(connection, thread.tip) if _counts(row)]
            if thread is None or not path:
                raise CommandError("There is nothing to undo: this thread has no answers.")
            taken = [row for question in _questions(connection, path)[-count:] for row in question]
            _move(connection, thread.id, taken[0].previous, thread.undone or thread.tip)
            return [row.id for row in taken]

    def redo(self, notebook: str, count: int | None = 1, name: str | None = None) -> list[TurnId]:
        """Puts turns that were undone back on the path, as many as `count` (None: all), each with its steps with tools;
        the ids of all of them, the oldest first.

        Raises:
            CommandError: nothing was undone since the last answer, or there is no such thread.
        """
        with self._store.writing() as connection:
            thread = self._find(connection, notebook, name)
            path = [] if thread is None else path_rows(connection, thread.undone)
            ids = [row.id for row in path]
            if thread is None or not path or (thread.tip is not None and thread.tip not in ids):
                raise CommandError(_NOTHING_TO_REDO)
            ahead = [row for row in path[ids.index(thread.tip) + 1 if thread.tip else 0 :] if _counts(row)]
            if not ahead:
                raise CommandError(_NOTHING_TO_REDO)
            questions = _questions(connection, ahead)
            back = [row for question in questions[:count] for row in question]
            is_all = len(back) == len(ahead)
            tip = thread.undone if is_all else back[-1].id
            _move(connection, thread.id, tip, None if is_all else thread.undone)
            return [row.id for row in back]

    def reset(self, notebook: str, name: str | None = None) -> int:
        """Begins a thread anew; how many turns were taken off its path. `redo` brings them back.

        Raises:
            CommandError: there is no thread of that name.
        """
        with self._store.writing() as connection:
            thread = self._find(connection, notebook, name)
            if thread is None or thread.tip is None:
                return 0
            count = sum(map(_counts, path_rows(connection, thread.tip)))
            _move(connection, thread.id, None, thread.undone or thread.tip)
            return count

    def fork(self, notebook: str, name: str) -> Thread:
        """A new thread that goes on from where the current one is, and becomes the current one.

        Raises:
            CommandError: there is one of that name, or it cannot be a name.
        """
        with self._store.writing() as connection:
            origin = self._find(connection, notebook, None)
            if self._named(connection, notebook, name) is not None:
                raise CommandError(f"There is a thread {name!r} already. %openrouter switch {name} goes there.")
            row = {} if origin is None else {"tip": origin.tip, "forked_from": origin.name, "system": origin.system}
            self._make(connection, notebook, name, row)
        return self._get(notebook, name)

    def begin(self, notebook: str, name: str, tip: TurnId | None, system: str | None) -> Thread:
        """A new thread that ends with the turn `tip`; where the name is taken, a number is added.

        Raises:
            CommandError: it cannot be a name.
        """
        with self._store.writing() as connection:
            name = self._free(connection, notebook, name)
            self._make(connection, notebook, name, {"tip": tip, "system": system})
        return self._get(notebook, name)

    def switch(self, notebook: str, name: str) -> Thread:
        """Makes a thread the one that the notebook's cells work in.

        Raises:
            CommandError: there is none of that name.
        """
        with self._store.writing() as connection:
            thread = self._find(connection, notebook, name)
            assert thread is not None  # for a name it raises
            _make_current(connection, thread.notebook, thread.id)
        return self._get(notebook, name)

    def set_system(self, notebook: str, system: str | None) -> None:
        """Sets the system prompt of the current thread; None takes it back.

        Raises:
            StoreError: it cannot be written.
        """
        with self._store.writing() as connection:
            thread = self._find(connection, notebook, None)
            if thread is None:
                self._make(connection, notebook, MAIN, {"system": system})
            else:
                connection.execute(update(threads).where(threads.c.id == thread.id).values(system=system))

    def adopt(self, old: str, new: str, *, is_moved: bool) -> list[str]:
        """Gives the notebook `new` the threads of `old`, and its current one; the names that they have now.

        Args:
            is_moved: whether `old` is no more. Then its turns and what they cost go along; else `new` goes on from
                them, and they stay what they are: turns of `old`.

        Raises:
            CommandError: `old` has no conversation, or is the same notebook.
        """
        with self._store.writing() as connection:
            source = notebook_id(connection, old)
            if source is None or old == new:
                raise CommandError(f"{old} has no conversation to adopt.")
            target = made_notebook(connection, new)
            names, current = [], connection.scalar(select(notebooks.c.thread).where(notebooks.c.id == source))
            for row in connection.execute(
                select(threads).where(threads.c.notebook == source).order_by(threads.c.id)
            ).all():
                names.append(name := self._free(connection, new, row.name))
                copy = {"tip": row.tip, "undone": row.undone, "forked_from": row.forked_from, "system": row.system}
                id = self._make(connection, new, name, copy)
                if is_moved:
                    connection.execute(update(turns).where(turns.c.thread == row.id).values(thread=id))
                if row.id == current:
                    current_copy = id
            if current is not None:
                _make_current(connection, target, current_copy)
            if is_moved:
                _move_all(connection, source, target, old, new)
            return names

    def notebooks(self) -> list[str]:
        """All notebooks that ever asked, as they are named in the ledger, the newest first."""
        with self._store.reading() as connection:
            return list(connection.scalars(select(notebooks.c.identity).order_by(notebooks.c.id.desc())))

    def _get(self, notebook: str, name: str) -> Thread:
        return next(thread for thread in self.of(notebook) if thread.name == name)

    def _named(self, connection: Connection, notebook: str, name: str) -> Row[Any] | None:
        id = notebook_id(connection, notebook)
        if id is None:
            return None
        return connection.execute(thread_query(id).where(threads.c.name == name)).one_or_none()

    def _find(self, connection: Connection, notebook: str, name: str | None) -> Row[Any] | None:
        """The row of a thread; None only where the notebook has no current one yet."""
        id = notebook_id(connection, notebook)
        rows = [] if id is None else connection.execute(thread_query(id)).all()
        found = next((row for row in rows if (row.is_current if name is None else row.name == name)), None)
        if found is None and name is not None:
            near = difflib.get_close_matches(name, [row.name for row in rows], n=1, cutoff=0.5)
            hint = f"Did you mean {near[0]}?" if near else f"%openrouter fork {name} makes one."
            raise CommandError(f"There is no thread {name!r} in this notebook. {hint}")
        return found

    def _free(self, connection: Connection, notebook: str, name: str) -> str:
        id = notebook_id(connection, notebook)
        taken = set(connection.scalars(select(threads.c.name).where(threads.c.notebook == id)))
        return next(free for n in range(1, len(taken) + 2) if (free := name if n == 1 else f"{name}-{n}") not in taken)

    def _make(self, connection: Connection, notebook: str, name: str, columns: dict[str, Any]) -> int:
        """A new thread, which becomes the current one."""
        owner = made_notebook(connection, notebook)
        row = columns | {"notebook": owner, "name": thread_name(name), "created_utc": datetime.now(UTC)}
        id = int(connection.execute(insert(threads).values(row)).inserted_primary_key[0])  # type: ignore[index]
        _make_current(connection, owner, id)
        return id


def thread_name(name: str) -> str:
    """A name that a thread can have.

    Raises:
        CommandError: it cannot have it.
    """
    if not name.strip() or name != name.strip() or not name.isprintable() or len(name) > _LONGEST_NAME:
        raise CommandError(
            f"{name[:_LONGEST_NAME]!r} is no name for a thread: one line of 1 to {_LONGEST_NAME} letters."
        )
    return name


def _thread_of(row: Row[Any]) -> Thread:
    return Thread(
        id=row.id,
        name=row.name,
        tip=row.tip,
        undone=row.undone,
        forked_from=row.forked_from,
        system=row.system,
        created_utc=row.created_utc,
        is_current=bool(row.is_current),
    )


def _counts(row: Row[Any]) -> bool:
    return row.state in _ON_PATH


def _questions(connection: Connection, path: list[Row[Any]]) -> list[list[Row[Any]]]:
    """The turns of a path grouped by question; one whose prompt holds results of tools is a step of that before it."""
    steps: set[str] = set()
    for prompts in portions(row.prompt for row in path):
        of_tools = select(messages.c.hash).where(messages.c.hash.in_(prompts), messages.c.role == "tool")
        steps |= set(connection.scalars(of_tools))
    found: list[list[Row[Any]]] = []
    for row in path:
        if row.prompt in steps and found:
            found[-1].append(row)
        else:
            found.append([row])
    return found


def _move(connection: Connection, thread: int, tip: TurnId | None, undone: TurnId | None) -> None:
    connection.execute(update(threads).where(threads.c.id == thread).values(tip=tip, undone=undone))


def _make_current(connection: Connection, notebook: int, thread: int) -> None:
    connection.execute(update(notebooks).where(notebooks.c.id == notebook).values(thread=thread))


def _move_all(connection: Connection, source: int, target: int, old: str, new: str) -> None:
    of_source = turns.c.notebook == source
    connection.execute(update(turns).where(of_source, turns.c.budget_scope == old).values(budget_scope=new))
    connection.execute(update(turns).where(of_source).values(notebook=target))
    connection.execute(update(notebooks).where(notebooks.c.id == source).values(thread=None))
    connection.execute(threads.delete().where(threads.c.notebook == source))
    connection.execute(notebooks.delete().where(notebooks.c.id == source))


_UNFINISHED = ("stopped", "failed", "interrupted")


@dataclass(frozen=True, slots=True)
class BranchPoint:
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

    def branch_points(self, notebook: str, thread: str | None, shown: TurnId | None = None) -> list[BranchPoint]:
        """The questions of a thread's path, the oldest first; after them an attempt that did not end well, if that is
        the newest that was asked there.

        Args:
            thread: its name; None for the notebook's current one.
            shown: an attempt that is to stand there although it is not the newest.

        Raises:
            StoreError: the ledger cannot be read.
        """
        with self._store.reading() as connection:
            found = find_thread(connection, notebook, thread)
            if found is None:
                return []
            path = [row for row in path_rows(connection, found.tip) if row.state in ("complete", "open")]
            tools = _tool_prompts(connection, [row.prompt for row in path])
            siblings = _siblings(connection, [row.id for row in path])
            points: list[BranchPoint] = []
            for row in path:
                if row.prompt in tools and points:
                    points[-1] = BranchPoint((*points[-1].steps, row.id), points[-1].branches)
                else:
                    points.append(BranchPoint((row.id,), siblings.get(row.id, (row.id,))))
            attempt = _attempt(connection, found, shown)
            return [*points, attempt] if attempt is not None else points

    def go_to(self, notebook: str, turn_id: TurnId, thread: str | None = None) -> TurnId | None:
        """Leads a thread's path over this turn, to the newest end after it.

        Returns:
            The turn itself where it did not end well, and can only be shown (see `branch_points`); else None.

        Raises:
            StoreError: there is no such turn or thread, or it cannot be written.
        """
        with self._store.writing() as connection:
            found = find_thread(connection, notebook, thread)
            row = connection.execute(select(turns).where(turns.c.id == turn_id)).one_or_none()
            if found is None or row is None:
                raise StoreError(f"There is no turn {turn_id} in this thread. Look again: %openrouter history.")
            is_attempt = row.state in _UNFINISHED
            tip = row.previous if is_attempt else _end_of(connection, row, found.id)
            connection.execute(update(threads).where(threads.c.id == found.id).values(tip=tip, undone=None))
            return turn_id if is_attempt else None


def find_thread(connection: Connection, notebook: str, name: str | None) -> Row[Any] | None:
    """The row of a notebook's thread (None: its current one); None where there is none."""
    id = notebook_id(connection, notebook)
    rows = [] if id is None else connection.execute(thread_query(id)).all()
    return next((row for row in rows if (row.is_current if name is None else row.name == name)), None)


def _tool_prompts(connection: Connection, prompts: list[str]) -> set[str]:
    """Those of these prompts that hold the results of tools."""
    found: set[str] = set()
    for some in portions(prompts):
        of_tools = select(messages.c.hash).where(messages.c.hash.in_(some), messages.c.role == "tool")
        found |= set(connection.scalars(of_tools))
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
    for some in portions(values):
        found += connection.execute(_asked().where(column.in_(some))).all()
    return found


def _attempt(connection: Connection, thread: Row[Any], shown: TurnId | None) -> BranchPoint | None:
    """The question that was asked last after the tip of a thread, if it did not end well."""
    behind = turns.c.previous.is_(None) if thread.tip is None else turns.c.previous == thread.tip
    query = _asked().where(behind, turns.c.thread == thread.id).order_by(turns.c.id)
    rows = connection.execute(query).all()
    if not rows:
        return None
    chosen = next((row for row in rows if row.id == shown), rows[-1])
    return BranchPoint((chosen.id,), tuple(row.id for row in rows)) if chosen.state in _UNFINISHED else None


def _end_of(connection: Connection, row: Row[Any], thread: int) -> TurnId:
    """The newest end of the paths that go on after a turn; paths of `thread` are preferred."""
    at: TurnId = row.id
    while True:
        behind = select(turns.c.id).where(turns.c.previous == at, turns.c.thread.in_((thread, row.thread)))
        behind = behind.where(turns.c.state.in_(("complete", "open")))
        newest = behind.order_by((turns.c.thread == thread).desc(), turns.c.id.desc()).limit(1)
        next_one = connection.scalar(newest)
        if next_one is None:
            return at
        at = next_one
