"""The model picker in a real JupyterLab without a network: by mouse, by keyboard, in both themes, while a cell runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import axe_playwright_python
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook
from playwright.sync_api import expect

from or_magic.sandbox import Sandbox

from .lab import LabPage
from .panel_page import PanelPage

OpenNotebook = Callable[[str, NotebookNode], LabPage]
OpenPicker = Callable[..., LabPage]
KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}}
THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}
SETUP = """import os, tempfile
folder = tempfile.mkdtemp()
os.environ |= {"OR_MAGIC_SETTINGS": folder + "/settings.toml", "OR_MAGIC_STORE": folder + "/ledger.sqlite"}
%load_ext or_magic
%openrouter models --refresh --limit 1
import ipywidgets, traitlets
from or_magic.jupyter.panel.picker import ModelPicker"""
SHOW = """picker = ModelPicker()
follower = ipywidgets.Text(description="follower")
traitlets.link((picker, "value"), (follower, "value"))
display(picker, follower)"""
ROWS = ".orm-models tbody tr"
_RUN_CELL = """index => {
    const notebook = window.jupyterapp.shell.currentWidget.content;
    notebook.deselectAll();
    notebook.activeCellIndex = index;
    window.jupyterapp.commands.execute('notebook:run-cell').then(() => undefined, () => undefined);
}"""
_FIELD_IS = "id => document.querySelector('.orm-field input').value === id"
_CELLS = "document.querySelectorAll('.jp-Notebook .jp-Cell')"
_OUTPUT_HAS = f"([n, text]) => {_CELLS}[n].querySelector('.jp-Cell-outputArea').innerText.includes(text)"
_FOCUSED = (
    "() => document.activeElement.matches('.orm-models tbody tr') ? document.activeElement.cells[1].innerText : ''"
)


@pytest.fixture
def completion_index(sandbox: Sandbox) -> Iterator[Sandbox]:
    """The sandbox with 150 models in its catalog."""
    sandbox.behave(models=150)
    yield sandbox
    sandbox.behave(models=0)


@pytest.fixture
def open_picker(open_notebook: OpenNotebook, completion_index: Sandbox) -> Iterator[OpenPicker]:
    """Opens a notebook with a picker, and below it cells that have not run; nothing may go wrong in the page."""
    wrong: list[str] = []
    opened: list[LabPage] = []

    def open_it(name: str, *sources: str) -> LabPage:
        cells = [new_code_cell(source) for source in (SETUP, SHOW)]
        lab = open_notebook(name, new_notebook(cells=cells, metadata=KERNEL))
        opened.append(lab)
        lab.page.on("pageerror", lambda error: wrong.append(str(error)))
        lab.page.on("console", lambda told: wrong.append(told.text) if told.type == "error" else None)
        lab.run_all()
        lab.wait_until_run()
        lab.page.locator(".orm-field input").wait_for()
        for source in sources:
            lab.page.evaluate("() => window.jupyterapp.commands.execute('notebook:insert-cell-below').then(() => 0)")
            lab.page.locator(".jp-Cell").last.locator(".cm-content").fill(source)
        return lab

    yield open_it
    assert wrong == []
    assert [lab.outward for lab in opened] == [[]] * len(opened)


def browse(lab: LabPage) -> Any:
    """Opens the table and gives its rows."""
    lab.page.locator(".orm-opener").click()
    rows = lab.page.locator(ROWS)
    rows.nth(9).wait_for()
    return rows


def told(lab: LabPage, index: int, text: str) -> None:
    """Runs a cell and waits for a text in its output."""
    lab.page.evaluate(_RUN_CELL, index)
    lab.page.wait_for_function(_OUTPUT_HAS, arg=[index, text])


def kernel_knows(lab: LabPage, id: str) -> None:
    """Waits until the kernel has told the page's other widget of a model: a cell that is run then is asked by it."""
    field = lab.page.get_by_label("follower").element_handle()
    lab.page.wait_for_function("([field, id]) => field.value === id", arg=[field, id])


