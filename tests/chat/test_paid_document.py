"""A request that costs something and is no question of a chat: paid through the same door, and no part of any talk."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from or_magic.chat.costs import costs
from or_magic.chat.session import Session
from or_magic.errors import BudgetError, CommandError, ModelNotFoundError, Stopped
from or_magic.ledger.audit import verify
from or_magic.ledger.spending import RecentModels, Spending
from or_magic.ledger.store import Budgets
from or_magic.money import amount, usd
from or_magic.sandbox import Sandbox
from or_magic.settings.layers import Settings
from tests.faults.server import serve

CHAT = "/chat/completions"


@pytest.fixture
def session(sandbox: Sandbox, tmp_path: Path) -> Iterator[Session]:
    owner = Session(
        settings=Settings({"OPENROUTER_BASE_URL": sandbox.base_url, "OR_MAGIC_STORE": str(tmp_path / "ledger.sqlite")})
    )
    yield owner
    assert verify(owner.ledger) == []
    owner.close()


def decide(
    session: Session, text: str = "yes or no?", model: str = "sandbox/echo", max_cost: int | None = None, **more: Any
) -> dict[str, Any]:
    """A request that is answered in one piece, as a decision or an embedding is."""
    body = {"model": model, "messages": [{"role": "user", "content": text}], "max_tokens": 300, **more}
    return session.paid_document(CHAT, body, kind="decisions", prompt=text[:100], max_cost=max_cost)


def test_its_answer_and_its_cost(session: Session, sandbox: Sandbox) -> None:
    """The document comes as it is, and what it cost stands in the ledger to the last digit, under its kind."""
    document = decide(session)
    told = document["usage"]["cost"]

    paid = Spending(session.ledger).paid(None, session.service)
    assert "yes or no?" in document["choices"][0]["message"]["content"]
    assert isinstance(told, Decimal)
    assert told > 0
    assert [(each.kind, usd(each.cost_pico_usd or 0), each.cost_source) for each in paid] == [
        ("decisions", told, "reported")
    ]
    assert (paid[0].prompt_tokens, paid[0].model) == (document["usage"]["prompt_tokens"], document["model"])
    messages = [{"role": "user", "content": "yes or no?"}]
    assert sandbox.requests[-1].body == {"model": "sandbox/echo", "messages": messages, "max_tokens": 300}


def test_it_is_no_part_of_a_conversation(session: Session, sandbox: Sandbox) -> None:
    """The next question is sent without it; search, "go on" and the models asked last do not know it."""
    session.ask("first", model="sandbox/echo")
    decide(session, "a decision apart")
    location = session.host.where()

    newest = session.ledger.last_turn(location.notebook)
    assert newest is not None
    assert newest.kind == "chat"
    assert session.ledger.find(None, "apart", limit=5) == []
    session.ask("second", model="sandbox/echo")
    sent = sandbox.requests[-1].body
    assert [message["content"] for message in (sent or {})["messages"] if message["role"] == "user"] == [
        "first",
        "second",
    ]
    assert RecentModels(session.ledger).newest(session.service) == ["sandbox/echo"]


def test_costs_tell_it_apart(session: Session) -> None:
    """The table of costs sums by kind."""
    session.ask("hi", model="sandbox/echo")
    decide(session)
    decide(session)

    table = costs(session).by("kind")
    assert dict(table["answers"]) == {"chat": 1, "decisions": 2}
    assert list(costs(session).df()["kind"]) == ["chat", "decisions", "decisions"]


def allow(session: Session, text: str) -> None:
    """Sets a budget of the notebook."""
    location = session.host.where()
    Budgets(session.ledger).put(location.budget_scope, session.service, "notebook", amount(text, "budget"))


UNBOUNDED: list[tuple[dict[str, Any], str]] = [
    ({"model": "sandbox/no-such-model"}, "what sandbox/no-such-model will cost"),
    ({"model": "sandbox/echo:online"}, "web searches"),
    ({"model": "sandbox/echo", "models": ["sandbox/rehearsal"]}, "fallbacks"),
    ({"model": "sandbox/echo", "plugins": [{"id": "web"}]}, "the plugin web"),
    ({"model": "sandbox/reasoner", "max_tokens": None}, "max_tokens is not set"),
]


def test_a_budget_holds(session: Session, sandbox: Sandbox) -> None:
    """What may cost more than is left is not sent, and what nobody can say the price of neither."""
    allow(session, "0.0001")

    with pytest.raises(BudgetError, match=r"may cost up to"):
        decide(session, "word " * 3, model="sandbox/reasoner")
    for body, reason in UNBOUNDED:
        with pytest.raises(BudgetError, match=reason):
            decide(session, **body)
    assert [request.path for request in sandbox.requests if request.body] == []
    assert {each.cost_pico_usd for each in Spending(session.ledger).paid(None, None)} <= {None, 0}


def test_a_budget_sends_its_price(session: Session, sandbox: Sandbox) -> None:
    """Under a budget no provider that is dearer than the catalog says may answer."""
    allow(session, "0.01")
    decide(session)

    assert set((sandbox.requests[-1].body or {})["provider"]["max_price"]) >= {"prompt", "completion"}


def test_many_at_once_under_a_budget(session: Session, sandbox: Sandbox) -> None:
    """More threads than the loop has workers, and no catalog yet: all are answered, none over the budget."""
    allow(session, "0.04")
    with ThreadPoolExecutor(40) as pool:
        documents = list(pool.map(lambda number: decide(session, f"question {number}"), range(40)))

    charged = sum(document["usage"]["cost"] for document in documents)
    assert len(documents) == 40
    assert sum(usd(each.cost_pico_usd or 0) for each in Spending(session.ledger).paid(None, None)) == charged
    assert charged == sandbox.charges.total_usd() <= Decimal("0.04")


WRONG: list[dict[str, Any]] = [{"stream": True}, {"model": ["a/b"]}, {"input": {1, 2}}]


def test_what_cannot_be_one_document(session: Session, sandbox: Sandbox) -> None:
    """A stream, a list of models and what JSON does not know are refused in one line, and nothing is written down."""
    for body in WRONG:
        with pytest.raises(CommandError):
            decide(session, **body)
    assert Spending(session.ledger).paid(None, None) == []
    assert [request for request in sandbox.requests if request.body] == []


@pytest.mark.sandbox(first_token_s=30)
def test_closing_ends_what_is_under_way(sandbox: Sandbox, tmp_path: Path) -> None:
    """What is under way when its session closes is not left open, and holds nothing back for ever."""
    file = str(tmp_path / "l.sqlite")
    session = Session(settings=Settings({"OPENROUTER_BASE_URL": sandbox.base_url, "OR_MAGIC_STORE": file}))
    asked = ThreadPoolExecutor(1).submit(decide, session)
    while not [request for request in sandbox.requests if request.body]:
        time.sleep(0.01)
    session.close()

    with pytest.raises(Stopped):
        asked.result(10)
    later = Session(settings=Settings({"OPENROUTER_BASE_URL": sandbox.base_url, "OR_MAGIC_STORE": file}))
    assert [(each.kind, each.state) for each in Spending(later.ledger).paid(None, None)] == [("decisions", "stopped")]
    later.close()


def test_a_limit_of_its_own_holds(session: Session, sandbox: Sandbox) -> None:
    """`max_cost` is its limit."""
    with pytest.raises(BudgetError):
        decide(session, "x" * 4000, max_cost=1)
    assert decide(session, max_cost=10**12)["usage"]["cost"] > 0


def test_a_refusal_is_told(session: Session) -> None:
    """The service's refusal is raised in its own words, and the turn says that it failed."""
    with pytest.raises(ModelNotFoundError):
        decide(session, model="sandbox/no-such-model")

    assert [each.state for each in Spending(session.ledger).paid(None, None)] == ["failed"]


def test_more_than_the_service_takes(session: Session, sandbox: Sandbox) -> None:
    """A body that is larger than the service takes is not sent."""
    with pytest.raises(CommandError):
        decide(session, "x" * (100_000_000))
    assert [request for request in sandbox.requests if request.body] == []


def test_an_interrupt_is_recorded(tmp_path: Path) -> None:
    """An interrupt closes the connection; the turn says that it was stopped, and that its cost is not known."""
    with serve((30.0,)) as server:
        session = Session(
            settings=Settings({"OPENROUTER_BASE_URL": server.base_url, "OR_MAGIC_STORE": str(tmp_path / "l.sqlite")})
        )

        def interrupt() -> None:
            while not server.requests:
                time.sleep(0.01)
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

        threading.Thread(target=interrupt, daemon=True).start()
        with pytest.raises(Stopped):
            decide(session, model="a/b")

        assert server.hung_up.wait(10)
        paid = Spending(session.ledger).paid(None, None)
        session.close()
    assert [(each.kind, each.state, each.cost_pico_usd) for each in paid] == [("decisions", "stopped", None)]
