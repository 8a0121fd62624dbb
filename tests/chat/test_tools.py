"""Functions as tools: their schemas, what docstrings tell, what is refused, and how a text becomes arguments."""

from __future__ import annotations

import asyncio
import functools
import inspect
import json
import re
import warnings
from collections.abc import Callable
from datetime import date
from typing import Annotated, Any, Literal

import jsonschema
import openrouter.components
import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.chat import ChatCompletionFunctionToolParam
from pydantic import AfterValidator, Field

import or_magic
from or_magic.chat.tools import tool, tool_of, tools_of
from or_magic.errors import CommandError
from or_magic.sandbox.replies import broken, fitting
from or_magic.types import call_text

from .tool_functions import CASES, EXAMPLE, STYLES, Colour, Level, Person, Point, Shop, Team

numpy_style, google_style, rest_style = STYLES
TOLD = "Finds the books of an author.\n\nOld ones come first.\n\nA second paragraph: with a colon."


def string_hints(person: Person, size: Literal["s", "m"], many: list[Colour] | None, *, when: date) -> Any:
    """All hints are strings here."""
    return person, size, many, when


ALL: list[tuple[Callable[..., Any], Any]] = [
    *CASES,
    (string_hints, (Person(name=EXAMPLE), "s", [Colour.RED], date(2026, 1, 31))),
]


def named(fn: object) -> str:
    return getattr(fn, "__name__", type(fn).__name__)


IDS = [named(fn) for fn, _ in ALL]
each_function = pytest.mark.parametrize("fn", [fn for fn, _ in ALL], ids=IDS)


def test_there_are_forty() -> None:
    """At least forty different functions are tried."""
    assert len(set(IDS)) == len(IDS) >= 40


@each_function
def test_the_schema_is_one(fn: Callable[..., Any]) -> None:
    """A function's schema is JSON Schema 2020-12 of an object that takes no other names, and pydantic warns of nothing.

    Each parameter is a property, and those without a default are required.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made = tool_of(fn)
    parameters = inspect.signature(fn).parameters
    needed = [each.name for each in parameters.values() if each.default is each.empty]
    validator = jsonschema.Draft202012Validator
    validator.check_schema(made.schema)
    validator(made.schema).validate(fitting(made.schema))

    assert json.loads(json.dumps(made.schema)) == made.schema
    assert (made.schema["type"], made.schema["additionalProperties"]) == ("object", False)
    assert list(made.schema.get("properties", {})) == list(parameters)
    assert made.schema.get("required", []) == needed


@each_function
def test_the_declaration_is_as_the_sdks_have_it(fn: Callable[..., Any]) -> None:
    """The SDKs of OpenRouter and of OpenAI take the declaration and give it back unchanged; the name fits too."""
    declared = tool_of(fn).declaration
    official = openrouter.components.ChatFunctionToolFunction.model_validate(declared)
    checked = pydantic.TypeAdapter(ChatCompletionFunctionToolParam).validate_python(declared, strict=True)

    assert official.model_dump(mode="json", by_alias=True) == declared
    assert checked == declared
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,64}", declared["function"]["name"])


@pytest.mark.parametrize(("fn", "expected"), ALL, ids=IDS)
def test_what_fits_the_schema_can_be_called(fn: Callable[..., Any], expected: Any) -> None:
    """Arguments made from the schema alone are taken, and the function gives what it would give for them."""
    made = tool_of(fn)
    value = made.fn(**made.arguments(json.dumps(fitting(made.schema))))
    if inspect.isawaitable(value):
        value = asyncio.run(asyncio.wait_for(value, 5))

    assert value == expected
    assert type(value) is type(expected)


@each_function
def test_only_what_is_needed_is_enough(fn: Callable[..., Any]) -> None:
    """What the model leaves out is left out of the call, so that the function's own defaults hold."""
    made = tool_of(fn)
    fits = fitting(made.schema)
    needed = {name: fits[name] for name in made.schema.get("required", [])}
    arguments = made.arguments(json.dumps(needed))

    assert list(arguments) == list(needed)
    inspect.signature(fn).bind(**arguments)


