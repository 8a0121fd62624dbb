"""One question from its first word to its record: sent, shown as it arrives, stopped or failed, and kept."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from or_magic.answer import Answer
from or_magic.asking.content.acceptance import fitting
from or_magic.asking.estimates import answer_tokens, bytes_per_token
from or_magic.asking.estimates import cost as estimated_cost
from or_magic.asking.history import Sent, check_length, compose_messages, goes_on
from or_magic.asking.host import Bill, Host, ScriptHost, View
from or_magic.asking.reconciling import reconcile
from or_magic.asking.replaying import Choice, events_of
from or_magic.errors import CommandError, ModelNotFoundError, OrMagicError, ServiceError, Stopped, StoreError
from or_magic.ledger.records import NewTurn, Opened, Placed
from or_magic.ledger.records import Turn as KeptTurn
from or_magic.ledger.spending import Spending
from or_magic.messages import Ending, Message, TextDelta, Usage, UsageReported
from or_magic.money import format_usd
from or_magic.openrouter import background
from or_magic.settings import LOOPBACK

if TYPE_CHECKING:
    from or_magic.asking.question import Question
    from or_magic.asking.session import Session
    from or_magic.asking.turn import Turn
    from or_magic.openrouter.client import Client


_BUDGET_NAMES = {"notebook": "", "day": "today", "thread": "thread", "all": "all today"}


class Ask:
    """One question under way: its turn in the store, its request on the wire, its view on the screen.

    Attributes:
        answer: what has arrived.
        client: what it is asked by; None where a kept answer is given again.
        turn_id: its id in the store.
        is_in_background: whether nobody waits for it.
        after: the one in the background that it follows; None where it follows none.
        newest: the answer of the last one that followed it; its own where none did.
    """

    def __init__(self, session: Session, question: Question, choose: Choice, *, show: bool) -> None:
        self._session = session
        self._question = question
        self._place = session.host.where()
        self._service = session.service
        self._ledger = session.ledger
        self._headers = session.attribution() | dict(question.composed.headers)
        self.answer = Answer(model_asked=question.composed.model)
        self._body = question.composed.body
        self._choose = choose
        self._kept: KeptTurn | None = None
        self.client: Client | None = None
        self.answer.notes, self.answer.parameters = question.notes, question.shareable
        self.answer.steps, self.answer.runs = question.steps, question.runs
        self.answer.format, shape = question.form.shown_as, question.form.shape
        self.answer.read = shape.read if shape is not None else None
        self.turn_id = self._open_turn()
        self.answer.turn_id = self.turn_id
        self._host: Host = session.host if show else ScriptHost()
        self._turn: Turn | None = None
        self._replayed = ""
        self._is_stopped = threading.Event()
        self.is_in_background = False
        self.after: Ask | None = None
        self.newest = self.answer

    @property
    def can_run_in_background(self) -> bool:
        """Whether somebody watches, so that it may go on after its cell."""
        return self._host.is_watched()

    def _open_turn(self) -> int:
        """Writes the question down, once it is known that what would be sent is not too long."""
        question, settings = self._question, self._session.settings
        turn = question.turn(self._place, self._service, self._session.run)
        self._asked = turn
        foreseen = self._ledger.foresee(turn)
        sent, _ = self._composed(foreseen)
        if settings.option_value("context_check"):
            note = check_length(sent, turn.model_asked, question.composed.body, self._session.models)
            self.answer.notes += (note,) if note else ()
        key, self._kept = self._choose(turn, (*sent.messages, *self._prefill))
        turn = replace(turn, prompt_bytes=sent.bytes, request_hash=key)
        if self._kept is not None:
            opened = self._ledger.open_turn(replace(turn, replayed_from=self._kept.id))
        else:
            self.client = self._session.client()
            opened = self._opened(turn, sent, foreseen.thread_id)
        sent, note = self._composed(opened.placed)
        self.answer.notes += (note,) if note else ()
        self._sent, self.answer.history = sent, sent.history
        self.answer.thread_id = opened.thread_id
        if self._session.host.is_watched() and (note := goes_on(opened.placed, turn.run)):
            self.answer.notes += (note,)
        return opened.id

    def _opened(self, turn: NewTurn, sent: Sent, thread_id: int | None) -> Opened:
        """Writes the question down; under a budget, with what it may cost at most held back."""
        session, question = self._session, self._question
        budgeting = session.budgeting(question.max_cost)
        if question.is_over_budget or not budgeting.limits(turn, thread_id):
            return self._ledger.open_turn(turn)
        wait_s = float(session.settings.option_value("budget_wait"))
        opened, allowed = budgeting.open(turn, (*sent.messages, *self._prefill), thread_id, wait_s)
        self._body = allowed.body
        self.answer.notes += (allowed.note,) if allowed.note else ()
        return opened

    def _composed(self, placed: Placed) -> tuple[Sent, str]:
        """What is sent, and what is to be said of it."""
        question, model = self._question, self._question.composed.model
        sent = compose_messages(placed, question.system, question.prompt, self._service, model, question.earlier)
        return fitting(sent, model, self._session.models)

    @property
    def _prefill(self) -> tuple[Message, ...]:
        """The beginning of the answer, which a model that goes on is given as its own words."""
        begun = self._question.begun
        return (Message.of_text("assistant", begun),) if begun else ()

    def _replay(self, kept: KeptTurn, view: View) -> None:
        """Shows a kept answer; nothing is sent."""
        self.answer.replayed_utc = kept.started_utc
        self.answer.saved_pico_usd = kept.usage.cost_pico_usd if kept.usage else None
        self._replayed = self._session.replayer.note(self._question, kept)
        if kept.between or self._body.get("tools") or self._body.get("plugins"):
            self.answer.notes += ("Its tools were not run again.",)
        for event in events_of(kept, self._question.begun):
            self.answer.absorb(event)
            view.show(event)

    def _send(self, client: Client) -> Turn:
        from or_magic.asking.turn import Turn
        from or_magic.openrouter.requests import ChatRequest

        request = ChatRequest(
            messages=(*self._sent.messages, *self._prefill),
            model=self.answer.model_asked,
            parameters=self._body,
            headers=self._headers,
            asks_for_usage=not client.endpoint.counts_unasked,
        )
        self.answer.mark_sent()
        return Turn(client, request, self.answer, self._checkpoint)

    def follow(self) -> None:
        """Shows the answer as it arrives, to its end, and leaves it finished in the store and on the screen.

        Raises:
            ServiceError: it failed.
            Stopped: the user interrupted, or stopped it.
        """
        self._follow(None)

    def follow_in_background(self, at_end: Callable[[], object]) -> None:
        """The same in a thread of its own. How it ended is in the answer, and below it on the screen.

        Args:
            at_end: called in that thread when it has ended, however.
        """
        self.is_in_background = True
        try:
            view = self._open_view()  # here, where it is known which cell asks
        except BaseException:
            self._finish(None, "failed", "it could not be shown")
            at_end()
            raise

        def run() -> None:
            try:
                self._follow(view)
            except (OrMagicError, Stopped):
                pass  # told in the answer
            finally:
                at_end()

        # In a copy of this cell's context: what is drawn belongs to it.
        context = contextvars.copy_context()
        threading.Thread(target=context.run, args=(run,), name=f"or_magic turn {self.turn_id}", daemon=True).start()

    @property
    def is_stopped(self) -> bool:
        """Whether it was stopped from another thread."""
        return self._is_stopped.is_set()

    def come_after(self, first: Ask) -> None:
        """It follows another one in the background, which is stopped and waited for together with it."""
        self.is_in_background, self.after, first.newest = True, first, self.answer
        if first.is_stopped:
            self.stop()

    def stop(self) -> None:
        """Ends it, and what follows it, from another thread; what had arrived is kept."""
        self._is_stopped.set()
        self._stop()
        for step in self._session.steps_after(self):
            step.stop()

    def _open_view(self) -> View:
        view = self._host.open_view(
            self.answer,
            in_background=self.is_in_background,
            is_live=bool(self._session.settings.option_value("live")),
        )
        if self._question.begun:
            begun = TextDelta(self._question.begun)
            self.answer.absorb(begun)
            view.show(begun)
        return view

    def _follow(self, view: View | None) -> None:
        ending: Ending = "failed"
        error: str | None = None
        try:
            view = view or self._open_view()
            if self._kept is not None:
                self._replay(self._kept, view)
            elif self.client is not None:
                self._turn = self._send(self.client)
            for event in self._turn.events() if self._turn is not None else ():
                view.rest() if event is None else view.show(event)
                if self._is_stopped.is_set():
                    raise KeyboardInterrupt
            if self._is_stopped.is_set():
                raise KeyboardInterrupt
            ending = "complete"
        except KeyboardInterrupt:
            self._stop()  # first, so that the line counts all that came
            ending, error = "stopped", "stopped by the user"
            self._estimate()
            raise Stopped(stopped_line(self.answer)) from None
        except Exception as failure:
            if isinstance(failure, ModelNotFoundError):
                self._session.models.with_nearest(failure, self.answer.model_asked)
            error = str(failure)
            is_free = isinstance(failure, CommandError) or (
                isinstance(failure, ServiceError) and not failure.may_be_charged
            )
            if is_free and not self.answer.may_be_billed_twice:
                self.answer.absorb(UsageReported(Usage(cost_pico_usd=0)))
            self._estimate()
            raise
        finally:
            self._stop()
            if self.is_in_background and error is not None:
                self.answer.notes = (*self.answer.notes, f"{ending.capitalize()}: {error}")
            self._finish(view, ending, error)
            self._reconcile(view)

    def _reconcile(self, view: View | None) -> None:
        """Asks what it cost, where the answer did not tell; the footer and the store are put right in place."""
        if self.answer.cost is not None or self.client is None:
            return

        spending = Spending(self._ledger)

        def record(usage: Usage) -> None:
            spending.reconcile(self.turn_id, usage)
            self.answer.reconcile(usage)
            if view is not None:
                view.amend(self.answer, self._bill(None))
            self._session.tell_watchers()

        reconcile(self.client, self.answer.id, record, functools.partial(spending.release, self.turn_id))

    def _estimate(self) -> None:
        """About what it cost, where the service did not tell: the catalogue's price for about so many tokens."""
        answer = self.answer
        id = answer.model or answer.model_asked
        if answer.cost is not None or id is None or not (answer.text or answer.reasoning):
            return
        if (model := self._session.models.at_hand(id)) is not None:
            ratio = bytes_per_token(self._ledger, self._service, answer.model_asked, model.tokenizer)
            answer.estimated_pico_usd = estimated_cost(model, self._sent.tokens, answer_tokens(answer, ratio))

    def abandon(self) -> None:
        """The process ends while the answer arrives."""
        self._stop()
        self._record("stopped", "the process ended")

    def _stop(self) -> None:
        if self._turn is not None:
            self._turn.stop()

    def _finish(self, view: View | None, ending: Ending, error: str | None) -> None:
        self.answer.finish(ending, error)
        trouble: StoreError | None = None
        try:
            self._find_what_paid()
            self._record_uninterrupted(ending, error)
        except StoreError as failure:
            trouble = failure
        if view is not None:
            view.close(self.answer, self._bill(trouble))
        if trouble is not None:
            raise trouble

    def _find_what_paid(self) -> None:
        """A kept answer of the service costs nothing, unless a broken attempt of this very question made it."""
        source, spending = self.answer.cache_source_id, Spending(self._ledger)
        if source and self.answer.may_be_billed_twice and not spending.is_known(self._service, source):
            self.answer.take_over()

    def _record_uninterrupted(self, ending: Ending, error: str | None) -> None:
        # In a thread of its own: a second interrupt falls on this one and must not lose an answer that was paid for.
        recorded = background.submit(asyncio.to_thread(self._record, ending, error))
        while True:
            try:
                return recorded.result()
            except KeyboardInterrupt:
                continue

    def _record(self, ending: Ending, error: str | None) -> None:
        from or_magic.ledger.records import Progress

        self._ledger.finish_turn(self.turn_id, Progress.of(self.answer), ending, error)

    def _checkpoint(self) -> None:
        from or_magic.ledger.records import Progress

        self._ledger.checkpoint(self.turn_id, Progress.of(self.answer))

    def _bill(self, trouble: StoreError | None) -> Bill:
        hint = ""
        if self._question.model_is_default:
            hint = f"asked {self.answer.model_asked} (%openrouter model ID sets another)"
        if trouble is not None:
            return Bill(self._place.purse_name, spent_pico_usd=None, hint=str(trouble))
        footer = str(self._session.settings.option_value("footer"))
        if footer == "full" and self.answer.calls and self._question.belt.tools.functions:
            footer = "brief"  # steps follow it
        spent = self._ledger.spent(self._place.purse, self._service)
        name = "sandbox" if is_rehearsal(self._service, self.answer) else self._place.purse_name
        hint = hint if spent.turns == 1 else ""
        return Bill(name, spent.pico_usd, spent.unknown, self._standings(), hint, footer, self._replayed)

    def _standings(self) -> tuple[tuple[str, int, int], ...]:
        """The budgets that are set, as the footer tells them."""
        standings = self._session.budgeting().standings(self._asked, self.answer.thread_id)
        return tuple((_BUDGET_NAMES[each.limit.scope], each.spent, each.limit.pico_usd) for each in standings)


def is_rehearsal(service: str, answer: Answer) -> bool:
    """Whether the answer came from the sandbox, whose money is not real: it says so, and is on this machine."""
    names = f"{answer.provider} {answer.model} {answer.model_asked}"
    return urlsplit(service).hostname in LOOPBACK and "sandbox" in names.lower()


def stopped_line(answer: Answer) -> str:
    """What is said of an answer that the user stopped."""
    if not answer.text and not answer.reasoning:
        return "Stopped before any text came. It may have been charged all the same."
    cost = f", ~{format_usd(answer.estimated_pico_usd)}" if answer.estimated_pico_usd is not None else ""
    tokens = f"about {answer.about_tokens:,} tokens"
    return f"Stopped after {tokens}{cost}. Kept in _answer. %openrouter continue goes on."
