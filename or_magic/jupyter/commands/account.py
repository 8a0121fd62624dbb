"""Commands about the account: what it has left, what the key may spend."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from or_magic.errors import CommandError
from or_magic.jupyter.commands.desk import Desk
from or_magic.money import format_usd, pico_usd

if TYPE_CHECKING:  # pandas takes half a second to import, which `%load_ext` must not
    import pandas as pd

    from or_magic.openrouter.account import Credits, KeyState


def credits(desk: Desk, text: str) -> pd.DataFrame:
    """``%openrouter credits``: a DataFrame of one column, ``value``; the exact amounts are in its ``attrs``."""
    from or_magic.asking.waiting import wait_for
    from or_magic.openrouter import account

    _nothing_more("credits", text)
    client = desk.session.client()
    if (credits := wait_for(account.credits(client))) is not None:
        _warn(desk, credits)
        return _table(_credit_rows(credits), credits)
    state = wait_for(account.key_state(client))
    return _table(_key_rows(state), state)


def limits(desk: Desk, text: str) -> pd.DataFrame:
    """``%openrouter limits``: a DataFrame of one column, ``value``; the exact amounts are in its ``attrs``."""
    from or_magic.asking.waiting import wait_for
    from or_magic.openrouter import account

    _nothing_more("limits", text)
    state = wait_for(account.key_state(desk.session.client()))
    return _table(_limit_rows(state), state)


def _warn(desk: Desk, credits: Credits) -> None:
    """Says where a budget allows more than the account has."""
    place, session = desk.host.where(), desk.session
    standings = session.budgeting().standings_of(place.purse, session.service, None)
    most = max((each.rest for each in standings), default=0)
    if most > pico_usd(credits.left_usd):
        left, allowed = (format_usd(amount) for amount in (pico_usd(credits.left_usd), most))
        print(f"The account has {left} left, less than the {allowed} that the budget still allows.")


def _nothing_more(command: str, text: str) -> None:
    if text:
        raise CommandError(f"%openrouter {command} takes nothing more; {text!r} was typed.")


def _credit_rows(credits: Credits) -> dict[str, str]:
    return {
        "bought": _usd(credits.bought_usd),
        "used": _usd(credits.used_usd),
        "left": _usd(credits.left_usd),
    }


def _key_rows(state: KeyState) -> dict[str, str]:
    note = "this key may not see the account's credits, only its own (a management key may)"
    return {"key may spend": _limit(state), "key used": _usd(state.usage_usd), "note": note}


def _limit_rows(state: KeyState) -> dict[str, str]:
    renewed = f", renewed {state.limit_reset}" if state.limit_reset else ""
    rows = {
        "key": state.label or "not told",
        "may spend": _limit(state) + renewed,
        "used": _usd(state.usage_usd),
        "used today (UTC)": _usd(state.daily_usd),
        "used this week": _usd(state.weekly_usd),
        "used this month": _usd(state.monthly_usd),
    }
    if state.free_requests_limit is not None:
        rows["free requests today"] = f"{state.free_requests_used or 0:,} of {state.free_requests_limit:,}"
    if state.expires_at is not None:
        rows["expires"] = f"{state.expires_at:%Y-%m-%d %H:%M} UTC"
    for number, budget in enumerate(state.budgets, start=1):
        name = f"budget {budget.scope or number}"
        renewed = f", renewed {budget.resets_at:%Y-%m-%d %H:%M} UTC" if budget.resets_at else ""
        left = f"{_usd(budget.remaining_usd)} left"
        rows[name] = f"{_usd(budget.spent_usd)} of {_usd(budget.limit_usd)}, {left}{renewed}"
    return rows


def _limit(state: KeyState) -> str:
    if state.limit_usd is None:
        return "as much as the account has"
    return f"{_usd(state.remaining_usd)} of {_usd(state.limit_usd)}"


def _usd(amount: Decimal | None) -> str:
    if amount is None:
        return "not told"
    # Not "$": front ends take what stands between two of them, in a table too, for a formula.
    return f"{format_usd(pico_usd(amount)).replace('$', '')} USD"


def _table(rows: Mapping[str, str], source: Any) -> pd.DataFrame:
    import pandas as pd

    table = pd.DataFrame({"value": rows})
    table.attrs["exact"] = {name: getattr(source, name) for name in source.__dataclass_fields__ if name != "raw"}
    return table
