"""The running sandbox: uvicorn in a thread of its own, and the face that Python code sees.

The server has its own event loop, so it can be started where one is running already (a notebook), and it
never touches signals, which belong to the main thread. The socket is bound here, before the thread starts:
a port that is taken is an error in the caller's hands, and a free one is known at once.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import secrets
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from or_magic.sandbox.app import build_app
from or_magic.sandbox.behaviour import Behaviour, Controls, Cut, Failure
from or_magic.sandbox.book import Book
from or_magic.sandbox.gate import API_ROOT
from or_magic.sandbox.received import ReceivedRequest, RequestLog
from or_magic.sandbox.recordings import Recordings
from or_magic.sandbox.service import Service

_HOST = "127.0.0.1"


class Sandbox:
    """A running sandbox, from its making to its close; as a context manager it closes itself.

    `base_url` is what a client needs; `token` opens the control endpoint. `book` and `requests` may be read
    at any time, from any thread.
    """

    def __init__(self, *, port: int = 0, behaviour: Behaviour | None = None, replay: Path | None = None) -> None:
        recordings = Recordings(replay)
        listener = _listen(port)
        self.port: int = listener.getsockname()[1]
        controls = Controls(behaviour or Behaviour())
        self._service = Service(controls, secrets.token_urlsafe(24), recordings=recordings)
        self._server = _Server(build_app(self._service, port=self.port))
        self._thread = threading.Thread(
            target=self._server.run_on, args=(listener,), name=f"or_magic sandbox {self.port}", daemon=True
        )
        self._thread.start()

    @property
    def base_url(self) -> str:
        """The base URL for OpenRouter and OpenAI clients."""
        return f"http://{_HOST}:{self.port}{API_ROOT}"

    @property
    def token(self) -> str:
        """The start-up token of the control endpoint."""
        return self._service.token

    @property
    def book(self) -> Book:
        """Every charge so far."""
        return self._service.book

    @property
    def requests(self) -> RequestLog:
        """The newest received requests."""
        return self._service.requests

    @property
    def behaviour(self) -> Behaviour:
        """The knobs as they stand."""
        return self._service.controls.behaviour

    @property
    def is_running(self) -> bool:
        """Whether it still answers."""
        return self._thread.is_alive()

    def behave(self, **knobs: Any) -> Behaviour:
        """Turn some knobs of Behaviour for the requests to come; returns all of them.

        Raises: ValueError for an unknown knob or an impossible value.
        """
        return self._service.controls.change(knobs)

    def fail_next(
        self,
        status: int,
        message: str = "Provider returned error",
        *,
        path: str = "/chat/completions",
        metadata: dict[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        body: str | None = None,
    ) -> None:
        """Let the next request to `path` fail; `body` is sent as it is, in place of the error envelope."""
        self._service.controls.plan(
            Failure(
                status=status,
                message=message,
                path=path,
                metadata=metadata,
                headers=dict(headers or {}),
                body=body,
            )
        )

    def cut_next(self, *, after_bytes: int | None = None, after_events: int | None = None) -> None:
        """Drop the connection of the next stream after so many bytes, or data events, of its body."""
        self._service.controls.plan(Cut(after_bytes=after_bytes, after_events=after_events))

    def wait_for(self, matches: Callable[[ReceivedRequest], bool], timeout_s: float = 5.0) -> ReceivedRequest:
        """The first received request that matches, as soon as there is one.

        Raises: TimeoutError, if none matched in time.
        """
        return self._service.requests.wait_for(matches, timeout_s)

    def close(self) -> None:
        """Stop answering, dropping open streams; does nothing the second time."""
        self._server.stop()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Sandbox {self.base_url}{'' if self.is_running else ', closed'}>"


class _QuietProtocol(H11Protocol):
    """uvicorn's HTTP without its access log; configuring that away would change it for the whole process."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.access_log = False


class _Server(uvicorn.Server):
    """uvicorn as a guest in somebody's process: silent, and gone at once when asked."""

    def __init__(self, app: Any) -> None:
        config = uvicorn.Config(
            app,
            http=_QuietProtocol,
            ws="none",
            lifespan="off",
            log_config=None,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=120,  # a notebook keeps its connection from one cell to the next
        )
        super().__init__(config)
        self._stopping = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    def stop(self) -> None:
        """Ask the server to end, from any thread."""
        self.should_exit = True
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop is closed: it has ended already
                self._loop.call_soon_threadsafe(self._stopping.set)

    def run_on(self, listener: socket.socket) -> None:
        """Serve until it is stopped, in the current thread.

        Not asyncio.run: where nest_asyncio was applied, that is a patched one without loop_factory.
        """
        mute = _MuteThread()
        logger = logging.getLogger("uvicorn.error")
        logger.addFilter(mute)
        try:
            with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
                self._loop = runner.get_loop()
                runner.run(self.serve(sockets=[listener]))
        finally:
            logger.removeFilter(mute)

    async def main_loop(self) -> None:
        """Wait to be stopped, and renew the Date header once a second. uvicorn would look every 0.1 s."""
        while not await self.on_tick(0):
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), 1.0)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End open streams and drop every connection, without uvicorn's pauses for them to finish."""
        for server in self.servers:
            server.close()
        streams = list(self.server_state.tasks)
        for stream in streams:
            stream.cancel()
        await asyncio.gather(*streams, return_exceptions=True)
        for connection in list(self.server_state.connections):
            connection.transport.abort()


class _MuteThread(logging.Filter):
    """Drops what its own thread logs, but for errors of the sandbox itself, which must show.

    The records of another uvicorn in the same process pass.
    """

    def __init__(self) -> None:
        super().__init__()
        self._thread = threading.get_ident()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is to be logged."""
        is_error = record.exc_info is not None and isinstance(record.exc_info[1], Exception)
        return is_error or record.thread != self._thread


def _listen(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    if sys.platform != "win32":  # on Windows the option would let two programs share the port
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((_HOST, port))
        listener.listen()
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            reason = "it is taken; choose another, or 0 for any free one"
        else:
            reason = error.strerror or "it is not allowed"
        raise OSError(error.errno, f"No sandbox on port {port} of {_HOST}: {reason}.") from None
    return listener
