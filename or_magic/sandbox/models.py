"""A model of the sandbox: its row in the catalogue, its voice, its providers. The list of them is `catalogue`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from or_magic.sandbox.answers import Refusal
from or_magic.sandbox.providers import SANDBOX, Offer, Provider
from or_magic.sandbox.speeches import Question, Speech

_CREATED = 1_788_220_800  # 2026-09-01 UTC; fixed, so that the catalogue is the same at every start


@dataclass(frozen=True, slots=True)
class Model:
    """A row of the catalogue and the voice behind it.

    Prices are USD per token as decimal strings, "-1" where a router decides. `pace` is tokens per second, 0
    for as fast as possible. `keeps_pace`: the sandbox's pace knobs leave it alone. `routes_to`: it says
    nothing itself and hands the question on. `providers`: who serves it. `parameters`: what it hears besides the
    usual. `is_byok`: it is asked with a key of the user's own at the provider. `refuses`: gives the refusal of a
    question that it will not answer. `knobs`: a behaviour of its own. `intelligence`: a made-up index.
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
    providers: tuple[Provider, ...] = (SANDBOX,)
    inputs: tuple[str, ...] = ("text",)
    parameters: tuple[str, ...] = ()
    is_byok: bool = False
    refuses: Callable[[Question], Refusal | None] = lambda _: None
    knobs: Mapping[str, Any] = field(default_factory=dict)
    intelligence: float | None = None

    def offers(self) -> tuple[Offer, ...]:
        """What each provider asks for it."""
        prompt, completion = Decimal(self.prompt_price), Decimal(self.completion_price)
        return tuple(Offer(each, prompt * each.factor, completion * each.factor) for each in self.providers)

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
                "modality": f"{'+'.join(self.inputs)}->text",
                "input_modalities": list(self.inputs),
                "output_modalities": ["text"],
                "tokenizer": "Router" if self.routes_to else "Other",
                "instruct_type": None,
            },
            "pricing": self._pricing(),
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
        } | self._extras()

    def _extras(self) -> dict[str, Any]:
        """What only some models tell."""
        reasoning = {"reasoning": {"mandatory": False, "default_enabled": True}} if self.reasons else {}
        scores = {"artificial_analysis": {"intelligence_index": self.intelligence}}
        return reasoning | ({"benchmarks": scores} if self.intelligence is not None else {})

    def _pricing(self) -> dict[str, str]:
        """What the provider asks that answers where nobody chooses: the cheapest healthy one."""
        if self.routes_to or self.providers == (SANDBOX,):
            return {"prompt": self.prompt_price, "completion": self.completion_price}
        best = min((offer for offer in self.offers() if not offer.provider.fails), key=lambda offer: offer.prompt_price)
        return {"prompt": f"{best.prompt_price:f}", "completion": f"{best.completion_price:f}"}

    def _supported_parameters(self) -> list[str]:
        reasoning = ["include_reasoning", "reasoning", "reasoning_effort"] if self.reasons else []
        usual = ["logprobs", "max_completion_tokens", "max_tokens", "stop", "top_logprobs"]
        return sorted([*reasoning, *usual, *self.parameters])
