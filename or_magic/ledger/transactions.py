"""What the ledger needs of a database: transactions. `sqlite` and `postgres` are two that have them."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol

from sqlalchemy import Connection


class Store(Protocol):
    """A database that holds a ledger. May be used from several threads and goes on in both processes after a fork."""

    @property
    def location(self) -> str:
        """Where it is, for people; a password is not in it."""

    def reading(self) -> AbstractContextManager[Connection]:
        """A transaction that reads: all its queries see the same state.

        Raises:
            StoreError: it cannot be read.
        """

    def writing(self) -> AbstractContextManager[Connection]:
        """A transaction that writes, alone; committed at the end, or undone by any exception.

        Raises:
            StoreError: it cannot be written.
        """

    def vacuum(self) -> None:
        """Gives back the room of what was deleted, so that it cannot be read from the disk.

        Raises:
            StoreError: it cannot be written.
        """

    def close(self) -> None:
        """Closes the connections that are not in use. Whoever comes later opens a new one."""
