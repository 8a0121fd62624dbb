"""Texts are shortened to a line, and a mistyped word finds the one that was meant."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from or_magic.text import nearest, one_line, shorten


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", ""),
        (" a\n\tb  c ", "a b c"),
        ("1234567890", "1234567890"),
        ("12345678901", "123456789…"),
        ("12345678 01", "12345678…"),
    ],
)
def test_a_short_line(text: str, line: str) -> None:
    """White space becomes one space; what is too long ends in an ellipsis, within the length that was asked for."""
    assert shorten(text, 10) == line


@given(st.text(), st.integers(min_value=1, max_value=40))
def test_any_line(text: str, longest: int) -> None:
    """A line is never longer than asked for, and one for a message has no control characters."""
    assert len(shorten(text, longest)) <= longest
    assert len(line := one_line(text, longest)) <= longest
    assert line.isprintable()


@pytest.mark.parametrize(
    ("word", "known", "found"),
    [
        ("temprature", ["top_p", "temperature"], "temperature"),
        ("temprature", (name for name in ("temperature", "seed")), "temperature"),
        ("x", ["temperature"], None),
        ("x", [], None),
    ],
)
def test_the_nearest_word(word: str, known: list[str], found: str | None) -> None:
    """The word that was meant is found, and none where none is alike."""
    assert nearest(word, known) == found
