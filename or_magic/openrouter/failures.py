"""What a server says when it refuses, as one of our errors. Pure.

The envelope is ``{"error": {"code", "message", "metadata"?}}`` (openrouter.ai/docs, "Errors"), as the body of a
refusal or inside a stream. A proxy or an edge may answer with HTML or nothing: still one sensible line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from or_magic.errors import AuthenticationError, ModelNotFoundError, ServiceError

_LONGEST_MESSAGE = 300
_UNKNOWN_MODEL = re.compile(r"not a valid model|no models? match|model .{0,120}(not found|does not exist)", re.I)


def error_from_body(status: int, body: bytes, *, service: str, model: str | None) -> ServiceError:
    """The error for an HTTP answer that is no success.

    Args:
        status: the HTTP status.
        body: the whole body, of any content type.
        service: the origin that was asked, named in the message.
        model: the model that was asked for, named where the service does not know it.
    """
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        document = None
    error = document.get("error") if isinstance(document, dict) else None
    refusal = error_from_object(
        error if error is not None else excerpt(body), status=status, service=service, model=model
    )
    # Refusals are free (openrouter.ai/docs, "Zero completion insurance"); an edge that gave up waiting may not know.
    refusal.may_be_charged = status >= 500
    return refusal


def error_from_object(
    error: object,
    *,
    status: int | None = None,
    service: str = "The service",
    model: str | None = None,
    generation_id: str | None = None,
) -> ServiceError:
    """The error for the value of an ``error`` field, which should be an object and may be anything."""
    details: Mapping[str, Any] = error if isinstance(error, dict) else {"message": error}
    code = details.get("code")
    if isinstance(code, int) and not isinstance(code, bool):
        status = code
    said = one_line(_useful_text(details)) or "no reason given"
    mark = f"{status}: {said}" if status else said
    if status == 401:
        return AuthenticationError(
            f"{service} refused the key ({mark}). %openrouter key sets another; "
            "keys are made at openrouter.ai/settings/keys.",
            status=status,
        )
    if status in (400, 404) and _UNKNOWN_MODEL.search(said):
        return ModelNotFoundError(
            f"{service} has no model {model!r} ({mark}). Ids look like 'openai/gpt-5-mini'; "
            "name another on the cell's first line, or set one with %openrouter model ID.",
            status=status,
        )
    return ServiceError(f"{service} answered with an error ({mark}).", status=status, generation_id=generation_id)


def _useful_text(error: Mapping[str, Any]) -> str:
    message = error.get("message")
    metadata = error.get("metadata")
    if message in ("Provider returned error", None, "") and isinstance(metadata, dict) and metadata.get("raw"):
        return f"{message or 'Provider returned error'}: {metadata['raw']}"
    return str(message) if message else ""


def excerpt(body: bytes) -> str:
    """The beginning of a body as one line without markup, to be quoted in a message; "" where it is empty."""
    text = body[:4000].decode("utf-8", "replace")
    if "<html" in text.lower() or "<!doctype" in text.lower():
        text = re.sub(r"(?is)<(style|script)\b.*?(</\1>|$)|<[^>]*(>|$)", " ", text)
    return one_line(text)


def one_line(text: str) -> str:
    """The text on one line, without control characters, cut to what can be read at a glance."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= _LONGEST_MESSAGE else line[: _LONGEST_MESSAGE - 1] + "…"
