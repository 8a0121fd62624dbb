"""The databases that hold a ledger: a SQLite file, here, or a PostgreSQL server that a team shares (`postgres`).

Both give transactions that take plain SQL with named parameters, the same text for both. A file is read through
Python's own sqlite3: SQLAlchemy costs a fresh kernel 127 ms and 12 MB, and a statement through it many times what
SQLite itself takes. So only what makes tables goes through SQLAlchemy (`Store.altering`).

Text is kept exactly, in columns that any SQLite browser can read. Python's str can hold two things that no database
takes as text: NUL, and half of a surrogate pair. Models and file names do hold them, and an answer that was paid for
must not be refused for it. So these few characters are written as U+001A (the control character "substitute") and four
hexadecimal digits, and so is U+001A itself, so that there is one way back. Equal texts stay equal, so that indexes and
comparisons work. Times are kept in UTC, and are aware when they come back.

A transaction that writes begins with ``BEGIN IMMEDIATE``: it waits for its turn at the start. One that begins by
reading and then wants to write is refused at once when somebody else has written in between, however long the timeout.
Python's sqlite3 begins transactions late or not at all; so its own control is off (`isolation_level=None`), in a way
that is the same in Python 3.11, which has no `autocommit`, and later.

A process that forks must have no connection open, or the child writes into a log that the parent deletes; even if the
child opens one of its own, for SQLite takes the parent's locks for the child's (measured, and
sqlite.org/howtocorrupt.html, 2.6). So a fork waits for the transaction under way and closes what is idle.
"""

from __future__ import annotations

import abc
import contextlib
import functools
import os
import random
import re
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Protocol

from or_magic.errors import StoreError

if TYPE_CHECKING:
    from sqlalchemy import Connection

Row = SimpleNamespace  # the columns are its attributes
NO_PARAMETERS: Mapping[str, Any] = {}
_VALUES_PER_QUERY = 500  # SQLite allows 999 parameters where it is old


