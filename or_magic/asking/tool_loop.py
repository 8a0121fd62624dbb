"""From a call of a tool to the next step: the calls are run, what they gave goes back, until the model is done.

Each step is a turn of its own in the ledger, whose prompt is what the tools gave: so each reserves under the budgets,
has its own exact cost, and is on disk when the next one begins.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

from or_magic.answer import Answer
from or_magic.asking.tool_runs import INTERRUPTED, REFUSED, Runner, ToolRun, failed
from or_magic.asking.tools import NO_TOOLS, Tools
from or_magic.errors import CommandError, OrMagicError, Stopped, ToolError
from or_magic.messages import ImagePart, Message, Part, ToolCall, ToolResultPart

if TYPE_CHECKING:
    from or_magic.asking.ask import Ask
    from or_magic.asking.question import Question
    from or_magic.asking.session import Session
    from or_magic.openrouter.composing import Composed

MAX_STEPS = 10
_MOST_FAILURES = 3


@dataclass(frozen=True, slots=True)
class Toolbelt:
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


NO_TOOLBELT = Toolbelt()


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
        belt = question.belt
        self._runner = Runner(
            belt.tools,
            session.host,
            is_told_yes=belt.is_told_yes,
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
            if len(question.steps) + 1 >= self._question.belt.max_steps:
                count = self._question.belt.max_steps
                raise ToolError(
                    f"The model wants to go on after {count} step{'s' if count > 1 else ''}. "
                    "--max-steps N allows more; what came so far is kept."
                )
            made = self._run(question, answer) if answer.replayed_utc is None else self._given_again(question, answer)
            question = self._next(question, answer, made)
            before = self._session.last_here
            try:
                answer = self._ask(question)
            except OrMagicError as error:
                if self._session.last_here is before:  # nothing was opened for it: under a budget, or too long
                    self._session.record_unsent(question, str(error))
                raise
        return answer

    def follow_late(self) -> Answer:
        """The same in the thread of the first step. How it ends is in the last answer, as for any in the background."""
        first = last = cast("Ask", self._first).answer
        try:
            last = self.follow(first)
        except (Exception, Stopped) as error:  # it would be lost with the thread
            newest = self._session.last_here
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
            seat=self._session.next_seat(question.seat),
            notes=(),
            earlier=(*question.earlier, question.prompt, answer.message) if question.seat.thread is None else (),
            max_cost=rest,
            steps=(*question.steps, answer),
            runs=answer.runs,
            begun="",
        )

    def _sees_images(self) -> bool:
        id = self._question.composed.model
        known = self._session.models.here(id) if id is not None else None
        return known is not None and known.takes_images


def _unforced(composed: Composed) -> Composed:
    """A model that had to call a tool has done so; it would have to call one for ever."""
    if composed.body.get("tool_choice") in (None, "auto", "none"):
        return composed
    return replace(composed, body={name: value for name, value in composed.body.items() if name != "tool_choice"})
