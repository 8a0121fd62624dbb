"""Converts any value of Python to the parts of a message: by a registered converter first, else by its type."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import fractions
import json
import re
import types
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from pathlib import Path, PurePath
from typing import Any

from or_magic.answer import Answer
from or_magic.content import Content, SizeLimit, fenced, registered
from or_magic.errors import CommandError
from or_magic.prompt import media, tables, tracebacks
from or_magic.types import MEDIA, Message, Part, TextPart

INLINE = (str, int, float, complex, decimal.Decimal, fractions.Fraction, type(None), uuid.UUID, datetime.timedelta)
_TIMES = (datetime.date, datetime.time)
_SHORT = 200  # characters of JSON that may stand within a sentence
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
_DEEPEST = 50


def inline(value: Any, name: str, limit: SizeLimit) -> Content:
    """A text or a number, which stands within a sentence."""
    if isinstance(value, enum.Enum):
        value = value.value
    return Content.of_text(value.isoformat() if isinstance(value, _TIMES) else str(value))


def structure(value: Any, name: str, limit: SizeLimit) -> Content:
    """A list, dict, set, dataclass or pydantic model as JSON; of a long one the first and the last items."""
    plain = _plain(value, name)
    text = json.dumps(plain, ensure_ascii=False)
    if len(text) <= _SHORT and "\n" not in text:
        return Content.of_text(text)
    if len(text.encode("utf-8", "replace")) <= limit.bytes:
        return Content.of_text(fenced(_json(plain), "json"), is_block=True)
    kept, count = _first_and_last(plain, limit)
    total = len(plain) if isinstance(plain, (list, dict)) else 1
    if count < 2:
        raise CommandError(
            f"{name} has {len(text) / 1e6:,.1f} MB as JSON, in {total:,} items that are too large to be sent each. "
            "Nothing was sent. Send a part of it."
        )
    which = f"{count:,} of {total:,} items (the first {count - count // 3:,}, the last {count // 3:,})"
    text = f"{name}: {which}:\n{fenced(_json(kept), 'json')}"
    return Content.of_text(text, f"{name}: {which} sent.", is_block=True)


def described(value: Any, name: str, limit: SizeLimit) -> Content:
    """Any other object by its repr.

    Raises:
        CommandError: its repr says nothing but its address.
    """
    text = repr(value)
    kind = type(value).__name__
    if _ADDRESS.search(text):
        raise CommandError(
            f"{name} is a {kind}, and how it reads as text is not known. Nothing was sent. Send a part of it, or give "
            f"the class a method __llm__ that returns text, or or_magic.content.register({kind}, function)."
        )
    return Content.of_text(text if len(text) <= _SHORT and "\n" not in text else fenced(text, "text"), is_block=False)


def is_structure(value: object) -> bool:
    """Whether it is read as JSON."""
    is_model = hasattr(type(value), "model_dump") or (dataclasses.is_dataclass(value) and not isinstance(value, type))
    return is_model or isinstance(value, (Mapping, Set, range)) or _is_list(value)


def _is_list(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, (str, bytes, bytearray, memoryview))


def _plain(value: Any, name: str, depth: int = 0) -> Any:
    """The value in the types of JSON; equal values give equal JSON, in any process."""
    if depth > _DEEPEST:
        raise CommandError(f"{name} is nested deeper than {_DEEPEST} levels, or holds itself. Nothing was sent.")
    if value is None or isinstance(value, (str, bool, int, float)):
        return value.value if isinstance(value, enum.Enum) else value
    for is_kind, make in _KINDS:
        if is_kind(value):
            return make(value, name, depth + 1)
    return _ADDRESS.sub("", repr(value))


def _mapping(value: Mapping[Any, Any], name: str, depth: int) -> dict[str, Any]:
    return {str(_plain(key, name, depth)): _plain(inner, name, depth) for key, inner in value.items()}


def _sorted(value: Set[Any], name: str, depth: int) -> list[Any]:
    plain = [_plain(each, name, depth) for each in value]
    return sorted(plain, key=lambda each: (type(each).__name__, json.dumps(each, ensure_ascii=False)))


def _fields(value: Any, name: str, depth: int) -> dict[str, Any]:
    return {field.name: _plain(getattr(value, field.name), name, depth) for field in dataclasses.fields(value)}


_KINDS: tuple[tuple[Callable[[Any], bool], Callable[[Any, str, int], Any]], ...] = (
    (lambda v: isinstance(v, enum.Enum), lambda v, n, d: _plain(v.value, n, d)),
    (lambda v: isinstance(v, _TIMES), lambda v, n, d: v.isoformat()),
    (lambda v: isinstance(v, (*INLINE, PurePath)), lambda v, n, d: str(v)),
    (lambda v: isinstance(v, (bytes, bytearray)), lambda v, n, d: f"{len(v):,} bytes"),
    (lambda v: hasattr(type(v), "model_dump"), lambda v, n, d: _plain(v.model_dump(), n, d)),
    (lambda v: dataclasses.is_dataclass(v) and not isinstance(v, type), _fields),
    (lambda v: isinstance(v, Mapping), _mapping),
    (lambda v: isinstance(v, Set), _sorted),
    (lambda v: isinstance(v, range) or _is_list(v), lambda v, n, d: [_plain(each, n, d) for each in v]),
    (lambda v: type(v).__module__ == "numpy", lambda v, n, d: _plain(v.tolist(), n, d)),
)


def _first_and_last(plain: Any, limit: SizeLimit) -> tuple[Any, int]:
    """The first and the last items of a list or dict, as many as the limit allows; and how many those are."""
    items = list(plain.items()) if isinstance(plain, dict) else plain if isinstance(plain, list) else []
    count = len(items)
    while count > 1:
        kept = _ends(items, count)
        size = len(_json(dict(kept) if isinstance(plain, dict) else kept).encode("utf-8", "replace"))
        if size <= limit.bytes:
            return dict(kept) if isinstance(plain, dict) else kept, count
        count = min(count - 1, int(count * limit.bytes / size))
    return plain, 0


def _json(plain: Any) -> str:
    """An item a line; a list of numbers, which needs no lines, on one."""
    is_flat = isinstance(plain, list) and not any(isinstance(each, (str, list, dict)) for each in plain)
    return json.dumps(plain, ensure_ascii=False, indent=None if is_flat else 1)


def _ends(items: list[Any], count: int) -> list[Any]:
    last = count // 3
    return [*items[: count - last], *(items[-last:] if last else [])]


Converter = Callable[[Any, str, SizeLimit], Content]
_LIMIT = SizeLimit()
_DEEPEST_VALUE = 5  # how often the result of a converter is converted in turn
_MOST_IN_A_LIST = 100  # values of a list that are converted one by one
# By the library and the name of the class or of one of its bases, so that no library is imported to look.
_FOREIGN: Mapping[tuple[str, str], Converter] = {
    ("pandas", "DataFrame"): tables.pandas_frame,
    ("pandas", "Series"): tables.pandas_series,
    ("pandas", "Index"): tables.pandas_series,
    ("pandas", "BaseGroupBy"): tables.pandas_groups,
    ("polars", "DataFrame"): tables.polars_frame,
    ("polars", "Series"): tables.polars_series,
    ("polars", "GroupBy"): tables.polars_groups,
    ("polars", "LazyFrame"): tables.polars_lazy,
    ("pyarrow", "Table"): tables.arrow_table,
    ("pyarrow", "RecordBatch"): tables.arrow_table,
    ("numpy", "ndarray"): tables.array,
    ("numpy", "generic"): inline,
    ("matplotlib", "Figure"): media.matplotlib_figure,
    ("matplotlib", "Axes"): media.matplotlib_figure,
    ("seaborn", "Grid"): media.matplotlib_figure,
    ("plotly", "BaseFigure"): media.plotly_figure,
    ("altair", "TopLevelMixin"): media.altair_chart,
    ("PIL", "Image"): media.pil_image,
}
_CODE = (types.FunctionType, types.MethodType, types.BuiltinFunctionType, types.ModuleType, type)


def content_of(value: Any, name: str, limit: SizeLimit = _LIMIT, *, depth: int = 0) -> Content:
    """The content of a message that a value becomes.

    Args:
        name: what it is called, in the text and in notes.
        limit: how much of it may be sent.
        depth: how many converters its value came from.

    Raises:
        CommandError: it cannot be sent; the message says why.
    """
    if depth > _DEEPEST_VALUE:
        raise CommandError(f"{name}: what its converter returns has to be converted again and again. Nothing was sent.")
    if (convert_own := registered(value)) is not None:
        return _of_converted(convert_own(value), value, name, limit, depth)
    if isinstance(value, Content):
        return value
    for base in type(value).__mro__:
        if (convert := _FOREIGN.get((base.__module__.partition(".")[0], base.__name__))) is not None:
            return convert(value, name, limit)
    return _of_python(value, name, limit, depth)


def prompt_content(prompt: object, limit: SizeLimit = _LIMIT) -> Content:
    """The content of a prompt that is given in Python: a text as it is, a list of texts and values, or a single value.

    Raises:
        CommandError: one of the values cannot be sent.
    """
    if not isinstance(prompt, (list, tuple)):
        return Content.of_text(prompt) if isinstance(prompt, str) else content_of(prompt, "the prompt", limit)
    named = [("" if isinstance(each, str) else f"value {n}", each) for n, each in enumerate(prompt, 1)]
    return message_parts(named, limit)


def message_parts(values: Iterable[tuple[str, Any]], limit: SizeLimit = _LIMIT) -> Content:
    """Texts (named ``""``) and named values as the parts of one message; texts in a row become one part.

    Raises:
        CommandError: one of the values cannot be sent.
    """
    joined = _Joined()
    for name, value in values:
        joined.add(Content.of_text(value) if name == "" else content_of(value, " ".join(name.split()), limit))
    return joined.content()


def _of_converted(converted: Any, value: Any, name: str, limit: SizeLimit, depth: int) -> Content:
    """The content of what a registered converter, or the value's own method, made of a value."""
    if converted is value:
        raise CommandError(f"{name}: its converter returns the value itself. Nothing was sent.")
    if isinstance(converted, list):
        return _one_by_one([(name, each) for each in converted], limit, depth + 1)
    return content_of(converted, name, limit, depth=depth + 1)


