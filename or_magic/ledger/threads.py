"""The threads of a notebook and their branches: undo, redo, fork, switch, reset, adopt. Turns never move.

Each method is one short transaction. A notebook is named as in `NewTurn.notebook`, a thread by its name; None is the
notebook's current thread.

A turn that takes the place of another is its sibling: both follow the same turn. What a thread shows is the path that
leads to its tip; the siblings of what is on it are the other branches.
"""

from __future__ import annotations

import difflib
from datetime import UTC, datetime
from typing import Any

from or_magic.errors import CommandError, StoreError
from or_magic.ledger.databases import Row, Transaction
from or_magic.ledger.history import THREADS, path_rows
from or_magic.ledger.records import MAIN, Thread, TurnId
from or_magic.ledger.store import Ledger, made_notebook, notebook_id
from or_magic.types import Value

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
        with self._store.reading() as transaction:
            id = notebook_id(transaction, notebook)
            rows = [] if id is None else transaction.rows(f"{THREADS} ORDER BY threads.id", {"notebook": id})
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
        with self._store.reading() as transaction:
            row = find_thread(transaction, notebook, name)
        return (name or MAIN, None) if row is None else (row.name, row.system)

    def path(self, notebook: str, name: str | None = None) -> list[TurnId]:
        """The turns of a thread's conversation, the oldest first: those that ended well, and those under way.

        Raises:
            CommandError: there is no thread of that name.
        """
        with self._store.reading() as transaction:
            thread = self._find(transaction, notebook, name)
            return [] if thread is None else [row.id for row in path_rows(transaction, thread.tip) if _counts(row)]

    def undo(self, notebook: str, count: int = 1, name: str | None = None) -> list[TurnId]:
        """Takes the last `count` turns off the path, each with its steps with tools; all of them, the oldest first.

        Raises:
            CommandError: there are none, or no such thread.
        """
        with self._store.writing() as transaction:
            thread = self._find(transaction, notebook, name)
            path = [] if thread is None else [row for row in path_rows(transaction, thread.tip) if _counts(row)]
            if thread is None or not path:
                raise CommandError("There is nothing to undo: this thread has no answers.")
            taken = [row for question in _questions(transaction, path)[-count:] for row in question]
            _move(transaction, thread.id, taken[0].previous, thread.undone or thread.tip)
            return [row.id for row in taken]

    def redo(self, notebook: str, count: int | None = 1, name: str | None = None) -> list[TurnId]:
        """Puts turns that were undone back on the path, as many as `count` (None: all), each with its steps with tools;
        the ids of all of them, the oldest first.

        Raises:
            CommandError: nothing was undone since the last answer, or there is no such thread.
        """
        with self._store.writing() as transaction:
            thread = self._find(transaction, notebook, name)
            path = [] if thread is None else path_rows(transaction, thread.undone)
            ids = [row.id for row in path]
            if thread is None or not path or (thread.tip is not None and thread.tip not in ids):
                raise CommandError(_NOTHING_TO_REDO)
            ahead = [row for row in path[ids.index(thread.tip) + 1 if thread.tip else 0 :] if _counts(row)]
            if not ahead:
                raise CommandError(_NOTHING_TO_REDO)
            questions = _questions(transaction, ahead)
            back = [row for question in questions[:count] for row in question]
            is_all = len(back) == len(ahead)
            tip = thread.undone if is_all else back[-1].id
            _move(transaction, thread.id, tip, None if is_all else thread.undone)
            return [row.id for row in back]

    def reset(self, notebook: str, name: str | None = None) -> int:
        """Begins a thread anew; how many turns were taken off its path. `redo` brings them back.

        Raises:
            CommandError: there is no thread of that name.
        """
        with self._store.writing() as transaction:
            thread = self._find(transaction, notebook, name)
            if thread is None or thread.tip is None:
                return 0
            count = sum(map(_counts, path_rows(transaction, thread.tip)))
            _move(transaction, thread.id, None, thread.undone or thread.tip)
            return count

    def fork(self, notebook: str, name: str) -> Thread:
        """A new thread that goes on from where the current one is, and becomes the current one.

        Raises:
            CommandError: there is one of that name, or it cannot be a name.
        """
        with self._store.writing() as transaction:
            origin = self._find(transaction, notebook, None)
            if self._named(transaction, notebook, name) is not None:
                raise CommandError(f"There is a thread {name!r} already. %openrouter switch {name} goes there.")
            if origin is None and name != MAIN:  # which is where the way back goes, though nothing was asked in it yet
                self._make(transaction, notebook, MAIN, {})
                origin = self._find(transaction, notebook, MAIN)
            row = {} if origin is None else {"tip": origin.tip, "forked_from": origin.name, "system": origin.system}
            self._make(transaction, notebook, name, row)
        return self._get(notebook, name)

    def begin(self, notebook: str, name: str, tip: TurnId | None, system: str | None) -> Thread:
        """A new thread that ends with the turn `tip`; where the name is taken, a number is added.

        Raises:
            CommandError: it cannot be a name.
        """
        with self._store.writing() as transaction:
            name = self._free(transaction, notebook, name)
            self._make(transaction, notebook, name, {"tip": tip, "system": system})
        return self._get(notebook, name)

    def switch(self, notebook: str, name: str) -> Thread:
        """Makes a thread the one that the notebook's cells work in.

        Raises:
            CommandError: there is none of that name.
        """
        with self._store.writing() as transaction:
            thread = self._find(transaction, notebook, name)
            assert thread is not None  # for a name it raises
            _make_current(transaction, thread.notebook, thread.id)
        return self._get(notebook, name)

    def set_system(self, notebook: str, system: str | None) -> None:
        """Sets the system prompt of the current thread; None takes it back.

        Raises:
            StoreError: it cannot be written.
        """
        with self._store.writing() as transaction:
            thread = self._find(transaction, notebook, None)
            if thread is None:
                self._make(transaction, notebook, MAIN, {"system": system})
            else:
                transaction.update("threads", thread.id, {"system": system})

    def adopt(self, old: str, new: str, *, is_moved: bool) -> list[str]:
        """Gives the notebook `new` the threads of `old`, and its current one; the names that they have now.

        Args:
            is_moved: whether `old` is no more. Then its turns and what they cost go along; else `new` goes on from
                them, and they stay what they are: turns of `old`.

        Raises:
            CommandError: `old` has no conversation, or is the same notebook.
        """
        with self._store.writing() as transaction:
            source = notebook_id(transaction, old)
            if source is None or old == new:
                raise CommandError(f"{old} has no conversation to adopt.")
            target = made_notebook(transaction, new)
            names, current_copy = [], None
            for row in transaction.rows(f"{THREADS} ORDER BY threads.id", {"notebook": source}):
                names.append(name := self._free(transaction, new, row.name))
                copy = {"tip": row.tip, "undone": row.undone, "forked_from": row.forked_from, "system": row.system}
                id = self._make(transaction, new, name, copy)
                if is_moved:
                    change = "UPDATE turns SET thread = :copy WHERE thread = :thread"
                    transaction.run(change, {"copy": id, "thread": row.id})
                if row.is_current:
                    current_copy = id
            if current_copy is not None:
                _make_current(transaction, target, current_copy)
            if is_moved:
                _move_all(transaction, source, target, old, new)
            return names

    def notebooks(self) -> list[str]:
        """All notebooks that ever asked, as they are named in the ledger, the newest first."""
        with self._store.reading() as transaction:
            return transaction.values("SELECT identity FROM notebooks ORDER BY id DESC")

    def _get(self, notebook: str, name: str) -> Thread:
        return next(thread for thread in self.of(notebook) if thread.name == name)

    def _named(self, transaction: Transaction, notebook: str, name: str) -> Row | None:
        id = notebook_id(transaction, notebook)
        if id is None:
            return None
        return transaction.row(f"{THREADS} AND threads.name = :name", {"notebook": id, "name": name})

    def _find(self, transaction: Transaction, notebook: str, name: str | None) -> Row | None:
        """The row of a thread; None only where the notebook has no current one yet."""
        id = notebook_id(transaction, notebook)
        rows = [] if id is None else transaction.rows(THREADS, {"notebook": id})
        found = next((row for row in rows if (row.is_current if name is None else row.name == name)), None)
        if found is None and name is not None:
            near = difflib.get_close_matches(name, [row.name for row in rows], n=1, cutoff=0.5)
            hint = f"Did you mean {near[0]}?" if near else f"%openrouter fork {name} makes one."
            raise CommandError(f"There is no thread {name!r} in this notebook. {hint}")
        return found

    def _free(self, transaction: Transaction, notebook: str, name: str) -> str:
        id = notebook_id(transaction, notebook)
        taken = set(transaction.values("SELECT name FROM threads WHERE notebook = :notebook", {"notebook": id}))
        return next(free for n in range(1, len(taken) + 2) if (free := name if n == 1 else f"{name}-{n}") not in taken)

    def _make(self, transaction: Transaction, notebook: str, name: str, columns: dict[str, Any]) -> int:
        """A new thread, which becomes the current one."""
        owner = made_notebook(transaction, notebook)
        row = columns | {"notebook": owner, "name": thread_name(name), "created_utc": datetime.now(UTC)}
        id = transaction.insert("threads", row)
        _make_current(transaction, owner, id)
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


