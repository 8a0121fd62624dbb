"""Commands about money: what was spent, what may be, what the account has left."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from or_magic.commands.context import NotebookContext
from or_magic.commands.subcommand import Argument, command, moment, one_of
from or_magic.errors import CommandError
from or_magic.money import amount, format_usd, pico_usd

if TYPE_CHECKING:
    from datetime import datetime

    import pandas as pd

    from or_magic.charts import Chart
    from or_magic.chat.costs import Costs
    from or_magic.client.account import Credits, KeyState

_NAMES = {
    "notebook": "this notebook",
    "day": "this notebook, a day (UTC)",
    "thread": "this thread",
    "all": "all, a day",
}


@command(
    "cost",
    "what this notebook has spent; .df() and .by() are tables",
    Argument("--all", help="what all notebooks have spent"),
    Argument("--since", "DATE", "since then: 2026-11-25", convert=moment, wants="a date, such as 2026-11-25"),
    Argument("--plot", help="draw it, by day and model"),
)
def cost(context: NotebookContext, all: bool, since: datetime | None, plot: bool) -> Costs | Chart:
    """What this notebook (or all) spent at the service that is set; --plot draws it.

    What it returns is shown; its ``.df()`` is a table of the turns, ``.by("model")`` (day, thread, cell) of sums.
    """
    spent = costs_of(context, everything=all, since=since)
    if not plot:
        return spent
    from or_magic.charts import spending

    return spending(spent)


def costs_of(context: NotebookContext, *, everything: bool, since: datetime | None) -> Costs:
    """What this notebook (or all notebooks) spent at the service that is set."""
    from or_magic.chat.costs import costs

    return costs(context.session, everything=everything, since=since)


@command(
    "budget",
    "show or set what may be spent",
    Argument("limit", "USD|off", "an amount, or off", words=("off",)),
    Argument("--day", help="of this notebook on a day (UTC)", group="scope"),
    Argument("--thread", help="of this thread", group="scope"),
    Argument("--notebook", help="of this notebook (that is meant where none is typed)", group="scope"),
)
def budget(context: NotebookContext, limit: str | None, day: bool, thread: bool, notebook: bool) -> None:
    """Shows or sets what may be spent; kept with the notebook."""
    from or_magic.ledger.store import Budgets

    location, session = context.session.host.where(), context.session
    current = next((each for each in session.threads.of(location.notebook) if each.is_current), None)
    if limit is not None:
        if thread and current is None:
            raise CommandError(
                "There is no thread yet: the first cell makes one. Set the notebook's budget, or ask first."
            )
        most = None if limit.lower() in ("off", "none") else amount(limit, "%openrouter budget")
        scope = f"thread:{current.id}" if thread and current is not None else "day" if day else "notebook"
        Budgets(session.ledger).put(location.budget_scope, session.service, scope, most)
    elif day or thread or notebook:
        flag = "--day" if day else "--thread" if thread else "--notebook"
        raise CommandError(f"%openrouter budget AMOUNT {flag} sets one; off takes it away.")
    _show(context, current.id if current else None)


_WAYS = "export FILE.json (--force replaces a file) or import FILE.json"


@command(
    "replay",
    "the answers of this kernel in a file, and back from one",
    Argument(
        "what",
        "WHAT",
        "export or import",
        convert=one_of("export", "import"),
        wants=_WAYS,
        is_required=True,
        words=("export", "import"),
    ),
    Argument("file", "FILE", "a .json file", wants=_WAYS, is_required=True),
    Argument("--force", help="replace a file that is there"),
)
def replay(context: NotebookContext, what: str, file: str, force: bool) -> None:
    """Writes the answers of this kernel into a file, or takes those of one in, for cells that ask the same."""
    from or_magic.chat.replay import read_answers, write_answers
    from or_magic.ledger.replays import Replays

    if force and what == "import":
        raise CommandError(f"%openrouter replay wants {_WAYS}.")
    location, replays = context.session.host.where(), Replays(context.session.ledger)
    if what == "export":
        answers = replays.of_run(location.notebook, context.session.service, context.session.run)
        if not answers:
            raise CommandError("No cell of this kernel has an answer yet: run the notebook, then export.")
        path = write_answers(Path(file), answers, overwrite=force)
        return print(f"Wrote {_answers(len(answers))} to {path.name}, without their questions.")
    kept = read_answers(Path(file))
    new = sum(replays.keep(each, location.notebook, location.budget_scope)[1] for each in kept)
    known = f" {_answers(len(kept) - new)} were here already." if new < len(kept) else ""
    return print(f"Took in {_answers(new)}.{known} A cell whose request has one here shows it at no cost.")


def _answers(count: int) -> str:
    return f"{count:,} answer{'' if count == 1 else 's'}"


def _show(context: NotebookContext, thread_id: int | None) -> None:
    from or_magic.chat.budget import budget_line

    location, session = context.session.host.where(), context.session
    standings = session.budget_check().states_of(location.budget_scope, session.service, thread_id)
    for each in standings:
        print(f"{_NAMES[each.limit.scope]}: {budget_line(each)}")
    if not standings:
        print("No budget is set. %openrouter budget 2.00 sets one; what may cost more than is left is not sent.")


@command("credits", "what the account has left")
def credits(context: NotebookContext) -> pd.DataFrame:
    """A DataFrame of one column, ``value``; the exact amounts are in its ``attrs``."""
    from or_magic.client import account
    from or_magic.client.background import wait_for

    client = context.session.client()
    if (left := wait_for(account.credits(client))) is not None:
        _warn(context, left)
        return _table(_credit_rows(left), left)
    state = wait_for(account.key_state(client))
    return _table(_key_rows(state), state)


@command("limits", "what this key may spend, and has")
def limits(context: NotebookContext) -> pd.DataFrame:
    """A DataFrame of one column, ``value``; the exact amounts are in its ``attrs``."""
    from or_magic.client import account
    from or_magic.client.background import wait_for

    state = wait_for(account.key_state(context.session.client()))
    return _table(_limit_rows(state), state)


def _warn(context: NotebookContext, credits: Credits) -> None:
    """Says where a budget allows more than the account has."""
    location, session = context.session.host.where(), context.session
    standings = session.budget_check().states_of(location.budget_scope, session.service, None)
    most = max((each.rest for each in standings), default=0)
    if most > pico_usd(credits.left_usd):
        left, allowed = (format_usd(amount) for amount in (pico_usd(credits.left_usd), most))
        print(f"The account has {left} left, less than the {allowed} that the budget still allows.")


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
