"""When the simulated schemes settle and return, held against a table written by hand."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from connectors.bank_simulator import scheme_clock
from connectors.bank_simulator.scheme_clock import FEDERAL_RESERVE, TARGET

BRUSSELS = ZoneInfo("Europe/Brussels")
NEW_YORK = ZoneInfo("America/New_York")


def brussels(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=BRUSSELS)


def new_york(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=NEW_YORK)


@pytest.mark.parametrize(
    ("accepted", "wanted", "settled"),
    [
        ("2026-11-24T10:00", "2026-11-24", "2026-11-24T10:00"),  # Open: at once.
        ("2026-11-24T05:00", "2026-11-24", "2026-11-24T07:00"),  # Before opening.
        ("2026-11-24T16:59:59", "2026-11-24", "2026-11-24T16:59:59"),
        ("2026-11-24T17:00", "2026-11-24", "2026-11-25T07:00"),  # After the cut-off.
        ("2026-11-24T10:00", "2026-11-23", "2026-11-24T10:00"),  # Yesterday is today.
        ("2026-11-24T10:00", "2026-11-30", "2026-11-30T07:00"),
        ("2026-11-27T18:00", "2026-11-27", "2026-11-30T07:00"),  # Friday evening.
        ("2026-11-28T10:00", "2026-11-28", "2026-11-30T07:00"),  # Saturday.
        ("2026-12-24T18:00", "2026-12-24", "2026-12-28T07:00"),  # 25 and 26 December, Sunday.
        ("2026-04-02T17:30", "2026-04-02", "2026-04-07T07:00"),  # Good Friday, Easter Monday.
        ("2026-04-30T17:30", "2026-05-01", "2026-05-04T07:00"),  # Labour day.
        ("2026-03-27T18:00", "2026-03-29", "2026-03-30T07:00"),  # Over the change to summer time.
        ("2026-11-11T10:00", "2026-11-11", "2026-11-11T10:00"),  # Veterans Day is not its own.
    ],
)
def test_a_sepa_payment_is_debited_on_a_target_day(
    accepted: str, wanted: str, settled: str
) -> None:
    found = scheme_clock.sepa_settlement(brussels(accepted), date.fromisoformat(wanted))
    assert found == brussels(settled)


@pytest.mark.parametrize(
    ("settled", "returned"),
    [
        ("2026-11-24T10:00", "2026-11-25T09:00"),
        ("2026-11-27T07:00", "2026-11-30T09:00"),
        ("2026-12-24T07:00", "2026-12-28T09:00"),
    ],
)
def test_a_sepa_payment_comes_back_on_the_next_target_day(settled: str, returned: str) -> None:
    assert scheme_clock.sepa_return(brussels(settled)) == brussels(returned)


@pytest.mark.parametrize(
    ("accepted", "effective", "settled"),
    [
        ("2026-11-24T10:00", "2026-11-25", "2026-11-25T08:30"),
        # Today: the windows of the day, each until a quarter of an hour before its deadline.
        ("2026-11-24T00:01", "2026-11-24", "2026-11-24T13:00"),
        ("2026-11-24T10:14", "2026-11-24", "2026-11-24T13:00"),
        ("2026-11-24T10:15", "2026-11-24", "2026-11-24T17:00"),
        ("2026-11-24T14:29", "2026-11-24", "2026-11-24T17:00"),
        ("2026-11-24T14:30", "2026-11-24", "2026-11-24T18:00"),
        ("2026-11-24T16:29", "2026-11-24", "2026-11-24T18:00"),
        ("2026-11-24T16:30", "2026-11-24", "2026-11-25T08:30"),
        ("2026-11-24T10:00", "2026-11-23", "2026-11-25T08:30"),  # Stale: no window for it.
        ("2026-11-26T10:00", "2026-11-26", "2026-11-27T08:30"),  # Thanksgiving has none.
        ("2026-11-28T10:00", "2026-11-28", "2026-11-30T08:30"),
        ("2026-11-24T23:59", "2026-11-23", "2026-11-25T08:30"),
        ("2026-11-25T10:00", "2026-11-26", "2026-11-27T08:30"),  # Thanksgiving.
        ("2026-11-27T10:00", "2026-11-28", "2026-11-30T08:30"),  # A weekend.
        ("2026-11-24T10:00", "2026-12-10", "2026-12-10T08:30"),
        (
            "2026-07-02T10:00",
            "2026-07-03",
            "2026-07-03T08:30",
        ),  # 4 July on a Saturday: Friday open.
        (
            "2027-07-02T10:00",
            "2027-07-05",
            "2027-07-06T08:30",
        ),  # 4 July on a Sunday: Monday closed.
        ("2027-12-23T10:00", "2027-12-24", "2027-12-24T08:30"),  # Christmas on a Saturday.
        ("2026-04-02T10:00", "2026-04-03", "2026-04-03T08:30"),  # Good Friday is a Fed day.
    ],
)
def test_an_ach_entry_settles_on_a_federal_reserve_day(
    accepted: str, effective: str, settled: str
) -> None:
    found = scheme_clock.ach_settlement(new_york(accepted), date.fromisoformat(effective))
    assert found == new_york(settled)


@pytest.mark.parametrize(
    ("settled", "until"),
    [
        ("2026-11-24T08:30", "2026-12-03T00:00"),  # Thanksgiving does not count.
        ("2026-11-30T08:30", "2026-12-08T00:00"),
        (
            "2026-12-23T13:00",
            "2027-01-01T00:00",
        ),  # 24, 28, 29, 30 and 31 December: Christmas is Friday.
    ],
)
def test_an_ach_entry_may_be_reversed_for_five_banking_days(settled: str, until: str) -> None:
    assert scheme_clock.ach_reversal_until(new_york(settled)) == new_york(until)


def test_an_ach_return_comes_on_the_next_banking_day() -> None:
    returned = scheme_clock.ach_return(new_york("2026-11-25T08:30"))
    assert returned == new_york("2026-11-27T08:30")


@pytest.mark.parametrize(
    ("calendar", "day", "is_open"),
    [
        (TARGET, "2026-01-01", False),
        (TARGET, "2026-11-26", True),
        (TARGET, "2026-12-26", False),
        (FEDERAL_RESERVE, "2026-06-19", False),
        (FEDERAL_RESERVE, "2026-10-12", False),
        (FEDERAL_RESERVE, "2021-12-31", True),  # New Year 2022 was a Saturday.
        (FEDERAL_RESERVE, "2023-01-02", False),  # New Year 2023 was a Sunday.
    ],
)
def test_banking_days(calendar: str, day: str, is_open: bool) -> None:
    assert scheme_clock.is_banking_day(calendar, date.fromisoformat(day)) is is_open


def test_moments_are_in_utc() -> None:
    moment = scheme_clock.sepa_settlement(brussels("2026-11-28T10:00"), date(2026, 11, 28))
    assert (moment.tzinfo, moment.hour) == (UTC, 6)


def test_a_value_date_is_the_day_where_the_scheme_lives() -> None:
    moment = datetime(2026, 11, 24, 23, 30, tzinfo=UTC)
    assert scheme_clock.value_date("sepa", moment) == date(2026, 11, 25)
    assert scheme_clock.value_date("ach", moment) == date(2026, 11, 24)


def test_a_date_that_was_right_a_moment_ago_is_not_late_when_the_clock_is_moved(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ticks = [1000.0]
    monkeypatch.setattr(scheme_clock.time_of_day, "monotonic", lambda: ticks[0])
    clock = scheme_clock.SchemeClock()
    clock.offset_seconds = 5 * 86_400
    assert round((clock.now() - clock.forgiving_now()).total_seconds()) == 5 * 86_400
    ticks[0] += scheme_clock.GRACE_SECONDS + 1
    assert round((clock.now() - clock.forgiving_now()).total_seconds()) == 0
