"""The first line of a cell."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from or_magic.commands.arguments import OWN_FLAGS, parameters_page, parse_cell_line
from or_magic.errors import CommandError
from or_magic.settings.parameters import PARAMETERS, UNSET, Parameter

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ("", {}),
        ("a/b", {"model": "a/b"}),
        ("-m a/b:free -o x", {"model": "a/b:free", "output": "x"}),
        ("--model=a/b", {"model": "a/b"}),
        ("a/b --output x # a remark", {"model": "a/b", "output": "x"}),
        ("auto", {"model": "auto"}),
        ("account", {"model": "account"}),
        ("~openai/gpt-latest", {"model": "~openai/gpt-latest"}),
        ("@preset/mine", {"model": "@preset/mine"}),
        ("a/b@preset/mine", {"model": "a/b@preset/mine"}),
    ],
)
def test_lines_that_are_understood(line: str, values: dict[str, str]) -> None:
    """Flags, in either form, and one model id."""
    assert parse_cell_line(line).values == values


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("what is it", "'what' is no model id"),
        ("gpt-5", "'gpt-5' is no model id"),
        ("--modle a/b", "Did you mean --model"),
        ("-z", "%openrouter help flags"),
        ("-t", "--temperature wants a value"),
        ("--max-tokens --seed 3", "--max-tokens wants a value"),
        ("-t warm", "a number from 0 to 2"),
        ("--temprature 1", "Did you mean --temperature"),
        ("--provider.oder x", "Did you mean --provider.order"),
        ("--stop a --stop b --stop c --stop d --stop e", "1 to 4 values"),
        ("--seed 1 --seed 2", "given twice"),
        ("--reasoning very", "one of max, xhigh"),
        ("--provider '{order: x}'", "JSON"),
        ("-m", "--model wants a value"),
        ("-o 1x", "no name for a variable"),
        ("-o class", "no name for a variable"),
        ("a/b c/d", "given twice"),
        ("a/b what's up", "a quote that is not closed"),
    ],
)
def test_lines_that_are_mistyped(line: str, words: str) -> None:
    """What cannot be understood is refused in one line that says what to do."""
    with pytest.raises(CommandError, match=words) as caught:
        parse_cell_line(line)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("line", "parameters"),
    [
        ("-t 0.2 --max-tokens 500", {"temperature": 0.2, "max_tokens": 500}),
        ("--max_tokens=500", {"max_tokens": 500}),
        ("--frequency-penalty -0.5", {"frequency_penalty": -0.5}),
        ("--fallback a/b --fallback c/d,e/f", {"models": ["a/b", "c/d", "e/f"]}),
        ("--stop END --stop 'a, b'", {"stop": ["END", "a, b"]}),
        (r"--stop '\n\n'", {"stop": ["\n\n"]}),
        ("--nitro a/b", {"nitro": True}),
        (
            "--provider.zdr off --provider.allow-fallbacks=false",
            {"provider.zdr": False, "provider.allow_fallbacks": False},
        ),
        ("--provider.max-price prompt=1,completion=2.5", {"provider.max_price": {"prompt": "1", "completion": "2.5"}}),
        ('--provider \'{"order": ["x"]}\'', {"provider": {"order": ["x"]}}),
        ("--reasoning high --reasoning.exclude", {"reasoning": "high", "reasoning.exclude": True}),
        ('--plugin web --plugin \'{"id": "file-parser"}\'', {"plugins": [{"id": "web"}, {"id": "file-parser"}]}),
        ("--param a=1 --param b.c=x", {"param": {"a": 1, "b.c": "x"}}),
        ("--cache-control 1h", {"cache_control": {"type": "ephemeral", "ttl": "1h"}}),
        ("--transforms '[\"middle-out\"]' --route fallback", {"transforms": ["middle-out"], "route": "fallback"}),
        ("--temperature unset", {"temperature": UNSET}),
    ],
)
def test_parameters_that_are_understood(line: str, parameters: dict[str, object]) -> None:
    """Every form in which a parameter may be typed gives its value."""
    assert parse_cell_line(line).parameters == parameters


@pytest.mark.parametrize("parameter", PARAMETERS, ids=lambda parameter: parameter.name)
def test_every_parameter_is_a_flag(parameter: Parameter) -> None:
    """The example of each parameter, typed behind its flag, is its value."""
    line = f"{parameter.long_flag}={shlex.quote(parameter.example)}"

    assert parse_cell_line(line).parameters == {parameter.name: parameter.type.parse(parameter.example)}


def test_the_documents_list_the_flags() -> None:
    """The manual's table, docs/parameters.md and the declared flags are the same."""
    manual = (ROOT / "docs" / "manual.md").read_text(encoding="utf-8")

    for flag in OWN_FLAGS:
        assert f"| `{flag.head}` | {flag.help} |" in manual
    assert (ROOT / "docs" / "parameters.md").read_text(encoding="utf-8") == parameters_page()
