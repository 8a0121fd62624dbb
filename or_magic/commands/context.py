"""What a front gives to cells and commands: the session, the user's variables, and the few things only it can do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from or_magic.answer import Answer
    from or_magic.chat.session import Session
    from or_magic.prompt.failed_code import Failure

FrontEnd = Literal["display", "terminal", "headless"]


class NotebookContext(Protocol):
    """One notebook, as cells and commands see it. Jupyter's is `or_magic.jupyter.notebook_context.JupyterContext`.

    Attributes:
        session: asks, and keeps what was asked, answered and paid. Where it runs is known by its `host`.
    """

    session: Session

    @property
    def variables(self) -> dict[str, Any]:
        """The user's variables; a value that is put there is bound to its name."""

    @property
    def cells(self) -> Sequence[str]:
        """The sources of the cells that ran, as they were typed, by their number; number 0 is empty."""

    @property
    def front_end(self) -> FrontEnd:
        """Who is on the other side: a page, a terminal, or nobody who could be asked (``headless``)."""

    def running_cell(self) -> str | None:
        """The source of the cell that runs, as it was typed; None where nothing tells it."""

    def expand(self, text: str) -> str:
        """The text with ``{name}`` and ``$name`` replaced by the user's variables, where the front does that."""

    def as_python(self, code: str) -> str:
        """The code with the front's own syntax (``%matplotlib``, ``!ls``) turned into plain Python.

        Raises:
            SyntaxError: it cannot be.
        """

    def offer_cell(self, code: str) -> bool:
        """Puts code into the next cell, which the user may run; whether it could be put there."""

    def show_page(self, answer: Answer) -> None:
        """Shows the HTML of an answer as a page of its own, which cannot reach the notebook."""

    def show_panel(self) -> object:
        """The panel of this notebook, which is shown as the value of the line."""

    def last_failure(self) -> Failure | None:
        """The last cell that failed; None where none has."""

    def error_of_cell(self, number: int) -> BaseException | None:
        """What the cell of that number raised, if it is the last one that failed."""

    def join_notebook(self, notebook: str) -> None:
        """From now on the process belongs to that notebook, where the front end does not tell another."""

    def open_sandbox(self) -> str:
        """From now on the notebook asks a sandbox on this machine; returns its address."""

    def close_sandbox(self) -> None:
        """The notebook asks the service again.

        Raises:
            CommandError: no sandbox was started here.
        """
