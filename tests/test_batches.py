"""Batches: fire times by cron, one run per fire time and currency, followed to the end; the command."""

from __future__ import annotations

import json
import threading
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import StringIO
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django_celery_beat.models import PeriodicTask

from payouts import batches, clock, dispatch, schedules, states
from payouts.audit import engine
from payouts.errors import PayoutError
from payouts.models import BatchSchedule, Payout, PayoutAuditLog, PayoutBatch, PayoutBatchItem
from tests import database
from tests.database import run
from tests.world import World

ACTOR = engine("test")


def plan(name: str = "daily", cron: str = "30 16 * * *", **changes: Any) -> schedules.Plan:
    values: dict[str, Any] = {"batch_type": "daily_settlements", "time_zone": "Europe/Brussels"}
    return schedules.Plan(name=name, cron=cron, **{**values, **changes})


def configured(name: str = "daily", cron: str = "* * * * *", **changes: Any) -> BatchSchedule:
    """A schedule that has been there for a day."""
    row = schedules.configure(plan(name, cron, **changes), actor=ACTOR)
    BatchSchedule.objects.filter(pk=row.pk).update(active_from=clock.now() - timedelta(days=1))
    return BatchSchedule.objects.get(pk=row.pk)


def waiting(world: World, kind: str = "iban", amount: str = "100.00", **changes: Any) -> Payout:
    """A payout of priority batch whose schedule has fired just now."""
    payout = world.create(kind, amount, priority="batch", **changes)
    assert payout.status == "scheduled"
    Payout.objects.filter(pk=payout.pk).update(scheduled_at=clock.now() - timedelta(minutes=2))
    return payout


# --- fire times ----------------------------------------------------------------------------------------

FIRES = """
    30 16 * * *    Europe/Brussels   2026-11-24T15:29:59  2026-11-23T15:30  2026-11-24T15:30
    30 16 * * *    Europe/Brussels   2026-11-24T15:30:00  2026-11-24T15:30  2026-11-25T15:30
    30 16 * * *    Europe/Brussels   2026-11-24T15:30:59  2026-11-24T15:30  2026-11-25T15:30
    30 16 * * 5    Europe/Brussels   2026-11-24T12:00:00  2026-11-20T15:30  2026-11-27T15:30
    30 2 * * *     Europe/Brussels   2026-03-29T00:59:59  2026-03-28T01:30  2026-03-29T01:00
    30 2 * * *     Europe/Brussels   2026-03-29T12:00:00  2026-03-29T01:00  2026-03-30T00:30
    30 2 * * *     Europe/Brussels   2026-10-25T00:31:00  2026-10-25T00:30  2026-10-26T01:30
    30 2 * * *     Europe/Brussels   2026-10-25T01:31:00  2026-10-25T00:30  2026-10-26T01:30
    0 18 * * *     America/New_York  2026-11-01T12:00:00  2026-10-31T22:00  2026-11-01T23:00
    0 9 L * *      UTC               2026-02-15T00:00:00  2026-01-31T09:00  2026-02-28T09:00
    0 9 29 2 *     UTC               2026-02-15T00:00:00  2024-02-29T09:00  2028-02-29T09:00
"""


@pytest.mark.parametrize("case", [line.strip() for line in FIRES.strip().splitlines()])
def test_a_schedule_fires_when_its_cron_says(case: str) -> None:
    *cron, zone, moment, last, following = case.split()
    row = BatchSchedule(name="x", cron=" ".join(cron), time_zone=zone)
    at = datetime.fromisoformat(moment).replace(tzinfo=UTC)
    assert schedules.last_fire(row, at) == datetime.fromisoformat(last).replace(tzinfo=UTC)
    assert schedules.next_fire(row, at) == datetime.fromisoformat(following).replace(tzinfo=UTC)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "wrong",
    [{"cron": "99 * * * *"}, {"cron": "0 0 * *"}, {"cron": "0 0 30 2 *"}, {"time_zone": "Mars"}, {"batch_type": "x"}],
)  # fmt: skip
def test_a_schedule_that_makes_no_sense_is_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(PayoutError) as refused:
        schedules.configure(plan(**wrong), actor=ACTOR)
    assert refused.value.code == "batch_schedule_invalid"
    assert not BatchSchedule.objects.exists()


