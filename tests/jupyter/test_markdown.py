from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from or_magic.jupyter import highlight, mathematics
from or_magic.jupyter.markdown import blocks, finished_length, render, stylesheet
from tests.jupyter.hostile_texts import AS_WRITTEN, HOSTILE, READ_AS, hostile_cases

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
SAMPLE = """# A title

Some **bold text** and *more*, `code here`, a [link](https://a.example/x_(y)) and ~~gone~~ &amp; a<b.

- one
- [x] two **items**

```python
def f(x): return x  # why
```

$$
a_1
= b
$$

So \\(x^2\\) and $y_1$.

| a | b |
|---|--:|
| 1 | `2` |

> quoted *text*[^n]

<details>
<summary>More</summary>

text

</details>

![pixel](data:image/png;base64,AAAA) H<sub>2</sub>O

[^n]: note
"""


class Page(HTMLParser):
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


def page(text: str, *, streaming: bool = False) -> Page:
    return Page(render(text, answer_id="a1", streaming=streaming))


def squeezed(text: str) -> str:
    return "".join(text.split())


def inner(text: str) -> str:
    html = render(text, answer_id="a1")
    return html[html.index(">") + 1 : -len("</div>")].strip()


HOSTILE_CASES = [pytest.param(text, id=name) for name, text in hostile_cases()]


@pytest.mark.parametrize("text", HOSTILE_CASES)
def test_a_hostile_text_leaves_nothing_active(text: str) -> None:
    """Whatever the text, its HTML holds only tags, attributes, classes and addresses that are on the list."""
    assert page(text).faults == []


@pytest.mark.parametrize("text", HOSTILE_CASES)
def test_a_hostile_text_is_harmless_wherever_it_is_cut(text: str) -> None:
    """A text that is still arriving is as safe as a whole one, at each of its characters."""
    shorter = text[:400]

    faults = [page(shorter[:cut], streaming=True).faults for cut in range(len(shorter) + 1)]

    assert [fault for fault in faults if fault] == []


def test_the_corpus_is_as_large_as_it_says() -> None:
    """At least 82 hostile texts are kept, in their families, and 30 that must be read as written."""
    assert len(HOSTILE_CASES) >= 82
    assert len(HOSTILE) >= 13
    assert len(AS_WRITTEN) >= 30


@pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in HOSTILE["formulas"].items()])
def test_a_hostile_formula_defines_nothing(text: str) -> None:
    """What MathJax is given to typeset defines nothing, styles nothing and is no longer than a formula may be."""
    given_to_mathjax = re.findall(r'mathjax_process tex2jax_process">(.*?)</span>', render(text, answer_id="a1"), re.S)

    assert len(given_to_mathjax) <= mathematics.FORMULAS_MAX
    for source in given_to_mathjax:
        assert mathematics.may_be_typeset(source[2:-2])
        assert re.search(r"\\(def|gdef|let|\w*command|\w*environment|class|style|href|cssId|require)\b", source) is None


@pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in AS_WRITTEN.items()])
def test_a_text_is_read_as_it_was_written(text: str) -> None:
    """Angle brackets, ampersands, dollars and LaTeX in prose reach the reader to the last character."""
    found = page(text)

    assert squeezed(found.text) == squeezed(text)
    assert found.faults == []


