"""The catalog as columns, straight from its bytes: for tables of thousands of models. Pure.

Rows are read as typed structs, which skips what is not asked for (descriptions are most of a catalog); one that is
not as expected is read leniently. What no column holds is read again from the bytes when somebody looks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from or_magic.lenient_json import as_list, as_object, as_text, parse_object

PER_MILLION = {  # our column and the service's name of a price per token
    "prompt_usd_per_m": "prompt",
    "completion_usd_per_m": "completion",
    "cache_read_usd_per_m": "input_cache_read",
    "cache_write_usd_per_m": "input_cache_write",
    "reasoning_usd_per_m": "internal_reasoning",
    "audio_usd_per_m": "audio",
}
PER_UNIT = {"image_usd": "image", "request_usd": "request", "web_search_usd": "web_search"}
_Price = str | int | float | None


class _Pricing(msgspec.Struct, gc=False):
    prompt: _Price = None
    completion: _Price = None
    input_cache_read: _Price = None
    input_cache_write: _Price = None
    internal_reasoning: _Price = None
    audio: _Price = None
    image: _Price = None
    request: _Price = None
    web_search: _Price = None
    overrides: list[dict[str, Any]] | None = None


class _Architecture(msgspec.Struct, gc=False):
    input_modalities: list[str] | None = None
    output_modalities: list[str] | None = None
    tokenizer: str | None = None


class _Top(msgspec.Struct, gc=False):
    context_length: int | None = None
    max_completion_tokens: int | None = None
    is_moderated: bool | None = None


class _Target(msgspec.Struct, gc=False):
    slug: str | None = None


class _Scores(msgspec.Struct, gc=False):
    intelligence_index: float | None = None
    coding_index: float | None = None
    agentic_index: float | None = None


class _Benchmarks(msgspec.Struct, gc=False):
    artificial_analysis: _Scores | None = None


class Row(msgspec.Struct, gc=False):
    """What the columns need of a model, as it stands in the catalog."""

    id: str = ""
    name: str | None = None
    created: int | None = None
    context_length: int | None = None
    architecture: _Architecture | None = None
    pricing: _Pricing | None = None
    top_provider: _Top | None = None
    supported_parameters: list[str] | None = None
    knowledge_cutoff: str | None = None
    expiration_date: str | None = None
    benchmarks: _Benchmarks | None = None
    alias_target: _Target | None = None
    reasoning: dict[str, Any] | None = None


class _Listing(msgspec.Struct, gc=False):
    data: list[Row] = []


_LISTING = msgspec.json.Decoder(_Listing)
_NOTHING = (_Architecture(), _Pricing(), _Top(), _Scores())


def rows_of(body: bytes) -> list[Row]:
    """The models in the body of ``GET /models`` that have an id, in the service's order."""
    try:
        rows = _LISTING.decode(body).data
    except msgspec.DecodeError:  # broken somewhere, or of another shape
        rows = list(_lenient_rows(body))
    return [row for row in rows if row.id]


def columns_of(rows: list[Row]) -> dict[str, list[Any]]:
    """The rows as lists by column: texts, numbers, frozensets; None where the service does not tell."""
    shared = _Shared()
    columns: dict[str, list[Any]] = {"id": [row.id for row in rows]}
    columns["name"] = [row.name or row.id for row in rows]
    columns["author"] = [row.id.partition("/")[0].lstrip("~") if "/" in row.id else "" for row in rows]
    columns["created"] = [row.created if row.created and row.created > 0 else None for row in rows]
    tops = [row.top_provider or _NOTHING[2] for row in rows]
    columns["context"] = [row.context_length or top.context_length for row, top in zip(rows, tops, strict=True)]
    columns["max_output"] = [top.max_completion_tokens for top in tops]
    pricing = [row.pricing or _NOTHING[1] for row in rows]
    for column, name in PER_MILLION.items():
        columns[column] = [shared.per_million(getattr(each, name)) for each in pricing]
    for column, name in PER_UNIT.items():
        columns[column] = [shared.per_unit(getattr(each, name)) for each in pricing]
    prices = zip(columns["prompt_usd_per_m"], columns["completion_usd_per_m"], strict=True)
    columns["is_free"] = [prompt == 0 and completion == 0 for prompt, completion in prices]
    columns["variant"] = [row.id.partition(":")[2] for row in rows]
    columns["alias_of"] = [(row.alias_target.slug or "") if row.alias_target else "" for row in rows]
    _add_abilities(columns, rows, shared)
    columns["moderated"] = [top.is_moderated for top in tops]
    columns["knowledge_cutoff"] = [shared.day(row.knowledge_cutoff) for row in rows]
    columns["expires"] = [shared.day(row.expiration_date) for row in rows]
    columns["tokenizer"] = [(row.architecture.tokenizer or "") if row.architecture else "" for row in rows]
    scores = [(row.benchmarks.artificial_analysis or _NOTHING[3]) if row.benchmarks else _NOTHING[3] for row in rows]
    for name in ("intelligence", "coding", "agentic"):
        columns[name] = [getattr(score, f"{name}_index") for score in scores]
    columns["overrides"] = [tuple(each.overrides) if each.overrides else None for each in pricing]
    return columns


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


