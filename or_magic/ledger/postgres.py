"""A ledger on a PostgreSQL server that a team shares, through SQLAlchemy and psycopg.

SQLite lets one writer in at a time. Here an advisory lock does so, and what a transaction has read stays true until it
has written; each takes a few milliseconds. The lock is given back with the transaction, also when the process is
killed.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import weakref
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import URL, Connection, CursorResult, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from or_magic.errors import StoreError
from or_magic.ledger.databases import NO_PARAMETERS, Row, Transaction, insertion, rows_of, stored

_ADVISORY_LOCK = 0x6F726D  # any number that is ours: "orm"
_LOCK_TIMEOUT_MS = 15_000
_CONNECT_TIMEOUT_S = 10


class StoreServer:
    """A database on a server.

    Args:
        address: ``postgresql://USER:PASSWORD@HOST/DATABASE``; the password may come from PGPASSWORD or ~/.pgpass.

    Raises:
        StoreError: psycopg is not installed, or the address cannot be read.
    """

    def __init__(self, address: str) -> None:
        self._url = _url(address)
        self._engine = _make_engine(self._url)
        _leave_to_the_parent(weakref.ref(self._engine))

    @property
    def location(self) -> str:
        """Its address without the password."""
        return self._url.render_as_string(hide_password=True)

    @contextlib.contextmanager
    def reading(self) -> Iterator[Transaction]:
        """A transaction that reads: all its queries see the same state.

        Raises:
            StoreError: the server cannot be reached, or refuses.
        """
        with self._explained(), self._engine.begin() as connection:
            connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            yield _ServerTransaction(connection)

    @contextlib.contextmanager
    def writing(self) -> Iterator[Transaction]:
        """A transaction that writes, alone; committed at the end, or undone by any exception.

        Raises:
            StoreError: the server cannot be reached, or refuses.
        """
        with self.altering() as connection:
            yield _ServerTransaction(connection)

    @contextlib.contextmanager
    def altering(self) -> Iterator[Connection]:
        """A transaction that makes and changes tables, alone; committed at the end, or undone by any exception.

        Raises:
            StoreError: the server cannot be reached, or refuses.
        """
        with self._explained(), self._engine.begin() as connection:
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK})")
            yield connection

    def vacuum(self) -> None:
        """Gives back the disk space of what was deleted.

        Raises:
            StoreError: the server cannot be reached, or refuses.
        """
        with self._explained(), self._engine.connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql("VACUUM turns, messages, parts")

    def close(self) -> None:
        """Closes the connections that are not in use. Whoever comes later opens a new one."""
        self._engine.dispose()

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            raise StoreError(self._explain(error)) from None  # the cause may tell how the server was reached

    def _explain(self, error: SQLAlchemyError) -> str:
        told = " ".join(str(getattr(error, "orig", None) or error).split())
        if self._url.password:
            told = told.replace(str(self._url.password), "***")
        advice = "Try again, or point OR_MAGIC_STORE elsewhere."
        if getattr(getattr(error, "orig", None), "sqlstate", None) == "55P03":
            told, advice = f"it was locked by others for {_LOCK_TIMEOUT_MS // 1000} s", "Try again."
        return f"The ledger {self.location} failed: {told[:300].rstrip('.')}. {advice}"


class _ServerTransaction(Transaction):
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def rows(self, sql: str, params: Mapping[str, Any] = NO_PARAMETERS) -> list[Row]:
        result = self._execute(sql, params)
        return rows_of(tuple(result.keys()), result.all(), _in_utc)

    def run(self, sql: str, params: Mapping[str, Any] = NO_PARAMETERS) -> int:
        return self._execute(sql, params).rowcount

    def run_many(self, sql: str, rows: Iterable[Mapping[str, Any]]) -> None:
        if found := [stored(row, _in_utc) for row in rows]:
            self._connection.exec_driver_sql(_psycopg_text(sql), found)

    def insert(self, table: str, columns: Mapping[str, Any]) -> int:
        return int(self.value(f"{insertion(table, tuple(columns))} RETURNING id", columns))

    def table_names(self) -> set[str]:
        visible = "relkind IN ('r', 'p') AND pg_table_is_visible(pg_class.oid) AND nspname <> 'pg_catalog'"
        joined = "pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace"
        return set(self.values(f"SELECT relname FROM {joined} WHERE {visible}"))

    def damaged_pages(self) -> list[str]:
        return []  # a server looks after its own

    def _execute(self, sql: str, params: Mapping[str, Any]) -> CursorResult[Any]:
        return self._connection.exec_driver_sql(_psycopg_text(sql), stored(params, _in_utc))


@functools.lru_cache(maxsize=512)
def _psycopg_text(sql: str) -> str:
    return re.sub(r"(?<!:):([a-z]\w*)", r"%(\1)s", sql.replace("%", "%%"))


def _in_utc(time: datetime) -> datetime:
    return time.astimezone(UTC)


def _url(address: str) -> URL:
    try:
        url = make_url(address)
    except (ArgumentError, ValueError):
        raise StoreError(
            "OR_MAGIC_STORE is no address of a database: postgresql://USER:PASSWORD@HOST/DATABASE."
        ) from None  # the cause repeats it, with the password
    return url.set(drivername="postgresql+psycopg")


def _make_engine(url: URL) -> Engine:
    try:
        engine = create_engine(
            url,
            connect_args={"connect_timeout": _CONNECT_TIMEOUT_S},
            max_overflow=-1,  # a thread that has an answer to write never waits for a connection
            pool_pre_ping=True,  # a server that was restarted meanwhile is no error
            hide_parameters=True,  # what people asked does not belong into tracebacks
        )
    except ImportError:
        raise StoreError(
            "A ledger on PostgreSQL needs psycopg: pip install 'or_magic[postgres]', or point OR_MAGIC_STORE to a file."
        ) from None
    event.listen(engine, "connect", _prepare)
    return engine


def _prepare(connection: object, _record: object) -> None:
    with connection.cursor() as cursor:  # type: ignore[attr-defined]  # a psycopg connection
        cursor.execute(f"SET lock_timeout = {_LOCK_TIMEOUT_MS}")
    connection.commit()  # type: ignore[attr-defined]


def _leave_to_the_parent(reference: weakref.ref[Engine]) -> None:
    def forget() -> None:
        if (engine := reference()) is not None:
            engine.dispose(close=False)  # the connections are the parent's

    if hasattr(os, "register_at_fork"):  # Windows has no fork
        os.register_at_fork(after_in_child=forget)
