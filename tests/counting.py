"""Counts, from outside and without the program's help, what it does to its ledger and to its settings file.

It stands between Python and the program, so it must be begun before the program is imported. A statement outside of
a transaction counts as one of its own, for SQLite makes it one. A PRAGMA does not: it sets a connection up.
"""

from __future__ import annotations

import os
import sqlite3
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

_ENDS = ("COMMIT", "END", "ROLLBACK")


@dataclass
class Counts:
    """How often since the beginning: transactions of any SQLite file, stats and openings of the settings file."""

    transactions: int = 0
    stats: int = 0
    openings: int = 0

    def since(self, earlier: Counts) -> Counts:
        """What came after an earlier copy."""
        return Counts(
            self.transactions - earlier.transactions, self.stats - earlier.stats, self.openings - earlier.openings
        )

    def copy(self) -> Counts:
        """These figures, which no longer change."""
        return Counts(self.transactions, self.stats, self.openings)


def begin(settings_file: str) -> Counts:
    """Counts from now on, in all threads of this process, to its end."""
    counts = Counts()
    _count_transactions(counts)
    _count_looks(counts, os.path.abspath(settings_file))
    return counts


def _count_transactions(counts: Counts) -> None:
    connect, lock = sqlite3.connect, threading.Lock()

    def connect_and_trace(*args: Any, **options: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*args, **options)
        is_inside = False

        def take(statement: str) -> None:
            nonlocal is_inside
            word = statement.lstrip().partition(" ")[0].rstrip(";").upper()
            begins = word == "BEGIN" or (not is_inside and word not in (*_ENDS, "PRAGMA", "ATTACH", "--"))
            with lock:
                counts.transactions += begins
            is_inside = (is_inside or word == "BEGIN") and word not in _ENDS

        connection.set_trace_callback(take)
        return connection

    # SQLAlchemy takes the one, a program of its own mostly the other.
    for module in (sqlite3, sqlite3.dbapi2):
        setattr(module, "connect", connect_and_trace)  # noqa: B010  # its type is that of many overloads


def _count_looks(counts: Counts, path: str) -> None:
    def is_it(named: object) -> bool:
        try:
            return os.path.abspath(os.fsdecode(named)) == path  # type: ignore[arg-type]  # what is no path raises
        except (TypeError, ValueError):
            return False

    def counted(look: Callable[..., os.stat_result]) -> Callable[..., os.stat_result]:
        def look_and_count(named: Any, *args: Any, **options: Any) -> os.stat_result:
            counts.stats += is_it(named)
            return look(named, *args, **options)

        return look_and_count

    def hear(event: str, arguments: tuple[object, ...]) -> None:
        if event == "open" and arguments:
            counts.openings += is_it(arguments[0])

    # pathlib and os.path look through these, whatever they are asked for.
    os.stat, os.lstat = counted(os.stat), counted(os.lstat)
    sys.addaudithook(hear)
