"""The values of a chat: messages out, events in, and how the pieces of an answer are put together.

An answer arrives as a sequence of events. Whoever is interested (the `Answer`, the live view, the store) absorbs them
in order; none of them needs to know how they looked on the wire.

The pieces are the service's own objects, any field of which may be missing, new or of another type. Source of the
rules: openrouter.ai/docs, "Reasoning tokens" and "Tool calling" (2026-08), and recorded streams.

Values are msgspec's: a class of those is made at import in a fortieth of a frozen dataclass's time (0.012 ms against
0.5), an object in a fifth.
"""

from __future__ import annotations

import enum
import functools
import threading
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Literal

import msgspec

from or_magic.errors import ServiceError

Role = Literal["system", "user", "assistant", "tool"]
CostSource = Literal["reported", "estimated", "reconciled"]
Ending = Literal["complete", "stopped", "failed"]


@functools.cache
def _as_dataclass(kind: type[Value]) -> type:
    """A dataclass with the name and the fields of that kind of value."""
    import dataclasses

    return dataclasses.make_dataclass(kind.__name__, kind.__struct_fields__)


class _OfDataclass:
    """An attribute by which Python knows dataclasses; made when somebody asks for it."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, value: Value | None, kind: type[Value]) -> Any:
        return getattr(_as_dataclass(kind), self._name)


class Value(msgspec.Struct, frozen=True):
    """Base of values: frozen, compared by their fields.

    `dataclasses.asdict`, `dataclasses.replace` and ``pd.DataFrame`` take one as they take a dataclass.

    Attributes:
        hidden: the fields that its repr leaves out: a key, or what is too long to be read.
    """

    hidden: ClassVar[tuple[str, ...]] = ()
    __dataclass_fields__: ClassVar[dict[str, Any]] = _OfDataclass()  # type: ignore[assignment]  # it gives one
    __dataclass_params__: ClassVar[Any] = _OfDataclass()

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in self.__rich_repr__())
        return f"{type(self).__name__}({shown})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """For rich: the fields that the repr shows; msgspec's own would tell it the hidden ones too."""
        return [(name, getattr(self, name)) for name in self.__struct_fields__ if name not in self.hidden]


class TextPart(Value, frozen=True):
    """A piece of a message that is text."""

    text: str


class ReasoningPart(Value, frozen=True):
    """What a model thought before it answered; never part of the answer's text."""

    text: str


class ReasoningDetailsPart(Value, frozen=True):
    """The reasoning in the service's own form, with its signatures: a JSON array, to be sent back as it is."""

    json: str


class ToolCall(Value, frozen=True):
    """A call of a tool that the model wants made. `arguments` is the JSON text that it wrote; "" for none."""

    id: str
    name: str
    arguments: str


class ToolResultPart(Value, frozen=True):
    """What a tool gave, as text, for the call with that id. A message of the role ``tool`` is one such part."""

    call_id: str
    text: str


class AnnotationsPart(Value, frozen=True):
    """Sources and parsed files that the service attached, in its own form: a JSON array."""

    json: str


class ImagePart(Value, frozen=True):
    """An image: an https address, or a ``data:`` address that holds it."""

    url: str


class AudioPart(Value, frozen=True):
    """What a model said aloud. `data` is base64; `transcript` is its words. "" is "not told"."""

    id: str
    data: str
    transcript: str


class FilePart(Value, frozen=True):
    """A file that the user sends, such as a PDF: its name without folders, and a ``data:`` address that holds it."""

    name: str
    url: str


class SoundPart(Value, frozen=True):
    """A sound that the user sends: base64, and its format in the API's word, such as ``wav``."""

    data: str
    format: str


class VideoPart(Value, frozen=True):
    """A film that the user sends: an https address, or a ``data:`` address that holds it."""

    url: str


class RefusalPart(Value, frozen=True):
    """Why the model would not answer, in its words."""

    text: str


Part = (
    TextPart
    | ReasoningPart
    | ReasoningDetailsPart
    | ToolCall
    | ToolResultPart
    | AnnotationsPart
    | ImagePart
    | AudioPart
    | FilePart
    | SoundPart
    | VideoPart
    | RefusalPart
)
MEDIA = (ImagePart, FilePart, SoundPart, VideoPart)  # what a user may send besides text


