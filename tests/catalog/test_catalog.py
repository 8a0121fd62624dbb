"""The catalog: rows of every shape become exact prices and plain answers; a mistyped id finds its neighbours."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from or_magic.catalog.decoding import decode_endpoints, decode_models, decode_providers, prices_of
from or_magic.catalog.model import Catalog
from or_magic.errors import ServiceError

DATA = Path(__file__).parents[3] / "shared" / "data"
ROW: dict[str, Any] = {
    "id": "openai/gpt-5",
    "canonical_slug": "openai/gpt-5-2025-08-07",
    "name": "OpenAI: GPT-5",
    "created": 1754587413,
    "context_length": 400000,
    "architecture": {
        "input_modalities": ["text", "image", "file"],
        "output_modalities": ["text"],
        "tokenizer": "GPT",
    },
    "pricing": {
        "prompt": "0.00000125",
        "completion": "0.00001",
        "input_cache_read": "0.000000125",
        "web_search": "0.01",
        "overrides": [{"min_prompt_tokens": 272000, "prompt": "0.0000025"}],
    },
    "top_provider": {"context_length": 400000, "max_completion_tokens": 128000, "is_moderated": True},
    "supported_parameters": ["tools", "structured_outputs", "reasoning"],
    "default_parameters": None,
    "knowledge_cutoff": "2024-09-30",
    "expiration_date": "2027-01-31",
    "reasoning": {"mandatory": True, "supported_efforts": ["high", "low"], "default_effort": "medium"},
    "benchmarks": {"artificial_analysis": {"intelligence_index": 68.5, "coding_index": None}},
    "new_field": {"kept": True},
}


def catalog_of(*rows: object) -> Catalog:
    return decode_models(json.dumps({"data": list(rows)}).encode())


def recorded(name: str) -> bytes:
    file = DATA / name
    if not file.exists():
        pytest.skip("no recordings beside the repository")
    return file.read_bytes()


def test_a_row_of_today() -> None:
    """All that a row tells is there: exact prices, context, dates, abilities, and unknown fields as they came."""
    (model,) = catalog_of(ROW).models

    assert (model.author, model.variant, model.alias_of) == ("openai", "", "")
    assert (model.context_tokens, model.max_output_tokens) == (400000, 128000)
    assert (model.prices.prompt, model.prices.cache_read) == (Decimal("0.00000125"), Decimal("0.000000125"))
    assert model.prices.request is None
    assert (model.takes_images, model.takes_files, model.takes_audio, model.makes_images) == (True, True, False, False)
    assert (model.takes_tools, model.takes_schemas, model.reasons, model.is_free) == (True, True, True, False)
    assert (model.knowledge_cutoff, model.expires) == (date(2024, 9, 30), date(2027, 1, 31))
    assert model.created_utc == datetime(2025, 8, 7, 17, 23, 33, tzinfo=UTC)
    assert model.reasoning is not None
    assert (model.reasoning.is_mandatory, model.reasoning.efforts) == (True, ("high", "low"))
    assert model.benchmarks == {"intelligence_index": 68.5}
    assert model.raw["new_field"] == {"kept": True}


def test_a_row_that_tells_nothing() -> None:
    """A row of a server that names only ids is a model of which nothing is known."""
    (model,) = catalog_of({"id": "llama3", "object": "model"}, {"object": "no id"}, 7, {"id": 3}).models

    assert (model.id, model.name, model.author) == ("llama3", "llama3", "")
    assert (model.context_tokens, model.prices.prompt, model.created_utc, model.reasoning) == (None,) * 4
    assert (model.takes_images, model.takes_tools, model.is_free, model.is_router) == (False,) * 4


@pytest.mark.parametrize(
    ("pricing", "prompt", "is_free", "is_router"),
    [
        pytest.param({"prompt": "0", "completion": "0"}, Decimal(0), True, False, id="free"),
        pytest.param({"prompt": "-1", "completion": "-1"}, None, False, True, id="a router decides"),
        pytest.param({"prompt": -1, "completion": -1}, None, False, True, id="a router decides, as a number"),
        pytest.param({"prompt": 1e-06, "completion": "x"}, Decimal("0.000001"), False, False, id="as a number"),
        pytest.param({"prompt": "much"}, None, False, False, id="no number"),
        pytest.param([], None, False, False, id="no object"),
    ],
)
def test_prices(pricing: object, prompt: Decimal | None, is_free: bool, is_router: bool) -> None:
    """A price is exact, unknown where a router decides or it makes no sense, and 0 only where it is free."""
    (model,) = catalog_of(ROW | {"pricing": pricing}).models

    assert (model.prices.prompt, model.is_free, model.is_router) == (prompt, is_free, is_router)


def test_a_free_router() -> None:
    """A router that costs nothing is a router all the same; an alias, which hands on as well, is none."""
    router = {"id": "a/free", "architecture": {"tokenizer": "Router"}, "pricing": {"prompt": "0", "completion": "0"}}
    free, alias = catalog_of(router, router | {"alias_target": {"slug": "a/b"}}).models

    assert (free.is_router, free.is_free) == (True, True)
    assert (alias.is_router, alias.alias_of) == (False, "a/b")


NIGHT = datetime(2026, 11, 25, 23, 30, tzinfo=UTC)  # a Wednesday
NOON = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("overrides", "tokens", "when", "prompt"),
    [
        pytest.param([{"min_prompt_tokens": 100, "prompt": "2"}], 99, NOON, "1", id="shorter"),
        pytest.param([{"min_prompt_tokens": 100, "prompt": "2"}], 100, NOON, "2", id="as long"),
        pytest.param(
            [{"min_prompt_tokens": 1, "prompt": "2"}, {"min_prompt_tokens": 50, "prompt": "3"}],
            60,
            NOON,
            "3",
            id="the later one wins",
        ),
        pytest.param([{"utc_start": "2200", "utc_end": "0600", "prompt": "0.5"}], 1, NIGHT, "0.5", id="at night"),
        pytest.param([{"utc_start": "2200", "utc_end": "0600", "prompt": "0.5"}], 1, NOON, "1", id="by day"),
        pytest.param([{"utc_start": 900, "utc_end": 1700, "prompt": "4"}], 1, NOON, "4", id="times as numbers"),
        pytest.param([{"utc_days": ["sat", "Sunday"], "prompt": "4"}], 1, NOON, "1", id="another day"),
        pytest.param([{"utc_days": [3], "prompt": "4"}], 1, NOON, "4", id="that day, as a number"),
    ],
)
def test_prices_under_conditions(overrides: object, tokens: int, when: datetime, prompt: str) -> None:
    """Overrides count by the length of the prompt, the time of day and the day; what they do not name stays."""
    prices = prices_of({"prompt": "1", "completion": "9", "overrides": overrides}).at(tokens, when)

    assert (prices.prompt, prices.completion, prices.overrides) == (Decimal(prompt), Decimal(9), ())


@pytest.mark.parametrize(
    ("id", "found"),
    [
        ("openai/gpt-5", "openai/gpt-5"),
        ("OpenAI/GPT-5", "openai/gpt-5"),
        ("openai/gpt-5-2025-08-07", "openai/gpt-5"),
        ("openai/gpt-5:nitro", "openai/gpt-5"),
        ("openai/gpt-5:free:online", "openai/gpt-5:free"),
        ("openai/gpt-5:online:free", "openai/gpt-5:free"),
        ("openai/gpt-5-2025-08-07:free", "openai/gpt-5:free"),
        ("openai/gpt-5-2025-08-07:nitro:free", "openai/gpt-5:free"),
        ("openai/gpt-5-2025-08-07:nitro", "openai/gpt-5"),
        ("openai/gpt-5@preset/mine", "openai/gpt-5"),
        ("@preset/mine", None),
        ("~openai/gpt-latest", "~openai/gpt-latest"),
        ("gpt-5", None),
        ("", None),
    ],
)
def test_what_an_id_stands_for(id: str, found: str | None) -> None:
    """Dated names, variants in any order and presets lead to their model, and nothing leads to another."""
    alias = ROW | {"id": "~openai/gpt-latest", "canonical_slug": "", "alias_target": {"slug": "openai/gpt-5"}}
    catalog = catalog_of(ROW | {"id": "openai/gpt-5:free"}, ROW, alias)

    model = catalog.find(id)

    assert (model.id if model else None) == found
    assert catalog.models[2].alias_of == "openai/gpt-5"


IDS = (
    "openai/gpt-5",
    "openai/gpt-5-mini",
    "openai/gpt-4o",
    "openai/gpt-4o-mini",
    "anthropic/claude-sonnet-5",
    "anthropic/claude-haiku-4.5",
    "meta-llama/llama-3.3-70b-instruct",
    "google/gemini-2.5-flash",
)


@pytest.mark.parametrize(
    ("typed", "first"),
    [
        ("openai/gpt5", "openai/gpt-5"),
        ("gpt-4o", "openai/gpt-4o"),
        ("openai/gpt4o-mini", "openai/gpt-4o-mini"),
        ("antropic/claude-sonet-5", "anthropic/claude-sonnet-5"),
        ("claude-haiku-4-5", "anthropic/claude-haiku-4.5"),
        ("meta/llama-3.3-70b-instruct", "meta-llama/llama-3.3-70b-instruct"),
        ("google/gemini-2-5-flash", "google/gemini-2.5-flash"),
        ("openai/gpt-5:nitroo", "openai/gpt-5"),
        ("qwertz/asdf", None),
        ("", None),
        ("x", None),
    ],
)
def test_nearest_ids(typed: str, first: str | None) -> None:
    """A mistyped id finds the one that was meant first; what is like none finds none."""
    nearest = catalog_of(*({"id": id} for id in IDS)).nearest(typed)

    assert (nearest[0] if nearest else None) == first
    assert len(set(nearest)) == len(nearest) <= 3


def test_endpoints_and_providers() -> None:
    """Offers and companies are read, with prices, health, and statistics where they are told."""
    offer = {
        "name": "Acme | openai/gpt-5",
        "provider_name": "Acme",
        "tag": "acme/fp8",
        "pricing": {"prompt": "0.000001", "completion": "0.000002"},
        "quantization": "fp8",
        "status": -2,
        "uptime_last_30m": 99.5,
        "latency_last_30m": {"p50": 420},
        "throughput_last_30m": 61.5,
    }
    (endpoint, bare) = decode_endpoints(json.dumps({"data": {"endpoints": [offer, {}, 3]}}).encode())
    providers = decode_providers(b'{"data":[{"name":"Acme","slug":"acme","datacenters":["US"]},{"name":"no slug"}]}')

    assert (endpoint.tag, endpoint.prices.prompt, endpoint.status) == ("acme/fp8", Decimal("0.000001"), -2)
    assert (endpoint.uptime, endpoint.latency_ms, endpoint.throughput) == (99.5, 420.0, 61.5)
    assert (bare.name, bare.status, bare.latency_ms) == ("", None, None)
    assert [(provider.slug, provider.datacenters) for provider in providers] == [("acme", ("US",))]


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"data":[]}', b'{"data":{}}', b'{"error":{"code":500}}', b"[]"])
def test_no_catalog(body: bytes) -> None:
    """What holds not one model is an error of one line, so that it never takes the place of a good catalog."""
    with pytest.raises(ServiceError) as caught:
        decode_models(body)

    assert str(caught.value).isprintable()


_SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
_NAMES = st.sampled_from(sorted(ROW)) | st.text()


@given(st.recursive(_SCALARS, lambda inner: st.lists(inner) | st.dictionaries(_NAMES, inner)))
def test_any_row(value: object) -> None:
    """No row of any shape fails."""
    row = value if isinstance(value, dict) else dict.fromkeys(ROW, value)

    (model,) = catalog_of({**row, "id": "a/b"}).models

    assert model.id == "a/b"


def test_the_recorded_catalog_of_2026() -> None:
    """The whole recorded catalog is read: every row, and all the prices that are not a router's."""
    body = recorded("models.json")
    rows = json.loads(body)["data"]

    catalog = decode_models(body)

    assert len(catalog) == len(rows) == 421
    assert sum(bool(model.prices.overrides) for model in catalog.models) == 59
    assert sum(model.reasoning is not None for model in catalog.models) == 289
    assert sum(bool(model.alias_of) for model in catalog.models) == 12
    assert sum(model.is_router for model in catalog.models) == 6
    for model, row in zip(catalog.models, rows, strict=True):
        assert (model.prices.prompt is None) == (row["pricing"]["prompt"] == "-1")
    assert all((model := catalog.find(row["id"])) is not None and model.id == row["id"] for row in rows)


