"""Every request that the table of parameters can make is one that the official SDK's schema knows, field by field."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openrouter.components import ChatRequest as SdkRequest

from or_magic.client.requests import ChatRequest, encode
from or_magic.settings.parameters import PARAMETERS, Parameter
from or_magic.settings.request_fields import compose
from or_magic.settings.value_types import (
    Choice,
    Either,
    Extras,
    Json,
    Number,
    Pairs,
    Several,
    Switch,
    Text,
    TextOrObject,
    ValueType,
)
from or_magic.types import ImagePart, Message, TextPart, ToolCall
from tests.client.conformance import LEGITIMATE, vanished

EXCLUSIVE = frozenset({"reasoning_effort"})  # contradicts reasoning and reasoning.effort
COVERED: set[str] = set()


def typed(parameter: Parameter) -> st.SearchStrategy[str]:
    """Texts that a user may type for a parameter."""
    return typed_of(parameter.type, parameter.example)


def typed_of(kind: ValueType, example: str) -> st.SearchStrategy[str]:
    match kind:
        case Number(low, high, True):
            return st.integers(int(low), int(min(high, 10**6))).map(str)
        case Number(low, high, False):
            return st.floats(low, min(high, 10**6)).map(lambda number: f"{number:.6f}")
        case Choice():
            return st.sampled_from(kind.words)
        case Switch():
            return st.sampled_from(["on", "off", "true", "no"])
        case Text():
            # Without a backslash, by which a text may name a tab or a line break; a header cannot hold one.
            letters = st.characters(codec="ascii", exclude_categories=["Cc"], exclude_characters="\\")
            return st.text(letters, min_size=1, max_size=20).map(lambda text: text.strip() or "x")
        case Several(each, most, comma):
            one = typed_of(each, example.split(",")[0] if comma else example)
            words = st.lists(one.filter(lambda word: "," not in word and not word.startswith("[")), min_size=1)
            return words.map(lambda found: ",".join(found[:most])) if comma else one
        case Either(kinds):
            return st.one_of(
                *(typed_of(each, example) for each in kinds if not isinstance(each, Json)), st.just(example)
            )
        case Json() | Pairs() | TextOrObject() | Extras():
            return st.just(example)
    raise AssertionError(kind)


@st.composite
def questions(draw: st.DrawFn) -> dict[str, Any]:
    """Values for some of the parameters, as typing them gives."""
    names = draw(st.lists(st.sampled_from(PARAMETERS), unique_by=lambda parameter: parameter.name, max_size=12))
    values = {parameter.name: parameter.parse(draw(typed(parameter)), parameter.name) for parameter in names}
    if EXCLUSIVE & set(values):
        values = {name: value for name, value in values.items() if not name.startswith("reasoning")} | {
            name: values[name] for name in EXCLUSIVE & set(values)
        }
    return values


def body_of(values: dict[str, Any]) -> dict[str, Any]:
    composed = compose("openai/gpt-5-mini", values)
    request = ChatRequest((Message.of_text("user", "hi"),), composed.model, composed.body)
    document: dict[str, Any] = json.loads(encode(request))
    return document


@given(questions())
@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_any_request_is_known_to_the_sdk(values: dict[str, Any]) -> None:
    """Whatever is set together, no field vanishes in the SDK's model, but for those it is known to lack."""
    COVERED.update(values)

    assert set(vanished(SdkRequest, body_of(values))) <= LEGITIMATE


@pytest.mark.parametrize("parameter", PARAMETERS, ids=lambda parameter: parameter.name)
def test_every_parameter_is_known_to_the_sdk(parameter: Parameter) -> None:
    """The example of each parameter is a field that the SDK knows, or one of those that it is known to lack."""
    COVERED.add(parameter.name)

    body = body_of({parameter.name: parameter.parse(parameter.example, parameter.name)})

    assert set(vanished(SdkRequest, body)) <= LEGITIMATE
    if parameter.place == "body" and parameter.name != "param":
        assert parameter.name.partition(".")[0] in body


def test_the_whole_table_was_tried() -> None:
    """Between them the two tests above have set every parameter of the table."""
    if COVERED:  # nothing where this test runs alone
        assert {parameter.name for parameter in PARAMETERS} - COVERED == set()


def test_messages_of_all_kinds_are_known_to_the_sdk() -> None:
    """Images in a question, tool calls and reasoning in an answer that goes back: the SDK knows each field."""
    call = ToolCall("call_1", "now", "{}")
    messages = (
        Message("user", (TextPart("what?"), ImagePart("data:image/png;base64,AA=="))),
        Message("assistant", (call,)),
        Message.of_text("user", "and?"),
    )

    assert vanished(SdkRequest, json.loads(encode(ChatRequest(messages, "a/b")))) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"provider": {"quantization": "fp16"}},
        {"provider": {"max_price": {"prompt": 1}}},
        {"temprature": 1},
        {"reasoning": {"effort": 3}},
    ],
)
def test_the_method_finds_what_is_wrong(wrong: dict[str, Any]) -> None:
    """A misspelt name or a wrong type does vanish, so the tests above can fail."""
    body = {"messages": [{"role": "user", "content": "hi"}], **wrong}
    with contextlib.suppress(ValueError):  # refused outright
        assert set(vanished(SdkRequest, body)) - LEGITIMATE
