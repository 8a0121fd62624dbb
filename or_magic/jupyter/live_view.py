"""Draws an answer while it arrives: events become frames, and an outlet puts them on the screen."""

from __future__ import annotations

import time
import uuid
from typing import Protocol

from or_magic.answer import Answer
from or_magic.asking.host import Bill
from or_magic.jupyter.footer import footer_text
from or_magic.jupyter.live import Frame, LiveAnswer, Pacer
from or_magic.jupyter.whole import whole_html
from or_magic.messages import Event


class Outlet(Protocol):
    """Two places on the screen, one under the other. All HTML that it is given is safe."""

    def draw(self, frame: Frame) -> None:
        """Redraws what has changed, while the answer arrives."""

    def show_whole(self, answer: Answer, html: str) -> None:
        """The answer as it stays."""

    def show_footer(self, footer: str) -> None:
        """The line under it, of untrusted text; "" for none."""


class LiveView:
    """Shows one answer in an outlet, no faster than a page can follow."""

    def __init__(self, answer: Answer, outlet: Outlet) -> None:
        self._id = new_id()
        self._live = LiveAnswer(self._id, answer.model_asked or "the account's model")
        self._pacer = Pacer()
        self._outlet = outlet
        first = self._live.frame() or Frame()
        outlet.draw(first)
        self._pacer.drew(first, time.monotonic())

    def show(self, event: Event) -> None:
        """Takes the event into account and draws if a redraw is due."""
        self._live.feed(event, time.monotonic())
        self.rest()

    def rest(self) -> None:
        """Draws what has arrived, if a redraw is due."""
        now_s = time.monotonic()
        if self._pacer.is_due(now_s) and (frame := self._live.frame()) is not None:
            self._outlet.draw(frame)
            self._pacer.drew(frame, now_s)

    def close(self, answer: Answer, bill: Bill) -> None:
        """The answer moves up whole; the tail becomes the footer."""
        self._outlet.show_whole(answer, whole_html(answer, answer_id=self._id))
        self._outlet.show_footer(self.footer(answer, bill))

    def amend(self, answer: Answer, bill: Bill) -> None:
        """The footer with the cost that is known by now."""
        self._outlet.show_footer(self.footer(answer, bill))

    def footer(self, answer: Answer, bill: Bill) -> str:
        """The line under the answer, below those that tell how it was asked."""
        return footer_text(answer, bill)


def new_id() -> str:
    """Keeps the ids in the HTML of one answer apart from all others of the page."""
    return f"orm{uuid.uuid4().hex[:8]}"