@pytest.mark.django_db
def test_a_schedule_is_audited_and_has_a_doorbell_in_beat() -> None:
    first = schedules.configure(plan(), actor=ACTOR)
    assert schedules.configure(plan(), actor=ACTOR).active_from == first.active_from
    changed = schedules.configure(plan(cron="0 17 * * *"), actor=ACTOR)
    assert changed.active_from > first.active_from  # What the old line missed is not caught up.
    task = PeriodicTask.objects.get(name="batch daily")
    assert (task.task, task.enabled) == ("payouts.tasks.release_due", True)
    assert (task.crontab.hour, str(task.crontab.timezone)) == ("17", "Europe/Brussels")
    schedules.configure(plan(cron="0 9 L * *"), actor=ACTOR)  # Beat does not know "L".
    assert PeriodicTask.objects.get(name="batch daily").enabled is False
    actions = PayoutAuditLog.objects.filter(action__startswith="batch_schedule.").order_by("id")
    assert [row.action.split(".")[1] for row in actions] == ["created", "changed", "changed"]


@pytest.mark.django_db
def test_a_batch_payout_waits_for_the_most_specific_schedule(sandbox: World) -> None:
    unplanned = sandbox.create(priority="batch")
    assert unplanned.status == "scheduled"  # At its cut-off, for want of a schedule.
    now = clock.now()
    rows = {
        "all": schedules.configure(plan("all"), actor=ACTOR),
        "dollars": schedules.configure(plan("dollars", "45 3 * * *", currency="USD"), actor=ACTOR),
        "another": schedules.configure(
            plan("another", "* * * * *", tenant_id=uuid4()), actor=ACTOR
        ),
    }
    expected = {"iban": "all", "us_bank": "dollars"}
    for kind, name in expected.items():
        payout = sandbox.create(kind, priority="batch")
        assert payout.scheduled_at == schedules.next_fire(rows[name], now), kind
    mine = schedules.configure(plan("mine", "5 4 * * 0", tenant_id=sandbox.tenant_id), actor=ACTOR)
    for kind in expected:
        payout = sandbox.create(kind, priority="batch")
        assert payout.scheduled_at == schedules.next_fire(mine, now), kind
    asked = now + timedelta(hours=3)
    assert sandbox.create(priority="batch", scheduled_at=asked).scheduled_at == asked


# --- a run ---------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_fire_makes_one_run_per_currency_and_it_is_followed_to_its_end(sandbox: World) -> None:
    schedule = configured()
    paid = [waiting(sandbox, amount=amount) for amount in ("100.00", "20.50")]
    dollars = waiting(sandbox, "us_bank", "7.00")
    sandbox.pay_to("closed", iban="DE08370400440000000401")
    refused = waiting(sandbox, "closed", "3.00", currency="EUR")
    later = sandbox.create(priority="batch", scheduled_at=clock.now() + timedelta(days=2))
    ordinary = sandbox.create(scheduled_at=clock.now() + timedelta(days=2))

    now = clock.now()
    assert batches.run_due(now) == 4
    assert batches.run_due(now) == 0
    assert [sandbox.status(p) for p in (later, ordinary)] == ["scheduled"] * 2

    euros, usd = PayoutBatch.objects.order_by("currency")
    fire = schedules.last_fire(schedule, now)
    for found, currency, payouts, amount in ((euros, "EUR", 3, "123.50"), (usd, "USD", 1, "7.00")):
        assert (found.batch_name, found.batch_type) == ("daily", "daily_settlements")
        assert (found.currency, found.total_payouts) == (currency, payouts)
        assert (found.total_amount, found.scheduled_at) == (Decimal(amount), fire)
        assert found.status == "running"
    assert list(
        PayoutBatchItem.objects.filter(batch=euros).order_by("position").values_list("position", flat=True)
    ) == [1, 2, 3]  # fmt: skip
    for payout in (*paid, refused):
        payout.refresh_from_db()
        assert (payout.status, payout.batch_id) == ("pending", euros.id)
    moved = PayoutAuditLog.objects.get(payout_id=dollars.id, to_status="pending")
    assert moved.reason.startswith("batch daily of ")

    sandbox.reach(refused, "rejected")
    for payout in paid:
        sandbox.settle(payout)
    batches.follow()
    assert batches.follow() == 0
    euros.refresh_from_db()
    assert euros.status == "completed_with_failures"
    assert euros.completed_at is not None
    items = PayoutBatchItem.objects.filter(batch=euros).order_by("position")
    assert [item.status for item in items] == ["paid", "paid", "rejected"]
    assert items[2].error_code == "AC04"
    sandbox.settle(dollars)
    batches.follow()
    usd.refresh_from_db()
    assert usd.status == "completed"