def _thread_of(row: Row) -> Thread:
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


def _counts(row: Row) -> bool:
    return row.state in _ON_PATH


def _questions(transaction: Transaction, path: list[Row]) -> list[list[Row]]:
    """The turns of a path grouped by question; one whose prompt holds results of tools is a step of that before it."""
    steps = _tool_prompts(transaction, [row.prompt for row in path])
    found: list[list[Row]] = []
    for row in path:
        if row.prompt in steps and found:
            found[-1].append(row)
        else:
            found.append([row])
    return found


def _move(transaction: Transaction, thread: int, tip: TurnId | None, undone: TurnId | None) -> None:
    transaction.update("threads", thread, {"tip": tip, "undone": undone})


def _make_current(transaction: Transaction, notebook: int, thread: int) -> None:
    transaction.update("notebooks", notebook, {"thread": thread})


def _move_all(transaction: Transaction, source: int, target: int, old: str, new: str) -> None:
    params = {"source": source, "target": target, "old": old, "new": new}
    transaction.run("UPDATE turns SET purse = :new WHERE notebook = :source AND purse = :old", params)
    transaction.run("UPDATE turns SET notebook = :target WHERE notebook = :source", params)
    transaction.run("UPDATE notebooks SET thread = NULL WHERE id = :source", params)
    transaction.run("DELETE FROM threads WHERE notebook = :source", params)
    transaction.run("DELETE FROM notebooks WHERE id = :source", params)


