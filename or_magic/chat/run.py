"""From a question to a recorded answer.

An answer that was stopped or broke off never told its price. Its generation id did come, and by that the service tells
tokens and price, exactly. Where it does not (another server, no record), the price stays unknown.

Knows no SQL: what is to be kept while the answer arrives goes to a callback, at most once a second.

Each step is a turn of its own in the ledger, whose prompt is what the tools gave: so each reserves under the budgets,
has its own exact cost, and is on disk when the next one begins.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import replace
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

from or_magic.answer import Answer
from or_magic.chat.estimates import answer_tokens, bytes_per_token
from or_magic.chat.estimates import cost as estimated_cost
from or_magic.chat.history import SentMessages, check_length, compose_messages, fitting, goes_on
from or_magic.chat.host import FooterData, Host, ScriptHost, View
from or_magic.chat.question import Question, TurnPosition
from or_magic.chat.replay import Choice, events_of
from or_magic.chat.tools import INTERRUPTED, REFUSED, Runner, failed
from or_magic.client import background
from or_magic.client.client import Client
from or_magic.client.requests import ChatRequest
from or_magic.endpoint import LOOPBACK
from or_magic.errors import (
    CommandError,
    ModelNotFoundError,
    OrMagicError,
    SchemaError,
    ServiceError,
    Stopped,
    StoreError,
    ToolError,
)
from or_magic.ledger.records import HistorySlice, NewTurn, Opened, Turn, TurnId
from or_magic.ledger.records import Turn as KeptTurn
from or_magic.ledger.spending import Spending
from or_magic.money import format_usd, pico_usd
from or_magic.settings.request_fields import Composed
from or_magic.types import (
    Ending,
    Event,
    Failed,
    ImagePart,
    Message,
    Part,
    TextDelta,
    ToolCall,
    ToolResultPart,
    ToolRun,
    Usage,
    UsageReported,
)

if TYPE_CHECKING:
    from or_magic.chat.session import Session
    from or_magic.client.account import Generation
    from or_magic.ledger.store import Ledger

_ID = "gen-"  # how the service's own ids begin


def reconcile(
    client: Client, generation_id: str, record: Callable[[Usage], None], give_up: Callable[[], None]
) -> Future[None] | None:
    """Asks for the record in the background, and hands what it tells to `record`, in another thread.

    None where there is nothing to ask for. Where nothing is told after some tries, it calls `give_up` instead.
    """
    if not generation_id.startswith(_ID):
        give_up()
        return None
    return background.submit(_ask(client, generation_id, record, give_up))


def settle_left(client: Client, ledger: Ledger, service: str, run: str) -> None:
    """The same for turns of other runs whose cost is not known: of kernels that were killed or shut down."""
    from or_magic.ledger.spending import Spending

    spending = Spending(ledger)
    for turn_id, generation_id in spending.unsettled(service, run):
        reconcile(
            client,
            generation_id,
            functools.partial(spending.reconcile, turn_id),
            functools.partial(spending.release, turn_id),
        )


async def _ask(
    client: Client, generation_id: str, record: Callable[[Usage], None], give_up: Callable[[], None]
) -> None:
    from or_magic.client.account import generation

    try:
        usage = _usage_of(await generation(client, generation_id))
        if usage.cost_pico_usd is not None:
            await asyncio.to_thread(record, usage)
            return
    except OrMagicError:
        pass  # the price stays unknown, as the footer says
    with contextlib.suppress(OrMagicError):
        await asyncio.to_thread(give_up)


def _usage_of(record: Generation) -> Usage:
    return Usage(
        prompt_tokens=record.prompt_tokens,
        completion_tokens=record.completion_tokens,
        cached_tokens=record.cached_tokens,
        reasoning_tokens=record.reasoning_tokens,
        cost_pico_usd=None if record.cost_usd is None else pico_usd(record.cost_usd),
        upstream_cost_pico_usd=None if record.upstream_cost_usd is None else pico_usd(record.upstream_cost_usd),
    )


_CHECKPOINT_S = 0.9  # so that, with the writing, what was shown a second ago is on disk
_CLOSING_S = 2.0
_END = None


class StreamedRequest:
    """A request under way.

    Args:
        checkpoint: called at most once a second, in a thread of its own, while text arrives.
    """

    def __init__(self, client: Client, request: ChatRequest, answer: Answer, checkpoint: Callable[[], None]) -> None:
        self._client, self._request, self._answer, self._checkpoint = client, request, answer, checkpoint
        self._arrived: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self._failure: Exception | None = None
        self._grown = False
        self._ended = threading.Event()
        self._future = background.submit(self._run())

    def events(self, idle_s: float = 0.1) -> Iterator[Event | None]:
        """The events as they arrive; None whenever nothing came for `idle_s`. Ends with the answer.

        The wait has a timeout because a bare one cannot be interrupted on Windows.

        Raises:
            ServiceError: the answer failed; all that came before was yielded.
        """
        while True:
            try:
                event = self._arrived.get(timeout=idle_s)
            except queue.Empty:
                yield None
                continue
            if event is _END:
                break
            yield event
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        """Closes the connection and waits (at most two seconds) until nothing more can arrive."""
        self._future.cancel()
        self._ended.wait(_CLOSING_S)

    async def _run(self) -> None:
        keeper = asyncio.ensure_future(self._keep())
        try:
            await self._client.stream(self._request, self._take)
        except Exception as error:  # whatever went wrong in the background is raised in the thread that asked
            self._failure = self._failure or error
        finally:
            keeper.cancel()
            self._ended.set()
            self._arrived.put(_END)

    def _take(self, event: Event) -> None:
        self._answer.absorb(event)
        self._grown = True
        if isinstance(event, Failed):
            self._failure = event.error
        self._arrived.put(event)

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(_CHECKPOINT_S)
            if self._grown:
                self._grown = False
                await asyncio.to_thread(self._checkpoint)


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
        self._location = session.host.where()
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
        self.answer.format, schema = question.answer_format.shown_as, question.answer_format.answer_schema
        self.answer.read = schema.read if schema is not None else None
        self.turn_id = self._open_turn()
        self.answer.turn_id = self.turn_id
        self._host: Host = session.host if show else ScriptHost()
        self._turn: StreamedRequest | None = None
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
        turn = question.turn(self._location, self._service, self._session.run)
        self._asked = turn
        preview = self._ledger.preview(turn)
        sent, _ = self._composed(preview)
        if settings.option_value("context_check"):
            note = check_length(sent, turn.model_asked, question.composed.body, self._session.models)
            self.answer.notes += (note,) if note else ()
        key, self._kept = self._choose(turn, (*sent.messages, *self._prefill))
        turn = replace(turn, prompt_bytes=sent.bytes, request_hash=key)
        if self._kept is not None:
            opened = self._ledger.open_turn(replace(turn, replayed_from=self._kept.id))
        else:
            self.client = self._session.client()
            opened = self._opened(turn, sent, preview.thread_id)
        sent, note = self._composed(opened.history_slice)
        self.answer.notes += (note,) if note else ()
        self._sent, self.answer.history = sent, sent.history
        self.answer.thread_id = opened.thread_id
        if self._session.host.is_watched() and (note := goes_on(opened.history_slice, turn.run)):
            self.answer.notes += (note,)
        return opened.id

    def _opened(self, turn: NewTurn, sent: SentMessages, thread_id: int | None) -> Opened:
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

    def _composed(self, history_slice: HistorySlice) -> tuple[SentMessages, str]:
        """What is sent, and what is to be said of it."""
        question, model = self._question, self._question.composed.model
        sent = compose_messages(history_slice, question.system, question.prompt, self._service, model, question.earlier)
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

    def _send(self, client: Client) -> StreamedRequest:
        from or_magic.client.requests import ChatRequest

        request = ChatRequest(
            messages=(*self._sent.messages, *self._prefill),
            model=self.answer.model_asked,
            parameters=self._body,
            headers=self._headers,
            asks_for_usage=not client.endpoint.counts_unasked,
        )
        self.answer.mark_sent()
        return StreamedRequest(client, request, self.answer, self._checkpoint)

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
                view.amend(self.answer, self._footer_data(None))
            self._session.tell_watchers()

        reconcile(self.client, self.answer.id, record, functools.partial(spending.release, self.turn_id))

    def _estimate(self) -> None:
        """About what it cost, where the service did not tell: the catalog's price for about so many tokens."""
        answer = self.answer
        id = answer.model or answer.model_asked
        if answer.cost is not None or id is None or not (answer.text or answer.reasoning):
            return
        if (model := self._session.models.cached(id)) is not None:
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
            view.close(self.answer, self._footer_data(trouble))
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

    def _footer_data(self, trouble: StoreError | None) -> FooterData:
        hint = ""
        if self._question.model_is_default:
            hint = f"asked {self.answer.model_asked} (%openrouter model ID sets another)"
        if trouble is not None:
            return FooterData(self._location.budget_scope_name, spent_pico_usd=None, hint=str(trouble))
        footer = str(self._session.settings.option_value("footer"))
        if footer == "full" and self.answer.calls and self._question.tool_settings.tools.functions:
            footer = "brief"  # steps follow it
        spent = self._ledger.spent(self._location.budget_scope, self._service)
        name = "sandbox" if is_rehearsal(self._service, self.answer) else self._location.budget_scope_name
        hint = hint if spent.turns == 1 else ""
        return FooterData(name, spent.pico_usd, spent.unknown, self._standings(), hint, footer, self._replayed)

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


