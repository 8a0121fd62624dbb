"""The catalogue of the service that is asked: fetched when needed, kept on disk, at hand when there is no network.

A copy is fresh for an hour. An older one is used at once and refreshed in the background. Of several kernels one
fetches, the others wait for it. What is asked for is the service's public list; neither a key nor anything else of the
user's goes along.
"""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from or_magic.errors import ModelNotFoundError, OrMagicError, ServiceError, StoreError
from or_magic.openrouter import background
from or_magic.openrouter.catalog import (
    Catalog,
    Model,
    ModelEndpoint,
    Provider,
    decode_endpoints,
    decode_models,
    decode_providers,
)
from or_magic.openrouter.client import Client

if TYPE_CHECKING:
    from or_magic.ledger.catalog_cache import CatalogCache, Kept
    from or_magic.ledger.store import Ledger

T = TypeVar("T")
FRESH_S = 3600.0
_MODELS, _PROVIDERS = "/models", "/providers"
_CLAIM_S = 30.0
_AGAIN_S = 60.0  # how long after a failed refresh another is tried
_HINT_S = 3.0  # how long a mistyped id may wait for the ids that are near


@dataclass(frozen=True, slots=True)
class _Refresh:
    fetch: Future[bytes]
    begun_at: float  # time.monotonic()

    @property
    def is_spent(self) -> bool:
        """It has failed, some time ago."""
        return self.fetch.done() and time.monotonic() > self.begun_at + _AGAIN_S


