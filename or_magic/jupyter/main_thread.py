"""Runs a function in the main thread of the kernel, when no cell runs there; called from another thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from contextlib import AbstractContextManager
from typing import TypeVar

from or_magic.errors import ToolError

T = TypeVar("T")
_PATIENCE_S = 0.3  # a kernel that is idle needs no word


def run_in_main(
    loop: asyncio.AbstractEventLoop | None,
    fn: Callable[[], T],
    name: str,
    waiting: Callable[[str], AbstractContextManager[object]],
) -> T:
    """What a function gives in the main thread.

    Args:
        loop: the kernel's, on which its cells run; None where there is none.
        fn: the function.
        name: of the tool, for who waits.
        waiting: shows a line for as long as the kernel is busy.

    Raises:
        ToolError: there is no loop.
    """
    if threading.current_thread() is threading.main_thread():
        return fn()
    if loop is None:
        raise ToolError(f"{name} runs in the background only with @or_magic.tool(thread_safe=True).")
    done: Future[T] = Future()

    def run() -> None:
        try:
            done.set_result(fn())
        except BaseException as error:  # it is raised where the result is waited for
            done.set_exception(error)

    loop.call_soon_threadsafe(run)
    if wait([done], _PATIENCE_S).done:
        return done.result()
    with waiting(f"{name} needs the kernel: it runs when no cell does."):
        return done.result()


def running_loop() -> asyncio.AbstractEventLoop | None:
    """The kernel's loop, on which its cells run; None in a terminal."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
