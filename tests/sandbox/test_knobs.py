"""The knobs and the faults: by name of a model, by Python, by the environment; each is seen on the wire."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from or_magic.sandbox import Behaviour, Sandbox, start
from or_magic.sandbox.responses import ERRORS

from .talker import KEY, Talker, events_of, text_of

TEXT = "one two three four five six seven eight"


@pytest.mark.parametrize(
    ("shape", "choices"),
    [("2026", [("stop", {"content": "", "role": "assistant"})]), ("2026-03", []), ("2025", [(None, None)])],
)
def test_the_three_shapes_of_usage(sandbox: Sandbox, talker: Talker, shape: str, choices: list[Any]) -> None:
    """The usage chunk has the finish reason once more, no choices, or a choice that has not finished."""
    sandbox.behave(usage_shape=shape)

    *_, last = talker.stream("sandbox/echo", TEXT)

    assert last["usage"]["cost"] > 0
    assert [choice["finish_reason"] for choice in last["choices"]] == [reason for reason, _ in choices]


@pytest.mark.parametrize(
    ("model", "has_choices", "words"),
    [
        ("sandbox/breaks-a", True, TEXT),
        ("sandbox/breaks-b", False, TEXT),
        ("sandbox/breaks-first", False, ""),
    ],
)
def test_an_error_in_the_middle(sandbox: Sandbox, talker: Talker, model: str, has_choices: bool, words: str) -> None:
    """A stream breaks off with an error event, with a choice or without, and nothing is charged."""
    *before, last = talker.stream(model, TEXT)

    assert (last["error"]["code"], bool(last["choices"])) == (502, has_choices)
    assert len(before) == (5 if words else 0)
    assert sandbox.charges.total_usd() == 0


def test_an_error_on_the_usage_chunk(talker: Talker) -> None:
    """The shape of 2025: the answer has finished, and the usage chunk holds an error."""
    *_, finish, last = talker.stream("sandbox/breaks-c", TEXT)

    assert finish["choices"][0]["finish_reason"] == "stop"
    assert last["error"]["code"] == 502
    assert last["usage"]["prompt_tokens"] > 0


def test_a_stream_without_done(sandbox: Sandbox, talker: Talker) -> None:
    """After an error, [DONE] may or may not follow."""
    sandbox.behave(stream_error={"shape": "b", "after_events": 2, "code": 429, "says_done": False})

    body = talker.post("sandbox/echo", TEXT, stream=True).text

    assert body.count("data: ") == 3
    assert '"code":429' in body
    assert "[DONE]" not in body


@pytest.mark.parametrize("name", ERRORS)
def test_each_error_by_name(talker: Talker, name: str) -> None:
    """sandbox/error-NAME answers with that status, in the service's envelope or with an edge's own body."""
    answer = talker.post(f"sandbox/error-{name}", TEXT)

    special = {"empty": 500, "inside": 200}
    assert answer.status_code == (special[name] if name in special else int(name.partition("-")[0]))
    if name not in ("524", "empty", "inside"):
        assert answer.json()["error"]["code"] == answer.status_code
    assert talker.post(f"sandbox/error-{name}", TEXT, stream=True).status_code == answer.status_code


def test_every_nth_request_fails(sandbox: Sandbox, talker: Talker) -> None:
    """fail_every fails every third request of all, sandbox/flaky every second of its own."""
    sandbox.behave(fail_every=3, fail_status=500)
    assert [talker.post("sandbox/echo", TEXT).status_code for _ in range(6)] == [200, 200, 500, 200, 200, 500]

    sandbox.behave(fail_every=0)
    assert [talker.post("sandbox/flaky", TEXT).status_code for _ in range(4)] == [200, 503, 200, 503]


def test_comments_between_events(sandbox: Sandbox, talker: Talker) -> None:
    """Comments also come between data events."""
    sandbox.behave(comments=0, comments_between=2)

    body = talker.post("sandbox/echo", TEXT, stream=True).text

    assert body.startswith("data: ")
    assert body.count(": OPENROUTER PROCESSING\n\n") == (body.count("data: ") - 3) // 2


def keep_all(portions: Iterator[bytes], came: list[bytes]) -> None:
    for portion in portions:
        came.append(portion)


@pytest.mark.parametrize(("model", "ending"), [("sandbox/silent", "closed by client"), ("sandbox/cut", "cut")])
def test_silence_and_cuts_by_name(sandbox: Sandbox, talker: Talker, model: str, ending: str) -> None:
    """sandbox/silent says nothing after five events and stays; sandbox/cut drops the connection there."""
    body = {"model": model, "stream": True, "messages": [{"role": "user", "content": TEXT}]}
    came: list[bytes] = []
    with talker.client.stream("POST", "/chat/completions", json=body, timeout=0.5) as response:
        portions = response.iter_bytes()
        with pytest.raises((httpx.ReadTimeout, httpx.RemoteProtocolError)):
            keep_all(portions, came)

    assert b"".join(came).count(b"data: ") == 5
    assert sandbox.wait_for(lambda request: request.ending is not None).ending == ending


def test_a_record_comes_late(sandbox: Sandbox, talker: Talker) -> None:
    """The record of a generation stays away as long as it is told to."""
    sandbox.behave(record_delay_s=0.4)
    id = talker.whole("sandbox/echo", TEXT)["id"]

    assert talker.client.get(f"/generation?id={id}").status_code == 404
    time.sleep(0.5)
    assert talker.client.get(f"/generation?id={id}").json()["data"]["provider_name"] == "Sandbox"


@pytest.mark.parametrize(("model", "in_full"), [("sandbox/essay", False), ("sandbox/unstoppable", True)])
def test_who_hangs_up_pays_by_provider(sandbox: Sandbox, talker: Talker, model: str, in_full: bool) -> None:
    """A provider that cannot be stopped bills the whole answer; the others what was written."""
    sandbox.behave(pace=200)
    body = {"model": model, "stream": True, "messages": [{"role": "user", "content": TEXT}]}
    with talker.client.stream("POST", "/chat/completions", json=body) as response:
        next(response.iter_bytes())
    sandbox.wait_for(lambda request: request.ending == "closed by client")

    (charge,) = sandbox.charges
    assert charge.cancelled
    assert (charge.completion_tokens > 500) == in_full


TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 3}},
        },
    },
}


def test_a_tool_is_called_and_its_result_told(talker: Talker) -> None:
    """The calling voice opens a call, streams arguments that fit the schema, and tells what came back."""
    events = talker.stream("sandbox/tools", "weather please", tools=[TOOL])
    pieces = [call for event in events for call in event["choices"][0]["delta"].get("tool_calls", [])]

    assert pieces[0]["function"]["name"] == "weather"
    assert len(pieces) > 2
    assert json.loads("".join(piece["function"]["arguments"] for piece in pieces)) == {"city": "rehearsal", "days": 3}
    assert events[-1]["choices"][0]["finish_reason"] == "tool_calls"
    call = {"id": pieces[0]["id"], "type": "function", "function": {"name": "weather", "arguments": "{}"}}
    conversation = [
        {"role": "user", "content": "weather please"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": call["id"], "content": "sunny"},
    ]
    body = {"model": "sandbox/tools", "tools": [TOOL], "messages": conversation}
    assert "sunny" in talker.client.post("/chat/completions", json=body).json()["choices"][0]["message"]["content"]


def test_a_schema_is_filled(talker: Talker) -> None:
    """The filling voice answers with JSON that fits the schema, references and choices included."""
    schema = {
        "type": "object",
        "properties": {
            "name": {"$ref": "#/$defs/name"},
            "kind": {"enum": ["b", "a"]},
            "when": {"type": "string", "format": "date"},
            "maybe": {"anyOf": [{"type": "null"}, {"type": "number", "minimum": 2}]},
            "list": {"type": "array", "minItems": 2, "items": {"type": "boolean"}},
        },
        "$defs": {"name": {"type": "string", "minLength": 12}},
    }
    form = {"type": "json_schema", "json_schema": {"name": "it", "schema": schema, "strict": True}}

    text = talker.whole("sandbox/json", "fill it", response_format=form)["choices"][0]["message"]["content"]

    assert json.loads(text) == {
        "name": "rehearsalxxx",
        "kind": "b",
        "when": "2026-01-31",
        "maybe": 2,
        "list": [True, True],
    }


def test_what_was_sent_is_reported(talker: Talker) -> None:
    """The seeing voice reports each image, file and sound with its format and size."""
    parts = [
        {"type": "text", "text": "what is it?"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
        {"type": "image_url", "image_url": {"url": "https://example.org/a.jpg"}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AAAAAAAA"}},
        {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
    ]

    text = talker.whole("sandbox/vision", parts)["choices"][0]["message"]["content"]

    assert "image: image/png, 3 bytes" in text
    assert "image: by address, https://example.org/a.jpg" in text
    assert "file a.pdf: application/pdf, 6 bytes" in text
    assert "audio: wav, 3 bytes" in text


def test_sources_and_a_signature_are_in_whole_answers_too(talker: Talker) -> None:
    """Citations, and the signature of reasoning, are where the service has them."""
    cited = talker.whole("sandbox/sources", TEXT)["choices"][0]["message"]
    thought = talker.whole("sandbox/reasoner", TEXT)["choices"][0]["message"]

    assert cited["annotations"][0]["url_citation"]["url"] == "https://example.org/streams"
    assert thought["reasoning_details"][0]["signature"]
    assert thought["reasoning_details"][0]["text"] == thought["reasoning"]


def test_stop_and_logprobs(talker: Talker) -> None:
    """An answer ends before a stop text, and tells the likelihoods of its tokens where it is asked."""
    choice = talker.whole("sandbox/echo", TEXT, stop=["five"], logprobs=True, top_logprobs=1)["choices"][0]

    assert choice["message"]["content"] == "one two three four "
    assert "".join(token["token"] for token in choice["logprobs"]["content"]) == "one two three four "


@pytest.mark.parametrize(
    "fields",
    [
        {"temperature": 3},
        {"top_logprobs": 21},
        {"stop": ["a", "b", "c", "d", "e"]},
        {"plugins": [{"id": "unheard-of"}]},
        {"provider": {"quantizations": "fp16"}},
        {"provider": {"sort": "beauty"}},
        {"reasoning": {"effort": "enormous"}},
        {"reasoning": {"effort": "low"}, "reasoning_effort": "high"},
        {"response_format": {"type": "poem"}},
        {"service_tier": "golden"},
        {"logit_bias": {"1": 200}},
        {"tools": [{"type": "function", "function": {"name": "x" * 65}}]},
        {"tools": [{"type": "magic"}]},
        {"session_id": "x" * 257},
        {"metadata": {"a": "x" * 513}},
    ],
    ids=str,
)
def test_what_the_service_refuses(talker: Talker, fields: dict[str, Any]) -> None:
    """A value out of range, of a wrong type or a word that is not known is a 400."""
    answer = talker.post("sandbox/echo", TEXT, **fields)

    assert answer.status_code == 400
    assert answer.json()["error"]["message"]


def test_recordings_are_given_again(tmp_path: Path) -> None:
    """Files of a folder are models: a stream byte by byte, a whole answer, cassettes where they can be read."""
    stream = b': OPENROUTER PROCESSING\n\ndata: {"choices":[{"delta":{"content":"h\xc3\xa9"}}]}\n\ndata: [DONE]\n\n'
    (tmp_path / "one.sse").write_bytes(stream)
    (tmp_path / "two.json").write_text('{"choices": []}')
    (tmp_path / "three.yaml").write_text(
        "interactions:\n- response: {status: {code: 200}, body: {string: 'data: [DONE]'}}\n"
        "- response: {status: {code: 200}, parsed_body: {choices: []}}\n"
    )
    with start(behaviour=Behaviour(pace=0, write_bytes=5), replay=tmp_path) as sandbox:
        headers = {"Authorization": f"Bearer {KEY}"}
        with httpx.Client(base_url=sandbox.base_url, headers=headers, verify=False) as client:
            talker = Talker(client)

            assert talker.post("replay/one", TEXT, stream=True).content == stream
            assert (
                talker.post("replay/two", TEXT).json() == talker.post("replay/three-1", TEXT).json() == {"choices": []}
            )
            assert talker.post("replay/three-0", TEXT).text.strip() == "data: [DONE]"
            assert talker.post("replay/none", TEXT).status_code == 400


def test_the_catalog_is_searched(talker: Talker) -> None:
    """Text, parameters, modalities, prices, sorting and paging of the list have their effects."""

    def ids(query: str) -> list[str]:
        return [row["id"] for row in talker.client.get(f"/models?{query}").json()["data"]]

    assert ids("q=schema") == ["sandbox/json"]
    assert ids("supported_parameters=tools") == ["sandbox/tools"]
    assert ids("input_modalities=image") == ["sandbox/vision"]
    assert ids("max_price=0") == ["sandbox/fast"]
    assert ids("sort=pricing-high-to-low&limit=2") == ["sandbox/essay", "sandbox/unstoppable"]
    assert len(ids("offset=2&limit=3")) == 3
    assert talker.client.get("/models?limit=0").status_code == 400


def test_who_serves_what(talker: Talker) -> None:
    """Endpoints, providers and private endpoints are listed, with prices and health."""
    offers = talker.client.get("/models/sandbox/routed/endpoints").json()["data"]["endpoints"]
    assert {offer["tag"]: offer["pricing"]["prompt"] for offer in offers}["sandbox-fast"] == "0.000006"
    assert [offer["status"] for offer in offers if offer["tag"] == "sandbox-down"] == [-2]
    assert talker.client.get("/models/openrouter/auto/endpoints").json()["data"]["endpoints"] == []
    assert len(talker.client.get("/providers").json()["data"]) == 4
    assert "sandbox-cheap" not in {row["tag"] for row in talker.client.get("/endpoints/zdr").json()["data"]}
    assert talker.client.get("/models/user").status_code == 200
    assert talker.client.get("/models/count").json()["data"]["count"] > 10


@pytest.fixture
def program(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "or_magic", "sandbox", "--port", "0", "--quiet"]
    environment = os.environ | {"OR_SANDBOX_PACE": "0", "OR_SANDBOX_USAGE_SHAPE": "2025", "OR_SANDBOX_COMMENTS": "0"}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as running:
        yield running
        running.send_signal(signal.SIGINT)


def test_knobs_by_the_environment(program: subprocess.Popen[str]) -> None:
    """OR_SANDBOX_* turns the knobs of the program."""
    assert program.stdout is not None
    base_url = program.stdout.readline().strip()
    body = {"model": "sandbox/echo", "stream": True, "messages": [{"role": "user", "content": TEXT}]}

    answer = httpx.post(f"{base_url}/chat/completions", json=body, headers={"Authorization": f"Bearer {KEY}"})

    events = events_of(answer.text)
    assert text_of(events) == TEXT
    assert events[-1]["choices"][0]["finish_reason"] is None


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [("OR_SANDBOX_PACE", "fast", "pace"), ("OR_SANDBOX_PASE", "1", "no knob OR_SANDBOX_PASE")],
)
def test_a_knob_that_is_none(variable: str, value: str, words: str) -> None:
    """A mistyped knob, or a value that is none, ends the program with one line."""
    command = [sys.executable, "-m", "or_magic", "sandbox", "--port", "0"]

    done = subprocess.run(command, env=os.environ | {variable: value}, capture_output=True, text=True, timeout=30)

    assert done.returncode == 2
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1
