"""The last cell that failed: its source and what it raised, as IPython tells it after each cell. No hook is taken."""

from __future__ import annotations

import linecache
import sys
from typing import Any

from or_magic.asking.fixing import Failure
from or_magic.asking.tracebacks import user_frames
from or_magic.errors import OrMagicError

_NOT_FAILURES = (OrMagicError, KeyboardInterrupt, SystemExit)


class FailedCells:
    """Remembers the last cell that failed, wherever it ran; not those that failed by or_magic's own errors."""

    def __init__(self) -> None:
        self._number: int | None = None
        self._failure: Failure | None = None

    def note(self, result: Any) -> None:
        """IPython's event ``post_run_cell``."""
        error = result.error_before_exec or result.error_in_exec
        if isinstance(error, BaseException) and not isinstance(error, _NOT_FAILURES):
            self._number = result.execution_count
            self._failure = Failure((result.info.raw_cell if result.info else "") or "", error)

    def last(self) -> Failure | None:
        """The last one; also one from before the extension was loaded. None where nothing has failed."""
        if self._failure is not None:
            return self._failure
        error = getattr(sys, "last_exc", None) or getattr(sys, "last_value", None)
        if not isinstance(error, BaseException) or isinstance(error, _NOT_FAILURES):
            return None
        frames = user_frames(error)
        source = "".join(linecache.getlines(frames[0].filename)) if frames else getattr(error, "text", None) or ""
        return Failure(source, error)

    def error_of(self, number: int) -> BaseException | None:
        """What the cell of that number raised, if it is the last one that failed."""
        return self._failure.error if self._failure is not None and self._number == number else None
