"""The panel's meter: what was spent, how the budgets stand, and the balance for who asks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from or_magic.chat.session import Session
from or_magic.client.account import Credits, KeyState
from or_magic.jupyter.panel.meter import Meter, Reading, balance_line, meter_html
from or_magic.jupyter.panel.worker import Worker
from or_magic.ledger.records import BudgetState, Limit, NewTurn
from or_magic.ledger.store import Budgets
from or_magic.money import PICO_PER_USD as USD
from or_magic.money import format_usd, pico_usd
from or_magic.sandbox import Sandbox
from or_magic.settings.layers import Settings
from or_magic.types import Message

HOSTILE = '<img src=x onerror="window.__ran=1">\' & \u202e'


class Read(HTMLParser):
    """The tags with their attributes, and the text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data: str) -> None:
        self.text += f"{data} "

    def of(self, role: str) -> list[dict[str, str | None]]:
        return [attributes for _, attributes in self.tags if attributes.get("role") == role]


@pytest.fixture
def session(sandbox: Sandbox, tmp_path: Path) -> Iterator[Session]:
    environment = {"OPENROUTER_BASE_URL": sandbox.base_url, "OR_MAGIC_STORE": str(tmp_path / "ledger.sqlite")}
    owner = Session(settings=Settings(environment))
    yield owner
    owner.close()


class Bench:
    """A meter with a thread to work in."""

    def __init__(self, session: Session) -> None:
        self.failures: list[Exception] = []
        self.work = Worker(self.failures.append)
        self.meter = Meter(session, session.host.where, self.work)
        self.figures, self.button, self.balance = self.meter.children

    def settle(self) -> Bench:
        """Waits until all that was handed over is done."""
        done = threading.Event()
        self.work.do(done.set)
        assert done.wait(20)
        assert self.failures == []
        return self

    def told(self) -> str:
        """The figures as they are read."""
        return Read(self.settle().figures.value).text

    def await_balance(self, matches: Callable[[str], bool]) -> str:
        """Waits for a line in the place of the balance."""
        seen = threading.Event()
        look = lambda: seen.set() if matches(self.balance.value) else None  # noqa: E731  # for both calls
        self.balance.observe(lambda _: look(), "value")
        look()
        assert seen.wait(20)
        return Read(self.settle().balance.value).text.strip()


@pytest.fixture
def bench(session: Session) -> Iterator[Bench]:
    made = Bench(session)
    yield made
    made.work.close()


def test_turn_and_notebook(session: Session, sandbox: Sandbox, bench: Bench) -> None:
    """The cost of the last answer and the sum of the notebook, as the service charged them; called the sandbox's."""
    for _ in range(2):
        answer = session.ask("hi", model="sandbox/essay", parameters={"max_tokens": 40}, history="none")
    bench.meter.refresh(answer)

    turn, total = pico_usd(list(sandbox.charges)[-1].cost_usd), pico_usd(sandbox.charges.total_usd())
    assert bench.told().split() == f"this turn {format_usd(turn)} sandbox {format_usd(total)}".split()


def test_nothing_is_sent_unasked(session: Session, sandbox: Sandbox, bench: Bench) -> None:
    """Looking asks the service for nothing."""
    bench.meter.refresh()
    bench.settle()

    assert len(sandbox.requests) == 0


def test_budgets_of_the_place(session: Session, bench: Bench) -> None:
    """Each budget is told, with what answers under way hold back, and today's stands apart from the notebook's."""
    location = session.host.where()
    for scope, limit in (("notebook", USD), ("day", 4 * USD)):
        Budgets(session.ledger).put(location.budget_scope, session.service, scope, limit)
    limits = session.budget_check().states_of(location.budget_scope, session.service, None)
    turn = NewTurn(
        notebook=location.notebook,
        budget_scope=location.budget_scope,
        cell_id=None,
        service=session.service,
        model_asked="a/b",
        parameters={},
        system=None,
        prompt=Message.of_text("user", "hi"),
        worst_pico_usd=USD // 4,
        limits=tuple(each.limit for each in limits),
    )
    session.ledger.open_turn(turn)
    bench.meter.refresh()

    bars = Read(bench.settle().figures.value).of("meter")
    assert [bar["aria-label"] for bar in bars] == ["folder budget", "today budget"]
    assert [bar["aria-valuetext"] for bar in bars] == [
        f"$0 of {limit} spent, $0.25 held back by answers under way" for limit in ("$1.00", "$4.00")
    ]


