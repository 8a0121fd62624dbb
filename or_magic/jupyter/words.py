"""The first line of a cell as words, cut as a shell cuts them, with the values that may follow a flag."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator, Mapping

from or_magic.errors import CommandError

_SCHEMA = re.compile(r"(?<!\S)--schema(?:=|\s+)")
_VARIABLE = re.compile(r"\{(?P<braced>[A-Za-z_][\w.]*)\}|\$(?P<plain>[A-Za-z_]\w*)")
NO_NAMES: Mapping[str, object] = {}
_NUMBER = re.compile(r"-\d*\.?\d+")
_SWITCH_WORDS = ("on", "off", "true", "false", "yes", "no")


class Words:
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