@pytest.mark.django_db
def test_what_was_paid_and_came_back_is_seen_in_its_run(sandbox: World) -> None:
    configured()
    sandbox.pay_to("comes back", iban="DE56370400440000000701")
    payout = waiting(sandbox, "comes back", currency="EUR")
    batches.run_due(clock.now())
    sandbox.settle(payout)
    batches.follow()
    assert PayoutBatch.objects.get().status == "completed"
    sandbox.bank.advance(days=4)
    sandbox.reach(payout, "returned")
    batches.follow()
    item = PayoutBatchItem.objects.get()
    assert (item.status, item.error_code) == ("returned", "AC04")
    assert PayoutBatch.objects.get().status == "completed_with_failures"


@pytest.mark.django_db
def test_a_moved_clock_lets_a_batch_run_with_its_run_first(sandbox: World) -> None:
    schedules.configure(plan(), actor=ACTOR)
    payout = sandbox.create(priority="batch")
    sandbox.work()
    assert sandbox.status(payout) == "scheduled"
    sandbox.bank.advance(days=1)
    sandbox.reach(payout, "sent", "settled")
    payout.refresh_from_db()
    assert payout.batch_id == PayoutBatch.objects.get().id
    assert PayoutBatch.objects.get().scheduled_at == payout.scheduled_at


@pytest.mark.django_db
def test_without_a_schedule_a_batch_payout_goes_at_its_cutoff(sandbox: World) -> None:
    payout = sandbox.create(priority="batch")
    sandbox.bank.advance(days=4)
    sandbox.reach(payout, "sent", "settled")
    assert not PayoutBatch.objects.exists()


@pytest.mark.django_db
def test_missed_fires_are_caught_up_once_and_told(sandbox: World) -> None:
    schedule = schedules.configure(plan(cron="0 * * * *"), actor=ACTOR)
    payout = sandbox.create(priority="batch")
    now = clock.now()
    assert batches.missed_runs(now) == []  # What came before the schedule is nobody's fault.
    later = (now + timedelta(hours=5)).replace(minute=30)
    (missed,) = batches.missed_runs(later)
    assert (missed.name, missed.fire_time) == (
        "daily",
        later.replace(minute=0, second=0, microsecond=0),
    )
    assert batches.run_due(later) == 1
    (found,) = PayoutBatch.objects.all()
    assert (found.scheduled_at, found.total_payouts) == (missed.fire_time, 1)
    assert batches.missed_runs(later) == []
    assert (
        batches.run_due(later + timedelta(hours=1)) == 0
    )  # A fire with nobody waiting leaves no run ...
    assert batches.missed_runs(later + timedelta(hours=1)) == []  # ... and is not missed.
    schedule.refresh_from_db()
    assert schedule.last_fired_at == missed.fire_time + timedelta(hours=1)
    assert sandbox.status(payout) == "pending"


