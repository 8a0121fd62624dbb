"""A question of the panel: asked in a thread of its own, shown in an item; what stands in the box is made ready here.

What is written in the panel is evaluated plainly: names, attributes and keys of the user's variables, no calls. The
names that are offered while one writes are found without running any of the user's code.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import itertools
import keyword
import threading
import types
import uuid
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from or_magic.answer import Answer
from or_magic.chat.host import NOTHING_SENT, Approval, Location, View
from or_magic.chat.question import NO_TOOL_SETTINGS, ToolSettings
from or_magic.content import Content, SizeLimit, fenced
from or_magic.errors import BudgetError, MissingKeyError, OrMagicError, Stopped
from or_magic.jupyter.hosts import ShellHost
from or_magic.jupyter.html.answers import tool_html
from or_magic.jupyter.html.markdown import render
from or_magic.jupyter.kernel import run_in_main
from or_magic.jupyter.live import new_id
from or_magic.jupyter.panel.items import ArrivingItem
from or_magic.jupyter.panel.promptbox import Attachment
from or_magic.ledger.records import Turn, TurnId
from or_magic.prompt.answer_formats import ANY_FORMAT, AnswerFormat
from or_magic.prompt.converters import message_parts
from or_magic.prompt.media import named_bytes
from or_magic.prompt.template import evaluate_plainly
from or_magic.types import MEDIA, FilePart, ImagePart, Message, SoundPart, ToolRun, VideoPart

if TYPE_CHECKING:
    from or_magic.chat.session import Session

T = TypeVar("T")
_LIMIT = SizeLimit()
_NAMES_MAX = 50
_KEYS_MAX = 1_000
_DATA = ";base64,"
_KINDS: Mapping[type, str] = {ImagePart: "image", SoundPart: "sound", VideoPart: "film"}
_OF_PYTHON = (types.GetSetDescriptorType, types.MemberDescriptorType)
# What a type has, read past its metaclass, which may be the user's.
_NAME, _BASES, _VARIABLES = (vars(type)[name] for name in ("__name__", "__mro__", "__dict__"))


@dataclass(frozen=True, slots=True)
class PanelRequest:
    """What is to be asked.

    Attributes:
        content: gives what is asked, in the thread that asks: converting values takes a while.
        answer_format: gives what the answer shall be, in that thread too.
        tool_settings: gives the tools that may be called, in that thread too.
        again: the turn whose place it takes; None for a new question.
        rest_of: the turn whose answer is continued; then nothing else counts.
    """

    content: Callable[[], Content] = lambda: Content(())
    answer_format: Callable[[], AnswerFormat] = lambda: ANY_FORMAT
    tool_settings: Callable[[], ToolSettings] = lambda: NO_TOOL_SETTINGS
    again: Turn | None = None
    rest_of: TurnId | None = None


class PanelQuestion:
    """One question of a panel, from the press of a button to the end of its answer.

    Args:
        session: that of the notebook.
        item: where it is shown.
        host: makes the host, from its item and more arguments of `PanelHost`.
        on_end: called once, in whichever thread, with the last answer; None where none came.
        on_failure: told why nothing was asked.
    """

    def __init__(
        self,
        session: Session,
        item: ArrivingItem,
        host: Callable[..., PanelHost],
        on_end: Callable[[Answer | None], object],
        on_failure: Callable[[BaseException], object],
    ) -> None:
        self.item = item
        self._session, self._host, self._on_end, self._on_failure = session, host, on_end, on_failure
        self._first: Answer | None = None
        self._is_stopped = threading.Event()
        self._has_ended = False

    def begin(self, request: PanelRequest) -> None:
        """Asks; returns at once."""
        threading.Thread(target=self._ask, args=(request,), name="or_magic panel question", daemon=True).start()

    def stop(self) -> None:
        """Ends it, from any thread; what had arrived is kept."""
        self._is_stopped.set()
        self.item.stop()
        for job in self._session.jobs():
            if job.answer is self._first:
                job.stop()

    def _ask(self, request: PanelRequest) -> None:
        again = request.again
        cell = {"cell_id": again.cell_id, "ask_number": again.ask_number} if again is not None else {}
        try:
            with self._session.use_host(self._host(item=self.item, request=f"panel:{uuid.uuid4().hex}", **cell)):
                self._first = self._send(request)
        except (Exception, Stopped) as error:  # told in the panel: nobody waits for this thread
            if not self._has_ended:
                self._on_failure(error)
                self._end(None)
            return
        if self._is_stopped.is_set():  # pressed before the answer was there
            self.stop()

    def _end(self, last: Answer | None) -> None:
        self._has_ended = True
        self._on_end(last)

    def _send(self, request: PanelRequest) -> Answer:
        background: dict[str, Any] = {"in_background": True, "on_last": self._end}
        if request.rest_of is not None:
            return self._session.go_on(request.rest_of, **background)
        content = request.content()
        self.item.set_prompt(Message("user", content.parts))
        answer_format, tool_settings = request.answer_format(), request.tool_settings()
        if self._is_stopped.is_set():
            raise Stopped(NOTHING_SENT)
        replaces = request.again.id if request.again is not None else None
        return self._session.ask(
            content,
            answer_format=answer_format,
            tool_settings=tool_settings,
            replaces=replaces,
            replay="never",
            **background,
        )


def line_of(error: BaseException) -> str:
    """An error as one line."""
    if isinstance(error, BudgetError):
        refused = str(error).partition(" Ways on:")[0].replace("--over-budget asks all the same.", "").strip()
        return f"{refused} Raise the budget below, take a cheaper model, or set max_tokens in Settings."
    if isinstance(error, MissingKeyError):
        return (
            f"{str(error).partition(', then run')[0]}, and give it to the ⋯ above, which can rehearse without one too."
        )
    if isinstance(error, (OrMagicError, Stopped)):
        return str(error)
    message = " ".join(str(error).split())
    return f"Something went wrong: {type(error).__name__}{f': {message}' if message else ''}"


class PanelHost:
    """The host of one question of a panel.

    Args:
        shell: the host of the notebook's cells.
        loop: the kernel's, on which tools run that need it; None where there is none.
        is_display: whether a front end shows the panel.
        item: where its answer is shown.
        request: names the question.
        cell_id, ask_number: those of the question that is asked again; a new one has no cell.
    """

    def __init__(
        self,
        shell: ShellHost,
        loop: asyncio.AbstractEventLoop | None,
        *,
        is_display: bool,
        item: ArrivingItem | None = None,
        request: str | None = None,
        cell_id: str | None = None,
        ask_number: int = 0,
    ) -> None:
        self._shell, self._loop, self._is_display = shell, loop, is_display
        self._item = item or ArrivingItem(Message("user", ()))
        self._request, self._cell_id, self._ask_number = request, cell_id, ask_number

    def is_watched(self) -> bool:
        """Somebody pressed Send."""
        return True

    def where(self) -> Location:
        """The notebook, and the cell whose question is asked again."""
        location = self._shell.location.notebook(is_display=self._is_display)
        return replace(location, cell_id=self._cell_id, request=self._request, ask_number=self._ask_number)

    def wait_for(self, awaitable: Awaitable[T]) -> T:
        """On the loop that the user's other awaitables run on."""
        return self._shell.wait_for(awaitable)

    def call_in_main(self, fn: Callable[[], T], name: str) -> T:
        """In the main thread, when no cell runs; the item says so while it waits."""
        return run_in_main(self._loop, fn, name, self._item.waiting)

    def approve(self, name: str, call: str, *, can_be_always: bool) -> Approval:
        """Asks by buttons."""
        return self._item.ask(call, can_be_always=can_be_always)

    def show_code(self, code: str, language: str) -> None:
        """Above the buttons that ask about it."""
        self._item.add(render(fenced(code, language), answer_id=new_id()))

    def show_tool(self, run: ToolRun) -> None:
        """What a tool gave."""
        self._item.add(tool_html(run))

    def open_view(self, answer: Answer, *, in_background: bool = False, is_live: bool = True) -> View:
        """A place for the answer in the item."""
        return self._item.open_view(answer)


