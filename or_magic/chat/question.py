"""A question, composed once: whom it asks, what is sent besides the messages, where in which conversation it stands.

Nothing is sent, written or read here but what the catalog says of the model; a `Question` is a value. The questions
that may follow one are made here too: the next step with tools, a second try at a schema, the rest of an answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from or_magic.answer import Answer
from or_magic.chat.history import SentMessages, check_output_kind, check_tools, compose_messages, fitting
from or_magic.chat.host import Location
from or_magic.chat.tools import NO_TOOLS, Tools
from or_magic.content import Content
from or_magic.errors import CommandError, OrMagicError
from or_magic.ledger.records import CHAT, HistorySlice, NewTurn, Replay, Turn, TurnId, WhichHistory
from or_magic.money import format_usd
from or_magic.prompt.answer_formats import ANY_FORMAT, AnswerFormat
from or_magic.settings.layers import ACCOUNT_MODEL, DEFAULT_MODEL, ChosenValue, ResolvedSettings
from or_magic.settings.parameters import PARAMETER_BY_NAME, unsupported_flags
from or_magic.settings.request_fields import OLD_NAMES, Composed, compose, private_names
from or_magic.text import nearest
from or_magic.types import ImagePart, Message, Part, TextPart, ToolResultPart, ToolRun

if TYPE_CHECKING:
    from or_magic.catalog.model import Model
    from or_magic.catalog.source import CatalogSource
    from or_magic.ledger.store import Ledger

MAX_STEPS = 10
_OLD_AUTO = "auto"


class Services(Protocol):
    """What questions of any front are asked with; a `Session` is one."""

    @property
    def run(self) -> str:
        """The name of the session that asks, which stands in its turns."""

    @property
    def ledger(self) -> Ledger:
        """The ledger that the settings name.

        Raises:
            StoreError: it cannot be opened.
        """

    @property
    def models(self) -> CatalogSource:
        """The catalog of the service that is set."""


@dataclass(frozen=True, slots=True)
class ToolSettings:
    """The tools of a question, and how far it may go with them.

    Attributes:
        max_steps: how many times the model may be asked at most.
        is_told_yes: whether tools that are marked harmless run without asking.
    """

    tools: Tools = NO_TOOLS
    max_steps: int = MAX_STEPS
    is_told_yes: bool = False

    def __post_init__(self) -> None:
        if self.max_steps < 1:
            raise CommandError(f"max_steps is {self.max_steps}; it wants 1 or more. Nothing was sent.")


NO_TOOL_SETTINGS = ToolSettings()


@dataclass(frozen=True, slots=True)
class TurnPosition:
    """Where in which conversation a question is asked.

    Attributes:
        thread: the name of the thread; None for a question that stands alone.
        history: which of the thread's turns are sent along.
        cell_id, ask_number, replaces: see `NewTurn`.
    """

    thread: str | None = None
    history: WhichHistory = "thread"
    cell_id: str | None = None
    ask_number: int = 0
    replaces: TurnId | None = None


@dataclass(frozen=True, slots=True)
class Document:
    """The body of a request that is no question of a chat, and is answered in one piece.

    Attributes:
        path: below the base URL, such as ``/embeddings``.
    """

    path: str
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Question:
    """What is about to be asked, whole: nothing below reads a setting again.

    Attributes:
        prompt: the message.
        model_is_default: whether nobody chose a model.
        composed: the model, the body's fields and the headers.
        notes: what the user should know, one line each: old names, parameters that may have no effect.
        system: the system prompt; None for none.
        position: where in which conversation it is asked.
        location: the notebook and the cell that ask.
        settings: what was set when it was composed.
        is_watched: whether somebody sees the answer arrive.
        max_cost: what it may cost at most in 1e-12 USD; None for what the budgets leave.
        is_over_budget: whether it is asked whatever the budgets say.
        replay: when a kept answer is given again instead of asking; None for what is set.
        answer_format: what the answer shall be.
        tool_settings: the tools that may be called.
        earlier: for a question that stands alone: the messages of the steps before it.
        steps, runs: the answers that called tools before it, and what was run for them.
        begun: the beginning of the answer that it is to go on from; "" for a new answer.
        kind: what it asks for: a turn of a chat, or another thing that costs something.
        document: what is sent instead of messages; None for a chat.
    """

    prompt: Message
    model_is_default: bool
    composed: Composed
    notes: tuple[str, ...]
    system: str | None
    position: TurnPosition
    location: Location
    settings: ResolvedSettings
    is_watched: bool = True
    max_cost: int | None = None
    is_over_budget: bool = False
    replay: Replay | None = None
    answer_format: AnswerFormat = ANY_FORMAT
    tool_settings: ToolSettings = NO_TOOL_SETTINGS
    earlier: tuple[Message, ...] = ()
    steps: tuple[Answer, ...] = ()
    runs: tuple[ToolRun, ...] = ()
    begun: str = ""
    kind: str = CHAT
    document: Document | None = None

    def turn(self, run: str, location: Location | None = None) -> NewTurn:
        """The turn that this question would be in the ledger.

        Args:
            run: the name of the session that asks.
            location: another place that it would be asked from; None for its own.
        """
        location, position = location or self.location, self.position
        return NewTurn(
            notebook=location.notebook,
            budget_scope=location.budget_scope,
            cell_id=position.cell_id,
            service=self.settings.service,
            model_asked=self.composed.model,
            parameters=self.composed.body,
            system=self.system,
            prompt=self.prompt,
            thread=position.thread,
            ask_number=position.ask_number,
            replaces=position.replaces,
            history=position.history,
            run=run,
            kind=self.kind,
        )

    @property
    def shareable(self) -> dict[str, Any]:
        """The fields of the body that say nothing about the user."""
        return {name: value for name, value in self.composed.body.items() if name not in private_names()}

    @property
    def prefill(self) -> tuple[Message, ...]:
        """The beginning of the answer, which a model that goes on is given as its own words; () for a new answer."""
        return (Message.of_text("assistant", self.begun),) if self.begun else ()

    @property
    def may_have_more_steps(self) -> bool:
        """Whether another question may follow its first answer: after calls of tools, or for a schema."""
        return bool(self.tool_settings.tools.functions) or self.answer_format.answer_schema is not None


def make(
    prompt: Content,
    settings: ResolvedSettings,
    models: CatalogSource,
    *,
    system: str | None,
    position: TurnPosition,
    location: Location,
    is_watched: bool,
    answer_format: AnswerFormat,
    tool_settings: ToolSettings,
) -> Question:
    """A question from what was typed and set.

    Args:
        prompt: what is asked.
        settings: what is set, the model and the parameters of this question among it.
        models: the catalog, asked only where a format or tools need to know what the model can.
        system: the system prompt; "" or None for none.

    Raises:
        CommandError: the prompt is empty, a parameter cannot be set, or the model cannot answer so.
    """
    if not any(not isinstance(part, TextPart) or part.text.strip() for part in prompt.parts):
        raise CommandError("There is nothing to ask: the prompt is empty.")
    chosen, values = settings.model, dict(settings.parameters)
    asked = {ACCOUNT_MODEL: None, _OLD_AUTO: DEFAULT_MODEL}.get(chosen.value, chosen.value)
    known = _known(models, asked) if answer_format != ANY_FORMAT else None
    check_output_kind(answer_format, known, models)
    supported = known.supported_parameters if known is not None else None
    given = {name: value.value for name, value in values.items()}
    formatted = answer_format.parameters(supported, given) if answer_format != ANY_FORMAT else {}
    values |= {name: ChosenValue(value, "-f or --schema") for name, value in formatted.items()}
    if tool_settings.tools.declarations:
        check_tools(models, asked)
        declared = [*given.get("tools", []), *tool_settings.tools.declarations]
        values["tools"] = ChosenValue(declared, "--tools")
    instruction = answer_format.instruction(supported, given) if answer_format != ANY_FORMAT else ""
    instructions = "\n\n".join(filter(None, (system, instruction)))
    composed = compose(asked, {name: value.value for name, value in values.items()})
    notes = [f"The model auto is now {DEFAULT_MODEL}."] if chosen.value == _OLD_AUTO else []
    notes += composed.notes
    if values and asked is not None:
        notes += _unsupported(models.cached(asked), values, composed)
    return Question(
        prompt=Message("user", prompt.parts),
        model_is_default=chosen.source == "default",
        composed=composed,
        notes=(*notes, *prompt.notes),
        system=instructions or None,
        position=position,
        location=location,
        settings=settings,
        is_watched=is_watched,
        answer_format=answer_format,
        tool_settings=tool_settings,
    )


def with_warning(question: Question, models: CatalogSource) -> Question:
    """The question with what the user should know of its model, at the model's first use."""
    id = question.composed.model
    warning = models.warning(id) if id is not None else ""
    return replace(question, notes=(*question.notes, warning)) if warning else question


