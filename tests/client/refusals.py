"""Refusals as the service words them, for each status: bodies recorded, documented, or quoted in public issues."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

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

HTML = b"""<!DOCTYPE html><html><head><title>openrouter.ai | 524: A timeout occurred</title>
<style>body{color:red}</style></head><body><h1>A timeout occurred</h1><script>alert(1)</script></body></html>"""


@dataclass(frozen=True)
class Case:
    """A refusal and what it is to become."""

    name: str
    status: int
    body: bytes
    kind: type[ServiceError]
    words: str
    headers: dict[str, str] = field(default_factory=dict)
    asked: int = 1  # how often the server is to be asked, with one retry allowed
    may_be_charged: bool = False


def envelope(code: int, message: str, **metadata: object) -> bytes:
    """OpenRouter's error body."""
    error: dict[str, object] = {"code": code, "message": message}
    return json.dumps({"error": error | ({"metadata": metadata} if metadata else {}), "user_id": "user_2x"}).encode()


def available(status: int, code: str, message: str, **facts: object) -> bytes:
    """The newer body of an availability error, which has no code."""
    error = {
        "message": message,
        "error_type": "not_found",
        "http_status": status,
        "availability": {"code": code, "retryable": False, "requested_models": ["a/b"], **facts},
    }
    return json.dumps({"error": error}).encode()


FREE_TIER = {
    "headers": {"X-RateLimit-Limit": "50", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "4102444800000"},
    "limit_source": "openrouter_free_tier_daily",
    "provider_name": None,
}
RAW = '{"error":{"message":"The model is overloaded, try later","type":"overloaded_error"}}'
LENGTH = (
    "This endpoint's maximum context length is 200000 tokens. However, you requested about 214528 tokens "
    "(214528 of text input). Please reduce the length, or use the context-compression plugin."
)
AFFORD = (
    "This request requires more credits, or fewer max_tokens. You requested up to 32000 tokens, but can only afford "
    "27342. To increase, visit https://openrouter.ai/settings/credits and upgrade to a paid account"
)
KEY_LIMIT = "Key limit exceeded (total limit). Manage it using https://openrouter.ai/settings/keys"

