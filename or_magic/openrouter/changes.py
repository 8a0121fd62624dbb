"""What changed between two catalogues: models that came and went, prices that rose and fell, ends set. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Literal

from or_magic.openrouter.catalog import Catalog, Model

Kind = Literal["added", "removed", "repriced", "deprecated", "context"]


@dataclass(frozen=True, slots=True)
class Change:
    """One difference.

    Attributes:
        kind: what happened: ``added``, ``removed``, ``repriced``, ``deprecated`` (an end was set), ``context``.
        what: the price that changed, by its name in `Prices`; "" where the model itself is meant.
        before, after: prices in USD per token (per unit for request, image and web_search), tokens, or days as text;
            None where there is none.
    """

    kind: Kind
    id: str
    name: str
    what: str = ""
    before: Decimal | None = None
    after: Decimal | None = None
    expires: str = ""


def compare(old: Catalog, new: Catalog) -> list[Change]:
    """All that changed from one catalogue to another: removed, added, then the others, each in the order of ids."""
    before = {model.id: model for model in old.models}
    after = {model.id: model for model in new.models}
    changes = [Change("removed", id, before[id].name) for id in sorted(before.keys() - after.keys())]
    changes += [Change("added", id, after[id].name) for id in sorted(after.keys() - before.keys())]
    for id in sorted(before.keys() & after.keys()):
        changes += _differences(before[id], after[id])
    return changes


def _differences(old: Model, new: Model) -> Iterator[Change]:
    for field in fields(old.prices):
        before, after = getattr(old.prices, field.name), getattr(new.prices, field.name)
        # A price that was spelled out as 0 and one that is left out are the same to whoever pays.
        is_price = field.name != "overrides" and (before or None) != (after or None)
        if is_price or (field.name in ("prompt", "completion") and before != after):
            yield Change("repriced", new.id, new.name, field.name, before, after)
    if new.expires is not None and new.expires != old.expires:
        yield Change("deprecated", new.id, new.name, expires=new.expires.isoformat())
    if old.context_tokens != new.context_tokens:
        yield Change("context", new.id, new.name, "context", _decimal(old.context_tokens), _decimal(new.context_tokens))


def _decimal(count: int | None) -> Decimal | None:
    return None if count is None else Decimal(count)
