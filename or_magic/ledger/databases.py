"""The databases that hold a ledger: a SQLite file, or a PostgreSQL server that a team shares.

The only file that knows which database it is. A database's errors become a `StoreError` of one line here.

A transaction that writes begins with ``BEGIN IMMEDIATE``: it waits for its turn at the start. One that begins
by reading and then wants to write is refused at once when somebody else has written in between, however long
the timeout. Python's sqlite3 begins transactions late or not at all; so its own control is off
(`isolation_level=None`) and SQLAlchemy's begin event says what is to be said. That way is the same in Python
3.11, which has no `autocommit`, and later (SQLAlchemy 2.1, SQLite dialect, "Transactions with SQLite and the
sqlite3 driver").

A process that forks must have no connection open, or the child writes into a log that the parent deletes;
even if the child opens one of its own, for SQLite takes the parent's locks for the child's (measured, and
sqlite.org/howtocorrupt.html, 2.6). So a fork waits for the transaction under way and closes what is idle.

SQLite lets one writer in at a time. On PostgreSQL an advisory lock does so, and what a transaction has read stays true
until it has written; each takes a few milliseconds. The lock is given back with the transaction, also when the process
is killed.
"""

from __future__ import annotations

import contextlib
import os
import random
import sqlite3
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from or_magic.errors import StoreError


class Store(Protocol):
    """A database that holds a ledger. May be used from several threads and goes on in both processes after a fork."""

    @property
    def location(self) -> str:
        """The file or the address of the database, as it is shown to people; without a password."""

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
        """Gives back the disk space of what was deleted, so that it can be read from the disk no longer.

        Raises:
            StoreError: it cannot be written.
        """

    def close(self) -> None:
        """Closes the connections that are not in use. Whoever comes later opens a new one."""


LOCK_TIMEOUT_S = 15.0  # how long a transaction waits for others; each takes about a millisecond
_WRITE = "BEGIN IMMEDIATE"
_PRIMARY_CODE = 0xFF  # an extended SQLite error code holds its primary code in the last byte
_ADVICE = (
    ("SQLITE_NOTADB", "is not a SQLite file. Move it away, or point OR_MAGIC_STORE elsewhere."),
    ("SQLITE_CORRUPT", "is damaged. Restore a copy, or point OR_MAGIC_STORE elsewhere."),
    ("SQLITE_FULL", "cannot grow: the disk is full. Free some space, or point OR_MAGIC_STORE elsewhere."),
    ("SQLITE_BUSY", f"was locked by another program for {LOCK_TIMEOUT_S:.0f} s. Close that one and try again."),
    (
        "SQLITE_READONLY",
        "cannot be written. Make it and its folder writable, or point OR_MAGIC_STORE elsewhere.",
    ),
    (
        "SQLITE_CANTOPEN",
        "cannot be opened. Make it and its folder writable, or point OR_MAGIC_STORE elsewhere.",
    ),
    ("SQLITE_IOERR", "met an error of the disk. Check the disk, or point OR_MAGIC_STORE elsewhere."),
)


class StoreFile:
    """A database file, made where there is none: readable by its owner alone.

    May be used from several threads, which take turns, and goes on in both processes after a fork.

    Raises:
        StoreError: file or folder cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self._path = path.expanduser().absolute()  # absolute, for the working folder may change
        _make_privately(self._path)
        self._engine = _make_engine(self._path)
        self._lock = threading.RLock()  # held during a transaction, and during a fork
        self._is_paused = False
        _keep_out_of_forks(weakref.ref(self))

    @property
    def location(self) -> str:
        """The path of the file."""
        return str(self._path)

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that reads: all its queries see the same state, and no other process waits for it.

        Raises:
            StoreError: the file cannot be read.
        """
        with self._transaction("BEGIN") as connection:
            yield connection

    @contextlib.contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that writes, alone; it is committed at the end, or undone by any exception.

        Raises:
            StoreError: the file cannot be written.
        """
        with self._transaction(_WRITE) as connection:
            yield connection

    def vacuum(self) -> None:
        """Rewrites the file without what was deleted, and empties its log, so that nothing can be read from them.

        Raises:
            StoreError: the file cannot be written, or others keep it busy.
        """
        with self._transaction("") as connection:  # VACUUM is a transaction of its own
            connection.exec_driver_sql("VACUUM")
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Closes the connections that are not in use. Whoever comes later opens a new one."""
        self._engine.dispose()

    def pause(self) -> None:
        """Waits for the transaction under way, closes all connections, and lets nobody in until `resume`."""
        self._is_paused = self._lock.acquire(timeout=LOCK_TIMEOUT_S)
        self._engine.dispose()

    def resume(self) -> None:
        """Ends a `pause`, in the thread that began it."""
        if self._is_paused:
            self._lock.release()

    @contextlib.contextmanager
    def _transaction(self, begin: str) -> Iterator[Connection]:
        # With a limit: an interrupt at an unlucky instant may leave it locked. Never freeze the kernel.
        if not self._lock.acquire(timeout=LOCK_TIMEOUT_S):
            raise StoreError(f"The ledger {self.location} is in use by another thread. Restart the kernel.")
        try:
            with self._engine.connect() as connection:
                connection.execution_options(begin=begin)
                with connection.begin():
                    yield connection
        except SQLAlchemyError as error:
            raise StoreError(_explain(self.location, error)) from error
        finally:
            self._lock.release()


def _keep_out_of_forks(reference: weakref.ref[StoreFile]) -> None:
    def pause() -> None:
        if (file := reference()) is not None:
            file.pause()

    def resume() -> None:
        if (file := reference()) is not None:
            file.resume()

    if hasattr(os, "register_at_fork"):  # Windows has no fork
        os.register_at_fork(before=pause, after_in_parent=resume, after_in_child=resume)


