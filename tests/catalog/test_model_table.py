"""The catalog as a table: every row and price of two real catalogs, dtypes, filters, orders, exact sums."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from or_magic.catalog.decoding import PER_MILLION, PER_UNIT, decode_endpoints, decode_providers
from or_magic.catalog.search import ranked
from or_magic.catalog.table import (
    COMPACT,
    ModelFilter,
    ModelTable,
    endpoints_table,
    find_models,
    models_table,
    providers_table,
)
from or_magic.errors import CommandError
from or_magic.jupyter.html.tables import models_bundle, shown_frame
from tests.catalog.test_catalog import ROW, recorded

DTYPES = {
    **dict.fromkeys(("name", "author", "variant", "alias_of", "tokenizer"), "str"),
    "created": "datetime64[s, UTC]",
    **dict.fromkeys(("context", "max_output"), "Int64"),
    **dict.fromkeys((*PER_MILLION, *PER_UNIT, "intelligence", "coding", "agentic"), "float64"),
    **dict.fromkeys(("is_free", "vision", "audio_in", "tools", "structured", "reasoning"), "bool"),
    **dict.fromkeys(("input_modalities", "output_modalities", "supported_parameters", "overrides"), "object"),
    "moderated": "boolean",
    **dict.fromkeys(("knowledge_cutoff", "expires"), "datetime64[s]"),
}


def body_of(*rows: object) -> bytes:
    return json.dumps({"data": list(rows)}).encode()


def body_2025() -> bytes:
    cassette = yaml.safe_load(recorded("models_2025-12-31.cassette.yaml"))
    told = cassette["interactions"][0]["response"]["body"]["string"]
    return told if isinstance(told, bytes) else str(told).encode()


def body_2026() -> bytes:
    return recorded("models.json")


def some() -> ModelTable:
    """Six models of every kind, by hand."""
    pricing = {"prompt": "0.000002", "completion": "0.00001"}
    rows = [
        ROW,
        {"id": "a/cheap", "name": "Cheap One", "created": 1767225600, "context_length": 8000,
         "pricing": {"prompt": "0.0000001", "completion": "4e-7"}, "supported_parameters": ["tools"]},
        {"id": "a/cheap:free", "created": 1767225601, "context_length": 8000,
         "pricing": {"prompt": "0", "completion": "0"}},
        {"id": "openrouter/auto", "pricing": {"prompt": "-1", "completion": "-1"}},
        {"id": "~b/latest", "alias_target": {"slug": "b/seven"}, "pricing": pricing},
        {"id": "b/seven", "name": "Seven", "created": 1780272000, "context_length": 1_000_000, "pricing": pricing,
         "architecture": {"input_modalities": ["text", "audio"], "output_modalities": ["text", "image"]},
         "benchmarks": {"artificial_analysis": {"intelligence_index": 60}}},
    ]  # fmt: skip
    return models_table(body_of(*rows))


@pytest.mark.parametrize("body", [body_2025, body_2026], ids=["Dec 2025", "Aug 2026"])
def test_every_real_model_and_price(body: Callable[[], bytes]) -> None:
    """Every row is there; every price is the nearest float of the exact decimal, computed from the raw text."""
    raw = {row["id"]: row for row in json.loads(body(), parse_float=Decimal)["data"]}
    table = models_table(body())

    assert list(table.index) == list(raw)
    assert len(table) > 300
    assert table.dtypes.astype(str).to_dict() == DTYPES
    for columns, scale in ((PER_MILLION, Decimal(1_000_000)), (PER_UNIT, Decimal(1))):
        for column, name in columns.items():
            told = [raw[id]["pricing"].get(name) for id in table.index]
            exact = [None if each is None or Decimal(str(each)) < 0 else Decimal(str(each)) * scale for each in told]
            wanted = [math.nan if each is None else float(each) for each in exact]
            np.testing.assert_array_equal(table[column].to_numpy(), wanted)
    assert table["vision"].tolist() == ["image" in raw[id]["architecture"]["input_modalities"] for id in table.index]
    assert table["tools"].tolist() == ["tools" in raw[id]["supported_parameters"] for id in table.index]
    assert dict(table.attrs["raw"]) == raw


def test_an_empty_catalog_has_the_same_columns() -> None:
    """A frame of no models has the same columns and dtypes, and can be searched, sorted and shown."""
    empty = models_table(b'{"data": []}')

    assert empty.dtypes.astype(str).to_dict() == DTYPES
    assert (empty.index.name, str(empty.index.dtype)) == ("id", "str")
    found = find_models(empty, ModelFilter(query="x", vision=True, sort="value", job="1in,1out", limit=3))
    assert len(found) == 0
    assert "No model is like that" in repr(found)
    assert "<table>" in models_bundle(found, is_interactive=False)["text/html"]


def test_rows_that_are_not_as_expected() -> None:
    """A field of another type is missing, its neighbours stay; a row without an id is left out; new fields survive."""
    odd = ROW | {
        "context_length": "many",
        "pricing": {"prompt": 0.5, "completion": [1]},
        "created": "now",
        "name": None,
    }
    table = models_table(body_of(odd, {"id": ""}, {"name": "x"}, 7, {"id": "bare"}))

    assert list(table.index) == ["openai/gpt-5", "bare"]
    row = table.loc["openai/gpt-5"]
    assert (row["context"], row["prompt_usd_per_m"], row["name"]) == (400000, 500_000.0, "openai/gpt-5")
    assert math.isnan(row["completion_usd_per_m"])
    assert row["intelligence"] == 68.5
    assert table.attrs["raw"]["openai/gpt-5"]["new_field"] == {"kept": True}
    assert pd.isna(table.loc["bare", "context"])
    assert not table.loc["bare", "is_free"]


@pytest.mark.parametrize(
    ("filters", "ids"),
    [
        ({}, ["openai/gpt-5", "a/cheap", "a/cheap:free", "openrouter/auto", "~b/latest", "b/seven"]),
        ({"query": "cheap"}, ["a/cheap:free", "a/cheap"]),
        ({"query": "seven"}, ["b/seven"]),
        ({"query": "gpt5"}, ["openai/gpt-5"]),
        ({"query": "opnai"}, ["openai/gpt-5"]),
        ({"free": True}, ["a/cheap:free"]),
        ({"free": False, "author": "A"}, ["a/cheap"]),
        ({"vision": True}, ["openai/gpt-5"]),
        ({"tools": True}, ["openai/gpt-5", "a/cheap"]),
        ({"structured": True, "reasoning": True}, ["openai/gpt-5"]),
        ({"min_context": "200k"}, ["openai/gpt-5", "b/seven"]),
        ({"min_context": "1M"}, ["b/seven"]),
        ({"max_price": 0.1}, ["a/cheap", "a/cheap:free"]),
        ({"max_price": "$1.25", "tools": True}, ["openai/gpt-5", "a/cheap"]),
        ({"since": "2026-01-01", "sort": "newest"}, ["b/seven", "a/cheap:free", "a/cheap"]),
        ({"modality": "audio"}, ["b/seven"]),
        ({"modality": "image"}, ["openai/gpt-5", "b/seven"]),
        ({"author": "openai,b", "sort": "price"}, ["openai/gpt-5", "~b/latest", "b/seven"]),
        ({"sort": "intelligence", "limit": 2}, ["openai/gpt-5", "b/seven"]),
        ({"sort": "value", "limit": 1}, ["openai/gpt-5"]),
        ({"sort": "context", "limit": 1}, ["b/seven"]),
        ({"sort": "name", "limit": 2}, ["a/cheap", "a/cheap:free"]),
    ],
    ids=str,
)
def test_filters_and_orders(filters: dict[str, Any], ids: list[str]) -> None:
    """Each filter by itself and together; words are found in ids and names, mistyped ones too, the cheaper first."""
    table = some()
    found = find_models(table, ModelFilter.of(filters))

    assert list(found.index) == ids
    assert isinstance(found, ModelTable)
    assert found.attrs["raw"]["b/seven"]["name"] == "Seven"
    assert len(table) == 6


def test_the_price_of_a_job_is_exact() -> None:
    """`job` adds what it would cost, with the prices that count at that length; unknown where a router decides."""
    found = find_models(some(), ModelFilter(job="300k in, 1,000 out"))

    assert found.loc["openai/gpt-5", "job_usd"] == float(300_000 * Decimal("0.0000025") + 1000 * Decimal("0.00001"))
    assert found.loc["a/cheap", "job_usd"] == float(300_000 * Decimal("0.0000001") + 1000 * Decimal("4e-7"))
    assert found.loc["a/cheap:free", "job_usd"] == 0
    assert math.isnan(found.loc["openrouter/auto", "job_usd"])


@pytest.mark.parametrize(
    ("filters", "words"),
    [
        ({"tool": True}, "no filter 'tool'. Did you mean tools"),
        ({"sort": "cheap"}, "sort is 'cheap'; it wants one of price, context"),
        ({"min_context": "lots"}, "a number of tokens, such as 200000, 200k or 1M"),
        ({"max_price": "little"}, "USD per million prompt tokens"),
        ({"since": "last week"}, "a day such as 2026-01-31"),
        ({"modality": "smell"}, "one of text, image"),
        ({"limit": 0}, "a number of models"),
        ({"job": "much"}, "A job is such as 2000in,500out"),
    ],
    ids=str,
)
def test_filters_that_are_mistyped(filters: dict[str, Any], words: str) -> None:
    """What a filter cannot be is one line that says what it can."""
    with pytest.raises(CommandError, match=words):
        find_models(some(), ModelFilter.of(filters))


def test_ranking() -> None:
    """An id that begins with the word comes before one that holds it; cheap ones before dear ones; all words count."""
    ids = ["x/a-sonnet", "anthropic/claude-sonnet-5", "anthropic/claude-sonnet-4", "sonnet/own", "x/nosonnet"]
    prices = [1.0, 3.0, 2.0, 9.0, float("nan")]

    assert [ids[n] for n in ranked("sonn", ids, (), prices)] == [ids[3], ids[0], ids[2], ids[1], ids[4]]
    assert [ids[n] for n in ranked("sonnet claude 5", ids)] == [ids[1]]
    assert [ids[n] for n in ranked("claude-sonet", ids)] == [ids[1], ids[2]]
    assert ranked("", ids) == [0, 1, 2, 3, 4]
    assert ranked("zzz", ids) == []


def test_what_is_shown() -> None:
    """A terminal shows what one chooses by; a cell a table for people; hostile names are text; slices stay readable."""
    table = models_table(body_of(ROW, {"id": "<img src=x onerror=alert(1)>/y", "name": "<b>"}))
    bundle = models_bundle(table, is_interactive=True)
    shown = shown_frame(some())

    assert "1.25" in repr(table)
    assert "400k" in repr(table)
    assert "<img" not in bundle["text/html"]
    assert "&lt;img" in bundle["text/html"]
    assert any(kind.startswith("application/vnd.jupyter.widget-view") for kind in bundle)
    assert list(shown.columns)[:3] == ["context", "in USD/M", "out USD/M"]
    assert set(COMPACT) <= set(table.columns)
    assert "openai/gpt-5" in repr(table[["name"]])
    assert "openai/gpt-5" in models_bundle(table[["name"]], is_interactive=False)["text/html"]


def test_endpoints_and_providers_are_tables() -> None:
    """Offers and companies have documented columns and dtypes, also where there are none."""
    offers = endpoints_table(decode_endpoints(recorded("endpoints_openai_gpt-4o.json")))
    companies = providers_table(decode_providers(recorded("providers.json")))

    assert offers["prompt_usd_per_m"].is_monotonic_increasing
    assert offers.dtypes.astype(str).to_dict() == endpoints_table(()).dtypes.astype(str).to_dict()
    assert companies.dtypes.astype(str).to_dict() == providers_table(()).dtypes.astype(str).to_dict()
    assert companies.index.is_unique
    assert len(companies) > 20
