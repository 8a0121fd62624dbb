"""JSON answers, refusals and the bodies of streams, shaped and worded as OpenRouter does it.

Numbers are exact: a Decimal is written digit by digit, never by way of a float. Text is written as raw
UTF-8. Bodies are sent in chunks without Content-Length, as the service does.

A recorder keeps the bytes of a stream and loses where the network divided them; `StreamBody` is where the sandbox
divides them: grouped, split, or cut off, as the knobs ask.

Bodies as recorded, documented (openrouter.ai/docs, "Errors", 2026-08) or quoted in public issues up to 2026-10.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, TypeVar

import msgspec
from starlette.responses import Response
from starlette.types import Send

from or_magic.sandbox.behaviour import Behaviour, Cut, Failure

_Wanted = TypeVar("_Wanted")
_ENCODER = msgspec.json.Encoder(decimal_format="number")
_HTML = """<!DOCTYPE html><html><head><title>openrouter.ai | 524: A timeout occurred</title></head>
<body><h1>A timeout occurred</h1><p>The web server did not answer in time.</p></body></html>"""
_UPSTREAM = '{"error":{"message":"sandbox is temporarily rate-limited upstream","type":"rate_limit"}}'


class Refusal(Exception):
    """A request that is answered with an error: HTTP status, message, and what the service adds to it.

    `availability`: why no provider serves it, in the newer form of the envelope. `body`: what is sent in place of an
    envelope, as an edge does.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        headers: Mapping[str, str] | None = None,
        metadata: Mapping[str, Any] | None = None,
        availability: Mapping[str, Any] | None = None,
        body: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = dict(headers or {})
        self.metadata, self.availability, self.body = metadata, availability, body


def to_json(value: Any) -> bytes:
    """A value as JSON; Decimals become numbers with all their digits."""
    return _ENCODER.encode(value)


