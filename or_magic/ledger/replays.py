"""Kept answers, found by the key of their request. Only those that were asked for, ended well, and hold text alone."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Select, select

from or_magic.ledger.records import NewTurn, Turn
from or_magic.ledger.store import Ledger
from or_magic.ledger.tables import notebooks, turns
from or_magic.messages import AudioPart, ToolCall


class Replays:
    """The kept answers of a ledger.

    Args:
        ledger: the ledger.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def newest(self, key: str) -> Turn | None:
        """The newest answer to such a request, wherever it was asked.

        Raises:
            StoreError: the ledger cannot be read.
        """
        return self._turn(_kept(key).order_by(turns.c.id.desc()).limit(1))

    def of_cell(self, key: str, turn: NewTurn, run: str) -> Turn | None:
        """The newest answer to such a request by the same cell of the same notebook, in another run.

        Raises:
            StoreError: the ledger cannot be read.
        """
        cell = (notebooks.c.identity == turn.notebook) & (turns.c.cell_id == turn.cell_id)
        cell &= (turns.c.ask_number == turn.ask_number) & (turns.c.run != run)
        query = _kept(key, cell).join(notebooks, turns.c.notebook == notebooks.c.id)
        return self._turn(query.order_by(turns.c.id.desc()).limit(1))

    def of_last_run(self, key: str, number: int, run: str) -> Turn | None:
        """The answer to the question of that number (0, 1, ...) with such a request, in the last run that asked it.

        Raises:
            StoreError: the ledger cannot be read.
        """
        last = _kept(key, turns.c.run != run).with_only_columns(turns.c.run).order_by(turns.c.id.desc()).limit(1)
        query = _kept(key, turns.c.run == last.scalar_subquery()).order_by(turns.c.id)
        return self._turn(query.offset(number).limit(1))

    def _turn(self, query: Select[int]) -> Turn | None:
        with self._ledger.store.reading() as connection:
            id = connection.scalar(query)
        turn = None if id is None else self._ledger.turn(id)
        if turn is None or turn.answer is None or turn.between:
            return None
        return None if any(isinstance(part, ToolCall | AudioPart) for part in turn.answer.parts) else turn


def _kept(key: str, *more: ColumnElement[bool]) -> Select[int]:
    is_kept = (turns.c.request_hash == key) & (turns.c.state == "complete") & turns.c.replayed_from.is_(None)
    return select(turns.c.id).where(is_kept, *more)
