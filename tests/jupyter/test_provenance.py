"""Where answers came from, read out of a saved notebook."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest

import or_magic
from or_magic.errors import CommandError

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "03_routing_and_fallbacks.ipynb"


def test_the_answers_of_a_notebook() -> None:
    """A row an answer, with who was asked, who answered, what with, and the exact cost."""
    table = or_magic.provenance(NOTEBOOK)

    assert table["provider"].tolist()[:3] == ["Cheap Sandbox", "Fast Sandbox", "Sandbox"]
    assert table["model_asked"].tolist()[2] == "sandbox/error-503"
    assert table["ending"].tolist()[3] == "failed"
    assert table["cost_usd"].iloc[1] == Decimal("0.000294") == 6 * table["cost_usd"].iloc[0]
    assert table["parameters"].iloc[1] == {
        "max_tokens": 12,
        "provider": {"order": ["sandbox-down", "sandbox-fast"]},
    }
    assert str(table["prompt_tokens"].dtype) == "Int64"


def test_a_notebook_without_answers(tmp_path: Path) -> None:
    """No answers are an empty table with the same columns."""
    file = tmp_path / "a.ipynb"
    file.write_text(json.dumps({"cells": [{"outputs": [{"metadata": {}}]}, {}]}))

    table = or_magic.provenance(file)

    assert table.empty
    assert {"model", "cost_usd", "parameters"} <= set(table.columns)


@pytest.mark.parametrize("content", [None, "no JSON", "[]", "{}"])
def test_no_notebook(content: str | None, tmp_path: Path) -> None:
    """What is no notebook is one line that names the file."""
    file = tmp_path / "a.ipynb"
    if content is not None:
        file.write_text(content)

    with pytest.raises(CommandError, match=r"a\.ipynb cannot be read"):
        or_magic.provenance(file)
