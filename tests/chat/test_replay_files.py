"""Files of kept answers: what is written is read back whole; what somebody else wrote is refused in one line."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from or_magic.chat.replay import ReplayFolder, read_answers, write_answers
from or_magic.errors import CommandError
from or_magic.ledger.records import KeptAnswer
from or_magic.types import (
    AnnotationsPart,
    AudioPart,
    ImagePart,
    Message,
    Part,
    ReasoningDetailsPart,
    ReasoningPart,
    RefusalPart,
    TextPart,
    ToolCall,
    ToolResultPart,
)

ANY = st.text(st.characters(codec=None), max_size=20)
JSON_LIST = st.lists(st.dictionaries(ANY, ANY, max_size=2), max_size=2).map(json.dumps)
PARTS: st.SearchStrategy[Part] = st.one_of(
    *[st.builds(kind, ANY) for kind in (TextPart, ReasoningPart, ImagePart, RefusalPart)],
    *[st.builds(kind, JSON_LIST) for kind in (ReasoningDetailsPart, AnnotationsPart)],
    *[st.builds(kind, ANY, ANY, ANY) for kind in (ToolCall, AudioPart)],
)
ANSWERS = st.builds(
    KeptAnswer,
    key=ANY,
    cell_id=st.none() | ANY,
    ask_number=st.integers(0, 9),
    answer=st.builds(Message, st.just("assistant"), st.lists(PARTS, max_size=4).map(tuple)),
    model_asked=st.none() | ANY,
    model=ANY,
    provider=ANY,
    service_tier=ANY,
    generation_id=ANY,
    finish_reason=st.none() | ANY,
    native_finish_reason=ANY,
    cost_pico_usd=st.none() | st.integers(0, 10**15),
    asked_utc=st.just(datetime(2026, 11, 21, 9, 30, tzinfo=UTC)),
    given=st.lists(st.builds(ToolResultPart, ANY, ANY) | st.builds(ImagePart, ANY), max_size=2).map(tuple),
)


def kept(key: str, text: str) -> KeptAnswer:
    answer = Message("assistant", (TextPart(text),))
    return KeptAnswer(key, None, 0, answer, None, "a/b", "", "", "", "stop", "", 5, datetime.now(UTC))


@given(st.lists(ANSWERS, max_size=3))
def test_round_trip(tmp_path_factory: pytest.TempPathFactory, answers: list[KeptAnswer]) -> None:
    """Any answer comes back as it was, to the last character and the last digit of its cost."""
    path = tmp_path_factory.mktemp("replay") / "kept.json"

    write_answers(path, answers)

    assert read_answers(path) == answers


def test_a_file_is_not_replaced_unasked(tmp_path: Path) -> None:
    """A file that is there is replaced only where that is asked for; another ending is refused."""
    path = write_answers(tmp_path / "kept.json", [kept("k", "one")])
    with pytest.raises(CommandError, match=r"kept\.json is there already"):
        write_answers(path, [])
    write_answers(path, [], overwrite=True)

    assert read_answers(path) == []
    with pytest.raises(CommandError, match=r"does not end in \.json"):
        write_answers(tmp_path / "kept.txt", [])


def damaged(**fields: object) -> str:
    whole = {"key": "k", "cell": None, "ask_number": 0, "asked_utc": "2026-11-21T09:30:00+00:00", "model_asked": None}
    whole |= {"finish_reason": "stop", "model": "", "provider": "", "service_tier": "", "generation_id": ""}
    whole |= {"native_finish_reason": "", "cost_usd": None, "parts": []}
    return json.dumps({"or_magic_replay": 1, "answers": [whole, whole | fields]})


@pytest.mark.parametrize(
    "text",
    [
        damaged(key=3),
        damaged(cell=[]),
        damaged(ask_number="x"),
        damaged(asked_utc="yesterday"),
        damaged(cost_usd="much"),
        damaged(cost_usd=0.1),
        damaged(parts=None),
        damaged(parts=[["text"]]),
        damaged(parts=[["script", "x"]]),
        damaged(parts=[["reasoning_details", "{"]]),
        damaged(parts=[["annotations", "[1]"]]),
        damaged(parts=[["tool_call", "[]"]]),
        damaged(given=[["text", "x"]]),
        damaged(given=7),
        '{"or_magic_replay": 1, "answers": [7, 7]}',
    ],
)
def test_damage_is_told(tmp_path: Path, text: str) -> None:
    """A field of another kind than it must be is refused, with the number of the answer."""
    (tmp_path / "kept.json").write_text(text)

    with pytest.raises(CommandError, match=r"kept\.json: answer [12] is damaged"):
        read_answers(tmp_path / "kept.json")


@pytest.mark.parametrize("text", ["", "[" * 100_000, "{}", '{"or_magic_replay": 2, "answers": []}', "[]"])
def test_what_is_no_such_file(tmp_path: Path, text: str) -> None:
    """Another file is refused, and it is said what writes the right one."""
    (tmp_path / "kept.json").write_text(text)

    with pytest.raises(CommandError, match=r"%openrouter replay export FILE\.json writes such a file"):
        read_answers(tmp_path / "kept.json")


def test_a_folder(tmp_path: Path) -> None:
    """The n-th question gets the n-th answer, over all files in the order of their names; past the last, the last."""
    write_answers(tmp_path / "2.json", [kept("k", "three")])
    write_answers(tmp_path / "1.json", [kept("k", "one"), kept("k", "two"), kept("other", "x")])
    folder = ReplayFolder(tmp_path)

    assert [folder.answer("k", number).answer.text for number in range(5)] == ["one", "two", "three", "three", "three"]
    with pytest.raises(CommandError, match="None of the 4 kept answers"):
        folder.answer("none", 0)
