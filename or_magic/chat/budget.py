"""A question under a budget: the most that it can cost, how long its answer may be, and what is sent so that it holds.

A token has at least one byte, so a prompt has at most as many tokens as its request has bytes, and 16 more for each
message (the marks that models put around them). With tools, models are told how to call them: up to 500 tokens were
seen in recorded answers, 1,000 are counted. Each is charged at the dearest price that the routing allows, whatever
model or provider of those allowed answers, and so is each token of the longest answer.

Where no budget is set nothing here is looked up, and nothing is added to what the user asks for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import TYPE_CHECKING, Any

from or_magic.catalog.model import Prices
from or_magic.client.requests import ChatRequest, encode, encode_body
from or_magic.errors import BudgetError, OrMagicError
from or_magic.ledger.records import BudgetState, Limit, NewTurn
from or_magic.ledger.store import Budgets, over_budget
from or_magic.money import PICO_PER_USD, format_usd
from or_magic.types import MEDIA, AudioPart, Message

if TYPE_CHECKING:
    from or_magic.catalog.source import CatalogSource
    from or_magic.ledger.store import Ledger

MARKS_OF_A_MESSAGE = 16  # tokens
MARKS_OF_TOOLS = 1_000
_MILLION = 1_000_000
_FREE_PLUGINS = frozenset({"context-compression", "response-healing"})
_PLAIN_TIERS = (None, "default", "flex", "scale")
_PROMPT_TO_ANSWER = Decimal("0.25")  # what a prompt token costs of an answer's, as most models are priced
_SHORTEST = 16  # tokens: some providers refuse fewer, and an answer of fewer is none
_OF_A_ROUTER = 4_000  # tokens of answer that a router's price limit leaves room for
_TOKENS_OF_A_BYTE = 0.4  # more than any language has, as a rule: what a prompt takes of the context


@dataclass(frozen=True, slots=True)
class HighestPrices:
    """The dearest prices that the routing allows, in USD per token, and per request."""

    prompt: Decimal
    completion: Decimal
    request: Decimal = Decimal(0)

    @property
    def as_max_price(self) -> dict[str, str]:
        """These prices as ``provider.max_price`` of a request: USD per million tokens, and per request."""
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
    dearest: HighestPrices
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


def dearest(offers: Iterable[Prices], max_price: Mapping[str, Any]) -> HighestPrices | None:
    """The dearest of these prices, with all their conditions; none dearer than the ``max_price`` that is sent along.

    None where one of them, or its limit, is not known.
    """
    all_prices = [each for offer in offers for each in (offer, *(other for _, other in offer.overrides))]
    prompt = _most(all_prices, ("prompt", "cache_write", "cache_write_1h"), max_price.get("prompt"))
    completion = _most(all_prices, ("completion", "reasoning"), max_price.get("completion"))
    request = _most(all_prices, ("request",), max_price.get("request"), _MILLION)
    if prompt is None or completion is None:
        return None
    return HighestPrices(prompt, completion, request or Decimal(0))


def affordable_prices(pico_usd: int, prompt_tokens: int, answer_tokens: int) -> HighestPrices:
    """The dearest prices at which prompt and answer cost at most this: for a router, which names none."""
    parts = Decimal(answer_tokens) + _PROMPT_TO_ANSWER * prompt_tokens
    completion = Decimal(max(pico_usd, 0)) / PICO_PER_USD / max(parts, Decimal(1))
    # As it is sent: with 12 digits behind the point of a price per million, rounded down.
    completion = (completion * _MILLION).quantize(Decimal("1e-6"), rounding="ROUND_FLOOR") / _MILLION
    prompt = (completion * _MILLION * _PROMPT_TO_ANSWER).quantize(Decimal("1e-6"), rounding="ROUND_FLOOR") / _MILLION
    return HighestPrices(prompt, completion)


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
    if any(answer_format != "text" for answer_format in body.get("modalities") or ()):
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


@dataclass(frozen=True, slots=True)
class AllowedRequest:
    """What a budget adds to a request.

    Attributes:
        body: the parameters, with the longest answer and the dearest price that are allowed.
        worst_pico_usd: what it may cost at most.
        note: what was set that the user did not set, in one line; "" for nothing.
    """

    body: Mapping[str, Any]
    worst_pico_usd: int
    note: str


class BudgetCheck:
    """The budgets that a question is under.

    Args:
        ledger, models: of the session that asks.
        daily: the budget of all notebooks for a day in 1e-12 USD; None for none.
        max_cost: that of this question alone; None for none.

    Attributes:
        own_limits: the daily budget and that of this question, which are no budgets of the ledger.
    """

    def __init__(self, ledger: Ledger, models: CatalogSource, daily: int | None, max_cost: int | None) -> None:
        self._ledger, self._models = ledger, models
        own = (*([Limit("all", daily)] if daily is not None else ()),)
        self.own_limits = (*own, *([Limit("cell", max_cost)] if max_cost is not None else ()))

    def limits(self, turn: NewTurn, thread_id: int | None) -> tuple[Limit, ...]:
        """All that `turn` must not pass; () where there is no budget."""
        return (*Budgets(self._ledger).limits(turn.budget_scope, turn.service, thread_id), *self.own_limits)

    def states(self, turn: NewTurn, thread_id: int | None) -> tuple[BudgetState, ...]:
        """How the budgets of `turn` stand now."""
        return self.states_of(turn.budget_scope, turn.service, thread_id)

    def states_of(self, budget_scope: str, service: str, thread_id: int | None) -> tuple[BudgetState, ...]:
        """How the budgets of a budget scope and a thread stand now."""
        budgets = Budgets(self._ledger)
        limits = (*budgets.limits(budget_scope, service, thread_id), *self.own_limits)
        return budgets.states(budget_scope, service, thread_id, limits)

    def allow_within(
        self, turn: NewTurn, messages: tuple[Message, ...], thread_id: int | None, limits: tuple[Limit, ...]
    ) -> AllowedRequest:
        """What may be sent under these limits, as they stand now.

        Args:
            messages: all that is sent.

        Raises:
            BudgetError: nothing, or nobody knows what it would cost.
        """
        states = Budgets(self._ledger).states(turn.budget_scope, turn.service, thread_id, limits)
        return self.allow(turn, messages, min(states, key=lambda each: each.rest))

    def allow(self, turn: NewTurn, messages: tuple[Message, ...], tightest: BudgetState) -> AllowedRequest:
        """What may be sent under the tightest budget.

        Raises:
            BudgetError: nothing, or nobody knows what it would cost.
        """
        body = dict(turn.parameters)
        if reason := without_bound(body, turn.model_asked, messages):
            raise BudgetError(f"Nobody can say before what {reason} will cost. --over-budget asks all the same.")
        worst = self.worst_case(turn.model_asked, body, messages, tightest.rest)
        wanted = body.get("max_tokens") or body.get("max_completion_tokens")
        affordable = worst.affordable_tokens(tightest.rest)
        tokens = wanted or _shortest_of(worst.most_tokens, affordable)
        if tokens is None:
            raise BudgetError("Nobody tells how long an answer can be: set --max-tokens, or --over-budget.")
        cost = worst.pico_usd(max(tokens, _SHORTEST) if wanted is None else tokens)
        if cost > tightest.rest:
            raise over_budget(tightest, cost)
        note = ""
        # Where the budget affords the longest answer there is, nothing needs to be set.
        if wanted is None and (worst.most_tokens is None or tokens < worst.most_tokens):
            body["max_tokens"] = _shortest_of(tokens, worst.room_tokens)
            note = f"max_tokens was set to {body['max_tokens']:,}: the budget affords no longer answer."
        provider = dict(body.get("provider") or {})
        if worst.dearest.prompt or worst.dearest.completion:
            provider["max_price"] = worst.dearest.as_max_price | dict(provider.get("max_price") or {})
            body["provider"] = provider
        return AllowedRequest(body, cost, note)

    def allow_document(
        self, turn: NewTurn, body: Mapping[str, Any], thread_id: int | None, limits: tuple[Limit, ...]
    ) -> AllowedRequest:
        """What may be sent under these limits that is no part of a chat, such as a request for embeddings.

        Args:
            body: what is sent; a token of it has at least one byte, and its answer at most ``max_tokens``.

        Returns:
            What is added to the body: the dearest price that is allowed.

        Raises:
            BudgetError: nothing, or nobody knows what it would cost.
        """
        reason = without_bound(body, turn.model_asked, ()) or ("fallbacks" if body.get("models") else "")
        if reason or turn.model_asked is None:
            raise BudgetError(f"Nobody can say before what {reason or 'the model of the account'} will cost.")
        prices = dearest(self._offers(turn.model_asked)[0], {})
        longest = int(body.get("max_tokens") or body.get("max_completion_tokens") or 0)
        if prices is None:
            raise BudgetError(f"Nobody can say before what {turn.model_asked} will cost.")
        if prices.completion and not longest:
            raise BudgetError(f"Nobody can say before what {turn.model_asked} will cost: max_tokens is not set.")
        states = Budgets(self._ledger).states(turn.budget_scope, turn.service, thread_id, limits)
        tightest = min(states, key=lambda each: each.rest)
        cost = WorstCase(len(encode_body(body)), prices, longest).pico_usd(longest)
        if cost > tightest.rest:
            raise over_budget(tightest, cost)
        max_price = prices.as_max_price | dict((body.get("provider") or {}).get("max_price") or {})
        return AllowedRequest({"provider": {**(body.get("provider") or {}), "max_price": max_price}}, cost, "")

    def worst_case(
        self, model: str | None, body: Mapping[str, Any], messages: tuple[Message, ...], rest: int
    ) -> WorstCase:
        """What a request can cost, whichever of its models and providers answers.

        Args:
            rest: what is left in 1e-12 USD, from which a router's price limit is made.

        Raises:
            BudgetError: a price is not known.
        """
        length = prompt_tokens(
            encode(ChatRequest(messages, model, body)), len(messages), has_tools=bool(body.get("tools"))
        )
        ids = [*([model] if model else []), *(body.get("models") or ())]
        offers: list[Prices] = []
        longest: list[int | None] = []
        rooms: list[int] = []
        is_priced = bool(ids)
        for id in ids:
            found, most, context = self._offers(id)
            is_priced &= bool(found)
            offers += found
            longest.append(most)
            rooms += [max(_SHORTEST, context - round(length * _TOKENS_OF_A_BYTE))] if context is not None else []
        max_price = dict((body.get("provider") or {}).get("max_price") or {})
        prices = dearest(offers, max_price) if is_priced or {"prompt", "completion"} <= max_price.keys() else None
        if prices is None:
            answer = body.get("max_tokens") or _OF_A_ROUTER
            prices = affordable_prices(rest, length, answer)
            longest = [None]  # what the budget affords at these prices is set
        known = [most for most in longest if most is not None]
        most = max(known) if known and len(known) == len(longest) else None
        return WorstCase(length, prices, most, min(rooms, default=None))

    def _offers(self, id: str) -> tuple[list[Prices], int | None, int | None]:
        """The prices of all who serve a model, none for a router; its longest answer; and its context."""
        try:
            model = self._models.model(id)
            if model is None or model.is_router:
                return [], None, None
            served = self._models.kept_endpoints(model.id)
        except OrMagicError as error:
            raise BudgetError(
                f"What {id} costs cannot be looked up: {error} --over-budget asks all the same."
            ) from error
        prices = [model.prices, *(endpoint.prices for endpoint in served)]
        most = [endpoint.max_output_tokens or endpoint.context_tokens for endpoint in served]
        most.append(model.max_output_tokens or model.context_tokens)
        context = model.context_tokens
        told = max((each for each in most if each is not None), default=None)
        return prices, _shortest_of(told, context), context


def budget_line(state: BudgetState) -> str:
    """How a budget stands, in words."""
    held = f", {format_usd(state.reserved)} held back by answers under way" if state.reserved else ""
    return f"{format_usd(state.spent)} of {format_usd(state.limit.pico_usd)} spent{held}"


def _shortest_of(*lengths: int | None) -> int | None:
    return min((length for length in lengths if length is not None), default=None)
