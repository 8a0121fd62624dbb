"""A model's Markdown, made ready for the parser, also where it stops in the middle.

Three things the parser does not do by itself. A displayed formula is an *inline* thing to it, so that a line ``=`` or
``- b`` in a formula would make a heading or a list of it: the lines of such a formula are joined by a mark that the
result turns back into newlines. A table is filled up to its full width, so that 100 KB can become 300 MB: tables that
would are not tables. And a quotation of a thousand levels costs the page a minute: deep ones are cut.

Lines are joined and changed but keep their origin, so that a line of the prepared text has an offset in the text.

A text that still arrives ends anywhere: `close_open` closes what is open there. That is not exact, and need not be: it
is drawn again a moment later, and the finished answer is never changed so. Its rules look at the last paragraph alone,
and only at what would flash as garbage: marks that wait for their partner.
"""

from __future__ import annotations

import functools
import re
from bisect import bisect_left
from dataclasses import dataclass, field
from typing import Literal

NEWLINE_MARK = "\ufdd1"  # noncharacters: no text has them, and those of a hostile one are taken out
ENTITY_MARK = "&#x00FDD0;"  # an `&lt;` that the author escaped: it is never given back as a tag
QUOTES_MAX = 8
COLUMNS_MAX = 200
SPARE_CELLS = 20_000  # cells that tables may have beyond those that are written
_FENCE = re.compile(r"((?:[ \t>]|[-*+][ \t]|\d{1,9}[.)][ \t])*)(`{3,}(?=[^`]*$)|~{3,})")
_DISPLAY = re.compile(
    r"((?:[ \t>]|[-*+][ \t]|\d{1,9}[.)][ \t])*)"
    r"(\$\$|\\\[|\\begin\{((?:equation|align|alignat|flalign|gather|multline|eqnarray)\*?)\})"
)
_CLOSER = re.compile(r"\$\$|\\\]|\\end\{[a-z]{5,8}\*?\}")
_DEEP_QUOTE = re.compile(rf"^((?:[ \t]*>){{{QUOTES_MAX}}})(?=[ \t]*>)")
_DELIMITER_ROW = re.compile(r"[ \t>]*[|:-][ \t|:-]*$")
_LINE_END = re.compile(r"\r\n|\r|\n")
_UNFIT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufdd0-\ufdef\ud800-\udfff]")
SPAN_MAX = 400  # characters; a mark that has waited longer for its partner is likely no mark
PARTIAL_MAX = 64
# A last line of these alone may become anything: a list, a heading's underline, a table's second row, a fence.
_ENDS = "`~$\\ \t>"  # what may be the first half of the end of a fence or a formula
_MARKS = "-=*+#>|:`~_$\\ \t"
_ITEM_BEGUN = re.compile(r"(?:\d{1,9}[.)]?|[-*+][ \t]\[[ xX]?)$")
_PARTIAL = re.compile(r"(?:!?\[|</?[a-zA-Z]{0,8}|&#?\w{0,8}|\\|[*_~`]+)$")
_OPEN_LINK = re.compile(r'\]\((?:<[^>\n]*|[^\s]*(?:\s+"[^"\n]*"?)?)$')
_TOKEN = re.compile(r"\\.|`+|\*+|_+|~~", re.DOTALL)
_MATH = re.compile(r"\\\\|\\[()\[\]]|\$\$")
_TICKS = re.compile(r"`+")


@dataclass(slots=True)
class PreparedSource:
    """Markdown for the parser.

    Attributes:
        lines: its lines, without their ends.
        offsets: where in the original text each line begins, in characters.
        is_open: whether it ends within a fence or a displayed formula that has begun.
        settled: where the line begins that follows the last fence or displayed formula that has ended.
    """

    lines: list[str] = field(default_factory=list)
    offsets: list[int] = field(default_factory=list)
    is_open: bool = False
    settled: int = 0

    @property
    def text(self) -> str:
        """The lines, as the parser takes them."""
        return "\n".join(self.lines).replace("&lt;", ENTITY_MARK)

    def add(self, line: str, offset: int) -> None:
        """Appends a line."""
        self.lines.append(line)
        self.offsets.append(offset)


def prepare(text: str, *, open_formula: Literal["text", "code", "joined"] = "text") -> PreparedSource:
    """The text, ready for the parser; linear in its length.

    Args:
        text: Markdown, whatever it holds.
        open_formula: what becomes of a displayed formula that has begun and may still get its end: it is left to
            the parser, or shown as code, or its lines are joined as if it had ended.
    """
    lines, offsets = _split(_UNFIT.sub(_replacement, text))
    formulas = _Formulas(lines)
    tables = _Tables(lines)
    prepared = PreparedSource()
    fence: re.Match[str] | None = None
    number = 0
    while number < len(lines):
        line, offset = lines[number], offsets[number]
        if fence is not None:
            prepared.add(line, offset)
            if _closes_fence(line, fence):
                fence, prepared.settled = None, offsets[number + 1]
        elif (fence := _opens_fence(line)) is not None:
            prepared.add(line, offset)
        elif (opener := _opens_formula(line)) and (last := formulas.last_line(number, opener)) is not None:
            prepared.add(_joined(lines[number : last + 1], opener), offset)
            number, prepared.settled = last, offsets[last + 1]
        elif opener and open_formula == "joined" and formulas.is_unfinished(number, opener):
            prepared.add(_joined(lines[number:], opener), offset)
            break
        elif opener and open_formula == "code" and formulas.is_unfinished(number, opener):
            prepared.add(f"{opener[1]}~~~~tex", offset)
            fence = _opens_fence(prepared.lines[-1])
            if content := line[opener.end(1 if opener[3] else 2) :].strip():
                # A list's mark must not come twice: on further lines it is white space.
                prepared.add(re.sub(r"[^\s>]", " ", opener[1]) + content, offset)
        else:
            prepared.add(tables.defused(number, _shallow(line)), offset)
        number += 1
    prepared.is_open = fence is not None
    return prepared


