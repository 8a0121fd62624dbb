"""How the sandbox behaves: its knobs, and the faults planned for the next requests.

Everything here can be changed while the sandbox runs, from Python or through its control endpoint; a change
counts from the next request on.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

_NotNegative = Annotated[float, Meta(ge=0)]
_PRESETS: dict[str, dict[str, Any]] = {"brief": {"max_tokens": 20}, "thoughtful": {"model": "sandbox/reasoner"}}


class StreamError(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An error inside a stream, after so many data events.

    `shape`: "a" with a choice that finished with "error" (documented), "b" without choices (2026), "c" on the usage
    chunk of an answer that has finished (2025).
    """

    shape: Literal["a", "b", "c"] = "a"
    after_events: Annotated[int, Meta(ge=0)] = 0
    code: int = 502
    message: str = "Provider returned error"
    says_done: bool = True


class Behaviour(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The knobs.

    `pace`: tokens per second, 0 for as fast as possible, None for each model's own. `first_token_s`: seconds
    to the first token, None for each model's own. Neither changes `sandbox/slow`.
    `comments`: how many `: OPENROUTER PROCESSING` lines come before the first event. `events_per_write` and
    `write_bytes`: how a stream is cut into network writes: so many events at a time, at most so many bytes.
    `keep_alive_s`: a whole answer that takes longer sends white space at this interval.
    `credits_usd`: what may be spent before the sandbox answers 402.
    `comments_between`: a comment after every so many data events, 0 for none. `usage_shape`: what the choices of the
    usage chunk look like: "2026", "2026-03" (empty), "2025" (not finished). `fail_every`: every n-th chat
    request fails with `fail_status`, 0 for none. `stream_error`: every stream breaks off with an error.
    `silence_after_events`, `cut_after_events`: every stream falls silent, or is cut, there. `record_delay_s`: how long
    the record of a generation stays away. `presets`: fields of a request, by slug. `models`: how many the catalog
    lists at least; those that are missing are made up (`sandbox/shelf-1`, ...), and echo.
    """

    pace: _NotNegative | None = None
    first_token_s: _NotNegative | None = None
    comments: Annotated[int, Meta(ge=0)] = 2
    events_per_write: Annotated[int, Meta(ge=1)] = 1
    write_bytes: Annotated[int, Meta(ge=1)] | None = None
    keep_alive_s: Annotated[float, Meta(gt=0)] = 1.0
    credits_usd: Decimal = Decimal(1000)
    comments_between: Annotated[int, Meta(ge=0)] = 0
    usage_shape: Literal["2026", "2026-03", "2025"] = "2026"
    fail_every: Annotated[int, Meta(ge=0)] = 0
    fail_status: Annotated[int, Meta(ge=400, le=599)] = 503
    stream_error: StreamError | None = None
    silence_after_events: Annotated[int, Meta(ge=0)] | None = None
    cut_after_events: Annotated[int, Meta(ge=0)] | None = None
    record_delay_s: _NotNegative = 0.0
    models: Annotated[int, Meta(ge=0, le=100_000)] = 0
    presets: dict[str, dict[str, Any]] = msgspec.field(default_factory=lambda: dict(_PRESETS))


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
        self._asked: Counter[str] = Counter()
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
            self._behaviour = with_knobs(self._behaviour, knobs)
            return self._behaviour

    def is_due(self, model: str, every: int) -> bool:
        """Whether this request to a model is one of those that fail: every n-th."""
        with self._lock:
            self._asked[model] += 1
            return every > 0 and self._asked[model] % every == 0

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


def with_knobs(behaviour: Behaviour, knobs: Mapping[str, Any]) -> Behaviour:
    """A behaviour with some knobs turned, and the others as they were.

    Raises: msgspec.ValidationError (a ValueError) for an unknown knob or an impossible value.
    """
    return msgspec.convert(msgspec.structs.asdict(behaviour) | dict(knobs), Behaviour)
