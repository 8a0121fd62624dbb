"""Whether a limit lets a question pass: what was spent, and what questions under way hold back.

A question reserves what it may cost at most, in the transaction that writes it down. So questions of many cells and
many processes cannot pass a limit together. What is reserved counts until the cost is known; then the cost counts.
"""

from __future__ import annotations

import functools
import os
import socket
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, overload

import platformdirs
import psutil
from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    Table,
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
from or_magic.ledger.history import keep_path, open_thread, settle, slice_history
from or_magic.ledger.messages import keep_message, let_go, messages_of, portions
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
        found = standing(connection, limit, turn.budget_scope, turn.service, thread_id)
        if turn.worst_pico_usd > found.rest:
            raise refusal(found, turn.worst_pico_usd)


def refusal(found: BudgetState, worst_pico_usd: int) -> BudgetError:
    """The line that says why a question is not sent."""
    held = f" and {format_usd(found.reserved)} held back by answers under way" if found.reserved else ""
    error = BudgetError(
        f"This may cost up to {format_usd(worst_pico_usd)}, and {_named(found.limit)} has "
        f"{format_usd(max(found.rest, 0))} left: {format_usd(found.spent)} spent{held}. Nothing was sent. Ways on: a "
        "smaller --max-tokens, a shorter prompt, a cheaper model, --over-budget, or %openrouter budget AMOUNT."
    )
    error.may_be_free_later = worst_pico_usd <= found.rest + found.reserved
    return error


def standing(
    connection: Connection, limit: Limit, budget_scope: str, service: str, thread_id: int | None
) -> BudgetState:
    """How a limit stands. Inside a transaction of the caller."""
    if limit.scope == "cell":
        return BudgetState(limit, 0, 0)
    of_limit = turns.c.service == service
    of_limit &= _of_scope(limit.scope, budget_scope, thread_id)
    is_known = turns.c.cost_pico_usd.is_not(None)
    spent = connection.scalar(select(func.sum(turns.c.cost_pico_usd)).where(of_limit, is_known))
    held, guessed = turns.c.reserved_pico_usd, turns.c.estimated_pico_usd
    sums = func.sum(held), func.sum(case((held.is_(None), guessed)))
    reserved, estimated = connection.execute(select(*sums).where(of_limit, ~is_known)).one()
    return BudgetState(limit, int(spent or 0) + int(estimated or 0), int(reserved or 0))


def _of_scope(scope: Scope, budget_scope: str, thread_id: int | None) -> ColumnElement[bool]:
    since_midnight = turns.c.started_utc >= datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    match scope:
        case "notebook":
            return turns.c.budget_scope == budget_scope
        case "day":
            return (turns.c.budget_scope == budget_scope) & since_midnight
        case "thread":
            return turns.c.thread == thread_id
        case _:
            return since_midnight


def _named(limit: Limit) -> str:
    if limit.scope == "cell":
        return f"--max-cost {format_usd(limit.pico_usd).lstrip('$')}"
    names = {"notebook": "this notebook's", "day": "today's", "thread": "this thread's", "all": "all notebooks' daily"}
    return f"{names[limit.scope]} budget of {format_usd(limit.pico_usd)}"


SILENT_S = 900.0
_SAME_S = 5.0  # a start is told in seconds since the boot, whose moment moves when the clock is set


def this_process() -> str:
    """The owner that this process is; another one after a fork."""
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


