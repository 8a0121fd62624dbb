"""When to ask again: after what passes, not too often, not too late, never all at once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from or_magic.client.client import FIRST_PAUSE_S, LONGEST_PAUSE_S, is_passing, pause
from or_magic.endpoint import Timeouts
from or_magic.errors import CreditsError, ServiceError

PATIENCE = Timeouts(retries=3, retry_time_s=60)


@pytest.mark.parametrize(
    ("status", "passes"),
    [
        *((status, True) for status in (408, 429, 500, 502, 503, 504, 524, 529)),
        *((status, False) for status in (400, 401, 402, 403, 404, 413, 422, None)),
    ],
)
def test_what_passes(status: int | None, passes: bool) -> None:
    """Limits and outages pass; what was refused for good does not."""
    assert is_passing(ServiceError("x", status=status)) is passes


def test_credits_that_are_held_back_pass() -> None:
    """A 402 passes only where other requests under way hold the credits back."""
    error = CreditsError("x", status=402)
    assert not is_passing(error)

    error.is_in_flight = True
    assert is_passing(error)


@pytest.mark.parametrize(
    ("attempt", "told_s", "elapsed_s", "status", "expected"),
    [
        pytest.param(1, None, 0, 503, FIRST_PAUSE_S, id="first"),
        pytest.param(3, None, 1, 503, 4 * FIRST_PAUSE_S, id="doubles"),
        pytest.param(4, None, 1, 503, None, id="no more retries"),
        pytest.param(2, None, 0, 500, None, id="a 500 only once more"),
        pytest.param(1, 7.0, 0, 429, 7.7, id="as long as told, and a little"),
        pytest.param(1, 58.0, 0, 429, None, id="told for longer than there is time"),
        pytest.param(2, None, 59.5, 503, None, id="too late"),
        pytest.param(1, 0.0, 0, 429, 0.0, id="told to come at once"),
    ],
)
def test_pauses(attempt: int, told_s: float | None, elapsed_s: float, status: int, expected: float | None) -> None:
    """The longest pause for each case; None where it is given up."""
    seconds = pause(attempt=attempt, elapsed_s=elapsed_s, timeouts=PATIENCE, chance=1.0, told_s=told_s, status=status)

    assert seconds == pytest.approx(expected)


@given(st.integers(1, 50), st.floats(0, 1))
def test_full_jitter(attempt: int, chance: float) -> None:
    """A pause is any part of its span, and no span is endless."""
    timeouts = Timeouts(retries=100, retry_time_s=1e9)

    seconds = pause(attempt=attempt, elapsed_s=0, timeouts=timeouts, chance=chance)

    assert seconds is not None
    assert 0 <= seconds <= LONGEST_PAUSE_S
    assert seconds == chance * min(FIRST_PAUSE_S * 2 ** (attempt - 1), LONGEST_PAUSE_S)
