"""What would be sent, how long it is, and what it would cost. Nothing is sent; only public prices are looked up."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from or_magic.asking.content.acceptance import media_line
from or_magic.asking.foreseeing import Draft, drafted, priced
from or_magic.asking.forms import NO_FORM, Form
from or_magic.asking.history import Sent
from or_magic.asking.tool_loop import NO_TOOLBELT, Toolbelt
from or_magic.content import Content
from or_magic.errors import OrMagicError
from or_magic.ledger.records import WhichHistory
from or_magic.messages import MEDIA, Message, TextPart, tool_words
from or_magic.money import format_usd, pico_usd

if TYPE_CHECKING:
    from or_magic.asking.question import Question
    from or_magic.asking.session import Session
    from or_magic.openrouter.catalog import ModelEndpoint

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
    draft = drafted(session, question, session.host.where())
    sent, asked = draft.sent, question.composed.model
    lines = [
        f"Nothing was sent. To {asked or 'the default model of the account'} at {session.service} would go:",
        *(f"  {message.role}: {_shown(_readable(message))}" for message in sent.messages),
        *(f"  {name} = {value}" for name, value in question.composed.body.items()),
        f"About {sent.tokens:,} tokens ({draft.most_tokens:,} at most){_turns(sent)}.",
        *question.notes,
        *([draft.note] if draft.note else []),
        *_prices(session, question, draft),
    ]
    return "\n".join(lines)


def _prices(session: Session, question: Question, draft: Draft) -> list[str]:
    id = question.composed.model
    try:
        model = session.models.model(id) if id is not None else None
        foreseen = priced(question, draft, model)
        if model is None or foreseen.note:
            return ["What it would cost is not known before: the router, or the service, picks the model."]
        served = session.models.kept_endpoints(model.id)
    except OrMagicError as error:
        return [f"What it would cost cannot be looked up: {error}"]
    amounts = (foreseen.least_pico_usd, foreseen.most_pico_usd, foreseen.typical_pico_usd)
    low, high, typical = (format_usd(amount or 0) for amount in amounts)
    lines = [
        f"From {low} (no answer) to {high} ({foreseen.answer_tokens:,} tokens of answer, the most); "
        f"with {foreseen.typical_tokens:,} tokens of answer about {typical}."
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
