"""The catalog of the service as values: models with exact prices and what they can, endpoints, providers. Pure.

Rows are decoded tolerantly: what is missing or of another type is None, "" or empty, and a row without an id is left
out, so that neither an older catalog, nor a newer one, nor that of another server of the protocol fails. Source:
``GET /models``, ``/models/{author}/{slug}/endpoints`` and ``/providers`` (openrouter.ai, 2026-08; also as of 2025-12).
"""

from __future__ import annotations

import difflib
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cached_property
from typing import Any

from or_magic.errors import ServiceError
from or_magic.lenient_json import as_bool, as_count, as_decimal, as_list, as_object, as_text, parse_object

_SEPARATORS = re.compile(r"[^a-z0-9/]+")
_CANDIDATES = 60  # how many are compared closely
_FEW = 1_000  # ids of which all are compared closely where none shares a triple
_LEAST_LIKENESS = 0.6


class NameIndex:
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


# The service's name of each price, and ours.
_NAMES = {
    "prompt": "prompt",
    "completion": "completion",
    "request": "request",
    "input_cache_read": "cache_read",
    "input_cache_write": "cache_write",
    "input_cache_write_1h": "cache_write_1h",
    "internal_reasoning": "reasoning",
    "image": "image",
    "image_output": "image_output",
    "image_token": "image_token",
    "audio": "audio",
    "audio_output": "audio_output",
    "input_audio_cache": "audio_cache",
    "web_search": "web_search",
}
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True, slots=True)
class Condition:
    """When an override counts: from so many prompt tokens on, at such times of day and days of the week (UTC).

    Times are minutes since midnight, the end not included; a span may pass midnight. Days are 0 for Monday to 6.
    None is "always".
    """

    min_prompt_tokens: int | None = None
    start_minute: int | None = None
    end_minute: int | None = None
    days: frozenset[int] | None = None

    def holds(self, prompt_tokens: int, when_utc: datetime) -> bool:
        """Whether it counts for a request of so many prompt tokens at that moment."""
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
    prices under conditions; `at` tells which count.
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
        """The prices of one request. Of several overrides that count, the later one wins.

        Args:
            prompt_tokens: how long its prompt is.
            when_utc: when it is made (aware); now, where it is not given.
        """
        when, prices = when_utc or datetime.now(UTC), replace(self, overrides=())
        for condition, others in self.overrides:
            if condition.holds(prompt_tokens, when):
                prices = replace(prices, **others.told())
        return prices

    def told(self) -> dict[str, Any]:
        """The prices that are named, by field."""
        named = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "overrides"}
        return {name: price for name, price in named.items() if price is not None}


def prices_of(pricing: Mapping[str, Any]) -> Prices:
    """The prices in a ``pricing`` object of the catalog."""
    overrides = tuple(
        (_condition(entry), Prices(**_named(entry)))
        for entry in map(as_object, as_list(pricing.get("overrides")))
        if entry
    )
    return Prices(**_named(pricing), overrides=overrides)


def _named(pricing: Mapping[str, Any]) -> dict[str, Any]:
    found = {ours: as_decimal(pricing.get(theirs)) for theirs, ours in _NAMES.items() if theirs in pricing}
    return {name: price for name, price in found.items() if price is not None and price >= 0}


def _condition(entry: Mapping[str, Any]) -> Condition:
    return Condition(
        as_count(entry.get("min_prompt_tokens")),
        _minute(entry.get("utc_start")),
        _minute(entry.get("utc_end")),
        _days(entry.get("utc_days")),
    )


def _minute(value: object) -> int | None:
    """Minutes since midnight of ``HHMM``, as a number or a text."""
    digits = str(value).replace(":", "") if isinstance(value, int | str) and not isinstance(value, bool) else ""
    if not digits.isdecimal() or len(digits) > 4:
        return None
    return int(digits) // 100 * 60 + int(digits) % 100


def _days(value: object) -> frozenset[int] | None:
    """Days as names, or as numbers with 0 for Sunday; None where no days are named."""
    if not isinstance(value, list) or not value:
        return None
    names = {str(day)[:3].lower() for day in value}
    numbers = {(day + 6) % 7 for day in value if isinstance(day, int)}
    return frozenset(numbers | {_DAYS.index(name) for name in names if name in _DAYS})


_PRESET = "@preset/"


@dataclass(frozen=True, slots=True)
class Reasoning:
    """How a model reasons.

    Attributes:
        is_mandatory: it cannot be switched off.
        efforts: the efforts it knows; () where the service does not tell.
        default_effort: "" where the service does not tell.
        takes_max_tokens: whether a budget in tokens can be set; None where the service does not tell.
    """

    is_mandatory: bool = False
    efforts: tuple[str, ...] = ()
    default_effort: str = ""
    takes_max_tokens: bool | None = None


