"""The clock and the calendars of the simulated schemes.

Simulated now is real now plus an offset that only grows. Banking days come from `holidays`: TARGET
(`XECB`) and Federal Reserve (`XFED`; a holiday on a Saturday leaves the Friday open, one on a
Sunday closes the Monday: Federal Reserve Financial Services, "Holiday Schedules").

SEPA credit transfer: debited on the requested date when TARGET is open on it, customers' cut-off
17:00 Brussels (T2 operating day, ECB); returned by the next banking day in this model (the SCT
rulebook allows three). ACH: non-same-day credits settle at 08:30 New York on the effective entry
date, the next banking day at the earliest (Nacha Operating Rules; FedACH Processing Schedule); with an
effective date of today they settle in the first of the three same-day windows that is still open; a
return reaches the originator's bank by the opening of the second banking day, here on the first.
Fedwire: a business day opens at 21:00 New York on the calendar day before and takes third-party
transfers until 18:45 (Federal Reserve Financial Services, operating hours).
"""

from __future__ import annotations

import functools
import time as time_of_day
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

BRUSSELS = ZoneInfo("Europe/Brussels")
NEW_YORK = ZoneInfo("America/New_York")
LONDON = ZoneInfo("Europe/London")
TARGET = "XECB"
FEDERAL_RESERVE = "XFED"

SEPA_OPENS = time(7, 0)
SEPA_CLOSES = time(17, 0)
SEPA_RETURNS_AT = time(9, 0)
ACH_SETTLES_AT = time(8, 30)
# Same-day: the scheme's deadline and the settlement (FedACH Processing Schedule). This bank wants a file
# a quarter of an hour before the deadline, so that it can pass it on.
ACH_WINDOWS = (
    (time(10, 30), time(13, 0)),
    (time(14, 45), time(17, 0)),
    (time(16, 45), time(18, 0)),
)
ACH_LEAD = timedelta(minutes=15)
SAME_DAY_CAP = Decimal(1_000_000)  # US dollars for one entry, since 18 March 2022.
FEDWIRE_OPENS = time(21, 0)
FEDWIRE_CUSTOMER_CUTOFF = time(18, 45)
FEDWIRE_RETURNS_AT = time(10, 0)

MAX_OFFSET_SECONDS = 10 * 366 * 86_400  # Ten years: calendars are certain no further than that.


GRACE_SECONDS = 60.0


class SchemeClock:
    """Real time plus an offset in seconds."""

    def __init__(self) -> None:
        self._offset_seconds = 0.0
        self._moves: list[tuple[float, float]] = []  # When it was moved, and the offset until then.

    @property
    def offset_seconds(self) -> float:
        return self._offset_seconds

    @offset_seconds.setter
    def offset_seconds(self, seconds: float) -> None:
        self._moves = [*self._moves[-99:], (time_of_day.monotonic(), self._offset_seconds)]
        self._offset_seconds = seconds

    def forgiving_now(self) -> datetime:
        """The earliest "now" of the last minute of real time.

        A message that was dated when it was written, or that had to be sent again, is not late just
        because somebody moved the clock while it was under way.
        """
        since = time_of_day.monotonic() - GRACE_SECONDS
        recent = [offset for moved_at, offset in self._moves if moved_at >= since]
        return datetime.now(UTC) + timedelta(seconds=min([self._offset_seconds, *recent]))

    def now(self) -> datetime:
        """Simulated now, aware, UTC."""
        return datetime.now(UTC) + timedelta(seconds=self.offset_seconds)


@functools.lru_cache(maxsize=64)
def _closed_days(calendar: str, year: int) -> frozenset[date]:
    """A year's holidays. Imported here: the library is slow, and a restart should not be."""
    import holidays

    return frozenset(holidays.financial_holidays(calendar, years=year))


def warm_up(now: datetime) -> None:
    """Load this year's calendars, so that no payment has to wait for them."""
    for calendar in (TARGET, FEDERAL_RESERVE):
        _closed_days(calendar, now.year)


def is_banking_day(calendar: str, day: date) -> bool:
    """Whether the scheme is open that day. A Fed holiday on a Saturday closes no other."""
    return day.weekday() < 5 and day not in _closed_days(calendar, day.year)


def roll_forward(calendar: str, day: date) -> date:
    """That day, or the next banking day after it."""
    while not is_banking_day(calendar, day):
        day += timedelta(days=1)
    return day


