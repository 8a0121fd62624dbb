"""Many processes under one budget: it is never passed, it is used as far as may be, and nothing stays held back."""

from __future__ import annotations

import math
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from or_magic.chat.host import Location, ScriptHost
from or_magic.chat.session import Session
from or_magic.ledger.audit import verify
from or_magic.ledger.store import Budgets
from or_magic.money import pico_usd
from or_magic.sandbox import Sandbox
from or_magic.settings.layers import Settings

from .spender import PROMPT

PROCESSES, QUESTIONS = 4, 16
TIMES_THE_COST = 5  # the worst case is five times what it costs
FULL = [pytest.mark.soak, pytest.mark.timeout(3600)]
pytestmark = pytest.mark.sandbox(pace=2000, first_token_s=0.01, record_delay_s=0.1)


class InFolder(ScriptHost):
    """A script in the folder that the spending processes work in."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = str(folder)

    def where(self) -> Location:
        return Location("process:test", self._folder, "folder")


def environment(sandbox: Sandbox, folder: Path) -> dict[str, str]:
    ours = ("OPENROUTER_", "OR_MAGIC_", "JPY_")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    told = {"OPENROUTER_BASE_URL": sandbox.base_url, "OR_MAGIC_STORE": str(folder / "ledger.sqlite")}
    root = str(Path(__file__).parents[2])
    return inherited | told | {"PYTHONPATH": root}


@pytest.fixture
def session(sandbox: Sandbox, tmp_path: Path) -> Iterator[Session]:
    owner = Session(InFolder(tmp_path), Settings(environment(sandbox, tmp_path)))
    yield owner
    owner.close()


def worst_and_cost(session: Session) -> tuple[int, int, int]:
    """The longest answer that makes the worst case five times the cost; that worst case; and the cost. In 1e-12 USD."""
    cost = session.ask(PROMPT, model="sandbox/echo", history="none").cost
    assert cost is not None
    actual = pico_usd(cost)
    for max_tokens in range(100, 10_000, 10):
        worst = worst_of(session, max_tokens)
        if worst >= TIMES_THE_COST * actual:
            return max_tokens, worst, actual
    raise AssertionError("no answer is that long")


def worst_of(session: Session, max_tokens: int) -> int:
    from or_magic.types import Message

    case = session.budget_check().worst_case(
        "sandbox/echo", {"max_tokens": max_tokens}, (Message.of_text("user", PROMPT),), 0
    )
    return case.pico_usd(max_tokens)


def spend(sandbox: Sandbox, folder: Path, max_tokens: int) -> list[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tests.soak.spender", str(QUESTIONS), str(max_tokens)]
    return [
        subprocess.Popen(command, cwd=folder, env=environment(sandbox, folder), stdout=subprocess.PIPE, text=True)
        for _ in range(PROCESSES)
    ]


def set_budget(session: Session, pico: int) -> int:
    """A budget of so much more than was spent; what had been spent."""
    location = session.host.where()
    spent = session.ledger.spent(location.budget_scope, session.service).pico_usd
    Budgets(session.ledger).put(location.budget_scope, session.service, "notebook", spent + pico)
    return spent


@pytest.mark.parametrize("run", [*range(3), *(pytest.param(run, marks=FULL) for run in range(3, 50))])
def test_a_budget_is_never_passed(session: Session, sandbox: Sandbox, tmp_path: Path, run: int) -> None:
    """64 questions of 4 processes at once: what was charged stays within, and nearly all that fits is answered."""
    max_tokens, worst, actual = worst_and_cost(session)
    budget = random.Random(run).randint(worst, 70 * actual)
    before = set_budget(session, budget)

    endings = [line for process in spend(sandbox, tmp_path, max_tokens) for line in process.communicate()[0].split()]

    answered = endings.count("answered")
    spent = session.ledger.spent(str(tmp_path), session.service).pico_usd - before
    assert answered + endings.count("refused") == PROCESSES * QUESTIONS
    assert spent == answered * actual <= budget
    fits = min(PROCESSES * QUESTIONS, budget // actual - math.ceil(worst / actual) - 1)
    assert answered >= fits
    assert verify(session.ledger) == []


def test_a_killed_process_holds_nothing_back(session: Session, sandbox: Sandbox, tmp_path: Path) -> None:
    """What a killed process had reserved is free again, or settled, soon after the next start."""
    max_tokens, worst, _ = worst_and_cost(session)
    set_budget(session, 64 * worst)
    processes = spend(sandbox, tmp_path, max_tokens)
    for process in processes:
        assert process.stdout is not None
        process.stdout.readline()
    time.sleep(0.5)
    for process in processes:
        process.kill()
        process.wait()

    again = Session(InFolder(tmp_path), Settings(environment(sandbox, tmp_path)))
    again.ask(PROMPT, model="sandbox/echo", history="none")

    (standing,) = again.budget_check().states_of(str(tmp_path), again.service, None)
    give_up_at = time.monotonic() + 60
    while standing.reserved and time.monotonic() < give_up_at:
        time.sleep(0.2)
        (standing,) = again.budget_check().states_of(str(tmp_path), again.service, None)
    assert standing.reserved == 0
    assert not [turn for turn in again.ledger.turns() if turn.state == "open"]
    again.close()
