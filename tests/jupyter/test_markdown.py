from __future__ import annotations

import re
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from or_magic.jupyter.html import highlight, mathematics
from or_magic.jupyter.html.highlight import stylesheet
from or_magic.jupyter.html.markdown import cleaner, finished_length, render
from tests.cases import check_none
from tests.jupyter.hostile_texts import AS_WRITTEN, HOSTILE, READ_AS, hostile_cases
from tests.jupyter.page import PanelPage, inner, page, squeezed
from tests.jupyter.pieces import PIECES

HOSTILE_CASES = dict(hostile_cases())


def test_a_hostile_text_leaves_nothing_active() -> None:
    """Whatever the text, its HTML holds only tags, attributes, classes and addresses that are on the list."""
    faults = {name: page(text).faults for name, text in HOSTILE_CASES.items()}

    check_none(faults)


def test_a_hostile_text_is_harmless_wherever_it_is_cut() -> None:
    """A text that is still arriving is as safe as a whole one, at each of its characters."""
    faults = {
        (name, cut): page(text[:cut], streaming=True).faults
        for name, text in HOSTILE_CASES.items()
        for cut in range(min(len(text), 400) + 1)
    }

    check_none(faults)


def test_the_second_wall_stands_alone() -> None:
    """Raw HTML that no parser has made into text is cleaned of everything active all the same."""
    cleaned = {name: cleaner("a1").clean(text.replace("\ud83d", "")) for name, text in HOSTILE_CASES.items()}

    check_none({name: PanelPage(f"<div>{html}</div>").faults for name, html in cleaned.items()})


def test_the_corpus_is_as_large_as_it_says() -> None:
    """At least 82 hostile texts are kept, in their families, and 30 that must be read as written."""
    assert len(HOSTILE_CASES) >= 82
    assert len(HOSTILE) >= 13
    assert len(AS_WRITTEN) >= 30


def test_a_hostile_formula_defines_nothing() -> None:
    """What MathJax is given to typeset defines nothing, styles nothing and is no longer than a formula may be."""
    formula = re.compile(r'mathjax_process tex2jax_process">(.*?)</span>', re.S)
    acting = re.compile(r"\\(def|gdef|let|\w*command|\w*environment|class|style|href|cssId|require)\b")
    typeset = {name: formula.findall(render(text, answer_id="a1")) for name, text in HOSTILE["formulas"].items()}

    check_none({name: len(all) > mathematics.FORMULAS_MAX for name, all in typeset.items()})
    check_none({name: [each for each in all if acting.search(each)] for name, all in typeset.items()})
    check_none(
        {name: [each for each in all if not mathematics.may_be_typeset(each[2:-2])] for name, all in typeset.items()}
    )


def other_than(text: str, read: str) -> str:
    """What was read, where it is another text; white space apart."""
    return "" if squeezed(read) == squeezed(text) else read


def test_a_text_is_read_as_it_was_written() -> None:
    """Angle brackets, ampersands, dollars and LaTeX in prose reach the reader to the last character."""
    pages = {name: page(text) for name, text in AS_WRITTEN.items()}

    check_none({name: other_than(text, pages[name].text) for name, text in AS_WRITTEN.items()})
    check_none({name: found.faults for name, found in pages.items()})


def test_markdown_takes_its_own_marks_and_no_more() -> None:
    """Marks, fences and delimiters go; what they hold is read to the last character."""
    check_none({name: other_than(wanted, page(text).text) for name, (text, wanted) in READ_AS.items()})


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


def test_every_language_keeps_the_code_whole() -> None:
    """Highlighting adds spans to code and changes none of it."""
    code = "\n\nif x<y && 'a' \"b\" /* c */ // d # e\n\t\\ ` ~ $x ${y} <!-- z --> é\n\n"

    read = {each: PanelPage(f"<div>{highlight.highlight(code, each)}</div>").text for each in highlight.languages()}

    check_none({language: text != code and text for language, text in read.items()})


@settings(max_examples=400, deadline=None)
@given(st.one_of(PIECES, st.text(max_size=200)), st.booleans())
def test_any_text_renders_within_its_root(text: str, streaming: bool) -> None:
    """Any text at all gives balanced HTML of listed elements inside one root."""
    found = page(text, streaming=streaming)

    assert found.faults == []
    assert found.tags[0] == "div"


def test_the_style_sheet_is_small_and_keeps_to_answers() -> None:
    """The style is under 2 KB, fetches nothing, and every rule is for what is inside an answer."""
    css = stylesheet()

    assert len(css.encode()) < 2000
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
    "link-ends": (")" * 1999 + "a") * 50,
    "formula-of-digits": ("$" + "1" * 9_990 + "$ ") * 10,
    "formula-of-words": "$1" + " a" * 50_000 + "+$",
    "formula-of-quotes": "> $$\n" + "> a\n" * 5_000 + ">" * 50_000 + "\n> $$",
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
    assert PanelPage(html).faults == []


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
        "import sys, or_magic.jupyter.html.markdown;"
        "print([m for m in ('comrak', 'nh3', 'pygments') if m in sys.modules])"
    )

    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert found.stdout.strip() == "[]"
