"""Which notebook, which cell, what kind of front end: read from what front ends tell, never guessed.

JupyterLab and Notebook put the notebook's absolute path into ``JPY_SESSION_NAME`` (stale after a rename until the
kernel restarts), VS Code into ``__vsc_ipynb_file__``; ``OR_MAGIC_NOTEBOOK`` tells where nothing else does. JupyterLab
sends the cell's id with each request; nbclient and nbval do not.
"""

from __future__ import annotations

import hashlib
import os
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from IPython.core.interactiveshell import InteractiveShell

from or_magic.asking.host import Place, unnamed_place

FrontEnd = Literal["display", "terminal", "headless"]


class ShellPlace:
    """The place of one IPython shell.

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

    def where(self) -> Place:
        """The notebook and cell of the request that runs now."""
        request = self._request() or {}
        id = request.get("header", {}).get("msg_id")
        cell_id = request.get("metadata", {}).get("cellId") or self._nth_run(id, request.get("content", {}).get("code"))
        return replace(self.notebook(is_display=self.front_end() == "display"), cell_id=cell_id, request=id)

    def notebook(self, *, is_display: bool) -> Place:
        """The notebook alone, without a cell.

        Args:
            is_display: whether a front end shows it, which alone tells its path by ``JPY_SESSION_NAME``.
        """
        path = self._notebook_path(is_display)
        if path is None:
            return unnamed_place(self._name)
        return Place(notebook=path, purse=path, purse_name="notebook")

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
