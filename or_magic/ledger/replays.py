"""Kept answers, found by the key of their request. Only those that were asked for and ended well."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from or_magic.ledger.records import IMPORTED, KeptAnswer, NewTurn, Progress, Turn, TurnId
from or_magic.ledger.store import Ledger
from or_magic.types import Message, Part, ReasoningPart, TextPart, ToolCall, ToolResultPart, Usage

_MOST_STEPS = 100  # of other questions of the same run that were asked meanwhile
_NOT_KEPT = Message.of_text("user", "(the question of an imported answer is not kept)")


class Replays:
    """The kept answers of a ledger.

    Args:
        ledger: the ledger.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def newest(self, key: str) -> Turn | None:
        """The newest answer to such a request, wherever it was asked.

        Raises:
            StoreError: the ledger cannot be read.
        """
        return self._turn(f"SELECT id {_KEPT} ORDER BY id DESC LIMIT 1", {"key": key})

    def of_cell(self, key: str, turn: NewTurn, run: str) -> Turn | None:
        """The newest answer to such a request by the same cell of the same notebook, in another run.

        Raises:
            StoreError: the ledger cannot be read.
        """
        cell = {"key": key, "notebook": turn.notebook, "cell_id": turn.cell_id, "ask_number": turn.ask_number}
        is_cell = "cell_id IS NULL" if turn.cell_id is None else "cell_id = :cell_id"
        of_cell = f"{_OF_NOTEBOOK} AND {is_cell} AND ask_number = :ask_number AND run <> :run"
        query = f"SELECT id {_KEPT} AND {of_cell} ORDER BY id DESC LIMIT 1"
        return self._without_calls(self._turn(query, {**cell, "run": run}))

    def imported(self, key: str, number: int, notebook: str) -> Turn | None:
        """The imported answer of that number (0, 1, ...) to such a request of this notebook.

        Raises:
            StoreError: the ledger cannot be read.
        """
        query = f"SELECT id {_KEPT} AND {_OF_NOTEBOOK} AND run = :run ORDER BY id LIMIT 1 OFFSET :number"
        params = {"key": key, "notebook": notebook, "run": IMPORTED, "number": number}
        return self._without_calls(self._turn(query, params))

    def of_last_run(self, key: str, number: int, run: str) -> Turn | None:
        """The answer to the question of that number (0, 1, ...) with such a request, in the last run that asked it.

        Raises:
            StoreError: the ledger cannot be read.
        """
        last = f"SELECT run {_KEPT} AND run <> :run ORDER BY id DESC LIMIT 1"
        query = f"SELECT id {_KEPT} AND run = ({last}) ORDER BY id LIMIT 1 OFFSET :number"
        return self._without_calls(self._turn(query, {"key": key, "run": run, "number": number}))

    def before_in_cell(self, turn_id: TurnId) -> Turn | None:
        """The last answer that the cell of a turn was given before it; None where it was given none.

        Raises:
            StoreError: the ledger cannot be read.
        """
        return self._turn(_BEFORE_IN_CELL, {"id": turn_id})

    def of_run(self, notebook: str, service: str, run: str) -> list[KeptAnswer]:
        """What a run of a notebook has shown, asked for or given again, the oldest first; of each cell the last run.

        Raises:
            StoreError: the ledger cannot be read.
        """
        with self._ledger.store.reading() as transaction:
            rows = transaction.rows(_SHOWN_BY_RUN, {"notebook": notebook, "service": service, "run": run})
        last = {(row.cell_id or row.id, row.ask_number): row for row in rows}
        found = []
        for row in last.values():
            turn = self._ledger.turn(row.replayed_from or row.id)
            if turn is not None:
                given = self.given_after(turn)
                found.append(_kept_answer(row.request_hash, row.cell_id, row.ask_number, turn, given))
        return found

    def given_after(self, turn: Turn) -> tuple[Part, ...]:
        """What the tools gave that the answer of a turn called; () where that is not kept for all of them.

        Raises:
            StoreError: the ledger cannot be read.
        """
        calls = calls_of(turn.answer)
        if not calls:
            return ()
        with self._ledger.store.reading() as transaction:
            ids = transaction.values(_LATER_STEPS, {"run": turn.run, "id": turn.id, "limit": _MOST_STEPS})
        for step in self._ledger.turns_of(ids):
            if {part.call_id for part in step.prompt.parts if isinstance(part, ToolResultPart)} == calls:
                return step.prompt.parts
        return ()

    def keep(self, kept: KeptAnswer, notebook: str, budget_scope: str) -> tuple[TurnId, bool]:
        """Puts an answer from outside among those of a notebook; its turn's id, and whether it is new there.

        Its money is not counted: it was paid elsewhere.

        Raises:
            StoreError: the ledger cannot be written.
        """
        params = {"key": kept.key, "notebook": notebook, "generation_id": kept.generation_id}
        query = f"SELECT id {_KEPT} AND {_OF_NOTEBOOK} AND generation_id = :generation_id LIMIT 1"
        with self._ledger.store.reading() as transaction:
            there: int | None = transaction.value(query, params)
        if there is not None:
            return there, False
        opened = self._ledger.open_turn(
            NewTurn(
                notebook=notebook,
                budget_scope=budget_scope,
                cell_id=kept.cell_id,
                service=IMPORTED,
                model_asked=kept.model_asked,
                parameters={},
                system=None,
                prompt=_NOT_KEPT,
                ask_number=kept.ask_number,
                history="none",
                run=IMPORTED,
                request_hash=kept.key,
            )
        )
        self._ledger.finish_turn(opened.id, _progress(kept), "complete", None)
        with self._ledger.store.writing() as transaction:
            transaction.update("turns", opened.id, {"started_utc": kept.asked_utc})
        return opened.id, True

    def _turn(self, query: str, params: Mapping[str, Any]) -> Turn | None:
        with self._ledger.store.reading() as transaction:
            id = transaction.value(query, params)
        turn = None if id is None else self._ledger.turn(id)
        return turn if turn is not None and turn.answer is not None else None

    @staticmethod
    def _without_calls(turn: Turn | None) -> Turn | None:
        """The turn if no tool took part in it: one might have changed the world, and would not again."""
        if turn is None or turn.answer is None or turn.between:
            return None
        return None if any(isinstance(part, ToolCall) for part in turn.answer.parts) else turn


