"""Real clients, unmodified: the official `openai` and `openrouter` SDKs, and their idea of the protocol."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from or_magic.sandbox import Sandbox
from or_magic.sandbox.models import CATALOG

from .talker import KEY, Talker

openai = pytest.importorskip("openai")
openrouter = pytest.importorskip("openrouter")
components = pytest.importorskip("openrouter.components")
operations = pytest.importorskip("openrouter.operations")

# The SDK marks some fields that the service still sends.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Pydantic serializer warnings"),  # it lists the providers that it knows
    pytest.mark.sandbox(record_delay_s=0),
]

TEXT = "Größe — 東京\n\n- eins\n- zwei"
QUESTION: list[Any] = [{"role": "user", "content": TEXT}]

# What the service always sends and the SDK's schema leaves out.
UNLISTED = {"provider", "native_finish_reason", "image_tokens", "annotations", "index"}
VOICES = [model.id for model in CATALOG if model.id != "sandbox/slow"]
WEATHER: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather of a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
FORM: dict[str, Any] = {
    "type": "json_schema",
    "json_schema": {
        "name": "person",
        "schema": {"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer"}}},
    },
}
FILLED = {"name": "rehearsal", "age": 1}


@pytest.fixture
def openai_client(sandbox: Sandbox) -> Iterator[Any]:
    """OpenAI's client, pointed at the sandbox."""
    with openai.OpenAI(base_url=sandbox.base_url, api_key=KEY, max_retries=0) as client:
        yield client


@pytest.fixture
def openrouter_client(sandbox: Sandbox) -> Iterator[Any]:
    """OpenRouter's client, pointed at the sandbox."""
    with openrouter.OpenRouter(server_url=sandbox.base_url, api_key=KEY) as client:
        yield client


def test_openai_streams(openai_client: Any) -> None:
    """The openai SDK gets the text, the finish reason and the usage of a stream."""
    chunks = list(openai_client.chat.completions.create(model="sandbox/echo", messages=QUESTION, stream=True))

    assert "".join(chunk.choices[0].delta.content for chunk in chunks) == TEXT
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert chunks[-1].usage.completion_tokens == len(chunks) - 2
    assert chunks[-1].usage.cost > 0


def test_openai_gets_a_whole_answer(openai_client: Any) -> None:
    """The openai SDK gets a whole answer."""
    answer = openai_client.chat.completions.create(model="sandbox/echo", messages=QUESTION)

    assert answer.choices[0].message.content == TEXT
    assert answer.choices[0].finish_reason == "stop"


def test_openai_lists_models(openai_client: Any) -> None:
    """The openai SDK lists the models."""
    assert "sandbox/echo" in {model.id for model in openai_client.models.list()}


def test_openai_raises_its_errors(openai_client: Any, sandbox: Sandbox) -> None:
    """The openai SDK raises its own classes, with the service's words."""
    with pytest.raises(openai.BadRequestError, match="foo/bar is not a valid model ID"):
        openai_client.chat.completions.create(model="foo/bar", messages=QUESTION)
    with pytest.raises(openai.AuthenticationError, match="User not found"):
        openai.OpenAI(base_url=sandbox.base_url, api_key="sk-or-wrong").chat.completions.create(
            model="sandbox/echo", messages=QUESTION
        )


def test_openrouter_streams(openrouter_client: Any) -> None:
    """The openrouter SDK gets reasoning, text and usage of a stream."""
    with openrouter_client.chat.send(model="sandbox/reasoner", messages=QUESTION, stream=True) as stream:
        chunks = list(stream)

    deltas = [chunk.choices[0].delta for chunk in chunks]
    assert TEXT.splitlines()[0] in "".join(delta.content for delta in deltas)
    assert "no model behind it" in "".join(delta.reasoning or "" for delta in deltas)
    assert chunks[-1].usage.cost > 0


def test_openrouter_gets_a_whole_answer(openrouter_client: Any) -> None:
    """The openrouter SDK gets a whole answer."""
    answer = openrouter_client.chat.send(model="sandbox/echo", messages=QUESTION)

    assert answer.choices[0].message.content == TEXT


