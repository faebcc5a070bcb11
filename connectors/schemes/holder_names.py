"""How long a holder's name may be on a rail, and what becomes of a longer one.

Every name is first written in Latin letters (`formats.latin`). Where a scheme has a check of payees a
name that must be cut is refused, since the payee's bank would not know it; ACH and the wallets cut,
as their operators do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class NameRule:
    """`longest` in characters after transliteration; `cut` says that a longer name is shortened."""

    longest: int
    cut: bool
    source: str


_SEPA = NameRule(longest=70, cut=False, source="EPC125-05 and EPC004-16, AT-E001: 70 characters")
_PACS = NameRule(longest=140, cut=False, source="ISO 20022 pacs.008.001.08, Cdtr/Nm: Max140Text")
HOLDER_NAMES: Mapping[str, NameRule] = {
    "sepa": _SEPA,
    "sepa_instant": _SEPA,
    "wire": _PACS,
    "rtp": _PACS,
    "faster_payments": NameRule(
        longest=140, cut=False, source="ClearBank FPS v3, creditor.name: 140, of which 35 arrive"
    ),
    "ach": NameRule(longest=22, cut=True, source="NACHA Operating Rules, appendix three: 22"),
    "mobile_money": NameRule(longest=70, cut=True, source="operators match numbers, not names"),
}
