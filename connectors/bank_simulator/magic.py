"""Account numbers with a fixed outcome, so that a demo or a test needs no fault.

SEPA: an IBAN of the German bank code 37040044 (DE + check digits + bank code + ten-digit account
number). ACH: routing number 021000021. Every other account always accepts and always settles.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

SEPA_BANK_CODE = "37040044"
ACH_ROUTING = "021000021"


class Outcome(enum.StrEnum):
    """What happens to a payment to a magic account."""

    REFUSED = "refused"  # At once and for good.
    REFUSED_ONCE = "refused_once"  # The first try for a payout only.
    RETURNED = "returned"  # Accepted, settled, sent back.
    REFUSED_LATE = "refused_late"  # Accepted, then refused by a report.
    UNANSWERED = "unanswered"  # Booked, but the first request hears nothing.


@dataclass(frozen=True, slots=True)
class Magic:
    """An outcome with the code that goes with it."""

    outcome: Outcome
    code: str = ""


_SEPA = {
    "0000000101": Magic(Outcome.REFUSED, "AC01"),
    "0000000401": Magic(Outcome.REFUSED, "AC04"),
    "0000000601": Magic(Outcome.REFUSED_ONCE, "ED05"),
    "0000000701": Magic(Outcome.RETURNED, "AC04"),
    "0000000801": Magic(Outcome.REFUSED_LATE, "ED05"),
    "0000000901": Magic(Outcome.UNANSWERED),
}

_ACH = {
    "900000000101": Magic(Outcome.REFUSED, "R04"),
    "900000000401": Magic(Outcome.REFUSED, "R16"),
    "900000000601": Magic(Outcome.REFUSED_ONCE, "R31"),
    "900000000701": Magic(Outcome.RETURNED, "R03"),
    "900000000801": Magic(Outcome.REFUSED_LATE, "R32"),
    "900000000901": Magic(Outcome.UNANSWERED),
}


def for_iban(iban: str) -> Magic | None:
    """The fixed outcome of an IBAN, if it has one."""
    if len(iban) != 22 or not iban.startswith("DE") or iban[4:12] != SEPA_BANK_CODE:
        return None
    return _SEPA.get(iban[12:])


def for_us_account(routing: str, account: str) -> Magic | None:
    """The fixed outcome of a routing and account number, if they have one."""
    return _ACH.get(account) if routing == ACH_ROUTING else None


def german_iban(account_number: str) -> str:
    """The IBAN of a ten-digit account at the magic bank code (check digits: ISO 13616)."""
    bban = SEPA_BANK_CODE + account_number
    check = 98 - int(bban + "131400") % 97
    return f"DE{check:02d}{bban}"
