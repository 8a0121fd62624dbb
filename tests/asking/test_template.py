"""``{{ expression }}``: what is read as one, what it gives, and what is said of one that is none."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from or_magic.asking.reenter import wait_for
from or_magic.asking.template import evaluate, value_of
from or_magic.errors import CommandError


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
