"""The client of one endpoint: sends requests, again where a failure may pass, and limits how many are under way.

Runs on the background loop alone. Knows no notebook and no disk.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import random
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import urlsplit

from or_magic.client.http import Call, ConnectionTrouble, Reply, call, forget_connections
from or_magic.client.requests import ChatRequest, encode, encode_body
from or_magic.client.response import AnswerReader
from or_magic.endpoint import Timeouts, origin_of
from or_magic.errors import CreditsError, NotReachableError, ServiceError, TimedOutError, TruncatedError
from or_magic.lenient_json import parse_object
from or_magic.text import one_line
from or_magic.types import Event, Value, Waiting


class RequestQueue:
    """The requests of this process that are under way, and those that wait for a slot: first come, first served."""

    def __init__(self) -> None:
        self._busy = 0
        self._queue: deque[asyncio.Future[None]] = deque()

    @contextlib.asynccontextmanager
    async def slot(self, limit: int, when_full: Callable[[int], None]) -> AsyncIterator[None]:
        """Waits until fewer than `limit` requests are under way; holds a slot while the block runs.

        Args:
            when_full: called once with the number of requests under way, where it has to wait.
        """
        if self._busy >= limit or self._queue:
            when_full(self._busy)
            await self._turn()
        else:
            self._busy += 1
        try:
            yield
        finally:
            self._leave()

    async def _turn(self) -> None:
        mine = asyncio.get_running_loop().create_future()
        self._queue.append(mine)
        try:
            await mine
        except asyncio.CancelledError:
            if mine.done() and not mine.cancelled():  # the slot was handed over in the same moment
                self._leave()
            elif mine in self._queue:
                self._queue.remove(mine)
            raise

    def _leave(self) -> None:
        while self._queue:
            following = self._queue.popleft()
            if not following.done():
                following.set_result(None)  # the slot changes hands, so the count stays
                return
        self._busy -= 1


FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 20.0
_PASSING = frozenset({408, 429, 524, 529, *range(500, 512)})
_RETRIES_OF_500 = 1  # "Internal Server Error" seldom passes


def is_passing(error: ServiceError) -> bool:
    """Whether a request that failed so may succeed in a moment."""
    return error.status in _PASSING or (isinstance(error, CreditsError) and error.is_in_flight)


def pause(
    *,
    attempt: int,
    elapsed_s: float,
    timeouts: Timeouts,
    chance: float,
    told_s: float | None = None,
    status: int | None = None,
) -> float | None:
    """How many seconds to wait before the next attempt; None where there shall be none.

    Args:
        attempt: the number of the attempt that failed; the first one is 1.
        elapsed_s: seconds since the first attempt began.
        chance: a random number from 0 to 1. The pause is a random part of a span that doubles with each attempt ("full
            jitter"): clients that failed together do not come back together.
        told_s: how long the service asked to be left alone; then that long, and up to a tenth more.
        status: the HTTP status that came.
    """
    retries = min(timeouts.retries, _RETRIES_OF_500) if status == 500 else timeouts.retries
    if attempt > retries:
        return None
    span = min(FIRST_PAUSE_S * 2 ** (attempt - 1), LONGEST_PAUSE_S)
    seconds = chance * span if told_s is None else told_s * (1 + chance / 10)
    return seconds if elapsed_s + seconds <= timeouts.retry_time_s else None


T = TypeVar("T")
_LARGEST_REFUSAL = 1 << 20
_LARGEST_DOCUMENT = 64 << 20
_DEFAULT_TIMEOUTS = Timeouts()
_CACHE_HEADER = "X-OpenRouter-Cache"


class Endpoint(Value, frozen=True):
    """Where to ask, and with which key. The key is left out of its repr."""

    hidden = ("key",)

    base_url: str
    key: str

    @property
    def origin(self) -> str:
        """Scheme, host and port: the service that a turn is recorded under."""
        return origin_of(self.base_url)

    @property
    def counts_unasked(self) -> bool:
        """Whether it tells token counts without being asked: OpenRouter does, other servers of the protocol do not."""
        host = urlsplit(self.base_url).hostname or ""
        return host == "openrouter.ai" or host.endswith(".openrouter.ai")


class Client:
    """Sends requests to one endpoint. Its methods run on the background loop (`background.submit`).

    Attributes:
        endpoint: the address, and the key for it.
    """

    def __init__(self, endpoint: Endpoint, *, timeouts: Timeouts = _DEFAULT_TIMEOUTS) -> None:
        self.endpoint = endpoint
        self._timeouts = timeouts

    async def stream(self, request: ChatRequest, take: Callable[[Event], None]) -> None:
        """Sends the request and hands each event to `take`, at once, until the answer has ended.

        `take` is called on the background loop and must be quick. Cancelling the task closes the connection. An error
        that the service reports after its answer has begun is an event, `Failed`, since what came before it stays.
        Before that, failures that may pass are tried again; `take` is told by `Waiting`.

        Raises:
            ServiceError: or one of its kinds, when the service refuses, cannot be reached, is silent for too long, or
                breaks off.
        """
        body = encode(request)
        reader = AnswerReader(self.endpoint.origin, request.model, take, self._timeouts)

        async def attempt() -> None:
            async with call(self._call("POST", "/chat/completions", content=body, more=request.headers)) as reply:
                reader.deadline.postpone()
                if not 200 <= reply.status < 300:
                    raise await self._refusal(reply, request.model)
                await reader.read(reply)

        async with _request_queue(os.getpid()).slot(
            self._timeouts.max_in_flight, lambda busy: take(self._queued(busy))
        ):
            await self._persist(
                lambda: reader.timed(attempt),
                take,
                has_begun=lambda: reader.has_begun,
                is_cached=request.headers.get(_CACHE_HEADER) == "true",
            )

    async def post(
        self,
        path: str,
        body: Mapping[str, Any],
        take: Callable[[Event], None] = lambda _: None,
        *,
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """The JSON object that ``POST path`` is answered with in one piece, its decimal numbers as `Decimal`.

        It may cost: only a payment calls it (chat/payment.py).

        Args:
            body: what is sent.
            take: told by `Waiting` when the request waits, or is made again because its failure may pass.
            headers: those that are sent besides the key.

        Raises:
            ServiceError: or one of its kinds, as for `stream`.
            CommandError: the body is larger than the service takes.
        """
        content, model = encode_body(body), body.get("model")

        async def attempt() -> bytes:
            try:
                async with asyncio.timeout(self._timeouts.total_s):
                    async with call(self._call("POST", path, content=content, more=headers)) as reply:
                        if not 200 <= reply.status < 300:
                            raise await self._refusal(reply, model)
                        return await _whole(reply, _LARGEST_DOCUMENT)
            except TimeoutError as error:
                raise TimedOutError(
                    f"{self.endpoint.origin} did not answer {path} within {self._timeouts.total_s:g} s. It may have "
                    "been charged."
                ) from error

        async with _request_queue(os.getpid()).slot(
            self._timeouts.max_in_flight, lambda busy: take(self._queued(busy))
        ):
            whole = await self._persist(attempt, take)
        return self._document(whole, model)

    async def fetch(self, path: str, *, params: Mapping[str, str] | None = None, needs_key: bool = True) -> bytes:
        """The body of ``GET path`` below the base URL.

        Args:
            needs_key: False for what the service tells anybody; then no key is sent.

        Raises:
            ServiceError: or one of its kinds, as for `stream`.
        """

        async def attempt() -> bytes:
            try:
                async with asyncio.timeout(self._timeouts.first_event_s):
                    request = self._call("GET", path, params=params, needs_key=needs_key)
                    async with call(request) as reply:
                        if not 200 <= reply.status < 300:
                            raise await self._refusal(reply, None)
                        return await _whole(reply, _LARGEST_DOCUMENT)
            except TimeoutError as error:
                raise TimedOutError(
                    f"{self.endpoint.origin} did not send {path} within {self._timeouts.first_event_s:g} s.",
                    may_be_charged=False,
                ) from error

        return await self._persist(attempt, is_harmless=True)

    async def get(
        self, path: str, *, params: Mapping[str, str] | None = None, needs_key: bool = True
    ) -> dict[str, Any]:
        """The JSON object that `fetch` gets, its decimal numbers as `Decimal`.

        Raises:
            ServiceError: as for `fetch`; also where an error stands in place of what was asked for.
        """
        return self._document(await self.fetch(path, params=params, needs_key=needs_key), None)

    def _document(self, body: bytes, model: str | None) -> dict[str, Any]:
        document = parse_object(body)
        if document.get("error") is not None and document.keys().isdisjoint(("data", "choices")):
            from or_magic.client.refusals import error_from_body

            raise error_from_body(200, body, service=self.endpoint.origin, model=model)
        return document

    async def _persist(
        self,
        attempt: Callable[[], Awaitable[T]],
        announce: Callable[[Waiting], None] = lambda _: None,
        *,
        has_begun: Callable[[], bool] = lambda: False,
        is_harmless: bool = False,
        is_cached: bool = False,
    ) -> T:
        """Tries until it succeeds, or until trying again is of no use or not safe.

        Args:
            has_begun: whether something of an answer was handed on.
            is_harmless: it changes and costs nothing, however often it is received.
            is_cached: the service keeps its answer; if it had one, asking again once is answered by it, for nothing.
        """
        began, number, has_renewed = time.monotonic(), 1, False
        while True:
            try:
                return await attempt()
            except ConnectionTrouble as trouble:
                error = self._connection_error(trouble, has_begun=has_begun(), is_harmless=is_harmless)
                if trouble.was_reused and not trouble.nothing_sent and not has_begun() and not has_renewed:
                    has_renewed = True
                    forget_connections()
                    number += 1
                    announce(self._waiting(trouble.reason, 0.0, number, may_be_billed_twice=True))
                    continue
                can_retry = trouble.nothing_sent or is_harmless or (is_cached and number == 1 and not has_begun())
            except ServiceError as failure:
                error = failure
                can_retry = is_passing(failure) and not has_begun()
            seconds = self._pause(error, number, time.monotonic() - began) if can_retry else None
            if seconds is None:
                if number > 1:
                    error.args = (f"{error} Asked {number} times.",)
                raise error
            number += 1
            announce(self._waiting(_what_happened(error), seconds, number, may_be_billed_twice=error.may_be_charged))
            await asyncio.sleep(seconds)

    def _pause(self, error: ServiceError, attempt: int, elapsed_s: float) -> float | None:
        return pause(
            attempt=attempt,
            elapsed_s=elapsed_s,
            timeouts=self._timeouts,
            chance=random.random(),
            told_s=error.retry_after_s,
            status=error.status,
        )

    def _waiting(self, reason: str, seconds: float, attempt: int, *, may_be_billed_twice: bool) -> Waiting:
        return Waiting(one_line(reason), seconds, attempt, self._timeouts.retries + 1, may_be_billed_twice)

    def _queued(self, busy: int) -> Waiting:
        return Waiting(f"{busy} other requests are under way", None, 1, self._timeouts.retries + 1)

    def _call(
        self,
        method: str,
        path: str,
        *,
        content: bytes = b"",
        params: Mapping[str, str] | None = None,
        more: Mapping[str, str] | None = None,
        needs_key: bool = True,
    ) -> Call:
        headers = dict(more or {}) | ({"Content-Type": "application/json"} if content else {})
        if needs_key:
            headers["Authorization"] = f"Bearer {self.endpoint.key}"
        url = self.endpoint.base_url.rstrip("/") + path
        return Call(method, url, headers, content, params, self._timeouts.connect_s)

    async def _refusal(self, reply: Reply, model: str | None) -> ServiceError:
        origin = self.endpoint.origin
        if 300 <= reply.status < 400:
            where = one_line(reply.headers.get("location", "")) or "another address"
            return ServiceError(
                f"{origin} wanted to send the request on to {where}; redirects are not followed. "
                "Set OPENROUTER_BASE_URL to the right address.",
                status=reply.status,
                may_be_charged=False,
            )
        from or_magic.client.refusals import error_from_body

        body = await _whole(reply, _LARGEST_REFUSAL)
        error = error_from_body(reply.status, body, service=origin, model=model, headers=reply.headers)
        error.generation_id = reply.headers.get("x-generation-id")
        return error

    def _connection_error(self, trouble: ConnectionTrouble, *, has_begun: bool, is_harmless: bool) -> ServiceError:
        origin, reason = self.endpoint.origin, trouble.reason
        if trouble.nothing_sent:
            return NotReachableError(
                f"Nobody answers at {origin} ({reason}). Nothing was sent. Check the address and the network.",
                may_be_charged=False,
            )
        if is_harmless:
            return TruncatedError(f"The connection to {origin} broke ({reason}). Try again.", may_be_charged=False)
        if has_begun:
            return TruncatedError(
                f"The connection to {origin} broke ({reason}). What came is kept; it may have been charged."
            )
        return TruncatedError(
            f"The connection to {origin} broke before any of the answer came ({reason}). It may have been charged, so "
            "it was not sent again; run the cell again to do so."
        )


def _what_happened(error: ServiceError) -> str:
    """The message without its advice, which is for those who must ask again themselves: the first sentence."""
    happened, end, _ = str(error).partition("). ")
    return happened + end.rstrip(". ")


@functools.cache
def _request_queue(process: int) -> RequestQueue:
    """The queue of this process; a fork has its own."""
    return RequestQueue()


async def _whole(reply: Reply, limit: int) -> bytes:
    """The body, or the beginning of it: at most `limit` bytes and a portion."""
    portions, size = [], 0
    async for portion in reply.portions():
        portions.append(portion)
        size += len(portion)
        if size > limit:
            break
    return b"".join(portions)
