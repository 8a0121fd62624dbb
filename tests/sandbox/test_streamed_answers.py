"""Streamed answers: framing, text, limits, and how the bytes are divided."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from or_magic.sandbox import Sandbox
from or_magic.sandbox.streaming import Schedule

from .talker import Talker, events_of, text_of

TEXTS = {
    "plain": "Tell me about the sea.",
    "markdown": "# Title\n\n- one\n- two\n\n```python\nprint('{x}')\n```\n",
    "white space": "  leading, \t tabs,\r\n\r\n  trailing \n",
    "separators": "one\u2028two\u2029three\x85four\x0bfive",
    "not ascii": "Größe, 東京, 👩‍👩‍👧, e\u0301, \U0001f9ea",
    "markup": "<b>&amp;</b> \\ \" ' data: [DONE]\n\ndata: x",
    "empty": "",
}


def test_a_stream_is_framed_as_the_service_frames_it(talker: Talker) -> None:
    """Comments come first, each event is one data line and an empty line, [DONE] is last."""
    body = talker.post("sandbox/echo", "some words", stream=True).text

    one_event = r"data: \{[^\n]+\}\n\n"
    assert re.fullmatch(rf"(: OPENROUTER PROCESSING\n\n){{2}}({one_event}){{4}}data: \[DONE\]\n\n", body)


def test_a_stream_has_the_headers_of_the_service(talker: Talker) -> None:
    """Content type, caching, generation id and provider are sent, and no CORS header."""
    answer = talker.post("sandbox/echo", "hello", stream=True)

    assert answer.headers["content-type"] == "text/event-stream"
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["x-provider-name"] == "Sandbox"
    assert re.fullmatch(r"gen-\d{10}-[0-9A-Za-z]{20}", answer.headers["x-generation-id"])
    assert {event["id"] for event in events_of(answer.text)} == {answer.headers["x-generation-id"]}
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_every_delta_has_the_role(talker: Talker) -> None:
    """The role is repeated in each delta, not only in the first."""
    events = talker.stream("sandbox/reasoner", "hello")

    assert {event["choices"][0]["delta"]["role"] for event in events} == {"assistant"}


def test_the_finish_comes_before_the_usage(talker: Talker) -> None:
    """The last event repeats the finish reason and carries the usage; no event before it does."""
    *pieces, finish, usage = talker.stream("sandbox/echo", "some words")

    assert [event["choices"][0]["finish_reason"] for event in pieces] == [None, None]
    assert finish["choices"] == usage["choices"]
    assert finish["choices"][0]["finish_reason"] == "stop"
    assert [event for event in [*pieces, finish] if "usage" in event] == []
    assert usage["usage"]["completion_tokens"] == 2


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_the_echo_is_exact(talker: Talker, text: str) -> None:
    """Whatever is sent to sandbox/echo comes back unchanged, streamed or whole."""
    assert text_of(talker.stream("sandbox/echo", text)) == text
    assert talker.whole("sandbox/echo", text)["choices"][0]["message"]["content"] == text


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(text=st.text(max_size=60))
def test_the_echo_is_exact_for_any_text(talker: Talker, text: str) -> None:
    """No text exists that an echo changes."""
    assert text_of(talker.stream("sandbox/echo", text)) == text


def test_the_echo_joins_text_parts(talker: Talker) -> None:
    """A message in parts is echoed as its text parts, one after the other; an image says nothing."""
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    parts = [{"type": "text", "text": "one "}, image, {"type": "text", "text": " two"}]

    events = talker.stream("sandbox/echo", parts)

    assert text_of(events) == "one  two"
    assert events[-1]["usage"]["prompt_tokens"] == 256 + 2 + 1


def test_the_last_user_message_is_the_question(client: httpx.Client) -> None:
    """Earlier messages, and those of other roles, count as prompt but are not echoed."""
    roles = [
        ("system", "be brief"),
        ("user", "first"),
        ("assistant", "yes"),
        ("user", "second"),
        ("tool", "7"),
    ]
    body = {"model": "sandbox/echo", "messages": [{"role": role, "content": text} for role, text in roles]}

    answer = client.post("/chat/completions", json=body).json()

    assert answer["choices"][0]["message"]["content"] == "second"
    assert answer["usage"]["prompt_tokens"] == 2 + 1 + 1 + 2 + 1


@pytest.mark.parametrize("limit", ["max_tokens", "max_completion_tokens"])
def test_a_limit_on_tokens_is_kept(talker: Talker, limit: str) -> None:
    """An answer that is longer than allowed ends there, with the finish reason `length`."""
    events = talker.stream("sandbox/echo", "one two three four", **{limit: 3})

    assert text_of(events) == "one two three"
    assert events[-1]["choices"][0]["finish_reason"] == "length"
    assert events[-1]["usage"]["completion_tokens"] == 3


def test_reasoning_comes_first_and_twice(talker: Talker) -> None:
    """The reasoner's thoughts come before its text, plain and as details, and are counted."""
    events = talker.stream("sandbox/reasoner", "hello")

    thinking = [bool(event["choices"][0]["delta"].get("reasoning")) for event in events]
    details = [d for event in events for d in event["choices"][0]["delta"].get("reasoning_details", [])]
    assert thinking == sorted(thinking, reverse=True)
    assert "".join(detail.get("text", "") for detail in details) == text_of(events, "reasoning")
    assert [detail["signature"] for detail in details if "signature" in detail] == [details[-1]["signature"]]
    assert events[-1]["usage"]["completion_tokens_details"]["reasoning_tokens"] == len(details) > 50


