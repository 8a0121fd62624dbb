"""The ledger: every question before it is sent, its answer while it arrives and after, and what it cost.

Each method is one short transaction, so any thread of any process may call any of them at any time. A
process that is killed between two of them leaves a file that opens and is sound.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import platformdirs
from sqlalchemy import Connection, Select, Table, case, func, insert, select, update

from or_magic.errors import StoreError
from or_magic.ledger.message_rows import keep_message, messages_at
from or_magic.ledger.migrations import migrate
from or_magic.ledger.records import NewTurn, Progress, Spent, Turn, TurnId
from or_magic.ledger.sqlite import StoreFile
from or_magic.ledger.tables import notebooks, turns
from or_magic.ledger.turn_rows import columns_of, partial_columns, row_of, turn_of
from or_magic.messages import Ending, Usage

_RECONCILED = frozenset(
    {
        *("prompt_tokens", "completion_tokens", "cached_tokens", "reasoning_tokens"),
        *("cost_pico_usd", "cost_source", "upstream_cost_pico_usd"),
    }
)


class Ledger:
    """What notebooks asked, were answered and paid. Made by `Ledger.open`.

    Attributes:
        file: the transactions, for the other rooms of the ledger.
    """

    def __init__(self, file: StoreFile) -> None:
        self.file = file

    @classmethod
    def open(cls, location: str | Path | None = None) -> Ledger:
        """Opens the ledger, made where there is none and brought to today's schema where it is older.

        Args:
            location: a file; None for ``ledger.sqlite`` in the user's data folder.

        Raises:
            StoreError: it cannot be made, read or written, is no ledger, or is a newer or_magic's.
        """
        file = StoreFile(_path_of(location))
        try:
            migrate(file)
        except StoreError:
            file.close()
            raise
        return cls(file)

    @property
    def location(self) -> str:
        """Where it is, for people."""
        return self.file.location

    def open_turn(self, turn: NewTurn) -> TurnId:
        """Writes down a question that is about to be sent; returns its id, which is never given again.

        Raises:
            StoreError: it cannot be written, or there is no message at ``turn.parent``. Send nothing then.
        """
        with self.file.writing() as connection:
            notebook = _notebook_id(connection, turn.notebook)
            prompt = keep_message(connection, turn.parent, turn.prompt)
            row = row_of(turn) | {"notebook": notebook, "prompt": prompt, "started_utc": datetime.now(UTC)}
            return _insert(connection, turns, row)

    def checkpoint(self, turn_id: TurnId, progress: Progress) -> None:
        """Writes down what has arrived so far, in place of the last checkpoint.

        On a finished turn this does nothing.

        Raises:
            StoreError: it cannot be written, or there is no such turn.
        """
        with self.file.writing() as connection:
            if self._prompt_while_open(connection, turn_id) is None:
                return
            _update(connection, turn_id, columns_of(progress) | partial_columns(progress))

    def finish_turn(self, turn_id: TurnId, progress: Progress, ending: Ending, error: str | None) -> None:
        """Writes down how the turn ended, and its answer if any text or reasoning arrived.

        The first ending wins: on a finished turn this does nothing.

        Raises:
            StoreError: it cannot be written (the last checkpoint stands), or there is no such turn.
        """
        with self.file.writing() as connection:
            prompt = self._prompt_while_open(connection, turn_id)
            if prompt is None:
                return
            answer = progress.message
            ended = {
                "answer": keep_message(connection, prompt, answer) if answer else None,
                "state": ending,
                "error": error,
                "ended_utc": datetime.now(UTC),
                "partial_text": None,
                "partial_reasoning": None,
                "partial_parts": None,
            }
            _update(connection, turn_id, columns_of(progress) | ended)

    def reconcile(self, turn_id: TurnId, usage: Usage) -> None:
        """Writes down what the service's record told of a finished turn whose cost was not known; else does nothing.

        Raises:
            StoreError: it cannot be written.
        """
        columns = columns_of(Progress(usage=usage)) | {"cost_source": "reconciled"}
        told = {name: value for name, value in columns.items() if value is not None and name in _RECONCILED}
        unknown = (turns.c.id == turn_id) & turns.c.cost_pico_usd.is_(None) & (turns.c.state != "open")
        with self.file.writing() as connection:
            connection.execute(update(turns).where(unknown).values(told))

    def turn(self, turn_id: TurnId) -> Turn:
        """The turn with this id.

        Raises:
            StoreError: there is none, or the ledger cannot be read.
        """
        found = self._turns(_all_turns().where(turns.c.id == turn_id))
        if not found:
            raise self._no_turn(turn_id)
        return found[0]

    def turns(self, notebook: str | None = None) -> list[Turn]:
        """The turns of a notebook (None: of all), in the order in which they were opened.

        Empty for a notebook that is not known.

        Raises:
            StoreError: the ledger cannot be read.
        """
        query = _all_turns().order_by(turns.c.id)
        return self._turns(query if notebook is None else query.where(notebooks.c.identity == notebook))

    def spent(self, purse: str, service: str) -> Spent:
        """What was paid out of this purse at this service; nothing, for one that never was used.

        The cost in a checkpoint counts as well: a turn whose process was killed was paid for all the same.

        Raises:
            StoreError: the ledger cannot be read.
        """
        cost = turns.c.cost_pico_usd
        is_unknown = cost.is_(None) & (turns.c.state != "open")
        query = select(func.sum(cost), func.count(), func.count(case((is_unknown, 1)))).where(
            turns.c.purse == purse, turns.c.service == service
        )
        with self.file.reading() as connection:
            pico_usd, count, unknown = connection.execute(query).one()
        return Spent(int(pico_usd or 0), count, unknown)

    def close(self) -> None:
        """Lets go of the file. A late checkpoint still finds its way in."""
        self.file.close()

    def _prompt_while_open(self, connection: Connection, turn_id: TurnId) -> str | None:
        query = select(turns.c.prompt, turns.c.state).where(turns.c.id == turn_id)
        row = connection.execute(query).one_or_none()
        if row is None:
            raise self._no_turn(turn_id)
        return str(row.prompt) if row.state == "open" else None

    def _turns(self, query: Select[Any]) -> list[Turn]:
        with self.file.reading() as connection:
            rows = connection.execute(query).all()
            hashes = (hash for row in rows for hash in (row.prompt, row.answer) if hash is not None)
            messages = messages_at(connection, hashes)
        return [turn_of(row, messages) for row in rows]

    def _no_turn(self, turn_id: TurnId) -> StoreError:
        return StoreError(
            f"There is no turn {turn_id} in the ledger {self.location}. "
            "Point OR_MAGIC_STORE to the file that holds it, or ask again."
        )


def _path_of(location: str | Path | None) -> Path:
    if location is None:
        return platformdirs.user_data_path("or_magic", appauthor=False) / "ledger.sqlite"
    scheme, is_address, _ = str(location).partition("://")
    if is_address or str(location) == ":memory:":
        # The address itself is not shown: it may hold a password.
        what = f"a {scheme} address" if is_address else "a database in memory"
        raise StoreError(f"OR_MAGIC_STORE names {what}; this or_magic keeps its ledger in a file. Name a file.")
    return Path(location)


def _all_turns() -> Select[Any]:
    return select(turns, notebooks.c.identity).join(notebooks, turns.c.notebook == notebooks.c.id)


def _notebook_id(connection: Connection, identity: str) -> int:
    known = connection.scalar(select(notebooks.c.id).where(notebooks.c.identity == identity))
    if known is not None:
        return int(known)
    return _insert(connection, notebooks, {"identity": identity, "created_utc": datetime.now(UTC)})


def _insert(connection: Connection, table: Table, row: dict[str, Any]) -> int:
    written = connection.execute(insert(table).values(row))
    return int(written.inserted_primary_key[0])  # type: ignore[index]  # one row has one key


def _update(connection: Connection, turn_id: TurnId, columns: dict[str, Any]) -> None:
    connection.execute(update(turns).where(turns.c.id == turn_id).values(columns))
