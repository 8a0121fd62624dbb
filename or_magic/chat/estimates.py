"""What a question would cost, told before it is asked; and about what one has cost that did not tell.

Where the model has answered too little here, its tokenizer's family decides. Measured on recorded answers of the real
service (2025-11 to 2026-08): Claude 2.9 to 3.4 bytes a token (median 3.2), GPT 3.7 to 4.4 (4.1), others about 4. A call
of a tool takes some 40 tokens besides its arguments.

The catalog's price of the model counts, which is that of the provider asked by default. What depends on the answer
is told thrice: without one, with one of a usual length, and with the longest.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from or_magic.answer import Answer
from or_magic.chat.budget import prompt_tokens, without_bound
from or_magic.chat.history import SentMessages, media_line
from or_magic.chat.host import Location
from or_magic.chat.question import Question, Services, messages_of
from or_magic.client.requests import ChatRequest, encode
from or_magic.errors import OrMagicError, StoreError
from or_magic.money import format_usd, pico_usd
from or_magic.types import MEDIA, Message, TextPart, tool_words

if TYPE_CHECKING:
    from or_magic.catalog.model import Model, ModelEndpoint
    from or_magic.ledger.store import Ledger

_BYTES_PER_TOKEN = {"Claude": 3.2, "GPT": 4.1}
_OTHERS = 4.0
_TOKENS_OF_A_CALL = 40
TYPICAL = 500  # tokens of answer, for a price where the longest answer is not told
_PRESET = "@preset/"
_LONGEST = 2_000  # characters of a message that are shown


def answer_tokens(answer: Answer, bytes_per_token: float) -> int:
    """About how many tokens have arrived: text, thoughts and calls of tools."""
    texts = [answer.text, answer.reasoning, *(call.arguments for call in answer.calls)]
    length = sum(len(text.encode("utf-8", "surrogatepass")) for text in texts)
    return round(length / bytes_per_token) + _TOKENS_OF_A_CALL * len(answer.calls)


def bytes_per_token(ledger: Ledger, service: str, model_asked: str | None, tokenizer: str) -> float:
    """How many bytes a token of this model has, as its last answers here had, else as its tokenizer's family has."""
    from or_magic.ledger.spending import Spending

    try:
        learned = Spending(ledger).bytes_per_token(service, model_asked) if model_asked is not None else None
    except StoreError:
        learned = None  # an estimate is a convenience
    return learned or _BYTES_PER_TOKEN.get(tokenizer, _OTHERS)


def cost_of_tokens(model: Model, prompt_tokens: int, completion_tokens: int) -> int | None:
    """About what they cost at the catalog's price of now, in 1e-12 USD; None where it names no price."""
    prices = model.prices.at(prompt_tokens)
    if prices.prompt is None or prices.completion is None:
        return None
    tokens = prompt_tokens * prices.prompt + completion_tokens * prices.completion
    return pico_usd(tokens + (prices.request or Decimal(0)))


@dataclass(frozen=True, slots=True)
class MeasuredPrompt:
    """What would be sent.

    Attributes:
        sent: the messages, the question the last of them.
        note: what is to be said of them, in one line; "" for nothing.
        most_tokens: how many tokens they have at most.
    """

    sent: SentMessages
    note: str
    most_tokens: int


@dataclass(frozen=True, slots=True)
class CostEstimate:
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


def estimate_cost(
    services: Services, question: Question, *, is_offline: bool = False, location: Location | None = None
) -> CostEstimate:
    """What a question would cost; where nothing is known of that, its note says why.

    Args:
        question: made by `Session.question`.
        is_offline: whether only what is in memory or on disk is looked at; nothing is fetched then, now or later.
        location: another place that it would be asked from; None for its own.

    Raises:
        CommandError: the model does not take what is in it (not looked at where `is_offline`), or all is too long.
        StoreError: the store cannot be read.
    """
    id = question.composed.model
    draft = measured(services, question, location, is_offline=is_offline)
    if id is None or id.startswith(_PRESET):
        return CostEstimate(draft.sent.tokens, note=f"the {'service' if id is None else 'preset'} picks the model")
    try:
        model = services.models.stored(id) if is_offline else services.models.model(id)
        if model is None:
            is_known = not is_offline or services.models.is_cached
            why = f"the catalog has no {id}" if is_known else "no catalog is here yet"
            return CostEstimate(draft.sent.tokens, note=why)
    except OrMagicError as error:
        return CostEstimate(draft.sent.tokens, note=str(error))
    return priced(question, draft, model)


