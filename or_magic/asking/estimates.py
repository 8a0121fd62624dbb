"""About how many tokens an answer has, where the service did not tell: learned from this model's own answers.

Where the model has answered too little here, its tokenizer's family decides. Measured on recorded answers of the real
service (2025-11 to 2026-08): Claude 2.9 to 3.4 bytes a token (median 3.2), GPT 3.7 to 4.4 (4.1), others about 4. A call
of a tool takes some 40 tokens besides its arguments.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from or_magic.answer import Answer
from or_magic.errors import StoreError
from or_magic.money import pico_usd

if TYPE_CHECKING:
    from or_magic.ledger.store import Ledger
    from or_magic.openrouter.catalog import Model

_BYTES_PER_TOKEN = {"Claude": 3.2, "GPT": 4.1}
_OTHERS = 4.0
_TOKENS_OF_A_CALL = 40


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


def cost(model: Model, prompt_tokens: int, completion_tokens: int) -> int | None:
    """About what they cost at the catalogue's price of now, in 1e-12 USD; None where it names no price."""
    prices = model.prices.at(prompt_tokens)
    if prices.prompt is None or prices.completion is None:
        return None
    tokens = prompt_tokens * prices.prompt + completion_tokens * prices.completion
    return pico_usd(tokens + (prices.request or Decimal(0)))
