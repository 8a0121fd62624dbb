"""HTTP. The only file that names httpx and aiohttp.

httpx is the interface and aiohttp the engine underneath (a quarter of the CPU of httpx's own per streamed token). Its
habits shape this file. It reports a refused connection, a DNS failure, a reset and a disconnect all as
`ConnectTimeout`, so what happened is read from the exception underneath, and whether the request had left from a trace
of the connection. It would follow cookies and netrc: both are off. A socks proxy it does not know: there httpx's own
engine steps in.
"""

from __future__ import annotations

import atexit
import concurrent.futures
import contextlib
import contextvars
import functools
import os
import socket
import ssl
from collections.abc import AsyncIterator, Mapping
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import aiohttp
import httpx
import httpx_aiohttp

from or_magic.client import background
from or_magic.errors import CommandError
from or_magic.text import one_line
from or_magic.types import Value

_LONGEST_HEADER = 64 * 1024
_KEEP_ALIVE_S = 300.0
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_PROXY_NAMES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
_CA_FILE_NAMES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_CA_NAMES = (*_CA_FILE_NAMES, "SSL_CERT_DIR")
# Of these nothing has been sent: no connection stood.
_NEVER_CONNECTED = (
    aiohttp.ClientConnectorError,
    aiohttp.ClientProxyConnectionError,
    aiohttp.ClientHttpProxyError,
    aiohttp.ConnectionTimeoutError,
    aiohttp.InvalidURL,
    httpx.UnsupportedProtocol,
)
# httpx's own classes say the truth where its own engine is at work.
_NEVER_CONNECTED_HTTPX = (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError, httpx.UnsupportedProtocol)
_TROUBLES = (httpx.HTTPError, httpx.InvalidURL, aiohttp.ClientError, aiohttp.http.HttpProcessingError, OSError)


class ConnectionTrouble(Exception):
    """The connection could not be made, or broke.

    Attributes:
        reason: why, on one line.
        nothing_sent: whether it is certain that nothing of the request had left.
        was_reused: whether it was a connection kept from an earlier request, that died before a byte came.
    """

    def __init__(self, reason: str, *, nothing_sent: bool, was_reused: bool) -> None:
        super().__init__(reason)
        self.reason, self.nothing_sent, self.was_reused = reason, nothing_sent, was_reused


class _Trace:
    """What became of a request on its connection: whether that was kept from before, and whether the headers left."""

    was_reused = has_sent = False


_TRACE: contextvars.ContextVar[_Trace] = contextvars.ContextVar("or_magic_trace")


class Call(Value, frozen=True):
    """A request as HTTP has it. The headers, which hold the key, are left out of its repr."""

    hidden = ("headers", "content")

    method: str
    url: str
    headers: Mapping[str, str]
    content: bytes = b""
    params: Mapping[str, str] | None = None
    connect_s: float = 10.0


