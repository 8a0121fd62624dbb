"""Asking for the rest of an answer: which answers have one, what is sent, and what takes the place of what."""

from __future__ import annotations

import queue
from collections.abc import Callable
from typing import Any

import pytest

from or_magic.answer import Answer
from or_magic.chat.host import ScriptHost
from or_magic.chat.question import can_go_on
from or_magic.chat.session import Session
from or_magic.errors import CommandError, ServiceError, StoreError
from or_magic.ledger.records import Progress, Turn, TurnId
from or_magic.ledger.threads import Branches, BranchPoint, Threads
from or_magic.sandbox import Sandbox

from . import tool_loop_parts
from .tool_loop_parts import add, ask, chats

opened = tool_loop_parts.opened
session = tool_loop_parts.session

SAID = "one two three four five six seven eight nine ten"


def say(session: Session, text: str = SAID, **options: Any) -> Answer:
    return session.ask(text, **({"model": "sandbox/echo", "show": False} | options))


def cut(session: Session, text: str = SAID, **options: Any) -> TurnId:
    """The turn of an answer that met its length limit."""
    answer = say(session, text, parameters={"max_tokens": 4}, **options)
    assert answer.finish_reason == "length"
    assert answer.turn_id is not None
    return answer.turn_id


def broken(session: Session, sandbox: Sandbox, *, after_events: int = 5, **options: Any) -> TurnId:
    """The turn of an answer that broke off."""
    sandbox.cut_next(after_events=after_events)
    with pytest.raises(ServiceError):
        say(session, **options)
    return session.ledger.turns()[-1].id


def text_of(turn: Turn) -> str:
    return turn.answer.text if turn.answer is not None else ""


def path(session: Session) -> list[TurnId]:
    return Threads(session.ledger).path(session.host.where().notebook)


def test_the_rest_of_an_answer_that_was_cut(session: Session, sandbox: Sandbox) -> None:
    """The beginning goes along as the model's own words; the new answer holds both, and takes the old one's place."""
    before = say(session, "hi").turn_id
    old = cut(session)
    begun = text_of(session.ledger.turn(old))

    answer = session.go_on(old, show=False)

    assert chats(sandbox)[-1]["messages"][-2:] == [
        {"role": "user", "content": SAID},
        {"role": "assistant", "content": begun.rstrip()},
    ]
    new = session.ledger.turn(answer.turn_id or 0)
    assert answer.text == text_of(new)
    assert answer.text.startswith(begun)
    assert len(answer.text) > len(begun)
    assert path(session) == [before, new.id]


def test_the_rest_of_one_that_broke_off(session: Session, sandbox: Sandbox) -> None:
    """An answer that broke off is made whole; what it was is a version of the question."""
    old = broken(session, sandbox)

    answer = session.go_on(old, show=False)

    assert answer.text == SAID
    notebook = session.host.where().notebook
    assert Branches(session.ledger).branch_points(notebook, None) == [
        BranchPoint((answer.turn_id or 0,), (old, answer.turn_id or 0))
    ]


def test_the_rest_of_an_earlier_answer(session: Session) -> None:
    """An answer in the middle can be gone on with: what came after it is no longer on the path, and is kept."""
    old = cut(session)
    later = say(session, "and then?").turn_id

    answer = session.go_on(old, show=False)

    assert path(session) == [answer.turn_id]
    assert session.ledger.turn(later or 0).state == "complete"
    assert answer.history.turns == 0


def test_what_it_is_asked_with(session: Session, sandbox: Sandbox) -> None:
    """Model, parameters, system prompt, thread and cell are those of the old answer, and not those of now."""
    parameters = {"max_tokens": 4, "temperature": 0.3}
    session.ask(SAID, model="sandbox/echo", parameters=parameters, system="Be brief.", thread="draft", show=False)
    old = session.ledger.turns()[-1]
    say(session, "elsewhere", model="sandbox/reasoner", thread="other")

    answer = session.go_on(old.id, show=False)

    new = session.ledger.turn(answer.turn_id or 0)
    asked_with = ("model_asked", "parameters", "system", "thread", "cell_id", "ask_number", "prompt", "notebook")
    assert [getattr(new, name) for name in asked_with] == [getattr(old, name) for name in asked_with]
    assert chats(sandbox)[-1]["messages"][0] == {"role": "system", "content": "Be brief."}
    assert chats(sandbox)[-1]["temperature"] == 0.3


def test_one_that_stands_alone(session: Session) -> None:
    """The rest of an answer that was asked without history goes on no thread either."""
    old = cut(session, history="none")

    answer = session.go_on(old, show=False)

    assert session.ledger.turn(answer.turn_id or 0).thread is None
    assert session.threads.of(session.host.where().notebook) == []


def test_again_and_again(session: Session) -> None:
    """What was gone on with can be gone on with, until the answer is whole; each time the newest takes the place."""
    turn = cut(session)
    while can_go_on(session.ledger.turn(turn)):
        turn = session.go_on(turn, show=False).turn_id or 0

    assert text_of(session.ledger.turn(turn)) == SAID
    assert path(session) == [turn]