def tool_words(part: Part) -> str:
    """A call of a tool, or what it gave, for people; "" for any other part."""
    match part:
        case ToolCall(name=name, arguments=arguments):
            return f"[calls {name}({arguments})]"
        case ToolResultPart(text=text):
            return f"[a tool gave] {text}"
    return ""


class Message(Value, frozen=True):
    """One message of a conversation. It has no id: two equal messages are the same message."""

    role: Role
    parts: tuple[Part, ...]

    @classmethod
    def of_text(cls, role: Role, text: str) -> Message:
        """A message of one text part."""
        return cls(role, (TextPart(text),))

    @property
    def text(self) -> str:
        """Its text parts, joined."""
        return "".join(part.text for part in self.parts if isinstance(part, TextPart))

    @property
    def said(self) -> str:
        """Its text for people, with a line for each call of a tool and for what it gave."""
        return "\n".join(filter(None, (self.text, *filter(None, map(tool_words, self.parts)))))


class Citation(Value, frozen=True):
    """A source that an answer names.

    Attributes:
        url: its address, as the service gave it; not to be trusted.
        title: its title; "" where the service does not tell.
        start, end: the characters of the answer's text that it stands for; often both 0, which is "not told".
        excerpt: what was read there; "" where the service does not tell.
    """

    url: str
    title: str = ""
    start: int = 0
    end: int = 0
    excerpt: str = ""


class Usage(Value, frozen=True):
    """What an answer consumed, as the service counted it. None is "not told", which is not 0.

    Counts are tokens; `cached_tokens` (read from a cache) and `cache_write_tokens` are part of `prompt_tokens`;
    `reasoning_tokens`, `image_tokens` and `audio_tokens` are part of `completion_tokens`. `cost_pico_usd` is what was
    charged in 1e-12 USD (``usage.cost`` of the answer). With a key of the user's own at the provider (`is_byok`) that
    is the service's fee, and `upstream_cost_pico_usd` is what the provider charges. Source: openrouter.ai/docs, "Usage
    accounting", and recorded answers of 2025-11 to 2026-10.
    """

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    cost_pico_usd: int | None = None
    cache_write_tokens: int | None = None
    image_tokens: int | None = None
    audio_tokens: int | None = None
    web_searches: int | None = None
    upstream_cost_pico_usd: int | None = None
    is_byok: bool | None = None


class History(Value, frozen=True):
    """The earlier turns that were sent along with a question.

    Attributes:
        turns: how many.
        about_tokens: about how many tokens they have, by their length; None where nobody counted them, as in an answer
            that is read from the ledger, which keeps their number alone.
        share: the part of the whole prompt that they are, from 0 to 1; None likewise.
        later: how many answers of other cells were made before this one, which takes the place of an earlier one.
    """

    turns: int = 0
    about_tokens: int | None = None
    share: float | None = None
    later: int = 0


class Began(Value, frozen=True):
    """The service named the answer; comes first, and again if a name becomes known later. "" is "not told"."""

    generation_id: str = ""
    model: str = ""
    provider: str = ""
    service_tier: str = ""


class TextDelta(Value, frozen=True, gc=False):
    """The next piece of the answer."""

    text: str


class ReasoningDelta(Value, frozen=True, gc=False):
    """The next piece of what the model thinks before it answers."""

    text: str


class ReasoningDetailsDelta(Value, frozen=True):
    """The next pieces of the reasoning in the service's own form, as they came."""

    items: tuple[Mapping[str, Any], ...]


class ToolCallDelta(Value, frozen=True):
    """The next piece of a tool call: the first one of a call has its id and name, all add to its arguments.

    `index` counts the calls of this answer; None where the service does not tell.
    """

    index: int | None
    id: str
    name: str
    arguments: str


class Annotated(Value, frozen=True):
    """Sources or parsed files that the service attached, as they came."""

    items: tuple[Mapping[str, Any], ...]


class ImageArrived(Value, frozen=True):
    """An image that the model made, as a ``data:`` address (or an https one)."""

    url: str


class AudioDelta(Value, frozen=True):
    """The next piece of what the model says aloud: base64, and its words."""

    id: str
    data: str
    transcript: str


class RefusalDelta(Value, frozen=True):
    """The next piece of why the model will not answer."""

    text: str


class LogprobsDelta(Value, frozen=True):
    """How likely the next tokens were: the API's objects, with ``token``, ``logprob`` and ``top_logprobs``."""

    items: tuple[Mapping[str, Any], ...]


