"""What stands in the prompt box: what is asked of it, what comes back into it, and the names that it offers."""

from __future__ import annotations

import base64
import io
import types
from typing import Any

import pandas as pd
import polars as pl
import pytest
from PIL import Image

from or_magic.errors import CommandError
from or_magic.jupyter.panel.promptbox import Attachment
from or_magic.jupyter.panel.questions import attachments_of, content_of_draft, names_for
from or_magic.types import FilePart, ImagePart, Message, SoundPart, TextPart, ToolCall, VideoPart
from tests.cases import check_none
from tests.jupyter.hostile_texts import hostile_cases

NAMES: dict[str, Any] = {"df": 1, "table": "t", "_own": 2, "text": "abc", "np": types}


def offered(prefix: str, names: dict[str, Any] = NAMES, hidden: tuple[str, ...] = ()) -> list[str]:
    return [name for name, _ in names_for(prefix, names, hidden)]


@pytest.mark.parametrize(
    ("prefix", "found"),
    [
        ("", ["df", "table", "text"]),
        (" t", ["table", "text"]),
        ("T", ["table", "text"]),
        ("b", ["table"]),
        ("e", ["table", "text"]),
        ("x", ["text"]),
        ("_", []),
        ("n", []),
        ("df +", []),
        ("{", []),
        ("[", []),
        ("nothing.", []),
        ('nothing["', []),
        ("df.real.", []),
    ],
)
def test_names_of_variables(prefix: str, found: list[str]) -> None:
    """The user's names that begin so, then those that hold it; neither modules nor what is private."""
    assert offered(prefix) == found


def test_what_a_name_is() -> None:
    """With a name comes the type of its value; the names that are not the user's own are left out."""
    assert names_for("d", {"df": 1, "day": "x", "do": []}, ("do",)) == [("df", "int"), ("day", "str")]


def test_many_names() -> None:
    """Of very many names the first fifty are offered."""
    assert len(offered("n", {f"n{number}": number for number in range(200)})) == 50


def test_names_of_attributes() -> None:
    """Behind a dot: what the value has itself, then what its type has; nothing private, nothing odd."""

    class Point:
        def __init__(self) -> None:
            self.x, self._hidden = 1, 2
            self.__dict__ |= {"not a name": 3, 4: 5, "class": 6}

        def xs(self) -> None:
            pass

    assert offered("p.x", {"p": Point()}) == ["p.x", "p.xs"]
    assert offered("p.", {"p": Point()}) == ["p.x", "p.xs"]
    assert "n.real" in offered("n.re", {"n": 1})
    assert offered("np.SimpleN") == ["np.SimpleNamespace"]


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ({"city": 1, "co'unt": 2, "über": 3, 4: 5, None: 6}, "key"),
        (pd.DataFrame({"city": [1], "co'unt": [2], "über": [3], 4: [5]}), "column"),
        (pl.DataFrame({"city": [1], "co'unt": [2], "über": [3]}), "column"),
    ],
    ids=["dict", "pandas", "polars"],
)
@pytest.mark.parametrize("quote", ["", '"', "'"])
def test_names_of_columns(value: Any, kind: str, quote: str) -> None:
    """Behind a bracket: the keys of a dict, the columns of a table, as they can stand there."""
    found = names_for(f"d[{quote}", {"d": value}, ())

    assert found == [(each, kind) for each in ("d['city']", 'd["co\'unt"]', "d['über']")]
    assert offered(f"d[{quote}ci", {"d": value}) == ["d['city']"]
    assert offered(f"d[{quote}x", {"d": value}) == []


def test_columns_of_odd_tables() -> None:
    """Tables with columns of several levels, of numbers, with the same name twice, or none; a series has none."""
    levels = pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_tuples([("a", "b"), ("a", "c")]))
    twice = pd.DataFrame([[1, 2]], columns=["a", "a"])

    assert offered("d[", {"d": levels}) == offered("d[", {"d": pd.DataFrame()}) == []
    assert offered("d[", {"d": twice}) == ["d['a']", "d['a']"]
    assert offered("d[", {"d": pd.Series({"columns": {"a": 1}})}) == []
    assert len(offered("d[", {"d": pd.DataFrame([range(2_000)]).rename(columns=str)})) == 50


