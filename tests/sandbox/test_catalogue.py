"""The catalog and what its models say."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from or_magic.sandbox import Sandbox
from or_magic.sandbox.models import CATALOG, Model
from or_magic.sandbox.replies import Question, essay

from .talker import Talker, text_of

RECORDED = Path(__file__).parents[3] / "shared" / "data" / "models.json"


def test_the_catalog_needs_no_key(stranger: httpx.Client, sandbox: Sandbox) -> None:
    """Anybody may list the models: all rows on one page."""
    listed = stranger.get(f"{sandbox.base_url}/models").json()

    assert [row["id"] for row in listed["data"]] == [model.id for model in CATALOG]
    assert listed["total_count"] == len(CATALOG)
    assert listed["links"] == {"next": None}


@pytest.mark.parametrize("model", CATALOG, ids=lambda model: model.id)
def test_every_model_says_what_it_is(model: Model) -> None:
    """Name and description of each row say that it is the sandbox's."""
    row = model.row()

    assert "sandbox" in row["name"].lower()
    assert "sandbox" in row["description"].lower()


@pytest.mark.parametrize("model", CATALOG, ids=lambda model: model.id)
def test_prices_are_decimal_strings(model: Model) -> None:
    """Prices are USD per token, as strings; only a router's are -1."""
    pricing = model.row()["pricing"]

    assert all(isinstance(price, str) for price in pricing.values())
    assert {Decimal(price) < 0 for price in pricing.values()} == {model.routes_to is not None}


@pytest.mark.skipif(not RECORDED.exists(), reason="no recorded catalog beside the repository")
def test_rows_have_the_shape_of_recorded_rows(client: httpx.Client) -> None:
    """A row has every field that all recorded rows have, and none that no recorded row has."""
    recorded = [set(row) for row in json.loads(RECORDED.read_text())["data"]]

    for row in client.get("/models").json()["data"]:
        assert set.intersection(*recorded) <= set(row) <= set.union(*recorded)


def test_one_model_can_be_looked_up(client: httpx.Client) -> None:
    """GET /model/author/slug gives the row of the list; an unknown one is a 404."""
    rows = {row["id"]: row for row in client.get("/models").json()["data"]}

    assert client.get("/model/sandbox/echo").json() == {"data": rows["sandbox/echo"]}
    assert client.get("/model/sandbox/nobody").status_code == 404


@pytest.mark.parametrize("asked", [None, "openrouter/auto"])
def test_the_default_is_routed_and_honest(talker: Talker, asked: str | None) -> None:
    """Without a model, or with the auto router, the rehearsal answers, under its own name."""
    answer = talker.whole(asked, "What is a token?\nIn one line.")

    text = answer["choices"][0]["message"]["content"]
    assert answer["model"] == "sandbox/rehearsal"
    assert "No model was asked" in text
    assert "> What is a token?\n> In one line.\n" in text


def test_a_long_question_is_quoted_in_part(talker: Talker) -> None:
    """The rehearsal quotes the beginning of a long question and marks the cut."""
    text = text_of(talker.stream("sandbox/rehearsal", "word " * 200))

    assert "word word" in text
    assert len(text) < 2_000
    assert " …\n" in text


def test_the_first_of_models_is_asked(talker: Talker) -> None:
    """A request that names only `models` is answered by the first of them."""
    answer = talker.whole(None, "hello", models=["sandbox/echo", "sandbox/essay"])

    assert answer["model"] == "sandbox/echo"


def test_variants_choose_among_providers_only(talker: Talker) -> None:
    """`:nitro` and its like are accepted and change nothing here; an invented variant is an unknown model."""
    assert talker.whole("sandbox/echo:nitro", "hello")["model"] == "sandbox/echo"
    assert talker.post("sandbox/echo:nonsense", "hello").status_code == 400


def test_the_essay_has_every_kind_of_block(talker: Talker) -> None:
    """The essay holds headings, lists, a table, a Python block and formulas."""
    text = text_of(talker.stream("sandbox/essay", "write"))

    for block in ("# How", "\n## 1. ", "\n- **", "\n1. ", "\n|--:|", "\n```python\n", "\n$$\n", "$n$"):
        assert block in text
    assert text.count("```") % 2 == 0


def test_the_essay_grows_with_max_tokens(talker: Talker) -> None:
    """With room for more chapters the essay has more, ends by itself, and nearly fills the room."""
    answer = talker.whole("sandbox/essay", "write", max_tokens=6_000)

    assert answer["choices"][0]["finish_reason"] == "stop"
    assert 5_000 < answer["usage"]["completion_tokens"] <= 6_000


def test_code_in_the_essay_works() -> None:
    """The essay's Python block really reads a stream, however its bytes are divided."""
    code = essay(Question("")).text.split("```python\n")[1].split("```")[0]
    stream = 'data: {"choices": [{"delta": {"content": "é!"}}]}\n\ndata: [DONE]\n\n'.encode()

    names: dict[str, Any] = {}
    exec(code, names)

    assert list(names["texts"](bytes([byte]) for byte in stream)) == ["é!"]
