"""A running JupyterLab, and one of its notebooks in a page of a browser."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import nbformat

from or_magic.sandbox import Sandbox

FOOTER = ".orm-status"
LOOPBACK = frozenset({"127.0.0.1", "localhost"})
OPEN_TIMEOUT_MS = 90_000
VIEWPORT: Any = {"width": 1280, "height": 1000}

_KERNEL_IS_IDLE = """path => {
    const panel = window.jupyterapp?.shell.currentWidget;
    return panel?.context?.path === path && panel.context.isReady
        && panel.sessionContext?.session?.kernel?.status === 'idle';
}"""
_OPEN = "path => window.jupyterapp.commands.execute('docmanager:open', {path}).then(() => undefined)"
_PUT_AWAY = """async () => {
    const { shell, commands } = window.jupyterapp;
    for (const widget of [...shell.widgets('main')].filter(each => each.context)) {
        widget.sessionContext.shutdown().catch(() => undefined);  // it may end while the next one begins
        widget.dispose();
    }
    for (const name of ['__ran', '__finished', '__busy', '__restarted', '__ran_cell']) delete window[name];
    if (document.body.dataset.jpThemeLight !== 'true')
        await commands.execute('apputils:change-theme', {theme: 'JupyterLab Light'});
    return document.querySelector('.jp-Dialog') === null;
}"""
_RUN_ALL = """() => {
    window.__finished = false;
    const finish = () => { window.__finished = true; };
    window.jupyterapp.commands.execute('notebook:run-all-cells').then(finish, finish);
}"""
_CELL = "document.querySelectorAll('.jp-Notebook .jp-Cell')[index].querySelector('.jp-Cell-outputArea')"
_LENGTH = f"index => {_CELL}.innerText.length"
_HAS_GROWN_OR_ENDED = f"([index, length]) => window.__finished || {_CELL}.innerText.length > length"
_DANGERS = """() => [
    ...(window.__ran === undefined ? [] : ['window.__ran']),
    ...[...document.querySelectorAll('.jp-OutputArea-output .orm *:not(.orm-code-bar *)')].filter(element => {
        const address = (element.getAttribute('href') ?? '').replace(/[\\0-\\x20]/g, '').toLowerCase();
        return element.matches('script, iframe, object, embed, svg:not(mjx-container *), form, input, button')
            || element.matches('link, base, meta, style, dialog, video, audio, [contenteditable]')
            || (element.matches('img') && !/^data:image\\/(png|gif|jpeg|webp)[;,]/.test(element.getAttribute('src')))
            || (address !== '' && !/^(https?:\\/\\/|mailto:|#orm)/.test(address))
            || [...element.attributes].some(attribute => /^on|^data-commandlinker/.test(attribute.name));
    }).map(element => element.outerHTML.slice(0, 200)),
]"""


@dataclass(frozen=True)
class Lab:
    """Where a JupyterLab listens, the folder that it serves, and the sandbox that its kernels ask."""

    port: int
    token: str
    root: Path
    sandbox: Sandbox

    @property
    def authorization(self) -> dict[str, str]:
        """The header of a request to its API."""
        return {"Authorization": f"token {self.token}"}

    def url(self, path: str) -> str:
        """The address of something in it."""
        return f"http://127.0.0.1:{self.port}/{path}"

    def page_of(self, name: str) -> str:
        """The address of a notebook's page."""
        return self.url(f"lab/tree/{name}?reset&token={self.token}")

    def page_of_none(self) -> str:
        """The address of a page in which no notebook is open yet."""
        return self.url(f"lab?reset&token={self.token}")

    def command(self) -> list[str]:
        """The command line that starts it."""
        return [
            *(sys.executable, "-m", "jupyter", "lab", "--no-browser", "--allow-root"),
            "--ServerApp.ip=127.0.0.1",
            f"--ServerApp.port={self.port}",
            "--ServerApp.port_retries=0",
            f"--IdentityProvider.token={self.token}",
            f"--ServerApp.root_dir={self.root}",
            "--LabApp.expose_app_in_browser=True",
            "--LabApp.news_url=None",
        ]


class Notebook7(Lab):
    """A Jupyter Notebook 7: the same front end in another dress."""

    def page_of(self, name: str) -> str:
        """The address of a notebook's page."""
        return self.url(f"notebooks/{name}?token={self.token}")

    def command(self) -> list[str]:
        """The command line that starts it."""
        replaced = {
            "lab": "notebook",
            "--LabApp.expose_app_in_browser=True": "--JupyterNotebookApp.expose_app_in_browser=True",
        }
        return [replaced.get(word, word) for word in super().command() if word != "--LabApp.news_url=None"]


def load(page: Any, lab: Lab) -> None:
    """Loads a Lab in which no notebook is open."""
    page.goto(lab.page_of_none())
    page.wait_for_function("() => window.jupyterapp !== undefined", timeout=OPEN_TIMEOUT_MS)
    page.evaluate("() => window.jupyterapp.restored.then(() => undefined)")


class LabPage:
    """A notebook in a page. Requests that would leave the machine are stopped, and are kept in `outward`.

    Args:
        page: a page of a browser; a Lab may be in it, with no notebook open.
    """

    def __init__(self, page: Any, lab: Lab, path: Path) -> None:
        self.page = page
        self.outward: list[str] = []
        self._lab = lab
        self._path = path
        page.set_default_timeout(60_000)
        page.context.route("**/*", self._route)

    def open(self) -> None:
        """Opens the notebook, in the Lab that is in the page or in one that is loaded, and waits for its kernel."""
        if self.page.url.startswith(self._lab.url("")):
            self.page.evaluate(_OPEN, self._path.name)
        else:
            self.page.goto(self._lab.page_of(self._path.name))
        self.page.wait_for_function(_KERNEL_IS_IDLE, arg=self._path.name, timeout=OPEN_TIMEOUT_MS)

    def open_again(self) -> None:
        """Loads the page anew, with the same kernel and the same workspace."""
        self.page.goto(self._lab.page_of(self._path.name).replace("reset&", ""))
        self.page.wait_for_function(_KERNEL_IS_IDLE, arg=self._path.name, timeout=OPEN_TIMEOUT_MS)

    def run_all(self) -> None:
        """Begins to run all cells, and does not wait for them."""
        self.page.evaluate(_RUN_ALL)

    def wait_until_run(self) -> None:
        """Waits for the last cell to end."""
        self.page.wait_for_function("() => window.__finished", timeout=OPEN_TIMEOUT_MS)

    def lengths(self, index: int) -> list[int]:
        """How long the visible text of a cell's outputs was each time it had grown, until all cells have run."""
        lengths = [0]
        while not self.page.evaluate("() => window.__finished"):
            self.page.wait_for_function(_HAS_GROWN_OR_ENDED, arg=[index, lengths[-1]])
            length = self.page.evaluate(_LENGTH, index)
            if length > lengths[-1]:
                lengths.append(length)
        return lengths

    def outputs(self, index: int) -> Any:
        """The outputs of a cell, as they are in the page."""
        return self.page.locator(".jp-Notebook .jp-Cell").nth(index).locator(".jp-OutputArea-output")

    def dangers(self) -> list[str]:
        """Whatever in the outputs could act, fetch or lead astray, and `window.__ran` if a text has run."""
        found: list[str] = self.page.evaluate(_DANGERS)
        return found

    def saved(self) -> nbformat.NotebookNode:
        """Saves the notebook by Lab's own command and reads the file."""
        self.page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save').then(() => undefined)")
        return nbformat.read(self._path, as_version=4)

    def put_away(self) -> bool:
        """Ends the kernel, closes the notebook and leaves the Lab in the page; whether it is as it was before."""
        is_as_before: bool = self.page.evaluate(_PUT_AWAY)
        self.page.context.clear_permissions()
        self.page.context.unroute("**/*", self._route)
        self.page.set_viewport_size(VIEWPORT)
        return is_as_before

    def close(self) -> None:
        """Closes the page."""
        self.page.context.close()

    def _route(self, route: Any) -> None:
        if urlsplit(route.request.url).hostname in LOOPBACK:
            route.continue_()
        else:
            self.outward.append(route.request.url)
            route.abort()
