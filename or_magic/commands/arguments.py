"""What can be typed on the first line of a cell: words, as a shell cuts them, and the flags that they set.

Each flag is declared once, in `OWN_FLAGS` or (a parameter of the API) in `or_magic.settings.parameters`: from that come
how it is read, its help, its completion, and the tables in the documents.
"""

from __future__ import annotations

import ast
import json
import keyword
import re
import shlex
import sys
from collections.abc import Container, Iterator, Mapping
from typing import Any, get_args

import msgspec

from or_magic.content import SizeLimit
from or_magic.errors import CommandError
from or_magic.ledger.records import Replay
from or_magic.prompt.answer_formats import FORMATS
from or_magic.settings.options import BY_NAME
from or_magic.settings.parameters import PARAMETERS, UNSET, UNSET_WORD, Parameter
from or_magic.settings.request_fields import OLD_NAMES
from or_magic.settings.value_types import (
    OFF_WORDS,
    ON_WORDS,
    Amount,
    Choice,
    Names,
    Switch,
    Text,
    ValueType,
    whole,
)
from or_magic.text import nearest

NO_NAMES: Mapping[str, object] = {}
NO_SYSTEM = "none"
_SCHEMA = r"(?<!\S)--schema(?:=|\s+)"
_VARIABLE = r"\{(?P<braced>[A-Za-z_][\w.]*)\}|\$(?P<plain>[A-Za-z_]\w*)"
_NUMBER = r"-\d*\.?\d+"
_MODEL_ID = r"[~@]?[\w.-]+(/[\w.:@/-]+)|auto|account"
_MOST_STEPS = 100
_COMPRESSION = {"id": "context-compression"}


class LineWords:
    """The words of a line, and the value that may follow a flag."""

    def __init__(self, line: str, names: Mapping[str, object]) -> None:
        try:
            words = shlex.split(_with_schema_quoted(line), comments=True)
        except ValueError as error:
            raise CommandError(
                f"The first line has a quote that is not closed ({line.strip()!r}). The prompt stands below it."
            ) from error
        self._words = [_filled(word, names) for word in words]

    def __iter__(self) -> Iterator[str]:
        while self._words:
            yield self._words.pop(0)

    def value(self, flag: str, shown: str = "VALUE") -> str:
        """The word behind a flag.

        Raises:
            CommandError: there is none.
        """
        if not self._words or (self._words[0].startswith("-") and not re.fullmatch(_NUMBER, self._words[0])):
            raise CommandError(f"{flag} wants a value: {flag} {shown}.")
        return self._words.pop(0)

    def switch(self) -> str:
        """The word for on or off that follows the flag; ``on`` where none does."""
        follows = bool(self._words) and self._words[0].lower() in (*ON_WORDS, *OFF_WORDS)
        return self._words.pop(0) if follows else "on"


def _with_schema_quoted(line: str) -> str:
    """The line with the value of ``--schema`` in quotes, so that it may hold blanks and quotes of its own.

    ``--schema name: str, age: int`` and ``--schema {"type": "string"}`` need none, then: the longest text behind the
    flag that is such a form, or Python, is the value.
    """
    found = re.search(_SCHEMA, line) if "--schema" in line else None
    if found is None or line[found.end() : found.end() + 1] in ("'", '"', ""):
        return line
    rest = line[found.end() :]
    ends = [gap.start() for gap in re.finditer(r"\s+|$", rest)]
    first_flag = next((gap.start() for gap in re.finditer(r"\s+(?=-{1,2}[a-z]|#)", rest)), len(rest))
    for end in sorted((end for end in ends if end <= first_flag), reverse=True):
        if end and _is_schema(rest[:end]):
            return f"{line[: found.end()]}{shlex.quote(rest[:end])}{rest[end:]}"
    return line


def _is_schema(text: str) -> bool:
    for source in (f"({text})", f"def f({text}): pass"):
        try:
            ast.parse(source)
        except (SyntaxError, ValueError):
            continue
        return True
    return False


def _filled(word: str, names: Mapping[str, object]) -> str:
    """The value of a variable in the place of a word that names one, as other magics have it; else the word."""
    found = re.fullmatch(_VARIABLE, word) if word[:1] in ("{", "$") else None
    if found is None:
        return word
    name, *attributes = (found["braced"] or found["plain"]).split(".")
    value = names.get(name)
    for attribute in attributes:
        value = getattr(value, attribute, None)
    return str(value) if isinstance(value, (str, int, float)) else word


