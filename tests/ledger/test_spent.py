"""What was spent is summed exactly, per purse and per service, and the unknown is never taken for nothing."""

from __future__ import annotations

import pytest

from or_magic.ledger.records import SpentTotal
from or_magic.ledger.store import Ledger

from .conftest import Sql
from .samples import REAL, arrived, ask, question

SANDBOX = "http://127.0.0.1:8000"


@pytest.mark.parametrize(
    ("costs", "spent"),
    [
        pytest.param([], SpentTotal(0, 0, 0), id="nothing yet"),
        pytest.param([1] * 10, SpentTotal(10, 10, 0), id="the smallest"),
        pytest.param([10**18, 1, 10**18, 1], SpentTotal(2 * 10**18 + 2, 4, 0), id="beyond what a float holds"),
        pytest.param([100_000_000_000] * 3, SpentTotal(300_000_000_000, 3, 0), id="0.1 + 0.1 + 0.1"),
        pytest.param([0, 0], SpentTotal(0, 2, 0), id="free is known"),
        pytest.param([5, None, 0, None], SpentTotal(5, 4, 2), id="unknown is counted apart"),
        pytest.param([None], SpentTotal(0, 1, 1), id="only unknown"),
    ],
)
def test_sums(ledger: Ledger, costs: list[int | None], spent: SpentTotal) -> None:
    """The sum is exact, and says how many costs are not in it."""
    for cost in costs:
        ask(ledger, arrived(cost=cost))

    assert ledger.spent(question().budget_scope, REAL) == spent


def test_purses_and_services_apart(ledger: Ledger) -> None:
    """Neither another purse's nor the sandbox's money enters a total; one purse of two notebooks does."""
    ask(ledger, arrived(cost=1), notebook="kernel:1", budget_scope="/work")
    ask(ledger, arrived(cost=10), notebook="kernel:2", budget_scope="/work")
    ask(ledger, arrived(cost=100), notebook="kernel:2", budget_scope="/elsewhere")
    ask(ledger, arrived(cost=1000), notebook="kernel:2", budget_scope="/work", service=SANDBOX)

    assert ledger.spent("/work", REAL) == SpentTotal(11, 2, 0)
    assert ledger.spent("/work", SANDBOX) == SpentTotal(1000, 1, 0)
    assert ledger.spent("/elsewhere", REAL) == SpentTotal(100, 1, 0)


def test_an_open_turn(ledger: Ledger) -> None:
    """The cost in a checkpoint counts, and a turn that is under way is not "unknown" yet."""
    turn_id = ledger.open_turn(question()).id
    before = ledger.spent(question().budget_scope, REAL)

    ledger.checkpoint(turn_id, arrived(cost=7))

    assert before == SpentTotal(0, 1, 0)
    assert ledger.spent(question().budget_scope, REAL) == SpentTotal(7, 1, 0)


def test_index_look_ups(file_ledger: Ledger, sql: Sql) -> None:
    """A sum reads one index and no table, and a notebook's turns are found by an index, in order."""
    queries: list[str] = []
    with file_ledger.store.reading() as transaction:
        transaction._connection.set_trace_callback(queries.append)  # type: ignore[attr-defined]  # that of a file

    file_ledger.spent("/work", REAL)
    file_ledger.turns("/work")

    plans = [[step[3] for step in sql(f"EXPLAIN QUERY PLAN {query}")] for query in queries if "FROM turns" in query]
    (summing, listing) = plans
    assert [step.startswith("SEARCH turns USING COVERING INDEX turns_of_purse") for step in summing] == [True]
    assert [step.partition(" USING ")[0] for step in listing] == ["SEARCH notebooks", "SEARCH turns", "SEARCH threads"]
