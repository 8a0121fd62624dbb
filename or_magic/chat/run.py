"""From a question to a recorded answer: compose, reserve, send, settle; then the next step, until there is none.

Two halves. `run_turn` is a coroutine of values and services for the background loop: a thousand of them can be under
way there at once. `Run` is what a cell does: in the thread that asked it follows one turn after the other, shows what
arrives, and carries out what the model calls, because a user's functions and screen belong to that thread.

Each step is a turn of its own in the ledger, whose prompt is what the tools gave: so each reserves under the budgets,
has its own exact cost, and is on disk when the next one begins.
"""

from __future__ import annotations

import asyncio
import contextvars
import queue
import threading
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from msgspec import structs

from or_magic.answer import Answer
from or_magic.chat.history import SentMessages, check_length, goes_on
from or_magic.chat.host import NOTHING_SENT, FooterData, Host, ScriptHost, View
from or_magic.chat.payment import Draft, End, Payment, record_unsent
from or_magic.chat.question import Question, TurnPosition, messages_of, next_step, second_try
from or_magic.chat.replay import Replayer, events_of
from or_magic.chat.tools import INTERRUPTED, REFUSED, Runner, failed
from or_magic.client import background
from or_magic.client.requests import ChatRequest
from or_magic.endpoint import LOOPBACK
from or_magic.errors import OrMagicError, SchemaError, Stopped, ToolError
from or_magic.ledger.records import HistorySlice, Settled
from or_magic.money import format_usd
from or_magic.types import Ending, Event, History, ImagePart, TextDelta, ToolCall, ToolResultPart, ToolRun

if TYPE_CHECKING:
    from or_magic.catalog.source import CatalogSource
    from or_magic.ledger.store import Ledger

_CLOSING_S = 2.0
_MOST_FAILURES = 3
_BUDGET_NAMES = {"notebook": "", "day": "today", "thread": "thread", "all": "all today"}


@dataclass(frozen=True, slots=True)
class RunServices:
    """What a question is run with, composed once for it by whoever asks.

    Attributes:
        ledger: that of the settings.
        models: the catalog of the service that is asked.
        run: names the session in the turns that it makes.
        replayer: which questions are answered from the ledger.
        approved: the code of tools whose calls the user has allowed for good; grows.
        next_position: where a question stands that follows one of the same cell.
        note_opened: told, in the thread that asked, that a turn is in the ledger now.
        tell_watchers: told, in any thread, that something has changed that others may show.
    """

    ledger: Ledger
    models: CatalogSource
    run: str
    replayer: Replayer
    approved: set[object]
    next_position: Callable[[TurnPosition], TurnPosition]
    note_opened: Callable[[Answer, Question], None]
    tell_watchers: Callable[[], None]


@dataclass(slots=True)
class Outcome:
    """What became of one turn.

    Attributes:
        answer: what arrived.
        payment: its turn and its money; None where nothing was written down.
        error: why it did not end well; None where it did.
        replayed: of an answer that was given again: how many there were, or how to ask anew; else "".
        document: what a request that is no part of a chat was answered with.
    """

    answer: Answer
    payment: Payment | None = None
    error: BaseException | None = None
    replayed: str = ""
    document: dict[str, Any] | None = None


class StopSignal:
    """Ends a turn from any thread, also one that has not begun yet; the first reason counts."""

    def __init__(self) -> None:
        self.end = End()
        self._is_set = False
        self._lock = threading.Lock()
        self._task: asyncio.Task[None] | None = None

    @property
    def is_set(self) -> bool:
        """Whether it is to end."""
        return self._is_set

    def set(self, ending: Ending = "stopped", reason: str = "stopped by the user") -> None:
        """Ends it."""
        with self._lock:
            if not self._is_set:
                self._is_set, self.end.ending, self.end.reason = True, ending, reason
            task = self._task
        if task is not None and not task.done():
            task.get_loop().call_soon_threadsafe(task.cancel)

    def watch(self, task: asyncio.Task[None]) -> None:
        """The task that is to be cancelled; called on its loop."""
        with self._lock:
            self._task = task
        if self._is_set:
            task.cancel()


