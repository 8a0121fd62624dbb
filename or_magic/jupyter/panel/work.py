"""One thread that does what a widget's callbacks hand over, in order: callbacks themselves must not block."""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import weakref
from collections.abc import Callable
from typing import Any

_LOG = logging.getLogger("or_magic")


class Work:
    """Does jobs one after another in a daemon thread, which begins with the first of them.

    Of jobs that were handed over under the same key, and have not begun, the newest alone is done.

    Args:
        on_error: told what a job raised, whatever that is: it may run code of the user's, and must not end the thread.
    """

    def __init__(self, on_error: Callable[[Any], object] = lambda error: None) -> None:
        self._jobs: queue.SimpleQueue[tuple[str, Callable[[], object]] | None] = queue.SimpleQueue()
        self._newest: dict[str, Callable[[], object]] = {}
        self._on_error = on_error
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._is_closed = False
        weakref.finalize(self, self._jobs.put, None)

    def do(self, job: Callable[[], object], *, newest: str = "") -> None:
        """Hands a job over and returns at once.

        Args:
            newest: a key: an older job under the same one is dropped; "" for none.
        """
        with self._lock:
            if self._is_closed:
                return
            if newest:
                self._newest[newest] = job
            if self._thread is None:
                args = (self._jobs, self._newest, self._on_error)
                self._thread = threading.Thread(target=_run, args=args, name="or_magic panel", daemon=True)
                self._thread.start()
        self._jobs.put((newest, job))

    def close(self) -> None:
        """What has not begun is dropped."""
        with self._lock:
            self._is_closed = True
            self._newest.clear()
            with contextlib.suppress(queue.Empty):
                while True:
                    self._jobs.get_nowait()
        self._jobs.put(None)


def _run(
    jobs: queue.SimpleQueue[tuple[str, Callable[[], object]] | None],
    newest: dict[str, Callable[[], object]],
    on_error: Callable[[Any], object],
) -> None:
    # Not a method: the thread would keep its `Work` alive for good.
    while (handed := jobs.get()) is not None:
        key, job = handed
        if not key or newest.get(key) is job:
            newest.pop(key, None)
            _do(job, on_error)
        del job, handed  # or the last one would be kept alive until the next comes


def _do(job: Callable[[], object], on_error: Callable[[Any], object]) -> None:
    try:
        job()
    except BaseException as error:  # the thread goes on; whoever handed it over says what is to be told
        _LOG.debug("a job of the panel failed", exc_info=True)
        try:
            on_error(error)
        except Exception:
            _LOG.debug("a failure of the panel could not be told", exc_info=True)
