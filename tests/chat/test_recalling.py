"""An answer that is made from a kept turn is the one that was given, as far as it is kept."""

from __future__ import annotations

import pickle
import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from or_magic.answer import Answer
from or_magic.chat.host import FooterData, ScriptHost, View
from or_magic.chat.replay import answer_of, runs_between
from or_magic.chat.session import Session
from or_magic.errors import ServiceError
from or_magic.ledger.records import Progress, Turn
from or_magic.sandbox import Sandbox
from or_magic.types import (
    Annotated,
    AudioDelta,
    Began,
    Ending,
    Event,
    Finished,
    ImageArrived,
    ImagePart,
    Message,
    ReasoningDelta,
    ReasoningDetailsDelta,
    RefusalDelta,
    TextDelta,
    ToolCallDelta,
    ToolResultPart,
    Usage,
    UsageReported,
)

from . import tool_loop_parts
from .tool_loop_parts import add, ask, bad, today

opened = tool_loop_parts.opened
session = tool_loop_parts.session

IMAGE = "data:image/png;base64,AAAA"
ARRIVED = ("text", "reasoning", "reasoning_details", "calls", "citations", "refusal", "audio", "image_urls", "parts")
TOLD = ("id", "model", "provider", "service_tier", "finish_reason", "native_finish_reason", "message", "code")
PAID = ("usage", "cost", "cost_source", "estimated_pico_usd", "attempts", "may_be_billed_twice")
ENDED = ("ending", "error", "done", "seconds", "seconds_to_first_token")
ASKED = ("model_asked", "parameters", "turn_id")


def facts(answer: Answer) -> dict[str, Any]:
    """All that is kept of an answer."""
    return {name: getattr(answer, name) for name in (*ARRIVED, *TOLD, *PAID, *ENDED, *ASKED)}


def check_recalled(session: Session, answer: Answer) -> Turn:
    """The answer of its kept turn equals it."""
    turn = session.ledger.turn(answer.turn_id or 0)
    assert facts(answer_of(turn)) == facts(answer)
    assert answer_of(turn).history.turns == answer.history.turns
    return turn


def kept(session: Session, answer: Answer, ending: Ending = "complete", error: str | None = None) -> Turn:
    """The turn of an answer that is written down as `Ask` does."""
    question = session.question("hi", answer.model_asked or "account", {}, None, None, None)
    answer.turn_id = session.ledger.open_turn(question.turn("")).id
    answer.finish(ending, error)
    session.ledger.finish_turn(answer.turn_id, Progress.of(answer), ending, error)
    return session.ledger.turn(answer.turn_id)


@pytest.mark.parametrize(
    ("model", "parameters"),
    [
        ("sandbox/echo", {"temperature": 0.2}),
        ("sandbox/reasoner", {}),
        ("sandbox/sources", {}),
        ("sandbox/coder", {}),
        ("sandbox/essay", {"max_tokens": 9}),
        ("sandbox/byok", {}),
        ("account", {}),
    ],
)
def test_an_answer(session: Session, model: str, parameters: dict[str, Any]) -> None:
    """Text, thoughts, sources, figures, cost and its source, how it ended and how long it took are those it had."""
    session.ask("first", model="sandbox/echo", show=False)
    answer = session.ask("hi", model=model, parameters=parameters, show=False)

    check_recalled(session, answer)
    assert answer_of(session.ledger.turn(answer.turn_id or 0)).cost_source == "reported"


def test_what_tells_about_the_user(session: Session) -> None:
    """Fields of a request that tell about the user are not among the parameters, as they were not before."""
    answer = session.ask("hi", model="sandbox/echo", parameters={"user": "ada", "top_p": 0.5}, show=False)

    turn = check_recalled(session, answer)
    assert answer_of(turn).parameters == {"top_p": 0.5}


def test_one_that_broke_off(session: Session, sandbox: Sandbox) -> None:
    """Of an answer that broke off there is what had come, and why; its cost is not known."""
    sandbox.cut_next(after_events=6)
    with pytest.raises(ServiceError):
        session.ask("one two three four five six seven eight", model="sandbox/echo", show=False)

    assert session.last is not None
    check_recalled(session, session.last)
    recalled = answer_of(session.ledger.turn(session.last.turn_id or 0))
    assert (recalled.ending, recalled.cost, recalled.cost_source) == ("failed", None, None)


