"""The account behind the sandbox: keys, what was spent, and the record of each generation.

Any key that begins with `sk-or-` opens the one account there is, unless it contains `wrong`, `revoked` or
`invalid`; those rehearse a key that is not known. A key is looked at and forgotten.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from or_magic.sandbox.responses import Refusal, json_answer, json_number
from or_magic.sandbox.service import Charge, Service, start_of_day, start_of_month, start_of_week

_KEY_PREFIX = "sk-or-"
_REFUSED_WORDS = ("wrong", "revoked", "invalid")


def require_key(request: Request) -> None:
    """Let a request pass that brings an acceptable key.

    Raises: Refusal (401), in the service's words.
    """
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        raise Refusal(401, "Missing Authentication header")
    if not key.startswith(_KEY_PREFIX) or any(word in key for word in _REFUSED_WORDS):
        raise Refusal(401, "User not found.")


class Account:
    """The endpoints /key, /credits and /generation."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def key(self, request: Request) -> Response:
        """What the key may spend (no limit of its own) and what was spent."""
        require_key(request)
        return json_answer({"data": self._spent() | _KEY_FACTS})

    async def credits(self, request: Request) -> Response:
        """The play money: what there was, and what was spent of it."""
        require_key(request)
        total = self._service.controls.behaviour.credits_usd
        spent = self._service.charges.total_usd()
        return json_answer({"data": {"total_credits": json_number(total), "total_usage": json_number(spent)}})

    async def generation(self, request: Request) -> Response:
        """The record of one generation; 404 until it has ended."""
        require_key(request)
        generation_id = request.query_params.get("id", "")
        charge = self._service.charges.find(generation_id)
        delay_s = self._service.controls.behaviour.record_delay_s
        if charge is None or time.monotonic() < charge.recorded_at + delay_s:
            raise Refusal(404, f"Generation {generation_id} not found")
        return json_answer({"data": _record(charge)})

    def _spent(self) -> dict[str, Any]:
        charges, now = self._service.charges, datetime.now(UTC)
        return {
            "label": "sandbox",
            "limit": None,
            "limit_remaining": None,
            "limit_reset": None,
            "usage": json_number(charges.total_usd()),
            "usage_daily": json_number(charges.total_usd(since=start_of_day(now))),
            "usage_weekly": json_number(charges.total_usd(since=start_of_week(now))),
            "usage_monthly": json_number(charges.total_usd(since=start_of_month(now))),
        }


_KEY_FACTS: dict[str, Any] = {
    "include_byok_in_limit": False,
    "byok_usage": 0,
    "byok_usage_daily": 0,
    "byok_usage_weekly": 0,
    "byok_usage_monthly": 0,
    "is_free_tier": False,
    "is_management_key": False,
    "is_provisioning_key": False,
    "creator_user_id": "user_sandbox",
    "expires_at": None,
    "rate_limit": {"requests": -1, "interval": "10s", "note": "This field is deprecated and safe to ignore."},
    "free_model_daily_requests": {"used": 0, "limit": 1000, "remaining": 1000},
    "budgets": [],
    "effective_budget": None,
    "organization_id": None,
    "workspace_id": None,
    "allowed_data_regions": ["global"],
}
# The fields of a generation's record that the sandbox has no use for: no media, no search, no own upstream.
_UNUSED_IN_A_RECORD: dict[str, Any] = dict.fromkeys(
    (
        "app_id",
        "cache_discount",
        "external_user",
        "http_referer",
        "moderation_latency",
        "native_tokens_completion_images",
        "num_fetches",
        "num_input_audio_prompt",
        "num_media_completion",
        "num_media_prompt",
        "num_search_results",
        "preset_id",
        "provider_responses",
        "router",
        "service_tier",
        "session_id",
        "upstream_id",
        "upstream_inference_cost",
        "user_agent",
        "web_search_engine",
        "workspace_id",
    )
)


def _record(charge: Charge) -> dict[str, Any]:
    cost = json_number(charge.cost_usd)
    return _UNUSED_IN_A_RECORD | {
        "id": charge.generation_id,
        "model": charge.model,
        "provider_name": charge.provider,
        "created_at": charge.created_utc.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "api_type": "completions",
        "data_region": "global",
        "origin": "",
        "is_byok": False,
        "streamed": charge.streamed,
        "cancelled": charge.cancelled,
        "finish_reason": charge.finish_reason,
        "native_finish_reason": charge.finish_reason,
        "latency": charge.latency_ms,
        "generation_time": charge.generation_time_ms,
        "tokens_prompt": charge.prompt_tokens,
        "tokens_completion": charge.completion_tokens,
        "native_tokens_prompt": charge.prompt_tokens,
        "native_tokens_completion": charge.completion_tokens,
        "native_tokens_reasoning": charge.reasoning_tokens,
        "native_tokens_cached": 0,
        "usage": cost,
        "total_cost": cost,
    }
