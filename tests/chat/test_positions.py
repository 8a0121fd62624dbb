"""One session at several hosts at once: who asks from where, who is told, and how questions count."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from or_magic.answer import Answer
from or_magic.chat.host import Location, ScriptHost
from or_magic.chat.session import QuestionCounter, Session
from or_magic.errors import CommandError, ModelNotFoundError

from . import tool_loop_parts
from .tool_loop_parts import add, ask

opened = tool_loop_parts.opened
session = tool_loop_parts.session


class HistorySlice(ScriptHost):
    """A script that is somewhere else."""

    def __init__(self, **location: Any) -> None:
        super().__init__()
        self._location = replace(super().where(), **location)

    def where(self) -> Location:
        return self._location


def say(session: Session, text: str = "hi", **options: Any) -> Answer:
    return session.ask(text, **({"model": "sandbox/echo", "show": False} | options))


def test_another_host_in_a_thread(opened: Callable[..., Session]) -> None:
    """A thread asks from where it is, while all others are where the session is."""
    session = opened(HistorySlice(notebook="/cell.ipynb"))
    own, seen = session.host, queue.SimpleQueue[object]()
    is_there, may_leave = threading.Event(), threading.Event()

    def panel() -> None:
        with session.use_host(HistorySlice(notebook="/panel.ipynb")):
            is_there.set()
            may_leave.wait(20)
            seen.put(say(session).text)
        seen.put(session.host)

    thread = threading.Thread(target=panel)
    thread.start()
    assert is_there.wait(20)
    assert session.host is own
    say(session)
    may_leave.set()
    thread.join(20)

    assert seen.get(timeout=1) == "hi"
    assert seen.get(timeout=1) is own
    assert [turn.notebook for turn in session.ledger.turns()] == ["/cell.ipynb", "/panel.ipynb"]


def test_what_follows_in_the_background(opened: Callable[..., Session]) -> None:
    """What follows a question in the background, its steps with tools, belongs where it was asked, also later on."""
    session = opened(HistorySlice(notebook="/cell.ipynb"))
    lasts: queue.SimpleQueue[Answer] = queue.SimpleQueue()

    with session.use_host(HistorySlice(notebook="/panel.ipynb")):
        ask(session, "go", add, in_background=True, on_last=lasts.put)
    lasts.get(timeout=20)

    assert [turn.notebook for turn in session.ledger.turns()] == ["/panel.ipynb"] * 2


def test_leaving(opened: Callable[..., Session]) -> None:
    """Who leaves, also by an exception, is where he was before; another session stays where it is."""
    first, second = opened(), opened()
    own, outer, inner = first.host, ScriptHost(), ScriptHost()

    def fail() -> None:
        with first.use_host(inner):
            assert first.host is inner
            assert second.host is not inner
            raise ZeroDivisionError

    with first.use_host(outer):
        with pytest.raises(ZeroDivisionError):
            fail()
        assert first.host is outer
        with second.use_host(inner):
            assert (first.host, second.host) == (outer, inner)
    assert first.host is own


def states(session: Session) -> tuple[list[list[str]], Callable[[], object]]:
    """The states of all turns whenever the session tells that something has changed, and what ends that."""
    seen: list[list[str]] = []

    def look() -> None:
        seen.append([turn.state for turn in session.ledger.turns()])

    session.watchers.append(look)
    return seen, lambda: session.watchers.remove(look)


def test_who_watches(session: Session) -> None:
    """Who watches is told when a question was written down and when it has ended, well or not; then no more."""
    seen, end = states(session)

    say(session)
    with pytest.raises(ModelNotFoundError):
        say(session, model="foo/bar")
    assert seen == [["open"], ["complete"], ["complete", "open"], ["complete", "failed"]]

    end()
    say(session)
    assert len(seen) == 4


def test_who_watches_the_background(session: Session) -> None:
    """In the background the last that is told is the end, after the last answer was handed over."""
    seen, end = states(session)
    told, done = list[int](), threading.Event()
    session.watchers.append(lambda: done.set() if told else None)

    answer = ask(session, "go", add, in_background=True, on_last=lambda last: told.append(len(seen)))

    assert done.wait(20)
    end()
    assert answer.done
    assert seen[0] == ["open"]
    assert seen[-1] == ["complete", "complete"]
    assert told == [len(seen) - 1]


def test_nothing_is_told_of_nothing(session: Session) -> None:
    """A question that was never written down is told to nobody."""
    seen, _ = states(session)

    with pytest.raises(CommandError):
        say(session, " ")
    assert seen == []


def test_a_watcher_that_leaves_meanwhile(session: Session) -> None:
    """A watcher may take itself off the list while it is told; the others are told all the same."""
    seen: list[str] = []

    def once() -> None:
        session.watchers.remove(once)
        seen.append("once")

    session.watchers += [once, lambda: seen.append("always")]
    say(session)

    assert seen == ["once", "always", "always"]


@pytest.mark.parametrize("first", [0, 3])
def test_one_run(first: int) -> None:
    """The questions of a run count on from its first one's number."""
    numbering = QuestionCounter()

    assert [numbering.next("a", first) for _ in range(3)] == [first, first + 1, first + 2]


