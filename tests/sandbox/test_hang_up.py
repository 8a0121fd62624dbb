"""The client hangs up: the sandbox notices, stops, and charges for what was generated."""

from __future__ import annotations

from decimal import Decimal

import httpx
import pytest

from or_magic.sandbox import Charge, Sandbox

LONG = "word " * 500


def hang_up_after(client: httpx.Client, events: int, **fields: object) -> str:
    """Stop reading after some data events and close the connection; returns the generation's id."""
    body = {"messages": [{"role": "user", "content": LONG}], "stream": True, **fields}
    with client.stream("POST", "/chat/completions", json=body) as answer:
        lines = (line for line in answer.iter_lines() if line.startswith("data: "))
        for _ in range(events):
            next(lines)
    return answer.headers["x-generation-id"]


def charge_of(sandbox: Sandbox, generation_id: str) -> Charge:
    """The charge of a request, once the sandbox has seen it closed by the client."""
    sandbox.wait_for(lambda request: request.generation_id == generation_id and request.closed_by_client)
    charge = sandbox.charges.find(generation_id)
    assert charge is not None
    return charge


def test_a_closed_connection_stops_the_generation(sandbox: Sandbox, client: httpx.Client) -> None:
    """A stream that is closed half-way is recorded as closed by the client and as cancelled."""
    generation_id = hang_up_after(client, 2, model="sandbox/slow")

    charge = charge_of(sandbox, generation_id)
    assert charge.cancelled
    assert charge.finish_reason is None
    assert 2 <= charge.completion_tokens < 500


def test_what_was_generated_is_charged(sandbox: Sandbox, client: httpx.Client) -> None:
    """A cancelled answer costs its prompt and the tokens generated so far, and the book's total says so."""
    charge = charge_of(sandbox, hang_up_after(client, 1, model="sandbox/slow"))

    price, completion_price = Decimal("0.0000001"), Decimal("0.0000004")
    assert charge.cost_usd == charge.prompt_tokens * price + charge.completion_tokens * completion_price
    assert sandbox.charges.total_usd() == charge.cost_usd


@pytest.mark.sandbox(record_delay_s=0)
def test_the_record_says_cancelled(sandbox: Sandbox, client: httpx.Client) -> None:
    """GET /generation tells the cost that the client never saw, and that the answer was cancelled."""
    generation_id = hang_up_after(client, 1, model="sandbox/slow")
    charge = charge_of(sandbox, generation_id)

    record = client.get("/generation", params={"id": generation_id}).json()["data"]
    assert record["cancelled"] is True
    assert record["finish_reason"] is None
    assert record["total_cost"] == float(charge.cost_usd)


def test_nothing_generated_is_nothing_charged(sandbox: Sandbox, client: httpx.Client) -> None:
    """A client that hangs up before the first token pays nothing, not even for its prompt."""
    sandbox.behave(first_token_s=60)

    charge = charge_of(sandbox, hang_up_after(client, 0, model="sandbox/echo"))

    assert (charge.cancelled, charge.completion_tokens, charge.cost_usd) == (True, 0, Decimal(0))


def test_a_whole_answer_cannot_be_cancelled(sandbox: Sandbox, client: httpx.Client) -> None:
    """Hanging up on a whole answer is noticed but does not save money: it is charged in full."""
    sandbox.behave(first_token_s=60, keep_alive_s=0.01)

    generation_id = hang_up_after(client, 0, model="sandbox/echo", stream=False)

    charge = charge_of(sandbox, generation_id)
    assert (charge.cancelled, charge.completion_tokens, charge.streamed) == (False, 501, False)


def test_other_streams_go_on(sandbox: Sandbox, client: httpx.Client) -> None:
    """One client's hang-up does not touch another's stream."""
    body = {"model": "sandbox/slow", "stream": True, "messages": [{"role": "user", "content": "a b c d"}]}
    with client.stream("POST", "/chat/completions", json=body) as answer:
        charge_of(sandbox, hang_up_after(client, 1, model="sandbox/slow"))
        rest = answer.read()

    assert rest.endswith(b"data: [DONE]\n\n")
