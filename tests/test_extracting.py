"""What is found in the text of an answer: blocks of code, JSON, tables; and what an answer makes of it."""

from __future__ import annotations

import base64
import copy
import io
import json
import pickle
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pydantic import BaseModel

from or_magic.answer import Answer
from or_magic.errors import CommandError, NotFoundError, SchemaError
from or_magic.extracting import code_blocks, frames_in, json_in, records_frame
from or_magic.prompt.answer_formats import schema_of
from or_magic.types import ImageArrived, ReasoningDelta, TextDelta, ToolCallDelta, Usage, UsageReported


def png() -> str:
    saved = io.BytesIO()
    Image.new("RGB", (2, 1)).save(saved, "PNG")
    return f"data:image/png;base64,{base64.b64encode(saved.getvalue()).decode()}"


PNG = png()
PROSE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


class Person(BaseModel):
    name: str


def answer(text: str = "", *events: Any) -> Answer:
    made = Answer(model_asked="a/b")
    for event in (TextDelta(text), *events):
        made.absorb(event)
    made.finish("complete")
    return made


@pytest.mark.parametrize(
    ("text", "blocks"),
    [
        ("no code", []),
        ("```python\nx\n```", [("x", "python")]),
        ("````md\n```\nx\n```\n````", [("```\nx\n```", "md")]),
        ("~~~\nx\n~~~", [("x", "")]),
        ("1. a\n   ```py\n   for i in x:\n       i\n   ```", [("for i in x:\n    i", "py")]),
        ("```{.python}\nx\n```\n```Python title=a\ny\n```", [("x", "python"), ("y", "python")]),
        ("```python\nnot closed", [("not closed", "python")]),
        ("a ```inline``` b", []),
        ("> ```r\n> x\n> ```", [("> x", "r")]),
    ],
)
def test_code_blocks(text: str, blocks: list[tuple[str, str]]) -> None:
    """Every fence that Markdown knows, with its language; also one that the end of the answer has cut."""
    assert [(str(block), block.language) for block in code_blocks(text)] == blocks


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("[1, 2]", [1, 2]),
        ('Sure:\n```json\n{"a": 1}\n```\nDone.', {"a": 1}),
        ('It is {"a": {"b": [1]}}, not {"c": 2}.', {"a": {"b": [1]}}),
        ('Use {braces} like {"a": "}"}', {"a": "}"}),
        ("42", 42),
        ('"text"', "text"),
    ],
)
def test_json(text: str, value: Any) -> None:
    """JSON alone, in a fence or with prose around it; of several values the largest."""
    assert json_in(text) == value


@pytest.mark.parametrize("text", ["", "none", '{"a": {"b": 1}, "c": [1,', "{'a': 1}", 'It is {"a": {"b": 1}'])
def test_no_json(text: str) -> None:
    """What was cut off is never taken for what stands whole inside it."""
    with pytest.raises(NotFoundError, match="there is no whole JSON in"):
        json_in(text)
    with pytest.raises(ValueError, match="JSON"):
        answer(text).json()


@given(PROSE.filter(lambda value: isinstance(value, (list, dict)) and bool(value)))
def test_json_is_found_in_prose(value: Any) -> None:
    """Any object or list is found again between words."""
    assert json_in(f"Here it is: {json.dumps(value)} - as you asked.") == value


def test_tables() -> None:
    """Tables of Markdown and of CSV have numbers as numbers, missing cells as missing; several are told by number."""
    text = "| a | **b** | c |\n|--:|---|---|\n| 1,234 | `x` | |\n| 5.5 | y\\|z | w |\n\n```csv\nn\n1\n2\n```"
    csv, table = frames_in(text)

    assert list(table.columns) == ["a", "b", "c"]
    assert table["a"].tolist() == [1234.0, 5.5]
    assert table["b"].tolist() == ["x", "y|z"]
    assert table["c"].isna().tolist() == [True, False]
    assert csv["n"].tolist() == [1, 2]
    assert answer(text).df(1)["a"].sum() == 1239.5
    with pytest.raises(NotFoundError, match="There is no table 2 in the answer, which holds 2"):
        answer(text).df(2)


@pytest.mark.parametrize(
    ("value", "shape"),
    [
        ([{"a": 1}, {"a": 2}], (2, 1)),
        ({"rows": [{"a": 1}]}, (1, 1)),
        ({"a": [1, 2], "b": [3, 4]}, (2, 2)),
        ([1, 2], (2, 1)),
        ({"a": 1}, (1, 1)),
        ([], (0, 1)),
        (3, (1, 1)),
    ],
)
def test_json_as_a_table(value: Any, shape: tuple[int, int]) -> None:
    """Lists of objects, columns, lists and single values all have a table."""
    assert records_frame(value).shape == shape
    assert answer(json.dumps(value)).df().shape == shape


def test_an_answer_is_pickled_and_copied_without_its_client() -> None:
    """All that arrived comes along, the validated value too; a copy of one that still arrives is done."""
    made = answer('{"name": "Ada"}', ReasoningDelta("hm"), ImageArrived(PNG), ToolCallDelta(0, "c", "f", "{}"))
    made.read = schema_of(Person).read
    for twin in (pickle.loads(pickle.dumps(made)), copy.deepcopy(made), copy.copy(made)):
        assert (twin.text, twin.reasoning, twin.image_urls) == (made.text, "hm", (PNG,))
        assert (twin.tool_calls, twin.parts, twin.value) == (made.tool_calls, made.parts, Person(name="Ada"))
        assert twin.done
    half = Answer(model_asked=None)
    half.absorb(TextDelta("ha"))
    assert copy.deepcopy(half).wait(1).text == "ha"


def test_an_answer_that_does_not_fit_keeps_its_text() -> None:
    """The value is an error in one line, the text stays; without a schema there is no value."""
    made = answer('{"nam": 1}')
    made.read = schema_of(Person).read
    with pytest.raises(SchemaError, match=r"does not fit the schema \(name: Field required\). _answer.text holds it"):
        made.value  # noqa: B018
    assert made.text == '{"nam": 1}'
    assert answer("x").value is None


def test_save(tmp_path: Path) -> None:
    """The ending says what is written; a file that is there, and what is not in the answer, is one line."""
    text = '```python\nx = 1\n```\n```python\ny = 2\n```\n\n| a |\n|---|\n| 1 |\n\n{"b": 3}'
    made = answer(text, ImageArrived(PNG), UsageReported(Usage(cost_pico_usd=1)))
    for name in ("a.md", "a.py", "a.json", "a.csv", "a.png", "a.jpg"):
        assert made.save(tmp_path / name) == tmp_path / name

    assert (tmp_path / "a.md").read_text() == text
    assert (tmp_path / "a.py").read_text() == "x = 1\n\n# ---\n\ny = 2\n"
    assert json.loads((tmp_path / "a.json").read_text()) == {"b": 3}
    assert (tmp_path / "a.csv").read_text() == "a\n1\n"
    assert Image.open(tmp_path / "a.jpg").size == made.images[0].size == (2, 1)
    with pytest.raises(CommandError, match="is there already"):
        made.save(tmp_path / "a.md")
    made.save(tmp_path / "a.md", overwrite=True)
    for name, words in (
        ("b.py", "no Python"),
        ("b.png", "no image"),
        ("b.json", "no whole JSON"),
        ("b.csv", "no table"),
    ):
        with pytest.raises(CommandError, match=words):
            answer("nothing").save(tmp_path / name)
        assert not (tmp_path / name).exists()
    assert answer("", ImageArrived("https://a.b/c.png")).images == []
