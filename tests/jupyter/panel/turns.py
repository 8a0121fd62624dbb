"""Turns as the tests of the panel need them, with the one thing changed that a test is about."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from or_magic.jupyter.panel.turn_html import AskedQuestion
from or_magic.ledger.records import Turn
from or_magic.types import Message, Usage


def a_turn(id: int = 1, **changes: Any) -> Turn:
    """A turn that ended well."""
    facts: dict[str, Any] = dict.fromkeys(Turn.__dataclass_fields__)
    facts |= {"id": id, "notebook": "/n.ipynb", "budget_scope": "/n.ipynb", "service": "https://openrouter.ai"}
    facts |= {"model_asked": "a/b", "model": "a/b", "provider": "Prov", "service_tier": "", "parameters": {}}
    facts |= {"prompt": Message.of_text("user", "Why?"), "prompt_hash": "p", "between": (), "run": "", "ask_number": 0}
    facts |= {"answer": Message.of_text("assistant", "Rayleigh."), "answer_hash": "a", "generation_id": "gen-1"}
    facts |= {"usage": Usage(9, 3, cost_pico_usd=42), "cost_source": "reported", "finish_reason": "stop"}
    facts |= {"native_finish_reason": "", "attempts": 1, "may_be_billed_twice": False, "state": "complete"}
    facts |= {"started_utc": datetime.now(UTC), "thread": "main", "history_turns": 0}
    return Turn(**(facts | changes))


def asked(*turns: Turn, branches: tuple[int, ...] = ()) -> AskedQuestion:
    return AskedQuestion(turns or (a_turn(),), branches or (turns[0].id if turns else 1,))
