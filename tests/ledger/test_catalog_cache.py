"""The catalog on disk: the newest is found, a day has one, a damaged one is as good as none, one process fetches."""

from __future__ import annotations

import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from or_magic.ledger.catalog_cache import CatalogCache
from or_magic.ledger.store import Ledger

SERVICE, KIND = "https://openrouter.ai", "/models"
MONDAY = datetime(2026, 11, 23, 8, tzinfo=UTC)


def test_the_newest_is_found(ledger: Ledger) -> None:
    """Of several days the newest body comes back, byte by byte, with its time; other services and kinds have none."""
    cache = CatalogCache(ledger.store)
    cache.keep(SERVICE, KIND, b"old", MONDAY)
    cache.keep(SERVICE, KIND, b"new\x00\xff", MONDAY + timedelta(days=1))

    kept = cache.newest(SERVICE, KIND)

    assert kept is not None
    assert (kept.body, kept.fetched_utc) == (b"new\x00\xff", MONDAY + timedelta(days=1))
    assert cache.newest("http://127.0.0.1:1", KIND) is cache.newest(SERVICE, "/providers") is None


def test_a_day_has_one_snapshot(ledger: Ledger) -> None:
    """A later body of the same day takes the place of the earlier; other days stay."""
    cache = CatalogCache(ledger.store)
    for hours, body in ((0, b"a"), (3, b"b"), (24, b"c")):
        cache.keep(SERVICE, KIND, body, MONDAY + timedelta(hours=hours))

    assert cache.days(SERVICE, KIND) == ["2026-11-23", "2026-11-24"]


def test_a_damaged_one_is_as_good_as_none(file_ledger: Ledger) -> None:
    """A body that cannot be read is thrown away; the one of the day before serves."""
    cache = CatalogCache(file_ledger.store)
    cache.keep(SERVICE, KIND, b"good", MONDAY)
    cache.keep(SERVICE, KIND, b"bad", MONDAY + timedelta(days=1))
    with sqlite3.connect(file_ledger.location) as connection:
        connection.execute("UPDATE catalogs SET body = x'00ff' WHERE day = '2026-11-24'")
    connection.close()

    kept = cache.newest(SERVICE, KIND)

    assert kept is not None
    assert kept.body == b"good"
    assert cache.days(SERVICE, KIND) == ["2026-11-23"]


def test_a_copy_from_a_wrong_clock(ledger: Ledger) -> None:
    """A copy that claims to be of the future does not hide those of the past, but is better than none."""
    cache, now = CatalogCache(ledger.store), datetime.now(UTC)
    cache.keep(SERVICE, KIND, b"future", now + timedelta(days=900))
    alone = cache.newest(SERVICE, KIND)
    cache.keep(SERVICE, KIND, b"past", now - timedelta(days=1))
    beside = cache.newest(SERVICE, KIND)

    assert alone is not None
    assert beside is not None
    assert (alone.body, beside.body) == (b"future", b"past")


def test_many_keep_at_once(ledger: Ledger) -> None:
    """Threads that keep, read and claim at the same moment all succeed; one claim is given."""

    def work(number: int) -> bool:
        cache = CatalogCache(Ledger.open(ledger.location).store)
        cache.keep(SERVICE, KIND, b"%d" % number, MONDAY)
        assert cache.newest(SERVICE, KIND) is not None
        return cache.claim(SERVICE, KIND, str(number), 30)

    with ThreadPoolExecutor(8) as pool:
        given = list(pool.map(work, range(24)))

    assert given.count(True) == 1
    assert CatalogCache(ledger.store).days(SERVICE, KIND) == ["2026-11-23"]


def test_one_fetches(ledger: Ledger) -> None:
    """A claim is given to one, kept from others until it is released, and only its holder releases it."""
    cache = CatalogCache(ledger.store)

    assert cache.claim(SERVICE, KIND, "me", 30)
    assert not cache.claim(SERVICE, KIND, "you", 30)
    assert cache.claim(SERVICE, "/providers", "you", 30)
    cache.release(SERVICE, KIND, "you")
    assert not cache.claim(SERVICE, KIND, "you", 30)
    cache.release(SERVICE, KIND, "me")
    assert cache.claim(SERVICE, KIND, "you", 30)


def test_a_claim_ends(ledger: Ledger) -> None:
    """The claim of a process that died is free after its time."""
    cache = CatalogCache(ledger.store)
    assert cache.claim(SERVICE, KIND, "dead", 0.05)
    time.sleep(0.1)

    assert cache.claim(SERVICE, KIND, "me", 30)
