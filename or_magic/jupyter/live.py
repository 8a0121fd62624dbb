"""An answer while it arrives: events become frames, which a display puts on the screen.

An answer is shown as two outputs: the *answer* and, under it, the *tail*. Arriving text goes into the tail, which is
small and so cheap to redraw; when it has grown past a fifth of the answer, its finished blocks move up. Each move
redraws the whole answer, but moves come at sizes that grow geometrically, so that all redraws together stay a
constant times the text, where a redraw per token is its square. A redraw's bytes are paid off at a fixed rate before
the next one, so that no page is ever flooded, whatever the model's pace.

A block of code, a list, a table or a paragraph may grow to any length before it is known to be finished. While it
streams, its beginning is moved up as a block of its own; when the answer is whole it is shown as the one block it is.

What turns Markdown into HTML takes a while to be imported. It is not needed before the first word has come, so it is
imported by a thread while the question is on its way.
"""

from __future__ import annotations

import functools
import re
import threading
import time
import uuid
from dataclasses import dataclass
from typing import Protocol

from or_magic.answer import Answer
from or_magic.chat.footer import footer_text, waiting_text
from or_magic.chat.host import FooterData
from or_magic.text import escape_text
from or_magic.types import Began, Event, ReasoningDelta, TextDelta, ToolCall, ToolCallDelta, ToolCalls, Waiting

SMALLEST_MOVE = 2048  # characters
MOVE_FRACTION = 5
LARGEST_BLOCK = 6_000  # characters of one block that has no end yet
BYTES_PER_S = 45_000
SHORTEST_PAUSE_S = 1 / 12
LONGEST_PAUSE_S = 0.3
ENVELOPE_BYTES = 1_100  # what a Jupyter message weighs without its content
_FENCE = re.compile(r" {0,3}(?P<mark>`{3,}|~{3,})[^\n`]*\n")
_ITEM = re.compile(r"^ {0,3}(?:[-*+]|\d{1,9}[.)])[ \t]", re.MULTILINE)
_TABLE = re.compile(r"(?P<head>[^\n]*\|[^\n]*\n[ \t]*\|?[ \t:|-]*-[ \t:|-]*\n)")
_KEPT = 200  # characters at the end of a block that stay: its last word, its last row, may still change


class AnswerDisplay(Protocol):
    """Two places on the screen, one under the other. All HTML that it is given is safe."""

    def draw(self, frame: Frame) -> None:
        """Redraws what has changed, while the answer arrives."""

    def show_whole(self, answer: Answer, html: str) -> None:
        """The answer as it stays."""

    def show_footer(self, footer: str) -> None:
        """The line under it, of untrusted text; "" for none."""


class LiveView:
    """Shows one answer on a display, no faster than a page can follow."""

    def __init__(self, answer: Answer, display_area: AnswerDisplay) -> None:
        self._id = new_id()
        self._live = LiveAnswer(self._id, answer.model_asked or "the account's model")
        self._pacer = Pacer()
        self._display_area = display_area
        first = self._live.frame() or Frame()
        display_area.draw(first)
        self._pacer.drew(first, time.monotonic())
        _import_soon()

    def show(self, event: Event) -> None:
        """Takes the event into account and draws if a redraw is due."""
        self._live.feed(event, time.monotonic())
        self.rest()

    def rest(self) -> None:
        """Draws what has arrived, if a redraw is due."""
        now_s = time.monotonic()
        if self._pacer.is_due(now_s) and (frame := self._live.frame()) is not None:
            self._display_area.draw(frame)
            self._pacer.drew(frame, now_s)

    def close(self, answer: Answer, footer_data: FooterData) -> None:
        """The answer moves up whole; the tail becomes the footer."""
        from or_magic.jupyter.html.answers import answer_html

        self._display_area.show_whole(answer, answer_html(answer, answer_id=self._id))
        self._display_area.show_footer(self.footer(answer, footer_data))

    def amend(self, answer: Answer, footer_data: FooterData) -> None:
        """The footer with the cost that is known by now."""
        self._display_area.show_footer(self.footer(answer, footer_data))

    def footer(self, answer: Answer, footer_data: FooterData) -> str:
        """The line under the answer, below those that tell how it was asked."""
        return footer_text(answer, footer_data)


