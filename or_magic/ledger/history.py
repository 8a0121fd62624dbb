"""Where a question stands in its conversation, and which earlier turns are sent along, within a caller's transaction.

A thread names the last turn of a path, and each turn names the one before it. A turn takes its place when it is asked,
so that answers which arrive at the same time stand in the order of their questions. With a question the turns of the
path are sent along that have ended well by then: one that still arrives, was stopped or failed keeps its place and is
not sent.

A cell that is run again asks in the place of the turn that it made before: the new turn becomes its sibling, and what
came after is no longer on the path. If it does not end well, the thread gets back the tip that it had.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from or_magic.ledger.databases import Row, Transaction
from or_magic.ledger.messages import KeptMessage, keep_message, messages_of
from or_magic.ledger.records import Exchange, HistorySlice, NewTurn, TurnId
from or_magic.types import Message, Value

_COLUMNS = (
    *("id", "previous", "cell_id", "ask_number", "state", "prompt", "answer", "run", "service", "model_asked"),
    *("prompt_tokens", "completion_tokens", "started_utc"),
)
_PATH = f"""
WITH RECURSIVE path AS (
    SELECT {", ".join(_COLUMNS)} FROM turns WHERE id = :tip
    UNION ALL
    SELECT {", ".join(f"turns.{name}" for name in _COLUMNS)} FROM turns JOIN path ON turns.id = path.previous
)
SELECT * FROM path ORDER BY id"""
THREADS = """
SELECT threads.*, notebooks.thread = threads.id AS is_current
FROM threads JOIN notebooks ON threads.notebook = notebooks.id
WHERE threads.notebook = :notebook"""  # of a notebook, with whether each is the current one


def path_rows(transaction: Transaction, tip: TurnId | None) -> list[Row]:
    """The turns of the path that ends at `tip`, the oldest first: the columns that tell what each is."""
    return [] if tip is None else transaction.rows(_PATH, {"tip": tip})


class ThreadEnd(Value, frozen=True):
    """The end of the thread that a question goes on, as the ledger has it now.

    Attributes:
        notebook: its id; None where the notebook is not known yet.
        has_threads: whether the notebook has a current thread.
        thread: the id of the question's thread; None where it stands alone, or the thread is yet to be made.
        tip: the last turn of that thread.
        still_holds: whether what `thread_end` was given, a turn and a message, is there.
    """

    notebook: int | None = None
    has_threads: bool = False
    thread: int | None = None
    tip: TurnId | None = None
    still_holds: bool = True


_THREAD_END = """
SELECT notebooks.id AS notebook, notebooks.thread AS current_thread, threads.id AS thread, threads.tip,
    (SELECT id FROM turns WHERE id = :turn) AS turn, (SELECT hash FROM messages WHERE hash = :message) AS message
FROM notebooks LEFT JOIN threads ON threads.notebook = notebooks.id AND threads.name = :name
WHERE notebooks.identity = :notebook"""


def thread_end(transaction: Transaction, turn: NewTurn, history: HistorySlice | None = None) -> ThreadEnd:
    """Where the thread of a question ends now, and whether what was read of it earlier (`history`) is still there."""
    needed = history or HistorySlice()
    address = _stored_address(needed)
    named = {"notebook": turn.notebook, "name": turn.thread, "turn": needed.previous, "message": address}
    row = transaction.row(_THREAD_END, named)
    if row is None:
        return ThreadEnd()
    still_holds = (row.turn, row.message) == (needed.previous, address)
    return ThreadEnd(row.notebook, row.current_thread is not None, row.thread, row.tip, still_holds)


def slice_history(transaction: Transaction, turn: NewTurn, end: ThreadEnd) -> HistorySlice:
    """Where `turn` would stand if it were asked now, its thread ending at `end`. Changes nothing."""
    if end.thread is None:
        return HistorySlice()
    path = path_rows(transaction, end.tip)
    own = _own(path, turn)
    kept = path if own is None else path[:own]
    after = [] if own is None else path[own + 1 :]
    later = sum(row.state == "complete" and row.cell_id != turn.cell_id for row in after)
    sent = [row for row in kept if row.state == "complete" and (turn.history != "run" or row.run == turn.run)]
    context = () if turn.history == "none" else _exchanges(transaction, sent)
    return HistorySlice(context, later, end.thread, kept[-1].id if kept else None, end.tip)


def is_up_to_date(history: HistorySlice, end: ThreadEnd) -> bool:
    """Whether a thread still ends where it did when this was read of it, and nothing of it was deleted since."""
    return (history.thread_id, history.displaced) == (end.thread, end.tip) and end.still_holds


def keep_path(transaction: Transaction, history_slice: HistorySlice, prompt: Message) -> str:
    """Stores the prompt after the messages that are sent along with it; its address.

    They are there already where the last of them was asked with just the others before it, as is the rule.
    """
    parent: str | None = None
    for exchange in history_slice.context:
        if exchange.parent == parent:
            parent = exchange.address
            continue
        for message in exchange.messages:
            parent = keep_message(transaction, parent, message)
    return keep_message(transaction, parent, prompt)


def _stored_address(history_slice: HistorySlice) -> str | None:
    """The address of the last message that is sent along and stored in this order; None where none is."""
    parent: str | None = None
    for exchange in history_slice.context:
        if exchange.parent != parent:
            break
        parent = exchange.address
    return parent


def make_thread(transaction: Transaction, notebook: int, name: str, *, is_first: bool) -> int:
    """The id of a new thread. The first of a notebook becomes its current one."""
    id = transaction.insert("threads", {"notebook": notebook, "name": name, "created_utc": datetime.now(UTC)})
    if is_first:
        transaction.update("notebooks", notebook, {"thread": id})
    return id


def settle_thread(transaction: Transaction, turn: Row, *, is_complete: bool) -> None:
    """After a complete turn its thread has nothing to redo; after any other it gets back the tip that it had."""
    if turn.thread is None:
        return
    if is_complete:
        transaction.update("threads", turn.thread, {"undone": None})
    else:
        displaced = {"thread": turn.thread, "turn": turn.id, "tip": turn.displaced}
        transaction.run("UPDATE threads SET tip = :tip WHERE id = :thread AND tip = :turn", displaced)


def _own(path: list[Row], turn: NewTurn) -> int | None:
    """The position on the path of the turn that is replaced: the named one, or that of the same question of a cell."""
    if turn.replaces is not None:
        return next((i for i, row in enumerate(path) if row.id == turn.replaces), None)
    if turn.cell_id is None:
        return None
    made = (i for i, row in enumerate(path) if (row.cell_id, row.ask_number) == (turn.cell_id, turn.ask_number))
    return max(made, default=None)


def _exchanges(transaction: Transaction, rows: list[Row]) -> tuple[Exchange, ...]:
    kept = messages_of(transaction, rows)
    return tuple(
        Exchange(
            turn_id=row.id,
            messages=_messages(row, kept),
            parent=kept[row.prompt].parent,
            address=row.answer or row.prompt,
            service=row.service,
            model_asked=row.model_asked,
            prompt_tokens=row.prompt_tokens,
            completion_tokens=row.completion_tokens,
            run=row.run or "",
            started_utc=row.started_utc,
        )
        for row in rows
    )


def _messages(row: Row, kept: Mapping[str, KeptMessage]) -> tuple[Message, ...]:
    """The messages of a turn in order: its prompt, what passed between, its answer."""
    found: list[Message] = []
    at: str | None = row.answer
    while at is not None and at != row.prompt:
        found.append(kept[at].message)
        at = kept[at].parent
    return (kept[row.prompt].message, *reversed(found))
