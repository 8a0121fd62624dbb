"""Every way in which an answer goes wrong has one outcome: the error, the text kept, the turn, the requests made."""

from __future__ import annotations

import gzip
from dataclasses import dataclass

import pytest

from or_magic.errors import (
    NotReachableError,
    ProviderError,
    RateLimitError,
    ServiceError,
    TimedOutError,
    TruncatedError,
    UnavailableError,
)
from or_magic.ledger.audit import verify
from tests.client.refusals import CASES, Case
from tests.faults.conftest import Open
from tests.faults.server import (
    CHUNKED_HEAD,
    CLOSE,
    COMMENT,
    DONE,
    FINISH,
    GOOD,
    HELLO,
    LAST,
    OPEN_HEAD,
    RESET,
    STREAM_HEAD,
    USAGE,
    Answer,
    chunk,
    event,
    response,
    serve,
)

COST = 12_345_600_000  # that of USAGE in 1e-12 USD
FREE, UNKNOWN = 0, None


@dataclass(frozen=True)
class Fault:
    """What a server does, and what is to come of it.

    Attributes:
        error: the class that is raised; None where the answer is whole.
        text: what is in the answer and in the ledger; None where nothing is.
        cost: in 1e-12 USD.
        asked: how many requests the server sees.
        hangs_up: whether the client is to close a connection that the server leaves open.
        words: what the message holds.
    """

    name: str
    script: Answer
    error: type[ServiceError] | None = None
    text: str | None = None
    cost: int | None = UNKNOWN
    asked: int = 1
    hangs_up: bool = False
    words: str = ""
    then: tuple[Answer, ...] = ()


WHOLE = "Hello world"
FOREVER = 20.0
JSON_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n"
WHOLE_JSON = (
    '{"id":"gen-1","model":"a/b","choices":[{"message":{"role":"assistant","content":"Hello world"},'
    f'"finish_reason":"stop"}}],"usage":{USAGE}}}'
).encode()
WHOLE_ERROR = b"""{"choices":[{"message":{"content":"Hello"},"finish_reason":"error",
"error":{"code":502,"message":"x"}}]}"""
ERROR_OBJECT = '{"code":502,"message":"Provider returned error","metadata":{"raw":"GPU on fire"}}'
OVERLOADED = '{"code":429,"message":"slow down","metadata":{"error_type":"rate_limit_exceeded"}}'

