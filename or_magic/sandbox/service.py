"""What one running sandbox remembers: its charges, the log of received requests, the answers that it gives again.

Play money, real arithmetic: prices are decimal strings, a cost is a Decimal, and a sum of costs is the sum.

A key is never kept: the headers that may carry one are dropped before a request is written down. The log is
bounded, in requests and in bytes; the oldest are forgotten first.

An answer to an equal request is given again, free of charge, where that is asked for. Source: openrouter.ai/docs,
"Response caching" (2026-08): ``X-OpenRouter-Cache: true``, a time to live of 1 to 86,400 seconds (default 300),
``-Clear: true`` to ask anew.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

from or_magic.sandbox.behaviour import Controls
from or_magic.sandbox.generation import again
from or_magic.sandbox.planning import Plan
from or_magic.sandbox.recordings import Recordings
from or_magic.sandbox.responses import Refusal

Ending = Literal["complete", "closed by client", "cut"]
# Wherever clients put keys: OpenRouter reads the first, other services the last two.
_SECRET_HEADERS = frozenset({"authorization", "proxy-authorization", "cookie", "x-api-key", "api-key"})
_KEPT_REQUESTS = 1_000
_KEPT_BYTES = 64_000_000
_DEFAULT_TTL_S = 300  # of a kept answer


@dataclass(frozen=True, slots=True)
class Charge:
    """One generation and what it cost. `cancelled`: it ended before its model had said everything."""

    generation_id: str
    model: str
    created_utc: datetime
    prompt_tokens: int
    completion_tokens: int
    reasoning_tokens: int
    cost_usd: Decimal
    streamed: bool
    cancelled: bool
    finish_reason: str | None
    latency_ms: int
    generation_time_ms: int
    provider: str = "Sandbox"
    recorded_at: float = 0.0  # time.monotonic()


class Charges:
    """All charges since the sandbox was started, oldest first; may be read from any thread."""

    def __init__(self) -> None:
        self._charges: dict[str, Charge] = {}
        self._total_usd = Decimal(0)  # kept, not summed up: it is asked for before every answer
        self._lock = threading.Lock()

    def add(self, charge: Charge) -> None:
        """Write a charge down; from then on it counts and can be found."""
        with self._lock:
            self._charges[charge.generation_id] = charge
            self._total_usd += charge.cost_usd

    def find(self, generation_id: str) -> Charge | None:
        """The charge of a generation; None while it is running, or if there was no such generation."""
        return self._charges.get(generation_id)

    def total_usd(self, *, since: datetime | None = None) -> Decimal:
        """The sum of all costs, or of those from `since` on (a moment with its time zone)."""
        if since is None:
            return self._total_usd
        return sum((charge.cost_usd for charge in self if charge.created_utc >= since), Decimal(0))

    def __iter__(self) -> Iterator[Charge]:
        with self._lock:
            return iter(tuple(self._charges.values()))

    def __len__(self) -> int:
        return len(self._charges)

    def __repr__(self) -> str:
        return f"<{len(self)} charges, {self.total_usd()} USD>"


def start_of_day(now: datetime) -> datetime:
    """Midnight before `now`, in its time zone."""
    return now.replace(hour=0, minute=0, second=0, microsecond=0)


def start_of_week(now: datetime) -> datetime:
    """Midnight before the latest Monday, as OpenRouter counts weeks."""
    return start_of_day(now) - timedelta(days=now.weekday())


def start_of_month(now: datetime) -> datetime:
    """Midnight before the first day of the month."""
    return start_of_day(now).replace(day=1)


@dataclass(frozen=True, slots=True)
class ReceivedRequest:
    """One request under /api, without its key.

    `body` is the parsed JSON, None if there was none or it was broken. `status` is None until the answer
    began, `ending` until it is over; "cut" means that the sandbox dropped the connection.
    """

    number: int
    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: Any
    body_bytes: int
    received_utc: datetime
    status: int | None = None
    generation_id: str | None = None
    ending: Ending | None = None

    @property
    def closed_by_client(self) -> bool:
        """Whether the client hung up before it had the whole answer."""
        return self.ending == "closed by client"


class RequestLog:
    """The newest received requests, oldest first; may be read and waited for from any thread."""

    def __init__(self, *, kept_requests: int = _KEPT_REQUESTS, kept_bytes: int = _KEPT_BYTES) -> None:
        self._kept_requests = kept_requests
        self._kept_bytes = kept_bytes
        self._requests: dict[int, ReceivedRequest] = {}
        self._bytes = 0
        self._count = 0
        self._changed = threading.Condition()

    def open(
        self, *, method: str, path: str, query: str, headers: Mapping[str, str], body: Any, body_bytes: int
    ) -> int:
        """Write a request down as it arrives; returns its number, which counts from 1."""
        kept = {name: value for name, value in headers.items() if name.lower() not in _SECRET_HEADERS}
        with self._changed:
            self._count += 1
            self._bytes += body_bytes
            self._requests[self._count] = ReceivedRequest(
                self._count, method, path, query, kept, body, body_bytes, datetime.now(UTC)
            )
            self._forget_oldest()
            self._changed.notify_all()
            return self._count

    def answer(self, number: int, *, status: int, generation_id: str | None) -> None:
        """Note that the answer to a request began."""
        self._update(number, status=status, generation_id=generation_id)

    def close(self, number: int, ending: Ending) -> None:
        """Note how a request ended; the first ending stays."""
        request = self._requests.get(number)
        if request is not None and request.ending is None:
            self._update(number, ending=ending)

    def wait_for(self, matches: Callable[[ReceivedRequest], bool], timeout_s: float = 5.0) -> ReceivedRequest:
        """The first request that matches, as soon as there is one.

        Raises: TimeoutError, if none matched in time.
        """
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while True:
                found = next((request for request in self._requests.values() if matches(request)), None)
                if found is not None:
                    return found
                if not self._changed.wait(deadline - time.monotonic()):
                    raise TimeoutError(f"None of {len(self)} received requests matched within {timeout_s} s.")

    def __iter__(self) -> Iterator[ReceivedRequest]:
        with self._changed:
            return iter(tuple(self._requests.values()))

    def __getitem__(self, index: int) -> ReceivedRequest:
        return tuple(self)[index]

    def __len__(self) -> int:
        return len(self._requests)

    def __repr__(self) -> str:
        return f"<RequestLog of {len(self)} requests>"

    def _update(self, number: int, **changes: Any) -> None:
        with self._changed:
            if number in self._requests:
                self._requests[number] = replace(self._requests[number], **changes)
                self._changed.notify_all()

    def _forget_oldest(self) -> None:
        while len(self) > self._kept_requests or (self._bytes > self._kept_bytes and len(self) > 1):
            oldest = self._requests.pop(next(iter(self._requests)))
            self._bytes -= oldest.body_bytes


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
        """The kept answer, if one is asked for and fresh, and the headers that tell of it.

        Raises: Refusal (400): the time to live is no number that it can be.
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


@dataclass(frozen=True, slots=True)
class Service:
    """One running sandbox: its controls, charges, log, kept and recorded answers.

    `token` opens the control endpoint.
    """

    controls: Controls
    token: str = field(repr=False)
    charges: Charges = field(default_factory=Charges)
    requests: RequestLog = field(default_factory=RequestLog)
    kept_answers: KeptAnswers = field(default_factory=KeptAnswers)
    recordings: Recordings = field(default_factory=Recordings)
