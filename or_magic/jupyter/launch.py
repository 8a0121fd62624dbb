"""``or-magic demo`` and ``or-magic lab``: notebooks run from a terminal, and shown there as they happen.

nbclient says of each request that nobody can answer it (``allow_stdin`` false), so a cell would not stream. Here the
requests are made as a front end makes them, and display updates are followed as one follows them.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import queue
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, TextIO

import nbformat
from jupyter_client.manager import KernelManager, start_new_kernel
from nbconvert import HTMLExporter
from nbformat import NotebookNode
from nbformat.v4 import output_from_msg

from or_magic.errors import CommandError
from or_magic.text import strip_terminal

_KERNEL_TIMEOUT_S = 60
_CELL_TIMEOUT_S = 600
_BLOCKS = frozenset(
    ["p", "div", "h1", "h2", "h3", "h4", "h5", "h6", "pre", "blockquote", "ul", "ol", "table", "hr", "section"]
)
_LINES = frozenset(["li", "tr", "br"])


def run_notebook(path: Path, environment: dict[str, str], screen: TextIO = sys.stdout) -> tuple[NotebookNode, bool]:
    """Executes the notebook's cells in order, until one fails.

    Returns:
        The notebook with its outputs, and whether all its cells ran.
    """
    notebook = nbformat.read(path, as_version=4)
    manager, client = start_new_kernel(
        kernel_name="python3",
        startup_timeout=_KERNEL_TIMEOUT_S,
        env=environment,
        extra_arguments=[
            "--log-level=ERROR"
        ],  # it warns of its own loopback port, on the terminal that shows the answer
    )
    try:
        for cell in notebook.cells:
            if cell.cell_type == "markdown":
                screen.write(f"{cell.source}\n\n")
            elif cell.cell_type == "code":
                screen.write("".join(f"In: {line}\n" for line in cell.source.splitlines()) + "\n")
                cell.outputs = _run_cell(client, cell, screen)
                screen.write("\n")
                if any(output.output_type == "error" for output in cell.outputs):
                    return notebook, False
    finally:
        client.stop_channels()
        _shut_down(manager)
    return notebook, True


def save(notebook: NotebookNode, folder: Path, name: str) -> tuple[Path, Path]:
    """Writes the notebook and its HTML into the folder; returns both paths."""
    folder.mkdir(parents=True, exist_ok=True)
    ipynb, html = folder / f"{name}.ipynb", folder / f"{name}.html"
    nbformat.write(notebook, ipynb)
    html.write_text(HTMLExporter().from_notebook_node(notebook)[0], encoding="utf-8")
    return ipynb, html


def _run_cell(client: Any, cell: NotebookNode, screen: TextIO) -> list[NotebookNode]:
    request = client.session.msg(
        "execute_request",
        {"code": cell.source, "silent": False, "store_history": True, "allow_stdin": True, "stop_on_error": True},
        metadata={"cellId": cell.id},
    )
    client.shell_channel.send(request)
    shown = _Shown(screen)
    while True:
        try:
            message = client.get_iopub_msg(timeout=_CELL_TIMEOUT_S)
        except queue.Empty:
            raise TimeoutError(f"The cell did not end within {_CELL_TIMEOUT_S} s.") from None
        if message["parent_header"].get("msg_id") != request["header"]["msg_id"]:
            continue
        if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
            shown.finish()
            return shown.outputs
        shown.take(message)


def _shut_down(manager: KernelManager) -> None:
    manager.shutdown_kernel(now=False)
    manager.cleanup_resources()


class _Shown:
    """The outputs of a cell, and what of them stands in the terminal already."""

    def __init__(self, screen: TextIO) -> None:
        self.outputs: list[NotebookNode] = []
        self._by_display: dict[str, NotebookNode] = {}
        self._screen = screen
        self._printed = ""

    def take(self, message: dict[str, Any]) -> None:
        """Follows one message of the kernel."""
        kind, content = message["msg_type"], message["content"]
        display = content.get("transient", {}).get("display_id")
        if kind == "update_display_data" and display in self._by_display:
            self._by_display[display].data = nbformat.from_dict(content["data"])
            self._by_display[display].metadata = nbformat.from_dict(content["metadata"])
        elif kind in ("stream", "display_data", "execute_result", "error"):
            output = output_from_msg(message)
            self.outputs.append(output)
            if display:
                self._by_display[display] = output
        else:
            return
        self._print_more(self._text(is_final=False))

    def finish(self) -> None:
        """Prints what is still to be printed; a line whose beginning has changed is printed anew."""
        text = self._text(is_final=True)
        if not text.startswith(self._printed):
            common = next((i for i, (a, b) in enumerate(zip(text, self._printed, strict=False)) if a != b), 0)
            self._printed = text[: text.rfind("\n", 0, common) + 1]
            self._screen.write("\n")
        self._print_more(text)
        self._screen.write("" if text.endswith("\n") else "\n")

    def _text(self, *, is_final: bool) -> str:
        texts = [_output_text(output, is_final=is_final) for output in self.outputs]
        text = "\n".join(text for text in texts if text)
        # The head of a table is a line of bars until the line below it has come.
        return text if is_final else re.sub(r"(\n?\|.*)+$", "", text).rstrip()

    def _print_more(self, text: str) -> None:
        if text.startswith(self._printed):
            self._screen.write(text[len(self._printed) :])
            self._screen.flush()
            self._printed = text


def _output_text(output: NotebookNode, *, is_final: bool) -> str:
    if output.output_type == "stream":
        return strip_terminal(output.text)
    if output.output_type == "error":
        return strip_terminal("\n".join(output.traceback))
    html = output.data.get("text/html")
    if html is None:
        return strip_terminal(output.data.get("text/plain", ""))
    if "orm-status" in html and not is_final:
        return ""  # a line that waits, and will be gone
    return strip_terminal(_visible_text(html))


def _visible_text(html: str) -> str:
    reader = _TextReader()
    reader.feed(html)
    return re.sub(r"\n{3,}", "\n\n", "".join(reader.pieces)).strip("\n")


class _TextReader(HTMLParser):
    """What a reader of the HTML sees, roughly: blocks on lines of their own, table cells apart."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._hidden += tag == "style"
        if tag in _BLOCKS or tag in _LINES:
            self.pieces.append("\n")
        self.pieces.append({"li": "- ", "td": "  ", "th": "  "}.get(tag, ""))

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag == "style"
        if tag in _BLOCKS:
            self.pieces.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._hidden and (data.strip() or "\n" not in data):
            self.pieces.append(data)


