"""HTTP. The only file that names httpx and aiohttp.

httpx is the interface and aiohttp the engine underneath (a quarter of the CPU of httpx's own per streamed token). Two
of its habits shape this file: the engine reports a refused connection, a DNS failure, a reset and a disconnect all as
`ConnectTimeout`, so what happened is read from `__cause__`; and it would follow cookies and netrc, so both are off.
"""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import contextlib
import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import aiohttp
import httpx
import httpx_aiohttp

from or_magic.errors import NotReachableError, ServiceError, TimedOutError, TruncatedError
from or_magic.messages import Event
from or_magic.openrouter import background
from or_magic.openrouter.failures import error_from_body, one_line
from or_magic.openrouter.sse import EventSplitter
from or_magic.openrouter.wire import ChatRequest, ChunkDecoder, encode
from or_magic.settings import origin_of

_LARGEST_REFUSAL = 1 << 20
_LONGEST_HEADER = 64 * 1024
_KEEP_ALIVE_S = 300.0


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to ask, and with which key. The key is left out of its repr."""

    base_url: str
    key: str

    @property
    def origin(self) -> str:
        """Scheme, host and port: the service that a turn is recorded under."""
        return origin_of(self.base_url)

    def __repr__(self) -> str:
        return f"Endpoint({self.base_url!r})"


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long to wait, in seconds, before giving up."""

    silence_s: float = 120.0
    total_s: float = 600.0


_TIMEOUTS = Timeouts()


class Client:
    """Asks one endpoint. Its methods run on the background loop (`background.submit`)."""

    def __init__(self, endpoint: Endpoint, *, title: str | None = None, timeouts: Timeouts = _TIMEOUTS) -> None:
        self._endpoint = endpoint
        self._title = title
        self._timeouts = timeouts

    async def stream(self, request: ChatRequest, take: Callable[[Event], None]) -> None:
        """Sends the request and hands each event to `take`, at once, until the answer has ended.

        `take` is called on the background loop and must be quick. Cancelling the task closes the connection. An error
        that the service reports inside its answer is an event, `Failed`, since what came before it stays.

        Raises:
            ServiceError: or one of its kinds, when the service refuses, cannot be reached, is silent for too long, or
                breaks off.
        """
        try:
            async with asyncio.timeout(self._timeouts.total_s), asyncio.timeout(self._timeouts.silence_s) as silence:
                response = await _http_client().send(self._post("/chat/completions", encode(request)), stream=True)
                try:
                    if response.status_code != 200:
                        raise await self._refusal(response, request.model)
                    await self._read(response, take, silence)
                finally:
                    await response.aclose()
        except TimeoutError as error:
            raise TimedOutError(
                f"Nothing came from {self._endpoint.origin} for too long; the answer was given up."
            ) from error
        except (httpx.HTTPError, aiohttp.ClientError) as error:
            raise _connection_error(error, self._endpoint.origin) from error

    def _post(self, path: str, body: bytes) -> httpx.Request:
        # httpx.Headers, unlike a dict, hides the key in its repr.
        headers = httpx.Headers({"Content-Type": "application/json", "Authorization": f"Bearer {self._endpoint.key}"})
        if self._title:
            headers["X-OpenRouter-Title"] = self._title
        url = self._endpoint.base_url.rstrip("/") + path
        return _http_client().build_request("POST", url, content=body, headers=headers)

    async def _read(self, response: httpx.Response, take: Callable[[Event], None], silence: asyncio.Timeout) -> None:
        decoder, splitter, clock = ChunkDecoder(), EventSplitter(), asyncio.get_running_loop().time
        postponed_at = clock()
        async for portion in response.aiter_bytes():
            # Any bytes are a sign of life, comments too. Moving the timer is dear, looking at the clock is not.
            if (now := clock()) > postponed_at + 1.0:
                silence.reschedule(now + self._timeouts.silence_s)
                postponed_at = now
            for payload in splitter.feed(portion):
                for event in decoder.decode(payload):
                    take(event)
        for payload in splitter.flush():
            for event in decoder.decode(payload):
                take(event)
        if not (decoder.is_done or decoder.is_finished):
            raise TruncatedError(f"{self._endpoint.origin} broke the answer off before its end; what came is kept.")

    async def _refusal(self, response: httpx.Response, model: str | None) -> ServiceError:
        if response.is_redirect:
            where = response.headers.get("location", "another address")
            return ServiceError(
                f"{self._endpoint.origin} wanted to send the request on to {where}; redirects are not followed. "
                "Set OPENROUTER_BASE_URL to the right address.",
                status=response.status_code,
                may_be_charged=False,
            )
        body = b""
        async for portion in response.aiter_bytes():
            body += portion
            if len(body) > _LARGEST_REFUSAL:
                break
        return error_from_body(response.status_code, body, service=self._endpoint.origin, model=model)


@functools.cache
def _http_client() -> httpx.AsyncClient:
    """One client for the process: a new one costs 22 to 70 ms, and each has connections of its own.

    Connections are kept for minutes: people think between two cells, and a new one is a TLS handshake.
    """
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=_KEEP_ALIVE_S)
    client = _AiohttpClient(timeout=None, limits=limits, follow_redirects=False)
    atexit.register(_close, client)
    return client


def _close(client: httpx.AsyncClient) -> None:
    # aiohttp complains on stderr about a session that was never closed. A moment is enough; no exit waits for a server.
    with contextlib.suppress(TimeoutError, concurrent.futures.CancelledError):
        background.submit(client.aclose()).result(timeout=1.0)


class _AiohttpClient(httpx_aiohttp.HttpxAiohttpClient):
    """The aiohttp engine with a session of our own making: no cookies, no netrc, header lines up to 64 KB."""

    def _init_transport(self, *args: Any, **kwargs: Any) -> httpx.AsyncBaseTransport:
        return _with_our_session(super()._init_transport(*args, **kwargs))

    def _init_proxy_transport(self, *args: Any, **kwargs: Any) -> httpx.AsyncBaseTransport:
        return _with_our_session(super()._init_proxy_transport(*args, **kwargs))


def _with_our_session(transport: httpx.AsyncBaseTransport) -> httpx.AsyncBaseTransport:
    if isinstance(transport, httpx_aiohttp.AiohttpTransport):
        ssl_context = transport.ssl_context
        transport.client = lambda: aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(keepalive_timeout=_KEEP_ALIVE_S, limit=0, ssl=ssl_context),
            cookie_jar=aiohttp.DummyCookieJar(),
            max_line_size=_LONGEST_HEADER,
            max_field_size=_LONGEST_HEADER,
        )
    return transport


def _connection_error(error: Exception, origin: str) -> ServiceError:
    cause = error.__cause__ or error
    system = getattr(cause, "os_error", None)
    reason = one_line(str(getattr(system, "strerror", None) or cause)) or type(cause).__name__
    if isinstance(cause, aiohttp.ClientConnectorError | httpx.ConnectError | httpx.UnsupportedProtocol):
        return NotReachableError(
            f"Nobody answers at {origin} ({reason}). Nothing was sent. Check the address and the network.",
            may_be_charged=False,
        )
    return TruncatedError(f"The connection to {origin} broke ({reason}). What came is kept; it may have been charged.")
