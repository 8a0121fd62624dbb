"""Thirty schemas of every kind that people write, for the tests of structured answers."""

from __future__ import annotations

import datetime
import decimal
import enum
import uuid
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, NamedTuple, Optional, TypedDict

from pydantic import BaseModel, ConfigDict, Field, HttpUrl, field_validator


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Person(BaseModel):
    name: str
    age: int


class AgeFirst(BaseModel):
    age: int
    name: str


class Address(BaseModel):
    street: str
    city: str
    person: Person


class Company(BaseModel):
    name: str
    staff: list[Person]
    position: Address


class WithOptional(BaseModel):
    name: str
    nick: str | None = None
    size: Optional[int] = None  # noqa: UP045  # people write it so


class WithDefaults(BaseModel):
    name: str
    count: int = 3
    tags: list[str] = Field(default_factory=list)


class WithEnum(BaseModel):
    colour: Colour
    size: Literal["s", "m", "l"]


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int


class Dog(BaseModel):
    kind: Literal["dog"]
    tricks: list[str]


class WithUnion(BaseModel):
    pet: Cat | Dog
    number: int | float


class Discriminated(BaseModel):
    pet: Annotated[Cat | Dog, Field(discriminator="kind")]


class WithTimes(BaseModel):
    day: datetime.date
    moment: datetime.datetime
    hour: datetime.time


class WithDecimal(BaseModel):
    price: decimal.Decimal
    ratio: float


class Node(BaseModel):
    name: str
    children: list[Node] = Field(default_factory=list)


class Bounded(BaseModel):
    share: Annotated[float, Field(ge=0, le=1)]
    count: Annotated[int, Field(gt=0, lt=100)]
    code: Annotated[str, Field(min_length=3, max_length=20)]


class Described(BaseModel):
    """A docstring becomes the description."""

    title: str = Field(description="the title, short")
    year: int = Field(description="four digits", examples=[1999])


class WithIds(BaseModel):
    id: uuid.UUID
    page: HttpUrl


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=False)
    flag: bool
    values: set[int]


class Checked(BaseModel):
    even: int

    @field_validator("even")
    @classmethod
    def is_even(cls, value: int) -> int:
        """Doubles what is odd, so that any number will do."""
        return value * 2 if value % 2 else value


class WithAlias(BaseModel):
    model_config = ConfigDict(populate_by_name=True)
    first_name: str = Field(alias="firstName")


class Deep(BaseModel):
    rows: list[dict[str, list[Person]]]


@dataclass
class Point:
    x: float
    y: float


@dataclass
class Line:
    start: Point
    end: Point
    label: str = ""
    marks: list[int] = field(default_factory=list)


class Film(TypedDict):
    title: str
    year: int


class Review(TypedDict, total=False):
    film: Film
    stars: int


class Pair(NamedTuple):
    left: str
    right: int


JSON_SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 0}},
    "required": ["name", "age"],
    "additionalProperties": False,
}
JSON_SCHEMA_LOOSE = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "when": {"type": "string", "format": "date"}},
    "required": ["name"],
}
JSON_SCHEMA_LIST = {"type": "array", "items": {"type": "integer"}, "minItems": 1}
JSON_SCHEMA_REFS = {
    "type": "object",
    "properties": {"root": {"$ref": "#/$defs/node"}},
    "required": ["root"],
    "additionalProperties": False,
    "$defs": {
        "node": {
            "type": "object",
            "properties": {"name": {"type": "string"}, "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]}},
            "required": ["name"],
        }
    },
}

SCHEMAS: dict[str, Any] = {
    **{
        each.__name__: each
        for each in (
            *(Person, Address, Company, WithOptional, WithDefaults, WithEnum, WithUnion, Discriminated, WithTimes),
            *(WithDecimal, Node, Bounded, Described, WithIds, Strict, Checked, WithAlias, Deep, Point, Line, Film),
        )
    },
    "list of models": list[Person],
    "list of numbers": list[int],
    "dict of numbers": dict[str, int],
    "literal": Literal["yes", "no"],
    "union of models": Cat | Dog,
    "short form": "name: str, age: int, tags: list[str], born: date | None",
    "JSON schema": JSON_SCHEMA,
    "loose JSON schema": JSON_SCHEMA_LOOSE,
    "JSON schema of a list": JSON_SCHEMA_LIST,
    "JSON schema with references": JSON_SCHEMA_REFS,
    "named tuple": Pair,
    "partial TypedDict": Review,
}
# Ways to break an answer that would fit all the same: nothing is required of it, or a list of them is what was asked.
FITS_ANYWAY = {("partial TypedDict", "missing"), ("dict of numbers", "missing")}