def _opens_fence(line: str) -> re.Match[str] | None:
    return _FENCE.match(line) if "```" in line or "~~~" in line else None


def _closes_fence(line: str, fence: re.Match[str]) -> bool:
    if ">" in fence[1] and not line.lstrip().startswith(">"):
        return True  # the quotation ends, and the fence with it
    marks = line.strip(" \t>")
    return len(marks) >= len(fence[2]) and set(marks) == {fence[2][0]}


def _replacement(match: re.Match[str]) -> str:
    # One character for one, so that offsets stay what they are.
    code = ord(match[0])
    return chr(0x2400 + code) if code < 0x20 else "\ufffd"


def _split(text: str) -> tuple[list[str], list[int]]:
    """The lines without their ends, and where each begins; one more offset is the end of the text."""
    ends = list(_LINE_END.finditer(text))
    starts = [0, *(end.end() for end in ends)]
    stops = [*(end.start() for end in ends), len(text)]
    return [text[start:stop] for start, stop in zip(starts, stops, strict=True)], [*starts, len(text)]


def _opens_formula(line: str) -> re.Match[str] | None:
    return _DISPLAY.match(line) if "$$" in line or "\\[" in line or "\\begin{" in line else None


def _shallow(line: str) -> str:
    return _DEEP_QUOTE.sub(r"\1\\", line) if line.count(">") > QUOTES_MAX else line


def _joined(lines: list[str], opener: re.Match[str]) -> str:
    whole = NEWLINE_MARK.join(lines)
    if opener[3] is None:
        return whole
    return f"{opener[1]}$${whole[opener.end(1) :]}$$"  # an environment that stands without delimiters


class _Formulas:
    """Where displayed formulas end."""

    def __init__(self, lines: list[str]) -> None:
        self._lines = lines

    @functools.cached_property
    def _blank(self) -> list[int]:
        return _blank_lines(self._lines)

    @functools.cached_property
    def _closers(self) -> dict[str, list[int]]:
        closers: dict[str, list[int]] = {}
        for number, line in enumerate(self._lines):
            if "$$" in line or "\\" in line:
                for match in _CLOSER.finditer(line):
                    closers.setdefault(match[0], []).append(number)
        return closers

    def last_line(self, number: int, opener: re.Match[str]) -> int | None:
        """The line in which the formula ends that is opened in line `number`; None where none is to be joined."""
        if self._ends_at_once(number, opener):
            return number if opener[3] is not None else None
        last = _next(self._closers.get(_closer_of(opener), []), number + 1)
        if last is None or self._is_cut(number, last, opener):
            return None
        return last

    def is_unfinished(self, number: int, opener: re.Match[str]) -> bool:
        """Whether the formula that is opened in line `number` may still get its end."""
        if self._ends_at_once(number, opener) or _next(self._closers.get(_closer_of(opener), []), number + 1):
            return False
        return not self._is_cut(number, len(self._lines) - 1, opener)

    def _ends_at_once(self, number: int, opener: re.Match[str]) -> bool:
        return _closer_of(opener) in self._lines[number][opener.end() :]

    def _is_cut(self, number: int, last: int, opener: re.Match[str]) -> bool:
        # Two dollar signs far apart are not a formula, a bracket with a backslash has no other meaning.
        blank = _next(self._blank, number + 1)
        return opener[2] == "$$" and blank is not None and blank < last


class _Tables:
    """Keeps tables from growing far beyond what was written."""

    def __init__(self, lines: list[str]) -> None:
        self._lines = lines
        self._cells = SPARE_CELLS + sum(line.count("|") for line in lines)

    @functools.cached_property
    def _blank(self) -> list[int]:
        return _blank_lines(self._lines)

    def defused(self, number: int, line: str) -> str:
        """The line; where it would make a table too large, so that it makes none."""
        if "|" not in line or "-" not in line or _DELIMITER_ROW.match(line) is None:
            return line
        end = _next(self._blank, number)
        rows = (len(self._lines) if end is None else end) - number
        columns = line.count("|") + 1
        self._cells -= columns * rows
        if columns <= COLUMNS_MAX and self._cells >= 0:
            return line
        return line.replace("-", "\\-", 1)


def _blank_lines(lines: list[str]) -> list[int]:
    return [number for number, line in enumerate(lines) if not line.strip(" \t>")]


