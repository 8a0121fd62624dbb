"""A cell that asks: what was typed is made ready and asked, the answer is bound, its code offered as the next cell.

Templates live in what the user typed in the cell that runs. A text that comes another way (a magic called by code, a
named prompt) is sent as it is.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from typing import Any

from or_magic.answer import Answer
from or_magic.chat.host import NOTHING_SENT
from or_magic.chat.question import MAX_STEPS, NO_TOOL_SETTINGS, ToolSettings
from or_magic.chat.tools import SERVER_TOOLS, tools_of
from or_magic.commands.arguments import CellLine, parse_cell_line
from or_magic.commands.context import NotebookContext
from or_magic.commands.next_cell import CellWriter
from or_magic.content import Content
from or_magic.errors import CommandError, Stopped
from or_magic.prompt.answer_formats import ANY_FORMAT, AnswerFormat, answer_format_of, short_schema
from or_magic.prompt.converters import message_parts
from or_magic.prompt.media import web_address
from or_magic.prompt.template import evaluate, value_of
from or_magic.text import strip_terminal
from or_magic.types import TextPart

_OF_A_QUESTION = ("model", "parameters", "thread", "history", "system", "answer_format", "tool_settings")


def cell_line(context: NotebookContext, line: str) -> CellLine:
    """What stands on the first line of a cell, understood with the user's variables and aliases.

    Raises:
        CommandError: it cannot be.
    """
    return parse_cell_line(line, context.variables, context.session.settings.aliases)


def ask(context: NotebookContext, prompt: str, asked: CellLine | None = None, *, first_line: int = 1) -> None:
    """Asks what was typed, shows the answer, and binds it to ``_answer`` and the name given.

    Args:
        context: the notebook.
        prompt: as it was typed, with its templates.
        asked: the flags.
        first_line: the number of the prompt's first line in the cell, for messages.
    """
    asked = asked or CellLine()
    named = asked.values.get("prompt")
    before = context.session.settings.prompt(named) if named is not None else ""
    builder = PromptBuilder(context)
    content = builder.content(prompt, asked, before, first_line)
    answer_format = builder.answer_format(asked)
    answer = ask_ready(context, content, asked, answer_format, tool_settings=builder.tool_settings(asked))
    if answer is None or not answer.done:
        return
    if answer_format.format == "code":
        CellWriter(context).offer(answer)
    if answer_format.format == "html" and asked.values.get("trust"):
        context.show_page(answer)


def ask_ready(
    context: NotebookContext,
    content: Content,
    asked: CellLine,
    answer_format: AnswerFormat = ANY_FORMAT,
    **options: Any,
) -> Answer | None:
    """Asks, shows the answer and binds it, also when it was stopped or failed; None where nothing is to be sent.

    Args:
        context: the notebook.
        content: what is asked, as it is sent.
        asked: the flags.
        answer_format: what the answer shall be.
        options: arguments of `Session.ask` that win over the flags; of those that `Session.question` knows too a dry
            run hears.
    """
    session = context.session
    given: dict[str, Any] = {
        "model": asked.values.get("model"),
        "parameters": asked.request_parameters,
        "thread": asked.values.get("thread"),
        "history": asked.history,
        "system": _system(context, asked),
        "answer_format": answer_format,
    } | options
    if asked.values.get("dry_run"):
        heard = {name: value for name, value in given.items() if name in _OF_A_QUESTION}
        print(strip_terminal(session.dry_run(content, **heard)))
        return None
    before, output = session.last_of_caller, asked.values.get("output")
    try:
        return session.ask(
            content,
            **given,
            max_cost=asked.values.get("max_cost"),
            over_budget=asked.values.get("over_budget", False),
            replay=asked.replay,
            in_background=asked.values.get("bg", False),
            on_last=lambda last: _bind_late(context, last, output),
        )
    finally:
        _bind(context, before, output)


def go_on(context: NotebookContext) -> None:
    """Asks for the rest of the last answer and binds the whole to ``_answer``."""
    before = context.session.last_of_caller
    try:
        context.session.go_on()
    finally:
        _bind(context, before, None)


def _system(context: NotebookContext, asked: CellLine) -> str | None:
    """The system prompt of the line; ``@name`` is the prompt of that name."""
    told = asked.system
    return context.session.settings.prompt(told[1:]) if told and told.startswith("@") else told


def _bind(context: NotebookContext, before: Answer | None, output: str | None) -> None:
    """Binds the answer that was asked for since `before`, if there is one."""
    answer = context.session.last_of_caller
    if answer is not None and answer is not before:
        context.variables["_answer"] = answer
        if output:
            context.variables[output] = answer


def _bind_late(context: NotebookContext, last: Answer, output: str | None) -> None:
    """Binds the last answer of a question in the background, where nothing else was bound in its place since."""
    for name in ("_answer", output):
        if name and any(context.variables.get(name) is each for each in last.steps):
            context.variables[name] = last


class PromptBuilder:
    """Makes what was typed ready to be asked, with the variables of one notebook's user.

    Args:
        context: the notebook.
    """

    def __init__(self, context: NotebookContext) -> None:
        self._context = context

    @property
    def names(self) -> dict[str, Any]:
        """The user's variables; ``In`` holds the cells as they were typed."""
        return {**self._context.variables, "In": self._context.cells}

    def content(self, prompt: str, asked: CellLine, before: str = "", first_line: int = 1) -> Content:
        """What is asked: the prompt, then the images and files that the flags name.

        Args:
            prompt: as it was typed.
            asked: the flags.
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
                values += evaluate(prompt, self.names, self._context.session.host.wait_for, first_line=first_line)
            if values == [("", prompt)] and not {"image", "file"} & asked.values.keys():
                return Content.of_text(prompt)
            values += [(word, self._image(word)) for word in asked.values.get("image", ())]
            values += [(Path(word).name or word, Path(word)) for word in asked.values.get("file", ())]
            return message_parts(values, asked.limit)
        except KeyboardInterrupt:
            raise Stopped(NOTHING_SENT) from None

    def answer_format(self, asked: CellLine) -> AnswerFormat:
        """What the answer shall be.

        Raises:
            CommandError: the schema is none, or does not go with the format.
        """
        format, schema = asked.values.get("format"), asked.values.get("schema")
        if schema is None:
            return answer_format_of(format, None) if format is not None else ANY_FORMAT
        short = short_schema(schema, self._context.variables)
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
        names = self.names
        if word in SERVER_TOOLS and word not in names:
            raise CommandError(f"--tools: {word} is the service's own: --tools openrouter:{word}. Nothing was sent.")
        names = {"or_magic": sys.modules["or_magic"], **names}  # its toolbox is at hand without an import
        return value_of(word, names, self._context.session.host.wait_for, "--tools")

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
        return value_of(text, self.names, self._context.session.host.wait_for, flag)

    def _is_typed(self, prompt: str) -> bool:
        """Whether the text stands in the source of the cell that runs."""
        source = self._context.running_cell()
        return source is None or prompt.strip() in source


def _split(text: str) -> list[str]:
    """Expressions with commas between, where the commas are not within one."""
    try:
        tree = ast.parse(f"({text},)", mode="eval").body
        return [ast.unparse(each) for each in tree.elts] if isinstance(tree, ast.Tuple) else [text]
    except SyntaxError:  # openrouter:web_search
        return [word.strip() for word in text.split(",") if word.strip()]
