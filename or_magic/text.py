"""Text, made fit to be shown: shortened to a line, safe in a page and in a terminal; and the nearest known word."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable

LINE_MAX = 500  # characters of a line that is shown in a page
MESSAGE_MAX = 300  # characters of a text that is quoted in a message
_BIDI = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # they let a text be read in another order than it has
_HIDDEN = re.compile(f"[\x00-\x1f\x7f-\x9f\u200b\u2028\u2029\ufeff\ud800-\udfff{_BIDI}]")
# Of a string sequence that never ends only the ESC is removed: all that follows it would be hidden else.
_TERMINAL = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # CSI
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c\n]{0,4096}(?:\x07|\x1b\\|\x9c)"  # OSC, DCS, SOS, PM, APC
    r"|\x1b[ -/]{0,4}[0-~]"
    rf"|[\x00-\x08\x0b-\x1f\x7f-\x9f{_BIDI}]"
)
# The beginning of a sequence, at the end of a text that still arrives.
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
    """The text without what a terminal would execute: escape sequences, control characters, changes of direction.

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


def excerpt(body: bytes) -> str:
    """The beginning of a body as one line without markup, to be quoted in a message; "" where it is empty."""
    text = body[:4000].decode("utf-8", "replace")
    if "<html" in text.lower() or "<!doctype" in text.lower():
        text = re.sub(r"(?is)<(style|script)\b.*?(</\1>|$)|<[^>]*(>|$)", " ", text)
    return one_line(text)


def shorten(text: str, longest: int) -> str:
    """The text on one line: runs of white space become one space.

    One of more than `longest` characters is cut, and ends in an ellipsis, which is the last of these characters.
    """
    line = " ".join(text.split())
    return line if len(line) <= longest else f"{line[: longest - 1].rstrip()}…"


def one_line(text: str, longest: int = MESSAGE_MAX) -> str:
    """An untrusted text to be quoted in a message: on one line, without control characters, shortened."""
    start = text[: 8 * longest]
    return shorten(start if start.isprintable() else "".join(c if c.isprintable() else " " for c in start), longest)


def nearest(word: str, known: Iterable[str], *, cutoff: float = 0.6) -> str | None:
    """The known word that is most like a mistyped one; None where none is like it.

    Args:
        word: what was typed.
        known: the words that exist.
        cutoff: how alike they must be, from 0 (anything) to 1 (equal).
    """
    import difflib

    return next(iter(difflib.get_close_matches(word, list(known), n=1, cutoff=cutoff)), None)
