"""What a cell asks, made ready: its templates evaluated, its images and files read, the form of its answer understood.

Templates live in what the user typed in the cell that runs. A text that comes another way (a magic called by code, a
named prompt) is sent as it is.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from typing import Any

from IPython.core.interactiveshell import InteractiveShell

from or_magic.asking.content.converting import message_parts
from or_magic.asking.content.files import web_address
from or_magic.asking.forms import Form, form_of
from or_magic.asking.structured import short_form
from or_magic.asking.template import evaluate, value_of
from or_magic.asking.tool_loop import MAX_STEPS, NO_TOOLBELT, Toolbelt
from or_magic.asking.tools import SERVER_TOOLS, tools_of
from or_magic.content import Content
from or_magic.errors import CommandError, Stopped
from or_magic.jupyter.flags import CellLine
from or_magic.jupyter.hosts import ShellHost
from or_magic.messages import TextPart


class Prompting:
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
            return message_parts(values, asked.room)
        except KeyboardInterrupt:
            raise Stopped("Stopped before anything was sent. Nothing was charged.") from None

    def form(self, asked: CellLine) -> Form:
        """What the answer shall be.

        Raises:
            CommandError: the schema is none, or does not go with the format.
        """
        format, schema = asked.values.get("format"), asked.values.get("schema")
        if schema is None:
            return form_of(format, None)
        short = short_form(schema, self._shell.user_ns)
        return form_of(format, short if short is not None else self._evaluated(schema, "--schema"))

    def belt(self, asked: CellLine) -> Toolbelt:
        """The tools that the model may call.

        Raises:
            CommandError: one of them is none.
        """
        named = asked.values.get("tools")
        if not named:
            return NO_TOOLBELT
        words = [word for text in named for word in _split(text)]
        given = [word if word.startswith("openrouter:") else self._tool(word) for word in words]
        flat = [each for value in given for each in (value if isinstance(value, (list, tuple)) else [value])]
        steps = asked.values.get("max_steps", MAX_STEPS)
        return Toolbelt(tools_of(flat), steps, bool(asked.values.get("yes")))

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
        source = self._host.place.source()
        return source is None or prompt.strip() in source


def _split(text: str) -> list[str]:
    """Expressions with commas between, where the commas are not within one."""
    try:
        tree = ast.parse(f"({text},)", mode="eval").body
        return [ast.unparse(each) for each in tree.elts] if isinstance(tree, ast.Tuple) else [text]
    except SyntaxError:  # openrouter:web_search
        return [word.strip() for word in text.split(",") if word.strip()]
