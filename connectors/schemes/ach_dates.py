"""Which dates stand on an ACH entry: the day it is to settle, and the same-day window it is meant for.

An effective entry date of today asks the Federal Reserve for same-day settlement; a later one does not.
`SDHHMM` in Company Descriptive Date, HHMM being the settlement, is a convention among originators and
their banks (Nacha Operating Rules, appendix three); no operator reads it. Windows: schemes.cutoffs.
Calendar: `XFED` of the `holidays` package (a holiday on a Saturday closes no other day).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from zoneinfo import ZoneInfo

from connectors.schemes.cutoffs import NEW_YORK, Window

ZONE = ZoneInfo(NEW_YORK)
CALENDAR = "XFED"


@dataclass(frozen=True, slots=True, order=True, kw_only=True)
class EntryDates:
    """What to write; `descriptive` is "" for everything that is not same-day."""

    effective: date
    descriptive: str


def entry_dates(
    wanted: date, *, moment: datetime, amount: Decimal, windows: Sequence[Window]
) -> EntryDates:
    """The dates of an entry of `amount` US dollars in a file built at `moment` (aware).

    What is wanted for a later day gets that day. For today (or a day that is over) a window of the
    bank's (`windows`) must take the amount and still be open, which it is before its deadline less
    the bank's lead; else it is dated the next banking day, as the scheme would settle it.
    """
    today = moment.astimezone(ZONE).date()
    if wanted > today:
        return EntryDates(effective=wanted, descriptive="")
    settlements = [
        window.settles_at
        for window in windows
        if window.same_day and window.settles_at and _is_open(window, moment, today, amount)
    ]
    if wanted == today and settlements and is_fed_day(today):
        return EntryDates(effective=today, descriptive=f"SD{min(settlements):%H%M}")
    return EntryDates(effective=next_fed_day(today), descriptive="")


def _is_open(window: Window, moment: datetime, today: date, amount: Decimal) -> bool:
    if not window.effective_from <= today < window.effective_until or window.deadline is None:
        return False
    closes = datetime.combine(today, window.deadline, tzinfo=ZONE) - window.bank_lead
    return moment < closes and (window.max_amount is None or amount <= window.max_amount)


def is_fed_day(day: date) -> bool:
    """Whether the Federal Reserve settles on a day."""
    return day.weekday() < 5 and day not in _closed_days(day.year)


def next_fed_day(day: date) -> date:
    """The first banking day after a day."""
    day += timedelta(days=1)
    while not is_fed_day(day):
        day += timedelta(days=1)
    return day


@lru_cache(maxsize=32)
def _closed_days(year: int) -> frozenset[date]:
    import holidays  # noqa: PLC0415  (a quarter of a second that most processes never need)

    return frozenset(holidays.financial_holidays(CALENDAR, years=year))
