"""A real JupyterLab with a sandbox behind it, and a headless Chromium in front of it.

Everything is package-scoped, not session-scoped: while Playwright's synchronous API is open, an event loop counts as
running in the main thread, and the tests of other packages could not use `asyncio.run`.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import nbformat
import pytest

from or_magic.sandbox import Behaviour, Sandbox, start

from .lab import Lab, LabPage, Notebook7

START_TIMEOUT_S = 90
PACE = 400  # tokens per second: slow enough to be watched, fast enough to be waited for
CHROMIUM_FLAGS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
LAB_SETTINGS: dict[str, dict[str, Any]] = {
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
    "@jupyterlab/notebook-extension:tracker": {"windowingMode": "none"},  # all cells are in the page, seen or not
}


@pytest.fixture(scope="package")
def sandbox() -> Iterator[Sandbox]:
    """A sandbox whose answers take seconds."""
    with start(behaviour=Behaviour(pace=PACE, first_token_s=0.2)) as running:
        yield running


@pytest.fixture(scope="package")
def lab(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A JupyterLab with settings and a store of its own; what it says is in `lab.txt` beside its folder."""
    with _running(Lab, sandbox, tmp_path_factory.mktemp("lab")) as lab:
        yield lab


@pytest.fixture
def notebook7(sandbox: Sandbox, tmp_path: Path) -> Iterator[Lab]:
    """The same for Jupyter Notebook 7."""
    pytest.importorskip("notebook", reason="Jupyter Notebook 7 is not installed")
    with _running(Notebook7, sandbox, tmp_path) as notebook:
        yield notebook


@contextmanager
def _running(kind: type[Lab], sandbox: Sandbox, folder: Path) -> Iterator[Lab]:
    lab = kind(port=_free_port(), token="a-token-for-the-tests", root=folder / "root")
    lab.root.mkdir()
    log = folder / "lab.txt"
    with log.open("wb") as output:
        process = subprocess.Popen(
            lab.command(), cwd=lab.root, env=_environment(folder, sandbox), stdout=output, stderr=subprocess.STDOUT
        )
        try:
            _wait_until_up(lab, process, log)
            yield lab
        finally:
            _end(lab, process)


@pytest.fixture(scope="package")
def browser() -> Iterator[Any]:
    """A headless Chromium: the system's, or else Playwright's own. Without one the tests are skipped."""
    api = pytest.importorskip("playwright.sync_api", reason="Playwright for Python is not installed")
    own = shutil.which("chromium") or shutil.which("chromium-browser")
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0
    flags = [*CHROMIUM_FLAGS, *(["--no-sandbox"] if is_root else [])]
    with api.sync_playwright() as playwright:
        executable = own or playwright.chromium.executable_path
        if not Path(executable).exists():
            pytest.skip("no Chromium: neither `chromium` on the PATH nor one that `playwright install` has fetched")
        chromium = playwright.chromium.launch(executable_path=executable, args=flags)
        yield chromium
        chromium.close()


@pytest.fixture
def open_notebook(browser: Any, lab: Lab) -> Iterator[Callable[[str, nbformat.NotebookNode], LabPage]]:
    """Puts a notebook into the Lab's folder and opens it in a page of its own, with a kernel that is idle."""
    opened: list[LabPage] = []

    def open_it(name: str, notebook: nbformat.NotebookNode) -> LabPage:
        path = lab.root / f"{name}.ipynb"
        nbformat.write(notebook, path)
        context = browser.new_context(viewport={"width": 1280, "height": 1000})
        opened.append(LabPage(context.new_page(), lab, path))
        opened[-1].open()
        return opened[-1]

    yield open_it
    for page in opened:
        page.close()


def _environment(folder: Path, sandbox: Sandbox) -> dict[str, str]:
    settings = folder / "settings"
    for plugin, values in LAB_SETTINGS.items():
        extension, name = plugin.split(":")
        path = settings / extension / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values), encoding="utf-8")
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("JUPYTER", "OPENROUTER", "OR_MAGIC"))}
    return inherited | {
        "OPENROUTER_BASE_URL": sandbox.base_url,
        "OPENROUTER_API_KEY": "sk-or-test",
        "OR_MAGIC_STORE": str(folder / "ledger.sqlite"),
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "JUPYTER_DATA_DIR": str(folder / "data"),
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(settings),
        "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
        "IPYTHONDIR": str(folder / "ipython"),
        "PYTHONPATH": os.pathsep.join(filter(None, [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH")])),
    }


def _wait_until_up(lab: Lab, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(lab.url("api"), verify=False, trust_env=False).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    pytest.fail(f"JupyterLab did not start. It said:\n{log.read_text(encoding='utf-8', errors='replace')[-4000:]}")


def _end(lab: Lab, process: subprocess.Popen[bytes]) -> None:
    """Ends the Lab in the way that ends its kernels too, and if that fails, by force."""
    try:
        httpx.post(lab.url("api/shutdown"), headers=lab.authorization, verify=False, trust_env=False)
        process.wait(timeout=15)
    except (httpx.TransportError, subprocess.TimeoutExpired):
        process.kill()
        process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