class ModelId(ValueType, frozen=True):
    """A model id, as far as its look tells."""

    @property
    def shown(self) -> str:
        """How it is called."""
        return "MODEL"

    @property
    def names(self) -> Names:
        """A model."""
        return "model"

    def parse(self, text: str) -> str:
        """The id that was typed."""
        return model_id(text)


class VariableName(ValueType, frozen=True):
    """A name that a value can be bound to in Python."""

    @property
    def shown(self) -> str:
        """How it is called."""
        return "NAME"

    def parse(self, text: str) -> str:
        """The name that was typed."""
        if not text.isidentifier() or keyword.iskeyword(text):
            raise CommandError(
                f"{text!r} is no name for a variable: letters, digits and _, no digit first, no word of Python's."
            )
        return text


class RowCount(ValueType, frozen=True):
    """How many rows of a table are sent: a number, or all."""

    @property
    def shown(self) -> str:
        """How it is called."""
        return "N"

    @property
    def choices(self) -> tuple[str, ...]:
        """The word that is no number."""
        return ("all",)

    def parse(self, text: str) -> int:
        """The number that was typed; that of all is larger than any table."""
        if text.lower() == "all":
            return sys.maxsize
        count = text.replace("_", "").replace(",", "")
        if not count.isdecimal() or int(count) == 0:
            raise ValueError("a number of rows such as 100, or all")
        return int(count)


class Flag(msgspec.Struct, frozen=True):
    """One flag.

    Attributes:
        name: its long form, with the dashes.
        type: the type of its value; the flag of a `Switch` stands alone.
        help: one line for the help.
        short: its short form, or "".
        label: how the value is called in the help, where that is not what its type says.
        is_repeatable: whether it may stand several times; its value is the list of all of them then.
        parameter: the parameter that it sets; None for a flag of the cell itself.
    """

    name: str
    type: ValueType
    help: str
    short: str = ""
    label: str = ""
    is_repeatable: bool = False
    parameter: Parameter | None = None

    @property
    def shown(self) -> str:
        """How its value is called in the help; "" where it stands alone."""
        return self.label or self.type.shown

    @property
    def head(self) -> str:
        """Both forms, with its value, for the help."""
        return ", ".join(filter(None, (self.short, f"{self.name} {self.shown}".rstrip())))

    @property
    def key(self) -> str:
        """Its name in `CellLine.values` or `CellLine.parameters`."""
        return self.parameter.name if self.parameter else self.name.lstrip("-").replace("-", "_")

    def read(self, text: str) -> Any:
        """The value of what was typed behind it.

        Raises:
            CommandError: it cannot be one.
        """
        if self.parameter is not None and text == UNSET_WORD:
            return UNSET
        return self.type.read(text if self.parameter is None else text.strip(), self.name, is_typed=True)


def model_id(word: str) -> str:
    """A model id as it was typed.

    Raises:
        CommandError: it cannot be an id.
    """
    if not re.fullmatch(_MODEL_ID, word):
        raise CommandError(
            f"{word!r} is no model id; they look like openai/gpt-5-mini. "
            "On the first line of a cell stand flags and one model id, the prompt stands below it."
        )
    return word


def _of_parameter(parameter: Parameter) -> Flag:
    return Flag(
        parameter.long_flag,
        parameter.type,
        parameter.help,
        short=parameter.short,
        is_repeatable=parameter.is_repeatable,
        parameter=parameter,
    )


def _text(label: str, names: Names = "") -> Text:
    """A text that is taken exactly as it was typed."""
    return Text(label, sys.maxsize, is_exact=True, name_of=names)


