"""Schedules: when they fire, what they collect; and the order in which banks are told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django_celery_beat.models import PeriodicTask

from payouts import batches, clock, dispatch, schedules
from payouts.errors import PayoutError
from payouts.models import BatchSchedule, Payout, PayoutAuditLog
from tests.batch_runs import ACTOR, configured, plan, waiting
from tests.world import World

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
