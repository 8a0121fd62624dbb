"""A notebook that nobody watches: nbclient runs it, as papermill, nbconvert and nbval do."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from .conftest import KEY

Run = Callable[..., list[Any]]


@pytest.fixture
def run_notebook(environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs cells as a notebook and returns the cells with their outputs."""
    for name in set(os.environ) - set(environment):
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    def run(*sources: str) -> list[Any]:
        cells = [nbformat.v4.new_code_cell(source) for source in ("%load_ext or_magic", *sources)]
        notebook = nbformat.v4.new_notebook(cells=cells)
        client = NotebookClient(notebook, timeout=30, resources={"metadata": {"path": str(tmp_path)}})
        client.execute()
        return list(notebook.cells[1:])

    return run


def test_one_output_for_an_answer(run_notebook: Run) -> None:
    """An answer is one output with the answer and the footer, as HTML and as text, and tells no times."""
    (cell,) = run_notebook("%%openrouter sandbox/echo\nDrei *Worte* genau?")
    (output,) = cell.outputs
    assert output.output_type == "display_data"
    html, text = output.data["text/html"], output.data["text/plain"]
    assert "Drei <em>Worte</em> genau?" in html
    answer, _, footer = text.partition("\n\n")
    assert answer == "Drei *Worte* genau?"
    assert footer.startswith("sandbox/echo via Sandbox · ")
    assert "$0.0000" in footer
    assert footer in html
    assert not re.search(r"\d s\b", footer)


def test_a_failing_cell_stops_the_run(run_notebook: Run) -> None:
    """A cell whose question fails is an error of the run, so that no later cell works with a missing answer."""
    with pytest.raises(CellExecutionError) as caught:
        run_notebook("%%openrouter sandbox/no-such-model\nHello?", "print('never')")
    assert caught.value.ename == "ModelNotFoundError"
    assert KEY not in str(caught.value)


def test_nobody_is_asked_for_a_key(run_notebook: Run) -> None:
    """`%openrouter key` fails in one line where nobody can type, and does not wait."""
    with pytest.raises(CellExecutionError) as caught:
        run_notebook("%openrouter key")
    assert caught.value.ename == "CommandError"
    assert caught.value.traceback.strip().splitlines()[-1] == f"CommandError: {caught.value.evalue}"
    assert "OPENROUTER_API_KEY" in caught.value.evalue


def test_background_is_foreground(run_notebook: Run) -> None:
    """With --bg the cell waits all the same: the answer would be lost when the kernel is shut down."""
    asked, told = run_notebook("%%openrouter sandbox/echo --bg -o it\nDrei Worte", "print(it.done, it.text)")

    assert asked.outputs[0].data["text/plain"].startswith("Drei Worte\n\n")
    assert told.outputs[0].text == "True Drei Worte\n"


def test_thoughts_and_sources_in_one_output(run_notebook: Run) -> None:
    """Thoughts are folded away and sources numbered in the one output; no time is told, so two runs look the same."""
    thought, cited = run_notebook("%%openrouter sandbox/reasoner\nhi", "%%openrouter sandbox/sources\nhi")

    (output,) = thought.outputs
    assert re.search(r"<details[^>]*><summary>thought · [\d,]+ characters</summary>", output.data["text/html"])
    assert "https://example.org/streams" in cited.outputs[0].data["text/html"]


def test_papermill(run_notebook: Run, tmp_path: Path) -> None:
    """papermill runs a notebook with answers, and stops with the one line where one fails."""
    papermill = pytest.importorskip("papermill", reason="papermill is not installed")
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    for name, model in (("good", "sandbox/echo"), ("bad", "sandbox/no-such-model")):
        sources = ("%load_ext or_magic", f"%%openrouter {model}\nDrei Worte", "print('after')")
        cells = [nbformat.v4.new_code_cell(source) for source in sources]
        nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), tmp_path / f"{name}.ipynb")

    done = papermill.execute_notebook(str(tmp_path / "good.ipynb"), str(tmp_path / "out.ipynb"), progress_bar=False)
    assert done.cells[1].outputs[0].data["text/plain"].startswith("Drei Worte")
    with pytest.raises(papermill.exceptions.PapermillExecutionError, match="ModelNotFoundError: "):
        papermill.execute_notebook(str(tmp_path / "bad.ipynb"), str(tmp_path / "out2.ipynb"), progress_bar=False)
