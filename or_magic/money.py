"""Money is an integer count of 1e-12 US dollars, so that sums are exact in Python and in SQL.

A price or cost that is not known is None, never 0. Token prices are as small as 1e-9 USD and charges have been seen
with twelve decimals, so 1e-12 keeps every charge and an int64 column still holds nine million dollars.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from or_magic.errors import CommandError

if TYPE_CHECKING:
    from decimal import Context, Decimal

PICO_PER_USD = 10**12


@functools.cache
def _exact() -> Context:
    from decimal import ROUND_HALF_EVEN, Context

    return Context(prec=60, rounding=ROUND_HALF_EVEN)


def pico_usd(amount_usd: Decimal) -> int:
    """The amount as a whole number of 1e-12 USD; anything finer (float noise) is rounded half to even."""
    exact = _exact()
    return int(exact.multiply(amount_usd, PICO_PER_USD).to_integral_value(context=exact))


def usd(amount_pico_usd: int) -> Decimal:
    """The exact amount in US dollars."""
    return _exact().divide(amount_pico_usd, PICO_PER_USD)


def format_usd(amount_pico_usd: int) -> str:
    """The amount for people: ``$0``, ``$1.23``, ``$0.41``, ``$0.0023``, ``$0.00000042``.

    Cents from a dollar up; below, two significant digits and at least cents. For exact figures use `usd`.
    """
    amount = usd(amount_pico_usd)
    if not amount:
        return "$0"
    digits = 2 if abs(amount) >= 1 else max(2, 1 - amount.adjusted())
    text = f"{abs(amount):,.{digits}f}"
    return f"-${text}" if amount < 0 else f"${text}"


def amount(text: str, where: str) -> int:
    """An amount of money as it was typed, ``2``, ``2.00`` or ``$2``, in 1e-12 USD.

    Raises:
        CommandError: it is none.
    """
    from decimal import Decimal

    try:
        value = Decimal(text.strip().lstrip("$"))
        if not value.is_finite() or value < 0 or value > 1_000_000:
            raise ArithmeticError
    except ArithmeticError:
        raise CommandError(f"{where} wants an amount in USD, such as 2.00; {text!r} was typed.") from None
    return pico_usd(value)
