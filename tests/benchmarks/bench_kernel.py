"""The live answer in a real kernel: what goes over iopub, beside a naive redraw per token; and how fast a stop is."""

from __future__ import annotations

import itertools
import os
import statistics
import tempfile
import time
from pathlib import Path

import psutil

from or_magic.sandbox import Behaviour, start
from tests.benchmarks.texts import streaming
from tests.kernel.conftest import Kernel, Message

KINDS = ("prose", "code", "table", "list", "mathematics", "paragraph")
CASES = [
    *((kind, 1_000, pace) for kind in KINDS for pace in (100, 1_000, 0)),
    ("prose", 10_000, 100),
    *((kind, size, pace) for size in (10_000, 100_000) for kind in KINDS for pace in (1_000, 0)),
]
NAIVE = """
from IPython.display import Markdown, display
import time
handle, text, began = display(Markdown(""), display_id=True), "", time.monotonic()
for number in range({size} // 4):
    time.sleep(max(0.0, began + number / {pace} - time.monotonic()) if {pace} else 0)
    text += "abcd"
    handle.update(Markdown(text))
"""
STOPS = 20


def weight(message: Message) -> int:
    """About how many bytes a message has on the wire."""
    return len(str(message["content"])) + 1_100


def measure(kernel: Kernel, code: str) -> tuple[int, int, float, float, float]:
    """Messages, bytes, seconds, seconds of the kernel's CPU, and the longest pause between two redraws, of one cell."""
    kernel.seen.clear()
    process = psutil.Process(kernel.manager.provisioner.process.pid)
    before, began = process.cpu_times(), time.monotonic()
    request = kernel.send(code)
    assert kernel.finish(request)["status"] == "ok"
    took, after = time.monotonic() - began, process.cpu_times()
    drawn = kernel.published(request, "display_data", "update_display_data")
    cpu = after.user + after.system - before.user - before.system
    times = [message["header"]["date"].timestamp() for message in drawn]
    pause = max((later - earlier for earlier, later in itertools.pairwise(times)), default=0.0)
    return len(drawn), sum(map(weight, drawn)), took, cpu, pause


def row(name: str, size: int, pace: int, figures: tuple[int, int, float, float, float]) -> str:
    """One line of the table."""
    messages, sent, took, cpu, pause = figures
    at = f"{pace:,}/s" if pace else "unpaced"
    return (
        f"{name:<12}{size // 1000:>4} KB {at:>8}{messages:>6} messages{sent / size:>8.1f} x the text"
        f"{sent / took / 1e3:>8.1f} KB/s{took:>7.1f} s   CPU {cpu:.2f} s   pause {pause:.2f} s"
    )


def stops(kernel: Kernel, base_url: str) -> list[float]:
    """Seconds from an interrupt in mid-stream to the end of the cell."""
    kernel.run(f"%openrouter set base_url {base_url}")
    seconds = []
    for _ in range(STOPS):
        request = kernel.send("%%openrouter sandbox/slow\n" + "wort " * 200)
        kernel.watch(request, lambda message: "wort" in str(message["content"].get("data")))
        began = time.monotonic()
        kernel.manager.interrupt_kernel()
        kernel.finish(request)
        seconds.append(time.monotonic() - began)
        assert kernel.run("1 + 1")["status"] == "ok"
    return seconds


def print_stops(seconds: list[float], closed: int) -> None:
    """One line about how fast an interrupt ends a cell."""
    median, worst = statistics.median(seconds) * 1e3, max(seconds) * 1e3
    print(f"stop, of {STOPS}: median {median:.0f} ms, worst {worst:.0f} ms; {closed} connections closed")


def main() -> None:
    """Prints a row for each case, then the stops."""
    with tempfile.TemporaryDirectory() as folder, streaming() as server, start(behaviour=Behaviour()) as sandbox:
        environment = os.environ | {
            "OR_MAGIC_STORE": f"{folder}/ledger.sqlite",
            "OPENROUTER_BASE_URL": sandbox.base_url,
        }
        kernel = Kernel(Path(folder), environment)
        try:
            kernel.run("%%openrouter sandbox/echo\nwarm")
            for kind, size, pace in CASES:
                kernel.run(f"%openrouter set base_url {server.origin}/{kind}/{size}/{pace}")
                print(row(kind, size, pace, measure(kernel, "%%openrouter a/b\nhi")), flush=True)
            for pace in (100, 1_000):
                print(row("naive", 10_000, pace, measure(kernel, NAIVE.format(size=10_000, pace=pace))), flush=True)
            print_stops(stops(kernel, sandbox.base_url), sum(request.closed_by_client for request in sandbox.requests))
        finally:
            kernel.close()


if __name__ == "__main__":
    main()