_SWITCH = Switch()
# fmt: off
OWN_FLAGS = (
    Flag("--model", ModelId(), "the model to ask, such as openai/gpt-5-mini; account: your account's default",
         short="-m"),
    Flag("--output", VariableName(), "bind the answer to this variable (_answer always holds the last one)",
         short="-o"),
    Flag("--format", Choice(tuple(FORMATS)), f"what the answer shall be: {', '.join(FORMATS)}",
         short="-f", label="FORMAT"),
    Flag("--schema", _text("SCHEMA", "schema"),
         "a type, a JSON schema or name: str, age: int; _answer.value is that"),
    Flag("--image", _text("IMAGE"), "send an image: a file, an address or Python; several times", is_repeatable=True),
    Flag("--file", _text("PATH"), "send a file: PDF, image, sound, film, text; several times", is_repeatable=True),
    Flag("--rows", RowCount(), "how many rows of a table are sent; all (else about 6,000 tokens of them)"),
    Flag("--tools", _text("NAMES", "tool"),
         "functions that the model may call: f,g or openrouter:web_search; several times", is_repeatable=True),
    Flag("--max-steps", whole(1, _MOST_STEPS),
         "how many times the model may be asked for one question with tools (10)", label="N"),
    Flag("--yes", _SWITCH, "run tools that are marked harmless without asking"),
    Flag("--raw", _SWITCH, "send the prompt as it stands, with its {{ }}"),
    Flag("--prompt", _text("NAME", "prompt"), "begin with a prompt that you named (%openrouter prompt)"),
    Flag("--trust", _SWITCH, "show HTML of -f html as a page (in a frame that cannot reach the notebook)"),
    Flag("--system", _text("TEXT"), "a system prompt for this question; none: without one"),
    Flag("--thread", _text("NAME", "thread"), "go on another thread of this notebook; made where there is none"),
    Flag("--no-history", _SWITCH, "send this prompt alone, and leave the conversation as it is"),
    Flag("--history", BY_NAME["history"].type,
         "which earlier turns are sent along: thread, run (those of this kernel) or none", label="WHICH"),
    Flag("--compress", _SWITCH, "let the service cut the middle out of what is too long"),
    Flag("--max-cost", Amount(), "what this question may cost at most; else it is not sent"),
    Flag("--over-budget", _SWITCH, "ask whatever the budgets say"),
    Flag("--dry-run", _SWITCH, "show what would be sent, its tokens and its price; nothing is sent"),
    Flag("--fresh", _SWITCH, "ask anew, also where a kept answer would be given again"),
    Flag("--replay", Choice(get_args(Replay), off="never"),
         "when a kept answer is given again: restart, always or never", label="WHEN"),
    Flag("--bg", _SWITCH, "return at once; the answer goes on arriving here (%openrouter jobs, stop)"),
)
# fmt: on
FLAGS = (*OWN_FLAGS, *map(_of_parameter, PARAMETERS))


class CellLine(msgspec.Struct, frozen=True):
    """The first line of a cell, understood.

    Attributes:
        values: those of the cell's own flags, by `Flag.key`.
        parameters: those of the request, by the parameter's name; old names as they were typed.
    """

    values: dict[str, Any] = msgspec.field(default_factory=dict)
    parameters: dict[str, Any] = msgspec.field(default_factory=dict)
    wants_help: bool = False

    @property
    def request_parameters(self) -> dict[str, Any]:
        """The parameters, with what the cell's own flags add to them."""
        if not self.values.get("compress"):
            return self.parameters
        plugins = [each for each in self.parameters.get("plugins", []) if each.get("id") != _COMPRESSION["id"]]
        return self.parameters | {"plugins": [*plugins, _COMPRESSION]}

    @property
    def limit(self) -> SizeLimit:
        """How much of a value is sent."""
        return SizeLimit(rows=self.values.get("rows"))

    @property
    def history(self) -> Any:
        """Which earlier turns are sent along; None where the line does not say."""
        return "none" if self.values.get("no_history") else self.values.get("history")

    @property
    def replay(self) -> Any:
        """When a kept answer is given again; None where the line does not say."""
        return "never" if self.values.get("fresh") else self.values.get("replay")

    @property
    def system(self) -> str | None:
        """The system prompt, "" for none; None where the line does not say."""
        told = self.values.get("system")
        return told if told is None or told.lower() not in (NO_SYSTEM, UNSET_WORD) else ""