@functools.cache
def _import_soon() -> None:
    """Once in a process: lets a thread import what draws Markdown."""
    threading.Thread(target=_import_markdown, name="or_magic import", daemon=True).start()


def _import_markdown() -> None:
    from or_magic.jupyter.html.markdown import render

    render("", answer_id="", streaming=True)  # comrak and nh3 are imported by it


def new_id() -> str:
    """Keeps the ids in the HTML of one answer apart from all others of the page."""
    return f"orm{uuid.uuid4().hex[:8]}"


def status_html(text: str) -> str:
    """Dim lines of untrusted text, as safe HTML."""
    lines = "<br>".join(map(escape_text, text.split("\n")))
    return f'<div class="orm orm-status mathjax_ignore">{lines}</div>'


class LiveAnswer:
    """The state of an answer on the screen while it arrives.

    Args:
        answer_id: makes the ids in its HTML its own.
        model: the model that was asked, for the line that waits.
    """

    def __init__(self, answer_id: str, model: str) -> None:
        self._answer_id = answer_id
        self._model = model
        self._committed = ""
        self._tail = ""
        self._arrived: list[str] = []
        self._thoughts: list[str] = []
        self._thinking_since: float | None = None
        self._head = ""  # what stands above the text: that it was thought, and for how long
        self._waiting = ""  # why nothing can be sent for now
        self._calling = ToolCalls()
        self._is_stale = True
        self._has_folded = False

    def feed(self, event: Event, now_s: float = 0.0) -> None:
        """Takes the next event, which came at this moment (any clock)."""
        match event:
            case TextDelta(text):
                self._fold_thoughts(now_s)
                self._arrived.append(text)
            case ReasoningDelta(text):
                self._thoughts.append(text)
                self._thinking_since = now_s if self._thinking_since is None else self._thinking_since
            case ToolCallDelta():
                self._fold_thoughts(now_s)
                self._calling.add(event)
            case Began(model=model) if model:
                self._model, self._waiting = model, ""
            case Waiting():
                self._waiting = waiting_text(event)
            case _:
                return
        self._is_stale = True

    def frame(self) -> Frame | None:
        """What is to be redrawn now; None where the screen is up to date."""
        if not self._is_stale:
            return None
        self._is_stale = False
        self._tail += "".join(self._arrived)
        self._arrived.clear()
        has_moved = self._move_up()
        has_folded, self._has_folded = self._has_folded, False
        answer = None
        if has_moved or has_folded:
            from or_magic.jupyter.html.markdown import render

            answer = self._head + (render(self._committed, answer_id=self._answer_id) if self._committed else "")
        return Frame(answer, self._tail_html())

    def _fold_thoughts(self, now_s: float) -> None:
        """The text begins: the thoughts so far become a line above it."""
        if self._thoughts and not self._head:
            from or_magic.jupyter.html.answers import thoughts_html

            seconds = now_s - (self._thinking_since or now_s)
            self._head = thoughts_html("".join(self._thoughts), seconds, answer_id=self._answer_id, is_whole=False)
            self._has_folded = True

    def _move_up(self) -> bool:
        """Moves the tail's finished blocks into the answer, where the tail has grown enough."""
        if len(self._tail) <= max(SMALLEST_MOVE, len(self._committed) // MOVE_FRACTION):
            return False
        from or_magic.jupyter.html.markdown import finished_length

        length = finished_length(self._tail)
        self._committed += self._tail[:length]
        self._tail = self._tail[length:]
        if len(self._tail) <= max(LARGEST_BLOCK, len(self._committed) // MOVE_FRACTION):
            return length > 0
        # A block that has no end yet: its beginning moves up by itself, until the answer is whole.
        head, self._tail = split(self._tail)
        if head and self._committed and not self._committed.endswith("\n\n"):
            self._committed += "\n" if self._committed.endswith("\n") else "\n\n"
        self._committed += head
        return length > 0 or bool(head)

    def _tail_html(self) -> str:
        calls = self._calling.whole()
        if self._tail or calls:
            return self._arriving_html(calls)
        if self._committed:
            return ""
        if self._waiting:
            return status_html(self._waiting)
        if self._thoughts:
            from or_magic.jupyter.html.answers import thinking_html

            self._thoughts = ["".join(self._thoughts)]
            return thinking_html(self._thoughts[0], self._model)
        return status_html(f"{self._model} …")

    def _arriving_html(self, calls: tuple[ToolCall, ...]) -> str:
        from or_magic.jupyter.html.answers import calls_html
        from or_magic.jupyter.html.markdown import render

        text = render(self._tail, answer_id=f"{self._answer_id}t", streaming=True) if self._tail else ""
        return text + calls_html(calls)


@dataclass(frozen=True, slots=True)
class Frame:
    """What is to be redrawn, as safe HTML; None leaves an output as it is."""

    answer: str | None = None
    tail: str | None = None

    @property
    def weight(self) -> int:
        """About how many bytes it takes to send."""
        return sum(
            len(html.encode("utf-8", "replace")) + ENVELOPE_BYTES
            for html in (self.answer, self.tail)
            if html is not None
        )


class Pacer:
    """Says when the next redraw is due: at most 12 a second, and no faster than `BYTES_PER_S` on the whole."""

    def __init__(self) -> None:
        self._debt = 0.0
        self._drawn_at = 0.0
        self._due_at = 0.0

    def is_due(self, now_s: float) -> bool:
        """Whether a redraw may be made now."""
        return now_s >= self._due_at

    def drew(self, frame: Frame, now_s: float) -> None:
        """Notes a redraw. A large one's debt is spread over those that follow, so that the text never stands still."""
        self._debt = max(0.0, self._debt - (now_s - self._drawn_at) * BYTES_PER_S) + frame.weight
        self._drawn_at = now_s
        of_tail = len(frame.tail or "") / BYTES_PER_S
        longest = max(LONGEST_PAUSE_S, of_tail)
        self._due_at = now_s + min(max(self._debt / BYTES_PER_S, SHORTEST_PAUSE_S), longest)


def split(block: str) -> tuple[str, str]:
    """The beginning as a Markdown text of its own, and one of what remains; ("", block) where it is better left whole.

    Args:
        block: Markdown of one block that still grows.
    """
    limit = len(block) - _KEPT
    if limit <= 0:
        return "", block
    if (fence := _FENCE.match(block)) is not None:
        cut = block.rfind("\n", fence.end(), limit) + 1
        return _parts(block, cut, ends=fence["mark"] + "\n\n", begins=fence[0]) if cut > fence.end() else ("", block)
    if _ITEM.match(block):
        items = [item.start() for item in _ITEM.finditer(block, 1, limit)]
        return _parts(block, items[-1]) if items else ("", block)
    if (table := _TABLE.match(block)) is not None:
        cut = block.rfind("\n", table.end(), limit) + 1
        return _parts(block, cut, ends="\n", begins=table["head"]) if cut > table.end() else ("", block)
    return _split_paragraph(block, limit)


def _split_paragraph(block: str, limit: int) -> tuple[str, str]:
    cut = max(block.rfind(". ", 0, limit), block.rfind("\n", 0, limit)) + 1 or block.rfind(" ", 0, limit) + 1
    head = block[:cut]
    from or_magic.jupyter.html.source import close_open

    # An open mark, formula or link would be torn in two.
    is_torn = close_open(head) != head or head.count("$") % 2 == 1
    if cut <= 0 or "\n\n" in head or is_torn or not block[cut:].strip():
        return "", block
    return head.rstrip() + "\n\n", block[cut:].lstrip()


def _parts(block: str, cut: int, *, ends: str = "", begins: str = "") -> tuple[str, str]:
    return block[:cut] + ends, begins + block[cut:]
