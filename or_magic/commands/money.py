"""Commands about money: what was spent, what may be, what the account has left."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from or_magic.commands.context import NotebookContext
from or_magic.commands.subcommand import words_of
from or_magic.errors import CommandError
from or_magic.money import amount, format_usd, pico_usd

if TYPE_CHECKING:
    import pandas as pd

    from or_magic.charts import Chart
    from or_magic.chat.costs import Costs
    from or_magic.client.account import Credits, KeyState


def credits(context: NotebookContext, text: str) -> pd.DataFrame:
    """``%openrouter credits``: a DataFrame of one column, ``value``; the exact amounts are in its ``attrs``."""
    from or_magic.client import account
    from or_magic.client.background import wait_for

    _nothing_more("credits", text)
    client = context.session.client()
    if (credits := wait_for(account.credits(client))) is not None:
        _warn(context, credits)
        return _table(_credit_rows(credits), credits)
    state = wait_for(account.key_state(client))
    return _table(_key_rows(state), state)


def limits(context: NotebookContext, text: str) -> pd.DataFrame:
    """``%openrouter limits``: a DataFrame of one column, ``value``; the exact amounts are in its ``attrs``."""
    from or_magic.client import account
    from or_magic.client.background import wait_for

    _nothing_more("limits", text)
    state = wait_for(account.key_state(context.session.client()))
    return _table(_limit_rows(state), state)


def _warn(context: NotebookContext, credits: Credits) -> None:
    """Says where a budget allows more than the account has."""
    location, session = context.session.host.where(), context.session
    standings = session.budget_check().standings_of(location.budget_scope, session.service, None)
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


_SCOPES = {"--day": "day", "--thread": "thread", "--notebook": "notebook"}
_NAMES = {
    "notebook": "this notebook",
    "day": "this notebook, a day (UTC)",
    "thread": "this thread",
    "all": "all, a day",
}


def cost_or_chart(context: NotebookContext, text: str) -> Costs | Chart:
    """``%openrouter cost [--all] [--since DATE] [--plot]``: what this notebook (or all) spent; --plot draws it.

    What it returns is shown; its ``.df()`` is a table of the turns, ``.by("model")`` (day, thread, cell) of sums.
    """
    words = [word for word in text.split() if word != "--plot"]
    spent = cost(context, " ".join(words))
    if "--plot" not in text.split():
        return spent
    from or_magic.charts import spending

    return spending(spent)


def cost(context: NotebookContext, text: str) -> Costs:
    """``%openrouter cost [--all] [--since DATE]``: what this notebook (or all) spent at the service that is set.

    What it returns is shown; its ``.df()`` is a table of the turns, ``.by("model")`` (day, thread, cell) of sums.
    """
    from or_magic.chat.costs import costs

    words = text.split()
    everything = "--all" in words
    rest = [word for word in words if word != "--all"]
    if rest and (rest[0] != "--since" or len(rest) != 2):
        raise CommandError(f"%openrouter cost takes --all and --since 2026-11-25; {' '.join(rest)!r} was typed.")
    return costs(context.session, everything=everything, since=moment(rest[1]) if rest else None)


def budget(context: NotebookContext, text: str) -> None:
    """``%openrouter budget [AMOUNT|off] [--day|--thread]``: shows or sets what may be spent; kept with the notebook."""
    from or_magic.ledger.store import Budgets

    words = text.split()
    flags = [word for word in words if word.startswith("--")]
    amounts = [word for word in words if not word.startswith("--")]
    if len(flags) > 1 or len(amounts) > 1 or any(flag not in _SCOPES for flag in flags):
        raise CommandError(
            f"%openrouter budget takes an amount in USD (or off), and --day or --thread; {text!r} was typed."
        )
    location, session = context.session.host.where(), context.session
    thread = next((each for each in session.threads.of(location.notebook) if each.is_current), None)
    if amounts:
        scope = _SCOPES[flags[0]] if flags else "notebook"
        if scope == "thread" and thread is None:
            raise CommandError(
                "There is no thread yet: the first cell makes one. Set the notebook's budget, or ask first."
            )
        limit = None if amounts[0].lower() in ("off", "none") else amount(amounts[0], "%openrouter budget")
        kept = f"thread:{thread.id}" if scope == "thread" and thread is not None else scope
        Budgets(session.ledger).put(location.budget_scope, session.service, kept, limit)
    elif flags:
        raise CommandError(f"%openrouter budget AMOUNT {flags[0]} sets one; off takes it away.")
    _show(context, thread.id if thread else None)


def replay(context: NotebookContext, text: str) -> None:
    """``%openrouter replay export|import FILE [--force]``: the answers of this kernel in a file, and back from one."""
    from or_magic.chat.replay import read_answers, write_answers
    from or_magic.ledger.replays import Replays

    words = words_of(text)
    is_forced = "--force" in words
    what, *files = [word for word in words if word != "--force"] or [""]
    if what not in ("export", "import") or len(files) != 1 or (is_forced and what == "import"):
        raise CommandError("%openrouter replay wants export FILE.json (--force replaces a file) or import FILE.json.")
    location, replays = context.session.host.where(), Replays(context.session.ledger)
    if what == "export":
        answers = replays.of_run(location.notebook, context.session.service, context.session.run)
        if not answers:
            raise CommandError("No cell of this kernel has an answer yet: run the notebook, then export.")
        path = write_answers(Path(files[0]), answers, overwrite=is_forced)
        return print(f"Wrote {_answers(len(answers))} to {path.name}, without their questions.")
    kept = read_answers(Path(files[0]))
    new = sum(replays.keep(each, location.notebook, location.budget_scope)[1] for each in kept)
    known = f" {_answers(len(kept) - new)} were here already." if new < len(kept) else ""
    return print(f"Took in {_answers(new)}.{known} A cell whose request has one here shows it at no cost.")


def _answers(count: int) -> str:
    return f"{count:,} answer{'' if count == 1 else 's'}"


def _show(context: NotebookContext, thread_id: int | None) -> None:
    from or_magic.chat.budget import told

    location, session = context.session.host.where(), context.session
    standings = session.budget_check().standings_of(location.budget_scope, session.service, thread_id)
    for each in standings:
        print(f"{_NAMES[each.limit.scope]}: {told(each)}")
    if not standings:
        print("No budget is set. %openrouter budget 2.00 sets one; what may cost more than is left is not sent.")


def moment(text: str) -> datetime:
    """A day or a moment as it was typed, in the time zone of this machine where it names none.

    Raises:
        CommandError: it is none.
    """
    try:
        return datetime.fromisoformat(text).astimezone()
    except ValueError:
        raise CommandError(f"{text!r} is no date: 2026-11-25, or 2026-11-25T14:00.") from None
