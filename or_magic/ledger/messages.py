"""Messages as the ledger keeps them: their address in the tree of all conversations, and their rows.

Messages have no identity of their own. In the ledger a message's address is a hash of what it says and of
the message that it follows, hence of the whole path that leads to it. So the same question at the same point
is stored once, however often it is asked; a fork costs one row; and whoever recomputes the hashes knows that
nothing was altered.

The hash is SHA-256 over a sequence of netstrings (``<length in bytes, decimal>:<bytes>,``)::

    "or_magic message 1"          so that no other hash of this project can be taken for this one
    the parent's address          "" for the first message of a conversation
    the role
    kind, content                 for each part, in order

A netstring says its own length, so the sequence can be read back in one way only: two different messages
never give the same bytes. Text is UTF-8; half of a surrogate pair, which Python allows in a str, is encoded
like any other character ("surrogatepass"), which also has one way back. This encoding is kept for good:
another one would give every message a new address.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, assert_never

from sqlalchemy import Connection, Insert, Row, Select, bindparam, delete, insert, select
from sqlalchemy.exc import IntegrityError

from or_magic.errors import StoreError
from or_magic.ledger.schema import messages, parts, turns
from or_magic.types import (
    AnnotationsPart,
    AudioPart,
    FilePart,
    ImagePart,
    Message,
    Part,
    ReasoningDetailsPart,
    ReasoningPart,
    RefusalPart,
    SoundPart,
    TextPart,
    ToolCall,
    ToolResultPart,
    VideoPart,
)

PartKind = Literal[
    "text",
    "reasoning",
    "reasoning_details",
    "tool_call",
    "tool_result",
    "annotations",
    "image",
    "audio",
    "file",
    "sound",
    "video",
    "refusal",
]
T = TypeVar("T")
_PURPOSE = "or_magic message 1"


def message_hash(parent: str | None, message: Message) -> str:
    """The address of `message` after the message at `parent` (None: it is the first), as 64 hex digits."""
    return address(parent, message.role, (kind_and_content(part) for part in message.parts))


def address(parent: str | None, role: str, parts: Iterable[tuple[str, str]]) -> str:
    """The address, as 64 hex digits, of what is stored as a role and parts, each with its kind and content."""
    digest = hashlib.sha256()
    for text in (_PURPOSE, parent or "", role):
        digest.update(_netstring(text))
    for kind, content in parts:
        digest.update(_netstring(kind) + _netstring(content))
    return digest.hexdigest()


def kind_and_content(part: Part) -> tuple[PartKind, str]:
    """The kind and the content that a part is stored as."""
    match part:
        case TextPart(text):
            return "text", text
        case ReasoningPart(text):
            return "reasoning", text
        case ReasoningDetailsPart(text):
            return "reasoning_details", text
        case ToolCall(id, name, arguments):
            return "tool_call", _fields(id, name, arguments)
        case ToolResultPart(call_id, text):
            return "tool_result", _fields(call_id, text)
        case AnnotationsPart(text):
            return "annotations", text
        case ImagePart(url):
            return "image", url
        case AudioPart(id, data, transcript):
            return "audio", _fields(id, data, transcript)
        case FilePart(name, url):
            return "file", _fields(name, url)
        case SoundPart(data, format):
            return "sound", _fields(data, format)
        case VideoPart(url):
            return "video", url
        case RefusalPart(text):
            return "refusal", text
    assert_never(part)


def part_of(kind: str, content: str) -> Part:
    """The part that is stored as this kind and content.

    Raises:
        StoreError: there is no such kind.
    """
    match kind:
        case "text":
            return TextPart(content)
        case "reasoning":
            return ReasoningPart(content)
        case "reasoning_details":
            return ReasoningDetailsPart(content)
        case "tool_call":
            return ToolCall(*json.loads(content))
        case "tool_result":
            return ToolResultPart(*json.loads(content))
        case "annotations":
            return AnnotationsPart(content)
        case "image":
            return ImagePart(content)
        case "audio":
            return AudioPart(*json.loads(content))
        case "file":
            return FilePart(*json.loads(content))
        case "sound":
            return SoundPart(*json.loads(content))
        case "video":
            return VideoPart(content)
        case "refusal":
            return RefusalPart(content)
    raise StoreError(f"The ledger holds a message with a part of unknown kind {kind!r}. Upgrade or_magic to read it.")


def _fields(*fields: str) -> str:
    return json.dumps(fields, ensure_ascii=False)


def _netstring(text: str) -> bytes:
    encoded = text.encode("utf-8", "surrogatepass")
    return b"%d:%b," % (len(encoded), encoded)


_VALUES_PER_QUERY = 500  # SQLite allows 999 parameters where it is old


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
    contents = [kind_and_content(part) for part in message.parts]
    hash = address(parent, message.role, contents)
    row = {"hash": hash, "parent": parent, "role": message.role}
    try:
        is_new = connection.execute(_message_if_new(connection.dialect.name), row).rowcount
    except IntegrityError as error:
        raise StoreError(
            f"The ledger does not hold the message {(parent or '')[:12]} that this conversation would go on from. "
            "Point OR_MAGIC_STORE to the file that holds it, or begin a new conversation."
        ) from error
    if is_new and contents:
        rows = [
            {"message": hash, "position": position, "kind": kind, "content": content}
            for position, (kind, content) in enumerate(contents)
        ]
        connection.execute(_new_part(), rows)
    return hash


@functools.cache
def _message_if_new(dialect: str) -> Insert:
    """Inserts a message unless it is there; its rowcount tells whether. Both databases have the same clause for it."""
    if dialect == "sqlite":
        from sqlalchemy.dialects import sqlite

        statement: Insert = sqlite.insert(messages).on_conflict_do_nothing()
    else:
        from sqlalchemy.dialects import postgresql

        statement = postgresql.insert(messages).on_conflict_do_nothing()
    return statement.execution_options(preserve_rowcount=True)


@functools.cache
def _new_part() -> Insert:
    return insert(parts)


def delete_unneeded(connection: Connection, hash: str | None) -> None:
    """Deletes the message at `hash`, and those before it, as far as no turn and no other message needs them."""
    while hash is not None and not _is_needed(connection, hash):
        parent = connection.scalar(select(messages.c.parent).where(messages.c.hash == hash))
        connection.execute(delete(parts).where(parts.c.message == hash))
        connection.execute(delete(messages).where(messages.c.hash == hash))
        hash = parent


def messages_at(connection: Connection, hashes: Iterable[str]) -> dict[str, KeptMessage]:
    """The messages at these addresses; one that is not there is left out."""
    found: dict[str, KeptMessage] = {}
    for portion in portions(dict.fromkeys(hashes)):
        contents: dict[str, list[Part]] = {}
        heads: dict[str, tuple[str | None, Any]] = {}
        for hash, parent, role, kind, content in connection.execute(_messages_with_parts(), {"hashes": portion}).all():
            heads[hash] = parent, role
            said = contents.setdefault(hash, [])
            if kind is not None:  # NULL for a message without parts
                said.append(part_of(kind, content))
        for hash, (parent, role) in heads.items():
            found[hash] = KeptMessage(parent, Message(role, tuple(contents[hash])))
    return found


@functools.cache
def _messages_with_parts() -> Select[Any]:
    query = select(messages.c.hash, messages.c.parent, messages.c.role, parts.c.kind, parts.c.content)
    query = query.outerjoin(parts, parts.c.message == messages.c.hash)
    query = query.where(messages.c.hash.in_(bindparam("hashes", expanding=True)))
    return query.order_by(messages.c.hash, parts.c.position)


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


def portions(values: Iterable[T]) -> Iterator[list[T]]:
    """Values in lists that are short enough for the ``IN`` of one query."""
    rest = iter(values)
    while portion := list(itertools.islice(rest, _VALUES_PER_QUERY)):
        yield portion
