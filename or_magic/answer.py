"""What a question returns: the answer, while it arrives and after.

One thread absorbs events; any thread may read, and sees whole pieces.
"""

from __future__ import annotations

import threading
import time
from decimal import Decimal

from or_magic.messages import (
    Began,
    CostSource,
    Ending,
    Event,
    Finished,
    Message,
    Part,
    ReasoningDelta,
    ReasoningPart,
    TextDelta,
    TextPart,
    Usage,
    UsageReported,
)
from or_magic.money import usd


class Answer:
    """A model's answer. ``print(answer)`` shows its text.

    Attributes:
        model_asked: the model id that was asked for; None where none was sent (the account's default).
        model: the model that answered, as the service names it; "" until it is known.
        provider: the provider that served it; "" until it is known.
        id: the service's generation id; "" until it is known.
        usage: tokens and cost as the service counted them; None until it told.
        cost_source: where `cost` comes from: ``"reported"`` by the answer itself, or None where it is not known.
        finish_reason: ``"stop"``, ``"length"``, ``"content_filter"``, ...; None until the model ended.
        seconds_to_first_token: from sending to the first piece of text or reasoning; None before it.
        seconds: from sending to the end; None before it.
        ending: ``"complete"``, ``"stopped"`` or ``"failed"``; None while the answer still arrives.
        error: the one-line reason of a failure, else None.
    """

    def __init__(self, *, model_asked: str | None) -> None:
        self.model_asked = model_asked
        self.model = ""
        self.provider = ""
        self.id = ""
        self.usage: Usage | None = None
        self.finish_reason: str | None = None
        self.seconds_to_first_token: float | None = None
        self.seconds: float | None = None
        self.ending: Ending | None = None
        self.error: str | None = None
        self._text = _Pieces()
        self._reasoning = _Pieces()
        self._sent_at = time.monotonic()
        self._done = threading.Event()

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
        return "reported" if self.cost is not None else None

    @property
    def done(self) -> bool:
        """Whether nothing more will come."""
        return self._done.is_set()

    def wait(self, timeout_s: float | None = None) -> Answer:
        """Waits until the answer is whole (or `timeout_s` has passed) and returns it."""
        self._done.wait(timeout_s)
        return self

    @property
    def message(self) -> Message:
        """The answer as a message of a conversation: its reasoning, if any, then its text."""
        thoughts: tuple[Part, ...] = (ReasoningPart(self.reasoning),) if self.reasoning else ()
        return Message("assistant", (*thoughts, TextPart(self.text)))

    def mark_sent(self) -> None:
        """The request goes out now; times count from here."""
        self._sent_at = time.monotonic()

    def absorb(self, event: Event) -> None:
        """Takes the next event of the stream into account."""
        match event:
            case TextDelta(text):
                self._text.append(text)
                self._note_first_token()
            case ReasoningDelta(text):
                self._reasoning.append(text)
                self._note_first_token()
            case Began(generation_id, model, provider):
                self.id = generation_id or self.id
                self.model = model or self.model
                self.provider = provider or self.provider
            case Finished(reason):
                self.finish_reason = reason
            case UsageReported(usage):
                self.usage = usage

    def finish(self, ending: Ending, error: str | None = None) -> None:
        """Marks that nothing more will come, and why."""
        self.seconds = time.monotonic() - self._sent_at
        self.ending, self.error = ending, error
        self._done.set()

    def _note_first_token(self) -> None:
        if self.seconds_to_first_token is None:
            self.seconds_to_first_token = time.monotonic() - self._sent_at

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        mark = "" if self.ending == "complete" else f" [{self.ending or 'still arriving'}]"
        return f"{self.text}{mark}"


class _Pieces:
    """Text that grows by pieces, appended by one thread and read as a whole by any."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._joining = threading.Lock()

    def append(self, piece: str) -> None:
        self._pieces.append(piece)

    def joined(self) -> str:
        """The whole so far; collapses the pieces, so that reading often costs nothing."""
        with self._joining:
            count = len(self._pieces)
            if count > 1:
                # One slice assignment: a piece that is appended meanwhile stays behind it.
                self._pieces[:count] = ["".join(self._pieces[:count])]
            return self._pieces[0] if count else ""
