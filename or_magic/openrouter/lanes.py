"""So many requests at a time, and no more: first come, first served. Used on the background loop alone."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable


class Lanes:
    """The requests of this process that are under way, and those that wait for their turn."""

    def __init__(self) -> None:
        self._busy = 0
        self._queue: deque[asyncio.Future[None]] = deque()

    @contextlib.asynccontextmanager
    async def lane(self, limit: int, when_full: Callable[[int], None]) -> AsyncIterator[None]:
        """Waits until fewer than `limit` are under way; holds a lane while the block runs.

        Args:
            when_full: told, once, how many are under way, where it has to wait.
        """
        if self._busy >= limit or self._queue:
            when_full(self._busy)
            await self._turn()
        else:
            self._busy += 1
        try:
            yield
        finally:
            self._leave()

    async def _turn(self) -> None:
        mine = asyncio.get_running_loop().create_future()
        self._queue.append(mine)
        try:
            await mine
        except asyncio.CancelledError:
            if mine.done() and not mine.cancelled():  # the lane was handed over in the same moment
                self._leave()
            elif mine in self._queue:
                self._queue.remove(mine)
            raise

    def _leave(self) -> None:
        while self._queue:
            following = self._queue.popleft()
            if not following.done():
                following.set_result(None)  # the lane changes hands, so the count stays
                return
        self._busy -= 1
