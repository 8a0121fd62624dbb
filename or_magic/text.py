"""Untrusted text, made fit to be shown: one line, a terminal, an excerpt; and text between fences."""

from __future__ import annotations

import html
import re

LINE_MAX = 500  # characters of a one-line text
_BIDI = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # they let a text be read in another order than it has
_HIDDEN = re.compile(f"[\x00-\x1f\x7f-\x9f\u200b\u2028\u2029\ufeff\ud800-\udfff{_BIDI}]")
# A string sequence that never ends is not taken whole: what follows it would be hidden. Its ESC goes all the same.
_TERMINAL = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # CSI
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c\n]{0,4096}(?:\x07|\x1b\\|\x9c)"  # OSC, DCS, SOS, PM, APC
    r"|\x1b[ -/]{0,4}[0-~]"
    rf"|[\x00-\x08\x0b-\x1f\x7f-\x9f{_BIDI}]"
)
# The beginning of one, at the end of a text that still arrives.
_UNFINISHED = re.compile(
    r"(?:\r"
    r"|(?:\x1b\[|\x9b)[0-?]*[ -/]*"
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c\n]{0,4096}\x1b?"
    r"|\x1b[ -/]{0,4})\Z"
)


def escape_text(text: str, *, limit: int = LINE_MAX) -> str:
    """The text as HTML of one line, safe in an element and in an attribute.

    Control characters and those that change the direction of reading are made visible. Runs of white space become one
    space. Past `limit` characters the text is cut, and ends in an ellipsis.
    """
    line = " ".join(text[: 4 * limit].split())
    if len(line) > limit or len(text) > 4 * limit:
        line = line[:limit] + "…"
    return html.escape(show_hidden(line))


def sendable(text: str) -> str:
    """The text as a message can carry it: half of a surrogate pair, which UTF-8 cannot hold, becomes "?"."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()
    return text


def show_hidden(text: str) -> str:
    """The text with its invisible control characters written out; a newline and a tab stay what they are."""
    return _HIDDEN.sub(_visible, text)


def strip_terminal(text: str) -> str:
    """The text without what a terminal would carry out: escape sequences, control characters, changes of direction.

    A newline and a tab stay; a carriage return, which would let a line be overwritten, becomes a newline.
    """
    return _TERMINAL.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def _visible(match: re.Match[str]) -> str:
    character = match[0]
    if character in "\n\t":
        return character
    code = ord(character)
    return chr(0x2400 + code) if code < 0x20 else f"‹U+{code:04X}›"


def finished_terminal_length(text: str) -> int:
    """How much of a text that still arrives can be stripped now; the rest may be the beginning of a sequence."""
    found = _UNFINISHED.search(text)
    return len(text) if found is None else found.start()


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
