"""About how many tokens, and how many at most: against recorded answers of the real service."""

from __future__ import annotations

import json
import statistics

import pytest

from or_magic.chat.budget import prompt_tokens, without_bound
from or_magic.chat.estimates import answer_tokens
from tests.client.recordings import Recording, recordings
from tests.client.test_recorded_answers import ABSENT, replay

ASKED = [pytest.param(each, id=each.name) for each in recordings() if each.is_chat and each.asked]
FAMILIES = {"anthropic": 3.2, "openai": 4.1}


@pytest.mark.parametrize("recording", ASKED or ABSENT)
def test_the_worst_case_is_never_below_the_real_one(recording: Recording) -> None:
    """What a budget holds back for a prompt covers the tokens that were charged; what may not be covered is refused."""
    answer, _ = replay(recording)
    asked = json.loads(recording.asked)
    messages = asked.get("messages", [])
    has_file = any(part.get("type") == "file" for each in messages for part in _parts(each))
    if answer.usage is None or without_bound(asked, asked.get("model"), ()) or has_file:
        return

    most = prompt_tokens(recording.asked.encode(), len(messages), has_tools=bool(asked.get("tools")))

    assert most >= (answer.usage.prompt_tokens or 0)


def _parts(message: dict[str, object]) -> list[dict[str, object]]:
    content = message.get("content")
    return [part for part in content if isinstance(part, dict)] if isinstance(content, list) else []


@pytest.mark.skipif(not ASKED, reason="no recordings beside the repository")
def test_the_error_of_the_estimate() -> None:
    """Of answers of at least 50 tokens that show all that was charged, the estimate is right to a tenth, as a rule."""
    errors = []
    for recording in (each for each in recordings() if each.is_chat):
        answer, _ = replay(recording)
        usage = answer.usage
        hides_thoughts = usage is not None and (usage.reasoning_tokens or 0) > 0 and not answer.reasoning
        if usage is None or (usage.completion_tokens or 0) < 50 or hides_thoughts:
            continue
        family = answer.model.partition("/")[0]
        told = answer_tokens(answer, FAMILIES.get(family, 4.0))
        errors.append(abs(told - usage.completion_tokens) / usage.completion_tokens)  # type: ignore[operator]
    print(f"\n{len(errors)} answers: median error {statistics.median(errors):.1%}, worst {max(errors):.1%}")

    assert statistics.median(errors) < 0.1