def _closer_of(opener: re.Match[str]) -> str:
    if opener[3] is not None:
        return f"\\end{{{opener[3]}}}"
    return "$$" if opener[2] == "$$" else "\\]"


def _next(numbers: list[int], least: int) -> int | None:
    index = bisect_left(numbers, least)
    return numbers[index] if index < len(numbers) else None


def close_open(text: str) -> str:
    """The text with its open end closed: emphasis, code, a link, a formula that have begun and not ended.

    Linear in the length of the text. What is not open is not touched.
    """
    source = prepare(text, open_formula="code")
    if source.is_open:
        last = source.offsets[-1]
        return text if text[last:].strip(_ENDS) else text[:last]
    number = len(source.lines) - 1
    while number >= 0 and source.lines[number].strip(" \t>") and source.offsets[number] >= source.settled:
        number -= 1
    start = source.offsets[number + 1] if number + 1 < len(source.lines) else len(text)
    return text[:start] + _closed(text[start:])


def _closed(paragraph: str) -> str:
    *others, last = paragraph.split("\n")
    if not last.strip(_MARKS) or _ITEM_BEGUN.match(last.lstrip(" \t>")):
        paragraph = "\n".join(others)
    paragraph = paragraph[:-PARTIAL_MAX] + _PARTIAL.sub("", paragraph[-PARTIAL_MAX:])
    paragraph = _without_open_link(paragraph)
    paragraph, is_math = _with_open_formula_as_code(paragraph)
    return paragraph if is_math else _with_open_spans_closed(paragraph)


def _without_open_link(paragraph: str) -> str:
    """``[label](http`` becomes ``label``."""
    found = paragraph.rfind("](")
    if found < 0 or _OPEN_LINK.match(paragraph, found) is None:
        return paragraph
    target = paragraph[found + 2 :]
    if target.count(")") > target.count("("):
        return paragraph
    depth = 0
    for position in range(found, max(found - SPAN_MAX, -1), -1):
        depth += {"]": 1, "[": -1}.get(paragraph[position], 0)
        if depth == 0:
            before = paragraph[:position].removesuffix("!")
            return before + paragraph[position + 1 : found]
    return paragraph


def _with_open_formula_as_code(paragraph: str) -> tuple[str, bool]:
    opener: re.Match[str] | None = None
    for mark in _MATH.finditer(paragraph):
        if opener is None:
            opener = mark if mark[0] in ("\\(", "\\[", "$$") else None
        elif mark[0] == {"\\(": "\\)", "\\[": "\\]", "$$": "$$"}[opener[0]]:
            opener = None
    if opener is None or len(paragraph) - opener.start() > SPAN_MAX:
        return paragraph, False
    source = paragraph[opener.end() :].replace("`", "'").rstrip("$\\ \n").lstrip()
    return paragraph[: opener.start()] + (f"`` {source} ``" if source else ""), True


def _with_open_spans_closed(paragraph: str) -> str:
    ticks = _next_of_length(paragraph)
    waiting: list[tuple[str, int]] = []
    position = 0
    while (token := _TOKEN.search(paragraph, position)) is not None:
        position = token.end()
        mark = token[0]
        if mark[0] == "`":
            partner = ticks.get(token.start())
            if partner is not None:
                position = partner
            elif len(paragraph) - token.start() <= SPAN_MAX:
                return _with_ends(f"{paragraph.rstrip()}{_space(paragraph)}{mark}", waiting)
        elif mark[0] in "*_~":
            _note(paragraph, token, waiting)
    recent = [(mark, start) for mark, start in waiting if len(paragraph) - start <= SPAN_MAX]
    return _with_ends(paragraph.rstrip(), recent) if recent else paragraph


def _space(paragraph: str) -> str:
    return " " if paragraph.endswith("`") else ""


def _note(paragraph: str, token: re.Match[str], waiting: list[tuple[str, int]]) -> None:
    """Takes a run of marks for the end of one that waits, or for one that begins to wait."""
    mark = token[0]
    before = paragraph[token.start() - 1 : token.start()]
    after = paragraph[token.end() : token.end() + 1]
    can_end = bool(before) and not before.isspace()
    can_begin = bool(after) and not after.isspace()
    if mark[0] == "_" and can_end and can_begin and before.isalnum() and after.isalnum():
        return
    if can_end and any(mark == other for other, _ in waiting[-8:]):
        while waiting.pop()[0] != mark:
            pass
    elif can_begin and not (can_end and before.isalnum() and mark[0] == "_"):
        waiting.append((mark, token.start()))


def _with_ends(paragraph: str, waiting: list[tuple[str, int]]) -> str:
    return paragraph + "".join(mark for mark, _ in reversed(waiting))


def _next_of_length(paragraph: str) -> dict[int, int | None]:
    """For the start of each run of backticks, the end of the next run of its length."""
    ends: dict[int, int | None] = {}
    latest: dict[int, int] = {}
    for run in reversed(list(_TICKS.finditer(paragraph))):
        length = len(run[0])
        ends[run.start()] = latest.get(length)
        latest[length] = run.end()
    return ends
