"""The service's response cache: an answer to the same request is given again, free of charge, where that is asked for.

Source: openrouter.ai/docs, "Response caching" (2026-08): ``X-OpenRouter-Cache: true``, a time to live of 1 to 86,400
seconds (default 300), ``-Clear: true`` to ask anew.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass

from or_magic.sandbox.generation import again
from or_magic.sandbox.planning import Plan
from or_magic.sandbox.responses import Refusal

_DEFAULT_TTL_S = 300


@dataclass(frozen=True, slots=True)
class _Kept:
    plan: Plan
    kept_at: float
    ttl_s: int

    @property
    def age_s(self) -> float:
        return time.monotonic() - self.kept_at


class KeptAnswers:
    """Answers by the key that asked, and the request's bytes."""

    def __init__(self) -> None:
        self._kept: dict[bytes, _Kept] = {}

    def find(self, headers: Mapping[str, str], body: bytes) -> tuple[Plan | None, dict[str, str]]:
        """The kept answer, if it is asked for and fresh, and the headers that tell of it.

        Raises: Refusal (400): the time to live is none.
        """
        if headers.get("x-openrouter-cache", "").lower() != "true":
            return None, {}
        ttl_s = _ttl(headers.get("x-openrouter-cache-ttl"))
        kept = self._kept.get(_key(headers, body))
        is_cleared = headers.get("x-openrouter-cache-clear", "").lower() == "true"
        if kept is None or is_cleared or kept.age_s > kept.ttl_s:
            return None, {"X-OpenRouter-Cache-Status": "MISS", "X-OpenRouter-Cache-TTL": str(ttl_s)}
        source = kept.plan.generation
        return Plan(again(source), kept.plan.behaviour), {
            "X-OpenRouter-Cache-Status": "HIT",
            "X-OpenRouter-Cache-Age": str(int(kept.age_s)),
            "X-OpenRouter-Cache-TTL": str(kept.ttl_s),
            "X-OpenRouter-Cache-Source-Id": source.id,
        }

    def keep(self, headers: Mapping[str, str], body: bytes, plan: Plan) -> None:
        """Keeps an answer for the next time."""
        ttl_s = _ttl(headers.get("x-openrouter-cache-ttl"))
        self._kept[_key(headers, body)] = _Kept(plan, time.monotonic(), ttl_s)


def _ttl(text: str | None) -> int:
    if text is None:
        return _DEFAULT_TTL_S
    if not text.isdecimal() or not 1 <= int(text) <= 86_400:
        raise Refusal(400, "X-OpenRouter-Cache-TTL must be from 1 to 86400")
    return int(text)


def _key(headers: Mapping[str, str], body: bytes) -> bytes:
    # Hashed together: the key itself is not kept.
    return hashlib.sha256(headers.get("authorization", "").encode() + b"\0" + body).digest()
