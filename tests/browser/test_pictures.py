"""``make pictures``: what a user sees, as PNG files in ``docs/pictures``."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook

from or_magic.endpoint import origin_of
from or_magic.ledger.catalog_cache import CatalogCache
from or_magic.ledger.store import Ledger
from or_magic.sandbox import Sandbox

from .lab import Lab, LabPage

FOLDER = Path(__file__).parents[2] / "docs" / "pictures"
NOTEBOOKS = {
    "first_cell": ["%%openrouter\nWhat happens when I run this cell?"],
    "essay": ["%%openrouter sandbox/essay\nHow does an answer arrive?"],
    "routing": [
        "%openrouter endpoints sandbox/routed",
        "%%openrouter sandbox/routed --provider.order sandbox-down,sandbox-fast --max-tokens 60\nWho answers?",
        "%%openrouter sandbox/error-503 --fallback sandbox/echo --route fallback\nIs anybody there?",
    ],
    "conversation": [
        "%%openrouter sandbox/memory\nMy barometer reads 1013 hPa.",
        "%%openrouter sandbox/memory\nIs that high or low?",
        "%openrouter history",
    ],
    "money": [
        "%openrouter budget 0.02",
        "%%openrouter sandbox/memory\nMy barometer reads 1013 hPa.",
        "%%openrouter sandbox/essay --max-tokens 2000\nTell me about barometers.",
        "%%openrouter sandbox/memory --dry-run --max-tokens 100\nIs that high or low?",
        "%openrouter cost",
    ],
    "replay": [
        "%%openrouter sandbox/memory\nMy barometer reads 1013 hPa.",
        "%%openrouter sandbox/memory --no-history --replay always\nMy barometer reads 1013 hPa.",
        "%%openrouter sandbox/memory --no-history --replay always\nMy barometer reads 1013 hPa.",
    ],
    "thoughts": [
        "%%openrouter sandbox/reasoner\nWhat is a stream?",
        "%%openrouter sandbox/sources --max-tokens 40\nWhere can I read about streams?",
    ],
    "objects": [
        "import pandas as pd\nfrom PIL import Image, ImageDraw\n\n"
        "sales = pd.DataFrame({'day': pd.date_range('2026-01-01', periods=365), 'sold': [n % 7 for n in range(365)]})\n"
        "icon = Image.new('RGB', (64, 48), 'white')\nImageDraw.Draw(icon).ellipse((8, 8, 40, 40), fill='navy')",
        "%%openrouter sandbox/echo --rows 5\nWhat stands out in {{ sales }}",
        "%%openrouter sandbox/vision --no-history\nWhat is in {{ icon }}?",
        "%%openrouter sandbox/json --no-history --schema name: str, born: date\nWho invented the barometer?",
        "_answer.value",
    ],
    "models": ["%openrouter models --refresh --vision --sort price"],
    "chart_context": ["%openrouter models --refresh --limit 1", "%openrouter chart context"],
    "chart_intelligence": ["%openrouter models --refresh --limit 1", "%openrouter chart intelligence"],
    "chart_history": ["%openrouter models --refresh --limit 1", "%openrouter chart history sandbox/echo"],
    "chart_spending": [
        "%%openrouter sandbox/reasoner --max-tokens 60\nhi",
        "%%openrouter sandbox/essay --max-tokens 20\nhi",
        "%%openrouter sandbox/tools\nhi",
        "%openrouter chart spending",
    ],
    "model_card": ["%openrouter models --refresh --limit 1", "%openrouter model sandbox/routed"],
    "fix": [
        "prices = {'tea': 3.5, 'milk': 1.2}\n\ndef total(basket):\n    return sum(prices[item] for item in basket)",
        "total(['tea', 'coffee'])",
        "%openrouter fix -m sandbox/coder",
    ],
    "tools": [
        "import or_magic\nfrom typing import Literal\n\n"
        "@or_magic.tool(approve=False)\ndef stations() -> list[str]:\n"
        "    'The weather stations.'\n    return ['Harbour', 'Hill']\n\n"
        "def rainfall(station: Literal['Hill'], month: Literal['June']) -> float:\n"
        "    'How much rain fell, in mm.'\n    return 71.5",
        "%%openrouter sandbox/tools --tools stations --yes\nWhich stations are there?",
        "%%openrouter sandbox/tools --tools stations,rainfall\nHow much rainfall was there in June?",
    ],
    "failures": [
        "%%openrouter sandbox/ech\nA mistyped model",
        "%openrouter limits",
        "%%openrouter sandbox/echo\nA provider that is overloaded for a moment",
    ],
}
OUTPUTS = {
    **dict.fromkeys(("models", "chart_context", "chart_intelligence", "chart_history", "chart_spending"), 1),
    "model_card": 1,
    "conversation": 1,
    "money": 1,
    "objects": 1,
    "tools": 3,
    "fix": 3,
}  # of the last cell
KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}}
THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}


def keep_snapshots(lab: Lab, sandbox: Sandbox) -> None:
    """Puts catalogs of earlier days into the Lab's store, in which the price of the echo fell twice."""
    ledger = Ledger.open(str(lab.root.parent / "ledger.sqlite"))
    for days, factor in ((120, 4), (90, 4), (60, 2), (30, 2), (10, 1)):
        pricing = {"prompt": f"{factor}e-7", "completion": f"{4 * factor}e-7"}
        body = json.dumps({"data": [{"id": "sandbox/echo", "pricing": pricing}]}).encode()
        moment = datetime.now(UTC) - timedelta(days=days)
        CatalogCache(ledger.store).keep(origin_of(sandbox.base_url), "/models", body, moment)
    ledger.close()


