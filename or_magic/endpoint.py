"""Whom to ask, and how long to wait: the origin of an address, under which keys are kept, and the timeouts. Pure."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from urllib.parse import urlsplit

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


@functools.lru_cache(maxsize=64)
def origin_of(url: str) -> str:
    """Scheme, host and port: ``https://openrouter.ai`` of ``https://openrouter.ai/api/v1``. Names a service."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}".lower()


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long to wait for the service, in seconds, and how often to ask it again.

    Attributes:
        connect_s: until a connection stands.
        first_event_s: from the request to the first byte of its answer; a comment counts.
        silence_s: between two portions of an answer; a comment counts as life.
        total_s: from the request to the end of its answer.
        retries: how often to ask again at most, after failures that may pass.
        retry_time_s: how long after the first attempt another one may still begin.
        max_in_flight: how many requests of this process may be under way at a time; the others wait their turn.
    """

    connect_s: float = 10.0
    first_event_s: float = 120.0
    silence_s: float = 120.0
    total_s: float = 600.0
    retries: int = 3
    retry_time_s: float = 60.0
    max_in_flight: int = 8
