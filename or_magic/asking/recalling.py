"""A turn of the store as the `Answer` that it was, and the calls of tools that led to it as what they gave."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from or_magic.answer import Answer
from or_magic.asking.replaying import events_of
from or_magic.asking.tool_runs import ToolRun
from or_magic.ledger.records import Turn
from or_magic.messages import History, ImagePart, Message, ToolCall, ToolResultPart, UsageReported
from or_magic.openrouter.composing import private_names

_FAILED = "Error: "  # how what a tool gave begins where it failed


def answer_of(turn: Turn) -> Answer:
    """The answer of a turn: its text, parts, figures and cost, as the store has them."""
    answer = Answer(model_asked=turn.model_asked)
    for event in events_of(turn, ""):
        if not isinstance(event, UsageReported):
            answer.absorb(event)
    answer.finish_reason = turn.finish_reason
    private = private_names()
    answer.parameters = {name: value for name, value in turn.parameters.items() if name not in private}
    answer.turn_id = turn.id
    answer.history = History(turns=turn.history_turns)
    answer.attempts, answer.may_be_billed_twice = turn.attempts, turn.may_be_billed_twice
    answer.estimated_pico_usd = turn.estimated_pico_usd
    if turn.usage is not None and turn.cost_source == "reconciled":
        answer.reconcile(turn.usage)
    answer.usage = turn.usage
    if turn.state != "open":
        answer.finish("stopped" if turn.state == "interrupted" else turn.state, turn.error)
    answer.seconds, answer.seconds_to_first_token = turn.seconds, turn.seconds_to_first_token
    answer.seconds_thinking = None  # what is not kept is not told
    return answer


def runs_between(turn: Turn, following: Turn) -> tuple[ToolRun, ...]:
    """The calls of tools that a turn made, with what the prompt of the one behind it says that they gave."""
    calls = turn.answer.parts if turn.answer is not None else ()
    return _runs([part for part in calls if isinstance(part, ToolCall)], following.prompt)


def _runs(calls: Sequence[ToolCall], given: Message) -> tuple[ToolRun, ...]:
    texts = {part.call_id: part.text for part in given.parts if isinstance(part, ToolResultPart)}
    images = tuple(part for part in given.parts if isinstance(part, ImagePart))
    made = [
        ToolRun(
            call.id,
            call.name,
            _arguments(call.arguments),
            None,
            texts[call.id],
            images if number == len(calls) else (),
            error=texts[call.id].removeprefix(_FAILED) if texts[call.id].startswith(_FAILED) else "",
        )
        for number, call in enumerate(calls, 1)
        if call.id in texts
    ]
    return tuple(made)


def _arguments(written: str) -> dict[str, Any] | str:
    """Arguments by name, as the model wrote them; its text where it is no JSON object."""
    try:
        value = json.loads(written or "{}")
    except (ValueError, RecursionError):
        return written
    return value if isinstance(value, dict) else written
