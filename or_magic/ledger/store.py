"""The ledger: what notebooks asked, were answered and paid.

A turn is written down before it is sent, while it arrives (checkpoints), and once at its end; each is one short
transaction. What such a transaction does is a function of a connection, so that the turns of many questions can be
opened or finished in one.

A question reserves what it may cost at most in the transaction that writes it down. So the questions of many cells and
many processes cannot pass a budget together. What is reserved counts until the cost is known; then the cost counts.

The statements that each question runs are built once, with parameters: to build one takes longer than to run it.
"""

from __future__ import annotations

import functools
import os
import socket
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, overload

import platformdirs
import psutil
from sqlalchemy import (
    ColumnElement,
    Connection,
    Insert,
    Row,
    Select,
    Update,
    bindparam,
    case,
    delete,
    exists,
    func,
    insert,
    select,
    update,
)

from or_magic.errors import BudgetError, StoreError
from or_magic.ledger.databases import SCHEMES, Store, StoreFile, StoreServer
from or_magic.ledger.history import (
    is_up_to_date,
    keep_path,
    make_thread,
    move_tip,
    settle_thread,
    slice_history,
    thread_end,
)
from or_magic.ledger.messages import delete_unneeded, keep_message, messages_of, portions
from or_magic.ledger.migrations import migrate
from or_magic.ledger.records import (
    IMPORTED,
    BudgetState,
    HistorySlice,
    Limit,
    NewTurn,
    Opened,
    Outlook,
    Progress,
    Scope,
    Settled,
    SpentTotal,
    State,
    Turn,
    TurnId,
)
from or_magic.ledger.schema import budgets, notebooks, parts, threads, turns
from or_magic.ledger.turn_rows import columns_of, partial_columns, partial_progress, row_of, turn_of
from or_magic.money import format_usd
from or_magic.types import Ending, Message

SILENT_S = 900.0  # a process of another machine that has written nothing for so long has ended
_SAME_S = 5.0  # a start is told in seconds since the boot, whose moment moves when the clock is set


