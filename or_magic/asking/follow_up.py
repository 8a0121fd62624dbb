"""What follows the first answer of a question: the steps with its tools, then, once, an answer that fits its schema."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from or_magic.asking.tool_loop import ToolLoop
from or_magic.errors import OrMagicError, SchemaError, Stopped

if TYPE_CHECKING:
    from or_magic.answer import Answer
    from or_magic.asking.ask import Ask
    from or_magic.asking.question import Question
    from or_magic.asking.session import Session


def needs_follow_up(question: Question) -> bool:
    """Whether anything may follow its first answer."""
    return bool(question.belt.tools.functions) or question.form.shape is not None


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
        if self._question.belt.tools.functions:
            answer = ToolLoop(self._session, self._question, self._ask, show=self._show).follow(answer)
        return answer if self._question.form.shape is None else self._fitting(answer)

    def follow_late(self) -> Answer:
        """The same in the thread of the first answer. How it ends is in the last one, as for any in the background."""
        assert self._first is not None
        last = self._first.answer
        if self._question.belt.tools.functions:
            last = ToolLoop(self._session, self._question, self._ask, show=self._show, first=self._first).follow_late()
        is_over = last.ending != "complete" or last.error is not None or self._first.is_stopped
        if self._question.form.shape is None or is_over:
            return last
        try:
            return self._fitting(last)
        except (OrMagicError, Stopped) as error:  # it would be lost with the thread
            last = self._first.newest
            last.error = last.error or str(error)
            return last

    def _fitting(self, answer: Answer) -> Answer:
        """The answer; where it does not fit the schema, the one that is given to the error, asked for once."""
        from or_magic.asking.question import corrected

        try:
            answer.value  # noqa: B018  # read here, so that it is validated now
        except SchemaError as error:
            if answer.ending != "complete":
                return answer
            seat = self._session.next_seat(self._question.seat)
            answer = self._ask(corrected(self._question, answer, str(error.__context__), seat))
            answer.value  # noqa: B018  # the second one is the last
        return answer