def standing(spent: int, reserved: int = 0, limit: int = 100, scope: Any = "notebook") -> BudgetState:
    return BudgetState(Limit(scope, limit * USD // 100), spent * USD // 100, reserved * USD // 100)


@pytest.mark.parametrize(
    ("budget", "level", "spent", "held", "text"),
    [
        (standing(41, 10), "well", 41, 10, "$0.41 of $1.00"),
        (standing(79), "well", 79, 0, "$0.79 of $1.00"),
        (standing(80, 15), "near", 80, 15, "$0.80 of $1.00 (80 %)"),
        (standing(100), "over", 100, 0, "$1.00 of $1.00 (used up)"),
        (standing(250, 30), "over", 100, 0, "$2.50 of $1.00 (used up)"),
        (standing(90, 50), "near", 90, 10, "$0.90 of $1.00 (90 %)"),
        (standing(0, limit=0), "over", 100, 0, "$0 of $0 (used up)"),
    ],
    ids=["well", "below", "near", "used-up", "passed", "held-beyond", "of-nothing"],
)
def test_a_bar(budget: BudgetState, level: str, spent: int, held: int, text: str) -> None:
    """What is spent and what is held back never leave the bar; from 80 % and 100 % on it looks, and reads, another."""
    html = Read(meter_html(Reading("notebook", budget.spent, standings=(budget,))))

    (bar,) = html.of("meter")
    assert bar["class"] == f"orm-meter-bar orm-meter-{level}"
    assert [each["style"] for _, each in html.tags if "style" in each] == [f"width:{spent}%", f"width:{held}%"]
    assert 0 <= Decimal(bar["aria-valuenow"] or "") <= Decimal(bar["aria-valuemax"] or "")
    assert " ".join(html.text.split()) == f"notebook {text}"


def test_unknown_costs() -> None:
    """A cost that is not known is not 0: it is counted beside the sum, with a budget and without."""
    for standings in ((), (standing(1),)):
        html = Read(meter_html(Reading("notebook", USD // 100, unknown=2, standings=standings, turn="not known")))
        assert html.text.split()[:4] == "this turn not known".split()
        assert " ".join(html.text.split()).endswith("+ 2 of unknown cost")


def test_hostile_names() -> None:
    """Whatever a name is, it is text: no tag and no attribute comes of it."""
    reading = Reading(HOSTILE, USD, standings=(standing(1), standing(1, scope="day")), turn=HOSTILE)

    html = Read(meter_html(reading))

    assert {tag for tag, _ in html.tags} == {"div", "span", "b"}
    allowed = {"class", "role", "style", "title", *(f"aria-{each}" for each in ARIA)}
    assert {name for _, attributes in html.tags for name in attributes} <= allowed
    assert "\u202e" not in meter_html(reading)


ARIA = ("label", "valuemin", "valuemax", "valuenow", "valuetext")


def test_the_balance_is_asked_for(session: Session, sandbox: Sandbox, bench: Bench) -> None:
    """A click asks the service for the account's balance, and no more than that."""
    bench.button.click()
    line = bench.await_balance(lambda shown: " left of " in shown)

    assert line.split()[1].startswith("$")
    assert [request.path for request in sandbox.requests] == ["/api/v1/credits"]


def test_a_key_without_the_balance(session: Session, sandbox: Sandbox, bench: Bench) -> None:
    """A key that may not see the account's balance tells what it may spend itself."""
    sandbox.fail_next(403, "Only management keys can fetch credits", path="/credits")
    bench.button.click()

    assert bench.await_balance(lambda shown: "this key" in shown).startswith("this key ")


def test_a_balance_that_cannot_be_had(session: Session, sandbox: Sandbox, bench: Bench) -> None:
    """What goes wrong is one line of text, in the place of the balance, and the next click asks again."""
    sandbox.fail_next(400, f"no{HOSTILE}", path="/credits")
    bench.button.click()
    bench.await_balance(lambda shown: "onerror" in shown)
    assert {tag for tag, _ in Read(bench.balance.value).tags} == {"div"}

    bench.button.click()
    assert " left of " in bench.await_balance(lambda shown: " left of " in shown)


def test_another_service(session: Session, bench: Bench) -> None:
    """A balance is forgotten when another service is set; without a key the line says so."""
    bench.button.click()
    bench.await_balance(lambda shown: " left of " in shown)

    session.settings.notebook["base_url"] = "https://openrouter.ai/api/v1"
    bench.meter.refresh()
    assert bench.settle().balance.value == ""
    assert "sandbox" not in bench.told()

    bench.button.click()
    assert "No key for https://openrouter.ai" in bench.await_balance(lambda shown: "No key" in shown)


def test_a_setting_that_cannot_be_used(session: Session, bench: Bench) -> None:
    """An impossible setting is told in a line, where the figures are."""
    session.settings.notebook["daily_budget"] = "much"
    bench.meter.refresh()

    assert "daily_budget" in bench.told()


@pytest.mark.parametrize(
    ("told", "line"),
    [
        (Credits(Decimal(10), Decimal("5.80")), "account $4.20 left of $10.00"),
        (Credits(Decimal(10), Decimal("10.5")), "account -$0.50 left of $10.00"),
    ],
    ids=["left", "overdrawn"],
)
def test_the_line_of_the_balance(told: Credits, line: str) -> None:
    """What is left of what was bought."""
    assert balance_line(told) == line


@pytest.mark.parametrize(
    ("limit", "line"),
    [
        (Decimal(5), "this key may spend $2.00 of $5.00"),
        (None, "this key has used $3.00, and may not see the account's balance"),
    ],
    ids=["limited", "unlimited"],
)
def test_the_line_of_a_key(limit: Decimal | None, line: str) -> None:
    """What a key may spend, with a limit of its own and without."""
    left = None if limit is None else Decimal(2)
    used = Decimal(3)
    state = KeyState("", limit, left, "", used, None, None, None, None, None, None, (), None, {})

    assert balance_line(state) == line
