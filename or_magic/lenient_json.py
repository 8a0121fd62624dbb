"""JSON as servers really send it, read without surprises: what is missing or of another type is None or "".

Numbers with a decimal point are exact `Decimal`s: a price that went through a float is no longer the price. Pure.
"""

from __future__ import annotations

import json
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from or_magic.errors import ServiceError
from or_magic.money import pico_usd
from or_magic.text import excerpt

_ABSURD_USD = 1_000_000  # no answer costs that; nine times as much would not fit into the ledger's integers
_DECODER = msgspec.json.Decoder(float_hook=Decimal)


def parse_object(payload: bytes) -> dict[str, Any]:
    """The JSON object in `payload`; white space around it does not matter.

    Raises:
        ServiceError: it holds no JSON object.
    """
    try:
        value = _DECODER.decode(payload)
    except (ValueError, RecursionError):
        value = _decode_leniently(payload)
    if not isinstance(value, dict):
        raise ServiceError(f"The server sent something that is not an answer: {excerpt(payload) or 'nothing'}")
    return value


def _decode_leniently(payload: bytes) -> Any:
    """Decodes what only Python's own decoder takes: NaN, half of a surrogate pair, a broken UTF-8 character."""
    try:
        return json.loads(payload.decode("utf-8", "replace"), parse_float=Decimal)
    except (ValueError, RecursionError):
        return None


def as_text(value: object) -> str:
    """The string, or "" for anything else."""
    return value if isinstance(value, str) else ""


def as_object(value: object) -> dict[str, Any]:
    """The JSON object, or an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def as_list(value: object) -> list[Any]:
    """The JSON array, or an empty one for anything else."""
    return value if isinstance(value, list) else []


def as_count(value: object) -> int | None:
    """The whole number of 0 or more, else None."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def as_bool(value: object) -> bool | None:
    """True or False, else None."""
    return value if isinstance(value, bool) else None


def as_decimal(value: object) -> Decimal | None:
    """The number, also where it came as a string; None for anything else, infinities and NaN included."""
    if isinstance(value, bool) or not isinstance(value, (int, str, Decimal)):
        return None
    try:
        number = Decimal(value)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def as_pico_usd(value: object) -> int | None:
    """An amount in USD as 1e-12 USD; None for anything else, and for an amount beyond all reason."""
    amount = as_decimal(value)
    return None if amount is None or abs(amount) >= _ABSURD_USD else pico_usd(amount)


def parse_array(text: str) -> list[dict[str, Any]]:
    """The JSON objects in an array that or_magic has stored; [] for anything else."""
    try:
        items = json.loads(text)
    except (ValueError, RecursionError):
        return []
    return [item for item in as_list(items) if isinstance(item, dict)]
