"""Dates in banking days: pure arithmetic, the rule or the windows and the moment are passed in.

`promise` is what a service level promises, `plan_settlement` what a scheme's windows allow. Both read a
cut-off as the first moment that is too late: at 17:00:00 sharp it is the next banking day's.

Calendars come from the `holidays` package: XFED (Federal Reserve; a holiday on a Saturday does not close
the Friday before), XECB (TARGET) and GB-ENG. "" is a calendar without holidays. A rule says beside it
which days of the week are closed.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any, Protocol
from uuid import UUID
from zoneinfo import ZoneInfo


class Rule(Protocol):
    """What is read of a row of payout_sla_rules."""

    id: UUID
    bank_connector_id: UUID | None
    rail: str | None
    country: str | None
    priority: str | None
    cutoff_time: time | None
    time_zone: str
    calendar: str
    weekend: str
    processing_days: int
    settlement_days: int
    target_seconds: int | None
    base_fee: Decimal
    percentage_fee: Decimal
    effective_from: date | None
    effective_until: date | None


class Window(Protocol):
    """What is read of a scheme's window (connectors.schemes.cutoffs says what each means)."""

    @property
    def name(self) -> str: ...
    @property
    def calendar(self) -> str: ...
    @property
    def time_zone(self) -> str: ...
    @property
    def opens(self) -> time: ...
    @property
    def eve(self) -> bool: ...
    @property
    def deadline(self) -> time | None: ...
    @property
    def bank_lead(self) -> timedelta: ...
    @property
    def settles_at(self) -> time | None: ...
    @property
    def settles_after(self) -> int: ...
    @property
    def settles_within(self) -> timedelta: ...
    @property
    def dated_by_settlement(self) -> bool: ...
    @property
    def same_day(self) -> bool: ...
    @property
    def max_amount(self) -> Decimal | None: ...
    @property
    def weekend(self) -> str | None: ...
    @property
    def effective_from(self) -> date: ...
    @property
    def effective_until(self) -> date: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How a scheme carries a payment: the date on the order, the day its money is there, and by when (UTC).

    `send_by` is when our bank must have it for that, `scheme_deadline` when the scheme must: None where
    it never closes. `same_day` tells whether a dearer same-day window carries it.
    """

    window: str
    execution_date: date
    value_date: date
    target_at: datetime
    send_by: datetime | None
    scheme_deadline: datetime | None
    same_day: bool


class NoWindow(LookupError):
    """No window of the rail carries the amount, or none is in force."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """What is promised: by rule, on a date (local to the rule), at the latest at a moment (UTC), at what cost."""

    rule_id: UUID | None
    target_date: date
    target_at: datetime
    fee: Decimal


# Which days of the week a service level does not count (Monday is 0). "saturday" is Fedwire's week
# once it opens on Sundays; effective dates let such a rule wait for its day.
WEEKENDS: dict[str, frozenset[int]] = {
    "closed": frozenset({5, 6}),
    "saturday": frozenset({5}),
    "open": frozenset(),
}


@lru_cache(maxsize=16)
def _closed_days(calendar: str) -> Any:
    import holidays  # noqa: PLC0415  (a quarter of a second that most processes never need)

    if calendar == "GB-ENG":
        return holidays.country_holidays("GB", subdiv="ENG")
    return holidays.financial_holidays(calendar)


def is_banking_day(day: date, calendar: str, weekend: str | None = None) -> bool:
    """Whether the calendar's system settles on that day. Without `weekend`: every system but "" has one."""
    closed = WEEKENDS[weekend or ("closed" if calendar else "open")]
    return day.weekday() not in closed and not (calendar and day in _closed_days(calendar))


def add_banking_days(day: date, count: int, calendar: str, weekend: str | None = None) -> date:
    """The `count`-th banking day after `day`; 0 gives `day` itself or the next banking day."""
    while not is_banking_day(day, calendar, weekend):
        day += timedelta(days=1)
    for _ in range(count):
        day += timedelta(days=1)
        while not is_banking_day(day, calendar, weekend):
            day += timedelta(days=1)
    return day


