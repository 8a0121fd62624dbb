"""A conversation in a real JupyterLab: its own cell ids, Run All twice, and money that agrees everywhere."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal

import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook

from or_magic.money import format_usd, pico_usd
from or_magic.sandbox import Sandbox

from .lab import FOOTER, LabPage

pytestmark = pytest.mark.browser

KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}}
QUESTIONS = ("first", "second", "third")
TABLE = """\
import or_magic
print("table", sum(or_magic.conversation().df()["cost_usd"]))
%openrouter cost"""


def test_run_all_twice(open_notebook: Callable[[str, NotebookNode], LabPage], sandbox: Sandbox) -> None:
    """Run All again replaces each answer in its place; footers, tables, summary and the service's book agree."""
    sources = ["%load_ext or_magic", *(f"%%openrouter sandbox/echo\n{text}" for text in QUESTIONS), TABLE]
    page = open_notebook("talk", new_notebook(cells=[new_code_cell(each) for each in sources], metadata=KERNEL))
    before = sandbox.charges.total_usd()
    page.run_all()
    page.wait_until_run()

    footers = [page.outputs(number).nth(1).locator(FOOTER).inner_text() for number in (1, 2, 3)]
    spent = sandbox.charges.total_usd() - before
    said = page.outputs(4).all_inner_texts()
    assert "2 turns, ~" in footers[2]
    assert f"sandbox {format_usd(pico_usd(spent))}" in footers[2]
    assert Decimal(said[0].split()[1]) == spent
    assert f"Exactly: ${spent:f}." in said[1]
    costs = [charge.cost_usd for charge in sandbox.charges][-3:]
    assert [re.findall(r"\$[\d.]+", footer)[0] for footer in footers] == [format_usd(pico_usd(cost)) for cost in costs]

    page.page.evaluate("() => { window.__finished = false; }")
    page.run_all()
    page.wait_until_run()

    sent = [request.body for request in sandbox.requests if request.body and "messages" in request.body]
    assert [message["content"] for message in sent[-1]["messages"]] == ["first", "first", "second", "second", "third"]
    assert "2 later answers were made before this one" in page.outputs(1).nth(1).inner_text()
    assert page.outward == []
