"""Commands that show what the service offers."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from or_magic.errors import CommandError
from or_magic.jupyter.commands.desk import Desk

if TYPE_CHECKING:  # pandas takes half a second to import, which `%load_ext` must not
    import pandas as pd

_MILLION = 1_000_000


def endpoints(desk: Desk, text: str) -> pd.DataFrame:
    """``%openrouter endpoints [MODEL]``: who serves a model, one row a provider, the cheapest first.

    Index ``provider`` (its slug, for ``--provider.order``); columns name, prompt_usd_per_m, completion_usd_per_m
    (float64, USD per million tokens), context (Int64 tokens), quantization, uptime (float64, percent), healthy (bool).
    """
    import pandas as pd

    if len(text.split()) > 1:
        raise CommandError(f"%openrouter endpoints takes one model id; {text!r} was typed.")
    id = text or desk.session.settings.model().value
    offers = desk.session.models.endpoints(id)
    if not offers:
        raise CommandError(f"Nobody is named who serves {id}: routers and aliases hand a question on.")
    table = pd.DataFrame(
        {
            "name": [offer.provider for offer in offers],
            "prompt_usd_per_m": [_per_million(offer.prices.prompt) for offer in offers],
            "completion_usd_per_m": [_per_million(offer.prices.completion) for offer in offers],
            "context": pd.array([offer.context_tokens for offer in offers], dtype="Int64"),
            "quantization": [offer.quantization for offer in offers],
            "uptime": [offer.uptime if offer.uptime is not None else float("nan") for offer in offers],
            "healthy": [offer.status in (None, 0) for offer in offers],
        },
        index=pd.Index([offer.tag for offer in offers], name="provider"),
    )
    return table.sort_values("prompt_usd_per_m", kind="stable")


def _per_million(price: Decimal | None) -> float:
    return float("nan") if price is None else float(price * _MILLION)
