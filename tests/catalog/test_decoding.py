"""One decoder of the catalog: a model looked up and its row of the table say the same, whatever the service sent."""

from __future__ import annotations

import json
import math
from decimal import Decimal
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from or_magic.catalog.decoding import PER_MILLION, decode_models
from or_magic.catalog.model import Model, price_text
from or_magic.catalog.table import models_table
from tests.catalog.test_catalog import ROW

ODD: list[Any] = [None, True, -1, 0, 1.5, "0.5", "x", 10**30, 1e300, "1e999999", [], [1, "image"], {}, {"slug": 3}]


def check(model: Model, row: Any) -> None:
    """Fails where the model and its row disagree."""
    numbers = {"context": model.context_tokens, "max_output": model.max_output_tokens, **dict(model.benchmarks)}
    for column, value in numbers.items():
        told = row[column.removesuffix("_index")]
        assert (None if pd.isna(told) else told) == value
    for column, name in (("prompt_usd_per_m", "prompt"), ("completion_usd_per_m", "completion")):
        price = getattr(model.prices, name)
        assert (price is None and math.isnan(row[column])) or row[column] == float(price * 1_000_000)
    assert (row["name"], row["alias_of"], row["tokenizer"]) == (model.name, model.alias_of, model.tokenizer)
    assert row["input_modalities"] == model.input_modalities
    assert row["supported_parameters"] == model.supported_parameters
    assert (row["tools"], row["reasoning"], row["is_free"]) == (model.takes_tools, model.reasons, model.is_free)
    assert (None if pd.isna(row["moderated"]) else row["moderated"]) == model.is_moderated
    assert (None if pd.isna(row["created"]) else row["created"]) == model.created_utc
    assert (None if pd.isna(row["expires"]) else row["expires"].date()) == model.expires


@settings(max_examples=60)
@given(st.dictionaries(st.sampled_from(sorted(ROW)), st.sampled_from(ODD)), st.sampled_from(sorted(ROW)), st.data())
def test_a_model_and_its_row(changes: dict[str, Any], inner: str, data: st.DataObject) -> None:
    """Each fact of a row that is odd anywhere is the same in both, and the table of it can be made."""
    row = json.loads(json.dumps(ROW)) | changes | {"id": "a/b"}
    if isinstance(row[inner], dict) and row[inner]:
        row[inner] |= {data.draw(st.sampled_from(sorted(row[inner]))): data.draw(st.sampled_from(ODD))}
    body = json.dumps({"data": [row]}).encode()

    (model,) = decode_models(body).models

    check(model, models_table(body).loc["a/b"])


def test_models_are_made_when_they_are_looked_at() -> None:
    """A catalog of a thousand makes the one model that is asked for, once."""
    body = json.dumps({"data": [ROW | {"id": f"a/{number}"} for number in range(1000)]}).encode()
    catalog = decode_models(body)

    found = catalog.find("a/7")

    assert found is catalog.find("A/7:nitro") is catalog.models[7]
    assert (len(catalog), len(catalog.models)) == (1000, 1000)


@pytest.mark.parametrize("text", ["1e999999", "1000000", "Infinity", "NaN", "-0.1"])
def test_a_price_beyond_all_reason(text: str) -> None:
    """What no token can cost is a price that nobody knows; its neighbors stay."""
    body = json.dumps({"data": [ROW | {"pricing": {"prompt": text, "completion": "0.000002"}}]}).encode()

    (model,) = decode_models(body).models

    assert (model.prices.prompt, model.prices.completion) == (None, Decimal("0.000002"))
    assert math.isnan(models_table(body)[next(iter(PER_MILLION))].iloc[0])


@pytest.mark.parametrize(
    ("usd", "text"),
    [(Decimal("1.250"), "1.25"), (10.0, "10"), (0.1, "0.1"), (0.0375, "0.0375"), (1e-5, "0.00001"), (12345.6, "12350")],
)
def test_a_price_for_people(usd: Decimal | float, text: str) -> None:
    """USD per million tokens have at most four significant digits, no zeros at the end and no exponent."""
    assert price_text(usd) == text
