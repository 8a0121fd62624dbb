"""The view of a conversation: what was asked and answered is read as written, and none of it acts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from or_magic.chat.conversation import Turns
from or_magic.jupyter.html.answers import conversation_html
from or_magic.ledger.records import Turn
from or_magic.ledger.store import Ledger
from or_magic.types import Message
from tests.cases import check_none
from tests.jupyter.hostile_texts import hostile_cases
from tests.jupyter.test_answers import Faults
from tests.ledger.samples import arrived, ask

STYLE = re.compile(r"<style>[^<]*</style>")


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = Ledger.open(tmp_path / "ledger.sqlite")
    yield ledger
    ledger.close()


def shown(turns: list[Turn]) -> Faults:
    return Faults(STYLE.sub("", conversation_html(Turns(turns))))


def test_hostile_turns(ledger: Ledger) -> None:
    """Hostile text as question, answer and model does nothing in the view."""
    last = ledger.turn(ask(ledger))  # a turn that stands alone is unfolded
    wrong = {}
    for name, text in hostile_cases():
        turn_id = ask(ledger, arrived(text, model=text), prompt=Message.of_text("user", text))
        wrong[name] = [each for each in shown([ledger.turn(turn_id), last]).found if "href=#orm" not in each]

    check_none(wrong)


def test_one_turn(ledger: Ledger) -> None:
    """Question, answer, model and cost of a turn are there to read."""
    ask(ledger, arrived("Because of <b>Rayleigh</b>."), prompt=Message.of_text("user", "Why is\nit $5?"))

    text = shown(ledger.turns()).text

    assert text.startswith("Found · 1 turn ")
    for expected in (
        "Why is it $5? turn 1 · ",
        "· a/b · $0.000000000042",
        "Why isit $5?",
        "Because of <b>Rayleigh</b>.",
    ):
        assert expected in text


def test_many_turns(ledger: Ledger) -> None:
    """Of very many turns the newest are shown, and it is said that there are more."""
    for number in range(102):
        ask(ledger, prompt=Message.of_text("user", f"number {number}."))

    text = shown(ledger.turns()).text

    assert "2 older ones are left out here; .df() has all." in text
    assert "number 1." not in text
    assert "number 2." in text
