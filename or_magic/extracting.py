"""Finds blocks of code, JSON and tables in the text of an answer. Pure; nothing that is found is ever run."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from or_magic.errors import NotFoundError
from or_magic.text import shorten

if TYPE_CHECKING:
    import pandas as pd


_FENCE = re.compile(r"^(?P<indent>[ \t]*)(?:>[ \t]?)*(?P<mark>`{3,}|~{3,})[ \t]*(?P<info>[^`\n]*)$")
_RULE = re.compile(r"^\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*$")
_CELL_EDGE = re.compile(r"(?<!\\)\|")
_NUMBER = re.compile(r"-?(\d{1,3}(,\d{3})+|\d+)(\.\d+)?")
_OPENING = re.compile(r"[\[{]")
_TABULAR = ("csv", "tsv")
_MARKS = re.compile(r"[\[\]{}]|\"(?:[^\"\\]|\\.)*\"")  # brackets; whole strings, in which they mean nothing


class Code(str):
    """A block of code of an answer: a text that knows its language.

    Attributes:
        language: as the model named it, in lower case, such as ``python``; "" where it named none.
    """

    language: str

    def __new__(cls, text: str, language: str = "") -> Code:
        """Makes a block of that text."""
        block = super().__new__(cls, text)
        block.language = language
        return block

    def __getnewargs__(self) -> tuple[str, str]:  # type: ignore[override]  # of a str: its text alone
        """For pickle and copy."""
        return str(self), self.language

    @property
    def is_python(self) -> bool:
        """Whether it is Python, or does not say what it is."""
        return self.language in ("python", "py", "python3", "ipython", "")


def code_blocks(text: str) -> list[Code]:
    """The fenced blocks of Markdown, in order; one whose fence is not closed reaches to the end."""
    blocks: list[Code] = []
    lines: list[str] = []
    opened: re.Match[str] | None = None
    for line in text.split("\n"):
        fence = _FENCE.match(line)
        if opened is None:
            opened, lines = fence, []
        elif fence is not None and fence["mark"].startswith(opened["mark"]) and not fence["info"].strip():
            blocks.append(_block(lines, opened))
            opened = None
        else:
            lines.append(line)
    return [*blocks, _block(lines, opened)] if opened is not None else blocks


def json_in(text: str) -> Any:
    """The JSON value of a text, also in a fence or with prose around it: the largest one that is complete.

    Raises:
        NotFoundError: there is none; it is a ValueError too.
    """
    candidates = [text.strip(), *(str(block).strip() for block in code_blocks(text))]
    for candidate in candidates:
        try:
            return json.loads(candidate)
        except (ValueError, RecursionError):
            continue
    found = max(_values(text), key=lambda pair: pair[1], default=None)
    if found is None:
        raise NotFoundError(f"there is no whole JSON in {repr(shorten(text, 60)) if text.strip() else 'an empty text'}")
    return found[0]


def frame_in(text: str, number: int) -> pd.DataFrame:
    """The table of that number in a text; see `frames_in`.

    Raises:
        NotFoundError: there is none.
    """
    tables = frames_in(text)
    if not -len(tables) <= number < len(tables):
        raise NotFoundError(f"There is no table {number} in the answer, which holds {len(tables):,}.")
    return tables[number]


def frames_in(text: str) -> list[pd.DataFrame]:
    """The tables of a text: those of CSV in fences, then those of Markdown, else of JSON; numbers as numbers.

    An empty cell is a missing value. A list of objects has a row for each; any other JSON value is one of one column.
    """
    tables = [_frame(rows) for rows in _tables(text)]
    if tables:
        return tables
    try:
        return [records_frame(json_in(text))]
    except ValueError:
        return []


def records_frame(value: Any) -> pd.DataFrame:
    """A JSON value as a table: the objects of a list are rows, the lists of an object columns; else one column."""
    import pandas as pd

    if isinstance(value, dict):
        only = next(iter(value.values()), None)
        if len(value) == 1 and isinstance(only, list):  # {"rows": [...]}, as models like to write
            return records_frame(only)
        if value and all(isinstance(each, list) for each in value.values()) and len(set(map(len, value.values()))) == 1:
            return pd.DataFrame(value)
        return pd.DataFrame([value])
    if isinstance(value, list):
        is_records = all(isinstance(each, dict) for each in value)
        return pd.DataFrame(value if is_records and value else {"value": value})
    return pd.DataFrame({"value": [value]})


def _block(lines: list[str], opened: re.Match[str]) -> Code:
    indent = opened["indent"]
    text = "\n".join(line.removeprefix(indent) for line in lines)
    words = opened["info"].split()
    return Code(text, words[0].strip("{}").lstrip(".").lower() if words else "")


def _values(text: str) -> Iterator[tuple[Any, int]]:
    """The objects and lists of JSON in a text, each with its length, but none that lies within another.

    What follows a bracket that is never closed is left out: it is the beginning of something that was cut off.
    """
    at = 0
    while (found := _OPENING.search(text, at)) is not None:
        end = _end_of(text, found.start())
        if end is None:
            return
        with contextlib.suppress(ValueError, RecursionError):
            yield json.loads(text[found.start() : end]), end - found.start()
        at = end


def _end_of(text: str, start: int) -> int | None:
    """Where the bracket that opens at `start` is closed; None where it is not."""
    depth = 0
    for found in _MARKS.finditer(text, start):
        depth += {"{": 1, "[": 1, "}": -1, "]": -1}.get(found[0], 0)
        if depth == 0:
            return found.end()
    return None


def _tables(text: str) -> Iterator[list[list[str]]]:
    blocks = code_blocks(text)
    for block in blocks:
        if block.language in _TABULAR:
            yield list(csv.reader(io.StringIO(str(block).strip()), delimiter="\t" if block.language == "tsv" else ","))
    lines = text.split("\n")
    for number in range(1, len(lines)):
        head = lines[number - 1]
        if "|" in head and _RULE.match(lines[number]) and "-" in lines[number]:
            header = _cells(head)
            if len(header) == len(_cells(lines[number])):
                yield [header, *_rows(lines[number + 1 :], len(header))]


def _rows(lines: list[str], width: int) -> Iterator[list[str]]:
    for line in lines:
        if "|" not in line:
            return
        cells = _cells(line)
        yield [*cells, *[""] * (width - len(cells))][:width]


def _cells(line: str) -> list[str]:
    inner = line.strip().removeprefix("|")
    inner = inner.removesuffix("|") if not inner.endswith("\\|") else inner
    return [_bare(cell.replace("\\|", "|").strip()) for cell in _CELL_EDGE.split(inner)]


def _bare(cell: str) -> str:
    """The cell without the marks of Markdown around it."""
    for mark in ("**", "__", "`", "*"):
        if len(cell) > 2 * len(mark) and cell.startswith(mark) and cell.endswith(mark):
            return cell[len(mark) : -len(mark)].strip()
    return cell


def _frame(rows: list[list[str]]) -> pd.DataFrame:
    import pandas as pd

    header, *body = rows or [[]]
    width = len(header)
    body = [[*row, *[""] * (width - len(row))][:width] for row in body if row]
    frame = pd.DataFrame(body, columns=pd.Index(header, dtype="object"))
    columns = [_typed(frame.iloc[:, number]) for number in range(width)]
    typed = pd.concat(columns, axis=1) if columns else frame
    typed.columns = pd.Index(header)
    return typed


def _typed(column: pd.Series[Any]) -> pd.Series[Any]:
    """Numbers as numbers where all cells are, with thousands' commas; empty cells as missing."""
    import pandas as pd

    filled = [cell for cell in column if cell]
    if filled and all(_NUMBER.fullmatch(cell) for cell in filled):
        return pd.to_numeric(column.str.replace(",", "", regex=False).replace("", None))
    return column.where(column != "", None)