def test_openrouter_lists_models(openrouter_client: Any) -> None:
    """The openrouter SDK lists the models, with prices."""
    listed = openrouter_client.models.list()

    rows = getattr(listed, "result", listed).data
    assert {row.id: row.pricing.prompt for row in rows}["sandbox/echo"] == "0.0000001"


def test_openrouter_raises_its_errors(openrouter_client: Any) -> None:
    """The openrouter SDK raises its own classes, with the service's words."""
    with pytest.raises(openrouter.errors.OpenRouterError, match="foo/bar is not a valid model ID"):
        openrouter_client.chat.send(model="foo/bar", messages=QUESTION)


def test_openrouter_tells_of_the_account(openrouter_client: Any, talker: Talker) -> None:
    """The openrouter SDK reads the key and the record of a generation."""
    answer = talker.whole("sandbox/echo", "hello")

    assert openrouter_client.generations.get_generation(id=answer["id"]).data.model == "sandbox/echo"
    assert openrouter_client.api_keys.get_current_key_metadata().data.usage == float(answer["usage"]["cost"])


def test_openai_calls_a_tool(openai_client: Any) -> None:
    """The openai SDK gets a tool call, streamed and whole, and its result goes back."""
    create = openai_client.chat.completions.create
    whole = create(model="sandbox/tools", messages=QUESTION, tools=[WEATHER]).choices[0]
    chunks = list(create(model="sandbox/tools", messages=QUESTION, tools=[WEATHER], stream=True))

    pieces = [call for chunk in chunks for call in chunk.choices[0].delta.tool_calls or []]
    (call,) = whole.message.tool_calls
    assert (whole.finish_reason, call.function.name) == ("tool_calls", pieces[0].function.name)
    assert json.loads(call.function.arguments) == {"city": "rehearsal"}
    assert "".join(piece.function.arguments for piece in pieces) == call.function.arguments
    result = {"role": "tool", "tool_call_id": call.id, "content": "sunny"}
    messages = [*QUESTION, whole.message.model_dump(exclude_none=True), result]
    told = create(model="sandbox/tools", messages=messages, tools=[WEATHER]).choices[0].message
    assert "sunny" in told.content


def test_openai_gets_structured_output(openai_client: Any) -> None:
    """The openai SDK gets an answer that fits the schema it asked for."""
    answer = openai_client.chat.completions.create(model="sandbox/json", messages=QUESTION, response_format=FORM)

    assert json.loads(answer.choices[0].message.content) == FILLED


def test_openai_cancels_a_stream(openai_client: Any, sandbox: Sandbox) -> None:
    """The openai SDK closes a stream; the sandbox sees it, and charges what was written."""
    sandbox.behave(pace=100)
    stream = openai_client.chat.completions.create(model="sandbox/essay", messages=QUESTION, stream=True)
    next(stream)
    stream.close()

    sandbox.wait_for(lambda request: request.closed_by_client)
    (charge,) = sandbox.charges
    assert charge.cancelled
    assert charge.completion_tokens < 200


def test_openrouter_calls_a_tool(openrouter_client: Any) -> None:
    """The openrouter SDK gets a tool call, streamed and whole."""
    whole = openrouter_client.chat.send(model="sandbox/tools", messages=QUESTION, tools=[WEATHER]).choices[0]
    with openrouter_client.chat.send(model="sandbox/tools", messages=QUESTION, tools=[WEATHER], stream=True) as stream:
        chunks = list(stream)

    pieces = [call for chunk in chunks for call in chunk.choices[0].delta.tool_calls or []]
    (call,) = whole.message.tool_calls
    assert (whole.finish_reason, call.function.name) == ("tool_calls", "weather")
    assert "".join(piece.function.arguments or "" for piece in pieces) == call.function.arguments


