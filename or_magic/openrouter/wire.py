"""A request to JSON, and the JSON of an answer to events. No I/O.

Decoding is tolerant by construction: it looks only for what it knows, in plain dicts, and skips what is missing, new or
of another type, since the service adds fields and chunk kinds without notice and its upstreams differ in the rest.
Source of every shape: the API reference of openrouter.ai (2026-08), its SDK 1.3.84 and recordings of 2025-11 to
2026-10.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from or_magic.errors import ServiceError
from or_magic.messages import (
    Began,
    Event,
    Failed,
    Finished,
    Message,
    ReasoningDelta,
    TextDelta,
    TextPart,
    Usage,
    UsageReported,
)
from or_magic.money import pico_usd
from or_magic.openrouter.failures import error_from_object, excerpt

DONE = b"[DONE]"
_ABSURD_USD = 1_000_000  # no answer costs that; nine times as much would not fit into the ledger's integers
_DECODER = msgspec.json.Decoder(float_hook=Decimal)


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """What is asked: the messages, the model (None: the account's default) and the parameters that the user set."""

    messages: tuple[Message, ...]
    model: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)


def encode(request: ChatRequest) -> bytes:
    """The body of a streamed ``POST /chat/completions``. Nothing is in it that the request does not say."""
    body = dict(request.parameters)
    if request.model is not None:
        body["model"] = request.model
    body["messages"] = [{"role": message.role, "content": _content(message)} for message in request.messages]
    body["stream"] = True
    # Half of a surrogate pair, which Python allows in a str and UTF-8 does not, becomes "?".
    return json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")


def _content(message: Message) -> str | list[dict[str, str]]:
    texts = [part.text for part in message.parts if isinstance(part, TextPart)]
    return texts[0] if len(texts) == 1 else [{"type": "text", "text": text} for text in texts]


class ChunkDecoder:
    """The events in the chunks of one answer; repeats (of names, of the finish reason) are told once."""

    def __init__(self) -> None:
        self.is_done = False  # the service said that nothing more will come
        self.is_finished = False  # the model said why it ended
        self._names = Began()

    def decode(self, payload: bytes) -> list[Event]:
        """The events in the data of one server-sent event, in the order in which they are to be shown.

        Raises:
            ServiceError: the data is not a JSON object.
        """
        if payload.strip() == DONE:
            self.is_done = True
            return []
        return self.events(parse_object(payload))

    def events(self, chunk: Mapping[str, Any]) -> list[Event]:
        """The events in one chunk, or in a whole answer (which has `message` where a chunk has `delta`)."""
        events: list[Event] = []
        names = Began(_text(chunk.get("id")), _text(chunk.get("model")), _text(chunk.get("provider")))
        if names != self._names and names != Began():
            self._names = names
            events.append(names)
        choices = chunk.get("choices")
        if isinstance(choices, list) and choices and isinstance(choices[0], dict):
            self._add_choice(choices[0], events)
        usage = chunk.get("usage")
        if isinstance(usage, dict):
            events.append(UsageReported(_usage(usage)))
        if (error := chunk.get("error")) is not None:
            events.append(Failed(error_from_object(error, generation_id=self._names.generation_id or None)))
        return events

    def _add_choice(self, choice: Mapping[str, Any], events: list[Event]) -> None:
        delta = choice.get("delta")
        if not isinstance(delta, dict):
            delta = choice.get("message")
        if isinstance(delta, dict):
            # `reasoning_content` is how other servers of this protocol name it.
            if reasoning := _text(delta.get("reasoning")) or _text(delta.get("reasoning_content")):
                events.append(ReasoningDelta(reasoning))
            if text := _text(delta.get("content")):
                events.append(TextDelta(text))
        reason = _text(choice.get("finish_reason"))
        if reason and not self.is_finished:
            self.is_finished = True
            events.append(Finished(reason, _text(choice.get("native_finish_reason"))))


def parse_object(payload: bytes) -> dict[str, Any]:
    """The JSON object in `payload`, its decimal numbers as exact `Decimal`.

    Raises:
        ServiceError: it holds no JSON object.
    """
    try:
        value = _DECODER.decode(payload)
    except (ValueError, RecursionError):
        value = _decode_leniently(payload)
    if not isinstance(value, dict):
        raise ServiceError(f"The server sent something that is not an answer: {excerpt(payload)}")
    return value


def _decode_leniently(payload: bytes) -> Any:
    """What the fast decoder refuses and Python's own takes: NaN, half of a surrogate pair, a broken UTF-8 character."""
    try:
        return json.loads(payload.decode("utf-8", "replace"), parse_float=Decimal)
    except (ValueError, RecursionError):
        return None


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _money(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, (int, str, Decimal)):
        return None
    try:
        amount = Decimal(value)
    except InvalidOperation:
        return None
    return pico_usd(amount) if amount.is_finite() and abs(amount) < _ABSURD_USD else None


def _usage(usage: Mapping[str, Any]) -> Usage:
    prompt_details = usage.get("prompt_tokens_details")
    completion_details = usage.get("completion_tokens_details")
    return Usage(
        prompt_tokens=_count(usage.get("prompt_tokens")),
        completion_tokens=_count(usage.get("completion_tokens")),
        cached_tokens=_count(prompt_details.get("cached_tokens")) if isinstance(prompt_details, dict) else None,
        reasoning_tokens=_count(completion_details.get("reasoning_tokens"))
        if isinstance(completion_details, dict)
        else None,
        cost_pico_usd=_money(usage.get("cost")),
    )
