"""A server that does on the wire exactly what a script says: right, wrong, slow, cut. Real sockets on loopback."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

RESET = "reset"  # drop the connection with a RST
CLOSE = "close"  # close it in good order
Step = bytes | float | str | Callable[[], object]
Answer = Sequence[Step]

STREAM_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nX-Generation-Id: gen-1\r\n"
OPEN_HEAD = STREAM_HEAD + b"Connection: close\r\n\r\n"  # the body ends with the connection
CHUNKED_HEAD = STREAM_HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


def event(text: str = "", **fields: str) -> bytes:
    """A text event; `fields` are raw JSON for further fields of the chunk, or for those of its choice."""
    choice = {"index": "0", "delta": f'{{"role":"assistant","content":"{text}"}}', "finish_reason": "null"}
    top = {"id": '"gen-1"', "object": '"chat.completion.chunk"', "model": '"a/b"', "provider": '"Acme"'}
    choice |= {name: value for name, value in fields.items() if name in ("finish_reason", "delta")}
    top |= {name: value for name, value in fields.items() if name not in choice}
    top.setdefault("choices", f"[{{{_members(choice)}}}]")
    return f"data: {{{_members(top)}}}\n\n".encode()


def _members(pairs: dict[str, str]) -> str:
    return ",".join(f'"{name}":{value}' for name, value in pairs.items())


USAGE = '{"prompt_tokens":7,"completion_tokens":2,"cost":0.0123456}'
FINISH = event(finish_reason='"stop"')
LAST = event(finish_reason='"stop"', usage=USAGE)
DONE = b"data: [DONE]\n\n"
COMMENT = b": OPENROUTER PROCESSING\n\n"
HELLO = event("Hello ") + event("world")
GOOD = (OPEN_HEAD + COMMENT + HELLO + FINISH + LAST + DONE,)


def chunk(body: bytes) -> bytes:
    """A piece of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(body), body)


def response(status: int, body: bytes, headers: dict[str, str] | None = None) -> bytes:
    """A whole HTTP answer."""
    lines = [f"HTTP/1.1 {status} Said", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {"Content-Type": "application/json"}).items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


@dataclass
class Server:
    """A running server: what it was asked, and whether the client hung up.

    Attributes:
        requests: head and body of each request, as received.
        connections: how many were accepted.
        hung_up: set when a client closes while a script still has steps or waits.
        reached: set when a script calls it (as a step).
    """

    origin: str = ""
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0
    hung_up: threading.Event = field(default_factory=threading.Event)
    reached: threading.Event = field(default_factory=threading.Event)

    @property
    def questions(self) -> int:
        """How many answers it was asked for; looking up the catalog is no question."""
        return sum(request.startswith(b"POST") for request in self.requests)

    @property
    def base_url(self) -> str:
        return f"{self.origin}/v1"


@contextlib.contextmanager
def serve(
    *answers: Answer, tls: ssl.SSLContext | None = None, listens: bool = True, records: Answer = ()
) -> Iterator[Server]:
    """Answers the first request by the first script, and so on; the last script is used for all that follow.

    Where `records` is given, it answers all that is no question, and only questions are counted.
    """
    server = Server()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server.origin = f"http{'s' if tls else ''}://127.0.0.1:{listener.getsockname()[1]}"
        if listens:
            threading.Thread(target=_accept, args=(listener, server, answers, tls, records), daemon=True).start()
        yield server


def _accept(
    listener: socket.socket, server: Server, answers: Sequence[Answer], tls: ssl.SSLContext | None, records: Answer
) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        server.connections += 1
        threading.Thread(target=_talk, args=(connection, server, answers, tls, records), daemon=True).start()


def _talk(
    raw: socket.socket, server: Server, answers: Sequence[Answer], tls: ssl.SSLContext | None, records: Answer
) -> None:
    with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
        connection = stack.enter_context(raw)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls is not None:
            connection = stack.enter_context(tls.wrap_socket(connection, server_side=True))
        while request := _read_request(connection):
            server.requests.append(request)
            number = server.questions if records else len(server.requests)
            script = answers[min(number, len(answers)) - 1]
            if records and not request.startswith(b"POST"):
                script = records
            if not _play(connection, server, script):
                return


def _read_request(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        if not (portion := connection.recv(65536)):
            return b""
        data += portion
    head, _, body = data.partition(b"\r\n\r\n")
    lengths = [line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")]
    while len(body) < int(lengths[0] if lengths else 0):
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def _play(connection: socket.socket, server: Server, script: Answer) -> bool:
    """Carries the script out; whether the connection is to be kept for another request."""
    for step in script:
        if isinstance(step, bytes):
            try:
                connection.sendall(step)
            except OSError:
                server.hung_up.set()
                raise
        elif callable(step):
            step()
        elif step == RESET:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return False
        elif step == CLOSE:
            return False
        elif _hangs_up(connection, float(step)):
            server.hung_up.set()
            return False
    return bool(script) and b"Connection: close" not in b"".join(step for step in script if isinstance(step, bytes))


def _hangs_up(connection: socket.socket, seconds: float) -> bool:
    """Waits so long; whether the client closed meanwhile."""
    readable, _, _ = select.select([connection], [], [], seconds)
    try:
        return (
            bool(readable)
            and connection.recv(1, socket.MSG_PEEK if not isinstance(connection, ssl.SSLSocket) else 0) == b""
        )
    except OSError:
        return True