@pytest.mark.parametrize(("text", "read"), [pytest.param(*case, id=name) for name, case in READ_AS.items()])
def test_markdown_takes_its_own_marks_and_no_more(text: str, read: str) -> None:
    """Marks, fences and delimiters go; what they hold is read to the last character."""
    assert squeezed(page(text).text) == squeezed(read)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("# A\n\nb", "<h1>A</h1>\n<p>b</p>", id="heading"),
        pytest.param("~~a~~ *b* **c**", "<p><del>a</del> <em>b</em> <strong>c</strong></p>", id="emphasis"),
        pytest.param("3. a\n4. b", '<ol start="3">\n<li>a</li>\n<li>b</li>\n</ol>', id="numbered"),
        pytest.param("- [x] a", '<ul>\n<li class="orm-task">☑ a</li>\n</ul>', id="task"),
        pytest.param("a\\\nb", "<p>a<br>\nb</p>", id="line-break"),
        pytest.param("H<sub>2</sub>O", "<p>H<sub>2</sub>O</p>", id="subscript"),
        pytest.param("a<br>b<br/>c<br />d", "<p>a<br>b<br>c<br>d</p>", id="br"),
        pytest.param("<sub>2", "<p>&lt;sub&gt;2</p>", id="unbalanced-stays-text"),
        pytest.param("`<br>` <br>", "<p><code>&lt;br&gt;</code> <br></p>", id="code-is-code"),
        pytest.param("    <br>\n", "<pre><code>&lt;br&gt;\n</code></pre>", id="indented-is-code"),
        pytest.param("```x\na_b\n```", "<pre><code>a_b\n</code></pre>", id="fence"),
        pytest.param(
            "<summary>a</summary>", '<span class="orm-raw">&lt;summary&gt;a&lt;/summary&gt;</span>', id="summary-alone"
        ),
    ],
)
def test_markdown_becomes_this_html(text: str, expected: str) -> None:
    """CommonMark and GitHub's additions become the plain elements that stand for them."""
    assert inner(text) == expected


def test_a_table_keeps_its_alignment() -> None:
    """A table's columns are aligned by an attribute, which survives where styles do not."""
    html = inner("| a | b |\n|:-:|--:|\n| 1 | 2 |")

    assert '<td align="center">1</td>\n<td align="right">2</td>' in html


def test_links_open_elsewhere_and_tell_nothing() -> None:
    """A link leaves the notebook where it is, and hands the page it opens neither an opener nor a referrer."""
    html = inner("[a](https://a.example) www.b.example c@d.example")

    assert html.count('<a target="_blank" href="') == html.count('rel="noopener noreferrer"') == 3


def test_a_remote_picture_is_a_link() -> None:
    """A picture elsewhere is not fetched; its description links to it."""
    assert inner("![a cat](https://a.example/c.png)").startswith('<p><a target="_blank" href="https://a.example/c.png"')


def test_footnotes_stay_within_their_answer() -> None:
    """The links between a footnote and its reference carry the answer's own prefix, and open in place."""
    html = render("a[^x]\n\n[^x]: b", answer_id="a1")

    assert '<a href="#a1-fn-x" id="a1-fnref-x"' in html
    assert '<li id="a1-fn-x">' in html


def test_a_hostile_answer_id_is_no_way_out() -> None:
    """Only letters, digits and hyphens of an answer's id are used."""
    html = render("a[^x]\n\n[^x]: b", answer_id='a1"><script>')

    assert "script>" not in html.replace("a1script", "")


def test_code_in_a_known_language_is_in_colours() -> None:
    """A fence that names a language gets the highlighter's classes, whatever the case of the name."""
    assert set(page("```Python\nx = 'a'  # c\n```").classes) >= {"orm-s", "orm-c"}


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("```nolang\nif 1:\n```", id="unknown"),
        pytest.param("```py\n" + "x = 'a'\n" * 3000 + "```", id="large"),
        pytest.param("```\nif 1:\n```", id="none"),
    ],
)
def test_other_code_is_plain(text: str) -> None:
    """Code in no known language, or of more than 20,000 characters, is shown without colours."""
    assert "orm-" not in inner(text)


def test_code_that_reads_otherwise_than_it_runs_shows_it() -> None:
    """Characters that turn the direction of reading are visible in code."""
    assert "‹U+202E›" in page("```py\nx = 'a\u202eb'\n```").text


