"""The values that go into the ledger and come out of it. Frozen; they know no SQL."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from or_magic.types import (
    CostSource,
    Ending,
    Message,
    Part,
    ReasoningDetailsPart,
    ReasoningPart,
    TextPart,
    Usage,
    Value,
)

if TYPE_CHECKING:
    from or_magic.answer import Answer

TurnId = int
State = Literal["open", "interrupted"] | Ending
Scope = Literal["notebook", "day", "thread", "all", "cell"]
Replay = Literal["restart", "always", "never"]
WhichHistory = Literal["thread", "run", "none"]
CHAT = "chat"  # the kind of a turn that is part of a conversation
MAIN = "main"  # the thread that a notebook begins with
IMPORTED = "imported"  # the service, and the run, of turns that were not asked here: no money is counted under it


class Limit(Value, frozen=True):
    """An amount that must not be passed.

    Attributes:
        scope: what counts: ``notebook`` (the budget scope), ``day`` (the budget scope since midnight UTC), ``thread``,
            or ``all`` (every budget scope since midnight UTC), ``cell`` (the question alone); all of one service.
        pico_usd: the amount in 1e-12 USD.
    """

    scope: Scope
    pico_usd: int


class BudgetState(Value, frozen=True):
    """How a limit stands, in 1e-12 USD.

    Attributes:
        spent: what was charged; where the service did not tell, what it is estimated at.
        reserved: what questions under way, and those whose cost is not known yet, may cost at most.
    """

    limit: Limit
    spent: int
    reserved: int

    @property
    def rest(self) -> int:
        """What may still be reserved; below 0 where the limit was passed, or lowered."""
        return self.limit.pico_usd - self.spent - self.reserved


class NewTurn(Value, frozen=True):
    """A question that is about to be sent.

    Attributes:
        notebook: which notebook asks: its absolute path, or ``kernel:<id>`` where nothing tells the path.
        budget_scope: under what money is counted: the same path, or a folder.
        cell_id: the cell, where the front end tells.
        service: the origin of the base URL, such as ``https://openrouter.ai``; money is counted per service.
        model_asked: the model id that is asked for; None where none is sent (the account's default).
        parameters: what the user set, as JSON has it: keys are str, a tuple comes back as a list.
        system: the system prompt; a field of the turn, not a message of the conversation.
        prompt: what is asked.
        thread: the name of the thread that it goes on, made where there is none; None for a turn that stands alone.
        ask_number: 0, 1, ... for the questions of one run of the cell. With the cell it says which turn is replaced.
        replaces: the turn whose place it takes; None for that which its cell made before, if it did.
        history: which turns of the thread are sent along: all, those of this run, or none.
        run: names the session that asks, until its process ends.
        worst_pico_usd: what it may cost at most, which is held back until its cost is known; None without a budget.
        limits: what must not be passed.
        prompt_bytes: of all text that is sent, in UTF-8.
        request_hash: equal for requests of which one's answer may be given for the other; None where none may.
        replayed_from: the turn whose answer is given again; None for a question that is asked.
        kind: what is paid for: ``chat``, or another kind of request that costs.
    """

    notebook: str
    budget_scope: str
    cell_id: str | None
    service: str
    model_asked: str | None
    parameters: Mapping[str, Any]
    system: str | None
    prompt: Message
    thread: str | None = None
    ask_number: int = 0
    replaces: TurnId | None = None
    history: WhichHistory = "thread"
    run: str = ""
    worst_pico_usd: int | None = None
    limits: tuple[Limit, ...] = ()
    prompt_bytes: int | None = None
    request_hash: str | None = None
    replayed_from: TurnId | None = None
    kind: str = CHAT


class Exchange(Value, frozen=True):
    """A turn of the past that is sent along with a question.

    Attributes:
        turn_id: the turn.
        messages: its prompt, what passed between, and its answer.
        parent, address: the hashes of the message before its prompt (None: there was none), and of its last.
        prompt_tokens: how many tokens its prompt and all before it had; None where the service did not tell.
        completion_tokens: how many its answer had.
        run: see `NewTurn`.
    """

    turn_id: TurnId
    messages: tuple[Message, ...]
    parent: str | None
    address: str
    service: str
    model_asked: str | None
    prompt_tokens: int | None
    completion_tokens: int | None
    run: str
    started_utc: datetime


class HistorySlice(Value, frozen=True):
    """Where a question stands in its conversation.

    Attributes:
        context: the earlier turns that are sent along, the oldest first.
        later: how many answers were made after the turn that it takes the place of, by other cells.
        thread_id: the thread; None where it stands alone, or the thread is yet to be made.
        previous: the turn before it on the path.
        displaced: the tip of the thread until now.
    """

    context: tuple[Exchange, ...] = ()
    later: int = 0
    thread_id: int | None = None
    previous: TurnId | None = None
    displaced: TurnId | None = None


class Outlook(Value, frozen=True):
    """What the ledger knows before a question is asked.

    Attributes:
        history: where the question would stand, with the earlier turns that are sent along.
        limits: the budgets that are set for its budget scope, its service and its thread; () where none is.
    """

    history: HistorySlice
    limits: tuple[Limit, ...] = ()


class Opened(Value, frozen=True):
    """A question that was written down.

    Attributes:
        id: its turn's; no other turn ever gets it, not even after this one was deleted.
        thread_id: its thread; None where it stands alone.
        history_slice: where it stands in its conversation.
    """

    id: TurnId
    thread_id: int | None
    history_slice: HistorySlice


class Thread(Value, frozen=True):
    """A thread of a notebook: a name for the end of a path of turns.

    Attributes:
        tip: the last turn of its path; None where it has none.
        undone: the turn that redo leads back to; None where nothing was undone.
        forked_from: the name of the thread that it began as a copy of; None for one of its own.
        system: its system prompt; None where it has none.
        is_current: whether the notebook's cells work in it.
    """

    id: int
    name: str
    tip: TurnId | None
    undone: TurnId | None
    forked_from: str | None
    system: str | None
    created_utc: datetime
    is_current: bool


class Progress(Value, frozen=True):
    """What has arrived so far of an answer. "" and None are "not told".

    Attributes:
        others: the parts that are neither text nor reasoning.
        generation_id: the service's id of the answer.
        service_tier: the tier it was served in.
        native_finish_reason: `finish_reason` in the provider's own word.
        attempts: how often it was asked; more than 1 where the client asked again by itself.
        may_be_billed_twice: an attempt that failed may be charged as well.
        seconds_to_first_token: from sending to the first piece of text or reasoning.
        seconds: from sending to the end.
        estimated_pico_usd: about what it cost in 1e-12 USD, where the service did not tell.
    """

    text: str = ""
    reasoning: str = ""
    others: tuple[Part, ...] = ()
    generation_id: str = ""
    model: str = ""
    provider: str = ""
    service_tier: str = ""
    usage: Usage | None = None
    finish_reason: str | None = None
    native_finish_reason: str = ""
    attempts: int = 1
    may_be_billed_twice: bool = False
    seconds_to_first_token: float | None = None
    seconds: float | None = None
    estimated_pico_usd: int | None = None

    @classmethod
    def of(cls, answer: Answer) -> Progress:
        """What has arrived of `answer` at this moment; may be called while it grows."""
        return cls(
            text=answer.text,
            reasoning=answer.reasoning,
            others=tuple(part for part in answer.parts if not isinstance(part, TextPart | ReasoningPart)),
            generation_id=answer.id,
            model=answer.model,
            provider=answer.provider,
            service_tier=answer.service_tier,
            usage=answer.usage,
            finish_reason=answer.finish_reason,
            native_finish_reason=answer.native_finish_reason,
            attempts=answer.attempts,
            may_be_billed_twice=answer.may_be_billed_twice,
            seconds_to_first_token=answer.seconds_to_first_token,
            seconds=answer.seconds,
            estimated_pico_usd=answer.estimated_pico_usd,
        )

    @property
    def message(self) -> Message | None:
        """What has arrived as a message, as `Answer.message` gives it; None where nothing has arrived."""
        thoughts: tuple[Part, ...] = (ReasoningPart(self.reasoning),) if self.reasoning else ()
        signed = tuple(part for part in self.others if isinstance(part, ReasoningDetailsPart))
        text: tuple[Part, ...] = (TextPart(self.text),) if self.text else ()
        rest = tuple(part for part in self.others if part not in signed)
        parts = (*thoughts, *signed, *text, *rest)
        return Message("assistant", parts) if parts else None


class Turn(Value, frozen=True, kw_only=True):
    """A question with its answer, as kept. `NewTurn` and `Progress` explain the fields that they have too.

    Attributes:
        prompt_hash: the prompt's address in the tree of messages.
        between: what passed between prompt and answer: calls of tools and what they gave; () as a rule.
        answer: None where nothing arrived. While the turn is open: what its last checkpoint had.
        answer_hash: the answer's address in the tree; None while the turn is open, or where nothing arrived.
        parent: the hash of the message before the prompt: the last of the earlier ones that were sent; None for none.
        thread: the name of its thread; None where it stands alone.
        previous: the turn before it on the path of its thread.
        history_turns: how many earlier turns were sent along.
        reserved_pico_usd: what is held back for it until its cost is known; None where nothing is.
        estimated_pico_usd: about what it cost, where the service did not tell.
        replayed_from: the turn whose answer was given again, at no cost; None where it was asked.
        usage: None where the service told nothing, or told a `Usage` without any figure.
        cost_source: where ``usage.cost_pico_usd`` comes from; None where that is not known.
        state: ``"open"`` until it is finished; ``"interrupted"`` where its process was found dead.
        error: the one-line reason of a failure.
        started_utc: when it was written down, just before it was sent (with its time zone).
        ended_utc: when it was finished (with its time zone); None while it is open.
    """

    id: TurnId
    notebook: str
    budget_scope: str
    cell_id: str | None
    service: str
    model_asked: str | None
    parameters: Mapping[str, Any]
    system: str | None
    parent: str | None
    prompt: Message
    prompt_hash: str
    between: tuple[Message, ...]
    answer: Message | None
    answer_hash: str | None
    generation_id: str
    model: str
    provider: str
    service_tier: str
    usage: Usage | None
    cost_source: CostSource | None
    finish_reason: str | None
    native_finish_reason: str
    attempts: int
    may_be_billed_twice: bool
    seconds_to_first_token: float | None
    seconds: float | None
    state: State
    error: str | None
    started_utc: datetime
    ended_utc: datetime | None
    thread: str | None
    previous: TurnId | None
    ask_number: int
    history_turns: int
    run: str
    reserved_pico_usd: int | None
    estimated_pico_usd: int | None
    replayed_from: TurnId | None
    kind: str

    def __repr__(self) -> str:
        asked, answered = _short(self.prompt.text), _short(self.answer.text) if self.answer else ""
        return f"<turn {self.id}, {self.state}: {asked!r} -> {answered!r}>"


class KeptAnswer(Value, frozen=True):
    """An answer outside of any ledger, as a file holds it.

    Attributes:
        key: the hash of the request that it answers.
        cell_id, ask_number: see `NewTurn`.
        answer: what the model said.
        cost_pico_usd: what it cost, in 1e-12 USD; None where that is not known.
        asked_utc: when it was asked for.
        given: what the tools gave that it called, as the parts of a message.
    """

    key: str
    cell_id: str | None
    ask_number: int
    answer: Message
    model_asked: str | None
    model: str
    provider: str
    service_tier: str
    generation_id: str
    finish_reason: str | None
    native_finish_reason: str
    cost_pico_usd: int | None
    asked_utc: datetime
    given: tuple[Part, ...] = ()


class SpentTotal(Value, frozen=True):
    """What was paid out of one budget scope at one service.

    Attributes:
        pico_usd: the exact sum of all costs that are known, in 1e-12 USD.
        turns: how many turns there are, the open ones included.
        unknown: how many finished turns have no known cost, so that the sum is a lower bound.
    """

    pico_usd: int
    turns: int
    unknown: int


class Settled(Value, frozen=True):
    """What the money of a budget scope is after a turn has ended.

    Attributes:
        spent: what was paid out of its budget scope at its service, this turn included.
        states: how the limits stand that were asked for, in their order.
    """

    spent: SpentTotal
    states: tuple[BudgetState, ...] = ()


def _short(text: str, length: int = 60) -> str:
    line = " ".join(text.split())
    return line if len(line) <= length else f"{line[: length - 1]}…"
