"""Deleting for good: turns, what they said, and nothing that others still need.

Messages are shared: a text at one point of a conversation is stored once, and the address of a prompt depends on all
messages before it. So a turn that stays but followed a deleted one is given new messages, which follow what stays: its
text is the same, its address another. Then messages that no turn needs are deleted, and the disk space is given back.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, delete, or_, select, update

from or_magic.ledger.history import path_rows
from or_magic.ledger.messages import delete_unneeded, keep_message, messages_at, portions
from or_magic.ledger.records import TurnId
from or_magic.ledger.schema import messages, notebooks, threads, turns
from or_magic.ledger.store import Ledger, notebook_id
from or_magic.types import Message


class Deletion:
    """Deletes from a ledger. Each method returns how many turns it deleted, or would delete.

    Args:
        ledger: the ledger.
        really: False to count alone.
    """

    def __init__(self, ledger: Ledger, *, really: bool = True) -> None:
        self._store, self._really = ledger.store, really

    def notebook(self, identity: str) -> int:
        """A notebook with its threads and turns; those that another notebook's thread goes on from stay.

        Raises:
            StoreError: it cannot be written.
        """
        with self._store.writing() as connection:
            id = notebook_id(connection, identity)
            deleted = _unshared(connection, turns.c.notebook == id, threads.c.notebook == id)
            if self._really:
                connection.execute(update(notebooks).where(notebooks.c.id == id).values(thread=None))
                _delete_threads(connection, threads.c.notebook == id)
                _delete(connection, deleted)
                stays = select(turns.c.id).where(turns.c.notebook == id).limit(1)
                if connection.scalar(stays) is None:
                    connection.execute(delete(notebooks).where(notebooks.c.id == id))
        return self._end(len(deleted))

    def thread(self, identity: str, name: str) -> int:
        """A thread with its turns; those that another thread goes on from stay.

        Raises:
            StoreError: it cannot be written.
        """
        with self._store.writing() as connection:
            of_notebook = threads.c.notebook == notebook_id(connection, identity)
            id = connection.scalar(select(threads.c.id).where(of_notebook, threads.c.name == name))
            deleted = _unshared(connection, turns.c.thread == id, threads.c.id == id)
            if self._really and id is not None:
                other = select(threads.c.id).where(of_notebook, threads.c.id != id).order_by(threads.c.id.desc())
                is_current = notebooks.c.thread == id
                next_one = connection.scalar(other.limit(1))
                connection.execute(update(notebooks).where(is_current).values(thread=next_one))
                _delete_threads(connection, threads.c.id == id)
                _delete(connection, deleted)
        return self._end(len(deleted))

    def before(self, identity: str, moment: datetime) -> int:
        """The turns of a notebook that were asked before a moment, also those that later ones go on from.

        Raises:
            StoreError: it cannot be written.
        """
        with self._store.writing() as connection:
            id = notebook_id(connection, identity)
            old = select(turns.c.id).where(turns.c.notebook == id, turns.c.started_utc < moment)
            deleted = list(connection.scalars(old))
            if self._really:
                _delete(connection, deleted)
        return self._end(len(deleted))

    def _end(self, count: int) -> int:
        if self._really and count:
            self._store.vacuum()
        return count


def _unshared(
    connection: Connection, of_deleted: ColumnElement[bool], of_deleted_threads: ColumnElement[bool]
) -> list[TurnId]:
    """Those of the turns to be deleted that no thread needs, except threads that are deleted with them."""
    deleted = set(connection.scalars(select(turns.c.id).where(of_deleted)))
    for thread in connection.execute(select(threads).where(~of_deleted_threads)).all():
        for end in (thread.tip, thread.undone):
            if end is not None and deleted and end >= min(deleted):  # ids only grow along a path
                deleted -= {row.id for row in path_rows(connection, end)}
    return sorted(deleted)


def _delete_threads(connection: Connection, deleted: ColumnElement[bool]) -> None:
    ids = select(threads.c.id).where(deleted)
    connection.execute(update(turns).where(turns.c.thread.in_(ids)).values(thread=None))
    connection.execute(delete(threads).where(deleted))


def _delete(connection: Connection, deleted: list[TurnId]) -> None:
    ends: list[str] = []
    for portion in portions(deleted):
        rows = connection.execute(select(turns.c.prompt, turns.c.answer).where(turns.c.id.in_(portion)))
        ends += [hash for row in rows for hash in (row.answer, row.prompt) if hash]
    _unlink(connection, deleted)
    for portion in portions(deleted):
        connection.execute(delete(turns).where(turns.c.id.in_(portion)))
    ends += _readdress(connection, ends)
    for hash in ends:
        delete_unneeded(connection, hash)


def _unlink(connection: Connection, deleted: list[TurnId]) -> None:
    """Clears what refers to the deleted turns in turns and threads that stay."""
    for portion in portions(deleted):
        named = ((turns, "previous"), (turns, "displaced"), (turns, "replayed_from"))
        for table, name in (*named, (threads, "tip"), (threads, "undone")):
            connection.execute(update(table).where(table.c[name].in_(portion)).values({name: None}))


def _readdress(connection: Connection, ends: list[str]) -> list[str]:
    """Gives the turns that followed deleted messages new ones that do not; the addresses that they had."""
    changes: dict[TurnId, dict[str, str]] = {}
    old: list[str] = []
    for turn in _turns_after(connection, [hash for hash in ends if not _is_of_a_turn(connection, hash)]):
        chain = _chain(connection, turn.answer or turn.prompt)
        begun = next(i for i, (hash, _) in enumerate(chain) if hash == turn.prompt)
        parent: str | None = None
        for hash, message in [*_staying(connection, chain[:begun]), *chain[begun:]]:
            parent = keep_message(connection, parent, message)
            if hash == turn.prompt:
                changes[turn.id] = {"prompt": parent}
        if turn.answer is not None and parent is not None:
            changes[turn.id]["answer"] = parent
        old.append(turn.answer or turn.prompt)
    # Only now: until here the turns are found by the addresses that the chains hold.
    for id, columns in changes.items():
        connection.execute(update(turns).where(turns.c.id == id).values(columns))
    return old


def _turns_after(connection: Connection, lost: list[str]) -> list[Row[Any]]:
    """The turns whose messages come after one of these messages."""
    found: dict[TurnId, Any] = {}
    below = set(lost)
    while below:
        children: set[str] = set()
        for portion in portions(sorted(below)):
            children |= set(connection.scalars(select(messages.c.hash).where(messages.c.parent.in_(portion))))
        for portion in portions(sorted(children)):
            mine = or_(turns.c.prompt.in_(portion), turns.c.answer.in_(portion))
            for row in connection.execute(select(turns.c.id, turns.c.prompt, turns.c.answer).where(mine)):
                found[row.id] = row
        below = children
    return [found[id] for id in sorted(found)]


def _chain(connection: Connection, hash: str) -> list[tuple[str, Message]]:
    """The messages from the first of the conversation to the one at `hash`, with their addresses."""
    chain: list[tuple[str, Message]] = []
    at: str | None = hash
    while at is not None:
        kept = messages_at(connection, [at])[at]
        chain.append((at, kept.message))
        at = kept.parent
    return chain[::-1]


def _staying(connection: Connection, chain: list[tuple[str, Message]]) -> Iterator[tuple[str, Message]]:
    """The messages of a chain that belong to turns that stay. A turn begins with a message of the user."""
    exchanges: list[list[tuple[str, Message]]] = []
    for hash, message in chain:
        if message.role == "user" or not exchanges:
            exchanges.append([])
        exchanges[-1].append((hash, message))
    for exchange in exchanges:
        prompt, answer = exchange[0][0], exchange[-1][0]
        query = select(turns.c.id).where(turns.c.prompt == prompt, turns.c.answer == answer)
        if connection.execute(query.limit(1)).first() is not None:
            yield from exchange


def _is_of_a_turn(connection: Connection, hash: str) -> bool:
    query = select(turns.c.id).where(or_(turns.c.prompt == hash, turns.c.answer == hash))
    return connection.execute(query.limit(1)).first() is not None
