"""From a call of a tool to the next step: the calls are run, what they gave goes back, until the model is done.

Each step is a turn of its own in the ledger, whose prompt is what the tools gave: so each reserves under the budgets,
has its own exact cost, and is on disk when the next one begins.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from or_magic.answer import Answer
from or_magic.chat.history import check_output_kind, check_tools
from or_magic.chat.host import Location
from or_magic.chat.tools import NO_TOOLS, Tools
from or_magic.content import Content
from or_magic.errors import CommandError, OrMagicError
from or_magic.ledger.records import NewTurn, Replay, TurnId, WhichHistory
from or_magic.money import format_usd
from or_magic.prompt.answer_formats import ANY_FORMAT, AnswerFormat
from or_magic.settings.layers import ACCOUNT_MODEL, DEFAULT_MODEL, ChosenValue, Settings
from or_magic.settings.parameters import PARAMETER_BY_NAME, PARAMETERS
from or_magic.settings.request_fields import OLD_NAMES, Composed, compose, private_names
from or_magic.types import Message, Part, TextPart, ToolRun

if TYPE_CHECKING:
    from or_magic.catalog.model import Model
    from or_magic.catalog.source import CatalogSource

MAX_STEPS = 10


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


_OLD_AUTO = "auto"


@dataclass(frozen=True, slots=True)
class TurnPosition:
    """Where in which conversation a question is asked.

    Attributes:
        thread: the name of the thread; None for a question that stands alone.
        history: which of its turns go along.
        cell_id, ask_number, replaces: see `NewTurn`.
    """

    thread: str | None = None
    history: WhichHistory = "thread"
    cell_id: str | None = None
    ask_number: int = 0
    replaces: TurnId | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """What is about to be asked.

    Attributes:
        prompt: the message.
        model_is_default: whether nobody chose a model.
        composed: the model, the body's fields and the headers.
        notes: what the user should know, one line each: old names, parameters that may have no effect.
        system: the system prompt; None for none.
        seat: where in which conversation it is asked.
        max_cost: what it may cost at most in 1e-12 USD; None for what the budgets leave.
        is_over_budget: whether it is asked whatever the budgets say.
        replay: when a kept answer is given again instead of asking; None for what is set.
        form: what the answer shall be.
        belt: the tools that may be called.
        earlier: for a question that stands alone: the messages of the steps before it.
        steps, runs: the answers that called tools before it, and what was run for them.
        begun: the beginning of the answer that it is to go on from; "" for a new answer.
    """

    prompt: Message
    model_is_default: bool
    composed: Composed
    notes: tuple[str, ...]
    system: str | None
    position: TurnPosition
    max_cost: int | None = None
    is_over_budget: bool = False
    replay: Replay | None = None
    answer_format: AnswerFormat = ANY_FORMAT
    tool_settings: ToolSettings = NO_TOOL_SETTINGS
    earlier: tuple[Message, ...] = ()
    steps: tuple[Answer, ...] = ()
    runs: tuple[ToolRun, ...] = ()
    begun: str = ""

    def turn(self, location: Location, service: str, run: str) -> NewTurn:
        """The turn that it would be, asked at `place` by the session that is named `run`."""
        position = self.position
        return NewTurn(
            notebook=location.notebook,
            budget_scope=location.budget_scope,
            cell_id=position.cell_id,
            service=service,
            model_asked=self.composed.model,
            parameters=self.composed.body,
            system=self.system,
            prompt=self.prompt,
            thread=position.thread,
            ask_number=position.ask_number,
            replaces=position.replaces,
            history=position.history,
            run=run,
        )

    @property
    def shareable(self) -> dict[str, Any]:
        """The fields of the body that do not tell about the user."""
        return {name: value for name, value in self.composed.body.items() if name not in private_names()}


def prepare(
    settings: Settings,
    models: CatalogSource,
    prompt: Content,
    model: str | None,
    parameters: Mapping[str, Any] | None,
    system: str | None,
    position: TurnPosition,
    answer_format: AnswerFormat,
    tool_settings: ToolSettings,
) -> Question:
    """Makes a question ready.

    Args:
        prompt: what is asked.
        model: the id for this question; None for what is set.
        parameters: those of this question, as their kinds gave them.
        system: the system prompt of this question; None for none.
        seat: where in which conversation it is asked.
        form: what the answer shall be.
        belt: the tools that the model may call.

    Raises:
        CommandError: a parameter cannot be set, or the model cannot answer so.
    """
    chosen, values = settings.model(model), settings.parameters(parameters)
    asked = {ACCOUNT_MODEL: None, _OLD_AUTO: DEFAULT_MODEL}.get(chosen.value, chosen.value)
    known = _known(models, asked) if answer_format != ANY_FORMAT else None
    check_output_kind(answer_format, known, models)
    given = {name: value.value for name, value in values.items()}
    supported = known.supported_parameters if known is not None else None
    values |= {
        name: ChosenValue(value, "-f or --schema") for name, value in answer_format.parameters(supported, given).items()
    }
    if tool_settings.tools.declarations:
        check_tools(models, asked)
        declared = [*given.get("tools", []), *tool_settings.tools.declarations]
        values["tools"] = ChosenValue(declared, "--tools")
    told = "\n\n".join(filter(None, (system, answer_format.instruction(supported, given))))
    composed = compose(asked, {name: value.value for name, value in values.items()})
    notes = [f"The model auto is now {DEFAULT_MODEL}."] if chosen.value == _OLD_AUTO else []
    notes += composed.notes
    if values and asked is not None:
        notes += _unheard(models.cached(asked), values, composed)
    is_default = chosen.source == "default"
    notes += prompt.notes
    message = Message("user", prompt.parts)
    return Question(
        message,
        is_default,
        composed,
        tuple(notes),
        told or None,
        position,
        answer_format=answer_format,
        tool_settings=tool_settings,
    )


def warned(question: Question, models: CatalogSource) -> Question:
    """The question with what is to be known of its model, at the model's first use."""
    id = question.composed.model
    warning = models.warning(id) if id is not None else ""
    return replace(question, notes=(*question.notes, warning)) if warning else question


