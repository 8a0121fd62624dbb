"""The door: any value to the parts of a message. What is registered comes first, then what is known here by type."""

from __future__ import annotations

import datetime
import enum
import types
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from or_magic.answer import Answer
from or_magic.asking.content import files, frames, images, plain, sources
from or_magic.content import Content, Room, registered
from or_magic.errors import CommandError
from or_magic.messages import MEDIA, Message, Part, TextPart

Converter = Callable[[Any, str, Room], Content]
_ROOM = Room()
_DEEPEST = 5  # how often what a converter returns is converted in turn
_MOST_IN_A_LIST = 100  # values that are converted one by one

# By the library and the name of the class, or of one of its bases: so that no library is imported to look.
_FOREIGN: Mapping[tuple[str, str], Converter] = {
    ("pandas", "DataFrame"): frames.pandas_frame,
    ("pandas", "Series"): frames.pandas_series,
    ("pandas", "Index"): frames.pandas_series,
    ("pandas", "BaseGroupBy"): frames.pandas_groups,
    ("polars", "DataFrame"): frames.polars_frame,
    ("polars", "Series"): frames.polars_series,
    ("polars", "GroupBy"): frames.polars_groups,
    ("polars", "LazyFrame"): frames.polars_lazy,
    ("pyarrow", "Table"): frames.arrow_table,
    ("pyarrow", "RecordBatch"): frames.arrow_table,
    ("numpy", "ndarray"): frames.array,
    ("numpy", "generic"): plain.inline,
    ("matplotlib", "Figure"): images.matplotlib_figure,
    ("matplotlib", "Axes"): images.matplotlib_figure,
    ("seaborn", "Grid"): images.matplotlib_figure,
    ("plotly", "BaseFigure"): images.plotly_figure,
    ("altair", "TopLevelMixin"): images.altair_chart,
    ("PIL", "Image"): images.pil_image,
}
_CODE = (types.FunctionType, types.MethodType, types.BuiltinFunctionType, types.ModuleType, type)


def content_of(value: Any, name: str, room: Room = _ROOM, *, depth: int = 0) -> Content:
    """What a value is in a message.

    Args:
        name: how it is called, in the text and in notes.
        room: how much of it may be sent.

    Raises:
        CommandError: it is none that can be sent; the message says why.
    """
    if depth > _DEEPEST:
        raise CommandError(f"{name}: what its converter returns has to be converted again and again. Nothing was sent.")
    if (own := registered(value)) is not None:
        return _of_own(own(value), value, name, room, depth)
    if isinstance(value, Content):
        return value
    for base in type(value).__mro__:
        if (convert := _FOREIGN.get((base.__module__.partition(".")[0], base.__name__))) is not None:
            return convert(value, name, room)
    return _of_python(value, name, room, depth)


def prompt_content(prompt: object, room: Room = _ROOM) -> Content:
    """What is asked in Python: a text as it is, a list of texts and values, or a value alone.

    Raises:
        CommandError: one of the values cannot be sent.
    """
    if not isinstance(prompt, (list, tuple)):
        return Content.of_text(prompt) if isinstance(prompt, str) else content_of(prompt, "the prompt", room)
    named = [("" if isinstance(each, str) else f"value {n}", each) for n, each in enumerate(prompt, 1)]
    return message_parts(named, room)


def message_parts(values: Iterable[tuple[str, Any]], room: Room = _ROOM) -> Content:
    """A prompt of texts (named ``""``) and named values, as the parts of one message: texts in a row are one.

    Raises:
        CommandError: one of the values cannot be sent.
    """
    joined = _Joined()
    for name, value in values:
        joined.add(Content.of_text(value) if name == "" else content_of(value, " ".join(name.split()), room))
    return joined.whole()


def _of_own(told: Any, value: Any, name: str, room: Room, depth: int) -> Content:
    if told is value:
        raise CommandError(f"{name}: its converter returns the value itself. Nothing was sent.")
    if isinstance(told, list):
        return _one_by_one([(name, each) for each in told], room, depth + 1)
    return content_of(told, name, room, depth=depth + 1)


