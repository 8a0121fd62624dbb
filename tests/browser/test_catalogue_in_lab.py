"""The catalog in a real JupyterLab without a network: Tab, the table, the charts."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook

from or_magic.sandbox import Sandbox

from .lab import LabPage

OpenNotebook = Callable[[str, NotebookNode], LabPage]
KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}}


ALL_ROWS_HAVE = """text => {
    const rows = [...document.querySelectorAll('.jp-OutputArea-output tbody tr')];
    return rows.length > 0 && rows.every(row => row.innerText.includes(text));
}"""
FIRST_ROW_IS = """([text, is]) =>
    (document.querySelector('.jp-OutputArea-output tbody tr')?.innerText.trim() === text.trim()) === is"""
# Where in a canvas something is drawn in colour: some places, each as far from the left and from the top.
COLOURED = """canvas => {
    const { width, height, clientWidth, clientHeight } = canvas;
    const { data } = canvas.getContext('2d').getImageData(0, 0, width, height);
    const places = [];
    for (let place = 0; place < width * height; place += 7) {
        const [red, green, blue] = data.slice(4 * place, 4 * place + 3);
        if (Math.max(red, green, blue) - Math.min(red, green, blue) > 60)
            places.push([(place % width) / width * clientWidth, Math.floor(place / width) / height * clientHeight]);
    }
    return places.filter((_, number) => number % Math.ceil(places.length / 40) === 0);
}"""


@pytest.fixture
def completion_index(sandbox: Sandbox) -> Iterator[Sandbox]:
    """The sandbox with 150 models in its catalog."""
    sandbox.behave(models=150)
    yield sandbox
    sandbox.behave(models=0)


def opened(open_notebook: OpenNotebook, name: str, *sources: str) -> LabPage:
    cells = [new_code_cell(source) for source in ("%load_ext or_magic", *sources)]
    return open_notebook(name, new_notebook(cells=cells, metadata=KERNEL))


@pytest.mark.browser
def test_tab_inserts_an_id(open_notebook: OpenNotebook, completion_index: Sandbox) -> None:
    """Tab in a cell's first line offers ids with their prices, and puts in one with a slash, a dash and a colon."""
    lab = opened(open_notebook, "tab", "%openrouter models --refresh --limit 1", "")
    lab.run_all()
    lab.wait_until_run()
    editor = lab.page.locator(".jp-Cell").nth(2).locator(".cm-content")
    editor.click()
    lab.page.keyboard.type("%%openrouter shelf-99")
    lab.page.keyboard.press("Tab")
    lab.page.wait_for_function("() => /sandbox\\/shelf-99/.test(document.body.innerText)")
    if lab.page.locator(".jp-Completer-item").count():
        lab.page.keyboard.press("Enter")
    lab.page.wait_for_function("() => /%%openrouter sandbox\\/shelf-99/.test(document.body.innerText)")
    lab.page.keyboard.type(":n")
    lab.page.keyboard.press("Tab")
    lab.page.wait_for_function("() => /sandbox\\/shelf-99:nitro/.test(document.body.innerText)")
    if lab.page.locator(".jp-Completer-item").count():
        lab.page.keyboard.press("Enter")

    assert editor.inner_text().strip() == "%%openrouter sandbox/shelf-99:nitro"
    assert lab.outward == []


@pytest.mark.browser
def test_the_table_filters_and_sorts(open_notebook: OpenNotebook, completion_index: Sandbox) -> None:
    """The table of models is searched, filtered by a column and sorted in the page, with the network blocked."""
    lab = opened(open_notebook, "table", "%openrouter models --refresh")
    lab.run_all()
    lab.wait_until_run()
    output = lab.outputs(1).nth(0)
    rows = output.locator("tbody tr")
    output.locator("input[type=search]").first.wait_for()
    first = rows.first.inner_text()
    output.locator("input[type=search]").first.fill("shelf-12")
    lab.page.wait_for_function(ALL_ROWS_HAVE, arg="shelf-12")  # the table waits for the typing to end before it draws
    found = rows.count()
    output.locator("input[type=search]").first.fill("")
    lab.page.wait_for_function(FIRST_ROW_IS, arg=[first, True])
    header = output.locator("thead th").nth(2)
    header.locator(".dt-column-order").first.click()
    lab.page.wait_for_function(FIRST_ROW_IS, arg=[first, False])
    prices = [float(rows.nth(n).locator("td").nth(2).inner_text()) for n in range(rows.count())]

    assert 0 < found < 150
    assert prices == sorted(prices)
    assert prices[0] <= 0.02
    assert output.locator("tbody tr").count() == 10
    assert lab.outward == []


@pytest.mark.browser
def test_every_chart_draws(open_notebook: OpenNotebook, completion_index: Sandbox) -> None:
    """Prices, their history and the spending are drawn by Lab, with the network blocked; a hover names a model."""
    charts = ["context", "intelligence", "history sandbox/echo", "spending"]
    ask = "%%openrouter sandbox/echo\nhi"
    lab = opened(
        open_notebook,
        "charts",
        "%openrouter models --refresh --limit 1",
        ask,
        *(f"%openrouter chart {c}" for c in charts),
    )
    lab.run_all()
    lab.wait_until_run()
    for number in range(len(charts)):
        lab.outputs(3 + number).nth(0).locator("canvas, svg").first.wait_for()
    dots = lab.outputs(3).nth(0).locator("canvas").first
    dots.scroll_into_view_if_needed()
    box = dots.bounding_box()
    assert box is not None
    seen = ""
    for across, down in dots.evaluate(COLOURED):
        lab.page.mouse.move(box["x"] + across, box["y"] + down)
        if lab.page.locator("#vg-tooltip-element.visible").count():
            seen = lab.page.locator("#vg-tooltip-element").inner_text()
            break

    assert "sandbox/" in seen
    assert lab.outward == []
