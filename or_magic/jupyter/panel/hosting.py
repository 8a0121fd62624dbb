"""The panel as a place where questions are asked: answers, approvals and what tools give are shown in an item of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeVar

from or_magic.answer import Answer
from or_magic.asking.content.blocks import fenced
from or_magic.asking.host import Approval, Place, View
from or_magic.asking.tool_runs import ToolRun
from or_magic.jupyter.hosts import ShellHost
from or_magic.jupyter.live_view import new_id
from or_magic.jupyter.main_thread import run_in_main
from or_magic.jupyter.markdown import render
from or_magic.jupyter.panel.items import ArrivingItem
from or_magic.jupyter.whole import tool_html
from or_magic.messages import Message

T = TypeVar("T")


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

    def where(self) -> Place:
        """The notebook, and the cell whose question is asked again."""
        place = self._shell.place.notebook(is_display=self._is_display)
        return replace(place, cell_id=self._cell_id, request=self._request, ask_number=self._ask_number)

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
