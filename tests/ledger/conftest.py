"""A ledger in a folder of its own."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from or_magic.ledger.store import Ledger

Sql = Callable[..., list[tuple[Any, ...]]]


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """A new ledger."""
    ledger = Ledger.open(tmp_path / "ledger.sqlite")
    yield ledger
    ledger.close()


@pytest.fixture
def sql(ledger: Ledger) -> Iterator[Sql]:
    """Runs a statement on the ledger's file from outside, with none of its safeguards; the rows."""
    connection = sqlite3.connect(ledger.location, isolation_level=None)
    yield lambda statement, *values: connection.execute(statement, values).fetchall()
    connection.close()
