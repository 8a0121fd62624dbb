"""Commands about money: what was spent, and what may be."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from or_magic.errors import CommandError
from or_magic.jupyter.commands.desk import Desk, words_of
from or_magic.money import amount

if TYPE_CHECKING:  # they import SQLAlchemy, which `%load_ext` must not
    from or_magic.asking.costs import Costs
    from or_magic.jupyter.charts import Chart

_SCOPES = {"--day": "day", "--thread": "thread", "--notebook": "notebook"}
_NAMES = {
    "notebook": "this notebook",
    "day": "this notebook, a day (UTC)",
    "thread": "this thread",
    "all": "all, a day",
}


def cost_or_chart(desk: Desk, text: str) -> Costs | Chart:
    """``%openrouter cost [--all] [--since DATE] [--plot]``: what this notebook (or all) spent; --plot draws it.

    What it returns is shown; its ``.df()`` is a table of the turns, ``.by("model")`` (day, thread, cell) of sums.
    """
    words = [word for word in text.split() if word != "--plot"]
    spent = cost(desk, " ".join(words))
    if "--plot" not in text.split():
        return spent
    from or_magic.jupyter.charts import spending

    return spending(spent)


def cost(desk: Desk, text: str) -> Costs:
    """``%openrouter cost [--all] [--since DATE]``: what this notebook (or all) spent at the service that is set.

    What it returns is shown; its ``.df()`` is a table of the turns, ``.by("model")`` (day, thread, cell) of sums.
    """
    from or_magic.asking.costs import costs

    words = text.split()
    everything = "--all" in words
    rest = [word for word in words if word != "--all"]
    if rest and (rest[0] != "--since" or len(rest) != 2):
        raise CommandError(f"%openrouter cost takes --all and --since 2026-11-25; {' '.join(rest)!r} was typed.")
    return costs(desk.session, everything=everything, since=moment(rest[1]) if rest else None)


def budget(desk: Desk, text: str) -> None:
    """``%openrouter budget [AMOUNT|off] [--day|--thread]``: shows or sets what may be spent; kept with the notebook."""
    from or_magic.ledger.budgets import Budgets

    words = text.split()
    flags = [word for word in words if word.startswith("--")]
    amounts = [word for word in words if not word.startswith("--")]
    if len(flags) > 1 or len(amounts) > 1 or any(flag not in _SCOPES for flag in flags):
        raise CommandError(
            f"%openrouter budget takes an amount in USD (or off), and --day or --thread; {text!r} was typed."
        )
    place, session = desk.host.where(), desk.session
    thread = next((each for each in session.threads.of(place.notebook) if each.is_current), None)
    if amounts:
        scope = _SCOPES[flags[0]] if flags else "notebook"
        if scope == "thread" and thread is None:
            raise CommandError(
                "There is no thread yet: the first cell makes one. Set the notebook's budget, or ask first."
            )
        limit = None if amounts[0].lower() in ("off", "none") else amount(amounts[0], "%openrouter budget")
        kept = f"thread:{thread.id}" if scope == "thread" and thread is not None else scope
        Budgets(session.ledger).put(place.purse, session.service, kept, limit)
    elif flags:
        raise CommandError(f"%openrouter budget AMOUNT {flags[0]} sets one; off takes it away.")
    _show(desk, thread.id if thread else None)


def replay(desk: Desk, text: str) -> None:
    """``%openrouter replay export|import FILE [--force]``: the answers of this kernel in a file, and back from one."""
    from or_magic.asking.replay_files import read_answers, write_answers
    from or_magic.ledger.replays import Replays

    words = words_of(text)
    is_forced = "--force" in words
    what, *files = [word for word in words if word != "--force"] or [""]
    if what not in ("export", "import") or len(files) != 1 or (is_forced and what == "import"):
        raise CommandError("%openrouter replay wants export FILE.json (--force replaces a file) or import FILE.json.")
    place, replays = desk.host.where(), Replays(desk.session.ledger)
    if what == "export":
        answers = replays.of_run(place.notebook, desk.session.service, desk.session.run)
        if not answers:
            raise CommandError("No cell of this kernel has an answer yet: run the notebook, then export.")
        path = write_answers(Path(files[0]), answers, overwrite=is_forced)
        return print(f"Wrote {_answers(len(answers))} to {path.name}, without their questions.")
    kept = read_answers(Path(files[0]))
    new = sum(replays.keep(each, place.notebook, place.purse)[1] for each in kept)
    known = f" {_answers(len(kept) - new)} were here already." if new < len(kept) else ""
    return print(f"Took in {_answers(new)}.{known} A cell whose request has one here shows it at no cost.")


def _answers(count: int) -> str:
    return f"{count:,} answer{'' if count == 1 else 's'}"


def _show(desk: Desk, thread_id: int | None) -> None:
    from or_magic.asking.budgeting import told

    place, session = desk.host.where(), desk.session
    standings = session.budgeting().standings_of(place.purse, session.service, thread_id)
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
