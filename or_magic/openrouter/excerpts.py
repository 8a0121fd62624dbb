"""Untrusted text, cut down to what can be quoted in a message of one line. Pure."""

from __future__ import annotations

import re

_LONGEST = 300


def excerpt(body: bytes) -> str:
    """The beginning of a body as one line without markup, to be quoted in a message; "" where it is empty."""
    text = body[:4000].decode("utf-8", "replace")
    if "<html" in text.lower() or "<!doctype" in text.lower():
        text = re.sub(r"(?is)<(style|script)\b.*?(</\1>|$)|<[^>]*(>|$)", " ", text)
    return one_line(text)


def one_line(text: str) -> str:
    """The text on one line, without control characters, cut to what can be read at a glance."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text[: 8 * _LONGEST]).split())
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"
