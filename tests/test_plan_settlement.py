"""How each scheme dates a payment and when it is there: a table reckoned by hand from printed calendars.

A deadline is the first moment that is too late (docs/service-levels.md): at Friday 17:00:00 sharp it is
Monday's. Times on the left are local to the scheme, the moment on the right is UTC.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from connectors.schemes import cutoffs
from connectors.schemes.cutoffs import Window, windows_for
from payouts import sla

NEW_YORK, BRUSSELS, LONDON = "America/New_York", "Europe/Brussels", "Europe/London"
# England's calendar belongs to no rail that we speak (Faster Payments never closes): a bank's own hours.
CHAPS = Window(
    rail="chaps", name="CHAPS day", calendar="GB-ENG", time_zone=LONDON, opens=time(8), deadline=time(17),
    effective_from=date(2020, 1, 1), source="a clearing bank's hours",
)  # fmt: skip
# Fedwire once it opens on Sundays and on weekday holidays: announced for 2028 or 2029.
SIX_DAYS = Window(
    rail="wire", name="22 by 6", calendar="", weekend="saturday", time_zone=NEW_YORK, opens=time(21), eve=True,
    deadline=time(18, 45), effective_from=date(2020, 1, 1), source="announced",
)  # fmt: skip
WAYS: dict[str, tuple[Window, ...]] = {
    "ach": windows_for("ach"),
    "ach@17": windows_for("ach", [{"window": "next day", "lead_minutes": 300}]),
    "ach-45": windows_for("ach", [{"lead_minutes": 45}]),
    "wire": windows_for("wire"),
    "wire@17": windows_for("wire", [{"lead_minutes": 105}]),
    "wire22x6": (SIX_DAYS,),
    "sepa": windows_for("sepa"),
    "sepa@17": windows_for("sepa", [{"lead_minutes": 0}]),
    "chaps": (CHAPS,),
    "sct_inst": windows_for("sepa_instant"),
    "rtp": windows_for("rtp"),
    "fps": windows_for("faster_payments"),
    "momo": windows_for("mobile_money"),
}
# way, local moment, amount, speed -> execution date, value date, there at the latest (UTC), why
BY_HAND = """
    ach      2026-11-24T09:00:00 1000.00    usual 2026-11-25 2026-11-25 2026-11-25T13:30 the next banking day, 08:30
    ach      2026-11-24T21:59:59 1000.00    usual 2026-11-25 2026-11-25 2026-11-25T13:30 the last second
    ach      2026-11-24T22:00:00 1000.00    usual 2026-11-27 2026-11-27 2026-11-27T13:30 too late, and then Thanksgiving
    ach      2026-11-25T09:00:00 1000.00    usual 2026-11-27 2026-11-27 2026-11-27T13:30 over Thanksgiving
    ach      2026-11-26T12:00:00 1000.00    usual 2026-11-30 2026-11-30 2026-11-30T13:30 on Thanksgiving: Friday's file
    ach      2026-11-27T17:00:00 1000.00    usual 2026-11-30 2026-11-30 2026-11-30T13:30 Friday to Monday
    ach      2026-11-28T10:00:00 1000.00    usual 2026-12-01 2026-12-01 2026-12-01T13:30 Saturday: Monday's file
    ach      2026-11-29T23:00:00 1000.00    usual 2026-12-01 2026-12-01 2026-12-01T13:30 Sunday night: Monday's file
    ach      2026-11-24T10:29:59 1000.00    today 2026-11-24 2026-11-24 2026-11-24T18:00 first window
    ach      2026-11-24T10:30:00 1000.00    today 2026-11-24 2026-11-24 2026-11-24T22:00 sharp: second window
    ach      2026-11-24T14:44:59 1000.00    today 2026-11-24 2026-11-24 2026-11-24T22:00 second window
    ach      2026-11-24T14:45:00 1000.00    today 2026-11-24 2026-11-24 2026-11-24T23:00 sharp: third window
    ach      2026-11-24T16:44:59 1000.00    today 2026-11-24 2026-11-24 2026-11-24T23:00 third window
    ach      2026-11-24T16:45:00 1000.00    today 2026-11-25 2026-11-25 2026-11-25T13:30 too late for today
    ach      2026-11-24T09:00:00 1000000.00 today 2026-11-24 2026-11-24 2026-11-24T18:00 the most that goes the same day
    ach      2026-11-24T09:00:00 1000000.01 today 2026-11-25 2026-11-25 2026-11-25T13:30 a cent more falls to the next day
    ach      2026-11-27T09:00:00 1000000.01 today 2026-11-30 2026-11-30 2026-11-30T13:30 and on Friday to Monday
    ach      2022-03-17T09:00:00 100000.01  today 2022-03-18 2022-03-18 2022-03-18T12:30 the last day of the lower limit
    ach      2022-03-18T09:00:00 1000000.00 today 2022-03-18 2022-03-18 2022-03-18T17:00 the first day of the higher one
    ach      2021-03-18T15:00:00 5000.00    today 2021-03-19 2021-03-19 2021-03-19T12:30 a day before the third window began
    ach      2021-03-19T15:00:00 5000.00    today 2021-03-19 2021-03-19 2021-03-19T22:00 its first day
    ach      2026-11-26T09:00:00 1000.00    today 2026-11-27 2026-11-27 2026-11-27T18:00 a holiday has no same day: Friday's first
    ach      2026-11-28T09:00:00 1000.00    today 2026-11-30 2026-11-30 2026-11-30T18:00 Saturday: Monday's first
    ach      2026-11-27T16:45:00 1000.00    today 2026-11-30 2026-11-30 2026-11-30T13:30 late on Friday
    ach      2026-06-18T12:00:00 1000.00    usual 2026-06-22 2026-06-22 2026-06-22T12:30 Juneteenth 2026 is a Friday
    ach      2027-06-17T12:00:00 1000.00    usual 2027-06-18 2027-06-18 2027-06-18T12:30 Juneteenth 2027 is a Saturday: Friday is open
    ach      2027-06-18T12:00:00 1000.00    usual 2027-06-21 2027-06-21 2027-06-21T12:30 and so is Monday
    ach      2026-07-02T12:00:00 1000.00    usual 2026-07-03 2026-07-03 2026-07-03T12:30 4 July 2026 is a Saturday: Friday is open
    ach      2026-07-03T09:00:00 1000.00    today 2026-07-03 2026-07-03 2026-07-03T17:00 with its same-day windows
    ach      2027-07-02T12:00:00 1000.00    usual 2027-07-06 2027-07-06 2027-07-06T12:30 4 July 2027 is a Sunday: Monday is closed
    ach      2026-04-02T12:00:00 1000.00    usual 2026-04-03 2026-04-03 2026-04-03T12:30 the Fed works on Good Friday
    ach      2026-04-03T10:00:00 1000.00    today 2026-04-03 2026-04-03 2026-04-03T17:00 on Good Friday
    ach      2026-03-06T12:00:00 1000.00    usual 2026-03-09 2026-03-09 2026-03-09T12:30 into summer time
    ach      2026-10-30T12:00:00 1000.00    usual 2026-11-02 2026-11-02 2026-11-02T13:30 out of summer time
    ach      2026-12-24T12:00:00 1000.00    usual 2026-12-28 2026-12-28 2026-12-28T13:30 over Christmas, a Friday
    ach      2026-12-31T12:00:00 1000.00    usual 2027-01-04 2027-01-04 2027-01-04T13:30 over the end of the year
    ach      2027-12-31T09:00:00 1000.00    today 2027-12-31 2027-12-31 2027-12-31T18:00 New Year 2028 is a Saturday: Friday is open
    ach      2026-10-09T12:00:00 1000.00    usual 2026-10-13 2026-10-13 2026-10-13T12:30 over Columbus Day
    ach      2026-11-10T12:00:00 1000.00    usual 2026-11-12 2026-11-12 2026-11-12T13:30 over Veterans Day, a Wednesday
    ach@17   2026-11-20T16:59:59 1000.00    usual 2026-11-23 2026-11-23 2026-11-23T13:30 Friday, just in time for the bank
    ach@17   2026-11-20T17:00:00 1000.00    usual 2026-11-24 2026-11-24 2026-11-24T13:30 Friday 17:00:00 sharp is Monday's
    ach-45   2026-11-24T09:44:59 1000.00    today 2026-11-24 2026-11-24 2026-11-24T18:00 the bank wants it 45 minutes earlier
    ach-45   2026-11-24T09:45:00 1000.00    today 2026-11-24 2026-11-24 2026-11-24T22:00 sharp: the second window
    ach-45   2026-11-24T16:00:00 1000.00    today 2026-11-25 2026-11-25 2026-11-25T13:30 the third one's deadline less 45 minutes
    wire     2026-11-24T10:00:00 1000.00    usual 2026-11-24 2026-11-24 2026-11-24T15:00 at once
    wire     2026-11-24T18:44:59 1000.00    usual 2026-11-24 2026-11-24 2026-11-24T23:44:59 the last second for customers
    wire     2026-11-24T18:45:00 1000.00    usual 2026-11-25 2026-11-25 2026-11-25T02:00 tomorrow's day opens at 21:00 tonight
    wire     2026-11-24T20:59:59 1000.00    usual 2026-11-25 2026-11-25 2026-11-25T02:00 a second before
    wire     2026-11-24T21:00:00 1000.00    usual 2026-11-25 2026-11-25 2026-11-25T02:00 it is open
    wire     2026-11-24T23:30:00 1000.00    usual 2026-11-25 2026-11-25 2026-11-25T04:30 the evening before
    wire     2026-11-25T21:30:00 1000.00    usual 2026-11-27 2026-11-27 2026-11-27T02:00 no day opens before Thanksgiving
    wire     2026-11-26T12:00:00 1000.00    usual 2026-11-27 2026-11-27 2026-11-27T02:00 on Thanksgiving
    wire     2026-11-27T18:45:00 1000.00    usual 2026-11-30 2026-11-30 2026-11-30T02:00 Friday evening: Sunday 21:00
    wire     2026-11-28T12:00:00 1000.00    usual 2026-11-30 2026-11-30 2026-11-30T02:00 Saturday
    wire     2026-11-29T21:30:00 1000.00    usual 2026-11-30 2026-11-30 2026-11-30T02:30 Sunday evening is Monday
    wire     2026-04-03T18:00:00 1000.00    usual 2026-04-03 2026-04-03 2026-04-03T22:00 Good Friday
    wire     2026-07-03T12:00:00 1000.00    usual 2026-07-03 2026-07-03 2026-07-03T16:00 the Friday before 4 July
    wire     2027-06-18T18:44:59 1000.00    usual 2027-06-18 2027-06-18 2027-06-18T22:44:59 the Friday before Juneteenth
    wire     2026-03-07T12:00:00 1000.00    usual 2026-03-09 2026-03-09 2026-03-09T01:00 Sunday 21:00 is summer time already
    wire     2026-03-08T01:30:00 1000.00    usual 2026-03-09 2026-03-09 2026-03-09T01:00 half an hour before the lost one
    wire     2026-10-31T12:00:00 1000.00    usual 2026-11-02 2026-11-02 2026-11-02T02:00 Sunday 21:00 is winter time again
    wire     2026-12-31T19:00:00 1000.00    usual 2027-01-04 2027-01-04 2027-01-04T02:00 over the end of the year
    wire     2027-02-12T19:00:00 1000.00    usual 2027-02-16 2027-02-16 2027-02-16T02:00 over Presidents' Day: Monday 21:00
    wire     2021-03-05T18:30:00 1000.00    usual 2021-03-08 2021-03-08 2021-03-08T02:00 customers had until 18:00 then
    wire     2021-03-08T18:30:00 1000.00    usual 2021-03-08 2021-03-08 2021-03-08T23:30 and until 18:45 from that day
    wire@17  2026-11-20T16:59:59 1000.00    usual 2026-11-20 2026-11-20 2026-11-20T21:59:59 a bank that closes at 17:00
    wire@17  2026-11-20T17:00:00 1000.00    usual 2026-11-23 2026-11-23 2026-11-23T02:00 Friday 17:00:00 sharp
    wire22x6 2026-11-20T19:00:00 1000.00    usual 2026-11-22 2026-11-22 2026-11-22T02:00 Saturday is closed, Sunday works
    wire22x6 2026-11-25T19:00:00 1000.00    usual 2026-11-26 2026-11-26 2026-11-26T02:00 and so does Thanksgiving
    sepa     2026-11-24T10:00:00 1000.00    usual 2026-11-24 2026-11-25 2026-11-25T23:00 D + 1
    sepa     2026-11-24T15:59:59 1000.00    usual 2026-11-24 2026-11-25 2026-11-25T23:00 the bank's last second
    sepa     2026-11-24T16:00:00 1000.00    usual 2026-11-25 2026-11-26 2026-11-26T23:00 an hour before T2's own deadline
    sepa     2026-11-27T15:59:00 1000.00    usual 2026-11-27 2026-11-30 2026-11-30T23:00 Friday to Monday
    sepa     2026-11-27T16:00:00 1000.00    usual 2026-11-30 2026-12-01 2026-12-01T23:00 Friday, too late
    sepa     2026-11-28T10:00:00 1000.00    usual 2026-11-30 2026-12-01 2026-12-01T23:00 Saturday
    sepa     2026-11-29T10:00:00 1000.00    usual 2026-11-30 2026-12-01 2026-12-01T23:00 Sunday
    sepa     2026-11-26T10:00:00 1000.00    usual 2026-11-26 2026-11-27 2026-11-27T23:00 Thanksgiving is none of TARGET's
    sepa     2026-04-02T10:00:00 1000.00    usual 2026-04-02 2026-04-07 2026-04-07T22:00 over Good Friday and Easter Monday
    sepa     2026-04-02T16:30:00 1000.00    usual 2026-04-07 2026-04-08 2026-04-08T22:00 late on Maundy Thursday
    sepa     2026-04-06T10:00:00 1000.00    usual 2026-04-07 2026-04-08 2026-04-08T22:00 on Easter Monday
    sepa     2026-04-30T10:00:00 1000.00    usual 2026-04-30 2026-05-04 2026-05-04T22:00 over 1 May, a Friday
    sepa     2026-05-01T10:00:00 1000.00    usual 2026-05-04 2026-05-05 2026-05-05T22:00 on 1 May
    sepa     2026-12-24T10:00:00 1000.00    usual 2026-12-24 2026-12-28 2026-12-28T23:00 Christmas Eve is open, the 25th and 26th are not
    sepa     2025-12-26T10:00:00 1000.00    usual 2025-12-29 2025-12-30 2025-12-30T23:00 26 December on a Friday
    sepa     2026-12-31T10:00:00 1000.00    usual 2026-12-31 2027-01-04 2027-01-04T23:00 over the end of the year
    sepa     2026-03-27T10:00:00 1000.00    usual 2026-03-27 2026-03-30 2026-03-30T22:00 into summer time
    sepa     2026-03-27T16:00:00 1000.00    usual 2026-03-30 2026-03-31 2026-03-31T22:00 late before summer time
    sepa     2026-10-23T10:00:00 1000.00    usual 2026-10-23 2026-10-26 2026-10-26T23:00 out of summer time
    sepa@17  2026-11-20T16:59:59 1000.00    usual 2026-11-20 2026-11-23 2026-11-23T23:00 a bank without a lead
    sepa@17  2026-11-20T17:00:00 1000.00    usual 2026-11-23 2026-11-24 2026-11-24T23:00 Friday 17:00:00 sharp
    chaps    2026-11-24T07:00:00 1000.00    usual 2026-11-24 2026-11-24 2026-11-24T08:00 before it opens
    chaps    2026-11-20T16:59:59 1000.00    usual 2026-11-20 2026-11-20 2026-11-20T16:59:59 just in time
    chaps    2026-12-24T17:00:00 1000.00    usual 2026-12-29 2026-12-29 2026-12-29T08:00 Boxing Day on a Saturday: Monday is closed
    chaps    2027-12-24T17:00:00 1000.00    usual 2027-12-29 2027-12-29 2027-12-29T08:00 both on the weekend: Monday and Tuesday are
    chaps    2026-05-22T17:00:00 1000.00    usual 2026-05-26 2026-05-26 2026-05-26T07:00 the spring bank holiday
    chaps    2026-08-31T10:00:00 1000.00    usual 2026-09-01 2026-09-01 2026-09-01T07:00 on the summer bank holiday
    chaps    2026-04-02T17:00:00 1000.00    usual 2026-04-07 2026-04-07 2026-04-07T07:00 over Easter
    chaps    2026-03-27T17:30:00 1000.00    usual 2026-03-30 2026-03-30 2026-03-30T07:00 into summer time
    chaps    2026-10-23T17:30:00 1000.00    usual 2026-10-26 2026-10-26 2026-10-26T08:00 out of summer time
    sct_inst 2026-11-21T23:59:55 1000.00    usual 2026-11-21 2026-11-22 2026-11-21T23:00:05 Saturday night, ten seconds
    sct_inst 2026-12-25T12:00:00 1000.00    usual 2026-12-25 2026-12-25 2026-12-25T11:00:10 Christmas
    sct_inst 2026-03-29T01:59:55 1000.00    usual 2026-03-29 2026-03-29 2026-03-29T01:00:05 into the hour that does not exist
    sct_inst 2026-10-25T02:30:00 1000.00    usual 2026-10-25 2026-10-25 2026-10-25T00:30:10 the first of two half past two
    rtp      2026-11-26T12:00:00 1000.00    usual 2026-11-26 2026-11-26 2026-11-26T17:00:20 Thanksgiving
    rtp      2026-12-31T23:59:50 1000.00    usual 2026-12-31 2027-01-01 2027-01-01T05:00:10 over midnight of the year
    rtp      2026-03-08T01:59:50 1000.00    usual 2026-03-08 2026-03-08 2026-03-08T07:00:10 into summer time
    fps      2026-11-28T03:00:00 1000.00    usual 2026-11-28 2026-11-28 2026-11-28T03:01 Saturday night
    fps      2026-08-31T12:00:00 1000.00    usual 2026-08-31 2026-08-31 2026-08-31T11:01 a bank holiday
    fps      2026-03-29T00:59:30 1000.00    usual 2026-03-29 2026-03-29 2026-03-29T01:00:30 into summer time
    fps      2026-10-25T01:30:00 1000.00    usual 2026-10-25 2026-10-25 2026-10-25T00:31 the first of two half past one
    momo     2026-12-31T23:58:00 50000      usual 2026-12-31 2027-01-01 2027-01-01T00:03 over midnight of the year
