"""The line under an answer."""

from __future__ import annotations

from or_magic.answer import Answer
from or_magic.chat.footer import footer_text
from or_magic.chat.host import FooterData
from or_magic.types import Began, Finished, History, TextDelta, Usage, UsageReported


def answer(*, usage: Usage | None, reason: str = "stop") -> Answer:
    whole = Answer(model_asked="a/b")
    for event in [Began("gen-1", "a/b", "Prov"), TextDelta("x"), Finished(reason)]:
        whole.absorb(event)
    if usage is not None:
        whole.absorb(UsageReported(usage))
    whole.finish("complete")
    return whole


def test_a_full_footer() -> None:
    """Who, how much, what it cost, what was spent; without times where nobody watches."""
    usage = Usage(1204, 318, cached_tokens=896, reasoning_tokens=7, cost_pico_usd=2_300_000_000)

    text = footer_text(answer(usage=usage), FooterData("notebook", 410_000_000_000), times=False)

    assert text == ("a/b via Prov · 1,204 in (896 cached) / 318 out (7 reasoning) · $0.0023 · notebook $0.41")


def test_unknown_is_not_zero() -> None:
    """A cost that was not told is said to be not known, in the answer and in the sum."""
    text = footer_text(answer(usage=None, reason="length"), FooterData("folder", 0, unknown=1), times=False)

    assert text == (
        "a/b via Prov · cut at the length limit (%openrouter continue goes on) · cost not known · "
        "folder $0 + 1 of unknown cost"
    )


def test_tokens_of_the_history_that_nobody_counted() -> None:
    """Where only the number of earlier turns is known, that number is told, and no count of their tokens is made up."""
    usage = Usage(1204, 318, cost_pico_usd=2_300_000_000)
    recalled = answer(usage=usage)
    recalled.history = History(turns=2)

    brief = footer_text(recalled, FooterData("", None, footer="brief"))
    whole = footer_text(recalled, FooterData("", None), times=False)

    assert brief == "a/b via Prov · 2 turns · $0.0023"
    assert whole == "a/b via Prov · 1,204 in (2 turns) / 318 out · $0.0023"


def test_tokens_of_the_history_that_were_counted() -> None:
    """Where the earlier turns' tokens are known, they are told: their part of the prompt that the service counted."""
    counted = answer(usage=Usage(1000, 318, cost_pico_usd=2_300_000_000))
    counted.history = History(turns=1, about_tokens=220, share=0.25)

    brief = footer_text(counted, FooterData("", None, footer="brief"))
    whole = footer_text(counted, FooterData("", None), times=False)

    assert brief == "a/b via Prov · 1 turn, ~220 tokens · $0.0023"
    assert whole == "a/b via Prov · 1,000 in (1 turn, ~250 tokens) / 318 out · $0.0023"
