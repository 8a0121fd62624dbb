"""What commands and cells work with: the notebook's session, its user's shell, prompts made ready, code as cells.

Templates live in what the user typed in the cell that runs. A text that comes another way (a magic called by code, a
named prompt) is sent as it is.
"""

from __future__ import annotations

import ast
import difflib
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from IPython.core.interactiveshell import InteractiveShell

from or_magic.answer import Answer
from or_magic.chat.question import MAX_STEPS, NO_TOOL_SETTINGS, ToolSettings
from or_magic.chat.session import Session
from or_magic.chat.tools import SERVER_TOOLS, tools_of
from or_magic.commands.arguments import CellLine, parse_cell_line
from or_magic.content import Content
from or_magic.errors import CommandError, Stopped
from or_magic.extracting import Code, code_blocks
from or_magic.jupyter.hosts import ShellHost, show_page
from or_magic.jupyter.kernel import FailedCells
from or_magic.prompt.answer_formats import ANY_FORMAT, AnswerFormat, answer_format_of, short_schema
from or_magic.prompt.converters import message_parts
from or_magic.prompt.media import web_address
from or_magic.prompt.template import evaluate, value_of
from or_magic.settings.layers import ALIASES
from or_magic.text import strip_terminal
from or_magic.types import TextPart

if TYPE_CHECKING:
    from or_magic.catalog.table import ModelTable
    from or_magic.sandbox import Sandbox

SEPARATOR = "\n\n# ---\n\n"
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
        shell: knows IPython's own syntax (``%matplotlib``, ``!ls``), which is no Python.
        session: knows what a cell was answered before.
        host: puts code into a cell, where there is one.
    """

    def __init__(self, shell: InteractiveShell, session: Session, host: ShellHost) -> None:
        self._shell, self._session, self._host = shell, session, host

    def offer(self, answer: Answer) -> None:
        """Puts the Python of a new answer into the next cell, and says how to get what is in another language.

        Not for an answer that is given again, one that was stopped, and where the cell was given the same code before.
        """
        if answer.ending != "complete" or answer.replayed_utc is not None:
            return
        code = self.python(answer.text)
        if code and code != self._before(answer):
            self._host.offer_cell(code)
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
        if not self._host.offer_cell(text):
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
            self._host.offer_cell(code)
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
            body = ast.parse(self._shell.input_transformer_manager.transform_cell(code)).body
        except (SyntaxError, ValueError, RecursionError):
            return False
        first = body[0] if len(body) == 1 else None
        return bool(body) and not (isinstance(first, ast.Expr) and isinstance(first.value, _NOT_CODE))

    def _before(self, answer: Answer) -> str:
        """The code that the same cell was given the time before; "" where it was given none."""
        if answer.turn_id is None:
            return ""
        from or_magic.ledger.replays import Replays  # it imports SQLAlchemy, which `%load_ext` must not

        turn = Replays(self._session.ledger).before_in_cell(answer.turn_id)
        return self.python(turn.answer.text) if turn is not None and turn.answer is not None else ""


def _magic(block: Code) -> str:
    return _MAGICS[block.language]


def _diff(before: str, after: str) -> str:
    lines = difflib.unified_diff(before.split("\n"), after.split("\n"), "the cell", "proposed", lineterm="", n=2)
    return "\n".join(lines)


class PromptBuilder:
    """Makes what was typed ready to be asked, with the names of one shell's user.

    Args:
        shell: the shell of the user.
        host: runs what has to be awaited.
    """

    def __init__(self, shell: InteractiveShell, host: ShellHost) -> None:
        self._shell, self._host = shell, host

    @property
    def names(self) -> dict[str, Any]:
        """The user's names; ``In`` holds the cells as they were typed."""
        history = self._shell.history_manager
        raw = {"In": history.input_hist_raw} if history is not None else {}
        return {**self._shell.user_ns, **raw}

    def content(self, prompt: str, asked: CellLine, before: str = "", first_line: int = 1) -> Content:
        """What is asked: the prompt, then the images and files that the flags name.

        Args:
            prompt: as it was typed.
            before: a named prompt, which stands before it.
            first_line: the number of the prompt's first line, for messages.

        Raises:
            CommandError: a template, an image or a file is not what it should be; nothing was sent.
            Stopped: the user interrupted.
        """
        values: list[tuple[str, Any]] = [("", f"{before.rstrip()}\n\n" if prompt.strip() else before)] if before else []
        try:
            if asked.values.get("raw") or "{{" not in prompt or not self._is_typed(prompt):
                values += [("", prompt)] if prompt.strip() or not before else []
            else:
                values += evaluate(prompt, self.names, self._host.wait_for, first_line=first_line)
            values += [(word, self._image(word)) for word in asked.values.get("image", ())]
            values += [(Path(word).name, Path(word)) for word in asked.values.get("file", ())]
            return message_parts(values, asked.limit)
        except KeyboardInterrupt:
            raise Stopped("Stopped before anything was sent. Nothing was charged.") from None

    def answer_format(self, asked: CellLine) -> AnswerFormat:
        """What the answer shall be.

        Raises:
            CommandError: the schema is none, or does not go with the format.
        """
        format, schema = asked.values.get("format"), asked.values.get("schema")
        if schema is None:
            return answer_format_of(format, None)
        short = short_schema(schema, self._shell.user_ns)
        return answer_format_of(format, short if short is not None else self._evaluated(schema, "--schema"))

    def tool_settings(self, asked: CellLine) -> ToolSettings:
        """The tools that the model may call.

        Raises:
            CommandError: one of them is none.
        """
        named = asked.values.get("tools")
        if not named:
            return NO_TOOL_SETTINGS
        words = [word for text in named for word in _split(text)]
        given = [word if word.startswith("openrouter:") else self._tool(word) for word in words]
        flat = [each for value in given for each in (value if isinstance(value, (list, tuple)) else [value])]
        steps = asked.values.get("max_steps", MAX_STEPS)
        return ToolSettings(tools_of(flat), steps, bool(asked.values.get("yes")))

    def _tool(self, word: str) -> Any:
        """What ``--tools`` names: a value of Python."""
        if word in SERVER_TOOLS and word not in self.names:
            raise CommandError(f"--tools: {word} is the service's own: --tools openrouter:{word}. Nothing was sent.")
        names = {"or_magic": sys.modules["or_magic"], **self.names}  # its toolbox is at hand without an import
        return value_of(word, names, self._host.wait_for, "--tools")

    def _image(self, word: str) -> Any:
        """What ``--image`` names: an address, a file, else a value of Python."""
        if "://" in word:
            return web_address(word)
        path = Path(word).expanduser()
        if path.is_file() or path.suffix.lower().lstrip(".") in ("png", "jpg", "jpeg", "gif", "webp", "bmp", "tiff"):
            return path
        value = self._evaluated(word, "--image")
        if isinstance(value, str):
            return self._image(value) if value != word else Path(value)
        content = message_parts([(word, value)])
        if all(isinstance(part, TextPart) for part in content.parts):
            raise CommandError(f"--image {word} is a {type(value).__name__}, and no image. {{{{ {word} }}}} sends it.")
        return content

    def _evaluated(self, text: str, flag: str) -> Any:
        return value_of(text, self.names, self._host.wait_for, flag)

    def _is_typed(self, prompt: str) -> bool:
        """Whether the text stands in the source of the cell that runs."""
        source = self._host.location.source()
        return source is None or prompt.strip() in source


