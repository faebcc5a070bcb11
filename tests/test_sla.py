"""Service levels: dates in banking days, checked by hand; which rule wins; and late payouts are seen."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection

from payouts import alert_rules, alerts, clock, dispatch, poller, sla, tasks
from payouts.models import Payout, PayoutAlert, PayoutSlaRule
from tests.test_evidence import say
from tests.world import World


@dataclass(frozen=True, kw_only=True)
class Level:
    """A service level that stands in no table."""

    id: UUID = UUID(int=1)
    bank_connector_id: UUID | None = None
    rail: str | None = None
    country: str | None = None
    priority: str | None = None
    cutoff_time: time | None = None
    time_zone: str = "UTC"
    calendar: str = ""
    weekend: str = "closed"
    processing_days: int = 0
    settlement_days: int = 0
    target_seconds: int | None = None
    base_fee: Decimal = Decimal(0)
    percentage_fee: Decimal = Decimal(0)
    effective_from: date | None = None
    effective_until: date | None = None


NEW_YORK, BRUSSELS, LONDON = "America/New_York", "Europe/Brussels", "Europe/London"
LEVELS = {
    "ACH": Level(cutoff_time=time(17), time_zone=NEW_YORK, calendar="XFED", settlement_days=2),
    "wire": Level(cutoff_time=time(15), time_zone=NEW_YORK, calendar="XFED"),
    "SEPA": Level(cutoff_time=time(18), time_zone=BRUSSELS, calendar="XECB", settlement_days=1),
    "UK": Level(cutoff_time=time(16, 30), time_zone=LONDON, calendar="GB-ENG", settlement_days=1),
    "two steps": Level(time_zone=BRUSSELS, calendar="XECB", processing_days=1, settlement_days=2),
    "weekdays": Level(cutoff_time=time(12), settlement_days=1),
    "every day": Level(cutoff_time=time(12), settlement_days=1, weekend="open"),
    "22 by 6": Level(
        cutoff_time=time(15), time_zone=NEW_YORK, calendar="XFED", settlement_days=1, weekend="saturday"
    ),
    "instant": Level(time_zone=BRUSSELS, target_seconds=10, weekend="open"),
}  # fmt: skip

# Checked by hand against the calendars of 2025 to 2027: accepted (local) -> date (local), moment (UTC).
BY_HAND = """
    ACH       2025-11-13 10:00:00  2025-11-17  2025-11-18T05:00  the specification's sample: Saturday is none
    ACH       2026-11-20 16:59:59  2026-11-24  2026-11-25T05:00  Friday, just in time
    ACH       2026-11-20 17:00:00  2026-11-25  2026-11-26T05:00  Friday 17:00 sharp is Monday's
    ACH       2026-11-21 12:00:00  2026-11-25  2026-11-26T05:00  Saturday counts as Monday
    ACH       2026-11-25 12:00:00  2026-11-30  2026-12-01T05:00  over Thanksgiving
    ACH       2026-07-02 12:00:00  2026-07-06  2026-07-07T04:00  4 July on a Saturday: Friday is open
    ACH       2027-07-02 12:00:00  2027-07-07  2027-07-08T04:00  4 July on a Sunday: Monday is closed
    ACH       2026-06-18 18:00:00  2026-06-24  2026-06-25T04:00  late before Juneteenth, a Friday
    ACH       2026-12-31 12:00:00  2027-01-05  2027-01-06T05:00  over the end of the year
    ACH       2026-10-09 12:00:00  2026-10-14  2026-10-15T04:00  over Columbus Day
    ACH       2026-03-06 16:59:59  2026-03-10  2026-03-11T04:00  over the start of summer time
    ACH       2026-10-30 17:00:00  2026-11-04  2026-11-05T05:00  over the end of summer time
    wire      2026-11-24 14:59:59  2026-11-24  2026-11-25T05:00  same day
    wire      2026-11-24 15:00:00  2026-11-25  2026-11-26T05:00  next day
    wire      2026-11-25 15:30:00  2026-11-27  2026-11-28T05:00  the day after is Thanksgiving
    SEPA      2026-11-24 17:59:59  2026-11-25  2026-11-25T23:00  in time
    SEPA      2026-11-24 18:00:00  2026-11-26  2026-11-26T23:00  18:00 sharp
    SEPA      2026-11-26 12:00:00  2026-11-27  2026-11-27T23:00  Thanksgiving is no holiday of TARGET
    SEPA      2026-04-02 12:00:00  2026-04-07  2026-04-07T22:00  over Easter
    SEPA      2026-04-30 19:00:00  2026-05-05  2026-05-05T22:00  late before 1 May, a Friday
    SEPA      2026-12-24 12:00:00  2026-12-28  2026-12-28T23:00  25 and 26 December, then a Sunday
    SEPA      2026-12-31 18:30:00  2027-01-05  2027-01-05T23:00  late on the last day of the year
    SEPA      2026-03-27 12:00:00  2026-03-30  2026-03-30T22:00  over the start of summer time
    SEPA      2026-10-23 12:00:00  2026-10-26  2026-10-26T23:00  over the end of summer time
    UK        2026-12-24 12:00:00  2026-12-29  2026-12-30T00:00  Boxing Day on a Saturday: Monday is closed
    UK        2026-05-22 16:30:00  2026-05-27  2026-05-27T23:00  late before the spring bank holiday
    UK        2026-08-28 12:00:00  2026-09-01  2026-09-01T23:00  over the summer bank holiday
    two_steps 2026-11-20 23:59:59  2026-11-25  2026-11-25T23:00  one day to submit, two to settle, no cut-off
    weekdays  2026-11-20 11:00:00  2026-11-23  2026-11-24T00:00  Friday to Monday without a calendar
    weekdays  2026-12-24 12:30:00  2026-12-28  2026-12-29T00:00  Christmas is a day like any without a calendar
    every_day 2026-11-20 12:00:00  2026-11-22  2026-11-23T00:00  a Sunday, since nothing is closed
    22_by_6   2026-11-21 12:00:00  2026-11-23  2026-11-24T05:00  Saturday is closed, Sunday works
    instant   2026-11-21 23:59:55  2026-11-22  2026-11-21T23:00:05  ten seconds on, which is tomorrow
    instant   2026-03-29 01:59:55  2026-03-29  2026-03-29T01:00:05  into the hour that does not exist
