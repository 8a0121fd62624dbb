"""Markdown that stops in the middle, while the rest is on its way, made to look like its likely end.

Nothing here is exact, and nothing has to be: it is drawn again a moment later, and the finished answer never comes
through here. The rules look at the last paragraph alone, and only at what would flash as garbage: marks that wait for
their partner.
"""

from __future__ import annotations

import re

from or_magic.jupyter.markdown_source import prepare

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
