"""The rules a SEPA credit transfer must keep, each with the ISO 20022 status reason that names its
breach.

EPC132-08 (SCT Customer-to-PSP guidelines) and EPC217-08 (character set); addresses: since 15
November 2026 an address needs at least town and country, with at most two free lines of 70
(EPC153-22).
"""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from decimal import Decimal

from lxml import etree

from connectors.bank_simulator.scheme_clock import BRUSSELS

MAX_AMOUNT = Decimal("999999999.99")
MAX_DAYS_LATE = 1
MAX_DAYS_AHEAD = 365

# The Latin set that every SEPA bank must accept (EPC217-08).
_TEXT = re.compile(r"[A-Za-z0-9/\-?:().,'+ ]*\Z")
_IDENTIFIER = re.compile(r"(?!/)(?!.*//)[A-Za-z0-9/\-?:().,'+ ]{1,35}(?<!/)\Z")
_DATE_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-][0-9:]{5})?\Z"
)

# ISO 13616 IBAN lengths of the SEPA scheme countries (EPC409-09).
IBAN_LENGTHS: dict[str, int] = {
    "AD": 24,
    "AL": 28,
    "AT": 20,
    "BE": 16,
    "BG": 22,
    "CH": 21,
    "CY": 28,
    "CZ": 24,
    "DE": 22,
    "DK": 18,
    "EE": 20,
    "ES": 24,
    "FI": 18,
    "FR": 27,
    "GB": 22,
    "GI": 23,
    "GR": 27,
    "HR": 21,
    "HU": 28,
    "IE": 22,
    "IS": 26,
    "IT": 27,
    "LI": 21,
    "LT": 20,
    "LU": 20,
    "LV": 21,
    "MC": 27,
    "MD": 24,
    "ME": 22,
    "MK": 19,
    "MT": 31,
    "NL": 18,
    "NO": 15,
    "PL": 28,
    "PT": 25,
    "RO": 24,
    "RS": 22,
    "SE": 24,
    "SI": 19,
    "SK": 24,
    "SM": 27,
    "VA": 22,
}


def is_identifier(text: str) -> bool:
    """A reference (EPC132-08): 1 to 35 Latin characters, no slash at an end, no two in a row."""
    return bool(_IDENTIFIER.match(text))


def is_date_time(text: str) -> bool:
    """An ISO date and time that exists."""
    if not _DATE_TIME.match(text):
        return False
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def is_iban(text: str) -> bool:
    """A SEPA country's IBAN: length and check digits (ISO 13616, ISO 7064 mod 97-10)."""
    if not re.fullmatch(r"[A-Z]{2}[0-9]{2}[A-Z0-9]+", text) or IBAN_LENGTHS.get(text[:2]) != len(
        text
    ):
        return False
    digits = "".join(str(int(character, 36)) for character in text[4:] + text[:4])
    return int(digits) % 97 == 1


def check_payment_information(
    node: etree._Element, wanted_on: date | None, now: datetime, *, instant: bool
) -> str:
    """The code of the first rule that a payment information breaks, or an empty text."""
    today = now.astimezone(BRUSSELS).date()
    if [level.text for level in node.iterfind("PmtTpInf/SvcLvl/Cd")] != ["SEPA"]:
        return "FF04"
    if node.findtext("PmtTpInf/LclInstrm/Cd") != ("INST" if instant else None):
        return "FF05"  # Plain and instant credit transfers each have a door of their own.
    if node.findtext("ChrgBr") not in (None, "SLEV"):
        return "BE19"
    if wanted_on is None or wanted_on < today - timedelta(days=MAX_DAYS_LATE):
        return "DT01"
    if wanted_on > today + timedelta(days=MAX_DAYS_AHEAD):  # Held until then, instant ones too.
        return "DT01"
    if not is_iban(node.findtext("DbtrAcct/Id/IBAN") or ""):
        return "AC02"
    if not _is_name(node.findtext("Dbtr/Nm")):
        return "BE08"
    return "" if is_address(node.find("Dbtr/PstlAdr")) else "BE07"


def check_transaction(node: etree._Element) -> str:
    """The code of the first rule that one credit transfer breaks, or an empty text."""
    return _check_amount(node) or _check_creditor(node) or _check_remittance(node)


def _check_amount(node: etree._Element) -> str:
    instructed = node.find("Amt/InstdAmt")
    assert instructed is not None
    if instructed.get("Ccy") != "EUR":
        return "AM03"
    text = instructed.text or ""
    if len(text.partition(".")[2]) > 2:
        return "AM12"
    amount = Decimal(text)
    if amount <= 0:
        return "AM01"
    if amount > MAX_AMOUNT:
        return "AM02"
    return "" if node.findtext("ChrgBr") in (None, "SLEV") else "BE19"


def _check_creditor(node: etree._Element) -> str:
    name = node.findtext("Cdtr/Nm") or ""
    if not name.strip():
        return "BE22"
    if len(name) > 70:
        return "BE20"
    if not _TEXT.match(name):
        return "RR10"
    if not is_iban(node.findtext("CdtrAcct/Id/IBAN") or ""):
        return "AC01"
    return "" if is_address(node.find("Cdtr/PstlAdr")) else "BE04"


def _check_remittance(node: etree._Element) -> str:
    texts = [child.text or "" for child in node.iterfind("RmtInf/Ustrd")]
    structured = len(node.findall("RmtInf/Strd"))
    if len(texts) + structured > 1:
        return "RR07"  # One occurrence of either, never both.
    if any(not 1 <= len(text) <= 140 for text in texts):
        return "RR07"
    return "" if all(_TEXT.match(text) for text in texts) else "RR10"


def _is_name(text: str | None) -> bool:
    return text is not None and 1 <= len(text.strip()) <= 70


def is_address(node: etree._Element | None) -> bool:
    """None is fine; one that is given must be structured, or hybrid with at most two lines."""
    if node is None:
        return True
    lines = [line.text or "" for line in node.iterfind("AdrLine")]
    town, country = node.findtext("TwnNm") or "", node.findtext("Ctry") or ""
    return (
        bool(town.strip())
        and re.fullmatch(r"[A-Z]{2}", country) is not None
        and len(lines) <= 2
        and all(1 <= len(line) <= 70 for line in lines)
    )
