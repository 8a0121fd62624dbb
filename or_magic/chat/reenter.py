"""Runs a coroutine on an event loop that is already running, while the code that it is running waits for it.

A cell of a notebook is run by a coroutine of the kernel's loop, and a coroutine of the user (a query of a database that
was opened in an earlier cell) must run on that same loop: nest_asyncio makes the loop enterable once more. Three things
have to be guarded, or cells that are queued behind the running one are lost (measured with nest_asyncio 1.6 on
ipykernel 7: the kernel handles all its messages in one Context, which cannot be entered twice):

- the coroutine runs as a task in a context of its own;
- what the loop has to do in a context that is entered at the moment is held back, and given back to it afterwards;
- an interrupt cancels the task, and waits until it has ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeVar

from or_magic.errors import CommandError

T = TypeVar("T")


def wait_for(awaitable: Awaitable[T], idle_loop: Callable[[], asyncio.AbstractEventLoop] | None = None) -> T:
    """What the awaitable gives: on the loop that runs in this thread; where none runs, on that of `idle_loop`, or a new
    one.

    Raises:
        CommandError: the running loop is of a kind that cannot be entered again (uvloop).
        KeyboardInterrupt: the user interrupted; the awaitable was cancelled and has ended.
        Exception: whatever the awaitable raised.
    """
    try:
        running = asyncio.get_running_loop()
    except RuntimeError:
        whole = _whole(awaitable)
        return asyncio.run(whole) if idle_loop is None else idle_loop().run_until_complete(whole)
    return _wait_within(running, awaitable)


async def _whole(awaitable: Awaitable[T]) -> T:
    return await awaitable


def _wait_within(loop: asyncio.AbstractEventLoop, awaitable: Awaitable[T]) -> T:
    import nest_asyncio

    try:
        nest_asyncio.apply(loop)
    except ValueError:
        raise CommandError(
            f"An awaitable cannot be waited for here: the loop is a {type(loop).__module__}.{type(loop).__name__}. "
            "Await it in a cell of its own, and use what it gave."
        ) from None
    # A new context: the one of this cell is entered already.
    task = loop.create_task(_whole(awaitable), context=contextvars.copy_context())
    with _holding_back(loop):
        try:
            return loop.run_until_complete(task)
        except KeyboardInterrupt:
            task.cancel()
            while not task.done():
                with contextlib.suppress(KeyboardInterrupt, asyncio.CancelledError, Exception):
                    loop.run_until_complete(task)
            raise
        finally:
            if task.done() and not task.cancelled():
                task.exception()  # a SystemExit leaves the loop on its own, and would be reported as never retrieved


@contextlib.contextmanager
def _holding_back(loop: Any) -> Iterator[None]:
    """While it lasts, the loop does nothing in a context that is entered already."""
    outer, count = loop._ready, len(loop._ready)
    ready = _Ready(loop, outer)
    loop._ready = ready
    try:
        yield
    finally:
        # In place: the run of the loop that goes on afterwards holds this very object, and counts on its length.
        outer.extend([*ready.held, *ready])
        loop._ready = outer
        outer.extend(ready.nothing for _ in range(count - len(outer)))


class _Ready(deque[asyncio.Handle]):
    """What a loop has to do next; what it cannot do now is passed over, and kept in `held`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, outer: deque[asyncio.Handle]) -> None:
        super().__init__()
        self._outer = outer
        self._take_over()
        self.held: list[asyncio.Handle] = []
        self.nothing = asyncio.Handle(_nothing, (), loop)
        self.nothing.cancel()

    def popleft(self) -> asyncio.Handle:
        """The next handle; one that is cancelled already in the place of one that is held back."""
        self._take_over()
        handle = super().popleft()
        if not handle.cancelled() and _is_entered(handle):
            self.held.append(handle)
            return self.nothing
        return handle

    def _take_over(self) -> None:
        """Another thread may have been about to add to the old queue when this one took its place."""
        while self._outer:
            self.append(self._outer.popleft())


def _is_entered(handle: asyncio.Handle) -> bool:
    context: contextvars.Context = handle._context  # type: ignore[attr-defined]  # no public name
    try:
        context.run(_nothing)
    except RuntimeError:
        return True
    return False


def _nothing() -> None:
    pass
