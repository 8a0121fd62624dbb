"""The catalogue as a table: one row a model, typed columns, the same ones whatever the service tells."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import pandas as pd

from or_magic.openrouter.model_rows import PER_MILLION, PER_UNIT, RawRows, columns_of, rows_of

if TYPE_CHECKING:
    from or_magic.openrouter.catalog import ModelEndpoint, Provider

_MILLION = 1_000_000
_FLOATS = (*PER_MILLION, *PER_UNIT, "intelligence", "coding", "agentic")
_COUNTS = ("context", "max_output")
_SWITCHES = ("is_free", "vision", "audio_in", "tools", "structured", "reasoning")
_TEXTS = ("name", "author", "variant", "alias_of", "tokenizer")
_DAYS = ("knowledge_cutoff", "expires")
COMPACT = ("context", "prompt_usd_per_m", "completion_usd_per_m", "vision", "tools", "reasoning", "intelligence")
_MARKS = {"vision": "v", "tools": "t", "structured": "s", "reasoning": "r", "audio_in": "a"}


class ModelTable(pd.DataFrame):
    """A table of models. It is a DataFrame in all but how it is shown: a cell shows what one chooses by."""

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
    (float64, indices), ``overrides`` (tuples of prices under conditions, as the service tells them, or None). Missing
    is what the service does not tell, or what a router decides. ``attrs["raw"]`` holds the rows by id as they came,
    with all their fields.
    """
    columns = columns_of(rows_of(body))
    index = pd.Index(columns.pop("id"), name="id", dtype="str")
    table = ModelTable({name: _series(name, values, index) for name, values in columns.items()}, index=index)
    table.attrs["raw"] = RawRows(body)
    return table


def endpoints_table(offers: Iterable[ModelEndpoint]) -> pd.DataFrame:
    """Who serves a model, one row a provider, the cheapest first.

    Index ``provider`` (its slug, for ``--provider.order``); columns ``name`` (str), ``prompt_usd_per_m``,
    ``completion_usd_per_m`` (float64, USD per million tokens), ``context``, ``max_output`` (Int64, tokens),
    ``quantization`` (str), ``uptime`` (float64, percent), ``latency_s``, ``throughput`` (float64, seconds and tokens
    per second; told with a key alone), ``healthy`` (bool).
    """
    offers = list(offers)
    table = pd.DataFrame(
        {
            "name": pd.array([offer.provider for offer in offers], dtype="str"),
            "prompt_usd_per_m": _floats(_per_million(offer.prices.prompt) for offer in offers),
            "completion_usd_per_m": _floats(_per_million(offer.prices.completion) for offer in offers),
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
    """The companies that serve models, one row each.

    Index ``slug``; columns ``name``, ``headquarters``, ``privacy_policy_url``, ``terms_of_service_url``,
    ``status_page_url`` (str, "" where not told), ``datacenters`` (tuples of str).
    """
    providers = list(providers)
    names = ("name", "headquarters", "privacy_policy_url", "terms_of_service_url", "status_page_url")
    columns: dict[str, Any] = {n: pd.array([getattr(each, n) for each in providers], dtype="str") for n in names}
    index = pd.Index([each.slug for each in providers], name="slug", dtype="str")
    table = pd.DataFrame(columns, index=index)
    table["datacenters"] = pd.Series([each.datacenters for each in providers], index=index, dtype="object")
    return table


def abilities(table: pd.DataFrame) -> pd.Series[Any]:
    """What each model can, a letter each: v(ision), a(udio), t(ools), s(tructured), r(easoning)."""
    flags = [(mark, table[name]) for name, mark in _MARKS.items()]
    letters = ("".join(mark if can else "·" for (mark, _), can in zip(flags, row, strict=True)) for row in _rows(flags))
    return pd.Series(list(letters), index=table.index, dtype="str")


def _rows(flags: list[tuple[str, pd.Series[Any]]]) -> Iterable[tuple[Any, ...]]:
    return zip(*(column for _, column in flags), strict=True)


def compact_text(table: pd.DataFrame, rows: int = 20) -> str:
    """The table for a terminal: what one chooses by, of the first rows; other columns where those are gone."""
    if not set(COMPACT) <= set(table.columns):
        return str(pd.DataFrame(table).to_string(max_rows=rows))
    shown = pd.DataFrame(table.head(rows))
    text = pd.DataFrame(
        {
            "context": [tokens_text(each) for each in shown["context"]],
            "in": [price_text(each) for each in shown["prompt_usd_per_m"]],
            "out": [price_text(each) for each in shown["completion_usd_per_m"]],
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


def price_text(price: Any) -> str:
    """A price in USD per million tokens as people write it; "" where it is not known."""
    if pd.isna(price):
        return ""
    return "free" if price == 0 else f"{price:.2f}" if price >= 0.095 else f"{price:.3g}"


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


def _per_million(price: Any) -> float | None:
    return None if price is None else float(price * _MILLION)
