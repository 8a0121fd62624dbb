"""Functions of every kind that people give a model, and what each gives for the simplest arguments that fit."""

import dataclasses
import datetime
import decimal
import enum
import functools
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Optional, TypedDict, TypeVar, Union

from pydantic import BaseModel, Field

import or_magic

Fn = TypeVar("Fn", bound=Callable[..., Any])
CASES: list[tuple[Callable[..., Any], Any]] = []
EXAMPLE = "rehearsal"


def gives(expected: Any) -> Callable[[Fn], Fn]:
    """Puts a function among the cases, with what it gives."""

    def kept(fn: Fn) -> Fn:
        CASES.append((fn, expected))
        return fn

    return kept


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Person(BaseModel):
    """Somebody."""

    name: str
    title: str = "Dr."


class Team(BaseModel):
    lead: Person
    members: list[Person]


class Branch(BaseModel):
    label: str
    branches: list["Branch"] = Field(default_factory=list)


class Cat(BaseModel):
    kind: Literal["cat"]


class Dog(BaseModel):
    kind: Literal["dog"]


@dataclasses.dataclass
class Point:
    x: float
    y: float = 2.0


class Row(TypedDict):
    key: str
    count: int


class Pair(NamedTuple):
    left: int
    right: str


@gives("nothing")
def no_parameters() -> str:
    return "nothing"


@gives(EXAMPLE)
def text(value: str) -> str:
    return value


@gives((1, 1, True))
def numbers(whole: int, real: float, flag: bool) -> tuple[int, float, bool]:
    return whole, real, flag


@gives((EXAMPLE, 3, "m", None))
def defaults(name: str, count: int = 3, size: str = "m", nick: str | None = None) -> tuple[Any, ...]:
    return name, count, size, nick


@gives((1, None))
def optional(needed: Optional[int], left_out: Optional[int] = None) -> tuple[Any, ...]:  # noqa: UP045  # people write it so
    return needed, left_out


@gives((1, EXAMPLE))
def union(first: Union[int, str], second: str | int) -> tuple[Any, ...]:  # noqa: UP007  # people write it so
    return first, second


@gives(("s", 1))
def literal(size: Literal["s", "m"], step: Literal[1, 2]) -> tuple[Any, ...]:
    return size, step


@gives((Colour.RED, Level.LOW))
def enums(colour: Colour, level: Level) -> tuple[Any, ...]:
    return colour, level


@gives(Colour.BLUE)
def enum_default(colour: Colour = Colour.BLUE) -> Colour:
    return colour


@gives(([EXAMPLE], [[1]], [1]))
def lists(names: list[str], grid: list[list[int]], some: Sequence[int]) -> tuple[Any, ...]:
    return names, grid, some


@gives(({}, {}))
def dicts(counts: dict[str, int], anything: dict[str, Any]) -> tuple[Any, ...]:
    return counts, anything


@gives(((1, EXAMPLE), (1,)))
def tuples(pair: tuple[int, str], many: tuple[int, ...]) -> tuple[Any, ...]:
    return pair, many


@gives(({EXAMPLE}, frozenset({1})))
def sets(names: set[str], numbers: frozenset[int]) -> tuple[Any, ...]:
    return names, numbers


@gives((EXAMPLE, [EXAMPLE], {}))
def bare(value: Any, some: list, more: dict) -> tuple[Any, ...]:  # type: ignore[type-arg]
    return value, some, more


@gives(Person(name=EXAMPLE))
def model(person: Person) -> Person:
    return person


@gives(Team(lead=Person(name=EXAMPLE), members=[Person(name=EXAMPLE)]))
def nested(team: Team) -> Team:
    return team


@gives(Branch(label=EXAMPLE))
def recursive(root: Branch) -> Branch:
    return root.model_copy(update={"branches": []})


@gives((Cat(kind="cat"), Dog(kind="dog")))
def choice(pet: Annotated[Cat | Dog, Field(discriminator="kind")], other: Dog | Cat) -> tuple[Any, ...]:
    return pet, other


@gives(Person(name="Ada"))
def model_default(person: Person = Person(name="Ada")) -> Person:  # noqa: B008  # people write it so
    return person


@gives(Point(1.0))
def of_dataclass(point: Point) -> Point:
    return point


@gives({"key": EXAMPLE, "count": 1})
def of_typed_dict(row: Row) -> Row:
    return row


@gives(Pair(1, EXAMPLE))
def of_named_tuple(pair: Pair) -> Pair:
    return pair


@gives((1, EXAMPLE))
def described(
    count: Annotated[int, Field(description="How many.")], name: Annotated[str, Field(description="Of what.")]
) -> tuple[Any, ...]:
    return count, name