def compose(question: Question, services: RunServices, when: str) -> Draft:
    """What is sent for a question: its messages with the earlier turns, or a kept answer instead. Changes nothing.

    Args:
        when: when a kept answer may stand for it, see `Replayer.choose`.

    Raises:
        CommandError: the model does not take what is in it.
        ContextLengthError: it is too long for the model.
        StoreError: the ledger cannot be read.
    """
    turn = question.turn(services.run)
    outlook = services.ledger.outlook(turn)
    sent, note = messages_of(question, outlook.history, services.models)
    notes = (note,) if note else ()
    if question.settings.options["context_check"]:
        warning = check_length(sent, turn.model_asked, question.composed.body, services.models)
        notes = (warning, *notes) if warning else notes
    key, kept = services.replayer.find(question, when, turn, (*sent.messages, *question.prefill))
    turn = structs.replace(turn, prompt_bytes=sent.bytes, request_hash=key)
    return Draft(turn, sent, notes, outlook.history, outlook.limits, kept)


async def run_turn(
    question: Question,
    services: RunServices,
    *,
    on_open: Callable[[Outcome], object] = lambda _: None,
    on_event: Callable[[Event], None] = lambda _: None,
    drawn: Callable[[], Awaitable[None]] | None = None,
    stop: StopSignal | None = None,
    wants_sums: bool = False,
    is_in_background: bool = False,
) -> Outcome:
    """Asks one question and waits for the end of its answer; it is in the ledger, however it ended.

    Args:
        on_open: called once the turn is in the ledger, before anything is sent.
        on_event: takes what arrives; called on the loop, must be quick.
        drawn: waits until what has arrived is shown: who stops it before then has stopped it.
        stop: ends it early.
        wants_sums: whether the sums of money after it are wanted.
        is_in_background: whether nobody waits for it, so that a failure is told in its notes.

    Returns:
        The outcome; why it did not end well is in it, not raised.
    """
    stop = stop or StopSignal()
    answer = _new_answer(question)
    outcome = Outcome(answer)

    document = question.document

    async def work() -> None:
        when = services.replayer.choose(question)
        payment = Payment(
            question,
            lambda: compose(question, services, when) if document is None else compose_document(question, services),
            answer,
            services,
            end=stop.end,
            wants_sums=wants_sums,
            is_in_background=is_in_background,
        )
        async with payment:
            outcome.payment = payment
            draft = await _placed(question, payment, services)
            on_open(outcome)
            if question.begun:
                begun = TextDelta(question.begun)
                answer.absorb(begun)
                on_event(begun)
            if document is not None:
                outcome.document = await payment.send_document(document)
            elif draft.kept is not None:
                await asyncio.to_thread(_give_again, question, draft, outcome, services, on_event)
            else:
                headers = question.composed.headers
                messages = (*draft.sent.messages, *question.prefill)
                request = ChatRequest(messages=messages, model=answer.model_asked, parameters={}, headers=headers)
                await payment.send(request, on_event)
            if drawn is not None:
                await drawn()

    task = asyncio.ensure_future(work())
    stop.watch(task)
    try:
        await task
    except asyncio.CancelledError:
        if not stop.is_set:
            raise
        outcome.error = Stopped(NOTHING_SENT if outcome.payment is None else stopped_line(answer))
    except Exception as error:  # whatever went wrong is raised in the thread that asked
        outcome.error = error
    return outcome


def compose_document(question: Question, services: RunServices) -> Draft:
    """What is sent for a question that is no part of a chat. Changes nothing.

    Raises:
        StoreError: the ledger cannot be read.
    """
    turn = question.turn(services.run)
    sent = SentMessages((question.prompt,), History(), 0, 0)
    return Draft(turn, sent, (), HistorySlice(), services.ledger.outlook(turn).limits)