@pytest.mark.parametrize("language", sorted(highlight._names()))
def test_every_language_keeps_the_code_whole(language: str) -> None:
    """Highlighting adds spans to code and changes none of it."""
    code = "\n\nif x<y && 'a' \"b\" /* c */ // d # e\n\t\\ ` ~ $x ${y} <!-- z --> é\n\n"

    assert Page(f"<div>{highlight.highlight(code, language)}</div>").text == code


@pytest.mark.parametrize(
    ("text", "finished"),
    [
        pytest.param("", "", id="empty"),
        pytest.param("one", "", id="one-block"),
        pytest.param("one\n\n", "", id="the-last-may-go-on"),
        pytest.param("1. one\n\n2", "", id="a-line-may-go-on"),
        pytest.param("one\n\ntwo\n", "one\n\n", id="two-paragraphs"),
        pytest.param("one\r\n\r\ntwo\n", "one\r\n\r\n", id="windows-line-ends"),
        pytest.param("one\r\rtwo\r", "one\r\r", id="old-mac-line-ends"),
        pytest.param("one\u2028\n\ntwo\x00\n\nthree\n", "one\u2028\n\ntwo\x00\n\n", id="odd-characters"),
        pytest.param("é😀\n\n😀\n", "é😀\n\n", id="characters-not-bytes"),
        pytest.param("one\n# two\n", "one\n", id="heading-ends-paragraph"),
        pytest.param("- a\n\n- b\n", "", id="list-goes-on"),
        pytest.param("- a\n\n  b\n\nc\n", "- a\n\n  b\n\n", id="list-ends"),
        pytest.param("a\n\n```\n\nb\n\nc\n", "a\n\n", id="open-fence"),
        pytest.param("a\n\n$$\n\\alpha\n", "a\n\n", id="open-dollars"),
        pytest.param("a\n\n\\[\nb\n\nc\n\nd\n", "a\n\n", id="open-bracket"),
        pytest.param("a\n\n$$\nb\n- c\n$$\n\nd\n", "a\n\n$$\nb\n- c\n$$\n\n", id="closed-dollars"),
        pytest.param("a\n\n[r]: http://b.example\n", "", id="definitions-are-no-blocks"),
        pytest.param("a[^1]\n\n[^1]: b\n\nc\n", "a[^1]\n\n[^1]: b\n\n", id="footnote-between"),
        pytest.param("a\n\n<details>\n\nb\n\nc\n", "", id="open-details"),
        pytest.param(
            "a\n\n<details>\n\nb\n\n</details>\n\nc\n", "a\n\n<details>\n\nb\n\n</details>\n\n", id="closed-details"
        ),
        pytest.param("\ta\n\nb\n\n  c\n", "\ta\n\nb\n\n", id="indented"),
        pytest.param("a\n===\nb\n", "a\n===\n", id="underlined-heading"),
    ],
)
def test_what_is_finished_ends_where_the_last_block_begins(text: str, finished: str) -> None:
    """The last block may still change; all before it, its blank lines included, is finished."""
    assert text[: finished_length(text)] == finished


def test_blocks_begin_at_their_lines() -> None:
    """Each top-level block is told by the offset of its first line."""
    assert blocks("# a\n\nb\n\n- c\n- d\n\n| e |\n|---|\n\n> f\n") == [0, 5, 8, 17, 30]


PIECES = st.lists(
    st.sampled_from(
        "a|b c|*|**|_|`|``|```|~~~|\n|\n\n|\r\n|\r|\t|    |- |1. |> |# |=|---|===||$|$$|\\[|\\]|\\(|\\)|\\|<|>|<br>|"
        "<sub>|</sub>|<details>|</details>|<summary>|</summary>|<!--|-->|<div>|</div>|<script>|&lt;|&|[x]|(y)|![|](|"
        "| a ; b |;|---;---|;- [x] |\u2028|\x00|é|😀|\\begin{align}|\\end{align}".replace(";", "\x1f").split("|")
    ).map(lambda piece: piece.replace("\x1f", "|")),
    max_size=40,
).map("".join)


