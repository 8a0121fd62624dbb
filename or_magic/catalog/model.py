"""The catalog of the service as values: models with exact prices and what they can, endpoints, providers. Pure."""

from __future__ import annotations

import difflib
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cached_property
from typing import Any

_SEPARATORS = re.compile(r"[^a-z0-9/]+")
_CANDIDATES = 60  # how many ids are compared letter by letter
_FEW = 1_000  # ids of which all are compared letter by letter where none shares a triple
_LEAST_LIKENESS = 0.6
_PRESET = "@preset/"


@dataclass(frozen=True, slots=True)
class Condition:
    """When other prices apply: from so many prompt tokens on, at certain times of day and days of the week (UTC).

    Times are minutes since midnight, the end not included; a span may pass midnight. Days run from 0 for Monday to 6.
    None stands for always.
    """

    min_prompt_tokens: int | None = None
    start_minute: int | None = None
    end_minute: int | None = None
    days: frozenset[int] | None = None

    def holds(self, prompt_tokens: int, when_utc: datetime) -> bool:
        """Whether it is met by a request of so many prompt tokens at that moment."""
        if self.min_prompt_tokens is not None and prompt_tokens < self.min_prompt_tokens:
            return False
        when = when_utc.astimezone(UTC)
        if self.days is not None and when.weekday() not in self.days:
            return False
        if self.start_minute is None or self.end_minute is None:
            return True
        minute = when.hour * 60 + when.minute
        if self.start_minute <= self.end_minute:
            return self.start_minute <= minute < self.end_minute
        return minute >= self.start_minute or minute < self.end_minute


@dataclass(frozen=True, slots=True)
class Prices:
    """What is charged, in USD: per token, or per unit for `request`, `image` and `web_search`.

    None where the service names no price, or a router decides ("-1" on the wire); 0 is free. `overrides` are other
    prices under conditions; `at` gives those of one request.
    """

    prompt: Decimal | None = None
    completion: Decimal | None = None
    request: Decimal | None = None
    cache_read: Decimal | None = None
    cache_write: Decimal | None = None
    cache_write_1h: Decimal | None = None
    reasoning: Decimal | None = None
    image: Decimal | None = None
    image_output: Decimal | None = None
    image_token: Decimal | None = None
    audio: Decimal | None = None
    audio_output: Decimal | None = None
    audio_cache: Decimal | None = None
    web_search: Decimal | None = None
    overrides: tuple[tuple[Condition, Prices], ...] = ()

    def at(self, prompt_tokens: int = 0, when_utc: datetime | None = None) -> Prices:
        """The prices of one request. Of several overrides whose condition is met, the later one wins.

        Args:
            prompt_tokens: how long its prompt is.
            when_utc: when it is made (aware); now, where it is not given.
        """
        when, prices = when_utc or datetime.now(UTC), replace(self, overrides=())
        for condition, others in self.overrides:
            if condition.holds(prompt_tokens, when):
                prices = replace(prices, **others.known())
        return prices

    def known(self) -> dict[str, Any]:
        """The prices that are not None, by the name of their field."""
        prices = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "overrides"}
        return {name: price for name, price in prices.items() if price is not None}


def per_million(price: Decimal | None) -> float | None:
    """A price per token in USD per million tokens; None where it is not known."""
    return None if price is None else float(price * 1_000_000)


def price_text(usd_per_million: Decimal | float) -> str:
    """USD per million tokens as people write them, with at most four significant digits: 1.25, 10, 0.0375."""
    return f"{Decimal(f'{float(usd_per_million):.4g}'):f}"


@dataclass(frozen=True, slots=True)
class Reasoning:
    """How a model reasons.

    Attributes:
        is_mandatory: whether it cannot be switched off.
        efforts: the efforts that can be asked for; () where the service does not say.
        default_effort: "" where the service does not say.
        takes_max_tokens: whether a budget in tokens can be set; None where the service does not say.
    """

    is_mandatory: bool = False
    efforts: tuple[str, ...] = ()
    default_effort: str = ""
    takes_max_tokens: bool | None = None


