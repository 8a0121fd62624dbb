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

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable
from typing import Literal, assert_never

from or_magic.errors import StoreError
from or_magic.ledger.databases import Row, Transaction
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
    Value,
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


class KeptMessage(Value, frozen=True):
    """A message and the address of the one before it (None: it is the first)."""

    parent: str | None
    message: Message


def keep_message(transaction: Transaction, parent: str | None, message: Message) -> str:
    """Stores `message` after the message at `parent`, unless it is there already; its address.

    Raises:
        StoreError: there is no message at `parent`.
    """
    contents = [kind_and_content(part) for part in message.parts]
    hash = address(parent, message.role, contents)
    row = {"hash": hash, "parent": parent, "role": message.role}
    if parent is not None and not _is_kept(transaction, parent):
        raise StoreError(
            f"The ledger does not hold the message {parent[:12]} that this conversation would go on from. "
            "Point OR_MAGIC_STORE to the file that holds it, or begin a new conversation."
        )
    if not transaction.run(_MESSAGE_IF_NEW, row):
        return hash
    rows = [
        {"message": hash, "position": position, "kind": kind, "content": content}
        for position, (kind, content) in enumerate(contents)
    ]
    transaction.run_many(_PART, rows)
    return hash


_MESSAGE_IF_NEW = "INSERT INTO messages (hash, parent, role) VALUES (:hash, :parent, :role) ON CONFLICT DO NOTHING"
_PART = "INSERT INTO parts (message, position, kind, content) VALUES (:message, :position, :kind, :content)"


def delete_unneeded(transaction: Transaction, hash: str | None) -> None:
    """Deletes the message at `hash`, and those before it, as far as no turn and no other message needs them."""
    while hash is not None and not _is_needed(transaction, hash):
        at = {"hash": hash}
        parent = transaction.value("SELECT parent FROM messages WHERE hash = :hash", at)
        transaction.run("DELETE FROM parts WHERE message = :hash", at)
        transaction.run("DELETE FROM messages WHERE hash = :hash", at)
        hash = parent


def messages_at(transaction: Transaction, hashes: Iterable[str]) -> dict[str, KeptMessage]:
    """The messages at these addresses; one that is not there is left out."""
    hashes = list(dict.fromkeys(hashes))
    contents: dict[str, list[Part]] = defaultdict(list)
    of_messages = "SELECT message, kind, content FROM parts WHERE message IN :values ORDER BY message, position"
    for row in transaction.rows_in(of_messages, hashes):
        contents[row.message].append(part_of(row.kind, row.content))
    rows = transaction.rows_in("SELECT hash, parent, role FROM messages WHERE hash IN :values", hashes)
    return {row.hash: KeptMessage(row.parent, Message(row.role, tuple(contents[row.hash]))) for row in rows}


def messages_of(transaction: Transaction, turns: Iterable[Row]) -> dict[str, KeptMessage]:
    """The messages of these turns: their prompts, their answers, and what passed between."""
    turns = list(turns)
    found = messages_at(transaction, (hash for row in turns for hash in (row.prompt, row.answer) if hash is not None))
    ends = [(row.prompt, found[row.answer].parent) for row in turns if row.answer is not None]
    while missing := {at for prompt, at in ends if at is not None and at != prompt}:
        found |= messages_at(transaction, missing)
        ends = [(prompt, found[at].parent if at is not None and at != prompt else prompt) for prompt, at in ends]
    return found


def _is_kept(transaction: Transaction, hash: str) -> bool:
    return transaction.value("SELECT 1 AS one FROM messages WHERE hash = :hash", {"hash": hash}) is not None


def _is_needed(transaction: Transaction, hash: str) -> bool:
    uses = (
        "SELECT 1 AS one FROM turns WHERE prompt = :hash LIMIT 1",
        "SELECT 1 AS one FROM turns WHERE answer = :hash LIMIT 1",
        "SELECT 1 AS one FROM messages WHERE parent = :hash LIMIT 1",
    )
    return any(transaction.value(use, {"hash": hash}) is not None for use in uses)
