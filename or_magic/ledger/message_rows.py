"""Messages into the tables `messages` and `parts`, and back. Works inside a transaction of the caller."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select

from or_magic.errors import StoreError
from or_magic.ledger.tables import messages, parts, turns
from or_magic.ledger.tree import kind_and_content, message_hash, part_of
from or_magic.messages import Message, Part

_HASHES_PER_QUERY = 500  # SQLite allows 999 parameters where it is old


@dataclass(frozen=True, slots=True)
class KeptMessage:
    """A message and the address of the one before it (None: it is the first)."""

    parent: str | None
    message: Message


def keep_message(connection: Connection, parent: str | None, message: Message) -> str:
    """Stores `message` after the message at `parent`, unless it is there already; its address.

    Raises:
        StoreError: there is no message at `parent`.
    """
    hash = message_hash(parent, message)
    if _is_kept(connection, hash):
        return hash
    if parent is not None and not _is_kept(connection, parent):
        raise StoreError(
            f"The ledger does not hold the message {parent[:12]} that this conversation would go on from. "
            "Point OR_MAGIC_STORE to the file that holds it, or begin a new conversation."
        )
    connection.execute(insert(messages).values(hash=hash, parent=parent, role=message.role))
    for position, part in enumerate(message.parts):
        kind, content = kind_and_content(part)
        connection.execute(insert(parts).values(message=hash, position=position, kind=kind, content=content))
    return hash


def let_go(connection: Connection, hash: str | None) -> None:
    """Deletes the message at `hash`, and those before it, as far as no turn and no other message needs them."""
    while hash is not None and not _is_needed(connection, hash):
        parent = connection.scalar(select(messages.c.parent).where(messages.c.hash == hash))
        connection.execute(delete(parts).where(parts.c.message == hash))
        connection.execute(delete(messages).where(messages.c.hash == hash))
        hash = parent


def messages_at(connection: Connection, hashes: Iterable[str]) -> dict[str, KeptMessage]:
    """The messages at these addresses; one that is not there is left out."""
    found: dict[str, KeptMessage] = {}
    for portion in _portions(dict.fromkeys(hashes)):
        contents = _parts_at(connection, portion)
        for row in connection.execute(select(messages).where(messages.c.hash.in_(portion))):
            found[row.hash] = KeptMessage(row.parent, Message(row.role, tuple(contents[row.hash])))
    return found


def _is_kept(connection: Connection, hash: str) -> bool:
    return connection.scalar(select(messages.c.hash).where(messages.c.hash == hash)) is not None


def messages_of(connection: Connection, rows: Iterable[Row[Any]]) -> dict[str, KeptMessage]:
    """The messages of these turns: their prompts, their answers, and what passed between."""
    rows = list(rows)
    found = messages_at(connection, (hash for row in rows for hash in (row.prompt, row.answer) if hash is not None))
    ends = [(row.prompt, found[row.answer].parent) for row in rows if row.answer is not None]
    while missing := {at for prompt, at in ends if at is not None and at != prompt}:
        found |= messages_at(connection, missing)
        ends = [(prompt, found[at].parent if at is not None and at != prompt else prompt) for prompt, at in ends]
    return found


def _is_needed(connection: Connection, hash: str) -> bool:
    uses = (
        select(turns.c.id).where(turns.c.prompt == hash),
        select(turns.c.id).where(turns.c.answer == hash),
        select(messages.c.hash).where(messages.c.parent == hash),
    )
    return any(connection.execute(use.limit(1)).first() is not None for use in uses)


def _parts_at(connection: Connection, hashes: list[str]) -> dict[str, list[Part]]:
    contents: dict[str, list[Part]] = defaultdict(list)
    query = select(parts).where(parts.c.message.in_(hashes)).order_by(parts.c.message, parts.c.position)
    for row in connection.execute(query):
        contents[row.message].append(part_of(row.kind, row.content))
    return contents


def _portions(hashes: Iterable[str]) -> Iterator[list[str]]:
    rest = iter(hashes)
    while portion := list(itertools.islice(rest, _HASHES_PER_QUERY)):
        yield portion