def test_two_beats_make_one_run(real_sandbox: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "STEP", 3)
    configured()
    payouts = [waiting(real_sandbox, amount="1.00") for _ in range(10)]
    now, start, moved = clock.now(), threading.Barrier(3), []

    def beat() -> None:
        start.wait()
        moved.append(batches.run_due(now))
        connection.close()

    threads = [threading.Thread(target=beat) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (found,) = PayoutBatch.objects.all()
    assert (found.total_payouts, found.total_amount) == (10, Decimal(10))
    assert sum(moved) == 10
    assert sorted(found.payoutbatchitem_set.values_list("position", flat=True)) == list(
        range(1, 11)
    )
    audited = PayoutAuditLog.objects.filter(to_status="pending", actor="engine:batches")
    assert Counter(audited.values_list("payout_id", flat=True)) == Counter(p.id for p in payouts)


def test_a_run_that_broke_off_is_taken_up_again(
    real_sandbox: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "STEP", 2)
    configured()
    for _ in range(5):
        waiting(real_sandbox, amount="1.00")
    now, transition, calls = clock.now(), states.transition, []

    def dies_the_second_time(*args: Any, **kwargs: Any) -> None:
        calls.append(1)
        if len(calls) == 2:
            raise RuntimeError("the process died between insert and release")
        transition(*args, **kwargs)

    monkeypatch.setattr(states, "transition", dies_the_second_time)
    assert batches.run_due(now) == 0
    broken = PayoutBatch.objects.get()
    assert (broken.status, broken.total_payouts, PayoutBatchItem.objects.count()) == ("open", 2, 2)
    assert Payout.objects.filter(status="scheduled").count() == 3
    assert batches.run_due(now) == 3
    whole = PayoutBatch.objects.get()
    assert (whole.id, whole.status, whole.total_payouts) == (broken.id, "running", 5)
    assert whole.total_amount == Decimal(5)


@pytest.mark.django_db
def test_one_schedule_that_breaks_stops_no_other(
    sandbox: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    configured("a", currency="EUR")
    configured("b", currency="USD")
    euro, dollar = waiting(sandbox), waiting(sandbox, "us_bank")
    collect = batches._collect

    def breaks(fire: Any, currency: str, *args: Any, **kwargs: Any) -> None:
        if currency == "EUR":
            raise RuntimeError("broken")
        collect(fire, currency, *args, **kwargs)

    monkeypatch.setattr(batches, "_collect", breaks)
    assert batches.release_due() == 2  # One in its run; the other by its own time: never stuck.
    assert [sandbox.status(p) for p in (euro, dollar)] == ["pending", "pending"]
    euro.refresh_from_db()
    assert euro.batch_id is None


# --- what the database holds ---------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("batch", "tenant"),
    [("'USD', NULL", "%(tenant)s"), ("'EUR', %(other)s", "%(tenant)s"), ("'EUR', NULL", "%(other)s")],
)  # fmt: skip
def test_an_item_of_another_currency_or_merchant_is_refused(
    sandbox: World, batch: str, tenant: str
) -> None:
    values = {
        "payout": sandbox.create().id,
        "tenant": sandbox.tenant_id,
        "other": uuid4(),
        "batch": uuid4(),
    }
    run(
        "INSERT INTO payout_batches (id, batch_name, batch_type, schedule_cron, time_zone, scheduled_at, status,"
        f" total_payouts, total_amount, currency, tenant_id) VALUES (%(batch)s, 'b', 'x', '', 'UTC', now(), 'open',"
        f" 0, 0, {batch})",
        values,
    )
    refused = database.refusal(
        "INSERT INTO payout_batch_items (id, batch_id, payout_id, tenant_id, position, status, error_code,"
        f" error_message) VALUES (gen_random_uuid(), %(batch)s, %(payout)s, {tenant}, 1, 'waiting', '', '')",
        values,
    )
    assert refused is not None
    assert refused.sqlstate == database.CHECK


@pytest.mark.django_db
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE payout_batch_items SET payout_id = %(other)s",
        "UPDATE payout_batches SET currency = 'USD'",
        "UPDATE payout_batches SET scheduled_at = now()",
    ],
)
def test_a_run_and_its_payouts_stay_together(sandbox: World, statement: str) -> None:
    configured()
    waiting(sandbox)
    batches.run_due(clock.now())
    refused = database.refusal(statement, {"other": uuid4()})
    assert refused is not None
    assert refused.sqlstate == database.RESTRICT


