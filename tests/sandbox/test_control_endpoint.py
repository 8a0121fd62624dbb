"""The control endpoint: for the holder of the start-up token only."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import httpx
import pytest

from or_magic.sandbox import Behaviour, Sandbox

from .talker import KEY, Talker


@pytest.mark.parametrize("authorization", [None, "Bearer", f"Bearer {KEY}", "Bearer é"])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "charges"),
        ("GET", "requests"),
        ("GET", "behaviour"),
        ("POST", "behaviour"),
        ("POST", "fail"),
        ("POST", "cut"),
    ],
)
def test_the_token_is_needed(
    stranger: httpx.Client, sandbox: Sandbox, method: str, path: str, authorization: str | None
) -> None:
    """Without the start-up token nothing is told and nothing is changed."""
    headers = {b"Authorization": authorization.encode()} if authorization else {}

    url = f"http://127.0.0.1:{sandbox.port}/sandbox/{path}"
    answer = stranger.request(method, url, headers=headers, content=b"{}")

    assert answer.status_code == 401
    assert "start-up token" in answer.json()["error"]["message"]


def test_the_book_can_be_read(sandbox: Sandbox, talker: Talker, control: httpx.Client) -> None:
    """GET /sandbox/charges gives the charges and their exact sum."""
    answer = talker.whole("sandbox/echo", "hello")

    charges = json.loads(control.get("/sandbox/charges").text, parse_float=Decimal)
    assert charges["total_usd"] == answer["usage"]["cost"] == sandbox.charges.total_usd()
    assert [charge["generation_id"] for charge in charges["charges"]] == [answer["id"]]


def test_the_requests_can_be_read(talker: Talker, control: httpx.Client) -> None:
    """GET /sandbox/requests gives what was received and how it ended, and nothing about control itself."""
    talker.post("sandbox/echo", "hello")

    (request,) = control.get("/sandbox/requests").json()["requests"]
    assert (request["method"], request["path"]) == ("POST", "/api/v1/chat/completions")
    assert request["body"]["messages"] == [{"role": "user", "content": "hello"}]
    assert (request["status"], request["ending"], request["closed_by_client"]) == (200, "complete", False)


@pytest.mark.sandbox(record_delay_s=0)
def test_knobs_can_be_turned(sandbox: Sandbox, control: httpx.Client) -> None:
    """POST /sandbox/behaviour turns the given knobs, leaves the others, and answers with all."""
    changed = control.post("/sandbox/behaviour", json={"comments": 7, "credits_usd": 2.5}).json()

    assert sandbox.behaviour == Behaviour(pace=0, first_token_s=0, comments=7, credits_usd=Decimal("2.5"))
    assert changed == control.get("/sandbox/behaviour").json()


@pytest.mark.parametrize("knobs", [{"pase": 3}, {"pace": -1}, {"comments": "many"}, {"events_per_write": 0}])
def test_impossible_knobs_are_refused(sandbox: Sandbox, control: httpx.Client, knobs: dict[str, Any]) -> None:
    """An unknown knob or an impossible value is a 400, in Python a ValueError, and changes nothing."""
    before = sandbox.behaviour

    assert control.post("/sandbox/behaviour", json=knobs).status_code == 400
    with pytest.raises(ValueError, match=r"Expected|unknown"):
        sandbox.behave(**knobs)
    assert sandbox.behaviour == before


def test_faults_can_be_planned(talker: Talker, control: httpx.Client) -> None:
    """POST /sandbox/fail and /sandbox/cut plan a fault for the next chat request."""
    control.post("/sandbox/fail", json={"status": 503, "message": "No provider."})
    control.post("/sandbox/cut", json={"after_events": 1})

    assert talker.post("sandbox/echo", "hello").json()["error"] == {"message": "No provider.", "code": 503}
    with pytest.raises(httpx.RemoteProtocolError):
        talker.post("sandbox/echo", "hello", stream=True)


@pytest.mark.parametrize(
    ("path", "body"),
    [("fail", b"{}"), ("fail", b"{"), ("cut", b"{}"), ("behaviour", b"[]")],
)
def test_impossible_plans_are_refused(control: httpx.Client, path: str, body: bytes) -> None:
    """A plan that cannot be read or carried out is a 400."""
    assert control.post(f"/sandbox/{path}", content=body).status_code == 400
