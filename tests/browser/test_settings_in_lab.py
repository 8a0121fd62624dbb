"""The panel's settings and its meter in a real JupyterLab: what is set there is what a command sets, no more."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook
from playwright.sync_api import expect

from or_magic.sandbox import Sandbox

from .lab import Lab, LabPage

OpenNotebook = Callable[[str, NotebookNode], LabPage]
KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}}
MADE = """
from IPython.display import HTML, display
from or_magic.jupyter.panel import meter as meters, settings_form as forms
from or_magic.jupyter.panel.worker import free
from or_magic.jupyter.panel.worker import Worker

ip = get_ipython()
context = ip.magics_manager.registry['OpenRouterMagics'].context
location = context.host.where()
work = Worker(lambda error: open('failures.txt', 'a').write(repr(error)))
form = forms.SettingsForm(context.session, lambda: ip.user_ns, lambda: location, work)
meter = meters.Meter(context.session, lambda: location, work)
display(HTML(f'<style>{forms.CSS}{meters.CSS}</style>'))
def stations(): 'The weather stations.'
display(form, meter)
free(form, meter)
"""
THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}


class FormPage:
    """A notebook with the form in its second cell, and more cells to run."""

    def __init__(self, open_notebook: OpenNotebook, name: str, *sources: str) -> None:
        cells = [new_code_cell(text) for text in ("%load_ext or_magic", MADE, *sources)]
        self.lab = open_notebook(name, new_notebook(cells=cells, metadata=KERNEL))
        self.page = self.lab.page
        for index in (0, 1):
            self.run(index)
        self.toggle = self.page.get_by_role("button", name="Settings", exact=True)
        self.toggle.wait_for()

    def run(self, index: int) -> str:
        """Runs one cell and gives what it printed."""
        self.page.evaluate(
            """async index => {
                const panel = window.jupyterapp.shell.currentWidget;
                panel.content.activeCellIndex = index;
                await window.jupyterapp.commands.execute('notebook:run-cell');
            }""",
            index,
        )
        return str(self.lab.outputs(index).all_inner_texts())

    def field(self, label: str) -> Any:
        """The control with that label."""
        return self.page.get_by_label(label, exact=True)

    def fill(self, label: str, text: str) -> None:
        """Types into a field and leaves it by the Tab key."""
        self.field(label).fill(text)
        self.field(label).press("Tab")

    def await_summary(self, text: str) -> None:
        """Waits until the line beside the button is this."""
        self.page.wait_for_function(
            "text => document.querySelector('.orm-settings-summary')?.innerText.trim() === text", arg=text
        )

    def look(self, theme: str) -> None:
        """Changes Lab's theme."""
        self.page.evaluate(
            "theme => { window.jupyterapp.commands.execute('apputils:change-theme', {theme}); }", THEMES[theme]
        )
        light = str(theme == "light").lower()
        self.page.wait_for_function("is => document.body.dataset.jpThemeLight === is", arg=light)


@pytest.fixture
def page(open_notebook: OpenNotebook, lab: Lab, request: pytest.FixtureRequest) -> Iterator[FormPage]:
    """A notebook with the form, and cells to run behind it: those that the test names."""
    yield FormPage(open_notebook, request.node.originalname, *request.param)
    assert not (lab.root / "failures.txt").exists()


def sent(sandbox: Sandbox) -> dict[str, Any]:
    """What the last question held, besides what each one holds."""
    body = [each.body for each in sandbox.requests if each.body and "messages" in each.body][-1]
    return {name: value for name, value in body.items() if name not in ("model", "stream", "stream_options")}


CELLS = ("%openrouter config", "%openrouter ask hi", "form.refresh()", "%openrouter set max_tokens 77\nform.refresh()")


@pytest.mark.browser
@pytest.mark.parametrize("page", [CELLS], indirect=True)
def test_set_and_take_back(page: FormPage, sandbox: Sandbox) -> None:
    """A field sets what the command sets, both ways; a question holds what was set and nothing else."""
    page.toggle.click()
    page.fill("temperature", "0.2")
    page.field("provider.zdr").select_option("on")
    page.await_summary("temperature 0.2 · provider.zdr on")
    assert "temperature          0.2 (%openrouter set)" in page.run(2)
    page.run(3)
    held = sent(sandbox)
    assert held.pop("messages") == [{"role": "user", "content": "hi"}]
    assert held == {"temperature": 0.2, "provider": {"zdr": True}}

    page.fill("temperature", "")
    page.field("provider.zdr").select_option("not set")
    page.await_summary("nothing set here")
    assert "temperature" not in page.run(2)
    page.run(3)
    assert set(sent(sandbox)) == {"messages"}

    page.run(5)
    page.await_summary("max_tokens 77")
    expect(page.field("max_tokens")).to_have_value("77")
    assert page.lab.outward == []


@pytest.mark.browser
@pytest.mark.parametrize("page", [("%openrouter config",)], indirect=True)
def test_a_wrong_value(page: FormPage) -> None:
    """What cannot be a value is told right below its field, which keeps it and looks it; nothing is set."""
    page.toggle.click()
    page.fill("temperature", "<img src=x onerror=window.__ran=1>")
    alert = page.page.locator(".orm-settings [role=alert]")
    alert.wait_for()

    field, line = page.field("temperature").bounding_box(), alert.bounding_box()
    assert "it wants a number from 0 to 2." in alert.inner_text()
    assert 0 <= line["y"] - (field["y"] + field["height"]) < 10
    expect(page.field("temperature")).to_have_css("border-top-width", "2px")
    assert "temperature" not in page.run(2)
    assert page.lab.dangers() == []

    page.fill("temperature", "")
    alert.wait_for(state="detached")


