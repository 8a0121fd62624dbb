"""Turns as safe HTML: a line each, with the question and the rendered answer folded below it."""

from __future__ import annotations

import uuid

from or_magic.asking.conversation import Conversation, Turns, head
from or_magic.jupyter.markdown import ROOT_CLASSES, render, stylesheet
from or_magic.ledger.records import Turn
from or_magic.money import format_usd
from or_magic.plain_text import escape_text, sendable

_MOST = 100  # turns in one view; a page with more is no view
_LONGEST = 20_000  # characters of one text in a view of many
_LINE = 100


def conversation_html(shown: Conversation | Turns) -> str:
    """What a conversation, or turns that were found, look like as the value of a cell."""
    turns = shown.turns
    older = len(turns) - _MOST
    note = f"{older:,} older ones are left out here; .df() has all." if older > 0 else ""
    count = f"{len(turns):,} turn{'' if len(turns) == 1 else 's'}"
    title = f"Thread {escape_text(shown.thread)}" if isinstance(shown, Conversation) else "Found"
    lines = "".join(_turn(turn, is_open=len(turns) == 1) for turn in turns[-_MOST:])
    return sendable(
        f'<style>{stylesheet()}</style><div class="orm orm-status mathjax_ignore">{title} · {count} {note}</div>{lines}'
    )


def _turn(turn: Turn, *, is_open: bool) -> str:
    usage = turn.usage
    cost = format_usd(usage.cost_pico_usd) if usage is not None and usage.cost_pico_usd is not None else ""
    facts = " · ".join(escape_text(part) for part in (head(turn), cost) if part)
    summary = f'{escape_text(_line(turn.prompt.said))} <span class="orm-status">{facts}</span>'
    asked = "<br>".join(escape_text(line, limit=_LONGEST) for line in _cut(turn.prompt.said, is_open).split("\n"))
    answered = render(_cut(turn.answer.said, is_open), answer_id=f"orm{uuid.uuid4().hex[:8]}") if turn.answer else ""
    opened = " open" if is_open else ""
    return (
        f'<details class="{ROOT_CLASSES} orm-turn"{opened}><summary>{summary}</summary>'
        f"<blockquote>{asked}</blockquote>{answered}</details>"
    )


def _line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LINE else f"{line[:_LINE]}…"


def _cut(text: str, is_whole: bool) -> str:
    return text if is_whole or len(text) <= _LONGEST else f"{text[:_LONGEST]} …"
