"""How the sandbox behaves: its knobs, and the faults planned for the next requests.

Everything here can be changed while the sandbox runs, from Python or through its control endpoint; a change
counts from the next request on.
"""

from __future__ import annotations

import threading
from collections import deque
from decimal import Decimal
from typing import Annotated, Any

import msgspec
from msgspec import Meta

_NotNegative = Annotated[float, Meta(ge=0)]


class Behaviour(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The knobs.

    `pace`: tokens per second, 0 for as fast as possible, None for each model's own. `first_token_s`: seconds
    to the first token, None for each model's own. Neither changes `sandbox/slow`.
    `comments`: how many `: OPENROUTER PROCESSING` lines come before the first event. `events_per_write` and
    `write_bytes`: how a stream is cut into network writes: so many events at a time, at most so many bytes.
    `keep_alive_s`: a whole answer that takes longer sends white space at this interval.
    `credits_usd`: what may be spent before the sandbox answers 402.
    """

    pace: _NotNegative | None = None
    first_token_s: _NotNegative | None = None
    comments: Annotated[int, Meta(ge=0)] = 2
    events_per_write: Annotated[int, Meta(ge=1)] = 1
    write_bytes: Annotated[int, Meta(ge=1)] | None = None
    keep_alive_s: Annotated[float, Meta(gt=0)] = 1.0
    credits_usd: Decimal = Decimal(1000)


class Failure(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An answer planned in place of the real one: OpenRouter's error envelope, or `body` as it is.

    `path` is the endpoint it waits for, below /api/v1.
    """

    status: Annotated[int, Meta(ge=200, le=599)]
    message: str = "Provider returned error"
    metadata: dict[str, Any] | None = None
    headers: dict[str, str] = {}
    body: str | None = None
    path: str = "/chat/completions"


class Cut(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A dropped connection planned for a stream, after so many bytes of its body or so many data events."""

    after_bytes: Annotated[int, Meta(ge=0)] | None = None
    after_events: Annotated[int, Meta(ge=0)] | None = None

    def __post_init__(self) -> None:
        if (self.after_bytes is None) == (self.after_events is None):
            raise ValueError("a cut needs either after_bytes or after_events")


class Controls:
    """The knobs as they stand, and the faults still to come; may be used from any thread."""

    def __init__(self, behaviour: Behaviour) -> None:
        self._behaviour = behaviour
        self._failures: list[Failure] = []
        self._cuts: deque[Cut] = deque()
        self._lock = threading.Lock()

    @property
    def behaviour(self) -> Behaviour:
        """The knobs as they stand now."""
        return self._behaviour

    def change(self, knobs: dict[str, Any]) -> Behaviour:
        """Turn some knobs and leave the others; returns them all.

        Raises: msgspec.ValidationError (a ValueError) for an unknown knob or an impossible value.
        """
        with self._lock:
            merged = msgspec.structs.asdict(self._behaviour) | knobs
            self._behaviour = msgspec.convert(merged, Behaviour)
            return self._behaviour

    def plan(self, fault: Failure | Cut) -> None:
        """Let the next fitting request meet this fault; several wait their turn."""
        with self._lock:
            if isinstance(fault, Failure):
                self._failures.append(fault)
            else:
                self._cuts.append(fault)

    def take_failure(self, path: str) -> Failure | None:
        """The failure planned for the next request to this endpoint; it is used up."""
        with self._lock:
            found = next((failure for failure in self._failures if failure.path == path), None)
            if found is not None:
                self._failures.remove(found)
            return found

    def take_cut(self) -> Cut | None:
        """The cut planned for the next stream; it is used up."""
        with self._lock:
            return self._cuts.popleft() if self._cuts else None
