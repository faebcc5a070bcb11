"""Schedules and payouts that wait for them, for tests."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from payouts import clock, schedules
from payouts.audit import engine
from payouts.models import BatchSchedule, Payout
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
