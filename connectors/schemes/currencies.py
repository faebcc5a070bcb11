"""How many decimals a currency has (ISO 4217, 2026). Only currencies that a rail carries."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

DECIMALS: Mapping[str, int] = {
    "EUR": 2,
    "USD": 2,
    "GBP": 2,
    "XOF": 0,
    "XAF": 0,
    "KES": 2,
    "GHS": 2,
    "UGX": 0,
    "TZS": 2,
    "RWF": 0,
    "ZMW": 2,
    "TND": 3,
}


def fits_currency(amount: Decimal, currency: str) -> bool:
    """Tell whether `amount` is finite and has no more decimals than `currency`; unknown: False."""
    decimals = DECIMALS.get(currency)
    if decimals is None or not amount.is_finite():
        return False
    _, digits, exponent = amount.as_tuple()
    # Looked at digit by digit: quantize and round fail or round beyond the context's precision.
    surplus = max(0, -decimals - int(exponent))
    return not any(digits[len(digits) - min(surplus, len(digits)) :])
