"""The chunks of a streamed answer as events.

Nearly all chunks are a word of text in 300 bytes of JSON that say nothing new. Those are decoded into a struct that has
room for nothing else, in 0.6 us; any other chunk does not fit it, and is decoded in full, in 1.6.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import msgspec

from or_magic.lenient_json import as_bool, as_count, as_list, as_object, as_pico_usd, as_text, parse_object
from or_magic.types import (
    Annotated,
    AudioDelta,
    Began,
    Event,
    Failed,
    Finished,
    ImageArrived,
    LogprobsDelta,
    ReasoningDelta,
    ReasoningDetailsDelta,
    RefusalDelta,
    RoutingTold,
    TextDelta,
    ToolCallDelta,
    Usage,
    UsageReported,
    to_json,
)


class _PlainDelta(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    content: str
    role: str = ""
    reasoning: None = None
    reasoning_content: None = None
    refusal: None = None
    tool_calls: None = None


class _PlainChoice(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    delta: _PlainDelta
    index: int = 0
    finish_reason: None = None
    native_finish_reason: None = None
    logprobs: None = None


class _PlainChunk(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """A chunk that is text and nothing else. What may be in it besides is known already, or null."""

    id: str
    model: str
    choices: tuple[_PlainChoice]
    provider: str = ""
    service_tier: str | None = None
    object: Any = None
    created: Any = None
    system_fingerprint: Any = None
    usage: None = None


_DECODE_PLAIN = msgspec.json.Decoder(_PlainChunk).decode
DONE = b"[DONE]"
_FIELDS_OF_EVERY_CHUNK = frozenset({"id", "object", "created", "model", "provider", "choices", "system_fingerprint"})
_FIELDS_OF_TEXT = frozenset({"role", "content"})


class ChunkDecoder:
    """The events in the chunks of one answer; repeats (of names, of the finish reason) are told once.

    Attributes:
        is_done: the service said that nothing more will come.
        is_finished: the model said why it ended.
        has_usage: what it consumed was told.
        has_failed: an error came.
        ended_in_error: the model ended in an error that was not explained.
    """

    def __init__(self, service: str = "The service", model: str | None = None) -> None:
        self.is_done = self.is_finished = self.has_usage = self.has_failed = self.ended_in_error = False
        self._service, self._asked = service, model
        self._id = self._model = self._provider = self._tier = ""
        self._told = Began()
        self._cited: set[str] = set()

    def tell(
        self, payloads: Iterable[bytes], take: Callable[[Event], object], take_all: Callable[[list[Event]], object]
    ) -> None:
        """Decodes many, in order: plain text goes to `take`, whatever else there is in a chunk to `take_all`.

        Raises:
            ServiceError: one is not a JSON object; those before it were told.
        """
        for payload in payloads:
            try:
                chunk = _DECODE_PLAIN(payload)
            except (ValueError, RecursionError):
                take_all(self.decode(payload))
                continue
            if (
                chunk.id == self._id
                and chunk.model == self._model
                and chunk.provider == self._provider
                and (chunk.service_tier or self._tier) == self._tier
                and (text := chunk.choices[0].delta.content)
            ):
                take(TextDelta(text))
            else:  # it names the answer anew
                take_all(self.decode(payload))

    def decode(self, payload: bytes) -> list[Event]:
        """The events in the data of one server-sent event, in the order in which they are to be shown.

        Raises:
            ServiceError: the data is not a JSON object.
        """
        if payload[:6] == DONE and payload.strip() == DONE:
            self.is_done = True
            return []
        return self.events(parse_object(payload))

    def events(self, chunk: Mapping[str, Any]) -> list[Event]:
        """The events in one chunk, or in a whole answer (which has `message` where a chunk has `delta`)."""
        events: list[Event] = []
        if chunk.get("id") != self._id or chunk.get("model") != self._model or chunk.get("provider") != self._provider:
            self._name(chunk, events)
        choices = chunk.get("choices")
        if choices and type(choices) is list and type(choice := choices[0]) is dict:
            delta = choice.get("delta")
            if type(delta) is dict or type(delta := choice.get("message")) is dict:
                _add_delta(delta, events)
            if choice.get("logprobs"):
                events += _logprobs(choice["logprobs"])
            if choice.get("finish_reason"):
                self._finish(choice, events)
            if choice.get("error") is not None:
                self._fail(choice["error"], events)
        if not _FIELDS_OF_EVERY_CHUNK.issuperset(chunk):
            self._add_extras(chunk, events)
        return events

    def _name(self, chunk: Mapping[str, Any], events: list[Event]) -> None:
        self._id = as_text(chunk.get("id")) or self._id
        self._model = as_text(chunk.get("model")) or self._model
        self._provider = as_text(chunk.get("provider")) or self._provider
        names = Began(self._id, self._model, self._provider, self._tier)
        if names != self._told:
            self._told = names
            events.append(names)

    def _finish(self, choice: Mapping[str, Any], events: list[Event]) -> None:
        reason = as_text(choice.get("finish_reason"))
        if reason and not self.is_finished:
            self.is_finished = True
            self.ended_in_error = reason == "error"
            events.append(Finished(reason, as_text(choice.get("native_finish_reason"))))

    def _add_extras(self, chunk: Mapping[str, Any], events: list[Event]) -> None:
        if (tier := as_text(chunk.get("service_tier"))) and tier != self._tier:
            self._tier = tier
            self._name(chunk, events)
        if sources := [url for url in as_list(chunk.get("citations")) if isinstance(url, str)]:
            self._add_sources(sources, events)
        if facts := as_object(chunk.get("openrouter_metadata")):
            events.append(RoutingTold(facts))
        if type(usage := chunk.get("usage")) is dict:
            self.has_usage = True
            events.append(UsageReported(usage_of(usage)))
        if chunk.get("error") is not None:
            self._fail(chunk["error"], events)

    def _fail(self, error: object, events: list[Event]) -> None:
        if not self.has_failed:
            self.has_failed, self.ended_in_error = True, False
            from or_magic.client.refusals import error_from_object

            failure = error_from_object(error, service=self._service, model=self._asked, generation_id=self._id or None)
            events.append(Failed(failure))

    def _add_sources(self, urls: list[str], events: list[Event]) -> None:
        """Sources as a bare list of addresses, as one upstream sends them, with every chunk, beside annotations."""
        if any(isinstance(event, Annotated) for event in events):
            self._cited.update(urls)
        new = [url for url in dict.fromkeys(urls) if url not in self._cited]
        self._cited.update(new)
        if new:
            events.append(Annotated(tuple({"type": "url_citation", "url_citation": {"url": url}} for url in new)))


def _add_delta(delta: Mapping[str, Any], events: list[Event]) -> None:
    text = delta.get("content")
    has_more = not _FIELDS_OF_TEXT.issuperset(delta)
    if has_more:
        _add_thoughts(delta, events)
    if text:
        if type(text) is not str:
            text = _joined(text)
        if text:
            events.append(TextDelta(text))
    if has_more:
        events.extend(_others(delta))


def _add_thoughts(delta: Mapping[str, Any], events: list[Event]) -> None:
    items = tuple(item for item in as_list(delta.get("reasoning_details")) if type(item) is dict)
    # `reasoning_content` is how other servers of this protocol name it; some send both.
    thought = as_text(delta.get("reasoning")) or as_text(delta.get("reasoning_content"))
    if thought or items:
        thought = thought or "".join(as_text(item.get("text")) or as_text(item.get("summary")) for item in items)
    if thought:
        events.append(ReasoningDelta(thought))
    if items:
        events.append(ReasoningDetailsDelta(items))


def _others(delta: Mapping[str, Any]) -> Iterator[Event]:
    if refusal := as_text(delta.get("refusal")):
        yield RefusalDelta(refusal)
    for call in as_list(delta.get("tool_calls")):
        if type(call) is dict:
            yield _tool_call(call)
    if annotations := tuple(item for item in as_list(delta.get("annotations")) if type(item) is dict):
        yield Annotated(annotations)
    for image in as_list(delta.get("images")):
        if url := as_text(as_object(as_object(image).get("image_url")).get("url")):
            yield ImageArrived(url)
    if audio := as_object(delta.get("audio")):
        yield AudioDelta(as_text(audio.get("id")), as_text(audio.get("data")), as_text(audio.get("transcript")))


def _logprobs(value: object) -> list[Event]:
    items = tuple(item for item in as_list(as_object(value).get("content")) if isinstance(item, dict))
    return [LogprobsDelta(items)] if items else []


def _tool_call(call: Mapping[str, Any]) -> ToolCallDelta:
    function = as_object(call.get("function"))
    arguments = function.get("arguments")
    # Some servers of this protocol send the arguments as an object.
    text = to_json(arguments) if isinstance(arguments, dict) else as_text(arguments)
    return ToolCallDelta(as_count(call.get("index")), as_text(call.get("id")), as_text(function.get("name")), text)


def _joined(content: object) -> str:
    """The text of content that comes as a list of parts, as other servers of this protocol may send it."""
    return "".join(as_text(as_object(part).get("text")) for part in as_list(content))


def usage_of(usage: Mapping[str, Any]) -> Usage:
    """The `usage` object of an answer; whatever is missing or makes no sense is None."""
    prompt = as_object(usage.get("prompt_tokens_details"))
    completion = as_object(usage.get("completion_tokens_details"))
    details = as_object(usage.get("cost_details"))
    tools = as_object(usage.get("server_tool_use_details"))
    return Usage(
        prompt_tokens=as_count(usage.get("prompt_tokens")),
        completion_tokens=as_count(usage.get("completion_tokens")),
        cached_tokens=as_count(prompt.get("cached_tokens")),
        reasoning_tokens=as_count(completion.get("reasoning_tokens")),
        cost_pico_usd=as_pico_usd(usage.get("cost")),
        cache_write_tokens=as_count(prompt.get("cache_write_tokens")),
        image_tokens=as_count(completion.get("image_tokens")),
        audio_tokens=as_count(completion.get("audio_tokens")),
        web_searches=as_count(tools.get("web_search_requests")),
        upstream_cost_pico_usd=as_pico_usd(details.get("upstream_inference_cost")),
        is_byok=as_bool(usage.get("is_byok")),
    )
