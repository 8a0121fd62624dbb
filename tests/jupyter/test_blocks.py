from __future__ import annotations

import re

import pytest
from hypothesis import given, settings

from or_magic.jupyter.html.markdown import blocks, finished_length
from tests.jupyter.page import inner
from tests.jupyter.pieces import PIECES


@pytest.mark.parametrize(
    ("text", "finished"),
    [
        pytest.param("", "", id="empty"),
        pytest.param("one", "", id="one-block"),
        pytest.param("one\n\n", "", id="the-last-may-go-on"),
        pytest.param("1. one\n\n2", "", id="a-line-may-go-on"),
        pytest.param("one\n\ntwo\n", "one\n\n", id="two-paragraphs"),
        pytest.param("one\r\n\r\ntwo\n", "one\r\n\r\n", id="windows-line-ends"),
        pytest.param("one\r\rtwo\r", "one\r\r", id="old-mac-line-ends"),
        pytest.param("one\u2028\n\ntwo\x00\n\nthree\n", "one\u2028\n\ntwo\x00\n\n", id="odd-characters"),
        pytest.param("é😀\n\n😀\n", "é😀\n\n", id="characters-not-bytes"),
        pytest.param("one\n# two\n", "one\n", id="heading-ends-paragraph"),
        pytest.param("- a\n\n- b\n", "", id="list-goes-on"),
        pytest.param("- a\n\n  b\n\nc\n", "- a\n\n  b\n\n", id="list-ends"),
        pytest.param("a\n\n```\n\nb\n\nc\n", "a\n\n", id="open-fence"),
        pytest.param("a\n\n$$\n\\alpha\n", "a\n\n", id="open-dollars"),
        pytest.param("a\n\n\\[\nb\n\nc\n\nd\n", "a\n\n", id="open-bracket"),
        pytest.param("a\n\n$$\nb\n- c\n$$\n\nd\n", "a\n\n$$\nb\n- c\n$$\n\n", id="closed-dollars"),
        pytest.param("a\n\n[r]: http://b.example\n", "", id="definitions-are-no-blocks"),
        pytest.param("a[^1]\n\n[^1]: b\n\nc\n", "a[^1]\n\n[^1]: b\n\n", id="footnote-between"),
        pytest.param("a\n\n<details>\n\nb\n\nc\n", "", id="open-details"),
        pytest.param(
            "a\n\n<details>\n\nb\n\n</details>\n\nc\n", "a\n\n<details>\n\nb\n\n</details>\n\n", id="closed-details"
        ),
        pytest.param("\ta\n\nb\n\n  c\n", "\ta\n\nb\n\n", id="indented"),
        pytest.param("a\n===\nb\n", "a\n===\n", id="underlined-heading"),
    ],
)
def test_what_is_finished_ends_where_the_last_block_begins(text: str, finished: str) -> None:
    """The last block may still change; all before it, its blank lines included, is finished."""
    assert text[: finished_length(text)] == finished


def test_blocks_begin_at_their_lines() -> None:
    """Each top-level block is told by the offset of its first line."""
    assert blocks("# a\n\nb\n\n- c\n- d\n\n| e |\n|---|\n\n> f\n") == [0, 5, 8, 17, 30]


@settings(max_examples=400, deadline=None)
@given(PIECES, PIECES)
def test_what_is_finished_stays_as_it_is(text: str, more: str) -> None:
    """The finished part of a text looks the same alone and with whatever follows it."""
    if re.search(r"</?(details|summary)>", text + more):
        return
    finished = text[: finished_length(text)]

    assert inner(text + more).startswith(inner(finished))


@settings(max_examples=200, deadline=None)
@given(PIECES)
def test_blocks_are_in_order_and_within_the_text(text: str) -> None:
    """Offsets of blocks rise, lie within the text, and each is the beginning of a line."""
    starts = blocks(text)

    assert starts == sorted(set(starts))
    assert all(start == 0 or text[start - 1] in "\r\n" for start in starts)
