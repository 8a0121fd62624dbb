"""Whether a ledger is sound: what it should hold is recomputed and compared. Changes nothing."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import get_args

from or_magic.ledger.databases import Row, Transaction
from or_magic.ledger.messages import address
from or_magic.ledger.store import Ledger, spent_in
from or_magic.types import CostSource, Ending


def verify(ledger: Ledger) -> list[str]:
    """What is wrong with the ledger, a line for each finding; empty when it is sound.

    Checked: the file's pages; of each message its hash, its parent and that its parts are numbered 0, 1, 2;
    that each part belongs to a message; of each turn its notebook, its thread, the turn before it, its prompt, its
    answer (which comes after the prompt), and that state, times, checkpoint and cost go together; of each thread its
    notebook and where it ends; of each budget scope that the index gives the sum that the turns give.

    Raises:
        StoreError: the ledger cannot be read.
    """
    with ledger.store.reading() as transaction:
        return [
            *_damaged_pages(transaction),
            *_wrong_messages(transaction),
            *_wrong_turns(transaction),
            *_wrong_threads(transaction),
            *_wrong_sums(transaction),
        ]


def _damaged_pages(transaction: Transaction) -> Iterator[str]:
    return (f"file: {finding}" for finding in transaction.damaged_pages())


def _wrong_messages(transaction: Transaction) -> Iterator[str]:
    known = set(transaction.values("SELECT hash FROM messages"))
    joined = "messages LEFT JOIN parts ON parts.message = messages.hash"
    rows = transaction.rows(f"SELECT * FROM {joined} ORDER BY messages.hash, parts.position")
    for hash, group in itertools.groupby(rows, key=lambda row: row.hash):
        for finding in _wrong_in_message(list(group), known):
            yield f"message {hash}: {finding}"
    for owner in transaction.values("SELECT DISTINCT message FROM parts"):
        if owner not in known:
            yield f"part of message {owner}: there is no such message"


def _wrong_in_message(rows: list[Row], known: set[str]) -> Iterator[str]:
    first = rows[0]
    present = [row for row in rows if row.message is not None]  # a message without parts is one row of NULLs
    if [row.position for row in present] != list(range(len(present))):
        yield f"its parts are numbered {[row.position for row in present]}"
    if first.hash != address(first.parent, first.role, ((row.kind, row.content) for row in present)):
        yield "its hash is not that of its contents"
    if first.parent is not None and first.parent not in known:
        yield f"its parent {first.parent} is not there"


def _wrong_turns(transaction: Transaction) -> Iterator[str]:
    parents: dict[str, str | None] = {}
    for message in transaction.rows("SELECT hash, parent FROM messages"):
        parents[message.hash] = message.parent
    known = {name: set(transaction.values(f"SELECT id FROM {name}")) for name in ("notebooks", "threads", "turns")}
    for turn in transaction.rows("SELECT * FROM turns ORDER BY id"):
        for finding in (*_wrong_references(turn, parents, known), *_wrong_fields(turn)):
            yield f"turn {turn.id}: {finding}"


def _wrong_references(turn: Row, parents: dict[str, str | None], known: dict[str, set[int]]) -> Iterator[str]:
    if turn.notebook not in known["notebooks"]:
        yield f"its notebook {turn.notebook} is not there"
    if turn.thread is not None and turn.thread not in known["threads"]:
        yield f"its thread {turn.thread} is not there"
    for name in ("previous", "displaced", "replayed_from"):
        before = getattr(turn, name)
        if before is not None and (before >= turn.id or before not in known["turns"]):
            yield f"its {name} turn {before} is not there, or came later"
    if turn.prompt not in parents:
        yield f"its prompt {turn.prompt} is not there"
    if turn.answer is not None and turn.answer not in parents:
        yield f"its answer {turn.answer} is not there"
    elif turn.answer is not None and not _comes_after(parents[turn.answer], turn.prompt, parents):
        yield "its answer does not follow its prompt"


def _comes_after(hash: str | None, first: str, parents: dict[str, str | None]) -> bool:
    while hash is not None and hash != first:
        hash = parents.get(hash)
    return hash is not None


def _wrong_threads(transaction: Transaction) -> Iterator[str]:
    notebooks = set(transaction.values("SELECT id FROM notebooks"))
    for thread in transaction.rows("SELECT * FROM threads ORDER BY id"):
        if thread.notebook not in notebooks:
            yield f"thread {thread.id}: its notebook {thread.notebook} is not there"
        for name in ("tip", "undone"):
            turn = getattr(thread, name)
            if turn is not None and transaction.row("SELECT id FROM turns WHERE id = :id", {"id": turn}) is None:
                yield f"thread {thread.id}: its {name} {turn} is not there"
    for notebook in transaction.rows("SELECT id, thread FROM notebooks WHERE thread IS NOT NULL"):
        owner = transaction.value("SELECT notebook FROM threads WHERE id = :id", {"id": notebook.thread})
        if owner != notebook.id:
            yield f"notebook {notebook.id}: its thread {notebook.thread} is not its own"


def _wrong_sums(transaction: Transaction) -> Iterator[str]:
    sums: dict[tuple[str, str], int] = {}
    for row in transaction.rows("SELECT purse AS budget_scope, service, cost_pico_usd FROM turns"):
        key = (row.budget_scope, row.service)
        sums[key] = sums.get(key, 0) + (row.cost_pico_usd or 0)
    for (budget_scope, service), pico_usd in sums.items():
        told = spent_in(transaction, budget_scope, service).pico_usd
        if told != pico_usd:
            yield f"budget scope {budget_scope} at {service}: the sum is {told}, its turns give {pico_usd}"


def _wrong_fields(turn: Row) -> Iterator[str]:
    is_open = turn.state == "open"
    if turn.state not in (*get_args(Ending), "open", "interrupted"):
        yield f"its state {turn.state!r} is unknown"
    if is_open != (turn.ended_utc is None):
        yield f"it is {turn.state} and ended at {turn.ended_utc}"
    if is_open and turn.answer is not None:
        yield "it is open and has an answer"
    partial = (turn.partial_text, turn.partial_reasoning, turn.partial_parts)
    if not is_open and any(column is not None for column in partial):
        yield "it is finished and has a checkpoint"
    if (turn.cost_pico_usd is None) != (turn.cost_source is None):
        yield f"its cost is {turn.cost_pico_usd} and the source of it {turn.cost_source}"
    if turn.cost_source is not None and turn.cost_source not in get_args(CostSource):
        yield f"the source of its cost {turn.cost_source!r} is unknown"
