"""Recorded conversations with tools, led again by this client: what it sends next is what the recorded client sent."""

from __future__ import annotations

import contextlib
import functools
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from or_magic.answer import Answer
from or_magic.chat.question import ToolSettings
from or_magic.chat.session import Session
from or_magic.chat.tools import tool, tools_of
from or_magic.ledger.audit import verify
from or_magic.ledger.records import WhichHistory
from or_magic.settings.layers import Settings
from tests.client.recordings import FOLDER, Recording, recordings
from tests.faults.server import Answer as Script
from tests.faults.server import response, serve

Json = dict[str, Any]
Lead = Callable[..., "Led"]
Spelling = Callable[[list[Json]], list[list[Json]]]

SPLIT = "tool_calls_stream_haiku"
WITHOUT_ARGUMENTS = "tool_calls_stream_gpt4omini"
REASONED = "reasoning_then_tool_call_stream_haiku"
PARALLEL = "nonstream_parallel_tool_calls_haiku"
ENCRYPTED = "encrypted_reasoning_stream_o3"
CONVERSATIONS = (SPLIT, WITHOUT_ARGUMENTS, REASONED, PARALLEL)

OF_THE_CLIENT = ("model", "messages", "tools", "stream", "stream_options")
NO_CATALOG = response(404, b'{"error":{"code":404,"message":"Not Found"}}')


@tool(approve=False)
def weather(latitude: str, longitude: str) -> str:
    """Gets current weather for a location

    Args:
        latitude: Latitude (e.g., 52.5200)
        longitude: Longitude (e.g., 13.4050)
    """
    return f"Current weather at {latitude}, {longitude}: 15°C, Wind: 10 km/h"


@tool(approve=False)
def reasoning_weather(city: str) -> str:
    """Gets current weather for a city

    Args:
        city: City name (e.g., Berlin)
    """
    return f"Current weather in {city}: 15°C, cloudy"


@tool(approve=False)
def best_language_to_learn() -> str:
    """Gets the best language to learn"""
    return "Ruby"


@tool(approve=False)
def get_date() -> str:
    """Gets the current date"""
    return "2024-01-01"


FUNCTIONS = {each.__name__: each for each in (weather, reasoning_weather, best_language_to_learn, get_date)}


@functools.cache
def all_recordings() -> tuple[Recording, ...]:
    return tuple(recordings())


def recorded(stem: str) -> list[Recording]:
    """The answers of one file, in order; skips the test where the folder is absent."""
    found = [each for each in all_recordings() if each.name.rpartition("-")[0] == stem]
    if not found:
        pytest.skip(f"no recordings in {FOLDER.name}")
    return found


def asked(recording: Recording) -> Json:
    body: Json = json.loads(recording.asked)
    return body


def chunks(recording: Recording) -> list[Json]:
    """The chunks of a stream; of a whole answer, those that would say the same: the message, then how it ended."""
    if recording.is_chat_stream:
        return [json.loads(line[6:]) for line in recording.body.splitlines() if line.startswith(b"data: {")]
    whole = json.loads(recording.body)
    (choice,), names = whole["choices"], {name: whole[name] for name in ("id", "created", "model", "provider")}
    names["object"] = "chat.completion.chunk"
    said = {"index": 0, "delta": choice["message"], "finish_reason": None}
    end = {"index": 0, "delta": {"content": ""}, "finish_reason": choice["finish_reason"]}
    return [names | {"choices": [said]}, names | {"choices": [end], "usage": whole["usage"]}]


def streamed(parts: Sequence[Json]) -> Script:
    events = [b"data: %b\n\n" % json.dumps(part).encode() for part in parts]
    body = b": OPENROUTER PROCESSING\n\n" + b"".join(events) + b"data: [DONE]\n\n"
    return (response(200, body, {"Content-Type": "text/event-stream"}),)


def as_received(recording: Recording) -> Script:
    kind = "text/event-stream" if recording.is_chat_stream else "application/json"
    return (response(recording.status, recording.body, {"Content-Type": kind}),)


def deltas(parts: Sequence[Json]) -> Iterator[Json]:
    yield from (choice["delta"] for part in parts for choice in part["choices"])


