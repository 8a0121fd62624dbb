"""Prices, exactly: USD per token as the decimal numbers that the service writes. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from or_magic.openrouter.lenient import as_count, as_decimal, as_list, as_object

# The service's name of each price, and ours.
_NAMES = {
    "prompt": "prompt",
    "completion": "completion",
    "request": "request",
    "input_cache_read": "cache_read",
    "input_cache_write": "cache_write",
    "input_cache_write_1h": "cache_write_1h",
    "internal_reasoning": "reasoning",
    "image": "image",
    "image_output": "image_output",
    "image_token": "image_token",
    "audio": "audio",
    "audio_output": "audio_output",
    "input_audio_cache": "audio_cache",
    "web_search": "web_search",
}
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True, slots=True)
class Condition:
    """When an override counts: from so many prompt tokens on, at such times of day and days of the week (UTC).

    Times are minutes since midnight, the end not included; a span may pass midnight. Days are 0 for Monday to 6.
    None is "always".
    """

    min_prompt_tokens: int | None = None
    start_minute: int | None = None
    end_minute: int | None = None
    days: frozenset[int] | None = None

    def holds(self, prompt_tokens: int, when_utc: datetime) -> bool:
        """Whether it counts for a request of so many prompt tokens at that moment."""
        if self.min_prompt_tokens is not None and prompt_tokens < self.min_prompt_tokens:
            return False
        when = when_utc.astimezone(UTC)
        if self.days is not None and when.weekday() not in self.days:
            return False
        if self.start_minute is None or self.end_minute is None:
            return True
        minute = when.hour * 60 + when.minute
        if self.start_minute <= self.end_minute:
            return self.start_minute <= minute < self.end_minute
        return minute >= self.start_minute or minute < self.end_minute


@dataclass(frozen=True, slots=True)
class Prices:
    """What is charged, in USD: per token, or per unit for `request`, `image` and `web_search`.

    None where the service names no price, or a router decides ("-1" on the wire); 0 is free. `overrides` are other
    prices under conditions; `at` tells which count.
    """

    prompt: Decimal | None = None
    completion: Decimal | None = None
    request: Decimal | None = None
    cache_read: Decimal | None = None
    cache_write: Decimal | None = None
    cache_write_1h: Decimal | None = None
    reasoning: Decimal | None = None
    image: Decimal | None = None
    image_output: Decimal | None = None
    image_token: Decimal | None = None
    audio: Decimal | None = None
    audio_output: Decimal | None = None
    audio_cache: Decimal | None = None
    web_search: Decimal | None = None
    overrides: tuple[tuple[Condition, Prices], ...] = ()

    def at(self, prompt_tokens: int = 0, when_utc: datetime | None = None) -> Prices:
        """The prices of one request. Of several overrides that count, the later one wins.

        Args:
            prompt_tokens: how long its prompt is.
            when_utc: when it is made (aware); now, where it is not given.
        """
        when, prices = when_utc or datetime.now(UTC), replace(self, overrides=())
        for condition, others in self.overrides:
            if condition.holds(prompt_tokens, when):
                prices = replace(prices, **others.told())
        return prices

    def told(self) -> dict[str, Any]:
        """The prices that are named, by field."""
        named = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "overrides"}
        return {name: price for name, price in named.items() if price is not None}


def prices_of(pricing: Mapping[str, Any]) -> Prices:
    """The prices in a ``pricing`` object of the catalogue."""
    overrides = tuple(
        (_condition(entry), Prices(**_named(entry)))
        for entry in map(as_object, as_list(pricing.get("overrides")))
        if entry
    )
    return Prices(**_named(pricing), overrides=overrides)


def _named(pricing: Mapping[str, Any]) -> dict[str, Any]:
    found = {ours: as_decimal(pricing.get(theirs)) for theirs, ours in _NAMES.items() if theirs in pricing}
    return {name: price for name, price in found.items() if price is not None and price >= 0}


def _condition(entry: Mapping[str, Any]) -> Condition:
    return Condition(
        as_count(entry.get("min_prompt_tokens")),
        _minute(entry.get("utc_start")),
        _minute(entry.get("utc_end")),
        _days(entry.get("utc_days")),
    )


def _minute(value: object) -> int | None:
    """Minutes since midnight of ``HHMM``, as a number or a text."""
    digits = str(value).replace(":", "") if isinstance(value, int | str) and not isinstance(value, bool) else ""
    if not digits.isdecimal() or len(digits) > 4:
        return None
    return int(digits) // 100 * 60 + int(digits) % 100


def _days(value: object) -> frozenset[int] | None:
    """Days as names, or as numbers with 0 for Sunday; None where no days are named."""
    if not isinstance(value, list) or not value:
        return None
    names = {str(day)[:3].lower() for day in value}
    numbers = {(day + 6) % 7 for day in value if isinstance(day, int)}
    return frozenset(numbers | {_DAYS.index(name) for name in names if name in _DAYS})