def _of_python(value: Any, name: str, limit: SizeLimit, depth: int) -> Content:
    if isinstance(value, Answer):
        return Content.of_text(value.text)
    if isinstance(value, Message):
        return Content(tuple(part for part in value.parts if isinstance(part, (TextPart, *MEDIA))))
    if isinstance(value, Path):
        return media.file_content(value, limit)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return media.raw_bytes(value, name, limit)
    if isinstance(value, BaseException):
        return tracebacks.exception(value, name, limit)
    if isinstance(value, _CODE):
        return tracebacks.source(value, name, limit)
    if isinstance(value, (*INLINE, enum.Enum, datetime.date, datetime.time)):
        return inline(value, name, limit)
    if type(value).__module__.startswith("IPython."):
        return _displayed(value, name, limit)
    if not is_structure(value):
        return described(value, name, limit)
    inner = _rich_items(value, name)
    return structure(value, name, limit) if inner is None else _one_by_one(inner, limit, depth + 1)


def _rich_items(value: Any, name: str) -> list[tuple[str, Any]] | None:
    """The named items of a list or dict that holds tables or images; None where it holds none."""
    if not isinstance(value, (list, tuple, dict)) or len(value) > _MOST_IN_A_LIST:
        return None
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    items = [(f"{name}[{key!r}]", each) for key, each in pairs]
    return items if any(_is_rich(each) for _, each in items) else None


