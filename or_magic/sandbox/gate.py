"""What every request passes first: the Host check, the log of requests, the planned failures.

Only names of this machine are let in. A web page can make a browser call 127.0.0.1 under the page's own name
(DNS rebinding); its requests then carry a foreign Host, and end here. No CORS header is ever sent.
"""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from or_magic.sandbox.answers import Refusal, failure_answer, read_json, refusal_answer
from or_magic.sandbox.outlet import LineCut
from or_magic.sandbox.service import Service
from or_magic.sandbox.streaming import CallerGone

API_ROOT = "/api/v1"

_NAMES_OF_THIS_MACHINE = ("127.0.0.1", "localhost", "[::1]")
_LARGEST_BODY = 64_000_000


class Gate:
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
        """The same `send`, with the log kept up to date before each message leaves."""
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
