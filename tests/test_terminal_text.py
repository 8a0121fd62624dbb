from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from or_magic.text import LINE_MAX, escape_text, strip_terminal
from tests.cases import check_none
from tests.jupyter.hostile_texts import hostile_cases


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("a<b & \"c\" 'd'", "a&lt;b &amp; &quot;c&quot; &#x27;d&#x27;", id="markup"),
        pytest.param("one\ntwo\t three", "one two three", id="one-line"),
        pytest.param("a\x1b[31mb\x00", "a␛[31mb␀", id="control"),
        pytest.param("a\u202eb", "a‹U+202E›b", id="direction"),
        pytest.param("x" * 600, "x" * LINE_MAX + "…", id="long"),
        pytest.param("", "", id="empty"),
    ],
)
def test_a_line_of_anything_is_safe_html(text: str, expected: str) -> None:
    """A name that a server chose becomes one short line in which everything can be seen."""
    assert escape_text(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("\x1b[31mred\x1b[0m", "red", id="colour"),
        pytest.param("\x1b]8;;https://evil.example\x1b\\click\x1b]8;;\x1b\\", "click", id="link"),
        pytest.param("\x1b]52;c;cm0=\x07x", "x", id="clipboard"),
        pytest.param("\x9b31mx", "x", id="c1"),
        pytest.param("a\bb", "ab", id="backspace"),
        pytest.param("a\rb\r\nc", "a\nb\nc", id="carriage-return"),
        pytest.param("\x1b]0;never ends", "0;never ends", id="unterminated"),
        pytest.param("a\tb\nc é 😀", "a\tb\nc é 😀", id="plain"),
    ],
)
def test_a_terminal_gets_text_alone(text: str, expected: str) -> None:
    """Escape sequences are not carried out; the text between them is read."""
    assert strip_terminal(text) == expected


@given(st.one_of(st.text(), st.text(alphabet="\x1b[]0;m\\\x07\x9b\x9c\x90a\r\n")))
def test_no_control_character_reaches_a_terminal(text: str) -> None:
    """Whatever the text, only newlines and tabs are left of its control characters."""
    assert not [c for c in strip_terminal(text) if (c < " " and c not in "\n\t") or "\x7f" <= c <= "\x9f"]


def test_the_terminal_corpus_is_disarmed() -> None:
    """Nothing in the corpus moves a cursor, sets a title or turns the direction of reading."""
    acting = set("\x1b\x07\b\r\x9b\u202e\u2066")

    check_none({name: set(strip_terminal(text)) & acting for name, text in hostile_cases()})
