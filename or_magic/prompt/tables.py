"""Tables and arrays as text: columns, then as many rows as fit, as CSV that parses back to the same values.

Nothing is rounded; the model and the user are told what is left out. The table itself is never copied: of ten million
rows only those are read that are shown, and each column is passed over once for its nulls and its range.

Each library has a class of its own. narwhals, which has one interface to all three, would lose what the text is for:
the labels of a pandas index and the names of dtypes (int64, Int64 and int64[pyarrow] are all Int64 to it, object and
str are String, periods and intervals Unknown); it refuses a RecordBatch and names of columns that occur twice.
"""

from __future__ import annotations

import csv
import io
import json
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from or_magic.content import Content, SizeLimit, fenced

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


_FIRST, _LAST = 0.4, 0.2  # of the rows that are shown; the others are drawn from between
_FEWEST = 5  # rows that are shown in any case
_MOST_COLUMNS = 200
_LONGEST_CELL = 1_000  # characters


@dataclass(frozen=True, slots=True)
class Column:
    """What a message says of a column: its name and type, how many values are missing, the smallest and the largest."""

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
        """What a message says of a column.

        Args:
            has_range: whether its smallest and largest value are looked for.
        """

    def csv(self, rows: Sequence[int], columns: Sequence[int], *, has_numbers: bool) -> tuple[str, int]:
        """These rows and columns as CSV with a header, and how many long cells were cut in it.

        Args:
            has_numbers: whether each row begins with its number, where the table has no labels of its own.
        """


def table_content(table: Table, name: str, limit: SizeLimit) -> Content:
    """The content of a message that a table becomes."""
    shown_columns = _columns(len(table.names))
    described = [table.column(number, has_range=False) for number in shown_columns]
    schema = "" if _is_uniform(described) else _schema(described)
    rows, text, cut_cells = _fitting(table, shown_columns, limit, len(schema.encode()))
    left_out = len(rows) < table.rows
    if left_out and schema:
        schema = _schema([table.column(number, has_range=True) for number in shown_columns])
    which = f" {_which(rows, table.rows)}" if left_out else ""
    head = f"{name}: {table.kind}, {table.rows:,} rows x {len(table.names):,} columns."
    columns = f" {len(shown_columns):,} of the columns follow." if len(shown_columns) < len(table.names) else ""
    extent = f"{len(rows):,} of {table.rows:,} rows follow{which}." if left_out else "All rows follow."
    notes = []
    if left_out:
        notes.append(f"{name}: {len(rows):,} of {table.rows:,} rows sent{which}; --rows N sends more or fewer.")
    if len(shown_columns) < len(table.names):
        notes.append(f"{name}: {len(shown_columns):,} of {len(table.names):,} columns sent.")
    if cut_cells:
        extent += f" {cut_cells:,} long cells are cut, and end in …"
        notes.append(f"{name}: {cut_cells:,} cells of over {_LONGEST_CELL:,} characters were cut.")
    lines = [f"{head}{columns}", *([fenced(schema, "csv")] if schema else []), extent, fenced(text, "csv")]
    return Content.of_text("\n".join(lines), *notes, is_block=True)


def csv_text(header: Iterable[Any], rows: Iterable[Iterable[Any]]) -> str:
    """Rows of Python's own values as CSV: floats with all their digits, nulls empty, lists and dicts as JSON."""
    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerow(list(header))
    writer.writerows([_plain(value) for value in row] for row in rows)
    return lines.getvalue()


def cut_cell(value: Any) -> tuple[Any, bool]:
    """The value, or the beginning of a very long text; and whether it was cut."""
    if isinstance(value, str) and len(value) > _LONGEST_CELL:
        return f"{value[:_LONGEST_CELL]}…", True
    return value, False


def _is_uniform(columns: Sequence[Column]) -> bool:
    """Whether no column differs from the others: numbered, of one type, without nulls, as those of an array are."""
    numbered = all(column.name == str(number) for number, column in enumerate(columns))
    return numbered and len({column.dtype for column in columns}) == 1 and not any(column.nulls for column in columns)


def _schema(columns: Sequence[Column]) -> str:
    has_range = any(column.low is not None for column in columns)
    header = ["column", "dtype", "nulls", *(["min", "max"] if has_range else [])]
    rows = ([c.name, c.dtype, c.nulls, *([c.low, c.high] if has_range else [])] for c in columns)
    return csv_text(header, rows)


