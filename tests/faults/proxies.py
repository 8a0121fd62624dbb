"""Proxies on loopback: one speaks HTTP (CONNECT and whole addresses), one SOCKS 5. Names lead where told."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass
class Proxy:
    """A running proxy.

    Attributes:
        url: such as ``http://127.0.0.1:PORT``.
        names: the names it knows, and the port on this machine that each stands for; others are not found.
        asked: every name and port that it was asked for.
    """

    url: str
    names: dict[str, int]
    asked: list[str] = field(default_factory=list)

    def connect(self, host: str, port: int) -> socket.socket:
        """A connection to what the name stands for."""
        self.asked.append(f"{host}:{port}")
        return socket.create_connection(("127.0.0.1", self.names[host]), timeout=10)


def _pump(one: socket.socket, other: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while portion := one.recv(65536):
            other.sendall(portion)
    with contextlib.suppress(OSError):
        other.shutdown(socket.SHUT_WR)


def _join(one: socket.socket, other: socket.socket) -> None:
    back = threading.Thread(target=_pump, args=(other, one), daemon=True)
    back.start()
    _pump(one, other)
    back.join(10)


class _HttpHandler(socketserver.StreamRequestHandler):
    proxy: Proxy

    def handle(self) -> None:
        method, target, version = self.rfile.readline().split()
        head = b""
        while (line := self.rfile.readline()) not in (b"\r\n", b""):
            head += line
        parts = urlsplit(f"//{target.decode()}" if method == b"CONNECT" else target.decode())
        try:
            upstream = self.proxy.connect(parts.hostname or "", parts.port or 80)
        except KeyError:
            self.wfile.write(b"HTTP/1.1 502 No such name\r\nContent-Length: 0\r\n\r\n")
            return
        with upstream:
            if method == b"CONNECT":
                self.wfile.write(b"HTTP/1.1 200 Connected\r\n\r\n")
            else:
                upstream.sendall(b"%b %b %b\r\n%b\r\n" % (method, parts.path.encode(), version, head))
                length = next(
                    (int(x.split(b":")[1]) for x in head.split(b"\r\n") if x.lower().startswith(b"content-length")), 0
                )
                upstream.sendall(self.rfile.read(length))
            _join(self.connection, upstream)


class _SocksHandler(socketserver.StreamRequestHandler):
    proxy: Proxy

    def handle(self) -> None:
        _, methods = self.rfile.read(2)
        self.rfile.read(methods)
        self.wfile.write(b"\x05\x00")
        _, _, _, kind = self.rfile.read(4)
        host = self.rfile.read(self.rfile.read(1)[0]).decode() if kind == 3 else socket.inet_ntoa(self.rfile.read(4))
        (port,) = struct.unpack("!H", self.rfile.read(2))
        try:
            upstream = self.proxy.connect(host, port)
        except KeyError:
            self.wfile.write(b"\x05\x04\x00\x01" + b"\x00" * 6)
            return
        with upstream:
            self.wfile.write(b"\x05\x00\x00\x01" + b"\x00" * 6)
            _join(self.connection, upstream)


@contextlib.contextmanager
def proxy(kind: str, **names: int) -> Iterator[Proxy]:
    """Runs a proxy; `kind` is ``http`` or ``socks5h``; `names` with _ for the dot."""
    known = {name.replace("_", "."): port for name, port in names.items()}
    base = _HttpHandler if kind == "http" else _SocksHandler
    handler = type("Handler", (base,), {"timeout": 20})
    socketserver.ThreadingTCPServer.daemon_threads = True
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as server:
        handler.proxy = Proxy(f"{kind}://127.0.0.1:{server.server_address[1]}", known)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield handler.proxy
        server.shutdown()
