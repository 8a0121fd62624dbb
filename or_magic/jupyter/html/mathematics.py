"""Formulas: which may be typeset, and how they are handed to MathJax.

The front end typesets with one MathJax for the whole page, so a formula can do more than look like one: definitions
stay for every later cell, `\\rule` covers the page, `\\class` borrows the front end's own looks. A formula that
contains such a thing is shown as its source. So is one that could end its own delimiters: MathJax looks for the end of
a formula in the page's text, knows braces and backslashes, and would go on into what follows.
"""

from __future__ import annotations

import html
import re

from or_magic.jupyter.html.source import QUOTES_MAX

FORMULA_MAX = 10_000  # characters
FORMULAS_MAX = 1_000  # in one text; typesetting costs a browser about a millisecond each
LENGTH_MAX_EM = 20.0  # of all lengths in a formula together
CLASSES = ("mathjax_process", "tex2jax_process", "orm-display")
SOURCE_CLASS = "orm-tex"
# MathJax 3 and 4 (JupyterLab, Notebook 7, VS Code) and MathJax 2 (pages made by nbconvert) have a class name each.
_PROCESS = "mathjax_process tex2jax_process"
_FORBIDDEN = frozenset(
    # what lasts: definitions, packages, tags
    "def gdef edef xdef let futurelet global csname newcommand renewcommand providecommand newenvironment"
    " renewenvironment newcolumntype DeclareMathOperator DeclarePairedDelimiter DeclarePairedDelimiters"
    " DeclarePairedDelimiterX DeclarePairedDelimiterXPP DeclareRobustCommand NewDocumentCommand Newextarrow require"
    " newtagform renewtagform usetagform mathtoolsset definecolor setOptions input include"
    # what reaches out of the formula: links, classes, ids, styles, attributes, raw elements
    " href url class cssId style data bbox mmlToken texttip mathtip toggle unicode enclose"
    " includegraphics"
    # what repeats itself without end
    " hdotsfor loop repeat MoveEqLeft".split()
)
_TOKEN = re.compile(r"\\([a-zA-Z]+|[^a-zA-Z]|$)|[{}]", re.DOTALL)
_TEX_MARKS = frozenset("\\^_=<>+*/{}|")
_WORDS = re.compile(r"\\(?:text|math|mbox|hbox|operatorname)[a-z]*\*?\s*\{[^{}\\]*\}")
_LENGTH = re.compile(r"(?<![\d.,])(\d[\d.,]*+|[.,]\d++)\s*+(em|ex|pt|px|pc|in|cm|mm|mu|bp|dd|cc|sp)(?![a-zA-Z])")
_UNIT_EM = {"em": 1.0, "ex": 0.43, "pt": 0.1, "px": 0.0625, "pc": 1.2, "in": 7.2, "cm": 2.85, "mm": 0.285}
_UNIT_EM |= {"mu": 1 / 18, "bp": 0.1, "dd": 0.11, "cc": 1.3, "sp": 0.0}
# A count of columns is a loop in MathJax; the options of a cancellation are attributes of its element.
_OPTIONS = re.compile(r"(?:\*|\\begin\s*\{x*alignat\*?\})\s*\{\s*\d{3,}|\\[bx]?cancel\s*\[")
# Nobody can refer to a label, and the second one of a name, as in a redraw, is an error.
_LABEL = re.compile(r"(?<!\\)\\label\s*\{[^{}]*\}")


def formula(source: str, *, display: bool, may_typeset: bool = True) -> str:
    """The formula as HTML: marked for MathJax where it `may_be_typeset`, else its source as code.

    Args:
        source: what stood between the delimiters, unescaped.
        display: whether it stands on lines of its own.
        may_typeset: whether there is room for one more.
    """
    source = source[1:-1] if len(source) > 2 and source[0] == source[-1] == "`" else source
    source = _LABEL.sub("", _without_quote_marks(source))
    text = html.escape(source, quote=False)
    if not display and _is_money(source):
        return f"${text}$"
    if not (may_typeset and may_be_typeset(source)):
        return f'<code class="{SOURCE_CLASS}">{text.strip()}</code>'
    if display:
        return f'<span class="orm-display {_PROCESS}">\\[{text}\\]</span>'
    return f'<span class="{_PROCESS}">\\({text}\\)</span>'


def may_be_typeset(source: str) -> bool:
    """Whether a formula does no more than look like one, and ends where it ends."""
    if len(source) > FORMULA_MAX or not source.strip() or _OPTIONS.search(source):
        return False
    return _stays_inside(source) and _length_em(source) <= LENGTH_MAX_EM


def _is_money(source: str) -> bool:
    """Whether two sums of money were taken for a formula, as in ``$10, or US$``."""
    has_words = " " in source and any(map(str.isalpha, source))
    return source[:1].isdigit() and has_words and not set(source) & _TEX_MARKS


def _stays_inside(source: str) -> bool:
    depth = 0
    for token in _TOKEN.finditer(source):
        command = token[1]
        if command is None:
            depth += 1 if token[0] == "{" else -1
            if depth < 0:
                return False
        elif command in "()[]" or command in _FORBIDDEN:  # also the empty one: a backslash at the very end
            return False
    return depth == 0


def _length_em(source: str) -> float:
    lengths = _LENGTH.findall(_WORDS.sub("", source))
    return sum(_number(digits) * _UNIT_EM[unit] for digits, unit in lengths)


def _number(digits: str) -> float:
    whole, _, fraction = digits.replace(",", ".").partition(".")
    return float(f"{whole[:9] or 0}.{fraction.replace('.', '')[:9] or 0}")


def _without_quote_marks(source: str) -> str:
    # In a quotation each further line of a formula begins with the quotation's own mark.
    first, *others = source.split("\n")
    for _ in range(QUOTES_MAX):
        if others and all(line.lstrip().startswith(">") for line in others):
            others = [line.lstrip()[1:] for line in others]
    return "\n".join((first, *others))
