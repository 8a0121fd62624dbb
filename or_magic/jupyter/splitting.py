"""A block that has no end yet, cut in two that look like one: so that what is redrawn stays small. Pure.

A block of code, a list, a table or a paragraph may grow to any length before it is known to be finished. While it
streams, its beginning is moved up as a block of its own; when the answer is whole it is shown as the one block it is.
"""

from __future__ import annotations

import re

from or_magic.jupyter.unfinished import close_open

_FENCE = re.compile(r" {0,3}(?P<mark>`{3,}|~{3,})[^\n`]*\n")
_ITEM = re.compile(r"^ {0,3}(?:[-*+]|\d{1,9}[.)])[ \t]", re.MULTILINE)
_TABLE = re.compile(r"(?P<head>[^\n]*\|[^\n]*\n[ \t]*\|?[ \t:|-]*-[ \t:|-]*\n)")
_KEPT = 200  # characters at the end that stay: the last word, the last row, may still change


def split(block: str) -> tuple[str, str]:
    """The beginning as a Markdown text of its own, and one of what remains; ("", block) where it is better left whole.

    Args:
        block: Markdown of one block that still grows.
    """
    room = len(block) - _KEPT
    if room <= 0:
        return "", block
    if (fence := _FENCE.match(block)) is not None:
        cut = block.rfind("\n", fence.end(), room) + 1
        return _parts(block, cut, ends=fence["mark"] + "\n\n", begins=fence[0]) if cut > fence.end() else ("", block)
    if _ITEM.match(block):
        items = [item.start() for item in _ITEM.finditer(block, 1, room)]
        return _parts(block, items[-1]) if items else ("", block)
    if (table := _TABLE.match(block)) is not None:
        cut = block.rfind("\n", table.end(), room) + 1
        return _parts(block, cut, ends="\n", begins=table["head"]) if cut > table.end() else ("", block)
    return _split_paragraph(block, room)


def _split_paragraph(block: str, room: int) -> tuple[str, str]:
    cut = max(block.rfind(". ", 0, room), block.rfind("\n", 0, room)) + 1 or block.rfind(" ", 0, room) + 1
    head = block[:cut]
    # An open mark, formula or link would be torn in two.
    is_torn = close_open(head) != head or head.count("$") % 2 == 1
    if cut <= 0 or "\n\n" in head or is_torn or not block[cut:].strip():
        return "", block
    return head.rstrip() + "\n\n", block[cut:].lstrip()


def _parts(block: str, cut: int, *, ends: str = "", begins: str = "") -> tuple[str, str]:
    return block[:cut] + ends, begins + block[cut:]
