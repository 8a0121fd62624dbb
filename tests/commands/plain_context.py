"""A notebook in plain Python: what commands need, without a shell, a kernel or IPython. As a program it runs lines."""

from __future__ import annotations

import linecache
import os
import sys
from collections.abc import Mapping
from typing import Any

from or_magic.answer import Answer
from or_magic.chat.session import Session
from or_magic.commands.context import FrontEnd
from or_magic.commands.registry import run_line
from or_magic.errors import CommandError
from or_magic.prompt.failed_code import Failure
from or_magic.settings.layers import Settings


class PlainContext:
    """A notebook whose cells are a list of strings and whose variables are a dict."""

    front_end: FrontEnd = "headless"

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.session = Session(settings=Settings(environment))
        self.variables: dict[str, Any] = {}
        self.cells = [""]
        self.offered: list[str] = []
        self.failure: Failure | None = None
        self.notebook: str | None = None

    def fail(self, source: str) -> None:
        """Runs a cell that fails."""
        self.cells.append(source)
        linecache.cache["<cell>"] = (len(source), None, source.splitlines(keepends=True), "<cell>")
        try:
            exec(compile(source, "<cell>", "exec"), self.variables)
        except Exception as error:  # the cell is the test's own
            cell = error.__traceback__ and error.__traceback__.tb_next  # not this frame
            self.failure = Failure(source, error.with_traceback(cell))

    def running_cell(self) -> str | None:
        return None

    def expand(self, text: str) -> str:
        return text

    def as_python(self, code: str) -> str:
        return code

    def offer_cell(self, code: str) -> bool:
        self.offered.append(code)
        return True

    def show_page(self, answer: Answer) -> None:
        raise CommandError("There is no page to show it in.")

    def show_panel(self) -> object:
        raise CommandError("There is no panel without a notebook.")

    def last_failure(self) -> Failure | None:
        return self.failure

    def error_of_cell(self, number: int) -> BaseException | None:
        return self.failure.error if self.failure and number == len(self.cells) - 1 else None

    def join_notebook(self, notebook: str) -> None:
        self.notebook = notebook

    def open_sandbox(self) -> str:
        raise CommandError("The sandbox runs already.")

    def close_sandbox(self) -> None:
        raise CommandError("No sandbox was started here.")


def main() -> None:
    """Runs the lines that are given, then says whether IPython or a front was imported for it."""
    context = PlainContext(os.environ)
    for line in sys.argv[1:]:
        run_line(context, line)
    context.session.close()
    print("imported:", sorted({"IPython", "or_magic.jupyter", "ipywidgets", "comrak"} & set(sys.modules)))


if __name__ == "__main__":
    main()
