"""What the client costs per streamed token, beside httpx with ``iter_lines`` and ``json.loads``, interleaved."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx

from or_magic.answer import Answer
from or_magic.messages import Message
from or_magic.openrouter import background
from or_magic.openrouter.client import Client, Endpoint
from or_magic.openrouter.wire import ChatRequest

TOKENS, ROUNDS = 20_000, 5
PROMPT = "Tell me all."


@contextmanager
def sandbox_process() -> Iterator[str]:
    """The base URL of a sandbox in a process of its own, so that its CPU is not counted."""
    command = [sys.executable, "-m", "or_magic", "sandbox", "--port", "0", "--quiet"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.terminate()


def ours(base_url: str) -> int:
    """Streams through to an `Answer`; returns how many characters came."""
    request = ChatRequest((Message.of_text("user", PROMPT),), "sandbox/fast", {"max_tokens": TOKENS})
    answer = Answer(model_asked=None)
    background.submit(Client(Endpoint(base_url, "sk-or-x")).stream(request, answer.absorb)).result()
    return len(answer.text)


def plain(base_url: str, client: httpx.Client) -> int:
    """Streams with httpx alone; returns how many characters came."""
    body = {
        "model": "sandbox/fast",
        "stream": True,
        "max_tokens": TOKENS,
        "messages": [{"role": "user", "content": PROMPT}],
    }
    pieces = []
    headers = {"Authorization": "Bearer sk-or-x"}
    with client.stream("POST", f"{base_url}/chat/completions", json=body, headers=headers, timeout=60) as response:
        for line in response.iter_lines():
            if line.startswith("data: {"):
                chunk = json.loads(line[6:])
                if chunk["choices"]:
                    pieces.append(chunk["choices"][0]["delta"].get("content") or "")
    return sum(map(len, pieces))


def cpu_us_per_token(stream: Callable[[], int]) -> float:
    """CPU of this process, in microseconds a token of four characters."""
    started = time.process_time()
    characters = stream()
    return (time.process_time() - started) / (characters / 4) * 1e6


def main() -> None:
    """Prints medians and their ratio."""
    with sandbox_process() as base_url, httpx.Client() as client:
        kinds = {"or_magic": lambda: ours(base_url), "httpx + json": lambda: plain(base_url, client)}
        figures: dict[str, list[float]] = {name: [] for name in kinds}
        for stream in kinds.values():
            stream()
        for _ in range(ROUNDS):
            for name, stream in kinds.items():
                figures[name].append(cpu_us_per_token(stream))
    medians = {name: statistics.median(values) for name, values in figures.items()}
    for name, median in medians.items():
        print(f"{name:<28}{median:9.2f} us CPU a token (median of {ROUNDS})")
    print(f"{'ratio':<28}{medians['or_magic'] / medians['httpx + json']:9.2f}")


if __name__ == "__main__":
    main()
