"""Waiting in the thread that asks for what runs on the background loop, so that an interrupt stops both."""

from __future__ import annotations

import time
from collections.abc import Coroutine
from concurrent.futures import TimeoutError as NotYet
from typing import Any, TypeVar

from or_magic.errors import ServiceError
from or_magic.openrouter import background

T = TypeVar("T")


def wait_for(coroutine: Coroutine[Any, Any, T], patience_s: float | None = None) -> T:
    """Runs a coroutine on the background loop and waits for its end, so that an interrupt stops both.

    Raises:
        ServiceError: `patience_s` passed before the end; or whatever the coroutine raises.
    """
    running = background.submit(coroutine)
    deadline = None if patience_s is None else time.monotonic() + patience_s
    try:
        while True:
            try:
                return running.result(timeout=0.1)
            except NotYet:
                if running.done():  # it has ended this very moment, or by a timeout of its own
                    return running.result()
                if deadline is not None and time.monotonic() > deadline:
                    raise ServiceError("The service took too long to answer.", may_be_charged=False) from None
    finally:
        running.cancel()
