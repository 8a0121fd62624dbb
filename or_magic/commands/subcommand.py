"""How what is typed behind a subcommand is cut into words."""

from __future__ import annotations

import shlex

from or_magic.errors import CommandError


def words_of(text: str) -> list[str]:
    """What was typed behind a command, cut as a shell does.

    Raises:
        CommandError: a quote is not closed.
    """
    try:
        return shlex.split(text)
    except ValueError:
        raise CommandError(f"A quote is not closed in {text!r}.") from None
