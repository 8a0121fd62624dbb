"""JSON answers and refusals, shaped as OpenRouter shapes them.

Numbers are exact: a Decimal is written digit by digit, never by way of a float. Text is written as raw
UTF-8. Bodies are sent in chunks without Content-Length, as the service does.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, TypeVar

import msgspec
from starlette.responses import Response

from or_magic.sandbox.behaviour import Failure

_Wanted = TypeVar("_Wanted")

_ENCODER = msgspec.json.Encoder(decimal_format="number")


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
