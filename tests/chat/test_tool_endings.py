"""How a turn with tools ends: limits, failures, interrupts, who is asked, what it costs, and in the background."""

from __future__ import annotations

import queue
import signal
from collections.abc import Callable
from typing import Any

import pytest

import or_magic
from or_magic.answer import Answer
from or_magic.chat.host import Approval, ScriptHost
from or_magic.chat.question import MAX_STEPS, ToolSettings
from or_magic.chat.session import Session
from or_magic.errors import BudgetError, CommandError, ContextLengthError, Stopped, ToolError
from or_magic.ledger.audit import verify
from or_magic.money import amount, usd
from or_magic.sandbox import Sandbox
from or_magic.types import ToolResultPart

from . import tool_loop_parts
from .tool_loop_parts import (
    ADD,
    ADDED,
    add,
    ask,
    bad,
    chats,
    check_followed,
    giving,
    harmless,
    in_thread,
    later,
    retell,
    today,
    write_file,
)

opened = tool_loop_parts.opened
session = tool_loop_parts.session

REFUSED = "Error: The user did not allow this call."


class Scripted(ScriptHost):
    """A script whose user answers as written down."""

    def __init__(self, *answers: Approval | BaseException) -> None:
        super().__init__()
        self._answers, self.asked = list(answers), list[str]()

    def approve(self, name: str, call: str, *, can_be_always: bool) -> Approval:
        self.asked.append(call)
        answer = self._answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer


@harmless
def interrupted() -> None:
    raise KeyboardInterrupt


@or_magic.tool(approve=False, always_asks=True)
def run_code(code: str) -> str:
    return "ran"


def test_an_error_of_its_own(session: Session) -> None:
    """A tool that gives up waiting for something else is told by its own words, and not as its own timeout."""

    @or_magic.tool(approve=False, timeout_s=60)
    def query() -> None:
        raise TimeoutError("the database did not answer")

    answer = ask(session, "go", query)

    assert answer.runs[0].error == "TimeoutError: the database did not answer"


def test_an_alarm_of_the_user(session: Session) -> None:
    """An alarm that was set before a tool with a timeout is still set after it."""

    @or_magic.tool(approve=False, timeout_s=30)
    def quick() -> str:
        return "done"

    left, _ = signal.setitimer(signal.ITIMER_REAL, 600)
    try:
        ask(session, "go", quick)
        assert 0 < signal.getitimer(signal.ITIMER_REAL)[0] <= 600
    finally:
        signal.setitimer(signal.ITIMER_REAL, left)


def test_an_endless_loop(session: Session, sandbox: Sandbox) -> None:
    """A model that calls again and again is asked as often as --max-steps says, and no call of the last is run."""
    done: list[int] = []

    @harmless
    def note(number: int) -> None:
        done.append(number)

    with pytest.raises(ToolError, match=r"after 3 steps.*--max-steps N"):
        ask(session, "break it: endless", note, max_steps=3)

    assert len(chats(sandbox)) == 3
    assert len(done) == 2


@pytest.mark.parametrize(
    ("text", "functions", "requests"), [("endless", [bad], 3), ("endless bad add", [bad, add], MAX_STEPS)]
)
def test_failures(session: Session, sandbox: Sandbox, text: str, functions: list[Any], requests: int) -> None:
    """Three failures in a row end the turn; a call that works in between counts anew."""
    with pytest.raises(ToolError) as ended:
        ask(session, f"break it: {text}", *functions)

    assert len(chats(sandbox)) == requests
    if requests == 3:
        assert str(ended.value) == "3 calls in a row failed, the last one so: ValueError: no such city"
        last = session.ledger.turns()[-1]
        assert (last.state, last.prompt.role, last.error) == ("complete", "tool", str(ended.value))


@pytest.mark.parametrize("history", ["none", "thread"])
def test_too_long(opened: Callable[..., Session], sandbox: Sandbox, history: str) -> None:
    """A step that is too long for the model is not sent; what the tool gave is in the ledger."""
    retell(opened(), context_length=10_000, top_provider={"context_length": 10_000})
    session = opened()

    with pytest.raises(ContextLengthError):
        ask(session, "break it: endless", giving("word " * 4_000), history=history, max_steps=6)

    assert 2 <= len(chats(sandbox)) <= 3
    last = session.ledger.turns()[-1]
    assert (last.state, last.prompt.role) == ("complete", "tool")