class RoutingTold(Value, frozen=True):
    """How the request was routed, as the service tells it where it was asked to (``openrouter_metadata``)."""

    facts: Mapping[str, Any]


class CacheTold(Value, frozen=True):
    """Whether the service gave an answer that it had kept: ``HIT`` or ``MISS``.

    `age_s` is how old it is, `source_id` the generation that it was made by; "" where there is none.
    """

    status: str
    age_s: int | None = None
    source_id: str = ""


class Finished(Value, frozen=True):
    """The model ended. `reason` is normalised (stop, length, tool_calls, content_filter, error), or unknown and new."""

    reason: str
    native_reason: str = ""


class UsageReported(Value, frozen=True):
    """What was consumed so far; the last one counts."""

    usage: Usage


class Waiting(Value, frozen=True):
    """Nothing can be sent for now; the client waits and then asks again by itself.

    Attributes:
        reason: why, in one line of untrusted text.
        seconds: for how long; None where that is not known (other requests come first).
        attempt: the number of the attempt that comes after the wait; the first one is 1.
        attempts: how many there will be at most.
        may_be_billed_twice: the attempt before may have been received, and so be charged as well.
    """

    reason: str
    seconds: float | None
    attempt: int
    attempts: int
    may_be_billed_twice: bool = False


class Failed(Value, frozen=True):
    """The service reported an error after the answer had begun; what came before it stays."""

    error: ServiceError


Event = (
    Began
    | TextDelta
    | ReasoningDelta
    | ReasoningDetailsDelta
    | ToolCallDelta
    | Annotated
    | ImageArrived
    | AudioDelta
    | RefusalDelta
    | LogprobsDelta
    | RoutingTold
    | CacheTold
    | Finished
    | UsageReported
    | Waiting
    | Failed
)


