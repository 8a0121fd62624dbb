"""The tables as queries see them: names and types. Keys, references and indexes are made by the migrations.

Text is kept exactly, in columns that any SQLite browser can read. Python's str can hold two things that no
database takes as text: NUL, and half of a surrogate pair. Models and file names do hold them, and an answer
that was paid for must not be refused for it; so these few characters are written as an escape (see
`ExactText`), all others as they are.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
)
from sqlalchemy.types import TypeDecorator

_UNSTORABLE = re.compile("[\x00\x1a\ud800-\udfff]")
_ESCAPE = re.compile("\x1a([0-9a-f]{4})")


class ExactText(TypeDecorator[str]):
    """Any str, in a TEXT column.

    NUL and surrogates become U+001A (the control character "substitute") and four hexadecimal digits, and so
    does U+001A itself, so that there is one way back. Equal texts stay equal, so that indexes and
    comparisons work.
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Python to the database."""
        return value if value is None or _is_storable(value) else _UNSTORABLE.sub(_escaped, value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        """The database to Python."""
        if value is None or "\x1a" not in value:
            return value
        return _ESCAPE.sub(lambda escape: chr(int(escape[1], 16)), value)


def _is_storable(text: str) -> bool:
    # The regular expression takes 20 times as long, which a picture of some MB makes felt.
    if "\x00" in text or "\x1a" in text:
        return False
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _escaped(rare: re.Match[str]) -> str:
    return f"\x1a{ord(rare[0]):04x}"


class UtcTime(TypeDecorator[datetime]):
    """An aware datetime, kept in UTC; SQLite has no time zones."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Python to the database."""
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """The database to Python."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


SCHEMA = MetaData()
migrations = Table(
    "migrations",
    SCHEMA,
    Column("number", Integer, primary_key=True),
    Column("applied_utc", UtcTime),
)
notebooks = Table(
    "notebooks",
    SCHEMA,
    Column("id", BigInteger, primary_key=True),
    Column("identity", ExactText),  # an absolute path, or kernel:<id>
    Column("created_utc", UtcTime),
    Column("thread", BigInteger),  # the one that its cells work in; NULL before the first question
)
threads = Table(
    "threads",
    SCHEMA,
    Column("id", BigInteger, primary_key=True),
    Column("notebook", BigInteger),
    Column("name", ExactText),
    Column("tip", BigInteger),  # the last turn of the path; NULL where it has none
    Column("undone", BigInteger),  # the turn that redo leads back to; NULL where nothing was undone
    Column("forked_from", ExactText),  # a name
    Column("system", ExactText),
    Column("created_utc", UtcTime),
)
messages = Table(
    "messages",
    SCHEMA,
    Column("hash", Text, primary_key=True),  # see messages.py
    Column("parent", Text),  # a hash; NULL at the beginning of a conversation
    Column("role", Text),
)
parts = Table(
    "parts",
    SCHEMA,
    Column("message", Text, primary_key=True),
    Column("position", Integer, primary_key=True),  # 0, 1, 2, ...
    Column("kind", Text),
    Column("content", ExactText),
)
turns = Table(
    "turns",
    SCHEMA,
    Column("id", BigInteger, primary_key=True),
    Column("notebook", BigInteger),
    # Under its first name in the file: a kernel that runs an older or_magic must still be able to write its turns.
    Column("purse", ExactText, key="budget_scope"),
    Column("cell_id", ExactText),
    Column("service", ExactText),
    Column("model_asked", ExactText),
    Column("parameters", ExactText),  # JSON
    Column("system", ExactText),
    Column("prompt", Text),  # a hash
    Column("answer", Text),  # a hash; NULL while the turn is open, or where nothing arrived
    Column("state", Text),
    Column("error", ExactText),
    Column("started_utc", UtcTime),
    Column("ended_utc", UtcTime),
    Column("generation_id", ExactText),
    Column("model", ExactText),
    Column("provider", ExactText),
    Column("finish_reason", ExactText),
    Column("prompt_tokens", BigInteger),
    Column("completion_tokens", BigInteger),
    Column("cached_tokens", BigInteger),
    Column("reasoning_tokens", BigInteger),
    Column("cost_pico_usd", BigInteger),  # 1e-12 USD; NULL is "not known"
    Column("cost_source", Text),
    Column("seconds_to_first_token", Float),
    Column("seconds", Float),
    Column("partial_text", ExactText),  # what the last checkpoint had; NULL once the turn is finished
    Column("partial_reasoning", ExactText),
    Column("partial_parts", ExactText),  # JSON: [[kind, content], ...] of the parts that are neither
    Column("cache_write_tokens", BigInteger),
    Column("image_tokens", BigInteger),
    Column("audio_tokens", BigInteger),
    Column("web_searches", BigInteger),
    Column("upstream_cost_pico_usd", BigInteger),  # what the provider charges the user's own key there
    Column("is_byok", Boolean),
    Column("service_tier", ExactText),
    Column("native_finish_reason", ExactText),
    Column("attempts", Integer),
    Column("may_be_billed_twice", Boolean),
    Column("thread", BigInteger),  # NULL for a turn that stands alone
    Column("previous", BigInteger),  # the turn before it on its path; its id is always smaller
    Column("displaced", BigInteger),  # the tip that it took the place of, and gives back unless it ends well
    Column("ask_number", Integer),  # 0, 1, ... for the questions of one run of its cell
    Column("history_turns", Integer),  # how many earlier turns were sent along
    Column("run", Text),  # which session of which process asked
    Column("owner", Text),  # the process that writes it, see `this_process`
    Column("seen_utc", UtcTime),  # when that process last wrote
    Column("reserved_pico_usd", BigInteger),  # what it may cost at most, held back until its cost is known
    Column("estimated_pico_usd", BigInteger),  # about what it cost, where the service did not tell
    Column("prompt_bytes", BigInteger),  # of all text that was sent, in UTF-8
    Column("answer_bytes", BigInteger),  # of the text that came
    Column(
        "request_hash", Text
    ),  # equal for requests of which one's answer may be given for the other; see chat/replay.py
    Column("replayed_from", BigInteger),  # the turn whose answer was given again, at no cost
    Column("kind", Text),  # what is paid for, such as chat; NULL in turns of an older ledger is chat
)
budgets = Table(
    "budgets",
    SCHEMA,
    Column("purse", ExactText, key="budget_scope", primary_key=True),
    Column("service", ExactText, primary_key=True),
    Column("scope", ExactText, primary_key=True),  # notebook, day, or thread:<id>
    Column("limit_pico_usd", BigInteger),
)
catalogs = Table(
    "catalogs",
    SCHEMA,
    Column("service", ExactText, primary_key=True),  # an origin
    Column("kind", ExactText, primary_key=True),  # the path that was asked, such as models or providers
    Column("day", Text, primary_key=True),  # of fetched_utc, 2026-11-25
    Column("fetched_utc", UtcTime),
    Column("body", LargeBinary),  # the answer's JSON, gzip
)
catalog_fetches = Table(
    "catalog_fetches",
    SCHEMA,
    Column("service", ExactText, primary_key=True),
    Column("kind", ExactText, primary_key=True),
    Column("holder", Text),  # who fetches now
    Column("until_utc", UtcTime),  # and until when others leave it alone
)
