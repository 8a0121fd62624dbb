"""What a cell says while nothing can be sent."""

from __future__ import annotations

import pytest

from or_magic.chat.footer import waiting_text
from or_magic.jupyter.live import LiveAnswer
from or_magic.types import Began, TextDelta, Waiting


@pytest.mark.parametrize(
    ("waiting", "text"),
    [
        pytest.param(
            Waiting("It is not available (503: busy)", 1.25, 2, 4),
            "It is not available (503: busy). Asked again in 1.2 s (attempt 2 of 4).",
            id="a pause",
        ),
        pytest.param(
            Waiting("reset", 0.0, 2, 4, may_be_billed_twice=True),
            "reset. Asked again now (attempt 2 of 4). The attempt before may be billed as well.",
            id="at once",
        ),
        pytest.param(
            Waiting("8 other requests are under way", None, 1, 4),
            "8 other requests are under way; this one waits for its turn …",
            id="others first",
        ),
    ],
)
def test_what_is_said(waiting: Waiting, text: str) -> None:
    """Why, how long, which attempt, and whether it may cost twice."""
    assert waiting_text(waiting) == text


def test_the_line_goes_away_when_the_answer_begins() -> None:
    """The wait is a status line, as text, and is gone with the first word of the answer."""
    live = LiveAnswer("orm1", "a/b")
    live.feed(Waiting("<b>busy</b>", 1.0, 2, 4))
    assert "&lt;b&gt;busy" in (live.frame().tail or "")

    live.feed(Began("gen-1", "a/b", "Acme"))
    live.feed(TextDelta("Hi"))

    tail = live.frame().tail or ""
    assert "busy" not in tail
    assert "Hi" in tail
