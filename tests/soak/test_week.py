"""A simulated week: everything that can happen to a question, and at its end every cent agrees."""

from __future__ import annotations

import contextlib
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from or_magic.chat.costs import costs
from or_magic.chat.session import Session
from or_magic.errors import OrMagicError, Stopped
from or_magic.ledger.audit import verify
from or_magic.ledger.spending import Spending
from or_magic.money import usd
from or_magic.sandbox import Sandbox
from or_magic.settings.layers import Settings

FULL = [pytest.mark.soak, pytest.mark.timeout(7200)]
pytestmark = pytest.mark.sandbox(credits_usd=Decimal(10**6), record_delay_s=0)
TEXT = "What would you say to this, in a word or two?"


@pytest.fixture
def session(sandbox: Sandbox, tmp_path: Path) -> Iterator[Session]:
    told = {"OPENROUTER_BASE_URL": sandbox.base_url, "OR_MAGIC_STORE": str(tmp_path / "ledger.sqlite")}
    owner = Session(settings=Settings(told | {"OR_MAGIC_RETRIES": "1", "OR_MAGIC_HISTORY": "none"}))
    yield owner
    owner.close()


def stream(session: Session, chance: random.Random) -> None:
    model = chance.choice(["echo", "reasoner", "json", "sources", "routed", "byok", "memory"])
    session.ask(
        TEXT * chance.randint(1, 5), model=f"sandbox/{model}", parameters={"max_tokens": chance.randint(1, 200)}
    )


def free(session: Session, chance: random.Random) -> None:
    session.ask(TEXT, model="sandbox/fast", parameters={"max_tokens": 20})


def refused(session: Session, chance: random.Random) -> None:
    session.ask(TEXT, model=f"sandbox/error-{chance.choice([400, 401, 402, 403, 404])}")


def broken(session: Session, chance: random.Random) -> None:
    session.ask(TEXT, model=f"sandbox/{chance.choice(['breaks-a', 'breaks-b', 'breaks-c', 'cut'])}")


def repeated(session: Session, chance: random.Random) -> None:
    session.ask(TEXT, model="sandbox/flaky")


def cached(session: Session, chance: random.Random) -> None:
    for _ in range(2):
        session.ask(TEXT + str(chance.randint(0, 9)), model="sandbox/echo", parameters={"cache": True})


def fallen_back(session: Session, chance: random.Random) -> None:
    session.ask(TEXT, model="sandbox/error-503", parameters={"models": ["sandbox/echo"]})


def stopped(session: Session, chance: random.Random) -> None:
    answer = session.ask("one two three four five six", model="sandbox/slow", in_background=True)
    time.sleep(chance.uniform(0, 0.6))
    for job in session.jobs():
        job.stop()
    answer.wait(20)


def gone_on_with(session: Session, chance: random.Random) -> None:
    session.ask(TEXT, model="sandbox/echo", parameters={"max_tokens": 3})
    session.go_on()


def given_again(session: Session, chance: random.Random) -> None:
    for replay in ("never", "always", "always"):
        session.ask(TEXT, model="sandbox/echo", replay=replay)


EVENTS: dict[Callable[[Session, random.Random], None], int] = {
    stream: 60,
    free: 5,
    refused: 8,
    broken: 8,
    repeated: 1,
    cached: 6,
    fallen_back: 6,
    stopped: 3,
    gone_on_with: 3,
    given_again: 3,
}


@pytest.mark.parametrize("turns", [300, pytest.param(10_000, marks=FULL)])
def test_a_week(session: Session, sandbox: Sandbox, turns: int) -> None:
    """After reconciliation the ledger's total equals the sandbox's book to 1e-12 USD, in all, by model and by day."""
    chance = random.Random(turns)
    done: Counter[str] = Counter()
    budget_scope = session.host.where().budget_scope
    while session.ledger.spent(budget_scope, session.service).turns < turns:
        event = chance.choices(list(EVENTS), list(EVENTS.values()))[0]
        done[event.__name__] += 1
        with contextlib.suppress(OrMagicError, Stopped):
            event(session, chance)
    spending, give_up_at = Spending(session.ledger), time.monotonic() + 60
    while spending.unsettled(session.service, "") and time.monotonic() < give_up_at:
        time.sleep(0.1)

    spent = costs(session)
    charged: Counter[str] = Counter()
    days: Counter[str] = Counter()
    for charge in sandbox.charges:
        charged[charge.model] += charge.cost_usd  # type: ignore[assignment]  # a Counter of Decimals
        days[f"{charge.created_utc:%Y-%m-%d}"] += charge.cost_usd  # type: ignore[assignment]
    print(f"\n{len(session.ledger.turns()):,} turns ({dict(done)}), {usd(spent.total_pico_usd)} USD")
    assert usd(spent.total_pico_usd) == sandbox.charges.total_usd()
    assert {name: cost for name, cost in spent.by("model")["cost_usd"].items() if cost} == {
        name: cost for name, cost in charged.items() if cost
    }
    assert {day: cost for day, cost in spent.by("day")["cost_usd"].items() if cost} == dict(days)
    assert verify(session.ledger) == []
