"""The catalogs of earlier days, one for each day on which it was fetched: what changed, and what a model has cost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

from or_magic.catalog.decoding import decode_models
from or_magic.catalog.model import Catalog, Model, per_million, price_text
from or_magic.errors import CommandError
from or_magic.ledger.catalog_cache import CatalogCache

if TYPE_CHECKING:
    import pandas as pd

    from or_magic.ledger.store import Ledger

Kind = Literal["added", "removed", "repriced", "deprecated", "context"]


@dataclass(frozen=True, slots=True)
class Change:
    """One difference between two catalogs.

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
    """All that changed from one catalog to another: removed, added, then the others, each in the order of ids."""
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


_KIND = "/models"
_MILLION = 1_000_000
_PER_UNIT = ("request", "image", "web_search", "context")
SOON_DAYS = 30  # how near the end of a model must be for a warning
DEARER = Decimal("1.01")  # by how much a price must have risen for a warning
LOOK_BACK_DAYS = 30  # how far back prices are compared for it


class Snapshots:
    """The snapshots of one service's catalog.

    Args:
        ledger: keeps the snapshots.
        service: the origin of the service.
    """

    def __init__(self, ledger: Ledger, service: str) -> None:
        self._cache, self._service = CatalogCache(ledger.store), service
        self._decoded: dict[date, Catalog] = {}  # of days that are over: these do not change any more

    @property
    def days(self) -> list[date]:
        """The days of which there is a snapshot, the oldest first.

        Raises:
            StoreError: the ledger cannot be read.
        """
        return [date.fromisoformat(day) for day in self._cache.days(self._service, _KIND)]

    def catalog(self, day: date) -> Catalog | None:
        """The catalog of that day; None where there is no snapshot of it that can be read."""
        if day in self._decoded:
            return self._decoded[day]
        kept = self._cache.of_day(self._service, _KIND, day.isoformat())
        if kept is None:
            return None
        catalog = decode_models(kept.body)
        if day < datetime.now(UTC).date():
            self._decoded[day] = catalog
        return catalog

    def changes(self, since: date | None = None) -> pd.DataFrame:
        """What changed from the snapshot of that day (or the last one before it) to the newest; see `changes_table`.

        Args:
            since: a day; None for the snapshot before the newest: the last look.

        Raises:
            CommandError: there is only one snapshot, or none so old.
            StoreError: the ledger cannot be read.
        """
        days = self.days
        if not days:
            raise CommandError("There is no snapshot of the catalog yet: %openrouter models takes the first one.")
        older = [day for day in days[:-1] if since is None or day <= since]
        if not older and since is not None and len(days) > 1:
            older = days[:1]
        if not older:
            raise CommandError(
                f"There is only one snapshot of the catalog, of {days[-1]}. One is taken each day that you use it; "
                "changes show from the second on."
            )
        old, new = self.catalog(older[-1]), self.catalog(days[-1])
        if old is None or new is None:
            raise CommandError("A snapshot of the catalog is damaged; %openrouter models --refresh takes a new one.")
        table = changes_table(compare(old, new))
        table.attrs["since"], table.attrs["until"] = older[-1], days[-1]
        return table

    def prices(self, id: str) -> pd.DataFrame:
        """What a model has cost, one row a day; days without it are left out.

        Index ``day`` (datetime64); columns ``prompt_usd_per_m``, ``completion_usd_per_m`` (float64, USD per million).

        Raises:
            StoreError: the ledger cannot be read.
        """
        import pandas as pd

        found = [(day, model) for day in self.days if (model := self._model(day, id)) is not None]
        columns = {
            f"{name}_usd_per_m": [per_million(getattr(model.prices, name)) for _, model in found]
            for name in ("prompt", "completion")
        }
        index = pd.DatetimeIndex([day for day, _ in found], name="day").astype("datetime64[s]")
        return pd.DataFrame(columns, index=index, dtype="float64")

    def warning(self, model: Model) -> str:
        """A warning before a model is used: that it ends soon, or got dearer within a month; "" where neither is so.

        Raises:
            StoreError: the ledger cannot be read.
        """
        today = datetime.now(UTC).date()
        if model.expires is not None and model.expires <= today + timedelta(days=SOON_DAYS):
            when = "ended" if model.expires < today else "ends"
            return f"{model.id} {when} on {model.expires:%d %b %Y}: choose another in time (%openrouter models)."
        earlier = [day for day in self.days if today - timedelta(days=LOOK_BACK_DAYS) <= day < today]
        before = self._model(earlier[0], model.id) if earlier else None
        if before is None:
            return ""
        rises = [
            f"{name} {price_text(old * _MILLION)} -> {price_text(new * _MILLION)}"
            for name in ("prompt", "completion")
            if (old := getattr(before.prices, name)) and (new := getattr(model.prices, name)) and new > old * DEARER
        ]
        since = f"{earlier[0]:%d %b}" if earlier else ""
        return f"{model.id} got dearer since {since}: {', '.join(rises)} USD per million tokens." if rises else ""

    def _model(self, day: date, id: str) -> Model | None:
        catalog = self.catalog(day)
        return catalog.find(id) if catalog is not None else None


def changes_table(changes: list[Change]) -> pd.DataFrame:
    """Changes as a table, one row each.

    Index ``id``; columns ``change`` (str: added, removed, repriced, deprecated, context), ``name`` (str), ``what``
    (str: the price, such as prompt; "" where the model is meant), ``before``, ``after`` (float64: USD per million
    tokens; USD each for request, image and web_search; tokens for context), ``factor`` (float64: after to before),
    ``expires`` (datetime64).
    """
    import pandas as pd

    before = [_number(change, change.before) for change in changes]
    after = [_number(change, change.after) for change in changes]
    table = pd.DataFrame(
        {
            "change": pd.array([change.kind for change in changes], dtype="str"),
            "name": pd.array([change.name for change in changes], dtype="str"),
            "what": pd.array([change.what for change in changes], dtype="str"),
            "before": pd.array(before, dtype="float64"),
            "after": pd.array(after, dtype="float64"),
        },
        index=pd.Index([change.id for change in changes], name="id", dtype="str"),
    )
    table["factor"] = table["after"] / table["before"].where(table["before"] > 0)
    expires: Any = [change.expires or None for change in changes]
    table["expires"] = pd.to_datetime(expires).astype("datetime64[s]")
    return table


def _number(change: Change, value: Decimal | None) -> float:
    if value is None:
        return float("nan")
    return float(value) if change.what in _PER_UNIT else float(value * _MILLION)
