"""What a server says when it refuses, as one of our errors, whose line says what to do next. Pure.

Source of the statuses and wordings: openrouter.ai/docs, "Errors" (2026-08), the schema of the SDK 1.3.84, recorded
refusals, and bodies quoted in public issues up to 2026-10.

The envelope is ``{"error": {"code", "message", "metadata"?}}`` (openrouter.ai/docs, "Errors"), as the body of a
refusal or inside a stream; newer answers have ``error_type`` and ``availability`` in it and may leave out the code. A
proxy or an edge may answer with HTML or nothing: still one sensible line. Imported when the first error comes.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from or_magic.errors import (
    AuthenticationError,
    ContextLengthError,
    CreditsError,
    InvalidRequestError,
    KeyLimitError,
    ModelNotFoundError,
    ModerationError,
    NoEndpointsError,
    PermissionDeniedError,
    ProviderError,
    RateLimitError,
    ServiceError,
    TimedOutError,
    UnavailableError,
)
from or_magic.lenient_json import as_count, as_decimal, as_list, as_object, as_text
from or_magic.text import excerpt, one_line
from or_magic.types import Value

_UNKNOWN_MODEL = re.compile(r"not a valid model|model .{0,120}(not found|does not exist)", re.I)
_NO_ENDPOINTS = re.compile(r"no (?:\w+ )?endpoints|no models? match|no allowed providers", re.I)
_TOO_LONG = re.compile(
    r"maximum context length|context (?:length|window) (?:is |was )?exceeded|prompt is too long", re.I
)
_LIMIT = re.compile(r"maximum context length (?:is|of) ([\d,]+)|> ([\d,]+) maximum", re.I)
_REQUESTED = re.compile(r"requested (?:about )?([\d,]+)|too long: ([\d,]+) tokens", re.I)
_AFFORD = re.compile(r"can only afford ([\d,]+)", re.I)
_OUT_OF_TOKENS = re.compile(r"token limit reached|max_tokens", re.I)
_KEY_LIMIT = re.compile(r"key limit", re.I)
_INVALID = frozenset({400, 405, 409, 410, 411, 412, 413, 414, 415, 422})


class Refusal(Value, frozen=True):
    """What a server said when it refused, before it is one of our errors.

    Attributes:
        service: the origin that was asked.
        model: the model that was asked for.
        status: HTTP status, or the code of an error inside a stream.
        said: the useful words, on one line.
        error_type: the service's own name for the kind; "" where it does not tell.
        metadata: further facts, by kind.
        availability: why no provider serves the request, where the service explains it.
        resets_at: when a spent limit is lifted.
        retry_after_s: after how many seconds to ask again.
    """

    service: str
    model: str | None
    status: int | None
    said: str
    error_type: str
    metadata: Mapping[str, Any]
    availability: Mapping[str, Any]
    resets_at: datetime | None = None
    retry_after_s: float | None = None

    @property
    def mark(self) -> str:
        """The words with their status, for a message."""
        return f"{self.status}: {self.said}" if self.status else self.said

    @property
    def limit_source(self) -> str:
        """Whose limit was met; "" where the service does not tell."""
        return as_text(self.metadata.get("limit_source"))

    def words(self, name: str) -> tuple[str, ...]:
        """A list of words out of the facts, each on one line."""
        found = as_list(self.metadata.get(name)) or as_list(self.availability.get(name))
        return tuple(one_line(str(word)) for word in found)


def error_of(refusal: Refusal) -> ServiceError:
    """The error that a refusal is."""
    error = next(error for make in _KINDS if (error := make(refusal)) is not None)
    error.status, error.retry_after_s = refusal.status, refusal.retry_after_s
    return error


def _authentication(refusal: Refusal) -> ServiceError | None:
    if refusal.status != 401:
        return None
    return AuthenticationError(
        f"{refusal.service} refused the key ({refusal.mark}). %openrouter key sets another; "
        "keys are made at openrouter.ai/settings/keys."
    )


def _context_length(refusal: Refusal) -> ServiceError | None:
    if refusal.error_type != "context_length_exceeded" and not _TOO_LONG.search(refusal.said):
        return None
    limit, requested = _number(_LIMIT, refusal.said), _number(_REQUESTED, refusal.said)
    size = f"{requested:,} tokens" if requested else "more tokens than that"
    most = f"at most {limit:,}" if limit else "fewer"
    error = ContextLengthError(
        f"The request is too long: {refusal.model or 'the model'} takes {most}, this one has {size} "
        f"({refusal.mark}). Shorten the prompt, or name a model with a longer context."
    )
    error.limit_tokens, error.requested_tokens = limit, requested
    return error


def _key_limit(refusal: Refusal) -> ServiceError | None:
    is_limit = _KEY_LIMIT.search(refusal.said) or refusal.limit_source == "key"
    if refusal.status not in (402, 403) or not is_limit:
        return None
    return KeyLimitError(
        f"The key has spent what it may ({refusal.mark}). Raise its limit at openrouter.ai/settings/keys, "
        "or set another with %openrouter key."
    )


def _credits(refusal: Refusal) -> ServiceError | None:
    if refusal.status != 402:
        return None
    affordable = _number(_AFFORD, refusal.said)
    is_in_flight = refusal.limit_source == "openrouter_in_flight_budget"
    advice = "Add credits at openrouter.ai/settings/credits."
    if affordable:
        advice = f"They pay {affordable:,} tokens: ask for fewer (max_tokens), or add credits at openrouter.ai/credits."
    if is_in_flight:
        advice = "Other requests under way hold them back; ask again when those have ended."
    error = CreditsError(f"The credits do not suffice ({refusal.mark}). {advice}")
    error.affordable_tokens, error.is_in_flight = affordable, is_in_flight
    return error


def _moderation(refusal: Refusal) -> ServiceError | None:
    reasons = refusal.words("reasons")
    if not reasons and refusal.error_type != "content_policy_violation":
        return None
    flagged = one_line(as_text(refusal.metadata.get("flagged_input")))
    quoted = f" The text was: {flagged!r}." if flagged else ""
    error = ModerationError(
        f"The prompt was flagged ({', '.join(reasons) or refusal.mark}).{quoted} Change it, or name another model."
    )
    error.reasons, error.flagged_input = reasons, flagged
    return error


def _no_endpoints(refusal: Refusal) -> ServiceError | None:
    code = as_text(refusal.availability.get("code"))
    is_none = code not in ("", "model_not_found", "capacity_exhausted", "temporarily_unavailable", "wrong_endpoint")
    if not is_none and not (refusal.status == 404 and _NO_ENDPOINTS.search(refusal.said)):
        return None
    excluded, others = refusal.words("excluded_by"), refusal.words("fallback_models")
    why = f" Ruled out by: {', '.join(excluded)}." if excluded else ""
    advice = f"Others: {', '.join(others[:3])}." if others else "Ease what is asked of the provider, or name another."
    error = NoEndpointsError(
        f"No provider of {refusal.model or 'the model'} serves this ({refusal.mark}).{why} {advice}"
    )
    error.excluded_by = excluded
    return error


def _model_not_found(refusal: Refusal) -> ServiceError | None:
    is_named = refusal.availability.get("code") == "model_not_found"
    if not is_named and not (refusal.status in (400, 404) and _UNKNOWN_MODEL.search(refusal.said)):
        return None
    return ModelNotFoundError(
        f"{refusal.service} has no model {refusal.model!r} ({refusal.mark}). Ids look like 'openai/gpt-5-mini'; "
        "name another on the cell's first line, or set one with %openrouter model ID."
    )


def _rate_limit(refusal: Refusal) -> ServiceError | None:
    if refusal.status != 429:
        return None
    advice = "Wait a moment and run the cell again."
    if refusal.resets_at is not None:
        advice = f"The limit is lifted at {refusal.resets_at:%Y-%m-%d %H:%M} UTC."
    elif refusal.retry_after_s is not None:
        advice = f"Ask again in {refusal.retry_after_s:,.0f} s."
    elif refusal.limit_source == "upstream_provider_shared_pool":
        advice = "All users of this provider share it: wait a moment, or name another model."
    error = RateLimitError(f"Too many requests ({refusal.mark}). {advice}")
    error.resets_at = refusal.resets_at
    return error


def _timeout(refusal: Refusal) -> ServiceError | None:
    if refusal.status != 408:
        return None
    return TimedOutError(f"{refusal.service} gave up waiting for the model ({refusal.mark}). Run the cell again.")


def _provider(refusal: Refusal) -> ServiceError | None:
    provider = one_line(as_text(refusal.metadata.get("provider_name")))
    is_provider = provider or refusal.status == 502 or refusal.said.startswith("Provider returned error")
    if not is_provider or refusal.status in (403, 404):
        return None
    who = f"The provider {provider}" if provider else "The provider"
    advice = "Change what it did not like, or name another model."
    if (refusal.status or 502) >= 500:
        advice = "Run the cell again, or name another model."
    error = ProviderError(f"{who} failed ({refusal.mark}). {advice}")
    error.provider = provider
    return error


def _permission(refusal: Refusal) -> ServiceError | None:
    if refusal.status != 403:
        return None
    patterns = refusal.words("patterns")
    met = f" It met the guardrail: {', '.join(patterns)}." if patterns else ""
    return PermissionDeniedError(
        f"{refusal.service} does not allow this ({refusal.mark}).{met} Look at openrouter.ai/settings for what the "
        "account, its guardrails and this key may do."
    )


def _invalid(refusal: Refusal) -> ServiceError | None:
    if refusal.status not in _INVALID:
        return None
    advice = "Change what it names, and run the cell again."
    if refusal.status == 413:
        advice = "Make the request smaller."
    elif _OUT_OF_TOKENS.search(f"{refusal.said} {refusal.error_type}"):
        advice = "Allow more tokens (max_tokens), or ask for less."
    return InvalidRequestError(f"{refusal.service} cannot take the request ({refusal.mark}). {advice}")


def _no_such_address(refusal: Refusal) -> ServiceError | None:
    if refusal.status != 404:
        return None
    return ServiceError(
        f"{refusal.service} has nothing there ({refusal.mark}). If it is no OpenRouter, look at its base URL: "
        "many end in /v1."
    )


def _unavailable(refusal: Refusal) -> ServiceError | None:
    if refusal.status is None or refusal.status < 500:
        return None
    return UnavailableError(
        f"{refusal.service} is not available now ({refusal.mark}). Run the cell again in a moment; "
        "status.openrouter.ai tells whether it is down."
    )


def _other(refusal: Refusal) -> ServiceError:
    return ServiceError(f"{refusal.service} answered with an error ({refusal.mark}). Run the cell again.")


# The first that fits wins.
_KINDS: tuple[Callable[[Refusal], ServiceError | None], ...] = (
    _authentication,
    _context_length,
    _key_limit,
    _credits,
    _moderation,
    _no_endpoints,
    _model_not_found,
    _rate_limit,
    _timeout,
    _provider,
    _permission,
    _invalid,
    _no_such_address,
    _unavailable,
    _other,
)


def _number(pattern: re.Pattern[str], text: str) -> int | None:
    found = pattern.search(text)
    digits = next((group for group in found.groups() if group), "") if found else ""
    return int(digits.replace(",", "")) if digits.replace(",", "") else None


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