def test_an_interrupt(session: Session, sandbox: Sandbox) -> None:
    """An interrupt in a tool ends the turn; the run is kept, and the next question sends an answered call."""
    with pytest.raises(Stopped):
        in_thread(session, "go", interrupted)

    assert session.last is not None
    (run,) = session.last.runs
    assert (run.name, run.error) == ("interrupted", "The user interrupted it.")
    asked, stopped = session.ledger.turns()
    assert (asked.state, stopped.state) == ("complete", "complete")
    assert stopped.prompt.parts == (ToolResultPart(run.id, run.text),)

    in_thread(session, "and now?")

    sent = chats(sandbox)[-1]["messages"]
    (open_call,) = sent[1]["tool_calls"]
    assert [each["role"] for each in sent] == ["user", "assistant", "tool", "user"]
    assert sent[2]["tool_call_id"] == open_call["id"] == run.id


def check_told(session: Session, sandbox: Sandbox, call_id: str, text: str) -> None:
    """The next question tells what a call gave that was run, and the ledger is sound."""
    in_thread(session, "and now?")
    told = {each["tool_call_id"]: each["content"] for each in chats(sandbox)[-1]["messages"] if each["role"] == "tool"}
    assert told[call_id] == text
    assert verify(session.ledger) == []


def test_what_ran_before_an_interrupt(session: Session, sandbox: Sandbox) -> None:
    """The next question after an interrupt tells what the call gave that was run before it."""
    with pytest.raises(Stopped):
        in_thread(session, "add, then interrupted", add, interrupted)

    assert session.last is not None
    assert [run.text for run in session.last.runs] == ["3", "Error: The user interrupted it."]
    check_told(session, sandbox, session.last.runs[0].id, "3")


def test_what_ran_before_a_stop(opened: Callable[..., Session], sandbox: Sandbox) -> None:
    """Who says stop at the second call keeps what the first gave, and the next question tells it."""
    session = opened(Scripted("yes", Stopped("Stopped.")))
    with pytest.raises(Stopped):
        in_thread(session, "write_file, run_code", write_file, run_code)

    asked, stopped = session.ledger.turns()
    assert (asked.state, stopped.state, stopped.error) == ("complete", "complete", "Stopped.")
    assert stopped.usage is not None
    assert stopped.usage.cost_pico_usd == 0
    assert session.last is not None
    (run,) = session.last.runs
    assert stopped.prompt.parts == (ToolResultPart(run.id, "wrote rehearsal"),)
    check_told(session, sandbox, run.id, "wrote rehearsal")


def test_a_stop(opened: Callable[..., Session], sandbox: Sandbox) -> None:
    """Who says stop at the first call ends the turn: nothing is run, nothing more is asked."""
    session = opened(Scripted(Stopped("Stopped.")))

    with pytest.raises(Stopped):
        ask(session, "go", write_file)

    assert [turn.state for turn in session.ledger.turns()] == ["complete"]
    assert len(chats(sandbox)) == 1
    assert session.last is not None
    assert session.last.runs == ()


def test_a_refusal(opened: Callable[..., Session], sandbox: Sandbox) -> None:
    """A refused call tells the model so, and it goes on; --yes does not cover a tool that is not marked harmless."""
    host = Scripted("no")

    answer = ask(opened(host), "go", write_file, is_told_yes=True)

    check_followed(sandbox, answer, "go", ("write_file", '{"name": "rehearsal"}', REFUSED))
    assert host.asked == ["write_file(name='rehearsal')"]


@pytest.mark.parametrize(
    ("function", "answers", "is_told_yes", "asked"),
    [
        (write_file, ("always",), False, 1),
        (write_file, ("yes", "yes"), False, 2),
        (write_file, ("yes", "yes"), True, 2),
        (add, ("yes", "yes"), False, 2),
        (add, (), True, 0),
        (run_code, ("always", "always"), True, 2),
    ],
)
def test_who_is_asked(
    opened: Callable[..., Session], function: Any, answers: tuple[Approval, ...], is_told_yes: bool, asked: int
) -> None:
    """Each call is asked about, but for harmless ones under --yes and after "always"; some whatever was said."""
    host = Scripted(*answers)
    session = opened(host)

    runs = [ask(session, "go", function, is_told_yes=is_told_yes).runs[0] for _ in range(2)]

    assert len(host.asked) == asked
    assert [run.error for run in runs] == ["", ""]


def test_a_function_that_was_written_anew(opened: Callable[..., Session]) -> None:
    """Who has said "always" is asked again about another function of the same name, and not about the same one."""
    host = Scripted("always", "yes")
    session = opened(host)
    source = "def pay(euros: int = 1) -> int:\n    return euros{}\n"
    for change in ("", "", " * 1000"):
        names: dict[str, Any] = {}
        exec(source.format(change), names)
        ask(session, "go", names["pay"])

    assert host.asked == ["pay(euros=1)"] * 2


def test_nobody_to_ask(session: Session, sandbox: Sandbox) -> None:
    """Where nobody can be asked, a call that needs it is an error of one line, and is not run."""
    with pytest.raises(ToolError, match=r"call write_file, and nobody is here.*approve=False.*--yes") as refused:
        ask(session, "go", write_file)

    assert "\n" not in str(refused.value)
    assert len(chats(sandbox)) == 1


