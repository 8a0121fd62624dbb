"""Starting and closing: at once, quietly, anywhere."""

from __future__ import annotations

import asyncio
import errno
import logging
import signal
import subprocess
import sys
import threading
from pathlib import Path

import httpx
import pytest

from or_magic.sandbox import Sandbox, start

from .talker import KEY, Talker

ROOT = Path(__file__).parents[2]
SLOW = {"model": "sandbox/slow", "stream": True, "messages": [{"role": "user", "content": "word " * 99}]}


def run_python(code: str) -> subprocess.CompletedProcess[str]:
    """Run code in a fresh interpreter."""
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)


def test_it_answers_as_soon_as_it_is_started(stranger: httpx.Client) -> None:
    """The free port is known at once, and the first request is answered."""
    with start(port=0) as sandbox:
        assert sandbox.base_url == f"http://127.0.0.1:{sandbox.port}/api/v1"
        assert stranger.get(f"{sandbox.base_url}/models").status_code == 200
        assert sandbox.is_running


def test_a_taken_port_is_one_clear_line(sandbox: Sandbox) -> None:
    """A second sandbox on the same port is an OSError that says which port and what to do."""
    message = f"port {sandbox.port} of 127.0.0.1: it is taken; choose another"
    with pytest.raises(OSError, match=message) as caught:
        start(sandbox.port)

    assert caught.value.errno == errno.EADDRINUSE
    assert "\n" not in str(caught.value)


def test_closing_frees_the_port(stranger: httpx.Client) -> None:
    """After closing, twice if need be, nobody answers, and the port can be taken again."""
    sandbox = start()
    sandbox.close()
    sandbox.close()

    with pytest.raises(httpx.ConnectError):
        stranger.get(f"{sandbox.base_url}/models")
    with start(sandbox.port) as again:
        assert again.port == sandbox.port
    assert repr(sandbox).endswith(", closed>")


def test_closing_drops_open_streams(stranger: httpx.Client, sandbox: Sandbox) -> None:
    """A stream that is open at closing time ends there, as cut, and is charged for what was generated."""
    url, headers = f"{sandbox.base_url}/chat/completions", {"Authorization": f"Bearer {KEY}"}
    with stranger.stream("POST", url, json=SLOW, headers=headers) as answer:
        pieces = answer.iter_raw()
        next(pieces)
        sandbox.close()
        with pytest.raises(httpx.HTTPError):
            list(pieces)

    assert sandbox.requests[0].ending == "cut"
    assert [charge.cancelled for charge in sandbox.charges] == [True]


def test_it_starts_inside_a_running_loop() -> None:
    """In a notebook, where an event loop runs, it works with synchronous and asynchronous clients."""

    async def ask() -> int:
        with start() as sandbox:
            async with httpx.AsyncClient() as client:
                answer = await client.get(f"{sandbox.base_url}/models")
            return answer.status_code

    assert asyncio.run(ask()) == 200


def test_it_starts_where_nest_asyncio_was_applied() -> None:
    """A process whose asyncio was patched by nest_asyncio can start it all the same."""
    pytest.importorskip("nest_asyncio")
    code = """
import asyncio, nest_asyncio, httpx
from or_magic.sandbox import start
nest_asyncio.apply(asyncio.new_event_loop())
with start() as sandbox:
    print(httpx.get(sandbox.base_url + "/models").status_code)
"""

    done = run_python(code)

    assert (done.stdout, done.stderr) == ("200\n", "")


def test_it_leaves_signals_alone(sandbox: Sandbox) -> None:
    """Ctrl-C stays Python's own, and the sandbox's thread does not hold up the exit."""
    threads = [thread for thread in threading.enumerate() if thread.name.endswith(str(sandbox.port))]

    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert [thread.daemon for thread in threads] == [True]


def test_it_is_silent(
    sandbox: Sandbox, talker: Talker, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """Refusals, cut streams, hang-ups and the end are neither printed nor logged."""
    caplog.set_level(logging.INFO)
    sandbox.cut_next(after_events=1)

    talker.post("foo/bar", "hello")
    with pytest.raises(httpx.RemoteProtocolError):
        talker.post("sandbox/echo", "hello", stream=True)
    with talker.client.stream("POST", "/chat/completions", json=SLOW) as answer:
        next(answer.iter_raw())
    sandbox.wait_for(lambda request: request.closed_by_client)
    sandbox.close()

    assert capfd.readouterr() == ("", "")
    assert not [record for record in caplog.records if record.name.startswith(("uvicorn", "or_magic"))]
    assert logging.getLogger("uvicorn.error").filters == []


def test_its_own_errors_are_not_hidden(
    sandbox: Sandbox, talker: Talker, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An error of the sandbox itself is a 500, and is logged with its traceback."""
    monkeypatch.delattr(sandbox.charges, "_total_usd")

    assert talker.post("sandbox/echo", "hello").status_code == 500
    sandbox.close()
    assert "AttributeError" in caplog.text


def test_importing_it_is_cheap() -> None:
    """Starlette and uvicorn are not imported before a sandbox is started."""
    code = """
import sys
from or_magic.sandbox import start
print(sorted({"starlette", "uvicorn"} & set(sys.modules)))
"""

    assert run_python(code).stdout == "[]\n"


def test_two_sandboxes_know_nothing_of_each_other(stranger: httpx.Client) -> None:
    """Each sandbox has its own port, token, book and log."""
    with start() as one, start() as other:
        stranger.get(f"{one.base_url}/models")

        assert one.port != other.port
        assert one.token != other.token
        assert (len(one.requests), len(other.requests)) == (1, 0)
