"""Processes that write into one ledger: what `test_many_at_once` starts."""

from __future__ import annotations

import itertools
import sys

from or_magic.ledger.records import Progress, TurnId
from or_magic.ledger.store import Ledger

from .samples import arrived, ask, question


def write_turns(location: str, writer: int, count: int) -> list[TurnId]:
    """Opens the ledger, which may not be there yet, and writes `count` turns with their checkpoints."""
    ledger = Ledger.open(location)
    ids = []
    for number in range(count):
        turn_id = ledger.open_turn(question(notebook=f"/{writer}", thread="main", cell_id=None)).id
        ledger.checkpoint(turn_id, arrived("so far"))
        ledger.finish_turn(turn_id, arrived(f"{writer}/{number}", cost=number), "complete", None)
        ids.append(turn_id)
    ledger.close()
    return ids


def write_without_end(location: str) -> None:
    """Finishes a turn, then checkpoints another for ever, and says so on each line after it is on disk."""
    ledger = Ledger.open(location)
    ask(ledger, thread="main")
    turn_id = ledger.open_turn(question(thread="main", cell_id="c2")).id
    for count in itertools.count(1):
        ledger.checkpoint(turn_id, Progress(text="word " * count))
        print(count, flush=True)


if __name__ == "__main__":
    write_without_end(sys.argv[1])
