"""Whether a model takes what is about to be sent: images, sounds, films, how many, how large. Refused before sending.

How many images: Anthropic 100 and OpenAI 500 a request, Google 3,000, Mistral 8, Amazon 20 (their documentation, 2025
and 2026); of others nothing is known. PDF and other files can be sent to any model: the service reads them out where
the model does not (openrouter.ai/docs, "PDFs", 2026-08).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from or_magic.errors import CommandError, OrMagicError
from or_magic.messages import MEDIA, FilePart, ImagePart, Message, Part, SoundPart, TextPart, VideoPart
from or_magic.openrouter.requests import LARGEST_BODY

if TYPE_CHECKING:
    from or_magic.asking.history import Sent
    from or_magic.asking.models import Models
    from or_magic.openrouter.catalog import Model

_MODALITIES = ((ImagePart, "image", "images"), (SoundPart, "audio", "sounds"), (VideoPart, "video", "films"))
_MOST_IMAGES = {"anthropic": 100, "openai": 500, "google": 3_000, "mistralai": 8, "amazon": 20}
_IN_BRACKETS = TextPart("[an image, sound or film was here]")
_SUGGESTED = 3


def fitting(sent: Sent, model: str | None, models: Models) -> tuple[Sent, str]:
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
    return sent, f"{these} of earlier questions did not go along: {model} does not take them." if left_out else ""


def _check_kinds(message: Message, model: Model, models: Models) -> None:
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


def check_tools(models: Models, model: str | None) -> None:
    """Refuses to offer tools to a model that calls none.

    Raises:
        CommandError: nothing was sent; the message names models that do.
    """
    known = _known(models, model)
    if known is None or known.is_router or known.takes_tools or not known.supported_parameters:
        return
    fitting = [other for other in models.catalog().models if other.takes_tools]
    raise CommandError(f"{known.id} calls no tools. Nothing was sent. {_suggested(fitting, known)}")


def takers(models: Models, other: Model, modality: str, *, makes: bool = False) -> str:
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


def _known(models: Models, id: str | None) -> Model | None:
    try:
        return models.model(id) if id is not None else None
    except OrMagicError:
        return None  # without a catalogue the service says it


def _size(part: Part) -> int:
    """About how many bytes it takes in a request."""
    if isinstance(part, TextPart):
        return len(part.text.encode("utf-8", "replace"))
    return len(getattr(part, "url", "")) + len(getattr(part, "data", ""))
