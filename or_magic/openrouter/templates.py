"""The quick way to read a text chunk: all of one answer's are the same bytes, but for the text.

A chunk is about 300 bytes of JSON around a word of text. Once one has been decoded in full, the bytes before and after
its text are known; a later chunk with the same bytes around *one whole JSON string* is the same document with another
text, whatever it holds, so only the string needs to be decoded. Anything else takes the way of all chunks.

That the string found is the one that is shown is not guessed: another text is put in its place and decoded in full.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from or_magic.messages import Event, TextDelta
from or_magic.openrouter.lenient import parse_object

_CONTENT = re.compile(rb'"content": ?(?P<text>"(?:[^"\\]|\\.)*")')
_PROBE = "\u2060probe"
_MOST_LESSONS = 12  # chunks that differ each time are not worth it
_DECODE_TEXT = msgspec.json.Decoder(str).decode


class TextTemplate:
    """What surrounds the text in the chunks of one answer; learned from the first, and anew when it changes."""

    def __init__(self) -> None:
        self._before = self._after = b"{"  # what no chunk ends with: nothing is learned yet
        self._around = self._skip = self._rest = 1
        self._lessons = 0

    def text_in(self, payload: bytes) -> str | None:
        """The text of a chunk that is like the one learned from; None for any other."""
        if len(payload) >= self._around and payload.startswith(self._before) and payload.endswith(self._after):
            try:
                return _DECODE_TEXT(payload[self._skip : len(payload) - self._rest])
            except (ValueError, RecursionError):
                return None
        return None

    def learn(self, payload: bytes, text: str, events_of: Callable[[Mapping[str, Any]], list[Event]]) -> None:
        """Looks at a chunk that gave `text` and nothing else.

        Args:
            events_of: decodes a chunk in full.
        """
        if self._lessons >= _MOST_LESSONS:
            return
        self._lessons += 1
        found = _CONTENT.search(payload)
        if found is None:
            return
        before, after = payload[: found.start("text")], payload[found.end("text") :]
        try:
            is_shown = _DECODE_TEXT(found["text"]) == text
        except ValueError:
            return
        if is_shown and events_of(parse_object(before + msgspec.json.encode(_PROBE) + after)) == [TextDelta(_PROBE)]:
            self._before, self._skip = before, len(before)
            self._after, self._rest = after, len(after)
            self._around = self._skip + self._rest
