"""The bytes of a stream on their way out: grouped, split, or cut off, as the knobs ask.

A recorder keeps the bytes of a stream and loses where the network divided them; this is where the sandbox
divides them.
"""

from __future__ import annotations

from starlette.types import Send

from or_magic.sandbox.behaviour import Behaviour, Cut


class LineCut(Exception):
    """The connection is to be dropped here: the fault that was planned."""


class StreamBody:
    """Writes a stream's body. A planned cut raises LineCut as soon as its last byte or event is out."""

    def __init__(self, send: Send, behaviour: Behaviour, cut: Cut | None) -> None:
        self._send = send
        self._behaviour = behaviour
        self._cut_bytes = cut.after_bytes if cut else None
        self._cut_events = cut.after_events if cut else None
        self._waiting: list[bytes] = []
        self._events = 0
        self._bytes = 0

    async def comment(self, text: str) -> None:
        """Send a comment line at once."""
        await self._write(f": {text}\n\n".encode())

    async def event(self, data: bytes) -> None:
        """Send a data event, or keep it until enough of them are waiting for one write."""
        await self._cut_if_due()
        self._events += 1
        self._waiting.append(b"data: " + data + b"\n\n")
        if len(self._waiting) >= self._behaviour.events_per_write:
            await self.flush()

    async def raw(self, event: bytes) -> None:
        """Send an event, or a comment, as it was recorded."""
        self._waiting.append(event)
        if len(self._waiting) >= self._behaviour.events_per_write:
            await self.flush()

    async def flush(self) -> None:
        """Send what is waiting."""
        waiting, self._waiting = b"".join(self._waiting), []
        if waiting:
            await self._write(waiting)

    async def close(self, last: bytes) -> None:
        """Send the last event and end the body in the same write: who has read it has read everything."""
        await self._cut_if_due()
        ending = b"".join(self._waiting) + b"data: " + last + b"\n\n"
        await self._write(ending, ends=True)

    async def end(self) -> None:
        """End the body without a last event."""
        await self.flush()
        await self._body(b"", more=False)

    async def _cut_if_due(self) -> None:
        # Asked before an event, not after it: the line can also be cut before the first, and before [DONE].
        if self._events == self._cut_events:
            await self.flush()
            raise LineCut

    async def _write(self, data: bytes, *, ends: bool = False) -> None:
        size = self._behaviour.write_bytes or len(data)
        for start in range(0, len(data), size):
            piece = data[start : start + size]
            if self._cut_bytes is not None and self._bytes + len(piece) >= self._cut_bytes:
                await self._body(piece[: self._cut_bytes - self._bytes], more=True)
                raise LineCut
            self._bytes += len(piece)
            await self._body(piece, more=not (ends and start + size >= len(data)))

    async def _body(self, piece: bytes, *, more: bool) -> None:
        await self._send({"type": "http.response.body", "body": piece, "more_body": more})
