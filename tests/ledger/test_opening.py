"""A ledger opens where it should, for its owner alone, and says in one line why it cannot."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from or_magic.errors import StoreError
from or_magic.ledger.migrations import MIGRATIONS
from or_magic.ledger.records import NewTurn, Progress
from or_magic.ledger.schema import SCHEMA_NUMBER, TABLES
from or_magic.ledger.store import Ledger

from .conftest import Sql
from .samples import ask, question

posix_only = pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")


def test_open_again(tmp_path: Path) -> None:
    """What was kept is there when the ledger is opened again."""
    path = tmp_path / "ledger.sqlite"
    first = Ledger.open(path)
    turn = first.turn(ask(first))
    first.close()

    assert Ledger.open(str(path)).turns() == [turn]


def test_the_default_is_the_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a location the ledger is in the user's data folder."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setattr("platformdirs.user_data_path", lambda name, appauthor: tmp_path / name)

    ledger = Ledger.open()

    assert ledger.location == str(tmp_path / "or_magic" / "ledger.sqlite")


def test_a_relative_location(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A ledger stays where it is when the working folder changes."""
    monkeypatch.chdir(tmp_path)
    ledger = Ledger.open("ledger.sqlite")
    turn_id = ask(ledger)
    ledger.close()

    monkeypatch.chdir("/")

    assert ledger.turn(turn_id).id == turn_id
    assert ledger.location == str(tmp_path / "ledger.sqlite")


@posix_only
def test_permissions(tmp_path: Path) -> None:
    """Folders and files that are made are their owner's alone; what was there stays as it is."""
    tmp_path.chmod(0o755)
    ledger = Ledger.open(tmp_path / "new" / "deeper" / "ledger.sqlite")
    ask(ledger)

    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path, *tmp_path.rglob("*"))}
    files = {"ledger.sqlite": 0o600, "ledger.sqlite-wal": 0o600, "ledger.sqlite-shm": 0o600}
    assert modes == {tmp_path.name: 0o755, "new": 0o700, "deeper": 0o700} | files


def test_settings_of_the_file(file_ledger: Ledger) -> None:
    """Every connection has the write-ahead log, its safe and fast mode, references checked, and no wait of its own."""
    with file_ledger.store.writing() as transaction:
        settings = [
            transaction.value(f"PRAGMA {name}")
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        ]

    assert settings == ["wal", 1, 1, 0]


def test_the_schema_is_what_queries_expect(file_ledger: Ledger) -> None:
    """The migrations lead to the tables and columns that `TABLES` describes, and are as many as it says."""
    with file_ledger.store.reading() as transaction:
        found = {
            table: tuple(column.name for column in transaction.rows(f"PRAGMA table_info({table})"))
            for table in transaction.table_names()
        }

    assert found == TABLES
    assert len(MIGRATIONS) == SCHEMA_NUMBER


def test_each_step_is_recorded(ledger: Ledger, sql: Sql) -> None:
    """A file says which steps it has taken, once each, however often it is opened."""
    Ledger.open(ledger.location)

    assert sql("SELECT number FROM migrations") == [(number + 1,) for number in range(len(MIGRATIONS))]


