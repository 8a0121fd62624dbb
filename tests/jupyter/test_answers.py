"""All that stands around an answer's text: thoughts, sources, images, calls; none of it acts, whatever it holds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser

import pytest

from or_magic.answer import Answer
from or_magic.chat.footer import footer_text
from or_magic.chat.host import FooterData
from or_magic.jupyter.html.answers import answer_html, images_html, sources_html, thinking_html
from or_magic.jupyter.live import LiveAnswer, status_html
from or_magic.types import (
    Annotated,
    Began,
    Citation,
    ImageArrived,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    ToolCallDelta,
    Waiting,
)
from tests.cases import check_none
from tests.jupyter.hostile_texts import hostile_cases

TEXTS = dict(hostile_cases())
TAGS = set(
    "a blockquote br code del details div em h1 h2 h3 h4 h5 h6 hr img li ol p pre section span strong"
    " sub summary sup table tbody td th thead tr ul".split()
)
ATTRIBUTES = {"href", "id", "rel", "target", "src", "alt", "class", "align", "start"}
ADDRESS = re.compile(r"https?://[^/\\]|mailto:|#orm1[a-z]*-fn", re.IGNORECASE)
PICTURE = re.compile(r"data:image/(png|jpeg|gif|webp)[;,]", re.IGNORECASE)


class Faults(HTMLParser):
    """What another parser than ours finds in the HTML that could act, fetch, cover or lead astray."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [] if tag in TAGS else [f"<{tag}>"]
        for name, value in attrs:
            is_good = name in ATTRIBUTES
            is_good &= name != "href" or ADDRESS.match(value or "") is not None
            is_good &= name != "src" or PICTURE.match(value or "") is not None
            self.found += [] if is_good else [f"{tag} {name}={value}"]

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        self.found.append("a comment")

    def handle_decl(self, decl: str) -> None:
        self.found.append("a declaration")


def hostile_answer(text: str) -> Answer:
    """An answer that holds the text wherever a service can put one."""
    answer = Answer(model_asked=text)
    source = {"url": text, "title": text, "content": text}
    good = {"url": "https://example.org/" + text, "title": text}
    for event in (
        Began(text, text, text, text),
        ReasoningDelta(text),
        TextDelta(text),
        RefusalDelta(text),
        ToolCallDelta(0, text, text, text),
        Annotated(({"url_citation": source}, {"url_citation": good})),
        ImageArrived(text),
        ImageArrived("data:image/svg+xml;base64,AA=="),
    ):
        answer.absorb(event)
    answer.notes = (text,)
    answer.finish("failed", text)
    return answer


def test_nothing_around_an_answer_acts() -> None:
    """In thoughts, refusals, calls, sources, images, names, notes and errors a hostile text is text."""
    faults = {}
    for name, text in TEXTS.items():
        answer = hostile_answer(text)
        html = answer_html(answer, answer_id="orm1") + status_html(footer_text(answer, FooterData(text, 1, hint=text)))
        faults[name] = Faults(html).found

    check_none(faults)


def streamed(text: str) -> Iterator[str]:
    """The frames of an answer that thinks and says the text in a dozen pieces, after a wait."""
    live = LiveAnswer("orm1", text)
    step = max(1, len(text) // 12)
    pieces = [text[start : start + step] for start in range(0, len(text), step)]
    events = [
        Waiting(text, 1.0, 2, 3),
        *(ReasoningDelta(piece) for piece in pieces),
        *(TextDelta(piece) for piece in pieces),
    ]
    for now_s, event in enumerate(events):
        live.feed(event, float(now_s))
        if (frame := live.frame()) is not None:
            yield (frame.answer or "") + (frame.tail or "")


def test_nothing_acts_while_it_streams() -> None:
    """Of a hostile text that arrives in pieces nothing acts: thinking, waiting, answering, at every frame."""
    frames = {
        (name, number): Faults(html).found for name, text in TEXTS.items() for number, html in enumerate(streamed(text))
    }

    check_none(frames)
    assert len(frames) > 10 * len(TEXTS) / 2


def test_thoughts_are_shown_live_and_then_folded() -> None:
    """While there are only thoughts their end is seen; with the first word they are a line with their time."""
    live = LiveAnswer("orm1", "a/b")
    live.feed(ReasoningDelta("x" * 5_000 + " the end"), 10.0)
    tail = live.frame().tail
    assert "a/b is thinking … 5,008 characters" in tail
    assert "the end" in tail
    assert len(tail) < 2_500

    live.feed(TextDelta("Yes"), 14.2)
    frame = live.frame()
    assert "<summary>thought for 4 s · 5,008 characters</summary>" in frame.answer
    assert "the end" not in frame.answer
    live.feed(TextDelta(" and no"), 14.4)
    assert live.frame().answer is None


@pytest.mark.parametrize(
    ("url", "is_link"),
    [
        ("https://example.org/a?b=c&d=%22", True),
        ("HTTP://example.org", True),
        ("javascript:alert(1)", False),
        ("https:\\\\evil.example", False),
        ("https:evil", False),
        ("data:text/html,x", False),
        ("//evil.example/x", False),
        ("/files/secret?_xsrf=1", False),
        ("", False),
    ],
)
def test_addresses_of_sources(url: str, is_link: bool) -> None:
    """A source is a link where its address is one of the web, else text; it opens elsewhere and tells nothing."""
    html = sources_html([Citation(url, "A <b>title</b>")])

    assert ("<a href=" in html) == is_link
    assert "A &lt;b&gt;title&lt;/b&gt;" in html
    assert not is_link or 'target="_blank" rel="noopener noreferrer"' in html
    assert Faults(html).found == []


def test_images() -> None:
    """An image that came along is shown, one elsewhere is a link, anything else is text."""
    html = images_html(["data:image/png;base64,AAAA", "https://example.org/a.png", "data:image/svg+xml,<svg>"])

    assert html.count("<img") == 1
    assert 'href="https://example.org/a.png"' in html
    assert Faults(html).found == []


def test_an_empty_answer_shows_nothing() -> None:
    """An answer without anything is no output, not an empty box."""
    answer = Answer(model_asked="a/b")

    assert answer_html(answer, answer_id="orm1") == ""


def test_many_sources_are_cut() -> None:
    """Past a hundred sources the rest are counted."""
    html = sources_html([Citation(f"https://example.org/{n}") for n in range(130)])

    assert html.count("<li>") == 100
    assert "and 30 more in _answer.citations" in html


def test_thinking_is_text() -> None:
    """What is thought is shown as it is written, line by line."""
    assert "a &lt; b<br>**c**" in thinking_html("a < b\n**c**", "m")