def test_what_it_costs(session: Session, sandbox: Sandbox) -> None:
    """Each step is a turn with its own cost; their sum is what the service charged."""
    answer = ask(session, "add, today", add, today)

    costs = [usd(turn.usage.cost_pico_usd or 0) for turn in session.ledger.turns() if turn.usage is not None]
    assert costs == [answer.steps[0].cost, answer.cost]
    assert min(costs) > 0
    assert answer.total_cost == sum(costs) == sandbox.charges.total_usd() == usd(session.spent().pico_usd)


def test_a_budget(session: Session, sandbox: Sandbox) -> None:
    """A step that the budget does not afford is not sent; what the tool gave is in the ledger, and is told next."""
    with pytest.raises(BudgetError):
        ask(session, "go", giving("x" * 20_000), history="thread", max_cost=amount("0.003", ""))

    assert len(chats(sandbox)) == 1
    asked, refused = session.ledger.turns()
    (result,) = refused.prompt.parts
    assert (asked.state, refused.state) == ("complete", "complete")
    assert isinstance(result, ToolResultPart)
    assert result.text == "x" * 20_000
    check_told(session, sandbox, result.call_id, "x" * 20_000)


def test_a_tool_that_asks(session: Session) -> None:
    """What a tool gave that asks a question itself is in the ledger too, where the next step is refused."""

    @harmless
    def consult() -> str:
        return ask_plainly("hi").text * 10_000

    def ask_plainly(text: str) -> Answer:
        return session.ask(text, model="sandbox/echo", history="none", show=False)

    with pytest.raises(BudgetError):
        in_thread(session, "go", consult, max_cost=amount("0.003", ""))

    last = session.ledger.turns()[-1]
    assert (last.state, last.prompt.role) == ("complete", "tool")


def test_a_model_without_tools(session: Session, sandbox: Sandbox) -> None:
    """A model that calls no tools is refused before anything is sent, in a line that names those that do."""
    with pytest.raises(CommandError) as refused:
        ask(session, "go", add, model="sandbox/echo")

    assert str(refused.value) == "sandbox/echo calls no tools. Nothing was sent. These do: sandbox/tools."
    assert (chats(sandbox), session.ledger.turns()) == ([], [])


def test_three_models_with_tools(session: Session, sandbox: Sandbox) -> None:
    """Of many models that call tools the three cheapest of the same author are named."""
    sandbox.behave(models=30)

    with pytest.raises(CommandError, match=r"These do: sandbox/shelf-1, sandbox/shelf-2, sandbox/shelf-4\.$"):
        ask(session, "go", add, model="sandbox/echo")
    sandbox.behave(models=0)


def waited(answer: Answer) -> Answer:
    """The last answer of one in the background, which must come."""
    last = answer.wait(20)
    assert answer.done
    return last


def test_in_the_background(session: Session, sandbox: Sandbox) -> None:
    """Who waits for an answer in the background gets the last one, with its steps and runs."""
    lasts: queue.Queue[Answer] = queue.Queue()

    answer = ask(session, "later, add", later, add, in_background=True, on_last=lasts.put)
    last = waited(answer)

    calls = [("later", '{"text": "rehearsal"}', "rehearsal"), ("add", ADD, ADDED)]
    check_followed(sandbox, last, "later, add", *calls)
    assert last.steps == (answer,)
    assert lasts.get(timeout=10) is last


@pytest.mark.parametrize(
    ("text", "options", "requests", "error"),
    [
        ("go", {"model": "sandbox/nowhere"}, 1, "sandbox/nowhere"),
        ("go", {"model": "sandbox/cut"}, 1, "broke"),
        ("break it: endless", {"max_steps": 2}, 2, "--max-steps"),
    ],
)
def test_failing_in_the_background(
    session: Session, sandbox: Sandbox, text: str, options: dict[str, Any], requests: int, error: str
) -> None:
    """An answer in the background ends also where a step fails, and the last one says why."""
    last = waited(ask(session, text, add, in_background=True, **options))

    assert last.error is not None
    assert error in last.error
    assert len(chats(sandbox)) == requests


@pytest.mark.parametrize("function", [write_file, interrupted])
def test_stopped_in_the_background(session: Session, function: Any) -> None:
    """Who is not there to be asked, or interrupts a tool, does not keep an answer in the background waiting."""
    last = waited(ask(session, "go", function, in_background=True))

    assert last.error is not None
    assert "\n" not in last.error


def test_no_step_at_all() -> None:
    """A question that may not be asked even once is an error of one line."""
    with pytest.raises(CommandError, match="max_steps is 0; it wants 1 or more"):
        ToolSettings(max_steps=0)
