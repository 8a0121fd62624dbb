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
_VOID = frozenset(["br", "hr", "img", "input", "wbr"])
_INLINE = frozenset(["a", "code", "del", "em", "span", "strong", "sub", "sup"])
_HOLDERS = frozenset(["div", "ul", "ol", "li", "table", "thead", "tbody", "tr", "blockquote", "section", "details"])
# What may begin something that looks otherwise at its end: a link, a formula, emphasis, code, a tag, a table.
_DOUBTFUL = re.compile(r"!?\[|[`*~<$\\|]|(?<!\w)_")
_DOUBTFUL_END = re.compile(r"(?:[_!]|&\w*)\Z")
_REFERENCE = re.compile(r"\[\^|\]\[")  # to a note or an address that may stand far below
_DOUBTFUL_LINE = re.compile(r"^[-=+#>\d.) ]*\Z", re.M)  # signs alone may become a list, a heading, a rule


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
    shown = NotebookScreen(screen)
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


class NotebookScreen:
    """The outputs of a cell, and what of them stands in the terminal already.

    What was printed cannot be taken back, and an answer that arrives is drawn again and again in two outputs: text
    moves from the lower to the upper one, in two messages, and the block at its end may look otherwise when it is
    whole (``[open`` becomes a link). So nothing is printed between the two messages, and of the last block only what
    no further text can change.
    """

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
            output = self._by_display[display]
            output.data = nbformat.from_dict(content["data"])
            output.metadata = nbformat.from_dict(content["metadata"])
        elif kind in ("stream", "display_data", "execute_result", "error"):
            output = output_from_msg(message)
            self.outputs.append(output)
            if display:
                self._by_display[display] = output
        else:
            return
        if output is self.outputs[-1]:  # else the message that redraws what is below it follows
            self._print_more(self._text(is_final=False))

    def finish(self) -> None:
        """Prints what is still to be printed.

        A line that was changed where it was taken for settled is printed anew.
        """
        text = self._text(is_final=True)
        if not text.startswith(self._printed):
            pairs = enumerate(zip(text, self._printed, strict=False))
            common = next((place for place, (new, old) in pairs if new != old), len(text))
            self._printed = text[: text.rfind("\n", 0, common) + 1]
            self._screen.write("\n")
        self._print_more(text)
        self._screen.write("" if text.endswith("\n") else "\n")

    def _text(self, *, is_final: bool) -> str:
        """What can be read; while more may come, without what may still change."""
        text = ""
        was_answer = False
        for output in self.outputs:
            if _is_status(output) and not is_final:
                continue  # a line that waits, and will be gone
            is_answer = output.output_type == "display_data" and not _is_status(output)
            shown, may_change = _output_text(output, is_final=is_final, grows=output is self.outputs[-1])
            if shown:
                text += ("\n\n" if is_answer and was_answer else "\n" if text else "") + shown
                was_answer = is_answer
            if may_change:
                break
        return text

    def _print_more(self, text: str) -> None:
        if text.startswith(self._printed):
            self._screen.write(text[len(self._printed) :])
            self._screen.flush()
            self._printed = text


def _is_status(output: NotebookNode) -> bool:
    """Whether it is a line that waits, or the footer that takes its place."""
    return "orm-status" in output.get("data", {}).get("text/html", "")


def _output_text(output: NotebookNode, *, is_final: bool, grows: bool) -> tuple[str, bool]:
    """The text of an output, and whether something was left out of it that may still change.

    Args:
        output: of a cell.
        is_final: whether all of it is wanted, for nothing comes any more.
        grows: whether its last block may still grow.
    """
    if output.output_type == "stream":
        return strip_terminal(output.text), False
    if output.output_type == "error":
        return strip_terminal("\n".join(output.traceback)), False
    html = output.data.get("text/html")
    if html is None:
        return strip_terminal(output.data.get("text/plain", "")), False
    reader = _TextReader()
    reader.feed(html)
    length = None if is_final else reader.settled_length(grows=grows)
    return strip_terminal(reader.text(length)), not is_final and reader.reference is not None


class _TextReader(HTMLParser):
    """Collects the text, and notes where in its last block it may still change."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[str] = []
        self._length = 0
        self._open: list[str] = []
        self._thoughts: int | None = None  # how many tags stand around the folded thoughts, while they are read
        self._block = ""  # the tag that the last block began with
        self._is_colored = False  # whether it is code in a language that is known
        self._begin = 0  # where its last row, or its last line of code, begins
        self._doubt: int | None = None  # where in it the first doubtful sign stands
        self._mark: int | None = None  # where in it emphasis or a link begins that nothing follows yet
        self.reference: int | None = None  # where something stands whose meaning may be told far below

    def text(self, length: int | None = None) -> str:
        """What a reader sees, roughly: blocks on lines of their own, table cells apart; so much of it."""
        text = "".join(self.pieces)[:length]
        return re.sub(r"\n{3,}", "\n\n", text if length is None else text.rstrip()).strip("\n")

    def settled_length(self, *, grows: bool) -> int:
        """How much of the text stays as it is, whatever comes.

        Args:
            grows: whether the last block may still grow; a row and a line of code are settled when the next begins.
        """
        text = "".join(self.pieces).rstrip("\n")
        places: list[int | None] = [self._length, self.reference]
        if grows and self._block in ("pre", "tr"):
            places.append(self._begin)
        elif grows:
            ends = (_DOUBTFUL_END.search(text), _DOUBTFUL_LINE.search(text, text.rfind("\n") + 1))
            places += [self._doubt, self._mark, *(end.start() for end in ends if end is not None)]
        return min(place for place in places if place is not None)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "details" and "orm-thoughts" in (dict(attrs).get("class") or ""):
            self._thoughts = len(self._open)
        is_first_in_item = tag == "p" and self.pieces[-1:] == ["- "]
        if tag in _BLOCKS or tag in ("li", "tr"):
            self._block, self._begin, self._is_colored = tag, self._length, False
            self._doubt = self._mark = None
        # Without colors it may be a formula whose end has not come, which is shown as its source until then.
        self._is_colored = self._is_colored or (tag == "span" and "pre" in self._open)
        if (tag in _BLOCKS or tag in _LINES) and not is_first_in_item:
            self._add("\n")
        if tag in _INLINE and self._mark is None:
            self._mark = self._length
        self._add({"li": "- ", "td": "  ", "th": "  "}.get(tag, ""))
        if tag not in _VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop() != tag:
            pass
        if self._thoughts is not None and len(self._open) <= self._thoughts:
            self._thoughts = None
        if tag in _BLOCKS and not (tag == "p" and self._open[-1:] == ["li"]):
            self._add("\n")

    def handle_data(self, data: str) -> None:
        if "style" in self._open or (self._thoughts is not None and "summary" not in self._open):
            return
        if "pre" in self._open:
            if "\n" in data and self._is_colored:
                self._begin = self._length + data.rfind("\n") + 1
        elif "\n" in data and not data.strip() and self._open[-1:] and self._open[-1] in _HOLDERS:
            return  # how the HTML is laid out
        else:
            doubt, reference = _DOUBTFUL.search(data), _REFERENCE.search(data)
            if reference and self.reference is None and "code" not in self._open:
                self.reference = self._length + data.find("[")
            self._doubt = self._length + doubt.start() if doubt and self._doubt is None else self._doubt
            self._mark = self._mark if _INLINE.intersection(self._open) or not data.strip() else None
        self._add(data)

    def _add(self, text: str) -> None:
        if text:
            self.pieces.append(text)
            self._length += len(text)


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
