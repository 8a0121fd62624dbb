"""The models of the sandbox, honest about what they are; and what a model id stands for.

Some ids are in no list, since they do not answer but fail: ``sandbox/error-429`` answers with that refusal (each name
in `responses.ERRORS`), ``sandbox/breaks-a``, ``-b`` and ``-c`` break off in mid-stream in one of three shapes,
``sandbox/silent`` falls silent after some words, ``sandbox/cut`` drops the connection.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from or_magic.sandbox import replies
from or_magic.sandbox.replies import Question, Reply
from or_magic.sandbox.responses import ERRORS, Refusal
from or_magic.sandbox.routing import CHEAP, PROVIDERS, SANDBOX, Offer, Provider

DEFAULT_MODEL = "openrouter/auto"
VARIANTS = frozenset({"nitro", "floor", "exacto", "online", "extended", "thinking"})
_CREATED = 1_788_220_800  # 2026-09-01 UTC; fixed, so that the catalog is the same at every start
_FAULTS: Mapping[str, Mapping[str, Any]] = {
    "sandbox/breaks-a": {"stream_error": {"shape": "a", "after_events": 5}},
    "sandbox/breaks-b": {"stream_error": {"shape": "b", "after_events": 5}},
    "sandbox/breaks-c": {"stream_error": {"shape": "c", "after_events": 5}},
    "sandbox/breaks-first": {"stream_error": {"shape": "b", "after_events": 0}},
    "sandbox/silent": {"silence_after_events": 5},
    "sandbox/cut": {"cut_after_events": 5},
}
_ERROR, _FILLER = "sandbox/error-", "sandbox/shelf-"


@dataclass(frozen=True, slots=True)
class Model:
    """A row of the catalog, and the function that answers for it.

    Prices are USD per token as decimal strings, "-1" where a router decides. `pace` is tokens per second, 0
    for as fast as possible. `keeps_pace`: the sandbox's pace knobs leave it alone. `routes_to`: it says
    nothing itself and hands the question on. `providers`: who serves it. `parameters`: those that it takes besides the
    usual. `is_byok`: it is asked with a key of the user's own at the provider. `refuses`: gives the refusal of a
    question that it will not answer. `knobs`: a behaviour of its own. `intelligence`: a made-up index.
    """

    id: str
    name: str
    description: str
    speak: Callable[[Question], Reply]
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


def filler_model(number: int) -> Model:
    """A made-up model, of which there may be thousands: an echo; its price and its abilities follow from its number."""
    price = Decimal(number % 97 + 1) / 10**8
    able = ("tools", "tool_choice", "structured_outputs", "response_format")[: 2 * (number % 3)]
    return Model(
        id=f"{_FILLER}{number}",
        name=f"Sandbox: Shelf {number}",
        description="A made-up model to fill a catalog; no model: it gives back what it is sent.",
        speak=replies.echo,
        prompt_price=f"{price:f}",
        completion_price=f"{4 * price:f}",
        context_length=8_000 * 2 ** (number % 8),
        inputs=("text", "image") if number % 4 == 0 else ("text",),
        parameters=able,
        reasons=number % 5 == 0,
        intelligence=float(10 + (number * 37) % 40 + (number % 97) // 4),
    )


def find_model(name: str) -> tuple[Model, tuple[str, ...]] | None:
    """The model that an id stands for and the variants behind it, such as `nitro`; None if there is none."""
    base, *variants = name.split(":")
    if not VARIANTS.issuperset(variants):
        return None
    model = next((model for model in CATALOG if model.id == base), None) or _fault(base)
    return None if model is None else (model, tuple(variants))


def answering_model(model: Model) -> Model:
    """The model that answers: the model itself, or where its router sends the question."""
    routed = find_model(model.routes_to) if model.routes_to else None
    return routed[0] if routed else model


def _fault(id: str) -> Model | None:
    description = "A fault to rehearse with."
    if id in _FAULTS:
        return Model(id, id, description, replies.rehearsal, "0.0000001", "0.0000004", knobs=_FAULTS[id])
    if (number := id.removeprefix(_FILLER)).isdecimal():
        return filler_model(int(number))
    error = ERRORS.get(id.removeprefix(_ERROR)) if id.startswith(_ERROR) else None
    if error is None:
        return None
    return Model(id, id, description, replies.echo, "0", "0", refuses=lambda _: error())


def _moderate(question: Question) -> Refusal | None:
    if "forbidden" not in question.text.lower():
        return None
    reasons = {"reasons": ["rehearsal"], "flagged_input": question.text[:100], "provider_name": "Sandbox"}
    return Refusal(403, "Your input was flagged", metadata=reasons | {"model_slug": "sandbox/moderated"})


CATALOG: tuple[Model, ...] = (
    Model(
        id="openrouter/auto",
        name="Auto Router (sandbox)",
        description="The sandbox's stand-in for the auto router: every question goes to sandbox/rehearsal.",
        speak=replies.rehearsal,
        prompt_price="-1",
        completion_price="-1",
        routes_to="sandbox/rehearsal",
    ),
    Model(
        id="sandbox/rehearsal",
        name="Sandbox: Rehearsal",
        description="A sandbox voice, no model: repeats the question and says that this is a rehearsal.",
        speak=replies.rehearsal,
        prompt_price="0.000001",
        completion_price="0.000004",
    ),
    Model(
        id="sandbox/echo",
        name="Sandbox: Echo",
        description="A sandbox voice, no model: returns the last user message exactly, byte for byte.",
        speak=replies.echo,
        prompt_price="0.0000001",
        completion_price="0.0000004",
    ),
    Model(
        id="sandbox/essay",
        name="Sandbox: Essay",
        description="A sandbox voice, no model: a Markdown essay on streaming, longer with more max_tokens.",
        speak=replies.essay,
        prompt_price="0.000003",
        completion_price="0.000015",
    ),
    Model(
        id="sandbox/reasoner",
        name="Sandbox: Reasoner",
        description="A sandbox voice, no model: thinks aloud first, as reasoning models do, then answers.",
        speak=replies.reasoner,
        prompt_price="0.00000055",
        completion_price="0.00000219",
        first_token_s=0.4,
        reasons=True,
    ),
    Model(
        id="sandbox/slow",
        name="Sandbox: Slow",
        description="A sandbox voice, no model: an echo of five words a second, for trying the stop button.",
        speak=replies.echo,
        prompt_price="0.0000001",
        completion_price="0.0000004",
        pace=6.0,
        keeps_pace=True,
    ),
    Model(
        id="sandbox/fast",
        name="Sandbox: Fast (free)",
        description="A sandbox voice, no model: the essay as fast as the line carries it, at no cost.",
        speak=replies.essay,
        prompt_price="0",
        completion_price="0",
        pace=0.0,
        first_token_s=0.0,
    ),
    Model(
        id="sandbox/routed",
        name="Sandbox: Routed",
        description="A sandbox voice, no model: the rehearsal, served by four providers, one of which always fails.",
        speak=replies.rehearsal,
        prompt_price="0.000002",
        completion_price="0.000008",
        providers=PROVIDERS,
    ),
    Model(
        id="sandbox/tools",
        name="Sandbox: Tools",
        description="A sandbox voice, no model: calls the functions it is offered, then tells what they gave.",
        speak=replies.tools,
        prompt_price="0.000001",
        completion_price="0.000004",
        parameters=("parallel_tool_calls", "tool_choice", "tools"),
    ),
    Model(
        id="sandbox/json",
        name="Sandbox: JSON",
        description="A sandbox voice, no model: fills the JSON schema of the request with a value that fits.",
        speak=replies.filler,
        prompt_price="0.000001",
        completion_price="0.000004",
        parameters=("response_format", "structured_outputs"),
    ),
    Model(
        id="sandbox/coder",
        name="Sandbox: Coder",
        description="A sandbox voice, no model: the code of the question with a remark on it, or a line of its own.",
        speak=replies.coder,
        prompt_price="0.000001",
        completion_price="0.000004",
    ),
    Model(
        id="sandbox/vision",
        name="Sandbox: Vision",
        description="A sandbox voice, no model: reports the images, files, sounds and films that it was sent.",
        speak=replies.viewer,
        prompt_price="0.000001",
        completion_price="0.000004",
        inputs=("text", "image", "file", "audio", "video"),
    ),
    Model(
        id="sandbox/sources",
        name="Sandbox: Sources",
        description="A sandbox voice, no model: the rehearsal, with two citations.",
        speak=replies.librarian,
        prompt_price="0.000001",
        completion_price="0.000004",
    ),
    Model(
        id="sandbox/memory",
        name="Sandbox: Memory",
        description="A sandbox voice, no model: repeats what it was told so far, a line each; takes 10,000 tokens.",
        speak=replies.memory,
        prompt_price="0.000001",
        completion_price="0.000004",
        context_length=10_000,
    ),
    Model(
        id="sandbox/byok",
        name="Sandbox: Bring your own key",
        description="A sandbox voice, no model: an echo as with your own key at the provider: a fee of 5 % is charged.",
        speak=replies.echo,
        prompt_price="0.000001",
        completion_price="0.000004",
        is_byok=True,
    ),
    Model(
        id="sandbox/small",
        name="Sandbox: Small",
        description="A sandbox voice, no model: an echo with room for 400 tokens; longer requests are refused.",
        speak=replies.echo,
        prompt_price="0.0000001",
        completion_price="0.0000004",
        context_length=400,
        max_completion_tokens=400,
    ),
    Model(
        id="sandbox/moderated",
        name="Sandbox: Moderated",
        description="A sandbox voice, no model: an echo that refuses questions with the word forbidden.",
        speak=replies.echo,
        prompt_price="0.0000001",
        completion_price="0.0000004",
        refuses=_moderate,
    ),
    Model(
        id="sandbox/flaky",
        name="Sandbox: Flaky",
        description="A sandbox voice, no model: an echo whose provider is overloaded at every second request.",
        speak=replies.echo,
        prompt_price="0.0000001",
        completion_price="0.0000004",
        knobs={"fail_every": 2, "fail_status": 503},
    ),
    Model(
        id="sandbox/unstoppable",
        name="Sandbox: Unstoppable",
        description="A sandbox voice, no model: the essay, billed in full also where the client hangs up.",
        speak=replies.essay,
        prompt_price="0.000003",
        completion_price="0.000015",
        providers=(CHEAP,),
    ),
)
