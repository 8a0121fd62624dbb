"""Deleting for good: turns, what they said, and nothing that others still need.

Messages are shared: a text at one point of a conversation is stored once, and the address of a prompt depends on all
messages before it. So a turn that stays but followed a deleted one is given new messages, which follow what stays: its
text is the same, its address another. Then messages that no turn needs are deleted, and the disk space is given back.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from or_magic.ledger.databases import Row, Transaction
from or_magic.ledger.history import path_rows
from or_magic.ledger.messages import delete_unneeded, keep_message, messages_at
from or_magic.ledger.records import TurnId
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
        with self._store.writing() as transaction:
            id = notebook_id(transaction, identity)
            deleted = _unshared(transaction, "notebook", id, "notebook")
            if self._really and id is not None:
                transaction.update("notebooks", id, {"thread": None})
                _delete_threads(transaction, "notebook", id)
                _delete(transaction, deleted)
                if transaction.value("SELECT id FROM turns WHERE notebook = :id LIMIT 1", {"id": id}) is None:
                    transaction.run("DELETE FROM notebooks WHERE id = :id", {"id": id})
        return self._end(len(deleted))

    def thread(self, identity: str, name: str) -> int:
        """A thread with its turns; those that another thread goes on from stay.

        Raises:
            StoreError: it cannot be written.
        """
        with self._store.writing() as transaction:
            named = {"notebook": notebook_id(transaction, identity), "name": name}
            id = transaction.value("SELECT id FROM threads WHERE notebook = :notebook AND name = :name", named)
            deleted = _unshared(transaction, "thread", id, "id")
            if self._really and id is not None:
                others = "SELECT id FROM threads WHERE notebook = :notebook AND id <> :id ORDER BY id DESC LIMIT 1"
                newest = transaction.value(others, {**named, "id": id})
                current = {"newest": newest, "id": id}
                transaction.run("UPDATE notebooks SET thread = :newest WHERE thread = :id", current)
                _delete_threads(transaction, "id", id)
                _delete(transaction, deleted)
        return self._end(len(deleted))

    def before(self, identity: str, moment: datetime) -> int:
        """The turns of a notebook that were asked before a moment, also those that later ones go on from.

        Raises:
            StoreError: it cannot be written.
        """
        with self._store.writing() as transaction:
            id = notebook_id(transaction, identity)
            old = "SELECT id FROM turns WHERE notebook = :notebook AND started_utc < :moment"
            deleted = transaction.values(old, {"notebook": id, "moment": moment})
            if self._really:
                _delete(transaction, deleted)
        return self._end(len(deleted))

    def _end(self, count: int) -> int:
        if self._really and count:
            self._store.vacuum()
        return count


def _unshared(transaction: Transaction, column: str, value: int | None, of_threads: str) -> list[TurnId]:
    """The turns with this value in `column` that no thread needs, but threads with it in their column `of_threads`."""
    of_value = {"value": value}
    deleted = set(transaction.values(f"SELECT id FROM turns WHERE {column} = :value", of_value))
    for thread in transaction.rows(f"SELECT tip, undone FROM threads WHERE {of_threads} <> :value", of_value):
        for end in (thread.tip, thread.undone):
            if end is not None and deleted and end >= min(deleted):  # ids only grow along a path
                deleted -= {row.id for row in path_rows(transaction, end)}
    return sorted(deleted)


def _delete_threads(transaction: Transaction, column: str, value: int) -> None:
    of_value, threads = {"value": value}, f"threads WHERE {column} = :value"
    transaction.run(f"UPDATE turns SET thread = NULL WHERE thread IN (SELECT id FROM {threads})", of_value)
    transaction.run(f"DELETE FROM {threads}", of_value)


def _delete(transaction: Transaction, deleted: list[TurnId]) -> None:
    rows = transaction.rows_in("SELECT prompt, answer FROM turns WHERE id IN :values", deleted)
    ends: list[str] = [hash for row in rows for hash in (row.answer, row.prompt) if hash]
    _unlink(transaction, deleted)
    transaction.run_in("DELETE FROM turns WHERE id IN :values", deleted)
    ends += _readdress(transaction, ends)
    for hash in ends:
        delete_unneeded(transaction, hash)


def _unlink(transaction: Transaction, deleted: list[TurnId]) -> None:
    """Clears what refers to the deleted turns in turns and threads that stay."""
    named = (("turns", "previous"), ("turns", "displaced"), ("turns", "replayed_from"))
    for table, name in (*named, ("threads", "tip"), ("threads", "undone")):
        transaction.run_in(f"UPDATE {table} SET {name} = NULL WHERE {name} IN :values", deleted)


def _readdress(transaction: Transaction, ends: list[str]) -> list[str]:
    """Gives the turns that followed deleted messages new ones that do not; the addresses that they had."""
    changes: dict[TurnId, dict[str, str]] = {}
    old: list[str] = []
    for turn in _turns_after(transaction, [hash for hash in ends if not _is_of_a_turn(transaction, hash)]):
        chain = _chain(transaction, turn.answer or turn.prompt)
        begun = next(i for i, (hash, _) in enumerate(chain) if hash == turn.prompt)
        parent: str | None = None
        for hash, message in [*_staying(transaction, chain[:begun]), *chain[begun:]]:
            parent = keep_message(transaction, parent, message)
            if hash == turn.prompt:
                changes[turn.id] = {"prompt": parent}
        if turn.answer is not None and parent is not None:
            changes[turn.id]["answer"] = parent
        old.append(turn.answer or turn.prompt)
    # Only now: until here the turns are found by the addresses that the chains hold.
    for id, columns in changes.items():
        transaction.update("turns", id, columns)
    return old


def _turns_after(transaction: Transaction, lost: list[str]) -> list[Row]:
    """The turns whose messages come after one of these messages."""
    found: dict[TurnId, Any] = {}
    below = set(lost)
    while below:
        rows = transaction.rows_in("SELECT hash FROM messages WHERE parent IN :values", sorted(below))
        below = {row.hash for row in rows}
        for column in ("prompt", "answer"):
            query = f"SELECT id, prompt, answer FROM turns WHERE {column} IN :values"
            found |= {row.id: row for row in transaction.rows_in(query, sorted(below))}
    return [found[id] for id in sorted(found)]


def _chain(transaction: Transaction, hash: str) -> list[tuple[str, Message]]:
    """The messages from the first of the conversation to the one at `hash`, with their addresses."""
    chain: list[tuple[str, Message]] = []
    at: str | None = hash
    while at is not None:
        kept = messages_at(transaction, [at])[at]
        chain.append((at, kept.message))
        at = kept.parent
    return chain[::-1]


def _staying(transaction: Transaction, chain: list[tuple[str, Message]]) -> Iterator[tuple[str, Message]]:
    """The messages of a chain that belong to turns that stay. A turn begins with a message of the user."""
    exchanges: list[list[tuple[str, Message]]] = []
    for hash, message in chain:
        if message.role == "user" or not exchanges:
            exchanges.append([])
        exchanges[-1].append((hash, message))
    for exchange in exchanges:
        prompt, answer = exchange[0][0], exchange[-1][0]
        query = "SELECT id FROM turns WHERE prompt = :prompt AND answer = :answer LIMIT 1"
        if transaction.row(query, {"prompt": prompt, "answer": answer}) is not None:
            yield from exchange


def _is_of_a_turn(transaction: Transaction, hash: str) -> bool:
    query = "SELECT id FROM turns WHERE prompt = :hash OR answer = :hash LIMIT 1"
    return transaction.row(query, {"hash": hash}) is not None
