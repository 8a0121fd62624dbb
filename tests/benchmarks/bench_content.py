"""What it takes to tell a model of a large table: ``python -m tests.benchmarks.bench_content``. Figures, not a test."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable

import numpy as np
import pandas as pd
import psutil

from or_magic.prompt.converters import content_of
from or_magic.prompt.template import parse

ROWS, COLUMNS = 10_000_000, 50
ROUNDS = 3
PROMPT = "A line of a prompt with { braces } and a {{ name }}.\n" * 2_000


def frame(rows: int) -> pd.DataFrame:
    """A frame of numbers, flags, times and categories, about 1.5 GB at ten million rows."""
    draw = np.random.default_rng(0)
    columns: dict[str, object] = {}
    for number in range(COLUMNS - 10):
        kind = draw.random(rows, dtype="float32") if number % 2 else draw.integers(0, 1000, rows, dtype="int16")
        columns[f"number_{number}"] = kind
    columns |= {f"flag_{number}": draw.integers(0, 2, rows, dtype="int8").astype(bool) for number in range(8)}
    columns["moment"] = pd.date_range("2020-01-01", periods=rows, freq="s")
    columns["kind"] = pd.Categorical.from_codes(draw.integers(0, 3, rows, dtype="int8"), ["a", "b", "c"])
    return pd.DataFrame(columns, copy=False)


def measured(action: Callable[[], object]) -> tuple[float, float]:
    """The CPU seconds of an action, and by how many MB the process grew meanwhile at most."""
    process, is_over = psutil.Process(), threading.Event()
    before = peak = process.memory_info().rss

    def watch() -> None:
        nonlocal peak
        while not is_over.wait(0.002):
            peak = max(peak, process.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    begun = time.process_time()
    action()
    taken = time.process_time() - begun
    is_over.set()
    watcher.join()
    return taken, (peak - before) / 1e6


def main() -> None:
    """Prints medians, in one interleaved run with what pandas itself takes to describe the same frame."""
    table = frame(ROWS)
    actions: dict[str, Callable[[], object]] = {
        "told to a model": lambda: content_of(table, "table"),
        "pandas' info, with nulls counted": lambda: table.info(buf=_Nowhere(), show_counts=True),
        "pandas' describe": lambda: table.describe(),
    }
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in actions}
    for _ in range(ROUNDS):
        for name, action in actions.items():
            taken[name].append(measured(action))
    size = table.memory_usage(index=False).sum() / 1e9
    print(f"{ROWS:,} rows x {COLUMNS} columns, {size:.2f} GB; text sent: {_length(table):,} characters")
    for name, figures in taken.items():
        cpu, grown = (statistics.median(each) for each in zip(*figures, strict=True))
        print(f"  {name:<36} {cpu:7.2f} s CPU  {grown:9,.0f} MB more at its peak")
    begun = time.perf_counter()
    pieces = parse(PROMPT)
    print(
        f"  {len(PROMPT) / 1e3:.0f} kB of prompt with {len(pieces) // 2:,} templates understood in "
        f"{(time.perf_counter() - begun) * 1000:.0f} ms"
    )


class _Nowhere:
    def write(self, text: str) -> int:
        """Takes a text and drops it."""
        return len(text)


def _length(table: pd.DataFrame) -> int:
    return sum(len(getattr(part, "text", "")) for part in content_of(table, "table").parts)


if __name__ == "__main__":
    main()
