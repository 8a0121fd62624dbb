"""An answer that arrives on the demo's terminal: each block once, whichever way its text was cut while it came."""

from __future__ import annotations

import io
import itertools
import random
from collections.abc import Iterable
from typing import Any

import pytest

from or_magic.jupyter.html.markdown import render
from or_magic.jupyter.launch import NotebookScreen
from or_magic.jupyter.live import LiveAnswer, status_html
from or_magic.types import TextDelta

TEXTS = {
    "a link": "With a key from [openrouter.ai](https://openrouter.ai/settings/keys) a model answers.",
    "spans": "It is **bold**, *slanted* and `code` and ~~gone~~, 2*3*4 or snake_case_name, 5 * 3.",
    "never closed": "Half **bold and a [link and `code",
    "wide": "Größe 日本語 🎉 **太字** und [链接](https://例.jp) am Ende 👩‍👩‍👧.",
    "a table": "Before:\n\n| a | b |\n|---|---|\n| 1 | 2 |\n| 3 | `4` |\n\nAfter.",
    "lists": "- one\n- two **b**\n\n- three\n\n1. first\n2. second\n   more\n\nEnd",
    "headings": "# Title\n\nText\n=====\n\nmore\n---\n\nend",
    "code": "See:\n\n```python\nprint('a')\n\nx = [1]\n```\n\n```\nplain\n```\n\nDone `x`.",
    "formulas": "Let $x^2$ and \\(y\\) cost $5 and $6.\n\n$$\na = b\n$$\n\nEnd.",
    "tags": "A List<String> and <b>x</b> &amp; <br> end a<b",
    "an image": "See ![a picture](https://x.org/a.png) and [^1] there.\n\nMore.\n\n[^1]: A note.",
    "a reference": "See [this][1] or that.\n\nMore.\n\n[1]: https://x.org",
    "a quote": "> said *he*\n> and\n\nshe",
    "addresses": "Go to https://openrouter.ai/docs?a=1 or <https://x.org> now!",
    "escapes": "5 \\* 3 \\[ok\\] and a \\",
}
FOOTER = "sandbox/echo · $0.01"


def message(kind: str, html: str, display: str) -> dict[str, Any]:
    content = {"data": {"text/html": html}, "metadata": {}, "transient": {"display_id": display}}
    return {"msg_type": kind, "header": {"msg_type": kind}, "content": content}


def shown(text: str, parts: Iterable[str]) -> tuple[str, str]:
    """What stands in the terminal before the answer is whole, and at the end; the parts come one a redraw."""
    terminal = io.StringIO()
    screen = NotebookScreen(terminal)
    live = LiveAnswer("orm1", "sandbox/echo")
    first = live.frame()
    assert first is not None
    screen.take(message("display_data", "", "answer"))
    screen.take(message("display_data", first.tail or "", "tail"))
    for part in parts:
        live.feed(TextDelta(part))
        frame = live.frame()
        assert frame is not None
        for display, html in (("answer", frame.answer), ("tail", frame.tail)):
            if html is not None:
                screen.take(message("update_display_data", html, display))
    before = terminal.getvalue()
    screen.take(message("update_display_data", render(text, answer_id="orm1"), "answer"))
    screen.take(message("update_display_data", status_html(FOOTER), "tail"))
    screen.finish()
    return before, terminal.getvalue()


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_each_block_comes_once(text: str) -> None:
    """Wherever the text was cut when it was last drawn, the terminal ends with what a terminal shows of the whole."""
    whole = shown(text, [])[1]

    assert [cut for cut in range(len(text) + 1) if shown(text, [text[:cut]])[1] != whole] == []
    assert shown(text, text)[1] == whole


def test_a_long_answer_moves_from_one_output_to_the_other() -> None:
    """Text that moves up into the output above, in two messages, is not printed twice."""
    random.seed(1)
    text = "\n\n".join(
        f"{text}\n\nPart {number}." for number in range(4) for text in TEXTS.values() if "][" not in text
    )
    text = text.replace("[^1]", "[1]")
    whole = shown(text, [])[1]
    for longest in (7, 60, 900):
        cuts = sorted({0, len(text), *random.sample(range(len(text)), len(text) // longest)})
        parts = [text[begin:end] for begin, end in itertools.pairwise(cuts)]

        assert shown(text, parts)[1] == whole, longest


def test_words_are_shown_as_they_come() -> None:
    """A sentence is shown before its block has ended; what is in doubt waits for what settles it."""
    assert shown("", ["One *two* thr"])[0] == "One two thr"
    assert shown("", ["One two and [open"])[0] == "One two and"
    assert shown("", ["One [two](https://x.org), thr"])[0] == "One two, thr"
    assert shown("", ["```python\na = 1\nb = 2"])[0] == "a = 1"