@gives((5, 9, EXAMPLE, "rehea", [1, 1]))
def constrained(
    low: Annotated[int, Field(ge=5, le=9)],
    high: Annotated[int, Field(gt=8, lt=10)],
    word: Annotated[str, Field(pattern="^[a-z]+$", min_length=2)],
    short: Annotated[str, Field(max_length=5)],
    two: Annotated[list[int], Field(min_length=2, max_length=2)],
) -> tuple[Any, ...]:
    return low, high, word, short, two


@gives((datetime.datetime(2026, 1, 31, 12, tzinfo=datetime.UTC), datetime.date(2026, 1, 31), datetime.time(12)))
def times(moment: datetime.datetime, day: datetime.date, hour: datetime.time) -> tuple[Any, ...]:
    return moment, day, hour.replace(tzinfo=None)


@gives(datetime.date(2026, 5, 1))
def time_default(day: datetime.date = datetime.date(2026, 5, 1)) -> datetime.date:
    return day


@gives((uuid.UUID("00000000-0000-4000-8000-000000000000"), decimal.Decimal(1), Path(EXAMPLE)))
def special(key: uuid.UUID, price: decimal.Decimal, path: Path) -> tuple[Any, ...]:
    return key, price, path


@gives((EXAMPLE, 10))
def keyword_only(*, query: str, limit: int = 10) -> tuple[Any, ...]:
    return query, limit


@gives((1, 2))
def mixed_kinds(first: int, *, second: int = 2) -> tuple[int, int]:
    return first, second


@gives(1)
async def waits(seconds: int) -> int:
    return seconds


@gives((EXAMPLE, "of 2"))
def to_2d_v2(x1: str, y_2: str = "of 2") -> tuple[str, str]:
    return x1, y_2


@gives((EXAMPLE, {"title": "Emma", "year": "1815"}))
def titles(title: str, charges: dict[str, str] = {"title": "Emma", "year": "1815"}) -> tuple[Any, ...]:  # noqa: B006
    return title, charges


@gives((EXAMPLE, True, EXAMPLE))
def names_of_pydantic(schema: str, copy: bool, json: str) -> tuple[Any, ...]:
    return schema, copy, json


@gives((1, EXAMPLE))
def reserved_names(model_config: int, model_dump: str) -> tuple[Any, ...]:
    return model_config, model_dump


@gives(1)
def implicit_none(limit: int = None) -> int:  # type: ignore[assignment]  # noqa: RUF013  # people write it so
    return limit or 1


@gives((1, "quietly"))
@or_magic.tool(approve=False, thread_safe=True, timeout_s=5, name="other-name", description="Does it.")
def with_options(count: int, how: str = "quietly") -> tuple[Any, ...]:
    return count, how


def _logged(fn: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(fn)
    def inner(*args: Any, **kwargs: Any) -> Any:
        return fn(*args, **kwargs)

    return inner


@gives(1)
@_logged
def wrapped(count: int) -> int:
    return count


@gives(1)
def returns_unknown(count: int) -> "NotImported":  # type: ignore[name-defined]  # noqa: F821  # only a checker knows it
    return count


def numpy_style(author: str, count: int = 3) -> tuple[str, int]:
    """Finds the books of an author.

    Old ones come first.

    A second paragraph: with a colon.

    Parameters
    ----------
    author : str
        the name, as it is printed
        on the cover
    count : int, optional
        how many: at most 50

    Returns
    -------
    tuple
        what was found

    Examples
    --------
    >>> numpy_style("Austen")
    """
    return author, count


def google_style(author: str, count: int = 3) -> tuple[str, int]:
    """Finds the books of an author.

    Old ones come first.

    A second paragraph: with a colon.

    Args:
        author (str): the name, as it is printed
            on the cover
        count: how many: at most 50

    Returns:
        what was found

    Raises:
        ValueError: never
    """
    return author, count


def rest_style(author: str, count: int = 3) -> tuple[str, int]:
    """Finds the books of an author.

    Old ones come first.

    A second paragraph: with a colon.

    :param author: the name, as it is printed
        on the cover
    :param int count: how many: at most 50
    :returns: what was found
    :raises ValueError: never
    """
    return author, count


class Shop:
    """A shop."""

    def __init__(self, stock: int) -> None:
        self.stock = stock

    def order(self, count: int) -> int:
        return self.stock - count

    @staticmethod
    def price(count: int) -> int:
        return count * 2

    @classmethod
    def named(cls, name: str) -> str:
        return f"{cls.__name__} {name}"

    def __call__(self, count: int) -> int:
        return self.stock + count


STYLES: list[Callable[..., Any]] = [numpy_style, google_style, rest_style]
CASES += [
    (Shop(10).order, 9),
    (Shop.price, 2),
    (Shop(10).named, f"Shop {EXAMPLE}"),
    (Shop(10), 11),
    *((style, (EXAMPLE, 3)) for style in STYLES),
]
