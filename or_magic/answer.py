"""What a question returns: the answer, while it arrives and after; what can be read out of it and saved.

One thread absorbs events; any thread may read, and sees whole pieces.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from or_magic.errors import CommandError, SchemaError
from or_magic.money import usd
from or_magic.types import (
    Annotated,
    AnnotationsPart,
    AudioDelta,
    AudioPart,
    Began,
    CacheTold,
    Citation,
    CostSource,
    Ending,
    Event,
    Finished,
    History,
    ImageArrived,
    ImagePart,
    LogprobsDelta,
    Message,
    Part,
    Pieces,
    ReasoningDelta,
    ReasoningDetails,
    ReasoningDetailsDelta,
    ReasoningDetailsPart,
    ReasoningPart,
    RefusalDelta,
    RefusalPart,
    RoutingTold,
    TextDelta,
    TextPart,
    ToolCall,
    ToolCallDelta,
    ToolCalls,
    Usage,
    UsageReported,
    Waiting,
    about_tokens,
    citations_in,
    to_json,
)

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal

    import pandas as pd
    from PIL.Image import Image

    from or_magic.extracting import Code


def images_of(urls: Iterable[str]) -> list[Image]:
    """The images that ``data:`` addresses hold; others are left out, and so is what is no image."""
    import base64
    import binascii
    import io

    from PIL import Image, UnidentifiedImageError

    images: list[Image.Image] = []
    for url in urls:
        head, comma, data = url.partition(",")
        if comma and head.startswith("data:") and head.endswith(";base64"):
            try:
                image = Image.open(io.BytesIO(base64.b64decode(data)))
                image.load()
            except (UnidentifiedImageError, binascii.Error, OSError, SyntaxError, ValueError):
                continue
            images.append(image)
    return images


def value_frame(value: Any) -> pd.DataFrame:
    """A validated value as a table, a row for each item of a list, with pandas' own types for dates and nulls.

    Decimals stay what they are, exact, in a column of objects.
    """
    from or_magic.extracting import records_frame

    rows = value if isinstance(value, (list, tuple, set, frozenset)) else [value]
    frame = records_frame([_fields(row) for row in rows])
    for name in frame.columns:
        frame[name] = _typed(frame[name])
    return frame


def save(answer: AnswerContents, path: Path, *, overwrite: bool) -> Path:
    """Writes an answer into a file, by its ending; see `AnswerContents.save`.

    Raises:
        CommandError: the file is there already, cannot be written, or the answer holds nothing of that kind.
    """
    path = path.expanduser().absolute()
    if path.exists() and not overwrite:
        raise CommandError(f"{path.name} is there already. Name another file, or say overwrite=True.")
    try:
        data = _content(answer, path.suffix.lower())
        path.write_bytes(data)
    except (ValueError, IndexError) as error:
        raise CommandError(f"{path.name} was not written: {error}.") from None
    except OSError as error:
        raise CommandError(f"{path.name} cannot be written: {error.strerror or error}. Name another file.") from None
    return path


def _content(answer: AnswerContents, ending: str) -> bytes:
    if ending == ".py":
        blocks = [str(block) for block in answer.code if block.is_python]
        if not blocks:
            raise ValueError("there is no Python in the answer")
        return ("\n\n# ---\n\n".join(blocks) + "\n").encode("utf-8", "replace")
    if ending == ".json":
        import json

        return (json.dumps(answer.json(), ensure_ascii=False, indent=1) + "\n").encode("utf-8", "replace")
    if ending == ".csv":
        return answer.df().to_csv(index=False, lineterminator="\n").encode("utf-8", "replace")
    if ending in (".png", ".jpg", ".jpeg", ".webp", ".gif"):
        if not answer.images:
            raise ValueError("there is no image in the answer")
        import io

        saved = io.BytesIO()
        image = answer.images[0]
        image = image.convert("RGB") if ending in (".jpg", ".jpeg") else image
        image.save(saved, {".jpg": "jpeg"}.get(ending, ending[1:]))
        return saved.getvalue()
    return answer.text.encode("utf-8", "replace")


def _fields(row: Any) -> Any:
    import dataclasses

    if hasattr(type(row), "model_dump"):
        return row.model_dump()
    return dataclasses.asdict(row) if dataclasses.is_dataclass(row) and not isinstance(row, type) else row


def _typed(column: pd.Series[Any]) -> pd.Series[Any]:
    from datetime import date
    from decimal import Decimal

    import pandas as pd

    filled = [each for each in column if each is not None and each is not pd.NaT]
    if not filled:
        return column
    if all(isinstance(each, date) for each in filled):
        return pd.to_datetime(column)
    has_nulls = len(filled) < len(column)
    if has_nulls and all(isinstance(each, bool) for each in filled):
        return column.astype("boolean")
    is_whole = all(isinstance(each, (int, float)) and not isinstance(each, bool) and each == each for each in filled)
    if is_whole and has_nulls and not any(isinstance(each, Decimal) for each in filled):
        return column.astype("Int64" if all(float(each).is_integer() for each in filled) else "Float64")
    return column


class AnswerContents:
    """What can be read out of an `Answer`: its code, JSON, tables, images and its value by a schema.

    Attributes:
        read: the value that the text stands for; raises ValueError where it stands for none. None without a schema.
        image_urls: addresses of the images that the model made.
    """

    read: Callable[[str], Any] | None
    image_urls: tuple[str, ...]
    _value: Any

    @property
    def text(self) -> str:
        """The answer's text."""
        raise NotImplementedError

    @property
    def value(self) -> Any:
        """The object that it was asked to be by a schema, validated; None where none was asked for.

        Raises:
            SchemaError: its text does not fit; `text` holds it.
        """
        if self._value is None and self.read is not None:
            try:
                self._value = self.read(self.text)
            except ValueError as error:
                raise SchemaError(f"The answer does not fit the schema ({error}). _answer.text holds it.") from None
        return self._value

    @property
    def code(self) -> list[Code]:
        """The blocks of code in its text, in order; each knows its `language`."""
        from or_magic.extracting import code_blocks

        return code_blocks(self.text)

    def json(self) -> Any:
        """The JSON in its text, also in a fence or with prose around it.

        Raises:
            NotFoundError: there is none.
        """
        from or_magic.extracting import json_in

        return json_in(self.text)

    def df(self, number: int = 0) -> pd.DataFrame:
        """A table in its text, of CSV in a fence, of Markdown or of JSON, with numbers as numbers; of a `value` that a
        schema made, one row for each of its items.

        Args:
            number: which one, where there are several: 0, 1, ...

        Raises:
            NotFoundError: there is none of that number.
        """
        if self.read is not None:
            return value_frame(self.value)
        from or_magic.extracting import frame_in

        return frame_in(self.text, number)

    @property
    def images(self) -> list[Image]:
        """The images that came with it, as Pillow's; one that lies at an address elsewhere is in `image_urls` alone."""
        return images_of(self.image_urls)

    def save(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Writes it into a file, by its ending: ``.py`` its Python code, ``.json``, ``.csv`` its table, ``.png`` (or
        another of Pillow's) its first image, any other its text. Returns the absolute path.

        Raises:
            CommandError: the file is there already, cannot be written, or the answer holds nothing of that kind.
        """
        return save(self, Path(path), overwrite=overwrite)


class Answer(AnswerContents):
    """A model's answer. ``print(answer)`` shows its text.

    Attributes:
        model_asked: the model id that was asked for; None where none was sent (the account's default).
        model: the model that answered, as the service names it; "" until it is known.
        provider: the provider that served it; "" until it is known.
        service_tier: the tier it was served in, such as ``flex``; "" where the service does not tell.
        id: the service's generation id; "" until it is known.
        usage: tokens and cost as the service counted them; None until it told.
        cost_source: where `cost` comes from: ``"reported"`` by the answer itself, ``"reconciled"`` with the service's
            record of it afterwards, or None where it is not known.
        finish_reason: ``"stop"``, ``"length"``, ``"content_filter"``, ...; None until the model ended.
        native_finish_reason: `finish_reason` in the provider's own word; "" where the service does not tell.
        image_urls: addresses of the images that the model made, mostly ``data:image/png;base64,...``.
        logprobs: how likely each token was, where it was asked for: the API's objects, in order.
        routing: how the request was routed, where it was asked for (``--router-metadata``); else empty.
        cache_status: ``"HIT"`` where the service gave an answer that it had kept, ``"MISS"`` where not; "" unasked.
        cache_source_id: the generation that a kept answer was made by; "" where it is none.
        format: what it was asked to be: ``markdown``, ``text``, ``code``, ``json``, ``math``, ``html`` or ``image``.
        parameters: the fields of the request that may be shared: none that tells about the user.
        history: the earlier turns that were sent along.
        replayed_utc: when it was first given, where it is given again from the store, at no cost; else None.
        saved_pico_usd: what it cost then in 1e-12 USD; None where that is not known.
        turn_id: its turn in the store; None where it is in none.
        thread_id: the thread of its conversation; None where it stands alone.
        notes: what to know about how it was asked, one line each.
        steps: the answers before it that called tools, whose results led to it.
        runs: the calls of tools that were carried out (`ToolRun`): its own, or those of all steps before it.
        attempts: how often it was asked; more than 1 where the client asked again by itself.
        may_be_billed_twice: whether an attempt that failed may have been received, and so be charged as well.
        estimated_pico_usd: about what it cost in 1e-12 USD, where the service did not tell; None where it did.
        seconds_to_first_token: from sending to the first piece of text or reasoning; None before it.
        sent_at: when it was sent, on the clock of `time.monotonic`.
        seconds_thinking: from the first piece of reasoning to the first of text (or the end); None without either.
        seconds: from sending to the end; None before it.
        ending: ``"complete"``, ``"stopped"`` or ``"failed"``; None while the answer still arrives.
        error: the one-line reason of a failure, else None.
    """

    def __init__(self, *, model_asked: str | None) -> None:
        self.model_asked = model_asked
        self.model = ""
        self.provider = ""
        self.service_tier = ""
        self.id = ""
        self.usage: Usage | None = None
        self.finish_reason: str | None = None
        self.native_finish_reason = ""
        self.image_urls = ()
        self.logprobs: list[Mapping[str, Any]] = []
        self.routing: Mapping[str, Any] = {}
        self.cache_status = self.cache_source_id = ""
        self.format = "markdown"
        self.read = None
        self._value = None
        self.parameters: Mapping[str, Any] = {}
        self.history = History()
        self.replayed_utc: datetime | None = None
        self.saved_pico_usd: int | None = None
        self.turn_id: int | None = None
        self.thread_id: int | None = None
        self.notes: tuple[str, ...] = ()
        self.steps: tuple[Answer, ...] = ()
        self.runs: tuple[Any, ...] = ()
        self.attempts = 1
        self.may_be_billed_twice = False
        self.estimated_pico_usd: int | None = None
        self._is_reconciled = self._is_held = False
        self._last: Answer | None = None
        self.seconds_to_first_token: float | None = None
        self.seconds_thinking: float | None = None
        self.seconds: float | None = None
        self.ending: Ending | None = None
        self.error: str | None = None
        self._text = Pieces()
        self._reasoning = Pieces()
        self._refusal = Pieces()
        self._audio_data, self._transcript, self._audio_id = Pieces(), Pieces(), ""
        self._details, self._calls = ReasoningDetails(), ToolCalls()
        self._annotations: list[Mapping[str, Any]] = []
        self.sent_at = time.monotonic()
        self._thinking_since: float | None = None
        self._done = threading.Event()
        self._assembling = threading.Lock()

    @property
    def text(self) -> str:
        """The answer's text, exactly as the model wrote it; grows while the answer arrives."""
        return self._text.joined()

    @property
    def reasoning(self) -> str:
        """What the model thought before it answered, where the service shows it."""
        return self._reasoning.joined()

    @property
    def cost(self) -> Decimal | None:
        """What was charged, in USD, exactly; None where it is not known."""
        pico = self.usage.cost_pico_usd if self.usage else None
        return None if pico is None else usd(pico)

    @property
    def cost_source(self) -> CostSource | None:
        """Where `cost` comes from; None where it is not known."""
        if self.cost is None:
            return None
        return "reconciled" if self._is_reconciled else "reported"

    @property
    def about_tokens(self) -> int:
        """About how many tokens have arrived, by their length; `usage` has the service's own count."""
        return about_tokens(self.text) + about_tokens(self.reasoning)

    @property
    def done(self) -> bool:
        """Whether nothing more will come."""
        return self._done.is_set()

    def wait(self, timeout_s: float | None = None) -> Answer:
        """Waits until the answer is whole (or `timeout_s` has passed) and returns it, or the last of its steps.

        ``await answer`` in a cell lets tools run that need the kernel; this does not.
        """
        self._done.wait(timeout_s)
        return self._last or self

    @property
    def calls(self) -> tuple[ToolCall, ...]:
        """The calls of tools that this very answer wants made, in the order in which the model named them."""
        with self._assembling:
            return self._calls.whole()

    @property
    def tool_calls(self) -> tuple[Any, ...]:
        """The calls that were carried out for it, with arguments, values and times (`ToolRun`); else `calls`."""
        return self.runs or self.calls

    @property
    def total_cost(self) -> Decimal | None:
        """What it and the steps before it were charged, in USD, exactly; None where one of them is not known."""
        from decimal import Decimal

        costs = [each.cost for each in (*self.steps, self)]
        return None if None in costs else sum((each for each in costs if each is not None), Decimal(0))

    def hold(self) -> None:
        """Keeps it from being `done` when it ends: further steps follow, up to `release`."""
        self._is_held = True

    def release(self, last: Answer) -> None:
        """Makes it `done`; whoever waits for it gets `last`, the last of the steps that followed it."""
        self._is_held, self._last = False, last
        self._done.set()

    @property
    def reasoning_details(self) -> list[dict[str, Any]]:
        """The reasoning in the service's own form, merged, with its signatures."""
        with self._assembling:
            return self._details.whole()

    @property
    def citations(self) -> tuple[Citation, ...]:
        """The sources that it names, in order."""
        return citations_in(tuple(self._annotations))

    @property
    def refusal(self) -> str:
        """Why the model would not answer, in its words; "" where it did not refuse."""
        return self._refusal.joined()

    @property
    def audio(self) -> AudioPart | None:
        """What the model said aloud; None where it did not."""
        data, transcript = self._audio_data.joined(), self._transcript.joined()
        return AudioPart(self._audio_id, data, transcript) if data or transcript else None

    @property
    def parts(self) -> tuple[Part, ...]:
        """All that has arrived, as the parts of a message; () where nothing has."""
        return tuple(self._parts())

    def __await__(self) -> Generator[Any, None, Answer]:
        """Waits in a coroutine; the answer tells how it ended."""
        import asyncio

        return asyncio.to_thread(self.wait).__await__()

    @property
    def message(self) -> Message:
        """The answer as a message of a conversation: its reasoning, if any, its text, then the rest."""
        return Message("assistant", self.parts or (TextPart(""),))

    def _parts(self) -> Iterator[Part]:
        if reasoning := self.reasoning:
            yield ReasoningPart(reasoning)
        if details := self.reasoning_details:
            yield ReasoningDetailsPart(to_json(details))
        if text := self.text:
            yield TextPart(text)
        if refusal := self.refusal:
            yield RefusalPart(refusal)
        yield from self.calls
        if self._annotations:
            yield AnnotationsPart(to_json(list(self._annotations)))
        yield from map(ImagePart, self.image_urls)
        if (audio := self.audio) is not None:
            yield audio

    def mark_sent(self) -> None:
        """Notes that the request is sent now: times count from here."""
        self.sent_at = time.monotonic()

    def absorb(self, event: Event) -> None:
        """Takes the next event of the stream into account."""
        match event:
            case TextDelta(text):
                self._text.append(text)
                self._note_first_token()
                self._note_thinking()
            case ReasoningDelta(text):
                self._reasoning.append(text)
                self._note_first_token()
                if self._thinking_since is None:
                    self._thinking_since = time.monotonic()
            case Began(generation_id, model, provider, tier):
                self.id = generation_id or self.id
                self.model = model or self.model
                self.provider = provider or self.provider
                self.service_tier = tier or self.service_tier
            case Finished(reason, native):
                self.finish_reason, self.native_finish_reason = reason, native
            case UsageReported(usage):
                self.usage = usage
            case LogprobsDelta(items):
                self.logprobs.extend(items)
            case RoutingTold(facts):
                self.routing = facts
            case CacheTold(status, _, source_id):
                self.cache_status, self.cache_source_id = status, source_id
            case Waiting():
                self.attempts = event.attempt
                self.may_be_billed_twice |= event.may_be_billed_twice
            case _:
                self._absorb_extra(event)

    def _absorb_extra(self, event: Event) -> None:
        with self._assembling:
            match event:
                case ReasoningDetailsDelta(items):
                    self._details.add(items)
                case ToolCallDelta():
                    self._calls.add(event)
                case Annotated(items):
                    self._annotations.extend(items)
                case ImageArrived(url):
                    self.image_urls = (*self.image_urls, url)
                case RefusalDelta(text):
                    self._refusal.append(text)
                case AudioDelta(id, data, transcript):
                    self._audio_id = id or self._audio_id
                    self._audio_data.append(data)
                    self._transcript.append(transcript)
                case _:
                    return
        self._note_first_token()

    def finish(self, ending: Ending, error: str | None = None) -> None:
        """Marks that nothing more will come, and why."""
        self._note_thinking()
        self.seconds = time.monotonic() - self.sent_at
        self.ending, self.error = ending, error
        if not self._is_held:
            self._done.set()

    def take_over(self) -> None:
        """Counts once what a broken attempt of this question had paid for and the service's cache then gave."""
        self.id, self.usage, self.may_be_billed_twice = self.cache_source_id, None, False

    def reconcile(self, usage: Usage) -> None:
        """Takes what the service's record told afterwards about what the answer consumed."""
        self.usage, self._is_reconciled = usage, True

    def _note_first_token(self) -> None:
        if self.seconds_to_first_token is None:
            self.seconds_to_first_token = time.monotonic() - self.sent_at

    def _note_thinking(self) -> None:
        if self._thinking_since is not None and self.seconds_thinking is None:
            self.seconds_thinking = time.monotonic() - self._thinking_since

    def __getstate__(self) -> dict[str, Any]:
        """For pickle and copy: all that arrived; neither the client nor the schema."""
        with contextlib.suppress(SchemaError):
            self.value  # noqa: B018  # read while the schema is here
        return {name: value for name, value in self.__dict__.items() if name not in ("_done", "_assembling", "read")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Takes that state back; nothing more will come to it."""
        self.__dict__.update(state, _assembling=threading.Lock(), _done=threading.Event(), read=None)
        self._done.set()

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        """The exact text; the extension adds HTML that is safe to look at."""
        return {"text/plain": repr(self)}

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        mark = "" if self.ending == "complete" else f" [{self.ending or 'still arriving'}]"
        return f"{self.text}{mark}"
