"""The dates on an ACH entry. The table was written by hand from the Fed's schedule."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from connectors.schemes.ach_dates import ZONE, entry_dates
from connectors.schemes.cutoffs import windows_for

HALF_AN_HOUR = [{"window": "*", "lead_minutes": 30}]

# New York time, the day that is wanted, dollars -> effective and descriptive date. The bank closes 30
# minutes before each deadline (10:30, 14:45, 16:45).
DAYS = [
    ("2026-11-24 00:00:00", "2026-11-24", "100", "2026-11-24", "SD1300"),
    ("2026-11-24 09:59:59", "2026-11-24", "100", "2026-11-24", "SD1300"),
    ("2026-11-24 10:00:00", "2026-11-24", "100", "2026-11-24", "SD1700"),
    ("2026-11-24 14:14:59", "2026-11-24", "100", "2026-11-24", "SD1700"),
    ("2026-11-24 14:15:00", "2026-11-24", "100", "2026-11-24", "SD1800"),
    ("2026-11-24 16:14:59", "2026-11-24", "100", "2026-11-24", "SD1800"),
    ("2026-11-24 16:15:00", "2026-11-24", "100", "2026-11-25", ""),
    # A later day is what it is; one that is over asks for no window.
    ("2026-11-24 09:00:00", "2026-11-25", "100", "2026-11-25", ""),
    ("2026-11-24 09:00:00", "2026-12-10", "100", "2026-12-10", ""),
    ("2026-11-24 09:00:00", "2026-11-23", "100", "2026-11-25", ""),
    # What one entry may be worth.
    ("2026-11-24 09:00:00", "2026-11-24", "1000000.00", "2026-11-24", "SD1300"),
    ("2026-11-24 09:00:00", "2026-11-24", "1000000.01", "2026-11-25", ""),
    ("2022-03-17 09:00:00", "2022-03-17", "100000.01", "2022-03-18", ""),
    ("2022-03-18 09:00:00", "2022-03-18", "100000.01", "2022-03-18", "SD1300"),
    # Wednesday before Thanksgiving, late: Friday. On Thanksgiving itself there are no windows.
    ("2026-11-25 16:30:00", "2026-11-25", "100", "2026-11-27", ""),
    ("2026-11-26 09:00:00", "2026-11-26", "100", "2026-11-27", ""),
    # Friday afternoon, Saturday, Sunday: Monday.
    ("2026-11-27 17:00:00", "2026-11-27", "100", "2026-11-30", ""),
    ("2026-11-28 09:00:00", "2026-11-28", "100", "2026-11-30", ""),
    ("2026-11-29 09:00:00", "2026-11-29", "100", "2026-11-30", ""),
    # 4 July 2026 is a Saturday: Friday the 3rd is open. 4 July 2027 is a Sunday: Monday is closed.
    ("2026-07-03 09:00:00", "2026-07-03", "100", "2026-07-03", "SD1300"),
    ("2027-07-05 09:00:00", "2027-07-05", "100", "2027-07-06", ""),
    # After the clocks' change of 8 March 2026, and over the year's end.
    ("2026-03-09 09:59:59", "2026-03-09", "100", "2026-03-09", "SD1300"),
    ("2026-12-31 16:15:00", "2026-12-31", "100", "2027-01-04", ""),
    # The third window opened on 19 March 2021; before 2016 there was none.
    ("2021-03-18 15:00:00", "2021-03-18", "100", "2021-03-19", ""),
    ("2021-03-19 15:00:00", "2021-03-19", "100", "2021-03-19", "SD1800"),
    ("2016-09-22 09:00:00", "2016-09-22", "100", "2016-09-23", ""),
]


@pytest.mark.parametrize(("local", "wanted", "amount", "effective", "descriptive"), DAYS)
def test_which_dates_stand_on_an_entry(
    local: str, wanted: str, amount: str, effective: str, descriptive: str
) -> None:
    found = entry_dates(
        date.fromisoformat(wanted),
        moment=datetime.fromisoformat(local).replace(tzinfo=ZONE).astimezone(UTC),
        amount=Decimal(amount),
        windows=windows_for("ach", HALF_AN_HOUR),
    )
    assert (found.effective, found.descriptive) == (date.fromisoformat(effective), descriptive)


def test_where_a_bank_does_not_offer_a_window_the_next_one_is_meant() -> None:
    morning = datetime(2026, 11, 24, 9, tzinfo=ZONE)
    for overrides, descriptive in (
        ([], "SD1300"),
        ([{"window": "same day, first", "offered": False}], "SD1700"),
        ([{"window": "*", "offered": False}], ""),
    ):
        found = entry_dates(
            morning.date(),
            moment=morning,
            amount=Decimal(1),
            windows=windows_for("ach", overrides),
        )
        assert found.descriptive == descriptive
