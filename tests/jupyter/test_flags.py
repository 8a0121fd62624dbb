"""The first line of a cell."""

from __future__ import annotations

from pathlib import Path

import pytest

from or_magic.errors import CommandError
from or_magic.jupyter.flags import FLAGS, parse_cell_line


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ("", {}),
        ("a/b", {"model": "a/b"}),
        ("-m a/b:free -o x", {"model": "a/b:free", "output": "x"}),
        ("--model=a/b", {"model": "a/b"}),
        ("a/b --output x # a remark", {"model": "a/b", "output": "x"}),
        ("auto", {"model": "openrouter/auto"}),
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
        ("-z", "There are --model"),
        ("-m", "--model wants a value"),
        ("-o 1x", "no name for a variable"),
        ("a/b c/d", "given twice"),
        ("a/b what's up", "a quote that is not closed"),
    ],
)
def test_lines_that_are_mistyped(line: str, words: str) -> None:
    """What cannot be understood is refused in one line that says what to do."""
    with pytest.raises(CommandError, match=words) as caught:
        parse_cell_line(line)
    assert len(str(caught.value).splitlines()) == 1


def test_the_readme_lists_the_flags() -> None:
    """The README's table and the declared flags are the same."""
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")

    for flag in FLAGS:
        assert f"| `{flag.short}`, `{flag.name} {flag.value}` | {flag.help} |" in readme
