"""The ledger: what notebooks asked, were answered and paid.

A turn is written down before it is sent, while it arrives (checkpoints), and once at its end; each is one short
transaction.

A question reserves what it may cost at most in the transaction that writes it down. So the questions of many cells and
many processes cannot pass a budget together. What is reserved counts until the cost is known; then the cost counts.
"""

from __future__ import annotations

import functools
import os
import socket
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, overload

import psutil

from or_magic.errors import BudgetError, StoreError
from or_magic.ledger.databases import NO_PARAMETERS, Row, Store, StoreFile, Transaction, insertion
from or_magic.ledger.history import (
    ThreadEnd,
    is_up_to_date,
    keep_path,
    make_thread,
    settle_thread,
    slice_history,
    thread_end,
)
from or_magic.ledger.messages import delete_unneeded, keep_message, messages_of
from or_magic.ledger.records import (
    CHAT,
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
from or_magic.ledger.schema import SCHEMA_NUMBER
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
            _bring_up_to_date(store)
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
        with self.store.reading() as transaction:
            end = thread_end(transaction, turn)
            limits = limits_of(transaction, turn.budget_scope, turn.service, end.thread)
            return Outlook(slice_history(transaction, turn, end), limits)

    def open_turn(self, turn: NewTurn, history: HistorySlice | None = None) -> Opened:
        """Writes down a question that is about to be sent; from now on the thread ends with it. One transaction.

        Args:
            history: what `outlook` has told. It is taken as it is, and is the `Opened.history_slice`, if the thread
                still ends where it did then; else the ledger is read anew, as without it.

        Raises:
            BudgetError: one of ``turn.limits`` would be passed if it cost ``turn.worst_pico_usd``.
            StoreError: it cannot be written. Send nothing then.
        """
        with self.store.writing() as transaction:
            end = thread_end(transaction, turn, history)
            check_limits(transaction, turn, end.thread)
            if history is None or not is_up_to_date(history, end):
                history = slice_history(transaction, turn, end)
            return _open(transaction, turn, history, end)

    def checkpoint(self, turn_id: TurnId, progress: Progress) -> None:
        """Writes down what has arrived so far, in place of the last checkpoint. One transaction.

        On a finished turn this does nothing.

        Raises:
            StoreError: it cannot be written, or there is no such turn.
        """
        with self.store.writing() as transaction:
            if self._unfinished(transaction, turn_id) is None:
                return
            seen = {"seen_utc": datetime.now(UTC)}
            transaction.update("turns", turn_id, columns_of(progress) | partial_columns(progress) | seen)

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
        with self.store.writing() as transaction:
            turn = self._row(transaction, turn_id)
            if turn.state in ("open", "interrupted"):
                _finish(transaction, turn, progress, ending, error)
            if limits is None:
                return None
            spent = spent_in(transaction, turn.budget_scope, turn.service)
            states = budget_states(transaction, limits, turn.budget_scope, turn.service, turn.thread, spent=spent)
            return Settled(spent, states)

    def mark_interrupted(self) -> int:
        """Ends the turns whose process has died, with what their last checkpoint had; how many there were.

        Raises:
            StoreError: it cannot be read or written.
        """
        # The last first, so that each gives back the tip that it took.
        query = "SELECT id, owner, seen_utc FROM turns WHERE state = 'open' ORDER BY id DESC"
        with self.store.reading() as transaction:
            dead = [row.id for row in transaction.rows(query) if is_gone(row.owner, row.seen_utc)]
        marked = 0
        for turn_id in dead:
            with self.store.writing() as transaction:
                turn = self._unfinished(transaction, turn_id)
                if turn is not None:
                    arrived = partial_progress(turn)
                    _finish(transaction, turn, arrived, "interrupted", "its process was killed")
                    marked += 1
        return marked

    def turn(self, turn_id: TurnId) -> Turn:
        """The turn with this id.

        Raises:
            StoreError: there is none, or the ledger cannot be read.
        """
        found = self._turns("WHERE turns.id = :id", {"id": turn_id})
        if not found:
            raise self._no_turn(turn_id)
        return found[0]

    def turns(self, notebook: str | None = None) -> list[Turn]:
        """The turns of a notebook (None: of all), in the order in which they were opened.

        Empty for a notebook that is not known.

        Raises:
            StoreError: the ledger cannot be read.
        """
        where = "" if notebook is None else "WHERE notebooks.identity = :notebook"
        return self._turns(f"{where} ORDER BY turns.id", {"notebook": notebook})

    def turns_of(self, ids: Sequence[TurnId]) -> list[Turn]:
        """The turns with these ids, in this order; one that is not there is left out.

        Raises:
            StoreError: the ledger cannot be read.
        """
        with self.store.reading() as transaction:
            rows = transaction.rows_in(f"{_TURNS} WHERE turns.id IN :values", ids)
            messages = messages_of(transaction, rows)
        found = {row.id: turn_of(row, messages) for row in rows}
        return [found[id] for id in ids if id in found]

    def find(self, notebook: str | None, words: str = "", *, limit: int) -> list[Turn]:
        """The newest turns of a notebook (None: of all) whose prompt or answer has these words, the oldest first.

        Capital and small letters are alike, as far as the database knows them.

        Raises:
            StoreError: the ledger cannot be read.
        """
        where = f"WHERE {_WAS_SAID}" + ("" if notebook is None else " AND notebooks.identity = :notebook")
        if words:
            where += f" AND EXISTS ({_SAYS})"
        pattern = "".join(f"/{letter}" if letter in "/%_" else letter for letter in words)
        params = {"notebook": notebook, "pattern": f"%{pattern}%", "limit": limit}
        return self._turns(f"{where} ORDER BY turns.id DESC LIMIT :limit", params)[::-1]

    def finish_imported(self, turn_id: TurnId, replies: Sequence[Message]) -> None:
        """Writes down the replies to an imported prompt, at no cost; without replies the turn counts as stopped.

        Raises:
            StoreError: it cannot be written, or there is no such turn.
        """
        with self.store.writing() as transaction:
            turn = self._unfinished(transaction, turn_id)
            if turn is None:
                return
            at = turn.prompt
            for reply in replies:
                at = keep_message(transaction, at, reply)
            ended: dict[str, Any] = {"state": "complete" if replies else "stopped", "ended_utc": datetime.now(UTC)}
            if replies:
                ended |= {"answer": at, "cost_source": "reported", "cost_pico_usd": 0}
            transaction.update("turns", turn_id, ended)

    def last_turn(self, notebook: str) -> Turn | None:
        """The turn of a notebook that was opened last; None where there is none.

        Raises:
            StoreError: the ledger cannot be read.
        """
        newest = f"WHERE notebooks.identity = :notebook AND {_WAS_SAID} ORDER BY turns.id DESC LIMIT 1"
        return next(iter(self._turns(newest, {"notebook": notebook})), None)

    def spent(self, budget_scope: str, service: str) -> SpentTotal:
        """What was paid out of this budget scope at this service; all zero where it was never used.

        The cost in a checkpoint counts as well: a turn whose process was killed was paid for all the same.

        Raises:
            StoreError: the ledger cannot be read.
        """
        with self.store.reading() as transaction:
            return spent_in(transaction, budget_scope, service)

    def close(self) -> None:
        """Closes the connections to the database. A checkpoint that comes late opens one of its own."""
        self.store.close()

    def _unfinished(self, transaction: Transaction, turn_id: TurnId) -> Row | None:
        row = self._row(transaction, turn_id)
        return row if row.state == "open" else None

    def _row(self, transaction: Transaction, turn_id: TurnId) -> Row:
        row = transaction.row(_UNFINISHED_TURN, {"id": turn_id})
        if row is None:
            raise self._no_turn(turn_id)
        return row

    def _turns(self, which: str, params: Mapping[str, Any] = NO_PARAMETERS) -> list[Turn]:
        with self.store.reading() as transaction:
            rows = transaction.rows(f"{_TURNS} {which}", params)
            messages = messages_of(transaction, rows)
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
        row = {"purse": budget_scope, "service": service, "scope": scope, "limit_pico_usd": limit_pico_usd}
        with self._store.writing() as transaction:
            transaction.run("DELETE FROM budgets WHERE purse = :purse AND service = :service AND scope = :scope", row)
            if limit_pico_usd is not None:
                transaction.run(insertion("budgets", tuple(row)), row)

    def limits(self, budget_scope: str, service: str, thread_id: int | None) -> tuple[Limit, ...]:
        """The budgets that a question of this budget scope on this thread is under.

        Raises:
            StoreError: it cannot be read.
        """
        with self._store.reading() as transaction:
            return limits_of(transaction, budget_scope, service, thread_id)

    def states(
        self, budget_scope: str, service: str, thread_id: int | None, limits: tuple[Limit, ...]
    ) -> tuple[BudgetState, ...]:
        """How these limits stand now.

        Raises:
            StoreError: it cannot be read.
        """
        with self._store.reading() as transaction:
            return budget_states(transaction, limits, budget_scope, service, thread_id)


_SERVER_SCHEMES = ("postgresql", "postgres", "postgresql+psycopg")


def _store_at(location: str | Path | None) -> Store:
    if location is None:
        import platformdirs

        return StoreFile(platformdirs.user_data_path("or_magic", appauthor=False) / "ledger.sqlite")
    scheme, is_address, _ = str(location).partition("://")
    if is_address and scheme in _SERVER_SCHEMES:
        from or_magic.ledger.postgres import StoreServer

        return StoreServer(str(location))
    if is_address or str(location) == ":memory:":
        # The address itself is not shown: it may hold a password.
        what = f"a {scheme} address" if is_address else "a database in memory"
        raise StoreError(
            f"OR_MAGIC_STORE names {what}; a ledger is kept in a file or in a postgresql:// database. Name one of them."
        )
    return StoreFile(Path(location))


def _bring_up_to_date(store: Store) -> None:
    with store.reading() as transaction:
        is_ledger = {"migrations", "turns"} <= transaction.table_names()
        number = transaction.value("SELECT max(number) AS number FROM migrations") if is_ledger else 0
    if number != SCHEMA_NUMBER:
        from or_magic.ledger.migrations import migrate

        migrate(store)


def _open(transaction: Transaction, turn: NewTurn, history: HistorySlice, end: ThreadEnd) -> Opened:
    notebook = end.notebook if end.notebook is not None else made_notebook(transaction, turn.notebook)
    thread = end.thread
    if thread is None and turn.thread is not None:
        thread = make_thread(transaction, notebook, turn.thread, is_first=not end.has_threads)
    now = datetime.now(UTC)
    row = row_of(turn) | {
        "notebook": notebook,
        "thread": thread,
        "prompt": keep_path(transaction, history, turn.prompt),
        "history_turns": len(history.context),
        "previous": history.previous,
        "displaced": history.displaced,
        "started_utc": now,
        "seen_utc": now,
        "owner": this_process(),
    }
    id = transaction.insert("turns", row)
    if thread is not None:
        transaction.update("threads", thread, {"tip": id})
    return Opened(id, thread, history)


def _finish(transaction: Transaction, turn: Row, progress: Progress, ending: State, error: str | None) -> None:
    answer = progress.message
    ended = {
        "answer": keep_message(transaction, turn.prompt, answer) if answer else None,
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
    transaction.update("turns", turn.id, columns_of(progress) | ended)
    delete_unneeded(transaction, turn.answer)  # of an interruption that was none
    settle_thread(transaction, turn, is_complete=ending == "complete")


# Whether a turn's question is known: of an answer that was imported from a file it is not.
_WAS_SAID = (
    f"(turns.run IS NULL OR turns.run <> '{IMPORTED}' OR turns.thread IS NOT NULL)"
    f" AND (turns.kind IS NULL OR turns.kind = '{CHAT}')"
)
_SAYS = """
SELECT 1 FROM parts
WHERE parts.message IN (turns.prompt, turns.answer) AND parts.kind = 'text'
    AND lower(parts.content) LIKE lower(:pattern) ESCAPE '/'"""
_TURNS = """
SELECT turns.*, turns.purse AS budget_scope, notebooks.identity, threads.name AS thread_name
FROM turns JOIN notebooks ON turns.notebook = notebooks.id LEFT JOIN threads ON turns.thread = threads.id"""
_UNFINISHED_TURN = """
SELECT id, state, prompt, answer, thread, displaced, purse AS budget_scope, service, generation_id,
    partial_text, partial_reasoning, partial_parts, attempts, may_be_billed_twice
FROM turns WHERE id = :id"""


def spent_in(transaction: Transaction, budget_scope: str, service: str) -> SpentTotal:
    """What `Ledger.spent` tells, inside a transaction of the caller. An index holds all that it reads."""
    sums = transaction.rows(_SPENT, {"budget_scope": budget_scope, "service": service})[0]
    return SpentTotal(int(sums.pico_usd or 0), sums.turns, sums.unknown)


_SPENT = """
SELECT sum(cost_pico_usd) AS pico_usd, count(*) AS turns,
    count(CASE WHEN cost_pico_usd IS NULL AND state <> 'open' THEN 1 END) AS unknown
FROM turns WHERE purse = :budget_scope AND service = :service"""


def notebook_id(transaction: Transaction, identity: str) -> int | None:
    """The id of a notebook; None where it is not known."""
    id: int | None = transaction.value("SELECT id FROM notebooks WHERE identity = :identity", {"identity": identity})
    return id


def made_notebook(transaction: Transaction, identity: str) -> int:
    """The id of a notebook, which is written down where it is not known."""
    known = notebook_id(transaction, identity)
    if known is not None:
        return known
    return transaction.insert("notebooks", {"identity": identity, "created_utc": datetime.now(UTC)})


def limits_of(transaction: Transaction, budget_scope: str, service: str, thread_id: int | None) -> tuple[Limit, ...]:
    """The budgets that are set for a budget scope, a service and a thread, within a transaction of the caller."""
    query = "SELECT scope, limit_pico_usd FROM budgets WHERE purse = :budget_scope AND service = :service"
    rows = transaction.rows(query, {"budget_scope": budget_scope, "service": service})
    amounts = {row.scope: row.limit_pico_usd for row in rows}
    scopes: dict[str, Scope] = {"notebook": "notebook", "day": "day", f"thread:{thread_id}": "thread"}
    return tuple(Limit(scope, amounts[name]) for name, scope in scopes.items() if name in amounts)


def check_limits(transaction: Transaction, turn: NewTurn, thread_id: int | None) -> None:
    """Makes sure that `turn` passes none of its limits, whatever it costs at most.

    Raises:
        BudgetError: it would.
    """
    if turn.worst_pico_usd is None:
        return
    for state in budget_states(transaction, turn.limits, turn.budget_scope, turn.service, thread_id):
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
    transaction: Transaction,
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
    params = {"service": service, "budget_scope": budget_scope, "thread": thread_id, "midnight": midnight}
    states = []
    for limit in limits:
        if limit.scope == "cell":
            states.append(BudgetState(limit, 0, 0))
            continue
        where = f"FROM turns WHERE service = :service AND {_IN_SCOPE[limit.scope]} AND cost_pico_usd"
        if limit.scope == "notebook" and spent is not None:
            cost: Any = spent.pico_usd
        else:
            cost = transaction.value(f"SELECT sum(cost_pico_usd) AS cost {where} IS NOT NULL", params)
        unknown = transaction.rows(f"SELECT {_UNKNOWN_SUMS} {where} IS NULL", params)[0]
        states.append(BudgetState(limit, int(cost or 0) + int(unknown.estimated or 0), int(unknown.reserved or 0)))
    return tuple(states)


_IN_SCOPE: Mapping[Scope, str] = {
    "notebook": "purse = :budget_scope",
    "day": "purse = :budget_scope AND started_utc >= :midnight",
    "thread": "thread = :thread",
    "all": "started_utc >= :midnight",
}
_UNKNOWN_SUMS = (
    "sum(reserved_pico_usd) AS reserved, "
    "sum(CASE WHEN reserved_pico_usd IS NULL THEN estimated_pico_usd END) AS estimated"
)


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
