"""What was spent, as a readable summary and as tables; exact where the service told it, and it is said where not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from or_magic.errors import CommandError
from or_magic.ledger.spending import PaidTurn, Spending
from or_magic.money import format_usd, usd

if TYPE_CHECKING:
    import pandas as pd

    from or_magic.catalog.source import CatalogSource
    from or_magic.chat.session import Session

GROUPS: dict[str, Callable[[PaidTurn], str]] = {
    "model": lambda paid: paid.model or "not told",
    "day": lambda paid: f"{paid.started_utc:%Y-%m-%d}",
    "thread": lambda paid: paid.thread or "alone",
    "cell": lambda paid: paid.cell_id or "no cell",
    "notebook": lambda paid: paid.notebook,
    "service": lambda paid: paid.service,
    "kind": lambda paid: paid.kind,
}
_COUNTS = ("prompt_tokens", "completion_tokens", "cached_tokens", "reasoning_tokens")
_MOST_ROWS = 12


class Costs:
    """What a budget scope (a notebook, or a folder) spent at a service; `df` and `by` are tables.

    Args:
        name: what the sum is of, for people.
        service: the service, or how it is called.
        paid: its turns, the oldest first.
        models: the catalog, for what the provider's prompt cache saved.
    """

    def __init__(self, name: str, service: str, paid: Sequence[PaidTurn], models: CatalogSource) -> None:
        self._name, self._service, self._paid, self._models = name, service, list(paid), models

    @property
    def total_pico_usd(self) -> int:
        """The exact sum of all that was charged, in 1e-12 USD."""
        return sum(each.cost_pico_usd or 0 for each in self._paid)

    @property
    def estimated_pico_usd(self) -> int:
        """About what those cost whose cost the service did not tell; not part of the total."""
        return sum(each.estimated_pico_usd or 0 for each in self._unknown)

    @property
    def _unknown(self) -> list[PaidTurn]:
        return [each for each in self._paid if each.cost_pico_usd is None and each.state != "open"]

    def df(self) -> pd.DataFrame:
        """One row a turn, the oldest first.

        Index ``turn`` (int64). Columns: ``asked`` (datetime64, UTC), ``notebook``, ``thread``, ``cell``, ``service``,
        ``model``, ``state``, ``kind`` (str or None; a question's kind is ``chat``), ``prompt_tokens``,
        ``completion_tokens``, ``cached_tokens``, ``reasoning_tokens`` (Int64), ``cost_usd`` (Decimal, exact; None where
        it is not known), ``cost_source`` (reported, reconciled or None), ``upstream_usd`` (Decimal; what the provider
        charges a key of your own there), ``estimated_usd`` (Decimal; about what it cost, where the service did not
        tell), ``saved_usd`` (Decimal; what an answer that was given again had cost when it was asked for).
        """
        import pandas as pd

        paid = self._paid
        columns: dict[str, Any] = {
            "asked": pd.to_datetime([each.started_utc for each in paid], utc=True),
            "notebook": [each.notebook for each in paid],
            "thread": [each.thread for each in paid],
            "cell": [each.cell_id for each in paid],
            "service": [each.service for each in paid],
            "model": [each.model for each in paid],
            "state": [each.state for each in paid],
            "kind": [each.kind for each in paid],
            **{name: pd.array([getattr(each, name) for each in paid], dtype="Int64") for name in _COUNTS},
            "cost_usd": [_usd(each.cost_pico_usd) for each in paid],
            "cost_source": [each.cost_source for each in paid],
            "upstream_usd": [_usd(each.upstream_cost_pico_usd) if each.is_byok else None for each in paid],
            "estimated_usd": [
                None if each.cost_pico_usd is not None else _usd(each.estimated_pico_usd) for each in paid
            ],
            "saved_usd": [_usd(each.saved_pico_usd) for each in paid],
        }
        return pd.DataFrame(columns, index=pd.Index([each.turn_id for each in paid], name="turn", dtype="int64"))

    def by(self, group: str) -> pd.DataFrame:
        """Sums by one of `GROUPS` (``model``, ``day`` in UTC, ``thread``, ``kind`` and others), the dearest first.

        Index: the group (days in order). Columns: ``answers`` (int64), the four token counts (Int64), ``cost_usd``
        (Decimal, exact), ``unknown`` (int64: answers whose cost is not known), ``estimated_usd`` (Decimal).

        Raises:
            CommandError: there is no such group.
        """
        import pandas as pd

        if group not in GROUPS:
            raise CommandError(f"Costs are summed by {', '.join(GROUPS)}; {group!r} was asked for.")
        rows = [
            {
                group: name,
                "answers": len(members),
                **{count: sum(getattr(each, count) or 0 for each in members) for count in _COUNTS},
                "cost_usd": usd(sum(each.cost_pico_usd or 0 for each in members)),
                "unknown": sum(each.cost_pico_usd is None and each.state != "open" for each in members),
                "estimated_usd": usd(
                    sum(each.estimated_pico_usd or 0 for each in members if each.cost_pico_usd is None)
                ),
            }
            for name, members in self._grouped(group)
        ]
        columns = [group, "answers", *_COUNTS, "cost_usd", "unknown", "estimated_usd"]
        table = pd.DataFrame(rows, columns=columns).astype(dict.fromkeys(_COUNTS, "Int64"))
        return table.set_index(group)

    def _grouped(self, group: str) -> list[tuple[str, list[PaidTurn]]]:
        members: dict[str, list[PaidTurn]] = {}
        for each in self._paid:
            members.setdefault(GROUPS[group](each), []).append(each)
        if group == "day":
            return sorted(members.items())
        return sorted(members.items(), key=lambda item: -sum(each.cost_pico_usd or 0 for each in item[1]))

    def __repr__(self) -> str:
        answers = f"{len(self._paid):,} answer{'' if len(self._paid) == 1 else 's'}"
        total = self.total_pico_usd
        lines = [f"{self._name} spent {format_usd(total)} in {answers} at {self._service}. Exactly: ${usd(total):f}."]
        if self._paid:
            lines.append(self._tokens())
        if unknown := len(self._unknown):
            about = f" (about {format_usd(self.estimated_pico_usd)})" if self.estimated_pico_usd else ""
            lines.append(f"Of {unknown:,} the cost is not known{about}: they ended before the service told it.")
        if upstream := sum(each.upstream_cost_pico_usd or 0 for each in self._paid if each.is_byok):
            lines.append(f"Besides, your own keys at the providers paid {format_usd(upstream)} there.")
        if replayed := sum(each.saved_pico_usd or 0 for each in self._paid):
            count = sum(each.saved_pico_usd is not None for each in self._paid)
            lines.append(f"{count:,} answers were given again from the store, which saved {format_usd(replayed)}.")
        if saved := self._saved_by_cache():
            lines.append(f"The providers' prompt caches saved about {format_usd(saved)}.")
        for group in ("model", "day", "thread"):
            grouped = self._grouped(group)
            if len(grouped) > 1:
                lines += ["", *_rows(group, grouped)]
        return "\n".join(lines)

    def _tokens(self) -> str:
        sums = {name: sum(getattr(each, name) or 0 for each in self._paid) for name in _COUNTS}
        return (
            f"{sums['prompt_tokens']:,} tokens in ({sums['cached_tokens']:,} cached), "
            f"{sums['completion_tokens']:,} out ({sums['reasoning_tokens']:,} reasoning)."
        )

    def _saved_by_cache(self) -> int:
        """About what cached tokens would have cost more uncached, by today's catalog, where it is at hand."""
        saved = 0
        for name, members in self._grouped("model"):
            cached = sum(each.cached_tokens or 0 for each in members)
            model = self._models.cached(name) if cached else None
            if model is not None and model.prices.prompt is not None and model.prices.cache_read is not None:
                saved += int((model.prices.prompt - model.prices.cache_read) * cached * 10**12)
        return saved


def costs(session: Session, *, everything: bool = False, since: datetime | None = None) -> Costs:
    """What this notebook spent at the service that is set; or all notebooks (`everything`), each service apart in `by`.

    Raises:
        StoreError: the store cannot be read.
    """
    location = session.host.where()
    budget_scope = None if everything else location.budget_scope
    paid = Spending(session.ledger).paid(budget_scope, session.service, since)
    name = "All notebooks" if everything else f"This {location.budget_scope_name}"
    return Costs(name, session.service, paid, session.models)


def _rows(group: str, grouped: list[tuple[str, list[PaidTurn]]]) -> list[str]:
    shown = grouped[-_MOST_ROWS:] if group == "day" else grouped[:_MOST_ROWS]
    width = max(len(name) for name, _ in shown)
    lines = []
    for name, members in shown:
        cost = format_usd(sum(each.cost_pico_usd or 0 for each in members))
        lines.append(f"  {name:<{width}}  {cost:>12}  {len(members):>6,}")
    rest = len(grouped) - len(shown)
    return [f"By {group}:", *lines, *([f"  and {rest} more: .by({group!r})"] if rest else [])]


def _usd(pico_usd: int | None) -> Any:
    return None if pico_usd is None else usd(pico_usd)