def content_of_draft(text: str, attachments: Iterable[Attachment], names: Mapping[str, Any]) -> Content:
    """What is asked: the text with the values of its templates, then what is attached.

    Raises:
        CommandError: a template or a file is not what it should be; nothing was sent.
    """
    values: list[tuple[str, Any]] = evaluate_plainly(text, names) if "{{" in text else [("", text)]
    values += [(each.name, named_bytes(each.data, each.name, _LIMIT)) for each in attachments]
    return message_parts(values)


def attachments_of(prompt: Message) -> tuple[list[Attachment], int]:
    """The images, files, sounds and films of an earlier question as attachments; how many of them cannot be one."""
    media = [(number, part) for number, part in enumerate(prompt.parts, 1) if isinstance(part, MEDIA)]
    made = [_attachment(part, number) for number, part in media]
    kept = [each for each in made if each is not None]
    return kept, len(made) - len(kept)


def _attachment(part: ImagePart | FilePart | SoundPart | VideoPart, number: int) -> Attachment | None:
    """A part of an earlier question as an attachment; None for one that lies at an address."""
    if isinstance(part, SoundPart):
        mime, data = f"audio/{part.format}", part.data
    else:
        mime, mark, data = part.url.removeprefix("data:").partition(_DATA)
        if not mark:
            return None
    name = part.name if isinstance(part, FilePart) else f"{_KINDS[type(part)]} {number}.{mime.partition('/')[2]}"
    with contextlib.suppress(binascii.Error):
        whole = base64.b64decode(data)
        return Attachment(uuid.uuid4().hex, name, len(whole), mime, whole)
    return None


