"""What a question would cost, told before it is asked: how long it is, and between which prices. Nothing is sent.

The catalogue's price of the model counts, which is that of the provider asked by default. What depends on the answer
is told thrice: without one, with one of a usual length, and with the longest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from or_magic.asking.content.acceptance import fitting
from or_magic.asking.estimates import cost
from or_magic.asking.history import Sent, compose_messages
from or_magic.asking.host import Place
from or_magic.asking.worst_case import prompt_tokens, without_bound
from or_magic.errors import OrMagicError
from or_magic.money import format_usd
from or_magic.openrouter.requests import ChatRequest, encode

if TYPE_CHECKING:
    from or_magic.asking.question import Question
    from or_magic.asking.session import Session
    from or_magic.openrouter.catalog import Model

TYPICAL = 500  # tokens of answer, for a price where the longest answer is not told
_PRESET = "@preset/"


@dataclass(frozen=True, slots=True)
class Draft:
    """What would be sent.

    Attributes:
        sent: the messages, the question the last of them.
        note: what is to be said of them, in one line; "" for nothing.
        most_tokens: how many tokens they have at most.
    """

    sent: Sent
    note: str
    most_tokens: int


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What a question would cost. Amounts are in 1e-12 USD; None where nothing is known before.

    Attributes:
        prompt_tokens: about how many tokens would be sent.
        least_pico_usd: without an answer.
        typical_pico_usd: with an answer of `typical_tokens`.
        most_pico_usd: with the longest answer, and the prompt as long as it can be at most.
        answer_tokens: how long the answer can be.
        typical_tokens: how long one is taken to be; fewer than usual where the longest is shorter.
        besides: what is in the question whose price is not among these, such as images; "" for nothing.
        note: why no price is known; "" where one is.
    """

    prompt_tokens: int
    least_pico_usd: int | None = None
    typical_pico_usd: int | None = None
    most_pico_usd: int | None = None
    answer_tokens: int | None = None
    typical_tokens: int | None = None
    besides: str = ""
    note: str = ""


def foresee_cost(
    session: Session, question: Question, *, is_offline: bool = False, place: Place | None = None
) -> Foreseen:
    """What a question would cost; where nothing is known of that, its note says why.

    Args:
        question: made by `Session.question`.
        is_offline: whether only what is in memory or on disk is looked at; nothing is fetched then, now or later.
        place: where it would be asked; None for where the session's host is.

    Raises:
        CommandError: the model does not take what is in it (not looked at where `is_offline`), or all is too long.
        StoreError: the store cannot be read.
    """
    id = question.composed.model
    draft = drafted(session, question, place or session.host.where(), is_offline=is_offline)
    if id is None or id.startswith(_PRESET):
        return Foreseen(draft.sent.tokens, note=f"the {'service' if id is None else 'preset'} picks the model")
    try:
        model = session.models.here(id) if is_offline else session.models.model(id)
        if model is None:
            is_known = not is_offline or session.models.is_at_hand
            why = f"the catalogue has no {id}" if is_known else "no catalogue is here yet"
            return Foreseen(draft.sent.tokens, note=why)
    except OrMagicError as error:
        return Foreseen(draft.sent.tokens, note=str(error))
    return priced(question, draft, model)


def drafted(session: Session, question: Question, place: Place, *, is_offline: bool = False) -> Draft:
    """What would be sent if it were asked at `place` now.

    Args:
        is_offline: whether it is not looked up what the model takes.

    Raises:
        CommandError: the model does not take what is in it, or all is too long.
        StoreError: the store cannot be read.
    """
    turn = question.turn(place, session.service, session.run)
    placed = session.ledger.foresee(turn)
    sent, note = compose_messages(placed, question.system, question.prompt, session.service, turn.model_asked), ""
    if not is_offline:
        sent, note = fitting(sent, turn.model_asked, session.models)
    body = encode(ChatRequest(sent.messages, turn.model_asked, question.composed.body))
    has_tools = bool(question.composed.body.get("tools"))
    return Draft(sent, note, prompt_tokens(body, len(sent.messages), has_tools=has_tools))


def priced(question: Question, draft: Draft, model: Model | None) -> Foreseen:
    """What a draft would cost at a model's prices; nothing is known of a router's, nor without a model."""
    tokens, body = draft.sent.tokens, question.composed.body
    if model is None or model.is_router:
        return Foreseen(tokens, note="the router picks the model")
    if model.prices.prompt is None or model.prices.completion is None:
        return Foreseen(tokens, note=f"the catalogue has no price of {model.id}")
    wanted = body.get("max_tokens") or body.get("max_completion_tokens")
    longest = wanted or model.max_output_tokens or TYPICAL
    typical = min(TYPICAL, longest)
    return Foreseen(
        tokens,
        least_pico_usd=cost(model, tokens, 0),
        typical_pico_usd=cost(model, tokens, typical),
        most_pico_usd=cost(model, draft.most_tokens, longest),
        answer_tokens=longest,
        typical_tokens=typical,
        besides=without_bound(body, question.composed.model, draft.sent.messages),
    )


def estimate_line(foreseen: Foreseen) -> str:
    """The same on one short line; it may hold a name that the user or the service chose."""
    length = f"about {foreseen.prompt_tokens:,} token{'' if foreseen.prompt_tokens == 1 else 's'} in"
    least, typical, most = foreseen.least_pico_usd, foreseen.typical_pico_usd, foreseen.most_pico_usd
    if least is None or typical is None or most is None:
        return f"{length} · price not known: {foreseen.note}"
    if foreseen.besides:
        sum_of_text = "free" if not most else f"{format_usd(least)} and more, typically {format_usd(typical)}"
        return f"{length} · {sum_of_text}, besides {foreseen.besides}"
    if not most:
        return f"{length} · free"
    return f"{length} · {format_usd(least)} to {format_usd(most)}, typically {format_usd(typical)}"
