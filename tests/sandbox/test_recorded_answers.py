"""The sandbox beside real answers of 2026, where a folder of recordings lies beside the repository."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from .talker import Talker, events_of

STREAMS = Path(__file__).parents[3] / "shared" / "data" / "streams"

pytestmark = pytest.mark.skipif(not STREAMS.is_dir(), reason="no recorded answers beside the repository")


def recorded(name: str) -> str:
    """The body of the first answer in a recording."""
    yaml = pytest.importorskip("yaml")
    # Ruby writes YAML's binary tag with one exclamation mark; the standard has two.
    cassette = yaml.safe_load((STREAMS / name).read_text().replace(": !binary", ": !!binary"))
    body = cassette["http_interactions"][0]["response"]["body"]["string"]
    return body.decode() if isinstance(body, bytes) else str(body)


def order(value: Any) -> Any:
    """All the names in a document, nested and in their order, without the values."""
    if isinstance(value, dict):
        return [(name, order(inner)) for name, inner in value.items()]
    return [order(inner) for inner in value] if isinstance(value, list) else None


def test_a_stream_looks_like_a_recorded_one(talker: Talker) -> None:
    """Text, finish and usage events have the names of the real ones, in the same order."""
    real = events_of(recorded("text_stream_haiku.yml"))
    ours = talker.stream("sandbox/echo", "hello")

    assert [order(event) for event in ours] == [order(event) for event in real]


def test_reasoning_looks_like_recorded_reasoning(talker: Talker) -> None:
    """An event with reasoning has the names of a real one, in the same order."""
    real = events_of(recorded("reasoning_then_tool_call_stream_haiku.yml"))
    ours = talker.stream("sandbox/reasoner", "hello")

    assert order(ours[0]) == order(real[0])


def test_a_whole_answer_looks_like_a_recorded_one(talker: Talker) -> None:
    """A whole answer has the names of a real one, in the same order."""
    real = json.loads(recorded("nonstream_text_haiku.yml"))

    assert order(talker.whole("sandbox/echo", "hello")) == order(real)