@settings(max_examples=400, deadline=None)
@given(st.one_of(PIECES, st.text(max_size=200)), st.booleans())
def test_any_text_renders_within_its_root(text: str, streaming: bool) -> None:
    """Any text at all gives balanced HTML of listed elements inside one root."""
    found = page(text, streaming=streaming)

    assert found.faults == []
    assert found.tags[0] == "div"


@settings(max_examples=400, deadline=None)
@given(PIECES, PIECES)
def test_what_is_finished_stays_as_it_is(text: str, more: str) -> None:
    """The finished part of a text looks the same alone and with whatever follows it."""
    if re.search(r"</?(details|summary)>", text + more):
        return
    finished = text[: finished_length(text)]

    assert inner(text + more).startswith(inner(finished))


@settings(max_examples=200, deadline=None)
@given(PIECES)
def test_blocks_are_in_order_and_within_the_text(text: str) -> None:
    """Offsets of blocks rise, lie within the text, and each is the beginning of a line."""
    starts = blocks(text)

    assert starts == sorted(set(starts))
    assert all(start == 0 or text[start - 1] in "\r\n" for start in starts)


def test_the_style_sheet_is_small_and_keeps_to_answers() -> None:
    """The style is under 2.5 KB, fetches nothing, and every rule is for what is inside an answer."""
    css = stylesheet()

    assert len(css.encode()) < 2500
    assert all(rule.strip().startswith(".orm") for rule in re.findall(r"([^{}]+)\{", css))
    assert not re.search(r"url\(|@import|<|expression", css)


PATHOLOGICAL = {
    "quotes": ">" * 100_000,
    "quotes-and-items": "> - " * 25_000 + "a",
    "nested-list": "\n".join("  " * depth + "- a" for depth in range(310)),
    "brackets": "[" * 100_000,
    "stars": "*a **b " * 14_000,
    "backticks": "".join("`" * length + "a" for length in range(440)),
    "dollars": "$$\n" * 33_000,
    "latex": "\\(" * 50_000,
    "latex-display": "\\[\n" * 33_000,
    "details": "<details>" * 11_000,
    "wide-table": "|a" * 1000 + "\n" + "|-" * 1000 + "\n" + "|b\n" * 30_000,
    "many-tables": ("|a" * 140 + "\n" + "|-" * 140 + "\n" + "|b\n" * 140 + "\n") * 120,
    "footnotes": "[^a] " * 20_000 + "\n\n[^a]: x",
    "link-end": "http://a.example/" + ")" * 90_000,
    "tabs": "a\n" + "\t" * 100_000 + "b",
    "blank-lines": "\n" * 100_000,
    "code": "```py\n" + "x = f(a)\n" * 11_000,
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in PATHOLOGICAL.items()])
def test_no_text_takes_forever_or_swells(text: str) -> None:
    """A text made to take long, or to become a page a thousand times its size, does neither."""
    html = render(text, answer_id="a1")
    render(text, answer_id="a1", streaming=True)
    finished_length(text)

    assert len(html) < 25 * len(text)
    assert Page(html).faults == []


def test_no_page_is_nested_deeply() -> None:
    """Quotations, lists and emphasis go no deeper than a browser bears."""
    for text in (
        ">" * 5000 + "a",
        "- " * 5000 + "a",
        "*a **b " * 5000 + "c** d* " * 5000,
        "<sub>" * 500 + "</sub>" * 500,
    ):
        html = render(text, answer_id="a1")
        depth = deepest = 0
        for end in re.findall(r"<(/?)(?!br|hr|img)[a-z]", html):
            depth += -1 if end else 1
            deepest = max(deepest, depth)
        assert deepest < 120


def test_the_import_is_light() -> None:
    """Importing the renderer imports no parser, cleaner or highlighter."""
    code = (
        "import sys, or_magic.jupyter.markdown; print([m for m in ('comrak', 'nh3', 'pygments') if m in sys.modules])"
    )

    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert found.stdout.strip() == "[]"