def paid_document(question: Question, services: RunServices, job: Job) -> dict[str, Any]:
    """What a question's document is answered with, in one piece.

    It reserves, is sent and settles as each payment, as a turn of the question's kind.

    Args:
        job: what can be stopped of it.

    Raises:
        BudgetError: it may cost more than a budget has left, or nobody knows how much; nothing was sent.
        ServiceError: the service refused or failed.
        StoreError: it could not be written down; nothing was sent. Or its end could not.
        Stopped: it was stopped before it was answered; what it cost is asked for.
    """
    turn = RunningTurn(question, services, is_shown=False, is_in_background=False, holds=False)
    try:
        job.begin(turn)
        for _ in turn.items():
            continue
    except KeyboardInterrupt:
        turn.stop()
    outcome = turn.outcome()
    if (payment := outcome.payment) is not None:
        payment.ask_for_cost(services.tell_watchers)
        if payment.trouble is not None:
            raise payment.trouble
    if outcome.document is not None:  # also where it was to be stopped after that: it is paid for
        return outcome.document
    raise outcome.error or Stopped(NOTHING_SENT)


def _new_answer(question: Question) -> Answer:
    answer = Answer(model_asked=question.composed.model)
    answer.notes, answer.parameters = question.notes, question.shareable
    answer.steps, answer.runs = question.steps, question.runs
    answer.format, schema = question.answer_format.shown_as, question.answer_format.answer_schema
    answer.read = schema.read if schema is not None else None
    return answer


async def _placed(question: Question, payment: Payment, services: RunServices) -> Draft:
    """The draft as it stands in the ledger now: another question may have come between looking and writing."""
    answer, opened, draft = payment.answer, payment.opened, payment.draft
    if opened.history_slice is not draft.history:
        sent, note = await asyncio.to_thread(messages_of, question, opened.history_slice, services.models)
        draft = replace(draft, sent=sent, history=opened.history_slice, notes=(note,) if note else ())
        payment.draft = draft
    answer.notes += draft.notes
    answer.turn_id, answer.thread_id, answer.history = opened.id, opened.thread_id, draft.sent.history
    if question.is_watched and (note := goes_on(draft.history, services.run)):
        answer.notes += (note,)
    return draft


def _give_again(
    question: Question,
    draft: Draft,
    outcome: Outcome,
    services: RunServices,
    on_event: Callable[[Event], None],
) -> None:
    """Gives a kept answer; nothing is sent."""
    answer, kept = outcome.answer, draft.kept
    assert kept is not None
    answer.replayed_utc = kept.started_utc
    answer.saved_pico_usd = kept.usage.cost_pico_usd if kept.usage else None
    outcome.replayed = services.replayer.note(question, kept)
    body = question.composed.body
    if kept.between or body.get("tools") or body.get("plugins"):
        answer.notes += ("Its tools were not run again.",)
    for event in events_of(kept, question.begun):
        answer.absorb(event)
        on_event(event)


@dataclass(frozen=True, slots=True)
class _Mark:
    """A place in what arrives of a turn; `reached` is called when all before it is shown."""

    reached: Callable[[], object]
    is_end: bool = False


