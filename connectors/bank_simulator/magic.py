"""Account numbers with a fixed outcome, so that a demo or a test needs no fault.

The last digits say which, on every rail: 101 and 401 refused for good, 201 refused until somebody
mends it, 601 refused once, 701 settled and returned, 801 accepted and refused later, 901 booked but
not answered. At ACH also 301, settled and then corrected; where money can be asked back 501, settled
and not given back, and where ISO 20022 is spoken 511, settled and no answer when it is asked back.
On SEPA Instant and RTP 551, the receiver's bank is too late (AB05); on RTP 851, accepted without
posting, then pending, then sent back.

SEPA and SEPA Instant: an IBAN of the German bank code 37040044 (DE + check digits + bank code +
ten-digit account number). ACH, wire and RTP: routing number 021000021. Faster Payments: sort code
089999. Mobile money: a number that ends in 0000 and the three digits. Every other account always
accepts and always settles.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

SEPA_BANK_CODE = "37040044"
ACH_ROUTING = "021000021"
UK_SORT_CODE = "089999"


class Outcome(enum.StrEnum):
    """What happens to a payment to a magic account."""

    REFUSED = "refused"  # At once and for good.
    REFUSED_ONCE = "refused_once"  # The first try for a payout only.
    RETURNED = "returned"  # Accepted, settled, sent back.
    REFUSED_LATE = "refused_late"  # Accepted, then refused by a report.
    UNANSWERED = "unanswered"  # Booked, but the first request hears nothing.
    UNPOSTED = "unposted"  # Accepted without posting, then pending, then sent back.
    CORRECTED = "corrected"  # Settled; then its bank says what the account is called today.
    KEPT = "kept"  # Settled, and not given back when it is asked for.


@dataclass(frozen=True, slots=True)
class Magic:
    """An outcome with the code that goes with it."""

    outcome: Outcome
    code: str = ""


def _outcomes(
    *, wrong: str, mend: str, closed: str, once: str, returned: str, late: str
) -> dict[str, Magic]:
    """By the last three digits, with the codes of one scheme."""
    return {
        "101": Magic(Outcome.REFUSED, wrong),
        "201": Magic(Outcome.REFUSED, mend),
        "401": Magic(Outcome.REFUSED, closed),
        "601": Magic(Outcome.REFUSED_ONCE, once),
        "701": Magic(Outcome.RETURNED, returned),
        "801": Magic(Outcome.REFUSED_LATE, late),
        "901": Magic(Outcome.UNANSWERED),
    }


_ISO = {
    **_outcomes(
        wrong="AC01", mend="RC01", closed="AC04", once="ED05", returned="AC04", late="ED05"
    ),
    "501": Magic(Outcome.KEPT, "CUST"),
    "511": Magic(Outcome.KEPT, "SILENT"),
}
_INSTANT = {**_ISO, "551": Magic(Outcome.REFUSED, "AB05")}
_BY_SCHEME = {
    "sepa": _ISO,
    "wire": _ISO,
    "sepa_instant": _INSTANT,
    "rtp": {**_INSTANT, "851": Magic(Outcome.UNPOSTED, "AC07")},
}
_ACH = {
    **_outcomes(wrong="R04", mend="R13", closed="R16", once="R31", returned="R03", late="R32"),
    "301": Magic(Outcome.CORRECTED, "C01"),
    "501": Magic(Outcome.KEPT, "R02"),
}
CORRECT_ACCOUNT = "123456789012"  # What a corrected account number is corrected to.


_UK = {
    **_outcomes(
        wrong="AC03", mend="PY01", closed="AC07", once="BE08", returned="AC07", late="MS03"
    ),
    "501": Magic(Outcome.KEPT, "CUST"),
}
_WALLETS = {
    "mtn": _outcomes(
        wrong="PAYEE_NOT_FOUND",
        mend="NOT_ALLOWED",
        closed="PAYEE_NOT_ALLOWED_TO_RECEIVE",
        once="SERVICE_UNAVAILABLE",
        returned="REVERSED",
        late="EXPIRED",
    ),
    "wave": {
        **_outcomes(
            wrong="recipient-account-inactive",
            mend="request-validation-error",
            closed="recipient-account-blocked",
            once="service-unavailable",
            returned="REVERSED",
            late="service-unavailable",
        ),
        "501": Magic(Outcome.KEPT, "insufficient-funds"),
    },
    "mpesa": _outcomes(
        wrong="2040", mend="2001", closed="8006", once="1001", returned="REVERSED", late="1019"
    ),
    "orange": _outcomes(
        wrong="2000", mend="2041", closed="2001", once="2020", returned="REVERSED", late="2021"
    ),
}


def for_iban(iban: str, *, scheme: str) -> Magic | None:
    """The fixed outcome of an IBAN, if it has one."""
    if len(iban) != 22 or not iban.startswith("DE") or iban[4:12] != SEPA_BANK_CODE:
        return None
    return _BY_SCHEME[scheme].get(_ending(iban[12:], "0000000"))


def for_us_account(routing: str, account: str, *, scheme: str = "") -> Magic | None:
    """The fixed outcome of a routing and account number, if they have one: of ACH, or of a scheme."""
    if routing != ACH_ROUTING:
        return None
    return _BY_SCHEME.get(scheme, _ACH).get(_ending(account, "900000000"))


def for_uk_account(number: str) -> Magic | None:
    """The fixed outcome of a sort code and account number in one, if they have one."""
    if number[:6] != UK_SORT_CODE:
        return None
    return _UK.get(number[-3:]) if number[6:10] == "9000" and len(number) == 14 else None


def for_wallet(number: str, operator: str) -> Magic | None:
    """The fixed outcome of a wallet: its number ends in 0000 and the three digits."""
    return _WALLETS[operator].get(number[-3:]) if number[-7:-3] == "0000" else None


def _ending(number: str, beginning: str) -> str:
    """The last three digits of a number that is nothing but a beginning and them."""
    ending = number[len(beginning) :]
    return ending if number.startswith(beginning) and len(ending) == 3 else ""


def german_iban(account_number: str) -> str:
    """The IBAN of a ten-digit account at the magic bank code (check digits: ISO 13616)."""
    bban = SEPA_BANK_CODE + account_number
    check = 98 - int(bban + "131400") % 97
    return f"DE{check:02d}{bban}"