def test_dated_names_in_the_recorded_catalog() -> None:
    """The dated name of a variant, which is how answers name their model, has the variant's price: never the base's."""
    catalog = decode_models(recorded("models.json"))

    dated = {f"{model.canonical_slug}:{model.variant}": model for model in catalog.models if model.variant}

    assert len(dated) == 80
    assert [name for name, model in dated.items() if catalog.find(name) is not model] == []


def test_the_recorded_catalog_of_2025() -> None:
    """The older shape, without links, reasoning and benchmarks, is read as well."""
    cassette = yaml.safe_load(recorded("models_2025-12-31.cassette.yaml"))
    body = cassette["interactions"][0]["response"]["body"]["string"]

    catalog = decode_models(body if isinstance(body, bytes) else body.encode())

    assert len(catalog) == 353
    assert all(model.context_tokens for model in catalog.models)


@pytest.mark.parametrize(
    ("name", "decode", "count"),
    [
        ("endpoints_openai_gpt-4o.json", decode_endpoints, 2),
        ("endpoints_deepseek-v4.1-flash.json", decode_endpoints, None),
        ("providers.json", decode_providers, None),
    ],
)
def test_other_recorded_lists(name: str, decode: Callable[[bytes], tuple[Any, ...]], count: int | None) -> None:
    """Recorded endpoints and providers are read, each with its name."""
    rows = decode(recorded(name))

    assert all(row.name for row in rows)
    assert len(rows) == count or (count is None and rows)
