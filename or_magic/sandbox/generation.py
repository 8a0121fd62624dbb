"""One generation: what will be said, token by token, and how OpenRouter's JSON tells it.

A generation is a value. How many of its tokens were really produced is known only to whoever sends them, so
everything that depends on it (usage, cost, charge) takes that number.
"""

from __future__ import annotations

import secrets
import string
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal

from or_magic.sandbox.behaviour import StreamError
from or_magic.sandbox.models import Model
from or_magic.sandbox.replies import Reply, tokens_of
from or_magic.sandbox.responses import error_object, json_number
from or_magic.sandbox.routing import Offer

_ID_LETTERS = string.ascii_letters + string.digits
_FEE = Decimal("0.05")  # of what the provider asks, where the key at the provider is the user's own


@dataclass(frozen=True, slots=True)
class Piece:
    """One token, of the answer or of the reasoning before it; or a delta that is neither, counted as one token."""

    text: str
    is_reasoning: bool = False
    delta: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens and what they cost."""

    prompt_tokens: int
    completion_tokens: int
    reasoning_tokens: int
    prompt_cost_usd: Decimal
    completion_cost_usd: Decimal
    is_byok: bool = False

    @property
    def upstream_usd(self) -> Decimal:
        """What the provider asks for the answer."""
        return self.prompt_cost_usd + self.completion_cost_usd

    @property
    def cost_usd(self) -> Decimal:
        """What is charged for the answer, exactly: with a key of the user's own at the provider only a fee."""
        return self.upstream_usd * (_FEE if self.is_byok else 1)

    def as_json(self, *, is_cached: bool = False) -> dict[str, Any]:
        """The `usage` object of an answer (recorded answers of 2026); all 0 for an answer out of the cache."""
        if is_cached:
            return Usage(0, 0, 0, Decimal(0), Decimal(0)).as_json()
        cost = json_number(self.cost_usd)
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "total_tokens": self.prompt_tokens + self.completion_tokens,
            "cost": cost,
            "is_byok": self.is_byok,
            "prompt_tokens_details": {
                "cached_tokens": 0,
                "cache_write_tokens": 0,
                "audio_tokens": 0,
                "video_tokens": 0,
            },
            "cost_details": {
                "upstream_inference_cost": json_number(self.upstream_usd),
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
    """A planned answer: its identity, the model that speaks and its provider, and every token it will say.

    `is_cached`: it was said before, and is given again free of charge. `metadata`: how it was routed, where the
    request asked for it. `logprobs`: how many other tokens are told with each; None where it was not asked for.
    """

    id: str
    created_utc: datetime
    model: Model
    prompt_tokens: int
    pieces: tuple[Piece, ...]
    finish_reason: Literal["stop", "length", "tool_calls"]
    offer: Offer
    shows_reasoning: bool = True
    is_cached: bool = False
    metadata: Mapping[str, Any] | None = None
    service_tier: str | None = None
    logprobs: int | None = None

    def usage(self, produced: int) -> Usage:
        """Tokens and cost if the first `produced` pieces were generated."""
        return Usage(
            prompt_tokens=self.prompt_tokens,
            completion_tokens=produced,
            reasoning_tokens=sum(piece.is_reasoning for piece in self.pieces[:produced]),
            prompt_cost_usd=self.prompt_tokens * self.offer.prompt_price,
            completion_cost_usd=produced * self.offer.completion_price,
            is_byok=self.model.is_byok,
        )

    def is_shown(self, piece: Piece) -> bool:
        """Whether the client gets to see a piece: reasoning may be asked for and yet kept back."""
        return self.shows_reasoning or not piece.is_reasoning

    def chunk(self, piece: Piece) -> dict[str, Any]:
        """The stream event that carries one piece; the role is in every delta, as the service does it."""
        if piece.delta is not None:
            return self._chunk({"content": "", "role": "assistant", **piece.delta})
        if not piece.is_reasoning:
            return self._with_logprobs(self._chunk({"content": piece.text, "role": "assistant"}), [piece])
        details = [_reasoning_detail(piece.text)]
        delta = {"content": "", "role": "assistant", "reasoning": piece.text, "reasoning_details": details}
        return self._chunk(delta)

    def finish_chunk(self) -> dict[str, Any]:
        """The stream event that says why the answer ended."""
        return self._chunk({"content": "", "role": "assistant"}, finish_reason=self.finish_reason)

    def error_chunk(self, error: StreamError) -> dict[str, Any]:
        """The stream event of an error in the middle: with a choice (shape a) or without (shape b)."""
        kind = {429: "rate_limit_exceeded", 502: "provider_unavailable"}.get(error.code, "server")
        chunk = self._chunk({"content": ""}, finish_reason="error") if error.shape == "a" else self._chunk({})
        if error.shape != "a":
            chunk["choices"] = []
        return chunk | {"error": error_object(error.code, error.message, {"error_type": kind})}

    def usage_chunk(self, shape: str = "2026") -> dict[str, Any]:
        """The last stream event: usage and cost.

        Its choices have had three shapes: the finish reason once more (2026), none at all (2026-03), or one that has
        not finished (2025).
        """
        head = self._head("chat.completion.chunk")
        choices = {
            "2026": self.finish_chunk()["choices"],
            "2026-03": [],
            "2025": self._chunk({"content": "", "role": "assistant"})["choices"],
        }[shape]
        usage = self.usage(len(self.pieces)).as_json(is_cached=self.is_cached)
        last = {**head, "service_tier": self.service_tier, "choices": choices, "usage": usage}
        return last | ({"openrouter_metadata": self.metadata} if self.metadata else {})

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
        for piece in self.pieces:
            if piece.delta is not None and self.is_shown(piece):
                _merge(message, piece.delta)
        choice = {"index": 0, "logprobs": None, **self._ending(self.finish_reason), "message": message}
        shown = [piece for piece in self.pieces if not piece.is_reasoning and piece.delta is None]
        whole = {
            **self._head("chat.completion"),
            "system_fingerprint": None,
            "service_tier": self.service_tier,
            "choices": [choice],
            "usage": self.usage(len(self.pieces)).as_json(is_cached=self.is_cached),
        }
        whole |= {"openrouter_metadata": self.metadata} if self.metadata else {}
        return self._with_logprobs(whole, shown)

    def _with_logprobs(self, document: dict[str, Any], pieces: list[Piece]) -> dict[str, Any]:
        if self.logprobs is not None:
            tokens = [_logprob(piece.text, self.logprobs) for piece in pieces]
            document["choices"][0]["logprobs"] = {"content": tokens, "refusal": None}
        return document

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
            "provider": self.offer.provider.name,
        }

    @staticmethod
    def _ending(reason: str | None) -> dict[str, str | None]:
        return {"finish_reason": reason, "native_finish_reason": reason}


