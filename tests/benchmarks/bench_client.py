"""The client: CPU per streamed token beside httpx with ``iter_lines`` and ``json.loads``, and its first token.

Both read the same bytes, made beforehand and served by another process, in turns.
"""

from __future__ import annotations

import json
import socket
import statistics
import threading
import time
from collections.abc import Callable
from urllib.parse import urlsplit

import httpx

from or_magic.answer import Answer
from or_magic.client import background
from or_magic.client.client import Client, Endpoint
from or_magic.client.requests import ChatRequest
from or_magic.types import Event, Message, TextDelta
from tests.benchmarks.feeder import feeder

TOKENS, ROUNDS, FIRST_TOKENS = 20_000, 9, 200
REQUEST = ChatRequest((Message.of_text("user", "Tell me all."),), "a/b")


def to_events(base_url: str) -> int:
    """Streams through to typed events; returns how many pieces of text came."""
    events: list[Event] = []
    background.submit(Client(Endpoint(base_url, "sk-or-x")).stream(REQUEST, events.append)).result()
    return sum(type(event) is TextDelta for event in events)


def to_an_answer(base_url: str) -> int:
    """Streams through to an `Answer`; returns how many characters came."""
    answer = Answer(model_asked=None)
    background.submit(Client(Endpoint(base_url, "sk-or-x")).stream(REQUEST, answer.absorb)).result()
    return len(answer.text)


def plain(base_url: str, client: httpx.Client) -> int:
    """Streams with httpx alone; returns how many characters came."""
    pieces = []
    with client.stream("POST", f"{base_url}/chat/completions", json={}, timeout=60) as response:
        for line in response.iter_lines():
            if line.startswith("data: {"):
                chunk = json.loads(line[6:])
                if chunk["choices"]:
                    pieces.append(chunk["choices"][0]["delta"].get("content") or "")
    return sum(map(len, pieces))


def cpu_us_per_token(stream: Callable[[], int], tokens: int) -> float:
    """CPU of this process, in microseconds a token."""
    started = time.process_time()
    assert stream()
    return (time.process_time() - started) / tokens * 1e6


def first_token_ms(base_url: str) -> float:
    """From asking to the first text, on a connection that stands."""
    arrived = threading.Event()

    def take(event: Event) -> None:
        if type(event) is TextDelta:
            arrived.set()

    started = time.perf_counter()
    asked = background.submit(Client(Endpoint(base_url, "sk-or-x")).stream(REQUEST, take))
    arrived.wait(5)
    elapsed = time.perf_counter() - started
    asked.result()
    return elapsed * 1e3


def first_byte_ms(connection: socket.socket, path: str) -> float:
    """The same by a raw socket that stands: from sending to the first bytes."""
    started = time.perf_counter()
    connection.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n".encode())
    answer = connection.recv(1 << 16)
    elapsed = time.perf_counter() - started
    while not answer.endswith(b"data: [DONE]\n\n"):
        answer += connection.recv(1 << 16)
    return elapsed * 1e3


def main() -> None:
    """Prints medians and their ratio."""
    with feeder() as origin, httpx.Client() as client:
        print_cpu("all at once", f"{origin}/tokens/{TOKENS}", client)
        print_cpu("each event in a packet of its own", f"{origin}/singly/{TOKENS}", client)
        print_cpu("one by one, half a millisecond apart", f"{origin}/paced/{TOKENS // 10}", client, TOKENS // 10)
        print_first_tokens(origin)


def print_cpu(how: str, base_url: str, client: httpx.Client, tokens: int = TOKENS) -> None:
    """CPU a token of ours and of httpx, in turns."""
    kinds = {
        "or_magic, to typed events": lambda: to_events(base_url),
        "or_magic, to an Answer": lambda: to_an_answer(base_url),
        "httpx iter_lines + json": lambda: plain(base_url, client),
    }
    figures: dict[str, list[float]] = {name: [] for name in kinds}
    for stream in kinds.values():
        stream()
    for _ in range(ROUNDS):
        for name, stream in kinds.items():
            figures[name].append(cpu_us_per_token(stream, tokens))
    medians = {name: statistics.median(values) for name, values in figures.items()}
    print(f"{tokens:,} tokens, {how} (medians of {ROUNDS})")
    for name, median in medians.items():
        ratio = median / medians["httpx iter_lines + json"]
        print(f"  {name:<28}{median:9.2f} us CPU a token   ratio {ratio:.2f}")


def print_first_tokens(origin: str) -> None:
    """The time to a first token, warm, beside that of a raw socket, in turns."""
    base_url, parts = f"{origin}/tokens/1", urlsplit(origin)
    ours, raw = [], []
    with socket.create_connection((parts.hostname or "", parts.port or 0)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(FIRST_TOKENS):
            ours.append(first_token_ms(base_url))
            raw.append(first_byte_ms(connection, "/tokens/1/x"))
    mine, theirs = statistics.median(ours), statistics.median(raw)
    print(f"{'first token, warm':<28}{mine:9.2f} ms, raw socket {theirs:.2f} ms: + {mine - theirs:.2f} ms")


if __name__ == "__main__":
    main()
