"""A ledger of the test's own: in a file, and on a PostgreSQL server where one is installed."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from or_magic.ledger.store import Ledger

from .cluster import Cluster, binaries, running

Sql = Callable[..., list[tuple[Any, ...]]]
DATABASES = ("sqlite", "postgresql")


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A PostgreSQL server for all tests."""
    programs = binaries()
    if programs is None:
        pytest.skip("no PostgreSQL is installed here")
    with running(programs) as cluster:
        yield cluster


def location_in(request: pytest.FixtureRequest, folder: Path) -> str:
    """Where a new ledger may be made, in the database that the test's parameter names."""
    if request.param == "sqlite":
        return str(folder / "ledger.sqlite")
    cluster: Cluster = request.getfixturevalue("cluster")
    return cluster.address()


@pytest.fixture(params=DATABASES)
def location(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a new ledger may be made."""
    return location_in(request, tmp_path)


@pytest.fixture
def ledger(location: str) -> Iterator[Ledger]:
    """A new ledger."""
    ledger = Ledger.open(location)
    yield ledger
    ledger.close()


@pytest.fixture
def file_ledger(tmp_path: Path) -> Iterator[Ledger]:
    """A new ledger in a file, for what only a file has."""
    ledger = Ledger.open(tmp_path / "ledger.sqlite")
    yield ledger
    ledger.close()


@pytest.fixture
def sql(request: pytest.FixtureRequest) -> Iterator[Sql]:
    """Runs a statement on the ledger's database from outside, with none of its safeguards; the rows."""
    is_file = "location" not in request.fixturenames
    location = request.getfixturevalue("file_ledger").location if is_file else request.getfixturevalue("location")
    if "://" in location:
        yield from _sql_of_server(location)
        return
    connection = sqlite3.connect(location, isolation_level=None)
    yield lambda statement, *values: connection.execute(statement, values).fetchall()
    connection.close()


def _sql_of_server(location: str) -> Iterator[Sql]:
    with psycopg.connect(location, autocommit=True) as connection:

        def run(statement: str, *values: object) -> list[tuple[Any, ...]]:
            done = connection.execute(statement.replace("?", "%s"), values or None)  # type: ignore[arg-type]
            return done.fetchall() if done.description else []

        # Without the references: the audit is to find what they would have refused.
        connection.execute("SET session_replication_role = replica")
        yield run