class Ledger:
    """What notebooks asked, were answered and paid. Made by `Ledger.open`.

    Attributes:
        store: the transactions, for the other files of the ledger.
    """

    def __init__(self, store: Store) -> None:
        self.store = store

    @classmethod
    def open(cls, location: str | Path | None = None) -> Ledger:
        """Opens the ledger, made where there is none and brought to today's schema where it is older.

        Args:
            location: a file; None for ``ledger.sqlite`` in the user's data folder; or the address of a PostgreSQL
                database, ``postgresql://USER:PASSWORD@HOST/DATABASE``.

        Raises:
            StoreError: it cannot be made, read or written, is no ledger, or is a newer or_magic's.
        """
        store = _store_at(location)
        try:
            migrate(store)
        except StoreError:
            store.close()
            raise
        return cls(store)

    @property
    def location(self) -> str:
        """The file or the address of the database, as it is shown to people; without a password."""
        return self.store.location

    def outlook(self, turn: NewTurn) -> Outlook:
        """Where a question would stand if it were asked now, what would be sent along, and the budgets that are set.

        Changes nothing. One transaction.

        Raises:
            StoreError: the ledger cannot be read.
        """
        with self.store.reading() as connection:
            end = thread_end(connection, turn)
            limits = limits_of(connection, turn.budget_scope, turn.service, end.thread)
            return Outlook(slice_history(connection, turn, end), limits)

    def open_turn(self, turn: NewTurn, history: HistorySlice | None = None) -> Opened:
        """Writes down a question that is about to be sent; from now on the thread ends with it. One transaction.

        Args:
            history: what `outlook` has told. It is taken as it is, and is the `Opened.history_slice`, if the thread
                still ends where it did then; else the ledger is read anew, as without it.

        Raises:
            BudgetError: one of ``turn.limits`` would be passed if it cost ``turn.worst_pico_usd``.
            StoreError: it cannot be written. Send nothing then.
        """
        with self.store.writing() as connection:
            return _open(connection, turn, history)

    def checkpoint(self, turn_id: TurnId, progress: Progress) -> None:
        """Writes down what has arrived so far, in place of the last checkpoint. One transaction.

        On a finished turn this does nothing.

        Raises:
            StoreError: it cannot be written, or there is no such turn.
        """
        columns = columns_of(progress) | partial_columns(progress) | {"seen_utc": datetime.now(UTC)}
        with self.store.writing() as connection:
            is_open = connection.execute(_open_turn_columns(), columns | {"of_turn": turn_id}).rowcount
            if not is_open:
                self._row(connection, turn_id)  # raises where there is no such turn

    @overload
    def finish_turn(
        self, turn_id: TurnId, progress: Progress, ending: Ending, error: str | None, *, limits: None = None
    ) -> None: ...
    @overload
    def finish_turn(
        self, turn_id: TurnId, progress: Progress, ending: Ending, error: str | None, *, limits: tuple[Limit, ...]
    ) -> Settled: ...
    def finish_turn(
        self,
        turn_id: TurnId,
        progress: Progress,
        ending: Ending,
        error: str | None,
        *,
        limits: tuple[Limit, ...] | None = None,
    ) -> Settled | None:
        """Writes down how the turn ended, and its answer if any text or reasoning arrived. One transaction.

        The first ending wins: a finished turn stays as it is. That its process was found dead is no ending.

        Args:
            limits: the budgets whose state is wanted, () for the sum alone; None where nothing is to be summed.

        Returns:
            What was spent by then, and how `limits` stand; None where `limits` is None.

        Raises:
            StoreError: it cannot be written (the last checkpoint stands), or there is no such turn.
        """
        with self.store.writing() as connection:
            turn = self._row(connection, turn_id)
            if turn.state in ("open", "interrupted"):
                _finish(connection, turn, progress, ending, error)
            if limits is None:
                return None
            spent = spent_in(connection, turn.budget_scope, turn.service)
            states = budget_states(connection, limits, turn.budget_scope, turn.service, turn.thread, spent=spent)
            return Settled(spent, states)

    def mark_interrupted(self) -> int:
        """Ends the turns whose process has died, with what their last checkpoint had; how many there were.

        Raises:
            StoreError: it cannot be read or written.
        """
        query = select(turns.c.id, turns.c.owner, turns.c.seen_utc).where(turns.c.state == "open")
        query = query.order_by(turns.c.id.desc())  # the last first, so that each gives back the tip that it took
        with self.store.reading() as connection:
            dead = [row.id for row in connection.execute(query) if is_gone(row.owner, row.seen_utc)]
        marked = 0
        for turn_id in dead:
            with self.store.writing() as connection:
                turn = self._row(connection, turn_id)
                if turn.state == "open":
                    arrived = partial_progress(connection.execute(_partial(), {"of_turn": turn_id}).one())
                    _finish(connection, turn, arrived, "interrupted", "its process was killed")
                    marked += 1
        return marked

    def turn(self, turn_id: TurnId) -> Turn:
        """The turn with this id.

        Raises:
            StoreError: there is none, or the ledger cannot be read.
        """
        found = self._turns(_all_turns().where(turns.c.id == turn_id))
        if not found:
            raise self._no_turn(turn_id)
        return found[0]

    def turns(self, notebook: str | None = None) -> list[Turn]:
        """The turns of a notebook (None: of all), in the order in which they were opened.

        Empty for a notebook that is not known.

        Raises:
            StoreError: the ledger cannot be read.
        """
        query = _all_turns().order_by(turns.c.id)
        return self._turns(query if notebook is None else query.where(notebooks.c.identity == notebook))

    def turns_of(self, ids: Sequence[TurnId]) -> list[Turn]:
        """The turns with these ids, in this order; one that is not there is left out.

        Raises:
            StoreError: the ledger cannot be read.
        """
        found: dict[TurnId, Turn] = {}
        for some in portions(ids):
            query = _all_turns().where(turns.c.id.in_(some))
            found |= {turn.id: turn for turn in self._turns(query)}
        return [found[id] for id in ids if id in found]

    def find(self, notebook: str | None, words: str = "", *, limit: int) -> list[Turn]:
        """The newest turns of a notebook (None: of all) whose prompt or answer has these words, the oldest first.

        Capital and small letters are alike, as far as the database knows them.

        Raises:
            StoreError: the ledger cannot be read.
        """
        query = _all_turns().where(_was_said()).order_by(turns.c.id.desc()).limit(limit)
        query = query if notebook is None else query.where(notebooks.c.identity == notebook)
        if words:
            says = parts.c.content.icontains(words, autoescape=True) & (parts.c.kind == "text")
            found = exists().where(parts.c.message.in_([turns.c.prompt, turns.c.answer]), says)
            query = query.where(found.correlate(turns))
        return self._turns(query)[::-1]

    def finish_imported(self, turn_id: TurnId, replies: Sequence[Message]) -> None:
        """Writes down the replies to an imported prompt, at no cost; without replies the turn counts as stopped.

        Raises:
            StoreError: it cannot be written, or there is no such turn.
        """
        with self.store.writing() as connection:
            turn = self._row(connection, turn_id)
            if turn.state != "open":
                return
            at = turn.prompt
            for reply in replies:
                at = keep_message(connection, at, reply)
            ended: dict[str, Any] = {"state": "complete" if replies else "stopped", "ended_utc": datetime.now(UTC)}
            if replies:
                ended |= {"answer": at, "cost_source": "reported", "cost_pico_usd": 0}
            connection.execute(_turn_columns(), ended | {"of_turn": turn_id})

    def last_turn(self, notebook: str) -> Turn | None:
        """The turn of a notebook that was opened last; None where there is none.

        Raises:
            StoreError: the ledger cannot be read.
        """
        query = _all_turns().where(notebooks.c.identity == notebook, _was_said()).order_by(turns.c.id.desc()).limit(1)
        return next(iter(self._turns(query)), None)

    def spent(self, budget_scope: str, service: str) -> SpentTotal:
        """What was paid out of this budget scope at this service; all zero where it was never used.

        The cost in a checkpoint counts as well: a turn whose process was killed was paid for all the same.

        Raises:
            StoreError: the ledger cannot be read.
        """
        with self.store.reading() as connection:
            return spent_in(connection, budget_scope, service)

    def close(self) -> None:
        """Closes the connections to the database. A checkpoint that comes late opens one of its own."""
        self.store.close()

    def _row(self, connection: Connection, turn_id: TurnId) -> Row[Any]:
        """The columns of a turn that its ending depends on."""
        row = connection.execute(_turn_to_finish(), {"of_turn": turn_id}).one_or_none()
        if row is None:
            raise self._no_turn(turn_id)
        return row

    def _turns(self, query: Select[Any]) -> list[Turn]:
        with self.store.reading() as connection:
            rows = connection.execute(query).all()
            messages = messages_of(connection, rows)
        return [turn_of(row, messages) for row in rows]

    def _no_turn(self, turn_id: TurnId) -> StoreError:
        return StoreError(
            f"There is no turn {turn_id} in the ledger {self.location}. "
            "Point OR_MAGIC_STORE to the file that holds it, or ask again."
        )


