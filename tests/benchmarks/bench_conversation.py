"""A conversation in a large store: ``python -m tests.benchmarks.bench_conversation [TURNS]``. Figures, not a test."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from or_magic.ledger.databases import Transaction, insertion
from or_magic.ledger.messages import message_hash
from or_magic.ledger.records import NewTurn, Progress
from or_magic.ledger.replays import Replays
from or_magic.ledger.store import Ledger
from or_magic.ledger.threads import Threads
from or_magic.types import Message, Usage

from .bench_ledger import median_ms

LENGTH = 100  # turns of a thread
SIZES = (1_000, 1_000_000)
NOW = datetime(2026, 11, 25, tzinfo=UTC)
SERVICE = "https://openrouter.ai"
USAGE = Usage(prompt_tokens=900, completion_tokens=300, cost_pico_usd=2_300_000_000)


def fill(ledger: Ledger, size: int) -> None:
    """Writes notebooks of one thread each into the store, as a kernel would have left them."""
    count = max(1, size // LENGTH)
    with ledger.store.writing() as transaction:
        rows = [{"id": n, "identity": f"/{n}.ipynb", "created_utc": NOW} for n in range(1, count + 1)]
        insert(transaction, "notebooks", rows)
        rows = [{"id": n, "notebook": n, "name": "main", "tip": None, "created_utc": NOW} for n in range(1, count + 1)]
        insert(transaction, "threads", rows)
        transaction.run("UPDATE notebooks SET thread = id")
    for begin in range(1, count + 1, 200):
        with ledger.store.writing() as transaction:
            rows_of: dict[str, list[dict[str, Any]]] = {"messages": [], "parts": [], "turns": []}
            for number in range(begin, min(begin + 200, count + 1)):
                for table, row in conversation(number):
                    rows_of[table].append(row)
            for table, rows in rows_of.items():
                insert(transaction, table, rows)
    with ledger.store.writing() as transaction:
        transaction.run("UPDATE threads SET tip = id * :length", {"length": LENGTH})


def insert(transaction: Transaction, table: str, rows: list[dict[str, Any]]) -> None:
    """Adds rows that all have the same columns."""
    transaction.run_many(insertion(table, tuple(rows[0])), rows)


def conversation(number: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """The rows of one notebook's turns and their messages."""
    parent: str | None = None
    for location in range(LENGTH):
        id = (number - 1) * LENGTH + location + 1
        hashes = []
        for role, text in (("user", f"Question {id}? " * 10), ("assistant", f"Answer {id}. " * 20)):
            hash = message_hash(parent, Message.of_text(role, text))  # type: ignore[arg-type]  # a role
            yield "messages", {"hash": hash, "parent": parent, "role": role}
            yield "parts", {"message": hash, "position": 0, "kind": "text", "content": text}
            hashes.append(parent := hash)
        row = {"id": id, "notebook": number, "purse": f"/{number}.ipynb", "service": SERVICE, "parameters": "{}"}
        row |= {"state": "complete", "prompt": hashes[0], "answer": hashes[1], "started_utc": NOW, "ended_utc": NOW}
        row |= {"thread": number, "previous": id - 1 if location else None, "cell_id": f"c{location}", "ask_number": 0}
        row |= {"cost_pico_usd": 1_000, "cost_source": "reported", "prompt_tokens": 9, "completion_tokens": 3}
        row |= {"request_hash": hashes[0]}
        yield "turns", row | {"owner": "elsewhere/1/1.0", "run": "then", "history_turns": location}


def measure(folder: Path, size: int) -> dict[str, float]:
    """Medians in milliseconds, by what was done, and the bytes of a turn on disk."""
    ledger = Ledger.open(folder / f"{size}.sqlite")
    fill(ledger, size)
    ledger.close()
    path = Path(ledger.location)
    bytes_of_a_turn = path.stat().st_size / size
    notebook, numbers = f"/{max(1, size // LENGTH // 2)}.ipynb", iter(range(10_000))

    def append() -> None:
        prompt = Message.of_text("user", f"New question {next(numbers)}?")
        turn = NewTurn(notebook, notebook, None, SERVICE, "a/b", {}, None, prompt, thread="main")
        opened = ledger.open_turn(turn)
        ledger.finish_turn(opened.id, Progress("An answer. " * 20, usage=USAGE), "complete", None)
        Threads(ledger).undo(notebook)  # so that each goes on from the same hundred

    def find_kept() -> None:
        again = NewTurn(notebook, notebook, first.cell_id, SERVICE, "a/b", {}, None, first.prompt)
        if Replays(ledger).of_cell(first.prompt_hash, again, "now") is None:
            raise RuntimeError("the kept answer was not found")

    read = Threads(ledger)
    first = ledger.turns_of(read.path(notebook))[0]
    return {
        "open the store, look for dead turns": median_ms(lambda: Ledger.open(path).mark_interrupted(), 50),
        f"append to a thread of {LENGTH}, and undo": median_ms(append, 100),
        f"read a thread of {LENGTH}": median_ms(lambda: ledger.turns_of(read.path(notebook)), 50),
        "find the kept answer of a cell": median_ms(find_kept, 50),
        "sum of a notebook": median_ms(lambda: ledger.spent(notebook, SERVICE), 50),
        "bytes of a turn": bytes_of_a_turn,
    }


def main() -> None:
    """Prints the figures of a small and a large store, and their ratio."""
    large = int(sys.argv[1]) if len(sys.argv) > 1 else SIZES[1]
    with tempfile.TemporaryDirectory() as folder:
        figures = [measure(Path(folder), size) for size in (SIZES[0], large)]
    print(f"{'':<38}{SIZES[0]:>10,} turns{large:>12,} turns    ratio")
    for name, small in figures[0].items():
        big = figures[1][name]
        unit = "B " if name.startswith("bytes") else "ms"
        print(f"{name:<38}{small:>13.3f} {unit}{big:>15.3f} {unit}{big / small:>9.2f}")


if __name__ == "__main__":
    main()
