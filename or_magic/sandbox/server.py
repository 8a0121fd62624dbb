"""The running sandbox: what Python code sees of it, its application with its middleware, and uvicorn in a thread.

Only names of this machine are let in. A web page can make a browser call 127.0.0.1 under the page's own name
(DNS rebinding); its requests then carry a foreign Host, and end here. No CORS header is ever sent.

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
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from or_magic.sandbox.behaviour import Behaviour, Controls, Cut, Failure
from or_magic.sandbox.chat_request import chat_request
from or_magic.sandbox.endpoints import Account, Control, catalog_routes, require_key
from or_magic.sandbox.planning import plan, with_preset
from or_magic.sandbox.recordings import Recordings
from or_magic.sandbox.responses import LineCut, Refusal, failure_answer, read_json, refusal_answer
from or_magic.sandbox.service import Charges, ReceivedRequest, RequestLog, Service
from or_magic.sandbox.streaming import CallerGone, StreamedAnswer, WholeAnswer

_HOST = "127.0.0.1"
API_ROOT = "/api/v1"
_NAMES_OF_THIS_MACHINE = ("127.0.0.1", "localhost", "[::1]")
_LARGEST_BODY = 64_000_000


class Sandbox:
    """A running sandbox, from its making to its close; as a context manager it closes itself.

    `base_url` is what a client needs; `token` opens the control endpoint. `charges` and `requests` may be read
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
    def charges(self) -> Charges:
        """Every charge so far."""
        return self._service.charges

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


def build_app(service: Service, *, port: int) -> ASGIApp:
    """The whole sandbox as one ASGI application that answers under 127.0.0.1:port."""
    routes = [
        Route(f"{API_ROOT}/chat/completions", Chat(service).complete, methods=["POST"]),
        *catalog_routes(API_ROOT),
        *Account(service).routes(API_ROOT),
        *Control(service).routes(),
    ]
    app = Starlette(routes=routes, exception_handlers={Refusal: _refused, HTTPException: _not_routed})
    app.router.redirect_slashes = False
    app.state.service = service
    return Middleware(app, service, port=port)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    return refusal_answer(error)


async def _not_routed(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    wanted = f"{request.method} {request.url.path}"
    message = {
        404: f"There is no {wanted} here. The sandbox answers under {API_ROOT}.",
        405: f"{wanted} is not allowed. Allowed: {(error.headers or {}).get('Allow', '')}",
    }.get(error.status_code, error.detail)
    return refusal_answer(Refusal(error.status_code, message, headers=error.headers))


class Chat:
    """The endpoint that answers: POST /chat/completions."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def complete(self, request: Request) -> Response:
        """Answer a chat request, streamed or whole."""
        require_key(request)
        service, body = self._service, await request.body()
        behaviour = service.controls.behaviour
        fields: dict[str, Any] = read_json(body, dict[str, Any])
        if (replayed := service.recordings.answer(fields.get("model"), behaviour)) is not None:
            return replayed
        fields = with_preset(fields, behaviour.presets)
        chat = chat_request(fields)
        if service.charges.total_usd() >= behaviour.credits_usd:
            raise Refusal(402, "Insufficient credits. Add more using https://openrouter.ai/settings/credits")
        planned, headers = service.kept_answers.find(request.headers, body)
        if planned is None:
            wants_metadata = request.headers.get("x-openrouter-metadata", "").lower() == "enabled"
            planned = plan(chat, fields, service.controls, wants_metadata=wants_metadata)
            if headers:
                service.kept_answers.keep(request.headers, body, planned)
        kind = StreamedAnswer if chat.stream else WholeAnswer
        return kind(planned, service, headers)


class Middleware:
    """Wraps the application: lets a request in, writes down what it was and how it ended."""

    def __init__(self, app: ASGIApp, service: Service, *, port: int) -> None:
        self._app = app
        self._service = service
        self._hosts = {f"{name}:{port}" for name in _NAMES_OF_THIS_MACHINE}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, unless it came under a foreign name."""
        host = Headers(scope=scope).get("host", "")
        if host.lower() not in self._hosts:
            refusal = Refusal(403, f"The sandbox answers only on this machine, not under the name {host!r}.")
            await refusal_answer(refusal)(scope, receive, send)
        elif scope["path"].startswith("/api/"):
            await self._let_in(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _let_in(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body = await _whole_body(receive)
        except Refusal as refusal:
            await refusal_answer(refusal)(scope, receive, send)
            return
        number = self._write_down(scope, body)
        log = self._service.requests
        failure = self._service.controls.take_failure(scope["path"].removeprefix(API_ROOT))
        app = failure_answer(failure) if failure else self._app
        try:
            await app(scope, _again(body, receive), self._noting(number, send))
        except CallerGone:
            log.close(number, "closed by client")
        except (LineCut, asyncio.CancelledError):
            # Left unfinished: the server then drops the connection, which is what a cut is.
            log.close(number, "cut")

    def _write_down(self, scope: Scope, body: bytes) -> int:
        return self._service.requests.open(
            method=scope["method"],
            path=scope["path"],
            query=scope["query_string"].decode("latin-1"),
            headers=dict(Headers(scope=scope)),
            body=_parsed(body),
            body_bytes=len(body),
        )

    def _noting(self, number: int, send: Send) -> Send:
        """A `send` that keeps the log up to date before each message leaves."""
        log = self._service.requests

        # Before, not after: who has read the end of an answer must find it in the log.
        async def send_noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                generation_id = Headers(raw=message["headers"]).get("x-generation-id")
                log.answer(number, status=message["status"], generation_id=generation_id)
            elif not message.get("more_body", False):
                log.close(number, "complete")
            await send(message)

        return send_noted


async def _whole_body(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > _LARGEST_BODY:
            raise Refusal(413, f"The request body is larger than {_LARGEST_BODY:,} bytes.")
        if not message.get("more_body", False):
            return bytes(body)


def _again(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives the body once more, and after it whatever comes."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> Message:
        return waiting.pop() if waiting else await receive()

    return receive_again


def _parsed(body: bytes) -> Any:
    try:
        return read_json(body, object)
    except Refusal:
        return None


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
