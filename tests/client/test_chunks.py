"""Chunks become events, whatever is missing, new or odd."""

from __future__ import annotations

import itertools
import json
import time
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from or_magic.answer import Answer
from or_magic.client.chunks import ChunkDecoder
from or_magic.client.response import EventSplitter
from or_magic.errors import ServiceError
from or_magic.money import pico_usd, usd
from or_magic.types import (
    Annotated,
    AudioDelta,
    Began,
    Event,
    Failed,
    Finished,
    ImageArrived,
    ReasoningDelta,
    ReasoningDetailsDelta,
    RefusalDelta,
    TextDelta,
    ToolCallDelta,
    Usage,
    UsageReported,
)
from tests.client.recordings import Recording, chat_streams


def decode(*chunks: object) -> list[Event]:
    decoder = ChunkDecoder()
    return [event for chunk in chunks for event in decoder.decode(json.dumps(chunk).encode())]


def chunk(delta: object = None, **fields: object) -> dict[str, object]:
    choice = {"index": 0, "delta": delta, "finish_reason": fields.pop("finish_reason", None)}
    return {"choices": [choice], **fields}


USAGE = {
    "prompt_tokens": 8,
    "completion_tokens": 5,
    "cost": 6e-07,
    "prompt_tokens_details": {"cached_tokens": 3},
    "completion_tokens_details": {"reasoning_tokens": 2},
}
THOUGHT = {"type": "reasoning.text", "text": "hm", "index": 0, "format": "unknown"}
SOURCE = {"type": "url_citation", "url_citation": {"url": "https://a.example", "title": "", "start_index": 0}}
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
            [chunk({"reasoning": "hm", "reasoning_details": [THOUGHT]})],
            [ReasoningDelta("hm"), ReasoningDetailsDelta((THOUGHT,))],
            id="reasoning and its details are told, and shown once",
        ),
        pytest.param(
            [chunk({"reasoning_details": [{"type": "reasoning.text", "signature": "s", "index": 0}]})],
            [ReasoningDetailsDelta(({"type": "reasoning.text", "signature": "s", "index": 0},))],
            id="a signature alone",
        ),
        pytest.param(
            [chunk({"reasoning_details": [THOUGHT]})],
            [ReasoningDelta("hm"), ReasoningDetailsDelta((THOUGHT,))],
            id="details without plain reasoning",
        ),
        pytest.param(
            [chunk({"reasoning": None, "reasoning_details": [], "content": "a"})], [TextDelta("a")], id="empty thoughts"
        ),
        pytest.param(
            [
                chunk(
                    {
                        "content": None,
                        "tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": ""}}],
                    }
                ),
                chunk({"tool_calls": [{"index": 0, "function": {"arguments": '{"a'}}, {"index": 1, "id": "d"}]}),
            ],
            [ToolCallDelta(0, "c", "f", ""), ToolCallDelta(0, "", "", '{"a'), ToolCallDelta(1, "d", "", "")],
            id="tool calls",
        ),
        pytest.param(
            [chunk({"tool_calls": [{"id": "c", "function": {"name": "f", "arguments": {"a": 1}}}]})],
            [ToolCallDelta(None, "c", "f", '{"a":1}')],
            id="a tool call with an object for arguments",
        ),
        pytest.param([chunk({"annotations": [SOURCE], "content": ""})], [Annotated((SOURCE,))], id="a citation"),
        pytest.param(
            [chunk({}, citations=["https://a.example"]), chunk({}, citations=["https://a.example"])],
            [Annotated(({"type": "url_citation", "url_citation": {"url": "https://a.example"}},))],
            id="bare addresses of sources, told with every chunk",
        ),
        pytest.param(
            [chunk({"images": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}]})],
            [ImageArrived("data:image/png;base64,AA==")],
            id="an image",
        ),
        pytest.param(
            [chunk({"audio": {"id": "au", "data": "AAAA", "transcript": "hi"}})],
            [AudioDelta("au", "AAAA", "hi")],
            id="audio",
        ),
        pytest.param([chunk({"refusal": "no"})], [RefusalDelta("no")], id="a refusal"),
        pytest.param(
            [chunk({"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]})],
            [TextDelta("ab")],
            id="content in parts",
        ),
        pytest.param(
            [chunk({}, id="g"), chunk({"content": ""}, id="g", service_tier="flex")],
            [Began("g"), Began("g", service_tier="flex")],
            id="the service tier, at the end",
        ),
        pytest.param(
            [chunk({}, usage={"prompt_tokens": 1}), chunk({}, usage={"prompt_tokens": 2})],
            [UsageReported(Usage(1)), UsageReported(Usage(2))],
            id="running usage",
        ),
        pytest.param(
            [
                {
                    "choices": [],
                    "usage": {
                        "cost": 0,
                        "is_byok": True,
                        "cost_details": {"upstream_inference_cost": 0.0123},
                        "prompt_tokens_details": {"cache_write_tokens": 4},
                        "completion_tokens_details": {"image_tokens": 5, "audio_tokens": 6},
                        "server_tool_use_details": {"web_search_requests": 2},
                    },
                }
            ],
            [
                UsageReported(
                    Usage(
                        cost_pico_usd=0,
                        is_byok=True,
                        upstream_cost_pico_usd=12_300_000_000,
                        cache_write_tokens=4,
                        image_tokens=5,
                        audio_tokens=6,
                        web_searches=2,
                    )
                )
            ],
            id="own key at the provider, caches, media, searches",
        ),
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


def test_text_after_the_first_chunk_takes_the_quick_way_to_the_same_events() -> None:
    """Chunks that differ in their text alone decode alike, whatever the text looks like."""
    texts = ["a", 'say "content": "x"', "\\", "é\u2028", "", '"}', "😀", "{", "data: [DONE]", "\x00"]
    chunks = [chunk({"role": "assistant", "content": text}, id="g", model="m") for text in texts * 3]

    events = tell(*chunks)

    assert events == [Began("g", "m"), *(TextDelta(text) for text in texts * 3 if text)]


@given(st.lists(st.tuples(st.text(), st.sampled_from(["content", "reasoning", "refusal", "content", "content"]))))
def test_any_texts_in_any_order(pieces: list[tuple[str, str]]) -> None:
    """Texts, thoughts and refusals come out in the order and wording in which they went in."""
    kinds = {"content": TextDelta, "reasoning": ReasoningDelta, "refusal": RefusalDelta}

    events = decode(*(chunk({"role": "assistant", field: text}, id="g") for text, field in pieces))

    assert events[1:] == [kinds[field](text) for text, field in pieces if text]


@given(st.data())
def test_any_stream_cut_and_joined_anyhow(data: st.DataObject) -> None:
    """However a stream is cut, joined and commented, it decodes to the same events as its chunks."""
    deltas = data.draw(st.lists(st.fixed_dictionaries({}, optional={"content": st.text(), "reasoning": st.text()})))
    chunks = [chunk({"role": "assistant", **delta}, id="gen-1", model="a/b", provider="P") for delta in deltas]
    chunks += [chunk({"content": ""}, finish_reason="stop", usage=USAGE)]
    end = data.draw(st.sampled_from(["\n", "\r\n", "\r"]))
    comments = data.draw(st.lists(st.integers(0, len(chunks))))
    lines = []
    for number, part in enumerate(chunks):
        lines += [f": OPENROUTER PROCESSING{end}{end}"] * comments.count(number)
        lines += [f"data: {json.dumps(part, ensure_ascii=data.draw(st.booleans()))}{end}{end}"]
    stream = "".join([*lines, f"data: [DONE]{end}{end}"]).encode("utf-8", "replace")
    cuts = sorted({0, len(stream), *data.draw(st.lists(st.integers(0, len(stream))))})

    splitter, decoder, events = EventSplitter(), ChunkDecoder(), []
    for start, stop in itertools.pairwise(cuts):
        decoder.tell(splitter.feed(stream[start:stop]), events.append, events.extend)
    decoder.tell(splitter.flush(), events.append, events.extend)

    assert events == decode(*chunks)
    assert decoder.is_done


@given(st.lists(st.binary(), max_size=20))
def test_any_stream_of_bytes(portions: list[bytes]) -> None:
    """Any bytes at all, as a stream, end in events or in one clear error."""
    splitter, decoder, events = EventSplitter(), ChunkDecoder(), []
    try:
        for portion in portions:
            decoder.tell(splitter.feed(portion), events.append, events.extend)
        decoder.tell(splitter.flush(), events.append, events.extend)
    except ServiceError as error:
        assert str(error).isprintable()


@pytest.mark.parametrize(
    "unit",
    [b"\r", b"\n", b"data:\n", b": c\n\n", b"x", b"[", b'{"a":', b'data: {"id": 1}\n\n', b"data: [\n", b"data: 1\r\r"],
    ids=repr,
)
def test_hostile_bytes_take_time_in_proportion(unit: bytes) -> None:
    """Ten times as much of anything takes about ten times as long to decode, not a hundred."""

    def seconds(size: int) -> float:
        stream = b"data: " + unit * (size // len(unit)) + b"\n\n"
        begun = time.process_time()
        splitter, decoder = EventSplitter(), ChunkDecoder()
        try:
            for start in range(0, len(stream), 1000):
                decoder.tell(splitter.feed(stream[start : start + 1000]), lambda _: None, lambda _: None)
            decoder.tell(splitter.flush(), lambda _: None, lambda _: None)
        except ServiceError:
            pass
        return time.process_time() - begun

    assert min(seconds(1_000_000) for _ in range(2)) < 60 * max(min(seconds(100_000) for _ in range(3)), 0.02)


PLAIN = chunk({"role": "assistant", "content": "b"}, id="g", model="m", provider="P")
UNLIKE_PLAIN = [
    PLAIN | {"id": "other"},
    PLAIN | {"model": "other"},
    PLAIN | {"provider": None},
    PLAIN | {"service_tier": "flex"},
    PLAIN | {"usage": USAGE},
    PLAIN | {"citations": ["https://a.example"]},
    PLAIN | {"error": {"message": "no"}},
    PLAIN | {"choices": []},
    PLAIN | {"choices": [*PLAIN["choices"], *PLAIN["choices"]]},
    chunk({"content": "b"}, id="g", model="m", provider="P", finish_reason="stop"),
    chunk({"content": "b", "reasoning": "hm"}, id="g", model="m", provider="P"),
    chunk({"content": "b", "annotations": [SOURCE]}, id="g", model="m", provider="P"),
    chunk({"content": ["b"]}, id="g", model="m", provider="P"),
    chunk({"content": ""}, id="g", model="m", provider="P"),
]


def tell(*chunks: object) -> list[Event]:
    events: list[Event] = []
    ChunkDecoder().tell((json.dumps(chunk).encode() for chunk in chunks), events.append, events.extend)
    return events


def test_whatever_is_not_plain_text_is_decoded_in_full() -> None:
    """Beside plain text nothing else that a chunk says is lost, and the text after it is told as before."""
    for unlike in UNLIKE_PLAIN:
        stream = [PLAIN, PLAIN, unlike, PLAIN, unlike, PLAIN]

        assert comparable(tell(*stream)) == comparable(decode(*stream)), unlike


def comparable(events: list[Event]) -> list[str]:
    return [str(event.error) if isinstance(event, Failed) else repr(event) for event in events]
