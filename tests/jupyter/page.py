"""A reader of rendered HTML that shares nothing with the renderer: what is forbidden in it, and what can be read."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from or_magic.jupyter.html import highlight, mathematics
from or_magic.jupyter.html.markdown import render

TAGS = set(
    "a blockquote br code del details div em h1 h2 h3 h4 h5 h6 hr img li ol p pre section span strong"
    " sub summary sup table tbody td th thead tr ul".split()
)
ATTRIBUTES = {
    *(("a", name) for name in ("href", "id", "rel", "target")),
    *(("img", name) for name in ("src", "alt")),
    *((tag, "class") for tag in ("div", "span", "code", "li", "section")),
    *((tag, "align") for tag in ("td", "th")),
    ("li", "id"),
    ("ol", "start"),
}
CLASSES = {*highlight.CLASSES, *mathematics.CLASSES, "orm", "mathjax_ignore", "tex2jax_ignore"}
CLASSES |= {"orm-tex", "orm-task", "orm-footnotes", "orm-raw"}
VOID = {"br", "hr", "img"}
VALUES = {
    ("a", "href"): re.compile(r"https?://[^/\\]|mailto:|#a1-fn"),
    ("a", "id"): re.compile(r"a1-fnref-"),
    ("li", "id"): re.compile(r"a1-fn-"),
    ("img", "src"): re.compile(r"data:image/(png|jpeg|gif|webp)[;,]"),
    ("td", "align"): re.compile(r"(left|right|center)$"),
    ("th", "align"): re.compile(r"(left|right|center)$"),
    ("a", "target"): re.compile(r"_blank$"),
    ("a", "rel"): re.compile(r"noopener noreferrer$"),
}


class PanelPage(HTMLParser):
    """The HTML as another parser than the renderer's reads it: what is forbidden, and what can be read."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.faults: list[str] = []
        self.text = ""
        self.tags: list[str] = []
        self.classes: list[str] = []
        self.links: list[str] = []
        self.outside = ""
        self.open: list[str] = []
        self.feed(html)
        self.close()
        self.faults += [f"unclosed {self.open}"] if self.open else []
        self.faults += [f"outside the root: {self.outside}"] if self.outside else []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if not self.open and self.tags:
            self.outside += f"<{tag}>"
        self.tags.append(tag)
        self.faults += [] if tag in TAGS else [f"tag {tag}"]
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attrs:
            self.check_attribute(tag, name, value or "")

    def check_attribute(self, tag: str, name: str, value: str) -> None:
        if (tag, name) not in ATTRIBUTES:
            self.faults.append(f"attribute {tag} {name}")
        if name == "class":
            self.classes += value.split()
            self.faults += [f"class {part}" for part in value.split() if part not in CLASSES]
        if name == "href":
            self.links.append(value)
        if (tag, name) in VALUES and VALUES[tag, name].match(value) is None:
            self.faults.append(f"value {tag} {name} {value}")

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"end {tag}")

    def handle_data(self, data: str) -> None:
        if self.open:
            self.text += data
        else:
            self.outside += data

    def handle_comment(self, data: str) -> None:
        self.faults.append(f"comment {data}")

    handle_decl = handle_pi = unknown_decl = handle_comment


def page(text: str, *, streaming: bool = False) -> PanelPage:
    return PanelPage(render(text, answer_id="a1", streaming=streaming))


def squeezed(text: str) -> str:
    return "".join(text.split())


def inner(text: str) -> str:
    html = render(text, answer_id="a1")
    return html[html.index(">") + 1 : -len("</div>")].strip()
