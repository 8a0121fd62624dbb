"""Values of Python in a message: the parts that the service received, what was cut, and that it reads back the same."""

from __future__ import annotations

import base64
import dataclasses
import datetime
import decimal
import io
import itertools
import json
import subprocess
import sys
import tracemalloc
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import altair as alt
import matplotlib as mpl
import numpy as np
import pandas as pd
import plotly.graph_objects as go
import polars as pl
import pyarrow as pa
import pydantic
import pytest
import seaborn as sns
from IPython.display import Audio, Markdown, Video
from IPython.display import Image as ShownImage
from matplotlib.figure import Figure
from PIL import Image

import or_magic.content
from or_magic.chat.session import Session
from or_magic.content import Content, SizeLimit
from or_magic.errors import CommandError
from or_magic.extracting import code_blocks
from or_magic.prompt.converters import content_of, prompt_content
from or_magic.prompt.media import MOST_BYTES, MOST_PIXELS
from or_magic.sandbox import Sandbox
from or_magic.settings.layers import Settings
from or_magic.types import TextPart
from tests.faults.server import response, serve

mpl.use("Agg")


@pytest.fixture
def session(sandbox: Sandbox, tmp_path: Path) -> Iterator[Session]:
    store = str(tmp_path / "ledger.sqlite")
    owner = Session(settings=Settings({"OPENROUTER_BASE_URL": sandbox.base_url, "OR_MAGIC_STORE": store}))
    yield owner
    owner.close()


@pytest.fixture
def sent(session: Session, sandbox: Sandbox) -> Any:
    """Asks about values; the content of the message that the service received, and the answer's notes."""

    def ask(*values: Any, limit: SizeLimit = ROOM, model: str = "sandbox/vision") -> tuple[Any, tuple[str, ...]]:
        answer = session.ask(prompt_content(list(values), limit), model=model, history="none")
        return sandbox.requests[-1].body["messages"][-1]["content"], answer.notes

    return ask


ROOM = SizeLimit()
FRAME = pd.DataFrame(
    {
        "whole": np.arange(1000, dtype="int32"),
        "real": np.random.default_rng(0).normal(size=1000) / 3,
        "text": [f'a "quoted", {n}\nline' if n % 2 else f"plain {n}" for n in range(1000)],
        "day": pd.date_range("2026-01-01", periods=1000, freq="h"),
        "kind": pd.Categorical(["low", "high"] * 500),
        "maybe": pd.array([None if n % 10 == 0 else n for n in range(1000)], dtype="Int64"),
        "is_on": [n % 3 == 0 for n in range(1000)],
    }
)


def tables(text: str) -> list[str]:
    """The blocks of CSV in a message."""
    return [str(block) for block in code_blocks(text) if block.language == "csv"]


def test_a_frame_reads_back_the_same(sent: Any) -> None:
    """The CSV of a frame parses back to the same values and dtypes, in the midst of the text around it."""
    content, notes = sent("Look: ", FRAME.head(40), " now.")
    schema, rows = (pd.read_csv(io.StringIO(block)) for block in tables(content))
    dtypes = dict(zip(schema["column"], schema["dtype"], strict=True))
    back = rows.astype({name: dtype for name, dtype in dtypes.items() if not dtype.startswith("datetime")})
    back["day"] = pd.to_datetime(back["day"]).astype(dtypes["day"])
    back["kind"] = back["kind"].cat.set_categories(FRAME["kind"].cat.categories)

    assert content.startswith("Look: \nvalue 2: pandas DataFrame, 40 rows x 7 columns.\n")
    assert content.endswith("```\n now.")
    assert list(schema["nulls"]) == [0, 0, 0, 0, 0, 4, 0]
    assert notes == ()
    pd.testing.assert_frame_equal(back, FRAME.head(40))


