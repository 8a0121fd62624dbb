"""The table and the card of the model picker.

Whatever the service tells is text of strangers, and is escaped here.

The rows are sent once. Which of them pass the filters, and which are favourites, is told to `picker.js` in a few bytes:
the rows of 10,000 models are a megabyte, and a table that gets new ones is built anew, without what was typed into its
search. Nor is the selection itables' own, which visits every row.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
from traitlets import Bytes, Int, List, Tuple, Unicode

from or_magic.jupyter.html.tables import BLANK_LAST, LARGE_FIRST, SWITCHES, shown_frame
from or_magic.text import escape_text

if TYPE_CHECKING:
    from or_magic.catalog.model import Model
    from or_magic.catalog.table import ModelTable

_OFFERS = "served by"
_NARROW = ("id", "in USD/M", "out USD/M")  # what is left where there is little room
_WIDEST = ("added", "ends")  # what is there only where there is much
_MARK = "★"
_DRAWN = """function () {
    const api = this.api();
    const tell = (left) => {
        const drawn = new CustomEvent("orm-models-drawn", { detail: { key: "%s", api }, cancelable: true });
        // picker.js may come after the first draw
        if (document.dispatchEvent(drawn) && left) setTimeout(tell, 100, left - 1);
    };
    tell(100);
}"""
_MARKS = """function (data, type, row, meta) {
    const mark = meta.settings.nTable.ormMarks?.get(meta.row);
    if (type !== "display") return type === "filter" ? "" : mark ? mark.rank : 1e9;
    if (!mark) return "";
    return mark.sign === "recent"
        ? '<span class="orm-mark" role="img" aria-label="used before" title="Used before">↺</span>'
        : '<span class="orm-mark orm-star" role="img" aria-label="favourite" title="Favourite">★</span>';
}"""
_LANGUAGE = {
    "search": "",
    "searchPlaceholder": "Search",
    "lengthMenu": "_MENU_ a page",
    "info": "_START_ to _END_ of _TOTAL_ models",
    "infoEmpty": "No models",
    "infoFiltered": "(_MAX_ in all)",
    "zeroRecords": "No model is like that.",
    "emptyTable": "The service lists no models.",
}


class PickerPage(anywidget.AnyWidget):
    """What the picker is in the page besides its widgets: looks, keys, names for screen readers, the table's filter.

    Attributes:
        key: names the table that listens to it.
        kept: one byte for each row of the table, 1 for those that are shown; b"" for all.
        marks: rows with their sign, ``favourite`` or ``recent``, in the order in which they stand first.
        chosen: the row of the model that is set, -1 where the table has none; a click on another sets it.
        offered: the ids that the field offers while one is typed.
    """

    # As text: given paths, anywidget holds on to each widget for good, to tell it when its file changes.
    _esm = Path(__file__).with_name("picker.js").read_text(encoding="utf-8")
    _css = Path(__file__).with_name("picker.css").read_text(encoding="utf-8")
    key = Unicode().tag(sync=True)
    kept = Bytes().tag(sync=True)
    marks: Any = List().tag(sync=True)
    chosen = Int(-1).tag(sync=True)
    offered: Any = Tuple().tag(sync=True)

    def renew(self) -> None:
        """Leaves the tables of before alone: another is about to be made."""
        self.key, self.kept, self.marks, self.chosen = uuid.uuid4().hex, b"", [], -1


class Rows:
    """The rows of one table: where each id stands.

    Attributes:
        table: the models.
        ids: their ids, in the table's order.
        positions: the first row of each id.
    """

    def __init__(self, table: ModelTable) -> None:
        self.table = table
        self.ids: list[str] = table.index.tolist()
        self.positions = {id: position for position, id in reversed(list(enumerate(self.ids)))}

    def kept(self, found: ModelTable) -> bytes:
        """One byte for each row, 1 for those whose model was found; b"" where all were."""
        if len(found) == len(self.table):
            return b""
        kept: bytes = self.table.index.isin(found.index).tobytes()
        return kept

    def marks(self, favourites: Sequence[str], recent: Sequence[str]) -> list[list[Any]]:
        """The rows that stand first, each with its sign."""
        signs = dict.fromkeys(recent, "recent") | dict.fromkeys(favourites, "favourite")
        ordered = dict.fromkeys((*favourites, *recent))
        return [[self.positions[id], signs[id]] for id in ordered if id in self.positions]


def models_widget(table: ModelTable, key: str) -> Any:
    """The table as a widget, which `PickerPage` makes one to choose from.

    Args:
        table: the models.
        key: that of the page that it listens to.

    Raises:
        ImportError: itables is not there, or has no widget.
    """
    from itables import JavascriptFunction
    from itables.widget import ITable

    shown = shown_frame(table).reset_index(names="id")
    shown.insert(0, _MARK, "")
    # Of floats, so that what has no number is blank, and last where one sorts by it.
    positions = {name: position for position, name in enumerate(shown.columns) if position}
    numbers = {name: position for name, position in positions.items() if shown[name].dtype.kind == "f"}
    renders = [
        {"targets": position, "render": JavascriptFunction(BLANK_LAST % ("-" if name in LARGE_FIRST else ""))}
        for name, position in numbers.items()
    ]
    return ITable(
        shown,
        showIndex=False,
        maxBytes=0,
        allow_html=False,
        order=[[0, "asc"]],
        column_filters="header",
        classes="compact hover orm-models",
        style="width:100%",
        autoWidth=False,
        lengthMenu=[10, 25, 50, 100],
        language=_LANGUAGE,
        columnDefs=[
            {"targets": 0, "render": JavascriptFunction(_MARKS), "className": "orm-marks"},
            *({"targets": position, "className": _class_of(name)} for name, position in positions.items()),
            *renders,
        ],
        drawCallback=JavascriptFunction(_DRAWN % key),
    )


def _class_of(column: str) -> str:
    """What the page's looks know a column by; of several definitions DataTables takes one class alone."""
    if column == "id":
        return "dt-left orm-id"
    if column in _NARROW:
        return "orm-price"
    return " ".join(
        [
            "orm-wide",
            *["orm-widest"] * (column in _WIDEST),
            *["orm-plain dt-center"] * (column in SWITCHES),
            *["orm-plain"] * (column == "intelligence"),
        ]
    )