@pytest.mark.browser
def test_a_search_and_a_click(open_picker: OpenPicker) -> None:
    """What is found by typing and clicked is the notebook's model, for magics, linked traits and the card."""
    lab = open_picker("search", "%openrouter model")
    rows = browse(lab)

    lab.page.locator(".orm-picker input[type=search]").press_sequentially("shelf-123")
    lab.page.wait_for_function(f"() => document.querySelectorAll('{ROWS}').length === 1")
    rows.first.click()

    lab.page.wait_for_function(_FIELD_IS, arg="sandbox/shelf-123")
    expect(lab.page.get_by_label("follower")).to_have_value("sandbox/shelf-123")
    told(lab, 2, "sandbox/shelf-123 (%openrouter model)")
    lab.page.locator(".orm-card-id", has_text="sandbox/shelf-123").wait_for()
    expect(rows.first).to_have_attribute("aria-selected", "true")


@pytest.mark.browser
def test_a_chip_and_a_row(open_picker: OpenPicker) -> None:
    """Chips leave the models that can do both; a favourite stands first, with a star, before what was asked."""
    lab = open_picker("chip", "%%openrouter sandbox/json\nhi")
    rows = browse(lab)

    for name in ("vision", "structured"):
        lab.page.locator(".orm-chips").get_by_text(name).click()
    lab.page.wait_for_function("() => document.querySelector('.dt-info').innerText.includes('11 models')")
    name = rows.nth(2).locator("td").nth(1).inner_text()
    rows.nth(2).click()

    lab.page.locator(".orm-card-id", has_text=name).wait_for()
    expect(lab.page.locator(".orm-chip", has_text="vision")).to_have_attribute("aria-pressed", "true")
    expect(lab.page.locator(".orm-field input")).to_have_value(name)
    lab.page.locator(".orm-like").click()
    lab.page.locator(ROWS).first.locator(".orm-star").wait_for()
    expect(rows.first.locator("td").nth(1)).to_have_text(name)
    for chip in ("vision", "structured"):
        lab.page.locator(".orm-chips").get_by_text(chip).click()
    told(lab, 2, "$")
    lab.page.locator(ROWS).nth(1).locator(".orm-mark[title='Used before']").wait_for()
    expect(rows.nth(1).locator("td").nth(1)).to_have_text("sandbox/json")


@pytest.mark.browser
def test_the_field_and_the_magic(open_picker: OpenPicker) -> None:
    """An id that is typed is the model; what a magic sets is shown; an unknown id is set, with the nearest told."""
    lab = open_picker("field", "%openrouter model", "%openrouter model sandbox/echo")
    field = lab.page.locator(".orm-field input")

    lab.page.wait_for_function("() => document.querySelectorAll('.orm-field option').length === 150")
    field.fill("sandbox/shelf-7")
    field.press("Enter")
    expect(lab.page.get_by_label("follower")).to_have_value("sandbox/shelf-7")  # else the cell may run before it is set
    told(lab, 2, "sandbox/shelf-7 (%openrouter model)")
    told(lab, 3, "sandbox/echo (%openrouter model)")
    lab.page.wait_for_function(_FIELD_IS, arg="sandbox/echo")
    field.fill("sandbox/ech")
    field.press("Enter")
    lab.page.get_by_text("No model 'sandbox/ech'. Nearest: sandbox/echo").wait_for()
    field.fill("<b>no id</b>")
    field.press("Enter")
    lab.page.get_by_text("'<b>no id</b>' is no alias, nor a model id").wait_for()

    expect(lab.page.get_by_label("follower")).to_have_value("sandbox/ech")


