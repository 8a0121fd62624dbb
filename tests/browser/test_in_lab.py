"""What a reader sees in a real JupyterLab: answers that grow, texts that run nothing, a file that holds it all."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook

from tests.faults.server import DONE, OPEN_HEAD, serve
from tests.jupyter.hostile_texts import AS_WRITTEN, HOSTILE

from .lab import FOOTER, LabPage

pytestmark = pytest.mark.browser

OpenNotebook = Callable[[str, NotebookNode], LabPage]

DEMO = Path(__file__).parents[2] / "notebooks" / "01_first_cell.ipynb"
ESSAY, ECHO = 1, 2
FOOTER_LINE = re.compile(r"^sandbox/\w+ via Sandbox · [\d,]+ in( \([^)]*\))? / [\d,]+ out · .*\$0\.")
READ = ("A List<String> here.", "if a<b then c>d", "It was $5 and $10 that day.")
HOSTILE_TEXT = "\n\n".join(
    [
        *READ,
        "<img src=x onerror=\"window.__ran='img'\">",
        "<script>window.__ran='script'</script>",
        "<iframe srcdoc=\"<script>parent.__ran='iframe'</script>\"></iframe>",
        "[a link](javascript:window.__ran='link')",
        "![a picture](https://evil.example/pixel.png)",
        "A formula: $x_1 + y_2$.",
    ]
)

CONTROL = f"""\
from IPython.display import HTML
HTML('''<div class="orm">{HOSTILE_TEXT} <a href="javascript:0">x</a> <img src="https://evil.example/x.png"></div>''')
"""


def test_an_answer_grows_and_ends_in_its_footer(open_notebook: OpenNotebook) -> None:
    """While an answer streams, its reader sees it grow step by step, and then its footer under it."""
    page = open_notebook("grows", notebook("%%openrouter sandbox/essay\nTell me about streaming"))
    page.run_all()

    lengths = page.lengths(ESSAY)

    assert len(lengths) > 6, "it was seen in too few steps"
    assert sum(length < lengths[-1] / 2 for length in lengths) > 2, "its first half came in one piece"
    assert page.outputs(ESSAY).count() == 2
    assert FOOTER_LINE.match(page.outputs(ESSAY).nth(1).locator(FOOTER).inner_text())
    page.page.wait_for_selector("mjx-container", state="attached")
    assert page.outward == []


def test_a_hostile_answer_runs_nothing_and_is_read_as_written(open_notebook: OpenNotebook) -> None:
    """Tags, scripts, frames and `javascript:` links in an answer are text, and prices in it are not formulas."""
    page = open_notebook("hostile", notebook(f"%%openrouter sandbox/echo\n{HOSTILE_TEXT}"))
    page.run_all()
    page.wait_until_run()
    answer = page.outputs(ESSAY).nth(0)
    answer.locator("mjx-container").wait_for(state="attached")

    assert answer.locator("mjx-container").count() == 1, "the formula that is one, and no other"
    text = answer.inner_text()
    assert [line for line in READ if line not in text] == []
    assert answer.locator("img, script, iframe, [href^='javascript']").count() == 0
    assert page.dangers() == []
    assert page.outward == []


def test_a_saved_notebook_holds_the_whole_answer(open_notebook: OpenNotebook) -> None:
    """In the file that Lab saves, an answer is two outputs: its exact text as HTML and text, and its footer."""
    prompts = ("%%openrouter sandbox/essay\nTell me about streaming", f"%%openrouter sandbox/echo\n{HOSTILE_TEXT}")
    page = open_notebook("saved", notebook(*prompts))
    page.run_all()
    page.wait_until_run()

    cells = page.saved().cells

    for cell in (cells[ESSAY], cells[ECHO]):
        answer, footer = cell.outputs
        assert answer.metadata["or_magic"]["ending"] == "complete"
        assert FOOTER_LINE.match(footer.data["text/plain"])
        assert footer.data["text/plain"].split(" · ")[0] in footer.data["text/html"]
    assert cells[ECHO].outputs[0].data["text/plain"].rstrip("\n") == HOSTILE_TEXT
    last_line = cells[ESSAY].outputs[0].data["text/plain"].rstrip().splitlines()[-1]
    assert page.outputs(ESSAY).nth(0).inner_text().rstrip().endswith(re.sub(r"[*_`$]", "", last_line)[-20:])


def test_no_hostile_text_acts_in_the_page(open_notebook: OpenNotebook) -> None:
    """All families of hostile texts, each a cell: nothing runs, is fetched, or can be clicked to act in Lab."""
    families = [[text for text in texts.values() if is_typed(text)] for texts in HOSTILE.values()]
    prompts = ["%%openrouter sandbox/echo\n" + "\n\n".join(texts) for texts in families if texts]
    last = f"{AS_WRITTEN['cost']} And $x_1 + y_2$."
    page = open_notebook("families", notebook(*prompts, f"%%openrouter sandbox/echo\n{last}"))
    page.run_all()
    page.wait_until_run()
    page.outputs(len(prompts) + 1).locator("mjx-container").wait_for(state="attached")

    assert page.page.locator(f".jp-Notebook {FOOTER}").count() == len(prompts) + 1, "not each was answered"
    assert AS_WRITTEN["cost"] in page.outputs(len(prompts) + 1).nth(0).inner_text()
    assert page.dangers() == []
    assert page.outward == []
    assert page.page.locator(".jp-Dialog").count() == 0


def everywhere(text: str) -> bytes:
    """A streamed answer that holds the text wherever a service can put one, and fails in its words."""
    source = {"type": "url_citation", "url_citation": {"url": text, "title": text}}
    call = {"index": 0, "id": text, "type": "function", "function": {"name": text, "arguments": text}}
    deltas: list[dict[str, object]] = [
        {"reasoning": text},
        {"content": text},
        {"annotations": [source]},
        {"tool_calls": [call]},
        {"images": [{"image_url": {"url": text}}]},
    ]
    names = {"id": text, "model": text, "provider": text}
    chunks = [{**names, "choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    error = {"error": {"code": 502, "message": text}, "choices": []}
    return b"".join(b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in [*chunks, error])


def test_no_hostile_text_acts_wherever_it_stands(open_notebook: OpenNotebook) -> None:
    """The families again in thoughts, sources, calls, images, names of models and providers, and errors."""
    texts = ["\n\n".join(family.values()) for family in HOSTILE.values()]
    scripts = [(OPEN_HEAD + everywhere(text) + DONE,) for text in texts]
    tags = {"tags": ["raises-exception"]}
    with serve(*scripts) as server:
        document = notebook(f"%openrouter set base_url {server.base_url}", *["%%openrouter a/b\nhi"] * len(texts))
        for cell in document.cells:
            cell.metadata = tags
        page = open_notebook("everywhere", document)
        page.run_all()
        page.outputs(len(texts) + 1).nth(2).wait_for()  # the error of the last cell

    assert page.page.locator(".orm-thoughts > summary").count() == len(texts), "not each was answered"
    page.page.evaluate("() => document.querySelectorAll('.orm-thoughts').forEach(each => { each.open = true; })")
    assert page.dangers() == []
    assert page.outward == []
    assert page.page.locator(".jp-Dialog").count() == 0


def test_every_character_is_read(open_notebook: OpenNotebook) -> None:
    """Generics, comparisons, XML, prices and LaTeX in prose: every visible character is in the page."""
    # What is typeset is no longer read letter by letter; the formulas have their own tests.
    texts = {name: text for name, text in AS_WRITTEN.items() if is_typed(text) and not name.startswith("latex")}
    page = open_notebook("read", notebook(*(f"%%openrouter sandbox/echo --raw\n{text}" for text in texts.values())))
    page.run_all()
    page.wait_until_run()

    assert len(texts) >= 25
    for number, (name, text) in enumerate(texts.items(), 1):
        shown = "".join(page.outputs(number).nth(0).inner_text().split())
        missing = [word for word in re.findall(r"[^\s`*_~|#>-]{2,}", text) if "".join(word.split()) not in shown]
        assert not missing, f"{name}: {missing} of {text!r} is not in {shown!r}"


def test_a_saved_answer_reads_the_same_without_the_extension(open_notebook: OpenNotebook) -> None:
    """The file that Lab saved, opened anew and not run, shows the same text, in a notebook that is not trusted."""
    page = open_notebook("before", notebook("%%openrouter sandbox/reasoner\nWhat is a stream?"))
    page.run_all()
    page.wait_until_run()
    before = [page.outputs(1).nth(number).inner_text() for number in range(2)]
    saved = page.saved()

    again = open_notebook("after", saved)
    again.outputs(1).nth(1).locator(".orm").wait_for()

    assert [again.outputs(1).nth(number).inner_text() for number in range(2)] == before
    assert again.dangers() == []


@pytest.mark.own_page
def test_lab_would_run_what_is_not_made_safe(open_notebook: OpenNotebook) -> None:
    """A control: the same text as HTML that nobody has cleaned does run in Lab, and these tests notice all of it."""
    page = open_notebook("control", notebook(CONTROL))
    page.run_all()
    page.page.wait_for_function("() => window.__ran !== undefined")
    page.outputs(1).locator("[href^='javascript']").wait_for(state="attached")
    page.outputs(1).locator("img[src^='https']").wait_for(state="attached")

    dangers = "\n".join(page.dangers())
    assert [sign for sign in ("window.__ran", "<iframe", "onerror", "javascript:") if sign not in dangers] == []
    assert [address for address in page.outward if "evil.example" in address] != []


def test_the_demo_notebook_runs_in_lab(open_notebook: OpenNotebook) -> None:
    """The demo's notebook runs to its end in Lab: its first answer is seen to grow, each answer gets a footer."""
    demo = nbformat.read(DEMO, as_version=4)
    asked = [number for number, cell in enumerate(demo.cells) if cell.source.startswith("%%openrouter")]
    for cell in demo.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    page = open_notebook("demo", demo)
    page.run_all()
    lengths = page.lengths(asked[0])
    page.wait_until_run()

    saved = page.saved()
    outputs = [output for cell in saved.cells if cell.cell_type == "code" for output in cell.outputs]
    assert [output.evalue for output in outputs if output.output_type == "error"] == []
    assert page.page.locator(f".jp-Notebook {FOOTER}").count() == len(asked)
    assert len(lengths) > 4
    assert page.dangers() == []
    assert page.outward == []


def notebook(*cells: str) -> NotebookNode:
    """A notebook that loads the extension and then has these cells."""
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return new_notebook(
        cells=[new_code_cell(source) for source in ("%load_ext or_magic", *cells)], metadata={"kernelspec": kernel}
    )


def is_typed(text: str) -> bool:
    """Whether a notebook's cell can hold the text: control characters and lone surrogates do not survive an editor."""
    return len(text) < 5_000 and all(character.isprintable() or character == "\n" for character in text)