def text_of(recording: Recording) -> str:
    return "".join(delta.get("content") or "" for delta in deltas(chunks(recording)))


def cost_of(recording: Recording) -> Decimal:
    return Decimal(str(chunks(recording)[-1]["usage"]["cost"]))


def calls_of(parts: Sequence[Json]) -> list[Json]:
    """The calls of an answer, whole: each index with its id, name and arguments."""
    calls: dict[int, Json] = {}
    for piece in (piece for delta in deltas(parts) for piece in delta.get("tool_calls") or ()):
        call = calls.setdefault(piece["index"], {"index": piece["index"], "arguments": ""})
        call |= {"id": piece["id"], "name": piece["function"]["name"]} if "id" in piece else {}
        call["arguments"] += piece["function"]["arguments"]
    return list(calls.values())


def meaning(message: Json) -> Json:
    """A message without what changes nothing of its meaning.

    - Content of null, of "" and none at all: beside calls of tools, each says that the model said nothing. Clients
      differ in it, and so did the two that were recorded.
    - Content that is a list of one text part is that text: the API takes both for the same.
    - The arguments of a call are read as JSON: white space between the tokens, which one recorded client dropped when
      it wrote them anew, and the order of their names are no part of what they say.
    - The order of a message's fields, as in all JSON (dicts are equal in any order).
    """
    content = message.get("content") or ""
    if isinstance(content, list) and len(content) == 1 and content[0]["type"] == "text":
        content = content[0]["text"]
    calls = [call | {"function": read(call["function"])} for call in message.get("tool_calls", ())]
    return message | {"content": content} | ({"tool_calls": calls} if calls else {})


def read(function: Json) -> Json:
    return function | {"arguments": json.loads(function["arguments"])}


@dataclass(frozen=True)
class Led:
    """A conversation that was led: the last answer to each question, the body of each request, and what it cost."""

    answers: list[Answer]
    requests: list[Json]
    spent_pico_usd: int
    faults: list[Any]


def messages_of(bodies: Iterable[Json]) -> list[list[Json]]:
    return [[meaning(message) for message in body["messages"]] for body in bodies]


def led_through(
    store: Path,
    record: Sequence[Recording],
    answers: Sequence[Script] | None = None,
    *,
    history: WhichHistory = "thread",
    catalog: bytes = NO_CATALOG,
    then: Sequence[str] = (),
) -> Led:
    """Asks what was asked in a recording, and `then` more, of a server that gives `answers`, one for each request."""
    bodies = [asked(each) for each in record]
    names = [each["function"]["name"] for each in bodies[0].get("tools", ())] or list(FUNCTIONS)
    tool_settings = ToolSettings(tools_of([FUNCTIONS[name] for name in names]), 10, True)
    parameters = {name: value for name, value in bodies[0].items() if name not in OF_THE_CLIENT}
    system = next((each["content"] for each in bodies[0]["messages"] if each["role"] == "system"), None)
    questions = [body["messages"][-1] for body in bodies if body["messages"][-1]["role"] == "user"]
    prompts = [*(meaning(question)["content"] for question in questions), *then]
    with serve(*(answers or map(as_received, record)), records=(catalog,)) as server:
        settings = Settings({"OPENROUTER_BASE_URL": server.base_url, "OR_MAGIC_STORE": str(store)})
        with contextlib.closing(Session(settings=settings)) as session:
            ask = functools.partial(session.ask, model=bodies[0]["model"], parameters=parameters, system=system)
            told = [ask(each, history=history, tool_settings=tool_settings, show=False) for each in prompts]
            spent, faults = session.spent().pico_usd, list(verify(session.ledger))
    posts = [each for each in server.requests if each.startswith(b"POST /v1/chat/completions ")]
    return Led(told, [json.loads(each.partition(b"\r\n\r\n")[2]) for each in posts], spent, faults)


@pytest.fixture
def lead(tmp_path: Path) -> Lead:
    return functools.partial(led_through, tmp_path / "ledger.sqlite")


@pytest.mark.parametrize("stem", CONVERSATIONS)
def test_each_request_says_what_the_recorded_one_said(stem: str, lead: Lead) -> None:
    """In every step of each conversation the messages are the recorded ones, with calls, results and reasoning."""
    record = recorded(stem)

    led = lead(record)

    assert messages_of(led.requests) == messages_of(map(asked, record))
    assert led.answers[-1].text == text_of(record[-1])
    assert led.spent_pico_usd == sum(map(cost_of, record)) * 10**12
    assert led.faults == []


