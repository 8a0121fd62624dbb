"""What was spent, and on which models: costs that are told later, sums, and what past turns teach."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from or_magic.ledger.records import CHAT, Progress, State, TurnId
from or_magic.ledger.store import Ledger
from or_magic.ledger.turn_rows import columns_of
from or_magic.types import CostSource, Usage, Value

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


class PaidTurn(Value, frozen=True):
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
    kind: str
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
        conditions = {
            "turns.purse = :budget_scope": budget_scope,
            "turns.service = :service": service,
            "turns.started_utc >= :since": since,
        }
        where = " AND ".join(condition for condition, value in conditions.items() if value is not None) or "1 = 1"
        params = {"budget_scope": budget_scope, "service": service, "since": since}
        with self._store.reading() as transaction:
            rows = transaction.rows(f"{_PAID} WHERE {where} ORDER BY turns.id", params)
        return [PaidTurn(**vars(row)) for row in rows]

    def release(self, turn_id: TurnId) -> None:
        """Releases what is reserved for a finished turn whose cost will not be told.

        Raises:
            StoreError: it cannot be written.
        """
        with self._store.writing() as transaction:
            ended = "id = :id AND state <> 'open'"
            transaction.run(f"UPDATE turns SET reserved_pico_usd = NULL WHERE {ended}", {"id": turn_id})

    def unsettled(self, service: str, run: str) -> list[tuple[TurnId, str]]:
        """Turns of other runs whose cost is not known, though the service could tell it: their generation ids.

        Raises:
            StoreError: the ledger cannot be read.
        """
        left = {"service": service, "run": run, "begin": datetime.now(UTC) - _TOLD_FOR, "limit": _MOST_UNSETTLED}
        with self._store.reading() as transaction:
            return [(row.id, row.generation_id) for row in transaction.rows(_UNSETTLED, left)]

    def is_known(self, service: str, generation_id: str) -> bool:
        """Whether a turn that has ended was answered by this generation.

        Raises:
            StoreError: the ledger cannot be read.
        """
        query = "SELECT id FROM turns WHERE generation_id = :id AND service = :service AND state <> 'open' LIMIT 1"
        with self._store.reading() as transaction:
            return transaction.value(query, {"id": generation_id, "service": service}) is not None

    def bytes_per_token(self, service: str, model: str) -> float | None:
        """How many bytes of answer a token of this model had, over its last turns; None where it has too few.

        Raises:
            StoreError: the ledger cannot be read.
        """
        last = {"service": service, "model": model, "limit": _LEARNED_FROM}
        with self._store.reading() as transaction:
            rows = transaction.rows(_TOKENS, last)
        total = sum(row.tokens for row in rows)
        return sum(row.answer_bytes for row in rows) / total if total >= _ENOUGH_TOKENS else None

    def reconcile(self, turn_id: TurnId, usage: Usage) -> None:
        """Writes down what the service's record told of a finished turn whose cost was not known; else does nothing.

        Raises:
            StoreError: it cannot be written.
        """
        columns = columns_of(Progress(usage=usage)) | {"cost_source": "reconciled"}
        told = {name: value for name, value in columns.items() if value is not None and name in _RECONCILED}
        unknown = "id = :id AND cost_pico_usd IS NULL AND state <> 'open'"
        changes = ", ".join(f"{name} = :{name}" for name in told)
        with self._store.writing() as transaction:
            transaction.run(f"UPDATE turns SET {changes} WHERE {unknown}", {**told, "id": turn_id})


_PAID = f"""
SELECT turns.id AS turn_id, notebooks.identity AS notebook, turns.purse AS budget_scope, threads.name AS thread,
    turns.cell_id, turns.service, coalesce(nullif(turns.model, ''), turns.model_asked, '') AS model, turns.state,
    coalesce(turns.kind, '{CHAT}') AS kind, turns.started_utc,
    turns.prompt_tokens, turns.completion_tokens, turns.cached_tokens, turns.reasoning_tokens,
    turns.cost_pico_usd, turns.cost_source, turns.upstream_cost_pico_usd, turns.is_byok, turns.estimated_pico_usd,
    origins.cost_pico_usd AS saved_pico_usd
FROM turns JOIN notebooks ON turns.notebook = notebooks.id
LEFT JOIN threads ON turns.thread = threads.id LEFT JOIN turns AS origins ON turns.replayed_from = origins.id"""
_UNSETTLED = """
SELECT id, generation_id FROM turns
WHERE cost_pico_usd IS NULL AND service = :service AND state <> 'open' AND generation_id LIKE 'gen-%'
    AND run <> :run AND started_utc > :begin
ORDER BY id DESC LIMIT :limit"""
_TOKENS = """
SELECT answer_bytes, completion_tokens - coalesce(reasoning_tokens, 0) AS tokens FROM turns
WHERE service = :service AND model_asked = :model AND state = 'complete'
    AND completion_tokens IS NOT NULL AND answer_bytes > 0
ORDER BY id DESC LIMIT :limit"""
_LOOKED_AT = 500  # turns: so that a ledger of years is not read for a handful of names


class RecentModels:
    """The models that the questions of a ledger asked.

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
        params = {"service": service, "looked_at": _LOOKED_AT, "limit": limit}
        with self._store.reading() as transaction:
            return transaction.values(_MODELS, params)


_MODELS = f"""
SELECT model_asked FROM (
    SELECT id, model_asked FROM turns
    WHERE service = :service AND model_asked <> '' AND coalesce(kind, '{CHAT}') = '{CHAT}'
    ORDER BY id DESC LIMIT :looked_at
) AS newest
GROUP BY model_asked ORDER BY max(id) DESC LIMIT :limit"""
