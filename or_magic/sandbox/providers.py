"""The companies that seem to serve the models: each with a price, a speed and a temper, so that routing has effects.

Most models are served by `sandbox` alone. `sandbox/routed` is served by all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from or_magic.sandbox.answers import json_number


@dataclass(frozen=True, slots=True)
class Provider:
    """One company.

    Attributes:
        factor: its price, as a multiple of the model's.
        throughput: tokens per second, in the statistics.
        latency_ms: to the first token, in the statistics.
        trains: it may keep and learn from what it is sent.
        stops: closing the connection ends its generation; otherwise all of it is billed.
        fails: the HTTP status with which it fails each time; 0 for never.
        hears: request parameters that it supports besides those of the model; None for all.
    """

    slug: str
    name: str
    factor: Decimal
    quantization: str
    throughput: float
    latency_ms: float
    trains: bool = False
    stops: bool = True
    fails: int = 0
    hears: frozenset[str] | None = None

    def row(self) -> dict[str, Any]:
        """The company as ``GET /providers`` lists it."""
        return {
            "name": self.name,
            "slug": self.slug,
            "privacy_policy_url": None,
            "terms_of_service_url": None,
            "status_page_url": None,
            "headquarters": None,
            "datacenters": None,
        }


SANDBOX = Provider("sandbox", "Sandbox", Decimal(1), "fp16", 100, 250)
CHEAP = Provider("sandbox-cheap", "Cheap Sandbox", Decimal("0.5"), "fp4", 40, 900, trains=True, stops=False)
FAST = Provider("sandbox-fast", "Fast Sandbox", Decimal(3), "bf16", 400, 80)
DOWN = Provider("sandbox-down", "Broken Sandbox", Decimal("0.25"), "fp8", 5, 4000, fails=502)
PROVIDERS = (SANDBOX, CHEAP, FAST, DOWN)


@dataclass(frozen=True, slots=True)
class Offer:
    """A provider's offer of a model: prices in USD per token."""

    provider: Provider
    prompt_price: Decimal
    completion_price: Decimal

    def row(self, model: Mapping[str, Any]) -> dict[str, Any]:
        """The offer as ``GET /models/{author}/{slug}/endpoints`` lists it; `model` is the row of the catalogue."""
        provider = self.provider
        health = None if provider.fails else 100
        return {
            "name": f"{provider.name} | {model['id']}",
            "model_id": model["id"],
            "model_name": model["name"],
            "context_length": model["context_length"],
            "pricing": {
                "prompt": f"{json_number(self.prompt_price):f}",
                "completion": f"{json_number(self.completion_price):f}",
                "discount": 0,
            },
            "provider_name": provider.name,
            "tag": provider.slug,
            "quantization": provider.quantization,
            "max_completion_tokens": model["top_provider"]["max_completion_tokens"],
            "max_prompt_tokens": None,
            "supported_parameters": model["supported_parameters"],
            "supports_tool_choice": dict.fromkeys(("none", "auto", "required", "function"), True),
            "status": -2 if provider.fails else 0,
            "uptime_last_5m": health,
            "uptime_last_30m": health,
            "uptime_last_1d": health,
            "supports_implicit_caching": False,
            "supports_voice_cloning": False,
            "supports_diarization": False,
            "latency_last_30m": _spread(provider.latency_ms),
            "throughput_last_30m": _spread(provider.throughput),
            "native_tools": {},
            "service_tier": None,
        }


def _spread(median: float) -> dict[str, float]:
    return {"p50": median, "p75": median * 1.2, "p90": median * 1.5, "p99": median * 3}
