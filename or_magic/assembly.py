"""What arrives in pieces, put together: reasoning details, tool calls, annotations. Pure.

The pieces are the service's own objects, any field of which may be missing, new or of another type. Source of the
rules: openrouter.ai/docs, "Reasoning tokens" and "Tool calling" (2026-08), and recorded streams.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from or_magic.messages import Citation, ToolCall, ToolCallDelta

_GROWING = ("text", "summary", "data")
_ENCODER = msgspec.json.Encoder(decimal_format="number")


class ReasoningDetails:
    """Merges details by their index and type; the pieces of one are joined, its signature is kept."""

    def __init__(self) -> None:
        self._details: list[dict[str, Any]] = []
        self._growing: list[dict[str, list[str]]] = []  # the joined fields of each; one join at the end, so linear
        self._places: dict[tuple[object, object], int] = {}

    def add(self, items: Iterable[Mapping[str, Any]]) -> None:
        """Takes the next pieces, in order."""
        for item in items:
            place = self._place(item)
            if place is None:
                place = self._open(item)
            detail, growing = self._details[place], self._growing[place]
            for name, value in item.items():
                if name in _GROWING and isinstance(value, str):
                    growing.setdefault(name, []).append(value)
                    detail.setdefault(name, "")
                elif value is not None or name not in detail:
                    detail[name] = value

    def whole(self) -> list[dict[str, Any]]:
        """The details so far, each whole, in the order in which they began."""
        merged = zip(self._details, self._growing, strict=True)
        return [detail | {name: "".join(pieces) for name, pieces in growing.items()} for detail, growing in merged]

    def _place(self, item: Mapping[str, Any]) -> int | None:
        index, kind = item.get("index"), item.get("type")
        if isinstance(index, int) and isinstance(kind, str):
            return self._places.get((index, kind))
        if not self._details or kind not in ("reasoning.text", "reasoning.summary"):
            return None
        # Without an index, a text goes on with the one before it.
        return len(self._details) - 1 if self._details[-1].get("type") == kind else None

    def _open(self, item: Mapping[str, Any]) -> int:
        self._details.append({})
        self._growing.append({})
        place = len(self._details) - 1
        if isinstance(item.get("index"), int) and isinstance(item.get("type"), str):
            self._places[item["index"], item["type"]] = place
        return place


class ToolCalls:
    """Joins the pieces of tool calls, which may run in parallel."""

    def __init__(self) -> None:
        self._calls: list[_OpenCall] = []

    def add(self, piece: ToolCallDelta) -> None:
        """Takes the next piece."""
        call = self._call_of(piece)
        if call is None:
            call = _OpenCall(piece.index)
            self._calls.append(call)
        call.id = call.id or piece.id
        call.name = call.name or piece.name
        if piece.arguments:
            call.arguments.append(piece.arguments)

    def whole(self) -> tuple[ToolCall, ...]:
        """The calls so far, in the order in which they began."""
        return tuple(ToolCall(call.id, call.name, "".join(call.arguments)) for call in self._calls)

    def _call_of(self, piece: ToolCallDelta) -> _OpenCall | None:
        # The newest of that index: some upstreams give each of several calls the index 0, told apart by their ids.
        same = [call for call in self._calls if piece.index is None or call.index == piece.index]
        if not same or (piece.id and same[-1].id and piece.id != same[-1].id):
            return next((call for call in same if piece.id and call.id == piece.id), None)
        return same[-1]


class _OpenCall:
    def __init__(self, index: int | None) -> None:
        self.index = index
        self.id = self.name = ""
        self.arguments: list[str] = []


class Pieces:
    """Text that grows by pieces, appended by one thread and read as a whole by any."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._joining = threading.Lock()

    def __getstate__(self) -> str:
        """For pickle and copy: the text so far."""
        return self.joined()

    def __setstate__(self, text: str) -> None:
        """The same back."""
        self._pieces, self._joining = [text], threading.Lock()

    def append(self, piece: str) -> None:
        """Adds a piece at the end."""
        self._pieces.append(piece)

    def joined(self) -> str:
        """The whole so far; collapses the pieces, so that reading often costs nothing."""
        with self._joining:
            count = len(self._pieces)
            if count > 1:
                # One slice assignment: a piece that is appended meanwhile stays behind it.
                self._pieces[:count] = ["".join(self._pieces[:count])]
            return self._pieces[0] if count else ""


def citations_in(annotations: Iterable[Mapping[str, Any]]) -> tuple[Citation, ...]:
    """The sources among annotations, in order; one that is named again for the same place is left out."""
    found: dict[Citation, None] = {}
    for annotation in annotations:
        source = annotation.get("url_citation")
        if isinstance(source, Mapping) and isinstance(url := source.get("url"), str):
            start, end = source.get("start_index"), source.get("end_index")
            found[
                Citation(
                    url=url,
                    title=_text(source.get("title")),
                    start=start if isinstance(start, int) else 0,
                    end=end if isinstance(end, int) else 0,
                    excerpt=_text(source.get("content")),
                )
            ] = None
    return tuple(found)


def to_json(value: Any) -> str:
    """The JSON text of what came as JSON; decimal numbers stay the numbers that they were."""
    try:
        return _ENCODER.encode(value).decode()
    except (UnicodeError, RecursionError, TypeError):  # half of a surrogate pair
        return json.dumps(value, default=_number)


def _number(value: object) -> float | str:
    return float(value) if isinstance(value, Decimal) else str(value)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