def test_a_long_frame_is_cut_and_says_so(sent: Any) -> None:
    """First, last and drawn rows within the room, numbered; the same ones each time; the range of what is not shown."""
    content, (note,) = sent(FRAME, limit=SizeLimit(tokens=1_000))
    again, _ = sent(FRAME, limit=SizeLimit(tokens=1_000))
    schema, rows = (pd.read_csv(io.StringIO(block)) for block in tables(content))
    numbers = list(rows["row"])

    assert content == again
    assert len(content) < 4_600
    assert (numbers[0], numbers[-1]) == (0, 999)
    assert numbers == sorted(set(numbers))
    assert any(after - before > 1 for before, after in itertools.pairwise(numbers))
    np.testing.assert_array_equal(rows["real"], FRAME["real"].iloc[numbers])
    assert note.startswith(f"value 1: {len(numbers)} of 1,000 rows sent (the first ")
    assert f"{len(numbers)} of 1,000 rows follow (the first " in content
    assert schema.set_index("column").loc["real", "max"] == str(FRAME["real"].max())


def test_rows_decides_how_many(sent: Any) -> None:
    """`--rows` sends exactly so many, `all` sends every one."""
    for rows, count in ((7, 7), (sys.maxsize, 1000), (1, 1)):
        content, notes = sent(FRAME, limit=SizeLimit(rows=rows))
        assert len(pd.read_csv(io.StringIO(tables(content)[1]))) == count
        assert bool(notes) == (count < 1000)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (pl.from_pandas(FRAME), "polars DataFrame, 1,000 rows x 7 columns"),
        (pa.Table.from_pandas(FRAME), "pyarrow Table, 1,000 rows x 7 columns"),
        (pa.RecordBatch.from_pandas(FRAME.head(9)), "pyarrow RecordBatch, 9 rows x 7 columns"),
        (FRAME["real"], "pandas Series, 1,000 rows x 1 columns"),
        (pl.Series("real", FRAME["real"]), "polars Series, 1,000 rows x 1 columns"),
        (FRAME.set_index(["kind", "day"])[["real"]], "pandas DataFrame, 1,000 rows x 1 columns"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_tables_of_other_libraries(sent: Any, value: Any, words: str) -> None:
    """Whatever the library: its types, and rows whose numbers are the very numbers."""
    content, _ = sent(value)
    rows = pd.read_csv(io.StringIO(tables(content)[1]))
    numbers = rows["row"] if "row" in rows else FRAME.index[FRAME["real"].isin(rows["real"])]

    assert words in content
    np.testing.assert_array_equal(rows["real"], FRAME["real"].iloc[numbers])


def test_groups_and_plans(sent: Any) -> None:
    """A GroupBy is its groups and their sizes; a lazy frame is its plan, and is not run."""
    pandas_groups, _ = sent(FRAME.groupby("kind", observed=True))
    polars_groups, _ = sent(pl.from_pandas(FRAME).group_by("kind"))
    lazy, notes = sent(pl.from_pandas(FRAME).lazy().filter(pl.col("real") > 0))

    assert tables(pandas_groups)[1] == "kind,rows\nhigh,500\nlow,500"
    assert sorted(tables(polars_groups)[1].split("\n")[1:]) == ["high,500", "low,500"]
    assert "FILTER" in lazy
    assert "not run" in lazy
    assert notes == ("value 1: the plan was sent, without rows; collect() it to send some.",)


def test_wide_frames_and_long_cells_are_cut(sent: Any) -> None:
    """Of 5,000 columns 200 are sent, of a cell of 100 kB the beginning; both are said. Repeated names do no harm."""
    _, notes = sent(pd.DataFrame(np.ones((3, 5000))))
    long, long_notes = sent(pd.DataFrame({"a": ["x" * 100_000, "y"]}))
    twice, _ = sent(pd.DataFrame([[1, 2]], columns=["a", "a"]))

    assert notes[-1] == "value 1: 200 of 5,000 columns sent."
    assert len(long) < 2_000
    assert long_notes == ("value 1: 1 cells of over 1,000 characters were cut.",)
    assert tables(twice)[1] == "a,a\n1,2"


def test_arrays(sent: Any) -> None:
    """One or two dimensions read back the same; more are told by shape, range and first values."""
    square, _ = sent(np.arange(6.0).reshape(2, 3) / 7)
    cube, notes = sent(np.arange(60_000).reshape(3, 200, 100))

    np.testing.assert_array_equal(pd.read_csv(io.StringIO(tables(square)[0])), np.arange(6.0).reshape(2, 3) / 7)
    assert "shape (3, 200, 100), dtype int64, from 0 to 59999" in cube
    assert notes[0].startswith("value 1: the first 1,200 of 60,000 values sent")


@dataclasses.dataclass
class Point:
    x: int
    y: decimal.Decimal


class Model(pydantic.BaseModel):
    when: datetime.date
    tags: set[str]


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("a {text} as $it is", "a {text} as $it is"),
        (0.1 + 0.2, "0.30000000000000004"),
        (None, "None"),
        (np.float32(1.5), "1.5"),
        (datetime.date(2026, 1, 2), "2026-01-02"),
        ({"a": [1, None], "é": (True,)}, '{"a": [1, null], "é": [true]}'),
        ({3, 1, 2}, "[1, 2, 3]"),
        (Point(1, decimal.Decimal("2.50")), '{"x": 1, "y": "2.50"}'),
        (Model(when=datetime.date(2026, 1, 2), tags={"b", "a"}), '{"when": "2026-01-02", "tags": ["a", "b"]}'),
        (range(3), "[0, 1, 2]"),
        (complex(1, 2), "(1+2j)"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_plain_values_stand_in_the_sentence(sent: Any, value: Any, told: str) -> None:
    """Texts and numbers as they are, structures as JSON, in the midst of the sentence."""
    content, notes = sent("It is ", value, ".") if not isinstance(value, str) else sent("It is ", value + ".")

    assert (content, notes) == (f"It is {told}.", ())


def test_long_structures_are_cut(sent: Any) -> None:
    """Of a long list the first and the last items are sent, which model and user are told; it is JSON still."""
    content, (note,) = sent({f"k{n}": "v" * 50 for n in range(10_000)})
    kept = json.loads(str(code_blocks(content)[0]))

    assert next(iter(kept)) == "k0"
    assert list(kept)[-1] == "k9999"
    assert note.startswith(f"value 1: {len(kept):,} of 10,000 items (the first")


def figure() -> Figure:
    drawn = Figure()
    drawn.subplots().plot([1, 3, 2])
    return drawn


def decoded(part: dict[str, Any]) -> Image.Image:
    head, _, data = part["image_url"]["url"].partition(",")
    image = Image.open(io.BytesIO(base64.b64decode(data)))
    assert head == f"data:image/{str(image.format).lower()};base64"
    return image


def png(size: tuple[int, int] = (30, 20), mode: str = "RGB") -> bytes:
    saved = io.BytesIO()
    Image.new(mode, size, 1).save(saved, "PNG")
    return saved.getvalue()


@pytest.mark.parametrize(
    "value",
    [
        figure(),
        figure().axes[0],
        sns.relplot(FRAME.head(9), x="whole", y="real"),
        sns.heatmap([[1, 2], [3, 4]]),
        alt.Chart(FRAME.head(9)).mark_line().encode(x="whole", y="real"),
        Image.new("CMYK", (30, 20)),
        Image.new("I;16", (30, 20)),
        png(),
        ShownImage(data=png()),
    ],
    ids=["figure", "axes", "seaborn grid", "seaborn axes", "altair", "CMYK", "16 bit", "bytes", "IPython"],
)
def test_pictures_are_images(sent: Any, value: Any) -> None:
    """Figures and images of every kind arrive as one image part between the texts, whole and readable."""
    content, notes = sent("before ", value, " after")

    assert [part["type"] for part in content] == ["text", "image_url", "text"]
    assert min(decoded(content[1]).size) >= 20
    assert notes == ()


def test_large_images_are_made_smaller_and_it_is_said(sent: Any) -> None:
    """Sides over 2,000 pixels are scaled, what has over 3.7 MB becomes JPEG; both are told. Small ones stay."""
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (1900, 1900, 4), dtype="uint8"))
    (wide,), (wide_note,) = sent(Image.new("RGB", (5_000, 100)))
    (heavy,), (heavy_note,) = sent(noise)
    (same,), _ = sent(png())

    assert decoded(wide).size == (MOST_PIXELS, 40)
    assert "2,000 x 40 pixels instead of 5,000 x 100" in wide_note
    assert decoded(heavy).format == "JPEG"
    assert len(heavy["image_url"]["url"]) * 3 / 4 <= MOST_BYTES * 1.01
    assert "as JPEG" in heavy_note
    assert base64.b64decode(same["image_url"]["url"].partition(",")[2]) == png()


