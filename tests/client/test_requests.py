"""Requests become JSON: what was said, what the service attached, and nothing else."""

from __future__ import annotations

import json

import pytest

from or_magic.answer import Answer
from or_magic.client.requests import ChatRequest, encode, message_object
from or_magic.types import (
    Annotated,
    AnnotationsPart,
    AudioPart,
    ImagePart,
    Message,
    Part,
    ReasoningDelta,
    ReasoningDetailsDelta,
    ReasoningPart,
    RefusalPart,
    TextDelta,
    TextPart,
    ToolCall,
    ToolCallDelta,
)

CALL = ToolCall("call_1", "weather", '{"city": "Rio"}')
CALL_OBJECT = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Rio"}'}}


def test_only_what_was_said_is_sent() -> None:
    """A request holds its messages, its model and its parameters, and nothing else."""
    request = ChatRequest((Message.of_text("user", "hé {x} \\n"),), model="a/b", parameters={"seed": 1})

    assert json.loads(encode(request)) == {
        "model": "a/b",
        "messages": [{"role": "user", "content": "hé {x} \\n"}],
        "seed": 1,
        "stream": True,
    }


def test_no_model_is_no_field() -> None:
    """Without a model the field is left out, which means the account's default."""
    assert "model" not in json.loads(encode(ChatRequest((Message.of_text("user", "x"),))))


def test_usage_is_asked_for_where_it_must_be() -> None:
    """Servers that count only on request are asked to; OpenRouter is not."""
    request = ChatRequest((Message.of_text("user", "x"),), asks_for_usage=True)

    assert json.loads(encode(request))["stream_options"] == {"include_usage": True}


def test_half_a_surrogate_pair_can_be_sent() -> None:
    """A prompt that UTF-8 cannot hold is sent with a question mark instead of failing."""
    assert json.loads(encode(ChatRequest((Message.of_text("user", "a\ud800b"),))))["messages"][0]["content"] == "a?b"


@pytest.mark.parametrize(
    ("parts", "sent"),
    [
        pytest.param((TextPart("hi"),), {"content": "hi"}, id="text"),
        pytest.param((ReasoningPart("hm"), TextPart("hi")), {"content": "hi"}, id="plain thoughts stay here"),
        pytest.param(
            (ReasoningPart("hm"), CALL),
            {"content": None, "tool_calls": [CALL_OBJECT], "reasoning": "hm"},
            id="but go on after a tool call",
        ),
        pytest.param(
            (ToolCall("c", "now", ""),),
            {
                "content": None,
                "tool_calls": [{"id": "c", "type": "function", "function": {"name": "now", "arguments": "{}"}}],
            },
            id="a call without arguments",
        ),
        pytest.param(
            (AnnotationsPart('[{"type":"file","file":{"hash":"h"}},{"type":"url_citation"}]'), TextPart("a")),
            {"content": "a", "annotations": [{"type": "file", "file": {"hash": "h"}}]},
            id="parsed files go back, sources do not",
        ),
        pytest.param((RefusalPart("no"),), {"content": "", "refusal": "no"}, id="refusal"),
        pytest.param((AudioPart("audio_1", "AAAA", "hi"),), {"content": "", "audio": {"id": "audio_1"}}, id="audio"),
        pytest.param(
            (TextPart("a cat"), ImagePart("data:image/png;base64,AA==")),
            {
                "content": "a cat",
                "images": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}],
            },
            id="an image it made",
        ),
    ],
)
def test_an_answer_is_sent_back(parts: tuple[Part, ...], sent: dict[str, object]) -> None:
    """An earlier answer goes back in the API's form."""
    assert message_object(Message("assistant", parts)) == {"role": "assistant", **sent}


def test_an_image_of_the_user_is_content() -> None:
    """An image in a question is one of its content parts."""
    message = Message("user", (TextPart("what?"), ImagePart("https://example.org/a.png")))

    assert message_object(message)["content"] == [
        {"type": "text", "text": "what?"},
        {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}},
    ]


def test_reasoning_details_go_back_as_they_came() -> None:
    """Details that came in pieces are sent back whole, in order, with their signature and unknown fields."""
    answer = Answer(model_asked=None)
    pieces = [
        {"type": "reasoning.text", "text": "I ", "index": 0, "format": "anthropic-claude-v1"},
        {"type": "reasoning.text", "text": "see.", "index": 0, "format": "anthropic-claude-v1"},
        {"type": "reasoning.text", "signature": "c2ln", "index": 0, "format": "anthropic-claude-v1", "new": 1},
        {"type": "reasoning.encrypted", "data": "eA==", "id": "rs_1", "index": 1, "format": None},
    ]

    for piece in pieces:
        answer.absorb(ReasoningDetailsDelta((piece,)))

    assert message_object(answer.message)["reasoning_details"] == [
        {
            "type": "reasoning.text",
            "text": "I see.",
            "index": 0,
            "format": "anthropic-claude-v1",
            "signature": "c2ln",
            "new": 1,
        },
        {"type": "reasoning.encrypted", "data": "eA==", "id": "rs_1", "index": 1, "format": None},
    ]


def test_all_of_an_answer_is_its_message() -> None:
    """The message of an answer holds every part that came, thoughts first."""
    answer = Answer(model_asked=None)
    for event in (
        TextDelta("hi"),
        ToolCallDelta(0, "call_1", "weather", '{"city": '),
        ReasoningDelta("hm"),
        ToolCallDelta(0, "", "", '"Rio"}'),
        Annotated(({"type": "url_citation", "url_citation": {"url": "https://a.example"}},)),
    ):
        answer.absorb(event)

    kinds = [type(part) for part in answer.message.parts]
    assert kinds == [ReasoningPart, TextPart, ToolCall, AnnotationsPart]
    assert answer.tool_calls == (CALL,)
    assert [citation.url for citation in answer.citations] == ["https://a.example"]
