"""The question that asks for the rest of an answer, which was stopped, broke off, or met its length limit."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from or_magic.asking.question import Question, Seat
from or_magic.errors import CommandError
from or_magic.ledger.records import Turn, TurnId
from or_magic.openrouter.composing import Composed

if TYPE_CHECKING:
    from or_magic.asking.session import Session


def question_for_rest(session: Session, turn_id: TurnId | None) -> Question:
    """The question of an answer again, with the beginning that is there.

    Args:
        session: that of the notebook.
        turn_id: the answer's turn; None for the last answer of the session, else of the notebook, which an earlier
            kernel may have left unfinished.

    Raises:
        CommandError: there is no such answer, or it is whole.
    """
    if turn_id is not None:
        named = session.ledger.turn(turn_id)
        thread = session.threads.current_name(session.host.where().notebook) if named.thread is not None else None
        return _of_turn(named, thread, replaces=turn_id)
    answer, question = session.last, session.last_question
    if answer is None or question is None:
        turn = session.ledger.last_turn(session.host.where().notebook)
        if turn is None or turn.state == "complete":
            raise CommandError("There is no answer to go on with.")
        return _of_turn(turn, turn.thread)
    if not answer.done:
        raise CommandError("The last answer still arrives: %openrouter stop ends it, %openrouter jobs lists it.")
    if answer.ending == "complete" and answer.finish_reason != "length":
        raise CommandError("The last answer is whole: there is nothing to go on with. Ask a new question.")
    return replace(question, begun=_begun(answer.text))


def can_go_on(turn: Turn) -> bool:
    """Whether more of a turn's answer can be asked for."""
    is_cut = turn.state in ("stopped", "failed", "interrupted") or turn.finish_reason == "length"
    return turn.state != "open" and is_cut and turn.answer is not None and bool(turn.answer.text.strip())


def _of_turn(turn: Turn, thread: str | None, replaces: TurnId | None = None) -> Question:
    if not can_go_on(turn) or turn.answer is None:
        raise CommandError("There is no answer to go on with.")
    composed = Composed(turn.model_asked, turn.parameters, {})
    seat = Seat(thread, "thread" if thread else "none", turn.cell_id, turn.ask_number, replaces)
    return Question(turn.prompt, False, composed, (), turn.system, seat, begun=_begun(turn.answer.text))


def _begun(text: str) -> str:
    return text.rstrip()  # some models refuse to go on after white space