def measured(
    services: Services, question: Question, location: Location | None = None, *, is_offline: bool = False
) -> MeasuredPrompt:
    """The messages that would be sent if a question were asked now, and how long they are.

    Args:
        location: another place that it would be asked from; None for its own.
        is_offline: whether it is not looked up what the model takes.

    Raises:
        CommandError: the model does not take what is in it, or all is too long.
        StoreError: the ledger cannot be read.
    """
    history = services.ledger.outlook(question.turn(services.run, location)).history
    sent, note = messages_of(question, history, services.models, is_offline=is_offline)
    body = encode(ChatRequest(sent.messages, question.composed.model, question.composed.body))
    has_tools = bool(question.composed.body.get("tools"))
    return MeasuredPrompt(sent, note, prompt_tokens(body, len(sent.messages), has_tools=has_tools))


def priced(question: Question, draft: MeasuredPrompt, model: Model | None) -> CostEstimate:
    """What a draft would cost at a model's prices; nothing is known of a router's, nor without a model."""
    tokens, body = draft.sent.tokens, question.composed.body
    if model is None or model.is_router:
        return CostEstimate(tokens, note="the router picks the model")
    if model.prices.prompt is None or model.prices.completion is None:
        return CostEstimate(tokens, note=f"the catalog has no price of {model.id}")
    wanted = body.get("max_tokens") or body.get("max_completion_tokens")
    longest = wanted or model.max_output_tokens or TYPICAL
    typical = min(TYPICAL, longest)
    return CostEstimate(
        tokens,
        least_pico_usd=cost_of_tokens(model, tokens, 0),
        typical_pico_usd=cost_of_tokens(model, tokens, typical),
        most_pico_usd=cost_of_tokens(model, draft.most_tokens, longest),
        answer_tokens=longest,
        typical_tokens=typical,
        besides=without_bound(body, question.composed.model, draft.sent.messages),
    )


def cost_line(preview: CostEstimate) -> str:
    """An estimate on one short line; it may hold a name that the user or the service chose."""
    length = f"about {preview.prompt_tokens:,} token{'' if preview.prompt_tokens == 1 else 's'} in"
    least, typical, most = preview.least_pico_usd, preview.typical_pico_usd, preview.most_pico_usd
    if least is None or typical is None or most is None:
        return f"{length} · price not known: {preview.note}"
    if preview.besides:
        sum_of_text = "free" if not most else f"{format_usd(least)} and more, typically {format_usd(typical)}"
        return f"{length} · {sum_of_text}, besides {preview.besides}"
    if not most:
        return f"{length} · free"
    return f"{length} · {format_usd(least)} to {format_usd(most)}, typically {format_usd(typical)}"


def dry_run(services: Services, question: Question) -> str:
    """The very messages, about how many tokens, between which prices, and who would serve them. For people.

    Raises:
        CommandError: it could not be asked as it is.
        StoreError: the ledger cannot be read.
    """
    draft = measured(services, question)
    sent, asked = draft.sent, question.composed.model
    lines = [
        f"Nothing was sent. To {asked or 'the default model of the account'} at {question.settings.service} would go:",
        *(f"  {message.role}: {_shown(_readable(message))}" for message in sent.messages),
        *(f"  {name} = {value}" for name, value in question.composed.body.items()),
        f"About {sent.tokens:,} tokens ({draft.most_tokens:,} at most){_turns(sent)}.",
        *question.notes,
        *([draft.note] if draft.note else []),
        *_prices(services, question, draft),
    ]
    return "\n".join(lines)


def _prices(services: Services, question: Question, draft: MeasuredPrompt) -> list[str]:
    id = question.composed.model
    try:
        model = services.models.model(id) if id is not None else None
        preview = priced(question, draft, model)
        if model is None or preview.note:
            return ["What it would cost is not known before: the router, or the service, picks the model."]
        served = services.models.kept_endpoints(model.id)
    except OrMagicError as error:
        return [f"What it would cost cannot be looked up: {error}"]
    amounts = (preview.least_pico_usd, preview.most_pico_usd, preview.typical_pico_usd)
    low, high, typical = (format_usd(amount or 0) for amount in amounts)
    lines = [
        f"From {low} (no answer) to {high} ({preview.answer_tokens:,} tokens of answer, the most); "
        f"with {preview.typical_tokens:,} tokens of answer about {typical}."
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


def _turns(sent: SentMessages) -> str:
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
