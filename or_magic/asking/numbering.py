"""Numbers the questions of one run of a cell, so that a cell that is run again replaces each of its own turns."""

from __future__ import annotations

_MOST = 100  # runs that are remembered


class Numbering:
    """Counts 0, 1, ... for each run of a cell; several may be under way at once."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}

    def next(self, request: str | None, first: int) -> int:
        """The number of the next question of a run; `first` for the first one, and where nothing names the run."""
        if request is None:
            return first
        number = self._counts[request] = self._counts.pop(request, first - 1) + 1
        while len(self._counts) > _MOST:
            del self._counts[next(iter(self._counts))]
        return number