def test_a_table_of_the_users_own_type() -> None:
    """A type of the user's that is a table like any other has columns; one that says itself what they are has none."""

    class Same(pd.DataFrame):  # type: ignore[misc]  # pandas is not typed
        pass

    class Other(pd.DataFrame):  # type: ignore[misc]
        @property
        def columns(self) -> Any:
            raise AssertionError

    assert offered("d[", {"d": Same({"a": [1]})}) == ["d['a']"]
    assert offered("d[", {"d": object.__new__(Other)}) == []


RAN: list[str] = []


class Meta(type):
    def __getattribute__(cls, name: str) -> Any:
        RAN.append(f"metaclass {name}")
        return super().__getattribute__(name)

    def __instancecheck__(cls, instance: object) -> bool:
        RAN.append("instance check")
        return True


class Recording(metaclass=Meta):
    """Whatever is done with it is written down."""

    inner = 1

    def __getattribute__(self, name: str) -> Any:
        RAN.append(f"get {name}")
        return object.__getattribute__(self, name)

    def __getattr__(self, name: str) -> Any:
        RAN.append(f"missing {name}")
        return self

    def __dir__(self) -> Any:
        RAN.append("dir")
        return ["inner"]

    @property
    def __class__(self) -> Any:  # type: ignore[override]
        RAN.append("class")
        return dict

    @property
    def __dict__(self) -> Any:  # type: ignore[override]
        RAN.append("dict")
        return {"more": 1}

    @property
    def columns(self) -> Any:
        RAN.append("columns")
        return ["inner"]

    def __repr__(self) -> str:
        RAN.append("repr")
        return "Recording()"

    def __hash__(self) -> int:
        RAN.append("hash")
        return 1

    def __eq__(self, other: object) -> bool:
        RAN.append("equal")
        return True

    def __len__(self) -> int:
        RAN.append("length")
        return 1

    def __iter__(self) -> Any:
        RAN.append("iterate")
        return iter(["inner"])

    def __getitem__(self, key: object) -> Any:
        RAN.append("item")
        return self


class LineWords(str):
    """A text that counts what is asked of it."""

    __slots__ = ()

    def startswith(self, *args: Any) -> bool:
        RAN.append("startswith")
        return True

    def lower(self) -> str:
        RAN.append("lower")
        return ""

    def isidentifier(self) -> bool:
        RAN.append("isidentifier")
        return True

    def __repr__(self) -> str:
        RAN.append("repr of a text")
        return ""


class Table(pd.DataFrame):  # type: ignore[misc]
    def __getattribute__(self, name: str) -> Any:
        RAN.append(f"get {name} of a table")
        return super().__getattribute__(name)


@pytest.mark.parametrize("prefix", ["", "i", "it", "it.", "it.inn", "it.x", "it[", 'it["', "it['in", "it.inner.", "Me"])
@pytest.mark.parametrize("made", [Recording, lambda: {LineWords("inner"): 1, "it": 2}, lambda: Table({"inner": [1]})])
def test_no_code_of_the_user_runs(prefix: str, made: Any) -> None:
    """Whatever a value, its type or the type of that defines, none of it runs where names are looked for."""
    it = made()
    names = {"it": it, "Me": Recording, LineWords("words"): 1}
    RAN.clear()

    names_for(prefix, names, ())

    assert RAN == []


def test_what_can_be_found_without_running_it() -> None:
    """What the type of such a value has is found all the same."""
    assert offered("it.inn", {"it": Recording()}) == ["it.inner"]
    assert names_for("it", {"it": Recording()}, ()) == [("it", "Recording")]


def test_what_raises() -> None:
    """Values whose every attribute raises, types with slots or without a dict, types themselves: nothing is raised."""

    class Raising:
        __slots__ = ("own",)

        def __getattribute__(self, name: str) -> Any:
            raise SystemExit(name)

    values = {
        "a": Raising(),
        "b": Raising,
        "c": None,
        "d": 1,
        "e": ...,
        "f": len,
        "g": (),
        "h": types.SimpleNamespace(),
    }
    for name in values:
        offered(name, values)
        offered(f"{name}.", values)
        offered(f"{name}[", values)
    assert offered("a.", values) == ["a.own"]


