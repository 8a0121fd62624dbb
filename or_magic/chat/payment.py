"""The one door for money: whatever costs something reserves, is sent and settles here, in this order.

- **Reserve**: the turn is in the ledger, with what it may cost at most held back, before a byte leaves.
- **Send**: what arrives is checkpointed while it arrives.
- **Settle**: however it ends, the turn is finished, its cost is known, estimated or asked for, and nothing that it does
  not cost stays held back.

A test makes sure that nothing else in the house sends a POST.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, TypeVar

from msgspec import structs

from or_magic.answer import Answer
from or_magic.chat.budget import BudgetCheck
from or_magic.chat.estimates import answer_tokens, bytes_per_token, cost_of_tokens
from or_magic.chat.history import SentMessages
from or_magic.chat.question import Document, Question, Services
from or_magic.client import background
from or_magic.client.account import Generation
from or_magic.client.chunks import usage_of
from or_magic.client.client import Client, Endpoint
from or_magic.client.requests import ChatRequest
from or_magic.errors import (
    BudgetError,
    CommandError,
    ModelNotFoundError,
    OrMagicError,
    ServiceError,
    StoreError,
)
from or_magic.ledger.records import HistorySlice, Limit, NewTurn, Opened, Progress, Settled, Turn
from or_magic.ledger.spending import Spending
from or_magic.ledger.store import Ledger
from or_magic.lenient_json import as_object, as_text
from or_magic.money import amount, pico_usd
from or_magic.settings.layers import ResolvedSettings
from or_magic.types import Began, Ending, Event, Failed, Usage, UsageReported

T = TypeVar("T")
_CHECKPOINT_S = 0.9  # so that, with the writing, what was shown a second ago is on disk
_LOOK_AGAIN_S = 0.1
_GENERATION = "gen-"  # how the service's own ids begin


def client_of(settings: ResolvedSettings, *, needs_key: bool = True) -> Client:
    """A client of the service that is set, with its key and timeouts.

    Args:
        needs_key: False for what the service tells anybody; then the client has no key.

    Raises:
        MissingKeyError: there is no key for the address that is set.
    """
    key = settings.key().value if needs_key else ""
    return Client(Endpoint(settings.base_url.value, key), timeouts=settings.timeouts)


def budget_check(services: Services, settings: ResolvedSettings, max_cost: int | None = None) -> BudgetCheck:
    """The budgets that a question is under besides those in the ledger: the daily one of all notebooks, and its own.

    Raises:
        CommandError: the daily budget that is set is no amount.
    """
    daily = str(settings.options["daily_budget"])
    return BudgetCheck(services.ledger, services.models, amount(daily, "daily_budget") if daily else None, max_cost)


@dataclass(frozen=True, slots=True)
class Draft:
    """A question as it is about to be sent.

    Attributes:
        turn: the turn that it will be.
        sent: the messages, the question the last of them.
        notes: what the user should know of it, one line each.
        history: where it stands in its conversation.
        limits: the budgets in the ledger that it is under.
        kept: the turn whose answer is given again instead; None where it is sent.
    """

    turn: NewTurn
    sent: SentMessages
    notes: tuple[str, ...]
    history: HistorySlice
    limits: tuple[Limit, ...]
    kept: Turn | None = None


@dataclass(slots=True)
class End:
    """How a turn is to be recorded that is cancelled: by whom, and why.

    Attributes:
        ending: ``"stopped"`` by the user, or ``"failed"``.
        reason: in one line.
    """

    ending: Ending = "stopped"
    reason: str = "stopped by the user"


class _PointOfNoReturn:
    """Stands before what must not be undone: it is reached or closed, whichever comes first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_reached = self._is_closed = False

    def reach(self) -> None:
        """Reaches it; raises `_ClosedError` where it is closed."""
        with self._lock:
            if self._is_closed:
                raise _ClosedError
            self._is_reached = True

    def close(self) -> bool:
        """Closes it; whether it was reached before."""
        with self._lock:
            self._is_closed = True
            return self._is_reached


class _ClosedError(Exception):
    """Who asked has gone before anything was written down."""


