"""Same-day ACH: which window an entry makes. The table was written by hand from the Fed's schedule."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from connectors.schemes.ach_windows import plan_ach_day, same_day_cap

NEW_YORK = ZoneInfo("America/New_York")
LEAD = timedelta(minutes=30)

# New York time, dollars -> effective date, window, settlement (UTC). The bank closes 30 minutes early.
DAYS = [
    ("2026-11-24 00:00:00", "100", "2026-11-24", "SD1300", "2026-11-24 18:00"),
    ("2026-11-24 09:59:59", "100", "2026-11-24", "SD1300", "2026-11-24 18:00"),
    ("2026-11-24 10:00:00", "100", "2026-11-24", "SD1700", "2026-11-24 22:00"),
    ("2026-11-24 14:14:59", "100", "2026-11-24", "SD1700", "2026-11-24 22:00"),
    ("2026-11-24 14:15:00", "100", "2026-11-24", "SD1800", "2026-11-24 23:00"),
    ("2026-11-24 16:14:59", "100", "2026-11-24", "SD1800", "2026-11-24 23:00"),
    ("2026-11-24 16:15:00", "100", "2026-11-25", None, "2026-11-25 13:30"),
    ("2026-11-24 23:59:59", "100", "2026-11-25", None, "2026-11-25 13:30"),
    # What one entry may be worth.
    ("2026-11-24 09:00:00", "1000000.00", "2026-11-24", "SD1300", "2026-11-24 18:00"),
    ("2026-11-24 09:00:00", "1000000.01", "2026-11-25", None, "2026-11-25 13:30"),
    ("2022-03-17 09:00:00", "100000.01", "2022-03-18", None, "2022-03-18 12:30"),
    ("2022-03-18 09:00:00", "100000.01", "2022-03-18", "SD1300", "2022-03-18 17:00"),
    # Wednesday before Thanksgiving, late: Friday. On Thanksgiving itself there are no windows.
    ("2026-11-25 16:30:00", "100", "2026-11-27", None, "2026-11-27 13:30"),
    ("2026-11-26 09:00:00", "100", "2026-11-27", None, "2026-11-27 13:30"),
    # Friday afternoon, Saturday, Sunday: Monday.
    ("2026-11-27 17:00:00", "100", "2026-11-30", None, "2026-11-30 13:30"),
    ("2026-11-28 09:00:00", "100", "2026-11-30", None, "2026-11-30 13:30"),
    ("2026-11-29 09:00:00", "100", "2026-11-30", None, "2026-11-30 13:30"),
    # 4 July 2026 is a Saturday: Friday the 3rd is open. 4 July 2027 is a Sunday: Monday is closed.
    ("2026-07-03 09:00:00", "100", "2026-07-03", "SD1300", "2026-07-03 17:00"),
    ("2027-07-02 17:00:00", "100", "2027-07-06", None, "2027-07-06 12:30"),
    ("2027-07-05 09:00:00", "100", "2027-07-06", None, "2027-07-06 12:30"),
    # Over the clocks' change on 8 March 2026 (a Sunday), and over the year's end.
    ("2026-03-06 17:00:00", "100", "2026-03-09", None, "2026-03-09 12:30"),
    ("2026-03-09 09:59:59", "100", "2026-03-09", "SD1300", "2026-03-09 17:00"),
    ("2026-12-31 16:15:00", "100", "2027-01-04", None, "2027-01-04 13:30"),
    # The third window opened on 19 March 2021; before 2016 there was none.
    ("2021-03-18 15:00:00", "100", "2021-03-19", None, "2021-03-19 12:30"),
    ("2021-03-19 15:00:00", "100", "2021-03-19", "SD1800", "2021-03-19 22:00"),
    ("2016-09-22 09:00:00", "100", "2016-09-23", None, "2016-09-23 12:30"),
]


@pytest.mark.parametrize(("local", "amount", "effective", "window", "settles"), DAYS)
def test_which_window_an_entry_makes(
    local: str, amount: str, effective: str, window: str | None, settles: str
) -> None:
    moment = datetime.fromisoformat(local).replace(tzinfo=NEW_YORK).astimezone(UTC)
    planned = plan_ach_day(moment, amount=Decimal(amount), bank_lead=LEAD)
    assert planned.effective_on == date.fromisoformat(effective)
    assert (planned.window.name if planned.window else None) == window
    assert planned.settles_at == datetime.fromisoformat(settles).replace(tzinfo=UTC)


def test_the_banks_lead_is_kept_apart_from_the_schemes_deadline() -> None:
    sharp = datetime(2026, 11, 24, 10, 29, 59, tzinfo=NEW_YORK)
    names = [
        plan_ach_day(sharp, amount=Decimal(1), bank_lead=timedelta(minutes=minutes)).window
        for minutes in (0, 1, 120)
    ]
    assert [window.name if window else None for window in names] == ["SD1300", "SD1700", "SD1700"]


def test_who_asks_for_no_window_gets_the_next_banking_day() -> None:
    morning = datetime(2026, 11, 24, 9, tzinfo=NEW_YORK)
    planned = plan_ach_day(morning, amount=Decimal(1), bank_lead=LEAD, same_day=False)
    assert (planned.effective_on, planned.window) == (date(2026, 11, 25), None)


def test_what_one_entry_may_be_worth_has_grown() -> None:
    days = ("2016-09-22", "2016-09-23", "2020-03-19", "2020-03-20", "2022-03-17", "2022-03-18")
    caps = [str(same_day_cap(date.fromisoformat(day))) for day in days]
    assert caps == ["0", "25000.00", "25000.00", "100000.00", "100000.00", "1000000.00"]
