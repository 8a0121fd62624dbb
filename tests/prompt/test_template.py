"""``{{ expression }}``: what is read as one, what it gives, and what is said of one that is none."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from or_magic.chat.reenter import wait_for
from or_magic.errors import CommandError
from or_magic.prompt.template import evaluate, evaluate_plainly, value_of


async def later(value: Any) -> Any:
    await asyncio.sleep(0)
    return value


NAMES: dict[str, Any] = {"df": 1, "x": {"a": {"b": 2}}, "name": "n", "later": later, "held": "{{ 1/0 }}", "f": len}


def told(prompt: str) -> list[tuple[str, Any]]:
    return evaluate(prompt, NAMES, wait_for)


@pytest.mark.parametrize(
    ("prompt", "values"),
    [
        ("nothing special", [("", "nothing special")]),
        ("{{df}}", [("df", 1)]),
        ("a {{ x['a'] }} b", [("", "a "), ("x['a']", {"b": 2}), ("", " b")]),
        ("{{ {'k': {'z': df}} }}", [("{'k': {'z': df}}", {"k": {"z": 1}})]),
        ("{{ {n: {m: n} for n, m in [(df, df)]} }}", [("{n: {m: n} for n, m in [(df, df)]}", {1: {1: 1}})]),
        (r"\{{ not }} {{df}}", [("", "{{ not }} "), ("df", 1)]),
        ("{{df}}}", [("df", 1), ("", "}")]),
        ("{{ held }}", [("held", "{{ 1/0 }}")]),
        ("{{ later(3) }} {{ await later(4) }}", [("later(3)", 3), ("", " "), ("await later(4)", 4)]),
        ("{{\n  df\n  + 1\n}}", [("df\n  + 1", 2)]),
        ("{{ '}}' + name }}", [("'}}' + name", "}}n")]),
        ("{{ f'{name}' }}", [("f'{name}'", "n")]),
        ("{ x } ${y} {% z %} }} {", [("", "{ x } ${y} {% z %} }} {")]),
    ],
)
def test_what_is_an_expression(prompt: str, values: list[tuple[str, Any]]) -> None:
    """An expression ends where it is whole, may await, and is evaluated once; all else is text."""
    assert told(prompt) == values


@pytest.mark.parametrize(
    ("prompt", "line"),
    [
        ("{{ dff }}", "Line 1, column 4: 'dff' is not defined, did you mean df? Nothing was sent."),
        ("one\ntwo {{ naem }}", "Line 2, column 8: 'naem' is not defined, did you mean name?"),
        ("ä {{ 'é' + zz }}", "Line 1, column 12: 'zz' is not defined."),
        ("{{ df +\n  zz }}", "Line 2, column 3: 'zz' is not defined."),
        ("{{ x['q'] }}", "Line 1, column 4: \"x['q']\" failed (KeyError: 'q')."),
        ("{{ name.uper() }}", "has no attribute 'uper', did you mean upper?)"),
        ("{{ f(1) }}", "'f(1)' failed (TypeError: "),
        ("{{ df", "Line 1, column 1: '{{' has no '}}'."),
        ("a {{}}", "Line 1, column 3: there is nothing between '{{' and '}}'."),
        ("{{ name! }}", "Line 1, column 8: 'name!' is no Python expression (invalid syntax)."),
        ("int a[] = {{1, 2}};", "Line 1, column 13: '1, 2' names no variable."),
        ("{{ later(1/0) }}", "'later(1/0)' failed (ZeroDivisionError: division by zero)."),
    ],
)
def test_what_is_none_is_said(prompt: str, line: str) -> None:
    """The place, what is wrong, the nearest name, and how to send it as it is; all in one line."""
    with pytest.raises(CommandError) as caught:
        told(prompt)

    assert line in str(caught.value)
    assert "--raw on the first line sends the prompt as it is" in str(caught.value)
    assert "\n" not in str(caught.value)


@given(st.text())
def test_text_without_braces_is_never_touched(text: str) -> None:
    """Any text without ``{{`` arrives as it is."""
    prompt = text.replace("{{", "{ {")

    assert "".join(value for _, value in told(prompt)) == prompt


@given(st.text(), st.text())
def test_values_are_never_looked_through(before: str, value: str) -> None:
    """Whatever a variable holds goes in as it is, also where it looks like an expression."""
    prompt = before.replace("{", "(").removesuffix("\\") + "{{ held }}"

    assert evaluate(prompt, {"held": value}, wait_for)[-1] == ("held", value)


def test_what_the_users_code_raised_is_the_cause() -> None:
    """The line is short; the whole traceback hangs on it for who wants it."""
    with pytest.raises(CommandError) as caught:
        told("{{ x['q'] }}")
    assert isinstance(caught.value.__cause__, KeyError)


def test_expressions_of_flags() -> None:
    """A flag's expression needs no variable; what is wrong with it is said with the flag."""
    assert value_of("{'a': 1}", NAMES, wait_for, "--schema") == {"a": 1}
    with pytest.raises(CommandError, match=r"--image: 'a b' is no Python \("):
        value_of("a b", NAMES, wait_for, "--image")
    with pytest.raises(CommandError, match="--schema: 'Persn' is not defined"):
        value_of("Persn", NAMES, wait_for, "--schema")


def test_an_awaitable_where_a_loop_runs() -> None:
    """Inside a running loop the awaitable runs on that loop, and what waits there goes on afterwards."""

    async def outer() -> tuple[int, list[int], bool]:
        seen: list[int] = []
        loop = asyncio.get_running_loop()
        loop.call_soon(seen.append, 1)
        lock = asyncio.Lock()

        async def inner() -> int:
            async with lock:
                await asyncio.sleep(0.01)
                return id(asyncio.get_running_loop())

        same = wait_for(inner()) == id(loop)
        await asyncio.sleep(0)
        return wait_for(later(5)), seen, same

    assert asyncio.run(outer()) == (5, [1], True)
    with pytest.raises(ZeroDivisionError):
        asyncio.run(_failing())


async def _failing() -> None:
    async def fails() -> None:
        raise ZeroDivisionError

    wait_for(fails())


class Counting:
    """An object that counts what is done with it."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> int:
        self.count += 1
        return self.count

    @property
    def looked_at(self) -> int:
        return self()

    def __getitem__(self, key: object) -> int:
        return self()

    def __neg__(self) -> int:
        return self()

    def __add__(self, other: object) -> int:
        return self()

    def __format__(self, spec: str) -> str:
        return str(self())

    def __bool__(self) -> bool:
        return bool(self())


@pytest.mark.parametrize(
    ("prompt", "values"),
    [
        ("nothing special", [("", "nothing special")]),
        ("", []),
        ("{{df}}", [("df", 1)]),
        (r"a \{{ b }} {{ df }}", [("", "a {{ b }} "), ("df", 1)]),
        ("{{ x['a'] }}", [("x['a']", {"b": 2})]),
        ("{{ x['a']['b'] }}{{df}}", [("x['a']['b']", 2), ("df", 1)]),
        ("{{ name.real }}", [("name.real", 5)]),
        ("{{ rows[-1] }}", [("rows[-1]", 3)]),
        ("{{ rows[1:-1] }}", [("rows[1:-1]", [2])]),
        ("{{ grid[0, 1] }}", [("grid[0, 1]", "b")]),
        ("{{ rows[df] }}", [("rows[df]", 2)]),
        ("{{ df, rows }}", [("df, rows", (1, [1, 2, 3]))]),
        ("{{\n  rows\n  [0]\n}}", [("rows\n  [0]", 1)]),
        ("{{ held }}", [("held", "{{ f() }}")]),
        ("{{ len }}", [("len", len)]),
    ],
)
def test_what_is_looked_up(prompt: str, values: list[tuple[str, Any]]) -> None:
    """Where no code may run, names, attributes and subscripts are what they are in Python; all else is text."""
    names = {"df": 1, "name": 5, "rows": [1, 2, 3], "grid": {(0, 1): "b"}, "x": {"a": {"b": 2}}, "held": "{{ f() }}"}

    assert evaluate_plainly(prompt, names) == values


@pytest.mark.parametrize(
    "expression",
    [
        *("f()", "f(x)", "x.upper()", "rows[f()]", "x[f():2]", "f().a", "(f)()", "print(x)"),
        *("x.__class__", "x._own", "x.__class__.__mro__", "rows[0].__dict__", "x._"),
        *("lambda: x", "(lambda: f())()", "lambda a=f(): a"),
        *("[f() for n in x]", "{n for n in x}", "{n: f() for n in x}", "(n for n in x)", "[n async for n in x]"),
        *("await x", "(f := x)", "(yield x)", "f'{x}'", "f'{x!r:>{f}}'", "rows[f'{x}']"),
        *("x + 1", "x and f", "not x", "-x", "~x", "+x", "-x[0]", "x == f", "x < f", "x in f", "f if x else f"),
        *("[x]", "{x}", "{'a': x}", "(*x,)", "rows[*x]", "x @ f", "rows[- -1]", "rows[+1]"),
    ],
)
def test_what_is_more_than_that(expression: str) -> None:
    """What would compute something is refused in one line that names the place; nothing in the prompt is evaluated."""
    thing = Counting()
    names = {"f": thing, "x": thing, "rows": thing}

    with pytest.raises(CommandError) as caught:
        evaluate_plainly(f"one {{{{ x.looked_at }}}}\n  two {{{{ {expression} }}}}", names)

    line = str(caught.value)
    assert line.startswith("Line 2, column 10: ")
    assert "is more than names, attributes and [...]: a cell can compute it. Nothing was sent." in line
    assert "\n" not in line
    assert "--raw" not in line
    assert thing.count == 0


@pytest.mark.parametrize(
    ("prompt", "line"),
    [
        (
            "a {{ dff }}",
            "Line 1, column 6: 'dff' is not defined, did you mean df? Nothing was sent. \\{{ stands for {{.",
        ),
        ("{{ df", "Line 1, column 1: '{{' has no '}}'. Nothing was sent. \\{{ stands for {{."),
        ("a\n{{}}", "Line 2, column 1: there is nothing between '{{' and '}}'."),
        ("{{ 1, 2 }}", "Line 1, column 4: '1, 2' names no variable."),
        ("{{ import x }}", "is no Python expression"),
        ("{{ x['q'] }}", "Line 1, column 4: \"x['q']\" failed (KeyError: 'q')."),
        ("{{ x.lenght }}", "'x.lenght' failed (AttributeError: "),
    ],
)
def test_what_cannot_be_looked_up(prompt: str, line: str) -> None:
    """The place and what is wrong with it, in one line, without the flag that only a cell has."""
    with pytest.raises(CommandError) as caught:
        evaluate_plainly(prompt, {"df": 1, "x": {}})

    assert line in str(caught.value)
    assert "--raw" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_awaitable_that_somebody_holds() -> None:
    """A coroutine is not awaited where no code may run, and stays what it is: a cell can await it later."""
    held = later(5)

    with pytest.raises(CommandError, match=r"it has to be awaited; a cell can do that"):
        evaluate_plainly("{{ held }}", {"held": held})

    assert asyncio.run(held) == 5


@given(st.text())
def test_text_without_braces_is_never_touched_there(text: str) -> None:
    """Where no code may run, any text without ``{{`` arrives as it is as well."""
    prompt = text.replace("{{", "{ {")

    assert "".join(value for _, value in evaluate_plainly(prompt, NAMES)) == prompt
