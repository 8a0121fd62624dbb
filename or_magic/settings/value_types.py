"""The types that the values of flags, options and parameters have: one set, whoever sets the value, and wherever. Pure.

A type reads what was *typed* (on a cell's first line, behind ``%openrouter set``, in an environment variable, as a text
in ``%config``), and it checks a value of *Python* (an argument of `or_magic.ask`, a number in ``%config``, a value of
the settings file). A word means the same in all of these places: ``off``, ``no`` and ``0`` switch off everywhere, and a
word that a switch does not know is refused everywhere. Only where a free text is wanted do the two differ: a text of
Python or of the settings file is taken exactly as it is, while in a typed one ``\\n`` is a line break, and JSON an
object, because there is no other way to type these.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Literal

import msgspec

from or_magic.errors import CommandError
from or_magic.money import amount
from or_magic.text import nearest

ON_WORDS = ("on", "true", "yes", "y", "1")
OFF_WORDS = ("off", "false", "no", "n", "0", "none")
_ESCAPES = {"\\n": "\n", "\\t": "\t", "\\\\": "\\"}

Names = Literal["", "model", "thread", "prompt", "schema", "tool"]


class ValueType(msgspec.Struct, frozen=True):
    """What all types can do."""

    @property
    def shown(self) -> str:
        """How a value is called in the help; "" for a switch, which stands alone."""
        raise NotImplementedError

    @property
    def choices(self) -> tuple[str, ...]:
        """The words that a value can be; () where it can be anything else."""
        return ()

    @property
    def names(self) -> Names:
        """What a value is the name of, where the names that exist can be listed; "" where it is no name."""
        return ""

    def parse(self, text: str) -> Any:
        """The value of what was typed. Raises ValueError with what is wanted instead."""
        raise NotImplementedError

    def check(self, value: Any) -> Any:
        """The value of a Python object, here as if it were typed. Raises ValueError with what is wanted instead."""
        return self.parse(as_typed(value))

    def read(self, raw: Any, source: str, *, is_typed: bool) -> Any:
        """The value of what somebody has given.

        Args:
            raw: a typed text (without the blanks around it), or a Python object.
            source: who gave it, for the message.
            is_typed: whether a text is to be read as typed; see this module.

        Raises:
            CommandError: it cannot be a value of this type.
        """
        try:
            return self.parse(raw) if is_typed and isinstance(raw, str) else self.check(raw)
        except ValueError as error:
            raise CommandError(f"{source} is {_quoted(raw)}; it wants {error}.") from None


class Switch(ValueType, frozen=True):
    """On or off. Its flag stands alone for on."""

    @property
    def shown(self) -> str:
        """Nothing: a word may follow it, and need not."""
        return ""

    @property
    def choices(self) -> tuple[str, ...]:
        """The two words that are offered, of all that are understood."""
        return ("on", "off")

    def parse(self, text: str) -> bool:
        """Whether the word means on."""
        word = text.lower()
        if word not in ON_WORDS and word not in OFF_WORDS:
            raise ValueError("on or off")
        return word in ON_WORDS

    def check(self, value: Any) -> bool:
        """True or False, also of 1 or 0, or of a word."""
        if isinstance(value, str):
            return self.parse(value.strip())
        if not isinstance(value, int) or value not in (0, 1):
            raise ValueError("on or off")
        return bool(value)


class Number(ValueType, frozen=True):
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
            return self.check(int(text) if text.lstrip("-").isdecimal() else float(text))
        except ValueError:
            raise ValueError(self._wanted()) from None

    def check(self, value: Any) -> float:
        """The number, as a whole one where it is one; also that of a text."""
        if isinstance(value, str):
            return self.parse(value.strip())
        if isinstance(value, bool) or not isinstance(value, Real):
            raise ValueError(self._wanted())
        number = int(value) if isinstance(value, Integral) else float(value)
        if not self.low <= number <= self.high:
            raise ValueError(self._wanted())
        if self.is_whole and number != int(number):
            raise ValueError(self._wanted())
        return int(number) if self.is_whole else number

    def _wanted(self) -> str:
        what = "a whole number" if self.is_whole else "a number"
        return f"{what} of {self.low:g} or more" if self.high >= 1e9 else f"{what} from {self.low:g} to {self.high:g}"


def whole(low: int, high: float = 1e9) -> Number:
    """A whole number; without `high` of any size."""
    return Number(low, high, is_whole=True)


class Text(ValueType, frozen=True):
    """A text of at most so many characters.

    Attributes:
        label: how it is called in the help.
        is_exact: whether it is taken exactly where it is typed; else ``\\n``, ``\\t`` and ``\\\\`` stand for what they
            do in Python.
        name_of: what it is the name of; see `ValueType.names`.
    """

    label: str = "TEXT"
    longest: int = 100_000
    is_exact: bool = False
    name_of: Names = ""

    @property
    def shown(self) -> str:
        """How it is called in the help."""
        return self.label

    @property
    def names(self) -> Names:
        """What it is the name of."""
        return self.name_of

    def parse(self, text: str) -> str:
        """The text that was typed."""
        if not self.is_exact:
            for written, meant in _ESCAPES.items():
                text = text.replace(written, meant)
        return self.check(text)

    def check(self, value: Any) -> str:
        """The text, exactly."""
        if not isinstance(value, str) or not 0 < len(value) <= self.longest:
            raise ValueError(f"a text of 1 to {self.longest:,} characters")
        return value


class Choice(ValueType, frozen=True):
    """One of some words.

    Attributes:
        words: all of them; see `one_of`.
        off: the one that every word for off stands for, and False; "" where none does.
    """

    words: tuple[str, ...]
    off: str = ""

    @property
    def shown(self) -> str:
        """The words."""
        return "|".join(self.words)

    @property
    def choices(self) -> tuple[str, ...]:
        """The words."""
        return self.words

    def parse(self, text: str) -> str:
        """The word that was typed."""
        word = text.lower()
        if self.off and word in OFF_WORDS:
            return self.off
        if word not in self.words:
            near = nearest(word, self.words)
            raise ValueError(f"one of {', '.join(self.words)}" + (f" (did you mean {near}?)" if near else ""))
        return word

    def check(self, value: Any) -> str:
        """The word."""
        if value is False and self.off:
            return self.off
        if not isinstance(value, str):
            raise ValueError(f"one of {', '.join(self.words)}")
        return self.parse(value.strip())


def one_of(*words: str, off: str = "") -> Choice:
    """One of these words."""
    return Choice(words, off)


class Several(ValueType, frozen=True):
    """A list: values typed several times, or (where `comma`) with commas between them, or a JSON array.

    Attributes:
        each: the type of its values.
        most: how many there may be.
    """

    each: ValueType
    most: int = 1000
    comma: bool = True

    @property
    def shown(self) -> str:
        """How its values are called."""
        return f"{self.each.shown},..." if self.comma else self.each.shown

    @property
    def choices(self) -> tuple[str, ...]:
        """The words that each of its values can be."""
        return self.each.choices

    @property
    def names(self) -> Names:
        """What each of its values is the name of."""
        return self.each.names

    def parse(self, text: str) -> list[Any]:
        """The values that were typed at once."""
        if text.lstrip().startswith("["):
            try:
                return self.check(_json(text, "a list"))
            except ValueError:
                if self.comma:
                    raise  # else it may well be a text, such as [END]
        words = [word.strip() for word in text.split(",")] if self.comma else [text]
        return self._counted([self.each.parse(word) for word in words if word or not self.comma])

    def check(self, value: Any) -> list[Any]:
        """The values of a list; a single value is a list of one."""
        if isinstance(value, str) and self.comma:
            return self.parse(value)
        values = list(value) if isinstance(value, list | tuple) else [value]
        return self._counted([self.each.check(each) for each in values])

    def _counted(self, values: list[Any]) -> list[Any]:
        if not 0 < len(values) <= self.most:
            raise ValueError(f"1 to {self.most} values")
        return values


def any_json(value: Any) -> Any:
    """A rule for `Json`: anything."""
    return value


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


class Json(ValueType, frozen=True):
    """Anything that JSON can say; `rule` gives the value or raises ValueError."""

    label: str = "JSON"
    rule: Callable[[Any], Any] = any_json

    @property
    def shown(self) -> str:
        """How it is called in the help."""
        return self.label

    def parse(self, text: str) -> Any:
        """The value of the JSON that was typed."""
        return self._ruled(_json(text, "JSON"))

    def check(self, value: Any) -> Any:
        """The value, if JSON can say it; of a text the JSON in it."""
        return self.parse(value) if isinstance(value, str) else self._ruled(value)

    def _ruled(self, value: Any) -> Any:
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise ValueError("what JSON can say") from error
        return self.rule(value)


class TextOrObject(ValueType, frozen=True):
    """A word that stands for an object, or the object itself as JSON.

    Attributes:
        rule: makes the object of either, or raises ValueError.
        words: those that are offered.
        what: how the word is called in the help, where none are.
    """

    rule: Callable[[Any], Any]
    words: tuple[str, ...] = ()
    what: str = "TEXT"

    @property
    def shown(self) -> str:
        """The words, or how one is called."""
        return "|".join((*(self.words or (self.what,)), "JSON"))

    @property
    def choices(self) -> tuple[str, ...]:
        """The words."""
        return self.words

    def parse(self, text: str) -> Any:
        """The object of what was typed."""
        return self.rule(_json(text, "JSON") if text.lstrip().startswith("{") else text)

    def check(self, value: Any) -> Any:
        """The object of a word, which is taken exactly, or of an object."""
        return self.rule(value) if isinstance(value, str) else Json(rule=self.rule).check(value)


class Pairs(ValueType, frozen=True):
    """Names and values, typed as ``a=1,b=2`` or as a JSON object; `rule` as for `Json`."""

    label: str = "NAME=VALUE,..."
    rule: Callable[[Any], Any] = json_object

    @property
    def shown(self) -> str:
        """How it is called in the help."""
        return self.label

    def parse(self, text: str) -> Any:
        """The pairs that were typed."""
        if text.lstrip().startswith("{"):
            return self.rule(json_object(_json(text, "JSON")))
        pairs = [pair.partition("=") for pair in text.split(",")]
        if not all(name.strip() and equals for name, equals, _ in pairs):
            raise ValueError("pairs such as name=value")
        return self.rule({name.strip(): value.strip() for name, _, value in pairs})

    def check(self, value: Any) -> Any:
        """The pairs of a mapping, or of a text."""
        return self.parse(value) if isinstance(value, str) else self.rule(json_object(value))


class Extras(ValueType, frozen=True):
    """Fields of a request that no table knows: ``key=json``; a value that is no JSON is a text. Keys may have dots."""

    @property
    def shown(self) -> str:
        """How a field is typed."""
        return "KEY=JSON"

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
        """The fields of a mapping, or of a text."""
        return self.parse(value) if isinstance(value, str) else dict(Json(rule=json_object).check(value))


class Either(ValueType, frozen=True):
    """The first of some types that takes it."""

    types: tuple[ValueType, ...]

    @property
    def shown(self) -> str:
        """How values of all of them are called."""
        return "|".join(each.shown for each in self.types)

    @property
    def choices(self) -> tuple[str, ...]:
        """The words of all of them."""
        return tuple(word for each in self.types for word in each.choices)

    def parse(self, text: str) -> Any:
        """The value of what was typed."""
        return self._first(lambda each: each.parse(text))

    def check(self, value: Any) -> Any:
        """The value of a Python object."""
        return self._first(lambda each: each.check(value))

    def _first(self, take: Callable[[ValueType], Any]) -> Any:
        wanted = []
        for each in self.types:
            try:
                return take(each)
            except ValueError as error:
                wanted.append(str(error))
        raise ValueError(", or ".join(wanted))


class Folder(ValueType, frozen=True):
    """A folder that exists; its absolute path as a text."""

    @property
    def shown(self) -> str:
        """How it is called."""
        return "FOLDER"

    def parse(self, text: str) -> str:
        """The folder that was typed."""
        folder = Path(text).expanduser().absolute()
        if not text or not folder.is_dir():
            raise ValueError("a folder that exists")
        return str(folder)

    def check(self, value: Any) -> str:
        """The folder of a path."""
        if not isinstance(value, str | Path):
            raise ValueError("a folder that exists")
        return self.parse(str(value))


class Amount(ValueType, frozen=True):
    """An amount of money in USD, as a whole number of 1e-12 USD."""

    @property
    def shown(self) -> str:
        """Its unit."""
        return "USD"

    def parse(self, text: str) -> int:
        """The amount that was typed: ``2``, ``2.00`` or ``$2``."""
        try:
            return amount(text, "")
        except CommandError:
            raise ValueError("an amount in USD such as 2.00") from None

    def check(self, value: Any) -> int:
        """The amount of a number or a text."""
        if isinstance(value, bool):
            raise ValueError("an amount in USD such as 2.00")
        return self.parse(str(value))


class NoneOr(ValueType, frozen=True):
    """A value as it was typed, which `type` must be able to take; "" for none.

    Attributes:
        off_words: those that mean none, besides ``none`` itself.
    """

    type: ValueType
    off_words: tuple[str, ...] = ()

    @property
    def shown(self) -> str:
        """How a value is called."""
        return f"{self.type.shown}|none"

    @property
    def choices(self) -> tuple[str, ...]:
        """The word for none."""
        return ("none",)

    def parse(self, text: str) -> str:
        """The text; "" for none."""
        if text.lower() in ("none", *self.off_words):
            return ""
        self._try(lambda: self.type.parse(text))
        return text

    def check(self, value: Any) -> str:
        """The value as a text; "" for none, and for False where ``false`` means none."""
        text = as_typed(value)
        if text.strip().lower() in ("none", *self.off_words):
            return ""
        self._try(lambda: self.type.check(value))
        return text

    @staticmethod
    def _try(take: Callable[[], Any]) -> None:
        try:
            take()
        except ValueError as error:
            raise ValueError(f"{error}, or none") from None


def as_typed(value: Any) -> str:
    """A value as it would be typed: ``on``, ``0.2``, ``a,b``, JSON of what is an object."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return ",".join(value)
    return json.dumps(value, ensure_ascii=False, default=str) if isinstance(value, dict | list) else str(value)


def _json(text: str, what: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError(f"{what}, in quotes: '{{\"name\": 1}}'") from None


def _quoted(value: object) -> str:
    """A value as it is quoted in a message."""
    text = repr(value)
    return text if len(text) <= 80 else text[:79] + "…"
