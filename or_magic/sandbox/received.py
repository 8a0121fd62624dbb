"""The log of received requests: what clients really sent, and how each request ended.

A key is never kept: the headers that may carry one are dropped before a request is written down. The log is
bounded, in requests and in bytes; the oldest are forgotten first.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal

Ending = Literal["complete", "closed by client", "cut"]

# Wherever clients put keys: OpenRouter reads the first, other services the last two.
_SECRET_HEADERS = frozenset({"authorization", "proxy-authorization", "cookie", "x-api-key", "api-key"})
_KEPT_REQUESTS = 1_000
_KEPT_BYTES = 64_000_000


@dataclass(frozen=True, slots=True)
class ReceivedRequest:
    """One request under /api, without its key.

    `body` is the parsed JSON, None if there was none or it was broken. `status` is None until the answer
    began, `ending` until it is over; "cut" means that the sandbox dropped the connection.
    """

    number: int
    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: Any
    body_bytes: int
    received_utc: datetime
    status: int | None = None
    generation_id: str | None = None
    ending: Ending | None = None

    @property
    def closed_by_client(self) -> bool:
        """Whether the client hung up before it had the whole answer."""
        return self.ending == "closed by client"


class RequestLog:
    """The newest received requests, oldest first; may be read and waited for from any thread."""

    def __init__(self, *, kept_requests: int = _KEPT_REQUESTS, kept_bytes: int = _KEPT_BYTES) -> None:
        self._kept_requests = kept_requests
        self._kept_bytes = kept_bytes
        self._requests: dict[int, ReceivedRequest] = {}
        self._bytes = 0
        self._count = 0
        self._changed = threading.Condition()

    def open(
        self, *, method: str, path: str, query: str, headers: Mapping[str, str], body: Any, body_bytes: int
    ) -> int:
        """Write a request down as it arrives; returns its number, which counts from 1."""
        kept = {name: value for name, value in headers.items() if name.lower() not in _SECRET_HEADERS}
        with self._changed:
            self._count += 1
            self._bytes += body_bytes
            self._requests[self._count] = ReceivedRequest(
                self._count, method, path, query, kept, body, body_bytes, datetime.now(UTC)
            )
            self._forget_oldest()
            self._changed.notify_all()
            return self._count

    def answer(self, number: int, *, status: int, generation_id: str | None) -> None:
        """Note that the answer to a request began."""
        self._update(number, status=status, generation_id=generation_id)

    def close(self, number: int, ending: Ending) -> None:
        """Note how a request ended; the first ending stays."""
        request = self._requests.get(number)
        if request is not None and request.ending is None:
            self._update(number, ending=ending)

    def wait_for(self, matches: Callable[[ReceivedRequest], bool], timeout_s: float = 5.0) -> ReceivedRequest:
        """The first request that matches, as soon as there is one.

        Raises: TimeoutError, if none matched in time.
        """
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while True:
                found = next((request for request in self._requests.values() if matches(request)), None)
                if found is not None:
                    return found
                if not self._changed.wait(deadline - time.monotonic()):
                    raise TimeoutError(f"None of {len(self)} received requests matched within {timeout_s} s.")

    def __iter__(self) -> Iterator[ReceivedRequest]:
        with self._changed:
            return iter(tuple(self._requests.values()))

    def __getitem__(self, index: int) -> ReceivedRequest:
        return tuple(self)[index]

    def __len__(self) -> int:
        return len(self._requests)

    def __repr__(self) -> str:
        return f"<RequestLog of {len(self)} requests>"

    def _update(self, number: int, **changes: Any) -> None:
        with self._changed:
            if number in self._requests:
                self._requests[number] = replace(self._requests[number], **changes)
                self._changed.notify_all()

    def _forget_oldest(self) -> None:
        while len(self) > self._kept_requests or (self._bytes > self._kept_bytes and len(self) > 1):
            oldest = self._requests.pop(next(iter(self._requests)))
            self._bytes -= oldest.body_bytes