class Budgets:
    """The budgets of budget scopes (notebooks, or folders) at services.

    Args:
        ledger: the ledger.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._store = ledger.store

    def put(self, budget_scope: str, service: str, scope: str, limit_pico_usd: int | None) -> None:
        """Sets a budget, kept until it is set anew; None takes it away.

        Args:
            scope: ``notebook``, ``day``, or ``thread:`` and the thread's id.

        Raises:
            StoreError: it cannot be written.
        """
        key = (budgets.c.budget_scope == budget_scope) & (budgets.c.service == service) & (budgets.c.scope == scope)
        with self._store.writing() as connection:
            connection.execute(delete(budgets).where(key))
            if limit_pico_usd is not None:
                row = {"budget_scope": budget_scope, "service": service, "scope": scope}
                connection.execute(insert(budgets).values(row | {"limit_pico_usd": limit_pico_usd}))

    def limits(self, budget_scope: str, service: str, thread_id: int | None) -> tuple[Limit, ...]:
        """The budgets that a question of this budget scope on this thread is under.

        Raises:
            StoreError: it cannot be read.
        """
        with self._store.reading() as connection:
            return limits_of(connection, budget_scope, service, thread_id)

    def states(
        self, budget_scope: str, service: str, thread_id: int | None, limits: tuple[Limit, ...]
    ) -> tuple[BudgetState, ...]:
        """How these limits stand now.

        Raises:
            StoreError: it cannot be read.
        """
        with self._store.reading() as connection:
            return budget_states(connection, limits, budget_scope, service, thread_id)


def _store_at(location: str | Path | None) -> Store:
    if location is None:
        return StoreFile(platformdirs.user_data_path("or_magic", appauthor=False) / "ledger.sqlite")
    scheme, is_address, _ = str(location).partition("://")
    if is_address and scheme in SCHEMES:
        return StoreServer(str(location))
    if is_address or str(location) == ":memory:":
        # The address itself is not shown: it may hold a password.
        what = f"a {scheme} address" if is_address else "a database in memory"
        raise StoreError(
            f"OR_MAGIC_STORE names {what}; a ledger is kept in a file or in a postgresql:// database. Name one of them."
        )
    return StoreFile(Path(location))


def _open(connection: Connection, turn: NewTurn, history: HistorySlice | None) -> Opened:
    end = thread_end(connection, turn, history)
    check_limits(connection, turn, end.thread)
    if history is None or not is_up_to_date(history, end):
        history = slice_history(connection, turn, end)
    notebook = end.notebook if end.notebook is not None else _make_notebook(connection, turn.notebook)
    thread = end.thread
    if thread is None and turn.thread is not None:
        thread = make_thread(connection, notebook, turn.thread, is_first=not end.has_threads)
    now = datetime.now(UTC)
    row = row_of(turn) | {
        "notebook": notebook,
        "thread": thread,
        "prompt": keep_path(connection, history, turn.prompt),
        "started_utc": now,
        "seen_utc": now,
        "owner": this_process(),
        "history_turns": len(history.context),
        "previous": history.previous,
        "displaced": history.displaced,
    }
    id = int(connection.execute(_new_turn(), row).inserted_primary_key[0])  # type: ignore[index]  # one row has one key
    if thread is not None:
        move_tip(connection, thread, id)
    return Opened(id, thread, history)


def _finish(connection: Connection, turn: Row[Any], progress: Progress, ending: State, error: str | None) -> None:
    answer = progress.message
    ended = columns_of(progress) | {
        "of_turn": turn.id,
        "answer": keep_message(connection, turn.prompt, answer) if answer else None,
        "state": ending,
        "error": error,
        "ended_utc": datetime.now(UTC),
        "partial_text": None,
        "partial_reasoning": None,
        "partial_parts": None,
        "answer_bytes": len(progress.text.encode("utf-8", "surrogatepass")),
        "estimated_pico_usd": progress.estimated_pico_usd,
    }
    if ending == "interrupted" and turn.generation_id is None:
        ended["reserved_pico_usd"] = None  # nobody can tell what it cost
    connection.execute(_turn_columns(), ended)
    delete_unneeded(connection, turn.answer)  # of an interruption that was none
    settle_thread(connection, turn, is_complete=ending == "complete")


@functools.cache
def _new_turn() -> Insert:
    return insert(turns)


@functools.cache
def _turn_columns() -> Update:
    """Sets those columns of a turn that it is given values for."""
    return update(turns).where(turns.c.id == bindparam("of_turn"))


@functools.cache
def _open_turn_columns() -> Update:
    """Sets those columns of a turn that it is given values for, if the turn is open."""
    return update(turns).where(turns.c.id == bindparam("of_turn"), turns.c.state == "open")


@functools.cache
def _turn_to_finish() -> Select[Any]:
    names = ("id", "state", "prompt", "answer", "thread", "displaced", "generation_id", "budget_scope", "service")
    return select(*(turns.c[name] for name in names)).where(turns.c.id == bindparam("of_turn"))


@functools.cache
def _partial() -> Select[Any]:
    return select(turns).where(turns.c.id == bindparam("of_turn"))


def _was_said() -> ColumnElement[bool]:
    """Whether a turn's question is known: of an answer that was imported from a file it is not."""
    return turns.c.run.is_distinct_from(IMPORTED) | turns.c.thread.is_not(None)


