"""The code of an answer, offered to the user as the next cell. Nothing is run."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Sequence

from or_magic.answer import Answer
from or_magic.commands.context import NotebookContext
from or_magic.errors import CommandError
from or_magic.extracting import Code, code_blocks

SEPARATOR = "\n\n# ---\n\n"  # between two blocks of code that make one cell
_MAGICS = {
    **dict.fromkeys(("bash", "shell", "console", "zsh"), "bash"),
    **dict.fromkeys(("javascript", "js"), "javascript"),
    **{name: name for name in ("sh", "html", "latex", "svg", "perl", "ruby", "markdown", "sql")},
    "r": "R",
    "tex": "latex",
    "md": "markdown",
}
_NOT_CODE = (ast.Name, ast.Constant, ast.Attribute)


class CellWriter:
    """Offers code to the user as the next cell.

    Args:
        context: the notebook.
    """

    def __init__(self, context: NotebookContext) -> None:
        self._context = context

    def offer(self, answer: Answer) -> None:
        """Puts the Python of a new answer into the next cell, and says how to get what is in another language.

        Not for an answer that is given again, one that was stopped, and where the cell was given the same code before.
        """
        if answer.ending != "complete" or answer.replayed_utc is not None:
            return
        code = self.python(answer.text)
        if code and code != self._before(answer):
            self._context.offer_cell(code)
        if not code and any(block.is_python for block in answer.code):
            print("Its Python is not whole, so no cell was made of it; %openrouter insert N makes one of block N.")
        for number, block in enumerate(answer.code, 1):
            if block.language in _MAGICS:
                magic = f"%%{_magic(block)}"
                print(f"Block {number} is {block.language}: %openrouter insert {number} makes it a {magic} cell.")

    def insert(self, answer: Answer, number: int) -> None:
        """Puts one block of an answer into the next cell, whatever it is; one of another language under its magic.

        Raises:
            CommandError: there is no such block, or no cell can be made here.
        """
        blocks = answer.code
        if not 1 <= number <= len(blocks):
            count = f"{len(blocks):,} block{'' if len(blocks) == 1 else 's'} of code"
            raise CommandError(f"There is no block {number}: the last answer has {count}.")
        block = blocks[number - 1]
        text = str(block) if block.language not in _MAGICS else f"%%{_magic(block)}\n{block}"
        if not self._context.offer_cell(text):
            raise CommandError("No cell can be made here: nobody watches this run, or it has made one already.")
        if block.language not in _MAGICS and not self._is_python(text):
            print(f"Block {number} is no whole Python ({block.language or 'it does not say what it is'}).")

    def offer_changed(self, answer: Answer, before: str) -> str:
        """Puts the Python of an answer into the next cell; how it differs from `before`, as a diff, "" where not."""
        whole = [block.strip("\n") for block in answer.code if block.is_python and self._is_python(block)]
        code = whole[-1] if whole else ""  # the last: a model may quote the cell before it writes it anew
        if not code or code == before.strip():
            return ""
        if answer.ending == "complete" and answer.replayed_utc is None:
            self._context.offer_cell(code)
        return _diff(before.strip(), code)

    def python(self, text: str) -> str:
        """The Python of an answer: its whole blocks, joined in their order; "" where it has none."""
        blocks = code_blocks(text)
        named = [block for block in blocks if block.is_python and block.language]
        chosen: Sequence[str] = named or [block for block in blocks if block.is_python] or ([] if blocks else [text])
        return SEPARATOR.join(code.strip("\n") for code in chosen if code.strip() and self._is_python(code))

    def _is_python(self, code: str) -> bool:
        """Whether it is whole; a lone name or constant is a word, not code. It is read, never run."""
        try:
            body = ast.parse(self._context.as_python(code)).body
        except (SyntaxError, ValueError, RecursionError):
            return False
        first = body[0] if len(body) == 1 else None
        return bool(body) and not (isinstance(first, ast.Expr) and isinstance(first.value, _NOT_CODE))

    def _before(self, answer: Answer) -> str:
        """The code that the same cell was given the time before; "" where it was given none."""
        if answer.turn_id is None:
            return ""
        from or_magic.ledger.replays import Replays

        turn = Replays(self._context.session.ledger).before_in_cell(answer.turn_id)
        return self.python(turn.answer.text) if turn is not None and turn.answer is not None else ""


def _magic(block: Code) -> str:
    return _MAGICS[block.language]


def _diff(before: str, after: str) -> str:
    lines = difflib.unified_diff(before.split("\n"), after.split("\n"), "the cell", "proposed", lineterm="", n=2)
    return "\n".join(lines)