_UNFINISHED = ("stopped", "failed", "interrupted")


class BranchPoint(Value, frozen=True):
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
        with self._store.reading() as transaction:
            found = find_thread(transaction, notebook, thread)
            if found is None:
                return []
            path = [row for row in path_rows(transaction, found.tip) if row.state in ("complete", "open")]
            tools = _tool_prompts(transaction, [row.prompt for row in path])
            siblings = _siblings(transaction, [row.id for row in path])
            points: list[BranchPoint] = []
            for row in path:
                if row.prompt in tools and points:
                    points[-1] = BranchPoint((*points[-1].steps, row.id), points[-1].branches)
                else:
                    points.append(BranchPoint((row.id,), siblings.get(row.id, (row.id,))))
            attempt = _attempt(transaction, found, shown)
            return [*points, attempt] if attempt is not None else points

    def go_to(self, notebook: str, turn_id: TurnId, thread: str | None = None) -> TurnId | None:
        """Leads a thread's path over this turn, to the newest end after it.

        Returns:
            The turn itself where it did not end well, and can only be shown (see `branch_points`); else None.

        Raises:
            StoreError: there is no such turn or thread, or it cannot be written.
        """
        with self._store.writing() as transaction:
            found = find_thread(transaction, notebook, thread)
            row = transaction.row("SELECT id, previous, thread, state FROM turns WHERE id = :id", {"id": turn_id})
            if found is None or row is None:
                raise StoreError(f"There is no turn {turn_id} in this thread. Look again: %openrouter history.")
            is_attempt = row.state in _UNFINISHED
            tip = row.previous if is_attempt else _end_of(transaction, row, found.id)
            _move(transaction, found.id, tip, None)
            return turn_id if is_attempt else None


