"""The one event loop of the process, on one daemon thread. Everything that talks to a server runs there.

Why not the kernel's own loop: a stream there freezes while any cell runs, and is not stopped by an interrupt: it goes
on, and is billed. A cell waits in the main thread on a plain queue instead, where an interrupt reaches it.
"""

from __future__ import annotations

import asyncio
import functools
import os
import threading
import time
from collections.abc import Coroutine
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from typing import Any, TypeVar

from or_magic.errors import ServiceError

T = TypeVar("T")
_STARTING = threading.Lock()


def loop() -> asyncio.AbstractEventLoop:
    """The loop; started at first use, and anew in a process that was forked, where the thread does not exist."""
    with _STARTING:  # a cache alone lets two threads make one each at the same moment
        return _loop()


@functools.cache
def _loop() -> asyncio.AbstractEventLoop:
    new_loop = asyncio.new_event_loop()
    threading.Thread(target=new_loop.run_forever, name="or_magic", daemon=True).start()
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_forget)
    return new_loop


def _forget() -> None:
    global _STARTING  # the parent's may have been held at that moment, for good here
    _STARTING = threading.Lock()
    _loop.cache_clear()


def submit(coroutine: Coroutine[Any, Any, T]) -> Future[T]:
    """Starts the coroutine on the loop; returns at once with its future, which any thread may wait for or cancel."""
    return asyncio.run_coroutine_threadsafe(coroutine, loop())


def wait_for(coroutine: Coroutine[Any, Any, T], timeout_s: float | None = None) -> T:
    """Runs a coroutine on the background loop and waits for its end, so that an interrupt stops both.

    Raises:
        ServiceError: `timeout_s` passed before the end; or whatever the coroutine raises.
    """
    running = submit(coroutine)
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
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
