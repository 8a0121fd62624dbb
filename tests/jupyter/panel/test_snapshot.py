"""What a panel leaves in a saved notebook."""

from __future__ import annotations

from or_magic.jupyter.panel.items import PanelSnapshot
from or_magic.types import Message

from .turns import a_turn, asked


def test_the_end_of_a_long_conversation_is_left() -> None:
    """Of what has no room the newest questions stay, at least one of them, and the bundle tells of nobody's path."""
    long = [asked(a_turn(n, prompt=Message.of_text("user", f"question {n} " + "x" * 1_400))) for n in range(1, 200)]
    left = PanelSnapshot()
    left.renew(long, "main")
    html = left.bundle()["text/html"]

    assert "question 199 " in html
    assert "question 1 " not in html
    assert len(html) < 120_000
    left.renew([asked(a_turn(7, answer=Message.of_text("assistant", "y " * 100_000)))], "main")
    assert "Why?" in left.bundle()["text/html"]


def test_what_has_not_changed_is_not_drawn_again() -> None:
    """The same conversation gives the very same HTML, so that nothing is sent; a changed one gives another."""
    left = PanelSnapshot()
    left.renew([asked(a_turn(1))], "main")
    before = left.bundle()["text/html"]
    left.renew([asked(a_turn(1))], "main")

    assert left.bundle()["text/html"] == before
    left.renew([asked(a_turn(1)), asked(a_turn(2))], "main")
    assert left.bundle()["text/html"] != before
    left.renew([], "main")
    assert left.bundle() == {"text/html": "", "text/plain": ""}
