"""The earlier turns that are sent along with a question: how long they are, and whether the model takes them.

How many images: Anthropic 100 and OpenAI 500 a request, Google 3,000, Mistral 8, Amazon 20 (their documentation, 2025
and 2026); of others nothing is known. PDF and other files can be sent to any model: the service reads them out where
the model does not (openrouter.ai/docs, "PDFs", 2026-08).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from or_magic.client.requests import LARGEST_BODY
from or_magic.errors import CommandError, ContextLengthError, OrMagicError
from or_magic.ledger.records import Exchange, HistorySlice
from or_magic.prompt.answer_formats import AnswerFormat
from or_magic.types import (
    MEDIA,
    FilePart,
    History,
    ImagePart,
    Message,
    Part,
    ReasoningDetailsPart,
    ReasoningPart,
    SoundPart,
    TextPart,
    ToolCall,
    ToolResultPart,
    VideoPart,
    about_tokens,
)

if TYPE_CHECKING:
    from or_magic.catalog.model import Model
    from or_magic.catalog.source import CatalogSource

_COMPRESSION = "context-compression"
_COMPRESSED_UNASKED = 8_192  # up to this context the service cuts the middle out by itself
_ALWAYS_FITS = 2_000  # no model takes less; nothing is looked up for a short question
_DIGITS = 100  # an estimate is told to two figures
_LIMIT = 1.2  # how much more context than needed a model has that is offered instead
_NOT_RUN = "The turn ended here; whether this call was run is not known."
_RATIOS = (0.5, 3.0)  # of what the service counted to what is estimated; beyond, something else was counted
_MODALITIES = ((ImagePart, "image", "images"), (SoundPart, "audio", "sounds"), (VideoPart, "video", "films"))
_MOST_IMAGES = {"anthropic": 100, "openai": 500, "google": 3_000, "mistralai": 8, "amazon": 20}
_IN_BRACKETS = TextPart("[an image, sound or film was here]")
_SUGGESTED = 3


@dataclass(frozen=True, slots=True)
class SentMessages:
    """The messages that are sent, and what is told of them.

    Attributes:
        history: the earlier turns among them, for the footer.
        tokens: about how many tokens all of them have.
        bytes: how many bytes of text they have, in UTF-8.
    """

    messages: tuple[Message, ...]
    history: History
    tokens: int
    bytes: int


def compose_messages(
    history_slice: HistorySlice,
    system: str | None,
    prompt: Message,
    service: str,
    model: str | None,
    steps: tuple[Message, ...] = (),
) -> SentMessages:
    """What is sent for a question that stands where `history_slice` says.

    Args:
        steps: what came before the prompt of a question that stands alone.
    """
    earlier = [_for(each, service, model) for each in history_slice.context]
    opening = (Message.of_text("system", system),) if system else ()
    messages = (*opening, *(message for exchange in earlier for message in exchange), *steps, prompt)
    messages = tuple(_answered(messages))
    ratio = _ratio(history_slice.context, system, model)
    in_history = round(sum(map(_tokens, (message for exchange in earlier for message in exchange))) * ratio)
    asked = about_tokens(system or "") + sum(map(_tokens, steps)) + _tokens(prompt)
    tokens = in_history + round(asked * ratio)
    share = in_history / tokens if tokens else 0.0
    length = sum(len(message.text.encode("utf-8", "surrogatepass")) for message in messages)
    return SentMessages(messages, History(len(earlier), in_history, share, history_slice.later), tokens, length)


def check_length(sent: SentMessages, model: str | None, parameters: Mapping[str, Any], models: CatalogSource) -> str:
    """Refuses what the model cannot take; else what is to be said of it, in one line, or "".

    Nothing is checked where the catalog is not at hand, or the middle may be cut out (``--compress``).

    Raises:
        ContextLengthError: it is too long. Nothing was sent.
    """
    if sent.tokens < _ALWAYS_FITS:
        return ""
    known = models.cached(model) if model is not None else None
    limit = known.context_tokens if known is not None else None
    answer = parameters.get("max_tokens") or parameters.get("max_completion_tokens") or 0
    needed = sent.tokens + (answer if isinstance(answer, int) else 0)
    if known is None or limit is None or needed <= limit or _compresses(parameters):
        return ""
    if limit <= _COMPRESSED_UNASKED:
        return f"{known.id} takes {limit:,} tokens: the service cuts the middle out of about {_round(needed):,}."
    error = ContextLengthError(
        f"About {_round(sent.tokens):,} tokens would be sent{_of_which(sent.history)}{_and(answer)}; {known.id} takes "
        f"{limit:,}. Nothing was sent. {_ways_out(sent.history, _roomier(models, known.id, needed))}",
        may_be_charged=False,
    )
    error.limit_tokens, error.requested_tokens = limit, needed
    raise error


def goes_on(history_slice: HistorySlice, run: str) -> str:
    """What the first question of a run is told of the conversation that it goes on; "" for all others."""
    if not history_slice.context or any(exchange.run == run for exchange in history_slice.context):
        return ""
    count, last = len(history_slice.context), history_slice.context[-1].started_utc.astimezone()
    turns = f"{count} turn{'s' if count > 1 else ''}"
    return f"Goes on from the conversation of {last:%d %b %Y, %H:%M} ({turns}). %openrouter reset begins anew."


def _answered(messages: Iterable[Message]) -> Iterator[Message]:
    """The messages, with a word for each call of a tool that nobody answered: services refuse one that is left open."""
    pending: list[str] = []
    for message in messages:
        if message.role == "tool":
            given = {part.call_id for part in message.parts if isinstance(part, ToolResultPart)}
            pending = [id for id in pending if id not in given]
        else:
            if pending:
                yield Message("tool", tuple(ToolResultPart(id, _NOT_RUN) for id in pending))
            pending = [part.id for part in message.parts if isinstance(part, ToolCall)]
        yield message


def _for(exchange: Exchange, service: str, model: str | None) -> tuple[Message, ...]:
    """What is sent of an earlier turn: to another model or service, no signed reasoning, which is not theirs."""
    if (exchange.service, exchange.model_asked) == (service, model):
        return exchange.messages
    return tuple(
        Message(message.role, tuple(part for part in message.parts if not isinstance(part, ReasoningDetailsPart)))
        for message in exchange.messages
    )


def _tokens(message: Message) -> int:
    # Thoughts are sent along only with calls of tools; what is no text is counted as the service tells it.
    calls = sum(about_tokens(part.arguments) for part in message.parts if isinstance(part, ToolCall))
    thoughts = sum(about_tokens(part.text) for part in message.parts if isinstance(part, ReasoningPart)) if calls else 0
    given = sum(about_tokens(part.text) for part in message.parts if isinstance(part, ToolResultPart))
    return about_tokens(message.text) + given + calls + thoughts


def _ratio(context: Iterable[Exchange], system: str | None, model: str | None) -> float:
    """What this model counted for the last turn, to what is estimated for it: languages and tokenizers differ."""
    estimated, ratio = about_tokens(system or ""), 1.0
    for exchange in context:
        prompt = estimated + _tokens(exchange.messages[0])
        if exchange.prompt_tokens and prompt and exchange.model_asked == model:
            ratio = min(max(exchange.prompt_tokens / prompt, _RATIOS[0]), _RATIOS[1])
        estimated += sum(map(_tokens, exchange.messages))
    return ratio


def _compresses(parameters: Mapping[str, Any]) -> bool:
    plugins = parameters.get("plugins") or ()
    return any(plugin.get("id") == _COMPRESSION and plugin.get("enabled", True) for plugin in plugins)


def _of_which(history: History) -> str:
    if not history.turns:
        return ""
    turns = f"{history.turns} earlier turn{'s' if history.turns > 1 else ''}"
    return f" ({_round(history.about_tokens or 0):,} of them {turns})"


def _and(answer: Any) -> str:
    return f", and {answer:,} may be answered" if isinstance(answer, int) and answer else ""


def _ways_out(history: History, roomier: str) -> str:
    ways = ["--compress cuts the middle out"]
    ways += ["%openrouter undo N or reset", "--no-history"] if history.turns else ["a shorter prompt"]
    ways += [f"a model with more room: {roomier}"] if roomier else []
    return f"Ways out: {'; '.join(ways)}. %openrouter set context_check off sends it all the same."


def _roomier(models: CatalogSource, id: str, needed: int) -> str:
    """The cheapest model that takes so much, of the same author where there is one."""
    try:
        all_models = models.catalog(timeout_s=0).models
    except OrMagicError:
        return ""
    author = id.partition("/")[0]
    priced = [
        (model.author != author, model.prices.prompt, model.id)
        for model in all_models
        if (model.context_tokens or 0) >= needed * _LIMIT
        and not model.is_router
        and "text" in model.output_modalities
        and model.prices.prompt is not None
    ]
    return min(priced)[2] if priced else ""


def _round(tokens: int) -> int:
    return round(tokens / _DIGITS) * _DIGITS if tokens >= 10 * _DIGITS else tokens


def fitting(sent: SentMessages, model: str | None, models: CatalogSource) -> tuple[SentMessages, str]:
    """What is sent, fit for the model: of earlier questions, what it does not take becomes a word in brackets.

    Returns it with what is to be said of that, "" for nothing. What is not known of a model is let through.

    Raises:
        CommandError: this question holds what the model does not take, or all is too much. Nothing was sent; the
            message says why, and which models take it.
    """
    *earlier, last = sent.messages
    if not any(isinstance(part, MEDIA) for message in sent.messages for part in message.parts):
        return sent, ""
    known = _known(models, model)
    if known is not None and not known.is_router:
        _check_kinds(last, known, models)
        earlier, left_out = _without(earlier, known)
        sent = replace(sent, messages=(*earlier, last))
    else:
        left_out = 0
    _check_amount(sent.messages, known)
    these = "1 image, sound or film" if left_out == 1 else f"{left_out:,} images, sounds or films"
    return sent, f"Not sent along: {these} of earlier questions. {model} does not take them." if left_out else ""


def _check_kinds(message: Message, model: Model, models: CatalogSource) -> None:
    for kind, modality, name in _MODALITIES:
        if modality not in model.input_modalities and any(isinstance(part, kind) for part in message.parts):
            those = takers(models, model, modality)
            raise CommandError(f"{model.id} takes no {name}. Nothing was sent. {those}")


def _without(messages: Sequence[Message], model: Model) -> tuple[list[Message], int]:
    """The messages without what the model does not take, and how many parts that were."""
    unfit = tuple(kind for kind, modality, _ in _MODALITIES if modality not in model.input_modalities)
    fit, count = [], 0
    for message in messages:
        is_unfit = [message.role == "user" and isinstance(part, unfit) for part in message.parts]
        parts = (_IN_BRACKETS if gone else part for part, gone in zip(message.parts, is_unfit, strict=True))
        fit.append(Message(message.role, tuple(parts)) if any(is_unfit) else message)
        count += sum(is_unfit)
    return fit, count


def _check_amount(messages: Sequence[Message], model: Model | None) -> None:
    parts = [part for message in messages for part in message.parts]
    if (size := sum(map(_size, parts))) > LARGEST_BODY:
        raise CommandError(
            f"The request would have {size / 1e6:,.0f} MB; the service takes {LARGEST_BODY / 1e6:,.0f} MB. Nothing was "
            "sent: leave something out, or --no-history."
        )
    images = sum(isinstance(part, ImagePart) for part in parts)
    most = _MOST_IMAGES.get(model.author, images) if model is not None else images
    if model is not None and images > most:
        raise CommandError(
            f"{images:,} images would be sent; {model.author} takes {most:,} a request. Nothing was sent: leave some "
            "out, or --no-history."
        )


def check_tools(models: CatalogSource, model: str | None) -> None:
    """Refuses to offer tools to a model that calls none.

    Raises:
        CommandError: nothing was sent; the message names models that do.
    """
    known = _known(models, model)
    if known is None or known.is_router or known.takes_tools or not known.supported_parameters:
        return
    fitting = [other for other in models.catalog().models if other.takes_tools]
    raise CommandError(f"{known.id} calls no tools. Nothing was sent. {_suggested(fitting, known)}")


def takers(models: CatalogSource, other: Model, modality: str, *, makes: bool = False) -> str:
    """Three models that take (or make) it, the cheapest ones, those of the same author first: one sentence."""
    fitting = [
        model
        for model in models.catalog().models
        if modality in (model.output_modalities if makes else model.input_modalities)
        and ("text" in model.output_modalities or makes)
    ]
    return _suggested(fitting, other)


def _suggested(models: Sequence[Model], other: Model) -> str:
    named = [each for each in models if not (each.is_router or each.alias_of or each.variant)]
    priced = [(each.author != other.author, each.prices.prompt, each.id) for each in named]
    fitting = [(is_other, price, id) for is_other, price, id in priced if price is not None]
    if not fitting:
        return "No model of this service does."
    own, others = sorted(each for each in fitting if not each[0]), sorted(each for each in fitting if each[0])
    best = [*own[: _SUGGESTED if not others else 2], *others][:_SUGGESTED]
    return f"These do: {', '.join(id for _, _, id in best)}."


def media_line(part: Part) -> str:
    """A part that is no text in a few words, for people: its kind and its size."""
    names = {ImagePart: "image", FilePart: "file", SoundPart: "sound", VideoPart: "film"}
    name = f" {part.name}" if isinstance(part, FilePart) else ""
    url = getattr(part, "url", "")
    size = f"{_size(part) * 3 / 4 / 1e3:,.1f} kB" if isinstance(part, SoundPart) or url.startswith("data:") else url
    return f"[{names[type(part)]}{name}, {size}]"


def _known(models: CatalogSource, id: str | None) -> Model | None:
    try:
        return models.model(id) if id is not None else None
    except OrMagicError:
        return None  # without a catalog the service says it


def _size(part: Part) -> int:
    """About how many bytes it takes in a request."""
    if isinstance(part, TextPart):
        return len(part.text.encode("utf-8", "replace"))
    return len(getattr(part, "url", "")) + len(getattr(part, "data", ""))


def check_output_kind(answer_format: AnswerFormat, model: Model | None, models: CatalogSource) -> None:
    """Refuses to ask a model for images that makes none.

    Raises:
        CommandError: nothing was sent; the message names models that do.
    """
    if answer_format.format != "image" or model is None or model.is_router or "image" in model.output_modalities:
        return
    raise CommandError(f"{model.id} makes no images. Nothing was sent. {takers(models, model, 'image', makes=True)}")
