"""Texts, numbers, lists, dicts and what is made of them: a text as it is, the others as JSON."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import fractions
import json
import re
import uuid
from collections.abc import Callable, Mapping, Sequence, Set
from pathlib import PurePath
from typing import Any

from or_magic.asking.content.blocks import fenced
from or_magic.content import Content, Room
from or_magic.errors import CommandError

INLINE = (str, int, float, complex, decimal.Decimal, fractions.Fraction, type(None), uuid.UUID, datetime.timedelta)
_TIMES = (datetime.date, datetime.time)
_SHORT = 200  # characters of JSON that may stand in the midst of a sentence
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
_DEEPEST = 50


def inline(value: Any, name: str, room: Room) -> Content:
    """A text or a number, in the midst of a sentence."""
    if isinstance(value, enum.Enum):
        value = value.value
    return Content.of_text(value.isoformat() if isinstance(value, _TIMES) else str(value))


def structure(value: Any, name: str, room: Room) -> Content:
    """A list, dict, set, dataclass or pydantic model as JSON; of a long one the first and the last items."""
    plain = _plain(value, name)
    text = json.dumps(plain, ensure_ascii=False)
    if len(text) <= _SHORT and "\n" not in text:
        return Content.of_text(text)
    if len(text.encode("utf-8", "replace")) <= room.bytes:
        return Content.of_text(fenced(_json(plain), "json"), is_block=True)
    kept, count = _shortened(plain, room)
    total = len(plain) if isinstance(plain, (list, dict)) else 1
    if count < 2:
        raise CommandError(
            f"{name} has {len(text) / 1e6:,.1f} MB as JSON, in {total:,} items that are too large to be sent each. "
            "Nothing was sent. Send a part of it."
        )
    which = f"{count:,} of {total:,} items (the first {count - count // 3:,}, the last {count // 3:,})"
    text = f"{name}: {which}:\n{fenced(_json(kept), 'json')}"
    return Content.of_text(text, f"{name}: {which} sent.", is_block=True)


def described(value: Any, name: str, room: Room) -> Content:
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


def _shortened(plain: Any, room: Room) -> tuple[Any, int]:
    """The first and the last items of a list or dict, as many as there is room for; and how many those are."""
    items = list(plain.items()) if isinstance(plain, dict) else plain if isinstance(plain, list) else []
    count = len(items)
    while count > 1:
        kept = _ends(items, count)
        size = len(_json(dict(kept) if isinstance(plain, dict) else kept).encode("utf-8", "replace"))
        if size <= room.bytes:
            return dict(kept) if isinstance(plain, dict) else kept, count
        count = min(count - 1, int(count * room.bytes / size))
    return plain, 0


def _json(plain: Any) -> str:
    """An item a line; a list of numbers, which needs no lines, on one."""
    is_flat = isinstance(plain, list) and not any(isinstance(each, (str, list, dict)) for each in plain)
    return json.dumps(plain, ensure_ascii=False, indent=None if is_flat else 1)


def _ends(items: list[Any], count: int) -> list[Any]:
    last = count // 3
    return [*items[: count - last], *(items[-last:] if last else [])]
