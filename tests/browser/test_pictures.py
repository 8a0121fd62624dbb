"""``make pictures``: what a user sees, as PNG files in ``docs/pictures``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook

from .lab import LabPage

FOLDER = Path(__file__).parents[2] / "docs" / "pictures"
PROMPTS = {
    "first_cell": "%%openrouter\nWhat happens when I run this cell?",
    "essay": "%%openrouter sandbox/essay\nHow does an answer arrive?",
}
KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}}
THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}


@pytest.mark.pictures
@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("name", PROMPTS)
def test_pictures(open_notebook: Callable[[str, NotebookNode], LabPage], name: str, theme: str) -> None:
    """A notebook with an answer, in a light and a dark theme."""
    cells = [new_code_cell("%load_ext or_magic"), new_code_cell(PROMPTS[name])]
    lab = open_notebook(f"{name}_{theme}", new_notebook(cells=cells, metadata=KERNEL))
    lab.page.set_viewport_size({"width": 1100, "height": 900})
    lab.page.evaluate(
        "theme => { window.jupyterapp.commands.execute('apputils:change-theme', {theme}); }", THEMES[theme]
    )
    lab.page.wait_for_function("is => document.body.dataset.jpThemeLight === is", arg=str(theme == "light").lower())
    lab.run_all()
    lab.wait_until_run()

    FOLDER.mkdir(parents=True, exist_ok=True)
    lab.page.screenshot(path=FOLDER / f"{name}_{theme}.png")

    assert lab.outputs(1).count() == 2
