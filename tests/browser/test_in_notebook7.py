"""Jupyter Notebook 7 shows the same: an answer that grows, its footer, thoughts folded away, nothing that acts."""

from __future__ import annotations

from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from .lab import FOOTER, Lab, LabPage
from .panel_page import KERNEL, PanelPage
from .test_in_lab import FOOTER_LINE, HOSTILE_TEXT, READ, notebook

pytestmark = pytest.mark.browser


def test_an_answer_in_notebook_7(browser: Any, notebook7: Lab) -> None:
    """An essay grows step by step, a reasoner's thoughts are folded, hostile text is read and runs nothing."""
    path = notebook7.root / "seven.ipynb"
    prompts = ("sandbox/essay\nTell me", "sandbox/reasoner\nWhy?", f"sandbox/echo\n{HOSTILE_TEXT}")
    nbformat.write(notebook(*(f"%%openrouter {prompt}" for prompt in prompts)), path)
    page = LabPage(browser.new_context(viewport={"width": 1280, "height": 1000}).new_page(), notebook7, path)
    page.open()
    page.run_all()

    lengths = page.lengths(1)
    page.wait_until_run()

    assert len(lengths) > 6
    assert FOOTER_LINE.match(page.outputs(1).nth(1).locator(FOOTER).inner_text())
    assert page.outputs(2).locator(".orm-thoughts > summary").inner_text().startswith("thought")
    assert [line for line in READ if line not in page.outputs(3).nth(0).inner_text()] == []
    assert page.dangers() == []
    assert page.outward == []
    page.close()


def test_the_panel_in_notebook_7(browser: Any, notebook7: Lab) -> None:
    """In the panel a question is answered, stopped and branched from, and a block of code becomes a cell."""
    path = notebook7.root / "panel.ipynb"
    sources = ("%load_ext or_magic\n%openrouter model sandbox/coder", "%openrouter panel")
    nbformat.write(new_notebook(cells=[new_code_cell(each) for each in sources], metadata=KERNEL), path)
    lab = LabPage(browser.new_context(viewport={"width": 1280, "height": 1000}).new_page(), notebook7, path)
    lab.open()
    page = PanelPage(lab)
    lab.run_all()
    lab.wait_until_run()
    page.ask("def double(x): write it")
    page.items().last.get_by_role("button", name="To next cell").first.click()
    page.see("The code is in the cell below.")
    page.run("%openrouter model sandbox/essay")
    page.send("Tell me about streaming")
    page.see("What travels over the line")  # a click just behind Send counts as a part of a double click
    page.panel().get_by_role("button", name="Stop", exact=True).click()
    page.wait()
    page.see("Stopped.")
    page.press("Run again")
    page.see("2 of 2")
    page.wait()

    assert "words were asked" in lab.saved().cells[-1].source
    assert (page.complaints, lab.outward, lab.dangers()) == ([], [], [])
    lab.close()