def _all_turns() -> Select[Any]:
    query = select(turns, notebooks.c.identity, threads.c.name.label("thread_name"))
    return query.join(notebooks, turns.c.notebook == notebooks.c.id).outerjoin(threads, turns.c.thread == threads.c.id)


def spent_in(connection: Connection, budget_scope: str, service: str) -> SpentTotal:
    """What was paid out of a budget scope at a service, within a transaction of the caller."""
    row = connection.execute(_sum_of_scope(), {"of_scope": budget_scope, "of_service": service}).one()
    return SpentTotal(int(row.cost or 0), row.turns, row.unknown)


@functools.cache
def _sum_of_scope() -> Select[Any, int, int]:
    """Sums the turns of a budget scope. The index turns_of_purse holds all the columns that it reads."""
    cost = turns.c.cost_pico_usd
    is_unknown = cost.is_(None) & (turns.c.state != "open")
    sums = func.sum(cost).label("cost"), func.count().label("turns"), func.count(case((is_unknown, 1))).label("unknown")
    of_scope = (turns.c.budget_scope == bindparam("of_scope")) & (turns.c.service == bindparam("of_service"))
    return select(*sums).where(of_scope)


def notebook_id(connection: Connection, identity: str) -> int | None:
    """The id of a notebook; None where it is not known."""
    return connection.scalar(select(notebooks.c.id).where(notebooks.c.identity == identity))


