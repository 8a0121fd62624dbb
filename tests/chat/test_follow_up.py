"""What follows a first answer in the background: one that fits its schema, what tools led to; how its end is told."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any

import pytest

from or_magic.answer import Answer
from or_magic.chat.host import Approval, FooterData, ScriptHost, View
from or_magic.chat.question import ToolSettings
from or_magic.chat.session import Session
from or_magic.chat.tools import tools_of
from or_magic.errors import CommandError, Stopped
from or_magic.money import amount
from or_magic.prompt.answer_formats import answer_format_of
from or_magic.sandbox import Sandbox
from or_magic.types import Event, TextDelta

from . import tool_loop_parts
from .tool_loop_parts import add, chats, write_file

opened = tool_loop_parts.opened
session = tool_loop_parts.session

FORM = answer_format_of(None, "count: int")
WRONG = "break it: type"
WAIT_S = 20


class Front(ScriptHost):
    """A script that is told of each event, and says what it was told to say when it is asked about a call."""

    def __init__(self, told: Callable[[Answer, Event], object] = lambda answer, event: None, says: Any = "yes") -> None:
        super().__init__()
        self.told, self.says = told, says

    def approve(self, name: str, call: str, *, can_be_always: bool) -> Approval:
        if isinstance(self.says, BaseException):
            raise self.says
        answer: Approval = self.says
        return answer

    def open_view(self, answer: Answer, *, in_background: bool = False, is_live: bool = True) -> View:
        return _View(self, answer)


class _View:
    def __init__(self, front: Front, answer: Answer) -> None:
        self._front, self._answer = front, answer

    def show(self, event: Event) -> None:
        self._front.told(self._answer, event)

    def rest(self) -> None:
        pass

    def close(self, answer: Answer, footer_data: FooterData) -> None:
        pass

    def amend(self, answer: Answer, footer_data: FooterData) -> None:
        pass


class Late:
    """A question in the background, and all that it was told of its end."""

    def __init__(self, session: Session, text: str = "hi", **options: Any) -> None:
        self._lasts: queue.SimpleQueue[Answer] = queue.SimpleQueue()
        options = {"model": "sandbox/json", "answer_format": FORM} | options
        self.first = session.ask(text, in_background=True, on_last=self._lasts.put, **options)

    def last(self) -> Answer:
        """The answer that it was told as the last one; the same that who waits gets."""
        last = self._lasts.get(timeout=WAIT_S)
        assert self.first.done
        assert self.first.wait(0) is last
        return last

    def is_told_again(self) -> bool:
        return not self._lasts.empty()


def settled(session: Session) -> None:
    """Waits until nothing is under way in any thread of the session."""
    for thread in threading.enumerate():
        if thread.name.startswith("or_magic turn"):
            thread.join(WAIT_S)
    assert session.jobs() == []


def test_an_answer_that_does_not_fit(session: Session, sandbox: Sandbox) -> None:
    """In the background too one that does not fit its schema is asked for once more; who waits gets the second."""
    late = Late(session, WRONG, history="thread")
    last = late.last()

    assert last is not late.first
    assert (last.value.count, last.ending, last.error) == (1, "complete", None)
    assert "Asked once more, since the first answer did not fit the schema" in last.notes[0]
    assert len(chats(sandbox)) == 2
    assert session.last is last


def test_an_answer_that_fits(session: Session, sandbox: Sandbox) -> None:
    """An answer that fits is the last one, and nothing more is asked."""
    late = Late(session)

    assert late.last() is late.first
    assert late.first.value.count == 1
    assert len(chats(sandbox)) == 1


def test_two_that_do_not_fit(session: Session, sandbox: Sandbox) -> None:
    """There is no third: the second is the last one, and says in one line that it does not fit."""
    last = Late(session, WRONG, history="none").last()

    assert len(chats(sandbox)) == 2
    assert last.error is not None
    assert last.error.startswith("The answer does not fit the schema (")
    assert "\n" not in last.error
    assert last.turn_id == session.ledger.turns()[-1].id


def test_a_second_that_fails(opened: Callable[..., Session], sandbox: Sandbox) -> None:
    """Where the second breaks off it is the last one all the same, with what came of it and why."""
    session = opened(Front(lambda answer, event: sandbox.behave(cut_after_events=2)))
    late = Late(session, WRONG, history="thread")
    last = late.last()

    turn = session.ledger.turns()[-1]
    assert last is not late.first
    assert (last.ending, turn.state, last.turn_id) == ("failed", "failed", turn.id)
    assert last.error == turn.error


def test_a_second_that_the_budget_does_not_allow(session: Session, sandbox: Sandbox) -> None:
    """Where the second may not be asked, the first is the last one, and says why there is no other."""
    late = Late(session, WRONG + " word" * 2_000, history="none", max_cost=amount("0.0105", ""))
    last = late.last()

    assert last is late.first
    assert last.ending == "complete"
    assert "Nothing was sent" in (last.error or "")
    assert len(chats(sandbox)) == len(session.ledger.turns()) == 1


def test_another_cell_meanwhile(opened: Callable[..., Session]) -> None:
    """What another cell asks while the second arrives is not taken for it."""
    others: list[Answer] = []

    def told(answer: Answer, event: Event) -> None:
        if isinstance(event, TextDelta) and "Asked once more" in "".join(answer.notes) and not others:
            others.append(session.ask("another", model="sandbox/echo", history="none", show=False))

    session = opened(Front(told))
    late = Late(session, WRONG, history="none")
    last = late.last()

    assert last not in (late.first, *others)
    assert last.error is not None
    assert (others[0].text, others[0].error) == ("another", None)


def test_a_stop_while_the_second_arrives(opened: Callable[..., Session]) -> None:
    """Who stops the answer stops the second as well; both are one job until then."""
    jobs: list[int] = []

    def told(answer: Answer, event: Event) -> None:
        if isinstance(event, TextDelta) and answer.notes:
            jobs.append(len(session.jobs()))
            session.jobs()[0].stop()

    session = opened(Front(told))
    last = Late(session, WRONG, history="thread").last()

    assert jobs == [1]
    assert last.ending == "stopped"
    assert session.ledger.turns()[-1].state == "stopped"


def test_a_stop_before_the_second(opened: Callable[..., Session], sandbox: Sandbox) -> None:
    """Who stops the first, however late, is asked no second one."""

    def told(answer: Answer, event: Event) -> None:
        for job in session.jobs():
            job.stop()

    session = opened(Front(told))
    late = Late(session, WRONG, history="thread")

    assert late.last() is late.first
    assert late.first.ending == "stopped"
    assert len(chats(sandbox)) == 1


@pytest.mark.parametrize(
    ("says", "steps", "error", "requests"),
    [(Stopped("Stopped."), 10, "Stopped.", 1), ("yes", 1, "--max-steps", 1), ("no", 10, "does not fit", 3)],
    ids=["stopped", "too many steps", "refused"],
)
def test_tools_that_lead_no_further(
    opened: Callable[..., Session], sandbox: Sandbox, says: Any, steps: int, error: str, requests: int
) -> None:
    """Where the tools ended it no answer that fits is asked for; a call that was refused ends nothing."""
    session = opened(Front(says=says))
    tool_settings = ToolSettings(tools_of([write_file]), steps, False)

    last = Late(session, "go", model="sandbox/tools", history="none", tool_settings=tool_settings).last()

    assert error in (last.error or "")
    assert len(chats(sandbox)) == requests


def test_tools_and_then_a_schema(session: Session, sandbox: Sandbox) -> None:
    """After the steps with tools the last answer is to fit; the one that is asked for once more is the last."""
    tool_settings = ToolSettings(tools_of([add]), 10, True)
    late = Late(session, "go", model="sandbox/tools", history="thread", tool_settings=tool_settings)
    last = late.last()

    assert len(chats(sandbox)) == 3
    assert last.turn_id == session.ledger.turns()[-1].id
    assert "does not fit" in (last.error or "")


CASES: dict[str, tuple[dict[str, Any], str]] = {
    "plain": ({"model": "sandbox/echo", "answer_format": answer_format_of(None, None)}, "complete"),
    "tools": ({"model": "sandbox/tools", "tool_settings": ToolSettings(tools_of([add]), 10, True)}, "complete"),
    "schema": ({}, "complete"),
    "schema twice": ({"text": WRONG}, "complete"),
    "refused": ({"model": "foo/bar"}, "failed"),
    "refused without more": ({"model": "foo/bar", "answer_format": answer_format_of(None, None)}, "failed"),
    "cut": ({"model": "sandbox/cut", "answer_format": answer_format_of(None, None)}, "failed"),
}


@pytest.mark.parametrize("case", CASES)
def test_the_last_answer_is_told_once(session: Session, case: str) -> None:
    """However it ends, the last answer is told, once; then it is in the store, and who waits has it."""
    options, ending = CASES[case]
    late = Late(session, **({"history": "none", "show": False} | options))

    last = late.last()

    assert last.ending == ending
    assert session.ledger.turn(last.turn_id or 0).state == ending
    settled(session)
    assert not late.is_told_again()


def test_a_stop_is_told_once(session: Session) -> None:
    """The same of one that is stopped twice."""
    late = Late(session, "one two three", model="sandbox/slow", answer_format=answer_format_of(None, None), show=False)
    (job,) = session.jobs()
    job.stop()
    job.stop()

    assert late.last().ending == "stopped"
    settled(session)
    assert not late.is_told_again()


def test_nothing_is_told_where_nothing_was_asked(session: Session) -> None:
    """Where nothing is asked there is an exception and no last answer."""
    lasts: list[Answer] = []

    with pytest.raises(CommandError, match="nothing to ask"):
        session.ask(" ", in_background=True, on_last=lasts.append)
    assert lasts == session.jobs() == []
