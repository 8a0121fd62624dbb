"""The catalog on disk: the newest body of each kind, a snapshot a day; and who fetches it now, of all processes.

Bodies are kept as they came, compressed (a catalog of 0.7 MB takes a tenth). A row that cannot be read is as good as
none: it is thrown away and fetched again.
"""

from __future__ import annotations

import gzip
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import and_, delete, insert, select, update

from or_magic.ledger.databases import Store
from or_magic.ledger.schema import catalog_fetches, catalogs


@dataclass(frozen=True, slots=True)
class Kept:
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
        query = select(catalogs).where(catalogs.c.service == service, catalogs.c.kind == kind)
        # What a wrong clock has dated into the future comes last, or it would be the newest for ever.
        is_of_future = catalogs.c.fetched_utc > datetime.now(UTC)
        query = query.order_by(is_of_future, catalogs.c.fetched_utc.desc()).limit(1)
        with self._store.reading() as connection:
            row = connection.execute(query).one_or_none()
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
        row = {"fetched_utc": fetched_utc, "body": gzip.compress(body, 6, mtime=0)}
        of_today = and_(catalogs.c.service == service, catalogs.c.kind == kind, catalogs.c.day == day)
        with self._store.writing() as connection:
            if not connection.execute(update(catalogs).where(of_today).values(row)).rowcount:
                connection.execute(insert(catalogs).values(row | {"service": service, "kind": kind, "day": day}))

    def days(self, service: str, kind: str) -> list[str]:
        """The days of which there is a snapshot (such as ``2026-11-25``), the oldest first.

        Raises:
            StoreError: the ledger cannot be read.
        """
        query = select(catalogs.c.day).where(catalogs.c.service == service, catalogs.c.kind == kind)
        with self._store.reading() as connection:
            return list(connection.scalars(query.order_by(catalogs.c.day)))

    def of_day(self, service: str, kind: str, day: str) -> Kept | None:
        """The snapshot of a day; None where there is none, or none that can be read.

        Raises:
            StoreError: the ledger cannot be read.
        """
        of_day = and_(catalogs.c.service == service, catalogs.c.kind == kind, catalogs.c.day == day)
        with self._store.reading() as connection:
            row = connection.execute(select(catalogs).where(of_day)).one_or_none()
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
        mine = {"holder": holder, "until_utc": now + timedelta(seconds=for_s)}
        fetch = and_(catalog_fetches.c.service == service, catalog_fetches.c.kind == kind)
        with self._store.writing() as connection:
            until = connection.scalar(select(catalog_fetches.c.until_utc).where(fetch))
            if until is None:
                connection.execute(insert(catalog_fetches).values(mine | {"service": service, "kind": kind}))
            elif until <= now:
                connection.execute(update(catalog_fetches).where(fetch).values(mine))
            else:
                return False
        return True

    def release(self, service: str, kind: str, holder: str) -> None:
        """Gives back what `holder` claimed; somebody else's claim stays.

        Raises:
            StoreError: it cannot be written.
        """
        fetch = and_(
            catalog_fetches.c.service == service,
            catalog_fetches.c.kind == kind,
            catalog_fetches.c.holder == holder,
        )
        with self._store.writing() as connection:
            connection.execute(delete(catalog_fetches).where(fetch))

    def _throw_away(self, service: str, kind: str, day: str, body: bytes) -> None:
        of_day = and_(catalogs.c.service == service, catalogs.c.kind == kind, catalogs.c.day == day)
        damaged = and_(of_day, catalogs.c.body == body)  # another process may have put a good one in its place
        with self._store.writing() as connection:
            connection.execute(delete(catalogs).where(damaged))
