"""Jupyter Notebook 7 shows the same: an answer that grows, its footer, thoughts folded away, nothing that acts."""

from __future__ import annotations

from typing import Any

import nbformat
import pytest

from .lab import FOOTER, Lab, LabPage
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
