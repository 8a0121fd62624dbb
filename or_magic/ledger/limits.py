"""Whether a limit lets a question pass: what was spent, and what questions under way hold back.

A question reserves what it may cost at most, in the transaction that writes it down. So questions of many cells and
many processes cannot pass a limit together. What is reserved counts until the cost is known; then the cost counts.
"""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import ColumnElement, Connection, case, func, select

from or_magic.errors import BudgetError
from or_magic.ledger.records import Limit, NewTurn, Scope, Standing
from or_magic.ledger.tables import threads, turns
from or_magic.money import format_usd


def reserve(connection: Connection, turn: NewTurn, notebook: int) -> None:
    """Makes sure that `turn` passes none of its limits, whatever it costs at most.

    Raises:
        BudgetError: it would.
    """
    if not turn.limits or turn.worst_pico_usd is None:
        return
    known = select(threads.c.id).where(threads.c.notebook == notebook, threads.c.name == (turn.thread or ""))
    thread_id = connection.scalar(known)
    for limit in turn.limits:
        found = standing(connection, limit, turn.purse, turn.service, thread_id)
        if turn.worst_pico_usd > found.rest:
            raise refusal(found, turn.worst_pico_usd)


def refusal(found: Standing, worst_pico_usd: int) -> BudgetError:
    """The line that says why a question is not sent."""
    held = f" and {format_usd(found.reserved)} held back by answers under way" if found.reserved else ""
    error = BudgetError(
        f"This may cost up to {format_usd(worst_pico_usd)}, and {_named(found.limit)} has "
        f"{format_usd(max(found.rest, 0))} left: {format_usd(found.spent)} spent{held}. Nothing was sent. Ways on: a "
        "smaller --max-tokens, a shorter prompt, a cheaper model, --over-budget, or %openrouter budget AMOUNT."
    )
    error.may_be_free_later = worst_pico_usd <= found.rest + found.reserved
    return error


def standing(connection: Connection, limit: Limit, purse: str, service: str, thread_id: int | None) -> Standing:
    """How a limit stands. Inside a transaction of the caller."""
    if limit.scope == "cell":
        return Standing(limit, 0, 0)
    of_limit = turns.c.service == service
    of_limit &= _of_scope(limit.scope, purse, thread_id)
    is_known = turns.c.cost_pico_usd.is_not(None)
    spent = connection.scalar(select(func.sum(turns.c.cost_pico_usd)).where(of_limit, is_known))
    held, guessed = turns.c.reserved_pico_usd, turns.c.estimated_pico_usd
    sums = func.sum(held), func.sum(case((held.is_(None), guessed)))
    reserved, estimated = connection.execute(select(*sums).where(of_limit, ~is_known)).one()
    return Standing(limit, int(spent or 0) + int(estimated or 0), int(reserved or 0))


def _of_scope(scope: Scope, purse: str, thread_id: int | None) -> ColumnElement[bool]:
    since_midnight = turns.c.started_utc >= datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    match scope:
        case "notebook":
            return turns.c.purse == purse
        case "day":
            return (turns.c.purse == purse) & since_midnight
        case "thread":
            return turns.c.thread == thread_id
        case _:
            return since_midnight


def _named(limit: Limit) -> str:
    if limit.scope == "cell":
        return f"--max-cost {format_usd(limit.pico_usd).lstrip('$')}"
    names = {"notebook": "this notebook's", "day": "today's", "thread": "this thread's", "all": "all notebooks' daily"}
    return f"{names[limit.scope]} budget of {format_usd(limit.pico_usd)}"
