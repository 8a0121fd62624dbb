"""From the lists of the service to values: models, prices, endpoints, providers; and models as columns. Pure.

There is one decoder of ``GET /models``: rows are read as typed structs, which skips what nobody asks for (descriptions
are most of a catalog). What a row says is decided once, by the properties of `Row`; models are made from them one by
one when they are looked up, columns for a table of thousands at once.

Decoding is tolerant: what is missing or of another type is None, "" or empty, and a row without an id is left out, so
that neither an older catalog, nor a newer one, nor that of another server of the protocol fails. Source:
``GET /models``, ``/models/{author}/{slug}/endpoints`` and ``/providers`` (openrouter.ai, 2026-08; also as of 2025-12).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, TypeVar, get_args

import msgspec

from or_magic.catalog.model import Catalog, Condition, Model, ModelEndpoint, Prices, Provider, Reasoning
from or_magic.errors import ServiceError
from or_magic.lenient_json import as_bool, as_count, as_decimal, as_list, as_object, as_text, parse_object

S = TypeVar("S", bound=msgspec.Struct)
_NAMES = {  # the service's name of each price, and ours
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
_LAST_SECOND = 253_402_300_799  # of the year 9999, the last that a datetime can hold
_LARGEST_COUNT = 2**63 - 1  # that a column of Int64 can hold
_ABSURD_USD = 1_000_000  # no token costs that; a price of ten thousand digits would overflow where it is multiplied


class _Pricing(msgspec.Struct, gc=False):
    # A price is a text or a number; of any type here, so that one of another type does not cost the whole row.
    prompt: Any = None
    completion: Any = None
    request: Any = None
    input_cache_read: Any = None
    input_cache_write: Any = None
    input_cache_write_1h: Any = None
    internal_reasoning: Any = None
    image: Any = None
    image_output: Any = None
    image_token: Any = None
    audio: Any = None
    audio_output: Any = None
    input_audio_cache: Any = None
    web_search: Any = None
    overrides: Any = None


class _Architecture(msgspec.Struct, gc=False):
    input_modalities: list[str] | None = None
    output_modalities: list[str] | None = None
    tokenizer: str | None = None


class _TopProvider(msgspec.Struct, gc=False):
    context_length: int | None = None
    max_completion_tokens: int | None = None
    is_moderated: bool | None = None


class _AliasTarget(msgspec.Struct, gc=False):
    slug: str | None = None


class _Scores(msgspec.Struct, gc=False):
    intelligence_index: float | None = None
    coding_index: float | None = None
    agentic_index: float | None = None


class _Benchmarks(msgspec.Struct, gc=False):
    artificial_analysis: _Scores | None = None


_NO_PRICING, _NO_ARCHITECTURE, _NO_TOP_PROVIDER, _NO_SCORES = _Pricing(), _Architecture(), _TopProvider(), _Scores()


class Row(msgspec.Struct, gc=False):
    """A model as it stands in the catalog, and what that means: each property is None, "" or empty where unknown."""

    id: str = ""
    canonical_slug: str | None = None
    name: str | None = None
    created: int | None = None
    context_length: int | None = None
    architecture: _Architecture | None = None
    pricing: _Pricing | None = None
    top_provider: _TopProvider | None = None
    supported_parameters: list[str] | None = None
    knowledge_cutoff: str | None = None
    expiration_date: str | None = None
    benchmarks: _Benchmarks | None = None
    alias_target: _AliasTarget | None = None
    reasoning: dict[str, Any] | None = None

    @property
    def created_s(self) -> int | None:
        """When it was added, in seconds since 1970."""
        return self.created if self.created is not None and 0 < self.created <= _LAST_SECOND else None

    @property
    def context_tokens(self) -> int | None:
        """How long its context is."""
        return _count(self.context_length) or _count((self.top_provider or _NO_TOP_PROVIDER).context_length)

    @property
    def max_output_tokens(self) -> int | None:
        """How long its answers may be."""
        return _count((self.top_provider or _NO_TOP_PROVIDER).max_completion_tokens)

    @property
    def scores(self) -> _Scores:
        """How well it did in benchmarks."""
        return (self.benchmarks.artificial_analysis if self.benchmarks is not None else None) or _NO_SCORES

    @property
    def alias_of(self) -> str:
        """The id that it stands for."""
        return (self.alias_target.slug if self.alias_target is not None else None) or ""

    @property
    def is_router(self) -> bool:
        """Whether it picks another model for each question."""
        prompt = as_decimal((self.pricing or _NO_PRICING).prompt)
        is_router = (self.architecture or _NO_ARCHITECTURE).tokenizer == "Router"
        # The free router has a price, 0. Aliases are marked as routers as well.
        return (prompt is not None and prompt < 0) or (is_router and not self.alias_of)


class _Listing(msgspec.Struct, gc=False):
    data: list[Row] = []


_LISTING = msgspec.json.Decoder(_Listing, float_hook=Decimal)


def decode_rows(body: bytes) -> list[Row]:
    """The models in the body of ``GET /models`` or ``/models/user`` that have an id, in the service's order.

    Raises:
        ServiceError: it is no list of models at all.
    """
    try:
        rows = _LISTING.decode(body).data
    except (ValueError, RecursionError):  # broken somewhere, or not all as expected
        rows = [_lenient(row, Row) for row in map(as_object, as_list(parse_object(body).get("data")))]
    return [row for row in rows if row.id]


def decode_models(body: bytes) -> Catalog:
    """The catalog in the body of ``GET /models`` or ``/models/user``.

    Raises:
        ServiceError: there is not one model in it.
    """
    rows = decode_rows(body)
    if not rows:
        raise ServiceError("The service sent a list of models without a single model in it.", may_be_charged=False)
    raw = RawRows(body)
    return Catalog([(row.id, row.canonical_slug or "") for row in rows], lambda place: _model(rows[place], raw))


def decode_endpoints(body: bytes) -> tuple[ModelEndpoint, ...]:
    """The endpoints in the body of ``GET /models/{author}/{slug}/endpoints``; () for routers and aliases."""
    rows = as_list(as_object(parse_object(body).get("data")).get("endpoints"))
    return tuple(_endpoint(row) for row in rows if isinstance(row, dict))


def decode_providers(body: bytes) -> tuple[Provider, ...]:
    """The companies in the body of ``GET /providers``."""
    rows = map(as_object, as_list(parse_object(body).get("data")))
    return tuple(_provider(row) for row in rows if as_text(row.get("slug")))


class RawRows(Mapping[str, Mapping[str, Any]]):
    """The rows of a catalog by id, as they came, with all fields; read from its bytes at the first look."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._rows: dict[str, Mapping[str, Any]] | None = None

    def _read(self) -> dict[str, Mapping[str, Any]]:
        if self._rows is None:
            rows = map(as_object, as_list(parse_object(self._body).get("data")))
            self._rows = {as_text(row.get("id")): row for row in rows if as_text(row.get("id"))}
        return self._rows

    def __getitem__(self, id: str) -> Mapping[str, Any]:
        return self._read()[id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())

    def __deepcopy__(self, memo: object) -> RawRows:
        """Itself: pandas copies a frame's attrs with each operation."""
        return self

    def __repr__(self) -> str:
        return f"<the catalog's {len(self._body) / 1e6:.1f} MB, by id>"


