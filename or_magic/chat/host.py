"""What asking needs of the place it runs in, and the plainest such place: a script.

Fronts (notebook, terminal, headless run) implement `Host`; nothing in this package draws.
"""

from __future__ import annotations

import contextlib
import os
import sys
import uuid
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, TypeVar, cast

from or_magic.answer import Answer
from or_magic.chat.reenter import wait_for
from or_magic.errors import Stopped, ToolError
from or_magic.text import strip_terminal
from or_magic.types import Event

if TYPE_CHECKING:
    from or_magic.types import ToolRun

T = TypeVar("T")
NOTHING_SENT = "Stopped before anything was sent. Nothing was charged."
Approval = Literal["yes", "no", "always"]
_LONGEST_CALL = 1_500  # characters of a call that the user is asked about
_NO_HOSTS: Mapping[object, Host] = {}
_NO_ANSWERS: Mapping[object, Answer] = {}
_HOSTS: ContextVar[Mapping[object, Host]] = ContextVar("or_magic_hosts", default=_NO_HOSTS)
_LAST: ContextVar[Mapping[object, Answer]] = ContextVar("or_magic_last", default=_NO_ANSWERS)


@dataclass(frozen=True, slots=True)
class Location:
    """Where a question was asked.

    Attributes:
        notebook: the notebook's absolute path; where nothing tells it, ``kernel:`` and an id of this process's own.
        budget_scope: under what money is counted: the same path, or the working folder where the path is not known.
        budget_scope_name: how the budget scope is called in a footer: ``notebook`` or ``folder``.
        cell_id: the cell: its id where the front end tells; else what was run, and how often that was in this kernel;
            None where there are no cells.
        request: the run of the cell, so that several questions of one run are told apart; None where there are none.
        ask_number: the number of its first question: 0, but where a later question of a cell is asked again.
    """

    notebook: str
    budget_scope: str
    budget_scope_name: str
    cell_id: str | None = None
    request: str | None = None
    ask_number: int = 0


@dataclass(frozen=True, slots=True)
class FooterData:
    """What the footer says beside the answer's own cost.

    Attributes:
        budget_scope_name: see `Location`; ``sandbox`` where the money is not real.
        spent_pico_usd: all that this budget scope has spent at this service, this answer included, in 1e-12 USD;
            None where the store cannot tell.
        unknown: how many of its answers have no known cost.
        budgets: how the budgets stand: what counts (``today`` and the like; "" for the budget scope), spent, limit.
        hint: one sentence for the first answer of a notebook, else "".
        footer: how much of it all is told: ``full``, ``brief`` (who and the cost) or ``none``.
        replayed: of an answer that is given again: how many there were in this session, or how to ask anew; else "".
    """

    budget_scope_name: str
    spent_pico_usd: int | None
    unknown: int = 0
    budgets: tuple[tuple[str, int, int], ...] = ()
    hint: str = ""
    footer: str = "full"
    replayed: str = ""


def unapproved(name: str) -> str:
    """The line where a call of a tool cannot be approved."""
    return (
        f"The model wants to call {name}, and nobody is here to allow it. Nothing was run. Mark it as harmless, "
        "@or_magic.tool(approve=False), and say --yes (in Python yes=True); or run the cell where you can answer."
    )


def _one_line(call: str) -> str:
    """A call that a model wrote, as a line that is safe to ask about: a long one is cut."""
    line = " ".join(strip_terminal(call).split())
    return line if len(line) <= _LONGEST_CALL else f"{line[:_LONGEST_CALL]}…"


def asked(read: Callable[[str], str], call: str, *, can_be_always: bool) -> Approval:
    """Asks the user about a call until the answer is one.

    Raises:
        Stopped: the user says to stop.
    """
    line = _one_line(call)
    words = {"y": "yes", "yes": "yes", "n": "no", "no": "no"}
    always = ""
    if can_be_always:
        words |= {"a": "always", "always": "always"}
        always = "[a]lways this tool, "
    while True:
        try:
            answer = read(f"Run {line}? [y]es, [n]o, {always}[s]top: ").strip().lower()
        except EOFError:
            answer = "stop"
        if answer in ("s", "stop"):
            raise Stopped("The tool was not run. What came before is kept in _answer.")
        if answer in words:
            return cast("Approval", words[answer])