def _make_privately(path: Path) -> None:
    try:
        if path.is_dir():
            raise StoreError(f"{path} is a folder. Point OR_MAGIC_STORE to a file in it, say ledger.sqlite.")
        for folder in reversed(path.parents):
            if not folder.exists():
                folder.mkdir(mode=0o700, exist_ok=True)
        # O_EXCL never opens a file that exists: closing it again would drop SQLite's locks in this process.
        with contextlib.suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except (OSError, ValueError) as error:  # ValueError: NUL in the path
        reason = getattr(error, "strerror", None) or error
        raise StoreError(
            f"The ledger {path} cannot be made ({reason}). Make its folder writable, or point OR_MAGIC_STORE elsewhere."
        ) from error


def _make_engine(path: Path) -> Engine:
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        connect_args={"timeout": LOCK_TIMEOUT_S, "isolation_level": None},
        max_overflow=-1,  # a thread that has an answer to write never waits for a connection
        hide_parameters=True,  # what people asked does not belong into tracebacks
    )
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def _begin(connection: Connection) -> None:
    begin = connection.get_execution_options().get("begin", "BEGIN")
    if begin == _WRITE:
        _wait_for_others(connection)
    elif begin:
        connection.exec_driver_sql(begin)


def _wait_for_others(connection: Connection) -> None:
    """Begins to write once nobody else does.

    SQLite's own wait looks every 100 ms in the end. Measured: of eight processes that write without a pause on a busy
    machine, one found the file locked each time for 15 s. So this looks every few milliseconds, and at random.
    """
    file: sqlite3.Connection = connection.connection.driver_connection  # type: ignore[assignment]  # that of sqlite3
    give_up_at = time.monotonic() + LOCK_TIMEOUT_S
    file.execute("PRAGMA busy_timeout=0")
    try:
        while time.monotonic() < give_up_at:
            try:
                file.execute(_WRITE)
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & _PRIMARY_CODE != sqlite3.SQLITE_BUSY:
                    break  # told by the attempt below, in SQLAlchemy's words
                time.sleep(random.uniform(0.0005, 0.004))
            else:
                return
        connection.exec_driver_sql(_WRITE)
    finally:
        file.execute(f"PRAGMA busy_timeout={round(LOCK_TIMEOUT_S * 1000)}")


def _prepare(connection: sqlite3.Connection, _record: object) -> None:
    mode = _enter_wal_mode(connection)
    # NORMAL cannot damage a file with a write-ahead log. Some network disks have none; there it takes FULL.
    connection.execute(f"PRAGMA synchronous={'NORMAL' if mode == 'wal' else 'FULL'}")
    connection.execute("PRAGMA foreign_keys=ON")


def _enter_wal_mode(connection: sqlite3.Connection) -> str:
    # SQLite does not wait here as it does elsewhere. Measured: of processes that open a new file eight at a
    # time, one in 23 is told at once that the database is locked.
    give_up_at = time.monotonic() + LOCK_TIMEOUT_S
    while True:
        try:
            return str(connection.execute("PRAGMA journal_mode=WAL").fetchone()[0])
        except sqlite3.OperationalError as error:
            is_busy = error.sqlite_errorcode & _PRIMARY_CODE == sqlite3.SQLITE_BUSY
            if not is_busy or time.monotonic() > give_up_at:
                raise
        time.sleep(0.005)


def _explain(location: str, error: SQLAlchemyError) -> str:
    cause = getattr(error, "orig", None)
    name = getattr(cause, "sqlite_errorname", "")
    for beginning, advice in _ADVICE:
        if name.startswith(beginning):
            return f"The ledger {location} {advice}"
    return f"The ledger {location} failed: {cause or error}. To go on, point OR_MAGIC_STORE elsewhere."


SCHEMES = ("postgresql", "postgres", "postgresql+psycopg")
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
        self._engine = _make_server_engine(self._url)
        _leave_to_the_parent(weakref.ref(self._engine))

    @property
    def location(self) -> str:
        """Its address without the password."""
        return self._url.render_as_string(hide_password=True)

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that reads: all its queries see the same state.

        Raises:
            StoreError: the server cannot be reached, or refuses.
        """
        with self._transaction() as connection:
            connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            yield connection

    @contextlib.contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that writes, alone; committed at the end, or undone by any exception.

        Raises:
            StoreError: the server cannot be reached, or refuses.
        """
        with self._transaction() as connection:
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
    def _transaction(self) -> Iterator[Connection]:
        with self._explained(), self._engine.begin() as connection:
            yield connection

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


def _url(address: str) -> URL:
    try:
        url = make_url(address)
    except (ArgumentError, ValueError):
        raise StoreError(
            "OR_MAGIC_STORE is no address of a database: postgresql://USER:PASSWORD@HOST/DATABASE."
        ) from None  # the cause repeats it, with the password
    return url.set(drivername="postgresql+psycopg")


def _make_server_engine(url: URL) -> Engine:
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
    event.listen(engine, "connect", _prepare_server)
    return engine


def _prepare_server(connection: object, _record: object) -> None:
    with connection.cursor() as cursor:  # type: ignore[attr-defined]  # a psycopg connection
        cursor.execute(f"SET lock_timeout = {_LOCK_TIMEOUT_MS}")
    connection.commit()  # type: ignore[attr-defined]


def _leave_to_the_parent(reference: weakref.ref[Engine]) -> None:
    def forget() -> None:
        if (engine := reference()) is not None:
            engine.dispose(close=False)  # the connections are the parent's

    if hasattr(os, "register_at_fork"):  # Windows has no fork
        os.register_at_fork(after_in_child=forget)
