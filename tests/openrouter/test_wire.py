"""Requests become JSON and chunks become events, whatever is missing, new or odd."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from or_magic.answer import Answer
from or_magic.errors import AuthenticationError, ModelNotFoundError, ServiceError
from or_magic.messages import Began, Event, Failed, Finished, Message, ReasoningDelta, TextDelta, Usage, UsageReported
from or_magic.money import pico_usd, usd
from or_magic.openrouter.failures import error_from_body
from or_magic.openrouter.sse import EventSplitter
from or_magic.openrouter.wire import ChatRequest, ChunkDecoder, encode
from tests.openrouter.recordings import Recording, chat_streams


def decode(*chunks: object) -> list[Event]:
    decoder = ChunkDecoder()
    return [event for chunk in chunks for event in decoder.decode(json.dumps(chunk).encode())]


def chunk(delta: object = None, **fields: object) -> dict[str, object]:
    choice = {"index": 0, "delta": delta, "finish_reason": fields.pop("finish_reason", None)}
    return {"choices": [choice], **fields}


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


def test_half_a_surrogate_pair_can_be_sent() -> None:
    """A prompt that UTF-8 cannot hold is sent with a question mark instead of failing."""
    assert json.loads(encode(ChatRequest((Message.of_text("user", "a\ud800b"),))))["messages"][0]["content"] == "a?b"


USAGE = {
    "prompt_tokens": 8,
    "completion_tokens": 5,
    "cost": 6e-07,
    "prompt_tokens_details": {"cached_tokens": 3},
    "completion_tokens_details": {"reasoning_tokens": 2},
}
DECODED_USAGE = UsageReported(Usage(8, 5, 3, 2, 600_000))


@pytest.mark.parametrize(
    ("chunks", "events"),
    [
        pytest.param([chunk({"content": "a"}), chunk({"content": "b"})], [TextDelta("a"), TextDelta("b")], id="text"),
        pytest.param([chunk({"content": ""}), chunk({"content": None}), chunk({})], [], id="empty deltas"),
        pytest.param([chunk({"reasoning": "hm", "content": ""})], [ReasoningDelta("hm")], id="reasoning"),
        pytest.param([chunk({"reasoning_content": "hm"})], [ReasoningDelta("hm")], id="reasoning, other name"),
        pytest.param(
            [
                chunk({"content": "a"}, id="gen-1", model="m", provider="P"),
                chunk({"content": "b"}, id="gen-1", model="m", provider="P"),
            ],
            [Began("gen-1", "m", "P"), TextDelta("a"), TextDelta("b")],
            id="names are told once",
        ),
        pytest.param(
            [chunk({}, finish_reason="stop"), chunk({"content": ""}, finish_reason="stop")],
            [Finished("stop")],
            id="a repeated finish reason is told once",
        ),
        pytest.param([{"choices": [], "usage": USAGE}], [DECODED_USAGE], id="usage without choices"),
        pytest.param([chunk({"content": ""}, usage=USAGE)], [DECODED_USAGE], id="usage beside a choice"),
        pytest.param(
            [chunk({"content": ""}, finish_reason="stop", usage=USAGE)],
            [Finished("stop"), DECODED_USAGE],
            id="usage beside a finish reason",
        ),
        pytest.param([{"choices": [{"message": {"content": "all"}}]}], [TextDelta("all")], id="a whole answer"),
        pytest.param(
            [{"choices": "none", "new": 1}, {}, {"choices": [7]}, {"choices": [{"delta": 3}]}, {"usage": "much"}],
            [],
            id="unknown kinds and wrong types",
        ),
    ],
)
def test_chunks_to_events(chunks: list[object], events: list[Event]) -> None:
    """Each shape that real answers have shown gives its events."""
    assert decode(*chunks) == events


@pytest.mark.parametrize(
    ("cost", "pico"),
    [
        pytest.param("0.0123456", 12_345_600_000, id="plain"),
        pytest.param("6e-7", 600_000, id="exponent"),
        pytest.param("0.000013000000000000001", 13_000_000, id="float noise"),
        pytest.param("0", 0, id="free is 0"),
        pytest.param('"0.5"', 500_000_000_000, id="as a string"),
        pytest.param("null", None, id="unknown is None"),
        pytest.param('"NaN"', None, id="not a number"),
        pytest.param("true", None, id="not a number either"),
        pytest.param("1e999", None, id="beyond all money"),
    ],
)
def test_cost_is_exact(cost: str, pico: int | None) -> None:
    """The cost is read from the JSON text as a decimal, never through a float; unknown is never 0."""
    payload = f'{{"choices": [], "usage": {{"cost": {cost}}}}}'.encode()

    (event,) = ChunkDecoder().decode(payload)

    assert event == UsageReported(Usage(cost_pico_usd=pico))


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(
            {
                "choices": [chunk({"content": ""}, finish_reason="error")["choices"][0]],
                "error": {"code": 429, "message": "slow down"},
            },
            id="with a choice",
        ),  # type: ignore[index]
        pytest.param(
            {"choices": [], "error": {"code": 502, "message": "Provider returned error"}}, id="without choices"
        ),
        pytest.param(
            chunk({"content": ""}, usage=USAGE, error={"code": 400, "message": "Token limit"}), id="beside usage"
        ),
        pytest.param({"error": "server_error"}, id="a bare word"),
    ],
)
def test_errors_inside_a_stream(body: dict[str, object]) -> None:
    """An error inside a stream is the last event, after the usage that came with it."""
    events = decode(body)

    assert isinstance(events[-1], Failed)
    assert len(str(events[-1].error).splitlines()) == 1
    assert not [event for event in events[:-1] if isinstance(event, Failed)]


@pytest.mark.parametrize(
    ("status", "body", "kind", "words"),
    [
        pytest.param(
            401, b'{"error":{"code":401,"message":"User not found."}}', AuthenticationError, "%openrouter key", id="401"
        ),
        pytest.param(
            400,
            b'{"error":{"code":400,"message":"x/y is not a valid model ID"}}',
            ModelNotFoundError,
            "x/y",
            id="model",
        ),
        pytest.param(
            502,
            b"<html><head><style>p{}</style></head><body><h1>Bad gateway</h1></body>",
            ServiceError,
            "Bad gateway",
            id="HTML",
        ),
        pytest.param(500, b"", ServiceError, "no reason given", id="empty"),
        pytest.param(500, b'["odd"]', ServiceError, "odd", id="unknown shape"),
        pytest.param(
            502,
            b'{"error":{"message":"Provider returned error","code":502,"metadata":{"raw":"model is loading"}}}',
            ServiceError,
            "model is loading",
            id="the provider's own words",
        ),
        pytest.param(
            500,
            b'{"error":{"message":"a\\nb\\u001b[31m' + b"x" * 5000 + b'"}}',
            ServiceError,
            "a b",
            id="long, with control characters",
        ),
    ],
)
def test_refusals(status: int, body: bytes, kind: type[ServiceError], words: str) -> None:
    """Whatever a server says when it refuses becomes one readable line of the right kind."""
    error = error_from_body(status, body, service="https://openrouter.ai", model="x/y")

    assert type(error) is kind
    assert words in str(error)
    assert error.status == status
    assert str(error).isprintable()
    assert len(str(error)) < 600


@given(st.binary())
def test_any_bytes_end_in_events_or_one_error(payload: bytes) -> None:
    """Nothing that a server can send fails in any other way than by one clear error."""
    try:
        ChunkDecoder().decode(payload)
    except ServiceError as error:
        assert str(error).isprintable()


@pytest.mark.parametrize("recording", chat_streams())
def test_recorded_streams(recording: Recording) -> None:
    """A recorded stream decodes to the text, the cost and the ending that a naive reading of its lines gives."""
    lines = [line[6:] for line in recording.body.decode().split("\n") if line.startswith("data: {")]
    naive = [json.loads(line, parse_float=Decimal) for line in lines]
    deltas = [part["choices"][0].get("delta") or {} for part in naive if part["choices"]]
    costs = [part["usage"]["cost"] for part in naive if part.get("usage")]
    answer, splitter, decoder = Answer(model_asked=None), EventSplitter(), ChunkDecoder()

    for payload in [
        payload for i in range(len(recording.body)) for payload in splitter.feed(recording.body[i : i + 1])
    ]:
        for event in decoder.decode(payload):
            answer.absorb(event)

    assert answer.text == "".join(delta.get("content") or "" for delta in deltas)
    assert answer.reasoning == "".join(delta.get("reasoning") or "" for delta in deltas)
    assert answer.cost == usd(pico_usd(costs[-1]))
    assert abs(answer.cost - costs[-1]) < Decimal("1e-12")
    assert answer.id == naive[0]["id"]
    assert decoder.is_done
