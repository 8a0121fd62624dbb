"""The catalogue in Python: ``or_magic.models(...)`` is a table, its attributes tell more, `price` is exact."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

from or_magic.asking.current import current_session
from or_magic.errors import CommandError

if TYPE_CHECKING:  # pandas takes half a second to import
    import pandas as pd

    from or_magic.asking.model_table import ModelTable
    from or_magic.openrouter.prices import Prices


def find(query: str = "", *, user: bool = False, refresh: bool = False, **filters: Any) -> ModelTable:
    """The models of the service that is set, one row each. In a notebook it is shown as a table to search and sort.

    Args:
        query: words in the id or the name; the best matches come first.
        user: only those that your account's own settings let through (your key goes along).
        refresh: fetch the list anew, instead of one of at most an hour ago.
        filters: ``free``, ``vision``, ``tools``, ``structured``, ``reasoning`` (bool), ``min_context`` (``"200k"``),
            ``max_price`` (USD per million prompt tokens), ``author``, ``since`` (a day), ``modality``, ``sort`` (price,
            context, newest, intelligence, value, name), ``limit``, and ``job`` (``"2000in,500out"`` adds ``job_usd``);
            see `or_magic.asking.finding.Wanted`.

    Returns:
        A DataFrame; its columns are those of `or_magic.asking.model_table.models_table`.

    Raises:
        or_magic.errors.CommandError: a filter has an impossible value.
        or_magic.errors.ServiceError: there is no list yet, and none can be fetched.
    """
    from or_magic.asking.finding import Wanted, find_models
    from or_magic.asking.model_table import models_table

    wanted = Wanted.of({"query": query, **filters})
    known = current_session().models
    if refresh:
        known.refresh()
    return find_models(models_table(known.user_body() if user else known.body()), wanted)


def price(id: str) -> Prices:
    """The exact prices of a model in USD, as Decimals: per token, per unit for request, image and web_search.

    ``price("a/b").at(300_000)`` are those that count for so long a prompt.

    Raises:
        or_magic.errors.CommandError: there is no such model.
        or_magic.errors.ServiceError: there is no list yet, and none can be fetched.
    """
    from or_magic.asking.shelf import unknown_line

    known = current_session().models
    model = known.model(id)
    if model is None:
        raise CommandError(unknown_line(known.catalog(), id))
    return model.prices


def endpoints(id: str) -> pd.DataFrame:
    """Who serves a model, at which price and how well; see `or_magic.asking.model_table.endpoints_table`.

    Raises:
        or_magic.errors.ServiceError: it cannot be asked, or knows no such model.
    """
    from or_magic.asking.model_table import endpoints_table

    return endpoints_table(current_session().models.endpoints(id))


def providers() -> pd.DataFrame:
    """The companies that serve models; see `or_magic.asking.model_table.providers_table`.

    Raises:
        or_magic.errors.ServiceError: it cannot be asked.
    """
    from or_magic.asking.model_table import providers_table

    return providers_table(current_session().models.providers())


def changes(since: str | date | None = None) -> pd.DataFrame:
    """What was added, removed, repriced and deprecated since a day, or since the last look but one.

    A snapshot is kept of each day on which the list was used. See `or_magic.asking.snapshots.changes_table`.

    Raises:
        or_magic.errors.CommandError: there is only one snapshot yet, or that is no day.
        or_magic.errors.StoreError: the store cannot be read.
    """
    try:
        day = date.fromisoformat(since[:10]) if isinstance(since, str) else since
    except ValueError:
        raise CommandError(f"{since!r} is no day: 2026-01-31.") from None
    return current_session().models.snapshots.changes(day)


def price_history(id: str) -> pd.DataFrame:
    """What a model has cost, one row for each day of which there is a snapshot; see `Snapshots.prices`.

    Raises:
        or_magic.errors.StoreError: the store cannot be read.
    """
    return current_session().models.snapshots.prices(id)


class _Models:
    """``or_magic.models(...)``, and what goes with it as its attributes."""

    __call__ = staticmethod(find)
    changes, endpoints, providers = staticmethod(changes), staticmethod(endpoints), staticmethod(providers)
    price, price_history = staticmethod(price), staticmethod(price_history)

    def __repr__(self) -> str:
        return "<or_magic.models: call it for a table; .changes(), .endpoints(id), .providers(), .price(id)>"


models = _Models()