def made_notebook(connection: Connection, identity: str) -> int:
    """The id of a notebook, which is written down where it is not known."""
    known = notebook_id(connection, identity)
    return known if known is not None else _make_notebook(connection, identity)


def _make_notebook(connection: Connection, identity: str) -> int:
    row = {"identity": identity, "created_utc": datetime.now(UTC)}
    written = connection.execute(insert(notebooks).values(row))
    return int(written.inserted_primary_key[0])  # type: ignore[index]  # one row has one key


def limits_of(connection: Connection, budget_scope: str, service: str, thread_id: int | None) -> tuple[Limit, ...]:
    """The budgets that are set for a budget scope, a service and a thread, within a transaction of the caller."""
    rows = connection.execute(_budgets_of(), {"of_scope": budget_scope, "of_service": service})
    amounts = {row.scope: row.limit_pico_usd for row in rows}
    if not amounts:
        return ()
    scopes: dict[str, Scope] = {"notebook": "notebook", "day": "day", f"thread:{thread_id}": "thread"}
    return tuple(Limit(scope, amounts[name]) for name, scope in scopes.items() if name in amounts)


@functools.cache
def _budgets_of() -> Select[Any]:
    of_scope = (budgets.c.budget_scope == bindparam("of_scope")) & (budgets.c.service == bindparam("of_service"))
    return select(budgets.c.scope, budgets.c.limit_pico_usd).where(of_scope)


def check_limits(connection: Connection, turn: NewTurn, thread_id: int | None) -> None:
    """Makes sure that `turn` passes none of its limits, whatever it costs at most.

    Raises:
        BudgetError: it would.
    """
    if turn.worst_pico_usd is None:
        return
    for state in budget_states(connection, turn.limits, turn.budget_scope, turn.service, thread_id):
        if turn.worst_pico_usd > state.rest:
            raise over_budget(state, turn.worst_pico_usd)


def over_budget(state: BudgetState, worst_pico_usd: int) -> BudgetError:
    """The error that says why a question is not sent: it may cost so much, and the budget has less left."""
    held = f" and {format_usd(state.reserved)} held back by answers under way" if state.reserved else ""
    error = BudgetError(
        f"This may cost up to {format_usd(worst_pico_usd)}, and {_named(state.limit)} has "
        f"{format_usd(max(state.rest, 0))} left: {format_usd(state.spent)} spent{held}. Nothing was sent. Ways on: a "
        "smaller --max-tokens, a shorter prompt, a cheaper model, --over-budget, or %openrouter budget AMOUNT."
    )
    error.may_be_free_later = worst_pico_usd <= state.rest + state.reserved
    return error