def add_months(day: date, count: int) -> date:
    """The same day of a later month, or its last one where it is shorter."""
    year, month = divmod(day.year * 12 + day.month - 1 + count, 12)
    last = monthrange(year, month + 1)[1]
    return date(year, month + 1, min(day.day, last))


def first_processing_day(
    moment: datetime,
    *,
    calendar: str,
    time_zone: str,
    cutoff: time | None,
    weekend: str | None = None,
) -> date:
    """The banking day on which something accepted at `moment` is processed: from the cut-off on, the next."""
    local = moment.astimezone(ZoneInfo(time_zone))
    day = local.date()
    late = cutoff is not None and local.time() >= cutoff
    if late and is_banking_day(day, calendar, weekend):
        day += timedelta(days=1)
    return add_banking_days(day, 0, calendar, weekend)


def most_specific(
    rules: Iterable[Rule],
    *,
    connector_id: UUID,
    rail: str,
    countries: Iterable[str],
    priority: str,
    on: date,
) -> Rule | None:
    """The rule that fits best: connector before rail before country before priority."""
    places = set(countries)

    def fits(rule: Rule) -> bool:
        return (
            rule.bank_connector_id in (None, connector_id)
            and rule.rail in (None, rail)
            and (rule.country is None or rule.country in places)
            and rule.priority in (None, priority)
            and (rule.effective_from is None or rule.effective_from <= on)
            and (rule.effective_until is None or on < rule.effective_until)
        )

    def rank(rule: Rule) -> tuple[bool, bool, bool, bool, str]:
        return (
            rule.bank_connector_id is not None,
            rule.rail is not None,
            rule.country is not None,
            rule.priority is not None,
            str(rule.id),  # A stable choice between rules that say the same.
        )

    return max(filter(fits, rules), key=rank, default=None)


def promise(rule: Rule | None, *, amount: Decimal, accepted_at: datetime, decimals: int) -> Promise:
    """What a rule promises for something accepted at `accepted_at`. Without a rule: three weekdays, no fee."""
    if rule is None:
        day = add_banking_days(accepted_at.date(), 3, "XECB")
        return Promise(rule_id=None, target_date=day, target_at=_end_of(day, "UTC"), fee=Decimal(0))
    fee = round(
        rule.base_fee + amount * rule.percentage_fee, decimals
    )  # Our own cost, not the merchant's money.
    if rule.target_seconds is not None:
        moment = accepted_at + timedelta(seconds=rule.target_seconds)
        local_day = moment.astimezone(ZoneInfo(rule.time_zone)).date()
        return Promise(rule_id=rule.id, target_date=local_day, target_at=moment, fee=fee)
    start = first_processing_day(
        accepted_at,
        calendar=rule.calendar,
        time_zone=rule.time_zone,
        cutoff=rule.cutoff_time,
        weekend=rule.weekend,
    )
    days = rule.processing_days + rule.settlement_days
    day = add_banking_days(start, days, rule.calendar, rule.weekend)
    return Promise(
        rule_id=rule.id, target_date=day, target_at=_end_of(day, rule.time_zone), fee=fee
    )


def next_cutoff(rule: Rule | None, moment: datetime) -> datetime:
    """When collecting for `rule` ends next: its cut-off on its next banking day (17:00 UTC without a rule)."""
    zone = ZoneInfo(rule.time_zone if rule else "UTC")
    calendar = rule.calendar if rule else "XECB"
    cutoff = (rule.cutoff_time if rule else None) or time(17, 0)
    day = first_processing_day(
        moment,
        calendar=calendar,
        time_zone=str(zone),
        cutoff=cutoff,
        weekend=rule.weekend if rule else None,
    )
    return datetime.combine(day, cutoff, tzinfo=zone).astimezone(ZoneInfo("UTC"))


