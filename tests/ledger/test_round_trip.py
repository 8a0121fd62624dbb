"""Whatever is written comes back exactly: an answer that was paid for is never refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from or_magic.ledger.audit import verify
from or_magic.ledger.records import NewTurn, Progress
from or_magic.ledger.store import Ledger
from or_magic.types import Message, ReasoningPart, TextPart, Usage

from .conftest import DATABASES, Sql, location_in
from .samples import arrived, ask, question

TEXTS = st.text(st.characters(exclude_categories=()) | st.sampled_from("\x00\x1a\ud83d\ude000a"))
NAMES = st.none() | TEXTS
COUNTS = st.none() | st.integers(0, 2**63 - 1)
SECONDS = st.none() | st.floats(0, 1e9)
PARAMETERS = st.dictionaries(
    TEXTS,
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS,
        lambda values: st.lists(values, max_size=3) | st.dictionaries(TEXTS, values, max_size=3),
        max_leaves=4,
    ),
    max_size=3,
)
PARTS = st.builds(TextPart, TEXTS) | st.builds(ReasoningPart, TEXTS)
QUESTIONS = st.builds(
    NewTurn,
    notebook=TEXTS,
    budget_scope=TEXTS,
    cell_id=NAMES,
    service=TEXTS,
    model_asked=NAMES,
    parameters=PARAMETERS,
    system=NAMES,
    prompt=st.builds(Message, st.just("user"), st.lists(PARTS, max_size=3).map(tuple)),
)
PROGRESSES = st.builds(
    Progress,
    text=TEXTS,
    reasoning=TEXTS,
    generation_id=TEXTS,
    model=TEXTS,
    provider=TEXTS,
    usage=st.none() | st.builds(Usage, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS),
    finish_reason=NAMES,
    seconds_to_first_token=SECONDS,
    seconds=SECONDS,
)
TRAPS = {
    "NUL": "a\x00b",
    "only NUL": "\x00",
    "high surrogate": "a\ud800",
    "low surrogate": "\udfffb",
    "two halves of a pair": "\ud83d\ude00",
    "the pair": "😀",
    "the escape character": "\x1a",
    "what looks like an escape": "\x1a0000 \x1a001a",
    "undecodable file name": "/home/\udcff.ipynb",
    "not a character": "\ufffe\uffff\U0010ffff",
    "line ends": "a\r\nb\rc\u2028d\x85",
    "not normalised": "e\u0301 \u00e9",
    "a megabyte": "ä" * (1 << 20),
}


@pytest.fixture(scope="module", params=DATABASES)
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    """One ledger for many examples."""
    ledger = Ledger.open(location_in(request, tmp_path_factory.mktemp("shared")))
    yield ledger
    ledger.close()


@settings(deadline=None)
@given(asked=QUESTIONS, checkpoint=PROGRESSES, progress=PROGRESSES)
def test_any_turn(shared: Ledger, asked: NewTurn, checkpoint: Progress, progress: Progress) -> None:
    """Any question and any progress come back field by field, while the turn is open and after."""
    turn_id = shared.open_turn(asked).id
    shared.checkpoint(turn_id, checkpoint)
    assert shared.turn(turn_id).answer == checkpoint.message

    shared.finish_turn(turn_id, progress, "failed", progress.text)

    turn = shared.turn(turn_id)
    for name in ("notebook", "budget_scope", "cell_id", "service", "model_asked", "parameters", "system", "prompt"):
        assert getattr(turn, name) == getattr(asked, name)
    assert (turn.answer, turn.error) == (progress.message, progress.text)
    for name in ("generation_id", "model", "provider", "usage", "finish_reason", "seconds"):
        assert getattr(turn, name) == last_told(name, checkpoint, progress)


def last_told(name: str, checkpoint: Progress, progress: Progress) -> Any:
    """What is known of a field after both: the newest that was told."""
    told = [getattr(each, name) for each in (checkpoint, progress)]
    if name == "usage":
        newest = told[1] or told[0]
        return None if newest == Usage() else newest
    nothing = None if name in ("finish_reason", "seconds") else ""
    return next((value for value in reversed(told) if value != nothing), nothing)


@pytest.mark.parametrize("text", TRAPS.values(), ids=TRAPS.keys())
def test_traps(ledger: Ledger, text: str) -> None:
    """Text that databases stumble over is kept to the character, wherever it stands, and is found again."""
    # A server's index holds at most 2.7 KB, and a path is never longer than 4.
    name = text[:500] if "://" in ledger.location else text
    asked = question(notebook=name, budget_scope=name, prompt=Message.of_text("user", text), system=text)
    turn_id = ledger.open_turn(asked).id
    ledger.checkpoint(turn_id, arrived(text))
    assert ledger.turn(turn_id).answer == Message.of_text("assistant", text)

    ledger.finish_turn(turn_id, arrived(text), "complete", None)

    assert [turn.prompt.text for turn in ledger.turns(name)] == [text]
    assert ledger.spent(name, asked.service).pico_usd == 42
    assert verify(ledger) == []


def test_ordinary_text_is_readable(ledger: Ledger, sql: Sql) -> None:
    """Whoever opens the file with another tool reads plain text."""
    ask(ledger, arrived("Grüße, 😀\n\t\\u0000"), notebook="/home/ada/Ü.ipynb", parameters={"stop": "→"})

    assert ("Grüße, 😀\n\t\\u0000",) in sql("SELECT content FROM parts")
    assert sql("SELECT identity, parameters FROM notebooks, turns") == [("/home/ada/Ü.ipynb", '{"stop": "→"}')]
