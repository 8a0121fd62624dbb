"""The book of charges: what every generation of this sandbox cost, exactly.

Play money, real arithmetic: prices are decimal strings, a cost is a Decimal, and a sum of costs is the sum.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal


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


class Book:
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
        return f"<Book of {len(self)} charges, {self.total_usd()} USD>"


def start_of_day(now: datetime) -> datetime:
    """Midnight before `now`, in its time zone."""
    return now.replace(hour=0, minute=0, second=0, microsecond=0)


def start_of_week(now: datetime) -> datetime:
    """Midnight before the latest Monday, as OpenRouter counts weeks."""
    return start_of_day(now) - timedelta(days=now.weekday())


def start_of_month(now: datetime) -> datetime:
    """Midnight before the first day of the month."""
    return start_of_day(now).replace(day=1)
