"""Budgets: what may cost more than is left is not sent; what was sent is counted to the last digit."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from or_magic.chat.budget import budget_line, without_bound
from or_magic.chat.costs import costs
from or_magic.chat.footer import footer_text
from or_magic.chat.session import Session
from or_magic.errors import BudgetError, ServiceError
from or_magic.ledger.audit import verify
from or_magic.ledger.store import Budgets
from or_magic.money import amount, pico_usd, usd
from or_magic.sandbox import Sandbox
from or_magic.settings.layers import Settings
from or_magic.types import ImagePart, Message

CENT = 10**10


@pytest.fixture
def session(sandbox: Sandbox, tmp_path: Path) -> Iterator[Session]:
    owner = Session(
        settings=Settings({"OPENROUTER_BASE_URL": sandbox.base_url, "OR_MAGIC_STORE": str(tmp_path / "ledger.sqlite")})
    )
    yield owner
    assert verify(owner.ledger) == []
    owner.close()


def chats(sandbox: Sandbox) -> list[dict[str, Any]]:
    """The bodies of the chat requests that came."""
    return [request.body for request in sandbox.requests if request.body and "messages" in request.body]


def allow(session: Session, text: str, scope: str = "notebook") -> None:
    """Sets a budget."""
    location = session.host.where()
    Budgets(session.ledger).put(location.budget_scope, session.service, scope, amount(text, "budget"))


def test_nothing_is_added_without_a_budget(session: Session, sandbox: Sandbox) -> None:
    """Where no budget is set, nothing is looked up and nothing is sent but what was asked for."""
    session.ask("hi", model="sandbox/echo")

    assert [request.path for request in sandbox.requests] == ["/api/v1/chat/completions"]
    assert set(chats(sandbox)[0]) == {"model", "messages", "stream", "stream_options"}


def test_what_a_budget_adds(session: Session, sandbox: Sandbox) -> None:
    """Under a budget the longest answer that it affords and the dearest price go along, and the footer says so."""
    allow(session, "0.001")

    answer = session.ask("hi", model="sandbox/essay")

    (sent,) = chats(sandbox)
    assert sent["provider"] == {"max_price": {"prompt": "3", "completion": "15"}}
    assert 16 < sent["max_tokens"] < 0.001 / 0.000015
    assert answer.notes == (f"max_tokens was set to {sent['max_tokens']}: the budget affords no longer answer.",)
    assert answer.cost is not None
    assert answer.cost <= usd(amount("0.001", ""))
    assert "max_tokens" not in session.ledger.turns()[0].parameters


def test_room_for_the_prompt(session: Session, sandbox: Sandbox) -> None:
    """What a budget adds never makes a request too long; where it affords the longest answer, it adds no length."""
    allow(session, "0.05")
    session.ask("word " * 4000, model="sandbox/memory")
    assert chats(sandbox)[0].get("max_tokens", 0) < 6000

    allow(session, "100")
    session.ask("hi", model="sandbox/memory", history="none")
    assert "max_tokens" not in chats(sandbox)[1]


def test_a_refusal(session: Session, sandbox: Sandbox) -> None:
    """What may cost more than is left is one line with the numbers and the ways on; nothing is sent or written down."""
    allow(session, "0.0001")

    with pytest.raises(BudgetError) as refused:
        session.ask("hi " * 100, model="sandbox/essay", parameters={"max_tokens": 1000})

    line = str(refused.value)
    assert re.match(
        r"This may cost up to \$0\.01\d, and this notebook's budget of \$0\.00010 has \$0\.00010 left: ", line
    )
    assert "--over-budget" in line
    assert "\n" not in line
    assert (chats(sandbox), session.ledger.turns()) == ([], [])


def test_over_budget(session: Session, sandbox: Sandbox) -> None:
    """--over-budget asks all the same, and what it cost counts."""
    allow(session, "0.0000001")

    session.ask("hi", model="sandbox/essay", over_budget=True)

    assert len(chats(sandbox)) == 1
    with pytest.raises(BudgetError, match=r"has \$0 left"):
        session.ask("hi", model="sandbox/echo")


def test_a_question_of_its_own(session: Session, sandbox: Sandbox) -> None:
    """--max-cost is the budget of one question."""
    with pytest.raises(BudgetError, match=r"and --max-cost 0\.0000010 has"):
        session.ask("hi", model="sandbox/essay", max_cost=10**6)

    answer = session.ask("hi", model="sandbox/essay", max_cost=CENT)
    assert answer.cost is not None
    assert pico_usd(answer.cost) <= CENT


@pytest.mark.parametrize(
    ("scope", "name"), [("day", "today's"), ("notebook", "this notebook's"), ("thread", "this thr")]
)
def test_scopes(session: Session, scope: str, name: str) -> None:
    """A budget of a day, a notebook or a thread counts what was spent in it."""
    first = session.ask("hi", model="sandbox/essay")
    assert first.cost is not None
    allow(session, f"{first.cost:f}", scope if scope != "thread" else f"thread:{first.thread_id}")

    with pytest.raises(BudgetError, match=f"and {name}.* has \\$0 left"):
        session.ask("hi", model="sandbox/echo")


def test_all_notebooks_together(session: Session) -> None:
    """The daily budget of the settings counts every notebook."""
    session.ask("hi", model="sandbox/essay")
    session.settings.notebook["daily_budget"] = "0.0001"

    with pytest.raises(BudgetError, match=r"all notebooks' daily budget of \$0\.00010 has \$0 left"):
        session.ask("hi", model="sandbox/echo")


def test_fallbacks_are_priced(session: Session, sandbox: Sandbox) -> None:
    """The dearest of the models that may answer counts."""
    allow(session, "1")

    session.ask("hi", model="sandbox/echo", parameters={"models": ["sandbox/essay"]})

    assert chats(sandbox)[0]["provider"]["max_price"] == {"prompt": "3", "completion": "15"}


def test_a_router(session: Session, sandbox: Sandbox) -> None:
    """A router, whose price nobody knows, gets a price limit that the budget affords."""
    allow(session, "0.05")

    answer = session.ask("hi", model="openrouter/auto")

    (sent,) = chats(sandbox)
    limit = {name: float(price) for name, price in sent["provider"]["max_price"].items()}
    longest = len(json.dumps(sent["messages"])) + 16
    assert longest * limit["prompt"] / 1e6 + sent["max_tokens"] * limit["completion"] / 1e6 <= 0.05
    assert answer.ending == "complete"


@pytest.mark.parametrize(
    ("body", "model", "message"),
    [
        ({"plugins": [{"id": "web"}]}, "a/b", Message.of_text("user", "x")),
        ({"tools": [{"type": "openrouter:web_search"}]}, "a/b", Message.of_text("user", "x")),
        ({"web_search_options": {}}, "a/b", Message.of_text("user", "x")),
        ({"modalities": ["image", "text"]}, "a/b", Message.of_text("user", "x")),
        ({"service_tier": "priority"}, "a/b", Message.of_text("user", "x")),
        ({}, "a/b:online", Message.of_text("user", "x")),
        ({}, "a/b", Message("user", (ImagePart("https://example.org/a.png"),))),
    ],
)
def test_what_has_no_bound(body: dict[str, Any], model: str, message: Message) -> None:
    """What is charged by something else than tokens needs --over-budget."""
    assert without_bound(body, model, (message,))
    assert not without_bound({"plugins": [{"id": "context-compression"}]}, "a/b", (Message.of_text("user", "x"),))


def test_held_back(session: Session, sandbox: Sandbox) -> None:
    """What an answer under way may cost is held back; whoever may wait is answered after it, others are refused."""
    slow = {"model": "sandbox/slow", "parameters": {"max_tokens": 1000}}
    worst = 1.2 * 1000 * float(session.models.catalog().find("sandbox/slow").prices.completion)  # type: ignore[union-attr]
    allow(session, f"{worst:.7f}")
    first = session.ask("one two three four five", **slow, in_background=True)  # type: ignore[arg-type]

    with pytest.raises(BudgetError, match="held back by answers under way") as refused:
        session.ask("hi", **slow)  # type: ignore[arg-type]
    assert refused.value.may_be_free_later

    session.settings.notebook["budget_wait"] = "60"
    second = session.ask("hi", **slow)  # type: ignore[arg-type]
    assert (first.ending, second.ending) == ("complete", "complete")


def test_a_cost_that_is_not_known_stays_held_back(session: Session, sandbox: Sandbox) -> None:
    """A broken answer, of which the service has told no price yet, keeps what it may have cost."""
    allow(session, "1")
    with pytest.raises(ServiceError):
        session.ask("hi", model="sandbox/cut", parameters={"max_tokens": 100})

    location = session.host.where()
    (standing,) = session.budget_check().states_of(location.budget_scope, session.service, None)
    assert standing.reserved > 0
    assert "held back" in budget_line(standing)


def test_the_footer_warns(session: Session) -> None:
    """The footer tells the budget, and warns where little of it is left."""
    answer = session.ask("hi", model="sandbox/essay")
    from or_magic.chat.host import FooterData

    bills = [
        FooterData("notebook", 5, budgets=(("", 5, 100),)),
        FooterData("notebook", 85, budgets=(("", 85, 100), ("today", 1, 9))),
    ]
    texts = [footer_text(answer, footer_data, times=False) for footer_data in bills]
    assert texts[0].endswith("notebook $0.0000000000050 of $0.00000000010")
    assert "of $0.00000000010 (85 % of the budget) · today $0.0000000000010 of $0.0000000000090" in texts[1]


def test_the_sum_is_exact(session: Session, sandbox: Sandbox) -> None:
    """The summary, its tables and the sandbox's own book agree to the last digit, by model too."""
    for model in ("sandbox/echo", "sandbox/essay", "sandbox/reasoner", "sandbox/echo"):
        session.ask("What is it?", model=model)

    spent = costs(session)

    charged = {
        charge.model: sum(c.cost_usd for c in sandbox.charges if c.model == charge.model) for charge in sandbox.charges
    }
    assert usd(spent.total_pico_usd) == sum(charged.values()) == sandbox.charges.total_usd()
    assert dict(spent.by("model")["cost_usd"]) == charged
    assert sum(spent.df()["cost_usd"]) == sandbox.charges.total_usd()
    assert f"Exactly: ${sandbox.charges.total_usd():f}." in repr(spent)
    assert list(spent.by("day")["answers"]) == [4]


def test_a_dry_run(session: Session, sandbox: Sandbox) -> None:
    """It shows the very messages, the tokens, the prices and the providers; nothing is asked."""
    session.ask("My name is Ada.", model="sandbox/echo")
    before = len(chats(sandbox))

    shown = session.dry_run("Who am I?", model="sandbox/routed", parameters={"max_tokens": 100}, system="Be brief.")

    assert len(chats(sandbox)) == before
    assert len(session.ledger.turns()) == 1
    for expected in (
        "  system: Be brief.\n  user: My name is Ada.\n  assistant: My name is Ada.\n  user: Who am I?\n",
        "max_tokens = 100",
        "1 earlier turn among them",
        "(100 tokens of answer, the most)",
        "The cheapest of 4 providers, asked most by default: ",
    ):
        assert expected in shown