def about_tokens(text: str) -> int:
    """About how many tokens a text has: four bytes each, as in English prose."""
    return -(-len(text.encode("utf-8", "replace")) // 4)


_GROWING = ("text", "summary", "data")
_ENCODER = msgspec.json.Encoder(decimal_format="number")


class ReasoningDetails:
    """Merges details by their index and type; the pieces of one are joined, its signature is kept."""

    def __init__(self) -> None:
        self._details: list[dict[str, Any]] = []
        self._growing: list[dict[str, list[str]]] = []  # the joined fields of each; one join at the end, so linear
        self._places: dict[tuple[object, object], int] = {}

    def add(self, items: Iterable[Mapping[str, Any]]) -> None:
        """Takes the next pieces, in order."""
        for item in items:
            place = self._place(item)
            if place is None:
                place = self._open(item)
            detail, growing = self._details[place], self._growing[place]
            for name, value in item.items():
                if name in _GROWING and isinstance(value, str):
                    growing.setdefault(name, []).append(value)
                    detail.setdefault(name, "")
                elif value is not None or name not in detail:
                    detail[name] = value

    def whole(self) -> list[dict[str, Any]]:
        """The details so far, each whole, in the order in which they began."""
        merged = zip(self._details, self._growing, strict=True)
        return [detail | {name: "".join(pieces) for name, pieces in growing.items()} for detail, growing in merged]

    def _place(self, item: Mapping[str, Any]) -> int | None:
        index, kind = item.get("index"), item.get("type")
        if isinstance(index, int) and isinstance(kind, str):
            return self._places.get((index, kind))
        if not self._details or kind not in ("reasoning.text", "reasoning.summary"):
            return None
        # Without an index, a text goes on with the one before it.
        return len(self._details) - 1 if self._details[-1].get("type") == kind else None

    def _open(self, item: Mapping[str, Any]) -> int:
        self._details.append({})
        self._growing.append({})
        place = len(self._details) - 1
        if isinstance(item.get("index"), int) and isinstance(item.get("type"), str):
            self._places[item["index"], item["type"]] = place
        return place


class ToolCalls:
    """Joins the pieces of tool calls, which may run in parallel."""

    def __init__(self) -> None:
        self._calls: list[_OpenCall] = []

    def add(self, piece: ToolCallDelta) -> None:
        """Takes the next piece."""
        call = self._call_of(piece)
        if call is None:
            call = _OpenCall(piece.index)
            self._calls.append(call)
        call.id = call.id or piece.id
        call.name = call.name or piece.name
        if piece.arguments:
            call.arguments.append(piece.arguments)

    def whole(self) -> tuple[ToolCall, ...]:
        """The calls so far, in the order in which they began."""
        return tuple(ToolCall(call.id, call.name, "".join(call.arguments)) for call in self._calls)

    def _call_of(self, piece: ToolCallDelta) -> _OpenCall | None:
        # The newest of that index: some upstreams give each of several calls the index 0, told apart by their ids.
        same = [call for call in self._calls if piece.index is None or call.index == piece.index]
        if not same or (piece.id and same[-1].id and piece.id != same[-1].id):
            return next((call for call in same if piece.id and call.id == piece.id), None)
        return same[-1]


class _OpenCall:
    def __init__(self, index: int | None) -> None:
        self.index = index
        self.id = self.name = ""
        self.arguments: list[str] = []


class Pieces:
    """Text that grows by pieces, appended by one thread and read as a whole by any."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._joining = threading.Lock()

    def __getstate__(self) -> str:
        """For pickle and copy: the text so far."""
        return self.joined()

    def __setstate__(self, text: str) -> None:
        """Takes that text back."""
        self._pieces, self._joining = [text], threading.Lock()

    def append(self, piece: str) -> None:
        """Adds a piece at the end."""
        self._pieces.append(piece)

    def joined(self) -> str:
        """The whole so far; collapses the pieces, so that reading often costs nothing."""
        with self._joining:
            count = len(self._pieces)
            if count > 1:
                # One slice assignment: a piece that is appended meanwhile stays behind it.
                self._pieces[:count] = ["".join(self._pieces[:count])]
            return self._pieces[0] if count else ""


def citations_in(annotations: Iterable[Mapping[str, Any]]) -> tuple[Citation, ...]:
    """The sources among annotations, in order; one that is named again for the same place is left out."""
    found: dict[Citation, None] = {}
    for annotation in annotations:
        source = annotation.get("url_citation")
        if isinstance(source, Mapping) and isinstance(url := source.get("url"), str):
            start, end = source.get("start_index"), source.get("end_index")
            found[
                Citation(
                    url=url,
                    title=_text(source.get("title")),
                    start=start if isinstance(start, int) else 0,
                    end=end if isinstance(end, int) else 0,
                    excerpt=_text(source.get("content")),
                )
            ] = None
    return tuple(found)


def to_json(value: Any) -> str:
    """The JSON text of what came as JSON; decimal numbers stay the numbers that they were."""
    try:
        return _ENCODER.encode(value).decode()
    except (UnicodeError, RecursionError, TypeError):  # half of a surrogate pair
        import json

        return json.dumps(value, default=_number)


def _number(value: object) -> float | str:
    from decimal import Decimal

    return float(value) if isinstance(value, Decimal) else str(value)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def call_text(name: str, arguments: Mapping[str, Any] | str) -> str:
    """A call as Python writes it, for people."""
    if isinstance(arguments, str):
        return f"{name}({arguments.strip()})"
    shown = (f"{key}={_shown(value)}" for key, value in arguments.items())
    return f"{name}({', '.join(shown)})"


def _shown(value: Any) -> str:
    return f"{type(value).__name__}.{value.name}" if isinstance(value, enum.Enum) else repr(value)


class ToolRun(Value, frozen=True):
    """A call of a tool that was answered.

    Attributes:
        id: the call's id.
        name: of the tool.
        arguments: as the function got them; as the text that the model wrote, where they did not fit.
        value: what the function returned; None where it was not run, or failed.
        text: what the model is told.
        images: what it is shown besides.
        seconds: how long the function took.
        error: why it failed or was not run, in one line; "" where it gave something.
        note: what was cut, or left out; "" for nothing.
    """

    hidden = ("value",)

    id: str
    name: str
    arguments: dict[str, Any] | str
    value: Any
    text: str
    images: tuple[ImagePart, ...] = ()
    seconds: float = 0.0
    error: str = ""
    note: str = ""

    @property
    def call(self) -> str:
        """The call as Python writes it."""
        return call_text(self.name, self.arguments)

    def __reduce__(self) -> tuple[Any, ...]:
        """For pickle: all of it, but for a value that cannot be; `text` tells what that was."""
        import pickle

        told = {name: getattr(self, name) for name in self.__struct_fields__}
        try:
            pickle.dumps(self.value)
        except Exception:  # whatever a type of the user's does
            told["value"] = None
        return ToolRun, tuple(told.values())
