"""The book of charges, and the account's view of it: exact, whatever happens."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import httpx
import pytest

from or_magic.sandbox import Sandbox
from or_magic.sandbox.models import CATALOG, find_model
from or_magic.sandbox.replies import count_tokens, tokens_of
from or_magic.sandbox.service import start_of_day, start_of_month, start_of_week

from .talker import KEY, Talker


@pytest.mark.parametrize("model", [m.id for m in CATALOG if not m.routes_to])
def test_a_cost_is_tokens_times_price(talker: Talker, model: str) -> None:
    """The cost in the usage is tokens times the catalog's prices, to the last digit; of one's own key, a fee."""
    found = find_model(model)
    assert found is not None
    pricing = found[0].row()["pricing"]

    usage = talker.whole(model, "a few words to pay for" if model != "sandbox/slow" else "a")["usage"]

    prompt, completion = Decimal(pricing["prompt"]), Decimal(pricing["completion"])
    cost = usage["prompt_tokens"] * prompt + usage["completion_tokens"] * completion
    fee = Decimal("0.05") if usage["is_byok"] else 1
    assert usage["cost"] == cost * fee
    assert usage["cost_details"]["upstream_inference_cost"] == cost
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]


def test_a_cost_is_written_without_noise(talker: Talker) -> None:
    """Costs are JSON numbers with exactly their digits, where floats would show 1.4999999999999998e-06."""
    body = talker.post("sandbox/echo", "three short words").text

    assert '"cost":0.0000015,' in body


def test_the_book_adds_up_exactly(sandbox: Sandbox, talker: Talker) -> None:
    """Every generation is in the book once, and its total is the sum of the reported costs."""
    answers = [talker.whole("sandbox/echo", "word " * count) for count in range(1, 8)]
    answers += [talker.stream("sandbox/reasoner", "hello")[-1], talker.whole("sandbox/fast", "free")]

    costs = [answer["usage"]["cost"] for answer in answers]
    assert [charge.generation_id for charge in sandbox.charges] == [answer["id"] for answer in answers]
    assert [charge.cost_usd for charge in sandbox.charges] == costs
    assert sandbox.charges.total_usd() == sum(costs, Decimal(0)) > 0


def test_a_charge_is_there_when_the_answer_is(sandbox: Sandbox, talker: Talker) -> None:
    """Who has read an answer to its end finds its charge in the book, without waiting."""
    answer = talker.post("sandbox/echo", "hello", stream=True)

    charge = sandbox.charges.find(answer.headers["x-generation-id"])
    assert charge is not None
    assert (charge.model, charge.streamed, charge.cancelled) == ("sandbox/echo", True, False)
    assert sandbox.requests[-1].ending == "complete"


@pytest.mark.sandbox(record_delay_s=0)
def test_the_record_of_a_generation_tells_its_cost(client: httpx.Client, talker: Talker) -> None:
    """GET /generation gives the tokens and the price that the answer reported; an unknown id is a 404."""
    answer = talker.whole("sandbox/reasoner", "hello")

    text = client.get("/generation", params={"id": answer["id"]}).text
    record = json.loads(text, parse_float=Decimal)["data"]
    assert record["total_cost"] == record["usage"] == answer["usage"]["cost"]
    assert record["native_tokens_completion"] == answer["usage"]["completion_tokens"]
    assert (record["cancelled"], record["finish_reason"]) == (False, "stop")
    assert client.get("/generation", params={"id": "gen-1-x"}).status_code == 404


@pytest.mark.parametrize("path", ["/key", "/auth/key"])
def test_the_key_tells_what_was_spent(sandbox: Sandbox, talker: Talker, path: str) -> None:
    """GET /key knows the sum, also of today, and shows nothing of the key."""
    talker.whole("sandbox/essay", "hello")

    answer = talker.client.get(path)

    key = json.loads(answer.text, parse_float=Decimal)["data"]
    assert key["usage"] == key["usage_daily"] == key["usage_monthly"] == sandbox.charges.total_usd() > 0
    assert KEY not in answer.text


def test_credits_can_run_out(sandbox: Sandbox, talker: Talker) -> None:
    """When the play money is spent, the next question is refused with 402 and costs nothing."""
    sandbox.behave(credits_usd="0.001")
    talker.whole("sandbox/essay", "hello")
    spent = sandbox.charges.total_usd()

    refused = talker.post("sandbox/echo", "hello")

    assert refused.status_code == 402
    assert refused.json()["error"]["message"].startswith("Insufficient credits")
    assert sandbox.charges.total_usd() == spent
    assert talker.client.get("/credits").json()["data"] == {
        "total_credits": 0.001,
        "total_usage": float(spent),
    }


def test_sums_can_begin_at_a_moment(sandbox: Sandbox, talker: Talker) -> None:
    """A total since a moment leaves out what was charged before it."""
    talker.whole("sandbox/echo", "hello")

    now = datetime.now(UTC)
    assert sandbox.charges.total_usd(since=now + timedelta(days=1)) == 0
    assert sandbox.charges.total_usd(since=now - timedelta(days=1)) == sandbox.charges.total_usd()


def test_days_weeks_and_months_begin_at_midnight() -> None:
    """A week begins on Monday, as OpenRouter counts."""
    wednesday = datetime(2026, 11, 25, 13, 5, 7, 9, tzinfo=UTC)

    assert start_of_day(wednesday) == datetime(2026, 11, 25, tzinfo=UTC)
    assert start_of_week(wednesday) == datetime(2026, 11, 23, tzinfo=UTC)
    assert start_of_month(wednesday) == datetime(2026, 11, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "count"), [("", 0), ("word", 1), ("two words", 2), ("incomprehensible", 4), ("a\n\n b", 4)]
)
def test_tokens_are_counted_by_one_rule(text: str, count: int) -> None:
    """At most five characters with at most one white space before them are a token."""
    assert count_tokens(text) == count
    assert "".join(tokens_of(text)) == text
