"""Recorded answers of the real service, sent again over HTTP, become the right `Answer`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from or_magic.answer import Answer
from or_magic.client import background
from or_magic.client.client import Client, Endpoint
from or_magic.client.requests import ChatRequest, message_object
from or_magic.endpoint import Timeouts
from or_magic.errors import InvalidRequestError, RateLimitError, ServiceError
from or_magic.money import pico_usd
from or_magic.types import Failed, Message
from tests.client.recordings import Recording, recordings
from tests.faults.server import response, serve

CHATS = [pytest.param(recording, id=recording.name) for recording in recordings() if recording.is_chat]
ABSENT = [pytest.param(None, marks=pytest.mark.skip(reason="no recordings beside the repository"), id="absent")]
REQUEST = ChatRequest((Message.of_text("user", "?"),), "a/b")


def replay(recording: Recording) -> tuple[Answer, ServiceError | None]:
    """What the client makes of a recorded answer."""
    kind = "text/event-stream" if recording.is_chat_stream else "application/json"
    answer, failures = Answer(model_asked="a/b"), []

    def take(event: Any) -> None:
        answer.absorb(event)
        if isinstance(event, Failed):
            failures.append(event.error)

    with serve((response(recording.status, recording.body, {"Content-Type": kind}),)) as server:
        client = Client(Endpoint(server.base_url, "sk-or-x"), timeouts=Timeouts(retries=0))
        try:
            background.submit(client.stream(REQUEST, take)).result(30)
        except ServiceError as error:
            failures.append(error)
    return answer, failures[-1] if failures else None


def chunks(recording: Recording) -> list[dict[str, Any]]:
    """The JSON of the recording, read line by line, without any of our own code."""
    if not recording.is_chat_stream:
        return [json.loads(recording.body, parse_float=Decimal)]
    lines = recording.body.decode().split("\n")
    return [json.loads(line[6:], parse_float=Decimal) for line in lines if line.startswith("data: {")]


def deltas(recording: Recording) -> Iterator[dict[str, Any]]:
    for chunk in chunks(recording):
        for choice in chunk["choices"]:
            yield choice.get("delta") or choice.get("message") or {}


def naive_calls(recording: Recording) -> list[dict[str, str]]:
    calls: dict[int, dict[str, str]] = {}
    for delta in deltas(recording):
        for position, piece in enumerate(delta.get("tool_calls") or []):
            call = calls.setdefault(piece.get("index", position), {"id": "", "name": "", "arguments": ""})
            call["id"] = call["id"] or piece.get("id") or ""
            call["name"] = call["name"] or piece["function"].get("name") or ""
            call["arguments"] += piece["function"].get("arguments") or ""
    return list(calls.values())


@pytest.mark.parametrize("recording", CHATS or ABSENT)
def test_what_a_recorded_answer_says(recording: Recording) -> None:
    """Text, reasoning, tool calls and sources are those of a reading line by line."""
    answer, _ = replay(recording)

    parts = list(deltas(recording))
    sources = [a for delta in parts for a in delta.get("annotations") or [] if a["type"] == "url_citation"]
    assert answer.text == "".join(delta.get("content") or "" for delta in parts)
    assert answer.reasoning == "".join(delta.get("reasoning") or "" for delta in parts)
    assert [vars_of(call) for call in answer.tool_calls] == naive_calls(recording)
    assert all(isinstance(json.loads(call.arguments or "{}"), dict) for call in answer.tool_calls)
    assert {citation.url for citation in answer.citations} >= {source["url_citation"]["url"] for source in sources}


@pytest.mark.parametrize("recording", CHATS or ABSENT)
def test_reasoning_details_of_a_recorded_answer(recording: Recording) -> None:
    """No text, signature or encrypted piece of the reasoning is lost or doubled."""
    answer, _ = replay(recording)

    details = [item for delta in deltas(recording) for item in delta.get("reasoning_details") or []]
    for field in ("text", "summary", "signature", "data"):
        came = "".join(item.get(field) or "" for item in details)
        assert "".join(item.get(field) or "" for item in answer.reasoning_details) == came
    kinds = {(item.get("index"), item["type"]) for item in details}
    assert len(answer.reasoning_details) == len(kinds)


@pytest.mark.parametrize("recording", CHATS or ABSENT)
def test_what_a_recorded_answer_consumed(recording: Recording) -> None:
    """Tokens, the exact cost, the ending and the id are those of a reading line by line."""
    answer, _ = replay(recording)

    usage = [chunk["usage"] for chunk in chunks(recording) if chunk.get("usage")][-1]
    reasons = [c["finish_reason"] for chunk in chunks(recording) for c in chunk["choices"] if c.get("finish_reason")]
    cost = usage.get("cost")
    assert answer.usage is not None
    assert answer.usage.prompt_tokens == usage["prompt_tokens"]
    assert answer.usage.completion_tokens == usage["completion_tokens"]
    assert answer.usage.cost_pico_usd == (None if cost is None else pico_usd(Decimal(cost)))
    assert answer.finish_reason == reasons[0]
    assert answer.id == chunks(recording)[0]["id"]


def vars_of(call: Any) -> dict[str, str]:
    return {"id": call.id, "name": call.name, "arguments": call.arguments}


@pytest.mark.parametrize("recording", CHATS or ABSENT)
def test_how_a_recorded_answer_ended(recording: Recording) -> None:
    """Only the recording with an error in mid-stream fails, and what came before it stays."""
    answer, failure = replay(recording)

    if recording.name.startswith("midstream_error"):
        assert type(failure) is InvalidRequestError
        assert "Token limit reached" in str(failure)
        assert answer.finish_reason == "length"
    else:
        assert failure is None


def test_what_goes_back_is_what_came() -> None:
    """The reasoning that was recorded being sent back after a tool call is what we would send back."""
    for recording in recordings():
        if recording.name == "reasoning_then_tool_call_stream_haiku-0":
            answer, _ = replay(recording)
            break
    else:
        pytest.skip("no recordings beside the repository")

    sent = message_object(answer.message)

    assert [item["type"] for item in sent["reasoning_details"]] == ["reasoning.text"]
    assert sent["reasoning_details"][0]["text"] == answer.reasoning
    assert sent["reasoning_details"][0]["signature"]
    assert json.loads(sent["tool_calls"][0]["function"]["arguments"])


def test_recorded_upstream_limits() -> None:
    """Three recorded 429 answers are rate limits that quote the provider's own words."""
    limited = [recording for recording in recordings() if recording.name.startswith("error_429")]
    if not limited:
        pytest.skip("no recordings beside the repository")

    failures = [replay(recording)[1] for recording in limited]

    assert [type(failure) for failure in failures] == [RateLimitError] * 3
    assert all("rate-limited upstream" in str(failure) for failure in failures)


def test_a_parsed_file_is_kept() -> None:
    """The recorded answer about a PDF keeps the parsed file, to be sent back with the next question."""
    found = [recording for recording in recordings() if recording.name.startswith("nonstream_file")]
    if not found:
        pytest.skip("no recordings beside the repository")

    answer, _ = replay(found[0])

    assert [item["type"] for item in message_object(answer.message)["annotations"]] == ["file"]
