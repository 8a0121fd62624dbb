"""What can be typed on the first line of a cell: words, as a shell cuts them, and the flags that they set."""

from __future__ import annotations

import ast
import difflib
import json
import re
import shlex
import sys
from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, get_args

from or_magic.content import SizeLimit
from or_magic.errors import CommandError
from or_magic.ledger.records import Replay
from or_magic.money import amount
from or_magic.prompt.answer_formats import FORMATS
from or_magic.settings.options import BY_NAME
from or_magic.settings.parameters import PARAMETERS, UNSET, UNSET_WORD, Parameter
from or_magic.settings.request_fields import OLD_NAMES

_SCHEMA = re.compile(r"(?<!\S)--schema(?:=|\s+)")
_VARIABLE = re.compile(r"\{(?P<braced>[A-Za-z_][\w.]*)\}|\$(?P<plain>[A-Za-z_]\w*)")
NO_NAMES: Mapping[str, object] = {}
_NUMBER = re.compile(r"-\d*\.?\d+")
_SWITCH_WORDS = ("on", "off", "true", "false", "yes", "no")


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
        if not self._words or (self._words[0].startswith("-") and not _NUMBER.fullmatch(self._words[0])):
            raise CommandError(f"{flag} wants a value: {flag} {shown}.")
        return self._words.pop(0)

    def switch(self) -> str:
        """``on``, unless a word such as ``off`` follows the flag."""
        return self._words.pop(0) if self._words and self._words[0].lower() in _SWITCH_WORDS else "on"


def _with_schema_quoted(line: str) -> str:
    """The line with the value of ``--schema`` in quotes, so that it may hold blanks and quotes of its own.

    ``--schema name: str, age: int`` and ``--schema {"type": "string"}`` need none, then: the longest text behind the
    flag that is such a form, or Python, is the value.
    """
    found = _SCHEMA.search(line)
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
    found = _VARIABLE.fullmatch(word)
    if found is None:
        return word
    name, *attributes = (found["braced"] or found["plain"]).split(".")
    value = names.get(name)
    for attribute in attributes:
        value = getattr(value, attribute, None)
    return str(value) if isinstance(value, (str, int, float)) else word


_MODEL_ID = re.compile(r"[~@]?[\w.-]+(/[\w.:@/-]+)|auto|account")
NO_SYSTEM = "none"
_MOST_STEPS = 100
_COMPRESSION = {"id": "context-compression"}


@dataclass(frozen=True, slots=True)
class Flag:
    """One flag.

    Attributes:
        name: its long form, with the dashes.
        short: its short form, or "".
        value: how the value is called in the help; "" where it stands alone.
        help: one line for the help.
        convert: turns the word typed into the value; raises `CommandError` where it cannot be one.
        parameter: the parameter that it sets; None for a flag of the cell itself.
        is_list: whether it may be given several times.
    """

    name: str
    short: str
    value: str
    help: str
    convert: Callable[[str], Any]
    parameter: Parameter | None = None
    is_list: bool = False

    @property
    def head(self) -> str:
        """Both forms, with its value, for the help."""
        return ", ".join(filter(None, (self.short, f"{self.name} {self.value}".rstrip())))

    @property
    def key(self) -> str:
        """Its name in `CellLine.values` or `CellLine.parameters`."""
        return self.parameter.name if self.parameter else self.name.lstrip("-").replace("-", "_")


def model_id(word: str) -> str:
    """A model id as it was typed.

    Raises:
        CommandError: it cannot be an id.
    """
    if not _MODEL_ID.fullmatch(word):
        raise CommandError(
            f"{word!r} is no model id; they look like openai/gpt-5-mini. "
            "On the first line of a cell stand flags and one model id, the prompt stands below it."
        )
    return word


def variable_name(word: str) -> str:
    """A name that a value can be bound to.

    Raises:
        CommandError: Python would not take it as a name.
    """
    if not word.isidentifier():
        raise CommandError(f"{word!r} is no name for a variable: letters, digits and _, not beginning with a digit.")
    return word


def switched(word: str) -> bool:
    """Whether a flag that stands alone is on: it is, unless ``off`` follows it."""
    return word.lower() not in ("off", "no", "false")


def max_cost(word: str) -> int:
    """An amount in USD, as 1e-12 USD.

    Raises:
        CommandError: it is none.
    """
    return amount(word, "--max-cost")


def which_history(word: str) -> str:
    """Which turns go along.

    Raises:
        CommandError: it is none of the words.
    """
    return str(BY_NAME["history"].value(word, "--history"))


def which_format(word: str) -> str:
    """What the answer shall be.

    Raises:
        CommandError: it is none of the words.
    """
    if word.lower() not in FORMATS:
        near = difflib.get_close_matches(word.lower(), FORMATS, n=1, cutoff=0.5)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise CommandError(f"-f is {word!r}; it wants one of {', '.join(FORMATS)}.{hint}")
    return word.lower()


def row_count(word: str) -> int:
    """How many rows of a table are sent.

    Raises:
        CommandError: it is no number, and not ``all``.
    """
    if word.lower() == "all":
        return sys.maxsize
    count = word.replace("_", "").replace(",", "")
    if not count.isdecimal() or int(count) == 0:
        raise CommandError(f"--rows is {word!r}; it wants a number of rows such as 100, or all.")
    return int(count)


def step_count(word: str) -> int:
    """How many steps a question with tools may take.

    Raises:
        CommandError: it is no number from 1 to 100.
    """
    if not word.isdecimal() or not 1 <= int(word) <= _MOST_STEPS:
        raise CommandError(f"--max-steps is {word!r}; it wants a number from 1 to {_MOST_STEPS}.")
    return int(word)


