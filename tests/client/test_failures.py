"""Whatever a server says when it refuses becomes one readable line of the right kind."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from or_magic.client.refusals import error_from_body, error_from_object
from or_magic.errors import (
    ContextLengthError,
    CreditsError,
    ModerationError,
    NoEndpointsError,
    ProviderError,
    RateLimitError,
    ServiceError,
)
from tests.client.recordings import recordings
from tests.client.refusals import AFFORD, CASES, FREE_TIER, LENGTH, Case, envelope

SERVICE = "https://openrouter.ai"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_refusals(case: Case) -> None:
    """Each real body gives the kind that a user would handle, on one line, with what to do next."""
    headers = {name.lower(): value for name, value in case.headers.items()}

    error = error_from_body(case.status, case.body, service=SERVICE, model="a/b", headers=headers)

    assert type(error) is case.kind
    assert case.words in str(error)
    assert str(error).isprintable()
    assert len(str(error)) < 700
    assert str(error).endswith((".", "?", "/v1.")) or "openrouter.ai" in str(error)
    assert (error.status, error.may_be_charged) == (case.status, case.may_be_charged)


def test_the_facts_of_an_error() -> None:
    """What a program would want to know is in attributes."""
    credits = error_from_body(402, envelope(402, AFFORD), service=SERVICE, model=None)
    length = error_from_body(400, envelope(400, LENGTH), service=SERVICE, model="a/b")
    limit = error_from_body(429, envelope(429, "Rate limit", **FREE_TIER), service=SERVICE, model=None)
    flagged = error_from_body(403, envelope(403, "x", reasons=["hate"], flagged_input="t"), service=SERVICE, model=None)

    assert isinstance(credits, CreditsError)
    assert credits.affordable_tokens == 27342
    assert isinstance(length, ContextLengthError)
    assert (length.limit_tokens, length.requested_tokens) == (200000, 214528)
    assert isinstance(limit, RateLimitError)
    assert limit.resets_at == datetime(2100, 1, 1, tzinfo=UTC)
    assert limit.retry_after_s > 1e6
    assert isinstance(flagged, ModerationError)
    assert (flagged.reasons, flagged.flagged_input) == (("hate",), "t")


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        pytest.param({"retry-after": "7"}, 7, id="seconds"),
        pytest.param({"retry-after": "0.5"}, 0.5, id="parts of a second"),
        pytest.param({"retry-after": "Wed, 01 Jan 2020 00:00:00 GMT"}, 0, id="a moment that is past"),
        pytest.param({"retry-after": "-3"}, None, id="nonsense"),
        pytest.param({"retry-after": "soon"}, None, id="words"),
        pytest.param({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1000"}, 0, id="a reset in seconds, past"),
        pytest.param({"x-ratelimit-remaining": "3", "x-ratelimit-reset": "4102444800000"}, None, id="not spent"),
        pytest.param({}, None, id="not told"),
    ],
)
def test_when_to_come_back(headers: dict[str, str], seconds: float | None) -> None:
    """Retry-After and X-RateLimit-Reset are understood in all their forms."""
    error = error_from_body(429, envelope(429, "slow"), service=SERVICE, model=None, headers=headers)

    assert error.retry_after_s == seconds


@pytest.mark.parametrize(
    ("error", "kind", "status"),
    [
        pytest.param({"code": 429, "message": "slow"}, RateLimitError, 429, id="a code"),
        pytest.param({"code": "429", "message": "slow"}, RateLimitError, 429, id="a code in quotes"),
        pytest.param({"code": "rate_limit_exceeded", "message": "slow"}, RateLimitError, 429, id="a word as the code"),
        pytest.param({"code": "server_error", "message": "x"}, ServiceError, 500, id="another word"),
        pytest.param(
            {"code": 502, "message": "Provider returned error", "metadata": {"error_type": "provider_unavailable"}},
            ProviderError,
            502,
            id="of 2026",
        ),
        pytest.param(
            {"message": "x", "metadata": {"error_type": "context_length_exceeded"}},
            ContextLengthError,
            400,
            id="a type",
        ),
        pytest.param(
            {"message": "x", "availability": {"code": "no_endpoints", "excluded_by": ["geo"]}},
            NoEndpointsError,
            None,
            id="availability",
        ),
        pytest.param("gone", ServiceError, None, id="a bare word"),
        pytest.param([1, {"a": 2}], ServiceError, None, id="a list"),
        pytest.param({"message": {"deep": "x"}, "code": True, "metadata": "no"}, ServiceError, None, id="wrong types"),
    ],
)
def test_errors_inside_an_answer(error: object, kind: type[ServiceError], status: int | None) -> None:
    """An error object inside a 200 is understood like a refusal."""
    failure = error_from_object(error, service=SERVICE, model="a/b", generation_id="gen-1")

    assert isinstance(failure, kind)
    assert (failure.status, failure.generation_id) == (status, "gen-1")
    assert str(failure).isprintable()


@given(st.integers(400, 599), st.binary())
def test_any_body_is_one_line(status: int, body: bytes) -> None:
    """No body at all makes anything but one printable line."""
    error = error_from_body(status, body, service=SERVICE, model=None)

    assert str(error).isprintable()
    assert error.status is not None


def test_recorded_refusals() -> None:
    """Recorded refusals of 2025 and 2026 become the kinds that they are."""
    refused = [recording for recording in recordings() if recording.status >= 400]
    if not refused:
        pytest.skip("no recordings beside the repository")

    errors = [error_from_body(r.status, r.body, service=SERVICE, model="a/b") for r in refused]

    assert {type(error).__name__ for error in errors} == {"AuthenticationError", "RateLimitError"}
