"""What a command works with: the session of the notebook and the shell of its user."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from IPython.core.interactiveshell import InteractiveShell

from or_magic.answer import Answer
from or_magic.asking.session import Session
from or_magic.errors import CommandError
from or_magic.jupyter.flags import CellLine
from or_magic.jupyter.hosts import ShellHost
from or_magic.jupyter.plain_text import strip_terminal

if TYPE_CHECKING:  # starlette and uvicorn are imported when a sandbox is started
    from or_magic.sandbox import Sandbox


@dataclass
class Desk:
    """The session, the shell and the host of one notebook, and the sandbox if one was started here."""

    shell: InteractiveShell
    session: Session
    host: ShellHost
    sandbox: Sandbox | None = None

    def ask(self, prompt: str, asked: CellLine | None = None) -> None:
        """Asks, shows the answer and binds it to ``_answer`` and the name given, also when it was stopped or failed."""
        asked = asked or CellLine()
        before = self.session.last
        if asked.values.get("dry_run"):
            return self._rehearse(prompt, asked)
        try:
            self.session.ask(
                prompt,
                model=asked.values.get("model"),
                parameters=asked.request_parameters,
                thread=asked.values.get("thread"),
                history=asked.history,
                system=asked.system,
                max_cost=asked.values.get("max_cost"),
                over_budget=asked.values.get("over_budget", False),
                replay=asked.replay,
                in_background=asked.values.get("bg", False),
            )
        finally:
            answer = self.session.last
            if answer is not None and answer is not before:
                self._bind(answer, asked.values.get("output"))
        return None

    def _rehearse(self, prompt: str, asked: CellLine) -> None:
        """Prints what would be sent; nothing is."""
        from or_magic.asking.dry_run import dry_run

        print(
            strip_terminal(
                dry_run(
                    self.session,
                    prompt,
                    model=asked.values.get("model"),
                    parameters=asked.request_parameters,
                    thread=asked.values.get("thread"),
                    history=asked.history,
                    system=asked.system,
                )
            )
        )

    def go_on(self) -> None:
        """Asks for the rest of the last answer and binds the whole to ``_answer``."""
        before = self.session.last
        try:
            self.session.go_on()
        finally:
            answer = self.session.last
            if answer is not None and answer is not before:
                self._bind(answer, None)

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