def test_two_runs_at_once() -> None:
    """Each of two runs that ask in turns keeps its own numbers."""
    numbering = QuestionCounter()

    assert [numbering.next(run, 0) for run in "abaabb"] == [0, 0, 1, 2, 1, 2]


def test_no_run() -> None:
    """Where nothing names the run, each question is its first."""
    numbering = QuestionCounter()

    assert [numbering.next(None, 2) for _ in range(3)] == [2, 2, 2]


def test_many_runs() -> None:
    """Of many runs the last hundred that asked are remembered, so that a run under way is not forgotten."""
    numbering = QuestionCounter()
    numbering.next("old", 0)
    for number in range(250):
        numbering.next(f"run {number}", 0)
        numbering.next("busy", 0)

    assert numbering.next("busy", 0) == 250
    assert numbering.next("old", 0) == 0
    assert numbering.next("run 249", 0) == 1


def test_two_cells_at_once(opened: Callable[..., Session]) -> None:
    """Two cells that ask in turns have turns with numbers of their own; run again, each replaces each of its own."""
    session = opened()

    def run(mark: str) -> None:
        cells = [HistorySlice(notebook="/n.ipynb", cell_id=cell, request=f"{cell} {mark}") for cell in "ab"]
        for cell in (*cells, *cells):
            with session.use_host(cell):
                say(session, f"{mark} {cell.where().cell_id}")

    run("first")
    numbered = [(turn.cell_id, turn.ask_number) for turn in session.ledger.turns()]
    assert numbered == [("a", 0), ("b", 0), ("a", 1), ("b", 1)]

    run("second")
    path = [session.ledger.turn(id) for id in session.threads.path("/n.ipynb")]
    assert {turn.prompt.text.split()[0] for turn in path} == {"second"}
    assert sorted((turn.cell_id or "", turn.ask_number) for turn in path) == sorted(numbered)


def test_a_later_question_of_a_cell_again(opened: Callable[..., Session]) -> None:
    """A question of a cell that is asked again elsewhere takes its place, and not that of the cell's first one."""
    session = opened()
    with session.use_host(HistorySlice(notebook="/n.ipynb", cell_id="a", request="run")):
        first, second = say(session, "one"), say(session, "two")
    with session.use_host(HistorySlice(notebook="/n.ipynb", cell_id="a", request="panel", ask_number=1)):
        again = say(session, "two again", replaces=second.turn_id)

    assert session.threads.path("/n.ipynb") == [first.turn_id, again.turn_id]
    assert session.ledger.turn(again.turn_id or 0).ask_number == 1
