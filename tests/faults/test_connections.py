"""Connections that are kept, that died meanwhile, and that are too many; and an interrupt at any moment."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest

from or_magic.chat.session import Session
from or_magic.errors import CommandError, Stopped, TruncatedError
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
    Answer,
    chunk,
    event,
    response,
    serve,
)
from tests.faults.test_faults import WHOLE_JSON, ask

WHOLE = "Hello world"
KEPT = (response(200, WHOLE_JSON),)
JSON = {"Content-Type": "application/json"}


def test_a_connection_is_kept(session_for: Open) -> None:
    """Two questions use one connection."""
    with serve(KEPT) as server:
        session = session_for(server.base_url)

        session.ask("hi", model="a/b")
        session.ask("hi", model="a/b")

    assert (server.connections, len(server.requests)) == (1, 2)


@pytest.mark.parametrize("how", [CLOSE, RESET])
def test_a_kept_connection_that_died(how: str, session_for: Open) -> None:
    """The first cell after coffee: a dead connection is replaced at once, and it is said that both may be billed."""
    with serve(KEPT, (how,), KEPT) as server:
        session = session_for(server.base_url, OR_MAGIC_RETRIES="0")
        session.ask("hi", model="a/b")

        answer = session.ask("hi", model="a/b")

    assert answer.text == WHOLE
    assert (answer.attempts, answer.may_be_billed_twice) == (2, True)
    assert session.ledger.turns()[1].may_be_billed_twice
    assert (server.connections, len(server.requests)) == (2, 3)


def test_a_kept_connection_is_replaced_once(session_for: Open) -> None:
    """A server that takes every request and says nothing is asked twice, not for ever."""
    with serve(KEPT, (CLOSE,)) as server:
        session = session_for(server.base_url)
        session.ask("hi", model="a/b")

        with pytest.raises(TruncatedError):
            session.ask("hi", model="a/b")

    assert len(server.requests) == 3
    assert session.ledger.turns()[1].usage is None


def test_no_more_than_so_many_at_a_time(session_for: Open) -> None:
    """With max_in_flight 2, ten questions are under way two at a time, and all are answered."""
    under_way, most = 0, 0
    counting = threading.Lock()

    def enter() -> None:
        nonlocal under_way, most
        with counting:
            under_way += 1
            most = max(most, under_way)

    def leave() -> None:
        nonlocal under_way
        with counting:
            under_way -= 1

    with serve((enter, 0.05, leave, *KEPT)) as server:
        session = session_for(server.base_url, OR_MAGIC_MAX_IN_FLIGHT="2")
        with ThreadPoolExecutor(10) as pool:
            answers = list(pool.map(lambda _: session.ask("hi", model="a/b").text, range(10)))

    assert answers == [WHOLE] * 10
    assert most == 2


def test_a_limit_that_is_lifted_soon(session_for: Open) -> None:
    """A spent limit that is lifted in half a second (epoch milliseconds) is waited for."""
    begun = time.time()
    limit = JSON | {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": f"{(begun + 0.5) * 1000:.0f}"}
    with serve((response(429, b"{}", limit),), KEPT) as server:
        answer = session_for(server.base_url).ask("hi", model="a/b")

    assert (answer.text, answer.attempts) == (WHOLE, 2)
    assert time.time() - begun > 0.45


def test_a_document_is_asked_for_again(session_for: Open) -> None:
    """What costs nothing is asked for again also where it may have been received."""
    with serve((CLOSE,), (response(200, b'{"data":[{"id":"a/b"}]}'),)) as server:
        catalog = session_for(server.base_url).models.catalog()

    assert len(catalog) == 1
    assert len(server.requests) == 2


def stopped_when(session: Session, moment: Callable[[], bool]) -> float:
    """Interrupts the question as soon as `moment` is true; returns the seconds from the interrupt to the end."""
    at = 0.0

    def interrupt() -> None:
        nonlocal at
        deadline = time.monotonic() + 10
        while not moment() and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.1)
        at = time.monotonic()
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(Stopped):
        session.ask("hi", model="a/b")
    return time.monotonic() - at


# Name, what the server does, the text that is kept, whether there is a connection to be closed.
PHASES: list[tuple[str, Answer, str, bool]] = [
    ("before the header", (30.0,), "", True),
    ("before the first event", (OPEN_HEAD + COMMENT, 30.0), "", True),
    ("in mid-stream", (OPEN_HEAD + HELLO, 30.0), WHOLE, True),
    ("in a storm of events", (OPEN_HEAD, *(event("x"), 0.001) * 20_000), "x", True),
    ("in the wait for another attempt", (response(429, b"{}", JSON | {"Retry-After": "30"}),), "", False),
    (
        "in a whole answer",
        (b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n", *(b" \n", 0.1) * 99),
        "",
        True,
    ),
]


@pytest.mark.parametrize(("script", "text", "closes"), [pytest.param(*rest, id=name) for name, *rest in PHASES])
def test_an_interrupt_in_each_phase(script: Answer, text: str, closes: bool, session_for: Open) -> None:
    """An interrupt ends whatever goes on: the connection is closed, what came is kept, nothing is asked again."""
    with serve(script) as server:
        session = session_for(
            server.base_url,
            OR_MAGIC_FIRST_EVENT_TIMEOUT="20",
            OR_MAGIC_SILENCE_TIMEOUT="20",
            OR_MAGIC_TOTAL_TIMEOUT="60",
            OR_MAGIC_RETRY_TIME="60",
        )

        seconds = stopped_when(session, lambda: len(server.requests) == 1)

        (turn,) = session.ledger.turns()
        kept = turn.answer.text if turn.answer else ""
        assert seconds < 5  # not the 20 to 60 that its times would allow
        assert (turn.state, kept) == ("stopped", session.last.text)
        assert kept.startswith(text)
        assert closes is False or server.hung_up.wait(5)
        assert server.questions == 1


def test_an_interrupt_while_connecting(session_for: Open) -> None:
    """A handshake that never ends is given up at once; nothing was sent."""
    with serve((30.0,), listens=False) as server:
        session = session_for(
            server.base_url.replace("http:", "https:"), OR_MAGIC_CONNECT_TIMEOUT="30", OR_MAGIC_FIRST_EVENT_TIMEOUT="30"
        )
        seconds = stopped_when(session, lambda: session.last is not None)

    assert seconds < 5
    assert session.ledger.turns()[0].state == "stopped"


def test_an_interrupt_while_others_come_first(session_for: Open) -> None:
    """A question that waits for its turn is given up without having been sent; the one under way goes on."""
    with serve((OPEN_HEAD + HELLO, 1.5, CLOSE)) as server:
        session = session_for(server.base_url, OR_MAGIC_MAX_IN_FLIGHT="1", OR_MAGIC_SILENCE_TIMEOUT="20")
        other = threading.Thread(target=lambda: ask(session))
        other.start()
        while not server.requests:
            time.sleep(0.01)

        first = session.last
        stopped_when(session, lambda: session.last is not first)
        other.join(10)

    earlier, second = session.ledger.turns()
    assert server.questions == 1
    assert (earlier.state, earlier.answer.text if earlier.answer else "", second.state) == ("failed", WHOLE, "stopped")


@pytest.mark.parametrize("value", ["soon", "-1", "nan", "1e999", ""])
def test_an_impossible_time(value: str, session_for: Open) -> None:
    """A time that is none is refused before anything is sent, and says where it was set; an empty one is not set."""
    with serve(KEPT) as server:
        session = session_for(server.base_url, OR_MAGIC_SILENCE_TIMEOUT=value)
        if not value:
            session.ask("hi", model="a/b")
            return
        with pytest.raises(CommandError, match="OR_MAGIC_SILENCE_TIMEOUT"):
            session.ask("hi", model="a/b")

    assert server.requests == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_fork_asks_on_connections_of_its_own(session_for: Open) -> None:
    """A forked process can ask as well, and leaves its parent's connections alone."""
    with serve(KEPT) as server:
        session = session_for(server.base_url)
        session.ask("hi", model="a/b")
        child = multiprocessing.get_context("fork").Process(target=lambda: session.ask("hi", model="a/b"))

        child.start()
        child.join(20)
        session.ask("hi", model="a/b")

    assert child.exitcode == 0
    assert (server.connections, len(server.requests)) == (2, 3)