FIRST_NOTEBOOK = "01_first_cell.ipynb"


def demo(argv: list[str]) -> int:
    """Executes a notebook in a real kernel and shows its answers in the terminal as they come."""
    parser = argparse.ArgumentParser(prog="or-magic demo", description=demo.__doc__)
    parser.add_argument("notebook", nargs="?", type=Path, help="default: the tutorial's first notebook")
    parser.add_argument(
        "--out", type=Path, help="folder for the executed notebook and its HTML; default: a temporary one"
    )
    options = parser.parse_args(argv)
    _require("nbconvert", "jupyter_client", "ipykernel")

    notebook = options.notebook or _first_notebook()
    if not notebook.is_file():
        raise CommandError(f"No notebook {str(notebook)!r}.")
    out = options.out or Path(tempfile.mkdtemp(prefix="or_magic_demo_"))
    with _environment() as environment:
        environment.setdefault("OR_MAGIC_NOTEBOOK", str(notebook.absolute()))
        executed, is_whole = run_notebook(notebook, environment)
    ipynb, html = save(executed, out, notebook.stem)
    print(f"\nnotebook  {ipynb}\nHTML      {html}")
    return 0 if is_whole else 1


def lab(argv: list[str]) -> int:
    """Opens JupyterLab; with the sandbox, for as long as Lab runs, where there is no key."""
    parser = argparse.ArgumentParser(prog="or-magic lab", description=lab.__doc__)
    parser.add_argument("folder", nargs="?", default=".", help="default: this folder")
    options, rest = parser.parse_known_args(argv)
    _require("jupyterlab")
    root = ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with _environment() as environment:
        command = [sys.executable, "-m", "jupyterlab", options.folder, *root, *rest]
        return subprocess.run(command, env=environment, check=False).returncode


@contextlib.contextmanager
def _environment() -> Iterator[dict[str, str]]:
    """The environment for a kernel: as it is where it can ask, else with a sandbox, which is said."""
    environment = dict(os.environ)
    if environment.get("OPENROUTER_API_KEY") or environment.get("OPENROUTER_BASE_URL"):
        print(f"Asking {environment.get('OPENROUTER_BASE_URL') or 'https://openrouter.ai'}.\n")
        yield environment
        return
    from or_magic.sandbox import start

    with start() as sandbox:
        print(
            "No OPENROUTER_API_KEY is set, so the answers come from the sandbox on this machine: no model, no cost.\n"
        )
        yield {**environment, "OPENROUTER_BASE_URL": sandbox.base_url}


def _first_notebook() -> Path:
    beside = Path(__file__).parents[1] / "notebooks" / FIRST_NOTEBOOK  # in an installed package
    return beside if beside.is_file() else Path(__file__).parents[2] / "notebooks" / FIRST_NOTEBOOK


def _require(*packages: str) -> None:
    from importlib.util import find_spec

    if missing := [package for package in packages if find_spec(package) is None]:
        raise CommandError(f"This needs {', '.join(missing)}: pip install 'or_magic[lab]'.")
