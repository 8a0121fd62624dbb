"""Which models a few words stand for: those whose id or name holds them, the best first. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from or_magic.catalog.model import Catalog, Model, per_million, price_text

_SEPARATORS = re.compile(r"[^a-z0-9]+")
_OTHER_LETTERS = 0.25  # how many other letters may stand between those of a word, for each of its own
_AT_ID, _AT_WORD, _IN_ID, _IN_NAME, _SPREAD = 0, 1, 2, 3, 4


def ranked(query: str, ids: Sequence[str], names: Sequence[str] = (), prices: Sequence[float] = ()) -> list[int]:
    """The positions of the models whose id or name holds all words of the query, also with a letter or two between.

    Better matches come first: an id that begins with the query, then one of whose parts does, then one that holds it
    anywhere; of equal ones the cheaper, then the shorter. An empty query finds all models, in their own order.

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
    for position, id in enumerate(ids):
        name = names[position].lower() if names else ""
        scores = [_score(word, id.lower(), name) for word in words]
        if None not in scores:
            price = prices[position] if prices else 0.0
            found.append((sum(filter(None, scores)), price if price == price else float("inf"), len(id), position))
    return [position for *_, position in sorted(found)]


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
    """Whether the letters of the word stand in the text in their order, with few other letters between."""
    start = text.find(word[0])
    while start >= 0:
        at = start
        for letter in word[1:]:
            at = text.find(letter, at + 1)
            if at < 0:
                return False
        if at - start + 1 - len(word) <= max(1, _OTHER_LETTERS * len(word)):
            return True
        start = text.find(word[0], start + 1)
    return False


@dataclass(frozen=True, slots=True)
class CompletionIndex:
    """All ids of a catalog with their prices, for completion.

    Attributes:
        catalog: which has these ids.
        ids: in the catalog's order.
        prices: what a million prompt tokens cost at each, in USD; NaN where it is not known.
        price_texts: both prices of each as text, such as ``1.25 in, 10 out``; "" where they are not known.
        known_ids: the ids once more, to be looked up.
    """

    catalog: Catalog
    ids: list[str]
    prices: list[float]
    price_texts: list[str]
    known_ids: frozenset[str]

    @classmethod
    def of(cls, catalog: Catalog) -> CompletionIndex:
        """The index of a catalog."""
        ids = [model.id for model in catalog.models]
        prices = [per_million(model.prices.prompt) for model in catalog.models]
        numbers = [float("nan") if price is None else price for price in prices]
        return cls(catalog, ids, numbers, list(map(_price_text, catalog.models)), frozenset(ids))


def unknown_line(catalog: Catalog, id: str) -> str:
    """One line about an id that the catalog does not have, with the nearest ids and their prices."""
    near = [priced_id(catalog, other) for other in catalog.nearest(id)]
    return f"No model {id!r}. Nearest: {', '.join(near)}." if near else f"No model {id!r}, nor one like it."


def priced_id(catalog: Catalog, id: str) -> str:
    """An id with its prices behind it in parentheses, in USD per million tokens."""
    model = catalog.find(id)
    prices = _price_text(model) if model is not None else ""
    return f"{id} ({prices})" if prices else id


def _price_text(model: Model) -> str:
    prompt, completion = per_million(model.prices.prompt), per_million(model.prices.completion)
    if prompt is None or completion is None:
        return ""
    return "free" if model.is_free else f"{price_text(prompt)} in, {price_text(completion)} out"