def hit(source: str) -> bytes:
    """The head of an answer from the service's cache."""
    told = f"\r\nX-OpenRouter-Cache-Status: HIT\r\nX-OpenRouter-Cache-Source-Id: {source}\r\n\r\n"
    return CHUNKED_HEAD.replace(b"\r\n\r\n", told.encode())


def test_a_broken_question_that_the_service_keeps(session_for: Open) -> None:
    """With the service's cache a question whose connection broke is asked once more; if the first was answered, its
    answer comes for nothing, and its cost is that of the first."""
    source = '{"data":{"id":"gen-0","model":"a/b","total_cost":0.0123456,"tokens_prompt":7,"tokens_completion":2}}'
    free = LAST.replace(b"0.0123456", b"0")
    script = (hit("gen-0"), *map(chunk, (HELLO, FINISH, free, DONE)), b"0\r\n\r\n")
    with serve((RESET,), script, records=(response(200, source.encode()),)) as server:
        session = session_for(server.base_url)
        answer = session.ask("hi", model="a/b", parameters={"cache": True})
        give_up_at = time.monotonic() + 20
        while answer.cost is None and time.monotonic() < give_up_at:
            time.sleep(0.05)

    assert (answer.text, answer.attempts, answer.cache_status) == (WHOLE, 2, "HIT")
    assert (answer.id, answer.cost, answer.cost_source) == ("gen-0", Decimal("0.0123456"), "reconciled")
    assert (server.questions, answer.may_be_billed_twice) == (2, False)


def test_a_kept_answer_of_an_earlier_question(session_for: Open) -> None:
    """What an earlier question had paid for is not counted again, also where the connection broke in between."""
    script = (hit("gen-1"), *map(chunk, (HELLO, FINISH, LAST.replace(b"0.0123456", b"0"), DONE)), b"0\r\n\r\n")
    with serve(GOOD, (RESET,), script, records=(response(404, b"{}"),)) as server:
        session = session_for(server.base_url)
        first = session.ask("hi", model="a/b", parameters={"cache": True})
        answer = session.ask("hi", model="a/b", parameters={"cache": True})

    assert (first.cost, answer.cost, answer.attempts) == (Decimal("0.0123456"), 0, 2)
    assert session.spent().pico_usd == 12_345_600_000


def test_a_broken_question_that_the_service_does_not_keep(session_for: Open) -> None:
    """It may have been charged, so it is not sent again."""
    with serve((RESET,), KEPT) as server, pytest.raises(TruncatedError, match="was not sent again"):
        session_for(server.base_url).ask("hi", model="a/b")

    assert server.questions == 1
