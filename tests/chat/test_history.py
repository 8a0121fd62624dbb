"""What goes along with a question, about how long it is, and what is said where it is too long."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from or_magic.chat.history import compose_messages, goes_on
from or_magic.ledger.records import Exchange, HistorySlice
from or_magic.types import Message, Part, ReasoningDetailsPart, ReasoningPart, TextPart

SERVICE, MODEL = "https://openrouter.ai", "a/b"
SIGNED = ReasoningDetailsPart('[{"type": "reasoning.text", "signature": "s"}]')
NOW = Message.of_text("user", "now?")


def exchange(asked: str, answered: str, *parts: Part, **changes: Any) -> Exchange:
    """An earlier turn."""
    messages = (Message.of_text("user", asked), Message("assistant", (*parts, TextPart(answered))))
    fields: dict[str, Any] = {
        "turn_id": 1,
        "messages": messages,
        "parent": None,
        "address": "",
        "service": SERVICE,
        "model_asked": MODEL,
        "prompt_tokens": None,
        "completion_tokens": None,
        "run": "then",
        "started_utc": datetime(2026, 11, 24, 16, 3, tzinfo=UTC),
    }
    return Exchange(**fields | changes)


def texts(messages: tuple[Message, ...]) -> list[tuple[str, str]]:
    return [(message.role, message.text) for message in messages]


def test_what_is_sent() -> None:
    """The system prompt, what was said before, and the question; told as a share of the whole."""
    history_slice = HistorySlice((exchange("a" * 40, "b" * 40),), later=2)

    sent = compose_messages(history_slice, "Be brief.", NOW, SERVICE, MODEL)

    assert texts(sent.messages) == [
        ("system", "Be brief."),
        ("user", "a" * 40),
        ("assistant", "b" * 40),
        ("user", "now?"),
    ]
    assert (sent.history.turns, sent.history.about_tokens, sent.tokens, sent.history.later) == (1, 20, 24, 2)
    assert sent.history.share == pytest.approx(20 / 24)


@pytest.mark.parametrize(
    ("service", "model", "is_sent"),
    [
        pytest.param(SERVICE, MODEL, True, id="to its own model"),
        pytest.param(SERVICE, "c/d", False, id="to another model"),
        pytest.param("http://127.0.0.1:1", MODEL, False, id="to another service"),
    ],
)
def test_signed_reasoning(service: str, model: str, is_sent: bool) -> None:
    """Reasoning with its signatures goes back to the model and the service that signed it, and to no other."""
    history_slice = HistorySlice((exchange("a", "b", ReasoningPart("Hm."), SIGNED),))

    answer = compose_messages(history_slice, None, NOW, service, model).messages[1]

    assert (SIGNED in answer.parts) is is_sent
    assert answer.text == "b"


def test_the_estimate_learns() -> None:
    """What the model counted for the last turn corrects the estimate: here it is twice as much."""
    history_slice = HistorySlice((exchange("a" * 400, "b" * 400, prompt_tokens=200),))

    sent = compose_messages(history_slice, None, NOW, SERVICE, MODEL)
    other = compose_messages(history_slice, None, NOW, SERVICE, "c/d")

    assert (sent.history.about_tokens, sent.tokens) == (400, 402)
    assert other.tokens == 201


def test_a_new_run_is_told() -> None:
    """The first question of a run is told from when it goes on; no other is."""
    told = goes_on(HistorySlice((exchange("a", "b"), exchange("c", "d"))), "today")

    assert told.startswith("Goes on from the conversation of 24 Nov 2026, ")
    assert told.endswith(" (2 turns). %openrouter reset begins anew.")
    assert goes_on(HistorySlice((exchange("a", "b", run="today"),)), "today") == goes_on(HistorySlice(), "today") == ""