_MOST_FAILURES = 3


class ToolLoop:
    """The steps that follow an answer which calls tools.

    Args:
        session: asks.
        question: the first step.
        ask: asks one step, shows it, and returns its answer.
        show: whether the host shows what the tools gave.
        first: the first step, where it is in the background; None where a cell waits.
    """

    def __init__(
        self,
        session: Session,
        question: Question,
        ask: Callable[[Question], Answer],
        *,
        show: bool,
        first: Ask | None = None,
    ) -> None:
        self._session, self._question, self._ask, self._show = session, question, ask, show
        self._first = first
        self._failures = 0
        tool_settings = question.tool_settings
        self._runner = Runner(
            tool_settings.tools,
            session.host,
            is_told_yes=tool_settings.is_told_yes,
            always=session.approved,
            sees_images=self._sees_images(),
            in_background=first is not None,
            check=self._check_stopped,
        )

    def follow(self, answer: Answer) -> Answer:
        """The last answer, which calls nothing any more; it knows the steps before it and all that was run.

        Raises:
            ToolError: three calls failed in a row, there were too many steps, or nobody can be asked.
            Stopped: the user interrupted, or said stop.
        """
        question = self._question
        while self._goes_on(answer):
            if len(question.steps) + 1 >= self._question.tool_settings.max_steps:
                count = self._question.tool_settings.max_steps
                raise ToolError(
                    f"The model wants to go on after {count} step{'s' if count > 1 else ''}. "
                    "--max-steps N allows more; what came so far is kept."
                )
            made = self._run(question, answer) if answer.replayed_utc is None else self._given_again(question, answer)
            question = self._next(question, answer, made)
            before = self._session.last_of_caller
            try:
                answer = self._ask(question)
            except OrMagicError as error:
                if self._session.last_of_caller is before:  # nothing was opened for it: under a budget, or too long
                    self._session.record_unsent(question, str(error))
                raise
        return answer

    def follow_late(self) -> Answer:
        """The same in the thread of the first step. How it ends is in the last answer, as for any in the background."""
        first = last = cast("Ask", self._first).answer
        try:
            last = self.follow(first)
        except (Exception, Stopped) as error:  # it would be lost with the thread
            newest = self._session.last_of_caller
            last = newest if newest is not None and newest.steps[:1] == (first,) else first
            last.error = last.error or str(error)
        return last

    def _check_stopped(self) -> None:
        if self._first is not None and self._first.is_stopped:
            raise Stopped("%openrouter stop ended it. What was done is kept in _answer.tool_calls.")

    def _goes_on(self, answer: Answer) -> bool:
        if answer.ending != "complete" or not answer.calls:
            return False
        return answer.replayed_utc is None or bool(self._session.replayer.results_of(answer))

    def _given_again(self, question: Question, answer: Answer) -> list[ToolRun]:
        """What the tools gave when a kept answer was asked for; none of them is run."""
        parts = self._session.replayer.results_of(answer)
        texts = {part.call_id: part.text for part in parts if isinstance(part, ToolResultPart)}
        images = tuple(part for part in parts if isinstance(part, ImagePart))
        made = [
            ToolRun(call.id, call.name, call.arguments, None, texts[call.id], note="given again, not run")
            for call in answer.calls
        ]
        made[-1] = replace(made[-1], images=images)
        answer.runs = (*question.runs, *made)
        for run in made if self._show else ():
            self._session.host.show_tool(run)
        return made

    def _run(self, question: Question, answer: Answer) -> list[ToolRun]:
        """Runs the calls of an answer, in their order; what was run is in the answer, however that ends."""
        made: list[ToolRun] = []
        try:
            for call in answer.calls:
                self._check_stopped()
                made.append(self._run_one(call))
                answer.runs = (*question.runs, *made)
                if self._show:
                    self._session.host.show_tool(made[-1])
                if made[-1].error == INTERRUPTED:
                    raise Stopped("A tool was interrupted. What was done is kept in _answer.tool_calls.")
                self._failures = self._failures + 1 if made[-1].error not in ("", REFUSED) else 0
                self._check_stopped()
                if self._failures >= _MOST_FAILURES:
                    raise ToolError(f"{_MOST_FAILURES} calls in a row failed, the last one so: {made[-1].error}")
        except (Stopped, ToolError) as error:
            if made:
                self._session.record_unsent(self._next(question, answer, made), str(error))
            raise
        return made

    def _run_one(self, call: ToolCall) -> ToolRun:
        try:
            return self._runner.run(call)
        except Stopped:
            raise
        except KeyboardInterrupt:
            return failed(call, call.arguments, INTERRUPTED)

    def _next(self, question: Question, answer: Answer, made: list[ToolRun]) -> Question:
        """The next step: what the tools gave, behind all that came before."""
        results: list[Part] = [ToolResultPart(run.id, run.text) for run in made]
        images: list[ImagePart] = [image for run in made for image in run.images]
        rest = question.max_cost
        if rest is not None and answer.usage is not None:
            rest = max(rest - (answer.usage.cost_pico_usd or 0), 0)
        return replace(
            question,
            prompt=Message("tool", (*results, *images)),
            composed=_unforced(question.composed),
            position=self._session.next_position(question.position),
            notes=(),
            earlier=(*question.earlier, question.prompt, answer.message) if question.position.thread is None else (),
            max_cost=rest,
            steps=(*question.steps, answer),
            runs=answer.runs,
            begun="",
        )

    def _sees_images(self) -> bool:
        id = self._question.composed.model
        known = self._session.models.stored(id) if id is not None else None
        return known is not None and known.takes_images


