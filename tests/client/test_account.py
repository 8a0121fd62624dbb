"""The account over HTTP: the sandbox's, and one that tells more, less, or nothing."""

from __future__ import annotations

import json
from collections.abc import Coroutine
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from or_magic.client import account, background
from or_magic.client.client import Client, Endpoint
from or_magic.client.requests import ChatRequest
from or_magic.endpoint import Timeouts
from or_magic.errors import AuthenticationError, ServiceError
from or_magic.sandbox import Sandbox
from or_magic.types import Began, Message
from tests.faults.server import response, serve

FORBIDDEN = response(403, b'{"error":{"code":403,"message":"Only management keys can perform this operation"}}')
MISSING = response(404, b'{"error":{"code":404,"message":"Generation gen-1 not found"}}')
UNKNOWN = response(401, b'{"error":{"code":401,"message":"User not found."}}')
FULL_KEY = {
    "label": "sk-or-v1-abc...123",
    "limit": 20,
    "limit_remaining": 7.25,
    "limit_reset": "monthly",
    "usage": 12.75,
    "usage_daily": 0.000001,
    "is_free_tier": False,
    "free_model_daily_requests": {"used": 3, "limit": 50, "remaining": 47},
    "budgets": [{"scope": "workspace", "limit_usd": 100, "spend_usd": 41.5, "remaining_usd": 58.5}],
    "expires_at": "2027-01-01T00:00:00Z",
}


def asked(base_url: str, key: str = "sk-or-x") -> Client:
    return Client(Endpoint(base_url, key), timeouts=Timeouts(retries=0))


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    return background.submit(coroutine).result(20)


def document(data: object) -> bytes:
    return response(200, json.dumps({"data": data}).encode())


@pytest.mark.sandbox(credits_usd=Decimal(5), record_delay_s=0)
def test_the_account_of_the_sandbox(sandbox: Sandbox) -> None:
    """What an answer cost is what the key, the credits and the generation's record tell, to the digit."""
    client, events = asked(sandbox.base_url), []
    run(client.stream(ChatRequest((Message.of_text("user", "one two three"),), "sandbox/echo"), events.append))
    began = next(event for event in events if isinstance(event, Began))

    state, credits = run(account.key_state(client)), run(account.credits(client))
    record = run(account.generation(client, began.generation_id))

    spent = sandbox.charges.total_usd()
    assert state.usage_usd == state.daily_usd == credits.used_usd == record.cost_usd == spent > 0
    assert credits.left_usd == Decimal(5) - spent
    assert (record.id, record.model, record.is_cancelled) == (began.generation_id, "sandbox/echo", False)


def test_a_key_that_tells_everything() -> None:
    """Limits, renewals, budgets, free requests and expiry are read, amounts exactly."""
    with serve((document(FULL_KEY),)) as server:
        state = run(account.key_state(asked(server.base_url)))

    assert (state.limit_usd, state.remaining_usd, state.limit_reset) == (Decimal(20), Decimal("7.25"), "monthly")
    assert state.daily_usd == Decimal("0.000001")
    assert (state.free_requests_used, state.free_requests_limit) == (3, 50)
    assert [(budget.scope, budget.remaining_usd) for budget in state.budgets] == [("workspace", Decimal("58.5"))]
    assert state.expires_at is not None
    assert state.expires_at.year == 2027


@pytest.mark.parametrize("data", [{}, None, [], {"limit": "much", "budgets": [3, {}], "expires_at": 7}], ids=repr)
def test_a_key_that_tells_little(data: object) -> None:
    """What is missing or makes no sense is None, not an error."""
    with serve((document(data),)) as server:
        state = run(account.key_state(asked(server.base_url)))

    assert (state.limit_usd, state.usage_usd, state.budgets, state.expires_at) == (None, None, (), None)


def test_a_wrong_key(sandbox: Sandbox) -> None:
    """A key that is not known is said so."""
    with pytest.raises(AuthenticationError):
        run(account.key_state(asked(sandbox.base_url, "sk-or-wrong")))


def test_credits_and_a_wrong_key() -> None:
    """A key that is not known is an error, not credits that it may not see."""
    with serve((UNKNOWN,)) as server, pytest.raises(AuthenticationError):
        run(account.credits(asked(server.base_url)))


def test_credits_refused_to_a_good_key() -> None:
    """A 401 from the credits alone is a key that may not see them: None."""
    with serve((UNKNOWN,), (document(FULL_KEY),)) as server:
        assert run(account.credits(asked(server.base_url))) is None

    assert [request.split()[1] for request in server.requests] == [b"/v1/credits", b"/v1/key"]


def test_times_are_utc() -> None:
    """A time with another offset is told in UTC, one without is UTC."""
    told = FULL_KEY | {"expires_at": "2027-01-01T01:00:00+02:00", "budgets": [{"resets_at": "2026-12-01T00:00:00"}]}
    with serve((document(told),)) as server:
        state = run(account.key_state(asked(server.base_url)))

    assert (str(state.expires_at), state.budgets[0].resets_at) == (
        "2026-12-31 23:00:00+00:00",
        datetime(2026, 12, 1, tzinfo=UTC),
    )


@pytest.mark.parametrize("answer", [FORBIDDEN, document({}), document({"total_credits": None})])
def test_credits_that_are_not_told(answer: bytes) -> None:
    """An ordinary key may not see the credits: that is None, not an error."""
    with serve((answer,)) as server:
        assert run(account.credits(asked(server.base_url))) is None


def test_a_record_that_comes_late() -> None:
    """A record that is not there yet is asked for again, until it is."""
    with serve((MISSING,), (MISSING,), (document({"id": "gen-1", "usage": 0.5}),)) as server:
        record = run(account.generation(asked(server.base_url), "gen-1", pause_s=0.01))

    assert record.cost_usd == Decimal("0.5")
    assert [b"/generation?id=gen-1" in request for request in server.requests] == [True] * 3


def test_a_record_that_never_comes() -> None:
    """A record that stays away is the service's 404 in the end."""
    with serve((MISSING,)) as server, pytest.raises(ServiceError) as caught:
        run(account.generation(asked(server.base_url), "gen-1", tries=3, pause_s=0.01))

    assert (caught.value.status, len(server.requests)) == (404, 3)