@dataclass(frozen=True, slots=True)
class Model:
    """One row of the catalog.

    Attributes:
        canonical_slug: its dated name; "" where the service does not tell, as for all texts here.
        created_utc: when it was added.
        context_tokens, max_output_tokens: None where the service does not tell.
        prices: see `prices.Prices`.
        input_modalities, output_modalities: such as ``text``, ``image``, ``file``, ``audio``, ``video``.
        supported_parameters: request parameters that it hears.
        reasoning: None where it does not reason, or the service does not tell.
        benchmarks: scores by name, such as ``intelligence_index``.
        alias_of: the id that it stands for now; "" for a model of its own.
        raw: the whole row as it came.
    """

    id: str
    canonical_slug: str
    name: str
    created_utc: datetime | None
    description: str
    context_tokens: int | None
    max_output_tokens: int | None
    prices: Prices
    input_modalities: frozenset[str]
    output_modalities: frozenset[str]
    tokenizer: str
    is_moderated: bool | None
    supported_parameters: frozenset[str]
    default_parameters: Mapping[str, Any] = field(hash=False)
    knowledge_cutoff: date | None
    expires: date | None
    reasoning: Reasoning | None
    benchmarks: Mapping[str, float] = field(hash=False)
    alias_of: str
    raw: Mapping[str, Any] = field(repr=False, hash=False)

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
    def is_router(self) -> bool:
        """Whether it picks another model for each question; the price is that one's, or nothing."""
        told = as_decimal(as_object(self.raw.get("pricing")).get("prompt"))
        # The free router has a price, 0. Aliases are marked as routers as well.
        return (told is not None and told < 0) or (self.tokenizer == "Router" and not self.alias_of)

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
    """A provider's offer of one model.

    Attributes:
        tag: how the provider is named in a request.
        status: 0 is well; below 0 is degraded.
        uptime: of the last 30 minutes, in percent; None where the service does not tell.
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
    """A company that serves models. `slug` names it in a request."""

    name: str
    slug: str
    privacy_policy_url: str
    terms_of_service_url: str
    status_page_url: str
    headquarters: str
    datacenters: tuple[str, ...]


class Catalog:
    """The models of a service, by id. Does not change.

    Attributes:
        models: in the service's order.
    """

    def __init__(self, models: tuple[Model, ...]) -> None:
        self.models = models
        self._by_id = {model.id.lower(): model for model in reversed(models)}
        self._by_slug = {_dated_name(model).lower(): model for model in reversed(models) if model.canonical_slug}

    def __len__(self) -> int:
        return len(self.models)

    def find(self, id: str) -> Model | None:
        """The model that an id stands for: also a dated name, one with variants or a preset behind it. Else None."""
        return next((model for name in _names_of(id) if (model := self._named(name)) is not None), None)

    def _named(self, name: str) -> Model | None:
        return self._by_id.get(name) or self._by_slug.get(name)

    def nearest(self, id: str, count: int = 3) -> tuple[str, ...]:
        """Ids that look like `id`, best first: of one mistyped, without its author, or with another's."""
        near, known = self._names.nearest(id, count), self.find(id)
        if known is None:
            return near
        return (known.id, *(other for other in near if other != known.id))[:count]

    @cached_property
    def _names(self) -> NameIndex:
        return NameIndex(tuple(model.id for model in self.models))


def _dated_name(model: Model) -> str:
    """The canonical slug with the variant, whose price is another; the service tells the slug without it."""
    has_variant = model.variant and ":" not in model.canonical_slug
    return f"{model.canonical_slug}:{model.variant}" if has_variant else model.canonical_slug


def _names_of(id: str) -> Iterator[str]:
    """The id itself, then with fewer and fewer of its variants, each of them alone, and none."""
    base, *variants = id.strip().lower().partition(_PRESET)[0].rstrip("@").split(":")
    for count in range(len(variants), 1, -1):
        yield ":".join((base, *variants[:count]))
    for variant in variants:
        yield f"{base}:{variant}"
    yield base


def decode_models(body: bytes) -> Catalog:
    """The catalog in the body of ``GET /models`` or ``/models/user``.

    Raises:
        ServiceError: there is not one model in it.
    """
    models = tuple(model for row in as_list(parse_object(body).get("data")) if (model := _model(row)) is not None)
    if not models:
        raise ServiceError("The service sent a list of models without a single model in it.", may_be_charged=False)
    return Catalog(models)