def find_thread(transaction: Transaction, notebook: str, name: str | None) -> Row | None:
    """The row of a notebook's thread (None: its current one); None where there is none."""
    id = notebook_id(transaction, notebook)
    rows = [] if id is None else transaction.rows(THREADS, {"notebook": id})
    return next((row for row in rows if (row.is_current if name is None else row.name == name)), None)


def _tool_prompts(transaction: Transaction, prompts: list[str]) -> set[str]:
    """Those of these prompts that hold the results of tools."""
    query = "SELECT hash FROM messages WHERE hash IN :values AND role = 'tool'"
    return {row.hash for row in transaction.rows_in(query, prompts)}


# The turns that are questions of a user, and not steps with tools.
_ASKED = """
SELECT turns.id, turns.previous, turns.thread, turns.state
FROM turns JOIN messages ON turns.prompt = messages.hash
WHERE messages.role <> 'tool'"""


def _siblings(transaction: Transaction, path: list[TurnId]) -> dict[TurnId, tuple[TurnId, ...]]:
    """For each turn of a path, all that follow the same turn, itself among them; of those that follow none, all of the
    same thread.
    """
    own = {row.id: row for row in transaction.rows_in(f"{_ASKED} AND turns.id IN :values", path)}
    groups: dict[tuple[TurnId | None, int | None], list[TurnId]] = {}
    previous = [row.previous for row in own.values() if row.previous is not None]
    rows = transaction.rows_in(f"{_ASKED} AND turns.previous IN :values", previous)
    first = {row.thread for row in own.values() if row.previous is None}
    rows += transaction.rows_in(f"{_ASKED} AND turns.previous IS NULL AND turns.thread IN :values", first)
    for row in rows:
        groups.setdefault(_place(row), []).append(row.id)
    return {id: tuple(sorted(groups.get(_place(row), [id]))) for id, row in own.items()}


def _place(row: Row) -> tuple[TurnId | None, int | None]:
    # A fork that asks again what it shares with its origin makes a version of that; the beginnings of two threads are
    # two conversations.
    return (None, row.thread) if row.previous is None else (row.previous, None)


def _attempt(transaction: Transaction, thread: Row, shown: TurnId | None) -> BranchPoint | None:
    """The question that was asked last after the tip of a thread, if it did not end well."""
    behind = "turns.previous IS NULL" if thread.tip is None else "turns.previous = :tip"
    query = f"{_ASKED} AND {behind} AND turns.thread = :thread ORDER BY turns.id"
    rows = transaction.rows(query, {"tip": thread.tip, "thread": thread.id})
    if not rows:
        return None
    chosen = next((row for row in rows if row.id == shown), rows[-1])
    return BranchPoint((chosen.id,), tuple(row.id for row in rows)) if chosen.state in _UNFINISHED else None


_BEHIND = """
SELECT id FROM turns
WHERE previous = :at AND thread IN (:thread, :other) AND state IN ('complete', 'open')
ORDER BY CASE WHEN thread = :thread THEN 0 ELSE 1 END, id DESC LIMIT 1"""


def _end_of(transaction: Transaction, row: Row, thread: int) -> TurnId:
    """The newest end of the paths that go on after a turn; paths of `thread` are preferred."""
    at: TurnId = row.id
    while True:
        next_one = transaction.value(_BEHIND, {"at": at, "thread": thread, "other": row.thread})
        if next_one is None:
            return at
        at = next_one
