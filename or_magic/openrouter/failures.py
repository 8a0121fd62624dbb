"""What a server says when it refuses, as one of our errors. Pure.

The envelope is ``{"error": {"code", "message", "metadata"?}}`` (openrouter.ai/docs, "Errors"), as the body of a
refusal or inside a stream; newer answers have ``error_type`` and ``availability`` in it and may leave out the code. A
proxy or an edge may answer with HTML or nothing: still one sensible line. Which error it becomes is `kinds`' matter.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from or_magic.errors import ServiceError
from or_magic.openrouter.excerpts import excerpt, one_line
from or_magic.openrouter.kinds import Refusal, error_of
from or_magic.openrouter.lenient import as_count, as_decimal, as_object, as_text

_GENERIC = ("Provider returned error", "", "ERROR", "Internal Server Error")
_STATUS_OF_TYPE = {
    "authentication": 401,
    "content_policy_violation": 403,
    "context_length_exceeded": 400,
    "invalid_prompt": 400,
    "invalid_request": 400,
    "invalid_request_error": 400,
    "not_found": 404,
    "payload_too_large": 413,
    "payment_required": 402,
    "permission_denied": 403,
    "provider_overloaded": 529,
    "provider_unavailable": 502,
    "rate_limit_exceeded": 429,
    "server": 500,
    "server_error": 500,
    "timeout": 408,
    "unprocessable": 422,
}


def error_from_body(
    status: int, body: bytes, *, service: str, model: str | None, headers: Mapping[str, str] | None = None
) -> ServiceError:
    """The error for an HTTP answer that is no success.

    Args:
        status: the HTTP status.
        body: the whole body, of any content type.
        service: the origin that was asked, named in the message.
        model: the model that was asked for, named where the service does not know it.
        headers: those of the answer, names in lower case.
    """
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        document = None
    error = document.get("error") if isinstance(document, dict) else None
    is_envelope = isinstance(error, dict)
    if error is None:
        error = _other_words(document) or excerpt(body)
    refusal = _refusal(error, status=status, service=service, model=model, headers=headers or {})
    failure = error_of(refusal)
    # The service's own refusals are free (openrouter.ai/docs, "Zero completion insurance"). An edge that gave up
    # waiting for the service cannot know.
    failure.may_be_charged = status >= 500 and not is_envelope
    return failure


def error_from_object(
    error: object,
    *,
    service: str = "The service",
    model: str | None = None,
    generation_id: str | None = None,
) -> ServiceError:
    """The error for the value of an ``error`` field inside an answer, which should be an object and may be anything."""
    failure = error_of(_refusal(error, status=None, service=service, model=model, headers={}))
    failure.generation_id = generation_id
    return failure


def _other_words(document: object) -> str:
    """What servers of other makes say: ``{"detail": ...}``, ``{"message": ...}``."""
    words = as_object(document)
    for name in ("message", "detail", "title", "error_description"):
        if words.get(name):
            return str(words[name])
    return ""


def _refusal(
    error: object, *, status: int | None, service: str, model: str | None, headers: Mapping[str, str]
) -> Refusal:
    details = error if isinstance(error, dict) else {"message": error}
    metadata = as_object(details.get("metadata"))
    kind = as_text(details.get("error_type")) or as_text(metadata.get("error_type")) or as_text(details.get("type"))
    told = as_object(metadata.get("headers"))
    all_headers = {name.lower(): str(value) for name, value in told.items()} | dict(headers)
    availability = as_object(details.get("availability"))
    return Refusal(
        service=service,
        model=model,
        status=_status(details, kind, status),
        said=one_line(_useful_text(details, metadata)) or "no reason given",
        error_type=kind or (as_text(details.get("code"))),
        metadata=metadata,
        availability=availability,
        resets_at=_reset(all_headers),
        retry_after_s=_retry_after(all_headers, availability),
    )


def _status(details: Mapping[str, Any], kind: str, status: int | None) -> int | None:
    code = details.get("code")
    if isinstance(code, str) and code.isdecimal():
        code = int(code)
    if isinstance(code, int) and not isinstance(code, bool) and 100 <= code <= 599:
        return code
    told = as_count(details.get("http_status"))
    named = _STATUS_OF_TYPE.get(code) if isinstance(code, str) else None
    return told or status or named or _STATUS_OF_TYPE.get(kind)


def _useful_text(error: Mapping[str, Any], metadata: Mapping[str, Any]) -> str:
    """The message; where it says nothing, what the provider itself said, dug out of its JSON in a string."""
    message = str(error.get("message") or "")
    if message not in _GENERIC or not metadata.get("raw"):
        return message
    raw = _innermost(metadata["raw"])
    return f"{message}: {raw}" if message else raw


def _innermost(raw: object) -> str:
    for _ in range(5):
        if isinstance(raw, str):
            try:
                inner = json.loads(raw)
            except (ValueError, RecursionError):
                break
            if not isinstance(inner, dict):
                break
            raw = inner
        if not isinstance(raw, dict):
            break
        words = next((raw[name] for name in ("error", "message", "detail") if raw.get(name)), None)
        if words is None:
            break
        raw = words
    return raw if isinstance(raw, str) else json.dumps(raw, default=str, ensure_ascii=False)


def _reset(headers: Mapping[str, str]) -> datetime | None:
    """When a spent limit is lifted: ``X-RateLimit-Reset`` in epoch milliseconds (seconds from other servers)."""
    reset = as_decimal(headers.get("x-ratelimit-reset"))
    if reset is None or reset <= 0:
        return None
    seconds = float(reset) / 1000 if reset > 10**11 else float(reset)
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _retry_after(headers: Mapping[str, str], availability: Mapping[str, Any]) -> float | None:
    told = headers.get("retry-after")
    told = told if told is not None else availability.get("retry_after")
    if (seconds := as_decimal(told)) is not None:
        return float(seconds) if seconds >= 0 else None
    if isinstance(told, str):
        try:
            return max(0.0, parsedate_to_datetime(told).timestamp() - time.time())
        except (ValueError, TypeError, OverflowError):
            pass
    return _until(_reset(headers)) if headers.get("x-ratelimit-remaining") == "0" else None


def _until(moment: datetime | None) -> float | None:
    return None if moment is None else max(0.0, moment.timestamp() - time.time())
