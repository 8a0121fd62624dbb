"""Whether to ask again, and when. Pure: no clock, no network; chance comes in as a number.

Asked again: what is likely to pass (408, 429, 5xx, 524, 529; 402 where credits are only held back by requests under
way) and connections of which nothing had been sent. Never: what was refused for good, an answer that had begun, and a
request that may have been received, but for one case that says so: a connection kept from earlier that turns out to be
dead before a byte came.
"""

from __future__ import annotations

from or_magic.errors import CreditsError, ServiceError
from or_magic.patience import Patience

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 20.0
_PASSING = frozenset({408, 429, 524, 529, *range(500, 512)})
_RETRIES_OF_500 = 1  # "Internal Server Error" seldom passes


def is_passing(error: ServiceError) -> bool:
    """Whether the same request may succeed in a moment."""
    return error.status in _PASSING or (isinstance(error, CreditsError) and error.is_in_flight)


def pause(
    *,
    attempt: int,
    elapsed_s: float,
    patience: Patience,
    chance: float,
    told_s: float | None = None,
    status: int | None = None,
) -> float | None:
    """How many seconds to wait before the next attempt; None where there shall be none.

    Args:
        attempt: the number of the attempt that failed; the first one is 1.
        elapsed_s: seconds since the first attempt began.
        chance: a random number from 0 to 1. The pause is a random part of a span that doubles with each attempt ("full
            jitter"): clients that failed together do not come back together.
        told_s: how long the service asked to be left alone; then that long, and up to a tenth more.
        status: the HTTP status that came.
    """
    retries = min(patience.retries, _RETRIES_OF_500) if status == 500 else patience.retries
    if attempt > retries:
        return None
    span = min(FIRST_PAUSE_S * 2 ** (attempt - 1), LONGEST_PAUSE_S)
    seconds = chance * span if told_s is None else told_s * (1 + chance / 10)
    return seconds if elapsed_s + seconds <= patience.retry_time_s else None
