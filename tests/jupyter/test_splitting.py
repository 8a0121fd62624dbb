"""A block without an end is cut so that both halves look like it, and nothing of it is lost."""

from __future__ import annotations

import re

import pytest

from or_magic.jupyter.html.markdown import render
from or_magic.jupyter.live import LiveAnswer, split
from or_magic.types import TextDelta
from tests.benchmarks.texts import text_of

BLOCKS = {
    "code": "```python\n" + "x = 1  # one\n" * 200,
    "tildes": "~~~\n" + "a line\n" * 200,
    "list": "- an item with *words*\n" * 200,
    "numbers": "".join(f"{n}. an item\n" for n in range(1, 300)),
    "table": "| a | b |\n|---|---|\n" + "| one | two |\n" * 200,
    "paragraph": "Some words of a sentence. " * 200,
    "one word": "x" * 4_000,
}


def words(html: str) -> list[str]:
    return re.sub(r"<[^>]*>", " ", html).split()


@pytest.mark.parametrize("name", BLOCKS)
def test_nothing_is_lost(name: str) -> None:
    """The words of both halves are those of the whole; only a table's head is said twice."""
    block = BLOCKS[name]
    head, rest = split(block)
    together = words(render(head, answer_id="a")) + words(render(rest, answer_id="a", streaming=True))

    assert together == words(render(block, answer_id="a", streaming=True)) or name == "table"
    assert len(together) - len(words(render(block, answer_id="a", streaming=True))) == (2 if name == "table" else 0)
    assert (len(rest) < 700) == (name != "one word")


@pytest.mark.parametrize(("name", "tag"), [("code", "pre"), ("list", "ul"), ("numbers", "ol"), ("table", "table")])
def test_both_halves_are_of_its_kind(name: str, tag: str) -> None:
    """Code stays code, a list a list, a table a table; a numbered list goes on counting."""
    head, rest = (render(half, answer_id="a", streaming=True) for half in split(BLOCKS[name]))

    assert f"<{tag}" in head
    assert f"<{tag}" in rest
    assert name != "numbers" or re.search(r'<ol start="2\d\d">', rest)


OPEN = ["Some **bold words that do not end " * 30, "A formula $x_1 + " + "y + " * 200, "short"]


@pytest.mark.parametrize("text", OPEN)
def test_what_is_better_left_whole(text: str) -> None:
    """An open mark or formula is not torn, and a short block is not worth it."""
    assert split(text) == ("", text)


@pytest.mark.parametrize("kind", ["code", "list", "table", "paragraph", "prose"])
def test_what_is_redrawn_stays_small(kind: str) -> None:
    """Of an answer that is one long block, no more than a fraction is redrawn at a time, and all of it is shown."""
    text, live, longest, last = text_of(kind, 60_000), LiveAnswer("orm1", "a/b"), 0, None
    for start in range(0, len(text), 400):
        live.feed(TextDelta(text[start : start + 400]), start / 4_000)
        if (frame := live.frame()) is not None:
            longest = max(longest, len(frame.tail or ""))
            last = (frame.answer if frame.answer is not None else last and last[0], frame.tail)

    assert longest < 45_000
    assert last is not None
    shown, whole = (last[0] or "") + (last[1] or ""), render(text, answer_id="orm1", streaming=True)
    assert "".join(words(shown))[-20:] == "".join(words(whole))[-20:]
