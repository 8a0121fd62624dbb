"""``make bench``: the live answer in a real JupyterLab page: its longest task, and how far it lags behind."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from nbformat import NotebookNode

from tests.benchmarks.texts import streaming

from .lab import LabPage
from .test_in_lab import notebook

PROSE = ((1_000, 100), (10_000, 1_000), (10_000, 0), (100_000, 1_000), (100_000, 0))
CASES = [
    *(("prose", size, pace) for size, pace in PROSE),
    *((kind, 100_000, 1_000) for kind in ("code", "table", "list", "mathematics", "paragraph")),
]
_WATCH = """() => {
    window.__tasks = [];
    new PerformanceObserver(list => list.getEntries().forEach(each => window.__tasks.push(each.duration)))
        .observe({type: 'longtask', buffered: false});
}"""
_WAIT = """index => {
    const lines = document.querySelectorAll('.jp-Notebook .jp-Cell')[index].querySelectorAll('.orm-status');
    return lines.length && lines[lines.length - 1].textContent.includes('a/b via P') ? Date.now() / 1000 : false;
}"""


@pytest.mark.bench
@pytest.mark.parametrize(("kind", "size", "pace"), CASES)
def test_the_page(open_notebook: Callable[[str, NotebookNode], LabPage], kind: str, size: int, pace: int) -> None:
    """An answer of each kind arrives in the page: its longest task, and how late its footer is."""
    with streaming() as server:
        cells = (f"%openrouter set base_url {server.origin}/{kind}/{size}/{pace}", "%%openrouter a/b\nhi")
        page = open_notebook(f"bench_{kind}_{size}_{pace}", notebook(*cells))
        page.page.evaluate(_WATCH)
        page.run_all()
        shown = page.page.wait_for_function(_WAIT, arg=2, timeout=120_000).json_value()
        page.page.wait_for_function("() => window.__finished", timeout=60_000)

        tasks = page.page.evaluate("() => window.__tasks")
        at = f"{pace:,}/s" if pace else "unpaced"
        lag_s = shown - server.ended_at
        longest = max(tasks, default=0.0)
        print(f"\n{kind:<12}{size // 1000:>4} KB {at:>8}   longest task {longest:>5.0f} ms   lag {lag_s:.2f} s")
        assert page.outputs(2).count() == 2
