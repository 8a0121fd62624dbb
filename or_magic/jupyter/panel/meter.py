"""The panel's meter: what this turn cost, what the notebook spent, how its budgets stand, what the account has left.

All but the last is read from the ledger. What the account has left, only the service knows: it is asked when the user
presses the button.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import ipywidgets as widgets

from or_magic.answer import Answer
from or_magic.chat.budget import budget_line
from or_magic.chat.host import Location
from or_magic.chat.run import is_rehearsal
from or_magic.chat.session import Session
from or_magic.client import background
from or_magic.client.account import Credits, KeyState, credits, key_state
from or_magic.endpoint import LOOPBACK
from or_magic.errors import OrMagicError
from or_magic.jupyter.panel.worker import Worker, free
from or_magic.ledger.records import BudgetState
from or_magic.money import format_usd, pico_usd, usd
from or_magic.text import escape_text

if TYPE_CHECKING:
    from or_magic.client.client import Client

CSS = Path(__file__).with_suffix(".css").read_text(encoding="utf-8")
SANDBOX = "sandbox"
_ECHO = "sandbox/echo"  # a model by which the sandbox's catalog is known
_NAMES = {"day": "today", "thread": "thread", "all": "all notebooks today", "cell": "this question"}
_WARN_AT = 80  # percent of a budget


@dataclass(frozen=True, slots=True)
class Reading:
    """What the meter shows.

    Attributes:
        budget_scope_name: what was spent from: ``notebook``, ``folder``, or ``sandbox`` where the money is not real.
        spent_pico_usd: all that it has spent at the service.
        unknown: how many of its answers have no known cost.
        standings: the budgets.
        turn: what the last answer cost, in words; "" before the first one.
    """

    budget_scope_name: str
    spent_pico_usd: int
    unknown: int = 0
    standings: tuple[BudgetState, ...] = ()
    turn: str = ""


class Meter(widgets.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """One line of figures and bars, and a button that asks for the account's balance.

    Args:
        session: whose money is told.
        where: gives the location of the notebook that the panel belongs to.
        worker: looks and draws.
    """

    def __init__(self, session: Session, where: Callable[[], Location], worker: Worker) -> None:
        self._session, self._where, self._worker = session, where, worker
        self._awaited_service: str | None = None  # whose answer is awaited
        self._shown_service: str | None = None  # whose balance is shown
        self._figures = widgets.HTML()
        self._button = widgets.Button(description="Balance", tooltip="Ask the service what the account has left")
        self._balance = widgets.HTML()
        super().__init__([self._figures, self._button, self._balance])
        for widget, name in ((self, "meter"), (self._button, "meter-button"), (self._balance, "meter-balance")):
            widget.add_class(f"orm-{name}")
        self._button.on_click(lambda _: worker.do(self._ask))
        self.refresh()

    def refresh(self, last: Answer | None = None) -> None:
        """Looks anew, soon, in the panel's own thread; from any thread.

        Args:
            last: the answer of this turn; None for the session's last one.
        """
        self._worker.do(lambda: self._look(last or self._session.last), newest="meter")

    def _look(self, last: Answer | None) -> None:
        try:
            shown = meter_html(read(self._session, self._where(), last))
            service = self._session.service
        except OrMagicError as error:
            shown, service = _line(str(error)), None
        self._figures.value = shown
        if self._shown_service not in (None, service):  # another service is set by now
            self._shown_service, self._balance.value = None, ""
        free(self)

    def _ask(self) -> None:
        if self._awaited_service is not None:
            return
        try:
            client, service = self._session.client(), self._session.service
        except OrMagicError as error:
            self._show_balance(None, _line(str(error)))
            return
        self._awaited_service = service
        self._show_balance(service, _line("asking …"))
        balance = background.submit(_balance(client))
        balance.add_done_callback(lambda done: self._worker.do(lambda: self._answer(done)))

    def _answer(self, done: Future[Credits | KeyState]) -> None:
        service, self._awaited_service = self._awaited_service, None
        try:
            line = balance_line(done.result(), is_real=not is_sandbox(self._session, self._session.last))
        except OrMagicError as error:
            line = str(error)
        self._show_balance(service, _line(line))

    def _show_balance(self, service: str | None, shown: str) -> None:
        self._shown_service, self._balance.value = service, shown
        free(self)


async def _balance(client: Client) -> Credits | KeyState:
    """What the account has; where the key may not know that, what the key may spend."""
    known = await credits(client)
    return known if known is not None else await key_state(client)


def read(session: Session, location: Location, last: Answer | None) -> Reading:
    """What the ledger tells of a place's money; nothing is asked of the network.

    Raises:
        CommandError: a setting cannot be used.
        StoreError: the store cannot be read.
    """
    service = session.service
    thread = next((each.id for each in session.threads.of(location.notebook) if each.is_current), None)
    spent = session.ledger.spent(location.budget_scope, service)
    standings = session.budget_check().states_of(location.budget_scope, service, thread)
    name = SANDBOX if is_sandbox(session, last) else location.budget_scope_name
    return Reading(name, spent.pico_usd, spent.unknown, standings, _cost(last) if last is not None else "")


def is_sandbox(session: Session, last: Answer | None) -> bool:
    """Whether the money is not real: the service is on this machine, and something says that it is the sandbox.

    That is the last answer, the command that has set the address, or the model that is set; else the catalog, where
    one is here and has the sandbox's echo.
    """
    if urlsplit(session.service).hostname not in LOOPBACK:
        return False
    if last is not None and is_rehearsal(session.service, last):
        return True
    settings = session.settings
    names = (settings.base_url().source, settings.model().value)
    return any(SANDBOX in each for each in names) or session.models.stored(_ECHO) is not None


def meter_html(reading: Reading) -> str:
    """The figures and the bars; safe, whatever the names are."""
    own = next((each for each in reading.standings if each.limit.scope == "notebook"), None)
    others = [each for each in reading.standings if each is not own]
    spent = format_usd(reading.spent_pico_usd)
    more = f"+ {reading.unknown:,} of unknown cost" if reading.unknown else ""
    figures = [
        _figure("this turn", reading.turn) if reading.turn else "",
        _budget(reading.budget_scope_name, own, more) if own else _figure(reading.budget_scope_name, spent, more),
        *(_budget(_NAMES[each.limit.scope], each) for each in others),
    ]
    return f'<div class="orm-meter-figures" role="group" aria-label="Money">{"".join(figures)}</div>'


def balance_line(balance: Credits | KeyState, *, is_real: bool = True) -> str:
    """The account's balance in one line of plain text."""
    if isinstance(balance, Credits):
        return f"{'account' if is_real else SANDBOX} {_usd(balance.left_usd)} left of {_usd(balance.bought_usd)}"
    if balance.limit_usd is None:
        return f"this key has used {_usd(balance.usage_usd)}, and may not see the account's balance"
    return f"this key may spend {_usd(balance.remaining_usd)} of {_usd(balance.limit_usd)}"


