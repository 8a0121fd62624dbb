"""The panel in a page: what a user does in it, and what is to be seen of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook
from playwright.sync_api import expect

from .lab import LabPage

KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}}
OpenNotebook = Callable[[str, NotebookNode], LabPage]
IS_DONE = """root => { const box = document.querySelectorAll('.orm-panel')[root];
    return box && !box.querySelector('.orm-arriving') && box.querySelectorAll('.orm-item').length
        && [...box.querySelectorAll('button')].some(button => button.textContent.trim() === 'Send'); }"""
# Chromium tells of these whatever the page does.
_HARMLESS = ("ResizeObserver loop", "favicon", "Autofocus processing")
_NOISE = ("jupyter-widgets-jupyterlab-manager", "Failed to load resource")


class PanelPage:
    """A notebook with a panel in it.

    Attributes:
        lab: the page around it.
        complaints: what the page's console has told as an error.
    """

    def __init__(self, lab: LabPage) -> None:
        self.lab, self.page = lab, lab.page
        self.page.set_default_timeout(20_000)
        self.complaints: list[str] = []
        self.page.on("console", lambda message: self._note(message.type, message.text))
        self.page.on("pageerror", lambda error: self._note("error", str(error)))

    def _note(self, kind: str, text: str) -> None:
        if kind == "error" and not any(part in text for part in (*_HARMLESS, *_NOISE)):
            self.complaints.append(text[:400])

    def panel(self, number: int = 0) -> Any:
        """One of the panels of the page."""
        return self.page.locator(".orm-panel").nth(number)

    def box(self, number: int = 0) -> Any:
        """Its prompt box."""
        return self.panel(number).get_by_role("textbox", name="Prompt", exact=True)

    def holds(self, text: str, number: int = 0) -> None:
        """Waits until the prompt box holds a text, which comes by a message of its own."""
        expect(self.box(number)).to_have_value(text)

    def send(self, text: str, number: int = 0) -> None:
        """Types a question and sends it by the keyboard."""
        self.box(number).fill(text)
        self.box(number).press("Control+Enter")

    def ask(self, text: str, number: int = 0) -> None:
        """The same, and waits for the end of the answer."""
        before = self.items(number).count()
        self.send(text, number)
        self.page.wait_for_function(
            "([root, count]) => document.querySelectorAll('.orm-panel')[root]"
            ".querySelectorAll('.orm-item').length > count",
            arg=[number, before],
        )
        self.wait(number)

    def wait(self, number: int = 0) -> None:
        """Waits until nothing arrives in a panel."""
        self.page.wait_for_function(IS_DONE, arg=number)

    def items(self, number: int = 0) -> Any:
        """Its questions with their answers."""
        return self.panel(number).locator(".orm-item")

    def press(self, label: str, item: int = -1, number: int = 0) -> None:
        """Presses a button below a question; one of the menu after it was opened."""
        bar = self.items(number).nth(item)
        button = bar.get_by_role("button", name=label, exact=True)
        if not button.is_visible():
            bar.locator("details.orm-menu > summary").click()
        button.click()

    def see(self, text: str, number: int = 0) -> None:
        """Waits until a panel says something."""
        self.page.wait_for_function(
            "([root, text]) => document.querySelectorAll('.orm-panel')[root]?.innerText.includes(text)",
            arg=[number, text],
        )

    def run(self, source: str) -> str:
        """Runs code in the kernel, as a cell that is not in the notebook would; what it printed."""
        printed: str = self.page.evaluate(
            """async source => {
                const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
                const future = kernel.requestExecute({code: source, stop_on_error: false});
                let printed = '';
                future.onIOPub = message => {
                    if (message.header.msg_type === 'stream') printed += message.content.text;
                    if (message.header.msg_type === 'error') printed += message.content.evalue;
                };
                await future.done;
                return printed;
            }""",
            source,
        )
        return printed


def opened(open_notebook: OpenNotebook, name: str, *sources: str, model: str = "sandbox/echo") -> PanelPage:
    """A notebook whose last cell shows the panel."""
    first = f"%load_ext or_magic\n%openrouter model {model}"
    cells = [new_code_cell(source) for source in (first, *sources, "%openrouter panel")]
    page = PanelPage(open_notebook(name, new_notebook(cells=cells, metadata=KERNEL)))
    page.lab.run_all()
    page.lab.wait_until_run()
    page.box().wait_for()
    return page
