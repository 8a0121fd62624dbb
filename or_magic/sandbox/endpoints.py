"""The endpoints besides chat: the catalog, the account with its records of generations, and the control endpoint.

The catalog (models, searched, filtered, sorted; who serves them; the providers) needs no key, as with the service; only
the user's own list does. Source: openrouter.ai/docs, "List models" (2026-08).

Any key that begins with `sk-or-` opens the one account there is, unless it contains `wrong`, `revoked` or
`invalid`; those rehearse a key that is not known. A key is looked at and forgotten.

The control endpoint, /sandbox/..., reads the charges and the log, turns knobs and plans faults. It answers only to the
token made at start-up (`Authorization: Bearer TOKEN`), so that no other program on the machine, and no web page, can
reach behind the scenes.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from or_magic.sandbox.behaviour import Cut, Failure
from or_magic.sandbox.models import CATALOG, Model, filler_model, find_model
from or_magic.sandbox.responses import Refusal, json_answer, json_number, read_json
from or_magic.sandbox.routing import PROVIDERS
from or_magic.sandbox.service import Charge, ReceivedRequest, Service, start_of_day, start_of_month, start_of_week

_ROWS_MAX = 1000
Row = Mapping[str, Any]
_KEY_PREFIX = "sk-or-"
_REFUSED_WORDS = ("wrong", "revoked", "invalid")
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


def catalog_routes(root: str) -> list[Route]:
    """The routes of the catalog, below the root of the API."""
    return [
        Route(f"{root}/models", _models),
        Route(f"{root}/models/user", _user_models),
        Route(f"{root}/models/count", _count),
        Route(f"{root}/models/{{author}}/{{slug}}/endpoints", _endpoints),
        Route(f"{root}/model/{{author}}/{{slug}}", _model),
        Route(f"{root}/providers", _providers),
        Route(f"{root}/endpoints/zdr", _private_endpoints),
    ]


async def _models(request: Request) -> Response:
    query = request.query_params
    rows = [row for row in (model.row() for model in _listed(request)) if all(fits(row, query) for fits in _FILTERS)]
    if (sort := _SORTS.get(query.get("sort", ""))) is not None:
        rows.sort(key=sort)
    offset, limit = _number(query, "offset", 0), _number(query, "limit", None)
    if limit is not None and not 1 <= limit <= _ROWS_MAX:
        raise Refusal(400, f"limit: must be from 1 to {_ROWS_MAX}")
    page = rows[offset or 0 :][:limit]
    return json_answer({"data": page, "total_count": len(rows), "links": {"next": None}})


async def _user_models(request: Request) -> Response:
    require_key(request)
    return await _models(request)


async def _count(request: Request) -> Response:
    return json_answer({"data": {"count": len(_listed(request))}})


def _listed(request: Request) -> list[Model]:
    """The models of the catalog, and as many made-up ones as its behaviour wants."""
    wanted: int = request.app.state.service.controls.behaviour.models
    return [*CATALOG, *(filler_model(number) for number in range(1, wanted - len(CATALOG) + 1))]


async def _model(request: Request) -> Response:
    return json_answer({"data": _named(request).row()})


async def _endpoints(request: Request) -> Response:
    model = _named(request)
    row = model.row()
    offers = [] if model.routes_to else [offer.row(row) for offer in model.offers()]
    facts = {name: row[name] for name in ("id", "name", "created", "description", "architecture")}
    return json_answer({"data": {**facts, "endpoints": offers}})


async def _providers(request: Request) -> Response:
    return json_answer({"data": [provider.row() for provider in PROVIDERS]})


async def _private_endpoints(request: Request) -> Response:
    answering = [model for model in CATALOG if not model.routes_to]
    offers = [(model, offer) for model in answering for offer in model.offers() if not offer.provider.trains]
    return json_answer({"data": [offer.row(model.row()) for model, offer in offers]})


def _named(request: Request) -> Model:
    name = "{author}/{slug}".format_map(request.path_params)
    found = find_model(name)
    if found is None:
        raise Refusal(404, f"Model {name} not found")
    return found[0]


def _number(query: Mapping[str, str], name: str, default: int | None) -> int | None:
    text = query.get(name)
    if text is None:
        return default
    if not text.isdecimal():
        raise Refusal(400, f"{name}: must be a whole number")
    return int(text)


def _fits_text(row: Row, query: Mapping[str, str]) -> bool:
    wanted = query.get("q", "").lower()
    return wanted in f"{row['id']} {row['name']} {row['description']}".lower()


def _fits_parameters(row: Row, query: Mapping[str, str]) -> bool:
    wanted = filter(None, query.get("supported_parameters", "").split(","))
    return set(wanted) <= set(row["supported_parameters"])


def _fits_modalities(row: Row, query: Mapping[str, str]) -> bool:
    architecture = row["architecture"]
    for name in ("input_modalities", "output_modalities"):
        wanted = query.get(name, "")
        if wanted and wanted != "all" and not set(wanted.split(",")) & set(architecture[name]):
            return False
    return True


def _fits_numbers(row: Row, query: Mapping[str, str]) -> bool:
    price = Decimal(row["pricing"]["prompt"]) * 1_000_000
    most, least = query.get("max_price"), query.get("context")
    try:
        return (most is None or 0 <= price <= Decimal(most)) and int(least or 0) <= row["context_length"]
    except (ArithmeticError, ValueError):
        raise Refusal(400, "max_price and context: must be numbers") from None


_FILTERS = (_fits_text, _fits_parameters, _fits_modalities, _fits_numbers)
_SORTS: Mapping[str, Callable[[Row], Any]] = {
    "newest": lambda row: -row["created"],
    "pricing-low-to-high": lambda row: Decimal(row["pricing"]["prompt"]),
    "pricing-high-to-low": lambda row: -Decimal(row["pricing"]["prompt"]),
    "context-high-to-low": lambda row: -row["context_length"],
}


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

    def routes(self, root: str) -> list[Route]:
        """Its routes, below the root of the API."""
        return [
            Route(f"{root}/key", self.key),
            Route(f"{root}/auth/key", self.key),
            Route(f"{root}/credits", self.credits),
            Route(f"{root}/generation", self.generation),
        ]

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


class Control:
    """The control endpoints; each of them checks the token first."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def routes(self) -> list[Route]:
        """The routes, to be mounted at /sandbox."""
        return [
            Route("/sandbox/charges", self.charges),
            Route("/sandbox/requests", self.requests),
            Route("/sandbox/behaviour", self.behaviour),
            Route("/sandbox/behaviour", self.change, methods=["POST"]),
            Route("/sandbox/fail", self.fail, methods=["POST"]),
            Route("/sandbox/cut", self.cut, methods=["POST"]),
        ]

    async def charges(self, request: Request) -> Response:
        """Every charge, oldest first, and their sum."""
        self._require_token(request)
        charges = self._service.charges
        rows = [asdict(charge) | {"cost_usd": json_number(charge.cost_usd)} for charge in charges]
        return json_answer({"total_usd": json_number(charges.total_usd()), "charges": rows})

    async def requests(self, request: Request) -> Response:
        """The received requests that are still kept, oldest first."""
        self._require_token(request)
        return json_answer({"requests": [_as_json(received) for received in self._service.requests]})

    async def behaviour(self, request: Request) -> Response:
        """The knobs as they stand."""
        self._require_token(request)
        return json_answer(self._service.controls.behaviour)

    async def change(self, request: Request) -> Response:
        """Turn the knobs given in the body; answers with all of them."""
        self._require_token(request)
        knobs = read_json(await request.body(), dict[str, Any])
        try:
            return json_answer(self._service.controls.change(knobs))
        except msgspec.ValidationError as error:
            raise Refusal(400, str(error)) from None

    async def fail(self, request: Request) -> Response:
        """Plan a failure: {"status": 429}, with message, metadata, headers, body or path as in Failure."""
        return await self._plan(request, Failure)

    async def cut(self, request: Request) -> Response:
        """Plan a dropped connection: {"after_bytes": n} or {"after_events": n}."""
        return await self._plan(request, Cut)

    async def _plan(self, request: Request, kind: type[Failure | Cut]) -> Response:
        self._require_token(request)
        fault: Failure | Cut = read_json(await request.body(), kind)
        self._service.controls.plan(fault)
        return json_answer({"planned": fault})

    def _require_token(self, request: Request) -> None:
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        if not hmac.compare_digest(given.encode(), self._service.token.encode()):
            raise Refusal(401, "The control endpoint needs the start-up token: Authorization: Bearer TOKEN.")


def _as_json(received: ReceivedRequest) -> dict[str, Any]:
    return asdict(received) | {"closed_by_client": received.closed_by_client}
