"""A table of models in a cell: to search, sort and filter, without the network; else a plain one.

The table is a widget of itables, which brings its own code and escapes all text. Beside it stands plain HTML, for what
shows no widgets: GitHub, nbconvert, a saved notebook.
"""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

from or_magic.text import sendable

if TYPE_CHECKING:
    import pandas as pd

    from or_magic.catalog.table import ModelTable

_PLAIN_ROWS = 20
SWITCHES = ("vision", "tools", "structured", "reasoning")
LARGE_FIRST = ("context", "intelligence")
BLANK_LAST = (
    "function (data, type) { const is_number = typeof data === 'number' && !Number.isNaN(data); "
    "if (type !== 'display') return is_number ? data : %sInfinity; "
    "return is_number ? data.toLocaleString('en-US', {maximumFractionDigits: 10}) : ''; }"
)
_NARROW_FILTERS = (  # else the fields that filter a column make it as wide as they are
    "function () { const api = this.api(); let changed = false; "
    "api.table().container().querySelectorAll('thead input').forEach((field, n) => { "
    "const width = n === 0 ? '18ch' : '8ch'; "
    "if (field.style.width !== width) { field.style.width = width; changed = true; } }); "
    "if (changed) api.columns.adjust(); }"
)
_NAMES = {
    "context": "context",
    "prompt_usd_per_m": "in USD/M",
    "completion_usd_per_m": "out USD/M",
    "job_usd": "job USD",
    "intelligence": "intelligence",
}


def models_bundle(table: ModelTable, *, is_interactive: bool) -> dict[str, Any]:
    """What a cell shows of a table of models."""
    shown = shown_frame(table)
    bundle: dict[str, Any] = {"text/plain": sendable(repr(table)), "text/html": plain_html(shown, len(table))}
    if is_interactive and (view := _interactive(shown)) is not None:
        bundle |= view
    return bundle


def shown_frame(table: ModelTable) -> pd.DataFrame:
    """What one chooses by, under names for people; all columns where those are not there."""
    import pandas as pd

    if not {"context", "prompt_usd_per_m", "completion_usd_per_m", *SWITCHES} <= set(table.columns):
        return pd.DataFrame(table)
    columns: dict[str, Any] = {
        name: table[column].astype("float64").round(10) for column, name in _NAMES.items() if column in table
    }
    columns["context"] = table["context"].astype("float64")
    columns |= {name: ["✓" if can else "" for can in table[name]] for name in SWITCHES}
    columns["added"] = table["created"].dt.strftime("%Y-%m-%d").fillna("")
    columns["ends"] = table["expires"].dt.strftime("%Y-%m-%d").fillna("")
    if not any(columns["ends"]):
        columns.pop("ends")
    return pd.DataFrame(columns, index=table.index)


def plain_html(shown: pd.DataFrame, count: int) -> str:
    """The first rows as a table that needs nothing."""
    head = "".join(f"<th>{html.escape(str(name))}</th>" for name in (shown.index.name or "", *shown.columns))
    body = "".join(
        f"<tr>{''.join(f'<td>{html.escape(_text(cell))}</td>' for cell in row)}</tr>"
        for row in shown.head(_PLAIN_ROWS).itertuples()
    )
    more = f"<div>{count:,} models; the first {_PLAIN_ROWS} are shown</div>" if count > _PLAIN_ROWS else ""
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return sendable(f'<div class="mathjax_ignore">{table}{more}</div>')


def _interactive(shown: pd.DataFrame) -> dict[str, Any] | None:
    """The widget; None where itables or its widget is not there."""
    try:
        from itables import JavascriptFunction
        from itables.widget import ITable
    except ImportError:
        return None
    # The renderers are ours, and know no text of anybody: what has no number is blank, and last where one sorts by it.
    numbers = {name: position for position, name in enumerate(shown.columns, 1) if shown[name].dtype.kind == "f"}
    renders = [
        {"targets": position, "render": JavascriptFunction(BLANK_LAST % ("-" if name in LARGE_FIRST else ""))}
        for name, position in numbers.items()
    ]
    widget = ITable(
        shown,
        maxBytes=0,
        column_filters="header",
        classes="display compact",
        lengthMenu=[10, 25, 50, 100],
        columnDefs=[{"className": "dt-left", "targets": 0}, *renders],
        drawCallback=JavascriptFunction(_NARROW_FILTERS),
        allow_html=False,
    )
    view = widget._repr_mimebundle_()
    data = view[0] if isinstance(view, tuple) else view
    return {key: value for key, value in (data or {}).items() if key.startswith("application/vnd.jupyter.widget")}


def _text(cell: Any) -> str:
    if isinstance(cell, float):
        return "" if cell != cell else f"{cell:g}"
    return f"{cell:,}" if isinstance(cell, int) else "" if str(cell) == "<NA>" else str(cell)