def test_a_failure_while_it_goes_on(session: Session, sandbox: Sandbox) -> None:
    """Where the rest breaks off as well, what is there of it is kept, and the thread has the old answer again."""
    old = cut(session)
    sandbox.cut_next(after_events=0)

    with pytest.raises(ServiceError):
        session.go_on(old, show=False)

    attempt = session.ledger.turns()[-1]
    assert path(session) == [old]
    assert (attempt.state, text_of(attempt)) == ("failed", text_of(session.ledger.turn(old)).rstrip())


def test_in_the_background(session: Session) -> None:
    """In the background it returns at once, and tells the last answer, once."""
    old = cut(session)
    lasts: queue.SimpleQueue[Answer] = queue.SimpleQueue()

    answer = session.go_on(old, in_background=True, show=False, on_last=lasts.put)

    assert lasts.get(timeout=20) is answer is answer.wait(20)
    assert answer.done
    assert lasts.empty()
    assert path(session) == [answer.turn_id]


@pytest.mark.parametrize("is_named", [True, False], ids=["named", "last"])
def test_a_whole_answer(session: Session, sandbox: Sandbox, is_named: bool) -> None:
    """A whole answer has no rest: one line, nothing is sent, nothing is written."""
    turn = say(session).turn_id

    with pytest.raises(CommandError, match=r"nothing to go on with|no answer to go on with") as told:
        session.go_on(turn if is_named else None, show=False)

    assert "\n" not in str(told.value)
    assert len(chats(sandbox)) == len(session.ledger.turns()) == 1


def test_no_answer_at_all(session: Session, sandbox: Sandbox) -> None:
    """Where nothing was asked, nothing came, or there is no such turn, one line says so and nothing is sent."""
    with pytest.raises(CommandError, match="There is no answer to go on with"):
        session.go_on()
    with pytest.raises(StoreError, match="999"):
        session.go_on(999)
    silent = broken(session, sandbox, after_events=0)
    count = len(chats(sandbox))
    with pytest.raises(CommandError, match="There is no answer to go on with"):
        session.go_on(silent)
    assert len(chats(sandbox)) == count


def test_one_that_still_arrives(session: Session) -> None:
    """An answer under way is not gone on with, named or not."""
    answer = say(session, model="sandbox/slow", in_background=True)
    try:
        with pytest.raises(CommandError, match="There is no answer to go on with"):
            session.go_on(answer.turn_id, show=False)
        with pytest.raises(CommandError, match=r"The last answer still arrives: %openrouter stop ends it"):
            session.go_on(show=False)
    finally:
        for job in session.jobs():
            job.stop()
    assert answer.wait(20).ending == "stopped"


def test_what_an_earlier_session_left(opened: Callable[..., Session], sandbox: Sandbox) -> None:
    """Without a name, a new session goes on with what the last one left unfinished, and then with its own."""
    host = ScriptHost()
    old = broken(opened(host), sandbox)
    session = opened(host)

    answer = session.go_on(show=False)

    assert answer.text == SAID
    assert text_of(session.ledger.turn(old)) in SAID
    with pytest.raises(CommandError, match="The last answer is whole"):
        session.go_on(show=False)


@pytest.mark.parametrize("tail", ["", " ", "\n\n", " \t\n"])
def test_white_space_at_the_end(session: Session, tail: str) -> None:
    """The beginning is sent without white space at its end, after which some models refuse to go on."""
    opened = session.ledger.open_turn(session.question(SAID, "sandbox/echo", {}, None, None, None).turn("earlier"))
    session.ledger.finish_turn(opened.id, Progress(text=f"one two{tail}"), "stopped", None)

    assert session.question_for_rest(opened.id).begun == "one two"


@pytest.mark.parametrize(
    ("state", "finish_reason", "text", "can"),
    [
        ("stopped", None, "one", True),
        ("failed", None, "one", True),
        ("complete", "length", "one", True),
        ("complete", "stop", "one", False),
        ("complete", "tool_calls", "one", False),
        ("stopped", None, "", False),
        ("failed", None, " \n", False),
        ("open", "length", "one", False),
    ],
)
def test_which_can_be_gone_on_with(
    session: Session, state: Any, finish_reason: str | None, text: str, can: bool
) -> None:
    """What has ended, is cut, and has text; nothing else."""
    question = session.question("hi", "sandbox/echo", {}, None, None, None)
    id = session.ledger.open_turn(question.turn("")).id
    progress = Progress(text=text, finish_reason=finish_reason)
    if state == "open":
        session.ledger.checkpoint(id, progress)
    else:
        session.ledger.finish_turn(id, progress, state, None)

    assert can_go_on(session.ledger.turn(id)) == can


def test_a_call_of_a_tool_is_not_text(session: Session) -> None:
    """An answer that only calls a tool has no text to go on from."""
    answer = ask(session, "go", add)

    assert not can_go_on(session.ledger.turn(answer.steps[0].turn_id or 0))


def test_making_it_ready(session: Session, sandbox: Sandbox) -> None:
    """Making the question ready sends and writes nothing."""
    old = cut(session)
    before, sent = session.ledger.turns(), len(chats(sandbox))

    session.question_for_rest(old)

    assert session.ledger.turns() == before
    assert len(chats(sandbox)) == sent