# --- order of service ----------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize("by_priority", [True, False])
def test_banks_are_told_in_the_order_of_priority(
    sandbox: World, settings: Any, by_priority: bool
) -> None:
    settings.WORKER_ENABLE_PRIORITY = by_priority
    settings.WORKER_BATCH_SIZE = 1
    configured()
    batch, standard, instant = (
        waiting(sandbox),
        sandbox.create(),
        sandbox.create(priority="instant"),
    )
    sandbox.merchant = sandbox.operator  # Only operators may put somebody first.
    first = sandbox.create(priority="priority")
    Payout.objects.update(bank_connector_id=first.bank_connector_id, rail=first.rail)
    batches.run_due(clock.now())
    bank = next(line for line in dispatch.banks.lines() if line.id == first.bank_connector_id)
    told = [_claimed(bank) for _ in range(4)]
    ranked = [first.id, instant.id, standard.id, batch.id]
    assert told == (ranked if by_priority else [batch.id, standard.id, instant.id, first.id])


def _claimed(bank: Any) -> Any:
    claim = dispatch.claim_due(bank)
    assert claim is not None
    (payout_id,) = claim.payout_ids
    dispatch.carry(bank, claim)
    return payout_id


# --- the command ---------------------------------------------------------------------------------------


def command(*arguments: str) -> str:
    out = StringIO()
    call_command("run_batch", *arguments, stdout=out)
    return out.getvalue()


@pytest.mark.django_db
def test_the_command_previews_runs_and_finds_that_it_ran(sandbox: World) -> None:
    configured()
    euro, dollar = waiting(sandbox, amount="10.00"), waiting(sandbox, "us_bank", "5.00")
    at = ("--at", clock.now().isoformat())
    seen = json.loads(command("daily", "--preview", "--json", *at))
    assert [(row["currency"], row["payouts"], row["amount"], row["merchants"]) for row in seen] == [
        ("EUR", 1, "10.000", 1), ("USD", 1, "5.000", 1),
    ]  # fmt: skip
    assert not PayoutBatch.objects.exists()
    (only,) = json.loads(command("daily", "--json", "--currency", "usd", *at))
    assert (only["currency"], only["payouts"], only["status"], only["fresh"]) == (
        "USD",
        1,
        "running",
        True,
    )
    assert (sandbox.status(euro), sandbox.status(dollar)) == ("scheduled", "pending")
    rows = json.loads(command("daily", "--json", *at))
    assert [(row["currency"], row["fresh"]) for row in rows] == [("EUR", True), ("USD", False)]
    again = json.loads(command("daily", "--json", *at))
    assert [(row["currency"], row["payouts"], row["fresh"]) for row in again] == [
        ("EUR", 1, False),
        ("USD", 1, False),
    ]
    shown = command("daily", *at)
    assert "had been run" in shown
    assert "10.000" in shown


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nightly",), "Known are: daily"),
        (("daily", "--at", "tomorrow"), "ISO 8601"),
        (("daily", "--at", "2999-01-01"), "fires next at"),
    ],
)
def test_the_command_says_what_it_does_not_understand(
    sandbox: World, arguments: tuple[str, ...], said: str
) -> None:
    configured()
    with pytest.raises(CommandError, match=said) as refused:
        command(*arguments)
    assert refused.value.returncode == 2
