"""The log of received requests: complete, bounded, waited for, and without any key."""

from __future__ import annotations

import logging

import httpx
import pytest

from or_magic.sandbox import RequestLog, Sandbox

from .talker import KEY, Talker


def opened(log: RequestLog, size: int = 1) -> int:
    """Write down some request; returns its number."""
    return log.open(method="POST", path="/api/v1/x", query="", headers={}, body=None, body_bytes=size)


def test_a_request_is_written_down_as_sent(sandbox: Sandbox, client: httpx.Client) -> None:
    """Path, query, headers and parsed body of a request can be looked at."""
    client.get("/models?q=echo", headers={"X-OpenRouter-Title": "a test"})

    (request,) = sandbox.requests
    assert (request.method, request.path, request.query) == ("GET", "/api/v1/models", "q=echo")
    assert request.headers["x-openrouter-title"] == "a test"
    assert (request.body, request.status, request.ending) == (None, 200, "complete")


def test_the_key_is_kept_nowhere(
    sandbox: Sandbox, talker: Talker, control: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    """No key is in the log, a repr, the control endpoint, an answer, or the process's logging."""
    caplog.set_level(logging.DEBUG)
    answers = [
        talker.post("sandbox/rehearsal", "hello"),
        talker.client.get("/key"),
        talker.client.get("/nothing"),
    ]

    seen = [repr(list(sandbox.requests)), repr(sandbox.charges), repr(list(sandbox.charges)), repr(sandbox)]
    seen += [control.get("/sandbox/requests").text, control.get("/sandbox/charges").text, caplog.text]
    seen += [answer.text for answer in answers]
    assert len(sandbox.requests) == 3
    assert not [text for text in seen if KEY in text]


def test_the_token_is_not_shown(sandbox: Sandbox) -> None:
    """The start-up token is not in the sandbox's repr."""
    assert sandbox.token not in repr(sandbox)
    assert sandbox.base_url in repr(sandbox)


def test_waiting_ends_when_nothing_matches(sandbox: Sandbox, client: httpx.Client) -> None:
    """wait_for gives the first match at once, and a TimeoutError if there is none in time."""
    client.get("/models")

    assert sandbox.wait_for(lambda request: request.status == 200).path == "/api/v1/models"
    with pytest.raises(TimeoutError, match="None of 1 received requests"):
        sandbox.wait_for(lambda request: request.closed_by_client, timeout_s=0.01)


def test_the_log_forgets_the_oldest() -> None:
    """The log is bounded in requests and in bytes, but keeps the newest however large it is."""
    log = RequestLog(kept_requests=3, kept_bytes=100)

    for _ in range(5):
        opened(log)
    assert [request.number for request in log] == [3, 4, 5]
    opened(log, size=1_000)
    assert [request.number for request in log] == [6]


def test_the_first_ending_stays() -> None:
    """A request ends once; what comes later, or after it was forgotten, is not written down."""
    log = RequestLog(kept_requests=1)
    first = opened(log)

    log.close(first, "closed by client")
    log.close(first, "complete")
    assert log[0].closed_by_client
    second = opened(log)
    log.close(first, "cut")
    assert [(request.number, request.ending) for request in log] == [(second, None)]
