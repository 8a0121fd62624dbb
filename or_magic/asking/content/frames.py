"""Tables of pandas, polars and pyarrow, and arrays of numpy, for `tables`. Each library is one that the user has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from or_magic.asking.content.tables import Column, csv_text, cut_cell, table_content
from or_magic.content import Content, Room

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


def pandas_frame(value: Any, name: str, room: Room) -> Content:
    """A ``pandas.DataFrame``."""
    return table_content(_PandasTable(value), name, room)


def pandas_series(value: Any, name: str, room: Room) -> Content:
    """A ``pandas.Series`` or an ``Index``, as a table of one column."""
    frame = value.to_frame(name="value" if value.name is None else value.name)
    table = _PandasTable(frame if type(value).__name__ == "Series" else frame.reset_index(drop=True))
    table.kind = f"pandas {type(value).__name__}"
    return table_content(table, name, room)


def pandas_groups(value: Any, name: str, room: Room) -> Content:
    """A ``GroupBy`` (or resampler) of pandas: its groups and how many rows each has."""
    sizes = value.size()
    table = _PandasTable(sizes.to_frame("rows") if type(sizes).__name__ == "Series" else sizes)
    table.kind = f"pandas {type(value).__name__}: its groups and their sizes"
    return table_content(table, name, room)


def polars_frame(value: Any, name: str, room: Room) -> Content:
    """A ``polars.DataFrame``."""
    return table_content(_PolarsTable(value), name, room)


def polars_series(value: Any, name: str, room: Room) -> Content:
    """A ``polars.Series``, as a table of one column."""
    table = _PolarsTable(value.to_frame(value.name or "value"))
    table.kind = "polars Series"
    return table_content(table, name, room)


def polars_groups(value: Any, name: str, room: Room) -> Content:
    """A ``GroupBy`` of polars: its groups and how many rows each has, in the order of their keys."""
    sizes = value.len()
    table = _PolarsTable(sizes.sort(sizes.columns[:-1]))
    table.kind = "polars GroupBy: its groups and their sizes"
    return table_content(table, name, room)


def polars_lazy(value: Any, name: str, room: Room) -> Content:
    """A ``polars.LazyFrame``: its columns and its plan. It is not run: that may take long."""
    schema = csv_text(["column", "dtype"], ([column, str(dtype)] for column, dtype in value.collect_schema().items()))
    text = f"{name}: polars LazyFrame, not run.\n```csv\n{schema}```\n```text\n{value.explain()}\n```"
    return Content.of_text(text, f"{name}: the plan was sent, without rows; collect() it to send some.", is_block=True)


def arrow_table(value: Any, name: str, room: Room) -> Content:
    """A ``pyarrow.Table`` or ``RecordBatch``."""
    return table_content(_ArrowTable(value), name, room)


def array(value: Any, name: str, room: Room) -> Content:
    """A ``numpy.ndarray``: of one or two dimensions as a table, of more by its shape, range and first values."""
    import pandas as pd

    if value.ndim == 0:
        return Content.of_text(str(value.item()))
    if value.ndim <= 2 and value.shape[-1]:
        table = _PandasTable(pd.DataFrame(value, copy=False))
        table.kind = f"numpy array, shape {value.shape}, dtype {value.dtype}"
        return table_content(table, name, room)
    return _tensor(value, name, room)


def _tensor(value: np.ndarray, name: str, room: Room) -> Content:
    head = f"{name}: numpy array, shape {value.shape}, dtype {value.dtype}"
    if value.size and value.dtype.kind in "iuf":
        head += f", from {value.min()!s} to {value.max()!s}"
    count = min(value.size, room.rows or max(1, room.bytes // 20))
    first = [str(each) for each in value.flat[:count].tolist()]
    told = "All values" if count == value.size else f"The first {count:,} of {value.size:,} values"
    text = f"{head}. {told}, the last index running fastest:\n```text\n{' '.join(first)}\n```"
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