def budget_states(
    connection: Connection,
    limits: Iterable[Limit],
    budget_scope: str,
    service: str,
    thread_id: int | None,
    *,
    spent: SpentTotal | None = None,
) -> tuple[BudgetState, ...]:
    """How limits stand for a budget scope, a service and a thread, within a transaction of the caller.

    Args:
        spent: what `spent_in` has told of the budget scope in this transaction, so that it is not summed again.
    """
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    values = {"of_service": service, "of_scope": budget_scope, "of_thread": thread_id, "midnight": midnight}
    states = []
    for limit in limits:
        if limit.scope == "cell":
            states.append(BudgetState(limit, 0, 0))
            continue
        if limit.scope == "notebook" and spent is not None:
            cost: int | None = spent.pico_usd
        else:
            cost = connection.scalar(_costs_within(limit.scope), values)
        row = connection.execute(_unknown_costs_within(limit.scope), values).one()
        states.append(BudgetState(limit, int(cost or 0) + int(row.estimated or 0), int(row.reserved or 0)))
    return tuple(states)


@functools.cache
def _costs_within(scope: Scope) -> Select[Any]:
    """The sum of the costs that are known; an index holds them."""
    is_known = turns.c.cost_pico_usd.is_not(None)
    of_limit = (turns.c.service == bindparam("of_service")) & _is_within(scope)
    return select(func.sum(turns.c.cost_pico_usd)).where(of_limit, is_known)


@functools.cache
def _unknown_costs_within(scope: Scope) -> Select[Any]:
    """Of the turns whose cost is not known, what is reserved, else estimated. An index holds just these few turns."""
    held, guessed = turns.c.reserved_pico_usd, turns.c.estimated_pico_usd
    sums = func.sum(held).label("reserved"), func.sum(case((held.is_(None), guessed))).label("estimated")
    of_limit = (turns.c.service == bindparam("of_service")) & _is_within(scope)
    return select(*sums).where(of_limit, turns.c.cost_pico_usd.is_(None))


def _is_within(scope: Scope) -> ColumnElement[bool]:
    since_midnight = turns.c.started_utc >= bindparam("midnight")
    of_budget_scope = turns.c.budget_scope == bindparam("of_scope")
    match scope:
        case "notebook":
            return of_budget_scope
        case "day":
            return of_budget_scope & since_midnight
        case "thread":
            return turns.c.thread == bindparam("of_thread")
        case _:
            return since_midnight


def _named(limit: Limit) -> str:
    if limit.scope == "cell":
        return f"--max-cost {format_usd(limit.pico_usd).lstrip('$')}"
    names = {"notebook": "this notebook's", "day": "today's", "thread": "this thread's", "all": "all notebooks' daily"}
    return f"{names[limit.scope]} budget of {format_usd(limit.pico_usd)}"


def this_process() -> str:
    """The name of this process in the turns that it writes: machine, process id, start. A fork has its own."""
    return _owner(os.getpid())


def is_gone(owner: str | None, seen_utc: datetime | None) -> bool:
    """Whether the process that wrote last at `seen_utc` has ended."""
    host, id, started = ((owner or "") + "//").split("/")[:3]
    if host != _host():
        return seen_utc is None or seen_utc < datetime.now(UTC) - timedelta(seconds=SILENT_S)
    try:
        process = psutil.Process(int(id))
        is_another = abs(process.create_time() - float(started)) > _SAME_S
        return is_another or process.status() == psutil.STATUS_ZOMBIE
    except psutil.AccessDenied:
        return False
    except (psutil.Error, ValueError):
        return True


@functools.lru_cache(maxsize=8)
def _owner(process_id: int) -> str:
    return f"{_host()}/{process_id}/{psutil.Process(process_id).create_time():.2f}"


def _host() -> str:
    return socket.gethostname().replace("/", "-")