class RunningTurn:
    """A turn under way on the background loop, as the thread that asked sees it.

    Args:
        holds: whether waiting for its answer is to wait for the steps that follow it, too.
        The others are those of `run_turn`.
    """

    def __init__(
        self, question: Question, services: RunServices, *, is_shown: bool, is_in_background: bool, holds: bool
    ) -> None:
        self.question = question
        self._services, self._is_shown, self._is_in_background = services, is_shown, is_in_background
        self._holds = holds
        self._stop = StopSignal()
        self._items: queue.SimpleQueue[Event | Outcome | _Mark] = queue.SimpleQueue()
        self._opened: Outcome | None = None
        self._ended: Outcome | None = None
        self._has_ended = threading.Event()

    def start(self) -> None:
        """Begins: composes, reserves and sends, on the background loop."""
        background.submit(self._run())

    @property
    def is_stopping(self) -> bool:
        """Whether it was told to end."""
        return self._stop.is_set

    async def _run(self) -> None:
        try:
            self._ended = await run_turn(
                self.question,
                self._services,
                on_open=self._open,
                on_event=self._items.put if self._is_shown else _nothing,
                drawn=self._drawn if self._is_shown else None,
                stop=self._stop,
                wants_sums=self._is_shown,
                is_in_background=self._is_in_background,
            )
        finally:
            self._has_ended.set()
            self._items.put(_Mark(lambda: None, is_end=True))

    async def _drawn(self) -> None:
        loop, shown = asyncio.get_running_loop(), asyncio.Event()
        self._items.put(_Mark(lambda: loop.call_soon_threadsafe(shown.set)))
        await shown.wait()

    def _open(self, outcome: Outcome) -> None:
        if self._holds:
            outcome.answer.hold()
        self._opened = outcome
        self._items.put(outcome)

    def opened(self) -> Outcome | None:
        """Waits until the turn is in the ledger; None where it ended before."""
        for item in self.items():
            if isinstance(item, Outcome):
                return item
        return None

    def items(self, idle_s: float = 0.1) -> Iterator[Event | Outcome | None]:
        """What comes, as it comes: the opening, then events; None whenever nothing came for `idle_s`.

        The wait has a timeout because a bare one cannot be interrupted on Windows.
        """
        while True:
            try:
                item = self._items.get(timeout=idle_s)
            except queue.Empty:
                yield None
                continue
            if not isinstance(item, _Mark):
                yield item
                continue
            item.reached()
            if item.is_end:
                return

    def outcome(self) -> Outcome:
        """Waits for the end, however often the user interrupts: an answer that was paid for must not be lost."""
        while not self._has_ended.is_set():
            try:
                self._has_ended.wait()
            except KeyboardInterrupt:
                continue
        assert self._ended is not None, "the background loop ended"
        return self._ended

    def stop(self, ending: Ending = "stopped", reason: str = "stopped by the user") -> None:
        """Closes the connection and waits (at most two seconds) until the end is recorded."""
        self._stop.set(ending, reason)
        self._has_ended.wait(_CLOSING_S)

    def abandon(self) -> None:
        """The process ends while the answer arrives."""
        self.stop("stopped", "the process ended")
        if not self._has_ended.is_set() and self._opened is not None and self._opened.payment is not None:
            self._opened.payment.abandon()


class Job:
    """A question that is asked, with the steps that follow it; it can be stopped from any thread.

    Attributes:
        is_in_background: whether no cell waits for it.
    """

    def __init__(self) -> None:
        self.is_in_background = False
        self._answers: list[Answer] = []  # the first, and the newest of those behind it
        self._is_stopped = threading.Event()
        self._current: RunningTurn | None = None

    @property
    def has_begun(self) -> bool:
        """Whether its first step is in the ledger, so that it has an answer."""
        return bool(self._answers)

    @property
    def answer(self) -> Answer:
        """The answer of its first step."""
        return self._answers[0]

    @property
    def newest(self) -> Answer:
        """The answer of its newest step."""
        return self._answers[-1]

    @property
    def turn_id(self) -> int | None:
        """The turn of its first step."""
        return self.answer.turn_id

    @property
    def is_stopped(self) -> bool:
        """Whether it was stopped from another thread."""
        return self._is_stopped.is_set()

    def begin(self, turn: RunningTurn) -> None:
        """Its next step."""
        self._current = turn
        turn.start()
        if self.is_stopped:
            turn.stop()

    def take(self, answer: Answer) -> None:
        """Its next step is in the ledger."""
        self._answers = [*self._answers[:1], answer]

    def stop(self) -> None:
        """Ends it; what had arrived is kept."""
        self._is_stopped.set()
        if self._current is not None:
            self._current.stop()

    def abandon(self) -> None:
        """The process ends."""
        if self._current is not None:
            self._current.abandon()