@pytest.mark.parametrize("stem", CONVERSATIONS)
def test_a_question_that_stands_alone_goes_the_same_way(stem: str, lead: Lead) -> None:
    """Without history the steps of one question still see each other."""
    record = recorded(stem)[:2]

    led = lead(record, history="none")

    assert messages_of(led.requests) == messages_of(map(asked, record))
    assert led.answers[0].total_cost == sum(map(cost_of, record))


@pytest.mark.parametrize("stem", CONVERSATIONS)
def test_every_step_says_the_rest_too(stem: str, lead: Lead) -> None:
    """Model, parameters and tools are those of the recorded requests, in the first step and in all others.

    How the answer is wanted (``stream``) is the client's own matter. Left out of the tools are ``strict``, which one
    client put among the keywords of the schema, where it means nothing, and an empty list of required parameters.
    """
    record = recorded(stem)

    assert list(map(rest_of, lead(record).requests)) == list(map(rest_of, map(asked, record)))


def rest_of(body: Json) -> Json:
    told = {name: value for name, value in body.items() if name not in ("messages", "stream", "stream_options")}
    return told | {"tools": list(map(declared, body["tools"]))}


def declared(each: Json) -> Json:
    schema = {name: value for name, value in each["function"]["parameters"].items() if name != "strict"}
    return each | {"function": each["function"] | {"parameters": {"required": [], **schema}}}


@pytest.mark.parametrize("stem", CONVERSATIONS)
def test_arguments_go_back_as_the_model_wrote_them(stem: str, lead: Lead) -> None:
    """To the letter, white space and all: the provider's cache finds its own words again."""
    record = recorded(stem)

    last = lead(record).requests[-1]["messages"]

    sent = [call["function"]["arguments"] for message in last for call in message.get("tool_calls", ())]
    assert sent == [call["arguments"] for each in record for call in calls_of(chunks(each))]


def listed(*abilities: str) -> bytes:
    pricing = {"prompt": "0.000001", "completion": "0.000005"}
    row = {"id": "anthropic/claude-haiku-4.5", "supported_parameters": abilities, "pricing": pricing}
    return response(200, json.dumps({"data": [row]}).encode())


CATALOGS = {
    "none": NO_CATALOG,
    "without the model": response(200, b'{"data":[]}'),
    "with the model": listed("tools", "tool_choice"),
    "silent about tools": listed(),
}


@pytest.mark.parametrize("catalog", CATALOGS.values(), ids=CATALOGS)
def test_the_catalog_changes_nothing(catalog: bytes, lead: Lead) -> None:
    """A model that no catalog knows is asked with tools like one that it lists."""
    record = recorded(SPLIT)

    led = lead(record, catalog=catalog)

    assert messages_of(led.requests) == messages_of(map(asked, record))


def test_what_was_run_is_in_the_answer(lead: Lead) -> None:
    """Two calls of one answer run in their order, and give a message each."""
    led = lead(recorded(PARALLEL))

    (answer,) = led.answers
    assert [(run.name, run.arguments, run.value, run.error) for run in answer.tool_calls] == [
        ("weather", {"latitude": "52.5200", "longitude": "13.4050"}, weather("52.5200", "13.4050"), ""),
        ("best_language_to_learn", {}, "Ruby", ""),
    ]
    said = led.requests[1]["messages"]
    assert [each["role"] for each in said] == ["user", "assistant", "tool", "tool"]
    assert [each["tool_call_id"] for each in said[2:]] == [run.id for run in answer.tool_calls]


def piece(call: Json, arguments: str, *, named: bool = False) -> Json:
    """A piece of a call: some of its arguments, and its id and name where it is told with them."""
    if not named:
        return {"index": call["index"], "function": {"arguments": arguments}}
    function = {"name": call["name"], "arguments": arguments}
    return {"index": call["index"], "id": call["id"], "type": "function", "function": function}


def at_once(calls: list[Json]) -> list[list[Json]]:
    return [[piece(call, call["arguments"], named=True) for call in calls]]