def messages_of(
    question: Question, history: HistorySlice, models: CatalogSource, *, is_offline: bool = False
) -> tuple[SentMessages, str]:
    """The messages that are sent for a question, with the earlier turns; and a note on what was left out, or "".

    Args:
        history: where the question stands in its conversation.
        is_offline: whether it is not looked up what the model takes.

    Raises:
        CommandError: the model does not take what is in it.
    """
    model, service = question.composed.model, question.settings.service
    sent = compose_messages(history, question.system, question.prompt, service, model, question.earlier)
    return (sent, "") if is_offline else fitting(sent, model, models)


def next_step(question: Question, answer: Answer, runs: list[ToolRun], position: TurnPosition) -> Question:
    """The question that follows an answer which called tools: what the tools gave, behind all that came before.

    Args:
        runs: the calls of that answer, as they were carried out.
        position: where the new turn stands.
    """
    results: list[Part] = [ToolResultPart(run.id, run.text) for run in runs]
    images: list[ImagePart] = [image for run in runs for image in run.images]
    stands_alone = question.position.thread is None
    return replace(
        question,
        prompt=Message("tool", (*results, *images)),
        composed=_without_forced_call(question.composed),
        position=position,
        notes=(),
        earlier=(*question.earlier, question.prompt, answer.message) if stands_alone else (),
        max_cost=_what_is_left(question, answer),
        steps=(*question.steps, answer),
        runs=answer.runs,
        begun="",
    )


