"""Which notebook, which cell, what kind of front end: read from what front ends tell, never guessed.

JupyterLab and Notebook put the notebook's absolute path into ``JPY_SESSION_NAME`` (stale after a rename until the
kernel restarts), VS Code into ``__vsc_ipynb_file__``; ``OR_MAGIC_NOTEBOOK`` tells where nothing else does. JupyterLab
sends the cell's id with each request; nbclient and nbval do not.
"""

from __future__ import annotations

import os
import uuid
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

    def front_end(self) -> FrontEnd:
        """What is on the other side of the request that runs now.

        ``headless`` means that nobody can be asked (``allow_stdin`` is false): nbclient, papermill, nbconvert, nbval.
        """
        request = self._request()
        if request is None:
            return "terminal"
        return "display" if request.get("content", {}).get("allow_stdin", True) else "headless"

    def where(self) -> Place:
        """The notebook and cell of the request that runs now."""
        request = self._request() or {}
        cell_id = request.get("metadata", {}).get("cellId")
        path = self._notebook_path()
        if path is None:
            place = unnamed_place(self._name)
            return Place(place.notebook, place.purse, place.purse_name, cell_id)
        return Place(notebook=path, purse=path, purse_name="notebook", cell_id=cell_id)

    def _notebook_path(self) -> str | None:
        told = [os.environ.get("OR_MAGIC_NOTEBOOK"), self._shell.user_ns.get("__vsc_ipynb_file__")]
        # A kernel started by another kernel (papermill in a notebook) inherits the variable of its parent.
        if self.front_end() == "display":
            told.append(os.environ.get("JPY_SESSION_NAME"))
        for path in told:
            if isinstance(path, str) and path.endswith(".ipynb"):
                return str(Path(path).absolute())
        return None

    def _request(self) -> dict[str, Any] | None:
        """The message that the kernel is answering; None where there is no kernel."""
        get_parent = getattr(self._shell, "get_parent", None)
        return get_parent() if get_parent is not None else None