class Transaction(abc.ABC):
    """A transaction that is under way. The SQL is what SQLite and PostgreSQL both understand, its parameters ``:name``.

    Columns whose names end with ``_utc`` are aware times, those that begin with ``is_`` or ``may_`` are true or false.
    """

    @abc.abstractmethod
    def rows(self, sql: str, params: Mapping[str, Any] = NO_PARAMETERS) -> list[Row]:
        """All rows of a query."""

    @abc.abstractmethod
    def run(self, sql: str, params: Mapping[str, Any] = NO_PARAMETERS) -> int:
        """Runs a statement; how many rows it changed."""

    @abc.abstractmethod
    def run_many(self, sql: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """Runs a statement once for each of these parameters."""

    @abc.abstractmethod
    def insert(self, table: str, columns: Mapping[str, Any]) -> int:
        """Adds a row to a table that numbers its rows; its ``id``."""

    @abc.abstractmethod
    def table_names(self) -> set[str]:
        """The tables that are there."""

    @abc.abstractmethod
    def damaged_pages(self) -> list[str]:
        """What the database itself finds wrong with its file."""

    def row(self, sql: str, params: Mapping[str, Any] = NO_PARAMETERS) -> Row | None:
        """The first row of a query; None where there is none."""
        rows = self.rows(sql, params)
        return rows[0] if rows else None

    def value(self, sql: str, params: Mapping[str, Any] = NO_PARAMETERS) -> Any:
        """The only column of the first row of a query; None where there is no row."""
        return next(iter(self.values(sql, params)), None)

    def values(self, sql: str, params: Mapping[str, Any] = NO_PARAMETERS) -> list[Any]:
        """The only column of all rows of a query."""
        return [next(iter(vars(row).values())) for row in self.rows(sql, params)]

    def rows_in(self, sql: str, values: Iterable[Any], params: Mapping[str, Any] = NO_PARAMETERS) -> list[Row]:
        """All rows of a query about many values, which stand where it says ``:values``, as in ``id IN :values``."""
        return [row for text, all in _portions(sql, values, params) for row in self.rows(text, all)]

    def run_in(self, sql: str, values: Iterable[Any], params: Mapping[str, Any] = NO_PARAMETERS) -> None:
        """Runs a statement about many values, which stand where it says ``:values``, as in ``id IN :values``."""
        for text, all in _portions(sql, values, params):
            self.run(text, all)

    def update(self, table: str, id: int, columns: Mapping[str, Any]) -> None:
        """Changes these columns of the row with this id."""
        self.run(_update_of(table, tuple(columns)), {**columns, "id": id})


class Store(Protocol):
    """A database that holds a ledger. May be used from several threads and goes on in both processes after a fork."""

    @property
    def location(self) -> str:
        """The file or the address of the database, as it is shown to people; without a password."""

    def reading(self) -> AbstractContextManager[Transaction]:
        """A transaction that reads: all its queries see the same state.

        Raises:
            StoreError: it cannot be read.
        """

    def writing(self) -> AbstractContextManager[Transaction]:
        """A transaction that writes, alone; committed at the end, or undone by any exception.

        Raises:
            StoreError: it cannot be written.
        """

    def altering(self) -> AbstractContextManager[Connection]:
        """A transaction that makes and changes tables, alone; committed at the end, or undone by any exception.

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
_READ = ("BEGIN", "SELECT 1 FROM sqlite_master LIMIT 1")  # the first query takes the state that all others see
_WRITE = ("BEGIN IMMEDIATE",)
_PRIMARY_CODE = 0xFF  # an extended SQLite error code holds its primary code in the last byte


class StoreFile:
    """A database file, made where there is none: readable by its owner alone.

    May be used from several threads, which take turns, and goes on in both processes after a fork.

    Raises:
        StoreError: file or folder cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self._path = path.expanduser().absolute()  # absolute, for the working folder may change
        _make_privately(self._path)
        self._lock = threading.RLock()  # held during a transaction, and during a fork
        self._idle: list[sqlite3.Connection] = []
        self._is_paused = False
        _keep_out_of_forks(weakref.ref(self))

    @property
    def location(self) -> str:
        """The path of the file."""
        return str(self._path)

    @contextlib.contextmanager
    def reading(self) -> Iterator[Transaction]:
        """A transaction that reads: all its queries see the same state, and no other process waits for it.

        Raises:
            StoreError: the file cannot be read.
        """
        with self._connection() as connection:
            _begin(connection, _READ)
            yield _FileTransaction(connection)
            connection.execute("COMMIT")

    @contextlib.contextmanager
    def writing(self) -> Iterator[Transaction]:
        """A transaction that writes, alone; it is committed at the end, or undone by any exception.

        Raises:
            StoreError: the file cannot be written.
        """
        with self._connection() as connection:
            _begin(connection, _WRITE)
            yield _FileTransaction(connection)
            _when_free(lambda: connection.execute("COMMIT"))  # without a log, it waits for those who read

    @contextlib.contextmanager
    def altering(self) -> Iterator[Connection]:
        """A transaction that makes and changes tables, alone; committed at the end, or undone by any exception.

        Raises:
            StoreError: the file cannot be written.
        """
        from sqlalchemy import StaticPool, create_engine, event
        from sqlalchemy.exc import SQLAlchemyError

        with self._connection() as file:
            engine = create_engine("sqlite://", creator=lambda: file, poolclass=StaticPool, hide_parameters=True)
            event.listen(engine, "begin", lambda _connection: _begin(file, _WRITE))
            try:
                with engine.begin() as connection:
                    yield connection
            except SQLAlchemyError as error:
                raise StoreError(_explain(self.location, getattr(error, "orig", None) or error)) from error

    def vacuum(self) -> None:
        """Rewrites the file without what was deleted, and empties its log, so that nothing can be read from them.

        Raises:
            StoreError: the file cannot be written, or others keep it busy.
        """
        with self._connection() as connection:
            connection.execute(f"PRAGMA busy_timeout={round(LOCK_TIMEOUT_S * 1000)}")
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            connection.execute("PRAGMA busy_timeout=0")

    def close(self) -> None:
        """Closes the connections that are not in use. Whoever comes later opens a new one."""
        while self._idle:
            self._idle.pop().close()

    def pause(self) -> None:
        """Waits for the transaction under way, closes all connections, and lets nobody in until `resume`."""
        self._is_paused = self._lock.acquire(timeout=LOCK_TIMEOUT_S)
        self.close()

    def resume(self) -> None:
        """Ends a `pause`, in the thread that began it."""
        if self._is_paused:
            self._lock.release()

    @contextlib.contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        # With a limit: an interrupt at an unlucky instant may leave it locked. Never freeze the kernel.
        if not self._lock.acquire(timeout=LOCK_TIMEOUT_S):
            raise StoreError(f"The ledger {self.location} is in use by another thread. Restart the kernel.")
        try:
            connection = self._idle.pop() if self._idle else _connect(self._path)
            try:
                yield connection
            finally:
                with contextlib.suppress(sqlite3.ProgrammingError):  # closed: SQLAlchemy does that at an interrupt
                    _undo(connection)
                    self._idle.append(connection)
        except sqlite3.Error as error:
            raise StoreError(_explain(self.location, error)) from error
        finally:
            self._lock.release()


class _FileTransaction(Transaction):
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def rows(self, sql: str, params: Mapping[str, Any] = NO_PARAMETERS) -> list[Row]:
        cursor = self._connection.execute(sql, stored(params, _text_of))
        return rows_of([column[0] for column in cursor.description], cursor.fetchall(), _time_of)

    def run(self, sql: str, params: Mapping[str, Any] = NO_PARAMETERS) -> int:
        return self._connection.execute(sql, stored(params, _text_of)).rowcount

    def run_many(self, sql: str, rows: Iterable[Mapping[str, Any]]) -> None:
        self._connection.executemany(sql, [stored(row, _text_of) for row in rows])

    def insert(self, table: str, columns: Mapping[str, Any]) -> int:
        # Not RETURNING: SQLite knows it since 3.35 alone.
        cursor = self._connection.execute(insertion(table, tuple(columns)), stored(columns, _text_of))
        return int(cursor.lastrowid or 0)

    def table_names(self) -> set[str]:
        names = self.values("SELECT name FROM sqlite_master WHERE type = 'table'")
        return {name for name in names if not name.startswith("sqlite_")}

    def damaged_pages(self) -> list[str]:
        return [finding for finding in self.values("PRAGMA integrity_check") if finding != "ok"]


def _text_of(time: datetime) -> str:
    return time.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


def _time_of(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


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


def _connect(path: Path) -> sqlite3.Connection:
    # Threads take turns with it. SQLite's own wait is off: see `_when_free`.
    connection = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False, cached_statements=256)
    try:
        # Also this waits: of processes that open a new file eight at a time, one in 23 is told that it is locked.
        (mode,) = _when_free(lambda: connection.execute("PRAGMA journal_mode=WAL").fetchone())
        # NORMAL cannot damage a file with a write-ahead log. Some network disks have none; there it takes FULL.
        connection.execute(f"PRAGMA synchronous={'NORMAL' if mode == 'wal' else 'FULL'}")
        connection.execute("PRAGMA foreign_keys=ON")
    except BaseException:
        connection.close()
        raise
    return connection


def _begin(connection: sqlite3.Connection, statements: tuple[str, ...]) -> None:
    def begin() -> None:
        _undo(connection)
        for statement in statements:
            connection.execute(statement).fetchall()

    _when_free(begin)


def _undo(connection: sqlite3.Connection) -> None:
    if connection.in_transaction:
        connection.execute("ROLLBACK")


def _when_free(act: Callable[[], Any]) -> Any:
    """Does this once no other process has locked the file.

    SQLite's own wait looks every 100 ms in the end. Measured: of eight processes that write without a pause on a busy
    machine, one found the file locked each time for 15 s. So this looks every few milliseconds, and at random.
    """
    give_up_at = 0.0
    while True:
        try:
            return act()
        except sqlite3.OperationalError as error:
            is_locked = error.sqlite_errorcode & _PRIMARY_CODE == sqlite3.SQLITE_BUSY
            give_up_at = give_up_at or time.monotonic() + LOCK_TIMEOUT_S
            if not is_locked or time.monotonic() > give_up_at:
                raise
        time.sleep(random.uniform(0.0005, 0.004))


def _explain(location: str, error: BaseException) -> str:
    name = getattr(error, "sqlite_errorname", "")
    elsewhere = "point OR_MAGIC_STORE elsewhere."
    writable = f"Make it and its folder writable, or {elsewhere}"
    advice = {
        "SQLITE_NOTADB": f"is not a SQLite file. Move it away, or {elsewhere}",
        "SQLITE_CORRUPT": f"is damaged. Restore a copy, or {elsewhere}",
        "SQLITE_FULL": f"cannot grow: the disk is full. Free some space, or {elsewhere}",
        "SQLITE_BUSY": f"was locked by another program for {LOCK_TIMEOUT_S:.0f} s. Close that one and try again.",
        "SQLITE_READONLY": f"cannot be written. {writable}",
        "SQLITE_CANTOPEN": f"cannot be opened. {writable}",
        "SQLITE_IOERR": f"met an error of the disk. Check the disk, or {elsewhere}",
    }
    for beginning, what in advice.items():
        if name.startswith(beginning):
            return f"The ledger {location} {what}"
    return f"The ledger {location} failed: {error}. To go on, {elsewhere}"


def stored(params: Mapping[str, Any], write_time: Callable[[datetime], Any]) -> dict[str, Any]:
    """Parameters as a database takes them."""
    return {
        name: _escaped(value) if isinstance(value, str) else write_time(value) if isinstance(value, datetime) else value
        for name, value in params.items()
    }


def rows_of(names: Sequence[str], found: Iterable[Sequence[Any]], read_time: Callable[[Any], datetime]) -> list[Row]:
    """Rows as a database gave them, as Python has their values."""
    times = [name for name in names if name.endswith("_utc")]
    flags = [name for name in names if name.startswith(("is_", "may_"))]
    rows = []
    for values in found:
        columns = dict(zip(names, map(_unescaped, values), strict=True))
        for name in times:
            columns[name] = None if columns[name] is None else read_time(columns[name])
        for name in flags:
            columns[name] = None if columns[name] is None else bool(columns[name])
        rows.append(Row(**columns))
    return rows


@functools.lru_cache(maxsize=64)
def insertion(table: str, names: tuple[str, ...]) -> str:
    """The statement that adds a row with these columns."""
    return f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join(f':{name}' for name in names)})"