def test_one_that_was_refused(session: Session) -> None:
    """An answer that never came is empty, with the reason; it cost nothing, as the service told."""
    with pytest.raises(ServiceError):
        session.ask("hi", model="foo/bar", show=False)

    assert session.last is not None
    check_recalled(session, session.last)
    assert answer_of(session.ledger.turn(session.last.turn_id or 0)).cost == 0


class Watching(ScriptHost):
    """A script that is told what comes, and when a cost is known afterwards."""

    def __init__(self, told: Callable[[Event], object] = lambda event: None) -> None:
        super().__init__()
        self.told, self.is_amended = told, threading.Event()

    def open_view(self, answer: Answer, *, in_background: bool = False, is_live: bool = True) -> View:
        return _Watching(self)


class _Watching:
    def __init__(self, host: Watching) -> None:
        self._host = host

    def show(self, event: Event) -> None:
        self._host.told(event)

    def rest(self) -> None:
        pass

    def close(self, answer: Answer, footer_data: FooterData) -> None:
        pass

    def amend(self, answer: Answer, footer_data: FooterData) -> None:
        self._host.is_amended.set()


def test_one_that_was_stopped(opened: Callable[..., Session]) -> None:
    """Of an answer that was stopped there is what had come, and what it is estimated at."""
    session = opened(Watching(lambda event: [job.stop() for job in session.jobs() if isinstance(event, TextDelta)]))
    session.models.body()
    lasts: queue.SimpleQueue[Answer] = queue.SimpleQueue()

    session.ask("one two three four five", model="sandbox/slow", in_background=True, on_last=lasts.put)
    answer = lasts.get(timeout=20)

    check_recalled(session, answer)
    recalled = answer_of(session.ledger.turn(answer.turn_id or 0))
    assert (recalled.ending, recalled.text, recalled.error) == ("stopped", answer.text, "stopped by the user")
    assert recalled.text
    assert (recalled.cost, recalled.estimated_pico_usd) == (None, answer.estimated_pico_usd)
    assert recalled.estimated_pico_usd


def test_a_cost_that_was_told_afterwards(opened: Callable[..., Session], sandbox: Sandbox) -> None:
    """A cost that the service's record told is known to come from there."""
    host = Watching()
    session = opened(host)
    sandbox.behave(record_delay_s=0.05)
    sandbox.cut_next(after_events=6)
    with pytest.raises(ServiceError):
        session.ask("one two three four five six seven eight", model="sandbox/echo")

    assert host.is_amended.wait(20)
    assert session.last is not None
    check_recalled(session, session.last)
    assert answer_of(session.ledger.turn(session.last.turn_id or 0)).cost_source == "reconciled"


def everything() -> Iterator[Event]:
    """Each kind of piece that an answer can have."""
    yield Began("gen-1", "a/b-20", "Prov", "flex")
    yield ReasoningDelta("hm")
    yield ReasoningDetailsDelta(({"type": "reasoning.text", "text": "hm", "signature": "x", "index": 0},))
    yield TextDelta("a\n```python\n1\n```\n\u2028 \ud83d")
    yield RefusalDelta("no")
    yield ToolCallDelta(0, "c1", "add", '{"a": 1}')
    yield ToolCallDelta(1, "c2", "add", "")
    yield Annotated(({"type": "url_citation", "url_citation": {"url": "https://example.org", "title": "t"}},))
    yield ImageArrived(IMAGE)
    yield ImageArrived("https://example.org/a.png")
    yield AudioDelta("aud", "AAAA", "said")
    yield Finished("tool_calls", "tool_use")
    yield UsageReported(Usage(9, 3, 1, 2, 10**9 + 7, 4, 5, 6, 1, 8, True))


