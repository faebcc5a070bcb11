"""What a scheme lets one payment be worth, and which calendar it keeps, by date.

Amounts are in units of the named currency. Calendars are names in the `holidays` package
(`financial_holidays`): XECB is TARGET, XFED the Federal Reserve. Banks may set lower limits: those
are configuration, not here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import lru_cache

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
    """The limits of a rail from a day on; `source` says who set them.

    `operator` and `country` are empty where a row holds for all of them; a row that names one wins.
    """

    rail: str
    currency: str
    operator: str = ""
    country: str = ""
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
        rail="mobile_money",
        currency="KES",
        min_amount=Decimal(10),
        max_amount=Decimal(150_000),
        calendar="",
        effective_from=date(2020, 3, 17),
        source="Safaricom, M-Pesa: 150,000 in one transaction; a business payment is 10 at least",
    ),
    RailLimits(
        rail="mobile_money",
        currency="KES",
        min_amount=Decimal(10),
        max_amount=Decimal(250_000),
        calendar="",
        effective_from=date(2023, 8, 15),
        source="Safaricom, M-Pesa: 250,000 in one transaction since 15 August 2023",
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


def history(
    rail: str, currency: str = "", *, operator: str = "", country: str = ""
) -> list[RailLimits]:
    """The limits of `rail` one after another, each in force until the next one's first day.

    Without a currency, operator or country: whatever the rail has. Raises KeyError for a rail without any.
    """
    found: dict[date, RailLimits] = {}
    for limit in _LIMITS:
        fits = limit.rail == rail and currency in ("", limit.currency)
        if not fits or limit.operator not in ("", operator) or limit.country not in ("", country):
            continue
        known = found.get(limit.effective_from)
        if known is None or _names(known) < _names(limit):
            found[limit.effective_from] = limit
    if not found:
        raise KeyError(rail)
    named = max(_names(limit) for limit in found.values())
    most = [limit for limit in found.values() if _names(limit) == named]
    return sorted(most, key=lambda limit: limit.effective_from)


@lru_cache(maxsize=512)
def limits_on(
    rail: str, day: date, currency: str = "", *, operator: str = "", country: str = ""
) -> RailLimits:
    """The limits of `rail` in force on `day`, where it has several currencies in that one.

    Raises KeyError for a rail without any.
    """
    begun = [
        limit
        for limit in history(rail, currency, operator=operator, country=country)
        if limit.effective_from <= day
    ]
    if not begun:
        raise KeyError(rail)
    return begun[-1]


def current_limits(rail: str, currency: str = "") -> RailLimits:
    """The latest limits of `rail` that are known. Raises KeyError for a rail without any."""
    return limits_on(rail, date.max, currency)


def _names(limit: RailLimits) -> int:
    """How closely a row says for whom it holds: an operator in a country more than an operator."""
    return 2 * bool(limit.operator) + bool(limit.country)