SYSTEM = ("%openrouter system", "%openrouter ask hi", "%openrouter system Speak up.\nform.refresh()")


@pytest.mark.browser
@pytest.mark.parametrize("page", [SYSTEM], indirect=True)
def test_the_system_prompt(page: FormPage, sandbox: Sandbox) -> None:
    """What is typed is the thread's system prompt, and what a cell sets is shown."""
    page.toggle.click()
    page.fill("system prompt", "Be kind.\nBe brief.")
    page.await_summary("system prompt Be kind. Be brief.")
    assert "System prompt of thread main: Be kind." in page.run(2)
    page.run(3)
    assert sent(sandbox)["messages"][0] == {"role": "system", "content": "Be kind.\nBe brief."}

    page.run(4)
    page.await_summary("system prompt Speak up.")
    expect(page.field("system prompt")).to_have_value("Speak up.")


MODELS = tuple(f"%openrouter model sandbox/{name}\nform.refresh()" for name in ("reasoner", "tools", "echo"))


@pytest.mark.browser
@pytest.mark.parametrize("page", [("_ = %openrouter models --refresh", *MODELS)], indirect=True)
def test_what_the_model_hears(page: FormPage) -> None:
    """Fields that the model does not hear are hidden, and come back with one that does."""
    page.toggle.click()
    page.run(2)
    for index, seen in ((3, ["reasoning"]), (4, ["stations"]), (5, [])):
        page.run(index)
        for name in ("reasoning", "stations"):
            page.field(name).wait_for(state="visible" if name in seen else "hidden")
        expect(page.field("max_tokens")).to_be_visible()
        expect(page.field("temperature")).to_be_hidden()


WAITING = (
    "import time\nuntil = time.monotonic() + 20\n"
    "while 'temperature' not in context.session.settings.notebook and time.monotonic() < until:\n    time.sleep(0.05)\n"
    "print('heard', context.session.settings.notebook)"
)


@pytest.mark.soak
@pytest.mark.browser
@pytest.mark.parametrize("page", [(WAITING,)], indirect=True)
def test_while_a_cell_runs(page: FormPage) -> None:
    """The keyboard alone unfolds the form and sets a value, while a cell runs."""
    page.page.evaluate("window.jupyterapp.shell.currentWidget.content.activeCellIndex = 2")
    page.page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-cell'); }")
    page.page.wait_for_function(
        "() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.status === 'busy'"
    )
    page.toggle.focus()
    page.page.keyboard.press("Space")
    page.field("system prompt").wait_for()
    for _ in range(2):
        page.page.keyboard.press("Tab")
    assert page.field("temperature").evaluate("field => field === document.activeElement")
    page.page.keyboard.type("0.5")
    page.page.keyboard.press("Tab")

    page.lab.outputs(2).get_by_text("heard {'temperature': '0.5'}").wait_for()
    page.await_summary("temperature 0.5")


@pytest.mark.soak
@pytest.mark.browser
@pytest.mark.parametrize("page", [("%openrouter budget 0.5", "%openrouter ask hi", "meter.refresh()")], indirect=True)
def test_the_meter(page: FormPage) -> None:
    """The figures follow a question; the balance comes when it is asked for."""
    for index in (2, 3, 4):
        page.run(index)
    bar = page.page.get_by_role("meter", name="sandbox budget")
    page.page.get_by_text("this turn").wait_for()
    assert bar.get_attribute("aria-valuetext").endswith(" of $0.50 spent")
    assert float(bar.get_attribute("aria-valuenow")) > 0

    page.page.get_by_role("button", name="Balance").click()
    page.page.get_by_text("sandbox $").and_(page.page.get_by_role("status")).wait_for()


@pytest.mark.soak
@pytest.mark.browser
@pytest.mark.parametrize("page", [("%openrouter budget 0.5\nmeter.refresh()",)], indirect=True)
def test_accessible(page: FormPage) -> None:
    """axe finds nothing serious in the form, unfolded and with a mistake in it, nor in the meter; light and dark."""
    page.run(2)
    page.page.get_by_role("meter").wait_for()
    page.toggle.click()
    page.fill("temperature", "hot")
    page.page.locator(".orm-settings [role=alert]").wait_for()
    found, checked = [], set()
    for theme in THEMES:
        page.look(theme)
        for part in (".orm-settings", ".orm-meter"):
            told = Axe().run(page.page, context=part).response
            checked |= {each["id"] for each in told["passes"]}
            found += [
                (theme, part, each["id"], [node["html"][:200] for node in each["nodes"]])
                for each in told["violations"]
                if each["impact"] in ("serious", "critical")
            ]

    assert found == []
    assert {"label", "select-name", "color-contrast", "button-name", "aria-meter-name"} <= checked


@pytest.mark.soak
@pytest.mark.browser
@pytest.mark.parametrize("page", [("form.refresh()",)], indirect=True)
def test_columns(page: FormPage) -> None:
    """Two columns where there is room, one on a narrow screen; nothing sticks out at the side."""
    page.page.evaluate("() => { window.jupyterapp.commands.execute('application:toggle-left-area'); }")
    page.toggle.click()
    for width, columns in ((800, 2), (1400, 2), (360, 1)):
        page.page.set_viewport_size({"width": width, "height": 900})
        page.page.wait_for_function(
            "count => getComputedStyle(document.querySelector('.orm-settings-body'))"
            ".gridTemplateColumns.split(' ').length === count",
            arg=columns,
        )
        sticks_out = "part => part.scrollWidth > part.clientWidth + 1"
        assert not page.page.locator(".orm-settings").evaluate(sticks_out)
        assert not page.page.locator(".orm-meter").evaluate(sticks_out)