@dataclass(frozen=True, slots=True)
class Model:
    """One row of the catalog.

    Attributes:
        canonical_slug: its dated name; "" where the service does not say, as for all texts here.
        name: for people; the id where the service does not say.
        created_utc: when it was added.
        context_tokens, max_output_tokens: None where the service does not say.
        input_modalities, output_modalities: such as ``text``, ``image``, ``file``, ``audio``, ``video``.
        is_router: whether it picks another model for each question; the price is that one's, or nothing.
        supported_parameters: the names of the request parameters that it takes.
        knowledge_cutoff, expires: None where the service does not say.
        reasoning: None where it does not reason, or the service does not say.
        benchmarks: scores by name, such as ``intelligence_index``.
        alias_of: the id that it stands for now; "" for a model of its own.
        raw_rows: the rows of the catalog as they came, by id.
    """

    id: str
    canonical_slug: str
    name: str
    created_utc: datetime | None
    context_tokens: int | None
    max_output_tokens: int | None
    prices: Prices
    input_modalities: frozenset[str]
    output_modalities: frozenset[str]
    tokenizer: str
    is_moderated: bool | None
    is_router: bool
    supported_parameters: frozenset[str]
    knowledge_cutoff: date | None
    expires: date | None
    reasoning: Reasoning | None
    benchmarks: Mapping[str, float] = field(hash=False)
    alias_of: str
    raw_rows: Mapping[str, Mapping[str, Any]] = field(repr=False, compare=False)

    @property
    def raw(self) -> Mapping[str, Any]:
        """The whole row as it came, with fields that are not known here; the catalog is read anew for it once."""
        return self.raw_rows[self.id]

    @property
    def author(self) -> str:
        """The part of the id before the slash."""
        return self.id.partition("/")[0].lstrip("~") if "/" in self.id else ""

    @property
    def variant(self) -> str:
        """The part of the id behind the colon, such as ``free``; "" where there is none."""
        return self.id.partition(":")[2]

    @property
    def is_free(self) -> bool:
        """Whether nothing is charged for its tokens."""
        return self.prices.prompt == 0 and self.prices.completion == 0

    @property
    def takes_images(self) -> bool:
        """Whether images can be part of a question."""
        return "image" in self.input_modalities

    @property
    def takes_files(self) -> bool:
        """Whether it reads files itself; others get them parsed by the service."""
        return "file" in self.input_modalities

    @property
    def takes_audio(self) -> bool:
        """Whether audio can be part of a question."""
        return "audio" in self.input_modalities

    @property
    def makes_images(self) -> bool:
        """Whether its answer can hold images."""
        return "image" in self.output_modalities

    @property
    def takes_tools(self) -> bool:
        """Whether it can call tools."""
        return "tools" in self.supported_parameters

    @property
    def takes_schemas(self) -> bool:
        """Whether its answer can be bound to a JSON schema."""
        return "structured_outputs" in self.supported_parameters

    @property
    def reasons(self) -> bool:
        """Whether it can think before it answers."""
        return self.reasoning is not None or "reasoning" in self.supported_parameters


@dataclass(frozen=True, slots=True)
class ModelEndpoint:
    """One model as one provider serves it.

    Attributes:
        tag: how the provider is named in a request.
        status: 0 for a healthy endpoint, below 0 for a degraded one.
        uptime: of the last 30 minutes, in percent; None where the service does not say.
        latency_ms, throughput: medians of the last 30 minutes (tokens per second); None without a key.
    """

    name: str
    provider: str
    tag: str
    context_tokens: int | None
    max_output_tokens: int | None
    prices: Prices
    quantization: str
    supported_parameters: frozenset[str]
    status: int | None
    uptime: float | None
    latency_ms: float | None
    throughput: float | None
    raw: Mapping[str, Any] = field(repr=False, hash=False)