def second_try(question: Question, answer: Answer, error: str, position: TurnPosition) -> Question:
    """The question that follows an answer which does not fit its schema.

    In a conversation the model has its answer before it; else the question is asked again with the answer in it.

    Args:
        error: what does not fit.
        position: where the new turn stands.
    """
    request = f"That does not fit ({error}). Answer again, with JSON alone that fits the schema."
    parts: tuple[Part, ...] = (TextPart(request),)
    if position.thread is None:
        parts = (*question.prompt.parts, TextPart(f"\n\nYou answered:\n{answer.text}\n\n{request}"))
    cost = answer.usage.cost_pico_usd if answer.usage else None
    paid = "cost not known" if cost is None else format_usd(cost)
    note = f"Asked once more, since the first answer did not fit the schema ({error}); it cost {paid}."
    left = _what_is_left(question, answer)
    return replace(question, prompt=Message("user", parts), position=position, notes=(note,), max_cost=left)


def rest_of(question: Question, text: str) -> Question:
    """The question that asks for the rest of an answer which begins with `text`."""
    return replace(question, begun=text.rstrip())  # some models refuse to go on after white space


def question_of_turn(
    turn: Turn, settings: ResolvedSettings, location: Location, thread: str | None, replaces: TurnId | None = None
) -> Question:
    """The question of a kept turn again, for the rest of its answer.

    Args:
        thread: the name of the thread that it goes on; None for none.
        replaces: the turn whose place it takes; None for that of its cell.

    Raises:
        CommandError: there is nothing to go on with.
    """
    if not can_go_on(turn) or turn.answer is None:
        raise CommandError("There is no answer to go on with.")
    position = TurnPosition(thread, "thread" if thread else "none", turn.cell_id, turn.ask_number, replaces)
    composed = Composed(turn.model_asked, turn.parameters, {})
    question = Question(turn.prompt, False, composed, (), turn.system, position, location, settings)
    return rest_of(question, turn.answer.text)


def can_go_on(turn: Turn) -> bool:
    """Whether more of a turn's answer can be asked for."""
    is_cut = turn.state in ("stopped", "failed", "interrupted") or turn.finish_reason == "length"
    return turn.state != "open" and is_cut and turn.answer is not None and bool(turn.answer.text.strip())


def checked_arguments(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters given in Python, under the API's names.

    Raises:
        CommandError: there is no such parameter, or it cannot have that value.
    """
    checked = {}
    for name, value in arguments.items():
        parameter = PARAMETER_BY_NAME.get(name)
        if parameter is None and name not in OLD_NAMES:
            near = nearest(name, PARAMETER_BY_NAME, cutoff=0.5)
            hint = f"Did you mean {near}?" if near else 'param={"name": value} sends a field that is not known here.'
            raise CommandError(f"There is no parameter {name!r}. {hint}")
        checked[name] = value if parameter is None else parameter.check(value, name)
    return checked


def _known(models: CatalogSource, id: str | None) -> Model | None:
    """What the catalog says of the model, waiting for it if need be; None where nobody knows."""
    try:
        return models.model(id) if id is not None else None
    except OrMagicError:
        return None


def _unsupported(model: Model | None, values: Mapping[str, ChosenValue], composed: Composed) -> list[str]:
    """A note on the parameters that the model does not list, so that they may have no effect."""
    if model is None or model.is_router or not model.supported_parameters:
        return []
    ignored = unsupported_flags(values, model.supported_parameters)
    if not ignored:
        return []
    flags = ", ".join(ignored)
    if composed.body.get("provider", {}).get("require_parameters"):
        raise CommandError(
            f"{model.id} does not hear {flags}, and provider.require_parameters asks for it. Nothing was sent: leave "
            "one of them out, or name another model."
        )
    return [f"{model.id} does not list {flags}: it may have no effect."]


def _what_is_left(question: Question, answer: Answer) -> int | None:
    """What the next question may cost, of what this one might; None where nothing was set."""
    if question.max_cost is None:
        return None
    cost = answer.usage.cost_pico_usd if answer.usage else None
    return max(question.max_cost - (cost or 0), 0)


def _without_forced_call(composed: Composed) -> Composed:
    """A model that had to call a tool has done so; asked so again it would have to call one for ever."""
    if composed.body.get("tool_choice") in (None, "auto", "none"):
        return composed
    return replace(composed, body={name: value for name, value in composed.body.items() if name != "tool_choice"})
