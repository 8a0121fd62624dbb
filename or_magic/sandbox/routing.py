"""The companies that seem to serve the models, and which of them may answer a request, in which order.

Most models are served by `sandbox` alone. `sandbox/routed` is served by all of them.

Left to itself the service balances the load over healthy providers, the cheaper the oftener. A rehearsal should go the
same way each time, so here the cheapest healthy one answers. Source: openrouter.ai/docs, "Provider routing" (2026-08).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from or_magic.sandbox.responses import Refusal, json_number

_PRECISION = Literal["int4", "int8", "fp4", "mxfp4", "nvfp4", "fp6", "fp8", "mxfp8", "fp16", "bf16", "fp32", "unknown"]
_SORT = Literal["price", "throughput", "latency", "exacto"]
_SPEED = Annotated[float, Meta(ge=0)] | dict[str, float]
_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Provider:
    """One company.

    Attributes:
        factor: its price, as a multiple of the model's.
        throughput: tokens per second, in the statistics.
        latency_ms: to the first token, in the statistics.
        trains: it may keep and learn from what it is sent.
        stops: closing the connection ends its generation; otherwise all of it is billed.
        fails: the HTTP status with which it fails each time; 0 for never.
        takes: request parameters that it supports besides those of the model; None for all.
    """

    slug: str
    name: str
    factor: Decimal
    quantization: str
    throughput: float
    latency_ms: float
    trains: bool = False
    stops: bool = True
    fails: int = 0
    takes: frozenset[str] | None = None

    def row(self) -> dict[str, Any]:
        """The company as ``GET /providers`` lists it."""
        return {
            "name": self.name,
            "slug": self.slug,
            "privacy_policy_url": None,
            "terms_of_service_url": None,
            "status_page_url": None,
            "headquarters": None,
            "datacenters": None,
        }


SANDBOX = Provider("sandbox", "Sandbox", Decimal(1), "fp16", 100, 250)
CHEAP = Provider("sandbox-cheap", "Cheap Sandbox", Decimal("0.5"), "fp4", 40, 900, trains=True, stops=False)
FAST = Provider("sandbox-fast", "Fast Sandbox", Decimal(3), "bf16", 400, 80)
DOWN = Provider("sandbox-down", "Broken Sandbox", Decimal("0.25"), "fp8", 5, 4000, fails=502)
PROVIDERS = (SANDBOX, CHEAP, FAST, DOWN)


@dataclass(frozen=True, slots=True)
class Offer:
    """A provider's offer of a model: prices in USD per token."""

    provider: Provider
    prompt_price: Decimal
    completion_price: Decimal

    def row(self, model: Mapping[str, Any]) -> dict[str, Any]:
        """The offer as ``GET /models/{author}/{slug}/endpoints`` lists it; `model` is the row of the catalog."""
        provider = self.provider
        health = None if provider.fails else 100
        return {
            "name": f"{provider.name} | {model['id']}",
            "model_id": model["id"],
            "model_name": model["name"],
            "context_length": model["context_length"],
            "pricing": {
                "prompt": f"{json_number(self.prompt_price):f}",
                "completion": f"{json_number(self.completion_price):f}",
                "discount": 0,
            },
            "provider_name": provider.name,
            "tag": provider.slug,
            "quantization": provider.quantization,
            "max_completion_tokens": model["top_provider"]["max_completion_tokens"],
            "max_prompt_tokens": None,
            "supported_parameters": model["supported_parameters"],
            "supports_tool_choice": dict.fromkeys(("none", "auto", "required", "function"), True),
            "status": -2 if provider.fails else 0,
            "uptime_last_5m": health,
            "uptime_last_30m": health,
            "uptime_last_1d": health,
            "supports_implicit_caching": False,
            "supports_voice_cloning": False,
            "supports_diarization": False,
            "latency_last_30m": _spread(provider.latency_ms),
            "throughput_last_30m": _spread(provider.throughput),
            "native_tools": {},
            "service_tier": None,
        }


def _spread(median: float) -> dict[str, float]:
    return {"p50": median, "p75": median * 1.2, "p90": median * 1.5, "p99": median * 3}


class SortBy(msgspec.Struct):
    """The longer form of `sort`."""

    by: _SORT
    partition: Literal["model", "none"] = "model"


