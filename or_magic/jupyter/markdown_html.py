"""The parser's HTML made ours: code in colours, formulas marked, a few harmless tags given back, the rest kept shallow.

It reads what the parser wrote, which is regular: every `<` begins a tag of the parser's own, because raw HTML in the
Markdown has become text. What is written here is cleaned once more afterwards, so a slip costs looks, not safety.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from dataclasses import dataclass

from or_magic.jupyter.highlight import highlight
from or_magic.jupyter.markdown_source import ENTITY_MARK, NEWLINE_MARK
from or_magic.jupyter.mathematics import FORMULAS_MAX, formula

NESTING_MAX = 32  # of lists, quotations, emphasis; the cleaner's time is the square of the depth
GIVEN_BACK_MAX = 16
HIGHLIGHTED_MAX = 60_000  # characters of code in one text
IMAGE_TYPES = "png|jpeg|gif|webp"

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


@dataclass(frozen=True, slots=True)
class _Given:
    """A tag that is given back once its end has come."""

    name: str
    depth: int
    index: int  # of its piece


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