class Models:
    """The catalogue of whatever service is set. Used from the thread that asks.

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
        self._catalogs: dict[str, tuple[datetime, Catalog]] = {}
        self._refreshes: dict[str, _Refresh] = {}
        self.age_note = ""

    def catalog(self, *, patience_s: float | None = None) -> Catalog:
        """All models. The first time, and without a copy on disk, it waits for the service.

        Args:
            patience_s: how long to wait at most; None for as long as the settings say.

        Raises:
            ServiceError: there is no copy, and none can be fetched.
        """
        client = self._client()
        service = client.endpoint.origin
        if (held := self._catalogs.get(service)) is None:
            kept = self._kept(service, _MODELS)
            with contextlib.suppress(ServiceError):  # a copy that holds no models is as good as none
                held = (kept.fetched_utc, decode_models(kept.body)) if kept else None
        if held is None:
            held = datetime.now(UTC), decode_models(self._fetch(client, _MODELS, patience_s))
        fetched_utc, catalog = self._catalogs[service] = self._refreshed(client, held)
        self.age_note = self._note(service, fetched_utc)
        return catalog

    def model(self, id: str) -> Model | None:
        """What is known of a model: price, context, abilities; None where the catalogue has no such id.

        Raises:
            ServiceError: there is no catalogue.
        """
        return self.catalog().find(id)

    def at_hand(self, id: str) -> Model | None:
        """The same as `model`, without waiting: None also where no catalogue is here yet, which is then fetched."""
        try:
            client = self._client()
            service = client.endpoint.origin
            if service in self._catalogs or self._kept(service, _MODELS) is not None:
                return self.catalog(patience_s=_HINT_S).find(id)
            if service not in self._refreshes and self._claim(service, _MODELS):
                fetch = background.submit(self._fetch_and_keep(client, _MODELS))
                self._refreshes[service] = _Refresh(fetch, time.monotonic())
        except OrMagicError:
            pass  # what it would say is a convenience
        return None

    def with_nearest(self, error: ModelNotFoundError, id: str | None) -> ModelNotFoundError:
        """The same error, with the ids that look like the one that was asked for, where a catalogue is at hand."""
        with contextlib.suppress(OrMagicError):
            if id and (nearest := self.catalog(patience_s=_HINT_S).nearest(id)):
                error.nearest = nearest
                note = f" ({self.age_note})" if self.age_note else ""
                error.args = (f"No model {id!r}. Nearest: {', '.join(nearest)}.{note}",)
        return error

    def endpoints(self, id: str) -> tuple[ModelEndpoint, ...]:
        """Who serves a model, at which price and how well; () for routers. Asked anew each time.

        Raises:
            ServiceError: or one of its kinds.
        """
        return decode_endpoints(wait_for(self._client().fetch(f"/models/{id}/endpoints", needs_key=False)))

    def providers(self) -> tuple[Provider, ...]:
        """The companies that serve models. Asked anew each time.

        Raises:
            ServiceError: or one of its kinds.
        """
        return decode_providers(wait_for(self._client().fetch(_PROVIDERS, needs_key=False)))

    def user_models(self) -> Catalog:
        """The models that this account's own settings let through. The key goes along; nothing is kept.

        Raises:
            ServiceError: or one of its kinds.
        """
        return decode_models(wait_for(self._keyed().fetch("/models/user")))

    def _fetch(self, client: Client, kind: str, patience_s: float | None) -> bytes:
        """The body, fetched here or by another process at the same moment."""
        service, deadline = client.endpoint.origin, time.monotonic() + (patience_s or _CLAIM_S)
        while not self._claim(service, kind) and time.monotonic() < deadline:
            time.sleep(0.1)  # somebody else fetches; what it gets is for all
            if (kept := self._kept(service, kind)) is not None and _age_s(kept.fetched_utc) < FRESH_S:
                return kept.body
        return wait_for(self._fetch_and_keep(client, kind), patience_s)

    async def _fetch_and_keep(self, client: Client, kind: str) -> bytes:
        service = client.endpoint.origin
        try:
            body = await client.fetch(kind, needs_key=False)
            decode_models(body)  # before it takes the place of a good one
            with contextlib.suppress(StoreError):  # a catalogue that cannot be kept is still one
                self._cache().keep(service, kind, body, datetime.now(UTC))
            return body
        finally:
            with contextlib.suppress(StoreError):
                self._cache().release(service, kind, self._holder)

    def _refreshed(self, client: Client, held: tuple[datetime, Catalog]) -> tuple[datetime, Catalog]:
        """What a refresh in the background has brought; starts one where the copy is old."""
        service, refresh = client.endpoint.origin, self._refreshes.get(client.endpoint.origin)
        if _age_s(held[0]) < FRESH_S:
            return held
        if refresh is not None and refresh.fetch.done() and refresh.fetch.exception() is None:
            del self._refreshes[service]
            return datetime.now(UTC), decode_models(refresh.fetch.result())
        if (refresh is None or refresh.is_spent) and self._claim(service, _MODELS):
            fetch = background.submit(self._fetch_and_keep(client, _MODELS))
            self._refreshes[service] = _Refresh(fetch, time.monotonic())
        return held

    def _note(self, service: str, fetched_utc: datetime) -> str:
        if (age_s := _age_s(fetched_utc)) < FRESH_S:
            return ""
        refresh = self._refreshes.get(service)
        failure = refresh.fetch.exception() if refresh is not None and refresh.fetch.done() else None
        why = f"; it could not be refreshed: {failure}" if failure else "; a newer one is on its way"
        return f"The catalogue is of {_ago(age_s)}{why}"

    def _cache(self) -> CatalogCache:
        from or_magic.ledger.catalog_cache import CatalogCache

        return CatalogCache(self._ledger().file)

    def _kept(self, service: str, kind: str) -> Kept | None:
        try:
            return self._cache().newest(service, kind)
        except StoreError:
            return None

    def _claim(self, service: str, kind: str) -> bool:
        try:
            return self._cache().claim(service, kind, self._holder, _CLAIM_S)
        except StoreError:
            return True  # nobody can be asked to wait for a store that does not work


def wait_for(coroutine: Coroutine[Any, Any, T], patience_s: float | None = None) -> T:
    """Runs a coroutine on the background loop and waits for its end, so that an interrupt stops both.

    Raises:
        ServiceError: `patience_s` passed before the end; or whatever the coroutine raises.
    """
    running = background.submit(coroutine)
    deadline = None if patience_s is None else time.monotonic() + patience_s
    try:
        while True:
            try:
                return running.result(timeout=0.1)
            except NotYet:
                if running.done():
                    raise
                if deadline is not None and time.monotonic() > deadline:
                    raise ServiceError("The service took too long to answer.", may_be_charged=False) from None
    finally:
        running.cancel()


def _age_s(moment: datetime) -> float:
    return (datetime.now(UTC) - moment).total_seconds()


def _ago(seconds: float) -> str:
    for unit, length in (("day", 86_400), ("hour", 3_600)):
        if seconds >= length:
            count = int(seconds // length)
            return f"{count:,} {unit}{'s' if count > 1 else ''} ago"
    return "a moment ago"
