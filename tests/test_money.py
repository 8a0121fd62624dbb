"""Money is exact."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from or_magic.money import format_usd, pico_usd, usd


@given(st.integers(-(10**18), 10**18))
def test_dollars_and_back(amount: int) -> None:
    """An amount survives the way to dollars and back without a change."""
    assert pico_usd(usd(amount)) == amount


@pytest.mark.parametrize(
    ("amount_usd", "text"),
    [
        ("0", "$0"),
        ("1.234", "$1.23"),
        ("1234.5", "$1,234.50"),
        ("0.41", "$0.41"),
        ("0.0023", "$0.0023"),
        ("0.00000042", "$0.00000042"),
        ("0.5", "$0.50"),
        ("-0.0023", "-$0.0023"),
    ],
)
def test_money_for_people(amount_usd: str, text: str) -> None:
    """Cents from a dollar up, two significant digits below, never an exponent."""
    assert format_usd(pico_usd(Decimal(amount_usd))) == text