def calls_of(answer: Message | None) -> frozenset[str]:
    """The ids of the calls of tools in an answer."""
    return frozenset(part.id for part in (answer.parts if answer else ()) if isinstance(part, ToolCall))


def _kept_answer(key: str, cell_id: str | None, ask_number: int, turn: Turn, given: tuple[Part, ...]) -> KeptAnswer:
    return KeptAnswer(
        key=key,
        cell_id=cell_id,
        ask_number=ask_number,
        answer=turn.answer or Message("assistant", ()),
        model_asked=turn.model_asked,
        model=turn.model,
        provider=turn.provider,
        service_tier=turn.service_tier,
        generation_id=turn.generation_id,
        finish_reason=turn.finish_reason,
        native_finish_reason=turn.native_finish_reason,
        cost_pico_usd=turn.usage.cost_pico_usd if turn.usage else None,
        asked_utc=turn.started_utc,
        given=given,
    )


def _progress(kept: KeptAnswer) -> Progress:
    parts = kept.answer.parts
    return Progress(
        text="".join(part.text for part in parts if isinstance(part, TextPart)),
        reasoning="".join(part.text for part in parts if isinstance(part, ReasoningPart)),
        others=tuple(part for part in parts if not isinstance(part, TextPart | ReasoningPart)),
        generation_id=kept.generation_id,
        model=kept.model,
        provider=kept.provider,
        service_tier=kept.service_tier,
        finish_reason=kept.finish_reason,
        native_finish_reason=kept.native_finish_reason,
        usage=Usage(cost_pico_usd=kept.cost_pico_usd),
    )


_KEPT = "FROM turns WHERE request_hash = :key AND state = 'complete' AND replayed_from IS NULL"
_OF_NOTEBOOK = "notebook = (SELECT id FROM notebooks WHERE identity = :notebook)"
_BEFORE_IN_CELL = """
SELECT turns.id FROM turns
JOIN turns AS this ON this.notebook = turns.notebook AND this.cell_id = turns.cell_id
WHERE this.id = :id AND turns.id < :id AND turns.ask_number = this.ask_number AND turns.state = 'complete'
ORDER BY turns.id DESC LIMIT 1"""
_SHOWN_BY_RUN = """
SELECT turns.id, request_hash, replayed_from, cell_id, ask_number
FROM turns JOIN notebooks ON turns.notebook = notebooks.id
WHERE notebooks.identity = :notebook AND service = :service AND run = :run
    AND state = 'complete' AND request_hash IS NOT NULL
ORDER BY turns.id"""
_LATER_STEPS = """
SELECT turns.id FROM turns JOIN messages ON messages.hash = turns.prompt
WHERE turns.run = :run AND turns.id > :id AND messages.role = 'tool'
ORDER BY turns.id LIMIT :limit"""
