"""Pieces are put together by index, id and type, whatever is missing."""

from __future__ import annotations

import pytest

from or_magic.types import Citation, ReasoningDetails, ToolCall, ToolCallDelta, ToolCalls, citations_in, to_json


@pytest.mark.parametrize(
    ("pieces", "calls"),
    [
        pytest.param(
            [(0, "a", "f", ""), (0, "", "", '{"x'), (0, "", "", '": 1}'), (1, "b", "g", "{}")],
            [("a", "f", '{"x": 1}'), ("b", "g", "{}")],
            id="one after the other",
        ),
        pytest.param(
            [(0, "a", "f", ""), (1, "b", "g", ""), (0, "", "", "1"), (1, "", "", "2"), (0, "", "", "3")],
            [("a", "f", "13"), ("b", "g", "2")],
            id="in parallel, interleaved",
        ),
        pytest.param(
            [(0, "a", "f", "{}"), (0, "b", "g", "{}")], [("a", "f", "{}"), ("b", "g", "{}")], id="all index 0"
        ),
        pytest.param([(None, "a", "f", "{"), (None, "", "", "}")], [("a", "f", "{}")], id="no index"),
        pytest.param([(0, "a", "f", "{"), (0, "a", "f", "}")], [("a", "f", "{}")], id="id and name repeated"),
        pytest.param([(3, "", "", "x")], [("", "", "x")], id="the beginning is missing"),
        pytest.param([], [], id="none"),
    ],
)
def test_tool_calls(pieces: list[tuple[int | None, str, str, str]], calls: list[tuple[str, str, str]]) -> None:
    """Pieces of tool calls are joined to the calls that were meant."""
    joined = ToolCalls()

    for piece in pieces:
        joined.add(ToolCallDelta(*piece))

    assert joined.whole() == tuple(ToolCall(*call) for call in calls)


@pytest.mark.parametrize(
    ("items", "whole"),
    [
        pytest.param(
            [{"type": "reasoning.text", "text": "a"}, {"type": "reasoning.text", "text": "b"}],
            [{"type": "reasoning.text", "text": "ab"}],
            id="texts without an index go on",
        ),
        pytest.param(
            [{"type": "reasoning.encrypted", "data": "a"}, {"type": "reasoning.encrypted", "data": "b"}],
            [{"type": "reasoning.encrypted", "data": "a"}, {"type": "reasoning.encrypted", "data": "b"}],
            id="encrypted ones without an index do not",
        ),
        pytest.param(
            [
                {"type": "reasoning.summary", "summary": "a", "index": 0},
                {"type": "reasoning.text", "text": "b", "index": 0},
                {"type": "reasoning.summary", "summary": "c", "index": 0},
            ],
            [
                {"type": "reasoning.summary", "summary": "ac", "index": 0},
                {"type": "reasoning.text", "text": "b", "index": 0},
            ],
            id="same index, other type",
        ),
        pytest.param([{"text": 3, "index": "x"}], [{"text": 3, "index": "x"}], id="odd types are kept as they are"),
    ],
)
def test_reasoning_details(items: list[dict[str, object]], whole: list[dict[str, object]]) -> None:
    """Details are merged by index and type, and nothing is lost."""
    details = ReasoningDetails()

    details.add(items)

    assert details.whole() == whole


def test_citations() -> None:
    """Sources are read out of annotations; what is no source, or was named before, is left out."""
    source = {"url": "https://a.example", "title": "A", "start_index": 1, "end_index": 9, "content": "text"}
    annotations = [
        {"type": "url_citation", "url_citation": source},
        {"type": "file", "file": {"hash": "h"}},
        {"type": "url_citation", "url_citation": source},
        {"type": "url_citation", "url_citation": {"url": 7}},
        {"type": "url_citation", "url_citation": {"url": "https://b.example", "title": None, "start_index": "x"}},
    ]

    assert citations_in(annotations) == (
        Citation("https://a.example", "A", 1, 9, "text"),
        Citation("https://b.example"),
    )


def test_json_of_half_a_surrogate_pair() -> None:
    """What UTF-8 cannot hold can still be kept as JSON."""
    assert to_json({"a": "\ud800"}) == '{"a": "\\ud800"}'
