"""Markdown written by a model, as HTML that is safe to put into a page.

The text is hostile: whoever can write into what a model reads can write what a model writes, and a notebook's page runs
what is put into it, with the reader's rights on the server. Two walls, neither of which trusts the other. comrak parses
the Markdown with raw HTML *shown as text*, so that ``List<String>`` and ``a<b`` can be read and no tag is the model's
own. nh3 then parses the HTML as a browser would and keeps what is on a list: it holds no element that fetches, runs,
submits, covers or names. What an answer may hold is a class of ours, an id under the answer's own prefix, an address of
the web in a link, and a picture that is in the text itself.
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING

from or_magic.jupyter import highlight, mathematics
from or_magic.jupyter.highlight import stylesheet
from or_magic.jupyter.markdown_html import IMAGE_TYPES, rewrite
from or_magic.jupyter.markdown_source import PreparedSource, prepare
from or_magic.jupyter.unfinished import close_open
from or_magic.plain_text import escape_text, strip_terminal

if TYPE_CHECKING:
    import comrak
    import nh3

__all__ = ["blocks", "escape_text", "finished_length", "render", "strip_terminal", "stylesheet"]

ROOT_CLASSES = "orm mathjax_ignore tex2jax_ignore"
FOOTNOTES_MAX = 500  # references in a text; each is also a link back
HELD_MAX = 20_000  # characters that wait for the end of a `details`

TAGS = frozenset(
    "a blockquote br code del details em h1 h2 h3 h4 h5 h6 hr img li ol p pre section span strong sub"
    " summary sup table tbody td th thead tr ul".split()
)
ATTRIBUTES = {
    "a": {"href", "id"},
    "img": {"src", "alt"},
    "li": {"id"},
    "ol": {"start"},
    "td": {"align"},
    "th": {"align"},
}
CLASSES = {
    "code": {mathematics.SOURCE_CLASS},
    "li": {"orm-task"},
    "section": {"orm-footnotes"},
    "span": {*highlight.CLASSES, *mathematics.CLASSES, "orm-raw"},
}

_ALLOWED = {
    # `https:x` without slashes is a relative address to a browser whose page is https.
    ("a", "href"): re.compile(r"(?:https?://[^/\\]|mailto:[^\s]|#fn)", re.IGNORECASE),
    ("img", "src"): re.compile(rf"data:image/(?:{IMAGE_TYPES})[;,]", re.IGNORECASE),
    ("a", "id"): re.compile(r"[A-Za-z0-9-]*-fnref-"),
    ("li", "id"): re.compile(r"[A-Za-z0-9-]*-fn-"),
    ("td", "align"): re.compile(r"(?:left|center|right)$"),
    ("th", "align"): re.compile(r"(?:left|center|right)$"),
    ("ol", "start"): re.compile(r"\d{1,9}$"),
}
_FOOTNOTE = re.compile(r"#fn(?:ref)?-[^\s#]{1,200}$")
# Each of these makes the parser look at all that follows, again and again.
_MANY_MARKS = re.compile(r"(?<![)'\".,;:!?*_~])[)'\".,;:!?*_~]{2000}")
_OUTWARD = re.compile(r'<a href="(?=[hHmM])')
_START = re.compile(
    r'<(?P<close>/?)(?P<tag>[a-z][a-z0-9]*)(?: data-sourcepos="(?P<line>\d+):)?[^>]*?(?P<void>/?)>'
    r"|&lt;(?P<end>/?)details&gt;"
)


def render(text: str, *, answer_id: str, streaming: bool = False) -> str:
    """The text as one `<div class="orm ...">` of safe HTML.

    CommonMark with GitHub's tables, strikethrough, task lists, footnotes and bare links; formulas between dollar signs
    or LaTeX's own delimiters, for the front end to typeset. Code of up to 20,000 characters in a known language is in
    colours, which need `stylesheet` once in the same display. Raw HTML is shown as text, but for `br`, `sub`, `sup`,
    `details` and `summary`. Nothing is fetched: a picture elsewhere is a link.

    The time it takes is linear in the text's length, whatever the text.

    Args:
        text: Markdown, whatever it holds.
        answer_id: keeps the footnotes of answers in one page apart; letters, digits and hyphens are used.
        streaming: whether more of the text is to come: what is open at its end is shown as if it were closed.
    """
    source = prepare(close_open(text), open_formula="code") if streaming else prepare(text)
    rewritten = rewrite(_parse(source, sourcepos=False), streaming=streaming)
    cleaned = cleaner(re.sub(r"[^A-Za-z0-9-]", "", answer_id)[:40]).clean(rewritten)
    # No text and no attribute can hold this: in them a quotation mark, or a `<`, is an entity.
    linked = _OUTWARD.sub('<a target="_blank" href="', cleaned)
    return f'<div class="{ROOT_CLASSES}">{linked}</div>'


def blocks(text: str) -> list[int]:
    """Where the text's top-level blocks begin, as offsets in characters, in order.

    Blocks that show nothing (definitions of links and footnotes) and raw HTML are not among them: they belong to the
    block before.
    """
    return _blocks(text)[0]


def finished_length(text: str) -> int:
    """How many characters at the beginning of a text that still grows are whole blocks, whatever follows.

    The last block is never finished, nor is a block finished by one whose first line has no end yet, nor is anything
    after a `details` that is still open. Only definitions of links and footnotes that come later can change how the
    finished part looks.
    """
    starts, held_from = _blocks(text)
    # What begins on a line that has no end yet may still turn out to be no beginning.
    whole_lines = max(text.rfind("\n"), text.rfind("\r")) + 1
    finished = max((start for start in starts if start < whole_lines), default=0)
    if held_from is not None and len(text) - held_from <= HELD_MAX:
        return min(finished, held_from)
    return finished


def _blocks(text: str) -> tuple[list[int], int | None]:
    """The blocks, and the one before the first `details` that has no end."""
    source = prepare(text, open_formula="joined")
    starts: list[int] = []
    held: list[int] = []
    depth = is_in_footnotes = 0
    for match in _START.finditer(_parse(source, sourcepos=True)):
        name = match["tag"]
        if name is None:
            if not match["end"]:
                held.append(starts[-1] if starts else 0)
            elif held:
                held.pop()
        elif match["close"]:
            depth -= 1
        else:
            is_in_footnotes |= name == "section"
            if depth == 0 and match["line"] and not is_in_footnotes:
                starts.append(source.offsets[int(match["line"]) - 1])
            depth += not match["void"]
    return starts, held[0] if held else None


def _parse(source: PreparedSource, *, sourcepos: bool) -> str:
    import comrak

    text = source.text
    extensions = comrak.ExtensionOptions()
    extensions.table = extensions.strikethrough = extensions.tasklist = True
    extensions.footnotes = text.count("[^") <= FOOTNOTES_MAX
    extensions.autolink = _MANY_MARKS.search(text) is None
    extensions.math_dollars = True
    extensions.math_latex = max(text.count("\\("), text.count("\\[")) <= mathematics.FORMULAS_MAX
    return comrak.render_markdown(text, extensions, comrak.ParseOptions(), _render_options(sourcepos))


@functools.cache
def _render_options(sourcepos: bool) -> comrak.RenderOptions:
    import comrak

    options = comrak.RenderOptions()
    options.escape = True
    options.unsafe_ = False
    options.tasklist_classes = True
    options.escaped_char_spans = not sourcepos
    options.sourcepos = sourcepos
    return options


@functools.lru_cache(maxsize=8)
def cleaner(prefix: str) -> nh3.Cleaner:
    """The second wall: cleans any HTML down to what an answer may hold, with ids under the prefix."""
    import nh3

    def own_footnote(url: str) -> str | None:
        return f"#{prefix}-{url[1:]}" if _FOOTNOTE.match(url) else None

    return nh3.Cleaner(
        tags=TAGS,
        attributes=ATTRIBUTES,
        attribute_filter=_filter_attribute,
        allowed_classes=CLASSES,
        url_schemes={"http", "https", "mailto", "data"},
        url_relative=own_footnote,
        id_prefix=f"{prefix}-",
    )


def _filter_attribute(tag: str, name: str, value: str) -> str | None:
    if name in ("class", "rel", "alt"):
        return value
    allowed = _ALLOWED.get((tag, name))
    return value if allowed is not None and allowed.match(value) else None