class Run:
    """All steps of one question, followed in the thread that asked.

    Args:
        question: the first step.
        services: what it is run with.
        host: the place that asks.
        job: what can be stopped of it.
        show: whether the host shows what arrives.
    """

    def __init__(self, question: Question, services: RunServices, host: Host, job: Job, *, show: bool) -> None:
        self.job = job
        self._question, self._services, self._host, self._show = question, services, host, show
        self._screen: Host = host if show else ScriptHost()
        self._failures = 0
        self._runner = Runner(
            question.tool_settings.tools,
            host,
            is_told_yes=question.tool_settings.is_told_yes,
            always=services.approved,
            sees_images=self._sees_images(),
            in_background=job.is_in_background,
            check=self._check_stopped,
        )
        self._first: tuple[RunningTurn, View] | None = None

    @property
    def can_go_on_alone(self) -> bool:
        """Whether somebody watches, so that it may go on after its cell."""
        return self._screen.is_watched()

    def begin(self) -> Answer:
        """Begins the first step, and returns its answer once it is in the ledger.

        Raises:
            OrMagicError: nothing was sent.
            Stopped: the user interrupted before anything was sent.
        """
        self._first = self._begin(self._question)
        return self.job.answer

    def follow(self) -> Answer:
        """Follows the first step and all that come after it; the last answer.

        Raises:
            ServiceError: a step failed.
            ToolError: three calls failed in a row, there were too many steps, or nobody can be asked.
            SchemaError: neither the answer nor the second one fits its schema.
            Stopped: the user interrupted, or stopped it.
        """
        answer = self.follow_one()
        if self._question.tool_settings.tools.functions:
            answer = self._follow_tools(answer)
        return answer if self._question.answer_format.answer_schema is None else self._fit_schema(answer)

    def follow_one(self) -> Answer:
        """Follows the first step alone; its answer.

        Raises:
            ServiceError: it failed.
            Stopped: the user interrupted, or stopped it.
        """
        assert self._first is not None, "not begun"
        return self._follow(*self._first)

    def follow_in_background(self, at_end: Callable[[Answer], object]) -> None:
        """Follows it in a thread of its own. How it ended is in the last answer, and below it on the screen.

        Args:
            at_end: called in that thread with the last answer.
        """

        def follow() -> None:
            last = self.job.newest
            try:
                last = self.follow()
            except (Exception, Stopped) as error:  # it would be lost with the thread
                last = self.job.newest
                last.error = last.error or str(error)
            finally:
                at_end(last)

        # In a copy of this cell's context: what is drawn belongs to it.
        context = contextvars.copy_context()
        name = f"or_magic turn {self.job.turn_id}"
        threading.Thread(target=context.run, args=(follow,), name=name, daemon=True).start()

    def _ask(self, question: Question) -> Answer:
        return self._follow(*self._begin(question))

    def _begin(self, question: Question) -> tuple[RunningTurn, View]:
        is_first = not self.job.has_begun
        turn = RunningTurn(
            question,
            self._services,
            is_shown=self._show,
            is_in_background=self.job.is_in_background,
            holds=is_first and self.job.is_in_background and question.may_have_more_steps,
        )
        try:
            self.job.begin(turn)
            opened = turn.opened()
            if opened is None:
                raise turn.outcome().error or Stopped(NOTHING_SENT)
            self._take(opened.answer, question)
            is_live = bool(question.settings.options["live"])
            view = self._screen.open_view(opened.answer, in_background=self.job.is_in_background, is_live=is_live)
        except Stopped:
            raise
        except KeyboardInterrupt:
            turn.stop()
            outcome = turn.outcome()
            if outcome.payment is not None:
                self._take(outcome.answer, question)
                raise Stopped(stopped_line(outcome.answer)) from None
            raise Stopped(NOTHING_SENT) from None
        except BaseException:
            turn.stop("failed", "it could not be shown")
            turn.outcome()
            raise
        return turn, view

    def _take(self, answer: Answer, question: Question) -> None:
        """A turn is in the ledger: its answer is the newest one."""
        if not self.job.has_begun or self.job.newest is not answer:
            self.job.take(answer)
            self._services.note_opened(answer, question)

    def _follow(self, turn: RunningTurn, view: View) -> Answer:
        """Shows what arrives to its end, and leaves it finished on the screen.

        Raises:
            ServiceError: it failed.
            Stopped: the user interrupted, or stopped it.
            StoreError: its end could not be recorded.
        """
        shown: BaseException | None = None
        try:
            for item in turn.items():
                if item is None:
                    view.rest()
                elif not isinstance(item, Outcome):
                    view.show(item)
                if turn.is_stopping:
                    break
        except KeyboardInterrupt:
            turn.stop()
        except Exception as error:  # of the front end
            turn.stop("failed", str(error))
            shown = error
        outcome = turn.outcome()
        payment = outcome.payment
        assert payment is not None
        view.close(outcome.answer, _footer_data(turn.question, outcome, payment.settled))
        payment.ask_for_cost(lambda: self._amend(turn.question, outcome, view))
        for failure in (payment.trouble, shown, outcome.error):
            if failure is not None:
                raise failure
        return outcome.answer

    def _amend(self, question: Question, outcome: Outcome, view: View) -> None:
        """What it cost is known by now."""
        if self._show and outcome.payment is not None:
            view.amend(outcome.answer, _footer_data(question, outcome, outcome.payment.sums_now()))
        self._services.tell_watchers()

    def _follow_tools(self, answer: Answer) -> Answer:
        """The last answer, which calls nothing any more; it knows the steps before it and all that was run."""
        question, most = self._question, self._question.tool_settings.max_steps
        while self._has_calls_to_answer(answer):
            if len(question.steps) + 1 >= most:
                raise ToolError(
                    f"The model wants to go on after {most} step{'s' if most > 1 else ''}. "
                    "--max-steps N allows more; what came so far is kept."
                )
            runs = self._run_calls(question, answer) if answer.replayed_utc is None else self._given(question, answer)
            question = next_step(question, answer, runs, self._services.next_position(question.position))
            before = self.job.newest
            try:
                answer = self._ask(question)
            except OrMagicError as error:
                if self.job.newest is before:  # nothing was opened for it: under a budget, or too long
                    record_unsent(question, self._services, str(error))
                raise
        return answer

    def _fit_schema(self, answer: Answer) -> Answer:
        """The answer; where it does not fit the schema, the one that is given to the error, asked for once."""
        try:
            answer.value  # noqa: B018  # read here, so that it is validated now
        except SchemaError as error:
            if answer.ending != "complete" or self.job.is_stopped:
                return answer
            position = self._services.next_position(self._question.position)
            answer = self._ask(second_try(self._question, answer, str(error.__context__), position))
            answer.value  # noqa: B018  # the second one is the last
        return answer

    def _has_calls_to_answer(self, answer: Answer) -> bool:
        if answer.ending != "complete" or not answer.calls:
            return False
        return answer.replayed_utc is None or bool(self._services.replayer.results_of(answer))

    def _given(self, question: Question, answer: Answer) -> list[ToolRun]:
        """What the tools gave when a kept answer was asked for; none of them is run."""
        parts = self._services.replayer.results_of(answer)
        texts = {part.call_id: part.text for part in parts if isinstance(part, ToolResultPart)}
        images = tuple(part for part in parts if isinstance(part, ImagePart))
        runs = [
            ToolRun(call.id, call.name, call.arguments, None, texts[call.id], note="given again, not run")
            for call in answer.calls
        ]
        runs[-1] = replace(runs[-1], images=images)
        answer.runs = (*question.runs, *runs)
        for run in runs if self._show else ():
            self._host.show_tool(run)
        return runs

    def _run_calls(self, question: Question, answer: Answer) -> list[ToolRun]:
        """Runs the calls of an answer, in their order; what was run is in the answer, however that ends."""
        runs: list[ToolRun] = []
        try:
            for call in answer.calls:
                self._check_stopped()
                runs.append(self._run_call(call))
                answer.runs = (*question.runs, *runs)
                if self._show:
                    self._host.show_tool(runs[-1])
                if runs[-1].error == INTERRUPTED:
                    raise Stopped("A tool was interrupted. What was done is kept in _answer.tool_calls.")
                self._failures = self._failures + 1 if runs[-1].error not in ("", REFUSED) else 0
                self._check_stopped()
                if self._failures >= _MOST_FAILURES:
                    raise ToolError(f"{_MOST_FAILURES} calls in a row failed, the last one so: {runs[-1].error}")
        except (Stopped, ToolError) as error:
            if runs:
                position = self._services.next_position(question.position)
                record_unsent(next_step(question, answer, runs, position), self._services, str(error))
            raise
        return runs

    def _run_call(self, call: ToolCall) -> ToolRun:
        try:
            return self._runner.run(call)
        except Stopped:
            raise
        except KeyboardInterrupt:
            return failed(call, call.arguments, INTERRUPTED)

    def _check_stopped(self) -> None:
        if self.job.is_stopped:
            raise Stopped("%openrouter stop ended it. What was done is kept in _answer.tool_calls.")

    def _sees_images(self) -> bool:
        if not self._question.tool_settings.tools.functions:
            return False
        id = self._question.composed.model
        known = self._services.models.stored(id) if id is not None else None
        return known is not None and known.takes_images


