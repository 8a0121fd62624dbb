"""Threads, processes and sudden deaths: nothing that was written is lost, and the file stays sound."""

from __future__ import annotations

import multiprocessing
import os
import sqlite3
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from or_magic.errors import StoreError
from or_magic.ledger import databases as store_file
from or_magic.ledger.audit import verify
from or_magic.ledger.records import TurnId
from or_magic.ledger.store import Ledger
from or_magic.ledger.threads import Threads

from .samples import REAL, arrived, ask, question
from .writers import write_turns

FULL = [pytest.mark.soak, pytest.mark.timeout(3600)]


@pytest.mark.parametrize(("processes", "count"), [(4, 50), pytest.param(8, 500, marks=FULL)])
def test_processes(location: str, processes: int, count: int) -> None:
    """Processes that open one new store at the same moment and write their turns into it lose none."""
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        ids = pool.starmap(write_turns, [(location, writer, count) for writer in range(processes)], chunksize=1)

    ledger = Ledger.open(location)
    assert sorted(turn_id for each in ids for turn_id in each) == [turn.id for turn in ledger.turns()]
    for writer in range(processes):
        texts = [turn.answer and turn.answer.text for turn in ledger.turns(f"/{writer}")]
        assert texts == [f"{writer}/{number}" for number in range(count)]
        assert Threads(ledger).path(f"/{writer}") == ids[writer]
    assert ledger.spent(question().budget_scope, REAL).pico_usd == processes * sum(range(count))
    assert verify(ledger) == []
    ledger.close()


@pytest.mark.parametrize("attempt", range(5))
def test_opening_a_new_file_together(tmp_path: Path, attempt: int) -> None:
    """Many that open one new file at the same moment all succeed, whoever of them makes the tables."""
    together = threading.Barrier(8)

    def open_and_ask(_: int) -> TurnId:
        together.wait()
        return ask(Ledger.open(tmp_path / "ledger.sqlite"))

    with ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(open_and_ask, range(8)))

    assert sorted(ids) == list(range(1, 9))


def test_the_first_opening_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite does not wait for a lock when it changes to the write-ahead log; opening a ledger does."""
    other = sqlite3.connect(tmp_path / "ledger.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    monkeypatch.setattr(time, "sleep", lambda _: other.execute("ROLLBACK"))

    assert Ledger.open(tmp_path / "ledger.sqlite").turns() == []


def test_threads_of_one_ledger(ledger: Ledger) -> None:
    """Checkpoints from other threads that meet the ending of a turn do not undo it."""
    turn_ids = [ledger.open_turn(question()).id for _ in range(10)]

    def write(count: int) -> None:
        for turn_id in turn_ids:
            if count == 3:
                ledger.finish_turn(turn_id, arrived("whole"), "complete", None)
            ledger.checkpoint(turn_id, arrived("x" * count))

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(write, range(6)))

    assert {turn.answer and turn.answer.text for turn in ledger.turns()} == {"whole"}
    assert verify(ledger) == []


@pytest.mark.parametrize("checkpoints", [1, 10, 100])
def test_sigkill(tmp_path: Path, checkpoints: int) -> None:
    """A process killed in the middle of writing leaves a sound file with what it had said was written."""
    location = str(tmp_path / "ledger.sqlite")
    command = [sys.executable, "-m", "tests.ledger.writers", location]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        written = [int(writer.stdout.readline()) for _ in range(checkpoints)][-1]
        writer.kill()

    ledger = Ledger.open(location)
    first, second = ledger.turns()
    assert (first.state, second.state, second.parent) == ("complete", "open", first.answer_hash)
    assert second.answer is not None
    assert second.answer.text.startswith("word " * written)
    assert verify(ledger) == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_forked_process(ledger: Ledger) -> None:
    """A ledger that was open when the process forked goes on in both, also when one of them closes it."""
    ask(ledger)
    fork = multiprocessing.get_context("fork")
    has_written, may_go_on = fork.Event(), fork.Event()

    def write() -> None:
        ask(ledger)
        has_written.set()
        may_go_on.wait()
        ask(ledger)

    child = fork.Process(target=write)
    child.start()
    has_written.wait()
    ledger.close()
    may_go_on.set()
    child.join()

    assert child.exitcode == 0
    assert len(ledger.turns()) == 3
    assert verify(ledger) == []


def test_a_fork_waits(file_ledger: Ledger) -> None:
    """What happens before a fork waits for the transaction of another thread."""
    is_paused = threading.Event()

    def pause() -> None:
        file_ledger.store.pause()
        is_paused.set()
        file_ledger.store.resume()

    forking = threading.Thread(target=pause)
    with file_ledger.store.writing():
        forking.start()
        assert not is_paused.wait(0.05)
    forking.join()

    assert is_paused.is_set()


def test_locked_for_too_long(file_ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits too long for another program's lock is told so in one line."""
    monkeypatch.setattr(store_file, "LOCK_TIMEOUT_S", 0.05)
    impatient = Ledger.open(file_ledger.location)

    with file_ledger.store.writing(), pytest.raises(StoreError, match="was locked by another program"):
        ask(impatient)


def test_readers_do_not_wait(ledger: Ledger) -> None:
    """While somebody writes, what was there before can be read."""
    turn = ledger.turn(ask(ledger))

    with ledger.store.writing():
        assert ledger.turns() == [turn]