def _of_python(value: Any, name: str, room: Room, depth: int) -> Content:
    if isinstance(value, Answer):
        return Content.of_text(value.text)
    if isinstance(value, Message):
        return Content(tuple(part for part in value.parts if isinstance(part, (TextPart, *MEDIA))))
    if isinstance(value, Path):
        return files.file_content(value, room)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return files.raw_bytes(value, name, room)
    if isinstance(value, BaseException):
        return sources.exception(value, name, room)
    if isinstance(value, _CODE):
        return sources.source(value, name, room)
    if isinstance(value, (*plain.INLINE, enum.Enum, datetime.date, datetime.time)):
        return plain.inline(value, name, room)
    if type(value).__module__.startswith("IPython."):
        return _shown(value, name, room)
    if not plain.is_structure(value):
        return plain.described(value, name, room)
    inner = _rich(value, name)
    return plain.structure(value, name, room) if inner is None else _one_by_one(inner, room, depth + 1)


def _rich(value: Any, name: str) -> list[tuple[str, Any]] | None:
    """The named items of a list or dict that holds tables or images; None where it holds none."""
    if not isinstance(value, (list, tuple, dict)) or len(value) > _MOST_IN_A_LIST:
        return None
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    items = [(f"{name}[{key!r}]", each) for key, each in pairs]
    return items if any(_is_rich(each) for _, each in items) else None


def _is_rich(value: Any) -> bool:
    known = ((base.__module__.partition(".")[0], base.__name__) in _FOREIGN for base in type(value).__mro__)
    is_plain = type(value).__module__ == "numpy"
    return registered(value) is not None or isinstance(value, (bytes, Path)) or (any(known) and not is_plain)


def _one_by_one(values: list[tuple[str, Any]], room: Room, depth: int) -> Content:
    joined = _Joined()
    for name, value in values:
        each = content_of(value, name, room, depth=depth)
        joined.add(Content(each.parts, each.notes, is_block=True))
    whole = joined.whole()
    return Content(whole.parts, whole.notes, is_block=True)


def _shown(value: Any, name: str, room: Room) -> Content:
    """An object of ``IPython.display``: an image, a sound, a film, or a text of Markdown and the like."""
    data = getattr(value, "data", None)
    kind = type(value).__name__
    if isinstance(data, bytes) and kind in ("Image", "Audio", "Video"):
        return files.raw_bytes(data, name, room)
    if kind in ("Image", "Video") and (url := getattr(value, "url", None)):
        return files.web_address(url)
    if kind in ("Audio", "Video") and (path := getattr(value, "filename", None)):
        return files.file_content(Path(path), room)
    if isinstance(data, str):
        return Content.of_text(data)
    return plain.described(value, name, room)


class _Joined:
    """Contents in a row: texts run on, blocks stand on lines of their own."""

    def __init__(self) -> None:
        self._parts: list[Part] = []
        self._notes: list[str] = []
        self._after_block = False

    def add(self, content: Content) -> None:
        """Adds one at the end."""
        for number, part in enumerate(content.parts):
            if not isinstance(part, TextPart):
                self._parts.append(part)
                self._after_block = False
                continue
            is_block = content.is_block and number == 0
            last = self._parts[-1] if self._parts else None
            before = last.text if isinstance(last, TextPart) else ""
            gap = "\n" if before and (is_block or self._after_block) and not self._is_apart(before, part.text) else ""
            if isinstance(last, TextPart):
                self._parts[-1] = TextPart(before + gap + part.text)
            else:
                self._parts.append(part)
            self._after_block = content.is_block
        self._notes += content.notes

    @staticmethod
    def _is_apart(before: str, after: str) -> bool:
        return before.endswith("\n") or after.startswith("\n")

    def whole(self) -> Content:
        """All of them; empty texts are left out."""
        parts = tuple(part for part in self._parts if not isinstance(part, TextPart) or part.text)
        return Content(parts, tuple(dict.fromkeys(self._notes)))
