"""A turn is written down before it is sent, while it arrives, and once at its end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from or_magic.answer import Answer
from or_magic.errors import StoreError
from or_magic.ledger.audit import verify
from or_magic.ledger.records import Progress
from or_magic.ledger.store import Ledger
from or_magic.types import (
    Began,
    Ending,
    Finished,
    Message,
    ReasoningDelta,
    ReasoningPart,
    TextDelta,
    TextPart,
    Usage,
    UsageReported,
)

from .conftest import Sql
from .samples import arrived, ask, question


def test_open_turn(ledger: Ledger) -> None:
    """What is about to be sent is there before anything has come back."""
    asked = question()

    turn = ledger.turn(ledger.open_turn(asked).id)

    assert (turn.notebook, turn.budget_scope, turn.cell_id) == (asked.notebook, asked.budget_scope, asked.cell_id)
    assert (turn.service, turn.model_asked, turn.parameters) == (asked.service, "a/b", {"temperature": 0.2})
    assert (turn.system, turn.parent, turn.prompt) == (asked.system, None, asked.prompt)
    assert (turn.state, turn.answer, turn.usage, turn.ended_utc) == ("open", None, None, None)


def test_checkpoint(ledger: Ledger) -> None:
    """What had arrived at the last checkpoint can be read while the turn is open, and is no message yet."""
    turn_id = ledger.open_turn(question()).id

    ledger.checkpoint(turn_id, Progress(text="Ray", reasoning="Hm.", generation_id="gen-1"))
    ledger.checkpoint(turn_id, arrived("Rayleigh", reasoning="Hm. Light."))

    turn = ledger.turn(turn_id)
    assert turn.answer == Message("assistant", (ReasoningPart("Hm. Light."), TextPart("Rayleigh")))
    assert (turn.state, turn.answer_hash, turn.generation_id) == ("open", None, "gen-1")
    assert turn.usage == arrived().usage


def test_finish_turn(ledger: Ledger) -> None:
    """All that an answer tells is kept when it ends."""
    answer = Answer(model_asked="a/b")
    usage = Usage(9, 3, 4, 2, 10**18)
    for event in (
        Began("gen-1", "a/b-2", "Acme"),
        ReasoningDelta("Hm."),
        TextDelta("Blue."),
        Finished("stop"),
    ):
        answer.absorb(event)
    answer.absorb(UsageReported(usage))
    answer.finish("complete")

    turn_id = ledger.open_turn(question()).id
    ledger.finish_turn(turn_id, Progress.of(answer), "complete", None)

    turn = ledger.turn(turn_id)
    assert turn.answer == answer.message
    assert (turn.generation_id, turn.model, turn.provider) == ("gen-1", "a/b-2", "Acme")
    assert (turn.usage, turn.cost_source, turn.finish_reason) == (usage, "reported", "stop")
    assert (turn.seconds_to_first_token, turn.seconds) == (answer.seconds_to_first_token, answer.seconds)


@pytest.mark.parametrize(
    ("ending", "error"), [("complete", None), ("stopped", "stopped by the user"), ("failed", "No credit.")]
)
def test_endings(ledger: Ledger, ending: Ending, error: str | None) -> None:
    """However a turn ends, what had arrived is its answer, and the ending is kept with its reason."""
    turn_id = ledger.open_turn(question()).id
    ledger.checkpoint(turn_id, arrived("Ray"))

    ledger.finish_turn(turn_id, arrived("Rayleigh"), ending, error)

    turn = ledger.turn(turn_id)
    assert (turn.state, turn.error) == (ending, error)
    assert turn.answer is not None
    assert turn.answer.text == "Rayleigh"
    assert verify(ledger) == []


def test_the_first_ending_wins(ledger: Ledger) -> None:
    """A turn that is finished stays as it is, whatever comes late."""
    turn_id = ask(ledger, arrived("Rayleigh."), "stopped")
    finished = ledger.turn(turn_id)

    ledger.finish_turn(turn_id, arrived("Another.", cost=7), "complete", "too late")
    ledger.checkpoint(turn_id, arrived("A checkpoint that was under way.", cost=8))

    assert ledger.turn(turn_id) == finished


def test_nothing_arrived(ledger: Ledger) -> None:
    """A turn that ends before anything came has no answer, and no message is made up."""
    turn_id = ask(ledger, Progress(), "failed")

    assert ledger.turn(turn_id).answer is None
    assert ledger.turn(turn_id).answer_hash is None


def test_only_reasoning_arrived(ledger: Ledger) -> None:
    """Thoughts alone are an answer too: they were paid for."""
    turn = ledger.turn(ask(ledger, Progress(reasoning="Let me think."), "stopped"))

    assert turn.answer == Message("assistant", (ReasoningPart("Let me think."),))


def test_what_is_not_told_erases_nothing(ledger: Ledger) -> None:
    """What a checkpoint knew is kept by an ending that knows less."""
    turn_id = ledger.open_turn(question()).id
    ledger.checkpoint(turn_id, arrived("Ray", generation_id="gen-1", model="a/b", provider="Acme"))

    ledger.finish_turn(turn_id, Progress(text="Ray"), "stopped", "the process ended")

    turn = ledger.turn(turn_id)
    assert (turn.generation_id, turn.model, turn.provider) == ("gen-1", "a/b", "Acme")
    assert (turn.usage, turn.cost_source) == (arrived().usage, "reported")


def test_figures_beyond_all_sense(ledger: Ledger) -> None:
    """A count that fits into no column is left out, and the answer is kept."""
    usage = Usage(prompt_tokens=10**30, completion_tokens=3, cost_pico_usd=2**63)

    turn = ledger.turn(ask(ledger, Progress(text="Blue.", usage=usage)))

    assert turn.usage == Usage(completion_tokens=3)
    assert (turn.answer, turn.cost_source) == (Message.of_text("assistant", "Blue."), None)


def test_times(ledger: Ledger) -> None:
    """A turn's times are moments with their time zone, UTC, begun before ended."""
    before = datetime.now(UTC)

    turn = ledger.turn(ask(ledger))

    assert turn.ended_utc is not None
    assert before <= turn.started_utc <= turn.ended_utc <= datetime.now(UTC)
    assert turn.started_utc.utcoffset() == turn.ended_utc.utcoffset() == timedelta(0)


