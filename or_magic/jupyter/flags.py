"""Every flag of a `%%openrouter` cell, declared once: the parser and the help come from this table."""

from __future__ import annotations

import difflib
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass

from or_magic.errors import CommandError

_MODEL_ID = re.compile(r"[~@]?[\w.-]+(/[\w.:@/-]+)|auto|account")


@dataclass(frozen=True, slots=True)
class Flag:
    """One flag.

    Attributes:
        name: its long form, with the dashes.
        short: its short form, or "".
        value: how the value is called in the help.
        help: one line for the help.
        convert: turns the word typed into the value; raises `CommandError` where it cannot be one.
    """

    name: str
    short: str
    value: str
    help: str
    convert: Callable[[str], str]

    @property
    def key(self) -> str:
        """Its name in `CellLine.values`."""
        return self.name.lstrip("-").replace("-", "_")


def model_id(word: str) -> str:
    """A model id as it was typed; ``auto`` becomes ``openrouter/auto``.

    Raises:
        CommandError: it cannot be an id.
    """
    if not _MODEL_ID.fullmatch(word):
        raise CommandError(
            f"{word!r} is no model id; they look like openai/gpt-5-mini. "
            "On the first line of a cell stand flags and one model id, the prompt stands below it."
        )
    return "openrouter/auto" if word == "auto" else word


def variable_name(word: str) -> str:
    """A name that a value can be bound to.

    Raises:
        CommandError: Python would not take it as a name.
    """
    if not word.isidentifier():
        raise CommandError(f"{word!r} is no name for a variable: letters, digits and _, not beginning with a digit.")
    return word


FLAGS = (
    Flag(
        "--model",
        "-m",
        "MODEL",
        "the model to ask, such as openai/gpt-5-mini; account: your account's default",
        model_id,
    ),
    Flag(
        "--output", "-o", "NAME", "bind the answer to this variable (_answer always holds the last one)", variable_name
    ),
)


@dataclass(frozen=True, slots=True)
class CellLine:
    """The first line of a cell, understood: the values of the flags that were typed, by `Flag.key`."""

    values: dict[str, str]
    wants_help: bool = False


def parse_cell_line(line: str) -> CellLine:
    """Understands what stands behind ``%%openrouter``.

    Raises:
        CommandError: a flag is not known, lacks its value or stands twice, or there is more than one model id.
    """
    values: dict[str, str] = {}
    words = iter(_words(line))
    for word in words:
        if word in ("-h", "--help"):
            return CellLine(values, wants_help=True)
        flag, text = FLAGS[0], word
        if word.startswith("-"):
            name, equals, text = word.partition("=")
            flag = _flag(name)
            text = text if equals else next(words, "")
        if not text:
            raise CommandError(f"{flag.name} wants a value: {flag.name} {flag.value}.")
        if flag.key in values:
            raise CommandError(
                f"{flag.name} is given twice, as {values[flag.key]!r} and {text!r}. "
                "The prompt stands below the first line."
            )
        values[flag.key] = flag.convert(text)
    return CellLine(values)


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line, comments=True)
    except ValueError as error:
        raise CommandError(
            f"The first line has a quote that is not closed ({line.strip()!r}). The prompt stands below it."
        ) from error


def _flag(name: str) -> Flag:
    for flag in FLAGS:
        if name in (flag.name, flag.short):
            return flag
    names = [flag.name for flag in FLAGS]
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"Did you mean {near[0]}?" if near else f"There are {', '.join(names)}."
    raise CommandError(f"No flag {name!r}. {hint}")


def flags_help() -> str:
    """The flags as lines of text, one a flag."""
    heads = [f"{flag.short}, {flag.name} {flag.value}" for flag in FLAGS]
    width = max(map(len, heads))
    return "\n".join(f"  {head:<{width}}  {flag.help}" for head, flag in zip(heads, FLAGS, strict=True))