@pytest.mark.browser
def test_the_keyboard_alone(open_picker: OpenPicker) -> None:
    """Tab, the arrows and Enter open the table, search it, walk its rows over pages and choose one."""
    lab = open_picker("keyboard")
    keyboard = lab.page.keyboard
    lab.page.locator(".orm-field input").focus()

    keyboard.press("Tab")
    keyboard.press("Enter")
    lab.page.locator(ROWS).nth(9).wait_for()
    assert lab.page.locator(".orm-opener").get_attribute("aria-expanded") == "true"
    for _ in range(40):
        keyboard.press("Tab")
        if first := lab.page.evaluate(_FOCUSED):
            break
    walked = [first]
    for key in ("ArrowDown", "ArrowDown", "End", "ArrowDown", "ArrowUp", "Home", "PageDown", "PageUp", "ArrowDown"):
        keyboard.press(key)
        walked.append(lab.page.evaluate(_FOCUSED))
    keyboard.press("Enter")
    lab.page.wait_for_function(_FIELD_IS, arg="sandbox/rehearsal")

    top, bottom, next_top = "openrouter/auto", "sandbox/json", "sandbox/coder"
    middle = ["sandbox/rehearsal", "sandbox/echo"]
    assert walked == [top, *middle, bottom, next_top, bottom, top, next_top, top, middle[0]]
    assert lab.page.evaluate(_FOCUSED) == "sandbox/rehearsal"
    lab.page.locator(".orm-picker input[type=search]").press("ArrowDown")
    keyboard.press("ArrowDown")
    keyboard.press("ArrowDown")
    keyboard.press("Space")
    lab.page.wait_for_function(_FIELD_IS, arg="sandbox/echo")


@pytest.mark.soak
@pytest.mark.browser
def test_a_busy_kernel(open_picker: OpenPicker) -> None:
    """While a cell runs, a chip filters and a row sets the model, which the running cell sees."""
    waiting = "import time\nwhile picker.value != 'sandbox/shelf-8':\n    time.sleep(0.05)\nprint('heard')"
    lab = open_picker("busy", waiting)
    rows = browse(lab)
    lab.page.evaluate(_RUN_CELL, 2)
    lab.page.locator(".jp-Cell").nth(2).locator(".jp-InputArea-prompt", has_text="[*]").wait_for()

    lab.page.locator(".orm-chips").get_by_text("vision").click()
    lab.page.wait_for_function("() => document.querySelector('.dt-info').innerText.includes('in all')")
    rows.filter(has_text="sandbox/shelf-8").first.click()

    lab.page.wait_for_function(_OUTPUT_HAS, arg=[2, "heard"])


@pytest.mark.soak
@pytest.mark.browser
@pytest.mark.parametrize("theme", THEMES)
def test_nothing_in_its_way(open_picker: OpenPicker, theme: str) -> None:
    """axe finds nothing serious in it, closed or open, light or dark; where there is little room, prices remain."""
    lab = open_picker(f"axe_{theme}")
    page = lab.page
    page.evaluate("theme => { window.jupyterapp.commands.execute('apputils:change-theme', {theme}); }", THEMES[theme])
    page.wait_for_function("is => document.body.dataset.jpThemeLight === is", arg=str(theme == "light").lower())
    page.evaluate((Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8"))

    found = _violations(page)
    rows = browse(lab)
    rows.nth(3).click()
    page.locator(".orm-card-id", has_text="sandbox/essay").wait_for()
    page.locator(".orm-like").click()
    page.locator(".orm-star").wait_for()
    found += _violations(page)
    wide = page.locator(".orm-models thead th:visible").count()
    page.set_viewport_size({"width": 800, "height": 1000})
    narrow = page.locator(".orm-models thead th:visible")
    page.wait_for_function("() => document.querySelector('.orm-models .orm-wide').offsetParent === null")
    found += _violations(page)

    assert found == []
    assert wide > narrow.count() == 4
    lines = [" ".join(text.split()) for text in narrow.all_inner_texts()]
    assert lines == ["★", "", "in USD/M", "out USD/M"]


def _violations(page: Any) -> list[str]:
    found = page.evaluate("axe.run('.orm-picker')")["violations"]
    return [f"{each['id']}: {each['nodes'][0]['html']}" for each in found if each["impact"] in ("serious", "critical")]


@pytest.mark.browser
def test_what_is_being_typed_stays(open_picker: OpenPicker) -> None:
    """A half typed id is left alone when the list that the field offers changes; Enter sets it then."""
    lab = open_picker("typed")
    field = lab.page.locator(".orm-field input")
    lab.page.wait_for_function("() => document.querySelectorAll('.orm-field option').length === 150")
    field.fill("sandbox/shelf-7")

    PanelPage(lab).run("%%openrouter sandbox/json\nhi")
    lab.page.wait_for_function("() => document.querySelector('.orm-field option').value === 'sandbox/json'")
    assert field.input_value() == "sandbox/shelf-7"
    field.press("Enter")

    kernel_knows(lab, "sandbox/shelf-7")
