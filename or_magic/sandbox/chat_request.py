"""The body of POST /chat/completions, checked as the service is said to check it: types, ranges, known words.

Names that it does not know are ignored, as the service ignores them. Source: the schema of the official SDK 1.3.84 and
openrouter.ai/docs, "Parameters" (2026-08).

Prompt tokens: those of all texts in the messages, each counted by itself, and 256 for each part that is not text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from or_magic.sandbox.replies import Question, count_tokens
from or_magic.sandbox.responses import Refusal
from or_magic.sandbox.routing import Preferences

_TOKENS_OF_A_MEDIA_PART = 256
_Count = Annotated[int, Meta(ge=0)]
_Limit = Annotated[int, Meta(ge=1)]
_Unit = Annotated[float, Meta(ge=0, le=1)]
_UpToTwo = Annotated[float, Meta(ge=0, le=2)]
_Penalty = Annotated[float, Meta(ge=-2, le=2)]
_Bias = Annotated[float, Meta(ge=-100, le=100)]
_Effort = Literal["max", "xhigh", "high", "medium", "low", "minimal", "none"]
_Tier = Literal["auto", "default", "fast", "flex", "priority", "scale", "ultrafast"]
_PLUGINS = Literal[
    "web",
    "web-fetch",
    "file-parser",
    "response-healing",
    "context-compression",
    "moderation",
    "auto-router",
    "auto-beta-router",
    "pareto-router",
    "fusion",
    "armor",
    "alignment",
    "jev-router",
    "switchyard-router",
]


class Part(msgspec.Struct):
    """One part of a message."""

    type: Literal["text", "image_url", "input_audio", "file", "video_url", "input_video"]
    text: str | None = None
    image_url: dict[str, Any] | None = None
    input_audio: dict[str, Any] | None = None
    file: dict[str, Any] | None = None
    video_url: dict[str, Any] | None = None

    def tokens(self) -> int:
        """What the part counts as part of a prompt."""
        return count_tokens(self.text or "") if self.type == "text" else _TOKENS_OF_A_MEDIA_PART

    def seen(self) -> str:
        """What came, in words; "" for text."""
        if self.type == "text":
            return ""
        fields = self.image_url or self.input_audio or self.file or self.video_url or {}
        address = str(fields.get("url") or fields.get("file_data") or fields.get("data") or "")
        head, is_data, content = address.partition(";base64,")
        kind = head.removeprefix("data:") if is_data else fields.get("format") or "by address"
        size = f"{len(content if is_data else address) * 3 // 4:,} bytes" if kind != "by address" else address[:80]
        name = f" {fields['filename']}" if fields.get("filename") else ""
        return f"{self.type.split('_')[0] if self.type != 'input_audio' else 'audio'}{name}: {kind}, {size}"


class ChatMessage(msgspec.Struct):
    """One message of the conversation."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[Part] | None = None
    tool_call_id: str | None = None

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

    effort: _Effort | None = None
    max_tokens: _Limit | None = None
    exclude: bool | None = None
    enabled: bool | None = None
    summary: Literal["auto", "concise", "detailed"] | None = None


class Plugin(msgspec.Struct):
    """A plugin; an id that is not known is an error."""

    id: _PLUGINS
    enabled: bool | None = None


class ResponseFormat(msgspec.Struct):
    """The form that the answer is to have."""

    type: Literal["text", "json_object", "json_schema", "grammar", "python"]
    json_schema: dict[str, Any] | None = None