CASES = (
    Case("400 parameters", 400, envelope(400, "temperature: must be <= 2"), InvalidRequestError, "temperature"),
    Case("400 model", 400, envelope(400, "foo/bar is not a valid model ID"), ModelNotFoundError, "'a/b'"),
    Case("400 length", 400, envelope(400, LENGTH), ContextLengthError, "takes at most 200,000, this one has 214,528"),
    Case(
        "400 length of a provider",
        400,
        envelope(400, "Provider returned error", raw='{"message":"prompt is too long: 9 tokens > 8 maximum"}'),
        ContextLengthError,
        "takes at most 8, this one has 9",
    ),
    Case(
        "400 provider",
        400,
        envelope(400, "Provider returned error", raw='{"detail":"bad tool schema"}', provider_name="Acme"),
        ProviderError,
        "The provider Acme failed (400: Provider returned error: bad tool schema)",
    ),
    Case("400 available", 400, available(400, "model_not_found", "No such model"), ModelNotFoundError, "'a/b'"),
    Case("401 none", 401, b'{"error":{"message":"Missing Authentication header"}}', AuthenticationError, "key"),
    Case(
        "401 unknown",
        401,
        b'{"error":{"message":"User not found.","code":401}}',
        AuthenticationError,
        "%openrouter key",
    ),
    Case("401 older", 401, envelope(401, "No auth credentials found"), AuthenticationError, "settings/keys"),
    Case("402 none", 402, envelope(402, "Insufficient credits. Add more."), CreditsError, "settings/credits"),
    Case("402 some", 402, envelope(402, AFFORD, limit_source="openrouter_credits"), CreditsError, "27,342 tokens"),
    Case(
        "402 in flight",
        402,
        envelope(402, "Insufficient credits", limit_source="openrouter_in_flight_budget"),
        CreditsError,
        "Other requests",
        {"Retry-After": "0"},
        asked=2,
    ),
    Case("402 key", 402, envelope(402, KEY_LIMIT), KeyLimitError, "Raise its limit"),
    Case("403 key", 403, envelope(403, KEY_LIMIT), KeyLimitError, "Raise its limit"),
    Case(
        "403 moderation",
        403,
        envelope(403, "Input flagged", reasons=["violence", "hate"], flagged_input="how to", provider_name="OpenAI"),
        ModerationError,
        "violence, hate",
    ),
    Case("403 guardrail", 403, envelope(403, "Blocked", patterns=["ssn"]), PermissionDeniedError, "ssn"),
    Case("403 region", 403, envelope(403, "Not available in your region"), PermissionDeniedError, "region"),
    Case("403 HTML", 403, b"<html><body>Sorry, you have been blocked</body></html>", PermissionDeniedError, "blocked"),
    Case("404 endpoints", 404, envelope(404, "No endpoints found for a/b."), NoEndpointsError, "a/b"),
    Case("404 tools", 404, envelope(404, "No endpoints found that support tool use."), NoEndpointsError, "tool use"),
    Case(
        "404 excluded",
        404,
        available(404, "constraint_filtered", "none left", excluded_by=["max_price"], fallback_models=["c/d"]),
        NoEndpointsError,
        "Ruled out by: max_price. Others: c/d.",
    ),
    Case(
        "404 restrictions",
        404,
        envelope(404, "No models match your request and model restrictions"),
        NoEndpointsError,
        "restrictions",
    ),
    Case("404 of another make", 404, b'{"error":"model \\"a/b\\" not found"}', ModelNotFoundError, "a/b"),
    Case("404 wrong address", 404, b"404 page not found", ServiceError, "/v1"),
    Case("405", 405, b"", InvalidRequestError, "405: no reason given"),
    Case("408", 408, envelope(408, "Request timed out"), TimedOutError, "Run the cell again", asked=2),
    Case("409", 409, envelope(409, "Conflict"), InvalidRequestError, "Conflict"),
    Case("412", 412, envelope(412, "Precondition failed"), InvalidRequestError, "Precondition"),
    Case("413", 413, envelope(413, "Payload too large"), InvalidRequestError, "smaller"),
    Case("422", 422, b'{"detail":[{"msg":"field required"}]}', InvalidRequestError, "field required"),
    Case(
        "429 free tier, tomorrow",
        429,
        envelope(429, "Rate limit exceeded: free-models-per-day. Add 10 credits to unlock", **FREE_TIER),
        RateLimitError,
        "lifted at 2100-01-01 00:00 UTC",
    ),
    Case(
        "429 upstream",
        429,
        envelope(429, "Provider returned error", raw=RAW, limit_source="upstream_provider_shared_pool"),
        RateLimitError,
        "The model is overloaded",
        asked=2,
    ),
    Case("429 told", 429, envelope(429, "Slow down"), RateLimitError, "Slow down", {"Retry-After": "0"}, asked=2),
    Case("429 HTML", 429, b"<html>Too many</html>", RateLimitError, "Too many", asked=2),
    Case("500", 500, envelope(500, "Internal Server Error"), UnavailableError, "Internal Server Error", asked=2),
    Case("502 network", 502, envelope(502, "Network connection lost."), ProviderError, "Network connection", asked=2),
    Case(
        "502 provider",
        502,
        envelope(502, "Provider returned error", raw="model is loading", provider_name="Acme"),
        ProviderError,
        "model is loading",
        asked=2,
    ),
    Case("503", 503, available(503, "temporarily_unavailable", "Overloaded"), UnavailableError, "Overloaded", asked=2),
    Case("504", 504, envelope(504, "Timed out"), UnavailableError, "Timed out", asked=2),
    Case("524 HTML", 524, HTML, UnavailableError, "A timeout occurred", asked=2, may_be_charged=True),
    Case("529", 529, envelope(529, "Provider overloaded"), UnavailableError, "overloaded", asked=2),
    Case("empty", 500, b"", UnavailableError, "no reason given", asked=2, may_be_charged=True),
    Case("a list", 500, b'["odd"]', UnavailableError, "odd", asked=2, may_be_charged=True),
    Case("not even UTF-8", 400, b"\xff\xfe\x00", InvalidRequestError, "400"),
    Case("418", 418, envelope(418, "teapot"), ServiceError, "teapot"),
)
