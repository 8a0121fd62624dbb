"""Kinds of values that a setting can have: each knows what may be typed for it, and what it means. Pure.

A kind turns a text (typed in a cell, a command, an environment variable) or a Python value (from a script, from the
settings file) into the value that is sent, or raises `ValueError` with what it wants instead.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

_YES, _NO = ("on", "yes", "true", "1", ""), ("off", "no", "false", "0")
_ESCAPES = {"\\n": "\n", "\\t": "\t", "\\\\": "\\"}


class Kind(Protocol):
    """What all kinds can do."""

    @property
    def shown(self) -> str:
        """How the value is called in the help; "" for a switch, which needs none."""

    def parse(self, text: str) -> Any:
        """The value of what was typed. Raises ValueError."""

    def check(self, value: Any) -> Any:
        """The value of a Python object. Raises ValueError."""


@dataclass(frozen=True, slots=True)
class Number:
    """A number, both ends included."""

    low: float
    high: float
    is_whole: bool = False

    @property
    def shown(self) -> str:
        """Its range."""
        return f"{self.low:g}..{self.high:g}" if self.high < 1e9 else "N"

    def parse(self, text: str) -> float:
        """The number that was typed."""
        try:
            return self.check(float(text) if not text.lstrip("-").isdecimal() else int(text))
        except ValueError:
            raise ValueError(self._wanted()) from None

    def check(self, value: Any) -> float:
        """The number, as a whole one where it is one."""
        if isinstance(value, bool) or not isinstance(value, int | float) or not self.low <= value <= self.high:
            raise ValueError(self._wanted())
        if self.is_whole and value != int(value):
            raise ValueError(self._wanted())
        return int(value) if self.is_whole else value

    def _wanted(self) -> str:
        what = "a whole number" if self.is_whole else "a number"
        return f"{what} of {self.low:g} or more" if self.high >= 1e9 else f"{what} from {self.low:g} to {self.high:g}"


def whole(low: int, high: float = 1e9) -> Number:
    """A whole number; without `high` of any size."""
    return Number(low, high, is_whole=True)


@dataclass(frozen=True, slots=True)
class Text:
    """A text of at most so many characters; `\\n`, `\\t` and `\\\\` stand for what they do in Python where typed."""

    shown: str = "TEXT"
    longest: int = 100_000

    def parse(self, text: str) -> str:
        """The text that was typed."""
        for written, meant in _ESCAPES.items():
            text = text.replace(written, meant)
        return self.check(text)

    def check(self, value: Any) -> str:
        """The text."""
        if not isinstance(value, str) or not 0 < len(value) <= self.longest:
            raise ValueError(f"a text of 1 to {self.longest:,} characters")
        return value


class Choice:
    """One of some words."""

    def __init__(self, *words: str) -> None:
        self.words = words

    @property
    def shown(self) -> str:
        """The words."""
        return "|".join(self.words)

    def parse(self, text: str) -> str:
        """The word that was typed."""
        return self.check(text.lower())

    def check(self, value: Any) -> str:
        """The word."""
        if value not in self.words:
            raise ValueError(f"one of {', '.join(self.words)}")
        return str(value)


class Switch:
    """On or off; typed alone it is on."""

    shown = ""

    def parse(self, text: str) -> bool:
        """What was typed."""
        if text.lower() not in _YES + _NO:
            raise ValueError("on or off")
        return text.lower() in _YES

    def check(self, value: Any) -> bool:
        """True or False."""
        if not isinstance(value, bool):
            raise ValueError("true or false")
        return value


@dataclass(frozen=True, slots=True)
class Several:
    """A list: values typed several times, or (where `comma`) with commas between them, or a JSON array.

    Attributes:
        each: the kind of its values.
        most: how many there may be.
    """

    each: Kind
    most: int = 1000
    comma: bool = True

    @property
    def shown(self) -> str:
        """That of its values."""
        return f"{self.each.shown},..." if self.comma else self.each.shown

    def parse(self, text: str) -> list[Any]:
        """The values that were typed at once."""
        if text.lstrip().startswith("["):
            return self.check(_json(text, "a list"))
        words = [word.strip() for word in text.split(",")] if self.comma else [text]
        return self._counted([self.each.parse(word) for word in words if word or not self.comma])

    def check(self, value: Any) -> list[Any]:
        """The values of a list; a single value is a list of one."""
        values = list(value) if isinstance(value, list | tuple) else [value]
        return self._counted([self.each.check(each) for each in values])

    def _counted(self, values: list[Any]) -> list[Any]:
        if not 0 < len(values) <= self.most:
            raise ValueError(f"1 to {self.most} values")
        return values


@dataclass(frozen=True, slots=True)
class Json:
    """Anything that JSON can say; `rule` gives the value or raises ValueError."""

    shown: str = "JSON"
    rule: Callable[[Any], Any] = lambda value: value

    def parse(self, text: str) -> Any:
        """The value of the JSON that was typed."""
        return self.check(_json(text, "JSON"))

    def check(self, value: Any) -> Any:
        """The value, if JSON can say it."""
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise ValueError("what JSON can say") from error
        return self.rule(value)


def json_object(value: Any) -> dict[str, Any]:
    """A rule for `Json`: an object."""
    if not isinstance(value, Mapping):
        raise ValueError('a JSON object such as {"name": 1}')
    return dict(value)


def json_objects(value: Any) -> list[dict[str, Any]]:
    """A rule for `Json`: an array of objects."""
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise ValueError('a JSON array of objects such as [{"type": "x"}]')
    return value


@dataclass(frozen=True, slots=True)
class Pairs:
    """Names and values, typed as ``a=1,b=2`` or as a JSON object; `rule` is that of `Json`."""

    shown: str = "NAME=VALUE,..."
    rule: Callable[[Any], Any] = json_object

    def parse(self, text: str) -> Any:
        """The pairs that were typed."""
        if text.lstrip().startswith("{"):
            return self.check(_json(text, "JSON"))
        pairs = [pair.partition("=") for pair in text.split(",")]
        if not all(name.strip() and equals for name, equals, _ in pairs):
            raise ValueError("pairs such as name=value")
        return self.check({name.strip(): value.strip() for name, _, value in pairs})

    def check(self, value: Any) -> Any:
        """The pairs."""
        return self.rule(json_object(value))


@dataclass(frozen=True, slots=True)
class Either:
    """The first kind that takes it."""

    kinds: tuple[Kind, ...]

    @property
    def shown(self) -> str:
        """That of all its kinds."""
        return "|".join(kind.shown for kind in self.kinds)

    def parse(self, text: str) -> Any:
        """What was typed."""
        return self._first(lambda kind: kind.parse(text))

    def check(self, value: Any) -> Any:
        """The value."""
        return self._first(lambda kind: kind.check(value))

    def _first(self, take: Callable[[Kind], Any]) -> Any:
        wanted = []
        for kind in self.kinds:
            try:
                return take(kind)
            except ValueError as error:
                wanted.append(str(error))
        raise ValueError(", or ".join(wanted))


def _json(text: str, what: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError(f"{what}, in quotes: '{{\"name\": 1}}'") from None


class Extras:
    """Fields that this table does not know: ``key=json``; a value that is no JSON is a text. Keys may have dots."""

    shown = "KEY=JSON"

    def parse(self, text: str) -> dict[str, Any]:
        """The field that was typed, or several as a JSON object."""
        if text.lstrip().startswith("{"):
            return self.check(_json(text, "JSON"))
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise ValueError("a field and its value, as key=json")
        try:
            return self.check({key.strip(): json.loads(value)})
        except ValueError:
            return self.check({key.strip(): value})

    def check(self, value: Any) -> dict[str, Any]:
        """The fields."""
        return dict(Json(rule=json_object).check(value))
