"""``python -m tests.save_notebooks``: executes every notebook against the sandbox and saves it with its outputs."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from or_magic.sandbox import Behaviour, start

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"


def main() -> None:
    """Saves each notebook in place, without times and machine-dependent metadata."""
    with start(behaviour=Behaviour(pace=0, first_token_s=0)) as sandbox, tempfile.TemporaryDirectory() as folder:
        os.environ["OPENROUTER_BASE_URL"] = sandbox.base_url
        for path in sorted(NOTEBOOKS.glob("*.ipynb")):
            os.environ["OR_MAGIC_STORE"] = str(Path(folder) / f"{path.stem}.sqlite")
            notebook = nbformat.read(path, as_version=4)
            NotebookClient(notebook, kernel_name="python3", record_timing=False).execute()
            for name in ("language_info", "widgets"):  # a widget that no kernel answers is no use to a reader
                notebook.metadata.pop(name, None)
            nbformat.write(notebook, path)


if __name__ == "__main__":
    main()