def _is_rich(value: Any) -> bool:
    is_foreign = any((base.__module__.partition(".")[0], base.__name__) in _FOREIGN for base in type(value).__mro__)
    is_number = type(value).__module__ == "numpy"
    return registered(value) is not None or isinstance(value, (bytes, Path)) or (is_foreign and not is_number)


def _one_by_one(values: list[tuple[str, Any]], limit: SizeLimit, depth: int) -> Content:
    joined = _Joined()
    for name, value in values:
        each = content_of(value, name, limit, depth=depth)
        joined.add(Content(each.parts, each.notes, is_block=True))
    content = joined.content()
    return Content(content.parts, content.notes, is_block=True)


def _displayed(value: Any, name: str, limit: SizeLimit) -> Content:
    """An object of ``IPython.display``: an image, a sound, a video, or a text of Markdown and the like."""
    data = getattr(value, "data", None)
    kind = type(value).__name__
    if isinstance(data, bytes) and kind in ("Image", "Audio", "Video"):
        return media.raw_bytes(data, name, limit)
    if kind in ("Image", "Video") and (url := getattr(value, "url", None)):
        return media.web_address(url)
    if kind in ("Audio", "Video") and (path := getattr(value, "filename", None)):
        return media.file_content(Path(path), limit)
    if isinstance(data, str):
        return Content.of_text(data)
    return described(value, name, limit)


class _Joined:
    """Puts contents in a row together: texts run on, blocks stand on lines of their own."""

    def __init__(self) -> None:
        self._parts: list[Part] = []
        self._notes: list[str] = []
        self._after_block = False

    def add(self, content: Content) -> None:
        """Adds a content at the end."""
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

    def content(self) -> Content:
        """All contents as one; empty texts are left out."""
        parts = tuple(part for part in self._parts if not isinstance(part, TextPart) or part.text)
        return Content(parts, tuple(dict.fromkeys(self._notes)))
