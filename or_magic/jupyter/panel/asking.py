"""A question of the panel, asked in a thread of its own: made ready, sent, shown as it arrives, stopped."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from or_magic.answer import Answer
from or_magic.asking.forms import NO_FORM, Form
from or_magic.asking.tool_loop import NO_TOOLBELT, Toolbelt
from or_magic.content import Content
from or_magic.errors import BudgetError, MissingKeyError, OrMagicError, Stopped
from or_magic.jupyter.panel.hosting import PanelHost
from or_magic.jupyter.panel.items import ArrivingItem
from or_magic.ledger.records import Turn, TurnId
from or_magic.messages import Message

if TYPE_CHECKING:
    from or_magic.asking.session import Session


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be asked.

    Attributes:
        content: gives what is asked, in the thread that asks: converting values takes a while.
        form, belt: what the answer shall be, and the tools that may be called; given in that thread too.
        again: the turn whose place it takes; None for a new question.
        rest_of: the turn whose answer is to be gone on with; then nothing else counts.
    """

    content: Callable[[], Content] = lambda: Content(())
    form: Callable[[], Form] = lambda: NO_FORM
    belt: Callable[[], Toolbelt] = lambda: NO_TOOLBELT
    again: Turn | None = None
    rest_of: TurnId | None = None


class Asking:
    """One question of a panel.

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

    def begin(self, wish: Wish) -> None:
        """Asks; returns at once."""
        threading.Thread(target=self._ask, args=(wish,), name="or_magic panel question", daemon=True).start()

    def stop(self) -> None:
        """Ends it, from any thread; what had arrived is kept."""
        self._is_stopped.set()
        self.item.stop()
        for ask in self._session.jobs():
            if ask.answer is self._first:
                ask.stop()

    def _ask(self, wish: Wish) -> None:
        again = wish.again
        known = {"cell_id": again.cell_id, "ask_number": again.ask_number} if again is not None else {}
        try:
            with self._session.at(self._host(item=self.item, request=f"panel:{uuid.uuid4().hex}", **known)):
                self._first = self._send(wish)
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

    def _send(self, wish: Wish) -> Answer:
        late: dict[str, Any] = {"in_background": True, "on_last": self._end}
        if wish.rest_of is not None:
            return self._session.go_on(wish.rest_of, **late)
        content = wish.content()
        self.item.set_prompt(Message("user", content.parts))
        form, belt = wish.form(), wish.belt()
        if self._is_stopped.is_set():
            raise Stopped("Stopped before anything was sent. Nothing was charged.")
        replaces = wish.again.id if wish.again is not None else None
        return self._session.ask(content, form=form, belt=belt, replaces=replaces, replay="never", **late)


def line_of(error: BaseException) -> str:
    """An error as one line."""
    if isinstance(error, BudgetError):
        told = str(error).partition(" Ways on:")[0].replace("--over-budget asks all the same.", "").strip()
        return f"{told} Raise the budget below, take a cheaper model, or set max_tokens in Settings."
    if isinstance(error, MissingKeyError):
        return (
            f"{str(error).partition(', then run')[0]}, and give it to the ⋯ above, which can rehearse without one too."
        )
    if isinstance(error, (OrMagicError, Stopped)):
        return str(error)
    said = " ".join(str(error).split())
    return f"Something went wrong: {type(error).__name__}{f': {said}' if said else ''}"