class Payment:
    """One paid request: ``async with Payment(...) as payment: await payment.send(...)``.

    An answer that is given again passes here too: it is recorded, and nothing is sent or held back for it.

    Args:
        question: what is asked.
        compose: gives what is sent for it; called in a worker thread, the one that writes the turn down.
        answer: takes what arrives.
        services: the ledger and the catalog.
        end: how it is recorded where it is cancelled.
        wants_sums: whether the sums after it are wanted, for a footer.
        is_in_background: whether nobody waits for it, so that its failure is told in its notes.

    Attributes:
        draft: what is sent.
        opened: its turn in the ledger.
        settled: the sums after it; None where they are not wanted, or could not be read.
        trouble: why the end could not be recorded; None where it was.
    """

    draft: Draft
    opened: Opened

    def __init__(
        self,
        question: Question,
        compose: Callable[[], Draft],
        answer: Answer,
        services: Services,
        *,
        end: End,
        wants_sums: bool,
        is_in_background: bool,
    ) -> None:
        self.answer = answer
        self.settled: Settled | None = None
        self.trouble: StoreError | None = None
        self._question, self._compose, self._services, self._end = question, compose, services, end
        self._wants_sums, self._is_in_background = wants_sums, is_in_background
        self._ledger = services.ledger
        self._budgets = budget_check(services, question.settings, question.max_cost)
        self._body: Mapping[str, Any] = question.composed.body
        self._client: Client | None = None
        self._was_sent = False

    async def __aenter__(self) -> Payment:
        """Composes and reserves.

        Raises:
            CommandError: the model does not take what is in the question, or it is too long.
            MissingKeyError: there is no key for the address that is set.
            BudgetError: it may cost more than a budget has left.
            StoreError: it cannot be written. Nothing was sent.
        """
        opened = await self._written(self._compose_and_open)
        self.opened = opened if opened is not None else await self._open_within()
        return self

    def _compose_and_open(self, point: _PointOfNoReturn) -> Opened | None:
        """In one go, which saves a change of threads; None where a limit is to be looked at first."""
        self.draft = draft = self._compose()
        turn = draft.turn
        if draft.kept is not None:
            turn = structs.replace(turn, replayed_from=draft.kept.id)
        else:
            self._client = client_of(self._question.settings)
            if self._limits and not self._question.is_over_budget:
                return None
        point.reach()
        return self._ledger.open_turn(turn, draft.history)

    async def _open_within(self) -> Opened:
        """Reserves within limits, and waits a little for what questions under way hold back."""
        give_up_at = asyncio.get_running_loop().time() + float(self._question.settings.options["budget_wait"])
        while True:
            try:
                return await self._written(self._allow_and_open)
            except BudgetError as error:
                if not error.may_be_free_later or asyncio.get_running_loop().time() > give_up_at:
                    raise
            await asyncio.sleep(_LOOK_AGAIN_S)

    def _allow_and_open(self, point: _PointOfNoReturn) -> Opened:
        draft, limits, thread_id = self.draft, self._limits, self.draft.history.thread_id
        if (document := self._question.document) is not None:
            allowed = self._budgets.allow_document(draft.turn, document.body, thread_id, limits)
        else:
            messages = (*draft.sent.messages, *self._question.prefill)
            allowed = self._budgets.allow_within(draft.turn, messages, thread_id, limits)
        turn = structs.replace(draft.turn, worst_pico_usd=allowed.worst_pico_usd, limits=limits)
        point.reach()
        opened = self._ledger.open_turn(turn, draft.history)
        self._body = allowed.body
        self.answer.notes += (allowed.note,) if allowed.note else ()
        return opened

    @property
    def _limits(self) -> tuple[Limit, ...]:
        return (*self.draft.limits, *self._budgets.own_limits)

    async def _written(self, write: Callable[[_PointOfNoReturn], T]) -> T:
        """What a function gives that writes the turn down behind its point of no return, in a worker thread.

        A cancellation before that point leaves nothing; one behind it no turn that is under way for ever.
        """
        point = _PointOfNoReturn()
        writing = asyncio.ensure_future(asyncio.to_thread(write, point))
        try:
            return await asyncio.shield(writing)
        except asyncio.CancelledError:
            if point.close():
                with contextlib.suppress(OrMagicError):
                    opened = await writing
                    assert isinstance(opened, Opened)
                    await asyncio.to_thread(self._finish_unsent, opened)
            else:
                writing.add_done_callback(lambda done: done.cancelled() or done.exception())
            raise

    def _finish_unsent(self, opened: Opened) -> None:
        unpaid = Progress(usage=Usage(cost_pico_usd=0))
        self._ledger.finish_turn(opened.id, unpaid, self._end.ending, self._end.reason)

    async def send(self, request: ChatRequest, take: Callable[[Event], None]) -> None:
        """Sends, and hands each event to the answer and to `take` until the answer has ended.

        Args:
            request: its body is replaced by what the budgets allow.
            take: called on the background loop; must be quick.

        Raises:
            ServiceError: the service refused, failed, or broke off.
        """
        assert self._client is not None, "what is given again is not sent"
        request = replace(request, parameters=self._body, asks_for_usage=not self._client.endpoint.counts_unasked)
        failures: list[Exception] = []
        has_grown = asyncio.Event()

        def absorb(event: Event) -> None:
            self.answer.absorb(event)
            has_grown.set()
            if isinstance(event, Failed):
                failures.append(event.error)
            take(event)

        self.answer.mark_sent()
        self._was_sent = True
        checkpoints = asyncio.ensure_future(self._checkpoints(has_grown))
        try:
            await self._client.stream(request, absorb)
        finally:
            checkpoints.cancel()
        if failures:
            raise failures[-1]

    async def send_document(self, document: Document) -> dict[str, Any]:
        """Sends a document, and returns what it is answered with; what that cost is in the answer.

        Raises:
            ServiceError: the service refused or failed.
        """
        assert self._client is not None
        self.answer.mark_sent()
        self._was_sent = True
        body, headers = {**document.body, **self._body}, self._question.composed.headers
        answered = await self._client.post(document.path, body, self.answer.absorb, headers=headers)
        told = as_text(answered.get("id")), as_text(answered.get("model")), as_text(answered.get("provider"))
        self.answer.absorb(Began(*told))
        self.answer.absorb(UsageReported(usage_of(as_object(answered.get("usage")))))
        return answered

    async def _checkpoints(self, has_grown: asyncio.Event) -> None:
        while True:
            await asyncio.sleep(_CHECKPOINT_S)
            await has_grown.wait()
            has_grown.clear()
            await asyncio.to_thread(self.checkpoint)

    def checkpoint(self) -> None:
        """Writes down what has arrived so far; does nothing where the turn has ended."""
        self._ledger.checkpoint(self.opened.id, Progress.of(self.answer))

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Settles, whatever happened; only then does the error go on."""
        await asyncio.shield(_in_thread(functools.partial(self._settle, error)))

    def _settle(self, error: BaseException | None) -> None:
        answer = self.answer
        ending: Ending = "complete"
        reason: str | None = None
        if isinstance(error, asyncio.CancelledError):
            ending, reason = self._end.ending, self._end.reason
        elif error is not None:
            if isinstance(error, ModelNotFoundError):
                self._services.models.with_nearest(error, answer.model_asked)
            ending, reason = "failed", str(error)
        if not self._was_sent and self.draft.kept is None:
            answer.absorb(UsageReported(Usage(cost_pico_usd=0)))
        elif error is not None:
            self._price_broken(error)
        if self._is_in_background and reason is not None:
            answer.notes = (*answer.notes, f"{ending.capitalize()}: {reason}")
        answer.finish(ending, reason)
        try:
            self._find_what_paid()
            self._record(ending, reason)
        except StoreError as trouble:
            self.trouble = trouble

    def _price_broken(self, error: BaseException) -> None:
        """What an answer costs that did not end well: nothing, or about what it will have cost."""
        answer = self.answer
        is_free = isinstance(error, CommandError) or (isinstance(error, ServiceError) and not error.may_be_charged)
        if is_free and not answer.may_be_billed_twice:
            answer.absorb(UsageReported(Usage(cost_pico_usd=0)))
        id = answer.model or answer.model_asked
        if answer.cost is not None or id is None or not (answer.text or answer.reasoning):
            return
        if (model := self._services.models.cached(id)) is not None:
            ratio = bytes_per_token(self._ledger, self.draft.turn.service, answer.model_asked, model.tokenizer)
            tokens = answer_tokens(answer, ratio)
            answer.estimated_pico_usd = cost_of_tokens(model, self.draft.sent.tokens, tokens)

    def _find_what_paid(self) -> None:
        """A kept answer of the service costs nothing, unless a broken attempt of this very question made it."""
        source, spending = self.answer.cache_source_id, Spending(self._ledger)
        if source and self.answer.may_be_billed_twice and not spending.is_known(self.draft.turn.service, source):
            self.answer.take_over()

    def _record(self, ending: Ending, reason: str | None) -> None:
        progress = Progress.of(self.answer)
        if self._wants_sums:
            self.settled = self._ledger.finish_turn(self.opened.id, progress, ending, reason, limits=self._limits)
        else:
            self._ledger.finish_turn(self.opened.id, progress, ending, reason)

    def abandon(self) -> None:
        """The process ends while the answer arrives: finishes the turn from this thread, with what there is."""
        self._ledger.finish_turn(self.opened.id, Progress.of(self.answer), self._end.ending, self._end.reason)

    def ask_for_cost(self, when_known: Callable[[], object]) -> None:
        """Asks the service what it cost, where the answer did not say; ledger and answer are put right in place.

        Args:
            when_known: called in another thread once it is known.
        """
        if self.answer.cost is not None or self._client is None or not self._was_sent:
            return
        spending, turn_id = Spending(self._ledger), self.opened.id

        def record(usage: Usage) -> None:
            spending.reconcile(turn_id, usage)
            self.answer.reconcile(usage)
            when_known()

        reconcile(self._client, self.answer.id, record, functools.partial(spending.release, turn_id))

    def sums_now(self) -> Settled:
        """The sums as they are by now, which other questions may have changed.

        Raises:
            StoreError: the ledger cannot be read.
        """
        turn = self.draft.turn
        spent = self._ledger.spent(turn.budget_scope, turn.service)
        return Settled(spent, self._budgets.states(turn, self.opened.thread_id))


def record_unsent(question: Question, services: Services, why: str) -> None:
    """Writes down what tools gave before their turn was stopped; the next question tells the model.

    Raises:
        StoreError: it cannot be written.
    """
    opened = services.ledger.open_turn(question.turn(services.run))
    unpaid = Progress(usage=Usage(cost_pico_usd=0))
    services.ledger.finish_turn(opened.id, unpaid, "complete", why)


def reconcile(
    client: Client, generation_id: str, record: Callable[[Usage], None], give_up: Callable[[], None]
) -> Future[None] | None:
    """Asks for the service's record of an answer in the background, which is written some seconds late.

    An answer that was stopped or broke off never told its price. Its generation id did come, and by that the service
    tells tokens and price, exactly. Where it does not (another server, no record), the price stays unknown.

    Args:
        record: takes what the record says; called in another thread.
        give_up: called instead where nothing is told after some tries.

    Returns:
        None where there is nothing to ask for.
    """
    if not generation_id.startswith(_GENERATION):
        give_up()
        return None
    return background.submit(_ask_for_record(client, generation_id, record, give_up))


def settle_left(client: Client, ledger: Ledger, service: str, run: str) -> None:
    """Asks what turns of other runs cost whose cost is not known: of kernels that were killed or shut down."""
    spending = Spending(ledger)
    for turn_id, generation_id in spending.unsettled(service, run):
        reconcile(
            client,
            generation_id,
            functools.partial(spending.reconcile, turn_id),
            functools.partial(spending.release, turn_id),
        )


async def _ask_for_record(
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


async def _in_thread(work: Callable[[], T]) -> T:
    """What a function gives that may have to wait for the ledger; in this thread where the process ends by now."""
    try:
        return await asyncio.to_thread(work)
    except RuntimeError as error:
        if "shutdown" not in str(error):
            raise
        return work()