@pytest.mark.parametrize(
    ("fields", "is_billed"),
    [
        ({"reasoning": {"exclude": True}}, True),
        ({"include_reasoning": False}, True),
        ({"reasoning": {"effort": "none"}}, False),
        ({"reasoning": {"enabled": False}}, False),
        ({"reasoning_effort": "none"}, False),
    ],
    ids=["excluded", "not included", "no effort", "disabled", "no effort, short form"],
)
def test_reasoning_can_be_kept_back(talker: Talker, fields: dict[str, Any], is_billed: bool) -> None:
    """Excluded reasoning is thought and billed but not shown; with effort none it does not happen."""
    events = talker.stream("sandbox/reasoner", "hello", **fields)

    assert text_of(events, "reasoning") == ""
    assert bool(events[-1]["usage"]["completion_tokens_details"]["reasoning_tokens"]) == is_billed


def test_writes_can_be_split_anywhere(sandbox: Sandbox, client: httpx.Client) -> None:
    """With write_bytes, events arrive in small pieces, split inside letters, and are the same events."""
    sandbox.behave(write_bytes=1)
    body = {"model": "sandbox/echo", "stream": True, "messages": [{"role": "user", "content": "東京"}]}

    with client.stream("POST", "/chat/completions", json=body) as answer:
        pieces = list(answer.iter_raw())

    assert {len(piece) for piece in pieces} == {1}
    assert text_of(events_of(b"".join(pieces).decode())) == "東京"


def test_events_can_share_a_write(sandbox: Sandbox, client: httpx.Client) -> None:
    """With events_per_write, that many events leave together, and the rest with the end."""
    sandbox.behave(events_per_write=3, comments=0)
    body = {"model": "sandbox/echo", "stream": True, "messages": [{"role": "user", "content": "a b c d"}]}

    with client.stream("POST", "/chat/completions", json=body) as answer:
        counts = [piece.count(b"data: ") for piece in answer.iter_raw()]

    assert counts == [3, 3, 1]


@pytest.mark.parametrize("count", [0, 5])
def test_the_number_of_comments_can_be_set(sandbox: Sandbox, talker: Talker, count: int) -> None:
    """As many comments come before the first event as the knob says."""
    sandbox.behave(comments=count)

    body = talker.post("sandbox/echo", "hello", stream=True).text

    assert body.count(": OPENROUTER PROCESSING\n\n") == count


def test_tokens_are_due_at_the_pace() -> None:
    """The first token is due after the wait, each further one a pace later; pace 0 does not wait."""
    schedule = Schedule(began=100.0, wait_s=0.5, pace=20.0)

    assert [schedule.due(number) for number in (0, 1, 20)] == [100.5, 100.55, 101.5]
    assert Schedule(began=100.0, wait_s=0.0, pace=0.0).due(1_000) == 100.0


def test_the_pace_knobs_leave_the_slow_model_slow(sandbox: Sandbox, talker: Talker) -> None:
    """sandbox/slow keeps its own times, so that it can be stopped whatever the knobs say."""
    talker.whole("sandbox/slow", "a")
    talker.whole("sandbox/echo", "a")

    slow, quick = sandbox.charges
    assert (slow.latency_ms, slow.generation_time_ms) == (250, 417)
    assert (quick.latency_ms, quick.generation_time_ms) == (0, 0)