def decode_endpoints(body: bytes) -> tuple[ModelEndpoint, ...]:
    """The offers in the body of ``GET /models/{author}/{slug}/endpoints``; () for routers and aliases."""
    rows = as_list(as_object(parse_object(body).get("data")).get("endpoints"))
    return tuple(_endpoint(row) for row in rows if isinstance(row, dict))


def decode_providers(body: bytes) -> tuple[Provider, ...]:
    """The companies in the body of ``GET /providers``."""
    rows = map(as_object, as_list(parse_object(body).get("data")))
    return tuple(_provider(row) for row in rows if as_text(row.get("slug")))


def _provider(row: Mapping[str, Any]) -> Provider:
    return Provider(
        name=as_text(row.get("name")),
        slug=as_text(row.get("slug")),
        privacy_policy_url=as_text(row.get("privacy_policy_url")),
        terms_of_service_url=as_text(row.get("terms_of_service_url")),
        status_page_url=as_text(row.get("status_page_url")),
        headquarters=as_text(row.get("headquarters")),
        datacenters=_texts(row.get("datacenters")),
    )


def _model(row: object) -> Model | None:
    facts = as_object(row)
    if not (id := as_text(facts.get("id"))):
        return None
    architecture, top = as_object(facts.get("architecture")), as_object(facts.get("top_provider"))
    scores = as_object(as_object(facts.get("benchmarks")).get("artificial_analysis"))
    return Model(
        id=id,
        canonical_slug=as_text(facts.get("canonical_slug")),
        name=as_text(facts.get("name")) or id,
        created_utc=_moment(facts.get("created")),
        description=as_text(facts.get("description")),
        context_tokens=as_count(facts.get("context_length")) or as_count(top.get("context_length")),
        max_output_tokens=as_count(top.get("max_completion_tokens")),
        prices=prices_of(as_object(facts.get("pricing"))),
        input_modalities=frozenset(_texts(architecture.get("input_modalities"))),
        output_modalities=frozenset(_texts(architecture.get("output_modalities"))),
        tokenizer=as_text(architecture.get("tokenizer")),
        is_moderated=as_bool(top.get("is_moderated")),
        supported_parameters=frozenset(_texts(facts.get("supported_parameters"))),
        default_parameters=as_object(facts.get("default_parameters")),
        knowledge_cutoff=_day(facts.get("knowledge_cutoff")),
        expires=_day(facts.get("expiration_date")),
        reasoning=_reasoning(facts.get("reasoning")),
        benchmarks={name: float(score) for name, score in scores.items() if _number(score) is not None},
        alias_of=as_text(as_object(facts.get("alias_target")).get("slug")),
        raw=facts,
    )


def _reasoning(value: object) -> Reasoning | None:
    if not isinstance(value, dict):
        return None
    return Reasoning(
        is_mandatory=value.get("mandatory") is True,
        efforts=_texts(value.get("supported_efforts")),
        default_effort=as_text(value.get("default_effort")),
        takes_max_tokens=as_bool(value.get("supports_max_tokens")),
    )


def _endpoint(row: Mapping[str, Any]) -> ModelEndpoint:
    return ModelEndpoint(
        name=as_text(row.get("name")),
        provider=as_text(row.get("provider_name")),
        tag=as_text(row.get("tag")),
        context_tokens=as_count(row.get("context_length")),
        max_output_tokens=as_count(row.get("max_completion_tokens")),
        prices=prices_of(as_object(row.get("pricing"))),
        quantization=as_text(row.get("quantization")),
        supported_parameters=frozenset(_texts(row.get("supported_parameters"))),
        status=row["status"] if isinstance(row.get("status"), int) else None,
        uptime=_number(row.get("uptime_last_30m")),
        latency_ms=_median(row.get("latency_last_30m")),
        throughput=_median(row.get("throughput_last_30m")),
        raw=row,
    )


def _median(value: object) -> float | None:
    """The median of a distribution; old answers had it as a bare number."""
    return _number(value.get("p50")) if isinstance(value, dict) else _number(value)


def _number(value: object) -> float | None:
    try:
        return None if isinstance(value, bool | str) or value is None else float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None


def _texts(value: object) -> tuple[str, ...]:
    return tuple(text for text in as_list(value) if isinstance(text, str))


def _moment(value: object) -> datetime | None:
    try:
        return datetime.fromtimestamp(value, UTC) if isinstance(value, int) and value > 0 else None
    except (ValueError, OverflowError, OSError):
        return None


def _day(value: object) -> date | None:
    try:
        return date.fromisoformat(as_text(value)[:10])
    except ValueError:
        return None