def _add_abilities(columns: dict[str, list[Any]], rows: list[Row], shared: _Shared) -> None:
    architectures = [row.architecture or _NOTHING[0] for row in rows]
    inputs = columns["input_modalities"] = [shared.set(each.input_modalities) for each in architectures]
    columns["output_modalities"] = [shared.set(each.output_modalities) for each in architectures]
    parameters = columns["supported_parameters"] = [shared.set(row.supported_parameters) for row in rows]
    columns["vision"] = ["image" in each for each in inputs]
    columns["audio_in"] = ["audio" in each for each in inputs]
    columns["tools"] = ["tools" in each for each in parameters]
    columns["structured"] = ["structured_outputs" in each for each in parameters]
    reasons = zip(rows, parameters, strict=True)
    columns["reasoning"] = [row.reasoning is not None or "reasoning" in each for row, each in reasons]


class _Shared:
    """Values that many rows have in common, made once."""

    def __init__(self) -> None:
        self._sets: dict[tuple[str, ...], frozenset[str]] = {}
        self._per_million: dict[_Price, float | None] = {}
        self._per_unit: dict[_Price, float | None] = {}
        self._days: dict[str, date | None] = {}

    def set(self, texts: list[str] | None) -> frozenset[str]:
        key = tuple(texts or ())
        found = self._sets.get(key)
        if found is None:
            found = self._sets[key] = frozenset(key)
        return found

    def per_million(self, price: _Price) -> float | None:
        if price not in self._per_million:
            self._per_million[price] = _scaled(price, 6)
        return self._per_million[price]

    def per_unit(self, price: _Price) -> float | None:
        if price not in self._per_unit:
            self._per_unit[price] = _scaled(price, 0)
        return self._per_unit[price]

    def day(self, text: str | None) -> date | None:
        if not text:
            return None
        if text not in self._days:
            try:
                self._days[text] = date.fromisoformat(text[:10])
            except ValueError:
                self._days[text] = None
        return self._days[text]


def _scaled(price: _Price, digits: int) -> float | None:
    """The price times a power of ten, as the nearest float; None where there is none, or a router decides (-1)."""
    if price is None or isinstance(price, bool):
        return None
    try:
        exact = Decimal(str(price)).scaleb(digits)
    except (InvalidOperation, ValueError):
        return None
    return float(exact) if exact.is_finite() and exact >= 0 else None


def _lenient_rows(body: bytes) -> Iterator[Row]:
    """The rows, each field that is not as expected left out."""
    for row in map(as_object, as_list(parse_object(body).get("data"))):
        yield _lenient(row, Row)


def _lenient(value: Mapping[str, Any], kind: type[Any]) -> Any:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError:
        pass
    kept: dict[str, Any] = {}
    for field in msgspec.structs.fields(kind):
        if field.name in value:
            kept |= _fitting(field.name, value[field.name], field.type)
    return kind(**kept)


def _fitting(name: str, value: Any, wanted: Any) -> dict[str, Any]:
    """The field, if it is of the type that is wanted; of an object what fits of it."""
    inner = next((each for each in getattr(wanted, "__args__", ()) if isinstance(each, msgspec.StructMeta)), None)
    if inner is not None and isinstance(value, Mapping):
        return {name: _lenient(value, inner)}
    convert: Callable[..., Any] = msgspec.convert
    try:
        return {name: convert(value, wanted)}
    except msgspec.ValidationError:
        return {}
