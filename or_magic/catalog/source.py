"""The catalog of the service that is asked: fetched when needed, kept on disk, at hand when there is no network.

A copy is fresh for an hour. An older one is used at once and refreshed in the background. Of several kernels one
fetches, the others wait for it. What is asked for is the service's public list; neither a key nor anything else of the
user's goes along.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote

from or_magic.catalog.decoding import decode_endpoints, decode_models, decode_providers
from or_magic.catalog.model import Catalog, Model, ModelEndpoint, Provider
from or_magic.catalog.search import CompletionIndex, priced
from or_magic.client import background
from or_magic.client.background import wait_for
from or_magic.client.client import Client
from or_magic.errors import ModelNotFoundError, OrMagicError, ServiceError, StoreError

if TYPE_CHECKING:
    from or_magic.catalog.snapshots import Snapshots
    from or_magic.ledger.catalog_cache import CatalogCache
    from or_magic.ledger.store import Ledger

T = TypeVar("T")
FRESH_S = 3600.0
_MODELS, _PROVIDERS = "/models", "/providers"
_CLAIM_S = 30.0  # how long a process may fetch before others no longer count on it
_OTHERS_S = 5.0  # how long to wait for what another process fetches; it may have been killed
_AGAIN_S = 60.0  # how long after a failed refresh another is tried
_HINT_S = 3.0  # how long a mistyped id may wait for the ids that are near


@dataclass(frozen=True, slots=True)
class _Copy:
    catalog: Catalog
    fetched_utc: datetime
    body: bytes

    @property
    def age_s(self) -> float:
        """Below 0 where a clock was wrong, then or now."""
        return (datetime.now(UTC) - self.fetched_utc).total_seconds()

    @property
    def is_fresh(self) -> bool:
        return abs(self.age_s) < FRESH_S


@dataclass(frozen=True, slots=True)
class _Refresh:
    fetch: Future[_Copy]
    begun_at: float  # time.monotonic()

    @property
    def is_spent(self) -> bool:
        """It has failed, some time ago."""
        return self.fetch.done() and time.monotonic() > self.begun_at + _AGAIN_S


class CatalogSource:
    """The catalog of whatever service is set. Used from the thread that asks.

    Args:
        public: gives a client of the service that is set now; it needs no key.
        keyed: the same with the user's key, for what the service tells the user alone.
        ledger: gives the ledger, in which copies are kept.

    Attributes:
        age_note: what to know about the copy in use, in one line; "" where it is fresh.
    """

    def __init__(self, public: Callable[[], Client], keyed: Callable[[], Client], ledger: Callable[[], Ledger]) -> None:
        self._client, self._keyed, self._ledger = public, keyed, ledger
        self._holder = uuid.uuid4().hex
        self._copies: dict[str, _Copy] = {}
        self._endpoints: dict[tuple[str, str], tuple[float, tuple[ModelEndpoint, ...]]] = {}
        self._refreshes: dict[str, _Refresh] = {}
        self._snapshots: dict[str, Snapshots] = {}
        self._completion_index: CompletionIndex | None = None
        self._warned: set[str] = set()
        self.age_note = ""

    def catalog(self, *, timeout_s: float | None = None) -> Catalog:
        """All models. The first time, and without a copy on disk, it waits for the service.

        Args:
            patience_s: how long to wait at most; None for as long as the settings say.

        Raises:
            ServiceError: there is no copy, and none can be fetched.
        """
        client = self._client()
        service = client.endpoint.origin
        copy = self._copies.get(service) or self._kept(service) or self._fetched(client, timeout_s)
        copy = self._copies[service] = self._refreshed(client, copy)
        self.age_note = self._note(service, copy)
        return copy.catalog

    def body(self) -> bytes:
        """The same as it came from the service.

        Raises:
            ServiceError: there is no copy, and none can be fetched.
        """
        self.catalog()
        return self._copies[self._client().endpoint.origin].body

    def refresh(self) -> None:
        """Fetches the catalog anew, now.

        Raises:
            ServiceError: it cannot be fetched; the copy that was there stays.
        """
        client = self._client()
        self._copies[client.endpoint.origin] = wait_for(self._fetch_and_keep(client, self._cache()))

    def user_body(self) -> bytes:
        """The models that this account's own settings let through, as they came. The key goes along; nothing is kept.

        Raises:
            ServiceError: or one of its kinds.
        """
        return wait_for(self._keyed().fetch("/models/user"))

    @property
    def snapshots(self) -> Snapshots:
        """The catalogs of earlier days.

        Raises:
            StoreError: the store cannot be opened.
        """
        from or_magic.catalog.snapshots import Snapshots

        service = self._client().endpoint.origin
        if service not in self._snapshots:
            self._snapshots[service] = Snapshots(self._ledger(), service)
        return self._snapshots[service]

    def model(self, id: str) -> Model | None:
        """What is known of a model: price, context, abilities; None where the catalog has no such id.

        Raises:
            ServiceError: there is no catalog.
        """
        return self.catalog().find(id)

    def nearest(self, id: str) -> tuple[str, ...]:
        """At most three ids that look like a mistyped one, best first.

        Raises:
            ServiceError: there is no catalog.
        """
        return self.catalog().nearest(id)

    def here(self, id: str) -> Model | None:
        """What is known of a model in memory or on disk; nothing is fetched, now or later."""
        with contextlib.suppress(OrMagicError):
            copy = self._here()
            return copy.catalog.find(id) if copy is not None else None
        return None

    def completion_index(self) -> CompletionIndex | None:
        """All ids with their prices, for completion; None where no catalog is here. Nothing is fetched."""
        with contextlib.suppress(OrMagicError):
            copy = self._here()
            if copy is not None and (self._completion_index is None or self._completion_index.of is not copy.catalog):
                self._completion_index = CompletionIndex.made(copy.catalog)
            return self._completion_index if copy is not None else None
        return None

    def _here(self) -> _Copy | None:
        service = self._client().endpoint.origin
        copy = self._copies.get(service) or self._kept(service)
        if copy is not None:
            self._copies[service] = copy
        return copy

    def warning(self, id: str) -> str:
        """What to know of a model before it is used, at its first use here: that it ends soon, or got dearer."""
        if id in self._warned:
            return ""
        known = self.here(id)
        if known is None:
            return ""
        self._warned.add(id)
        with contextlib.suppress(OrMagicError):
            return self.snapshots.warning(known)
        return ""

    @property
    def is_cached(self) -> bool:
        """Whether a catalog is in memory."""
        return self._client().endpoint.origin in self._copies

    def cached(self, id: str) -> Model | None:
        """The same as `model`, without waiting: None also where no catalog is here yet, which is then fetched."""
        try:
            client = self._client()
            service = client.endpoint.origin
            copy = self._copies.get(service) or self._kept(service) or self._brought(service)
            if copy is None:
                self._start_refresh(client)
                return None
            self._copies[service] = copy
            return self.model(id)
        except OrMagicError:
            return None  # what it would say is a convenience

    def with_nearest(self, error: ModelNotFoundError, id: str | None) -> ModelNotFoundError:
        """The same error, with the ids that look like the one that was asked for, where a catalog is at hand."""
        with contextlib.suppress(OrMagicError):
            near = self.catalog(timeout_s=_HINT_S).nearest(id) if id else ()
            if nearest := tuple(other for other in near if other != id):  # an old catalog may still have it
                error.nearest = nearest
                note = f" ({self.age_note})" if self.age_note else ""
                told = ", ".join(priced(self.catalog(), other) for other in nearest)
                error.args = (f"No model {id!r}. Nearest: {told}.{note}",)
        return error

    def endpoints(self, id: str, *, timeout_s: float | None = None) -> tuple[ModelEndpoint, ...]:
        """Who serves a model, at which price and how well; () for routers. Asked anew each time.

        Args:
            patience_s: how long to wait at most; None for as long as the settings say.

        Raises:
            ServiceError: or one of its kinds.
        """
        path = f"/models/{quote(id, safe='/:~@')}/endpoints"
        return decode_endpoints(wait_for(self._client().fetch(path, needs_key=False), timeout_s))

    def kept_endpoints(self, id: str, *, timeout_s: float | None = None) -> tuple[ModelEndpoint, ...]:
        """The same, of at most an hour ago.

        Args:
            patience_s: how long to wait at most; None for as long as the settings say.

        Raises:
            ServiceError: or one of its kinds.
        """
        key = (self._client().endpoint.origin, id)
        kept = self._endpoints.get(key)
        if kept is None or time.monotonic() > kept[0] + FRESH_S:
            kept = self._endpoints[key] = (time.monotonic(), self.endpoints(id, timeout_s=timeout_s))
        return kept[1]

    def providers(self) -> tuple[Provider, ...]:
        """The companies that serve models. Asked anew each time.

        Raises:
            ServiceError: or one of its kinds.
        """
        return decode_providers(wait_for(self._client().fetch(_PROVIDERS, needs_key=False)))

    def _fetched(self, client: Client, timeout_s: float | None) -> _Copy:
        """The catalog, fetched here or by another process at the same moment."""
        service, began = client.endpoint.origin, time.monotonic()
        others_s = _OTHERS_S if timeout_s is None else min(_OTHERS_S, timeout_s)
        while not (is_mine := self._claim(service)) and time.monotonic() < began + others_s:
            time.sleep(0.1)
            if (kept := self._kept(service)) is not None and kept.is_fresh:
                return kept
        # Looked at again: whoever had the claim before may have kept a copy since.
        if (kept := self._kept(service)) is not None and kept.is_fresh:
            if is_mine:
                _release(self._cache(), service, self._holder)
            return kept
        left_s = None if timeout_s is None else timeout_s - (time.monotonic() - began)
        return wait_for(self._fetch_and_keep(client, self._cache()), left_s)

    async def _fetch_and_keep(self, client: Client, cache: CatalogCache | None) -> _Copy:
        # The store may keep a thread waiting, which must not be the one that streams run on.
        service = client.endpoint.origin
        try:
            body = await client.fetch(_MODELS, needs_key=False)
            return await asyncio.to_thread(_take, cache, service, body)
        finally:
            await asyncio.to_thread(_release, cache, service, self._holder)

    def _refreshed(self, client: Client, copy: _Copy) -> _Copy:
        """The newest copy there is; where that is old, a refresh is started in the background."""
        service = client.endpoint.origin
        if copy.is_fresh:
            return copy
        newer = self._brought(service)
        if newer is None and self._may_refresh(service):
            newer = self._kept(service, after=copy.fetched_utc)  # another kernel's
        if newer is None:
            self._start_refresh(client)
            return copy
        return self._refreshed(client, newer)

    def _may_refresh(self, service: str) -> bool:
        refresh = self._refreshes.get(service)
        return refresh is None or refresh.is_spent

    def _start_refresh(self, client: Client) -> None:
        """Starts one, unless one is under way, here or in another process, or has just failed."""
        service = client.endpoint.origin
        if self._may_refresh(service) and self._claim(service):
            fetch = background.submit(self._fetch_and_keep(client, self._cache()))
            self._refreshes[service] = _Refresh(fetch, time.monotonic())

    def _brought(self, service: str) -> _Copy | None:
        """What a refresh has brought since it was last looked for."""
        refresh = self._refreshes.get(service)
        if refresh is None or not refresh.fetch.done() or _failure(refresh.fetch) is not None:
            return None
        del self._refreshes[service]
        return refresh.fetch.result()

    def _note(self, service: str, copy: _Copy) -> str:
        if copy.is_fresh:
            return ""
        refresh = self._refreshes.get(service)
        failure = _failure(refresh.fetch) if refresh is not None and refresh.fetch.done() else None
        why = f"; it could not be refreshed: {failure}" if failure else "; a newer one is on its way"
        return f"The catalog is of {_ago(copy.age_s)}{why}"

    def _cache(self) -> CatalogCache | None:
        """The copies on disk; None where the store does not work, without which a catalog is still one."""
        from or_magic.ledger.catalog_cache import CatalogCache

        try:
            return CatalogCache(self._ledger().store)
        except StoreError:
            return None

    def _kept(self, service: str, *, after: datetime | None = None) -> _Copy | None:
        """The copy on disk; None where there is none, none fetched later than `after`, or it holds no models."""
        with contextlib.suppress(StoreError, ServiceError):
            kept = cache.newest(service, _MODELS) if (cache := self._cache()) is not None else None
            if kept is not None and (after is None or kept.fetched_utc > after):
                return _Copy(decode_models(kept.body), kept.fetched_utc, kept.body)
        return None

    def _claim(self, service: str) -> bool:
        try:
            return (cache := self._cache()) is None or cache.claim(service, _MODELS, self._holder, _CLAIM_S)
        except StoreError:
            return True  # nobody can be asked to wait for a store that does not work


def _take(cache: CatalogCache | None, service: str, body: bytes) -> _Copy:
    """Decodes what was fetched, and only then puts it in the place of a good copy."""
    copy = _Copy(decode_models(body), datetime.now(UTC), body)
    if cache is not None:
        with contextlib.suppress(StoreError):
            cache.keep(service, _MODELS, body, copy.fetched_utc)
    return copy


def _release(cache: CatalogCache | None, service: str, holder: str) -> None:
    if cache is not None:
        with contextlib.suppress(StoreError):
            cache.release(service, _MODELS, holder)


def _failure(fetch: Future[_Copy]) -> BaseException | None:
    """Why a fetch that has ended brought nothing; None where it brought something."""
    return NotYet("it was stopped") if fetch.cancelled() else fetch.exception()


def _ago(seconds: float) -> str:
    if seconds < 0:
        return "a time to come, by a clock that was wrong"
    for unit, length in (("day", 86_400), ("hour", 3_600)):
        if seconds >= length:
            count = int(seconds // length)
            return f"{count:,} {unit}{'s' if count > 1 else ''} ago"
    return "a moment ago"
