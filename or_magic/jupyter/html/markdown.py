"""Markdown written by a model, as HTML that is safe to put into a page.

The text is hostile: whoever can write into what a model reads can write what a model writes, and a notebook's page runs
what is put into it, with the reader's rights on the server. Two walls, neither of which trusts the other. comrak parses
the Markdown with raw HTML *shown as text*, so that ``List<String>`` and ``a<b`` can be read and no tag is the model's
own. nh3 then parses the HTML as a browser would and keeps what is on a list: it holds no element that fetches, runs,
submits, covers or names. What an answer may hold is a class of ours, an id under the answer's own prefix, an address of
the web in a link, and a picture that is in the text itself.

Between the two, `rewrite` reads what the parser wrote, which is regular: every `<` begins a tag of the parser's own,
because raw HTML in the Markdown has become text. What it writes is cleaned afterwards, so a slip costs looks, not
safety.
"""

from __future__ import annotations

import functools
import html
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from or_magic.jupyter.html import mathematics
from or_magic.jupyter.html.highlight import CLASSES as HIGHLIGHT_CLASSES
from or_magic.jupyter.html.highlight import highlight
from or_magic.jupyter.html.mathematics import FORMULAS_MAX, formula
from or_magic.jupyter.html.source import ENTITY_MARK, NEWLINE_MARK, PreparedSource, close_open, prepare

if TYPE_CHECKING:
    import comrak
    import nh3

IMAGE_TYPES = "png|jpeg|gif|webp"
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
    "span": {*HIGHLIGHT_CLASSES, *mathematics.CLASSES, "orm-raw"},
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
# What `rewrite` reads: the tags that the parser writes, and those that are given back.
NESTING_MAX = 32  # of lists, quotations, emphasis; the cleaner's time is the square of the depth
GIVEN_BACK_MAX = 16
HIGHLIGHTED_MAX = 60_000  # characters of code in one text
_GIVEN = r"&lt;(?P<end>/?)(?P<given>br|sub|sup|details|summary) ?(?P<slash>/?)&gt;"
_PARSED = (
    r'<pre><code(?: class="language-(?P<language>[^"]*)")?[^>]*>(?P<block>[^<]*)</code></pre>'
    r"|<code>[^<]*</code>(?P<code>)"
    r'|<span data-math-style="(?P<math>inline|display)">(?P<formula>[^<]*)</span>'
    r"|<span data-escaped-char>(?P<escaped>[^<]*)</span>"
    r'|<img src="(?P<src>[^"]*)" alt="(?P<alt>[^"]*)"[^>]*>'
    r'|<input type="checkbox"(?P<box>[^>]*)>'
    r'|<(?P<close>/?)(?P<tag>%s)(?: class="(?P<class>[^"]*)")?[^>]*>'
)
_HAS_GIVEN = re.compile(_GIVEN)
_TOKEN = re.compile(f"{_GIVEN}|{_PARSED % '[a-z][a-z0-9]*'}")
# Where nothing is given back, most elements are of no interest, and half the time is saved.
_TOKEN_OF_INTEREST = re.compile(_PARSED % r"(?:a|li|section|blockquote|ul|ol|em|strong|del)\b")
# A block of raw HTML, now text, at the place of a block: the one text whose own lines matter.
_RAW_BLOCK = re.compile(
    r"(^|(?:</(?:p|ul|ol|table|blockquote|h[1-6]|pre|details|summary)>|<(?:li|blockquote|details|hr /)>)\n)"
    r"(&lt;[^<]*)\n(?=<|$)"
)
_VOID = frozenset({"br", "hr"})
_CAPPED = frozenset({"blockquote", "ul", "ol", "em", "strong", "del"})
_CLASSES = {"task-list-item": '<li class="orm-task">', "footnotes": '<section class="orm-footnotes">'}
_DATA_IMAGE = re.compile(rf"data:image/(?:{IMAGE_TYPES})[;,]", re.IGNORECASE)
_WEB = re.compile(r"https?://[^/\\]", re.IGNORECASE)
_LESS_MARK = "\ufdd0"  # what the parser makes of ENTITY_MARK


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


def rewrite(parsed: str, *, streaming: bool = False) -> str:
    """The parser's HTML, rewritten; linear in its length.

    Args:
        parsed: HTML of comrak with raw HTML escaped.
        streaming: whether `details` that have no end yet are shown as such; else they are text.
    """
    rewriter = _Rewriter(parsed)
    result = rewriter.run(streaming=streaming)
    result = _RAW_BLOCK.sub(r'\1<span class="orm-raw">\2</span>\n', result)
    result = result.replace(html.escape(ENTITY_MARK), "&amp;lt;").replace(_LESS_MARK, "&lt;")
    return result.replace(NEWLINE_MARK, "\n")


