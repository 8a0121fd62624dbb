"""A question as the JSON body of a request. No I/O."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from or_magic.errors import CommandError
from or_magic.lenient_json import parse_array
from or_magic.types import (
    MEDIA,
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

_IMAGES = "The images that the tools gave:"
LARGEST_BODY = 100_000_000


class ChatRequest(Value, frozen=True):
    """A question as it is sent.

    Attributes:
        messages: at least one.
        model: None for the account's default.
        parameters: those that the user set, named as in the API.
        asks_for_usage: whether the server must be asked for token counts. OpenRouter always sends them; other servers
            of this protocol do so only on request (``stream_options``).
        headers: those that are sent besides the key.
    """

    messages: tuple[Message, ...]
    model: str | None = None
    parameters: Mapping[str, Any] = {}  # a new one each time: msgspec copies an empty default
    asks_for_usage: bool = False
    headers: Mapping[str, str] = {}


def encode(request: ChatRequest) -> bytes:
    """The body of a streamed ``POST /chat/completions``; holds nothing that the request does not say.

    Raises:
        CommandError: it is larger than the service takes.
    """
    body = dict(request.parameters)
    if request.model is not None:
        body["model"] = request.model
    body["messages"] = message_objects(request.messages)
    body["stream"] = True
    if request.asks_for_usage:
        body["stream_options"] = {"include_usage": True}
    return encode_body(body)


def encode_body(body: Mapping[str, Any]) -> bytes:
    """A JSON object as the body of a request.

    Raises:
        CommandError: it is larger than the service takes, or holds what JSON does not know.
    """
    # Half of a surrogate pair, which Python allows in a str and UTF-8 does not, becomes "?".
    try:
        encoded = json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
    except TypeError as error:
        raise CommandError(f"What is sent must be JSON: {error}.") from None
    if len(encoded) > LARGEST_BODY:
        raise CommandError(
            f"The request has {len(encoded) / 1e6:,.0f} MB; the service takes at most {LARGEST_BODY / 1e6:,.0f} MB. "
            "Nothing was sent: leave something out."
        )
    return encoded


def message_objects(messages: Iterable[Message]) -> list[dict[str, Any]]:
    """Messages as the API takes them: what several tools gave is a message each, their images are said by the user."""
    return [told for message in messages for told in _objects(message)]


def _objects(message: Message) -> Iterator[dict[str, Any]]:
    results = [part for part in message.parts if isinstance(part, ToolResultPart)]
    if not results:
        yield message_object(message)
    for result in results:
        yield {"role": "tool", "tool_call_id": result.call_id, "content": result.text}
    if results and (images := [part for part in message.parts if isinstance(part, ImagePart)]):
        # Not every provider takes an image from a tool.
        yield {"role": "user", "content": [{"type": "text", "text": _IMAGES}, *map(_part_object, images)]}


def message_object(message: Message) -> dict[str, Any]:
    """A message that is no tool's, as the API takes it. What the service attached to an answer goes back as it came."""
    return {"role": message.role, "content": _content(message)} | dict(_attachments(message))


def _content(message: Message) -> str | list[dict[str, Any]] | None:
    parts = [part for part in message.parts if isinstance(part, (TextPart, *MEDIA))]
    if message.role == "assistant" or all(isinstance(part, TextPart) for part in parts):
        texts = [part.text for part in parts if isinstance(part, TextPart)]
        if not texts and _has_calls(message):
            return None
        return "".join(texts) if len(texts) <= 1 else [{"type": "text", "text": text} for text in texts]
    return list(map(_part_object, parts))


def _part_object(part: Part) -> dict[str, Any]:
    """A part of what the user says. Source: openrouter.ai/docs, "Multimodal" (2026-08)."""
    match part:
        case ImagePart(url):
            return {"type": "image_url", "image_url": {"url": url}}
        case FilePart(name, url):
            return {"type": "file", "file": {"filename": name, "file_data": url}}
        case SoundPart(data, format):
            return {"type": "input_audio", "input_audio": {"data": data, "format": format}}
        case VideoPart(url):
            return {"type": "video_url", "video_url": {"url": url}}
        case TextPart(text):
            return {"type": "text", "text": text}
    raise TypeError(f"A user does not send a {type(part).__name__}.")


def _has_calls(message: Message) -> bool:
    return any(isinstance(part, ToolCall) for part in message.parts)


def _attachments(message: Message) -> Iterator[tuple[str, Any]]:
    if calls := [_call_object(part) for part in message.parts if isinstance(part, ToolCall)]:
        yield "tool_calls", calls
    details = [part for part in message.parts if isinstance(part, ReasoningDetailsPart)]
    thoughts = [part.text for part in message.parts if isinstance(part, ReasoningPart)]
    if details:
        yield "reasoning_details", parse_array(details[0].json)
    elif thoughts and _has_calls(message):
        # A model goes on thinking after its tools have run; an answer that is over needs no thoughts, and they cost.
        yield "reasoning", "".join(thoughts)
    for part in message.parts:
        match part:
            case AnnotationsPart(text):
                # Parsed files, so that they need not be parsed (and paid for) again; sources are not asked for.
                if files := [item for item in parse_array(text) if item.get("type") == "file"]:
                    yield "annotations", files
            case RefusalPart(text):
                yield "refusal", text
            case AudioPart(id, _, _) if id:
                yield "audio", {"id": id}
            case _:
                pass
    if message.role == "assistant" and (images := [p for p in message.parts if isinstance(p, ImagePart)]):
        yield "images", [{"type": "image_url", "image_url": {"url": image.url}} for image in images]


def _call_object(call: ToolCall) -> dict[str, Any]:
    function = {"name": call.name, "arguments": call.arguments or "{}"}
    return {"id": call.id, "type": "function", "function": function}
