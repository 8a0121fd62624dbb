"""A server of bytes made beforehand, in a process of its own: whatever is measured beside it is the client alone."""

from __future__ import annotations

import json
import socketserver
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

WORDS = ("the ", "of ", "spectral ", "gap", ", ", "wavelength ", "é ", "scattering ")


def event(delta: dict[str, object], **fields: object) -> bytes:
    """One event, framed and worded as recorded answers of 2026 are."""
    choice = {"index": 0, "delta": delta, "finish_reason": None, "native_finish_reason": None}
    chunk = {
        "id": "gen-1790000000-AbCdEfGhIjKlMnOpQrSt",
        "object": "chat.completion.chunk",
        "created": 1790000000,
        "model": "anthropic/claude-haiku-4.5",
        "provider": "Anthropic",
        "choices": [choice],
        **fields,
    }
    return b"data: " + json.dumps(chunk, ensure_ascii=False).encode() + b"\n\n"


def body_of(tokens: int) -> bytes:
    """A whole streamed answer of that many text events."""
    texts = [event({"role": "assistant", "content": WORDS[n % len(WORDS)]}) for n in range(tokens)]
    usage = {"prompt_tokens": 9, "completion_tokens": tokens, "total_tokens": tokens + 9, "cost": 0.0123}
    last = event({"role": "assistant", "content": ""}, usage=usage)
    return b"".join([b": OPENROUTER PROCESSING\n\n", *texts, last, b"data: [DONE]\n\n"])


class _Handler(socketserver.StreamRequestHandler):
    """Answers each request on a connection with the number of tokens that its path names.

    Below ``/tokens/N`` all at once, below ``/singly/N`` each event in a packet of its own, below ``/paced/N`` each of
    those half a millisecond after the one before.
    """

    disable_nagle_algorithm = True

    def handle(self) -> None:
        while head := self._read_head():
            _, how, count, *_ = head.split()[1].split(b"/")
            tokens = int(count)
            body = BODIES.setdefault(tokens, body_of(tokens))
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n")
            self.wfile.write(b"Content-Length: %d\r\n\r\n" % len(body))
            if how == b"tokens":
                self.wfile.write(body)
            else:
                for portion in body.split(b"\n\n")[:-1]:
                    self.wfile.write(portion + b"\n\n")
                    if how == b"paced":
                        time.sleep(0.0005)

    def _read_head(self) -> bytes:
        head, length = b"", 0
        while (line := self.rfile.readline()) not in (b"\r\n", b""):
            head += line
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        self.rfile.read(length)
        return head


BODIES: dict[int, bytes] = {}


@contextmanager
def feeder() -> Iterator[str]:
    """``http://127.0.0.1:PORT`` of a feeder; ``/tokens/N`` below it is a base URL."""
    with subprocess.Popen([sys.executable, "-m", "tests.benchmarks.feeder"], stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        yield run.stdout.readline().strip()
        run.terminate()


if __name__ == "__main__":
    socketserver.ThreadingTCPServer.daemon_threads = True
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Handler) as server:
        print(f"http://127.0.0.1:{server.server_address[1]}", flush=True)
        server.serve_forever()
