"""Which providers may answer a request, in which order: the ``provider`` object of a request, at work. Pure.

Left to itself the service balances the load over healthy providers, the cheaper the oftener. A rehearsal should go the
same way each time, so here the cheapest healthy one answers. Source: openrouter.ai/docs, "Provider routing" (2026-08).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from or_magic.sandbox.answers import Refusal
from or_magic.sandbox.providers import Offer

_PRECISION = Literal["int4", "int8", "fp4", "mxfp4", "nvfp4", "fp6", "fp8", "mxfp8", "fp16", "bf16", "fp32", "unknown"]
_SORT = Literal["price", "throughput", "latency", "exacto"]
_SPEED = Annotated[float, Meta(ge=0)] | dict[str, float]
_MILLION = 1_000_000


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


def _hears_enough(offer: Offer, wants: Preferences, sent: Collection[str]) -> bool:
    return not wants.require_parameters or offer.provider.hears is None or set(sent) <= offer.provider.hears


# What rules an offer out, by the service's own name for it (`excluded_by`).
_FILTERS = {
    "allowed_providers": _is_allowed,
    "data_policy:training": _is_private_enough,
    "quantization": _is_precise_enough,
    "max_price": _is_cheap_enough,
    "require_parameters": _hears_enough,
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