def test_turns_in_order(ledger: Ledger) -> None:
    """A notebook's turns come in the order in which they were opened, and no other's."""
    ids = [ledger.open_turn(question(notebook=name)).id for name in ("/a", "/b", "/a", "kernel:1", "/a")]
    ledger.finish_turn(ids[2], arrived(), "complete", None)

    assert [turn.id for turn in ledger.turns("/a")] == [ids[0], ids[2], ids[4]]
    assert [turn.id for turn in ledger.turns()] == ids
    assert ledger.turns("/never") == []


def test_many_turns(ledger: Ledger) -> None:
    """More messages than one query may name come back whole."""
    texts = [f"{number}" for number in range(300)]
    ids = [ask(ledger, arrived(text), prompt=Message.of_text("user", text)) for text in texts]

    turns = ledger.turns()

    assert [turn.id for turn in turns] == ids
    assert [(turn.prompt.text, turn.answer and turn.answer.text) for turn in turns] == [(t, t) for t in texts]


def test_no_such_turn(ledger: Ledger) -> None:
    """A turn that is not there is an error, not nothing."""
    for attempt in (
        lambda: ledger.turn(7),
        lambda: ledger.checkpoint(7, arrived()),
        lambda: ledger.finish_turn(7, arrived(), "complete", None),
    ):
        with pytest.raises(StoreError, match=r"no turn 7 in the ledger .*(ledger\.sqlite|postgresql)"):
            attempt()


def test_ids_never_return(ledger: Ledger, sql: Sql) -> None:
    """The id of a deleted turn is given to no other: it stands in notebooks."""
    deleted = ask(ledger)
    sql("DELETE FROM turns")

    assert ask(ledger) > deleted


def test_a_late_checkpoint_after_closing(ledger: Ledger) -> None:
    """A ledger that was closed still takes what arrives from the background."""
    turn_id = ledger.open_turn(question()).id
    ledger.close()

    ledger.checkpoint(turn_id, arrived("Ray"))

    assert ledger.turn(turn_id).answer == Message.of_text("assistant", "Ray")
