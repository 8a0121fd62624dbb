"""Which models were asked last."""

from __future__ import annotations

from sqlalchemy import func, select

from or_magic.ledger.store import Ledger
from or_magic.ledger.tables import turns

_LOOKED_AT = 500  # turns: so that a ledger of years is not read for a handful of names


class RecentModels:
    """The models that the turns of a ledger asked.

    Args:
        ledger: the ledger.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._store = ledger.store

    def newest(self, service: str, limit: int = 8) -> list[str]:
        """The ids that were asked at a service, by any notebook, the last one first; each once.

        Raises:
            StoreError: the ledger cannot be read.
        """
        is_told = (turns.c.service == service) & (turns.c.model_asked != "")
        last = select(turns.c.id, turns.c.model_asked).where(is_told).order_by(turns.c.id.desc()).limit(_LOOKED_AT)
        newest = last.subquery()
        query = select(newest.c.model_asked).group_by(newest.c.model_asked).order_by(func.max(newest.c.id).desc())
        with self._store.reading() as connection:
            return list(connection.scalars(query.limit(limit)))