@functools.lru_cache(maxsize=64)
def _update_of(table: str, names: tuple[str, ...]) -> str:
    return f"UPDATE {table} SET {', '.join(f'{name} = :{name}' for name in names)} WHERE id = :id"


def _portions(sql: str, values: Iterable[Any], params: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The statement, with its parameters, for as many of the values as one statement may have."""
    rest = iter(values)
    while portion := list(islice(rest, _VALUES_PER_QUERY)):
        named = {f"value_{number}": value for number, value in enumerate(portion)}
        yield sql.replace(":values", f"({', '.join(f':{name}' for name in named)})"), {**params, **named}


@functools.cache
def _unstorable() -> re.Pattern[str]:
    return re.compile("[\x00\x1a\ud800-\udfff]")


@functools.cache
def _escape() -> re.Pattern[str]:
    return re.compile("\x1a([0-9a-f]{4})")


def _escaped(text: str) -> str:
    if "\x00" not in text and "\x1a" not in text:
        try:
            text.encode()  # a tenth of the time that the pattern takes to find nothing
            return text
        except UnicodeEncodeError:
            pass  # a surrogate
    return _unstorable().sub(lambda rare: f"\x1a{ord(rare[0]):04x}", text)


def _unescaped(value: Any) -> Any:
    if type(value) is str and "\x1a" in value:
        return _escape().sub(lambda escape: chr(int(escape[1], 16)), value)
    return value