def seconds_left(
    moment: datetime,
    *,
    cutoff: time | None,
    time_zone: str,
    calendar: str,
    weekend: str | None = None,
) -> float | None:
    """How long what is sent still counts for today. None: there is no cut-off, or it has passed for today."""
    local = moment.astimezone(ZoneInfo(time_zone))
    if cutoff is None or cutoff <= local.time():
        return None
    if not is_banking_day(local.date(), calendar, weekend):
        return None
    end = datetime.combine(local.date(), cutoff, tzinfo=local.tzinfo)
    return (end.astimezone(ZoneInfo("UTC")) - moment).total_seconds()


def _end_of(day: date, time_zone: str) -> datetime:
    midnight = datetime.combine(day + timedelta(days=1), time(0), tzinfo=ZoneInfo(time_zone))
    return midnight.astimezone(ZoneInfo("UTC"))


LOOKED_AHEAD_DAYS = 31  # No scheme is closed for longer.


def plan_settlement(
    windows: Iterable[Window], *, now: datetime, amount: Decimal, same_day: bool = False
) -> Plan:
    """How a payment that is sent at `now` (aware) is dated and when it is there, by the earliest window.

    `same_day` asks for same-day windows too; what is above their limit falls to the next day's.
    Raises NoWindow.
    """
    plans = [
        plan
        for window in windows
        if (same_day or not window.same_day)
        and (window.max_amount is None or amount <= window.max_amount)
        and (plan := _plan(window, now)) is not None
    ]
    if not plans:
        raise NoWindow("no window carries it")
    return min(plans, key=lambda plan: plan.target_at)


def _plan(window: Window, now: datetime) -> Plan | None:
    """The first day of a window that `now` is in time for; None when it is not in force then."""
    local = now.astimezone(ZoneInfo(window.time_zone))
    if window.deadline is None:
        return _at_any_hour(window, now, local.date())
    for ahead in range(LOOKED_AHEAD_DAYS):
        day = local.date() + timedelta(days=ahead)
        if not window.effective_from <= day < window.effective_until:
            continue
        if not is_banking_day(day, window.calendar, window.weekend):
            continue
        scheme_deadline = _moment(day, window.deadline, window.time_zone)
        send_by = scheme_deadline - window.bank_lead
        if now < send_by:
            return _on(window, day, now, send_by=send_by, scheme_deadline=scheme_deadline)
    return None


def _at_any_hour(window: Window, now: datetime, day: date) -> Plan | None:
    if not window.effective_from <= day < window.effective_until:
        return None
    there = now + window.settles_within
    return Plan(
        window=window.name,
        execution_date=day,
        value_date=there.astimezone(ZoneInfo(window.time_zone)).date(),
        target_at=there.astimezone(ZoneInfo("UTC")),
        send_by=None,
        scheme_deadline=None,
        same_day=window.same_day,
    )


def _on(
    window: Window, day: date, now: datetime, *, send_by: datetime, scheme_deadline: datetime
) -> Plan:
    value_date = add_banking_days(day, window.settles_after, window.calendar, window.weekend)
    if window.settles_at is not None:
        target_at = _moment(value_date, window.settles_at, window.time_zone)
    elif window.settles_after:
        target_at = _end_of(value_date, window.time_zone)
    else:
        opens_on = day - timedelta(days=1) if window.eve else day
        opening = _moment(opens_on, window.opens, window.time_zone)
        target_at = max(now.astimezone(ZoneInfo("UTC")), opening) + window.settles_within
    return Plan(
        window=window.name,
        execution_date=value_date if window.dated_by_settlement else day,
        value_date=value_date,
        target_at=target_at,
        send_by=send_by,
        scheme_deadline=scheme_deadline,
        same_day=window.same_day,
    )


def _moment(day: date, at: time, time_zone: str) -> datetime:
    """A local time as a moment, in UTC."""
    return datetime.combine(day, at, tzinfo=ZoneInfo(time_zone)).astimezone(ZoneInfo("UTC"))