def next_banking_day(calendar: str, day: date) -> date:
    """The first banking day after that day."""
    return roll_forward(calendar, day + timedelta(days=1))


def _moment(day: date, at: time, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, at, tzinfo=zone).astimezone(UTC)


def sepa_settlement(accepted_at: datetime, wanted_on: date) -> datetime:
    """When a SEPA credit transfer is debited."""
    local = accepted_at.astimezone(BRUSSELS)
    today = local.date()
    open_today = is_banking_day(TARGET, today) and local.time() < SEPA_CLOSES
    earliest = today if open_today else next_banking_day(TARGET, today)
    day = max(roll_forward(TARGET, wanted_on), earliest)
    return max(_moment(day, SEPA_OPENS, BRUSSELS), accepted_at)


def sepa_return(settled_at: datetime) -> datetime:
    """When a settled SEPA credit transfer comes back."""
    settled_on = settled_at.astimezone(BRUSSELS).date()
    return _moment(next_banking_day(TARGET, settled_on), SEPA_RETURNS_AT, BRUSSELS)


def ach_settlement(accepted_at: datetime, effective_on: date) -> datetime:
    """When an ACH credit settles. Today's is a wish for same-day; an older date is a day too late."""
    accepted_on = accepted_at.astimezone(NEW_YORK).date()
    if effective_on == accepted_on and is_banking_day(FEDERAL_RESERVE, accepted_on):
        for deadline, settles in ACH_WINDOWS:
            if accepted_at < _moment(accepted_on, deadline, NEW_YORK) - ACH_LEAD:
                return _moment(accepted_on, settles, NEW_YORK)
    earliest = next_banking_day(FEDERAL_RESERVE, accepted_on)
    day = max(roll_forward(FEDERAL_RESERVE, effective_on), earliest)
    return _moment(day, ACH_SETTLES_AT, NEW_YORK)


def ach_return(settled_at: datetime) -> datetime:
    """When a settled ACH credit comes back."""
    settled_on = settled_at.astimezone(NEW_YORK).date()
    return _moment(next_banking_day(FEDERAL_RESERVE, settled_on), ACH_SETTLES_AT, NEW_YORK)


def ach_reversal_until(settled_at: datetime) -> datetime:
    """Until when a settled ACH credit may be reversed: the end of the fifth banking day after."""
    day = settled_at.astimezone(NEW_YORK).date()
    for _ in range(5):
        day = next_banking_day(FEDERAL_RESERVE, day)
    return _moment(day + timedelta(days=1), time(0), NEW_YORK)


def fedwire_settlement(accepted_at: datetime, wanted_on: date) -> datetime:
    """When a customer's Fedwire transfer settles: a business day opens on the evening before."""
    local = accepted_at.astimezone(NEW_YORK)
    day = local.date()
    if local.time() >= FEDWIRE_OPENS:
        day += timedelta(days=1)
    day = roll_forward(FEDERAL_RESERVE, day)
    if day == local.date() and local.time() >= FEDWIRE_CUSTOMER_CUTOFF:
        day = next_banking_day(FEDERAL_RESERVE, day)
    day = max(day, roll_forward(FEDERAL_RESERVE, wanted_on))
    return max(_moment(day - timedelta(days=1), FEDWIRE_OPENS, NEW_YORK), accepted_at)


def fedwire_return(settled_at: datetime) -> datetime:
    """When a settled Fedwire transfer comes back."""
    settled_on = settled_at.astimezone(NEW_YORK).date()
    return _moment(next_banking_day(FEDERAL_RESERVE, settled_on), FEDWIRE_RETURNS_AT, NEW_YORK)


_HOMES: dict[str, ZoneInfo] = {
    "ach": NEW_YORK,
    "wire": NEW_YORK,
    "rtp": NEW_YORK,
    "sepa": BRUSSELS,
    "sepa_instant": BRUSSELS,
    "faster_payments": LONDON,
}


def value_date(rail: str, moment: datetime) -> date:
    """The day of a moment where the scheme lives."""
    return moment.astimezone(_HOMES.get(rail, UTC)).date()


def end_of_day(rail: str, day: date) -> datetime:
    """The moment at which a day ends where the scheme lives."""
    return _moment(day + timedelta(days=1), time(0), _HOMES[rail])
