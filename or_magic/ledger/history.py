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
from typing import Any

from sqlalchemy import Connection, Row, Select, insert, select, update

from or_magic.ledger.messages import KeptMessage, keep_message, messages_of
from or_magic.ledger.records import Exchange, HistorySlice, NewTurn, TurnId
from or_magic.ledger.schema import notebooks, threads, turns
from or_magic.types import Message

_LIGHT = (
    *("id", "previous", "cell_id", "ask_number", "state", "prompt", "answer", "run", "service", "model_asked"),
    *("prompt_tokens", "completion_tokens", "started_utc"),
)


def path_rows(connection: Connection, tip: TurnId | None) -> list[Row[Any]]:
    """The turns of the path that ends at `tip`, the oldest first: the columns that tell what each is."""
    if tip is None:
        return []
    columns = [turns.c[name] for name in _LIGHT]
    path = select(*columns).where(turns.c.id == tip).cte("path", recursive=True)
    path = path.union_all(select(*columns).where(turns.c.id == path.c.previous))
    return list(connection.execute(select(path).order_by(path.c.id)))


def thread_query(notebook: int) -> Select[Any]:
    """The threads of a notebook, with whether each is the current one."""
    is_current = (notebooks.c.thread == threads.c.id).label("is_current")
    query = select(threads, is_current).join(notebooks, threads.c.notebook == notebooks.c.id)
    return query.where(threads.c.notebook == notebook)


def slice_history(connection: Connection, notebook: int | None, turn: NewTurn) -> HistorySlice:
    """Where `turn` would stand if it were asked now. Changes nothing."""
    if turn.thread is None or notebook is None:
        return HistorySlice()
    thread = connection.execute(thread_query(notebook).where(threads.c.name == turn.thread)).one_or_none()
    if thread is None:
        return HistorySlice()
    path = path_rows(connection, thread.tip)
    own = _own(path, turn)
    kept = path if own is None else path[:own]
    after = [] if own is None else path[own + 1 :]
    later = sum(row.state == "complete" and row.cell_id != turn.cell_id for row in after)
    sent = [row for row in kept if row.state == "complete" and (turn.history != "run" or row.run == turn.run)]
    context = () if turn.history == "none" else _exchanges(connection, sent)
    return HistorySlice(context, later, thread.id, kept[-1].id if kept else None, thread.tip)


def keep_path(connection: Connection, history_slice: HistorySlice, prompt: Message) -> str:
    """Stores the prompt after the messages that are sent along with it; its address.

    They are there already where the last of them was asked with just the others before it, as is the rule.
    """
    parent: str | None = None
    for exchange in history_slice.context:
        if exchange.parent == parent:
            parent = exchange.address
            continue
        for message in exchange.messages:
            parent = keep_message(connection, parent, message)
    return keep_message(connection, parent, prompt)


def open_thread(connection: Connection, notebook: int, name: str) -> int:
    """The id of the thread of that name, made where there is none. A notebook's first becomes its current one."""
    known = select(threads.c.id).where(threads.c.notebook == notebook, threads.c.name == name)
    if (found := connection.scalar(known)) is not None:
        return int(found)
    row = {"notebook": notebook, "name": name, "created_utc": datetime.now(UTC)}
    id = connection.execute(insert(threads).values(row)).inserted_primary_key[0]  # type: ignore[index]  # one row
    is_first = (notebooks.c.id == notebook) & notebooks.c.thread.is_(None)
    connection.execute(update(notebooks).where(is_first).values(thread=id))
    return int(id)


def settle(connection: Connection, turn: Row[Any], *, is_complete: bool) -> None:
    """A turn has ended: well, so nothing can be redone; or not, so the thread gets back the tip that it took."""
    if turn.thread is None:
        return
    of_turn = threads.c.id == turn.thread
    if is_complete:
        connection.execute(update(threads).where(of_turn).values(undone=None))
    else:
        connection.execute(update(threads).where(of_turn, threads.c.tip == turn.id).values(tip=turn.displaced))


def _own(path: list[Row[Any]], turn: NewTurn) -> int | None:
    """The position on the path of the turn that it replaces: named, or made by the same question of the same cell."""
    if turn.replaces is not None:
        return next((i for i, row in enumerate(path) if row.id == turn.replaces), None)
    if turn.cell_id is None:
        return None
    made = (i for i, row in enumerate(path) if (row.cell_id, row.ask_number) == (turn.cell_id, turn.ask_number))
    return max(made, default=None)


def _exchanges(connection: Connection, rows: list[Row[Any]]) -> tuple[Exchange, ...]:
    kept = messages_of(connection, rows)
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


def _messages(row: Row[Any], kept: Mapping[str, KeptMessage]) -> tuple[Message, ...]:
    """The messages of a turn in order: its prompt, what passed between, its answer."""
    found: list[Message] = []
    at: str | None = row.answer
    while at is not None and at != row.prompt:
        found.append(kept[at].message)
        at = kept[at].parent
    return (kept[row.prompt].message, *reversed(found))
