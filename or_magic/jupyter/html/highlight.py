"""Source code in colours: spans with a handful of classes, and the style sheet that gives the classes a meaning.

Pygments knows some eighty kinds of token; one class for each would double the weight of an answer that is redrawn
while it arrives. Ours are eight, and what needs no colour gets no span. Colours are the front end's own variables, so
that they follow its theme; where it has none, a middle tone that can be read on white and on black.
"""

from __future__ import annotations

import functools
import html
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from or_magic.text import show_hidden

if TYPE_CHECKING:
    from pygments.lexer import Lexer

HIGHLIGHT_MAX = 20_000  # characters of a block; about 20 ms
PREFIX = "orm-"
_CLASS_OF_TOKEN = {
    "Keyword": "k",
    "Operator.Word": "k",
    "Literal.String": "s",
    "Literal.Number": "n",
    "Comment": "c",
    "Name.Function": "f",
    "Name.Class": "f",
    "Name.Tag": "k",
    "Name.Attribute": "f",
    "Name.Builtin": "b",
    "Name.Exception": "b",
    "Name.Decorator": "b",
    "Name.Variable": "b",
    "Generic.Heading": "f",
    "Generic.Subheading": "f",
    "Generic.Inserted": "i",
    "Generic.Deleted": "d",
    "Generic.Prompt": "c",
}
CLASSES = frozenset(PREFIX + name for name in _CLASS_OF_TOKEN.values())
# A list of our own: the name comes from a model, and Pygments' five hundred lexers are regular expressions, some of
# which take minutes over 20 KB made for them. These were tried, and bear what `_WILD` lets through.
_LEXERS = {
    "python": "python py python3 ipython pycon",
    "javascript": "javascript js jsx mjs node",
    "typescript": "typescript ts tsx",
    "json": "json jsonc json5 jsonl",
    "bash": "bash sh shell zsh console terminal",
    "powershell": "powershell ps1 pwsh",
    "sql": "sql sqlite postgresql postgres mysql duckdb",
    "r": "r rscript",
    "julia": "julia jl",
    "kotlin": "kotlin kt",
    "scala": "scala",
    "go": "go golang",
    "rust": "rust rs",
    "swift": "swift",
    "ruby": "ruby rb",
    "php": "php",
    "lua": "lua",
    "haskell": "haskell hs",
    "matlab": "matlab octave",
    "html": "html htm vue",
    "xml": "xml svg",
    "css": "css",
    "scss": "scss",
    "yaml": "yaml yml",
    "toml": "toml",
    "ini": "ini cfg properties env",
    "docker": "dockerfile docker",
    "diff": "diff patch",
    "tex": "tex latex",
}
# Pygments' lexers for these take the square of a run of words; here each character is looked at once.
_C_FAMILY = frozenset(["c", "h", "cpp", "c++", "cxx", "hpp", "cc", "cuda", "csharp", "cs", "c#", "java"])
_C_KEYWORDS = (
    "abstract as async auto await base bool boolean break byte case catch char class const constexpr continue decimal"
    " default delete do double else enum explicit extends extern false final finally float for foreach friend goto if"
    " implements import in inline instanceof int interface internal is long"
    " namespace native new noexcept null nullptr"
    " object operator out override package private protected public readonly record ref return sealed short signed"
    " sizeof static string struct super switch template this throw throws true try typedef typename union unsigned"
    " using var virtual void volatile while yield"
)
_WILD = re.compile(r"^[^\n]{400}|(?<!\s)\s{200}|\r", re.MULTILINE)
_EDITOR = "--jp-mirror-editor-"
# The class stands twice where JupyterLab's own rules for rendered output, two classes and an element, would win.
_STYLESHEET = (
    ".orm{overflow-wrap:anywhere;padding-left:5px}"
    ".orm :is(p,li,h1,h2,h3,h4,td,th){unicode-bidi:plaintext;text-align:start}"
    ".orm details{margin:0 0 1em}"
    ".orm a{color:var(--jp-content-link-color,#3673da)}"
    ".orm img{max-width:100%}"
    ".orm.orm pre{overflow:auto;max-width:100%;padding:.6em .8em;margin:0 0 1em;border-radius:3px;white-space:pre;"
    "overflow-wrap:normal;background:var(--jp-cell-editor-background,rgba(128,128,128,.12))}"
    ".orm.orm pre code{background:none;padding:0}"
    ".orm.orm table{display:block;width:max-content;max-width:100%;overflow:auto;"
    "border-collapse:collapse;margin:0 0 1em}"
    ".orm.orm th,.orm.orm td{text-align:left;padding:.3em .7em;"
    "border:1px solid var(--jp-border-color2,rgba(128,128,128,.4))}"
    ".orm.orm [align=right]{text-align:right}.orm.orm [align=center]{text-align:center}"
    ".orm .orm-task{list-style:none}"
    ".orm .orm-display{display:block;overflow:auto hidden;margin:.6em 0}"
    ".orm .orm-tex{white-space:pre-wrap}"
    ".orm .orm-raw{display:block;white-space:pre-wrap;margin:0 0 1em}"
    ".orm section{font-size:.9em;border-top:1px solid var(--jp-border-color2,rgba(128,128,128,.4));margin-top:1em}"
    ".orm.orm-plain{white-space:pre-wrap;font-family:inherit;background:none;border:0;padding:0;margin:0}"
    ".orm-status{opacity:.7;font-size:.9em}"
    ".orm.orm-thoughts{opacity:.8;font-size:.9em;margin:0 0 .6em}.orm.orm-thoughts>summary{cursor:pointer}"
    ".orm.orm-turn{margin:0 0 .5em}.orm.orm-turn>summary{cursor:pointer}"
    ".orm.orm-sources{font-size:.9em}.orm.orm-calls{margin:0 0 .6em}"
    f".orm .orm-k{{color:var({_EDITOR}keyword-color,#1f883c)}}"
    f".orm .orm-s{{color:var({_EDITOR}string-color,#cc4a31)}}"
    f".orm .orm-n{{color:var({_EDITOR}number-color,#2a8285)}}"
    f".orm .orm-c{{color:var({_EDITOR}comment-color,#717a84);font-style:italic}}"
    f".orm .orm-f{{color:var({_EDITOR}def-color,#3673da)}}"
    f".orm .orm-b{{color:var({_EDITOR}builtin-color,#9a5fc0)}}"
    ".orm .orm-i{color:var(--jp-success-color0,#1f883c)}"
    ".orm .orm-d{color:var(--jp-error-color1,#cc4a31)}"
)