def plan_generation(
    model: Model,
    reply: Reply,
    *,
    offer: Offer,
    prompt_tokens: int,
    max_tokens: int | None,
    shows_reasoning: bool = True,
    stops: Sequence[str] = (),
) -> Generation:
    """Lay out what a model will say; more than max_tokens (or the model's own limit) is left off."""
    pieces = [*_pieces_of(replace(reply, text=_until(reply.text, stops)))]
    limit = min(max_tokens or model.max_completion_tokens, model.max_completion_tokens)
    now = datetime.now(UTC)
    return Generation(
        id=_generation_id(now),
        created_utc=now,
        model=model,
        prompt_tokens=prompt_tokens,
        pieces=tuple(pieces[:limit]),
        finish_reason="length" if len(pieces) > limit else "tool_calls" if reply.calls else "stop",
        offer=offer,
        shows_reasoning=shows_reasoning,
    )


def again(generation: Generation) -> Generation:
    """An answer that is given again out of the cache: under a new id, at no cost."""
    now = datetime.now(UTC)
    return replace(generation, id=_generation_id(now), created_utc=now, is_cached=True, metadata=None)


def _pieces_of(reply: Reply) -> Iterator[Piece]:
    yield from (Piece(text, is_reasoning=True) for text in tokens_of(reply.reasoning))
    if reply.reasoning and reply.signature:
        # As recorded: the signature comes alone, with the index of the text that it signs.
        detail = {"type": "reasoning.text", "signature": reply.signature, "format": "unknown", "index": 0}
        yield Piece("", is_reasoning=True, delta={"reasoning_details": [detail]})
    for url, title in reply.sources:
        citation = {"url": url, "title": title, "start_index": 0, "end_index": 0}
        yield Piece("", delta={"annotations": [{"type": "url_citation", "url_citation": citation}]})
    yield from map(Piece, tokens_of(reply.text))
    for index, (name, arguments) in enumerate(reply.calls):
        yield from _call_pieces(index, name, arguments)


def _call_pieces(index: int, name: str, arguments: str) -> Iterator[Piece]:
    """A call as it is streamed: opened with its id and name, then its arguments bit by bit."""
    id = f"call_{secrets.token_hex(8)}"
    opening = {"index": index, "id": id, "type": "function", "function": {"name": name, "arguments": ""}}
    yield Piece("", delta={"content": None, "tool_calls": [opening]})
    for bit in tokens_of(arguments):
        yield Piece("", delta={"content": None, "tool_calls": [{"index": index, "function": {"arguments": bit}}]})


def _until(text: str, stops: Sequence[str]) -> str:
    ends = [end for stop in stops if stop and (end := text.find(stop)) >= 0]
    return text[: min(ends)] if ends else text


def _merge(message: dict[str, Any], delta: Mapping[str, Any]) -> None:
    """Adds what is neither text nor reasoning to a whole answer's message."""
    message.setdefault("annotations", []).extend(delta.get("annotations", []))
    if not message["annotations"]:
        del message["annotations"]
    for detail in delta.get("reasoning_details", []):
        message["reasoning_details"][0] |= {"signature": detail["signature"]}
    for call in delta.get("tool_calls", []):
        calls = message.setdefault("tool_calls", [])
        if call["index"] == len(calls):
            calls.append({**call, "function": dict(call["function"])})
        else:
            calls[call["index"]]["function"]["arguments"] += call["function"]["arguments"]
        message["content"] = message["content"] or None


def _logprob(token: str, others: int) -> dict[str, Any]:
    top = [{"token": token, "logprob": -0.1, "bytes": list(token.encode())}][:others]
    return {"token": token, "logprob": -0.1, "bytes": list(token.encode()), "top_logprobs": top}


def _generation_id(now: datetime) -> str:
    tail = "".join(secrets.choice(_ID_LETTERS) for _ in range(20))
    return f"gen-{int(now.timestamp())}-{tail}"


def _reasoning_detail(text: str) -> dict[str, Any]:
    return {"type": "reasoning.text", "text": text, "format": "unknown", "index": 0}