class _Rewriter:
    def __init__(self, parsed: str) -> None:
        self._parsed = parsed
        self._pieces: list[str] = []
        self._elements: list[tuple[str, bool]] = []  # those open, and whether they are shown
        self._nesting = 0  # of those shown that are counted
        self._given: list[_Given] = []
        self._formulas = 0
        self._highlighted = 0
        self._writers: dict[str, Callable[[re.Match[str]], str]] = {
            "block": self._code_block,
            "formula": self._formula,
            "escaped": self._escaped,
            "alt": self._image,
            "box": self._box,
            "slash": self._give_back,
            "tag": self._tag,
            "class": self._tag,
        }

    def run(self, *, streaming: bool) -> str:
        end = 0
        writers = self._writers
        token = _TOKEN if _HAS_GIVEN.search(self._parsed) else _TOKEN_OF_INTEREST
        for match in token.finditer(self._parsed):
            if match.start() > end:
                self._pieces.append(self._parsed[end : match.start()])
            writer = writers.get(match.lastgroup or "")
            self._pieces.append(writer(match) if writer is not None else match[0])
            end = match.end()
        self._pieces.append(self._parsed[end:])
        if streaming:
            self._show_open_details()
        return "".join(self._pieces)

    def _code_block(self, match: re.Match[str]) -> str:
        language = html.unescape(match["language"] or "")
        code = html.unescape(match["block"]).replace(NEWLINE_MARK, "\n").replace(ENTITY_MARK, "&lt;")
        if language == "math":
            return f"<p>{self._typeset(code, display=True)}</p>"
        self._highlighted += len(code)
        if self._highlighted > HIGHLIGHTED_MAX:
            language = ""
        return f"<pre><code>{highlight(code, language)}</code></pre>"

    def _formula(self, match: re.Match[str]) -> str:
        source = html.unescape(match["formula"]).replace(NEWLINE_MARK, "\n").replace(ENTITY_MARK, "&lt;")
        return self._typeset(source, display=match["math"] == "display")

    def _typeset(self, source: str, *, display: bool) -> str:
        self._formulas += 1
        return formula(source, display=display, may_typeset=self._formulas <= FORMULAS_MAX)

    def _escaped(self, match: re.Match[str]) -> str:
        return _LESS_MARK if match["escaped"] == "&lt;" else match["escaped"]

    def _image(self, match: re.Match[str]) -> str:
        """A picture that is in the text itself; of any other, a link, since nothing is fetched unasked."""
        source, alt = match["src"], match["alt"]
        if _DATA_IMAGE.match(source):
            return f'<img src="{source}" alt="{alt}">'
        if _WEB.match(source) is None or any(name == "a" for name, _ in self._elements[-NESTING_MAX:]):
            return alt or source
        return f'<a href="{source}">{alt or source}</a>'

    def _box(self, match: re.Match[str]) -> str:
        return "☑" if "checked=" in match["box"] else "☐"

    def _tag(self, match: re.Match[str]) -> str:
        name = match["tag"]
        if match["close"]:
            return self._close(match[0])
        if name in _VOID:
            return match[0]
        is_counted = name in _CAPPED
        is_shown = not is_counted or self._nesting < NESTING_MAX
        self._nesting += is_counted and is_shown
        self._elements.append((name, is_shown))
        return _CLASSES.get(match["class"] or "", match[0]) if is_shown else ""

    def _close(self, tag: str) -> str:
        name, is_shown = self._elements.pop() if self._elements else ("", True)
        self._nesting -= is_shown and name in _CAPPED
        depth = len(self._elements)
        while self._given and self._given[-1].depth > depth and self._given[-1].name != "details":
            self._given.pop()  # it has no end where it stands, so it stays text
        return tag if is_shown else ""

    def _give_back(self, match: re.Match[str]) -> str:
        name = match["given"]
        if name == "br":
            return match[0] if match["end"] else "<br>"
        if match["slash"]:
            return match[0]
        if match["end"]:
            return self._give_back_end(name, match[0])
        is_misplaced = name == "summary" and not (self._given and self._given[-1].name == "details")
        if len(self._given) < GIVEN_BACK_MAX and not is_misplaced:
            self._given.append(_Given(name, len(self._elements), len(self._pieces)))
        return match[0]

    def _give_back_end(self, name: str, text: str) -> str:
        for position in range(len(self._given) - 1, -1, -1):
            given = self._given[position]
            if given.name == name and (name == "details" or given.depth == len(self._elements)):
                del self._given[position:]
                self._pieces[given.index] = f"<{name}>"
                return f"</{name}>"
        return text

    def _show_open_details(self) -> None:
        for given in self._given:
            if given.name == "details":
                self._pieces[given.index] = "<details>"


@dataclass(frozen=True, slots=True)
class _Given:
    """A tag that is given back once its end has come."""

    name: str
    depth: int  # how many elements stand around it
    index: int  # of its piece
