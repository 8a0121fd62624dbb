"""A message's address says what it is and what it follows, and the ledger stores each once."""

from __future__ import annotations

import itertools
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from or_magic.errors import StoreError
from or_magic.ledger.messages import address, keep_message, kind_and_content, message_hash, part_of
from or_magic.ledger.store import Ledger
from or_magic.types import Message, Part, ReasoningPart, TextPart

from .conftest import Sql
from .samples import ask

TEXTS = st.text(st.sampled_from("a1:,\x00\ud83d\ude00😀"), max_size=4)
PARTS = st.builds(TextPart, TEXTS) | st.builds(ReasoningPart, TEXTS)
MESSAGES = st.builds(Message, st.sampled_from(["system", "user", "assistant"]), st.lists(PARTS, max_size=3).map(tuple))
PARENTS = st.sampled_from([None, "0" * 64, "1" * 64])


def test_the_encoding_stays() -> None:
    """An address is the hash of these bytes, today and for good: files are full of them."""
    first = message_hash(None, Message.of_text("user", "Grüß\x00\ud800"))
    second = message_hash(first, Message("assistant", (ReasoningPart("Hm."), TextPart("Hallo"))))

    beginning = b"18:or_magic message 1,"
    assert first == sha256(beginning + b"0:,4:user,4:text,10:Gr\xc3\xbc\xc3\x9f\x00\xed\xa0\x80,").hexdigest()
    follows = b"64:" + first.encode() + b","
    parts = b"9:reasoning,3:Hm.,4:text,5:Hallo,"
    assert second == sha256(beginning + follows + b"9:assistant," + parts).hexdigest()


@given(PARENTS, MESSAGES, PARENTS, MESSAGES)
def test_equal_addresses_are_equal_messages(
    parent: str | None, message: Message, other_parent: str | None, other: Message
) -> None:
    """Two messages have one address just when they say the same after the same."""
    is_same = (parent, message) == (other_parent, other)

    assert (message_hash(parent, message) == message_hash(other_parent, other)) == is_same


def test_all_small_messages_differ() -> None:
    """Of all small messages, also those made to look like the encoding, no two share an address."""
    texts = ["", "a", "aa", ",", "1:a,", "4:text,1:a,", "\x00", "\ud83d\ude00", "😀"]
    one_part = list(itertools.product(["text", "reasoning"], texts))
    contents = [(), *((part,) for part in one_part), *itertools.product(one_part, repeat=2)]
    cases = list(itertools.product([None, "0" * 64, "1" * 64], ["user", "assistant"], contents))

    assert len({address(*case) for case in cases}) == len(cases) == 2058


@pytest.mark.parametrize("part", [TextPart("a"), TextPart(""), ReasoningPart("a")], ids=repr)
def test_a_part_and_back(part: Part) -> None:
    """A part comes back from its kind and content as it was."""
    assert part_of(*kind_and_content(part)) == part


def test_a_part_of_an_unknown_kind() -> None:
    """A part that only a newer version knows is refused in one line."""
    with pytest.raises(StoreError, match=r"unknown kind 'hologram'\. Upgrade or_magic"):
        part_of("hologram", "")


def test_equal_messages_are_stored_once(ledger: Ledger, sql: Sql) -> None:
    """Two runs with equal text share their messages and stay two turns."""
    first, second = ledger.turn(ask(ledger)), ledger.turn(ask(ledger))

    assert first.id != second.id
    assert (first.prompt_hash, first.answer_hash) == (second.prompt_hash, second.answer_hash)
    assert sql("SELECT count(*) FROM messages") == sql("SELECT count(*) FROM parts") == [(2,)]


def test_a_conversation_goes_on(ledger: Ledger) -> None:
    """The same question after an answer is another message, and knows which one it follows."""
    first = ledger.turn(ask(ledger, thread="main"))
    second = ledger.turn(ask(ledger, thread="main", cell_id="c2"))

    assert second.parent == first.answer_hash
    assert second.prompt == first.prompt
    assert second.prompt_hash != first.prompt_hash


def test_a_parent_that_is_not_there(ledger: Ledger) -> None:
    """No message is stored after one that this ledger does not hold."""
    with (
        ledger.store.writing() as transaction,
        pytest.raises(StoreError, match="does not hold the message 777777777777"),
    ):
        keep_message(transaction, "7" * 64, Message.of_text("user", "Hm?"))
