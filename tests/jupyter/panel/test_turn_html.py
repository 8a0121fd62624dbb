"""A question of the panel as HTML: whatever it holds, nothing in it acts but our own buttons, where we put them."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest

from or_magic.jupyter.panel.turn_html import (
    approval_html,
    asked_html,
    bar_html,
    error_html,
    foot_html,
    question_html,
    snapshot_html,
)
from or_magic.ledger.records import Turn
from or_magic.text import show_hidden
from or_magic.types import (
    AnnotationsPart,
    FilePart,
    ImagePart,
    Message,
    ReasoningPart,
    RefusalPart,
    TextPart,
    ToolCall,
    ToolResultPart,
    to_json,
)
from tests.cases import check_none
from tests.jupyter.hostile_texts import hostile_cases

from .turns import a_turn, asked

TEXTS = dict(hostile_cases())
OURS = {
    "article": set(),
    "button": {"type", "data-orm", "data-turn", "data-token", "data-answer", "aria-label", "title"},
    "details": {"class"},
    "div": {"class", "role"},
    "input": {"type", "data-name", "value", "spellcheck", "aria-label"},
    "label": {"class"},
    "pre": {"class", "tabindex"},
    "span": {"class", "role", "aria-label"},
    "summary": {"aria-label", "title"},
}
OF_MARKDOWN = {
    **{name: set[str]() for name in "blockquote br del em h1 h2 h3 h4 h5 h6 hr p strong".split()},
    **{name: set[str]() for name in "sub sup table tbody thead tr ul".split()},
    "a": {"href", "id", "rel", "target"},
    "code": {"class"},
    "img": {"src", "alt"},
    "li": {"class", "id"},
    "ol": {"start"},
    "section": {"class"},
    "td": {"align"},
    "th": {"align"},
}
ADDRESS = re.compile(r"https?://[^/\\]|mailto:|#orm[0-9a-f]+[a-z]*-fn", re.IGNORECASE)
PICTURE = re.compile(r"data:image/(png|jpeg|gif|webp)[;,]", re.IGNORECASE)
CLASS = re.compile(r"orm(-[a-z]+)?|mathjax_(ignore|process)|tex2jax_(ignore|process)|hl-[a-z0-9]+|[a-z][a-z0-9]{0,2}")


class Read(HTMLParser):
    """The HTML as another parser reads it: what is not ours in it, its buttons, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.faults: list[str] = []
        self.buttons: list[dict[str, str | None]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(html)
        self.close()
        self.faults += [f"unclosed {tag}" for tag in self.open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        allowed = OURS.get(tag, set[str]()) | OF_MARKDOWN.get(tag, set[str]())
        self.faults += [] if tag in OURS or tag in OF_MARKDOWN else [f"<{tag}>"]
        for name, value in attrs:
            is_good = name in allowed
            is_good &= name != "href" or ADDRESS.match(value or "") is not None
            is_good &= name != "src" or PICTURE.match(value or "") is not None
            is_good &= name != "class" or all(CLASS.fullmatch(each) for each in (value or "").split())
            is_good &= name != "role" or value in ("alert", "group")
            self.faults += [] if is_good else [f"{tag} {name}={value}"]
        if "data-orm" in dict(attrs) or tag in ("button", "input"):
            self.buttons.append(dict(attrs) | {"tag": tag})
        if tag not in ("br", "hr", "img", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        self.faults.append(f"a comment: {data}")

    handle_decl = handle_pi = unknown_decl = handle_comment

    @property
    def actions(self) -> list[str | None]:
        return [each.get("data-orm") for each in self.buttons if each["tag"] == "button"]


def hostile_turns(text: str) -> tuple[Turn, Turn]:
    """A question with a step, which hold the text wherever one can be."""
    sources = to_json(
        [{"url_citation": {"url": text, "title": text}}, {"url_citation": {"url": f"https://e.org/{text}"}}]
    )
    said = (ReasoningPart(text), TextPart(text), RefusalPart(text), AnnotationsPart(sources), ImagePart(text))
    words = {"model": text, "provider": text, "model_asked": text, "service_tier": text, "generation_id": text}
    words |= {"finish_reason": text, "native_finish_reason": text, "error": text, "thread": text, "cell_id": text}
    first = a_turn(
        1,
        prompt=Message("user", (TextPart(text), ImagePart(text), FilePart(text, text), ToolCall(text, text, text))),
        answer=Message("assistant", (*said, ToolCall("c1", text, text))),
        **words,
    )
    given = Message("tool", (ToolResultPart("c1", text), ToolResultPart("c2", f"Error: {text}"), ImagePart(text)))
    return first, a_turn(2, prompt=given, answer=Message("assistant", said), state="failed", **words)


def passive(*pages: str) -> list[str]:
    """What is not ours in pages without buttons, and their buttons."""
    read = [Read(html) for html in pages]
    return [fault for each in read for fault in (*each.faults, *map(str, each.buttons))]


def test_nothing_of_a_question_acts() -> None:
    """Whatever a question, its answer, its tools, names and errors hold, the page has no element that is not ours."""
    faults = {}
    for name, text in TEXTS.items():
        each = asked(*hostile_turns(text))
        faults[name] = passive(question_html(each.turns[0].prompt), asked_html(each))

    check_none(faults)


def test_nothing_around_it_acts() -> None:
    """Whatever errors, footers, the name of a thread and what is left behind in the saved notebook hold, none acts."""
    faults = {}
    for name, text in TEXTS.items():
        snapshot = snapshot_html([asked(*hostile_turns(text))], text)
        faults[name] = passive(error_html(text), foot_html(text), snapshot)

    check_none(faults)


@pytest.mark.parametrize("can_be_always", [True, False])
def test_a_call_that_is_asked_about(can_be_always: bool) -> None:
    """Of a hostile call the whole text stands there, between our buttons and no others, each with the token."""
    answers = ["yes", "always", "no", "stop"] if can_be_always else ["yes", "no", "stop"]
    faults = {}
    for name, text in TEXTS.items():
        read = Read(approval_html(text, "t0ken", can_be_always=can_be_always))
        told = [(each["data-answer"], each["data-orm"], each["data-token"]) for each in read.buttons]
        faults[name] = read.faults
        faults[name] += [] if told == [(answer, "approve", "t0ken") for answer in answers] else [f"buttons {told}"]
        faults[name] += [] if show_hidden(text) in read.text else ["not the whole text"]

    check_none(faults)


@pytest.mark.parametrize("text", ["", "\n", "x" * 1_500, "x" * 1_501, "<b>" * 30_000, "😀" * 70_000, "a\nb  c\td"])
def test_a_long_question(text: str) -> None:
    """A question stands there as it is; the rest of a long one is folded away, of a very long one not all is there."""
    read = Read(question_html(Message.of_text("user", text)))

    assert read.faults == []
    if len(text) <= 1_500:
        assert read.text == text.strip("\n")
    else:
        assert f"all {len(text):,} characters" in read.text
        assert (f"of {len(text):,} characters the first 60,000" in read.text) == (len(text) > 60_000)


ALL = ["again", "edit", "copy", "fork", "undo", "bind"]


@pytest.mark.parametrize(
    ("changes", "branches", "actions"),
    [
        ({}, (1,), ALL),
        ({}, (1, 5), ["again", "edit", "copy", "branch", "branch", "fork", "undo", "bind"]),
        ({}, (4, 5), ALL),
        ({"state": "open"}, (1, 5), []),
        ({"state": "failed"}, (1,), ["again", "edit", "copy", "continue", "fork", "bind"]),
        ({"state": "stopped"}, (1,), ["again", "edit", "copy", "continue", "fork", "bind"]),
        ({"state": "interrupted"}, (1,), ["again", "edit", "copy", "continue", "fork", "bind"]),
        ({"finish_reason": "length"}, (1,), ["again", "edit", "copy", "continue", "fork", "undo", "bind"]),
        ({"state": "failed", "answer": None}, (1,), ["again", "edit", "fork"]),
    ],
)
def test_the_buttons_below_a_question(changes: dict[str, Any], branches: tuple[int, ...], actions: list[str]) -> None:
    """Below a question stand the buttons for what can be done with it; below one that still arrives none."""
    read = Read(bar_html(asked(a_turn(1, **changes), branches=branches), is_last=True))

    assert read.faults == []
    assert read.actions == actions
    assert {each["data-turn"] for each in read.buttons if each.get("data-orm") not in (None, "branch")} <= {"1"}


def test_the_turns_that_buttons_name() -> None:
    """With steps, what begins the question is asked again and undone, and its end is copied, forked and bound."""
    read = Read(bar_html(asked(a_turn(1), a_turn(2), branches=(9, 1, 7)), is_last=False))

    named = [(each["data-orm"], each["data-turn"]) for each in read.buttons if "data-orm" in each]
    assert named == [
        *(("again", "1"), ("edit", "1"), ("copy", "2"), ("branch", "9"), ("branch", "7")),
        *(("fork", "2"), ("undo", "1"), ("bind", "2")),
    ]
    assert "2 of 3" in read.text
    assert "Undo from here" in read.text
    assert [each["value"] for each in read.buttons if each["tag"] == "input"] == ["answer_2"]


def test_how_it_ended() -> None:
    """Below an answer stands why it did not end well, and then what it cost; one under way says that it arrives."""
    failed = Read(asked_html(asked(a_turn(state="failed", error="It <b>broke</b>.")))).text
    open = Read(asked_html(asked(a_turn(state="open", answer=None, usage=None)))).text

    assert failed.index("It <b>broke</b>.") < failed.index("$0.000000000042")
    assert "Stopped." in Read(asked_html(asked(a_turn(state="stopped")))).text
    assert "Its kernel was ended while it arrived." in Read(asked_html(asked(a_turn(state="interrupted")))).text
    assert "arriving in a cell …" in open
    assert "cost" not in open


def test_the_earlier_turns_of_an_answer_that_is_read_from_the_ledger() -> None:
    """The line under it says how many earlier turns were sent along, and no tokens, which are not kept."""
    html = asked_html(asked(a_turn(history_turns=3)))

    assert "· 3 turns · $" in html
    assert "tokens" not in html