def test_a_newer_file(ledger: Ledger, sql: Sql) -> None:
    """A file of a newer version is refused in one line that says what to do, and is not touched."""
    sql("INSERT INTO migrations VALUES (?, '2030-01-01 00:00:00.000000')", len(MIGRATIONS) + 1)

    with pytest.raises(StoreError) as refused:
        Ledger.open(ledger.location)

    assert str(refused.value) == (
        f"The ledger {ledger.location} has schema {len(MIGRATIONS) + 1}; this or_magic knows them up to "
        f"{len(MIGRATIONS)}. Upgrade or_magic, or point OR_MAGIC_STORE to another file."
    )


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        pytest.param("folder", "is a folder", id="a folder"),
        pytest.param("text.txt/ledger.sqlite", "cannot be made", id="below a file"),
        pytest.param("text.txt", "is not a SQLite file", id="no database"),
        pytest.param("other.sqlite", "is a database of another program", id="another program's"),
        pytest.param("nul\x00.sqlite", "cannot be made", id="NUL in its name"),
    ],
)
def test_what_cannot_be_a_ledger(tmp_path: Path, location: str, reason: str) -> None:
    """What cannot be a ledger is refused in one line that names it and the way out, and is left as it was."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "text.txt").write_text("Dear diary, " * 100)
    sqlite3.connect(tmp_path / "other.sqlite").execute("CREATE TABLE migrations (id)").connection.close()
    before = {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}

    with pytest.raises(StoreError, match=reason) as refused:
        Ledger.open(tmp_path / location)

    assert str(tmp_path) in str(refused.value)
    assert "OR_MAGIC_STORE" in str(refused.value)
    assert "\n" not in str(refused.value)
    assert (tmp_path / "text.txt").read_bytes() == before[tmp_path / "text.txt"]


@pytest.mark.parametrize("place", [":memory:", "mysql://ada:secret@host/team"])
def test_what_is_no_ledger(place: str) -> None:
    """A location of another kind is refused without telling the password in it."""
    with pytest.raises(StoreError, match="is kept in a file or in a postgresql") as refused:
        Ledger.open(place)

    assert "secret" not in str(refused.value)


@posix_only
@pytest.mark.skipif(os.name != "nt" and os.geteuid() == 0, reason="root may write everywhere")
@pytest.mark.parametrize("name", ["new.sqlite", "ledger.sqlite"])
def test_a_folder_that_cannot_be_written(file_ledger: Ledger, name: str) -> None:
    """In a folder without permission to write, neither a new nor an existing ledger opens."""
    file_ledger.close()
    path = Path(file_ledger.location).with_name(name)
    Path(file_ledger.location).chmod(0o400)
    path.parent.chmod(0o500)

    with pytest.raises(StoreError, match="folder writable, or point"):
        ask(Ledger.open(path))

    path.parent.chmod(0o700)


def test_a_full_disk(file_ledger: Ledger) -> None:
    """Where the disk is full the error says so, and the ledger is as it was before."""
    kept = file_ledger.turn(ask(file_ledger))
    with file_ledger.store.writing() as transaction:
        pages = transaction.value("PRAGMA page_count")
        transaction.rows(f"PRAGMA max_page_count={pages}")

    with pytest.raises(StoreError, match=r"disk is full\. Free some space"):
        file_ledger.open_turn(question(system="x" * 1_000_000))

    assert file_ledger.turns() == [kept]


def test_a_damaged_file(file_ledger: Ledger) -> None:
    """A file with damaged pages is an error of one line, not a wrong answer."""
    ask(file_ledger)
    file_ledger.close()
    path = Path(file_ledger.location)
    path.write_bytes(path.read_bytes()[:4096] + b"\xff" * (path.stat().st_size - 4096))

    with pytest.raises(StoreError, match=r"is damaged\. Restore a copy"):
        Ledger.open(path).turns()


def test_no_room_for_a_key(file_ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing in the ledger has a place for the API key, and the environment's does not get in."""
    monkeypatch.setenv("OPENROUTER_API_KEY", "sk-or-v1-very-secret")
    names = {*NewTurn.__struct_fields__, *Progress.__struct_fields__}
    names |= {column for columns in TABLES.values() for column in columns}

    ask(file_ledger)
    file_ledger.close()

    assert not [name for name in names if "key" in name or "secret" in name or "header" in name]
    assert b"very-secret" not in Path(file_ledger.location).read_bytes()


def test_what_is_imported() -> None:
    """The package itself imports nothing, and neither the values nor the tree import SQLAlchemy."""
    script = """if True:
        import sys
        import or_magic.ledger
        ours = {name for name in sys.modules if "or_magic" in name}
        assert ours == {"or_magic", "or_magic.ledger"}
        import or_magic.ledger.records
        assert "sqlalchemy" not in sys.modules
        import or_magic.ledger.audit
        assert not {"httpx", "aiohttp", "IPython", "or_magic.client"} & set(sys.modules)
    """

    subprocess.run([sys.executable, "-c", script], check=True)