@each_function
def test_what_does_not_fit_is_refused(fn: Callable[..., Any]) -> None:
    """Text that is cut, a list, null or prose, and names that the function does not have, are a ValueError."""
    made = tool_of(fn)
    fits = fitting(made.schema)
    for fault in ("cut", "list", "null", "prose"):
        with pytest.raises(ValueError, match=r"JSON|object"):
            made.arguments(broken(fits, fault))
    with pytest.raises(ValueError, match=r"^not_a_parameter: Extra inputs"):
        made.arguments(json.dumps({**fits, "not_a_parameter": 1}))


@pytest.mark.parametrize("fn", STYLES, ids=named)
def test_docstrings_tell_the_model(fn: Callable[..., Any]) -> None:
    """The three styles of docstring give the same: what the function does, and of each parameter what it is."""
    made = tool_of(fn)

    assert made.description == made.declaration["function"]["description"] == TOLD
    assert made.schema["properties"] == {
        "author": {"type": "string", "description": "the name, as it is printed on the cover"},
        "count": {"type": "integer", "default": 3, "description": "how many: at most 50"},
    }


def test_descriptions_of_hints_and_none() -> None:
    """`Field(description=...)` in a hint reaches the model, also beside a docstring; what nobody described has none."""

    def bare(x: int) -> None: ...

    def beside(x: Annotated[int, Field(description="How many.")], y: int) -> None:
        """Does it.

        Args:
            y: how much.
        """

    properties = tool_of(beside).schema["properties"]

    assert tool_of(bare).description == ""
    assert tool_of(bare).schema["properties"] == {"x": {"type": "integer"}}
    assert {name: each.get("description") for name, each in properties.items()} == {"x": "How many.", "y": "how much."}


def test_methods_and_objects_tell_their_own() -> None:
    """A method has its own name; an object that can be called has the name and docstring of its class."""
    made = tools_of([Shop(1).order, Shop.price, Shop(1).named, Shop(1)]).functions

    assert list(made) == ["order", "price", "named", "Shop"]
    assert made["Shop"].description == "A shop."


def test_the_schema_of_a_model_is_whole() -> None:
    """Nested models keep their fields, descriptions and defaults, also fields called title; pydantic's titles go."""
    schema = tool_of(next(fn for fn, _ in CASES if named(fn) == "nested")).schema
    person = schema["$defs"]["Person"]

    assert person["description"] == "Somebody."
    assert person["properties"] == {"name": {"type": "string"}, "title": {"type": "string", "default": "Dr."}}
    assert "title" not in {**schema, **person}


class NoSchema:
    """Pydantic knows nothing of it."""


def written(parameters: str) -> Any:
    """A function `asked` with these parameters, of this module."""
    names: dict[str, Any] = {}
    exec(f"from __future__ import annotations\ndef asked({parameters}): return 1", globals(), names)
    return names["asked"]


HINTS = {
    "x: int, y": ["y"],
    "*y: int": ["*y"],
    "x: int, **y: int": ["**y"],
    "x: int, y: NoSchema": ["y", "NoSchema"],
    "x: int, y: list[NoSchema | None]": ["y", "NoSchema"],
    "x: int, y: Callable[[int], int]": ["y"],
    "x: int, y: Decimal": ["y", "Decimal"],
    "x: int, y: json.Nothing": ["y", "Nothing"],
    "x: int, y: 'two words'": ["y"],
    "x: int, y: 3": ["y"],
    "x: int, y: Annotated[str, Field(pattern='(?=a)b')]": ["y"],
    "y: int, /": ["y"],
}
REFUSED: list[tuple[Any, list[str]]] = [
    *((written(parameters), ["asked", *names]) for parameters, names in HINTS.items()),
    (functools.partial(written("x: int, y"), 1), ["asked", "y"]),
    *((len, ["len", "obj"]), (print, ["print", "*args"])),
    *((each, [name, "no function"]) for each, name in ((Shop, "Shop"), (dict, "dict"), (3, "3"), (None, "None"))),
    ([numpy_style], ["list", "no function"]),
    (lambda: 1, ["<lambda>", "tool(name=...)"]),
    (tool(name="two words")(lambda: 1), ["two words"]),
    (tool(name="two\nlines")(lambda: 1), [r"two\nlines"]),
    (tool(name="x" * 65)(lambda: 1), ["x" * 65, "64"]),
    (tool(name="größe")(lambda: 1), ["größe", "letters"]),
    *((each, [each, "openrouter:web_search"]) for each in ("web_search", "openrouter", "openrouter:")),
    ("", ["''"]),
]