def prices_of(pricing: Mapping[str, Any]) -> Prices:
    """The prices in a ``pricing`` object of the catalog."""
    overrides = tuple((_condition(each), Prices(**_named(each))) for each in _objects(pricing.get("overrides")))
    return Prices(**_named(pricing), overrides=overrides)


def _objects(value: object) -> tuple[dict[str, Any], ...]:
    """The objects in a list that are not empty; () for anything else."""
    return tuple(filter(None, map(as_object, as_list(value))))


def _named(pricing: Mapping[str, Any]) -> dict[str, Any]:
    found = ((_NAMES[theirs], _price(value)) for theirs, value in pricing.items() if theirs in _NAMES)
    return {name: price for name, price in found if price is not None}


def _price(value: object) -> Decimal | None:
    """The exact price; None where there is none, or a router decides (-1)."""
    price = as_decimal(value)
    return price if price is not None and 0 <= price < _ABSURD_USD else None


def _condition(entry: Mapping[str, Any]) -> Condition:
    return Condition(
        as_count(entry.get("min_prompt_tokens")),
        _minute(entry.get("utc_start")),
        _minute(entry.get("utc_end")),
        _weekdays(entry.get("utc_days")),
    )


def _minute(value: object) -> int | None:
    """Minutes since midnight of ``HHMM``, as a number or a text."""
    digits = str(value).replace(":", "") if isinstance(value, int | str) and not isinstance(value, bool) else ""
    if not digits.isdecimal() or len(digits) > 4:
        return None
    return int(digits) // 100 * 60 + int(digits) % 100


