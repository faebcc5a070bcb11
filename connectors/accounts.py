"""Beneficiary accounts as people type them: checked offline and brought to one canonical form.

Pure functions, no I/O. Nothing here ever puts an account number into an error, a log or a `repr`.
The check digits that a country's own numbering has inside an IBAN are verified, Germany's excepted:
there each bank chooses one of some 140 methods and may change it, and a good account that is refused
costs more than a bank that says AC01. Likewise a UK sort code that nobody lists passes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from schwifty import BIC, IBAN
from schwifty.exceptions import SchwiftyException

from connectors.base import FieldError
from connectors.schemes.check_digits import passes_modulus, passes_national_check
from connectors.schemes.numbering import read_number

# Places whose banks use a BIC of their own country with an IBAN of another (ISO 13616 registry).
_BIC_COUNTRIES_OF_IBAN: Mapping[str, frozenset[str]] = {
    "FR": frozenset(["GF", "GP", "MQ", "RE", "YT", "PM", "BL", "MF", "TF", "NC", "PF", "WF", "MC"]),
    "GB": frozenset(["JE", "GG", "IM"]),
    "FI": frozenset(["AX"]),
}

_OPERATOR = re.compile(r"[a-z0-9_]{2,30}")
_BIC_SHAPE = re.compile(r"[A-Z]{4}[A-Z]{2}[A-Z0-9]{2}(?:[A-Z0-9]{3})?")
_SWIFT_ACCOUNT = re.compile(r"[0-9A-Z]{1,34}")
# NACHA Operating Rules, appendix three: DFI account number, 17 positions, alphanumeric and hyphen.
_ACH_ACCOUNT = re.compile(r"(?=.*[0-9A-Za-z])[0-9A-Za-z-]{1,17}")


class AccountInvalid(Exception):
    """What a person typed is not an account. `errors` has one entry per field, never the value."""

    code = "account_invalid"

    def __init__(self, errors: list[FieldError]) -> None:
        super().__init__(", ".join(f"{error.field}: {error.code}" for error in errors))
        self.errors = errors


@dataclass(frozen=True, slots=True, kw_only=True)
class CanonicalAccount:
    """An account in the one form in which it is stored.

    `institution` (BIC8, national bank code, routing number, sort code, operator or numbering
    prefix) is kept in clear for routing; `last4` is shorter than 4 for numbers under 8 characters,
    so that it never is most of the number; `country` is where the account is held, not where its
    holder lives.
    """

    details: Mapping[str, str] = field(repr=False)
    last4: str
    institution: str
    country: str


def canonical_details(type: str, raw: Mapping[str, str], country: str) -> CanonicalAccount:
    """Check `raw` as an account of `type` and bring it to canonical form.

    `country` (ISO 3166-1 alpha-2) is the beneficiary's; it is used only where the account itself
    names no country. Raises AccountInvalid with stable codes: invalid_iban, national_check_failed,
    invalid_bic, bic_mismatch, invalid_routing_number, invalid_account_number, invalid_account_type,
    invalid_sort_code, modulus_check_failed, invalid_msisdn, invalid_operator, unknown_field,
    unsupported_account_type.
    """
    reader = _READERS.get(type)
    if reader is None:
        raise AccountInvalid([_error("type", "unsupported_account_type", "no such account type")])
    fields = _Fields(raw)
    account = reader(fields, country)
    fields.refuse_unknown()
    if fields.errors or account is None:
        raise AccountInvalid(fields.errors)
    return account


def is_valid_routing_number(number: str) -> bool:
    """Tell whether `number` is an ABA routing number.

    ASCII digits only; weights 3-7-1 mod 10; first two digits in 01-12, 21-32, 61-72 or 80 (ABA
    Routing Number Policy). 000000000 passes the checksum and is refused by its prefix.
    """
    if not re.fullmatch(r"[0-9]{9}", number):
        return False
    prefix = int(number[:2])
    if not (1 <= prefix <= 12 or 21 <= prefix <= 32 or 61 <= prefix <= 72 or prefix == 80):
        return False
    return sum(int(d) * w for d, w in zip(number, (3, 7, 1) * 3, strict=True)) % 10 == 0


def parse_iban(text: str) -> IBAN | None:
    """Read an IBAN (spaces and lower case allowed, ASCII only); None when it is not one."""
    compact = text.replace(" ", "").upper()
    if not text.isascii() or not compact.isalnum():
        return None
    try:
        return IBAN(compact)
    except SchwiftyException:
        return None


def parse_bic(text: str) -> BIC | None:
    """Read a BIC (ISO 9362, 8 or 11 characters, existing country); None when it is not one."""
    compact = text.replace(" ", "").upper()
    if not text.isascii() or not _BIC_SHAPE.fullmatch(compact):
        return None
    try:
        return BIC(compact)
    except SchwiftyException:
        return None


class _Fields:
    """The raw fields, with the errors found so far and a note of which were asked for."""

    def __init__(self, raw: Mapping[str, object]) -> None:
        self._raw = raw
        self._asked: set[str] = set()
        self.errors: list[FieldError] = []

    def text(self, name: str, code: str) -> str | None:
        value = self.optional(name, code)
        if value is None and not any(error.field == name for error in self.errors):
            self.fail(name, code, "is required")
        return value

    def optional(self, name: str, code: str) -> str | None:
        self._asked.add(name)
        value = self._raw.get(name)
        if value is None:
            return None
        if not isinstance(value, str) or len(value) > 100:
            self.fail(name, code, "must be a short text")
            return None
        return value.strip(" ")

    def fail(self, name: str, code: str, detail: str) -> None:
        self.errors.append(_error(name, code, detail))

    def refuse_unknown(self) -> None:
        for name in sorted(str(key) for key in self._raw.keys() - self._asked):
            self.fail(name[:40], "unknown_field", "is not a field of this account type")


def _error(name: str, code: str, detail: str) -> FieldError:
    return FieldError(field=name, code=code, detail=detail)


def _last4(number: str) -> str:
    if len(number) >= 8:
        return number[-4:]
    return number[-2:] if len(number) >= 4 else ""


def _read_iban(fields: _Fields, _country: str) -> CanonicalAccount | None:
    text = fields.text("iban", "invalid_iban")
    bic_text = fields.optional("bic", "invalid_bic")
    iban = parse_iban(text) if text is not None else None
    if text is not None and iban is None:
        fields.fail("iban", "invalid_iban", "is not a valid IBAN")
    if iban is not None and not passes_national_check(iban):
        fields.fail("iban", "national_check_failed", "has wrong check digits of its own country")
    bic = parse_bic(bic_text) if bic_text else None
    if bic_text and bic is None:
        fields.fail("bic", "invalid_bic", "is not a valid BIC")
    if iban is None:
        return None
    if bic is not None and not _bic_fits(iban, bic):
        fields.fail("bic", "bic_mismatch", "does not belong to the bank of this IBAN")
    details = {"iban": str(iban)} | ({"bic": str(bic)} if bic is not None else {})
    return CanonicalAccount(
        details=details,
        last4=_last4(str(iban)),
        institution=_institution_of_iban(iban, bic),
        country=iban.country_code,
    )


def _bic_fits(iban: IBAN, bic: BIC) -> bool:
    country = iban.country_code
    if bic.country_code != country and bic.country_code not in _BIC_COUNTRIES_OF_IBAN.get(
        country, ()
    ):
        return False
    known = _known_bics(iban)
    # Only the first four characters name the institution; the rest is place and branch.
    return not known or bic[:4] in {candidate[:4] for candidate in known}


def _known_bics(iban: IBAN) -> list[str]:
    try:
        return [
            str(bic) for bic in BIC.candidates_from_bank_code(iban.country_code, iban.bank_code)
        ]
    except SchwiftyException:
        return []


def _institution_of_iban(iban: IBAN, bic: BIC | None) -> str:
    found = iban.bic or bic
    return str(found)[:8] if found is not None else f"{iban.country_code}{iban.bank_code}"


def _read_us_bank(fields: _Fields, _country: str) -> CanonicalAccount | None:
    routing = (fields.text("routing_number", "invalid_routing_number") or "").replace(" ", "")
    number = (fields.text("account_number", "invalid_account_number") or "").replace(" ", "")
    kind = (fields.text("account_type", "invalid_account_type") or "").lower()
    already = {error.field for error in fields.errors}
    if "routing_number" not in already and not is_valid_routing_number(routing):
        fields.fail("routing_number", "invalid_routing_number", "is not an ABA routing number")
    if "account_number" not in already and not _ACH_ACCOUNT.fullmatch(number):
        detail = "must be 1 to 17 letters, digits or hyphens"
        fields.fail("account_number", "invalid_account_number", detail)
    if "account_type" not in already and kind not in ("checking", "savings"):
        fields.fail("account_type", "invalid_account_type", "must be checking or savings")
    return CanonicalAccount(
        details={"routing_number": routing, "account_number": number, "account_type": kind},
        last4=_last4(number),
        institution=routing,
        country="US",
    )


def _read_uk_bank(fields: _Fields, _country: str) -> CanonicalAccount | None:
    sort_code = fields.text("sort_code", "invalid_sort_code")
    number = fields.text("account_number", "invalid_account_number")
    sort_digits = (sort_code or "").replace("-", "").replace(" ", "")
    account_digits = (number or "").replace(" ", "")
    if sort_code is not None and not re.fullmatch(r"[0-9]{6}", sort_digits):
        fields.fail("sort_code", "invalid_sort_code", "must be 6 digits")
    # No padding to 8 digits: a leading zero is data, and guessing one pays somebody else.
    if number is not None and not re.fullmatch(r"[0-9]{8}", account_digits):
        fields.fail("account_number", "invalid_account_number", "must be 8 digits")
    if not fields.errors and not passes_modulus(sort_digits, account_digits):
        detail = "does not belong to this sort code: one of the two has a wrong digit"
        fields.fail("account_number", "modulus_check_failed", detail)
    return CanonicalAccount(
        details={"sort_code": sort_digits, "account_number": account_digits},
        last4=_last4(account_digits),
        institution=sort_digits,
        country="GB",
    )


def _read_mobile_money(fields: _Fields, _country: str) -> CanonicalAccount | None:
    text = fields.text("msisdn", "invalid_msisdn")
    operator = (fields.optional("operator", "invalid_operator") or "").lower()
    if operator and not _OPERATOR.fullmatch(operator):
        fields.fail("operator", "invalid_operator", "must be letters, digits or underscores")
    if text is None:
        return None
    msisdn = re.sub(r"[ ()-]", "", text)
    number = read_number(msisdn)
    if number is None:
        detail = "must be a mobile number with + and country code"
        fields.fail("msisdn", "invalid_msisdn", detail)
        return None
    return CanonicalAccount(
        details={"msisdn": msisdn} | ({"operator": operator} if operator else {}),
        last4=_last4(msisdn),
        institution=operator or number.operator or number.prefix,
        country=number.country,
    )


def _read_swift(fields: _Fields, _country: str) -> CanonicalAccount | None:
    bic_text = fields.text("bic", "invalid_bic")
    number = fields.text("account_number", "invalid_account_number")
    bic = parse_bic(bic_text) if bic_text is not None else None
    if bic_text is not None and bic is None:
        fields.fail("bic", "invalid_bic", "is not a valid BIC")
    compact = (number or "").replace(" ", "").upper() if (number or "").isascii() else ""
    if number is not None and not _SWIFT_ACCOUNT.fullmatch(compact):
        detail = "must be 1 to 34 letters or digits"
        fields.fail("account_number", "invalid_account_number", detail)
    if bic is None:
        return None
    return CanonicalAccount(
        details={"bic": str(bic), "account_number": compact},
        last4=_last4(compact),
        institution=str(bic)[:8],
        country=bic.country_code,
    )


_READERS: Mapping[str, Callable[[_Fields, str], CanonicalAccount | None]] = {
    "iban": _read_iban,
    "us_bank": _read_us_bank,
    "uk_bank": _read_uk_bank,
    "mobile_money": _read_mobile_money,
    "swift": _read_swift,
}