"""  # noqa: E501  # fmt: skip
CASES = [line.split(maxsplit=7) for line in BY_HAND.strip().splitlines()]


def plan(way: str, local: str, amount: str = "1000.00", speed: str = "usual") -> sla.Plan:
    windows = WAYS[way]
    now = datetime.fromisoformat(local).replace(tzinfo=ZoneInfo(windows[0].time_zone))
    return sla.plan_settlement(
        windows, now=now.astimezone(UTC), amount=Decimal(amount), same_day=speed == "today"
    )


@pytest.mark.parametrize("case", CASES, ids=[f"{c[0]} {c[1]} {c[7]}" for c in CASES])
def test_a_payment_is_planned_as_reckoned_by_hand(case: list[str]) -> None:
    way, local, amount, speed, execution, value, moment, _ = case
    made = plan(way, local, amount, speed)
    assert made.execution_date == date.fromisoformat(execution)
    assert made.value_date == date.fromisoformat(value)
    assert made.target_at == datetime.fromisoformat(moment).replace(tzinfo=UTC)


def test_the_table_is_long_enough_and_names_each_case_once() -> None:
    assert len(CASES) >= 60
    assert len({tuple(case[:4]) for case in CASES}) == len(CASES)


def test_the_schemes_deadline_and_the_banks_are_told_apart() -> None:
    made = plan("sepa", "2026-11-24T10:00:00")
    assert made.scheme_deadline == datetime(2026, 11, 24, 16, 0, tzinfo=UTC)  # 17:00 in Brussels
    assert made.send_by == datetime(2026, 11, 24, 15, 0, tzinfo=UTC)
    never = plan("rtp", "2026-11-24T10:00:00")
    assert (never.scheme_deadline, never.send_by) == (None, None)


@pytest.mark.parametrize(
    ("amount", "speed", "same_day"),
    [("1000", "usual", False), ("1000", "today", True), ("1000000.01", "today", False)],
)
def test_a_plan_says_whether_it_takes_the_dearer_same_day_window(
    amount: str, speed: str, same_day: bool
) -> None:
    assert plan("ach", "2026-11-24T09:00:00", amount, speed).same_day is same_day


def test_a_banks_lead_counts_real_hours_on_the_night_when_clocks_change() -> None:
    window = Window(
        rail="x", name="early", calendar="", time_zone=BRUSSELS, deadline=time(4), bank_lead=timedelta(hours=2),
        effective_from=date(2020, 1, 1), source="a test",
    )  # fmt: skip
    # 04:00 summer time is 02:00 UTC on 29 March: two hours before it is 00:00 UTC, 01:00 on the wall.
    made = sla.plan_settlement(
        [window], now=datetime(2026, 3, 28, 23, 59, 59, tzinfo=UTC), amount=Decimal(1)
    )
    assert made.send_by == datetime(2026, 3, 29, 0, 0, tzinfo=UTC)


def test_a_changed_lead_holds_from_its_own_day() -> None:
    later = [
        {"lead_minutes": 60, "effective_from": "2026-11-25"},
        {"lead_minutes": 120, "effective_from": "2026-11-27"},
    ]
    windows = windows_for("wire", later)
    sharp = {24: "18:45", 25: "17:45", 26: "holiday", 27: "16:45"}
    for day, closes in sharp.items():
        if closes == "holiday":
            continue
        end = datetime.fromisoformat(f"2026-11-{day}T{closes}").replace(tzinfo=ZoneInfo(NEW_YORK))
        for at, executed in ((end - timedelta(seconds=1), True), (end, False)):
            made = sla.plan_settlement(windows, now=at, amount=Decimal(1))
            assert (made.execution_date == at.date()) is executed, at


def test_a_window_that_a_bank_does_not_offer_is_not_taken() -> None:
    windows = windows_for("ach", [{"window": "same day, first", "offered": False}])
    at = datetime(2026, 11, 24, 14, 0, tzinfo=UTC)
    made = sla.plan_settlement(windows, now=at, amount=Decimal(1), same_day=True)
    assert made.window == "same day, second"


def test_what_no_window_carries_is_refused() -> None:
    only_same_day = [w for w in WAYS["ach"] if w.same_day]
    with pytest.raises(sla.NoWindow):
        sla.plan_settlement(
            only_same_day, now=datetime(2026, 11, 24, tzinfo=UTC), amount=Decimal(2_000_000), same_day=True
        )  # fmt: skip


@pytest.mark.parametrize(
    "wrong",
    [
        "17:00", [7], [{}], [{"window": "never"}], [{"lead_minutes": "60"}], [{"lead_minutes": -1}],
        [{"lead_minutes": 721}], [{"lead_minutes": True}], [{"lead_minutes": 1, "effective_from": "soon"}],
        [{"lead_minutes": 1, "cutoff": "17:00"}],
    ],
)  # fmt: skip
def test_an_override_that_makes_no_sense_is_refused(wrong: object) -> None:
    with pytest.raises(ValueError, match=r"cutoffs|isoformat"):
        windows_for("ach", wrong)


def test_every_window_and_lead_names_its_source_and_its_first_day() -> None:
    for row in (*cutoffs.WINDOWS, *cutoffs.LEADS):
        assert row.source
        assert row.effective_from < date(2026, 11, 1)
    rails = {window.rail for window in cutoffs.WINDOWS}
    assert rails == {
        "ach",
        "wire",
        "sepa",
        "sepa_instant",
        "rtp",
        "faster_payments",
        "mobile_money",
    }
