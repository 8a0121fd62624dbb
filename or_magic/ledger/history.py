"""Where a question stands in its conversation, and what is sent along with it. Works inside a caller's transaction.

A thread names the last turn of a path, and each turn names the one before it. A turn takes its place when it is asked,
so that answers which arrive at the same time stand in the order of their questions. What is sent along are the turns of
the path that have ended well by then: one that still arrives, was stopped or failed keeps its place and is passed over.

A cell that is run again asks in the place of the turn that it made before: the new turn becomes its sibling, and what
came after is no longer on the path. If it does not end well, the thread gets back the tip that it had.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from or_magic.ledger.databases import Row, Transaction
from or_magic.ledger.messages import KeptMessage, keep_message, messages_of
from or_magic.ledger.records import Exchange, HistorySlice, NewTurn, TurnId
from or_magic.types import Message

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


def slice_history(transaction: Transaction, notebook: int | None, turn: NewTurn) -> HistorySlice:
    """Where `turn` would stand if it were asked now. Changes nothing."""
    if turn.thread is None or notebook is None:
        return HistorySlice()
    thread = transaction.row(f"{THREADS} AND threads.name = :name", {"notebook": notebook, "name": turn.thread})
    if thread is None:
        return HistorySlice()
    path = path_rows(transaction, thread.tip)
    own = _own(path, turn)
    kept = path if own is None else path[:own]
    after = [] if own is None else path[own + 1 :]
    later = sum(row.state == "complete" and row.cell_id != turn.cell_id for row in after)
    sent = [row for row in kept if row.state == "complete" and (turn.history != "run" or row.run == turn.run)]
    context = () if turn.history == "none" else _exchanges(transaction, sent)
    return HistorySlice(context, later, thread.id, kept[-1].id if kept else None, thread.tip)


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


def open_thread(transaction: Transaction, notebook: int, name: str) -> int:
    """The id of the thread of that name, made where there is none. A notebook's first becomes its current one."""
    of_name = {"notebook": notebook, "name": name}
    known = transaction.value("SELECT id FROM threads WHERE notebook = :notebook AND name = :name", of_name)
    if known is not None:
        return int(known)
    id = transaction.insert("threads", {**of_name, "created_utc": datetime.now(UTC)})
    is_first = "id = :notebook AND thread IS NULL"
    transaction.run(f"UPDATE notebooks SET thread = :thread WHERE {is_first}", {"thread": id, "notebook": notebook})
    return id


def settle(transaction: Transaction, turn: Row, *, is_complete: bool) -> None:
    """A turn has ended: well, so nothing can be redone; or not, so the thread gets back the tip that it took."""
    if turn.thread is None:
        return
    if is_complete:
        transaction.update("threads", turn.thread, {"undone": None})
    else:
        displaced = {"thread": turn.thread, "turn": turn.id, "tip": turn.displaced}
        transaction.run("UPDATE threads SET tip = :tip WHERE id = :thread AND tip = :turn", displaced)


def _own(path: list[Row], turn: NewTurn) -> int | None:
    """The position on the path of the turn that it replaces: named, or made by the same question of the same cell."""
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
