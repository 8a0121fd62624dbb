"""The catalog as a table: one row for each model, typed columns; and models chosen by filters, an order and a job."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pandas as pd

from or_magic.catalog.decoding import PER_MILLION, PER_UNIT, RawRows, columns_of, decode_rows, prices_of
from or_magic.catalog.model import per_million, price_text
from or_magic.catalog.search import ranked
from or_magic.errors import CommandError
from or_magic.lenient_json import as_object
from or_magic.text import nearest

if TYPE_CHECKING:
    from or_magic.catalog.model import ModelEndpoint, Provider

_FLOATS = (*PER_MILLION, *PER_UNIT, "intelligence", "coding", "agentic")
_COUNTS = ("context", "max_output")
_SWITCHES = ("is_free", "vision", "audio_in", "tools", "structured", "reasoning")
_TEXTS = ("name", "author", "variant", "alias_of", "tokenizer")
_DAYS = ("knowledge_cutoff", "expires")
COMPACT = ("context", "prompt_usd_per_m", "completion_usd_per_m", "vision", "tools", "reasoning", "intelligence")
_MARKS = {"vision": "v", "tools": "t", "structured": "s", "reasoning": "r", "audio_in": "a"}


class ModelTable(pd.DataFrame):
    """A table of models: a DataFrame that a cell shows by the columns by which people choose."""

    @property
    def _constructor(self) -> type[ModelTable]:
        return ModelTable

    def __repr__(self) -> str:
        return compact_text(self)


def models_table(body: bytes) -> ModelTable:
    """The models in the body of ``GET /models``, in the service's order.

    Index ``id``. Columns: ``name``, ``author`` (str), ``created`` (datetime64, UTC), ``context``, ``max_output``
    (Int64, tokens), ``prompt_usd_per_m``, ``completion_usd_per_m``, ``cache_read_usd_per_m``,
    ``cache_write_usd_per_m``, ``reasoning_usd_per_m``, ``audio_usd_per_m`` (float64, USD per million tokens),
    ``image_usd``, ``request_usd``, ``web_search_usd`` (float64, USD each), ``is_free`` (bool), ``variant`` (str, such
    as ``free``), ``alias_of`` (str), ``input_modalities``, ``output_modalities``, ``supported_parameters`` (frozensets
    of str), ``vision``, ``audio_in``, ``tools``, ``structured``, ``reasoning`` (bool), ``moderated`` (boolean),
    ``knowledge_cutoff``, ``expires`` (datetime64), ``tokenizer`` (str), ``intelligence``, ``coding``, ``agentic``
    (float64, indices), ``overrides`` (tuples of prices under conditions, as the service names them, or None). A value
    is missing where the service does not say it, or where a router decides. ``attrs["raw"]`` holds the rows by id as
    they came, with all their fields.
    """
    columns = columns_of(decode_rows(body))
    index = pd.Index(columns.pop("id"), name="id", dtype="str")
    table = ModelTable({name: _series(name, values, index) for name, values in columns.items()}, index=index)
    table.attrs["raw"] = RawRows(body)
    return table


def endpoints_table(offers: Iterable[ModelEndpoint]) -> pd.DataFrame:
    """Who serves a model, one row for each provider, the cheapest first.

    Index ``provider`` (its slug, for ``--provider.order``); columns ``name`` (str), ``prompt_usd_per_m``,
    ``completion_usd_per_m`` (float64, USD per million tokens), ``context``, ``max_output`` (Int64, tokens),
    ``quantization`` (str), ``uptime`` (float64, percent), ``latency_s``, ``throughput`` (float64, seconds and tokens
    per second; the service tells both only with a key), ``healthy`` (bool).
    """
    offers = list(offers)
    table = pd.DataFrame(
        {
            "name": pd.array([offer.provider for offer in offers], dtype="str"),
            "prompt_usd_per_m": _floats(per_million(offer.prices.prompt) for offer in offers),
            "completion_usd_per_m": _floats(per_million(offer.prices.completion) for offer in offers),
            "context": pd.array([offer.context_tokens for offer in offers], dtype="Int64"),
            "max_output": pd.array([offer.max_output_tokens for offer in offers], dtype="Int64"),
            "quantization": pd.array([offer.quantization for offer in offers], dtype="str"),
            "uptime": _floats(offer.uptime for offer in offers),
            "latency_s": _floats(None if o.latency_ms is None else o.latency_ms / 1000 for o in offers),
            "throughput": _floats(offer.throughput for offer in offers),
            "healthy": pd.array([offer.status in (None, 0) for offer in offers], dtype="bool"),
        },
        index=pd.Index([offer.tag for offer in offers], name="provider", dtype="str"),
    )
    return table.sort_values("prompt_usd_per_m", kind="stable")


def providers_table(providers: Iterable[Provider]) -> pd.DataFrame:
    """The companies that serve models, one row for each.

    Index ``slug``; columns ``name``, ``headquarters``, ``privacy_policy_url``, ``terms_of_service_url``,
    ``status_page_url`` (str, "" where the service names none), ``datacenters`` (tuples of str).
    """
    providers = list(providers)
    names = ("name", "headquarters", "privacy_policy_url", "terms_of_service_url", "status_page_url")
    columns: dict[str, Any] = {n: pd.array([getattr(each, n) for each in providers], dtype="str") for n in names}
    index = pd.Index([each.slug for each in providers], name="slug", dtype="str")
    table = pd.DataFrame(columns, index=index)
    table["datacenters"] = pd.Series([each.datacenters for each in providers], index=index, dtype="object")
    return table


def abilities(table: pd.DataFrame) -> pd.Series[Any]:
    """The abilities of each model, a letter each: v(ision), t(ools), s(tructured), r(easoning), a(udio)."""
    flags = [(mark, table[name]) for name, mark in _MARKS.items()]
    letters = ("".join(mark if can else "·" for (mark, _), can in zip(flags, row, strict=True)) for row in _rows(flags))
    return pd.Series(list(letters), index=table.index, dtype="str")


def _rows(flags: list[tuple[str, pd.Series[Any]]]) -> Iterable[tuple[Any, ...]]:
    return zip(*(column for _, column in flags), strict=True)


def compact_text(table: pd.DataFrame, rows: int = 20) -> str:
    """The first rows for a terminal, by the columns by which people choose; all columns where those are gone."""
    if not set(COMPACT) <= set(table.columns):
        return str(pd.DataFrame(table).to_string(max_rows=rows))
    shown = pd.DataFrame(table.head(rows))
    text = pd.DataFrame(
        {
            "context": [tokens_text(each) for each in shown["context"]],
            "in": [_price_cell(each) for each in shown["prompt_usd_per_m"]],
            "out": [_price_cell(each) for each in shown["completion_usd_per_m"]],
            "can": abilities(shown),
            "intelligence": ["" if pd.isna(each) else f"{each:.0f}" for each in shown["intelligence"]],
            **({"job": [f"{each:.6f}" for each in shown["job_usd"]]} if "job_usd" in shown else {}),
        },
        index=shown.index,
    )
    more = f"\n… {len(table) - rows:,} more" if len(table) > rows else ""
    legend = "in, out: USD per million tokens; can: vision, audio, tools, structured, reasoning"
    return f"{text.to_string()}{more}\n{len(table):,} models. {legend}" if len(table) else "No model is like that."


def tokens_text(tokens: Any) -> str:
    """A number of tokens as people write it: 200k, 1M; "" where it is not known."""
    if pd.isna(tokens):
        return ""
    return f"{tokens / 1e6:.4g}M" if tokens >= 1e6 else f"{tokens / 1000:.4g}k" if tokens >= 1000 else f"{tokens:.0f}"


def _price_cell(usd_per_million: float) -> str:
    return "" if pd.isna(usd_per_million) else price_text(usd_per_million) if usd_per_million else "free"


def _series(name: str, values: list[Any], index: pd.Index) -> Any:
    if name in _FLOATS:
        return _floats(values)
    if name in _COUNTS:
        return pd.array(values, dtype="Int64")
    if name in _SWITCHES:
        return pd.array(values, dtype="bool")
    if name in _TEXTS:
        return pd.array(values, dtype="str")
    if name == "created":
        return pd.to_datetime(pd.array(values, dtype="Int64"), unit="s", utc=True).astype("datetime64[s, UTC]")
    if name in _DAYS:
        return pd.to_datetime(pd.Series(values, index=index, dtype="object")).astype("datetime64[s]")
    if name == "moderated":
        return pd.array(values, dtype="boolean")
    return pd.Series(values, index=index, dtype="object")


def _floats(values: Iterable[float | None]) -> Any:
    import numpy as np

    return np.array([np.nan if value is None else value for value in values], dtype="float64")


_TOKENS = re.compile(r"(?P<number>\d+(?:[.,_]\d+)*)\s*(?P<unit>[km]?)", re.IGNORECASE)
_JOB = re.compile(
    r"\s*(?P<prompt>[\d.,_]+\s*[km]?)\s*in\s*[,+/ ]\s*(?P<answer>[\d.,_]+\s*[km]?)\s*out\s*", re.IGNORECASE
)
SORTS = ("price", "context", "newest", "intelligence", "value", "name")
_ABILITIES = ("free", "vision", "tools", "structured", "reasoning")
_PROMPT_PART = 0.75  # of the tokens of a typical question, for an order by price


@dataclass(frozen=True, slots=True)
class ModelFilter:
    """Which models are looked for, in which order.

    Attributes:
        query: words in the id or the name; best matches first.
        free, vision, tools, structured, reasoning: True for models that are or can, False for all others.
        min_context: how many tokens the context has at least: ``200_000`` or ``"200k"``.
        max_price: what a million prompt tokens cost at most, in USD.
        author: such as ``openai``; several with commas between.
        since: when it was added at the earliest: ``2026-01-01``, or a date.
        modality: what a question or an answer can hold: text, image, file, audio, video.
        sort: price (three prompt tokens to one of the answer), context, newest, intelligence, value (intelligence
            for its price) or name; "" for the service's own order, or the best match first.
        limit: how many at most.
        job: what is to be paid: ``"2000in,500out"`` adds ``job_usd``, the exact price of that as a float.
    """

    query: str = ""
    free: bool | None = None
    vision: bool | None = None
    tools: bool | None = None
    structured: bool | None = None
    reasoning: bool | None = None
    min_context: Any = None
    max_price: Any = None
    author: str = ""
    since: Any = None
    modality: str = ""
    sort: str = ""
    limit: int | None = None
    job: str = ""

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> ModelFilter:
        """The filter that keyword arguments name.

        Raises:
            CommandError: there is no such filter.
        """
        known = [field.name for field in fields(cls)]
        for name in given:
            if name not in known:
                near = nearest(name, known, cutoff=0.5)
                hint = f"Did you mean {near}?" if near else f"There are {', '.join(known)}."
                raise CommandError(f"Models have no filter {name!r}. {hint}")
        return cls(**given)


def find_models(table: ModelTable, wanted: ModelFilter) -> ModelTable:
    """The models that pass the filter, in its order. The table itself stays as it is.

    Raises:
        CommandError: a filter has an impossible value.
    """
    found = table[_mask(table, wanted)]
    if wanted.job:
        found = found.assign(job_usd=_job_prices(found, wanted.job))
    if wanted.query:
        prices = _blended(found).tolist()
        found = found.iloc[ranked(wanted.query, found.index.tolist(), found["name"].tolist(), prices)]
    if wanted.sort:
        found = _sorted(found, wanted.sort)
    return found if wanted.limit is None else found.head(_count(wanted.limit))


def tokens(value: Any, what: str) -> int:
    """A number of tokens, also as people write it: 200k, 1M.

    Args:
        what: what the number is for, for the message.

    Raises:
        CommandError: it is no such number.
    """
    found = _TOKENS.fullmatch(str(value).strip())
    if found is None:
        raise CommandError(f"{what} is {value!r}; it wants a number of tokens, such as 200000, 200k or 1M.")
    unit = {"": 1, "k": 1_000, "m": 1_000_000}[found["unit"].lower()]
    return int(Decimal(found["number"].replace(",", "").replace("_", "")) * unit)


def job_tokens(job: str) -> tuple[int, int]:
    """How many prompt tokens and completion tokens a stated job has.

    Raises:
        CommandError: it does not say so.
    """
    found = _JOB.fullmatch(job)
    if found is None:
        raise CommandError(f"A job is such as 2000in,500out; {job!r} was asked for.")
    return tokens(found["prompt"], "job"), tokens(found["answer"], "job")


def _mask(table: ModelTable, wanted: ModelFilter) -> pd.Series[bool]:
    import pandas as pd

    mask = pd.Series(True, index=table.index)
    for name, column in (
        ("free", "is_free"),
        *((each,) * 2 for each in ("vision", "tools", "structured", "reasoning")),
    ):
        if (wish := getattr(wanted, name)) is not None:
            mask &= table[column] == bool(wish)
    if wanted.min_context is not None:
        mask &= (table["context"] >= tokens(wanted.min_context, "min_context")).fillna(False).astype(bool)
    if wanted.max_price is not None:
        mask &= table["prompt_usd_per_m"] <= _price(wanted.max_price)
    if wanted.author:
        authors = {author.strip().lower() for author in wanted.author.split(",")}
        mask &= table["author"].str.lower().isin(authors)
    if wanted.since is not None:
        mask &= (table["created"] >= _moment(wanted.since)).fillna(False)
    if wanted.modality:
        mask &= _has_modality(table, wanted.modality.lower())
    return mask


def _has_modality(table: ModelTable, modality: str) -> Any:
    import numpy as np

    known = ("text", "image", "file", "audio", "video", "embeddings")
    if modality not in known:
        raise CommandError(f"modality is {modality!r}; it wants one of {', '.join(known)}.")
    pairs = zip(table["input_modalities"], table["output_modalities"], strict=True)
    return np.array([modality in inputs or modality in outputs for inputs, outputs in pairs], dtype="bool")


def _sorted(table: ModelTable, order: str) -> ModelTable:
    keys: dict[str, Callable[[], Any]] = {
        "price": lambda: _blended(table),
        "context": lambda: -table["context"].astype("float64"),
        "newest": lambda: -table["created"].astype("int64").where(table["created"].notna()),
        "intelligence": lambda: -table["intelligence"],
        "value": lambda: -table["intelligence"] / _blended(table).clip(lower=0.001),
        "name": lambda: table.index.to_series(),
    }
    if order not in keys:
        raise CommandError(f"sort is {order!r}; it wants one of {', '.join(SORTS)}.")
    places = keys[order]().reset_index(drop=True).sort_values(kind="stable", na_position="last").index
    ordered: ModelTable = table.iloc[places]
    return ordered


def _blended(table: ModelTable) -> pd.Series[float]:
    """The price of a million tokens of a typical question, in USD."""
    return _PROMPT_PART * table["prompt_usd_per_m"] + (1 - _PROMPT_PART) * table["completion_usd_per_m"]


def _job_prices(table: ModelTable, job: str) -> list[float]:
    """The exact price of a job at each model, with its prices for such a long prompt; NaN where it is not known."""
    prompt, answer = job_tokens(job)
    costs = []
    for id in table.index:
        prices = prices_of(as_object(table.attrs["raw"][id].get("pricing"))).at(prompt)
        known = prices.prompt is not None and prices.completion is not None
        cost = prompt * (prices.prompt or 0) + answer * (prices.completion or 0) + (prices.request or 0)
        costs.append(float(cost) if known else float("nan"))
    return costs


def _price(value: Any) -> float:
    try:
        return float(str(value).lstrip("$"))
    except ValueError:
        raise CommandError(
            f"max_price is {value!r}; it wants USD per million prompt tokens, such as 1 or 0.25."
        ) from None


def _moment(value: Any) -> Any:
    import pandas as pd

    try:
        moment = pd.Timestamp(value if not isinstance(value, str) else datetime.fromisoformat(value))
    except (ValueError, TypeError):
        raise CommandError(f"since is {value!r}; it wants a day such as 2026-01-31.") from None
    return moment.tz_localize("UTC") if moment.tzinfo is None else moment.tz_convert("UTC")


def _count(value: Any) -> int:
    if not str(value).isdecimal() or int(value) == 0:
        raise CommandError(f"limit is {value!r}; it wants a number of models, such as 20.")
    return int(value)
