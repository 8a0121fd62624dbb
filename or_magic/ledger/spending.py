"""What was spent, and on which models: costs that are told later, sums, and what past turns teach."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import func, select, update

from or_magic.ledger.records import Progress, State, TurnId
from or_magic.ledger.schema import notebooks, threads, turns
from or_magic.ledger.store import Ledger
from or_magic.ledger.turn_rows import columns_of
from or_magic.types import CostSource, Usage

_TOLD_FOR = timedelta(days=30)  # after which a service's record of an answer is no longer asked for
_MOST_UNSETTLED = 50
_LEARNED_FROM = 50  # turns
_ENOUGH_TOKENS = 100
_RECONCILED = frozenset(
    {
        *("prompt_tokens", "completion_tokens", "cached_tokens", "reasoning_tokens"),
        *("cost_pico_usd", "cost_source", "upstream_cost_pico_usd"),
    }
)


@dataclass(frozen=True, slots=True)
class PaidTurn:
    """What one turn cost, without what was said in it. Amounts are in 1e-12 USD, None is "not known".

    Attributes:
        saved_pico_usd: for an answer that was given again: what it had cost when it was asked for.
    """

    turn_id: TurnId
    notebook: str
    budget_scope: str
    thread: str | None
    cell_id: str | None
    service: str
    model: str
    state: State
    started_utc: datetime
    prompt_tokens: int | None
    completion_tokens: int | None
    cached_tokens: int | None
    reasoning_tokens: int | None
    cost_pico_usd: int | None
    cost_source: CostSource | None
    upstream_cost_pico_usd: int | None
    is_byok: bool | None
    estimated_pico_usd: int | None
    saved_pico_usd: int | None


class Spending:
    """The costs in a ledger.

    Args:
        ledger: the ledger.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._store = ledger.store

    def paid(self, budget_scope: str | None, service: str | None, since: datetime | None = None) -> Sequence[PaidTurn]:
        """The turns of a budget scope (None: of all) at a service (None: at all) since a moment, the oldest first.

        Raises:
            StoreError: the ledger cannot be read.
        """
        origins = turns.alias("origins")
        names = [name for name in PaidTurn.__dataclass_fields__ if name in turns.c]
        query = select(
            turns.c.id,
            turns.c.model_asked,
            notebooks.c.identity,
            threads.c.name.label("thread_name"),
            origins.c.cost_pico_usd.label("saved_pico_usd"),
            *(turns.c[name] for name in names if name not in ("notebook", "thread")),
        )
        query = query.join(notebooks, turns.c.notebook == notebooks.c.id)
        query = query.outerjoin(threads, turns.c.thread == threads.c.id).order_by(turns.c.id)
        query = query.outerjoin(origins, turns.c.replayed_from == origins.c.id)
        query = query if budget_scope is None else query.where(turns.c.budget_scope == budget_scope)
        query = query if service is None else query.where(turns.c.service == service)
        query = query if since is None else query.where(turns.c.started_utc >= since)
        with self._store.reading() as connection:
            rows = connection.execute(query).all()
        told = [name for name in names if name not in ("notebook", "thread", "model")]
        return [
            PaidTurn(
                turn_id=row.id,
                notebook=row.identity,
                thread=row.thread_name,
                model=row.model or row.model_asked or "",
                saved_pico_usd=row.saved_pico_usd,
                **{name: getattr(row, name) for name in told},
            )
            for row in rows
        ]

    def release(self, turn_id: TurnId) -> None:
        """Releases what is reserved for a finished turn whose cost will not be told.

        Raises:
            StoreError: it cannot be written.
        """
        with self._store.writing() as connection:
            ended = (turns.c.id == turn_id) & (turns.c.state != "open")
            connection.execute(update(turns).where(ended).values(reserved_pico_usd=None))

    def unsettled(self, service: str, run: str) -> list[tuple[TurnId, str]]:
        """Turns of other runs whose cost is not known, though the service could tell it: their generation ids.

        Raises:
            StoreError: the ledger cannot be read.
        """
        is_left = (turns.c.cost_pico_usd.is_(None)) & (turns.c.service == service) & (turns.c.state != "open")
        is_left &= turns.c.generation_id.like("gen-%") & (turns.c.run != run)
        recent = turns.c.started_utc > datetime.now(UTC) - _TOLD_FOR
        query = select(turns.c.id, turns.c.generation_id).where(is_left, recent).order_by(turns.c.id.desc())
        with self._store.reading() as connection:
            return [(row.id, row.generation_id) for row in connection.execute(query.limit(_MOST_UNSETTLED))]

    def is_known(self, service: str, generation_id: str) -> bool:
        """Whether a turn that has ended was answered by this generation.

        Raises:
            StoreError: the ledger cannot be read.
        """
        known = (turns.c.generation_id == generation_id) & (turns.c.service == service) & (turns.c.state != "open")
        with self._store.reading() as connection:
            return connection.scalar(select(turns.c.id).where(known).limit(1)) is not None

    def bytes_per_token(self, service: str, model: str) -> float | None:
        """How many bytes of answer a token of this model had, over its last turns; None where it has too few.

        Raises:
            StoreError: the ledger cannot be read.
        """
        of_model = (turns.c.service == service) & (turns.c.model_asked == model) & (turns.c.state == "complete")
        told = turns.c.completion_tokens.is_not(None) & (turns.c.answer_bytes > 0)
        tokens = turns.c.completion_tokens - func.coalesce(turns.c.reasoning_tokens, 0)
        query = select(turns.c.answer_bytes, tokens.label("tokens")).where(of_model, told).order_by(turns.c.id.desc())
        with self._store.reading() as connection:
            rows = connection.execute(query.limit(_LEARNED_FROM)).all()
        total = sum(row.tokens for row in rows)
        return sum(row.answer_bytes for row in rows) / total if total >= _ENOUGH_TOKENS else None

    def reconcile(self, turn_id: TurnId, usage: Usage) -> None:
        """Writes down what the service's record told of a finished turn whose cost was not known; else does nothing.

        Raises:
            StoreError: it cannot be written.
        """
        columns = columns_of(Progress(usage=usage)) | {"cost_source": "reconciled"}
        told = {name: value for name, value in columns.items() if value is not None and name in _RECONCILED}
        unknown = (turns.c.id == turn_id) & turns.c.cost_pico_usd.is_(None) & (turns.c.state != "open")
        with self._store.writing() as connection:
            connection.execute(update(turns).where(unknown).values(told))


_LOOKED_AT = 500  # turns: so that a ledger of years is not read for a handful of names


class RecentModels:
    """The models that the turns of a ledger asked.

    Args:
        ledger: the ledger.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._store = ledger.store

    def newest(self, service: str, limit: int = 8) -> list[str]:
        """The ids that were asked at a service, by any notebook, the last one first; each once.

        Raises:
            StoreError: the ledger cannot be read.
        """
        is_told = (turns.c.service == service) & (turns.c.model_asked != "")
        last = select(turns.c.id, turns.c.model_asked).where(is_told).order_by(turns.c.id.desc()).limit(_LOOKED_AT)
        newest = last.subquery()
        query = select(newest.c.model_asked).group_by(newest.c.model_asked).order_by(func.max(newest.c.id).desc())
        with self._store.reading() as connection:
            return list(connection.scalars(query.limit(limit)))
