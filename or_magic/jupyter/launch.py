"""``or-magic demo`` and ``or-magic lab``: notebooks run from a terminal, against the sandbox where there is no key."""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from or_magic.errors import CommandError

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
    from or_magic.jupyter.demo import run_notebook, save

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
