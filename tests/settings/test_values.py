"""The values of a chat behave as dataclasses do, and hide what must not be seen."""

from __future__ import annotations

import dataclasses
import pickle
import pprint

import pandas as pd
import pytest

from or_magic.client.client import Endpoint
from or_magic.client.http import Call
from or_magic.types import Citation, ToolRun, Usage

KEY = "sk-or-v1-secret"


def test_a_value_is_taken_as_a_dataclass() -> None:
    """`asdict`, `replace` and pandas read a value by its fields."""
    source = Citation("https://a.example", "A")

    assert dataclasses.asdict(source) == {"url": "https://a.example", "title": "A", "start": 0, "end": 0, "excerpt": ""}
    assert dataclasses.replace(source, title="B") == Citation("https://a.example", "B")
    assert list(pd.DataFrame([source, source]).columns) == ["url", "title", "start", "end", "excerpt"]


def test_values_are_frozen_and_compared_by_their_fields() -> None:
    """Equal values are one in a set, and none can be changed."""
    usage = Usage(prompt_tokens=1)

    assert {usage, Usage(1), pickle.loads(pickle.dumps(usage))} == {usage}
    with pytest.raises(AttributeError):
        usage.prompt_tokens = 2  # type: ignore[misc]  # what is tested


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(Endpoint("https://openrouter.ai/api/v1", KEY), id="endpoint"),
        pytest.param(
            Call("POST", "https://openrouter.ai", {"Authorization": f"Bearer {KEY}"}, KEY.encode()), id="call"
        ),
    ],
)
def test_a_key_is_never_shown(value: Endpoint | Call) -> None:
    """Neither repr nor a pretty printer shows the key."""
    shown = (repr(value), str(value), f"{value}", pprint.pformat(value, width=10), str(value.__rich_repr__()))

    assert not [each for each in shown if KEY in each]


def test_the_value_of_a_tool_is_not_shown() -> None:
    """A tool's run reads without what its function returned, which may be of any size."""
    assert repr(ToolRun("1", "f", {"a": 1}, "x" * 99, "t", note="n")) == (
        "ToolRun(id='1', name='f', arguments={'a': 1}, text='t', images=(), seconds=0.0, error='', note='n')"
    )