def _usd(amount: Decimal | None) -> str:
    return "an amount that is not told" if amount is None else format_usd(pico_usd(amount))


def _cost(answer: Answer) -> str:
    """What an answer cost, with the steps that led to it."""
    if not answer.done:
        return "under way"
    if (total := answer.total_cost) is not None:
        return format_usd(pico_usd(total))
    guessed = answer.estimated_pico_usd
    return "not known" if guessed is None else f"~{format_usd(guessed)}"


def _line(text: str) -> str:
    return f'<div role="status">{escape_text(text)}</div>'


def _figure(name: str, amount: str, more: str = "", bar: str = "") -> str:
    figures = f"<b>{escape_text(amount)}</b>" + (f" {escape_text(more)}" if more else "")
    return f'<span class="orm-meter-figure"><span>{escape_text(name)}</span>{bar}<span>{figures}</span></span>'


def _budget(name: str, standing: BudgetState, more: str = "") -> str:
    limit, percent = standing.limit.pico_usd, _percent(standing.spent, standing.limit.pico_usd)
    level = "over" if percent >= 100 else "near" if percent >= _WARN_AT else "well"
    near = {"over": "(used up)", "near": f"({percent} %)", "well": ""}[level]
    amount = f"{format_usd(standing.spent)} of {format_usd(limit)}"
    return _figure(name, amount, " ".join(filter(None, (near, more))), _bar(name, standing, percent, level))


def _bar(name: str, standing: BudgetState, percent: int, level: str) -> str:
    most = standing.limit.pico_usd
    spent = min(percent, 100)
    held = min(_percent(standing.spent + standing.reserved, most), 100) - spent
    now = f"{usd(min(standing.spent, most)):f}"
    return (
        f'<span class="orm-meter-bar orm-meter-{level}" role="meter" aria-label="{escape_text(name)} budget" '
        f'aria-valuemin="0" aria-valuemax="{usd(most):f}" aria-valuenow="{now}" '
        f'aria-valuetext="{escape_text(budget_line(standing))}" title="{escape_text(budget_line(standing))}">'
        f'<span class="orm-meter-spent" style="width:{spent}%"></span>'
        f'<span class="orm-meter-held" style="width:{held}%"></span></span>'
    )


def _percent(part: int, whole: int) -> int:
    """Rounded down; a budget of nothing is used up."""
    return 100 * part // whole if whole > 0 else 100
