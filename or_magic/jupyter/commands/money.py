"""Commands that tell what was spent."""

from __future__ import annotations

from or_magic.errors import CommandError
from or_magic.jupyter.commands.desk import Desk
from or_magic.money import format_usd, usd


def cost(desk: Desk, text: str) -> None:
    """``%openrouter cost``: what this notebook has spent at the service that is set, to the last digit."""
    if text:
        raise CommandError(f"%openrouter cost takes nothing more; {text!r} was typed.")
    place, spent = desk.host.where(), desk.session.spent()
    answers = f"{spent.turns:,} answer{'' if spent.turns == 1 else 's'}"
    print(f"This {place.purse_name} spent {format_usd(spent.pico_usd)} in {answers} at {_where(desk)}.")
    print(f"Exactly: ${usd(spent.pico_usd):f}.")
    if spent.unknown:
        print(f"Of {spent.unknown:,} the cost is not known: they were stopped or failed before the service told it.")


def _where(desk: Desk) -> str:
    return "the sandbox (play money)" if desk.sandbox is not None else desk.session.service