def names_for(prefix: str, names: Mapping[str, Any], hidden: Iterable[str]) -> list[tuple[str, str]]:
    """What could stand between the braces: the user's names, after a dot the attributes of a value, after ``["`` its
    keys or columns. Of each the text that would be put in, and what it is.

    None of the user's code is run to find them.

    Args:
        prefix: what stands between the braces and the cursor.
        names: the user's.
        hidden: those that are not the user's own.
    """
    typed = prefix.lstrip()
    owner, bracket, key = typed.partition("[")
    if bracket and owner.isidentifier() and owner in names:
        found = _keys(owner, names[owner], key.lstrip("\"'"))
    elif "." in typed:
        owner, _, attribute = typed.rpartition(".")
        found = _attributes(owner, names[owner], attribute) if owner in names else iter(())
    else:
        found = _variables(typed, names, frozenset(hidden))
    return [each for each, _ in zip(found, range(_NAMES_MAX), strict=False)]


def _variables(typed: str, names: Mapping[str, Any], hidden: frozenset[str]) -> Iterator[tuple[str, str]]:
    known = {
        name: type(value)
        for name, value in list(names.items())
        if _is_public(name) and name not in hidden and not issubclass(type(value), types.ModuleType)
    }
    first = [name for name in known if name.lower().startswith(typed.lower())]
    rest = [name for name in known if name not in first and typed.lower() in name.lower()]
    yield from ((name, str(_NAME.__get__(known[name]))) for name in (*first, *rest))


def _attributes(owner: str, value: Any, typed: str) -> Iterator[tuple[str, str]]:
    of_types = [_VARIABLES.__get__(base) for base in _BASES.__get__(type(value))]
    for name in dict.fromkeys(
        name for names in (_own(value, of_types), *of_types) for name in filter(_is_public, names)
    ):
        if name.startswith(typed):
            yield f"{owner}.{name}", "attribute"


def _own(value: Any, of_types: list[Mapping[str, Any]]) -> list[Any]:
    """What a value has itself; nothing where its ``__dict__`` is a property of the user's."""
    where = next((variables["__dict__"] for variables in of_types if "__dict__" in variables), None)
    found = object.__getattribute__(value, "__dict__") if type(where) in _OF_PYTHON else None
    return list(found) if type(found) is dict else []


def _is_public(name: object) -> bool:
    return type(name) is str and name.isidentifier() and not name.startswith("_") and not keyword.iskeyword(name)


def _keys(owner: str, value: Any, typed: str) -> Iterator[tuple[str, str]]:
    kind = "key" if type(value) is dict else "column"
    for key in itertools.islice(list(value) if kind == "key" else _columns(value), _KEYS_MAX):
        if type(key) is str and key.startswith(typed):
            yield f"{owner}[{key!r}]", kind


def _columns(value: Any) -> list[Any]:
    """The columns of a table of pandas or polars; none where a type of the user's says what they are."""
    for base in _BASES.__get__(type(value)):
        variables = _VARIABLES.__get__(base)
        if "columns" in variables or "__getattribute__" in variables:
            home = variables.get("__module__")
            is_theirs = type(home) is str and home.partition(".")[0] in ("pandas", "polars")
            return list(value.columns) if is_theirs else []
    return []
