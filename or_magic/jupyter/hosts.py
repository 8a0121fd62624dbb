"""One IPython shell as the place where questions are asked: a notebook, a headless run or a terminal.

It is imported by ``%load_ext``: what shows an answer (`or_magic.jupyter.views`) is imported when there is something to
show.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, TypeVar

from IPython.core.interactiveshell import InteractiveShell

from or_magic.chat.host import Approval, Location, View, asked, unapproved
from or_magic.chat.reenter import wait_for
from or_magic.errors import ToolError
from or_magic.jupyter.kernel import ShellLocation, run_in_main, running_loop
from or_magic.text import strip_terminal

if TYPE_CHECKING:
    from or_magic.answer import Answer
    from or_magic.types import ToolRun

T = TypeVar("T")


class ShellHost:
    """One IPython shell as a host. Which front end asks is looked up for each question: several may share a kernel."""

    def __init__(self, shell: InteractiveShell) -> None:
        self.location = ShellLocation(shell)
        self._shell = shell
        self._offered_in: str | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def is_watched(self) -> bool:
        """Whether the process stays when the cell has ended; a headless run's kernel is shut down after the last."""
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
        from or_magic.jupyter.views import shown_while

        with shown_while(line):
            yield

    def approve(self, name: str, call: str, *, can_be_always: bool) -> Approval:
        """Asks the user, where one is there to answer."""
        if self.location.front_end() == "headless" or threading.current_thread() is not threading.main_thread():
            raise ToolError(unapproved(name))
        return asked(input, call, can_be_always=can_be_always)

    def show_tool(self, run: ToolRun) -> None:
        """What a tool gave, below what it has printed: a line, and the rest folded away."""
        if self.location.front_end() == "terminal":
            from or_magic.jupyter.html.answers import tool_line

            print(strip_terminal(tool_line(run)))
            return
        from or_magic.jupyter.views import show_tool

        show_tool(run, times=self.location.front_end() != "headless")

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
        from or_magic.jupyter.views import show_code

        show_code(code, language)

    def open_view(self, answer: Answer, *, in_background: bool = False, is_live: bool = True) -> View:
        """The view that fits the front end."""
        front_end = self.location.front_end()
        if front_end == "terminal":
            from or_magic.terminal import LateTerminalView, TerminalView

            is_late = in_background or not is_live
            return LateTerminalView(sys.stdout) if is_late else TerminalView(sys.stdout)
        from or_magic.jupyter.live import LiveView
        from or_magic.jupyter.views import CellDisplay, HeadlessView

        if in_background:
            self._loop = running_loop()  # of the cell that asks: where the extension is loaded none may run yet
        # What arrives in the background needs its place in the page before its cell ends.
        is_drawn = front_end == "display" and (is_live or in_background)
        return LiveView(answer, CellDisplay()) if is_drawn else HeadlessView(answer)
