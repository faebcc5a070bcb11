"""The specification's five sample service levels, each at ten named instants: right dates, reckoned by hand.

The specification's own sample is wrong. It is dated Thursday 13 November 2025 and promises
`sla_target_settlement_date: 2025-11-15`: two days later on the wall calendar, a Saturday. T+2 counts banking
days, and neither ACH nor TARGET settles on a Saturday: Friday is the first, Monday the second, so the date is
2025-11-17 (`test_the_specifications_sample_date_is_no_banking_day`). No rule of the five gives the 15th.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from payouts import sla
from payouts.models import PayoutSlaRule

NEW_YORK, BRUSSELS = "America/New_York", "Europe/Brussels"
# As the specification's table has them: rail, country, priority.
RULES = {
    "ACH batch": ("ach", "US", "batch"),  # 17:00, T+2
    "ACH instant": ("rtp", "US", "instant"),  # T+0 (RTP)
    "Wire": ("wire", "US", "standard"),  # 15:00, same day
    "SEPA batch": ("sepa", "EU", "batch"),  # 18:00, T+1
    "SEPA instant": ("sepa_instant", "EU", "instant"),  # less than 10 seconds
}
# instant, local time and zone -> ACH batch, ACH instant, wire, SEPA batch, SEPA instant
TABLE = """
    the specification's sample, a Thursday      2025-11-13T10:00:00 UTC 2025-11-17 2025-11-13 2025-11-13 2025-11-14 2025-11-13
    a second before Friday 15:00 in New York    2026-11-20T14:59:59 NY  2026-11-24 2026-11-20 2026-11-20 2026-11-24 2026-11-20
    Friday 17:00:00 sharp in New York           2026-11-20T17:00:00 NY  2026-11-25 2026-11-20 2026-11-23 2026-11-24 2026-11-20
    Saturday noon in Brussels                   2026-11-28T12:00:00 BRU 2026-12-02 2026-11-28 2026-11-30 2026-12-01 2026-11-28
    Maundy Thursday, noon in Brussels           2026-04-02T12:00:00 BRU 2026-04-06 2026-04-02 2026-04-02 2026-04-07 2026-04-02
    18:00:00 sharp on the eve of 1 May          2026-04-30T18:00:00 BRU 2026-05-04 2026-04-30 2026-04-30 2026-05-05 2026-04-30
    15:30 before Thanksgiving                   2026-11-25T15:30:00 NY  2026-11-30 2026-11-25 2026-11-27 2026-11-27 2026-11-25
    the Friday before a Juneteenth on Saturday  2027-06-18T11:00:00 NY  2027-06-22 2027-06-18 2027-06-18 2027-06-21 2027-06-18
    five seconds before the new year            2026-12-31T23:59:55 BRU 2027-01-06 2026-12-31 2027-01-04 2027-01-05 2027-01-01
    five seconds before summer time, a Sunday   2026-03-29T01:59:55 BRU 2026-04-01 2026-03-28 2026-03-30 2026-03-31 2026-03-29
"""  # noqa: E501  # fmt: skip
ZONES = {"UTC": "UTC", "NY": NEW_YORK, "BRU": BRUSSELS}
ROWS = [line.rsplit(maxsplit=7) for line in TABLE.strip().splitlines()]
CASES = [
    pytest.param(rule, local, zone, day, id=f"{rule}: {name.strip()}")
    for name, local, zone, *days in ROWS
    for rule, day in zip(RULES, days, strict=True)
]


def promised(rule: str, at: datetime) -> sla.Promise:
    """What the rule as it stands in the database promises for something accepted then."""
    rail, country, priority = RULES[rule]
    row = PayoutSlaRule.objects.get(rail=rail, country=country, priority=priority)
    return sla.promise(row, amount=Decimal(1000), accepted_at=at, decimals=2)


@pytest.mark.django_db
@pytest.mark.parametrize(("rule", "local", "zone", "day"), CASES)
def test_a_sample_rule_promises_the_right_date(rule: str, local: str, zone: str, day: str) -> None:
    at = datetime.fromisoformat(local).replace(tzinfo=ZoneInfo(ZONES[zone])).astimezone(UTC)
    made = promised(rule, at)
    assert made.target_date == date.fromisoformat(day)
    seconds = {"ACH instant": 60, "SEPA instant": 10}.get(rule)
    if seconds is not None:
        assert made.target_at == at + timedelta(seconds=seconds)
        return
    # A promise of a day holds until midnight where the scheme lives.
    home = ZoneInfo(NEW_YORK if rule in ("ACH batch", "Wire") else BRUSSELS)
    end = made.target_at.astimezone(home)
    assert (end.date(), end.time().isoformat()) == (
        made.target_date + timedelta(days=1),
        "00:00:00",
    )


def test_there_are_five_rules_and_ten_instants() -> None:
    assert (len(RULES), len(ROWS), len({row[0] for row in ROWS})) == (5, 10, 10)


@pytest.mark.django_db
def test_the_specifications_sample_date_is_no_banking_day() -> None:
    sample = date(2025, 11, 15)
    assert sample.strftime("%A") == "Saturday"
    for calendar in ("XFED", "XECB"):
        assert not sla.is_banking_day(sample, calendar)
    thursday = datetime(2025, 11, 13, 10, tzinfo=UTC)
    assert {promised(rule, thursday).target_date for rule in RULES} == {
        date(2025, 11, 13), date(2025, 11, 14), date(2025, 11, 17),
    }  # fmt: skip
