"""Words in, models out: the ids and names that hold them, with their prices, the best first. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from or_magic.catalog.model import Catalog, Model

_SEPARATORS = re.compile(r"[^a-z0-9]+")
_FORGIVEN = 0.25  # of a word's letters, how many may stand apart for it to be found all the same
_AT_ID, _AT_WORD, _IN_ID, _IN_NAME, _SPREAD = 0, 1, 2, 3, 4


def ranked(query: str, ids: Sequence[str], names: Sequence[str] = (), prices: Sequence[float] = ()) -> list[int]:
    """The places of those that hold all words of the query: in the id, the name, or with a letter or two between.

    Better matches come first: an id that begins with the query, then one of whose parts does, then one that holds it
    anywhere; of equal ones the cheaper, then the shorter. An empty query is in all, in their own order.

    Args:
        query: words; case, dashes and dots do not count.
        ids: such as ``openai/gpt-5-mini``.
        names: of the same models; () for none.
        prices: of the same models, for ties; NaN comes last, () for none.
    """
    words = query.lower().split()
    if not words:
        return list(range(len(ids)))
    found = []
    for place, id in enumerate(ids):
        name = names[place].lower() if names else ""
        scores = [_score(word, id.lower(), name) for word in words]
        if None not in scores:
            price = prices[place] if prices else 0.0
            found.append((sum(filter(None, scores)), price if price == price else float("inf"), len(id), place))
    return [place for *_, place in sorted(found)]


def _score(word: str, id: str, name: str) -> int | None:
    """How well a word fits, 0 for best; None where it does not."""
    if word in id:
        at = id.find(word)
        part = id.rpartition("/")[2]
        if at == 0 or part.startswith(word):
            return _AT_ID
        return _AT_WORD if not id[at - 1].isalnum() else _IN_ID
    if word in name:
        return _IN_NAME
    plain, wanted = _SEPARATORS.sub("", id), _SEPARATORS.sub("", word)
    if wanted and wanted in plain:
        return _IN_ID
    return _SPREAD if len(wanted) > 2 and _is_spread(wanted, plain) else None


def _is_spread(word: str, text: str) -> bool:
    """Whether the letters of the word stand in the text in their order, with few others between."""
    start = text.find(word[0])
    while start >= 0:
        at = start
        for letter in word[1:]:
            at = text.find(letter, at + 1)
            if at < 0:
                return False
        if at - start + 1 - len(word) <= max(1, _FORGIVEN * len(word)):
            return True
        start = text.find(word[0], start + 1)
    return False


@dataclass(frozen=True, slots=True)
class CompletionIndex:
    """All ids of a catalog.

    Attributes:
        of: the catalog.
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
    def made(cls, catalog: Catalog) -> CompletionIndex:
        """The shelf of a catalog."""
        ids = [model.id for model in catalog.models]
        prices = [_per_million(model.prices.prompt) for model in catalog.models]
        return cls(catalog, ids, prices, list(map(_told, catalog.models)), {id: place for place, id in enumerate(ids)})


def unknown_line(catalog: Catalog, id: str) -> str:
    """One line about an id that the catalog does not have, with the nearest and their prices."""
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