"""  # fmt: skip


@pytest.mark.parametrize("case", [line.strip() for line in BY_HAND.strip().splitlines()])
def test_a_promise_is_what_was_reckoned_by_hand(case: str) -> None:
    name, day, clock_time, target, moment, *_ = case.split()
    level = LEVELS[name.replace("_", " ")]
    local = datetime.fromisoformat(f"{day}T{clock_time}").replace(
        tzinfo=sla.ZoneInfo(level.time_zone)
    )
    made = sla.promise(level, amount=Decimal(100), accepted_at=local.astimezone(UTC), decimals=2)
    assert made.target_date == date.fromisoformat(target)
    assert made.target_at == datetime.fromisoformat(moment).replace(tzinfo=UTC)


def test_the_table_is_long_enough() -> None:
    assert len(BY_HAND.strip().splitlines()) >= 25


@pytest.mark.parametrize(
    ("moment", "cutoff"),
    [
        ("2026-11-20T21:59:59", "2026-11-20T22:00"),  # Friday before 17:00 in New York: today
        ("2026-11-20T22:00:00", "2026-11-23T22:00"),  # sharp: Monday
        ("2026-03-06T23:00:00", "2026-03-09T21:00"),  # summer time in between
    ],
)
def test_the_next_cutoff_is_local_time(moment: str, cutoff: str) -> None:
    at = datetime.fromisoformat(moment).replace(tzinfo=UTC)
    expected = datetime.fromisoformat(cutoff).replace(tzinfo=UTC)
    assert sla.next_cutoff(LEVELS["ACH"], at) == expected


# --- which rule -----------------------------------------------------------------------------------------

BANK, ANOTHER = uuid4(), uuid4()
ANY, PRIORITY = Level(id=UUID(int=10)), Level(id=UUID(int=11), priority="instant")
COUNTRY = Level(id=UUID(int=12), country="EU", priority="standard")
RAIL = Level(id=UUID(int=13), rail="sepa")
CONNECTOR = Level(id=UUID(int=14), bank_connector_id=BANK)


@pytest.mark.parametrize(
    ("rules", "wins"),
    [
        ([ANY], ANY),
        ([ANY, PRIORITY], PRIORITY),
        ([PRIORITY, Level(id=UUID(int=15), country="DE")], Level(id=UUID(int=15), country="DE")),
        ([COUNTRY, PRIORITY], PRIORITY),  # The country's is for another priority.
        ([RAIL, PRIORITY], RAIL),
        ([RAIL, CONNECTOR], CONNECTOR),
        ([RAIL, replace(CONNECTOR, bank_connector_id=ANOTHER)], RAIL),
        ([RAIL, replace(CONNECTOR, effective_until=date(2026, 11, 24))], RAIL),  # ended today
        ([RAIL, replace(CONNECTOR, effective_from=date(2026, 11, 25))], RAIL),  # begins tomorrow
        ([replace(ANY, rail="ach")], None),
    ],
)
def test_the_most_specific_rule_wins(rules: list[Level], wins: Level | None) -> None:
    found = sla.most_specific(
        rules, connector_id=BANK, rail="sepa", countries=("DE", "EU"), priority="instant",
        on=date(2026, 11, 24),
    )  # fmt: skip
    assert found == wins


@pytest.mark.django_db
def test_every_rail_has_a_rule_and_the_samples_are_there() -> None:
    rules = list(PayoutSlaRule.objects.all())
    for rail in RAILS:
        found = sla.most_specific(
            rules, connector_id=BANK, rail=rail, countries=("XX",), priority="standard",
            on=date(2026, 11, 24),
        )  # fmt: skip
        assert found is not None, rail
    wanted = [  # The specification's five, as it writes them.
        ("ach", "US", "batch", time(17), 2, None),
        ("rtp", "US", "instant", None, 0, 60),
        ("wire", "US", "standard", time(15), 0, None),
        ("sepa", "EU", "batch", time(18), 1, None),
        ("sepa_instant", "EU", "instant", None, 0, 10),
    ]
    rows = set(
        PayoutSlaRule.objects.values_list(
            "rail", "country", "priority", "cutoff_time", "settlement_days", "target_seconds"
        )
    )
    assert set(wanted) <= rows


RAILS = ("ach", "rtp", "wire", "sepa", "sepa_instant", "faster_payments", "mobile_money")


@pytest.mark.django_db
def test_a_payout_names_its_rule_and_keeps_its_promise(sandbox: World) -> None:
    payout = sandbox.create("us_bank")
    rule = PayoutSlaRule.objects.get(pk=payout.sla_rule_id)
    assert (rule.rail, rule.country, rule.priority) == ("ach", "US", None)
    promised = sla.promise(rule, amount=payout.amount, accepted_at=payout.created_at, decimals=2)
    assert payout.sla_target_settlement_date == promised.target_date
    assert payout.sla_target_at == promised.target_at


@pytest.mark.django_db
def test_a_changed_service_level_holds_for_the_next_payout(sandbox: World) -> None:
    before = sandbox.create("us_bank")
    PayoutSlaRule.objects.filter(pk=before.sla_rule_id).update(settlement_days=9)
    after = sandbox.create("us_bank")
    assert after.sla_rule_id == before.sla_rule_id
    assert after.sla_target_at > before.sla_target_at
    assert Payout.objects.get(pk=before.pk).sla_target_at == before.sla_target_at


# --- what is late ---------------------------------------------------------------------------------------


def _make_late(payout: Payout, **by: Any) -> None:
    Payout.objects.filter(pk=payout.pk).update(sla_target_at=clock.now() - timedelta(**by))


def _alerts(payout: Payout) -> list[tuple[str, str]]:
    rows = PayoutAlert.objects.filter(payout_id=payout.pk)
    return [(row.alert_type, row.severity) for row in rows]


@pytest.mark.django_db
def test_a_late_payout_is_marked_and_told_once(sandbox: World) -> None:
    late, in_time = sandbox.create(), sandbox.create()
    _make_late(late, seconds=1)
    assert alerts.sweep("sla_violation") == 1
    assert alerts.sweep("sla_violation") == 0
    assert _alerts(late) == [("sla_violation", "high")]
    assert _alerts(in_time) == []
    late.refresh_from_db()
    in_time.refresh_from_db()
    assert (late.sla_violated, in_time.sla_violated) == (True, False)
    assert late.sla_violated_at is not None


@pytest.mark.django_db
def test_what_settles_late_between_two_looks_is_marked_by_its_value_date(sandbox: World) -> None:
    late, in_time, unsaid = (sandbox.create() for _ in range(3))
    dispatch.dispatch_due()
    for payout in (late, in_time, unsaid):
        _make_late(payout, seconds=1)
    promised = late.sla_target_settlement_date
    say(sandbox, late, "settled", value_date=promised + timedelta(days=1))
    say(sandbox, in_time, "settled", value_date=promised)  # The bank only told us late.
    say(sandbox, unsaid, "settled")
    assert alerts.sweep("sla_violation") == 2
    assert alerts.sweep("sla_violation") == 0
    assert [len(_alerts(payout)) for payout in (late, in_time, unsaid)] == [1, 0, 1]
    marked = Payout.objects.filter(sla_violated=True).values_list("id", flat=True)
    assert set(marked) == {late.id, unsaid.id}


@pytest.mark.django_db
def test_an_instant_promise_is_watched_in_seconds(sandbox: World) -> None:
    quick, slow = sandbox.create(), sandbox.create()
    instant = PayoutSlaRule.objects.filter(target_seconds=10).values_list("id", flat=True)[0]
    Payout.objects.filter(pk=quick.pk).update(sla_rule_id=instant)
    for payout in (quick, slow):
        _make_late(payout, seconds=1)
    assert alert_rules.sweep_instant_promises() == 1
    assert (_alerts(quick), _alerts(slow)) == ([("sla_violation", "high")], [])
    assert alert_rules.sweep_instant_promises() == 0


@pytest.mark.django_db
def test_late_payouts_are_looked_for_only_when_it_is_switched_on(
    sandbox: World, settings: Any
) -> None:
    on = {duty.name: duty.interval_s for duty in poller.duties()}
    assert on["promises"] <= 5
    _make_late(sandbox.create(), seconds=1)
    settings.WORKER_ENABLE_SLA_MONITORING = False
    assert "promises" not in {duty.name for duty in poller.duties()}
    assert tasks.sweep_sla() == 0
    settings.WORKER_ENABLE_SLA_MONITORING = True
    assert tasks.sweep_sla() == 1


def test_two_sweeps_at_once_tell_each_late_payout_once(real_sandbox: World) -> None:
    late = [real_sandbox.create() for _ in range(12)]
    Payout.objects.update(sla_target_at=clock.now() - timedelta(seconds=1))
    start, told = threading.Barrier(4), []

    def sweep() -> None:
        start.wait()
        told.append(alerts.sweep("sla_violation"))
        connection.close()

    threads = [threading.Thread(target=sweep) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(told) == len(late)
    assert PayoutAlert.objects.filter(alert_type="sla_violation").count() == len(late)
    assert Payout.objects.filter(sla_violated=True).count() == len(late)