@pytest.mark.parametrize(("value", "names"), REFUSED, ids=[" ".join(names) for _, names in REFUSED])
def test_what_can_be_no_tool_is_refused(value: Any, names: list[str]) -> None:
    """What can be no tool is refused in one short line, which names the function and the parameter."""
    with pytest.raises(CommandError) as caught:
        tools_of([numpy_style, value])
    line = str(caught.value)

    assert "\n" not in line
    assert len(line) < 400
    assert [name for name in names if not re.search(rf"(?<!\w){re.escape(name)}(?!\w)", line)] == []


def test_two_of_one_name_are_refused() -> None:
    """Two tools of one name are refused, by their own name or by a given one; another name helps."""
    for other in (functools.wraps(numpy_style)(lambda *_: 1), tool(name="numpy_style")(lambda: 1)):
        with pytest.raises(CommandError, match=r"^Two tools are called numpy_style\.[^\n]*name=") as caught:
            tools_of([numpy_style, "openrouter:web_search", other])
        assert "\n" not in str(caught.value)

    both = tools_of([numpy_style, tool(name="numpy-style")(lambda: 1)])
    assert list(both.functions) == ["numpy_style", "numpy-style"]


def everything(
    colour: Colour, team: Team, day: date, point: Point, level: Level = Level.LOW, tags: list[str] | None = None
) -> None: ...


SENT: dict[str, Any] = {
    "colour": "blue",
    "team": {"lead": {"name": "Ada", "title": "Lady"}, "members": [{"name": "Bob"}]},
    "day": "2026-02-03",
    "point": {"x": 1.5},
}


def test_arguments_are_converted() -> None:
    """Enums, nested models, dates and dataclasses arrive as themselves, and what was not sent does not arrive."""
    team = Team(lead=Person(name="Ada", title="Lady"), members=[Person(name="Bob")])
    arguments = {"colour": Colour.BLUE, "team": team, "day": date(2026, 2, 3), "point": Point(1.5)}
    made = tool_of(everything)
    more = made.arguments(json.dumps({**SENT, "level": 2, "tags": None}))

    assert made.arguments(json.dumps(SENT)) == arguments
    assert more == {**arguments, "level": Level.HIGH, "tags": None}
    assert more["level"] is Level.HIGH


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"colour": "green"}, "colour: "),
        ({"day": "yesterday"}, "day: "),
        ({"level": "high"}, "level: "),
        ({"tags": ["a", 1]}, "tags.1: "),
        ({"team": {"lead": {"name": "Ada"}, "members": [{"name": "Bob"}, {"title": "x"}]}}, "team.members.1.name: "),
        ({"team": None}, "team: "),
        ({"point": {"y": 1}}, "point.x: "),
        ({"colour": [], "day": {}, "nope": 1}, "colour: .*; day: .*; nope: Extra"),
        *(({name: ...}, f"{name}: Field required$") for name in ("colour", "team", "day", "point")),
    ],
    ids=str,
)
def test_a_wrong_argument_is_named(change: dict[str, Any], told: str) -> None:
    """A ValueError says in one line which argument is wrong, by its path, or was not sent."""
    sent = {name: value for name, value in {**SENT, **change}.items() if value is not ...}
    with pytest.raises(ValueError, match=f"^{told}") as caught:
        tool_of(everything).arguments(json.dumps(sent))

    assert "\n" not in str(caught.value)
    assert "pydantic" not in str(caught.value)


@pytest.mark.parametrize("text", ["", " ", "\n\t", "{}", " {} \n"], ids=repr)
def test_empty_text_means_no_arguments(text: str) -> None:
    """Empty text is no arguments: enough where none is needed, else what is missing is named."""
    made = tool_of(next(fn for fn, _ in CASES if named(fn) == "enum_default"))

    assert made.arguments(text) == {}
    assert made.fn(**made.arguments(text)) is Colour.BLUE
    with pytest.raises(ValueError, match=r"^author: Field required$"):
        tool_of(numpy_style).arguments(text)


def test_a_validator_that_fails_is_told() -> None:
    """A validator of the user's own that fails with another error than ValueError is a ValueError that names it."""

    def stubborn(key: Annotated[int, AfterValidator(lambda value: {}[value])]) -> None: ...

    with pytest.raises(ValueError, match="key") as caught:
        tool_of(stubborn).arguments('{"key": 1}')

    assert "\n" not in str(caught.value)


