"""What the kernel tells: which notebook, cell and front end, which cell failed, when its main thread is idle.

JupyterLab and Notebook put the notebook's absolute path into ``JPY_SESSION_NAME`` (stale after a rename until the
kernel restarts), VS Code into ``__vsc_ipynb_file__``; ``OR_MAGIC_NOTEBOOK`` tells where nothing else does. JupyterLab
sends the cell's id with each request; nbclient and nbval do not.
"""

from __future__ import annotations

import asyncio
import hashlib
import linecache
import os
import sys
import threading
import uuid
from collections.abc import Callable
from concurrent.futures import Future, wait
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from IPython.core.interactiveshell import InteractiveShell

from or_magic.chat.host import Location, unnamed_location
from or_magic.errors import OrMagicError, ToolError

if TYPE_CHECKING:
    from or_magic.commands.context import FrontEnd
    from or_magic.prompt.failed_code import Failure

T = TypeVar("T")
_IDLE_WITHIN_S = 0.3  # a kernel that is idle takes a function before a word about it could be read
_NOT_FAILURES = (OrMagicError, KeyboardInterrupt, SystemExit)


class ShellLocation:
    """Where one IPython shell is: its front end, its notebook, and the cell that runs.

    Args:
        shell: the shell of the user.
    """

    def __init__(self, shell: InteractiveShell) -> None:
        self._shell = shell
        self._name = f"kernel:{uuid.uuid4().hex}"
        self._joined: str | None = None
        self._runs: dict[str, list[str]] = {}

    def front_end(self) -> FrontEnd:
        """What is on the other side of the request that runs now.

        ``headless`` means that nobody can be asked (``allow_stdin`` is false): nbclient, papermill, nbconvert, nbval.
        """
        request = self._request()
        if request is None:
            return "terminal"
        return "display" if request.get("content", {}).get("allow_stdin", True) else "headless"

    def join(self, notebook: str) -> None:
        """From now on the kernel is that notebook, where the front end does not tell another."""
        self._joined = notebook

    def source(self) -> str | None:
        """The source of the cell that runs, as it was typed; None where nothing tells it."""
        code = (self._request() or {}).get("content", {}).get("code")
        history = self._shell.history_manager
        if isinstance(code, str):
            return code
        return str(history.input_hist_raw[-1]) if history is not None and history.input_hist_raw else None

    def where(self) -> Location:
        """The notebook and cell of the request that runs now."""
        request = self._request() or {}
        id = request.get("header", {}).get("msg_id")
        cell_id = request.get("metadata", {}).get("cellId") or self._nth_run(id, request.get("content", {}).get("code"))
        return replace(self.notebook(is_display=self.front_end() == "display"), cell_id=cell_id, request=id)

    def notebook(self, *, is_display: bool) -> Location:
        """The notebook alone, without a cell.

        Args:
            is_display: whether a front end shows it, which alone tells its path by ``JPY_SESSION_NAME``.
        """
        path = self._notebook_path(is_display)
        if path is None:
            return unnamed_location(self._name)
        return Location(notebook=path, budget_scope=path, budget_scope_name="notebook")

    def _nth_run(self, request: str | None, source: str | None) -> str | None:
        """A name for a cell whose id nobody tells: the n-th run of the same source in this kernel."""
        if request is None or source is None:
            return None
        digest = hashlib.sha256(source.encode("utf-8", "surrogatepass")).hexdigest()[:16]
        runs = self._runs.setdefault(digest, [])
        if request not in runs:
            runs.append(request)
        return f"source:{digest}:{runs.index(request) + 1}"

    def _notebook_path(self, is_display: bool) -> str | None:
        told = [os.environ.get("OR_MAGIC_NOTEBOOK"), self._shell.user_ns.get("__vsc_ipynb_file__")]
        # A kernel started by another kernel (papermill in a notebook) inherits the variable of its parent.
        if is_display:
            told.append(os.environ.get("JPY_SESSION_NAME"))
        for path in told:
            if isinstance(path, str) and path.endswith(".ipynb"):
                return str(Path(path).absolute())
        return self._joined

    def _request(self) -> dict[str, Any] | None:
        """The message that the kernel is answering; None where there is no kernel."""
        get_parent = getattr(self._shell, "get_parent", None)
        return get_parent() if get_parent is not None else None


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
    if wait([done], _IDLE_WITHIN_S).done:
        return done.result()
    with waiting(f"{name} needs the kernel: it runs when no cell does."):
        return done.result()


def running_loop() -> asyncio.AbstractEventLoop | None:
    """The kernel's loop, on which its cells run; None in a terminal."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


class FailedCells:
    """Remembers the last cell that failed, wherever it ran; not those that failed by or_magic's own errors."""

    def __init__(self) -> None:
        self._number: int | None = None
        self._failure: Failure | None = None

    def note(self, result: Any) -> None:
        """IPython's event ``post_run_cell``."""
        error = result.error_before_exec or result.error_in_exec
        if isinstance(error, BaseException) and not isinstance(error, _NOT_FAILURES):
            from or_magic.prompt.failed_code import Failure

            self._number = result.execution_count
            self._failure = Failure((result.info.raw_cell if result.info else "") or "", error)

    def last(self) -> Failure | None:
        """The last one; also one from before the extension was loaded. None where nothing has failed."""
        if self._failure is not None:
            return self._failure
        error = getattr(sys, "last_exc", None) or getattr(sys, "last_value", None)
        if not isinstance(error, BaseException) or isinstance(error, _NOT_FAILURES):
            return None
        from or_magic.prompt.failed_code import Failure
        from or_magic.prompt.tracebacks import user_frames

        frames = user_frames(error)
        source = "".join(linecache.getlines(frames[0].filename)) if frames else getattr(error, "text", None) or ""
        return Failure(source, error)

    def error_of(self, number: int) -> BaseException | None:
        """What the cell of that number raised, if it is the last one that failed."""
        return self._failure.error if self._failure is not None and self._number == number else None
