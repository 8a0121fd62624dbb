"""Answers that are code or a page, in a real JupyterLab: a new cell that has not run, a frame that reaches nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook

from .lab import LabPage

KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}}
PAGE = "<h1>hello</h1><script>try { parent.document.title = 'reached' } catch { document.title = 'kept out' }</script>"


@pytest.mark.browser
def test_code_becomes_the_next_cell(open_notebook: Callable[[str, NotebookNode], LabPage]) -> None:
    """The code of an answer is a new cell below, not run; HTML that is trusted is a page that cannot reach Lab."""
    sources = [
        "%load_ext or_magic",
        "%%openrouter sandbox/coder -f code\nCount my words, please.",
        f"%%openrouter sandbox/echo --no-history -f html --trust\n{PAGE}",
    ]
    lab = open_notebook("code", new_notebook(cells=[new_code_cell(each) for each in sources], metadata=KERNEL))
    lab.run_all()
    lab.wait_until_run()
    frame = lab.page.frame_locator(".jp-OutputArea iframe")
    frame.locator("h1").wait_for()

    cells = lab.saved().cells
    assert [cell.source for cell in cells[:2]] == sources[:2]
    assert cells[2].source == "# rehearsal: a model would put it right here\nprint(4, 'words were asked')"
    assert (cells[2].execution_count, cells[2].outputs) == (None, [])
    assert (lab.page.frames[-1].title(), lab.page.title() != "reached") == ("kept out", True)
    assert lab.dangers() == []
