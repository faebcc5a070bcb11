"""Currencies and the one way to read an amount: exactly, or not at all."""

from __future__ import annotations

import re
from decimal import Decimal

from payouts.errors import PayoutError

# ISO 4217 minor-unit digits of the currencies that accounts may be held in.
EXPONENTS = {
    "AED": 2, "CHF": 2, "DKK": 2, "EUR": 2, "GBP": 2, "GHS": 2, "JPY": 0, "KES": 2, "KWD": 3, "MAD": 2,
    "NGN": 2, "NOK": 2, "PLN": 2, "SEK": 2, "TND": 3, "TZS": 2, "UGX": 0, "USD": 2, "XAF": 0, "XOF": 0,
    "ZAR": 2,
}  # fmt: skip
# ASCII only: \d would take Arabic digits. No sign, exponent, space, leading zero or separator.
AMOUNT = re.compile(r"(0|[1-9][0-9]{0,29})(\.[0-9]{1,30})?", re.ASCII)
LARGEST = Decimal(10) ** 15  # Columns hold fifteen digits before the point.


def parse_amount(source: str, *, param: str = "amount") -> Decimal:
    """Read an amount from its source text. Raises PayoutError amount_invalid or amount_out_of_range."""
    if len(source) > 64 or not AMOUNT.fullmatch(source):
        raise PayoutError("amount_invalid", param=param)
    amount = Decimal(source)
    if amount <= 0:
        raise PayoutError("amount_invalid", "The amount must be above zero", param=param)
    if amount >= LARGEST:
        raise PayoutError("amount_out_of_range", param=param)
    return amount


def check_currency(currency: str, *, param: str = "currency") -> None:
    """Raises PayoutError currency_unsupported. Exact and case-sensitive: `usd` is not USD."""
    if currency not in EXPONENTS:
        raise PayoutError("currency_unsupported", param=param)


def check_precision(amount: Decimal, currency: str, *, param: str = "amount") -> None:
    """Raises PayoutError amount_precision: an amount is never rounded."""
    exponent = amount.as_tuple().exponent
    assert isinstance(exponent, int)  # noqa: S101  (parse_amount lets no NaN or infinity pass)
    if -exponent > EXPONENTS[currency]:
        detail = f"{currency} has {EXPONENTS[currency]} decimals"
        raise PayoutError("amount_precision", detail, param=param)


def display(amount: Decimal, currency: str) -> str:
    """The amount as it leaves the API: a string with the currency's own number of decimals."""
    return f"{amount:.{EXPONENTS.get(currency, 2)}f}"
