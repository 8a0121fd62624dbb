"""From a checked request to a planned generation: presets, fallbacks, routing, and the refusals on the way.

Any refusal of one model leads to the next of `models`; the first one's is told where all refuse.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from or_magic.sandbox.behaviour import Behaviour, Controls, with_knobs
from or_magic.sandbox.chat_request import ChatRequest
from or_magic.sandbox.generation import Generation, plan_generation
from or_magic.sandbox.models import DEFAULT_MODEL, Model, answering_model, find_model
from or_magic.sandbox.responses import Refusal
from or_magic.sandbox.routing import Offer, Preferences, route

_SORT_OF_VARIANT = {"nitro": "throughput", "floor": "price"}
_NOT_PARAMETERS = frozenset({"messages", "model", "models", "stream", "provider", "preset", "user", "session_id"})


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be said, and how the sandbox behaves while it says it."""

    generation: Generation
    behaviour: Behaviour


def with_preset(fields: Mapping[str, Any], presets: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The fields of a request over those of the preset that it names: `preset`, or ``@preset/slug`` in its model.

    Raises: Refusal (404): there is no such preset.
    """
    own = dict(fields)
    slug = own.pop("preset", None)
    model = own.get("model")
    if isinstance(model, str) and "@preset/" in model:
        base, _, slug = model.partition("@preset/")
        own["model"] = base or None
    if slug is None:
        return own
    if slug not in presets:
        raise Refusal(404, f"Preset {slug} not found")
    return {**presets[slug], **{name: value for name, value in own.items() if value is not None}}


def plan(chat: ChatRequest, sent: Mapping[str, Any], controls: Controls, *, wants_metadata: bool) -> Plan:
    """Plans the answer of the first model that does not refuse.

    Args:
        sent: the request's fields, as they came.

    Raises: Refusal: all models refuse.
    """
    if controls.is_due("", controls.behaviour.fail_every):
        raise Refusal(controls.behaviour.fail_status, "The sandbox fails at every n-th request, as it was told to")
    names = chat.wanted_models() or [DEFAULT_MODEL]
    refusals: list[Refusal] = []
    for name in names:
        try:
            planned = _plan_of(name, chat, sent, controls)
        except Refusal as refusal:
            refusals.append(refusal)
            continue
        if wants_metadata:
            metadata = _metadata(names[0], planned, attempt=len(refusals) + 1)
            planned = replace(planned, generation=replace(planned.generation, metadata=metadata))
        return planned
    raise refusals[0]


def _plan_of(name: str, chat: ChatRequest, sent: Mapping[str, Any], controls: Controls) -> Plan:
    found = find_model(name)
    if found is None:
        raise Refusal(400, f"{name} is not a valid model ID")
    model = answering_model(found[0])
    chat = chat.fitted(model.context_length)
    question = chat.question()
    behaviour = with_knobs(controls.behaviour, model.knobs) if model.knobs else controls.behaviour
    _check_length(model, chat)
    if model.knobs.get("fail_every") and controls.is_due(model.id, behaviour.fail_every):
        raise Refusal(behaviour.fail_status, "Provider overloaded")
    if (refusal := model.refuses(question)) is not None:
        raise refusal
    offer = _first_that_answers(model, _offers(model, found[1], chat, sent))
    reply = model.speak(question)
    if not chat.wants_reasoning():
        reply = replace(reply, reasoning="", signature="")
    if (begun := chat.prefill()) and reply.text.startswith(begun):
        reply = replace(reply, text=reply.text[len(begun) :])
    generation = plan_generation(
        model,
        reply,
        offer=offer,
        prompt_tokens=chat.prompt_tokens(),
        max_tokens=question.max_tokens,
        shows_reasoning=chat.shows_reasoning(),
        stops=chat.stops(),
    )
    others = (chat.top_logprobs or 0) if chat.logprobs else None
    return Plan(replace(generation, logprobs=others, service_tier=_tier(chat)), behaviour)


def _tier(chat: ChatRequest) -> str | None:
    return {"fast": "priority", "auto": "default"}.get(chat.service_tier or "", chat.service_tier)


def _check_length(model: Model, chat: ChatRequest) -> None:
    prompt, answer = chat.prompt_tokens(), chat.max_answer_tokens() or 0
    if prompt + answer > model.context_length:
        raise Refusal(
            400,
            f"This endpoint's maximum context length is {model.context_length} tokens. However, you requested about "
            f"{prompt + answer} tokens ({prompt} of text input, {answer} in the output). Please reduce the length of "
            "either one, or use the context-compression plugin to compress your prompt automatically.",
        )


def _offers(model: Model, variants: tuple[str, ...], chat: ChatRequest, sent: Mapping[str, Any]) -> list[Offer]:
    wants = chat.provider or Preferences()
    sort = next((_SORT_OF_VARIANT[variant] for variant in variants if variant in _SORT_OF_VARIANT), None)
    if sort is not None and wants.sort is None:
        wants.sort = sort  # type: ignore[assignment]  # one of the words that it takes
    parameters = {name for name, value in sent.items() if value is not None} - _NOT_PARAMETERS
    if wants.require_parameters and (unknown := parameters - _taken_by(model)):
        raise Refusal(404, f"No endpoints found that support {', '.join(sorted(unknown))}.")
    return route(model.id, model.offers(), wants, parameters)


def _taken_by(model: Model) -> set[str]:
    return {*model.row()["supported_parameters"], "stream_options", "reasoning_effort", "plugins", "metadata"}


def _first_that_answers(model: Model, offers: list[Offer]) -> Offer:
    failed = []
    for offer in offers:
        if not offer.provider.fails:
            return offer
        failed.append({"provider": offer.provider.name, "code": offer.provider.fails, "status": "failed"})
    last = offers[-1].provider
    metadata = {"raw": f"{last.name} is down", "provider_name": last.name, "previous_errors": failed[:-1]}
    raise Refusal(last.fails, "Provider returned error", metadata=metadata)


def _metadata(requested: str, planned: Plan, *, attempt: int) -> dict[str, Any]:
    """How the request was routed (``openrouter_metadata``)."""
    generation = planned.generation
    model, chosen = generation.model, generation.offer.provider
    available = [
        {"provider": offer.provider.name, "model": model.id, "selected": offer.provider == chosen}
        for offer in model.offers()
    ]
    strategy = "fallback" if attempt > 1 else "auto" if requested != model.id else "direct"
    return {
        "requested": requested,
        "strategy": strategy,
        "region": None,
        "summary": f"available={len(available)}, selected={chosen.name}",
        "attempt": attempt,
        "is_byok": False,
        "endpoints": {"total": len(available), "available": available},
    }
