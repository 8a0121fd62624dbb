"""POST /chat/completions: from the request's bytes to a planned generation.

What is checked is what the sandbox reads, and the type and range of every plain parameter; whatever else a
request holds is accepted and has no effect, as with a provider that does not support it.

Prompt tokens: those of all texts in the messages, each counted by itself, and 256 for each part that is not
text (an image, a file, audio).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response

from or_magic.sandbox.account import require_key
from or_magic.sandbox.answers import Refusal, read_json
from or_magic.sandbox.generation import Generation, plan_generation
from or_magic.sandbox.models import DEFAULT_MODEL, Model, find_model, speaker
from or_magic.sandbox.service import Service
from or_magic.sandbox.speeches import Question
from or_magic.sandbox.streaming import StreamedAnswer, WholeAnswer
from or_magic.sandbox.tokens import count_tokens

_TOKENS_OF_A_MEDIA_PART = 256

_Count = Annotated[int, Meta(ge=0)]
_Limit = Annotated[int, Meta(ge=1)]
_Unit = Annotated[float, Meta(ge=0, le=1)]
_UpToTwo = Annotated[float, Meta(ge=0, le=2)]
_Penalty = Annotated[float, Meta(ge=-2, le=2)]


class Part(msgspec.Struct):
    """One part of a message; only text parts are read."""

    type: str
    text: str | None = None

    def tokens(self) -> int:
        """What the part counts as part of a prompt."""
        return count_tokens(self.text or "") if self.type == "text" else _TOKENS_OF_A_MEDIA_PART


class ChatMessage(msgspec.Struct):
    """One message of the conversation."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[Part] | None = None

    def text(self) -> str:
        """The message's text, its text parts joined with nothing in between."""
        if isinstance(self.content, list):
            return "".join(part.text or "" for part in self.content if part.type == "text")
        return self.content or ""

    def tokens(self) -> int:
        """What the message counts as part of a prompt."""
        if not isinstance(self.content, list):
            return count_tokens(self.text())
        return sum(part.tokens() for part in self.content)


class Reasoning(msgspec.Struct):
    """How much a request wants to be thought, and whether it wants to see it."""

    effort: str | None = None
    max_tokens: int | None = None
    exclude: bool | None = None
    enabled: bool | None = None


class ChatRequest(msgspec.Struct):
    """The parameters of a request whose type and range are checked (schema of the official SDK, Nov 2026)."""

    messages: Annotated[list[ChatMessage], Meta(min_length=1)]
    model: str | None = None
    models: list[str] | None = None
    stream: bool | None = None
    max_tokens: _Limit | None = None
    max_completion_tokens: _Limit | None = None
    temperature: _UpToTwo | None = None
    top_p: _Unit | None = None
    top_k: _Count | None = None
    min_p: _Unit | None = None
    top_a: _Unit | None = None
    frequency_penalty: _Penalty | None = None
    presence_penalty: _Penalty | None = None
    repetition_penalty: _UpToTwo | None = None
    seed: int | None = None
    stop: str | Annotated[list[str], Meta(max_length=4)] | None = None
    tools: list[dict[str, Any]] | None = None
    response_format: dict[str, Any] | None = None
    provider: dict[str, Any] | None = None
    plugins: list[dict[str, Any]] | None = None
    reasoning: Reasoning | None = None
    reasoning_effort: str | None = None
    include_reasoning: bool | None = None

    def wanted_model(self) -> str:
        """The model asked for: `model`, else the first of `models`, else the account's default."""
        return self.model or next(iter(self.models or []), DEFAULT_MODEL)

    def question(self) -> Question:
        """What the model hears."""
        last = next((m for m in reversed(self.messages) if m.role == "user"), None)
        return Question(last.text() if last else "", self.max_completion_tokens or self.max_tokens)

    def wants_reasoning(self) -> bool:
        """Whether a reasoning model shall think at all."""
        reasoning = self.reasoning or Reasoning()
        effort = reasoning.effort or self.reasoning_effort
        return effort != "none" and reasoning.enabled is not False

    def shows_reasoning(self) -> bool:
        """Whether the client wants to see what is thought."""
        return not (self.reasoning and self.reasoning.exclude) and self.include_reasoning is not False


class Chat:
    """The endpoint."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def complete(self, request: Request) -> Response:
        """Answer a chat request, streamed or whole."""
        require_key(request)
        chat = read_json(await request.body(), ChatRequest)
        model = _model_for(chat)
        service = self._service
        if service.book.total_usd() >= service.controls.behaviour.credits_usd:
            raise Refusal(402, "Insufficient credits. Add more using https://openrouter.ai/settings/credits")
        generation = plan_answer(chat, model)
        return StreamedAnswer(generation, service) if chat.stream else WholeAnswer(generation, service)


def plan_answer(chat: ChatRequest, model: Model) -> Generation:
    """What the model will say to a request."""
    question = chat.question()
    speech = model.speak(question)
    if not chat.wants_reasoning():
        speech = replace(speech, reasoning="")
    return plan_generation(
        model,
        speech,
        prompt_tokens=sum(message.tokens() for message in chat.messages),
        max_tokens=question.max_tokens,
        shows_reasoning=chat.shows_reasoning(),
    )


def _model_for(chat: ChatRequest) -> Model:
    name = chat.wanted_model()
    model = find_model(name)
    if model is None:
        raise Refusal(400, f"{name} is not a valid model ID")
    return speaker(model)