def _unforced(composed: Composed) -> Composed:
    """A model that had to call a tool has done so; it would have to call one for ever."""
    if composed.body.get("tool_choice") in (None, "auto", "none"):
        return composed
    return replace(composed, body={name: value for name, value in composed.body.items() if name != "tool_choice"})


def needs_follow_up(question: Question) -> bool:
    """Whether anything may follow its first answer."""
    return bool(question.tool_settings.tools.functions) or question.answer_format.answer_schema is not None


class FollowUp:
    """What follows the first answer of one question.

    Args:
        session: asks.
        question: the question.
        show: whether the host shows what comes.
        first: the first answer's, where it is in the background; None where a cell waits.
    """

    def __init__(self, session: Session, question: Question, *, show: bool, first: Ask | None = None) -> None:
        self._session, self._question, self._show, self._first = session, question, show, first
        self._ask = functools.partial(session.follow, show=show, after=first)

    def follow(self, answer: Answer) -> Answer:
        """The last answer.

        Raises:
            ToolError, Stopped: see `ToolLoop.follow`.
            SchemaError: neither the answer nor the second one fits its schema.
        """
        if self._question.tool_settings.tools.functions:
            answer = ToolLoop(self._session, self._question, self._ask, show=self._show).follow(answer)
        return answer if self._question.answer_format.answer_schema is None else self._fitting(answer)

    def follow_late(self) -> Answer:
        """The same in the thread of the first answer. How it ends is in the last one, as for any in the background."""
        assert self._first is not None
        last = self._first.answer
        if self._question.tool_settings.tools.functions:
            last = ToolLoop(self._session, self._question, self._ask, show=self._show, first=self._first).follow_late()
        is_over = last.ending != "complete" or last.error is not None or self._first.is_stopped
        if self._question.answer_format.answer_schema is None or is_over:
            return last
        try:
            return self._fitting(last)
        except (OrMagicError, Stopped) as error:  # it would be lost with the thread
            last = self._first.newest
            last.error = last.error or str(error)
            return last

    def _fitting(self, answer: Answer) -> Answer:
        """The answer; where it does not fit the schema, the one that is given to the error, asked for once."""
        from or_magic.chat.question import corrected

        try:
            answer.value  # noqa: B018  # read here, so that it is validated now
        except SchemaError as error:
            if answer.ending != "complete":
                return answer
            position = self._session.next_position(self._question.position)
            answer = self._ask(corrected(self._question, answer, str(error.__context__), position))
            answer.value  # noqa: B018  # the second one is the last
        return answer


