"""IPython as a host: two live outputs in a notebook, one in a headless run, plain text in a terminal."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TextIO, TypeVar

from IPython.core.interactiveshell import InteractiveShell
from IPython.display import DisplayHandle, display

from or_magic.answer import Answer
from or_magic.asking.content.blocks import fenced
from or_magic.asking.host import Approval, Bill, Place, View, asked, unapproved
from or_magic.asking.reenter import wait_for
from or_magic.asking.tool_runs import ToolRun
from or_magic.errors import ToolError
from or_magic.jupyter.footer import footer_text
from or_magic.jupyter.live import Frame, status_html, waiting_text
from or_magic.jupyter.live_view import LiveView, new_id
from or_magic.jupyter.main_thread import run_in_main, running_loop
from or_magic.jupyter.markdown import render, stylesheet
from or_magic.jupyter.place import ShellPlace
from or_magic.jupyter.whole import tool_html, tool_line, whole_html
from or_magic.messages import Event, ReasoningDelta, TextDelta, Waiting
from or_magic.plain_text import finished_terminal_length, sendable, strip_terminal

T = TypeVar("T")
_DIM, _PLAIN = "\x1b[2m", "\x1b[0m"


class ShellHost:
    """The host of one IPython shell; looks at each question anew which front end asked it."""

    def __init__(self, shell: InteractiveShell) -> None:
        self.place = ShellPlace(shell)
        self._shell = shell
        self._offered_in: str | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def is_watched(self) -> bool:
        """Not in a headless run, whose kernel is shut down after the last cell."""
        return self.place.front_end() != "headless"

    def where(self) -> Place:
        """The notebook and the cell of the request that runs now."""
        return self.place.where()

    def wait_for(self, awaitable: Awaitable[T]) -> T:
        """What an awaitable gives, on the loop that the user's other awaitables run on."""
        from IPython.core.async_helpers import get_asyncio_loop

        return wait_for(awaitable, get_asyncio_loop)

    def call_in_main(self, fn: Callable[[], T], name: str) -> T:
        """What a function gives in the main thread, when the kernel is idle or its cell awaits something."""
        return run_in_main(self._loop, fn, name, self._waiting)

    @contextlib.contextmanager
    def _waiting(self, line: str) -> Iterator[None]:
        handle = DisplayHandle()
        handle.display(_bundle(status_html(line), line), raw=True)
        try:
            yield
        finally:
            handle.update(_bundle("", ""), raw=True)

    def approve(self, name: str, call: str, *, can_be_always: bool) -> Approval:
        """Asks the user, where one is there to answer."""
        if self.place.front_end() == "headless" or threading.current_thread() is not threading.main_thread():
            raise ToolError(unapproved(name))
        return asked(input, call, can_be_always=can_be_always)

    def show_tool(self, run: ToolRun) -> None:
        """What a tool gave, below what it has printed: a line, and the rest folded away."""
        if self.place.front_end() == "terminal":
            print(strip_terminal(tool_line(run)))
            return
        times = self.place.front_end() != "headless"
        html, text = tool_html(run, times=times), tool_line(run, times=times)
        display(_bundle(_styled(html), text), raw=True)

    def offer_cell(self, code: str) -> bool:
        """Puts code into the next cell, which the user may run; whether it could be put there.

        Nothing is put anywhere in a run that nobody watches. Of several in one run of a cell a front end takes one.
        """
        request = self.place.where().request
        if self.place.front_end() == "headless" or (request is not None and request == self._offered_in):
            return False
        self._offered_in = request
        self._shell.set_next_input(code)
        return True

    def show_code(self, code: str, language: str) -> None:
        """Shows a piece of untrusted code below what the cell has shown."""
        if self.place.front_end() == "terminal":
            print(strip_terminal(code))
            return
        html = render(fenced(code, language), answer_id=new_id())
        display(_bundle(_styled(html), code), raw=True)

    def open_view(self, answer: Answer, *, in_background: bool = False, is_live: bool = True) -> View:
        """The view that fits the front end."""
        front_end = self.place.front_end()
        if front_end == "terminal":
            is_late = in_background or not is_live
            return LateTerminalView(sys.stdout) if is_late else TerminalView(sys.stdout)
        if in_background:
            self._loop = running_loop()  # of the cell that asks: where the extension is loaded none may run yet
        # What arrives in the background needs its place in the page before its cell ends.
        is_drawn = front_end == "display" and (is_live or in_background)
        return LiveView(answer, CellOutlet()) if is_drawn else HeadlessView(answer)


