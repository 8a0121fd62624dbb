"""What is redrawn while an answer arrives, and how often."""

from __future__ import annotations

import pytest

from or_magic.jupyter.live import BYTES_PER_S, Frame, LiveAnswer, Pacer, status_html
from or_magic.types import Began, ReasoningDelta, TextDelta, ToolCallDelta, Usage, UsageReported


def play(text: str, piece: int = 7) -> list[Frame]:
    """All frames of an answer that arrives in pieces, drawn after each."""
    live = LiveAnswer("orm1", "a/b")
    frames = []
    for start in range(0, len(text), piece):
        live.feed(TextDelta(text[start : start + piece]))
        if (frame := live.frame()) is not None:
            frames.append(frame)
    return frames


def test_the_tail_stays_small_and_the_answer_moves_seldom() -> None:
    """A long answer of paragraphs is redrawn whole at sizes that grow: the sum stays a constant times the text."""
    text = "".join(f"Paragraph {n} with some words in it.\n\n" for n in range(3_000))

    moves = [frame for frame in play(text, 200) if frame.answer is not None]

    assert 5 < len(moves) < 60
    assert sum(len(frame.answer or "") for frame in moves) < 15 * len(text)


def test_nothing_new_is_not_redrawn() -> None:
    """Where nothing has changed there is no frame; usage changes nothing on the screen."""
    live = LiveAnswer("orm1", "a/b")

    assert live.frame() is not None
    live.feed(UsageReported(Usage()))
    assert live.frame() is None


def test_what_is_shown_before_the_text() -> None:
    """First the model that was asked, then the one that serves, then that it thinks: as text, never as markup."""
    live = LiveAnswer("orm1", "a/<b>")
    assert "a/&lt;b&gt; …" in (live.frame() or Frame()).tail  # type: ignore[operator]

    live.feed(Began("gen-1", "c/d", "P"))
    live.feed(ReasoningDelta("hmm"))

    assert "c/d is thinking … 3 characters" in (live.frame() or Frame()).tail  # type: ignore[operator]


@pytest.mark.parametrize("redraw", [500, 5_000, 200_000])
def test_redraws_are_paid_off(redraw: int) -> None:
    """Over ten seconds no more is sent than the rate allows, in at most 12 redraws a second."""
    pacer, sent, times = Pacer(), 0, []
    for tick in range(10_000):
        now_s = tick / 1000
        if pacer.is_due(now_s):
            frame = Frame(tail="x" * redraw)
            pacer.drew(frame, now_s)
            sent += frame.weight
            times.append(now_s)

    assert sent - frame.weight <= 1.3 * BYTES_PER_S * 10
    assert len(times) <= 12 * 10 + 1


def test_a_status_is_text() -> None:
    """A model's name cannot be markup."""
    assert "<img" not in status_html("<img src=x onerror=alert(1)>")


def test_a_call_is_shown_while_its_arguments_come() -> None:
    """The name and as much of the arguments as has arrived are shown, as text, in the place of the text."""
    live = LiveAnswer("orm1", "a/b")

    live.feed(ToolCallDelta(0, "c1", "rainfall", ""))
    live.feed(ToolCallDelta(0, "", "", '{"month": "<b>Ju'))

    tail = (live.frame() or Frame()).tail
    assert tail is not None
    assert "rainfall({&quot;month&quot;: &quot;&lt;b&gt;Ju)" in tail
