"""Tools in a real JupyterLab: each call is asked about in the cell, and answered there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook

from or_magic.sandbox import Sandbox

from .lab import LabPage

KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}}
SETUP = """
from IPython.display import Markdown, display

def rainfall(month: str = "June") -> float:
    "How much rain fell."
    print("looked up", month)
    display(Markdown("**a gauge**"))
    return 71.5
"""
ONE_BOX = """cell => {
    const boxes = document.querySelectorAll('input.jp-Stdin-input');
    return boxes.length === 1 && document.querySelectorAll('.jp-Notebook .jp-Cell')[cell].contains(boxes[0]);
}"""
QUESTIONS = [f"%%openrouter sandbox/tools --tools rainfall --no-history\nrainfall, question {n}" for n in range(5)]


def questions(sandbox: Sandbox) -> list[list[dict[str, Any]]]:
    """The messages of all chat requests so far."""
    return [each.body["messages"] for each in sandbox.requests if each.body and "messages" in each.body]


@pytest.mark.browser
def test_calls_are_approved_in_the_cell(
    open_notebook: Callable[[str, NotebookNode], LabPage], sandbox: Sandbox
) -> None:
    """Yes runs the call, no tells the model so, always asks no more; what a tool shows lies in its cell."""
    sources = ["%load_ext or_magic", SETUP, *QUESTIONS]
    lab = open_notebook("tools", new_notebook(cells=[new_code_cell(each) for each in sources], metadata=KERNEL))
    before = len(questions(sandbox))
    lab.run_all()
    for cell, answer in ((2, "n"), (3, "perhaps"), (3, "y"), (4, "a")):  # what is none of the four is asked again
        lab.page.wait_for_function(ONE_BOX, arg=cell)
        box = lab.page.locator("input.jp-Stdin-input")
        box.fill(answer)
        box.press("Enter")
        lab.page.get_by_text(f"[s]top:  {answer}").first.wait_for()
    lab.wait_until_run()

    last = [each[-1] for each in questions(sandbox)[before:]]
    given = [message["content"] for message in last if message["role"] == "tool"]
    assert given == ["Error: The user did not allow this call.", *["71.5"] * 4]
    refused, allowed = (lab.outputs(number).all_inner_texts() for number in (2, 3))
    assert any("not run: The user did not allow this call." in text for text in refused)
    assert not any("looked up" in text for text in refused)
    shown = "\n".join(allowed)
    places = [shown.index(text) for text in ("Run rainfall(month=", "looked up", "a gauge", "-> 71.5", "in 2 steps")]
    assert places == sorted(places)
    assert lab.page.locator("input.jp-Stdin-input").count() == 0
    assert (lab.dangers(), lab.outward) == ([], [])


@pytest.mark.browser
def test_a_stop_at_the_question(open_notebook: Callable[[str, NotebookNode], LabPage], sandbox: Sandbox) -> None:
    """Stop ends the cell with one line; nothing is run, and nothing more is asked."""
    sources = ["%load_ext or_magic", SETUP, QUESTIONS[0]]
    lab = open_notebook("stop", new_notebook(cells=[new_code_cell(each) for each in sources], metadata=KERNEL))
    before = len(questions(sandbox))
    lab.run_all()
    box = lab.page.locator("input.jp-Stdin-input")
    box.wait_for()
    box.fill("s")
    box.press("Enter")
    lab.wait_until_run()

    shown = "\n".join(lab.outputs(2).all_inner_texts())
    assert "Stopped: The tool was not run." in shown
    assert "Traceback" not in shown
    assert "looked up" not in shown
    assert len(questions(sandbox)) == before + 1
