"""The account behind a key: what the key may spend, the credits, the record of an answer. Amounts are in USD.

These are ``/key``, ``/credits`` and ``/generation``; amounts are exact, as `Decimal`.

Source: openrouter.ai/docs, "Limits" and "Get a generation" (2026-08); fields that came later in 2026 are optional.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from or_magic.client.client import Client
from or_magic.errors import ServiceError
from or_magic.lenient_json import as_bool, as_count, as_decimal, as_list, as_object, as_text
from or_magic.types import Value


class KeyBudget(Value, frozen=True):
    """A limit that was set outside of the key, such as for a team. None is "not told"."""

    scope: str
    limit_usd: Decimal | None
    spent_usd: Decimal | None
    remaining_usd: Decimal | None
    resets_at: datetime | None


class KeyState(Value, frozen=True):
    """What a key may spend and has spent.

    Attributes:
        label: its name, or the key masked.
        limit_usd, remaining_usd: None where it has no limit of its own.
        limit_reset: such as ``daily``; "" where it never is renewed.
        usage_usd, daily_usd, weekly_usd, monthly_usd: spent in all, and since midnight, Monday and the first (UTC).
        is_free_tier: whether the account never bought credits.
        free_requests_used, free_requests_limit: of today, to models that cost nothing.
        raw: all of it, as it came.
    """

    hidden = ("raw",)

    label: str
    limit_usd: Decimal | None
    remaining_usd: Decimal | None
    limit_reset: str
    usage_usd: Decimal | None
    daily_usd: Decimal | None
    weekly_usd: Decimal | None
    monthly_usd: Decimal | None
    is_free_tier: bool | None
    free_requests_used: int | None
    free_requests_limit: int | None
    budgets: tuple[KeyBudget, ...]
    expires_at: datetime | None
    raw: Mapping[str, Any]


class Credits(Value, frozen=True):
    """What an account bought and spent."""

    bought_usd: Decimal
    used_usd: Decimal

    @property
    def left_usd(self) -> Decimal:
        """The balance; below 0 where more was used than bought."""
        return self.bought_usd - self.used_usd


class Generation(Value, frozen=True):
    """The service's record of one answer.

    Attributes:
        cost_usd: what was charged for it.
        upstream_cost_usd: what the provider charged a key of the user's own there.
        prompt_tokens, completion_tokens, reasoning_tokens, cached_tokens: the billed (native) counts.
        is_cancelled: whether the client had hung up.
        raw: all of it, as it came.
    """

    hidden = ("raw",)

    id: str
    model: str
    provider: str
    cost_usd: Decimal | None
    upstream_cost_usd: Decimal | None
    prompt_tokens: int | None
    completion_tokens: int | None
    reasoning_tokens: int | None
    cached_tokens: int | None
    is_cancelled: bool | None
    finish_reason: str
    raw: Mapping[str, Any]


async def key_state(client: Client) -> KeyState:
    """What the client's key may spend and has spent.

    Raises:
        ServiceError: or one of its kinds; `AuthenticationError` for a key that is not known.
    """
    facts = as_object((await client.get("/key")).get("data"))
    free = as_object(facts.get("free_model_daily_requests"))
    return KeyState(
        label=as_text(facts.get("label")),
        limit_usd=as_decimal(facts.get("limit")),
        remaining_usd=as_decimal(facts.get("limit_remaining")),
        limit_reset=as_text(facts.get("limit_reset")),
        usage_usd=as_decimal(facts.get("usage")),
        daily_usd=as_decimal(facts.get("usage_daily")),
        weekly_usd=as_decimal(facts.get("usage_weekly")),
        monthly_usd=as_decimal(facts.get("usage_monthly")),
        is_free_tier=as_bool(facts.get("is_free_tier")),
        free_requests_used=as_count(free.get("used")),
        free_requests_limit=as_count(free.get("limit")),
        budgets=tuple(_budget(each) for each in map(as_object, as_list(facts.get("budgets"))) if each),
        expires_at=_moment(facts.get("expires_at")),
        raw=facts,
    )


async def credits(client: Client) -> Credits | None:
    """What the account bought and spent; None where this key may not know (the docs ask for a management key).

    Raises:
        ServiceError: or one of its kinds; `AuthenticationError` for a key that is not known.
    """
    try:
        facts = as_object((await client.get("/credits")).get("data"))
    except ServiceError as error:
        if error.status not in (401, 403, 404):
            raise
        if error.status == 401:
            await key_state(client)  # which is refused as well where the key is wrong
        return None
    bought, used = as_decimal(facts.get("total_credits")), as_decimal(facts.get("total_usage"))
    return None if bought is None or used is None else Credits(bought, used)


async def generation(client: Client, id: str, *, tries: int = 5, pause_s: float = 1.0) -> Generation:
    """The service's record of an answer. It is written some seconds late, so it is asked for up to `tries` times.

    Raises:
        ServiceError: with `status` 404 where it is not there yet, or never will be; or another of its kinds.
    """
    for attempt in range(1, tries + 1):
        try:
            facts = as_object((await client.get("/generation", params={"id": id})).get("data"))
            return _generation(facts)
        except ServiceError as error:
            if error.status != 404 or attempt == tries:
                raise
        await asyncio.sleep(pause_s * attempt)
    raise ValueError("tries must be 1 or more")


def _generation(facts: Mapping[str, Any]) -> Generation:
    cost = as_decimal(facts.get("total_cost"))
    return Generation(
        id=as_text(facts.get("id")),
        model=as_text(facts.get("model")),
        provider=as_text(facts.get("provider_name")),
        cost_usd=cost if cost is not None else as_decimal(facts.get("usage")),
        upstream_cost_usd=as_decimal(facts.get("upstream_inference_cost")),
        prompt_tokens=as_count(facts.get("native_tokens_prompt")),
        completion_tokens=as_count(facts.get("native_tokens_completion")),
        reasoning_tokens=as_count(facts.get("native_tokens_reasoning")),
        cached_tokens=as_count(facts.get("native_tokens_cached")),
        is_cancelled=as_bool(facts.get("cancelled")),
        finish_reason=as_text(facts.get("finish_reason")),
        raw=facts,
    )


def _budget(facts: Mapping[str, Any]) -> KeyBudget:
    return KeyBudget(
        scope=as_text(facts.get("scope")),
        limit_usd=as_decimal(facts.get("limit_usd")),
        spent_usd=as_decimal(facts.get("spend_usd")),
        remaining_usd=as_decimal(facts.get("remaining_usd")),
        resets_at=_moment(facts.get("resets_at")),
    )


def _moment(value: object) -> datetime | None:
    """The moment in UTC, which it is taken for where it names no offset."""
    try:
        moment = datetime.fromisoformat(as_text(value))
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):  # the latter: in the year 1 or 9999, shifted out of the calendar
        return None