def test_openrouter_gets_structured_output(openrouter_client: Any) -> None:
    """The openrouter SDK gets an answer that fits the schema it asked for."""
    answer = openrouter_client.chat.send(model="sandbox/json", messages=QUESTION, response_format=FORM)

    assert json.loads(answer.choices[0].message.content) == FILLED


def test_openrouter_cancels_a_stream(openrouter_client: Any, sandbox: Sandbox) -> None:
    """The openrouter SDK leaves a stream; the sandbox sees it."""
    sandbox.behave(pace=100)
    with openrouter_client.chat.send(model="sandbox/essay", messages=QUESTION, stream=True) as stream:
        next(iter(stream))

    assert sandbox.wait_for(lambda request: request.closed_by_client).generation_id


def test_openrouter_routes(openrouter_client: Any, sandbox: Sandbox) -> None:
    """The openrouter SDK's provider options and fallbacks have their effects."""
    answer = openrouter_client.chat.send(
        model="sandbox/error-503",
        models=["sandbox/routed"],
        messages=QUESTION,
        provider={"order": ["sandbox-fast"], "max_price": {"prompt": "10"}},
    )

    assert answer.model == "sandbox/routed"
    assert [charge.provider for charge in sandbox.charges] == ["Fast Sandbox"]


@pytest.mark.parametrize("shape", ["2026", "2026-03", "2025"])
@pytest.mark.parametrize("model", VOICES)
def test_answers_have_no_field_of_our_own(sandbox: Sandbox, talker: Talker, model: str, shape: str) -> None:
    """Every field of a chunk or an answer is one that the SDK knows, or the service is known to send."""
    sandbox.behave(usage_shape=shape)
    fields = {"tools": [WEATHER]} if model == "sandbox/tools" else {}
    stream = talker.post(model, TEXT, stream=True, max_tokens=50, **fields).text
    events = [json.loads(line[6:]) for line in stream.splitlines() if "{" in line]
    if model == "sandbox/flaky":
        sandbox.behave(fail_every=0)
        talker.post(model, TEXT)  # the one that fails
    answer = talker.post(model, TEXT, max_tokens=50, **fields).json()

    assert set().union(*(unknown_fields(components.ChatStreamChunk, event) for event in events)) <= UNLISTED
    assert unknown_fields(components.ChatResult, answer) <= UNLISTED


@pytest.mark.parametrize(
    ("path", "model"),
    [
        ("/models", components.ModelsListResponse),
        ("/providers", operations.ListProvidersResponse),
        ("/key", operations.GetCurrentKeyResponse),
        ("/credits", operations.GetCreditsResponse),
        ("/generation?id={id}", components.GenerationResponse),
    ],
)
def test_documents_have_no_field_of_our_own(talker: Talker, path: str, model: Any) -> None:
    """Every field of the other documents is one that the SDK knows."""
    generation_id = talker.whole("sandbox/echo", "hello")["id"]

    document = talker.client.get(path.format(id=generation_id)).json()

    assert unknown_fields(model, document) == set()


@pytest.mark.parametrize("model", [model.id for model in CATALOG])
def test_endpoints_have_no_field_of_our_own(talker: Talker, model: str) -> None:
    """Every field of who serves a model is one that the SDK knows."""
    document = talker.client.get(f"/models/{model}/endpoints").json()["data"]

    assert unknown_fields(components.ListEndpointsResponse, document) == set()


def unknown_fields(model: Any, document: Any) -> set[str]:
    """Names in a document that the SDK's model loses: unknown to it, or with a value it cannot read."""
    kept = model.model_validate(document).model_dump(mode="json", by_alias=True, exclude_unset=True)
    return set(_lost(document, kept))


def _lost(sent: Any, kept: Any) -> Iterator[str]:
    if isinstance(sent, dict) and isinstance(kept, dict):
        for name, value in sent.items():
            yield from _lost(value, kept[name]) if name in kept else [name]
    elif isinstance(sent, list) and isinstance(kept, list):
        for one, other in zip(sent, kept, strict=True):
            yield from _lost(one, other)