@dataclass(frozen=True, slots=True)
class Provider:
    """A company that serves models; `slug` is its name in a request."""

    name: str
    slug: str
    privacy_policy_url: str
    terms_of_service_url: str
    status_page_url: str
    headquarters: str
    datacenters: tuple[str, ...]


class Catalog:
    """The models of a service, by id. Does not change.

    Args:
        names: the id and the dated name ("" where it has none) of each model, in the service's order.
        make: makes the model at a place in that order; called once for each that is looked at.
    """

    def __init__(self, names: Sequence[tuple[str, str]], make: Callable[[int], Model]) -> None:
        self._ids, self._make = tuple(id for id, _ in names), make
        self._made: dict[int, Model] = {}
        backwards = list(zip(range(len(names) - 1, -1, -1), reversed(names), strict=True))  # of equal ones the first
        self._by_id = {id.lower(): place for place, (id, _) in backwards}
        self._by_slug = {_dated_name(id, slug).lower(): place for place, (id, slug) in backwards if slug}

    def __len__(self) -> int:
        return len(self._ids)

    @cached_property
    def models(self) -> tuple[Model, ...]:
        """All models, in the service's order."""
        return tuple(map(self._model, range(len(self))))

    def find(self, id: str) -> Model | None:
        """The model that an id stands for: also a dated name, one with variants or a preset behind it. Else None."""
        for name in _names_of(id):
            place = self._by_id.get(name, self._by_slug.get(name))
            if place is not None:
                return self._model(place)
        return None

    def nearest(self, id: str, count: int = 3) -> tuple[str, ...]:
        """Ids that look like `id`, best first: of one mistyped, without its author, or with another's."""
        near, known = self._names.nearest(id, count), self.find(id)
        if known is None:
            return near
        return (known.id, *(other for other in near if other != known.id))[:count]

    def _model(self, place: int) -> Model:
        if place not in self._made:
            self._made[place] = self._make(place)
        return self._made[place]

    @cached_property
    def _names(self) -> NameIndex:
        return NameIndex(self._ids)


def _dated_name(id: str, slug: str) -> str:
    """The canonical slug with the variant, whose price is another; the service tells the slug without it."""
    variant = id.partition(":")[2]
    return f"{slug}:{variant}" if variant and ":" not in slug else slug


def _names_of(id: str) -> Iterator[str]:
    """The id itself, then with fewer and fewer of its variants, each of them alone, and none."""
    base, *variants = id.strip().lower().partition(_PRESET)[0].rstrip("@").split(":")
    for count in range(len(variants), 1, -1):
        yield ":".join((base, *variants[:count]))
    for variant in variants:
        yield f"{base}:{variant}"
    yield base


class NameIndex:
    """Finds the ids, such as ``openai/gpt-5-mini``, that share most triples of letters with a mistyped one."""

    def __init__(self, ids: tuple[str, ...]) -> None:
        self._ids = ids
        self._of_triple: dict[str, list[int]] = defaultdict(list)
        for number, id in enumerate(ids):
            for triple in _triples(id):
                self._of_triple[triple].append(number)

    def nearest(self, id: str, count: int = 3) -> tuple[str, ...]:
        """At most `count` ids that are like `id`, the most alike first; () where none is."""
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
    """The id without dashes, dots and case, in which people err most."""
    return _SEPARATORS.sub("", id.lower())


def _triples(id: str) -> set[str]:
    slug = f"^{_plain(id).rpartition('/')[2]}"
    return {slug[start : start + 3] for start in range(max(1, len(slug) - 2))}


def _likeness(one: str, other: str) -> float:
    """How alike two ids are, from 0 to 1; the author counts less than the name."""
    (author, _, slug), (other_author, _, other_slug) = _plain(one).rpartition("/"), _plain(other).rpartition("/")
    names = difflib.SequenceMatcher(None, slug, other_slug).ratio()
    authors = difflib.SequenceMatcher(None, author, other_author).ratio() if author else 0.5
    return 0.85 * names + 0.15 * authors