def test_charts_that_cannot_be_drawn_are_told_as_data(sent: Any) -> None:
    """A plotly figure without its drawing engine goes as JSON, and the user is told what is missing."""
    content, notes = sent(go.Figure(go.Scatter(x=[1, 2], y=[3, 4])), limit=SizeLimit(tokens=50_000))
    if not isinstance(content, str):  # kaleido and a browser are here
        assert decoded(content[0]).size[0] > 100
        return
    assert json.loads(str(code_blocks(content)[0]))["data"][0]["type"] == "scatter"
    assert "kaleido" in notes[0]


def sound() -> bytes:
    saved = io.BytesIO()
    with wave.open(saved, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(b"\0\0" * 80)
    return saved.getvalue()


FILM = b"\0\0\0\x18ftypmp42" + bytes(40)
FILES = {
    "a.pdf": (b"%PDF-1.7 x", "file", lambda part: part["file"]["file_data"]),
    "b.wav": (sound(), "input_audio", lambda part: "data:audio/wav;base64," + part["input_audio"]["data"]),
    "c.mp4": (FILM, "video_url", lambda part: part["video_url"]["url"]),
    "d.png": (png(), "image_url", lambda part: part["image_url"]["url"]),
    "e.docx": (b"PK\x03\x04\xff\xfe\x00", "file", lambda part: part["file"]["file_data"]),
}


@pytest.mark.parametrize("name", FILES)
def test_files_are_parts_of_their_kind(sent: Any, tmp_path: Path, name: str) -> None:
    """PDF, sound, film, image and any other file arrive whole, by what they are; no folder is told."""
    data, kind, address = FILES[name]
    (tmp_path / name).write_bytes(data)
    content, notes = sent("see ", tmp_path / name)

    assert [part["type"] for part in content] == ["text", kind]
    assert base64.b64decode(address(content[1]).partition(",")[2]) == data
    assert str(tmp_path) not in json.dumps(content)
    assert notes == ()


def test_texts_and_notebooks(sent: Any, tmp_path: Path) -> None:
    """A text file is a fenced block that nothing in it can close; a notebook is its cells and what they printed."""
    (tmp_path / "a.py").write_text("x = '```'\n````\n")
    cells = [
        {"cell_type": "markdown", "source": ["# T"]},
        {
            "cell_type": "code",
            "source": "1+1",
            "outputs": [
                {"output_type": "execute_result", "data": {"text/plain": "2", "image/png": "x"}},
                {"output_type": "error", "ename": "E", "evalue": "v"},
            ],
        },
    ]
    (tmp_path / "n.ipynb").write_text(json.dumps({"cells": cells}))
    text, _ = sent(tmp_path / "a.py")
    notebook, notes = sent(tmp_path / "n.ipynb")

    assert text == "a.py:\n`````python\nx = '```'\n````\n`````"
    assert [str(block) for block in code_blocks(notebook)] == ["# T", "1+1", "2", "E: v"]
    assert notes == ("n.ipynb: 1 images in its outputs were left out.",)


def test_what_ipython_displays(sent: Any, tmp_path: Path) -> None:
    """Objects of IPython.display are what they show: sound, film, text, an address."""
    (tmp_path / "a.mp4").write_bytes(FILM)
    content, _ = sent(
        Audio(data=sound()), Video(str(tmp_path / "a.mp4")), Markdown("**m**"), ShownImage(url="https://a.b/c.png")
    )

    assert [part["type"] for part in content] == ["input_audio", "video_url", "text", "image_url"]
    assert content[3]["image_url"]["url"] == "https://a.b/c.png"


def test_code_and_exceptions(sent: Any) -> None:
    """Functions and classes are their source, builtins their documentation, an exception its lines of source."""
    content, notes = sent(png, Point, len)
    try:
        Point(1, 2).z  # noqa: B018
    except AttributeError as error:
        told, _ = sent(error)

    first, second, third = code_blocks(content)
    assert first.startswith("def png(")
    assert second.startswith("@dataclasses.dataclass\nclass Point:")
    assert third == "Return the number of items in a container."
    assert notes == ("value 3: it has no Python source; its signature and documentation were sent.",)
    assert "->" in told
    assert "Point(1, 2).z" in told
    assert "AttributeError: 'Point' object has no attribute 'z'" in told


def test_answers_and_mixed_lists(sent: Any, session: Session) -> None:
    """An answer is its text; of a list or dict that holds tables and figures each is sent as what it is, in order."""
    answer = session.ask("hello", model="sandbox/echo", history="none")
    text, _ = sent("It said: ", answer)
    mixed, _ = sent({"train": FRAME.head(2), "plot": figure()})

    assert text == "It said: hello"
    assert [part["type"] for part in mixed] == ["text", "image_url"]
    assert mixed[0]["text"].startswith("value 1['train']: pandas DataFrame, 2 rows")


class Molecule:
    def __init__(self, smiles: str) -> None:
        self.smiles = smiles

    def __llm__(self) -> list[Any]:
        return [self.smiles, png()]


class Secret(Molecule):
    pass


def test_the_hook(sent: Any) -> None:
    """A type's own `__llm__` is asked, what is registered wins over it, a subclass is taken as its nearest base."""
    own, _ = sent(Molecule("CCO"))
    or_magic.content.register(Secret, lambda value: Content.of_text("a secret", "not told"))
    registered, notes = sent(Secret("CCO"))

    assert [part["type"] for part in own] == ["text", "image_url"]
    assert own[0]["text"] == "CCO"
    assert (registered, notes) == ("a secret", ("not told",))


class Itself:
    def __llm__(self) -> Itself:
        return self


class Again:
    def __llm__(self) -> Again:
        return Again()


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (object(), "how it reads as text is not known.*__llm__"),
        (b"\x01\x02", "2 bytes of no kind that is known"),
        (Itself(), "returns the value itself"),
        (Again(), "again and again"),
        (Path("nothing-here.png"), "There is no file"),
        (Path(), "is a folder"),
        (ShownImage(data=b"\x89PNG\r\n\x1a\nbroken", format="png"), "no image that can be read"),
        (ShownImage(url="http://a.b/c.png"), "no https address"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_cannot_be_sent_is_said_in_one_line(value: Any, words: str) -> None:
    """Nothing is sent as `<object at 0x...>`: the line says what to do instead."""
    with pytest.raises(CommandError, match=words) as caught:
        content_of(value, "it")
    assert "\n" not in str(caught.value)


def test_the_same_bytes_in_every_process() -> None:
    """Two processes with different hash seeds render the same values to the same bytes, so that replays are found."""
    code = (
        "import sys, json, hashlib, numpy as np, pandas as pd, polars as pl, pyarrow as pa\n"
        "from matplotlib.figure import Figure\n"
        "from or_magic.prompt.converters import prompt_content\n"
        "from or_magic.client.requests import message_object\n"
        "from or_magic.types import Message\n"
        "frame = pd.DataFrame({'a': np.arange(9000) / 7, 'b': list('xyz') * 3000})\n"
        "figure = Figure(); figure.subplots().plot([1, 3, 2])\n"
        "values = [frame, pl.from_pandas(frame), pa.Table.from_pandas(frame), frame.groupby('b'),\n"
        "          pl.from_pandas(frame).group_by('b'), {'x', 'y', 'z', 1, 2.5, None}, figure, json.dumps]\n"
        "told = message_object(Message('user', prompt_content(values).parts))\n"
        "print(hashlib.sha256(json.dumps(told).encode()).hexdigest())\n"
    )
    runs = [
        subprocess.run([sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, check=True)
        for seed in ("1", "2")
    ]

    assert runs[0].stdout == runs[1].stdout
    assert len(runs[0].stdout.strip()) == 64


def test_a_model_that_does_not_see_is_not_asked(session: Session, sandbox: Sandbox) -> None:
    """An image for a model without vision is refused before anything is sent, with models that have it."""
    before = len([each for each in sandbox.requests if each.method == "POST"])

    with pytest.raises(CommandError, match=r"sandbox/echo takes no images. Nothing was sent. These do: sandbox/vision"):
        session.ask(prompt_content(["see ", figure()]), model="sandbox/echo", history="none")

    assert len([each for each in sandbox.requests if each.method == "POST"]) == before
    assert session.ledger.turns() == []


def test_earlier_images_do_not_stop_other_models(session: Session, sandbox: Sandbox) -> None:
    """In a conversation with images a model without vision can be asked: they become words, and it is said."""
    session.ask(prompt_content(["see ", figure()]), model="sandbox/vision")
    answer = session.ask("and now?", model="sandbox/echo")
    first = sandbox.requests[-1].body["messages"][0]["content"]

    assert first == [{"type": "text", "text": "see "}, {"type": "text", "text": "[an image, sound or film was here]"}]
    assert answer.notes == (
        "Not sent along: 1 image, sound or film of earlier questions. sandbox/echo does not take them.",
    )
    seen = session.ask("and you?", model="sandbox/vision")
    assert sandbox.requests[-1].body["messages"][0]["content"][1]["type"] == "image_url"
    assert seen.notes == ()


def test_too_much_is_refused(session: Session, sandbox: Sandbox, tmp_path: Path) -> None:
    """More than 100 MB are refused in one line, in one file or in all; nothing is sent."""
    large = tmp_path / "a.pdf"
    with large.open("wb") as file:
        file.write(b"%PDF-")
        file.truncate(60_000_000)
    before = len(sandbox.requests)

    with pytest.raises(CommandError, match="160 MB; the service takes 100 MB"):
        session.ask(prompt_content(["sum up ", large, large]), model="sandbox/vision", history="none")
    large.open("r+b").truncate(100_000_001)
    with pytest.raises(CommandError, match="a request may have 100 MB"):
        prompt_content([large])
    assert len([each for each in sandbox.requests[before:] if each.method == "POST"]) == 0


def test_parts_survive_the_store(session: Session) -> None:
    """What was sent is in the ledger as it was, part for part."""
    content = prompt_content(["a ", png(), b"%PDF-1", sound(), FILM, " b"])
    session.ask(content, model="sandbox/vision")

    assert session.ledger.turns()[0].prompt.parts == content.parts
    assert isinstance(content.parts[0], TextPart)


def test_a_large_frame_is_never_copied() -> None:
    """A million rows of twenty columns are told in a small part of the memory that they take."""
    rows = 1_000_000
    draw = np.random.default_rng(0)
    frame = pd.DataFrame({f"c{n}": draw.random(rows) for n in range(20)}, copy=False)
    frame["when"] = pd.date_range("2026", periods=rows, freq="s")
    tracemalloc.start()
    content = content_of(frame, "frame")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < frame.memory_usage(index=False).sum() / 10
    assert content.notes[0].endswith("--rows N sends more or fewer.")


def row(id: str, *inputs: str, price: str = "0.000001") -> dict[str, Any]:
    architecture = {"input_modalities": list(inputs), "output_modalities": ["text"]}
    return {"id": id, "architecture": architecture, "pricing": {"prompt": price, "completion": price}}


def test_counts_and_suggestions_come_from_the_catalog(tmp_path: Path) -> None:
    """More images than the author takes are refused; those that see are named, its own and the cheapest."""
    rows = [
        row("mistralai/sees", "text", "image"),
        row("mistralai/blind", "text"),
        row("x/dear", "text", "image", price="0.001"),
        row("x/cheap", "text", "image", price="0.0000001"),
        row("x/cheap:free", "text", "image", price="0"),
        row("y/middle", "text", "image", price="0.00001"),
        row("y/hears", "text", "audio"),
    ]
    listing = (response(200, json.dumps({"data": rows}).encode()),)
    with serve(listing) as server:
        environment = {"OPENROUTER_BASE_URL": server.base_url, "OR_MAGIC_STORE": str(tmp_path / "l.sqlite")}
        session = Session(settings=Settings(environment))
        with pytest.raises(CommandError, match="9 images would be sent; mistralai takes 8 a request"):
            session.ask(prompt_content(["see ", *[png()] * 9]), model="mistralai/sees", history="none")
        with pytest.raises(CommandError, match=r"These do: mistralai/sees, x/cheap, y/middle\."):
            session.ask(prompt_content(["see ", png()]), model="mistralai/blind", history="none")
        with pytest.raises(CommandError, match=r"takes no sounds.*These do: y/hears\."):
            session.ask(prompt_content(["hear ", sound()]), model="mistralai/sees", history="none")
        with pytest.raises(CommandError, match=r"takes no films.*No model of this service does"):
            session.ask(prompt_content(["watch ", FILM]), model="mistralai/sees", history="none")
        session.close()