def _weekdays(value: object) -> frozenset[int] | None:
    """Days as names, or as numbers with 0 for Sunday; None where no days are named."""
    if not isinstance(value, list) or not value:
        return None
    names = {str(day)[:3].lower() for day in value}
    numbers = {(day + 6) % 7 for day in value if isinstance(day, int)}
    return frozenset(numbers | {_DAYS.index(name) for name in names if name in _DAYS})


def _model(row: Row, raw: RawRows) -> Model:
    created_s, architecture = row.created_s, row.architecture or _NO_ARCHITECTURE
    return Model(
        id=row.id,
        canonical_slug=row.canonical_slug or "",
        name=row.name or row.id,
        created_utc=datetime.fromtimestamp(created_s, UTC) if created_s is not None else None,
        context_tokens=row.context_tokens,
        max_output_tokens=row.max_output_tokens,
        prices=prices_of(msgspec.structs.asdict(row.pricing or _NO_PRICING)),
        input_modalities=frozenset(architecture.input_modalities or ()),
        output_modalities=frozenset(architecture.output_modalities or ()),
        tokenizer=architecture.tokenizer or "",
        is_moderated=(row.top_provider or _NO_TOP_PROVIDER).is_moderated,
        is_router=row.is_router,
        supported_parameters=frozenset(row.supported_parameters or ()),
        knowledge_cutoff=_day(row.knowledge_cutoff),
        expires=_day(row.expiration_date),
        reasoning=_reasoning(row.reasoning) if row.reasoning is not None else None,
        benchmarks={name: score for name, score in msgspec.structs.asdict(row.scores).items() if score is not None},
        alias_of=row.alias_of,
        raw_rows=raw,
    )


