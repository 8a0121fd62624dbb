"""Answers as values: what is sent of a schema, what comes back, and what happens to an answer that does not fit."""

from __future__ import annotations

import datetime
import decimal
from collections.abc import Iterator
from typing import Any, Literal

import jsonschema
import pandas as pd
import pytest

from or_magic.chat.session import Session
from or_magic.errors import CommandError, SchemaError
from or_magic.extracting import json_in
from or_magic.money import format_usd
from or_magic.prompt.answer_formats import answer_format_of, schema_of, short_schema
from or_magic.sandbox import Sandbox
from or_magic.settings.layers import Settings

from .schemas import FITS_ANYWAY, JSON_SCHEMA, SCHEMAS, Address, AgeFirst, Node, Person, WithDecimal, WithTimes

FAULTS = ("cut", "list", "missing", "prose", "type")


@pytest.fixture
def session(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    store = str(tmp_path_factory.mktemp("ledger") / "ledger.sqlite")
    owner = Session(settings=Settings({"OPENROUTER_BASE_URL": sandbox.base_url, "OR_MAGIC_STORE": store}))
    yield owner
    owner.close()


def bodies(sandbox: Sandbox) -> list[Any]:
    return [each.body for each in sandbox.requests if each.body and "messages" in each.body]


def strictness(schema: Any) -> Iterator[bool]:
    """Whether each object in a schema requires all its properties and allows no others."""
    if isinstance(schema, dict):
        if "properties" in schema and isinstance(schema["properties"], dict):
            yield set(schema.get("required", ())) == set(schema["properties"])
            yield schema.get("additionalProperties") is False
        for inner in schema.values():
            yield from strictness(inner)
    elif isinstance(schema, list):
        for inner in schema:
            yield from strictness(inner)


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_schema_gives_a_value(session: Session, sandbox: Sandbox, name: str) -> None:
    """The schema that is sent is valid, strict where it says so, and what fits it comes back as a validated value."""
    answer = session.ask(
        "fill it", model="sandbox/json", history="none", answer_format=answer_format_of(None, SCHEMAS[name])
    )
    told = bodies(sandbox)[-1]["response_format"]["json_schema"]

    jsonschema.Draft202012Validator.check_schema(told["schema"])
    jsonschema.validate(json_in(answer.text), told["schema"])
    assert told["schema"]["type"] == "object"
    assert not told["strict"] or all(strictness(told["schema"]))
    assert answer.value is not None
    assert answer.value is answer.value
    assert isinstance(answer.df(), pd.DataFrame)
    assert "schema" not in str(bodies(sandbox)[-1]["messages"])


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", SCHEMAS)
def test_what_does_not_fit_is_asked_for_once_more(session: Session, sandbox: Sandbox, name: str, fault: str) -> None:
    """A broken answer is noticed whatever is broken, asked for again with the reason, and both costs are shown."""
    before, thread = len(bodies(sandbox)), f"{name} {fault}"
    answer_format = answer_format_of(None, SCHEMAS[name])
    answer = session.ask(f"break it: {fault}", model="sandbox/json", thread=thread, answer_format=answer_format)
    asked = bodies(sandbox)[before:]
    turns = session.ledger.turns()[-len(asked) :]

    assert answer.value is not None
    if (name, fault) in FITS_ANYWAY:
        assert len(asked) == 1
        return
    assert len(asked) == 2
    assert asked[1]["messages"][1]["content"] == turns[0].answer.text
    assert asked[1]["messages"][2]["content"].startswith("That does not fit (")
    assert asked[1]["response_format"] == asked[0]["response_format"]
    assert format_usd(turns[0].usage.cost_pico_usd) in answer.notes[0]
    assert answer.notes[0].startswith("Asked once more, since the first answer did not fit the schema (")


def test_a_second_misfit_is_an_error_that_keeps_the_text(session: Session, sandbox: Sandbox) -> None:
    """Alone, the question goes again with the answer in it; a second misfit is one line, and the raw text is kept."""
    before = len(bodies(sandbox))

    with pytest.raises(SchemaError, match=r"does not fit the schema \(age: Field required") as caught:
        session.ask(
            "break it: missing", model="sandbox/json", history="none", answer_format=answer_format_of(None, AgeFirst)
        )

    first, second = bodies(sandbox)[before:]
    assert second["messages"][0]["content"][0]["text"] == first["messages"][0]["content"]
    assert "You answered:\n" in second["messages"][0]["content"][1]["text"]
    assert session.last is not None
    assert json_in(session.last.text) == {"name": "rehearsal"}
    assert "\n" not in str(caught.value)


def test_a_model_that_keeps_to_no_schema_is_told_of_it(session: Session, sandbox: Sandbox) -> None:
    """Where the catalog lists no structured outputs the schema goes in words, and the answer is validated here."""
    text = 'Sure! Here it is:\n```json\n{"name": "Ada", "age": 36}\n```\nAnything else?'
    answer = session.ask(text, model="sandbox/echo", history="none", answer_format=answer_format_of(None, Person))
    system, user = bodies(sandbox)[-1]["messages"]

    assert answer.value == Person(name="Ada", age=36)
    assert "response_format" not in bodies(sandbox)[-1]
    assert system["content"].startswith("Answer with JSON alone")
    assert '"age"' in system["content"]
    assert user["content"] == text


def test_values_have_their_types(session: Session) -> None:
    """Dates, decimals and nested objects are what the schema says; a list is a typed table."""
    times = schema_of(WithTimes).read('{"day": "2026-01-02", "moment": "2026-01-02T03:04:05Z", "hour": "03:04:05"}')
    price = schema_of(WithDecimal).read('{"price": 0.10, "ratio": 1}')
    text = '[{"name": "Ada", "age": 36}, {"name": "Bob", "age": 7}]'
    answer = session.ask(text, model="sandbox/echo", history="none", answer_format=answer_format_of(None, list[Person]))

    assert (times.day, times.hour) == (datetime.date(2026, 1, 2), datetime.time(3, 4, 5))
    assert price.price == decimal.Decimal("0.1")
    assert answer.value == [Person(name="Ada", age=36), Person(name="Bob", age=7)]
    assert answer.df().dtypes.astype(str).to_dict() == {"name": "str", "age": "int64"}
    node = schema_of(Node).read('{"name": "a", "children": [{"name": "b", "children": []}]}')
    assert node.children[0].name == "b"


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"a": 1}, "no JSON schema.*the short form"),
        ({"type": "objekt"}, "no valid JSON schema"),
        ({"$ref": "#/nowhere"}, "--schema"),
        (3, "neither a type that has a schema nor"),
        ("just words", "not of the form name: str"),
        ("name: strr", "no type here. Did you mean str"),
    ],
)
def test_what_is_no_schema_is_said(schema: object, words: str) -> None:
    """A schema that is none is refused in one line, before anything is sent."""
    with pytest.raises(CommandError, match=words) as caught:
        answer_format_of(None, schema)
    assert "\n" not in str(caught.value)


def test_the_short_form() -> None:
    """Names with types of Python, of the user, with defaults; what is no such form is None."""
    shape = short_schema("name: str, n: int = 3, who: Person", {"Person": Person})
    assert shape is not None
    value = shape.read('{"name": "x", "who": {"name": "y", "age": 1}}')

    assert (value.n, value.who) == (3, Person(name="y", age=1))
    assert short_schema("Person", {}) is None
    assert short_schema("list[Person]", {}) is None
    literal = short_schema("size: Literal['s', 'm']", {})
    assert literal is not None
    with pytest.raises(ValueError, match="size"):
        literal.read('{"size": "x"}')


def test_a_schema_and_another_format_do_not_go_together() -> None:
    """The user is told, instead of one of them being dropped."""
    with pytest.raises(CommandError, match="do not go together"):
        answer_format_of("code", Person)
    assert answer_format_of("json", Address).answer_schema is not None
    assert schema_of(Literal["a"]).read('{"value": "a"}') == "a" == schema_of(Literal["a"]).read('"a"')
    assert schema_of(JSON_SCHEMA).is_strict
