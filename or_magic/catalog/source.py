"""The catalog of the service that is asked: fetched when it is needed, kept on disk for when there is no network.

A copy is fresh for an hour. An older one is used at once and refreshed in the background. Of several kernels one
fetches, the others wait for it. What is fetched is the service's public list; neither the key nor anything else of the
user is sent with the request.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import time
import uuid
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote

from or_magic.catalog.decoding import decode_endpoints, decode_models, decode_providers
from or_magic.catalog.model import Catalog, Model, ModelEndpoint, Provider
from or_magic.catalog.search import CompletionIndex, priced_id
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
_CLAIM_S = 30.0  # how long a process may fetch before others no longer rely on it
_OTHERS_S = 5.0  # how long to wait for what another process fetches; it may have been killed
_RETRY_S = 60.0  # how long after a failed refresh another is tried
_LOOK_AGAIN_S = 5.0  # how long after no copy was found on disk it is looked for again
_HINT_S = 3.0  # how long a mistyped id may wait for the ids that are near


@dataclass(frozen=True, slots=True)
class _Copy:
    catalog: Catalog
    fetched_utc: datetime
    body: bytes

    @property
    def age_s(self) -> float:
        """The age in seconds; below 0 where a clock was wrong, then or now."""
        return (datetime.now(UTC) - self.fetched_utc).total_seconds()

    @property
    def is_fresh(self) -> bool:
        return abs(self.age_s) < FRESH_S


@dataclass(frozen=True, slots=True)
class _Refresh:
    fetch: Future[_Copy]
    begun_at: float  # time.monotonic()

    @property
    def may_be_repeated(self) -> bool:
        """Whether it has ended, and long enough ago for another one."""
        return self.fetch.done() and time.monotonic() > self.begun_at + _RETRY_S


class CatalogSource:
    """The catalog of one service. Used from the thread that asks.

    Args:
        service: the origin of the service.
        client: gives a client of it; it needs no key.
        keyed_client: gives a client of it with the user's key, for the lists that only the user may see.
        ledger: gives the ledger, in which copies are kept.

    Attributes:
        age_note: what to know about the copy in use, in one line; "" where it is fresh.
    """

    def __init__(
        self,
        service: str,
        client: Callable[[], Client],
        keyed_client: Callable[[], Client],
        ledger: Callable[[], Ledger],
    ) -> None:
        self._service, self._client, self._keyed_client, self._ledger = service, client, keyed_client, ledger
        self._holder = uuid.uuid4().hex
        self._copy: _Copy | None = None
        self._endpoints: dict[str, tuple[float, tuple[ModelEndpoint, ...]]] = {}
        self._refresh: _Refresh | None = None
        self._snapshots: Snapshots | None = None
        self._look_again_at = 0.0  # time.monotonic(), where no copy was found on disk
        self._completion_index: CompletionIndex | None = None
        self._warned: set[str] = set()
        self.age_note = ""

    def catalog(self, *, timeout_s: float | None = None) -> Catalog:
        """All models. The first time, and without a copy on disk, it waits for the service.

        Args:
            timeout_s: how long to wait at most; None for as long as the settings say.

        Raises:
            ServiceError: there is no copy, and none can be fetched.
        """
        copy = self._copy = self._refreshed(self._copy or self._kept() or self._fetched(timeout_s))
        self.age_note = self._note(copy)
        return copy.catalog

    def body(self) -> bytes:
        """The body of the service's answer from which `catalog` is decoded.

        Raises:
            ServiceError: there is no copy, and none can be fetched.
        """
        self.catalog()
        assert self._copy is not None
        return self._copy.body

    def refresh(self) -> None:
        """Fetches the catalog anew, now.

        Raises:
            ServiceError: it cannot be fetched; the copy that was there stays.
        """
        self._copy = wait_for(self._fetch_and_keep(self._client(), self._cache()))

    def user_body(self) -> bytes:
        """The body of the list of models that this account's settings allow. Asked for with the key, and not kept.

        Raises:
            ServiceError: or one of its kinds.
        """
        return wait_for(self._keyed_client().fetch("/models/user"))

    @property
    def snapshots(self) -> Snapshots:
        """The catalogs of earlier days.

        Raises:
            StoreError: the store cannot be opened.
        """
        if self._snapshots is None:
            from or_magic.catalog.snapshots import Snapshots

            self._snapshots = Snapshots(self._ledger(), self._service)
        return self._snapshots

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

    def stored(self, id: str) -> Model | None:
        """What is known of a model in memory or on disk; nothing is fetched, now or later."""
        with contextlib.suppress(OrMagicError):
            copy = self._stored_copy()
            return copy.catalog.find(id) if copy is not None else None
        return None

    def completion_index(self) -> CompletionIndex | None:
        """All ids with their prices, for completion; None where no catalog is stored. Nothing is fetched."""
        with contextlib.suppress(OrMagicError):
            copy = self._stored_copy()
            if copy is None:
                return None
            if self._completion_index is None or self._completion_index.catalog is not copy.catalog:
                self._completion_index = CompletionIndex.of(copy.catalog)
            return self._completion_index
        return None

    def _stored_copy(self) -> _Copy | None:
        self._copy = self._copy or self._refreshed_copy()
        if self._copy is None and time.monotonic() > self._look_again_at:
            self._copy, self._look_again_at = self._kept(), time.monotonic() + _LOOK_AGAIN_S
        return self._copy

    def warning(self, id: str) -> str:
        """A warning before the first use of a model in this process: that it ends soon, or got dearer; else ""."""
        if id in self._warned:
            return ""
        known = self.stored(id)
        if known is None:
            return ""
        self._warned.add(id)
        with contextlib.suppress(OrMagicError):
            return self.snapshots.warning(known)
        return ""

    @property
    def is_cached(self) -> bool:
        """Whether a catalog is in memory."""
        return self._copy is not None

    def cached(self, id: str) -> Model | None:
        """What is known of a model, without waiting; None also where there is no catalog yet, which is then fetched."""
        try:
            if self._stored_copy() is None:
                self._start_refresh()
                return None
            return self.model(id)
        except OrMagicError:
            return None  # what it would say is a convenience

    def with_nearest(self, error: ModelNotFoundError, id: str | None) -> ModelNotFoundError:
        """The error, with the ids that look like the one that was asked for, where a catalog can be had soon."""
        with contextlib.suppress(OrMagicError):
            near = self.catalog(timeout_s=_HINT_S).nearest(id) if id else ()
            if nearest := tuple(other for other in near if other != id):  # an old catalog may still have it
                error.nearest = nearest
                note = f" ({self.age_note})" if self.age_note else ""
                ids = ", ".join(priced_id(self.catalog(), other) for other in nearest)
                error.args = (f"No model {id!r}. Nearest: {ids}.{note}",)
        return error

    def endpoints(self, id: str, *, timeout_s: float | None = None) -> tuple[ModelEndpoint, ...]:
        """Who serves a model, at which price and how reliably; () for routers. The service is asked each time.

        Args:
            timeout_s: how long to wait at most; None for as long as the settings say.

        Raises:
            ServiceError: or one of its kinds.
        """
        path = f"/models/{quote(id, safe='/:~@')}/endpoints"
        return decode_endpoints(wait_for(self._client().fetch(path, needs_key=False), timeout_s))

    def kept_endpoints(self, id: str, *, timeout_s: float | None = None) -> tuple[ModelEndpoint, ...]:
        """Who serves a model, as the service answered within the last hour; else it is asked.

        Args:
            timeout_s: how long to wait at most; None for as long as the settings say.

        Raises:
            ServiceError: or one of its kinds.
        """
        kept = self._endpoints.get(id)
        if kept is None or time.monotonic() > kept[0] + FRESH_S:
            kept = self._endpoints[id] = (time.monotonic(), self.endpoints(id, timeout_s=timeout_s))
        return kept[1]

    def providers(self) -> tuple[Provider, ...]:
        """The companies that serve models. The service is asked each time.

        Raises:
            ServiceError: or one of its kinds.
        """
        return decode_providers(wait_for(self._client().fetch(_PROVIDERS, needs_key=False)))

    def _fetched(self, timeout_s: float | None) -> _Copy:
        """The catalog, fetched by this process, or by another one at the same moment."""
        client, began = self._client(), time.monotonic()
        others_s = _OTHERS_S if timeout_s is None else min(_OTHERS_S, timeout_s)
        while not (is_mine := self._claim()) and time.monotonic() < began + others_s:
            time.sleep(0.1)
            if (kept := self._kept()) is not None and kept.is_fresh:
                return kept
        # Once more: the process that had the claim before may have kept a copy since.
        if (kept := self._kept()) is not None and kept.is_fresh:
            if is_mine:
                _release(self._cache(), self._service, self._holder)
            return kept
        left_s = None if timeout_s is None else timeout_s - (time.monotonic() - began)
        return wait_for(self._fetch_and_keep(client, self._cache()), left_s)

    async def _fetch_and_keep(self, client: Client, cache: CatalogCache | None) -> _Copy:
        # The store may keep a thread waiting: not the one that streams run on, nor those of the loop, which may all be
        # waiting for this catalog.
        in_thread = functools.partial(asyncio.get_running_loop().run_in_executor, keeper := ThreadPoolExecutor(1))
        try:
            body = await client.fetch(_MODELS, needs_key=False)
            return await in_thread(_decode_and_keep, cache, self._service, body)
        finally:
            await in_thread(_release, cache, self._service, self._holder)
            keeper.shutdown(wait=False)

    def _refreshed(self, copy: _Copy) -> _Copy:
        """The newest copy there is; where even that is old, a refresh is started in the background."""
        if copy.is_fresh:
            return copy
        newer = self._refreshed_copy()
        if newer is None and self._may_refresh():
            newer = self._kept(after=copy.fetched_utc)  # another kernel's
        if newer is None:
            self._start_refresh()
            return copy
        return self._refreshed(newer)

    def _may_refresh(self) -> bool:
        return self._refresh is None or self._refresh.may_be_repeated

    def _start_refresh(self) -> None:
        """Starts a refresh, unless one is under way in this or another process, or has just failed."""
        if self._may_refresh() and self._claim():
            fetch = background.submit(self._fetch_and_keep(self._client(), self._cache()))
            self._refresh = _Refresh(fetch, time.monotonic())

    def _refreshed_copy(self) -> _Copy | None:
        """The copy that a refresh has fetched; None where none has ended well. It is handed out once."""
        refresh = self._refresh
        if refresh is None or not refresh.fetch.done() or _failure(refresh.fetch) is not None:
            return None
        self._refresh = None
        return refresh.fetch.result()

    def _note(self, copy: _Copy) -> str:
        if copy.is_fresh:
            return ""
        failure = _failure(self._refresh.fetch) if self._refresh is not None and self._refresh.fetch.done() else None
        why = f"; it could not be refreshed: {failure}" if failure else "; a newer one is on its way"
        return f"The catalog is of {_ago(copy.age_s)}{why}"

    def _cache(self) -> CatalogCache | None:
        """The copies on disk; None where the store does not work: the catalog is usable without it."""
        from or_magic.ledger.catalog_cache import CatalogCache

        try:
            return CatalogCache(self._ledger().store)
        except StoreError:
            return None

    def _kept(self, *, after: datetime | None = None) -> _Copy | None:
        """The copy on disk; None where there is none, none fetched later than `after`, or it holds no models."""
        with contextlib.suppress(StoreError, ServiceError):
            kept = cache.newest(self._service, _MODELS) if (cache := self._cache()) is not None else None
            if kept is not None and (after is None or kept.fetched_utc > after):
                return _Copy(decode_models(kept.body), kept.fetched_utc, kept.body)
        return None

    def _claim(self) -> bool:
        try:
            return (cache := self._cache()) is None or cache.claim(self._service, _MODELS, self._holder, _CLAIM_S)
        except StoreError:
            return True  # nobody can be asked to wait for a store that does not work


def _decode_and_keep(cache: CatalogCache | None, service: str, body: bytes) -> _Copy:
    """Decodes what was fetched, and only then replaces a good copy by it."""
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
    """Why a fetch that has ended failed; None where it did not."""
    return FutureTimeoutError("it was stopped") if fetch.cancelled() else fetch.exception()


def _ago(seconds: float) -> str:
    if seconds < 0:
        return "a time to come, by a clock that was wrong"
    for unit, length in (("day", 86_400), ("hour", 3_600)):
        if seconds >= length:
            count = int(seconds // length)
            return f"{count:,} {unit}{'s' if count > 1 else ''} ago"
    return "a moment ago"