def test_a_tool_is_still_its_function() -> None:
    """`tool`, with and without options, also on methods and wrappers, gives back the same function."""

    def plain(x: int) -> int:
        """Does it."""
        return x + 1

    assert or_magic.tool is tool
    assert tool(plain) is tool()(plain) is plain
    assert tool_of(plain).options.approve
    assert tool(approve=False, timeout_s=2.5)(plain) is plain
    assert (plain(1), plain.__name__, plain.__doc__) == (2, "plain", "Does it.")
    assert (tool_of(plain).options.approve, tool_of(plain).options.timeout_s) == (False, 2.5)
    assert tool(Shop.price) is Shop.price


def test_a_bound_method_can_be_marked() -> None:
    """`tool` with options takes a bound method, which then is a tool with these options and still can be called."""
    marked = tool(name="order_books", approve=False)(Shop(10).order)
    made = tool_of(marked)

    assert (marked(count=3), made.name, made.options.approve, made.fn(count=3)) == (7, "order_books", False, 7)


def test_options_change_what_is_declared() -> None:
    """A name and a description given to `tool` go before the function's own; the parameters keep theirs."""
    found = functools.wraps(numpy_style)(lambda **sent: numpy_style(**sent))
    declared = tool_of(tool(name="find-2", description="Looks it up.")(found)).declaration["function"]

    assert (declared["name"], declared["description"]) == ("find-2", "Looks it up.")
    assert declared["parameters"] == tool_of(numpy_style).schema


def test_tools_are_declared_in_order() -> None:
    """Functions are declared in the order in which they are given, then the service's own tools in theirs."""
    ready = tool_of(rest_style)
    tools = tools_of([google_style, "openrouter:web_search", ready, "openrouter:datetime", numpy_style])
    declared = [each.get("function", {}).get("name", each["type"]) for each in tools.declarations]

    assert declared == ["google_style", "rest_style", "numpy_style", "openrouter:web_search", "openrouter:datetime"]
    assert tools.functions["rest_style"] is ready
    assert tools.declarations[-1] == {"type": "openrouter:datetime"}
    assert pydantic.TypeAdapter(list[openrouter.components.ChatFunctionTool]).validate_python(tools.declarations)
    assert (tools_of([]).declarations, tools_of(iter([numpy_style])).server) == ([], ())


def test_calls_are_told_as_python() -> None:
    """A call is told as Python would write it; text that was no JSON, as it came."""
    arguments = tool_of(everything).arguments(json.dumps({**SENT, "level": 2}))
    told = call_text("everything", arguments)

    assert re.match(r"everything\(colour=(Colour\.)?BLUE, team=Team\(lead=Person\(name='Ada', title='Lady'\), ", told)
    assert re.search(r"point=Point\(x=1\.5, y=2\.0\), level=(Level\.)?HIGH\)$", told)
    assert call_text("f", ' {"a": ') == 'f({"a":)'


ODD = ["red", "s", "cat", "2026-01-31", "12:00:00Z", "1e999", "sNaN", "-Infinity", "\0", 10**400, -(2**70)]
NAMES = st.sampled_from("author branches count key kind label lead members name pair path root team title x".split())
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()) | st.sampled_from(ODD)
JSON = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4))
known = functools.cache(tool_of)


@each_function
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_no_object_breaks_it(fn: Callable[..., Any], data: st.DataObject) -> None:
    """Whatever JSON object a model writes, it is taken or refused with a ValueError, and what is taken can be bound."""
    made = known(fn)
    names = st.sampled_from([*made.schema.get("properties", {}), "other"]) | st.text()
    sent = {**fitting(made.schema), **data.draw(st.dictionaries(names, JSON, max_size=4))}
    try:
        arguments = made.arguments(json.dumps(sent))
    except ValueError as error:
        assert str(error)
    else:
        inspect.signature(made.fn).bind(**arguments)


@settings(max_examples=150, deadline=None)
@given(st.text(st.characters()) | st.sampled_from(['{"a":' * 5000, "[" * 5000, '{"author": 1' + "0" * 5000 + "}"]))
def test_no_text_breaks_it(text: str) -> None:
    """Whatever text a model writes, it is taken or refused with a ValueError."""
    try:
        known(everything).arguments(text)
    except ValueError as error:
        assert str(error)