class Preferences(msgspec.Struct):
    """The ``provider`` object; names as in the API."""

    order: list[str] | None = None
    only: list[str] | None = None
    ignore: list[str] | None = None
    allow_fallbacks: bool | None = None
    require_parameters: bool | None = None
    data_collection: Literal["allow", "deny"] | None = None
    zdr: bool | None = None
    enforce_distillable_text: bool | None = None
    quantizations: list[_PRECISION] | None = None
    sort: _SORT | SortBy | None = None
    preferred_min_throughput: _SPEED | None = None
    preferred_max_latency: _SPEED | None = None
    max_price: dict[str, str | float] | None = None
    options: dict[str, Any] | None = None


def route(model: str, offers: Sequence[Offer], wants: Preferences, sent: Collection[str]) -> list[Offer]:
    """The offers that may answer, the first to be tried first.

    Args:
        model: its id, for the refusal.
        sent: the request's parameters, for `require_parameters`.

    Raises: Refusal (404): nothing is left.
    """
    left = list(offers)
    for reason, keep in _FILTERS.items():
        kept = [offer for offer in left if keep(offer, wants, sent)]
        if not kept:
            raise _nothing_left(model, reason, offers, wants)
        left = kept
    left.sort(key=lambda offer: _rank(offer, wants))
    if wants.order:
        named = [offer for slug in wants.order for offer in left if _matches(offer, slug)]
        others = [] if wants.allow_fallbacks is False else [offer for offer in left if offer not in named]
        left = list(dict.fromkeys([*named, *others]))
        if not left:
            raise _nothing_left(model, "allowed_providers", offers, wants)
    return left[:1] if wants.allow_fallbacks is False and not wants.order else left


def _matches(offer: Offer, slug: str) -> bool:
    """Whether a slug names the provider: the base slug, or one endpoint of it behind a slash."""
    return slug.lower().partition("/")[0] == offer.provider.slug


def _is_allowed(offer: Offer, wants: Preferences, _: Collection[str]) -> bool:
    if wants.only is not None and not any(_matches(offer, slug) for slug in wants.only):
        return False
    return not any(_matches(offer, slug) for slug in wants.ignore or ())


def _is_private_enough(offer: Offer, wants: Preferences, _: Collection[str]) -> bool:
    return not (offer.provider.trains and (wants.data_collection == "deny" or wants.zdr))


def _is_precise_enough(offer: Offer, wants: Preferences, _: Collection[str]) -> bool:
    return wants.quantizations is None or offer.provider.quantization in wants.quantizations


def _is_cheap_enough(offer: Offer, wants: Preferences, _: Collection[str]) -> bool:
    most = wants.max_price or {}
    prices = {"prompt": offer.prompt_price, "completion": offer.completion_price}
    return all(price * _MILLION <= Decimal(str(most[name])) for name, price in prices.items() if name in most)


def _takes_enough(offer: Offer, wants: Preferences, sent: Collection[str]) -> bool:
    return not wants.require_parameters or offer.provider.takes is None or set(sent) <= offer.provider.takes


# What rules an offer out, by the service's own name for it (`excluded_by`).
_FILTERS = {
    "allowed_providers": _is_allowed,
    "data_policy:training": _is_private_enough,
    "quantization": _is_precise_enough,
    "max_price": _is_cheap_enough,
    "require_parameters": _takes_enough,
}


def _rank(offer: Offer, wants: Preferences) -> tuple[bool, bool, float]:
    """Smaller is earlier: the healthy ones, those that are fast enough, then by what is sorted by."""
    provider = offer.provider
    too_slow = provider.throughput < _median(wants.preferred_min_throughput, 0)
    too_late = provider.latency_ms / 1000 > _median(wants.preferred_max_latency, float("inf"))
    by = wants.sort.by if isinstance(wants.sort, SortBy) else wants.sort
    worth = {"throughput": -provider.throughput, "latency": provider.latency_ms}.get(
        by or "price", float(offer.prompt_price + offer.completion_price)
    )
    return bool(provider.fails) and by is None, too_slow or too_late, worth


def _median(wanted: float | Mapping[str, float] | None, default: float) -> float:
    if isinstance(wanted, Mapping):
        return wanted.get("p50", default)
    return default if wanted is None else wanted


def _nothing_left(model: str, reason: str, offers: Sequence[Offer], wants: Preferences) -> Refusal:
    message = f"No endpoints found for {model} that match your provider settings."
    if reason == "allowed_providers":
        message = "No allowed providers are available for the selected model."
    metadata = {
        "available_providers": [offer.provider.slug for offer in offers],
        "requested_providers": wants.only or wants.order or [],
    }
    availability = {
        "code": "constraint_filtered",
        "retryable": False,
        "requested_models": [model],
        "excluded_by": [reason],
        "docs_url": "https://openrouter.ai/docs/guides/routing/provider-selection",
    }
    return Refusal(404, message, metadata=metadata, availability=availability)
