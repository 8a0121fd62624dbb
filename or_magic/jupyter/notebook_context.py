"""What cells and commands work with in Jupyter and IPython: the shell's side of `commands.context.NotebookContext`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from IPython.core.interactiveshell import InteractiveShell

from or_magic.chat.session import Session
from or_magic.errors import CommandError
from or_magic.jupyter.hosts import ShellHost
from or_magic.jupyter.kernel import FailedCells

if TYPE_CHECKING:
    from or_magic.answer import Answer
    from or_magic.catalog.table import ModelTable
    from or_magic.commands.cells import PromptBuilder
    from or_magic.commands.context import FrontEnd
    from or_magic.prompt.failed_code import Failure
    from or_magic.sandbox import Sandbox


@dataclass
class JupyterContext:
    """The session, the shell and the host of one notebook, its last failed cell, and the sandbox if one runs here.

    Attributes:
        shell: of the user.
        session: asks on behalf of the notebook.
        host: the shell as a place where questions are asked.
        new_panel: makes a panel for the notebook; the panel's own imports come with the first one.
        sandbox: the one that runs for this notebook; None where none does.
        failed: which cell failed last.
    """

    shell: InteractiveShell
    session: Session
    host: ShellHost
    new_panel: Callable[[JupyterContext], object]
    sandbox: Sandbox | None = None
    failed: FailedCells = field(default_factory=FailedCells)

    @property
    def prompt_builder(self) -> PromptBuilder:
        """Makes what was typed ready to be asked."""
        from or_magic.commands.cells import PromptBuilder

        return PromptBuilder(self)

    @property
    def variables(self) -> dict[str, Any]:
        """The user's variables, as the shell holds them."""
        variables: dict[str, Any] = self.shell.user_ns
        return variables

    @property
    def cells(self) -> Sequence[str]:
        """The sources of the cells that ran, as they were typed, by their number."""
        history = self.shell.history_manager
        return history.input_hist_raw if history is not None else [""]

    @property
    def front_end(self) -> FrontEnd:
        """What is on the other side of the request that runs now."""
        return self.host.location.front_end()

    def running_cell(self) -> str | None:
        """The source of the cell that runs, as it was typed; None where nothing tells it."""
        return self.host.location.source()

    def expand(self, text: str) -> str:
        """The text with ``{name}`` and ``$name`` replaced, as IPython does it for its own magics."""
        return str(self.shell.var_expand(text))

    def as_python(self, code: str) -> str:
        """The code with IPython's own syntax turned into calls.

        Raises:
            SyntaxError: it cannot be.
        """
        return str(self.shell.input_transformer_manager.transform_cell(code))

    def offer_cell(self, code: str) -> bool:
        """Puts code into the next cell; whether it could be put there."""
        return self.host.offer_cell(code)

    def show_page(self, answer: Answer) -> None:
        """Displays the HTML of an answer in a frame that cannot reach the notebook."""
        from or_magic.jupyter.views import show_page

        show_page(answer)

    def show_panel(self) -> object:
        """A new panel of this notebook."""
        return self.new_panel(self)

    def last_failure(self) -> Failure | None:
        """The last cell that failed; None where none has."""
        return self.failed.last()

    def error_of_cell(self, number: int) -> BaseException | None:
        """What the cell of that number raised, if it is the last one that failed."""
        return self.failed.error_of(number)

    def join_notebook(self, notebook: str) -> None:
        """From now on the kernel is that notebook, where the front end does not tell another."""
        self.host.location.join(notebook)

    def open_sandbox(self) -> str:
        """From now on the notebook asks a sandbox on this machine; returns its address."""
        if self.sandbox is None:
            from or_magic.sandbox import start

            self.sandbox = start()
            self.session.settings.notebook["sandbox_url"] = self.sandbox.base_url
        return self.sandbox.base_url

    def close_sandbox(self) -> None:
        """The notebook asks the service again.

        Raises:
            CommandError: no sandbox was started here.
        """
        if self.sandbox is None:
            raise CommandError("No sandbox was started here.")
        self.session.settings.notebook.pop("sandbox_url", None)
        self.sandbox.close()
        self.sandbox = None

    def models_bundle(self, table: ModelTable, include: object = None, exclude: object = None) -> dict[str, Any]:
        """What the front end shows of a table of models; IPython calls it."""
        from or_magic.jupyter.html.tables import models_bundle

        return models_bundle(table, is_interactive=self.front_end == "display")