def question_for_rest(session: Session, turn_id: TurnId | None) -> Question:
    """The question of an answer again, with the beginning that is there.

    Args:
        session: that of the notebook.
        turn_id: the answer's turn; None for the last answer of the session, else of the notebook, which an earlier
            kernel may have left unfinished.

    Raises:
        CommandError: there is no such answer, or it is whole.
    """
    if turn_id is not None:
        named = session.ledger.turn(turn_id)
        thread = session.threads.current_name(session.host.where().notebook) if named.thread is not None else None
        return _of_turn(named, thread, replaces=turn_id)
    answer, question = session.last, session.last_question
    if answer is None or question is None:
        turn = session.ledger.last_turn(session.host.where().notebook)
        if turn is None or turn.state == "complete":
            raise CommandError("There is no answer to go on with.")
        return _of_turn(turn, turn.thread)
    if not answer.done:
        raise CommandError("The last answer still arrives: %openrouter stop ends it, %openrouter jobs lists it.")
    if answer.ending == "complete" and answer.finish_reason != "length":
        raise CommandError("The last answer is whole: there is nothing to go on with. Ask a new question.")
    return replace(question, begun=_begun(answer.text))


def can_go_on(turn: Turn) -> bool:
    """Whether more of a turn's answer can be asked for."""
    is_cut = turn.state in ("stopped", "failed", "interrupted") or turn.finish_reason == "length"
    return turn.state != "open" and is_cut and turn.answer is not None and bool(turn.answer.text.strip())


def _of_turn(turn: Turn, thread: str | None, replaces: TurnId | None = None) -> Question:
    if not can_go_on(turn) or turn.answer is None:
        raise CommandError("There is no answer to go on with.")
    composed = Composed(turn.model_asked, turn.parameters, {})
    position = TurnPosition(thread, "thread" if thread else "none", turn.cell_id, turn.ask_number, replaces)
    return Question(turn.prompt, False, composed, (), turn.system, position, begun=_begun(turn.answer.text))


def _begun(text: str) -> str:
    return text.rstrip()  # some models refuse to go on after white space
