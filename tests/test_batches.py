"""Batches: one run per fire time and currency, followed to the end; the command."""

from __future__ import annotations

import json
import threading
from collections import Counter
from datetime import timedelta
from decimal import Decimal
from io import StringIO
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from payouts import batches, clock, schedules, states
from payouts.models import Payout, PayoutAuditLog, PayoutBatch, PayoutBatchItem
from tests import api_client, database
from tests.batch_runs import ACTOR, configured, plan, waiting
from tests.database import run
from tests.world import World

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


@pytest.mark.django_db
def test_a_payout_created_over_http_waits_for_everybodys_schedule(sandbox: World) -> None:
    """As the role of the web, for which row-level security decides what there is."""
    schedule = configured(cron="30 16 * * *")
    made = Payout.objects.get(pk=api_client.create(sandbox, priority="batch"))
    assert made.status == "scheduled"
    assert made.scheduled_at == schedules.next_fire(schedule, made.created_at)