def corrected(question: Question, answer: Answer, error: str, position: TurnPosition) -> Question:
    """The question that follows an answer which did not fit its schema.

    In a conversation the model has its answer before it; else the question is asked again with the answer in it.
    """
    cost = answer.usage.cost_pico_usd if answer.usage else None
    told = f"That does not fit ({error}). Answer again, with JSON alone that fits the schema."
    parts: tuple[Part, ...] = (TextPart(told),)
    if position.thread is None:
        parts = (*question.prompt.parts, TextPart(f"\n\nYou answered:\n{answer.text}\n\n{told}"))
    paid = "cost not known" if cost is None else format_usd(cost)
    note = f"Asked once more, since the first answer did not fit the schema ({error}); it cost {paid}."
    rest = None if question.max_cost is None else max(question.max_cost - (cost or 0), 0)
    return replace(question, prompt=Message("user", parts), position=position, notes=(note,), max_cost=rest)


def checked_arguments(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters given in Python, under the API's names.

    Raises:
        CommandError: there is no such parameter, or it cannot have that value.
    """
    checked = {}
    for name, value in arguments.items():
        parameter = PARAMETER_BY_NAME.get(name)
        if parameter is None and name not in OLD_NAMES:
            near = difflib.get_close_matches(name, list(PARAMETER_BY_NAME), n=1, cutoff=0.5)
            hint = f"Did you mean {near[0]}?" if near else 'param={"name": value} sends a field that is not known here.'
            raise CommandError(f"There is no parameter {name!r}. {hint}")
        checked[name] = value if parameter is None else parameter.check(value, name)
    return checked


def _known(models: CatalogSource, id: str | None) -> Model | None:
    """What the catalog says of the model, waiting for it if need be; None where nobody tells."""
    try:
        return models.model(id) if id is not None else None
    except OrMagicError:
        return None


def _unheard(model: Model | None, values: Mapping[str, ChosenValue], composed: Composed) -> list[str]:
    """What the model does not list, so that it may have no effect."""
    if model is None or model.is_router or not model.supported_parameters:
        return []
    deaf = [p for p in PARAMETERS if p.name in values and p.ability and p.ability not in model.supported_parameters]
    if not deaf:
        return []
    flags = ", ".join(parameter.long_flag for parameter in deaf)
    if composed.body.get("provider", {}).get("require_parameters"):
        raise CommandError(
            f"{model.id} does not hear {flags}, and provider.require_parameters asks for it. Nothing was sent: leave "
            "one of them out, or name another model."
        )
    return [f"{model.id} does not list {flags}: it may have no effect."]
