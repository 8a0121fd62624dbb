"""Tables as text: their columns, then as many rows as there is room for, as CSV that parses back to the same values.

Nothing is rounded, and what is left out is said, to the model and to the user. The table itself is never copied: of ten
million rows those are looked up that are shown, and each column is passed over once for its nulls and its range.
"""

from __future__ import annotations

import csv
import io
import json
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from or_magic.asking.content.blocks import fenced
from or_magic.content import Content, Room

_FIRST, _LAST = 0.4, 0.2  # of the rows that are shown; the others are drawn from between
_FEWEST = 5  # rows that are shown in any case
_MOST_COLUMNS = 200
_LONGEST_CELL = 1_000  # characters


@dataclass(frozen=True, slots=True)
class Column:
    """What is told of a column: its name and type, how many values it lacks, the smallest and the largest one."""

    name: str
    dtype: str
    nulls: int | None
    low: Any = None
    high: Any = None


class Table(Protocol):
    """A table of any library.

    Attributes:
        kind: what it is called, such as ``pandas DataFrame``.
        rows: how many it has.
        names: of its columns.
    """

    kind: str
    rows: int
    names: Sequence[Any]

    def column(self, number: int, *, has_range: bool) -> Column:
        """What is told of a column."""

    def csv(self, rows: Sequence[int], columns: Sequence[int], *, has_numbers: bool) -> tuple[str, int]:
        """These rows and columns as CSV with a header, and how many long cells were cut in it.

        Args:
            has_numbers: whether each row begins with its number, where the table has no labels of its own.
        """


def table_content(table: Table, name: str, room: Room) -> Content:
    """A table as a message tells it."""
    shown_columns = _columns(len(table.names))
    described = [table.column(number, has_range=False) for number in shown_columns]
    schema = "" if _is_uniform(described) else _schema(described)
    rows, text, cut_cells = _fitting(table, shown_columns, room, len(schema.encode()))
    left_out = len(rows) < table.rows
    if left_out and schema:
        schema = _schema([table.column(number, has_range=True) for number in shown_columns])
    which = f" {_which(rows, table.rows)}" if left_out else ""
    head = f"{name}: {table.kind}, {table.rows:,} rows x {len(table.names):,} columns."
    columns = f" {len(shown_columns):,} of the columns follow." if len(shown_columns) < len(table.names) else ""
    told = f"{len(rows):,} of {table.rows:,} rows follow{which}." if left_out else "All rows follow."
    notes = []
    if left_out:
        notes.append(f"{name}: {len(rows):,} of {table.rows:,} rows sent{which}; --rows N sends more or fewer.")
    if len(shown_columns) < len(table.names):
        notes.append(f"{name}: {len(shown_columns):,} of {len(table.names):,} columns sent.")
    if cut_cells:
        told += f" {cut_cells:,} long cells are cut, and end in …"
        notes.append(f"{name}: {cut_cells:,} cells of over {_LONGEST_CELL:,} characters were cut.")
    lines = [f"{head}{columns}", *([fenced(schema, "csv")] if schema else []), told, fenced(text, "csv")]
    return Content.of_text("\n".join(lines), *notes, is_block=True)


def csv_text(header: Iterable[Any], rows: Iterable[Iterable[Any]]) -> str:
    """Rows of Python's own values as CSV: floats with all their digits, nulls empty, lists and dicts as JSON."""
    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerow(list(header))
    writer.writerows([_plain(value) for value in row] for row in rows)
    return lines.getvalue()


def cut_cell(value: Any) -> tuple[Any, bool]:
    """The value; a very long text of it cut, and whether it was."""
    if isinstance(value, str) and len(value) > _LONGEST_CELL:
        return f"{value[:_LONGEST_CELL]}…", True
    return value, False


def _is_uniform(columns: Sequence[Column]) -> bool:
    """Whether the columns have nothing to tell apart: numbered, of one type, without nulls, as those of an array."""
    numbered = all(column.name == str(number) for number, column in enumerate(columns))
    return numbered and len({column.dtype for column in columns}) == 1 and not any(column.nulls for column in columns)


def _schema(columns: Sequence[Column]) -> str:
    has_range = any(column.low is not None for column in columns)
    header = ["column", "dtype", "nulls", *(["min", "max"] if has_range else [])]
    told = ([c.name, c.dtype, c.nulls, *([c.low, c.high] if has_range else [])] for c in columns)
    return csv_text(header, told)


def _fitting(table: Table, columns: Sequence[int], room: Room, taken: int) -> tuple[list[int], str, int]:
    """The rows that are shown, as CSV, and how many cells were cut in it."""
    if room.rows is not None:
        rows = _chosen(table.rows, room.rows)
        return rows, *table.csv(rows, columns, has_numbers=len(rows) < table.rows)
    space = max(room.bytes - taken, room.bytes // 4)
    probe, _ = table.csv(_chosen(table.rows, 20), columns, has_numbers=True)
    count = min(table.rows, max(_FEWEST, space * min(20, table.rows or 1) // max(len(probe.encode()), 1)))
    for _ in range(6):
        rows = _chosen(table.rows, count)
        text, cut = table.csv(rows, columns, has_numbers=len(rows) < table.rows)
        size = len(text.encode())
        if size <= space or count <= _FEWEST:
            break
        count = max(_FEWEST, min(count - 1, int(count * space / size * 0.97)))
    return rows, text, cut


def _chosen(rows: int, count: int) -> list[int]:
    """The numbers of `count` rows: the first, the last, and some from between, the same ones each time."""
    if count >= rows:
        return list(range(rows))
    first, last = max(1, round(count * _FIRST)), round(count * _LAST)
    drawn = count - first - last
    between = sorted(random.Random(0).sample(range(first, rows - last), drawn)) if drawn > 0 else []
    return [*range(min(first, count)), *between, *range(rows - last, rows)]


def _which(rows: Sequence[int], count: int) -> str:
    """Which rows those are, in words."""
    shown = len(rows)
    first, last = min(max(1, round(shown * _FIRST)), shown), round(shown * _LAST)
    parts = [f"the first {first:,}"]
    parts += [f"{drawn:,} drawn from between"] if (drawn := shown - first - last) > 0 else []
    parts += [f"the last {last:,}"] if last else []
    return f"({', '.join(parts)})" if shown and count else "(none)"


def _columns(count: int) -> list[int]:
    if count <= _MOST_COLUMNS:
        return list(range(count))
    return [*range(_MOST_COLUMNS * 3 // 4), *range(count - _MOST_COLUMNS // 4, count)]


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, (str, int)):
        return value
    if isinstance(value, float):
        return float.__repr__(value)  # numpy's own names its type
    if isinstance(value, (list, dict)):
        return json.dumps(value, ensure_ascii=False, default=str)
    if isinstance(value, bytes):
        return value.hex()
    return value.item() if type(value).__module__ == "numpy" else str(value)
