"""Where an answer came from: written beside it into the notebook, and read out of a saved one without a kernel."""

from __future__ import annotations

import json
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any

from or_magic.answer import Answer
from or_magic.errors import CommandError
from or_magic.text import sendable

if TYPE_CHECKING:
    import pandas as pd


def provenance_metadata(answer: Answer) -> dict[str, Any]:
    """Where an answer came from, kept with the output; nothing that must not be shared with a notebook is in it."""
    usage = answer.usage
    return {
        "model_asked": answer.model_asked,
        "parameters": dict(answer.parameters),
        "model": sendable(answer.model),
        "provider": sendable(answer.provider),
        "generation_id": sendable(answer.id),
        "prompt_tokens": usage.prompt_tokens if usage else None,
        "completion_tokens": usage.completion_tokens if usage else None,
        "cost_usd": None if answer.cost is None else str(answer.cost),
        "cost_source": answer.cost_source,
        "ending": answer.ending,
        "replayed": answer.replayed_utc is not None,
        "turn": answer.turn_id,
        "thread": answer.thread_id,
    }


_TEXTS = ("model_asked", "model", "provider", "generation_id", "cost_source", "ending")
_COUNTS = ("prompt_tokens", "completion_tokens")


def provenance(path: str | Path) -> pd.DataFrame:
    """The answers in a notebook's outputs, one row each, in the notebook's order.

    Index ``cell`` (the number of the cell, from 0); columns model_asked, model, provider, generation_id, cost_source,
    ending (str or None), prompt_tokens, completion_tokens (Int64), cost_usd (exact Decimal, None where not known) and
    parameters (dict). Empty for a notebook without answers.

    Raises:
        CommandError: the file cannot be read, or is no notebook.
    """
    import pandas as pd

    rows = list(_rows(Path(path)))
    table = pd.DataFrame(
        {name: [row.get(name) for _, row in rows] for name in (*_TEXTS, *_COUNTS)},
        index=pd.Index([number for number, _ in rows], name="cell", dtype="int64"),
    )
    for name in _COUNTS:
        table[name] = pd.array([_count(row.get(name)) for _, row in rows], dtype="Int64")
    table["cost_usd"] = pd.Series([_amount(row.get("cost_usd")) for _, row in rows], index=table.index, dtype="object")
    parameters = [row.get("parameters") or {} for _, row in rows]
    table["parameters"] = pd.Series(parameters, index=table.index, dtype="object")
    return table


def _rows(path: Path) -> list[tuple[int, dict[str, Any]]]:
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CommandError(f"{path.name} cannot be read as a notebook: {error}.") from error
    outputs = [(number, output) for number, cell in enumerate(cells) for output in cell.get("outputs", ())]
    found = [(number, output.get("metadata", {}).get("or_magic")) for number, output in outputs]
    return [(number, row) for number, row in found if isinstance(row, dict)]


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _amount(value: object) -> Decimal | None:
    try:
        return None if value is None else Decimal(str(value))
    except InvalidOperation:
        return None
