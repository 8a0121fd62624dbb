"""A PostgreSQL server of the tests' own, in a temporary folder, on a socket that nobody else sees."""

from __future__ import annotations

import contextlib
import getpass
import itertools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import psycopg

_DEBIAN = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)


def binaries() -> Path | None:
    """The folder of the server's programs; None where they are not installed."""
    found = shutil.which("initdb")
    folders = [*_DEBIAN, *([Path(found).resolve().parent] if found else [])]
    return next((folder for folder in folders if (folder / "pg_ctl").exists()), None)


class Cluster:
    """A running server. `address` makes a new, empty database and tells where it is."""

    def __init__(self, folder: Path, user: str) -> None:
        self._folder, self._user = folder, user
        self._numbers = itertools.count()

    def address(self) -> str:
        """The address of a new database."""
        name = f"test_{next(self._numbers)}"
        with psycopg.connect(self._at("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE template0")  # type: ignore[arg-type]  # no user's text
        return self._at(name)

    def _at(self, database: str) -> str:
        return f"postgresql://{self._user}:pa55word@/{database}?host={quote(str(self._folder))}"


@contextlib.contextmanager
def running(programs: Path) -> Iterator[Cluster]:
    """A server, stopped and deleted at the end. As root it runs as the system's user for it: it refuses to be root."""
    is_root = os.geteuid() == 0
    user = "postgres" if is_root else getpass.getuser()
    prefix = ["runuser", "-u", user, "--"] if is_root else []
    with tempfile.TemporaryDirectory(prefix="orm_pg_", dir="/tmp") as name:
        folder = Path(name)
        if is_root:
            shutil.chown(folder, user)
        # Nothing of it is to outlive the tests: no waiting for the disk.
        options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off -c max_connections=200"

        def run(program: str, *arguments: str) -> None:
            command = [*prefix, str(programs / program), "-D", str(folder / "cluster"), *arguments]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=folder)

        run("initdb", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync")
        run("pg_ctl", "start", "-w", "-l", str(folder / "log"), "-o", options)
        try:
            yield Cluster(folder, user)
        finally:
            run("pg_ctl", "stop", "-m", "immediate")
