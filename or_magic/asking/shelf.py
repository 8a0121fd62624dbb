"""The ids of a catalogue with their prices, ready to be searched at each key and told in a line. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from or_magic.openrouter.catalog import Catalog, Model


@dataclass(frozen=True, slots=True)
class Shelf:
    """All ids of a catalogue.

    Attributes:
        of: the catalogue.
        ids: in its order.
        prices: what a million prompt tokens cost, in USD; NaN where it is not told.
        told: the same for people, in and out.
        places: where each id stands.
    """

    of: Catalog
    ids: list[str]
    prices: list[float]
    told: list[str]
    places: Mapping[str, int]

    @classmethod
    def made(cls, catalog: Catalog) -> Shelf:
        """The shelf of a catalogue."""
        ids = [model.id for model in catalog.models]
        prices = [_per_million(model.prices.prompt) for model in catalog.models]
        return cls(catalog, ids, prices, list(map(_told, catalog.models)), {id: place for place, id in enumerate(ids)})


def unknown_line(catalog: Catalog, id: str) -> str:
    """One line about an id that the catalogue does not have, with the nearest and their prices."""
    near = [priced(catalog, other) for other in catalog.nearest(id)]
    return f"No model {id!r}. Nearest: {', '.join(near)}." if near else f"No model {id!r}, nor one like it."


def priced(catalog: Catalog, id: str) -> str:
    """An id with what a million tokens cost, in USD."""
    model = catalog.find(id)
    told = _told(model) if model is not None else ""
    return f"{id} ({told})" if told else id


def _told(model: Model) -> str:
    prompt, completion = model.prices.prompt, model.prices.completion
    if prompt is None or completion is None:
        return ""
    return "free" if model.is_free else f"{_per_million(prompt):.3g} in, {_per_million(completion):.3g} out"


def _per_million(price: Decimal | None) -> float:
    return float("nan") if price is None else float(price * 1_000_000)
