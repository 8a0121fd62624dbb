"""Any value of Python to the parts of a message: what is registered comes first, then what is known here by type."""

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
from or_magic.prompt import (
    converters as plain,
)
from or_magic.prompt import (
    media as files,
)
from or_magic.prompt import (
    media as images,
)
from or_magic.prompt import (
    tables as frames,
)
from or_magic.prompt import (
    tracebacks as sources,
)
from or_magic.types import MEDIA, Message, Part, TextPart

INLINE = (str, int, float, complex, decimal.Decimal, fractions.Fraction, type(None), uuid.UUID, datetime.timedelta)
_TIMES = (datetime.date, datetime.time)
_SHORT = 200  # characters of JSON that may stand in the midst of a sentence
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
_DEEPEST = 50


def inline(value: Any, name: str, limit: SizeLimit) -> Content:
    """A text or a number, in the midst of a sentence."""
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
    kept, count = _shortened(plain, limit)
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
        CommandError: it is none that says anything.
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
    """The value in JSON's own kinds; the same for equal values, in any process."""
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


def _shortened(plain: Any, limit: SizeLimit) -> tuple[Any, int]:
    """The first and the last items of a list or dict, as many as there is room for; and how many those are."""
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
_DEEPEST_VALUE = 5  # how often what a converter returns is converted in turn
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


def content_of(value: Any, name: str, limit: SizeLimit = _LIMIT, *, depth: int = 0) -> Content:
    """What a value is in a message.

    Args:
        name: how it is called, in the text and in notes.
        room: how much of it may be sent.

    Raises:
        CommandError: it is none that can be sent; the message says why.
    """
    if depth > _DEEPEST_VALUE:
        raise CommandError(f"{name}: what its converter returns has to be converted again and again. Nothing was sent.")
    if (own := registered(value)) is not None:
        return _of_own(own(value), value, name, limit, depth)
    if isinstance(value, Content):
        return value
    for base in type(value).__mro__:
        if (convert := _FOREIGN.get((base.__module__.partition(".")[0], base.__name__))) is not None:
            return convert(value, name, limit)
    return _of_python(value, name, limit, depth)


def prompt_content(prompt: object, limit: SizeLimit = _LIMIT) -> Content:
    """What is asked in Python: a text as it is, a list of texts and values, or a value alone.

    Raises:
        CommandError: one of the values cannot be sent.
    """
    if not isinstance(prompt, (list, tuple)):
        return Content.of_text(prompt) if isinstance(prompt, str) else content_of(prompt, "the prompt", limit)
    named = [("" if isinstance(each, str) else f"value {n}", each) for n, each in enumerate(prompt, 1)]
    return message_parts(named, limit)


def message_parts(values: Iterable[tuple[str, Any]], limit: SizeLimit = _LIMIT) -> Content:
    """A prompt of texts (named ``""``) and named values, as the parts of one message: texts in a row are one.

    Raises:
        CommandError: one of the values cannot be sent.
    """
    joined = _Joined()
    for name, value in values:
        joined.add(Content.of_text(value) if name == "" else content_of(value, " ".join(name.split()), limit))
    return joined.whole()


def _of_own(told: Any, value: Any, name: str, limit: SizeLimit, depth: int) -> Content:
    if told is value:
        raise CommandError(f"{name}: its converter returns the value itself. Nothing was sent.")
    if isinstance(told, list):
        return _one_by_one([(name, each) for each in told], limit, depth + 1)
    return content_of(told, name, limit, depth=depth + 1)


def _of_python(value: Any, name: str, limit: SizeLimit, depth: int) -> Content:
    if isinstance(value, Answer):
        return Content.of_text(value.text)
    if isinstance(value, Message):
        return Content(tuple(part for part in value.parts if isinstance(part, (TextPart, *MEDIA))))
    if isinstance(value, Path):
        return files.file_content(value, limit)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return files.raw_bytes(value, name, limit)
    if isinstance(value, BaseException):
        return sources.exception(value, name, limit)
    if isinstance(value, _CODE):
        return sources.source(value, name, limit)
    if isinstance(value, (*plain.INLINE, enum.Enum, datetime.date, datetime.time)):
        return plain.inline(value, name, limit)
    if type(value).__module__.startswith("IPython."):
        return _shown(value, name, limit)
    if not plain.is_structure(value):
        return plain.described(value, name, limit)
    inner = _rich(value, name)
    return plain.structure(value, name, limit) if inner is None else _one_by_one(inner, limit, depth + 1)


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


def _one_by_one(values: list[tuple[str, Any]], limit: SizeLimit, depth: int) -> Content:
    joined = _Joined()
    for name, value in values:
        each = content_of(value, name, limit, depth=depth)
        joined.add(Content(each.parts, each.notes, is_block=True))
    whole = joined.whole()
    return Content(whole.parts, whole.notes, is_block=True)


def _shown(value: Any, name: str, limit: SizeLimit) -> Content:
    """An object of ``IPython.display``: an image, a sound, a film, or a text of Markdown and the like."""
    data = getattr(value, "data", None)
    kind = type(value).__name__
    if isinstance(data, bytes) and kind in ("Image", "Audio", "Video"):
        return files.raw_bytes(data, name, limit)
    if kind in ("Image", "Video") and (url := getattr(value, "url", None)):
        return files.web_address(url)
    if kind in ("Audio", "Video") and (path := getattr(value, "filename", None)):
        return files.file_content(Path(path), limit)
    if isinstance(data, str):
        return Content.of_text(data)
    return plain.described(value, name, limit)


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