class CellOutlet:
    """Two outputs of a cell: the answer and, under it, the tail, which at the end becomes the footer."""

    def __init__(self) -> None:
        self._answer, self._tail = DisplayHandle(), DisplayHandle()
        self._is_open = False

    def draw(self, frame: Frame) -> None:
        """Redraws what has changed; the first time both outputs take their place."""
        if not self._is_open:
            self._answer.display(_bundle(_styled("")), raw=True)
            self._tail.display(_bundle(frame.tail or ""), raw=True)
            self._is_open = True
            return
        if frame.answer is not None:
            self._answer.update(_bundle(_styled(frame.answer)), raw=True)
        if frame.tail is not None:
            self._tail.update(_bundle(frame.tail), raw=True)

    def show_whole(self, answer: Answer, html: str) -> None:
        """The answer as it stays, with its exact text and where it came from."""
        bundle = _bundle(_styled(html), answer.text)
        self._answer.update(bundle, raw=True, metadata={"or_magic": provenance(answer)})

    def show_footer(self, footer: str) -> None:
        """The line under it."""
        self._tail.update(_bundle(status_html(footer) if footer else "", footer), raw=True)


class HeadlessView:
    """One output at the end, for runs that nobody watches: it does not tell times, so two runs look the same."""

    def __init__(self, answer: Answer) -> None:
        self._id = new_id()

    def show(self, event: Event) -> None:
        """Nothing is drawn before the end."""

    def rest(self) -> None:
        """Nothing is drawn before the end."""

    def close(self, answer: Answer, bill: Bill) -> None:
        """The whole answer and its footer."""
        footer = footer_text(answer, bill, times=False)
        html = _styled(whole_html(answer, answer_id=self._id, times=False) + (status_html(footer) if footer else ""))
        text = f"{answer.text}\n\n{footer}".strip("\n") if footer else answer.text
        display(_bundle(html, text), raw=True, metadata={"or_magic": provenance(answer)})

    def amend(self, answer: Answer, bill: Bill) -> None:
        """What was shown once stays: nobody watches."""


class TerminalView:
    """The text as it comes, then the footer; dim only where the stream is a terminal.

    Escape sequences in a model's text would be carried out by the terminal, so they are taken out of what is printed;
    the `Answer` keeps them.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._is_tty = stream.isatty()
        self._is_thinking = False
        self._at_line_start = True
        self._held = ""  # the beginning of an escape sequence whose end still arrives

    def show(self, event: Event) -> None:
        """Prints the text of the event."""
        if isinstance(event, ReasoningDelta) and not self._is_thinking:
            self._is_thinking = True
            self._print(self._dim("thinking …") + "\n")
        if isinstance(event, Waiting):
            self._print(self._dim(strip_terminal(waiting_text(event))) + "\n")
        if isinstance(event, TextDelta):
            text = self._held + event.text
            whole = finished_terminal_length(text)
            self._held = text[whole:]
            self._print(strip_terminal(text[:whole]))

    def rest(self) -> None:
        """Nothing is pending: text is printed as it comes."""

    def close(self, answer: Answer, bill: Bill) -> None:
        """Prints the footer on a line of its own."""
        self._print(strip_terminal(self._held))
        sources = "".join(f"[{n}] {source.title} {source.url}\n" for n, source in enumerate(answer.citations, 1))
        below = strip_terminal(sources + footer_text(answer, bill)).rstrip("\n")
        self._print(("" if self._at_line_start else "\n") + (self._dim(below) + "\n" if below else ""))

    def amend(self, answer: Answer, bill: Bill) -> None:
        """What was printed stays."""

    def _dim(self, text: str) -> str:
        return f"{_DIM}{text}{_PLAIN}" if self._is_tty else text

    def _print(self, text: str) -> None:
        if text:
            self._stream.write(text)
            self._stream.flush()
            self._at_line_start = text.endswith("\n")


class LateTerminalView(TerminalView):
    """The same at the end: what arrived in the background would run into what is being typed."""

    def show(self, event: Event) -> None:
        """Prints nothing yet."""

    def close(self, answer: Answer, bill: Bill) -> None:
        """Prints the answer and the footer."""
        self._print("\n" + strip_terminal(answer.text))
        super().close(answer, bill)


def answer_html(answer: Answer) -> str:
    """An answer that is the value of a cell, as safe HTML."""
    return _styled(whole_html(answer, answer_id=new_id()))


def provenance(answer: Answer) -> dict[str, Any]:
    """Where an answer came from, kept with the output; nothing that must not be shared with a notebook is in it."""
    usage = answer.usage
    return {
        "model_asked": answer.model_asked,
        "parameters": dict(answer.parameters),
        "model": sendable(answer.model),
        "provider": sendable(answer.provider),
        "generation_id": sendable(answer.id),
        "prompt_tokens": usage.prompt_tokens if usage else None,
        "completion_tokens": usage.completion_tokens if usage else None,
        "cost_usd": None if answer.cost is None else str(answer.cost),
        "cost_source": answer.cost_source,
        "ending": answer.ending,
        "replayed": answer.replayed_utc is not None,
        "turn": answer.turn_id,
        "thread": answer.thread_id,
    }


def _styled(html: str) -> str:
    # In the answer alone: it stands beside the tail in the page, and the tail is redrawn most.
    return f"<style>{stylesheet()}</style>{html}"


def _bundle(html: str, text: str | None = None) -> dict[str, Any]:
    """A mime bundle. Redraws carry HTML alone; the last one also the exact text."""
    shown = {"text/html": sendable(html)}
    return shown if text is None else shown | {"text/plain": sendable(text)}
