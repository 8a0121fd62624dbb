"""The catalogue: the models of the sandbox, honest about what they are, and what each of them says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from or_magic.sandbox import speeches
from or_magic.sandbox.speeches import Question, Speech

PROVIDER = "Sandbox"
DEFAULT_MODEL = "openrouter/auto"

_CREATED = 1_788_220_800  # 2026-09-01 UTC; fixed, so that the catalogue is the same at every start
_VARIANTS = frozenset({"nitro", "floor", "exacto"})  # they choose among providers; here there is one


@dataclass(frozen=True, slots=True)
class Model:
    """A row of the catalogue and the voice behind it.

    Prices are USD per token as decimal strings, "-1" where a router decides. `pace` is tokens per second, 0
    for as fast as possible. `keeps_pace`: the sandbox's pace knobs leave it alone. `routes_to`: it says
    nothing itself and hands the question on.
    """

    id: str
    name: str
    description: str
    speak: Callable[[Question], Speech]
    prompt_price: str
    completion_price: str
    pace: float = 100.0
    first_token_s: float = 0.25
    keeps_pace: bool = False
    reasons: bool = False
    routes_to: str | None = None
    context_length: int = 1_000_000
    max_completion_tokens: int = 1_000_000

    def row(self) -> dict[str, Any]:
        """The model as `GET /models` lists it (shape of the official SDK's Model, seen Nov 2026)."""
        return {
            "id": self.id,
            "canonical_slug": self.id,
            "hugging_face_id": None,
            "name": self.name,
            "created": _CREATED,
            "description": self.description,
            "context_length": self.context_length,
            "architecture": {
                "modality": "text->text",
                "input_modalities": ["text"],
                "output_modalities": ["text"],
                "tokenizer": "Router" if self.routes_to else "Other",
                "instruct_type": None,
            },
            "pricing": {"prompt": self.prompt_price, "completion": self.completion_price},
            "top_provider": {
                "context_length": None if self.routes_to else self.context_length,
                "max_completion_tokens": None if self.routes_to else self.max_completion_tokens,
                "is_moderated": False,
            },
            "per_request_limits": None,
            "supported_parameters": self._supported_parameters(),
            "default_parameters": {},
            "supported_voices": None,
            "knowledge_cutoff": None,
            "expiration_date": None,
            "links": {"details": f"/api/v1/models/{self.id}/endpoints"},
        } | ({"reasoning": {"mandatory": False, "default_enabled": True}} if self.reasons else {})

    def _supported_parameters(self) -> list[str]:
        reasoning = ["include_reasoning", "reasoning", "reasoning_effort"] if self.reasons else []
        return [*reasoning, "max_completion_tokens", "max_tokens"]


CATALOGUE: tuple[Model, ...] = (
    Model(
        id="openrouter/auto",
        name="Auto Router (sandbox)",
        description="The sandbox's stand-in for the auto router: every question goes to sandbox/rehearsal.",
        speak=speeches.rehearsal,
        prompt_price="-1",
        completion_price="-1",
        routes_to="sandbox/rehearsal",
    ),
    Model(
        id="sandbox/rehearsal",
        name="Sandbox: Rehearsal",
        description="A sandbox voice, no model: repeats the question and says that this is a rehearsal.",
        speak=speeches.rehearsal,
        prompt_price="0.000001",
        completion_price="0.000004",
    ),
    Model(
        id="sandbox/echo",
        name="Sandbox: Echo",
        description="A sandbox voice, no model: returns the last user message exactly, byte for byte.",
        speak=speeches.echo,
        prompt_price="0.0000001",
        completion_price="0.0000004",
    ),
    Model(
        id="sandbox/essay",
        name="Sandbox: Essay",
        description="A sandbox voice, no model: a Markdown essay on streaming, longer with more max_tokens.",
        speak=speeches.essay,
        prompt_price="0.000003",
        completion_price="0.000015",
    ),
    Model(
        id="sandbox/reasoner",
        name="Sandbox: Reasoner",
        description="A sandbox voice, no model: thinks aloud first, as reasoning models do, then answers.",
        speak=speeches.reasoner,
        prompt_price="0.00000055",
        completion_price="0.00000219",
        first_token_s=0.4,
        reasons=True,
    ),
    Model(
        id="sandbox/slow",
        name="Sandbox: Slow",
        description="A sandbox voice, no model: an echo of five words a second, for trying the stop button.",
        speak=speeches.echo,
        prompt_price="0.0000001",
        completion_price="0.0000004",
        pace=6.0,
        keeps_pace=True,
    ),
    Model(
        id="sandbox/fast",
        name="Sandbox: Fast (free)",
        description="A sandbox voice, no model: the essay as fast as the line carries it, at no cost.",
        speak=speeches.essay,
        prompt_price="0",
        completion_price="0",
        pace=0.0,
        first_token_s=0.0,
    ),
)


def find_model(name: str) -> Model | None:
    """The row of a model id, with or without a variant such as `:nitro`; None if there is none."""
    base, _, variant = name.partition(":")
    if variant and variant not in _VARIANTS:
        return None
    return next((model for model in CATALOGUE if model.id == base), None)


def speaker(model: Model) -> Model:
    """The model that answers: the model itself, or where its router sends the question."""
    routed = find_model(model.routes_to) if model.routes_to else None
    return routed or model
