"""Events to frames: what is to be redrawn, and when. Draws nothing and reads no clock.

An answer is shown as two outputs: the *answer* and, under it, the *tail*. Arriving text goes into the tail, which is
small and so cheap to redraw; when it has grown past a fifth of the answer, its finished blocks move up. Each move
redraws the whole answer, but moves come at sizes that grow geometrically, so that all redraws together stay a
constant times the text, where a redraw per token is its square. A redraw's bytes are paid off at a fixed rate before
the next one, so that no page is ever flooded, whatever the model's pace.
"""

from __future__ import annotations

from dataclasses import dataclass

from or_magic.assembly import ToolCalls
from or_magic.jupyter.markdown import escape_text, finished_length, render
from or_magic.jupyter.splitting import split
from or_magic.jupyter.whole import calls_html, thinking_html, thoughts_html
from or_magic.messages import Began, Event, ReasoningDelta, TextDelta, ToolCallDelta, Waiting

SMALLEST_MOVE = 2048  # characters
MOVE_FRACTION = 5
LARGEST_BLOCK = 6_000  # characters of one block that has no end yet
BYTES_PER_S = 45_000
SHORTEST_PAUSE_S = 1 / 12
LONGEST_PAUSE_S = 0.3
ENVELOPE_BYTES = 1_100  # what a Jupyter message weighs without its content


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
            answer = self._head + (render(self._committed, answer_id=self._answer_id) if self._committed else "")
        return Frame(answer, self._tail_html())

    def _fold_thoughts(self, now_s: float) -> None:
        """The text begins: the thoughts so far become a line above it."""
        if self._thoughts and not self._head:
            seconds = now_s - (self._thinking_since or now_s)
            self._head = thoughts_html("".join(self._thoughts), seconds, answer_id=self._answer_id, is_whole=False)
            self._has_folded = True

    def _move_up(self) -> bool:
        """Moves the tail's finished blocks into the answer, where the tail has grown enough."""
        if len(self._tail) <= max(SMALLEST_MOVE, len(self._committed) // MOVE_FRACTION):
            return False
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
        calls = calls_html(self._calling.whole())
        if self._tail or calls:
            return (render(self._tail, answer_id=f"{self._answer_id}t", streaming=True) if self._tail else "") + calls
        if self._committed:
            return ""
        if self._waiting:
            return status_html(self._waiting)
        if self._thoughts:
            self._thoughts = ["".join(self._thoughts)]
            return thinking_html(self._thoughts[0], self._model)
        return status_html(f"{self._model} …")


def waiting_text(waiting: Waiting) -> str:
    """Why nothing can be sent for now, and what comes next, in one line of untrusted text."""
    if waiting.seconds is None:
        return f"{waiting.reason}; this one waits for its turn …"
    twice = " The attempt before may be billed as well." if waiting.may_be_billed_twice else ""
    when = f"in {waiting.seconds:.1f} s" if waiting.seconds else "now"
    return f"{waiting.reason}. Asked again {when} (attempt {waiting.attempt} of {waiting.attempts}).{twice}"


def status_html(text: str) -> str:
    """Dim lines of untrusted text, as safe HTML."""
    lines = "<br>".join(map(escape_text, text.split("\n")))
    return f'<div class="orm orm-status mathjax_ignore">{lines}</div>'