def _fitting(table: Table, columns: Sequence[int], limit: SizeLimit, taken: int) -> tuple[list[int], str, int]:
    """The numbers of the rows that are shown, the rows as CSV, and how many cells were cut in it."""
    if limit.rows is not None:
        rows = _chosen(table.rows, limit.rows)
        return rows, *table.csv(rows, columns, has_numbers=len(rows) < table.rows)
    space = max(limit.bytes - taken, limit.bytes // 4)
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
    """Which rows are shown, in words."""
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


def pandas_frame(value: Any, name: str, limit: SizeLimit) -> Content:
    """A ``pandas.DataFrame``."""
    return table_content(_PandasTable(value), name, limit)


def pandas_series(value: Any, name: str, limit: SizeLimit) -> Content:
    """A ``pandas.Series`` or an ``Index``, as a table of one column."""
    frame = value.to_frame(name="value" if value.name is None else value.name)
    table = _PandasTable(frame if type(value).__name__ == "Series" else frame.reset_index(drop=True))
    table.kind = f"pandas {type(value).__name__}"
    return table_content(table, name, limit)


def pandas_groups(value: Any, name: str, limit: SizeLimit) -> Content:
    """A ``GroupBy`` (or resampler) of pandas: its groups and how many rows each has."""
    sizes = value.size()
    table = _PandasTable(sizes.to_frame("rows") if type(sizes).__name__ == "Series" else sizes)
    table.kind = f"pandas {type(value).__name__}: its groups and their sizes"
    return table_content(table, name, limit)


def polars_frame(value: Any, name: str, limit: SizeLimit) -> Content:
    """A ``polars.DataFrame``."""
    return table_content(_PolarsTable(value), name, limit)


def polars_series(value: Any, name: str, limit: SizeLimit) -> Content:
    """A ``polars.Series``, as a table of one column."""
    table = _PolarsTable(value.to_frame(value.name or "value"))
    table.kind = "polars Series"
    return table_content(table, name, limit)


def polars_groups(value: Any, name: str, limit: SizeLimit) -> Content:
    """A ``GroupBy`` of polars: its groups and how many rows each has, in the order of their keys."""
    sizes = value.len()
    table = _PolarsTable(sizes.sort(sizes.columns[:-1]))
    table.kind = "polars GroupBy: its groups and their sizes"
    return table_content(table, name, limit)


def polars_lazy(value: Any, name: str, limit: SizeLimit) -> Content:
    """A ``polars.LazyFrame``: its columns and its plan. It is not run: that may take long."""
    schema = csv_text(["column", "dtype"], ([column, str(dtype)] for column, dtype in value.collect_schema().items()))
    text = f"{name}: polars LazyFrame, not run.\n```csv\n{schema}```\n```text\n{value.explain()}\n```"
    return Content.of_text(text, f"{name}: the plan was sent, without rows; collect() it to send some.", is_block=True)


def arrow_table(value: Any, name: str, limit: SizeLimit) -> Content:
    """A ``pyarrow.Table`` or ``RecordBatch``."""
    return table_content(_ArrowTable(value), name, limit)


def array(value: Any, name: str, limit: SizeLimit) -> Content:
    """A ``numpy.ndarray``: of one or two dimensions as a table, of more by its shape, range and first values."""
    import pandas as pd

    if value.ndim == 0:
        return Content.of_text(str(value.item()))
    if value.ndim <= 2 and value.shape[-1]:
        table = _PandasTable(pd.DataFrame(value, copy=False))
        table.kind = f"numpy array, shape {value.shape}, dtype {value.dtype}"
        return table_content(table, name, limit)
    return _tensor(value, name, limit)


def _tensor(value: np.ndarray, name: str, limit: SizeLimit) -> Content:
    head = f"{name}: numpy array, shape {value.shape}, dtype {value.dtype}"
    if value.size and value.dtype.kind in "iuf":
        head += f", from {value.min()!s} to {value.max()!s}"
    count = min(value.size, limit.rows or max(1, limit.bytes // 20))
    first = [str(each) for each in value.flat[:count].tolist()]
    extent = "All values" if count == value.size else f"The first {count:,} of {value.size:,} values"
    text = f"{head}. {extent}, the last index running fastest:\n```text\n{' '.join(first)}\n```"
    notes = [f"{name}: the first {count:,} of {value.size:,} values sent."] if count < value.size else []
    return Content.of_text(text, *notes, is_block=True)


class _PandasTable:
    def __init__(self, frame: pd.DataFrame) -> None:
        self.kind = "pandas DataFrame"
        self.rows = len(frame)
        self.names: Sequence[Any] = list(frame.columns)
        self._frame = frame

    def column(self, number: int, *, has_range: bool) -> Column:
        series = self._frame.iloc[:, number]
        low, high = _range(series) if has_range and len(series) else (None, None)
        return Column(_label(self.names[number]), str(series.dtype), _nulls(series), low, high)

    def csv(self, rows: Sequence[int], columns: Sequence[int], *, has_numbers: bool) -> tuple[str, int]:
        part = self._frame.iloc[list(rows), list(columns)]
        part.columns = [_label(name) for name in part.columns]
        has_labels = not _is_plain_index(self._frame.index)
        cut = 0
        for number, dtype in enumerate(part.dtypes):
            if dtype.kind == "O" or str(dtype).startswith(("str", "string", "category")):
                cells = [cut_cell(cell) for cell in part.iloc[:, number]]
                if count := sum(is_cut for _, is_cut in cells):
                    cut += count
                    part = part.assign(**{part.columns[number]: [cell for cell, _ in cells]})
        label = "row" if not has_labels and has_numbers else None
        text = part.to_csv(index=has_labels or has_numbers, index_label=label, lineterminator="\n")
        return text, cut


class _PolarsTable:
    def __init__(self, frame: Any) -> None:
        self.kind = "polars DataFrame"
        self.rows = frame.height
        self.names = frame.columns
        self._frame = frame

    def column(self, number: int, *, has_range: bool) -> Column:
        series = self._frame.to_series(number)
        is_ordered = series.dtype.is_numeric() or series.dtype.is_temporal()
        low, high = (series.min(), series.max()) if has_range and is_ordered else (None, None)
        return Column(series.name, str(series.dtype), series.null_count(), low, high)

    def csv(self, rows: Sequence[int], columns: Sequence[int], *, has_numbers: bool) -> tuple[str, int]:
        part = self._frame[list(rows), list(columns)]
        return _rows_csv(part.columns, rows, part.rows(), has_numbers)


class _ArrowTable:
    def __init__(self, table: Any) -> None:
        self.kind = f"pyarrow {type(table).__name__}"
        self.rows = table.num_rows
        self.names = table.schema.names
        self._table = table

    def column(self, number: int, *, has_range: bool) -> Column:
        import pyarrow as pa
        import pyarrow.compute as pc

        values = self._table.column(number)
        is_ordered = any(
            test(values.type) for test in (pa.types.is_integer, pa.types.is_floating, pa.types.is_temporal)
        )
        ends = pc.min_max(values).as_py() if has_range and is_ordered else {"min": None, "max": None}
        return Column(self.names[number], str(values.type), values.null_count, ends["min"], ends["max"])

    def csv(self, rows: Sequence[int], columns: Sequence[int], *, has_numbers: bool) -> tuple[str, int]:
        part = self._table.take(list(rows)).select(list(columns))
        values = [part.column(number).to_pylist() for number in range(part.num_columns)]
        return _rows_csv(part.schema.names, rows, list(zip(*values, strict=True)), has_numbers)


def _rows_csv(
    names: Sequence[str], numbers: Sequence[int], rows: Sequence[Sequence[Any]], has_numbers: bool
) -> tuple[str, int]:
    cut = 0
    plain: list[list[Any]] = []
    for number, row in zip(numbers, rows, strict=True):
        cells = [cut_cell(cell) for cell in row]
        cut += sum(is_cut for _, is_cut in cells)
        plain.append([*([number] if has_numbers else []), *(cell for cell, _ in cells)])
    return csv_text([*(["row"] if has_numbers else []), *names], plain), cut


def _range(series: pd.Series) -> tuple[Any, Any]:
    """The smallest and the largest value of a column of numbers or times; without a copy of it."""
    import numpy as np

    values = series.to_numpy(copy=False) if isinstance(series.dtype, np.dtype) else None
    if values is not None and values.dtype.kind == "f":
        return np.fmin.reduce(values), np.fmax.reduce(values)  # nanmin would copy the column
    if values is not None and values.dtype.kind in "iu":
        return values.min(), values.max()
    is_ordered = series.dtype.kind in "iufmM" and str(series.dtype) != "bool"
    return (series.min(), series.max()) if is_ordered else (None, None)


def _nulls(series: pd.Series) -> int:
    import numpy as np

    if isinstance(series.dtype, np.dtype) and series.dtype.kind in "iub":
        return 0
    return int(series.isna().sum())


def _label(name: Any) -> str:
    return " / ".join(map(str, name)) if isinstance(name, tuple) else str(name)


def _is_plain_index(index: pd.Index) -> bool:
    return type(index).__name__ == "RangeIndex" and index.start == 0 and index.step == 1 and index.name is None  # type: ignore[attr-defined]  # of a RangeIndex
