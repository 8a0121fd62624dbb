"""One generation: what will be said, token by token, and how OpenRouter's JSON tells it.

A generation is a value. How many of its tokens were really produced is known only to whoever sends them, so
everything that depends on it (usage, cost, charge) takes that number.
"""

from __future__ import annotations

import secrets
import string
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal

from or_magic.sandbox.answers import json_number
from or_magic.sandbox.models import PROVIDER, Model
from or_magic.sandbox.speeches import Speech
from or_magic.sandbox.tokens import tokens_of

_ID_LETTERS = string.ascii_letters + string.digits


@dataclass(frozen=True, slots=True)
class Piece:
    """One token, of the answer or of the reasoning before it."""

    text: str
    is_reasoning: bool = False


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens and what they cost."""

    prompt_tokens: int
    completion_tokens: int
    reasoning_tokens: int
    prompt_cost_usd: Decimal
    completion_cost_usd: Decimal

    @property
    def cost_usd(self) -> Decimal:
        """The price of the answer, exactly."""
        return self.prompt_cost_usd + self.completion_cost_usd

    def as_json(self) -> dict[str, Any]:
        """The `usage` object of an answer (recorded answers of 2026)."""
        cost = json_number(self.cost_usd)
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "total_tokens": self.prompt_tokens + self.completion_tokens,
            "cost": cost,
            "is_byok": False,
            "prompt_tokens_details": {
                "cached_tokens": 0,
                "cache_write_tokens": 0,
                "audio_tokens": 0,
                "video_tokens": 0,
            },
            "cost_details": {
                "upstream_inference_cost": cost,
                "upstream_inference_prompt_cost": json_number(self.prompt_cost_usd),
                "upstream_inference_completions_cost": json_number(self.completion_cost_usd),
            },
            "completion_tokens_details": {
                "reasoning_tokens": self.reasoning_tokens,
                "image_tokens": 0,
                "audio_tokens": 0,
            },
        }


@dataclass(frozen=True, slots=True)
class Generation:
    """A planned answer: its identity, the model that speaks, and every token it will say."""

    id: str
    created_utc: datetime
    model: Model
    prompt_tokens: int
    pieces: tuple[Piece, ...]
    finish_reason: Literal["stop", "length"]
    shows_reasoning: bool = True

    def usage(self, produced: int) -> Usage:
        """Tokens and cost if the first `produced` pieces were generated."""
        return Usage(
            prompt_tokens=self.prompt_tokens,
            completion_tokens=produced,
            reasoning_tokens=sum(piece.is_reasoning for piece in self.pieces[:produced]),
            prompt_cost_usd=self.prompt_tokens * Decimal(self.model.prompt_price),
            completion_cost_usd=produced * Decimal(self.model.completion_price),
        )

    def is_shown(self, piece: Piece) -> bool:
        """Whether the client gets to see a piece: reasoning may be asked for and yet kept back."""
        return self.shows_reasoning or not piece.is_reasoning

    def chunk(self, piece: Piece) -> dict[str, Any]:
        """The stream event that carries one piece; the role is in every delta, as the service does it."""
        if not piece.is_reasoning:
            return self._chunk({"content": piece.text, "role": "assistant"})
        details = [_reasoning_detail(piece.text)]
        delta = {"content": "", "role": "assistant", "reasoning": piece.text, "reasoning_details": details}
        return self._chunk(delta)

    def finish_chunk(self) -> dict[str, Any]:
        """The stream event that says why the answer ended."""
        return self._chunk({"content": "", "role": "assistant"}, finish_reason=self.finish_reason)

    def usage_chunk(self) -> dict[str, Any]:
        """The last stream event: usage and cost, with the finish reason once more (the shape of 2026)."""
        finish = self.finish_chunk()
        choices = finish.pop("choices")
        usage = self.usage(len(self.pieces)).as_json()
        return {**finish, "service_tier": None, "choices": choices, "usage": usage}

    def whole(self) -> dict[str, Any]:
        """The answer in one piece."""
        message: dict[str, Any] = {
            "role": "assistant",
            "content": self._joined(reasoning=False),
            "refusal": None,
            "reasoning": self._joined(reasoning=True) or None,
        }
        if message["reasoning"]:
            message["reasoning_details"] = [_reasoning_detail(message["reasoning"])]
        choice = {"index": 0, "logprobs": None, **self._ending(self.finish_reason), "message": message}
        return {
            **self._head("chat.completion"),
            "system_fingerprint": None,
            "service_tier": None,
            "choices": [choice],
            "usage": self.usage(len(self.pieces)).as_json(),
        }

    def _joined(self, *, reasoning: bool) -> str:
        return "".join(p.text for p in self.pieces if p.is_reasoning == reasoning and self.is_shown(p))

    def _chunk(self, delta: dict[str, Any], *, finish_reason: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, **self._ending(finish_reason)}
        return {**self._head("chat.completion.chunk"), "choices": [choice]}

    def _head(self, kind: str) -> dict[str, Any]:
        created = int(self.created_utc.timestamp())
        return {
            "id": self.id,
            "object": kind,
            "created": created,
            "model": self.model.id,
            "provider": PROVIDER,
        }

    @staticmethod
    def _ending(reason: str | None) -> dict[str, str | None]:
        return {"finish_reason": reason, "native_finish_reason": reason}


def plan_generation(
    model: Model, speech: Speech, *, prompt_tokens: int, max_tokens: int | None, shows_reasoning: bool
) -> Generation:
    """Lay out what a model will say; more than max_tokens (or the model's own limit) is left off."""
    thoughts = [Piece(text, is_reasoning=True) for text in tokens_of(speech.reasoning)]
    pieces = thoughts + [Piece(text) for text in tokens_of(speech.text)]
    limit = min(max_tokens or model.max_completion_tokens, model.max_completion_tokens)
    now = datetime.now(UTC)
    return Generation(
        id=_generation_id(now),
        created_utc=now,
        model=model,
        prompt_tokens=prompt_tokens,
        pieces=tuple(pieces[:limit]),
        finish_reason="length" if len(pieces) > limit else "stop",
        shows_reasoning=shows_reasoning,
    )


def _generation_id(now: datetime) -> str:
    tail = "".join(secrets.choice(_ID_LETTERS) for _ in range(20))
    return f"gen-{int(now.timestamp())}-{tail}"


def _reasoning_detail(text: str) -> dict[str, Any]:
    return {"type": "reasoning.text", "text": text, "format": "unknown", "index": 0}
