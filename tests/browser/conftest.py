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

from .lab import VIEWPORT, Lab, LabPage, Notebook7, load

START_TIMEOUT_S = 90
EXPECT_TIMEOUT_MS = 20_000
BEHAVIOUR = Behaviour(pace=400, first_token_s=0.2)  # slow enough to be watched, fast enough to be waited for
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
_SERVER_CONFIG = "from tests.kernel_ports import KernelPorts\n\nKernelPorts.instance()\n"


@pytest.fixture(scope="package")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A JupyterLab with settings, a store and a sandbox of its own; what it says is in `lab.txt` beside its folder."""
    with start(behaviour=BEHAVIOUR) as sandbox, _running(Lab, sandbox, tmp_path_factory.mktemp("lab")) as lab:
        yield lab


@pytest.fixture
def sandbox(lab: Lab) -> Sandbox:
    """The sandbox of the Lab, for all tests the same one: whoever turns a knob turns it back."""
    return lab.sandbox


@pytest.fixture
def notebook7(tmp_path: Path) -> Iterator[Lab]:
    """A Jupyter Notebook 7 with settings, a store and a sandbox of its own."""
    pytest.importorskip("notebook", reason="Jupyter Notebook 7 is not installed")
    with start(behaviour=BEHAVIOUR) as sandbox, _running(Notebook7, sandbox, tmp_path) as notebook:
        yield notebook


@contextmanager
def _running(kind: type[Lab], sandbox: Sandbox, folder: Path) -> Iterator[Lab]:
    lab = kind(port=_free_port(), token="a-token-for-the-tests", root=folder / "root", sandbox=sandbox)
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
    api.expect.set_options(timeout=EXPECT_TIMEOUT_MS)
    with api.sync_playwright() as playwright:
        executable = own or playwright.chromium.executable_path
        if not Path(executable).exists():
            pytest.skip("no Chromium: neither `chromium` on the PATH nor one that `playwright install` has fetched")
        chromium = playwright.chromium.launch(executable_path=executable, args=flags)
        yield chromium
        chromium.close()


@pytest.fixture(scope="package")
def loaded() -> list[Any]:
    """The page in which a Lab is loaded and no notebook is open; empty where there is none."""
    return []


@pytest.fixture
def open_notebook(
    request: pytest.FixtureRequest, browser: Any, lab: Lab, loaded: list[Any]
) -> Iterator[Callable[[str, nbformat.NotebookNode], LabPage]]:
    """Puts a notebook into the Lab's folder and opens it in a page, with a kernel that is idle.

    The first notebook of a test is opened in the Lab that is loaded already, as a user opens one after another. Further
    ones have pages of their own, and so has a test that is marked with `own_page`, that measures or draws pictures.
    The page of a test that failed is not used again.
    """
    opened: list[LabPage] = []
    is_alone = any(request.node.get_closest_marker(name) for name in ("own_page", "bench", "pictures"))
    failed = request.session.testsfailed

    def open_it(name: str, notebook: nbformat.NotebookNode) -> LabPage:
        path = lab.root / f"{name}.ipynb"
        nbformat.write(notebook, path)
        if opened or is_alone or not loaded:
            page = browser.new_context(viewport=VIEWPORT).new_page()
            if not opened and not is_alone:
                load(page, lab)
        else:
            page = loaded.pop()
        opened.append(LabPage(page, lab, path))
        opened[-1].open()
        return opened[-1]

    yield open_it
    for number, page in enumerate(opened):
        is_kept = number == 0 and not is_alone and request.session.testsfailed == failed and page.put_away()
        if is_kept:
            loaded.append(page.page)
        else:
            page.close()


def _environment(folder: Path, sandbox: Sandbox) -> dict[str, str]:
    settings = folder / "settings"
    for plugin, values in LAB_SETTINGS.items():
        extension, name = plugin.split(":")
        path = settings / extension / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values), encoding="utf-8")
    (folder / "config").mkdir(exist_ok=True)
    (folder / "config" / "jupyter_server_config.py").write_text(_SERVER_CONFIG, encoding="utf-8")
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
