"""Text that stands apart in a message: between fences that nothing in it closes, no longer than there is room."""

from __future__ import annotations

import re

from or_magic.content import Room

_TICKS = re.compile(r"`{3,}")


def fenced(text: str, language: str) -> str:
    """The text as a block of code of Markdown."""
    longest = max((len(found) for found in _TICKS.findall(text)), default=2)
    fence = "`" * (longest + 1)
    end = "" if text.endswith("\n") else "\n"
    return f"{fence}{language}\n{text}{end}{fence}"


def cut_middle(text: str, room: Room) -> tuple[str, int]:
    """The text; where it is too long, its beginning and its end. And how many characters were left out."""
    if len(text.encode("utf-8", "replace")) <= room.bytes:
        return text, 0
    encoded = text.encode("utf-8", "replace")
    first = encoded[: room.bytes * 3 // 4].decode("utf-8", "ignore")
    last = encoded[-(room.bytes // 4) :].decode("utf-8", "ignore")
    left_out = len(text) - len(first) - len(last)
    return f"{first}\n… {left_out:,} characters left out …\n{last}", left_out
