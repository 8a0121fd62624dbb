"""The answer grows by events and reads well at any time."""

from __future__ import annotations

import threading
from decimal import Decimal

from or_magic.answer import Answer
from or_magic.errors import ServiceError
from or_magic.types import (
    Began,
    Failed,
    Finished,
    ReasoningDelta,
    ReasoningPart,
    TextDelta,
    TextPart,
    Usage,
    UsageReported,
)


def test_events_become_an_answer() -> None:
    """Every event finds its place, and unknown stays unknown until it is told."""
    answer = Answer(model_asked="a/b")
    assert (answer.cost, answer.cost_source, answer.done, answer.finish_reason) == (None, None, False, None)

    for event in [Began("gen-1", "a/b-2026", "P"), ReasoningDelta("hm"), TextDelta("Hel"), TextDelta("lo")]:
        answer.absorb(event)
    answer.absorb(Finished("stop"))
    answer.absorb(UsageReported(Usage(3, 2, cost_pico_usd=600_000)))
    answer.finish("complete")

    assert (str(answer), answer.reasoning, answer.id, answer.provider) == ("Hello", "hm", "gen-1", "P")
    assert (answer.cost, answer.cost_source) == (Decimal("6E-7"), "reported")
    assert answer.message.parts == (ReasoningPart("hm"), TextPart("Hello"))
    assert answer.wait().done


def test_a_failure_keeps_what_came() -> None:
    """An error in mid-stream leaves the text, and the repr says that it is not whole."""
    answer = Answer(model_asked=None)

    answer.absorb(TextDelta("half"))
    answer.absorb(Failed(ServiceError("gone")))
    answer.finish("failed", "gone")

    assert answer.text == "half"
    assert repr(answer) == "half [failed]"


def test_reading_while_it_is_written_loses_nothing() -> None:
    """Two readers that read all the time see growing text, and in the end all of it."""
    answer = Answer(model_asked=None)
    lengths: list[list[int]] = [[], []]

    def read(seen: list[int]) -> None:
        while not answer.done:
            seen.append(len(answer.text))

    readers = [threading.Thread(target=read, args=(seen,)) for seen in lengths]
    [reader.start() for reader in readers]
    for number in range(20_000):
        answer.absorb(TextDelta(f"{number},"))
    answer.finish("complete")
    [reader.join() for reader in readers]

    assert answer.text == "".join(f"{number}," for number in range(20_000))
    assert all(seen == sorted(seen) for seen in lengths)
