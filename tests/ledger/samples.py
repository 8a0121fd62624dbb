"""Turns as tests need them: complete, with the one thing changed that the test is about."""

from __future__ import annotations

import dataclasses
from typing import Any

from or_magic.ledger.records import NewTurn, Progress, TurnId
from or_magic.ledger.store import Ledger
from or_magic.types import Ending, Message, Usage

REAL = "https://openrouter.ai"

_QUESTION = NewTurn(
    notebook="/home/ada/notes.ipynb",
    budget_scope="/home/ada/notes.ipynb",
    cell_id="c1",
    service=REAL,
    model_asked="a/b",
    parameters={"temperature": 0.2},
    system="Be brief.",
    prompt=Message.of_text("user", "Why is the sky blue?"),
)


def question(**changes: Any) -> NewTurn:
    """A question at the beginning of a conversation."""
    return dataclasses.replace(_QUESTION, **changes)


def arrived(text: str = "Rayleigh.", cost: int | None = 42, **more: Any) -> Progress:
    """An answer with its usage; `cost` in 1e-12 USD."""
    return Progress(text=text, usage=Usage(prompt_tokens=9, completion_tokens=3, cost_pico_usd=cost), **more)


def ask(ledger: Ledger, progress: Progress | None = None, ending: Ending = "complete", **changes: Any) -> TurnId:
    """A turn that is opened and finished."""
    turn_id = ledger.open_turn(question(**changes)).id
    ledger.finish_turn(turn_id, progress or arrived(), ending, None)
    return turn_id
