"""Mobile numbers of the countries where wallets can be paid, and whose network they were given to.

The numbering plans are those of `phonenumbers` (Google's metadata from the national regulators). Two
traps that it knows: Côte d'Ivoire has had 10 digits since 31 January 2021, Benin since 30 November
2024; both refuse the old form of 8 digits. The operator is the one that the number range was given to:
who has carried a number to another network, or uses a wallet that is nobody's network (Wave), says so.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import phonenumbers
from phonenumbers import PhoneNumberType, carrier

COUNTRIES = frozenset(
    ["BF", "BJ", "CI", "CM", "GH", "GW", "KE", "ML", "NE", "RW", "SN", "TG", "TZ", "UG", "ZM"]
)
_SHAPE = re.compile(r"\+[0-9]{8,15}", re.ASCII)
# Where the wallet has another name than the network.
_WALLETS = {("KE", "safaricom"): "mpesa"}
_MOBILE = (PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE)


@dataclass(frozen=True, slots=True, kw_only=True)
class WalletNumber:
    """A mobile number; `operator` is "" where the range is nobody's, `prefix` country code and range."""

    country: str
    operator: str
    prefix: str


def read_number(msisdn: str) -> WalletNumber | None:
    """Read a number in E.164 with its plus sign; None when no wallet can be there."""
    if not _SHAPE.fullmatch(msisdn):
        return None
    try:
        number = phonenumbers.parse(msisdn)
    except phonenumbers.NumberParseException:
        return None
    country = phonenumbers.region_code_for_number(number)
    if country not in COUNTRIES or not phonenumbers.is_valid_number(number):
        return None
    if phonenumbers.number_type(number) not in _MOBILE:
        return None
    if phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164) != msisdn:
        return None
    # "MTN Cameroon", "Moov Africa": the first word is the operator everywhere.
    name = carrier.name_for_number(number, "en").lower().split(" ")[0]
    code = str(number.country_code)
    operator = _WALLETS.get((country, name), name)
    return WalletNumber(country=country, operator=operator, prefix=msisdn[1 : 1 + len(code) + 2])
