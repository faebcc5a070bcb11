"""When schemes take payments, until when, and when they settle: data with effective dates.

A window is one way through a scheme's day. Two things stand apart in it: the **scheme's deadline**, a
local time that the scheme publishes, and the **bank's lead**, what our bank wants to have it earlier.
Both change on days of their own. A window without a deadline never closes. A deadline is the first
moment that is too late: at 17:00:00 sharp it is over.

A connection narrows its rail's windows in its configuration, `cutoffs`: a list of objects with `window`
(a name below, or "*"), and `lead_minutes` or `offered: false`, and `effective_from` (a date).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, time, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

NEW_YORK, BRUSSELS, LONDON = "America/New_York", "Europe/Brussels", "Europe/London"
FOR_EVER = date.max
MAX_LEAD = timedelta(hours=12)


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """One way through a scheme's day, in force on local days from `effective_from` until before `effective_until`.

    Local times are of `time_zone`. With `eve` it opens on the calendar day before its banking day.
    `settles_at` on the `settles_after`-th banking day after it; without a time on receipt (within
    `settles_within`), or by the end of that day. `dated_by_settlement`: the date on the order is that
    of settlement (ACH), not of execution. `max_amount` None: only the rail's own limit.
    """

    rail: str
    name: str
    calendar: str
    time_zone: str
    opens: time = time(0)
    eve: bool = False
    deadline: time | None
    bank_lead: timedelta = timedelta(0)
    settles_at: time | None = None
    settles_after: int = 0
    settles_within: timedelta = timedelta(0)
    dated_by_settlement: bool = False
    same_day: bool = False  # Only what is asked to be there today goes through it: it costs more.
    max_amount: Decimal | None = None
    weekend: str | None = None  # Closed weekdays where they are not Saturday and Sunday.
    effective_from: date
    effective_until: date = FOR_EVER
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BankLead:
    """How much earlier than its scheme our bank wants a payment, where nothing is configured."""

    rail: str
    window: str
    lead: timedelta
    effective_from: date
    source: str


def _same_day_ach(
    name: str, deadline: time, settles_at: time, since: date, *, cap: int, until: date = FOR_EVER
) -> Window:
    return Window(
        rail="ach",
        name=name,
        calendar="XFED",
        time_zone=NEW_YORK,
        deadline=deadline,
        settles_at=settles_at,
        dated_by_settlement=True,
        same_day=True,
        max_amount=Decimal(cap),
        effective_from=since,
        effective_until=until,
        source="FedACH processing schedule; Nacha same-day ACH, limit for each entry",
    )


def _always(rail: str, time_zone: str, seconds: int, since: date, source: str) -> Window:
    return Window(
        rail=rail,
        name="always",
        calendar="",
        time_zone=time_zone,
        deadline=None,
        settles_within=timedelta(seconds=seconds),
        effective_from=since,
        source=source,
    )


_SMALL, _MORE, _MILLION = date(2016, 9, 23), date(2020, 3, 20), date(2022, 3, 18)
_FIRST, _SECOND, _THIRD = "same day, first", "same day, second", "same day, third"
_TEN_THIRTY, _QUARTER_TO_THREE, _QUARTER_TO_FIVE = time(10, 30), time(14, 45), time(16, 45)

WINDOWS: tuple[Window, ...] = (
    _same_day_ach(_FIRST, _TEN_THIRTY, time(13), _SMALL, cap=25_000, until=_MORE),
    _same_day_ach(_FIRST, _TEN_THIRTY, time(13), _MORE, cap=100_000, until=_MILLION),
    _same_day_ach(_FIRST, _TEN_THIRTY, time(13), _MILLION, cap=1_000_000),
    _same_day_ach(_SECOND, _QUARTER_TO_THREE, time(17), _SMALL, cap=25_000, until=_MORE),
    _same_day_ach(_SECOND, _QUARTER_TO_THREE, time(17), _MORE, cap=100_000, until=_MILLION),
    _same_day_ach(_SECOND, _QUARTER_TO_THREE, time(17), _MILLION, cap=1_000_000),
    _same_day_ach(_THIRD, _QUARTER_TO_FIVE, time(18), date(2021, 3, 19), cap=100_000, until=_MILLION),
    _same_day_ach(_THIRD, _QUARTER_TO_FIVE, time(18), _MILLION, cap=1_000_000),
    Window(
        rail="ach",
        name="next day",
        calendar="XFED",
        time_zone=NEW_YORK,
        # The night cycle until 02:15 is left out: what misses 22:00 is planned a day later than need be.
        deadline=time(22),
        settles_at=time(8, 30),
        settles_after=1,
        dated_by_settlement=True,
        effective_from=date(1974, 1, 1),
        source="FedACH processing schedule; the deadline is from memory, to be confirmed with the bank",
    ),
    Window(
        rail="wire",
        name="Fedwire day",
        calendar="XFED",
        time_zone=NEW_YORK,
        opens=time(21),
        eve=True,
        deadline=time(18),
        effective_from=date(2004, 5, 17),
        effective_until=date(2021, 3, 8),
        source="Federal Reserve Board, Fedwire Funds Service: third-party cut-off until 2021",
    ),
    Window(
        rail="wire",
        name="Fedwire day",
        calendar="XFED",
        time_zone=NEW_YORK,
        opens=time(21),
        eve=True,
        deadline=time(18, 45),
        effective_from=date(2021, 3, 8),
        source="Federal Reserve Financial Services, Fedwire Funds Service operating hours",
    ),
    Window(
        rail="sepa",
        name="TARGET day",
        calendar="XECB",
        time_zone=BRUSSELS,
        opens=time(7),
        deadline=time(17),
        settles_after=1,
        effective_from=date(2008, 1, 28),
        source="T2 operating day: customer payments until 17:00, banks until 18:00; SCT rulebook: D+1",
    ),
    _always("sepa_instant", BRUSSELS, 10, date(2017, 11, 21), "SCT Inst rulebook: ten seconds"),
    _always("rtp", NEW_YORK, 20, date(2017, 11, 13), "RTP at any hour; twenty seconds as FedNow's clock"),
    _always(
        "faster_payments", LONDON, 60, date(2008, 5, 27),
        "Faster Payments at any hour; a minute is our service level, not the scheme's",
    ),
    _always(
        "mobile_money", "UTC", 300, date(2010, 1, 1),
        "wallets at any hour; five minutes is our service level, no operator promises it",
    ),
)  # fmt: skip

# Between 15 minutes and two hours are usual; a connection says its own.
LEADS: tuple[BankLead, ...] = (
    BankLead(
        rail="sepa",
        window="TARGET day",
        lead=timedelta(hours=1),
        effective_from=date(2008, 1, 28),
        source="a euro clearing bank's hours for SCT: 07:00 to 16:00 Brussels",
    ),
)


def windows_for(rail: str, overrides: object = ()) -> tuple[Window, ...]:
    """The windows of a rail as one connection offers them, each in force on its own days.

    Raises ValueError for overrides that cannot be read or name no window.
    """
    changes = [_change(rail, raw) for raw in _list(overrides)]
    found: list[Window] = []
    for window in WINDOWS:
        if window.rail == rail:
            usual = [c for c in _usual(rail) if c.fits(window)]
            own = [c for c in changes if c.fits(window)]
            found.extend(_in_turn(window, sorted(usual, key=_since) + sorted(own, key=_since)))
    return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Change:
    window: str
    lead: timedelta | None  # None: not offered.
    effective_from: date

    def fits(self, window: Window) -> bool:
        return self.window in ("*", window.name) and self.effective_from < window.effective_until


def _since(change: _Change) -> date:
    return change.effective_from


def _usual(rail: str) -> list[_Change]:
    return [
        _Change(window=row.window, lead=row.lead, effective_from=row.effective_from)
        for row in LEADS
        if row.rail == rail
    ]


def _in_turn(window: Window, changes: Sequence[_Change]) -> list[Window]:
    """The window cut where something changes: in each piece the last change that has begun holds."""
    begins = {c.effective_from for c in changes if c.effective_from > window.effective_from}
    starts = sorted({window.effective_from, *begins})
    pieces = []
    for start, end in pairwise([*starts, window.effective_until]):
        begun = [change for change in changes if change.effective_from <= start]
        lead = begun[-1].lead if begun else window.bank_lead
        if lead is not None:
            pieces.append(
                replace(window, effective_from=start, effective_until=end, bank_lead=lead)
            )
    return pieces


def _list(overrides: object) -> Sequence[object]:
    if isinstance(overrides, list | tuple):
        return overrides
    raise ValueError("cutoffs: a list is wanted")


def _change(rail: str, raw: object) -> _Change:
    fields: Mapping[str, Any] = raw if isinstance(raw, Mapping) else {}
    if not fields or not fields.keys() <= {"window", "lead_minutes", "offered", "effective_from"}:
        raise ValueError("cutoffs: window, lead_minutes or offered, effective_from are wanted")
    name = str(fields.get("window", "*"))
    if name not in {"*", *(w.name for w in WINDOWS if w.rail == rail)}:
        raise ValueError(f"cutoffs: {rail} has no window of this name")
    since = date.fromisoformat(str(fields.get("effective_from", date.min.isoformat())))
    if fields.get("offered") is False:
        return _Change(window=name, lead=None, effective_from=since)
    minutes = fields.get("lead_minutes")
    if not isinstance(minutes, int) or isinstance(minutes, bool):
        raise ValueError("cutoffs: lead_minutes is a whole number")
    lead = timedelta(minutes=minutes)
    if not timedelta(0) <= lead <= MAX_LEAD:
        raise ValueError("cutoffs: lead_minutes is between 0 and 720")
    return _Change(window=name, lead=lead, effective_from=since)