class Ledger:
    """What notebooks asked, were answered and paid. Made by `Ledger.open`.

    Attributes:
        store: the transactions, for the other rooms of the ledger.
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
        """Where it is, for people."""
        return self.store.location

    def preview(self, turn: NewTurn) -> HistorySlice:
        """Where a question would stand, and what would be sent along, if it were asked now. Changes nothing.

        Raises:
            StoreError: the ledger cannot be read.
        """
        with self.store.reading() as connection:
            return slice_history(connection, notebook_id(connection, turn.notebook), turn)

    def outlook(self, turn: NewTurn) -> Outlook:
        """Where a question would stand if it were asked now, what would be sent along, and the budgets that are set.

        Changes nothing. One transaction.

        Raises:
            StoreError: the ledger cannot be read.
        """
        with self.store.reading() as connection:
            history = slice_history(connection, notebook_id(connection, turn.notebook), turn)
            return Outlook(history, kept_limits(connection, turn.budget_scope, turn.service, history.thread_id))

    def open_turn(self, turn: NewTurn, history: HistorySlice | None = None) -> Opened:
        """Writes down a question that is about to be sent; from now on the thread ends with it. One transaction.

        Args:
            history: what `outlook` has told. It is taken as it is, and is the `Opened.history_slice`, if the thread
                still ends where it did then; else the ledger is read anew, as without it.

        Raises:
            BudgetError: one of ``turn.limits`` would be passed if it cost ``turn.worst_pico_usd``.
            StoreError: it cannot be written. Send nothing then.
        """
        now = datetime.now(UTC)
        with self.store.writing() as connection:
            notebook = made_notebook(connection, turn.notebook)
            reserve(connection, turn, notebook)
            is_current = history is not None and _still_ends_there(connection, notebook, turn, history)
            history_slice = history if is_current and history else slice_history(connection, notebook, turn)
            row = row_of(turn) | {"notebook": notebook, "prompt": keep_path(connection, history_slice, turn.prompt)}
            row |= {"started_utc": now, "seen_utc": now, "owner": this_process()}
            row |= {
                "history_turns": len(history_slice.context),
                "previous": history_slice.previous,
                "displaced": history_slice.displaced,
            }
            if turn.thread is not None:
                row["thread"] = open_thread(connection, notebook, turn.thread)
            id = _insert(connection, turns, row)
            connection.execute(update(threads).where(threads.c.id == row.get("thread")).values(tip=id))
        return Opened(id, row.get("thread"), history_slice)

    def checkpoint(self, turn_id: TurnId, progress: Progress) -> None:
        """Writes down what has arrived so far, in place of the last checkpoint.

        On a finished turn this does nothing.

        Raises:
            StoreError: it cannot be written, or there is no such turn.
        """
        with self.store.writing() as connection:
            if self._unfinished(connection, turn_id) is None:
                return
            seen = {"seen_utc": datetime.now(UTC)}
            _update(connection, turn_id, columns_of(progress) | partial_columns(progress) | seen)

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
            states = (standing(connection, limit, turn.budget_scope, turn.service, turn.thread) for limit in limits)
            return Settled(spent, tuple(states))

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
                turn = self._unfinished(connection, turn_id)
                if turn is not None:
                    arrived = partial_progress(turn)
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
        """Writes down all that followed a prompt that was not asked here: complete, at no cost. None: it has no answer.

        Raises:
            StoreError: it cannot be written, or there is no such turn.
        """
        with self.store.writing() as connection:
            turn = self._unfinished(connection, turn_id)
            if turn is None:
                return
            at = turn.prompt
            for reply in replies:
                at = keep_message(connection, at, reply)
            ended = {"state": "complete" if replies else "stopped", "ended_utc": datetime.now(UTC)}
            if replies:
                ended |= {"answer": at, "cost_source": "reported"}
                connection.execute(update(turns).where(turns.c.id == turn_id).values(cost_pico_usd=0))
            _update(connection, turn_id, ended)

    def last_turn(self, notebook: str) -> Turn | None:
        """The turn of a notebook that was opened last; None where there is none.

        Raises:
            StoreError: the ledger cannot be read.
        """
        query = _all_turns().where(notebooks.c.identity == notebook, _was_said()).order_by(turns.c.id.desc()).limit(1)
        return next(iter(self._turns(query)), None)

    def spent(self, budget_scope: str, service: str) -> SpentTotal:
        """What was paid out of this budget scope at this service; nothing, for one that never was used.

        The cost in a checkpoint counts as well: a turn whose process was killed was paid for all the same.

        Raises:
            StoreError: the ledger cannot be read.
        """
        with self.store.reading() as connection:
            return spent_in(connection, budget_scope, service)

    def close(self) -> None:
        """Lets go of the file. A late checkpoint still finds its way in."""
        self.store.close()

    def _unfinished(self, connection: Connection, turn_id: TurnId) -> Row[Any] | None:
        row = self._row(connection, turn_id)
        return row if row.state == "open" else None

    def _row(self, connection: Connection, turn_id: TurnId) -> Row[Any]:
        row = connection.execute(select(turns).where(turns.c.id == turn_id)).one_or_none()
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


def _still_ends_there(connection: Connection, notebook: int, turn: NewTurn, history: HistorySlice) -> bool:
    """Whether a thread has not changed since this was read of it, and nothing of it was deleted."""
    if turn.thread is None:
        return history.thread_id is None
    query = select(threads.c.id, threads.c.tip).where(threads.c.notebook == notebook, threads.c.name == turn.thread)
    thread = connection.execute(query).one_or_none()
    if thread is None:
        return history == HistorySlice()
    if (thread.id, thread.tip) != (history.thread_id, history.displaced):
        return False
    named = {exchange.turn_id for exchange in history.context} | {history.previous} - {None}
    return len(named) == sum(
        connection.scalar(select(func.count()).where(turns.c.id.in_(some))) or 0 for some in portions(named)
    )


def _was_said() -> ColumnElement[bool]:
    """Not an answer from a file, which is there to be given again: its question is not known."""
    return turns.c.run.is_distinct_from(IMPORTED) | turns.c.thread.is_not(None)


def _all_turns() -> Select[Any]:
    query = select(turns, notebooks.c.identity, threads.c.name.label("thread_name"))
    return query.join(notebooks, turns.c.notebook == notebooks.c.id).outerjoin(threads, turns.c.thread == threads.c.id)


def _finish(connection: Connection, turn: Row[Any], progress: Progress, ending: State, error: str | None) -> None:
    answer = progress.message
    ended = {
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
    _update(connection, turn.id, columns_of(progress) | ended)
    if ending == "interrupted" and turn.generation_id is None:
        _update(connection, turn.id, {"reserved_pico_usd": None})  # nobody can tell what it cost
    let_go(connection, turn.answer)  # of an interruption that was none
    settle(connection, turn, is_complete=ending == "complete")


def spent_in(connection: Connection, budget_scope: str, service: str) -> SpentTotal:
    """The same as `Ledger.spent`, inside a transaction of the caller. An index holds all that it reads."""
    cost = turns.c.cost_pico_usd
    is_unknown = cost.is_(None) & (turns.c.state != "open")
    query = select(func.sum(cost), func.count(), func.count(case((is_unknown, 1)))).where(
        turns.c.budget_scope == budget_scope, turns.c.service == service
    )
    pico_usd, count, unknown = connection.execute(query).one()
    return SpentTotal(int(pico_usd or 0), count, unknown)


def notebook_id(connection: Connection, identity: str) -> int | None:
    """The id of a notebook; None where it is not known."""
    return connection.scalar(select(notebooks.c.id).where(notebooks.c.identity == identity))


def made_notebook(connection: Connection, identity: str) -> int:
    """The id of a notebook, which is written down where it is not known."""
    known = notebook_id(connection, identity)
    if known is not None:
        return known
    return _insert(connection, notebooks, {"identity": identity, "created_utc": datetime.now(UTC)})


def _insert(connection: Connection, table: Table, row: dict[str, Any]) -> int:
    written = connection.execute(insert(table).values(row))
    return int(written.inserted_primary_key[0])  # type: ignore[index]  # one row has one key


def _update(connection: Connection, turn_id: TurnId, columns: dict[str, Any]) -> None:
    connection.execute(update(turns).where(turns.c.id == turn_id).values(columns))


def kept_limits(connection: Connection, budget_scope: str, service: str, thread_id: int | None) -> tuple[Limit, ...]:
    """The budgets that a question of this budget scope on this thread is under. Inside a caller's transaction."""
    query = select(budgets).where(budgets.c.budget_scope == budget_scope, budgets.c.service == service)
    scopes: dict[str, Scope] = {"notebook": "notebook", "day": "day", f"thread:{thread_id}": "thread"}
    rows = {row.scope: row.limit_pico_usd for row in connection.execute(query)}
    return tuple(Limit(scope, rows[name]) for name, scope in scopes.items() if name in rows)


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
                row = {
                    "budget_scope": budget_scope,
                    "service": service,
                    "scope": scope,
                    "limit_pico_usd": limit_pico_usd,
                }
                connection.execute(insert(budgets).values(row))

    def limits(self, budget_scope: str, service: str, thread_id: int | None) -> tuple[Limit, ...]:
        """The budgets that a question of this budget scope on this thread is under.

        Raises:
            StoreError: it cannot be read.
        """
        with self._store.reading() as connection:
            return kept_limits(connection, budget_scope, service, thread_id)

    def standings(
        self, budget_scope: str, service: str, thread_id: int | None, limits: tuple[Limit, ...]
    ) -> tuple[BudgetState, ...]:
        """How these limits stand now.

        Raises:
            StoreError: it cannot be read.
        """
        with self._store.reading() as connection:
            return tuple(standing(connection, limit, budget_scope, service, thread_id) for limit in limits)
