"""The line under an answer."""

from __future__ import annotations

from or_magic.answer import Answer
from or_magic.chat.footer import footer_text
from or_magic.chat.host import FooterData
from or_magic.types import Began, Finished, TextDelta, Usage, UsageReported


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