def _footer_data(question: Question, outcome: Outcome, settled: Settled | None) -> FooterData:
    """What the footer says beside the answer's own cost."""
    answer, payment = outcome.answer, outcome.payment
    hint = f"asked {answer.model_asked} (%openrouter model ID sets another)" if question.model_is_default else ""
    name = question.location.budget_scope_name
    if payment is not None and payment.trouble is not None:
        return FooterData(name, spent_pico_usd=None, hint=str(payment.trouble))
    if settled is None:
        return FooterData(name, spent_pico_usd=None)
    footer = str(question.settings.options["footer"])
    if footer == "full" and answer.calls and question.tool_settings.tools.functions:
        footer = "brief"  # steps follow it
    budgets = tuple(
        (_BUDGET_NAMES[each.limit.scope], each.spent, each.limit.pico_usd)
        for each in settled.states
        if each.limit.scope in _BUDGET_NAMES
    )
    return FooterData(
        "sandbox" if is_rehearsal(question.settings.service, answer) else name,
        settled.spent.pico_usd,
        settled.spent.unknown,
        budgets,
        hint if settled.spent.turns == 1 else "",
        footer,
        outcome.replayed,
    )


def _nothing(event: Event) -> None:
    """Nobody sees what arrives: the answer has it."""


def is_rehearsal(service: str, answer: Answer) -> bool:
    """Whether the answer came from the sandbox, whose money is not real: it says so, and is on this machine."""
    names = f"{answer.provider} {answer.model} {answer.model_asked}"
    return urlsplit(service).hostname in LOOPBACK and "sandbox" in names.lower()


def stopped_line(answer: Answer) -> str:
    """The line about an answer that the user stopped."""
    if not answer.text and not answer.reasoning:
        return "Stopped before any text came. It may have been charged all the same."
    cost = f", ~{format_usd(answer.estimated_pico_usd)}" if answer.estimated_pico_usd is not None else ""
    tokens = f"about {answer.about_tokens:,} tokens"
    return f"Stopped after {tokens}{cost}. Kept in _answer. %openrouter continue goes on."
