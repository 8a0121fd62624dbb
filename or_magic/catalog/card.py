"""What there is to know of a model, on a few lines: its abilities and prices, who serves it, what changed."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING

from or_magic.catalog.model import Condition, Prices, price_text
from or_magic.catalog.search import unknown_line
from or_magic.errors import OrMagicError

if TYPE_CHECKING:
    from or_magic.catalog.model import Model, ModelEndpoint
    from or_magic.catalog.source import CatalogSource

_TIMEOUT_S = 3.0
_MOST_ENDPOINTS = 5
_VARIANTS = {
    "free": "Free, with limits: 20 questions a minute, 50 a day (1,000 once you have ever bought 10 credits).",
    "nitro": "The variant nitro asks the fastest provider first.",
    "floor": "The variant floor asks the cheapest provider first.",
    "online": "The variant online searches the web first, which is charged besides.",
    "batch": "The variant batch answers later, for less.",
}
_ROUTERS = {
    "openrouter/auto": "A router: it picks a model for each question, at that model's price. The footer names it.",
    "openrouter/free": "A router: it picks one of the free models for each question.",
}


def model_card(models: CatalogSource, id: str) -> list[str]:
    """The lines about a model; [] where no catalog has been read yet.

    The service is asked who serves the model, for at most three seconds; what it does not answer is left out.
    """
    id = "openrouter/auto" if id == "auto" else id
    known = models.cached(id)
    if known is None:
        return [_unknown(models, id)] if models.is_cached and id != "account" else []
    lines = [f"{known.id} · {known.name}{_age(known)}", *_what_it_is(models, known, id), _abilities(known)]
    lines += [] if known.is_router else _prices(known)
    try:
        endpoints = () if known.is_router else models.kept_endpoints(known.id, timeout_s=_TIMEOUT_S)
        lines += _served(endpoints)
        warning = models.snapshots.warning(known)
        lines += [warning] if warning else []
    except OrMagicError:
        pass  # the card is a convenience
    return list(filter(None, lines))


def _unknown(models: CatalogSource, id: str) -> str:
    if id.startswith("@preset/"):
        return "A preset of your account: it says which model answers, and how."
    return unknown_line(models.catalog(), id)


def _age(model: Model) -> str:
    return f" · since {model.created_utc:%d %b %Y}" if model.created_utc is not None else ""


def _what_it_is(models: CatalogSource, model: Model, asked: str) -> Iterator[str]:
    if model.alias_of:
        target = models.cached(model.alias_of)
        yield f"A name that moves with the versions: it stands for {target.id if target else model.alias_of} now."
    if model.is_router:
        yield _ROUTERS.get(model.id, "A router: it picks a model for each question, and you pay that one's price.")
    for variant in asked.split(":")[1:]:
        yield _VARIANTS.get(variant, "")


def _abilities(model: Model) -> str:
    abilities = [
        ("tools", model.takes_tools),
        ("structured answers", model.takes_schemas),
        ("reasoning", model.reasons),
    ]
    can = [name for name, is_able in abilities if is_able]
    takes = ", ".join(sorted(model.input_modalities, key=lambda each: (each != "text", each))) or "text"
    gives = ", ".join(sorted(model.output_modalities)) or "text"
    context = f"{model.context_tokens:,} tokens of context" if model.context_tokens else "context not known"
    most = f", {model.max_output_tokens:,} of answer" if model.max_output_tokens else ""
    scores = [f"{name.removesuffix('_index')} {score:.0f}" for name, score in model.benchmarks.items()]
    measured = f"; {', '.join(scores)} (Artificial Analysis)" if scores else ""
    return f"takes {takes}; gives {gives}; {', '.join(can) or 'no tools'}; {context}{most}{measured}"


def _prices(model: Model) -> Iterator[str]:
    line = _price_line(model.prices)
    yield f"{line} (USD per million tokens)" if " in, " in line else line
    for condition, prices in model.prices.overrides:
        yield f"  {_when(condition)}: {_price_line(prices)}"


def _price_line(prices: Prices) -> str:
    if prices.prompt is None or prices.completion is None:
        return "price not known"
    if not prices.prompt and not prices.completion:
        return "free"
    parts = [f"{_usd(prices.prompt)} in", f"{_usd(prices.completion)} out"]
    cached = (("cached", prices.cache_read), ("into the cache", prices.cache_write))
    parts += [f"{_usd(price)} {name}" for name, price in cached if price]
    parts += [f"{prices.request:f} a question"] if prices.request else []
    return ", ".join(parts)


def _when(condition: Condition) -> str:
    parts = []
    if condition.min_prompt_tokens is not None:
        parts.append(f"from {condition.min_prompt_tokens:,} prompt tokens on")
    if condition.start_minute is not None and condition.end_minute is not None:
        times = [f"{minute // 60:02d}:{minute % 60:02d}" for minute in (condition.start_minute, condition.end_minute)]
        parts.append(f"from {times[0]} to {times[1]} UTC")
    if condition.days is not None:
        names = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
        parts.append(f"on {', '.join(names[day] for day in sorted(condition.days))}")
    return ", ".join(parts) or "at times"


def _served(endpoints: tuple[ModelEndpoint, ...]) -> Iterator[str]:
    """A line for each of the cheapest providers."""
    ordered = sorted(endpoints, key=lambda endpoint: endpoint.prices.prompt or Decimal(0))
    yield "served by" if ordered else ""
    for endpoint in ordered[:_MOST_ENDPOINTS]:
        prices = ((endpoint.prices.prompt, "in"), (endpoint.prices.completion, "out"))
        parts = [f"{_usd(price)} {way}" for price, way in prices if price is not None]
        parts += [f"{endpoint.uptime:.1f} % up"] if endpoint.uptime is not None else []
        parts += [f"{endpoint.throughput:.0f} tokens/s"] if endpoint.throughput else []
        parts += ["in trouble"] if endpoint.status not in (None, 0) else []
        yield f"  {endpoint.provider}: {', '.join(parts)}"
    if len(ordered) > _MOST_ENDPOINTS:
        yield f"  and {len(ordered) - _MOST_ENDPOINTS} more (%openrouter endpoints)"


def _usd(price: Decimal) -> str:
    return price_text(price * 1_000_000)