@pytest.mark.parametrize(("ending", "error"), [("complete", None), ("failed", "it broke"), ("stopped", "by the user")])
def test_everything(session: Session, ending: Ending, error: str | None) -> None:
    """Whatever pieces an answer had, and however it ended, all of it is there again; it can be pickled."""
    answer = Answer(model_asked="a/b")
    for event in everything():
        answer.absorb(event)

    turn = kept(session, answer, ending, error)

    assert facts(answer_of(turn)) == facts(answer)
    assert answer_of(turn).cost == Decimal("0.001000000007")
    assert facts(pickle.loads(pickle.dumps(answer_of(turn)))) == facts(answer)


@pytest.mark.parametrize("usage", [None, Usage(), Usage(prompt_tokens=1), Usage(cost_pico_usd=0)])
def test_what_is_not_known(session: Session, usage: Usage | None) -> None:
    """A cost that is not known is None and not 0, and its source as well; 0 is 0."""
    answer = Answer(model_asked=None)
    answer.absorb(TextDelta("hi"))
    if usage is not None:
        answer.absorb(UsageReported(usage))

    recalled = answer_of(kept(session, answer))

    assert (recalled.cost, recalled.cost_source) == (answer.cost, answer.cost_source)
    assert recalled.seconds_thinking is None
    assert (recalled.finish_reason, recalled.model_asked) == (None, None)


def test_one_under_way(session: Session) -> None:
    """An answer whose turn is open is not done; it has what was written down last."""
    question = session.question("hi", "a/b", {}, None, None, None)
    id = session.ledger.open_turn(question.turn("")).id
    session.ledger.checkpoint(id, Progress(text="so far"))

    recalled = answer_of(session.ledger.turn(id))

    assert (recalled.text, recalled.done, recalled.ending, recalled.seconds) == ("so far", False, None, None)


def test_steps_with_tools(session: Session) -> None:
    """Each step is there, and between two of them what the tools gave, in the order of the calls."""
    answer = ask(session, "add, today, bad", add, today, bad, history="thread")
    first, last = session.ledger.turns()
    check_recalled(session, answer)
    check_recalled(session, answer.steps[0])

    runs = runs_between(first, last)

    told = ("id", "name", "text", "error", "images")
    assert [[getattr(run, name) for name in told] for run in runs] == [
        [getattr(run, name) for name in told] for run in answer.runs
    ]
    assert [run.value for run in runs] == [None] * 3
    assert [run.call for run in runs] == [run.call for run in answer.runs]


@pytest.mark.parametrize(
    ("given", "texts"),
    [
        ((), []),
        ((ToolResultPart("c9", "x"),), []),
        ((ToolResultPart("c2", "two"),), ["two"]),
        ((ToolResultPart("c2", "two"), ToolResultPart("c1", "one")), ["one", "two"]),
        ((ToolResultPart("c1", ""),), [""]),
    ],
    ids=["nothing", "of another call", "one alone", "in another order", "empty"],
)
def test_what_was_given(session: Session, given: tuple[ToolResultPart, ...], texts: list[str]) -> None:
    """A call is there where something was given for it; what belongs to no call is left out."""
    answer = Answer(model_asked="a/b")
    for event in everything():
        answer.absorb(event)
    turn = kept(session, answer)
    question = session.question("hi", "a/b", {}, None, None, None)
    asked = replace(question, prompt=Message("tool", (*given, ImagePart(IMAGE))))
    id = session.ledger.open_turn(asked.turn("")).id

    runs = runs_between(turn, session.ledger.turn(id))

    assert [run.text for run in runs] == texts
    if {part.call_id for part in given} == {"c1", "c2"}:
        assert [run.images for run in runs] == [(), (ImagePart(IMAGE),)]
        assert [run.call for run in runs] == ["add(a=1)", "add()"]


def test_between_turns_without_calls(session: Session) -> None:
    """Between two turns of which the first calls nothing, or never came, nothing was run."""
    with pytest.raises(ServiceError):
        session.ask("hi", model="foo/bar", show=False)
    session.ask("hi", model="sandbox/echo", show=False)
    failed, echo = session.ledger.turns()

    assert runs_between(failed, echo) == runs_between(echo, failed) == ()
