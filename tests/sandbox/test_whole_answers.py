"""Answers in one piece."""

from __future__ import annotations

import json
from typing import Any

from or_magic.sandbox import Sandbox

from .talker import Talker, text_of


def test_a_quick_answer_is_only_json(talker: Talker) -> None:
    """No white space comes before an answer that does not take long."""
    answer = talker.post("sandbox/echo", "hello")

    assert answer.headers["content-type"] == "application/json"
    assert answer.text.startswith('{"id":"gen-')
    assert answer.headers["x-generation-id"] == answer.json()["id"]


def test_a_slow_answer_begins_with_white_space(sandbox: Sandbox, talker: Talker) -> None:
    """While an answer takes its time, the service's white space keeps the connection alive."""
    sandbox.behave(first_token_s=0.1, keep_alive_s=0.02)

    body = talker.post("sandbox/echo", "hello").text

    blank = "\n         \n"
    assert body.startswith(blank)
    assert body.lstrip() == body.replace(blank, "")
    assert json.loads(body)["choices"][0]["message"]["content"] == "hello"


def test_whole_and_streamed_answers_agree(talker: Talker) -> None:
    """The same question gets the same text, reasoning and usage either way."""
    events = talker.stream("sandbox/reasoner", "hello")
    answer = talker.whole("sandbox/reasoner", "hello")

    message = answer["choices"][0]["message"]
    assert message["content"] == text_of(events)
    assert message["reasoning"] == text_of(events, "reasoning")
    assert message["reasoning_details"][0]["text"] == message["reasoning"]
    assert answer["usage"] == events[-1]["usage"]


def test_an_answer_without_reasoning_says_so(talker: Talker) -> None:
    """The message of a model that does not reason has reasoning null and no details."""
    message: dict[str, Any] = talker.whole("sandbox/echo", "hello")["choices"][0]["message"]

    assert message == {"role": "assistant", "content": "hello", "refusal": None, "reasoning": None}
