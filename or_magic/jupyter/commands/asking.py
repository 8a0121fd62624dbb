"""Commands that ask."""

from __future__ import annotations

from or_magic.errors import CommandError
from or_magic.jupyter.commands.desk import Desk


def ask(desk: Desk, text: str) -> None:
    """``%openrouter ask TEXT``: the rest of the line is the prompt, exactly."""
    if not text:
        raise CommandError("There is nothing to ask: %openrouter ask Why is the sky blue?")
    desk.ask(text)