CUTS = (
    Fault("in the header", (b"HTTP/1.1 200 OK\r\nContent-Ty", CLOSE), TruncatedError, words="before any"),
    Fault("instead of an answer", (CLOSE,), TruncatedError, words="not sent again"),
    Fault("reset instead of an answer", (RESET,), TruncatedError, words="not sent again"),
    Fault("before the first event", (OPEN_HEAD + COMMENT, CLOSE), TruncatedError, words="before it began"),
    Fault("in the first event", (OPEN_HEAD + b'data: {"id":"gen', CLOSE), ServiceError, words="not an answer"),
    Fault("after the first event", (OPEN_HEAD + event("Hello"), CLOSE), TruncatedError, "Hello", words="is kept"),
    Fault("reset in mid-stream", (OPEN_HEAD + HELLO, 0.1, RESET), TruncatedError, WHOLE, words="is kept"),
    Fault("after the finish, before the usage", (OPEN_HEAD + HELLO + FINISH, CLOSE), None, WHOLE),
    Fault("before DONE", (OPEN_HEAD + HELLO + LAST, CLOSE), None, WHOLE, COST),
    Fault("reset before DONE", (OPEN_HEAD + HELLO + LAST, 0.1, RESET), None, WHOLE, COST),
    Fault("in a chunk", (CHUNKED_HEAD + chunk(HELLO) + b"ff\r\ndata", CLOSE), TruncatedError, WHOLE),
    Fault("between chunks", (CHUNKED_HEAD + chunk(HELLO), CLOSE), TruncatedError, WHOLE),
    Fault("a short body", (STREAM_HEAD + b"Content-Length: 9999\r\n\r\n" + HELLO, CLOSE), TruncatedError, WHOLE),
)
SLOW = (
    Fault("no header", (FOREVER,), TimedOutError, hangs_up=True, words="first_event_timeout"),
    Fault("silent after the header", (OPEN_HEAD, FOREVER), TimedOutError, hangs_up=True, words="fell silent"),
    Fault("silent in mid-stream", (OPEN_HEAD + HELLO, FOREVER), TimedOutError, WHOLE, hangs_up=True, words="silence"),
    Fault("comments are life", (OPEN_HEAD, *(COMMENT, 0.3) * 6, HELLO + LAST + DONE), None, WHOLE, COST),
    Fault("trickle", (OPEN_HEAD, *(event("x"), 0.2) * 40), TimedOutError, None, hangs_up=True, words="total_timeout"),
    Fault("open after DONE", (OPEN_HEAD + HELLO + LAST + DONE, FOREVER), None, WHOLE, COST, hangs_up=True),
    Fault("open after the usage", (OPEN_HEAD + HELLO + LAST, FOREVER), None, WHOLE, COST, hangs_up=True),
    Fault(
        "open after an error",
        (OPEN_HEAD + HELLO + event(error=ERROR_OBJECT, choices="[]"), FOREVER),
        ProviderError,
        WHOLE,
        hangs_up=True,
    ),
)
WRONG = (
    Fault("not HTTP", (b"SSH-2.0-OpenSSH_9.6\r\n", CLOSE), ServiceError),
    Fault("a bad chunk size", (CHUNKED_HEAD + b"zz\r\ndata", CLOSE), TruncatedError),
    # The engine does not tell of it in mid-stream; the silence that follows does.
    Fault("a bad chunk size later", (CHUNKED_HEAD + chunk(HELLO), 0.1, b"zz\r\ndata", CLOSE), TimedOutError, WHOLE),
    Fault(
        "a header of 20 KB",
        (OPEN_HEAD[:-2] + b"X-Long: " + b"x" * 20_000 + b"\r\n\r\n" + HELLO + LAST + DONE,),
        None,
        WHOLE,
        COST,
    ),
    Fault("a header of 200 KB", (OPEN_HEAD[:-2] + b"X-Long: " + b"x" * 200_000 + b"\r\n\r\n", CLOSE), ServiceError),
    Fault("garbage for an event", (OPEN_HEAD + b"data: {{{\n\n", CLOSE), ServiceError, words="{{{"),
    Fault("garbage in mid-stream", (OPEN_HEAD + HELLO + b"data: <x>\n\n", CLOSE), ServiceError, WHOLE, words="<x>"),
    Fault(
        "HTML",
        (response(200, b"<html><b>Log in</b></html>", {"Content-Type": "text/html"}),),
        ServiceError,
        words="Log in",
    ),
    Fault("an empty body", (response(200, b"", {"Content-Type": "text/event-stream"}),), TruncatedError),
    Fault("an empty JSON body", (response(200, b""),), ServiceError, words="not an answer"),
    Fault(
        "gzip",
        (STREAM_HEAD + b"Content-Encoding: gzip\r\nConnection: close\r\n\r\n" + gzip.compress(HELLO + LAST + DONE),),
        None,
        WHOLE,
        COST,
    ),
    Fault(
        "broken gzip", (STREAM_HEAD + b"Content-Encoding: gzip\r\nConnection: close\r\n\r\nnot gzip",), TruncatedError
    ),
    Fault("a stream called JSON", (JSON_HEAD + HELLO + LAST + DONE,), None, WHOLE, COST),
    Fault(
        "JSON called text",
        (b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n" + WHOLE_JSON,),
        None,
        WHOLE,
        COST,
    ),
    Fault("a whole answer", (JSON_HEAD + WHOLE_JSON,), None, WHOLE, COST),
    Fault("white space before it", (JSON_HEAD, *(b"\n         \n", 0.3) * 5, WHOLE_JSON), None, WHOLE, COST),
    Fault(
        "an error in a 200",
        (response(200, f'{{"error":{ERROR_OBJECT}}}'.encode()),),
        ProviderError,
        None,
        FREE,
        2,
        words="GPU on fire",
    ),
    Fault(
        "a redirect",
        (response(307, b"", {"Location": "https://evil.example/x"}),),
        ServiceError,
        None,
        FREE,
        words="https://evil.example/x",
    ),
)
INSIDE = (
    Fault(
        "with a choice",
        (OPEN_HEAD + HELLO + event(finish_reason='"error"', error=OVERLOADED), DONE, CLOSE),
        RateLimitError,
        WHOLE,
    ),
    Fault(
        "without choices", (OPEN_HEAD + HELLO + event(choices="[]", error=ERROR_OBJECT), CLOSE), ProviderError, WHOLE
    ),
    Fault(
        "beside usage, after the finish",
        (OPEN_HEAD + HELLO + event(finish_reason='"length"') + event(usage=USAGE, error=OVERLOADED) + DONE,),
        RateLimitError,
        WHOLE,
        COST,
    ),
    Fault(
        "as the first event",
        (OPEN_HEAD + event(choices="[]", error=ERROR_OBJECT), CLOSE),
        ProviderError,
        None,
        FREE,
        2,
        words="Asked 2 times",
    ),
    Fault(
        "first, then well",
        (OPEN_HEAD + event(choices="[]", error=ERROR_OBJECT), CLOSE),
        None,
        WHOLE,
        COST,
        2,
        then=(GOOD,),
    ),
    Fault(
        "in the choice of a whole answer",
        (response(200, WHOLE_ERROR),),
        ProviderError,
        "Hello",
    ),
    Fault("unexplained", (OPEN_HEAD + HELLO + event(finish_reason='"error"') + DONE,), ProviderError, WHOLE),
    Fault("well after a 503", (response(503, b"{}"),), None, WHOLE, COST, 2, then=(GOOD,)),
)
LARGE = (
    Fault("10,000 comments", (OPEN_HEAD + COMMENT * 10_000 + HELLO + LAST + DONE,), None, WHOLE, COST),
    Fault("one event of 20 MB", (OPEN_HEAD + event("x" * 20_000_000) + LAST + DONE,), None, "x" * 20_000_000, COST),
    Fault("a refusal of 5 MB", (response(500, b"x" * 5_000_000),), UnavailableError, None, UNKNOWN, 2),
    Fault(
        "an image of 5 MB",
        (
            OPEN_HEAD
            + event(delta='{"images":[{"image_url":{"url":"data:image/png;base64,' + "A" * 5_000_000 + '"}}]}')
            + LAST
            + DONE,
        ),
        None,
        None,
        COST,
    ),
)
FAMILIES = {"cut": CUTS, "slow": SLOW, "wrong": WRONG, "inside": INSIDE, "large": LARGE}
FAULTS = [pytest.param(fault, id=f"{family}: {fault.name}") for family, faults in FAMILIES.items() for fault in faults]


@pytest.mark.parametrize("fault", FAULTS)
def test_faults(fault: Fault, session_for: Open) -> None:
    """The error, the text that is kept, the turn, its cost, and how often the server was asked are as foreseen."""
    with serve(fault.script, *fault.then) as server:
        session = session_for(server.base_url)

        caught = ask(session)

        (turn,) = session.ledger.turns()
        assert type(caught) is (fault.error or type(None)) or (fault.error is ServiceError and caught is not None)
        assert fault.words in str(caught or "")
        assert str(caught or "").isprintable()
        kept = turn.answer.text if turn.answer is not None else ""
        assert session.last.text == kept
        if "total_timeout" not in fault.words:
            assert kept == (fault.text or "")
        assert (turn.state, turn.error) == (("failed", str(caught)) if caught else ("complete", None))
        assert (turn.usage.cost_pico_usd if turn.usage else None) == fault.cost
        assert server.questions == fault.asked == turn.attempts
        assert not fault.hangs_up or server.hung_up.wait(5)
        assert verify(session.ledger) == []


def ask(session) -> ServiceError | None:
    """Asks once; the error, if it failed."""
    try:
        session.ask("hi", model="a/b")
    except ServiceError as error:
        return error
    return None


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_each_status(case: Case, session_for: Open) -> None:
    """Each refusal is asked again only where it may pass, is one line of its kind, and is recorded with its cost."""
    answer = response(case.status, case.body, {"Content-Type": "application/json", **case.headers})
    with serve((answer,)) as server:
        session = session_for(server.base_url)

        caught = ask(session)

        (turn,) = session.ledger.turns()
        assert type(caught) is case.kind
        assert (turn.state, turn.error) == ("failed", str(caught))
        assert server.questions == case.asked
        assert (turn.usage.cost_pico_usd if turn.usage else None) == (UNKNOWN if case.may_be_charged else FREE)
        assert turn.may_be_billed_twice == (case.may_be_charged and case.asked > 1)


@pytest.mark.parametrize(
    "base_url",
    [
        pytest.param("http://127.0.0.1:9/v1", id="refused"),
        pytest.param("https://nowhere.invalid/v1", id="no such name"),
        pytest.param("https://[::1]:9/v1", id="refused, IPv6"),
    ],
)
def test_nobody_there(base_url: str, session_for: Open) -> None:
    """Where no connection can be made, nothing was sent: asked again, then free of charge."""
    session = session_for(base_url)

    caught = ask(session)

    (turn,) = session.ledger.turns()
    assert type(caught) is NotReachableError
    assert "Nothing was sent" in str(caught)
    assert turn.usage is not None
    assert (turn.usage.cost_pico_usd, turn.attempts, turn.may_be_billed_twice) == (0, 2, False)


def test_no_cookie_is_kept(session_for: Open) -> None:
    """A cookie that a server sets is not sent back to it."""
    with serve((response(200, WHOLE_JSON, {"Content-Type": "application/json", "Set-Cookie": "a=b"}),)) as server:
        session = session_for(server.base_url)

        session.ask("hi", model="a/b")
        session.ask("hi", model="a/b")

    assert len(server.requests) == 2
    assert not [request for request in server.requests if b"cookie" in request.lower()]
