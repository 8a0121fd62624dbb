"""Texts of each kind and any length, and a server that streams them at any pace."""

from __future__ import annotations

import json
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

_PROSE = "Some **words** of a paragraph with `code`, a [link](https://example.org) and more of the same, at length.\n\n"
_ROW = "| one | two | three | 1,234 |\n"
_CODE = "    total += measure(sample, weight=0.5)  # add what was measured\n"
_MATHS = "The sum $\\sum_{i=1}^{n} x_i^2$ is at most $n \\max_i x_i^2$, as is well known.\n\n"


def text_of(kind: str, size: int) -> str:
    """A text of a kind: prose, code, table, list, mathematics, paragraph (one without an end)."""
    unit, head, end = {
        "prose": (_PROSE, "", ""),
        "code": (_CODE, "```python\ndef work(samples):\n", "```\n"),
        "table": (_ROW, "| a | b | c | d |\n|---|---|---|---|\n", ""),
        "list": ("- an item of a list with some *words* in it\n", "", ""),
        "mathematics": (_MATHS, "", ""),
        "paragraph": (_PROSE.strip() + " ", "", ""),
    }[kind]
    return (head + unit * (size // len(unit) + 1))[: size - len(end)] + end


@dataclass
class Stream:
    """Where the server is, and when its last answer had been sent (`time.time`)."""

    origin: str
    ended_at: float = 0.0


class _Handler(socketserver.StreamRequestHandler):
    """Streams ``/KIND/SIZE/PACE`` as an answer: tokens of four characters, PACE a second (0: at once)."""

    disable_nagle_algorithm = True
    stream: Stream

    def handle(self) -> None:
        with suppress(BrokenPipeError, ConnectionResetError):  # who is measured may hang up
            self._answer()

    def _answer(self) -> None:
        while head := self._head():
            _, kind, size, pace, *_ = head.split()[1].decode().split("/")
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")
            began = time.monotonic()
            text = text_of(kind, int(size))
            for number, start in enumerate(range(0, len(text), 4)):
                due = began + number / int(pace) if int(pace) else 0.0
                if (wait := due - time.monotonic()) > 0:
                    time.sleep(wait)
                self._send({"role": "assistant", "content": text[start : start + 4]})
            self._send({"content": ""}, finish="stop")
            self.wfile.write(b"data: [DONE]\n\n")
            self.stream.ended_at = time.time()
            return

    def _send(self, delta: dict[str, str], finish: str | None = None) -> None:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        chunk = {"id": "gen-1", "model": "a/b", "provider": "P", "choices": [choice]}
        self.wfile.write(b"data: " + json.dumps(chunk).encode() + b"\n\n")

    def _head(self) -> bytes:
        head, length = b"", 0
        while (line := self.rfile.readline()) not in (b"\r\n", b""):
            head += line
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        self.rfile.read(length)
        return head


@contextmanager
def streaming() -> Iterator[Stream]:
    """A running server; below its origin ``/KIND/SIZE/PACE`` is a base URL."""
    socketserver.ThreadingTCPServer.daemon_threads = True
    handler = type("Handler", (_Handler,), {})
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as server:
        handler.stream = Stream(f"http://127.0.0.1:{server.server_address[1]}")
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield handler.stream
        server.shutdown()
