"""Kept answers, found by the key of their request. Only those that were asked for and ended well."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Select, select, update

from or_magic.ledger.records import IMPORTED, KeptAnswer, NewTurn, Progress, Turn, TurnId
from or_magic.ledger.schema import messages, notebooks, turns
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
        return self._turn(_kept(key).order_by(turns.c.id.desc()).limit(1))

    def of_cell(self, key: str, turn: NewTurn, run: str) -> Turn | None:
        """The newest answer to such a request by the same cell of the same notebook, in another run.

        Raises:
            StoreError: the ledger cannot be read.
        """
        cell = (notebooks.c.identity == turn.notebook) & (turns.c.cell_id == turn.cell_id)
        cell &= (turns.c.ask_number == turn.ask_number) & (turns.c.run != run)
        query = _kept(key, cell).join(notebooks, turns.c.notebook == notebooks.c.id)
        return self._without_calls(self._turn(query.order_by(turns.c.id.desc()).limit(1)))

    def imported(self, key: str, number: int, notebook: str) -> Turn | None:
        """The imported answer of that number (0, 1, ...) to such a request of this notebook.

        Raises:
            StoreError: the ledger cannot be read.
        """
        query = _kept(key, (notebooks.c.identity == notebook) & (turns.c.run == IMPORTED))
        query = query.join(notebooks, turns.c.notebook == notebooks.c.id)
        return self._without_calls(self._turn(query.order_by(turns.c.id).offset(number).limit(1)))

    def of_last_run(self, key: str, number: int, run: str) -> Turn | None:
        """The answer to the question of that number (0, 1, ...) with such a request, in the last run that asked it.

        Raises:
            StoreError: the ledger cannot be read.
        """
        last = _kept(key, turns.c.run != run).with_only_columns(turns.c.run).order_by(turns.c.id.desc()).limit(1)
        query = _kept(key, turns.c.run == last.scalar_subquery()).order_by(turns.c.id)
        return self._without_calls(self._turn(query.offset(number).limit(1)))

    def before_in_cell(self, turn_id: TurnId) -> Turn | None:
        """The last answer that the cell of a turn was given before it; None where it was given none.

        Raises:
            StoreError: the ledger cannot be read.
        """
        this = turns.alias()
        is_same = (this.c.notebook == turns.c.notebook) & (this.c.cell_id == turns.c.cell_id)
        query = select(turns.c.id).join(this, is_same)
        query = query.where(this.c.id == turn_id, turns.c.id < turn_id, turns.c.ask_number == this.c.ask_number)
        return self._turn(query.where(turns.c.state == "complete").order_by(turns.c.id.desc()).limit(1))

    def of_run(self, notebook: str, service: str, run: str) -> list[KeptAnswer]:
        """What a run of a notebook has shown, asked for or given again, the oldest first; of each cell the last run.

        Raises:
            StoreError: the ledger cannot be read.
        """
        query = select(turns.c.id, turns.c.request_hash, turns.c.replayed_from, turns.c.cell_id, turns.c.ask_number)
        query = query.join(notebooks, turns.c.notebook == notebooks.c.id).order_by(turns.c.id)
        query = query.where(notebooks.c.identity == notebook, turns.c.service == service, turns.c.run == run)
        query = query.where(turns.c.state == "complete", turns.c.request_hash.is_not(None))
        with self._ledger.store.reading() as connection:
            rows = connection.execute(query).all()
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
        is_step = (turns.c.run == turn.run) & (turns.c.id > turn.id) & (messages.c.role == "tool")
        query = select(turns.c.id).join(messages, messages.c.hash == turns.c.prompt).where(is_step)
        with self._ledger.store.reading() as connection:
            ids = list(connection.scalars(query.order_by(turns.c.id).limit(_MOST_STEPS)))
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
        query = _kept(kept.key, (notebooks.c.identity == notebook) & (turns.c.generation_id == kept.generation_id))
        with self._ledger.store.reading() as connection:
            there = connection.scalar(query.join(notebooks, turns.c.notebook == notebooks.c.id).limit(1))
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
        with self._ledger.store.writing() as connection:
            connection.execute(update(turns).where(turns.c.id == opened.id).values(started_utc=kept.asked_utc))
        return opened.id, True

    def _turn(self, query: Select[int]) -> Turn | None:
        with self._ledger.store.reading() as connection:
            id = connection.scalar(query)
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


def _kept(key: str, *more: ColumnElement[bool]) -> Select[int]:
    is_kept = (turns.c.request_hash == key) & (turns.c.state == "complete") & turns.c.replayed_from.is_(None)
    return select(turns.c.id).where(is_kept, *more)
