"""The values that everything else passes around: messages out, events in. Frozen, without identity, without effects.

An answer arrives as a sequence of events. Whoever is interested (the `Answer`, the live view, the store) absorbs them
in order; none of them needs to know how they looked on the wire.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from or_magic.errors import ServiceError

Role = Literal["system", "user", "assistant"]
CostSource = Literal["reported", "estimated", "reconciled"]
Ending = Literal["complete", "stopped", "failed"]


@dataclass(frozen=True, slots=True)
class TextPart:
    """A piece of a message that is text."""

    text: str


@dataclass(frozen=True, slots=True)
class ReasoningPart:
    """What a model thought before it answered; never part of the answer's text."""

    text: str


Part = TextPart | ReasoningPart


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation. It has no id: two equal messages are the same message."""

    role: Role
    parts: tuple[Part, ...]

    @classmethod
    def of_text(cls, role: Role, text: str) -> Message:
        """A message of one text part."""
        return cls(role, (TextPart(text),))

    @property
    def text(self) -> str:
        """Its text parts, joined."""
        return "".join(part.text for part in self.parts if isinstance(part, TextPart))


@dataclass(frozen=True, slots=True)
class Usage:
    """What an answer consumed, as the service counted it. None is "not told", which is not 0.

    Counts are tokens; `cached_tokens` are part of `prompt_tokens`, `reasoning_tokens` part of `completion_tokens`.
    `cost_pico_usd` is what was charged in 1e-12 USD (``usage.cost`` of the answer). Source: openrouter.ai/docs, "Usage
    accounting", and recorded answers of 2025-11 to 2026-10.
    """

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    cost_pico_usd: int | None = None


@dataclass(frozen=True, slots=True)
class Began:
    """The service named the answer; comes first, and again if a name becomes known later. "" is "not told"."""

    generation_id: str = ""
    model: str = ""
    provider: str = ""


@dataclass(frozen=True, slots=True)
class TextDelta:
    """The next piece of the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    """The next piece of what the model thinks before it answers."""

    text: str


@dataclass(frozen=True, slots=True)
class Finished:
    """The model ended. `reason` is normalised (stop, length, tool_calls, content_filter, error), or unknown and new."""

    reason: str
    native_reason: str = ""


@dataclass(frozen=True, slots=True)
class UsageReported:
    """What was consumed so far; the last one counts."""

    usage: Usage


@dataclass(frozen=True, slots=True)
class Failed:
    """The service reported an error after the answer had begun; what came before it stays."""

    error: ServiceError


Event = Began | TextDelta | ReasoningDelta | Finished | UsageReported | Failed
