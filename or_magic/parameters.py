"""What a parameter of a request is, and the rules for the values that need more than a kind. Pure.

The table of all of them is `parameter_table`. From it come the flags of a cell, ``%openrouter set``, ``%config``, the
settings file, the arguments of `or_magic.ask`, their help, and docs/parameters.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from or_magic.errors import CommandError
from or_magic.values import Extras, Json, Kind, Several, json_object

Place = Literal["body", "header", "variant"]
UNSET_WORD = "unset"


class _Unset:
    def __repr__(self) -> str:
        return UNSET_WORD


UNSET = _Unset()  # the value of a parameter that is not to be sent, whatever lower layers say


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter.

    Attributes:
        name: as the API has it, with dots for what is inside an object.
        kind: what may be typed.
        help: one line.
        example: as it would be typed; for the help and the tests.
        group: where it stands in the help.
        flag: its flag where that is not ``--`` and the name with dashes.
        short: its short flag, or "".
        place: in the body (at `name`), as a header (`header`), or as a suffix of the model id.
        header: the header's name.
        needs: the ability that a model must list for it to have an effect; "" where it needs none, None for its name.
        is_private: about the user: it is not written into the notebook.
    """

    name: str
    kind: Kind
    help: str
    example: str
    group: str
    flag: str = ""
    short: str = ""
    place: Place = "body"
    header: str = ""
    needs: str | None = ""
    is_private: bool = False

    @property
    def long_flag(self) -> str:
        """Its flag, such as ``--max-tokens``."""
        return self.flag or "--" + self.name.replace("_", "-")

    @property
    def ability(self) -> str:
        """What a model must list for it to have an effect; "" where it needs nothing."""
        return self.name if self.needs is None else self.needs

    @property
    def is_repeatable(self) -> bool:
        """Whether its flag may stand several times."""
        return isinstance(self.kind, Several | Extras)

    @property
    def plain_name(self) -> str:
        """Its name with underscores alone: in ``%config`` and, in capitals behind ``OR_MAGIC_``, the environment."""
        return self.name.replace(".", "_")

    def added(self, value: Any, more: Any, source: str) -> Any:
        """The value of a flag that stands twice.

        Raises:
            CommandError: both together are too many.
        """
        return value | more if isinstance(value, dict) else self.check([*value, *more], source)

    def parse(self, text: str, source: str) -> Any:
        """The value of what was typed.

        Raises:
            CommandError: it cannot be one; the message names `source`.
        """
        try:
            return self.kind.parse(text.strip())
        except ValueError as error:
            raise CommandError(f"{source} is {_shortened(text)}; it wants {error}.") from None

    def check(self, value: Any, source: str) -> Any:
        """The value of a Python object.

        Raises:
            CommandError: it cannot be one; the message names `source`.
        """
        try:
            return self.kind.check(value)
        except ValueError as error:
            raise CommandError(f"{source} is {_shortened(value)}; it wants {error}.") from None


def _shortened(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:79] + "…"


def _strings(value: Any, *, most: int, name_length: int, value_length: int) -> dict[str, str]:
    pairs = {str(name): text for name, text in json_object(value).items()}
    fits = all(len(n) <= name_length and isinstance(t, str) and len(t) <= value_length for n, t in pairs.items())
    if len(pairs) > most or not fits:
        raise ValueError(f"at most {most} names of {name_length} characters with texts of {value_length}")
    return pairs


def metadata(value: Any) -> dict[str, str]:
    """A rule: at most 16 names of 64 characters with texts of 512."""
    return _strings(value, most=16, name_length=64, value_length=512)


def biases_of(value: Any) -> dict[str, float]:
    """A rule: token numbers with a bias from -100 to 100."""
    biases = {str(token): bias for token, bias in json_object(value).items()}
    for token, bias in biases.items():
        if not token.isdecimal() or isinstance(bias, bool) or not isinstance(bias, int | float) or abs(bias) > 100:
            raise ValueError('token numbers with a bias from -100 to 100: {"50256": -100}')
    return biases


def prices(value: Any) -> dict[str, str]:
    """Prices as the API wants them: texts, in USD per million tokens."""
    names = ("prompt", "completion", "request", "image", "audio")
    prices = {name: str(price) for name, price in json_object(value).items()}
    for name, price in prices.items():
        if name not in names or not price.replace(".", "", 1).isdecimal():
            raise ValueError(f"USD per million tokens, for {', '.join(names)}: prompt=1,completion=2.5")
    return prices


def percentiles(value: Any) -> dict[str, Any]:
    """A rule: amounts by percentile."""
    wanted = json_object(value)
    if not set(wanted) <= {"p50", "p75", "p90", "p99"}:
        raise ValueError('a number, or some of {"p50": 1, "p75": 1, "p90": 1, "p99": 1}')
    return wanted


def cache_control(value: Any) -> dict[str, Any]:
    """A rule: the object that ``ephemeral``, ``5m`` or ``1h`` stands for, or an object."""
    if value in ("ephemeral", "5m", "1h"):
        return {"type": "ephemeral"} | ({"ttl": value} if value != "ephemeral" else {})
    return json_object(value)


def response_format(value: Any) -> dict[str, Any]:
    """A rule: the object that a form's name stands for, or an object."""
    return {"type": value} if isinstance(value, str) else json_object(value)


def plugin(value: Any) -> dict[str, Any]:
    """A rule: the object that a plugin's id stands for, or an object with an id."""
    chosen = {"id": value} if isinstance(value, str) else json_object(value)
    if not chosen.get("id"):
        raise ValueError('the id of a plugin such as web, or {"id": "web", "max_results": 3}')
    return chosen


def prediction(value: Any) -> dict[str, Any]:
    """A rule: the object that a text stands for, or an object."""
    return {"type": "content", "content": value} if isinstance(value, str) else json_object(value)


@dataclass(frozen=True, slots=True)
class TextOrObject:
    """A kind: a word that stands for an object, or the object itself as JSON; `rule` makes the object of both."""

    shown: str
    rule: Callable[[Any], Any]

    def parse(self, text: str) -> Any:
        """The object of what was typed."""
        return Json(rule=self.rule).parse(text) if text.lstrip().startswith("{") else self.rule(text)

    def check(self, value: Any) -> Any:
        """The object of a word or an object."""
        return Json(rule=self.rule).check(value)