def _split(text: str) -> list[str]:
    """Expressions with commas between, where the commas are not within one."""
    try:
        tree = ast.parse(f"({text},)", mode="eval").body
        return [ast.unparse(each) for each in tree.elts] if isinstance(tree, ast.Tuple) else [text]
    except SyntaxError:  # openrouter:web_search
        return [word.strip() for word in text.split(",") if word.strip()]


@dataclass
class NotebookContext:
    """The session, the shell and the host of one notebook, its last failed cell, and the sandbox if one runs here."""

    shell: InteractiveShell
    session: Session
    host: ShellHost
    sandbox: Sandbox | None = None
    failed: FailedCells = field(default_factory=FailedCells)

    @cached_property
    def prompt_builder(self) -> PromptBuilder:
        """Makes what was typed ready to be asked."""

        return PromptBuilder(self.shell, self.host)

    @cached_property
    def cells(self) -> CellWriter:
        """Offers code as the next cell."""

        return CellWriter(self.shell, self.session, self.host)

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
        content = self.prompt_builder.content(prompt, asked, before, first_line)
        answer_format = self.prompt_builder.answer_format(asked)
        answer = self.ask_ready(content, asked, answer_format, tool_settings=self.prompt_builder.tool_settings(asked))
        if answer is None or not answer.done:
            return
        if answer_format.format == "code":
            self.cells.offer(answer)
        if answer_format.format == "html" and asked.values.get("trust"):
            show_page(answer)

    def ask_ready(
        self, content: Content, asked: CellLine, answer_format: AnswerFormat = ANY_FORMAT, **options: Any
    ) -> Answer | None:
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
            "answer_format": answer_format,
        } | options
        if asked.values.get("dry_run"):
            print(strip_terminal(self.session.dry_run(content, **given)))
            return None
        before = self.session.last_of_caller
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
            answer = self.session.last_of_caller
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
        from or_magic.jupyter.html.tables import models_bundle

        return models_bundle(table, is_interactive=self.host.location.front_end() == "display")

    def _system(self, asked: CellLine) -> str | None:
        """The system prompt of the line; ``@name`` is the prompt of that name."""
        told = asked.system
        return self.session.settings.prompt(told[1:]) if told and told.startswith("@") else told

    def go_on(self) -> None:
        """Asks for the rest of the last answer and binds the whole to ``_answer``."""
        before = self.session.last_of_caller
        try:
            self.session.go_on()
        finally:
            answer = self.session.last_of_caller
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
