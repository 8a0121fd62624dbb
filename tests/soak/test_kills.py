"""Sudden deaths in full count; a few of them are in the ledger's own tests."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest

from or_magic.ledger.audit import verify
from or_magic.ledger.store import Ledger

KILLS = 100


@pytest.mark.soak
def test_a_hundred_kills(tmp_path: Path) -> None:
    """A writing process killed at random moments: the file is sound each time, what was told is there."""
    chance, partial = random.Random(2026), 0
    for number in range(KILLS):
        location = str(tmp_path / f"{number}.sqlite")
        command = [sys.executable, "-m", "tests.ledger.writers", location]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            written = [int(writer.stdout.readline()) for _ in range(chance.randint(1, 200))][-1]
            writer.kill()

        ledger = Ledger.open(location)
        _, cut = ledger.turns()
        assert verify(ledger) == []
        assert cut.answer is not None
        assert cut.answer.text.startswith("word " * written)
        partial += cut.state == "open"
        ledger.close()
    print(f"\n{KILLS} kills: every store sound, {partial} turns kept as partial")