def card_html(model: Model | None, lines: Sequence[str]) -> str:
    """A card.

    Args:
        model: what the catalog knows of it; None where it knows nothing.
        lines: what `or_magic.catalog.card.model_card` tells of it.
    """
    if model is None:
        return f'<div class="orm-card">{"".join(_rows(lines))}</div>' if lines else ""
    # The card's first line is the heading here, and what it can are the badges.
    rows = [line for line in lines[1:] if not line.startswith("takes ")]
    since = f" · since {model.created_utc:%d %b %Y}" if model.created_utc is not None else ""
    return (
        '<div class="orm-card">'
        f'<div class="orm-card-name" role="heading" aria-level="4">{escape_text(model.name or model.id)}</div>'
        f'<div class="orm-card-id"><code>{escape_text(model.id)}</code>{since}</div>'
        f'<div class="orm-badges">{"".join(map(_badge, _badges(model)))}</div>'
        f"{''.join(_rows(rows))}</div>"
    )


def line_html(text: str, *, is_bad: bool = False) -> str:
    """The line below the field; "" for none."""
    kind = "orm-line orm-bad" if is_bad else "orm-line"
    return f'<div class="{kind}" role="status">{escape_text(text)}</div>' if text else ""


def _badges(model: Model) -> Iterator[str]:
    from or_magic.catalog.table import tokens_text  # pandas is imported with it

    if model.is_free:
        yield "free"
    if model.context_tokens:
        yield f"{tokens_text(model.context_tokens)} context"
    if model.max_output_tokens:
        yield f"{tokens_text(model.max_output_tokens)} answer"
    yield from (f"takes {each}" for each in sorted(model.input_modalities - {"text"}))
    yield from (f"gives {each}" for each in sorted(model.output_modalities - {"text"}))
    can = {"tools": model.takes_tools, "structured": model.takes_schemas, "reasoning": model.reasons}
    yield from (name for name, is_so in can.items() if is_so)
    if model.expires is not None:
        yield f"ends {model.expires:%d %b %Y}"
    yield from (f"{name.removesuffix('_index')} {score:.0f}" for name, score in model.benchmarks.items())


def _badge(text: str) -> str:
    return f'<span class="orm-badge">{escape_text(text, limit=60)}</span>'


def _rows(lines: Iterable[str]) -> Iterator[str]:
    """The lines; those that are set in below another as a list."""
    listed: list[str] = []
    for line in lines:
        if line.startswith("  "):
            listed.append(f"<li>{escape_text(line)}</li>")
            continue
        if listed:
            yield f"<ul>{''.join(listed)}</ul>"
            listed = []
        kind = "orm-card-title" if line == _OFFERS else "orm-card-row"
        yield f'<div class="{kind}">{escape_text(line.capitalize() if line == _OFFERS else line)}</div>'
    if listed:
        yield f"<ul>{''.join(listed)}</ul>"
