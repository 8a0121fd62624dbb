"""Names that look like a mistyped one, out of thousands, in milliseconds. Pure."""

from __future__ import annotations

import difflib
import re
from collections import Counter, defaultdict

_SEPARATORS = re.compile(r"[^a-z0-9/]+")
_CANDIDATES = 60  # how many are compared closely
_FEW = 1_000  # ids of which all are compared closely where none shares a triple
_LEAST_LIKENESS = 0.6


class Names:
    """An index over ids such as ``openai/gpt-5-mini``: which of them share most triples of letters with another."""

    def __init__(self, ids: tuple[str, ...]) -> None:
        self._ids = ids
        self._of_triple: dict[str, list[int]] = defaultdict(list)
        for number, id in enumerate(ids):
            for triple in _triples(id):
                self._of_triple[triple].append(number)

    def nearest(self, id: str, count: int = 3) -> tuple[str, ...]:
        """At most `count` ids, the most alike first; () where none is alike."""
        shared: Counter[int] = Counter()
        for triple in _triples(id):
            shared.update(self._of_triple.get(triple, ()))
        # Of those that share as much, the shorter is nearer: `gpt-5` before `gpt-5-mini`.
        best = sorted(shared, key=lambda number: (-shared[number], len(self._ids[number])))[:_CANDIDATES]
        if not best and len(self._ids) <= _FEW:  # letters that changed places leave a short name no triple in common
            best = list(range(len(self._ids)))
        likeness = {number: _likeness(id, self._ids[number]) for number in best}
        best.sort(key=lambda number: (-likeness[number], len(self._ids[number]), number))
        return tuple(self._ids[number] for number in best if likeness[number] >= _LEAST_LIKENESS)[:count]


def _plain(id: str) -> str:
    """Without dashes, dots and case, in which people err most."""
    return _SEPARATORS.sub("", id.lower())


def _triples(id: str) -> set[str]:
    slug = f"^{_plain(id).rpartition('/')[2]}"
    return {slug[start : start + 3] for start in range(max(1, len(slug) - 2))}


def _likeness(one: str, other: str) -> float:
    """From 0 to 1; the author counts less than the name."""
    (author, _, slug), (other_author, _, other_slug) = _plain(one).rpartition("/"), _plain(other).rpartition("/")
    names = difflib.SequenceMatcher(None, slug, other_slug).ratio()
    authors = difflib.SequenceMatcher(None, author, other_author).ratio() if author else 0.5
    return 0.85 * names + 0.15 * authors
