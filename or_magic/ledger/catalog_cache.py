"""The catalog on disk: the newest body of each kind, a snapshot a day; and who fetches it now, of all processes.

Bodies are kept as they came, compressed (a catalog of 0.7 MB takes a tenth). A row that cannot be read is as good as
none: it is thrown away and fetched again.
"""

from __future__ import annotations

import gzip
import zlib
from datetime import UTC, datetime, timedelta

from or_magic.ledger.databases import Store, insertion
from or_magic.types import Value


class Kept(Value, frozen=True):
    """A body as it came from the service, and when."""

    body: bytes
    fetched_utc: datetime


class CatalogCache:
    """Catalogs by service (an origin) and kind (the path that was asked). Each method is one short transaction.

    Args:
        store: the ledger's store.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def newest(self, service: str, kind: str) -> Kept | None:
        """The newest that can be read; None where there is none.

        Raises:
            StoreError: the ledger cannot be read.
        """
        # What a wrong clock has dated into the future comes last, or it would be the newest for ever.
        order = "ORDER BY fetched_utc > :now, fetched_utc DESC LIMIT 1"
        params = {"service": service, "kind": kind, "now": datetime.now(UTC)}
        with self._store.reading() as transaction:
            row = transaction.row(f"SELECT day, fetched_utc, body FROM catalogs WHERE {_OF_KIND} {order}", params)
        if row is None:
            return None
        try:
            return Kept(gzip.decompress(row.body), row.fetched_utc)
        except (OSError, EOFError, zlib.error, TypeError):
            self._throw_away(service, kind, row.day, row.body)
            return self.newest(service, kind)

    def keep(self, service: str, kind: str, body: bytes, fetched_utc: datetime) -> None:
        """Keeps a body. A later one of the same day (UTC) takes its place.

        Raises:
            StoreError: it cannot be written.
        """
        day = fetched_utc.astimezone(UTC).date().isoformat()
        row = {"service": service, "kind": kind, "day": day, "fetched_utc": fetched_utc}
        row["body"] = gzip.compress(body, 6, mtime=0)
        with self._store.writing() as transaction:
            changes = "fetched_utc = :fetched_utc, body = :body"
            if not transaction.run(f"UPDATE catalogs SET {changes} WHERE {_OF_KIND} AND day = :day", row):
                transaction.run(insertion("catalogs", tuple(row)), row)

    def days(self, service: str, kind: str) -> list[str]:
        """The days of which there is a snapshot (such as ``2026-11-25``), the oldest first.

        Raises:
            StoreError: the ledger cannot be read.
        """
        query = f"SELECT day FROM catalogs WHERE {_OF_KIND} ORDER BY day"
        with self._store.reading() as transaction:
            return transaction.values(query, {"service": service, "kind": kind})

    def of_day(self, service: str, kind: str, day: str) -> Kept | None:
        """The snapshot of a day; None where there is none, or none that can be read.

        Raises:
            StoreError: the ledger cannot be read.
        """
        query = f"SELECT fetched_utc, body FROM catalogs WHERE {_OF_KIND} AND day = :day"
        with self._store.reading() as transaction:
            row = transaction.row(query, {"service": service, "kind": kind, "day": day})
        try:
            return None if row is None else Kept(gzip.decompress(row.body), row.fetched_utc)
        except (OSError, EOFError, zlib.error, TypeError):
            return None

    def claim(self, service: str, kind: str, holder: str, for_s: float) -> bool:
        """Whether `holder` may fetch now: True for one of all processes, until it releases or `for_s` have passed.

        Raises:
            StoreError: it cannot be written.
        """
        now = datetime.now(UTC)
        mine = {"service": service, "kind": kind, "holder": holder, "until_utc": now + timedelta(seconds=for_s)}
        with self._store.writing() as transaction:
            until = transaction.value(f"SELECT until_utc FROM catalog_fetches WHERE {_OF_KIND}", mine)
            if until is None:
                transaction.run(insertion("catalog_fetches", tuple(mine)), mine)
            elif until <= now:
                changes = "holder = :holder, until_utc = :until_utc"
                transaction.run(f"UPDATE catalog_fetches SET {changes} WHERE {_OF_KIND}", mine)
            else:
                return False
        return True

    def release(self, service: str, kind: str, holder: str) -> None:
        """Gives back what `holder` claimed; somebody else's claim stays.

        Raises:
            StoreError: it cannot be written.
        """
        mine = {"service": service, "kind": kind, "holder": holder}
        with self._store.writing() as transaction:
            transaction.run(f"DELETE FROM catalog_fetches WHERE {_OF_KIND} AND holder = :holder", mine)

    def _throw_away(self, service: str, kind: str, day: str, body: bytes) -> None:
        # Another process may have put a good one in its place.
        damaged = {"service": service, "kind": kind, "day": day, "body": body}
        with self._store.writing() as transaction:
            transaction.run(f"DELETE FROM catalogs WHERE {_OF_KIND} AND day = :day AND body = :body", damaged)


_OF_KIND = "service = :service AND kind = :kind"