def _reasoning(facts: Mapping[str, Any]) -> Reasoning:
    return Reasoning(
        is_mandatory=facts.get("mandatory") is True,
        efforts=_texts(facts.get("supported_efforts")),
        default_effort=as_text(facts.get("default_effort")),
        takes_max_tokens=as_bool(facts.get("supports_max_tokens")),
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


def _median(value: object) -> float | None:
    """The median of a distribution; old answers had it as a bare number."""
    return _number(value.get("p50")) if isinstance(value, dict) else _number(value)


def _number(value: object) -> float | None:
    try:
        return None if isinstance(value, bool | str) or value is None else float(value)  # type: ignore[arg-type]  # tried
    except (TypeError, ValueError, OverflowError):
        return None


def _count(value: int | None) -> int | None:
    return value if value is not None and 0 <= value <= _LARGEST_COUNT else None


def _texts(value: object) -> tuple[str, ...]:
    return tuple(text for text in as_list(value) if isinstance(text, str))


def _day(text: str | None) -> date | None:
    try:
        return date.fromisoformat((text or "")[:10])
    except ValueError:
        return None


def _lenient(value: Mapping[str, Any], kind: type[S]) -> S:
    """The struct, without the fields that are not of the type that is expected."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError:
        known = (field for field in msgspec.structs.fields(kind) if field.name in value)
        fitting = {field.name: _fitting(value[field.name], field.type) for field in known}
        return kind(**{name: each for name, each in fitting.items() if each is not None})


def _fitting(value: Any, wanted: Any) -> Any:
    """The value, or what of it is of the type that is wanted; None where nothing is."""
    inner: Any = next((each for each in get_args(wanted) if isinstance(each, msgspec.StructMeta)), None)
    if inner is not None and isinstance(value, Mapping):
        return _lenient(value, inner)
    if isinstance(value, list) and list[str] in get_args(wanted):
        return list(_texts(value))
    convert: Callable[..., Any] = msgspec.convert
    try:
        return convert(value, wanted)
    except msgspec.ValidationError:
        return None


PER_MILLION = {  # our column and the service's name of a price per token
    "prompt_usd_per_m": "prompt",
    "completion_usd_per_m": "completion",
    "cache_read_usd_per_m": "input_cache_read",
    "cache_write_usd_per_m": "input_cache_write",
    "reasoning_usd_per_m": "internal_reasoning",
    "audio_usd_per_m": "audio",
}
PER_UNIT = {"image_usd": "image", "request_usd": "request", "web_search_usd": "web_search"}


def columns_of(rows: list[Row]) -> dict[str, list[Any]]:
    """The rows as lists by column: texts, numbers, frozensets; None where the service does not say."""
    per_million, per_unit, sets, days = _Floats(6), _Floats(0), _Sets(), _Days()
    pricing, scores = (
        [row.pricing or _NO_PRICING for row in rows],
        [row.scores if row.benchmarks else _NO_SCORES for row in rows],
    )
    architectures = [row.architecture or _NO_ARCHITECTURE for row in rows]
    columns: dict[str, list[Any]] = {"id": [row.id for row in rows]}
    columns["name"] = [row.name or row.id for row in rows]
    columns["author"] = [row.id.partition("/")[0].lstrip("~") if "/" in row.id else "" for row in rows]
    columns["created"] = [row.created_s for row in rows]
    columns["context"] = [row.context_tokens for row in rows]
    columns["max_output"] = [row.max_output_tokens for row in rows]
    for names, floats in ((PER_MILLION, per_million), (PER_UNIT, per_unit)):
        columns |= {column: floats.column([getattr(each, name) for each in pricing]) for column, name in names.items()}
    prices = zip(columns["prompt_usd_per_m"], columns["completion_usd_per_m"], strict=True)
    columns["is_free"] = [prompt == 0 and completion == 0 for prompt, completion in prices]
    columns["variant"] = [row.id.partition(":")[2] for row in rows]
    columns["alias_of"] = [row.alias_of if row.alias_target else "" for row in rows]
    inputs = columns["input_modalities"] = [sets[tuple(each.input_modalities or ())] for each in architectures]
    columns["output_modalities"] = [sets[tuple(each.output_modalities or ())] for each in architectures]
    parameters = columns["supported_parameters"] = [sets[tuple(row.supported_parameters or ())] for row in rows]
    columns["vision"] = ["image" in each for each in inputs]
    columns["audio_in"] = ["audio" in each for each in inputs]
    columns["tools"] = ["tools" in each for each in parameters]
    columns["structured"] = ["structured_outputs" in each for each in parameters]
    reasons = zip(rows, parameters, strict=True)
    columns["reasoning"] = [row.reasoning is not None or "reasoning" in each for row, each in reasons]
    columns["moderated"] = [row.top_provider.is_moderated if row.top_provider else None for row in rows]
    columns["knowledge_cutoff"] = [days[row.knowledge_cutoff] for row in rows]
    columns["expires"] = [days[row.expiration_date] for row in rows]
    columns["tokenizer"] = [each.tokenizer or "" for each in architectures]
    columns["intelligence"] = [each.intelligence_index for each in scores]
    columns["coding"] = [each.coding_index for each in scores]
    columns["agentic"] = [each.agentic_index for each in scores]
    columns["overrides"] = [_objects(each.overrides) or None if each.overrides else None for each in pricing]
    return columns


class _Floats(dict[str, "float | None"]):
    """The exact prices of a column as the nearest floats: many models have one price, it is made once.

    Args:
        digits: by which power of ten the price is multiplied.
    """

    def __init__(self, digits: int) -> None:
        super().__init__()
        self._digits = digits

    def __missing__(self, text: str) -> float | None:
        price = self[text] = self.of(text)
        return price

    def of(self, value: object) -> float | None:
        """The price of whatever stands in its place; None where it is none."""
        price = _price(value)
        return None if price is None else float(price.scaleb(self._digits))

    def column(self, values: list[Any]) -> list[float | None]:
        """Each of the values as a price."""
        return [None if each is None else self[each] if type(each) is str else self.of(each) for each in values]


class _Sets(dict[tuple[str, ...], frozenset[str]]):
    """Sets of words that many rows have in common, made once."""

    def __missing__(self, words: tuple[str, ...]) -> frozenset[str]:
        made = self[words] = frozenset(words)
        return made


class _Days(dict["str | None", "date | None"]):
    """Days that many rows have in common, read once."""

    def __missing__(self, text: str | None) -> date | None:
        day = self[text] = _day(text)
        return day
