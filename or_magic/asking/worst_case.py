"""The most that a question can cost, which is what a budget holds back. Pure.

A token has at least one byte, so a prompt has at most as many tokens as its request has bytes, and 16 more for each
message (the marks that models put around them). With tools, models are told how to call them: up to 500 tokens were
seen in recorded answers, 1,000 are counted. Each is charged at the dearest price that the routing allows, whatever
model or provider of those allowed answers, and so is each token of the longest answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import Any

from or_magic.messages import MEDIA, AudioPart, Message
from or_magic.money import PICO_PER_USD
from or_magic.openrouter.prices import Prices

MARKS_OF_A_MESSAGE = 16  # tokens
MARKS_OF_TOOLS = 1_000
_MILLION = 1_000_000
_FREE_PLUGINS = frozenset({"context-compression", "response-healing"})
_PLAIN_TIERS = (None, "default", "flex", "scale")
_PROMPT_TO_ANSWER = Decimal("0.25")  # what a prompt token costs of an answer's, as most models are priced


@dataclass(frozen=True, slots=True)
class Dearest:
    """The dearest prices that the routing allows, in USD per token, and per request."""

    prompt: Decimal
    completion: Decimal
    request: Decimal = Decimal(0)

    @property
    def as_max_price(self) -> dict[str, str]:
        """The same as the service takes it (``provider.max_price``): USD per million tokens, and per request."""
        prices = {"prompt": self.prompt * _MILLION, "completion": self.completion * _MILLION}
        prices |= {"request": self.request} if self.request else {}
        return {name: f"{price.normalize():f}" for name, price in prices.items()}


@dataclass(frozen=True, slots=True)
class WorstCase:
    """What a question can cost at most.

    Attributes:
        prompt_tokens: how long its prompt is at most.
        dearest: at which prices.
        most_tokens: how long its answer can be; None where nobody tells.
        room_tokens: about what the smallest context leaves for an answer; None where nobody tells.
    """

    prompt_tokens: int
    dearest: Dearest
    most_tokens: int | None
    room_tokens: int | None = None

    def pico_usd(self, max_tokens: int) -> int:
        """The cost in 1e-12 USD of an answer of so many tokens."""
        return _pico(self._fixed + self.dearest.completion * max_tokens)

    def affordable_tokens(self, pico_usd: int) -> int | None:
        """How long an answer may be that costs at most this with its prompt; None where any may, below 1 where none."""
        rest = Decimal(pico_usd) / PICO_PER_USD - self._fixed
        if rest < 0:
            return 0
        return int(rest / self.dearest.completion) if self.dearest.completion else self.most_tokens

    @property
    def _fixed(self) -> Decimal:
        return self.dearest.request + self.dearest.prompt * self.prompt_tokens


def prompt_tokens(body: bytes, messages: int, *, has_tools: bool) -> int:
    """How many tokens the prompt of a request has at most.

    Args:
        body: the request, as it is sent.
        messages: how many messages are in it.
    """
    return len(body) + MARKS_OF_A_MESSAGE * messages + (MARKS_OF_TOOLS if has_tools else 0)


def dearest(offers: Iterable[Prices], max_price: Mapping[str, Any]) -> Dearest | None:
    """The dearest of these prices, with all their conditions; none dearer than the ``max_price`` that is sent along.

    None where one of them, or its limit, is not known.
    """
    all_prices = [each for offer in offers for each in (offer, *(other for _, other in offer.overrides))]
    prompt = _most(all_prices, ("prompt", "cache_write", "cache_write_1h"), max_price.get("prompt"))
    completion = _most(all_prices, ("completion", "reasoning"), max_price.get("completion"))
    request = _most(all_prices, ("request",), max_price.get("request"), _MILLION)
    if prompt is None or completion is None:
        return None
    return Dearest(prompt, completion, request or Decimal(0))


def affordable_prices(pico_usd: int, prompt_tokens: int, answer_tokens: int) -> Dearest:
    """The dearest prices at which prompt and answer cost at most this: for a router, which names none."""
    parts = Decimal(answer_tokens) + _PROMPT_TO_ANSWER * prompt_tokens
    completion = Decimal(max(pico_usd, 0)) / PICO_PER_USD / max(parts, Decimal(1))
    # As it is sent: with 12 digits behind the point of a price per million, rounded down.
    completion = (completion * _MILLION).quantize(Decimal("1e-6"), rounding="ROUND_FLOOR") / _MILLION
    prompt = (completion * _MILLION * _PROMPT_TO_ANSWER).quantize(Decimal("1e-6"), rounding="ROUND_FLOOR") / _MILLION
    return Dearest(prompt, completion)


def without_bound(body: Mapping[str, Any], model: str | None, messages: Sequence[Message]) -> str:
    """What is in a request whose price has no known bound; "" where nothing is."""
    if any(isinstance(part, (AudioPart, *MEDIA)) for message in messages for part in message.parts):
        return "images, files and sounds"
    for plugin in body.get("plugins") or ():
        if plugin.get("id") not in _FREE_PLUGINS and plugin.get("enabled", True):
            return f"the plugin {plugin.get('id')}"
    for tool in body.get("tools") or ():
        if str(tool.get("type")).startswith("openrouter:"):
            return f"the server tool {tool.get('type')}"
    if ":online" in (model or "") or "web_search_options" in body:
        return "web searches"
    if any(form != "text" for form in body.get("modalities") or ()):
        return "answers that are no text"
    if body.get("service_tier") not in _PLAIN_TIERS:
        return f"the service tier {body['service_tier']}"
    return ""


def _most(prices: Iterable[Prices], names: Sequence[str], limit: Any, unit: int = 1) -> Decimal | None:
    """The largest of these prices; of a router, which has none, the limit."""
    told = [price for each in prices for name in names if (price := getattr(each, name)) is not None]
    most = max(told, default=None)
    if limit is None:
        return most
    allowed = Decimal(str(limit)) * unit / _MILLION
    return allowed if most is None else min(most, allowed)


def _pico(amount_usd: Decimal) -> int:
    return int((amount_usd * PICO_PER_USD).to_integral_value(rounding=ROUND_CEILING))