def parse_cell_line(line: str, names: Mapping[str, object] = NO_NAMES, aliases: Container[str] = ()) -> CellLine:
    """Understands what stands behind ``%%openrouter``.

    Args:
        names: the user's variables: a word that is ``{name}`` or ``$name`` is the text or number of that name.
        aliases: short names of models.

    Raises:
        CommandError: a flag is not known, lacks its value, has an impossible one or stands twice, or there is more
            than one model id.
    """
    found = CellLine()
    words = LineWords(line, names)
    for word in words:
        if word in ("-h", "--help"):
            return CellLine(wants_help=True)
        if not word.startswith("-"):
            _keep(found, OWN_FLAGS[0], word, aliases)
            continue
        name, equals, text = word.partition("=")
        if (old := name.lstrip("-").replace("-", "_")) in OLD_NAMES:
            found.parameters[old] = _loose(text if equals else words.value(name))
            continue
        flag = _flag(name)
        if not equals:
            text = words.value(flag.name, flag.shown) if flag.shown else words.switch()
        _keep(found, flag, text, aliases)
    return found


def _keep(found: CellLine, flag: Flag, text: str, aliases: Container[str]) -> None:
    if not text:
        raise CommandError(f"{flag.name} wants a value: {flag.name} {flag.shown or 'on'}.")
    values = found.values if flag.parameter is None else found.parameters
    value = _model(text, aliases) if flag.key == "model" else flag.read(text)
    if flag.is_repeatable and flag.parameter is None:
        values.setdefault(flag.key, []).append(value)
    elif flag.key not in values:
        values[flag.key] = value
    elif flag.is_repeatable and flag.parameter is not None and UNSET not in (value, values[flag.key]):
        values[flag.key] = flag.parameter.added(values[flag.key], value, flag.name)
    else:
        raise CommandError(
            f"{flag.name} is given twice, as {values[flag.key]!r} and {text!r}. The prompt stands below the first line."
        )


def _model(word: str, aliases: Container[str]) -> str:
    """A model id or a short name; these stand in a file, which is read only where the word is no id."""
    try:
        return model_id(word)
    except CommandError:
        if word in aliases:
            return word
        raise


def _loose(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _flag(name: str) -> Flag:
    flag = flag_of(name)
    if flag is None:
        near = nearest(name.replace("_", "-"), [flag.name for flag in FLAGS], cutoff=0.5)
        hint = f"Did you mean {near}?" if near else "%openrouter help flags lists all."
        raise CommandError(f"No flag {name!r}. {hint}")
    return flag


def flag_of(name: str) -> Flag | None:
    """The flag of a name, short or long, with dashes or underscores; None where there is none."""
    asked = name.replace("_", "-")
    return next((flag for flag in FLAGS if name in (flag.name, flag.short) or asked == flag.name), None)


def flags_help(*, all_of_them: bool = False) -> str:
    """The flags as lines of text, one a flag; without `all_of_them` those of the cell and of sampling."""
    shown = [flag for flag in FLAGS if all_of_them or flag.parameter is None or flag.parameter.group == "sampling"]
    heads = [flag.head for flag in shown]
    width = min(38, max(map(len, heads)))
    lines, group = [], ""
    for head, flag in zip(heads, shown, strict=True):
        if all_of_them and flag.parameter is not None and flag.parameter.group != group:
            group = flag.parameter.group
            lines.append(f"{group}:")
        lines.append(f"  {head:<{width}}  {flag.help}")
    return "\n".join(lines)


def parameters_page() -> str:
    """docs/parameters.md: every parameter, its flag, what may be typed, and where else it can be set."""
    lines = [
        "# Parameters",
        "",
        "Every parameter of the API, by its flag on a cell's first line. Each can also be set for the notebook",
        "(`%openrouter set NAME VALUE`), for all notebooks (`%config OpenRouterMagics.NAME = VALUE` with dots as",
        "underscores; the settings file; `OR_MAGIC_NAME` in the environment), and given to `ask(..., NAME=value)` in",
        "Python. Only what is set is sent. `unset` as the value takes back what a lower layer set.",
    ]
    group = ""
    for parameter in PARAMETERS:
        if parameter.group != group:
            group = parameter.group
            lines += [
                "",
                f"## {group.capitalize()}",
                "",
                "| flag | name | value | | example |",
                "|---|---|---|---|---|",
            ]
        cells = (parameter.long_flag, parameter.name, parameter.type.shown, "", parameter.example)
        flag, name, shown, _, example = (f"`{cell}`".replace("|", "\\|") if cell else "" for cell in cells)
        short = f"`{parameter.short}`, " if parameter.short else ""
        lines.append(f"| {short}{flag} | {name} | {shown} | {parameter.help} | {example} |")
    return "\n".join(lines) + "\n"
