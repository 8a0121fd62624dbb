"""Turns whose process has died are told from turns under way."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from or_magic.ledger.audit import verify
from or_magic.ledger.store import SILENT_S, Ledger, is_gone, this_process
from or_magic.types import Message, TextPart

from .samples import arrived, question

JUST_NOW = timedelta()
HOST = this_process().split("/")[0]


@pytest.mark.parametrize(
    ("owner", "ago", "gone"),
    [
        pytest.param(this_process(), None, False, id="this one"),
        pytest.param(f"{HOST}/999999999/1.0", JUST_NOW, True, id="no such process"),
        pytest.param(f"{HOST}/{this_process().split('/')[1]}/1.0", JUST_NOW, True, id="another with the same id"),
        pytest.param("elsewhere/1/1.0", JUST_NOW, False, id="another machine, just now"),
        pytest.param("elsewhere/1/1.0", timedelta(seconds=2 * SILENT_S), True, id="another machine, silent"),
        pytest.param(f"{HOST}/nonsense", JUST_NOW, True, id="damaged"),
        pytest.param(None, None, True, id="written before owners were kept"),
    ],
)
def test_who_is_gone(owner: str | None, ago: timedelta | None, gone: bool) -> None:
    """A process of this machine is asked, one of another is judged by its silence."""
    assert is_gone(owner, None if ago is None else datetime.now(UTC) - ago) is gone


def test_a_process_that_was_killed() -> None:
    """A process counts as gone the moment it is killed, also before anybody has collected it."""
    script = "from or_magic.ledger.store import this_process; print(this_process(), flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        owner = process.stdout.readline().strip()
        assert not is_gone(owner, datetime.now(UTC))
        process.kill()
        process.wait()

    assert is_gone(owner, datetime.now(UTC))


def test_marking(ledger: Ledger) -> None:
    """A dead turn ends as interrupted with what its checkpoint had; one under way is left alone."""
    dead, alive = ledger.open_turn(question()).id, ledger.open_turn(question()).id
    ledger.checkpoint(dead, arrived("so far", generation_id="gen-1"))
    kill(ledger, dead)

    assert ledger.mark_interrupted() == 1

    turn = ledger.turn(dead)
    assert (turn.state, turn.generation_id, turn.cost_source) == ("interrupted", "gen-1", "reported")
    assert turn.answer == Message.of_text("assistant", "so far")
    assert ledger.turn(alive).state == "open"
    assert ledger.mark_interrupted() == 0
    assert verify(ledger) == []


def test_one_that_lives_after_all(ledger: Ledger) -> None:
    """A turn that was taken for dead is finished by its process; what had been kept in between is not left behind."""
    turn_id = ledger.open_turn(question()).id
    ledger.checkpoint(turn_id, arrived("so far"))
    kill(ledger, turn_id)
    ledger.mark_interrupted()

    ledger.checkpoint(turn_id, arrived("so far and"))
    ledger.finish_turn(turn_id, arrived("so far and further"), "complete", None)

    turn = ledger.turn(turn_id)
    assert (turn.state, turn.answer) == ("complete", Message("assistant", (TextPart("so far and further"),)))
    with ledger.store.reading() as transaction:
        assert transaction.value("SELECT count(*) AS count FROM messages") == 2
    assert verify(ledger) == []


def kill(ledger: Ledger, turn_id: int) -> None:
    """Makes the turn one of a process that is no more."""
    with ledger.store.writing() as transaction:
        transaction.update("turns", turn_id, {"owner": f"{HOST}/999999999/1.0"})