def after_the_name(calls: list[Json]) -> list[list[Json]]:
    return [[each] for call in calls for each in (piece(call, "", named=True), piece(call, call["arguments"]))]


def letter_by_letter(calls: list[Json]) -> list[list[Json]]:
    return [[piece(call, letter, named=at == 0)] for call in calls for at, letter in enumerate(call["arguments"])]


def letter_by_letter_in_turn(calls: list[Json]) -> list[list[Json]]:
    places = range(max(len(call["arguments"]) for call in calls))
    return [[piece(call, call["arguments"][at : at + 1], named=at == 0)] for at in places for call in calls]


def letter_by_letter_with_names(calls: list[Json]) -> list[list[Json]]:
    return [[piece(call, letter, named=True)] for call in calls for letter in call["arguments"]]


SPELLINGS = (at_once, after_the_name, letter_by_letter, letter_by_letter_in_turn, letter_by_letter_with_names)


def respelled(recording: Recording, spelling: Spelling) -> Script:
    """The same answer, with its calls in other pieces, where the first of them stood."""
    parts = chunks(recording)
    places = [at for at, part in enumerate(parts) if any(delta.get("tool_calls") for delta in deltas([part]))]
    if not places:
        return streamed(parts)
    model = parts[places[0]]
    said = [{"role": "assistant", "content": None, "tool_calls": each} for each in spelling(calls_of(parts))]
    pieces = [model | {"choices": [model["choices"][0] | {"delta": delta}]} for delta in said]
    rest = [part for at, part in enumerate(parts) if at > places[0] and at not in places]
    return streamed([*parts[: places[0]], *pieces, *rest])


@pytest.mark.parametrize("stem", CONVERSATIONS)
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_in_whatever_pieces_the_arguments_come(spelling: Spelling, stem: str, lead: Lead) -> None:
    """Whole or letter by letter, one call after the other or in turn: the same calls, the same next request.

    The answer with two calls was recorded in one piece. The client reads those too (the tests above give it as it is);
    here it is made a stream, since only a stream has pieces.
    """
    record = recorded(stem)

    led = lead(record, [respelled(each, spelling) for each in record])

    assert messages_of(led.requests) == messages_of(map(asked, record))


def details_of(recording: Recording) -> list[Json]:
    """The reasoning details of a stream, as they came."""
    return [item for delta in deltas(chunks(recording)) for item in delta.get("reasoning_details", ())]


def test_encrypted_reasoning_goes_back_with_the_next_question(lead: Lead) -> None:
    """A model that was given tools and called none gets its encrypted reasoning back, to the letter.

    The recording ends with its answer, so there is no recorded request to compare with: the measure is what came.
    """
    record = recorded(ENCRYPTED)

    _, assistant, question = lead(record, then=["And who am I?"]).requests[-1]["messages"]

    assert assistant["reasoning_details"] == details_of(record[0]) != []
    assert (assistant["content"], question["content"]) == (text_of(record[0]), "And who am I?")


@pytest.mark.parametrize("history", ["thread", "none"])
def test_encrypted_reasoning_goes_back_with_the_result(history: WhichHistory, lead: Lead) -> None:
    """Encrypted reasoning before a call goes back with the call, to the letter, and the result follows it.

    No such answer was recorded: it begins as one model's recorded answer, and calls and ends as another's.
    """
    (thinks,), (calls, *_) = recorded(ENCRYPTED), recorded(WITHOUT_ARGUMENTS)
    beginning = [part for part in chunks(thinks) if any("reasoning_details" in delta for delta in deltas([part]))]
    names = {name: beginning[0][name] for name in ("id", "model", "provider", "created")}
    answer = streamed([*beginning, *(part | names for part in chunks(calls))])

    led = lead([thinks], [answer, as_received(thinks)], history=history)

    _, assistant, result = messages_of(led.requests)[1]
    assert assistant["reasoning_details"] == details_of(thinks) != []
    (call,) = assistant["tool_calls"]
    assert call["function"] == {"name": "get_date", "arguments": {}}
    assert result == {"role": "tool", "tool_call_id": call["id"], "content": "2024-01-01"}
    assert led.answers[0].text == text_of(thinks)
