"""The refusals of the service, in its own words: what the model ids ``sandbox/error-...`` answer with.

Bodies as recorded, documented (openrouter.ai/docs, "Errors", 2026-08) or quoted in public issues up to 2026-10.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from or_magic.sandbox.answers import Refusal

_HTML = """<!DOCTYPE html><html><head><title>openrouter.ai | 524: A timeout occurred</title></head>
<body><h1>A timeout occurred</h1><p>The web server did not answer in time.</p></body></html>"""
_UPSTREAM = '{"error":{"message":"sandbox is temporarily rate-limited upstream","type":"rate_limit"}}'


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