@pytest.mark.pictures
@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_pictures(
    open_notebook: Callable[[str, NotebookNode], LabPage], lab: Lab, sandbox: Sandbox, name: str, theme: str
) -> None:
    """A notebook with answers, in a light and a dark theme; of the failures while it waits to ask again."""
    tags = {"tags": ["raises-exception"]}  # so that the cells below a failed one run
    cells = [new_code_cell(text, metadata=tags) for text in ("%load_ext or_magic", *NOTEBOOKS[name])]
    page = open_notebook(f"{name}_{theme}", new_notebook(cells=cells, metadata=KERNEL))
    page.page.set_viewport_size({"width": 1100, "height": 900})
    page.page.evaluate(
        "theme => { window.jupyterapp.commands.execute('apputils:change-theme', {theme}); }", THEMES[theme]
    )
    page.page.wait_for_function("is => document.body.dataset.jpThemeLight === is", arg=str(theme == "light").lower())
    if name == "failures":
        sandbox.fail_next(400, "sandbox/ech is not a valid model ID")
        sandbox.fail_next(503, "Provider overloaded", headers={"Retry-After": "8"})
    if name == "chart_history":
        keep_snapshots(lab, sandbox)
    sandbox.behave(models=150 if name.startswith(("models", "chart", "model_card")) else 0)
    page.run_all()
    if name == "failures":
        page.page.get_by_text("Asked again").wait_for()
    elif name == "tools":
        page.page.get_by_text("Run rainfall(").wait_for()
        page.page.locator("input.jp-Stdin-input").scroll_into_view_if_needed()
    elif name == "fix":
        page.page.get_by_text("rehearsal: a model would put it right here").nth(2).wait_for()
        page.page.locator(".jp-Cell").nth(3).locator(".jp-Cell-inputWrapper").scroll_into_view_if_needed()
    else:
        page.wait_until_run()
    if name.startswith("chart"):
        chart = page.outputs(len(NOTEBOOKS[name])).locator("canvas, svg").first
        chart.wait_for()
        chart.scroll_into_view_if_needed()
    if name == "models":
        page.outputs(1).locator("input[type=search]").first.wait_for()

    FOLDER.mkdir(parents=True, exist_ok=True)
    page.page.screenshot(path=FOLDER / f"{name}_{theme}.png")

    assert page.outputs(len(NOTEBOOKS[name])).count() == OUTPUTS.get(name, 2)
