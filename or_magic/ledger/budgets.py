"""Budgets as they are set and kept: per notebook (or folder), per day, per thread; each at one service."""

from __future__ import annotations

from sqlalchemy import delete, insert, select

from or_magic.ledger.limits import standing
from or_magic.ledger.records import Limit, Scope, Standing
from or_magic.ledger.store import Ledger
from or_magic.ledger.tables import budgets


class Budgets:
    """The budgets of purses (notebooks, or folders) at services.

    Args:
        ledger: the ledger.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._store = ledger.store

    def put(self, purse: str, service: str, scope: str, limit_pico_usd: int | None) -> None:
        """Sets a budget, kept until it is set anew; None takes it away.

        Args:
            scope: ``notebook``, ``day``, or ``thread:`` and the thread's id.

        Raises:
            StoreError: it cannot be written.
        """
        key = (budgets.c.purse == purse) & (budgets.c.service == service) & (budgets.c.scope == scope)
        with self._store.writing() as connection:
            connection.execute(delete(budgets).where(key))
            if limit_pico_usd is not None:
                row = {"purse": purse, "service": service, "scope": scope, "limit_pico_usd": limit_pico_usd}
                connection.execute(insert(budgets).values(row))

    def limits(self, purse: str, service: str, thread_id: int | None) -> tuple[Limit, ...]:
        """The budgets that a question of this purse on this thread is under.

        Raises:
            StoreError: it cannot be read.
        """
        query = select(budgets).where(budgets.c.purse == purse, budgets.c.service == service)
        scopes: dict[str, Scope] = {"notebook": "notebook", "day": "day", f"thread:{thread_id}": "thread"}
        with self._store.reading() as connection:
            rows = {row.scope: row.limit_pico_usd for row in connection.execute(query)}
        return tuple(Limit(scope, rows[name]) for name, scope in scopes.items() if name in rows)

    def standings(
        self, purse: str, service: str, thread_id: int | None, limits: tuple[Limit, ...]
    ) -> tuple[Standing, ...]:
        """How these limits stand now.

        Raises:
            StoreError: it cannot be read.
        """
        with self._store.reading() as connection:
            return tuple(standing(connection, limit, purse, service, thread_id) for limit in limits)
