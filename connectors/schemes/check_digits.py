"""Check digits inside account numbers, where a country or a bank has some.

IBAN: those of the country's own numbering (SWIFT IBAN registry, "national check digits", and what
national standards embed), by `schwifty`. UK: Pay.UK (Vocalink), "Validating account numbers", by
`ukmodulus` with its table of 2017. A sort code that is not in the table passes, as the rule says: a
bank that came later is never refused.
"""

from __future__ import annotations

import ukmodulus
from schwifty import IBAN
from schwifty.exceptions import SchwiftyException

# Every country whose method is its own, and not each bank's as in Germany.
_NATIONAL = frozenset(
    [
        "BA", "BE", "CZ", "EE", "ES", "FI", "FR", "IS", "IT", "MC", "ME", "MK", "MR", "NO", "PL", "PT",
        "RS", "SI", "SK", "SM", "TL", "TN",
    ]
)  # fmt: skip


def passes_national_check(iban: IBAN) -> bool:
    """Tell whether the national check digits of a valid IBAN are right; true where there are none."""
    if iban.country_code not in _NATIONAL:
        return True
    try:
        return bool(iban.bban.validate_national_checksum())
    except SchwiftyException:
        return False


def passes_modulus(sort_code: str, account_number: str) -> bool:
    """Tell whether 6 and 8 digits can be a UK account; what is not such digits cannot."""
    digits = sort_code + account_number
    if (len(sort_code), len(account_number)) != (6, 8) or not (
        digits.isascii() and digits.isdecimal()
    ):
        return False
    return bool(ukmodulus.validate_number(sort_code, account_number))