def which_replay(word: str) -> str:
    """When a kept answer is given again.

    Raises:
        CommandError: it is none of the words.
    """
    if word.lower() not in get_args(Replay):
        raise CommandError(f"--replay is {word!r}; it wants one of {', '.join(get_args(Replay))}.")
    return word.lower()


def _of_parameter(parameter: Parameter) -> Flag:
    def convert(text: str) -> Any:
        return UNSET if text == UNSET_WORD else parameter.parse(text, parameter.long_flag)

    shown = parameter.kind.shown
    return Flag(parameter.long_flag, parameter.short, shown, parameter.help, convert, parameter)


OWN_FLAGS = (
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
    Flag("--format", "-f", "FORMAT", f"what the answer shall be: {', '.join(FORMATS)}", which_format),
    Flag("--schema", "", "SCHEMA", "a type, a JSON schema or name: str, age: int; _answer.value is that", str),
    Flag("--image", "", "IMAGE", "send an image: a file, an address or Python; several times", str, is_list=True),
    Flag("--file", "", "PATH", "send a file: PDF, image, sound, film, text; several times", str, is_list=True),
    Flag("--rows", "", "N", "how many rows of a table are sent; all (else about 6,000 tokens of them)", row_count),
    Flag(
        "--tools",
        "",
        "NAMES",
        "functions that the model may call: f,g or openrouter:web_search; several times",
        str,
        is_list=True,
    ),
    Flag("--max-steps", "", "N", "how many times the model may be asked for one question with tools (10)", step_count),
    Flag("--yes", "", "", "run tools that are marked harmless without asking", switched),
    Flag("--raw", "", "", "send the prompt as it stands, with its {{ }}", switched),
    Flag("--prompt", "", "NAME", "begin with a prompt that you named (%openrouter prompt)", str),
    Flag("--trust", "", "", "show HTML of -f html as a page (in a frame that cannot reach the notebook)", switched),
    Flag("--system", "", "TEXT", "a system prompt for this question; none: without one", str),
    Flag("--thread", "", "NAME", "go on another thread of this notebook; made where there is none", str),
    Flag("--no-history", "", "", "send this prompt alone, and leave the conversation as it is", switched),
    Flag("--history", "", "WHICH", "what goes along: thread, run (what this kernel asked) or none", which_history),
    Flag("--compress", "", "", "let the service cut the middle out of what is too long", switched),
    Flag("--max-cost", "", "USD", "what this question may cost at most; else it is not sent", max_cost),
    Flag("--over-budget", "", "", "ask whatever the budgets say", switched),
    Flag("--dry-run", "", "", "show what would be sent, its tokens and its price; nothing is sent", switched),
    Flag("--fresh", "", "", "ask anew, also where a kept answer would be given again", switched),
    Flag("--replay", "", "WHEN", "when a kept answer is given again: restart, always or never", which_replay),
    Flag("--bg", "", "", "return at once; the answer goes on arriving here (%openrouter jobs, stop)", switched),
)
FLAGS = (*OWN_FLAGS, *map(_of_parameter, PARAMETERS))


@dataclass(frozen=True, slots=True)
class CellLine:
    """The first line of a cell, understood.

    Attributes:
        values: those of the cell's own flags, by `Flag.key`.
        parameters: those of the request, by the parameter's name; old names as they were typed.
    """

    values: dict[str, Any] = field(default_factory=dict)
    parameters: dict[str, Any] = field(default_factory=dict)
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
        """Which turns go along; None where the line does not say."""
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
            text = words.value(flag.name, flag.value) if flag.value else words.switch()
        _keep(found, flag, text, aliases)
    return found


def _keep(found: CellLine, flag: Flag, text: str, aliases: Container[str]) -> None:
    if not text:
        raise CommandError(f"{flag.name} wants a value: {flag.name} {flag.value}.")
    values = found.values if flag.parameter is None else found.parameters
    value = text if flag.key == "model" and text in aliases else flag.convert(text)
    if flag.is_list:
        values.setdefault(flag.key, []).append(value)
    elif flag.key not in values:
        values[flag.key] = value
    elif flag.parameter is not None and flag.parameter.is_repeatable and value is not UNSET:
        values[flag.key] = flag.parameter.added(values[flag.key], value, flag.name)
    else:
        raise CommandError(
            f"{flag.name} is given twice, as {values[flag.key]!r} and {text!r}. The prompt stands below the first line."
        )


def _loose(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _flag(name: str) -> Flag:
    asked = name.replace("_", "-")
    for flag in FLAGS:
        if name in (flag.name, flag.short) or asked == flag.name:
            return flag
    names = [flag.name for flag in FLAGS]
    near = difflib.get_close_matches(asked, names, n=1, cutoff=0.5)
    hint = f"Did you mean {near[0]}?" if near else "%openrouter help flags lists all."
    raise CommandError(f"No flag {name!r}. {hint}")


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
        "(`%openrouter set NAME VALUE`), for all notebooks (`%config OpenRouterMagics.NAME = 'VALUE'` with dots as",
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
        cells = (parameter.long_flag, parameter.name, parameter.kind.shown, "", parameter.example)
        flag, name, shown, _, example = (f"`{cell}`".replace("|", "\\|") if cell else "" for cell in cells)
        short = f"`{parameter.short}`, " if parameter.short else ""
        lines.append(f"| {short}{flag} | {name} | {shown} | {parameter.help} | {example} |")
    return "\n".join(lines) + "\n"