class View(Protocol):
    """Shows one answer. Called from the thread that asked, never from the background."""

    def show(self, event: Event) -> None:
        """The next event of the answer."""

    def rest(self) -> None:
        """Nothing came for a moment; what is due may be drawn."""

    def close(self, answer: Answer, footer_data: FooterData) -> None:
        """The answer is whole, stopped or failed; its final state is to be shown."""

    def amend(self, answer: Answer, footer_data: FooterData) -> None:
        """What it cost is known by now; called later, from another thread. A view that cannot change does nothing."""


class Host(Protocol):
    """A place where questions are asked."""

    def is_watched(self) -> bool:
        """Whether a question may go on after the cell that asked it: somebody is there, and the process stays."""

    def where(self) -> Location:
        """The notebook and the cell of the question that is being asked."""

    def wait_for(self, awaitable: Awaitable[T]) -> T:
        """What an awaitable gives, on the loop that the user's other awaitables run on."""

    def call_in_main(self, fn: Callable[[], T], name: str) -> T:
        """What a function gives in the main thread, when no code runs there; called from another thread.

        Args:
            fn: the function.
            name: of the tool, for who waits.

        Raises:
            ToolError: nothing can be run there.
        """

    def approve(self, name: str, call: str, *, can_be_always: bool) -> Approval:
        """Whether the user allows a call of a tool.

        Args:
            name: the tool's.
            call: the call as Python writes it; untrusted text.
            can_be_always: whether the user may allow all further ones.

        Raises:
            ToolError: nobody is there to say so.
            Stopped: the user says to stop.
        """

    def show_code(self, code: str, language: str) -> None:
        """Shows a piece of untrusted code."""

    def show_tool(self, run: ToolRun) -> None:
        """Shows what a tool gave, below what it has printed."""

    def open_view(self, answer: Answer, *, in_background: bool = False, is_live: bool = True) -> View:
        """Something to show an answer with that is about to arrive.

        Args:
            in_background: it is shown from another thread, while other cells run.
            is_live: whether it is shown as it arrives, or once at its end.
        """


def unnamed_location(name: str) -> Location:
    """The place of a process whose notebook no front end tells; its money is counted under the working folder."""
    return Location(notebook=name, budget_scope=str(Path.cwd()), budget_scope_name="folder")


class ScriptHost:
    """A plain Python process: nothing is shown, the caller has the `Answer`."""

    def __init__(self) -> None:
        self._name = f"process:{os.getpid()}:{uuid.uuid4().hex[:12]}"

    def is_watched(self) -> bool:
        """A script may go on while it is answered; it waits by `Answer.wait`."""
        return True

    def where(self) -> Location:
        """This process, and the folder it runs in."""
        return unnamed_location(self._name)

    def wait_for(self, awaitable: Awaitable[T]) -> T:
        """On a loop of its own, or again on the one that runs."""
        return wait_for(awaitable)

    def call_in_main(self, fn: Callable[[], T], name: str) -> T:
        """A script has no idle main thread: the function runs where it is called."""
        return fn()

    def approve(self, name: str, call: str, *, can_be_always: bool) -> Approval:
        """Asks on the terminal; where there is none, nobody can say yes."""
        if not sys.stdin.isatty():
            raise ToolError(unapproved(name))
        return asked(input, call, can_be_always=can_be_always)

    def show_code(self, code: str, language: str) -> None:
        """On the terminal, where the user is asked about it."""
        print(strip_terminal(code))

    def show_tool(self, run: ToolRun) -> None:
        """Nothing is shown: the caller has the `Answer`."""

    def open_view(self, answer: Answer, *, in_background: bool = False, is_live: bool = True) -> View:
        """A view that shows nothing."""
        return _Silent()


class _Silent:
    def show(self, event: Event) -> None:
        pass

    def rest(self) -> None:
        pass

    def close(self, answer: Answer, footer_data: FooterData) -> None:
        pass

    def amend(self, answer: Answer, footer_data: FooterData) -> None:
        pass


@contextlib.contextmanager
def use_host(session: object, host: Host) -> Iterator[None]:
    """While it lasts, this thread (and what it starts for a question) is at another host of the session."""
    token = _HOSTS.set({**_HOSTS.get(), session: host})
    try:
        yield
    finally:
        _HOSTS.reset(token)


def current_host(session: object, otherwise: Host) -> Host:
    """The host that this thread is at."""
    return _HOSTS.get().get(session, otherwise)


def note_last(session: object, answer: Answer) -> None:
    """This thread is given an answer, or the beginning of one."""
    _LAST.set({**_LAST.get(), session: answer})


def last_of_caller(session: object) -> Answer | None:
    """The last answer of the session that this thread was given; None where it was given none."""
    return _LAST.get().get(session)