class ChatRequest(msgspec.Struct):
    """The parameters of a request whose type and range are checked."""

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
    logit_bias: dict[str, _Bias] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: Literal["none", "auto", "required"] | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    response_format: ResponseFormat | None = None
    provider: Preferences | None = None
    plugins: list[Plugin] | None = None
    reasoning: Reasoning | None = None
    reasoning_effort: _Effort | None = None
    include_reasoning: bool | None = None
    verbosity: Literal["low", "medium", "high", "xhigh", "max"] | None = None
    service_tier: _Tier | None = None
    modalities: list[Literal["text", "image", "audio"]] | None = None
    user: str | None = None
    session_id: Annotated[str, Meta(max_length=256)] | None = None
    metadata: Annotated[dict[str, Annotated[str, Meta(max_length=512)]], Meta(max_length=16)] | None = None

    def wanted_models(self) -> list[str]:
        """The models asked for, in order; empty for the account's default."""
        return [*([self.model] if self.model else []), *(self.models or [])]

    def prompt_tokens(self) -> int:
        """What all messages count."""
        return sum(message.tokens() for message in self.messages)

    def max_answer_tokens(self) -> int | None:
        """The limit of the answer; None where there is none."""
        return self.max_completion_tokens or self.max_tokens

    def stops(self) -> list[str]:
        """The texts before which the answer ends."""
        return [self.stop] if isinstance(self.stop, str) else self.stop or []

    def fitted(self, limit: int) -> ChatRequest:
        """Itself; where the middle may be cut out, without the messages in the middle that go beyond `limit`."""
        plugins = {plugin.id for plugin in self.plugins or () if plugin.enabled is not False}
        kept = list(self.messages)
        room = limit - (self.max_answer_tokens() or 0)
        while "context-compression" in plugins and len(kept) > 1 and sum(each.tokens() for each in kept) > room:
            del kept[(len(kept) - 1) // 2]
        return msgspec.structs.replace(self, messages=kept)

    def question(self) -> Question:
        """What the model is asked."""
        place = next((number for number in reversed(range(len(self.messages))) if self._is_asked(number)), None)
        last = self.messages[place] if place is not None else None
        later = self.messages[place + 1 :] if place is not None else []
        parts = last.content if last is not None and isinstance(last.content, list) else []
        form = self.response_format
        schema = (form.json_schema or {}).get("schema") if form is not None else None
        return Question(
            text=last.text() if last else "",
            max_tokens=self.max_answer_tokens(),
            tools=() if self.tool_choice == "none" else tuple(self.tools or ()),
            tool_results=tuple(message.text() for message in later if message.role == "tool"),
            schema=schema if isinstance(schema, dict) else None,
            earlier=tuple(message.text() for message in self.messages[:place] if message.role == "user"),
            system=next((message.text() for message in self.messages if message.role == "system"), ""),
            media=tuple(seen for part in parts if (seen := part.seen())),
        )

    def _is_asked(self, number: int) -> bool:
        """Whether a message is a question. Images that are said right behind a tool's result belong to that."""
        message = self.messages[number]
        is_result = number > 0 and self.messages[number - 1].role == "tool" and isinstance(message.content, list)
        return message.role == "user" and not is_result

    def prefill(self) -> str:
        """The beginning of the answer that the model is to go on from: a last message of its own; else ""."""
        last = self.messages[-1]
        return last.text() if last.role == "assistant" else ""

    def wants_reasoning(self) -> bool:
        """Whether a reasoning model shall think at all."""
        reasoning = self.reasoning or Reasoning()
        effort = reasoning.effort or self.reasoning_effort
        return effort != "none" and reasoning.enabled is not False

    def shows_reasoning(self) -> bool:
        """Whether the client wants to see what is thought."""
        return not (self.reasoning and self.reasoning.exclude) and self.include_reasoning is not False


def chat_request(fields: Mapping[str, Any]) -> ChatRequest:
    """A request out of its JSON.

    Raises: Refusal (400): a field is missing, has a wrong type, is out of range, or contradicts another.
    """
    try:
        chat: ChatRequest = msgspec.convert(dict(fields), ChatRequest)
    except msgspec.ValidationError as error:
        raise Refusal(400, f"Invalid request: {error}") from None
    effort = chat.reasoning.effort if chat.reasoning else None
    if effort and chat.reasoning_effort and effort != chat.reasoning_effort:
        raise Refusal(400, "Only one of reasoning.effort and reasoning_effort can be set")
    for number, tool in enumerate(chat.tools or ()):
        _check_tool(number, tool)
    return chat


def _check_tool(number: int, tool: Mapping[str, Any]) -> None:
    kind, function = tool.get("type"), tool.get("function")
    if kind == "function":
        name = function.get("name") if isinstance(function, dict) else None
        if not isinstance(name, str) or not 0 < len(name) <= 64:
            raise Refusal(400, f"tools.{number}.function.name: a name of 1 to 64 characters is required")
    elif not isinstance(kind, str) or not kind.startswith("openrouter:"):
        raise Refusal(400, f"tools.{number}.type: {kind!r} is not known")
