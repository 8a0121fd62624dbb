"""The address of a message in the tree of all conversations. Pure: no disk, no SQL.

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
from collections.abc import Iterable
from typing import Literal, assert_never

from or_magic.errors import StoreError
from or_magic.messages import (
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
_PURPOSE = "or_magic message 1"


def message_hash(parent: str | None, message: Message) -> str:
    """The address of `message` after the message at `parent` (None: it is the first), as 64 hex digits."""
    return address(parent, message.role, (kind_and_content(part) for part in message.parts))


def address(parent: str | None, role: str, parts: Iterable[tuple[str, str]]) -> str:
    """The same from what is stored: a role, and each part as its kind and content."""
    digest = hashlib.sha256()
    for text in (_PURPOSE, parent or "", role):
        digest.update(_netstring(text))
    for kind, content in parts:
        digest.update(_netstring(kind) + _netstring(content))
    return digest.hexdigest()


def kind_and_content(part: Part) -> tuple[PartKind, str]:
    """How a part is stored."""
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
    """The part that is stored so.

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