def read_json(body: bytes, kind: type[_Wanted]) -> _Wanted:
    """A request's body as the type it should have.

    Raises: Refusal (400) for broken JSON, a missing field, a wrong type or a value out of range.
    """
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise Refusal(400, f"Invalid request: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refusal(400, f"The request body is not valid JSON: {error}") from None


def json_number(amount: Decimal) -> Decimal:
    """The amount without trailing zeros, so that JSON shows 0.00006 and 0, not 0.0000600 and 0E-7."""
    whole = amount.to_integral_value()
    return whole if amount == whole else amount.normalize()


def json_answer(value: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A whole JSON answer."""
    return chunked(Response(to_json(value), status, headers, media_type="application/json"))


def refusal_answer(refusal: Refusal) -> Response:
    """A refusal in OpenRouter's error envelope (its code is the HTTP status), or with its own body."""
    if refusal.body is not None:
        kind = {"<": "text/html", "{": "application/json"}.get(refusal.body.lstrip()[:1], "text/plain")
        return chunked(Response(refusal.body, refusal.status, refusal.headers, media_type=kind))
    return json_answer(
        {"error": error_object(refusal.status, refusal.message, refusal.metadata, refusal.availability)},
        status=refusal.status,
        headers=refusal.headers,
    )


def failure_answer(failure: Failure) -> Response:
    """A planned failure, in the envelope or with its own body (HTML, as a proxy would send, or JSON)."""
    if failure.body is None:
        return refusal_answer(
            Refusal(failure.status, failure.message, headers=failure.headers, metadata=failure.metadata)
        )
    kind = "text/html" if failure.body.lstrip().startswith("<") else "application/json"
    return chunked(Response(failure.body, failure.status, failure.headers, media_type=kind))


def chunked(response: Response) -> Response:
    """The response without Content-Length: the server then sends it in chunks."""
    del response.headers["content-length"]
    return response


def error_object(
    status: int,
    message: str,
    metadata: Mapping[str, Any] | None = None,
    availability: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The value of an `error` field."""
    error: dict[str, Any] = {"message": message, "code": status}
    if metadata is not None:
        error["metadata"] = metadata
    if availability is not None:
        error |= {"error_type": "not_found" if status == 404 else "provider_unavailable", "http_status": status}
        error["availability"] = availability
    return error


class LineCut(Exception):
    """The connection is to be dropped here: the fault that was planned."""


class StreamBody:
    """Writes a stream's body. A planned cut raises LineCut as soon as its last byte or event is out."""

    def __init__(self, send: Send, behaviour: Behaviour, cut: Cut | None) -> None:
        self._send = send
        self._behaviour = behaviour
        self._cut_bytes = cut.after_bytes if cut else None
        self._cut_events = cut.after_events if cut else None
        self._waiting: list[bytes] = []
        self._events = 0
        self._bytes = 0

    async def comment(self, text: str) -> None:
        """Send a comment line at once."""
        await self._write(f": {text}\n\n".encode())

    async def event(self, data: bytes) -> None:
        """Send a data event, or keep it until enough of them are waiting for one write."""
        await self._cut_if_due()
        self._events += 1
        self._waiting.append(b"data: " + data + b"\n\n")
        if len(self._waiting) >= self._behaviour.events_per_write:
            await self.flush()

    async def raw(self, event: bytes) -> None:
        """Send an event, or a comment, as it was recorded."""
        self._waiting.append(event)
        if len(self._waiting) >= self._behaviour.events_per_write:
            await self.flush()

    async def flush(self) -> None:
        """Send what is waiting."""
        waiting, self._waiting = b"".join(self._waiting), []
        if waiting:
            await self._write(waiting)

    async def close(self, last: bytes) -> None:
        """Send the last event and end the body in the same write: who has read it has read everything."""
        await self._cut_if_due()
        ending = b"".join(self._waiting) + b"data: " + last + b"\n\n"
        await self._write(ending, ends=True)

    async def end(self) -> None:
        """End the body without a last event."""
        await self.flush()
        await self._body(b"", more=False)

    async def _cut_if_due(self) -> None:
        # Asked before an event, not after it: the line can also be cut before the first, and before [DONE].
        if self._events == self._cut_events:
            await self.flush()
            raise LineCut

    async def _write(self, data: bytes, *, ends: bool = False) -> None:
        size = self._behaviour.write_bytes or len(data)
        for start in range(0, len(data), size):
            piece = data[start : start + size]
            if self._cut_bytes is not None and self._bytes + len(piece) >= self._cut_bytes:
                await self._body(piece[: self._cut_bytes - self._bytes], more=True)
                raise LineCut
            self._bytes += len(piece)
            await self._body(piece, more=not (ends and start + size >= len(data)))

    async def _body(self, piece: bytes, *, more: bool) -> None:
        await self._send({"type": "http.response.body", "body": piece, "more_body": more})


def _free_tier() -> Refusal:
    midnight_ms = (int(time.time()) // 86_400 + 1) * 86_400_000
    limits = {"X-RateLimit-Limit": "50", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(midnight_ms)}
    return Refusal(
        429,
        "Rate limit exceeded: free-models-per-day. Add 10 credits to unlock 1000 free model requests per day",
        headers=limits,
        metadata={"headers": limits, "limit_source": "openrouter_free_tier_daily", "provider_name": None},
    )


ERRORS: Mapping[str, Callable[[], Refusal]] = {
    "400": lambda: Refusal(400, "temperature: Number must be less than or equal to 2"),
    "400-context": lambda: Refusal(
        400,
        "This endpoint's maximum context length is 8192 tokens. However, you requested about 9000 tokens "
        "(9000 of text input). Please reduce the length of either one, or use the context-compression plugin.",
    ),
    "401": lambda: Refusal(401, "User not found."),
    "402": lambda: Refusal(
        402,
        "This request requires more credits, or fewer max_tokens. You requested up to 32000 tokens, but can only "
        "afford 27342. To increase, visit https://openrouter.ai/settings/credits and add more credits",
        metadata={"limit_source": "openrouter_credits"},
    ),
    "402-in-flight": lambda: Refusal(
        402,
        "Insufficient credits while other requests are in flight.",
        headers={"Retry-After": "1"},
        metadata={"limit_source": "openrouter_in_flight_budget"},
    ),
    "403-key-limit": lambda: Refusal(
        403, "Key limit exceeded (total limit). Manage it using https://openrouter.ai/settings/keys"
    ),
    "403-moderation": lambda: Refusal(
        403,
        "sandbox/error-403-moderation requires moderation. Your input was flagged",
        metadata={
            "reasons": ["rehearsal"],
            "flagged_input": "the beginning of your prompt",
            "provider_name": "Sandbox",
            "model_slug": "sandbox/error-403-moderation",
        },
    ),
    "403-guardrail": lambda: Refusal(403, "Blocked by a guardrail", metadata={"patterns": ["credit-card"]}),
    "404": lambda: Refusal(404, "No endpoints found that support tool use. Try disabling a tool."),
    "408": lambda: Refusal(408, "Request timed out"),
    "413": lambda: Refusal(413, "Request entity too large"),
    "422": lambda: Refusal(422, "Unprocessable: the image could not be read"),
    "429": lambda: Refusal(429, "Rate limit exceeded", headers={"Retry-After": "1"}),
    "429-upstream": lambda: Refusal(
        429,
        "Provider returned error",
        metadata={"raw": _UPSTREAM, "provider_name": "Sandbox", "limit_source": "upstream_provider_shared_pool"},
    ),
    "429-free": _free_tier,
    "500": lambda: Refusal(500, "Internal Server Error"),
    "502": lambda: Refusal(
        502, "Provider returned error", metadata={"raw": "model is loading", "provider_name": "Sandbox"}
    ),
    "503": lambda: Refusal(
        503,
        "No provider is available right now",
        availability={
            "code": "temporarily_unavailable",
            "retryable": True,
            "requested_models": ["sandbox/error-503"],
            "docs_url": "https://openrouter.ai/docs/api-reference/errors",
        },
    ),
    "504": lambda: Refusal(504, "The provider did not answer in time"),
    "524": lambda: Refusal(524, "A timeout occurred", body=_HTML),
    "529": lambda: Refusal(529, "Provider overloaded"),
    "inside": lambda: Refusal(200, "", body='{"error":{"code":502,"message":"Provider returned error"}}'),
    "empty": lambda: Refusal(500, "", body=""),
}
