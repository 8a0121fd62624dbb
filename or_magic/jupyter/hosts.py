"""IPython as a host: two live outputs in a notebook, one in a headless run, plain text in a terminal."""

from __future__ import annotations

import asyncio
import contextlib
import html
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeVar

from IPython.core.interactiveshell import InteractiveShell
from IPython.display import HTML, DisplayHandle, display

from or_magic.answer import Answer
from or_magic.chat.footer import footer_text
from or_magic.chat.host import Approval, FooterData, Location, View, asked, unapproved
from or_magic.chat.reenter import wait_for
from or_magic.content import fenced
from or_magic.errors import ToolError
from or_magic.jupyter.html.highlight import stylesheet
from or_magic.jupyter.kernel import ShellLocation, run_in_main, running_loop
from or_magic.jupyter.live import Frame, LiveView, new_id, status_html
from or_magic.jupyter.provenance import provenance_metadata as provenance
from or_magic.terminal import LateTerminalView, TerminalView
from or_magic.text import sendable, strip_terminal
from or_magic.types import Event, ToolRun

T = TypeVar("T")


class ShellHost:
    """The host of one IPython shell; looks at each question anew which front end asked it."""

    def __init__(self, shell: InteractiveShell) -> None:
        self.location = ShellLocation(shell)
        self._shell = shell
        self._offered_in: str | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def is_watched(self) -> bool:
        """Not in a headless run, whose kernel is shut down after the last cell."""
        return self.location.front_end() != "headless"

    def where(self) -> Location:
        """The notebook and the cell of the request that runs now."""
        return self.location.where()

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
        if self.location.front_end() == "headless" or threading.current_thread() is not threading.main_thread():
            raise ToolError(unapproved(name))
        return asked(input, call, can_be_always=can_be_always)

    def show_tool(self, run: ToolRun) -> None:
        """What a tool gave, below what it has printed: a line, and the rest folded away."""
        from or_magic.jupyter.html.answers import tool_html, tool_line

        if self.location.front_end() == "terminal":
            print(strip_terminal(tool_line(run)))
            return
        times = self.location.front_end() != "headless"
        html, text = tool_html(run, times=times), tool_line(run, times=times)
        display(_bundle(_styled(html), text), raw=True)

    def offer_cell(self, code: str) -> bool:
        """Puts code into the next cell, which the user may run; whether it could be put there.

        Nothing is put anywhere in a run that nobody watches. Of several in one run of a cell a front end takes one.
        """
        request = self.location.where().request
        if self.location.front_end() == "headless" or (request is not None and request == self._offered_in):
            return False
        self._offered_in = request
        self._shell.set_next_input(code)
        return True

    def show_code(self, code: str, language: str) -> None:
        """Shows a piece of untrusted code below what the cell has shown."""
        if self.location.front_end() == "terminal":
            print(strip_terminal(code))
            return
        from or_magic.jupyter.html.markdown import render

        html = render(fenced(code, language), answer_id=new_id())
        display(_bundle(_styled(html), code), raw=True)

    def open_view(self, answer: Answer, *, in_background: bool = False, is_live: bool = True) -> View:
        """The view that fits the front end."""
        front_end = self.location.front_end()
        if front_end == "terminal":
            is_late = in_background or not is_live
            return LateTerminalView(sys.stdout) if is_late else TerminalView(sys.stdout)
        if in_background:
            self._loop = running_loop()  # of the cell that asks: where the extension is loaded none may run yet
        # What arrives in the background needs its place in the page before its cell ends.
        is_drawn = front_end == "display" and (is_live or in_background)
        return LiveView(answer, CellDisplay()) if is_drawn else HeadlessView(answer)


class CellDisplay:
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

    def close(self, answer: Answer, footer_data: FooterData) -> None:
        """The whole answer and its footer."""
        from or_magic.jupyter.html.answers import answer_html

        footer = footer_text(answer, footer_data, times=False)
        html = _styled(answer_html(answer, answer_id=self._id, times=False) + (status_html(footer) if footer else ""))
        text = f"{answer.text}\n\n{footer}".strip("\n") if footer else answer.text
        display(_bundle(html, text), raw=True, metadata={"or_magic": provenance(answer)})

    def amend(self, answer: Answer, footer_data: FooterData) -> None:
        """What was shown once stays: nobody watches."""


def answer_display_html(answer: Answer) -> str:
    """An answer that is the value of a cell, as safe HTML."""
    from or_magic.jupyter.html.answers import answer_html

    return _styled(answer_html(answer, answer_id=new_id()))


def _styled(html: str) -> str:
    # In the answer alone: it stands beside the tail in the page, and the tail is redrawn most.
    return f"<style>{stylesheet()}</style>{html}"


def _bundle(html: str, text: str | None = None) -> dict[str, Any]:
    """A mime bundle. Redraws carry HTML alone; the last one also the exact text."""
    shown = {"text/html": sendable(html)}
    return shown if text is None else shown | {"text/plain": sendable(text)}


_STYLE = "width:100%;height:24em;border:1px solid #8884;resize:vertical;overflow:auto;background:#fff"


def show_page(answer: Answer) -> None:
    """Displays the HTML of an answer: of its first block of HTML, else the whole text."""
    blocks = [str(block) for block in answer.code if block.language in ("html", "svg", "")]
    page = html.escape(sendable(blocks[0] if blocks else answer.text), quote=True)
    frame = f'<iframe sandbox="allow-scripts" referrerpolicy="no-referrer" style="{_STYLE}" srcdoc="{page}"></iframe>'
    display(HTML(frame))
