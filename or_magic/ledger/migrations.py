"""The schema, as the numbered steps that lead to it.

A step that was released is never changed; a new one is appended. A step says everything itself and takes no
name from `schema`, which describes today's tables and not those of the step's day.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    DateTime,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    func,
    insert,
    inspect,
    select,
    text,
)
from sqlalchemy.types import TypeEngine

from or_magic.errors import StoreError
from or_magic.ledger.databases import Store

Migration = Callable[[Connection], None]


def migrate(store: Store) -> None:
    """Brings a new or older store to today's schema; several processes may do so at the same moment.

    Raises:
        StoreError: the file is that of a newer or_magic or of another program, or cannot be read or written.
    """
    with store.altering() as connection:
        # Asked here: another process may have been faster before this one got the lock.
        number = schema_number(connection, store.location)
        if number == 0:
            _MIGRATIONS.create(connection)
        for step, apply in enumerate(MIGRATIONS[number:], start=number + 1):
            apply(connection)
            connection.execute(insert(_MIGRATIONS).values(number=step, applied_utc=datetime.now(UTC)))


_MIGRATIONS = Table(
    "migrations",
    MetaData(),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("applied_utc", DateTime(timezone=True), nullable=False),
)


def schema_number(connection: Connection, location: str) -> int:
    """The number of the last step that was applied; 0 for an empty file.

    Raises:
        StoreError: the number is not known here, or the file belongs to another program.
    """
    names = set(inspect(connection).get_table_names())
    if not names:
        return 0
    if not {"migrations", "turns"} <= names:
        raise StoreError(f"{location} is a database of another program. Point OR_MAGIC_STORE to a file of its own.")
    number = int(connection.scalar(select(func.max(_MIGRATIONS.c.number))) or 0)
    if number > len(MIGRATIONS):
        raise StoreError(
            f"The ledger {location} has schema {number}; this or_magic knows them up to {len(MIGRATIONS)}. "
            "Upgrade or_magic, or point OR_MAGIC_STORE to another file."
        )
    return number


def _make_first_tables(connection: Connection) -> None:
    schema = MetaData()
    Table(
        "notebooks",
        schema,
        _make_id(),
        Column("identity", Text, nullable=False, unique=True),
        Column("created_utc", DateTime(timezone=True), nullable=False),
        sqlite_autoincrement=True,
    )
    Table(
        "messages",
        schema,
        Column("hash", String(64), primary_key=True),
        Column("parent", ForeignKey("messages.hash")),
        Column("role", Text, nullable=False),
    )
    Table(
        "parts",
        schema,
        Column("message", ForeignKey("messages.hash"), primary_key=True),
        Column("position", Integer, primary_key=True, autoincrement=False),
        Column("kind", Text, nullable=False),
        Column("content", Text, nullable=False),
    )
    _add_first_turns(schema)
    schema.create_all(connection, checkfirst=False)


def _add_first_turns(schema: MetaData) -> None:
    turns = Table(
        "turns",
        schema,
        _make_id(),
        Column("notebook", ForeignKey("notebooks.id"), nullable=False),
        # Of the turn, not of the notebook: a kernel without a path counts under its working folder, and that
        # may change while it runs.
        Column("purse", Text, nullable=False),
        Column("cell_id", Text),
        Column("service", Text, nullable=False),
        Column("model_asked", Text),
        Column("parameters", Text, nullable=False),
        Column("system", Text),
        Column("prompt", ForeignKey("messages.hash"), nullable=False),
        Column("answer", ForeignKey("messages.hash")),
        Column("state", Text, nullable=False),
        Column("error", Text),
        Column("started_utc", DateTime(timezone=True), nullable=False),
        Column("ended_utc", DateTime(timezone=True)),
        *(Column(name, Text) for name in ("generation_id", "model", "provider", "finish_reason")),
        *(Column(f"{name}_tokens", BigInteger) for name in ("prompt", "completion", "cached", "reasoning")),
        Column("cost_pico_usd", BigInteger),
        Column("cost_source", Text),
        Column("seconds_to_first_token", Double),
        Column("seconds", Double),
        Column("partial_text", Text),
        Column("partial_reasoning", Text),
        sqlite_autoincrement=True,
    )
    Index("turns_of_notebook", turns.c.notebook, turns.c.id)
    # Holds all that `Ledger.spent` reads, so that the sum never touches the table.
    Index("turns_of_purse", turns.c.purse, turns.c.service, turns.c.cost_pico_usd, turns.c.state)


def _make_id() -> Column[int]:
    # With sqlite_autoincrement: ids are written into notebooks, and that of a deleted turn must not return.
    return Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True)


def _add_all_kinds_of_parts_and_catalogs(connection: Connection) -> None:
    added: dict[str, TypeEngine[Any]] = {
        "partial_parts": Text(),
        **{f"{name}_tokens": BigInteger() for name in ("cache_write", "image", "audio")},
        "web_searches": BigInteger(),
        "upstream_cost_pico_usd": BigInteger(),
        "is_byok": Boolean(),
        "service_tier": Text(),
        "native_finish_reason": Text(),
        "attempts": Integer(),
        "may_be_billed_twice": Boolean(),
    }
    for name, kind in added.items():
        connection.execute(text(f"ALTER TABLE turns ADD COLUMN {name} {kind.compile(connection.dialect)}"))
    schema = MetaData()
    Table(
        "catalogs",
        schema,
        *(Column(name, Text, primary_key=True) for name in ("service", "kind", "day")),
        Column("fetched_utc", DateTime(timezone=True), nullable=False),
        Column("body", LargeBinary, nullable=False),
    )
    Table(
        "catalog_fetches",
        schema,
        *(Column(name, Text, primary_key=True) for name in ("service", "kind")),
        Column("holder", Text, nullable=False),
        Column("until_utc", DateTime(timezone=True), nullable=False),
    )
    schema.create_all(connection, checkfirst=False)


def _add_threads(connection: Connection) -> None:
    schema = MetaData()
    for name in ("notebooks", "turns"):
        Table(name, schema, Column("id", BigInteger, primary_key=True))
    threads = Table(
        "threads",
        schema,
        _make_id(),
        Column("notebook", ForeignKey("notebooks.id"), nullable=False),
        Column("name", Text, nullable=False),
        Column("tip", ForeignKey("turns.id")),
        Column("undone", ForeignKey("turns.id")),
        Column("forked_from", Text),
        Column("system", Text),
        Column("created_utc", DateTime(timezone=True), nullable=False),
        UniqueConstraint("notebook", "name"),
        sqlite_autoincrement=True,
    )
    threads.create(connection)
    numbers = ("thread", "previous", "displaced")
    added: dict[str, TypeEngine[Any]] = {name: BigInteger() for name in numbers}
    added |= {"ask_number": Integer(), "history_turns": Integer(), "run": Text(), "owner": Text()}
    added |= {"seen_utc": DateTime(timezone=True)}
    for name, kind in added.items():
        connection.execute(text(f"ALTER TABLE turns ADD COLUMN {name} {kind.compile(connection.dialect)}"))
    connection.execute(text("ALTER TABLE notebooks ADD COLUMN thread BIGINT"))
    names = ("previous", "prompt", "answer", "state")
    turns = Table("turns", MetaData(), *(Column(name, Text) for name in names))
    for name in names[:-1]:
        Index(f"turns_of_{name}", turns.c[name]).create(connection)  # what is shared is found by them
    is_open = turns.c.state == "open"
    Index("open_turns", turns.c.state, sqlite_where=is_open, postgresql_where=is_open).create(connection)
    Index("tips_of_threads", threads.c.tip).create(connection)
    messages = Table("messages", MetaData(), Column("parent", Text))
    Index("messages_of_parent", messages.c.parent).create(connection)


def _add_budgets(connection: Connection) -> None:
    schema = MetaData()
    Table(
        "budgets",
        schema,
        *(Column(name, Text, primary_key=True) for name in ("purse", "service", "scope")),
        Column("limit_pico_usd", BigInteger, nullable=False),
    )
    schema.create_all(connection, checkfirst=False)
    names = ("reserved_pico_usd", "estimated_pico_usd", "prompt_bytes", "answer_bytes")
    for name in names:
        connection.execute(text(f"ALTER TABLE turns ADD COLUMN {name} BIGINT"))
    connection.execute(text("ALTER TABLE turns ADD COLUMN request_hash TEXT"))
    connection.execute(text("ALTER TABLE turns ADD COLUMN replayed_from BIGINT"))
    columns = ("id", "purse", "service", "thread", "started_utc", "model_asked", "cost_pico_usd", *names)
    turns = Table("turns", MetaData(), *(Column(name, BigInteger) for name in columns))
    is_unknown = turns.c.cost_pico_usd.is_(None)
    # What is held back or guessed at any moment is little, and found without reading what has a cost.
    unknown = (turns.c.service, turns.c.purse, turns.c.reserved_pico_usd, turns.c.estimated_pico_usd)
    Index("turns_of_unknown_cost", *unknown, sqlite_where=is_unknown, postgresql_where=is_unknown).create(connection)
    Index("turns_of_day", turns.c.service, turns.c.started_utc, turns.c.purse, turns.c.cost_pico_usd).create(connection)
    Index("turns_of_thread", turns.c.thread, turns.c.service, turns.c.cost_pico_usd).create(connection)
    key = Table("turns", MetaData(), Column("request_hash", Text)).c.request_hash
    Index("turns_of_replay", key, sqlite_where=key.is_not(None), postgresql_where=key.is_not(None)).create(connection)
    Index("turns_of_model", turns.c.service, turns.c.model_asked, turns.c.id).create(connection)


def _add_kind(connection: Connection) -> None:
    connection.execute(text("ALTER TABLE turns ADD COLUMN kind TEXT"))


MIGRATIONS: tuple[Migration, ...] = (
    _make_first_tables,
    _add_all_kinds_of_parts_and_catalogs,
    _add_threads,
    _add_budgets,
    _add_kind,
)
