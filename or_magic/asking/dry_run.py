"""What would be sent, how long it is, and what it would cost. Nothing is sent; only public prices are looked up."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from or_magic.asking.content.acceptance import fitting, media_line
from or_magic.asking.estimates import cost
from or_magic.asking.forms import NO_FORM, Form
from or_magic.asking.history import Sent, compose_messages
from or_magic.asking.tool_loop import NO_TOOLBELT, Toolbelt
from or_magic.asking.worst_case import prompt_tokens
from or_magic.content import Content
from or_magic.errors import OrMagicError
from or_magic.ledger.records import WhichHistory
from or_magic.messages import MEDIA, Message, TextPart, tool_words
from or_magic.money import format_usd, pico_usd
from or_magic.openrouter.requests import ChatRequest, encode

if TYPE_CHECKING:
    from or_magic.asking.question import Question
    from or_magic.asking.session import Session
    from or_magic.openrouter.catalog import ModelEndpoint

_TYPICAL = 500  # tokens of answer, for a price where the longest answer is not told
_LONGEST = 2_000  # characters of a message that are shown


def dry_run(
    session: Session,
    prompt: str | Content,
    *,
    model: str | None = None,
    parameters: Mapping[str, Any] | None = None,
    thread: str | None = None,
    history: WhichHistory | None = None,
    system: str | None = None,
    form: Form = NO_FORM,
    belt: Toolbelt = NO_TOOLBELT,
) -> str:
    """The very messages, about how many tokens, between which prices, and who would serve it. For people.

    Raises:
        CommandError: it could not be asked as it is.
        StoreError: the store cannot be read.
    """
    question = session.question(prompt, model, parameters, thread, history, system, form, belt)
    turn = question.turn(session.host.where(), session.service, session.run)
    placed = session.ledger.foresee(turn)
    sent = compose_messages(placed, question.system, question.prompt, session.service, turn.model_asked)
    sent, note = fitting(sent, turn.model_asked, session.models)
    body = encode(ChatRequest(sent.messages, turn.model_asked, question.composed.body))
    most = prompt_tokens(body, len(sent.messages), has_tools=bool(question.composed.body.get("tools")))
    lines = [
        f"Nothing was sent. To {turn.model_asked or 'the default model of the account'} at {session.service} would go:",
        *(f"  {message.role}: {_shown(_readable(message))}" for message in sent.messages),
        *(f"  {name} = {value}" for name, value in question.composed.body.items()),
        f"About {sent.tokens:,} tokens ({most:,} at most){_turns(sent)}.",
        *question.notes,
        *([note] if note else []),
        *_prices(session, question, sent.tokens, most),
    ]
    return "\n".join(lines)


def _prices(session: Session, question: Question, tokens: int, most: int) -> list[str]:
    id = question.composed.model
    try:
        model = session.models.model(id) if id is not None else None
        if model is None or model.is_router or model.prices.prompt is None or model.prices.completion is None:
            return ["What it would cost is not known before: the router, or the service, picks the model."]
        served = session.models.kept_endpoints(model.id)
    except OrMagicError as error:
        return [f"What it would cost cannot be looked up: {error}"]
    body = question.composed.body
    wanted = body.get("max_tokens") or body.get("max_completion_tokens")
    answer = wanted or model.max_output_tokens or _TYPICAL
    short = min(_TYPICAL, answer)
    low, high, typical = (
        format_usd(cost(model, *counts) or 0) for counts in ((tokens, 0), (most, answer), (tokens, short))
    )
    lines = [
        f"From {low} (no answer) to {high} ({answer:,} tokens of answer, the most); "
        f"with {short:,} tokens of answer about {typical}."
    ]
    if served:
        ordered = sorted(served, key=lambda each: each.prices.prompt or Decimal(0))
        if len(served) == 1:
            lines.append(f"Served by {_offer(ordered[0])}.")
        else:
            cheapest, dearest = _offer(ordered[0]), _offer(ordered[-1])
            lines.append(
                f"The cheapest of {len(served)} providers, asked most by default: {cheapest}; the dearest: {dearest}."
            )
    return lines


def _offer(endpoint: ModelEndpoint) -> str:
    prompt, completion = endpoint.prices.prompt, endpoint.prices.completion
    told = [_usd(price * 1_000_000) for price in (prompt, completion) if price is not None]
    return f"{endpoint.provider} ({' in, '.join(told)} out per million tokens)"


def _usd(amount: Decimal) -> str:
    return format_usd(pico_usd(amount))


def _turns(sent: Sent) -> str:
    count = sent.history.turns
    return f", {count} earlier turn{'s' if count > 1 else ''} among them" if count else ""


def _readable(message: Message) -> str:
    """The message's text, with what is no text in words."""
    texts = []
    for part in message.parts:
        told = media_line(part) if isinstance(part, MEDIA) else tool_words(part)
        texts.append(part.text if isinstance(part, TextPart) else told)
    return " ".join(filter(None, texts))


def _shown(text: str) -> str:
    shown = text if len(text) <= _LONGEST else f"{text[:_LONGEST]} … ({len(text):,} characters)"
    return shown.replace("\n", "\n    ")
