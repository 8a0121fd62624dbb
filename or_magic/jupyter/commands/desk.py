"""What a command works with: the session of the notebook and the shell of its user."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from IPython.core.interactiveshell import InteractiveShell

from or_magic.answer import Answer
from or_magic.asking.forms import NO_FORM, Form
from or_magic.asking.session import Session
from or_magic.content import Content
from or_magic.errors import CommandError
from or_magic.jupyter.failed_cells import FailedCells
from or_magic.jupyter.flags import CellLine, parse_cell_line
from or_magic.jupyter.framed import show_page
from or_magic.jupyter.hosts import ShellHost
from or_magic.plain_text import strip_terminal
from or_magic.settings import ALIASES

if TYPE_CHECKING:  # starlette and uvicorn are imported when a sandbox is started
    from or_magic.asking.model_table import ModelTable
    from or_magic.jupyter.cells import Cells
    from or_magic.jupyter.prompting import Prompting
    from or_magic.sandbox import Sandbox


@dataclass
class Desk:
    """The session, the shell and the host of one notebook, its last failed cell, and the sandbox if one runs here."""

    shell: InteractiveShell
    session: Session
    host: ShellHost
    sandbox: Sandbox | None = None
    failed: FailedCells = field(default_factory=FailedCells)

    @cached_property
    def prompting(self) -> Prompting:
        """Makes what was typed ready to be asked."""
        from or_magic.jupyter.prompting import Prompting

        return Prompting(self.shell, self.host)

    @cached_property
    def cells(self) -> Cells:
        """Offers code as the next cell."""
        from or_magic.jupyter.cells import Cells

        return Cells(self.shell, self.session, self.host)

    def flags(self, line: str) -> CellLine:
        """What stands on the first line of a cell, understood with the user's variables and aliases.

        Raises:
            CommandError: it cannot be.
        """
        return parse_cell_line(line, self.shell.user_ns, self.session.settings.names_of(ALIASES))

    def ask(self, prompt: str, asked: CellLine | None = None, *, first_line: int = 1) -> None:
        """Asks what was typed, shows the answer, and binds it to ``_answer`` and the name given.

        Args:
            prompt: as it was typed, with its templates.
            first_line: the number of its first line in the cell, for messages.
        """
        asked = asked or CellLine()
        named = asked.values.get("prompt")
        before = self.session.settings.prompt(named) if named is not None else ""
        content = self.prompting.content(prompt, asked, before, first_line)
        form = self.prompting.form(asked)
        answer = self.ask_ready(content, asked, form, belt=self.prompting.belt(asked))
        if answer is None or not answer.done:
            return
        if form.format == "code":
            self.cells.offer(answer)
        if form.format == "html" and asked.values.get("trust"):
            show_page(answer)

    def ask_ready(self, content: Content, asked: CellLine, form: Form = NO_FORM, **options: Any) -> Answer | None:
        """Asks, shows the answer and binds it, also when it was stopped or failed; None where nothing is to be sent.

        Args:
            content: what is asked, as it is sent.
            options: arguments of `Session.ask` that win over the flags.
        """
        given: dict[str, Any] = {
            "model": asked.values.get("model"),
            "parameters": asked.request_parameters,
            "thread": asked.values.get("thread"),
            "history": asked.history,
            "system": self._system(asked),
            "form": form,
        } | options
        if asked.values.get("dry_run"):
            from or_magic.asking.dry_run import dry_run

            print(strip_terminal(dry_run(self.session, content, **given)))
            return None
        before = self.session.last_here
        try:
            return self.session.ask(
                content,
                **given,
                max_cost=asked.values.get("max_cost"),
                over_budget=asked.values.get("over_budget", False),
                replay=asked.replay,
                in_background=asked.values.get("bg", False),
                on_last=lambda last: self._bind_late(last, asked.values.get("output")),
            )
        finally:
            answer = self.session.last_here
            if answer is not None and answer is not before:
                self._bind(answer, asked.values.get("output"))

    def open_sandbox(self) -> Sandbox:
        """From now on the notebook asks a sandbox on this machine."""
        if self.sandbox is None:
            from or_magic.sandbox import start

            self.sandbox = start()
            self.session.settings.notebook["sandbox_url"] = self.sandbox.base_url
        return self.sandbox

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
        from or_magic.jupyter.tables import models_bundle

        return models_bundle(table, is_interactive=self.host.place.front_end() == "display")

    def _system(self, asked: CellLine) -> str | None:
        """The system prompt of the line; ``@name`` is the prompt of that name."""
        told = asked.system
        return self.session.settings.prompt(told[1:]) if told and told.startswith("@") else told

    def go_on(self) -> None:
        """Asks for the rest of the last answer and binds the whole to ``_answer``."""
        before = self.session.last_here
        try:
            self.session.go_on()
        finally:
            answer = self.session.last_here
            if answer is not None and answer is not before:
                self._bind(answer, None)

    def _bind_late(self, last: Answer, output: str | None) -> None:
        """Binds the last answer of a question in the background, where nothing else was bound in its place since."""
        if any(self.shell.user_ns.get("_answer") is each for each in last.steps):
            self.shell.user_ns["_answer"] = last
        if output and any(self.shell.user_ns.get(output) is each for each in last.steps):
            self.shell.user_ns[output] = last

    def _bind(self, answer: Answer, output: str | None) -> None:
        self.shell.user_ns["_answer"] = answer
        if output:
            self.shell.user_ns[output] = answer


def words_of(text: str) -> list[str]:
    """What was typed behind a command, cut as a shell does.

    Raises:
        CommandError: a quote is not closed.
    """
    try:
        return shlex.split(text)
    except ValueError:
        raise CommandError(f"A quote is not closed in {text!r}.") from None
