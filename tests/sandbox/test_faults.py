"""Planned faults: failures and cut streams, each used once."""

from __future__ import annotations

import httpx
import pytest

from or_magic.sandbox import Sandbox

from .talker import Talker


def read_until_cut(talker: Talker, text: str = "a b c d e f") -> bytes:
    """The bytes of a stream up to where its connection breaks."""
    body = {"model": "sandbox/echo", "stream": True, "messages": [{"role": "user", "content": text}]}
    received = b""
    try:
        with talker.client.stream("POST", "/chat/completions", json=body) as answer:
            for piece in answer.iter_raw():
                received += piece
    except httpx.RemoteProtocolError:
        return received
    raise AssertionError("the stream was not cut")


def test_the_next_request_can_fail(sandbox: Sandbox, talker: Talker) -> None:
    """A planned failure has the status, envelope, metadata and headers that were asked for."""
    metadata = {"provider_name": "Sandbox", "raw": "slow down"}
    sandbox.fail_next(429, "Provider returned error", metadata=metadata, headers={"Retry-After": "2"})

    answer = talker.post("sandbox/echo", "hello", stream=True)

    assert answer.status_code == 429
    assert answer.json()["error"] == {"message": "Provider returned error", "code": 429, "metadata": metadata}
    assert answer.headers["retry-after"] == "2"
    assert (sandbox.requests[-1].status, len(sandbox.charges)) == (429, 0)


def test_a_failure_happens_once(sandbox: Sandbox, talker: Talker) -> None:
    """Planned failures are met in their order, and after the last all is well."""
    sandbox.fail_next(502)
    sandbox.fail_next(503)

    assert [talker.post("sandbox/echo", "hello").status_code for _ in range(3)] == [502, 503, 200]


def test_a_failure_can_have_its_own_body(sandbox: Sandbox, talker: Talker) -> None:
    """A proxy's HTML page in place of JSON can be rehearsed."""
    sandbox.fail_next(502, body="<html><title>502 Bad Gateway</title></html>")

    answer = talker.post("sandbox/echo", "hello")

    assert answer.text == "<html><title>502 Bad Gateway</title></html>"
    assert answer.headers["content-type"].startswith("text/html")


def test_a_failure_waits_for_its_path(sandbox: Sandbox, talker: Talker) -> None:
    """A failure planned for one endpoint leaves the others alone."""
    sandbox.fail_next(500, "Internal Server Error", path="/models")

    assert talker.post("sandbox/echo", "hello").status_code == 200
    assert talker.client.get("/models").status_code == 500


@pytest.mark.parametrize("count", [0, 1, 3, 8])
def test_a_stream_can_break_off_after_some_events(sandbox: Sandbox, talker: Talker, count: int) -> None:
    """After so many events the connection drops; after all eight, only [DONE] is missing."""
    sandbox.cut_next(after_events=count)

    received = read_until_cut(talker)

    assert received.count(b"data: {") == received.count(b"data: ") == count
    assert not received or received.endswith(b"\n\n")


@pytest.mark.parametrize("count", [0, 1, 200, 301])
def test_a_stream_can_break_off_inside_an_event(sandbox: Sandbox, talker: Talker, count: int) -> None:
    """The connection drops after exactly so many bytes."""
    sandbox.cut_next(after_bytes=count)

    assert len(read_until_cut(talker)) == count


def test_a_cut_is_told_from_a_hang_up(sandbox: Sandbox, talker: Talker) -> None:
    """A stream that the sandbox cut is charged for what was generated, and is not the client's doing."""
    sandbox.cut_next(after_events=2)
    read_until_cut(talker)

    request = sandbox.wait_for(lambda received: received.ending is not None)
    (charge,) = sandbox.charges
    assert (request.ending, request.closed_by_client) == ("cut", False)
    assert (charge.cancelled, charge.completion_tokens) == (True, 3)


def test_a_cut_happens_once(sandbox: Sandbox, talker: Talker) -> None:
    """After the cut stream the next one is whole."""
    sandbox.cut_next(after_events=1)
    read_until_cut(talker)

    assert talker.stream("sandbox/echo", "hello")[-1]["usage"]["completion_tokens"] == 1


def test_a_cut_needs_a_place(sandbox: Sandbox) -> None:
    """A cut at no place, or at two, is refused."""
    for places in ({}, {"after_bytes": 1, "after_events": 1}):
        with pytest.raises(ValueError, match="either after_bytes or after_events"):
            sandbox.cut_next(**places)