@functools.lru_cache(maxsize=64)  # an answer is redrawn while it arrives, with the same blocks in it
def highlight(code: str, language: str) -> str:
    """The code as HTML: its text, with spans of `CLASSES` where the language is known.

    Code of more than `HIGHLIGHT_MAX` characters, code with a line of 400 or more, and code in a language that is not
    known is plain text. Characters that would let code be read in another order than it has are made visible.

    Args:
        code: the code itself, unescaped.
        language: the info string of its fence, whatever it holds.
    """
    word = _first_word(language)
    name = _names().get(word)
    if len(code) > HIGHLIGHT_MAX or _WILD.search(code):
        return _escape(code)
    if word in _C_FAMILY:
        return _spans(list(_c_pieces(code)))
    if name is None:
        return _escape(code)
    pieces = [(_class_of(str(kind)), value) for kind, value in _lexer(name).get_tokens(code)]
    return _spans(pieces) if "".join(value for _, value in pieces) == code else _escape(code)


def languages() -> list[str]:
    """The names of a fence's language that are known, sorted."""
    return sorted({*_names(), *_C_FAMILY})


def stylesheet() -> str:
    """The style of an answer as CSS text, for one `<style>` in each display; every rule is for what is in `.orm`."""
    return _STYLESHEET


def _spans(pieces: list[tuple[str, str]]) -> str:
    parts = []
    current, run = "", ""
    for name, value in [*pieces, (" ", "")]:
        if name == current:
            run += value
            continue
        text = _escape(run)
        parts.append(f'<span class="{PREFIX}{current}">{text}</span>' if current and run else text)
        current, run = name, value
    return "".join(parts)


@functools.cache
def _class_of(kind: str) -> str:
    path = kind.removeprefix("Token.").split(".")
    known = (_CLASS_OF_TOKEN.get(".".join(path[:length])) for length in range(len(path), 0, -1))
    return next((name for name in known if name), "")


def _c_pieces(code: str) -> Iterator[tuple[str, str]]:
    end = 0
    for token in _c_token().finditer(code):
        yield "", code[end : token.start()]
        yield "" if token.lastgroup == "word" else token.lastgroup or "", token[0]
        end = token.end()
    yield "", code[end:]


@functools.cache
def _c_token() -> re.Pattern[str]:
    return re.compile(
        r"(?P<c>//[^\n]*|/\*.*?(?:\*/|\Z)|^[ \t]*#[^\n]*)"
        r"|(?P<s>\"(?:\\.|[^\"\\\n])*\"?|'(?:\\.|[^'\\\n])*'?)"
        r"|(?P<n>\b\d[\w.]*)"
        rf"|(?P<k>\b(?:{_C_KEYWORDS.replace(' ', '|')})\b)"
        r"|(?P<f>\b\w+(?=\())|(?P<word>\w+)",
        re.DOTALL | re.MULTILINE,
    )


def _first_word(language: str) -> str:
    words = language.split(maxsplit=1)
    return words[0].strip("{}.").lower() if words else ""


@functools.cache
def _names() -> dict[str, str]:
    return {alias: name for name, aliases in _LEXERS.items() for alias in aliases.split()}


@functools.cache
def _lexer(name: str) -> Lexer:
    from pygments.lexers import get_lexer_by_name

    return get_lexer_by_name(name, stripnl=False, ensurenl=False)


def _escape(code: str) -> str:
    return html.escape(show_hidden(code), quote=False)
