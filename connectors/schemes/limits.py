"""What a scheme lets one payment be worth, and which calendar it keeps, by date.

Amounts are in units of the named currency. Calendars are names in the `holidays` package
(`financial_holidays`): XECB is TARGET, XFED the Federal Reserve. Banks may set lower limits: those
are configuration, not here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

# Where an account's IBAN may be from (EPC409-09, with Albania, Moldova, Montenegro, North Macedonia and
# Serbia, which joined in 2024 and 2025). French and British islands write IBANs of FR and GB.
SEPA_COUNTRIES = frozenset(
    [
        "AD", "AL", "AT", "BE", "BG", "CH", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR",
        "GB", "GI", "GR", "HR", "HU", "IE", "IS", "IT", "LI", "LT", "LU", "LV", "MC", "MD",
        "ME", "MK", "MT", "NL", "NO", "PL", "PT", "RO", "RS", "SE", "SI", "SK", "SM", "VA",
    ]
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class RailLimits:
    """The limits of a rail from a day on; `source` says who set them."""

    rail: str
    currency: str
    min_amount: Decimal
    max_amount: Decimal
    calendar: str
    effective_from: date
    source: str


_LIMITS: tuple[RailLimits, ...] = (
    RailLimits(
        rail="sepa",
        currency="EUR",
        min_amount=Decimal("0.01"),
        max_amount=Decimal("999999999.99"),
        calendar="XECB",
        effective_from=date(2008, 1, 28),
        source="EPC125-05 SEPA Credit Transfer rulebook, AT-04",
    ),
    RailLimits(
        rail="sepa_instant",
        currency="EUR",
        min_amount=Decimal("0.01"),
        max_amount=Decimal("100000.00"),
        calendar="",
        effective_from=date(2020, 7, 1),
        source="EPC004-16 SCT Inst rulebook 2019, maximum amount",
    ),
    RailLimits(
        rail="sepa_instant",
        currency="EUR",
        min_amount=Decimal("0.01"),
        max_amount=Decimal("999999999.99"),
        calendar="",
        effective_from=date(2025, 10, 5),
        source="EPC004-16 SCT Inst rulebook 2025, AT-T002: no maximum beyond the field",
    ),
    RailLimits(
        rail="wire",
        currency="USD",
        min_amount=Decimal("0.01"),
        max_amount=Decimal("9999999999.99"),
        calendar="XFED",
        effective_from=date(1918, 1, 1),
        source="Fedwire Funds Service: one cent below ten thousand million dollars",
    ),
    RailLimits(
        rail="rtp",
        currency="USD",
        min_amount=Decimal("0.01"),
        max_amount=Decimal("1000000.00"),
        calendar="",
        effective_from=date(2022, 4, 14),
        source="The Clearing House, RTP transaction limit 2022",
    ),
    RailLimits(
        rail="rtp",
        currency="USD",
        min_amount=Decimal("0.01"),
        max_amount=Decimal("10000000.00"),
        calendar="",
        effective_from=date(2025, 2, 9),
        source="The Clearing House, RTP transaction limit of 9 February 2025",
    ),
    RailLimits(
        rail="faster_payments",
        currency="GBP",
        min_amount=Decimal("0.01"),
        max_amount=Decimal("250000.00"),
        calendar="",
        effective_from=date(2015, 11, 16),
        source="Pay.UK, Faster Payments transaction limit 2015",
    ),
    RailLimits(
        rail="faster_payments",
        currency="GBP",
        min_amount=Decimal("0.01"),
        max_amount=Decimal("1000000.00"),
        calendar="",
        effective_from=date(2022, 2, 7),
        source="Pay.UK, Faster Payments transaction limit of 7 February 2022",
    ),
    RailLimits(
        rail="mobile_money",
        currency="XOF",
        min_amount=Decimal(1),
        max_amount=Decimal(2_000_000),
        calendar="",
        effective_from=date(2015, 5, 21),
        source="BCEAO instruction 008-05-2015: what a wallet of an identified customer may hold",
    ),
    RailLimits(
        rail="mobile_money",
        currency="XAF",
        min_amount=Decimal(1),
        max_amount=Decimal(2_000_000),
        calendar="",
        effective_from=date(2020, 1, 1),
        source="no scheme rule: an operator's tariff may say less, by configuration",
    ),
    RailLimits(
        rail="ach",
        currency="USD",
        min_amount=Decimal("0.01"),
        max_amount=Decimal("99999999.99"),
        calendar="XFED",
        effective_from=date(1974, 1, 1),
        source="NACHA Operating Rules, appendix three: amount is ten digits of cents",
    ),
)


def limits_on(rail: str, day: date, currency: str = "") -> RailLimits:
    """The limits of `rail` in force on `day`, where it has several currencies in that one.

    Raises KeyError for a rail without any.
    """
    found = [
        limit
        for limit in _LIMITS
        if limit.rail == rail
        and limit.currency in (currency or limit.currency,)
        and limit.effective_from <= day
    ]
    if not found:
        raise KeyError(rail)
    return max(found, key=lambda limit: limit.effective_from)


def current_limits(rail: str, currency: str = "") -> RailLimits:
    """The latest limits of `rail` that are known. Raises KeyError for a rail without any."""
    return limits_on(rail, date.max, currency)
