"""What the ledger costs: ``python -m tests.benchmarks.bench_ledger``. Figures, not a test."""

from __future__ import annotations

import itertools
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from or_magic.ledger.records import NewTurn, Progress
from or_magic.ledger.store import Ledger
from or_magic.types import Message, Usage

KEPT_TURNS = 2_000  # in the store that is measured
PURSE, SERVICE = "/notes.ipynb", "https://openrouter.ai"
USAGE = Usage(prompt_tokens=900, completion_tokens=300, cost_pico_usd=2_300_000_000)


def question(number: int) -> NewTurn:
    """A question that was never asked before."""
    prompt = Message.of_text("user", f"Question {number}? " * 10)
    return NewTurn(PURSE, PURSE, "c1", SERVICE, "a/b", {"temperature": 0.2}, "Be brief.", None, prompt)


def median_ms(action: Callable[[], object], rounds: int) -> float:
    """The median time of one `action`."""
    times = []
    for _ in range(rounds):
        begun = time.perf_counter()
        action()
        times.append((time.perf_counter() - begun) * 1000)
    return statistics.median(times)


def measure(folder: Path, rounds: int = 200) -> dict[str, float]:
    """Medians in milliseconds, by what was done."""
    numbers = itertools.count()
    ledger = Ledger.open(folder / "ledger.sqlite")

    def ask() -> None:
        number = next(numbers)
        turn_id = ledger.open_turn(question(number)).id
        ledger.finish_turn(turn_id, Progress(f"Answer {number}. " * 20, usage=USAGE), "complete", None)

    for _ in range(KEPT_TURNS):
        ask()
    open_id = ledger.open_turn(question(next(numbers))).id
    so_far = Progress(text="ten characters of text, " * 427, usage=USAGE)
    figures = {
        "open and finish a turn": median_ms(ask, rounds),
        "checkpoint a 10 KB answer": median_ms(lambda: ledger.checkpoint(open_id, so_far), rounds),
        "checkpoint a 1 MB answer": median_ms(lambda: ledger.checkpoint(open_id, Progress(text=so_far.text * 100)), 20),
        f"sum of {KEPT_TURNS:,} turns": median_ms(lambda: ledger.spent(PURSE, SERVICE), rounds),
        f"read {KEPT_TURNS:,} turns": median_ms(lambda: ledger.turns(PURSE), 5),
    }
    ledger.close()
    figures["open an existing store"] = median_ms(lambda: Ledger.open(ledger.location).close(), rounds)
    new = (folder / f"new-{number}.sqlite" for number in itertools.count())
    figures["make a new store"] = median_ms(lambda: Ledger.open(next(new)).close(), 20)
    return figures


def main() -> None:
    """Prints the medians."""
    with tempfile.TemporaryDirectory() as folder:
        for name, median in measure(Path(folder)).items():
            print(f"{name:<28}{median:9.3f} ms")


if __name__ == "__main__":
    main()