def test_hostile_names() -> None:
    """A name that could not stand in an expression is not offered; a key can be anything, and stands in quotes."""
    wrong: dict[str, list[str]] = {}
    for case, text in hostile_cases():
        made = types.SimpleNamespace(**{text: 1})
        prefixes = ("", text, text[:3], "x.", f"x.{text}")
        names = [
            name
            for completion_index in ({text: 1}, {"x": made})
            for prefix in prefixes
            for name in offered(prefix, completion_index)
        ]
        keys = offered("x[", {"x": {text: 7}})
        wrong[case] = [name for name in names if not name.replace(".", "").isidentifier()]
        wrong[case] += [key for key in keys if eval(key, {"x": {text: 7}}) != 7]

    check_none(wrong)


def png() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (2, 2), "red").save(file, "PNG")
    return file.getvalue()


def attached(data: bytes, name: str) -> Attachment:
    return Attachment("0" * 8, name, len(data), "", data)


FILES = {
    "picture.png": png(),
    "paper.pdf": b"%PDF-1.7 text",
    "tone.wav": b"RIFF\0\0\0\0WAVEfmt ",
    "song.mp3": b"\xff\xfb\x90\x00",
    "film.mp4": b"\0\0\0\x18ftypmp42",
    "film.mov": b"\0\0\0\x18ftypqt  ",
    "some.bin": b"\xfe\xff\0\x80",
}


@pytest.mark.parametrize("name", FILES)
def test_there_and_back(name: str) -> None:
    """What was attached to a question comes back as an attachment, and is the same part when it is asked again."""
    prompt = content_of_draft("Look:", [attached(FILES[name], name)], {}).parts

    kept, left_out = attachments_of(Message("user", prompt))

    assert (left_out, [each.data for each in kept]) == (0, [FILES[name]])
    assert content_of_draft("Look:", kept, {}).parts == prompt
    assert kept[0].size == len(FILES[name])


def test_several_there_and_back() -> None:
    """Several keep their order and have ids of their own."""
    files = [attached(data, name) for name, data in FILES.items()]
    kept, _ = attachments_of(Message("user", content_of_draft("x", files, {}).parts))

    assert [each.data for each in kept] == list(FILES.values())
    assert len({each.id for each in kept}) == len(FILES)


@pytest.mark.parametrize(
    "part",
    [
        ImagePart("https://example.org/a.png"),
        FilePart("a.pdf", "https://example.org/a.pdf"),
        VideoPart("https://example.org/a.mp4"),
        ImagePart("data:image/svg+xml,<svg>"),
        ImagePart("data:image/png;base64,A"),
        FilePart("", ""),
    ],
)
def test_what_cannot_come_back(part: Any) -> None:
    """What lies at an address, or is no base64, is counted; the rest comes back."""
    kept, left_out = attachments_of(Message("user", (TextPart("x"), part, SoundPart("AAAA", "wav"))))

    assert left_out == 1
    assert [(each.name, each.mime, each.data) for each in kept] == [("sound 3.wav", "audio/wav", b"\0\0\0")]


def test_a_question_of_words() -> None:
    """A question without any has none."""
    assert attachments_of(Message("user", (TextPart("x"), ToolCall("c", "f", "{}")))) == ([], 0)
    assert attachments_of(Message("user", ())) == ([], 0)


def test_a_draft() -> None:
    """A text without braces is what is asked; one with braces holds the values; attachments come behind it."""
    assert content_of_draft("plain { x }", (), {"x": 1}).parts == (TextPart("plain { x }"),)
    assert content_of_draft("{{ x[0] }}!", (), {"x": [5]}).parts[0] == TextPart("5!")
    both = content_of_draft("see", [attached(png(), "a.png")], {}).parts
    assert both == (TextPart("see"), ImagePart(f"data:image/png;base64,{base64.b64encode(png()).decode()}"))


@pytest.mark.parametrize(
    ("text", "name", "line"),
    [("{{ f() }}", "a.png", "Line 1, column 4"), ("{{ zz }}", "a.png", "'zz' is not defined"), ("x", "b.png", "b.png")],
)
def test_a_draft_that_cannot_be_sent(text: str, name: str, line: str) -> None:
    """A template or a file that is not what it should be is an error of one line."""
    data = png() if name == "a.png" else b"no picture"

    with pytest.raises(CommandError) as told:
        content_of_draft(text, [attached(data, name)], {"f": len})

    assert line in str(told.value)
    assert "\n" not in str(told.value)
