"""The conversation of a notebook against a plain model: lists of turns, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from or_magic.errors import CommandError
from or_magic.ledger.audit import verify
from or_magic.ledger.records import TurnId
from or_magic.ledger.store import Ledger, this_process
from or_magic.ledger.threads import Threads
from or_magic.types import Ending, Message

from .conftest import DATABASES, location_in
from .samples import arrived, question

CELLS = st.sampled_from(["a", "b", "c", "d"])
NAMES = st.sampled_from(["main", "draft", "other"])
ENDINGS = st.sampled_from(["complete", "complete", "complete", "stopped", "failed"])
DEAD = f"{this_process().split('/')[0]}/999999999/1.00"


@dataclass
class Line:
    """A thread of the model: the turns of its path, and the path that redo leads back to."""

    path: list[TurnId] = field(default_factory=list)
    undone: list[TurnId] = field(default_factory=list)


@dataclass
class Pending:
    """A turn under way: its thread, and the path that it took the place of."""

    id: TurnId
    line: Line
    displaced: list[TurnId]


class Conversation(RuleBasedStateMachine):
    """Does the same to a ledger and to the model, and compares what would be sent next."""

    ledger: Ledger
    notebooks = 0

    def __init__(self) -> None:
        super().__init__()
        type(self).notebooks += 1
        self.notebook = f"/{self.notebooks}.ipynb"
        self.threads = Threads(self.ledger)
        self.lines: dict[str, Line] = {}
        self.current = "main"
        self.states: dict[TurnId, str] = {}
        self.cells: dict[TurnId, str] = {}
        self.pending: list[Pending] = []

    def visible(self, path: list[TurnId]) -> list[TurnId]:
        return [id for id in path if self.states[id] in ("complete", "open")]

    def kept(self, line: Line, cell: str) -> list[TurnId]:
        """The path that a question of this cell would follow."""
        own = [i for i, id in enumerate(line.path) if self.cells[id] == cell]
        return line.path[: own[-1]] if own else list(line.path)

    @rule(cell=CELLS, ending=ENDINGS)
    def run(self, cell: str, ending: Ending) -> None:
        self.ask(cell)
        self.end(len(self.pending) - 1, ending)

    @rule(cell=CELLS)
    def ask(self, cell: str) -> None:
        line = self.lines.setdefault(self.current, Line())
        kept = self.kept(line, cell)
        asked = question(
            notebook=self.notebook, cell_id=cell, thread=self.current, prompt=Message.of_text("user", cell)
        )
        opened = self.ledger.open_turn(asked)
        assert [each.turn_id for each in opened.history_slice.context] == [
            i for i in kept if self.states[i] == "complete"
        ]
        self.states[opened.id], self.cells[opened.id] = "open", cell
        self.pending.append(Pending(opened.id, line, line.path))
        line.path = [*kept, opened.id]

    @precondition(lambda self: self.pending)
    @rule(which=st.integers(0, 9), ending=ENDINGS)
    def end(self, which: int, ending: Ending) -> None:
        turn = self.pending.pop(which % len(self.pending))
        self.ledger.finish_turn(turn.id, arrived(f"answer {turn.id}"), ending, None)
        self.ended(turn, ending)

    def ended(self, turn: Pending, ending: str) -> None:
        self.states[turn.id] = ending
        if ending == "complete":
            turn.line.undone = []
        elif turn.line.path[-1:] == [turn.id]:
            turn.line.path = turn.displaced

    @rule(count=st.integers(1, 3))
    def undo(self, count: int) -> None:
        line = self.lines.get(self.current, Line())
        visible = self.visible(line.path)
        if not visible:
            with pytest.raises(CommandError, match="nothing to undo"):
                self.threads.undo(self.notebook, count)
            return
        taken = visible[-count:]
        assert self.threads.undo(self.notebook, count) == taken
        line.undone = line.undone or line.path
        line.path = line.path[: line.path.index(taken[0])]

    @rule(count=st.none() | st.integers(1, 3))
    def redo(self, count: int | None) -> None:
        line = self.lines.get(self.current, Line())
        is_on_the_way = line.path == line.undone[: len(line.path)]
        ahead = self.visible(line.undone[len(line.path) :]) if is_on_the_way else []
        if not ahead:
            with pytest.raises(CommandError, match="nothing to redo"):
                self.threads.redo(self.notebook, count)
            return
        back = ahead[:count]
        assert self.threads.redo(self.notebook, count) == back
        line.path = line.undone[: line.undone.index(back[-1]) + 1]
        if back == ahead:
            line.path, line.undone = line.undone, []

    @rule()
    def reset(self) -> None:
        line = self.lines.get(self.current, Line())
        assert self.threads.reset(self.notebook) == len(self.visible(line.path))
        line.undone, line.path = (line.undone or line.path) if line.path else line.undone, []

    @rule(name=NAMES)
    def fork(self, name: str) -> None:
        if name in self.lines:
            with pytest.raises(CommandError, match="already"):
                self.threads.fork(self.notebook, name)
            return
        self.threads.fork(self.notebook, name)
        self.lines.setdefault("main", Line())  # before anything was asked, too: there is a way back
        self.lines[name] = Line(list(self.lines.get(self.current, Line()).path))
        self.current = name

    @rule(name=NAMES)
    def switch(self, name: str) -> None:
        if name not in self.lines:
            with pytest.raises(CommandError, match="There is no thread"):
                self.threads.switch(self.notebook, name)
            return
        self.threads.switch(self.notebook, name)
        self.current = name

    @precondition(lambda self: self.pending)
    @rule()
    def crash(self) -> None:
        """The process dies with all that is under way; another one starts."""
        ids = [turn.id for turn in self.pending]
        with self.ledger.store.writing() as transaction:
            transaction.run_in("UPDATE turns SET owner = :owner WHERE id IN :values", ids, {"owner": DEAD})
        assert self.ledger.mark_interrupted() == len(ids)
        for turn in sorted(self.pending, key=lambda turn: turn.id, reverse=True):
            self.ended(turn, "interrupted")
        self.pending = []

    @invariant()
    def is_the_same(self) -> None:
        for name, line in self.lines.items():
            assert self.threads.path(self.notebook, name) == self.visible(line.path)
        assert self.threads.current_name(self.notebook) == self.current
        assert verify(self.ledger) == []

    def teardown(self) -> None:
        for turn in self.pending:
            self.ledger.finish_turn(turn.id, arrived(), "failed", None)


@pytest.fixture(params=DATABASES)
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    """A ledger that all examples write into, each into a notebook of its own."""
    ledger = Ledger.open(location_in(request, tmp_path_factory.mktemp("shared")))
    yield ledger
    ledger.close()


@pytest.mark.parametrize("examples", [16, pytest.param(150, marks=[pytest.mark.soak, pytest.mark.timeout(3600)])])
def test_any_sequence(shared: Ledger, examples: int) -> None:
    """Whatever is asked, undone, forked, switched, reset or cut by a crash, both agree, and the store is sound."""
    machine = type("Machine", (Conversation,), {"ledger": shared})

    many = settings(max_examples=examples, stateful_step_count=25, deadline=None, suppress_health_check=[*HealthCheck])
    run_state_machine_as_test(machine, settings=many)