class Reply:
    """The answer to a `Call`: its status and headers are there, its body arrives.

    Attributes:
        status: the HTTP status.
        headers: names in lower case.
    """

    def __init__(self, response: httpx.Response, trace: _Trace) -> None:
        self._response, self._trace = response, trace
        self.status = response.status_code
        self.headers: Mapping[str, str] = dict(response.headers)

    @property
    def content_type(self) -> str:
        """Such as ``text/event-stream``, without parameters; "" where it is not told."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    async def portions(self) -> AsyncIterator[bytes]:
        """The body as it arrives, decompressed.

        Raises:
            ConnectionTrouble: it broke off.
        """
        try:
            # Straight from the engine where nothing is compressed: half the CPU of each portion.
            stream = self._response.stream
            is_plain = isinstance(stream, httpx.AsyncByteStream) and "content-encoding" not in self.headers
            source = aiter(stream) if is_plain else self._response.aiter_bytes()  # type: ignore[arg-type]  # just asked
            async for portion in source:
                yield portion
        except _TROUBLES as error:
            trouble = _trouble(error, self._trace)
            # The server had answered: it was alive, and has received the request.
            raise ConnectionTrouble(trouble.reason, nothing_sent=False, was_reused=False) from error


@contextlib.asynccontextmanager
async def call(call: Call) -> AsyncIterator[Reply]:
    """Sends the request and gives its answer; leaving the block closes what has not been read.

    Raises:
        ConnectionTrouble: no answer came.
        CommandError: the environment names certificates that cannot be read.
    """
    trace = _Trace()
    _TRACE.set(trace)
    try:
        url = _url(call.url) if call.params is None else httpx.URL(call.url, params=call.params)
        client = _client(_environment(), (os.getpid(), _GENERATION[0]), is_local=_is_local(url))
        # Made here, and not by the client, which would merge URL, headers and cookies anew: a tenth of a millisecond.
        # httpx.Headers, unlike a dict, hides the key in its repr.
        headers = client.headers.copy()
        headers.update(call.headers)
        timeout = {"connect": call.connect_s, "read": None, "write": None, "pool": call.connect_s}
        request = httpx.Request(
            call.method, url, headers=headers, content=call.content, extensions={"timeout": timeout}
        )
        response = await client.send(request, stream=True)
    except _TROUBLES as error:
        raise _trouble(error, trace) from error
    try:
        yield Reply(response, trace)
    finally:
        with contextlib.suppress(*_TROUBLES):
            await response.aclose()


def forget_connections() -> None:
    """Makes new connections from now on: those that are kept may all be dead, as after a laptop has slept."""
    _GENERATION[0] += 1


# How often connections were forgotten; names the client in use, with the process, since a fork inherits none.
_GENERATION = [0]


def _environment() -> tuple[tuple[str, str], ...]:
    """The variables that decide how a service is reached; a change of one counts from the next request on."""
    names = [name for upper in _PROXY_NAMES for name in (upper, upper.lower())]
    return tuple((name, value) for name in (*names, *_CA_NAMES) if (value := os.environ.get(name)))


@functools.lru_cache(maxsize=8)
def _url(url: str) -> httpx.URL:
    return httpx.URL(url)


def _is_local(url: httpx.URL) -> bool:
    """Whether it is a server on this machine that speaks plain HTTP, which needs no certificates and no proxy."""
    return url.scheme == "http" and url.host in _LOOPBACK


@functools.lru_cache(maxsize=8)
def _client(
    environment: tuple[tuple[str, str], ...], generation: tuple[int, int], *, is_local: bool
) -> httpx.AsyncClient:
    """One client for the process: a new one costs 22 to 70 ms, and each has connections of its own.

    Connections are kept for minutes: people think between two cells, and a new one is a TLS handshake. Reading the
    certificates is 20 ms and half a megabyte, so a client for a server on this machine trusts nobody.
    """
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=_KEEP_ALIVE_S)
    # A server on this machine is never reached by a proxy.
    direct: dict[str, Any] = {f"all://{f'[{host}]' if ':' in host else host}": None for host in _LOOPBACK}
    try:
        client = _AiohttpClient(
            timeout=None,
            limits=limits,
            follow_redirects=False,
            verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if is_local else _certificates(dict(environment)),
            mounts=direct,
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        )
    except (ValueError, ImportError, httpx.InvalidURL) as error:
        raise CommandError(
            f"The proxy that the environment names cannot be used ({one_line(str(error))}). "
            "Look at HTTP_PROXY, HTTPS_PROXY and ALL_PROXY."
        ) from error
    atexit.register(_close, client, generation[0])
    return client


def _certificates(environment: Mapping[str, str]) -> ssl.SSLContext:
    """The authorities to trust: those that the environment names, else those that httpx brings."""
    name = next((name for name in _CA_NAMES if environment.get(name)), None)
    if name is None:
        return httpx.create_ssl_context(trust_env=False)
    place = environment[name]
    try:
        if name == "SSL_CERT_DIR" or os.path.isdir(place):
            return ssl.create_default_context(capath=place)
        return ssl.create_default_context(cafile=place)
    except (OSError, ssl.SSLError) as error:
        raise CommandError(f"{name} is {place!r}, which holds no certificates ({one_line(str(error))}).") from error


def _close(client: httpx.AsyncClient, process: int) -> None:
    if process != os.getpid():
        return
    # aiohttp complains on stderr about a session that was never closed. A moment is enough; no exit waits for a server.
    with contextlib.suppress(TimeoutError, concurrent.futures.CancelledError):
        background.submit(client.aclose()).result(timeout=1.0)


class _AiohttpClient(httpx_aiohttp.HttpxAiohttpClient):
    """The aiohttp engine with a session of our own making: no cookies, no netrc, header lines up to 64 KB."""

    def _init_transport(self, *args: Any, **kwargs: Any) -> httpx.AsyncBaseTransport:
        return _with_our_session(super()._init_transport(*args, **kwargs))

    def _init_proxy_transport(self, proxy: httpx.Proxy, *args: Any, **kwargs: Any) -> httpx.AsyncBaseTransport:
        if proxy.url.scheme.startswith("socks"):
            return httpx.AsyncClient._init_proxy_transport(self, proxy, *args, **kwargs)
        return _with_our_session(super()._init_proxy_transport(proxy, *args, **kwargs))


def _with_our_session(transport: httpx.AsyncBaseTransport) -> httpx.AsyncBaseTransport:
    if isinstance(transport, httpx_aiohttp.AiohttpTransport):
        ssl_context = transport.ssl_context
        transport.client = lambda: aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                keepalive_timeout=_KEEP_ALIVE_S, limit=0, ssl=ssl_context, socket_factory=_socket
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            max_line_size=_LONGEST_HEADER,
            max_field_size=_LONGEST_HEADER,
            trace_configs=[_trace_config()],
        )
    return transport


def _socket(address: Any) -> socket.socket:
    """A socket that notices within a minute or so that the other end is gone, also while nobody uses it."""
    family, kind, protocol, *_ = address
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3), ("TCP_USER_TIMEOUT", 30_000)):
        if hasattr(socket, name):
            with contextlib.suppress(OSError):
                made.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return made


def _trace_config() -> aiohttp.TraceConfig:
    async def reused(*_: object) -> None:
        _TRACE.get().was_reused = True

    async def sent(*_: object) -> None:
        _TRACE.get().has_sent = True

    config = aiohttp.TraceConfig()
    config.on_connection_reuseconn.append(reused)
    config.on_request_headers_sent.append(sent)
    return config


def _trouble(error: BaseException, trace: _Trace) -> ConnectionTrouble:
    cause = error.__cause__ if isinstance(error.__cause__, aiohttp.ClientError) else None
    if cause is not None or isinstance(error, aiohttp.ClientError):
        nothing_sent = not trace.has_sent or isinstance(cause or error, _NEVER_CONNECTED)
    else:
        nothing_sent = isinstance(error, _NEVER_CONNECTED_HTTPX)
    return ConnectionTrouble(_reason(cause or error), nothing_sent=nothing_sent, was_reused=trace.was_reused)


def _reason(cause: BaseException) -> str:
    if isinstance(cause, aiohttp.ServerDisconnectedError | aiohttp.ClientPayloadError):
        return "it was closed before its end"
    certificate = getattr(cause, "certificate_error", None)
    system = getattr(cause, "os_error", None)
    words = getattr(certificate, "verify_message", None) or getattr(system, "strerror", None) or str(cause)
    return one_line(str(words)) or type(cause).__name__
