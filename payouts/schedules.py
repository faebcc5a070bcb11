"""When batches run and what they collect: a cron line in a time zone, and a filter.

A schedule fires at the minutes of its cron line, never at "now": two processes that look at different moments
see the same fire. Where the clock goes forward, a fire of the hour that is left out comes right after it;
where it goes back, one of the hour that comes twice fires the first time. `L` is the last day of a month.
Beside each schedule stands a periodic task of Celery beat. It is a doorbell: the row here is what counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError
from django.db import transaction
from django_celery_beat.models import CrontabSchedule, PeriodicTask

from payouts import audit, clock
from payouts.audit import Actor
from payouts.errors import PayoutError
from payouts.models import BatchSchedule

TASK = "payouts.tasks.release_due"
BATCH_TYPES = ("daily_settlements", "weekly_settlements")
# What both cron dialects write the same way; the other lines have no doorbell, and cost one poll.
PLAIN = re.compile(r"[0-9*,/ -]+ [0-6*,/-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a schedule should be. None in a filter means any."""

    name: str
    batch_type: str
    cron: str
    time_zone: str
    tenant_id: UUID | None = None
    currency: str | None = None
    rail: str | None = None
    enabled: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Fire:
    """One moment at which a schedule collects."""

    schedule: BatchSchedule
    at: datetime


def configure(plan: Plan, *, actor: Actor) -> BatchSchedule:
    """Create a schedule or change it, once and audited. Fires from now on count, not earlier ones."""
    _check(plan)
    values = {name: getattr(plan, name) for name in Plan.__slots__ if name != "name"}
    with transaction.atomic():
        row = BatchSchedule.objects.select_for_update().filter(name=plan.name).first()
        was = {name: getattr(row, name) for name in values} if row else {}
        if row and was == values:
            return row
        fires_anew = any(was.get(n) != values[n] for n in ("cron", "time_zone", "enabled"))
        since = {"active_from": clock.now()} if fires_anew else {}
        row, _ = BatchSchedule.objects.update_or_create(
            name=plan.name, defaults={**values, **since}
        )
        _hang_doorbell(row)
        changed = {n: [str(was.get(n, "")), str(v)] for n, v in values.items() if was.get(n) != v}
        data = {"batch_schedule": plan.name, "changed": changed}
        action = "batch_schedule.changed" if was else "batch_schedule.created"
        audit.record([audit.AuditRow(action=action, data=data)], actor=actor)
    return row


def _check(plan: Plan) -> None:
    if plan.batch_type not in BATCH_TYPES:
        raise PayoutError("batch_schedule_invalid", f"The type is one of {', '.join(BATCH_TYPES)}")
    if plan.time_zone not in available_timezones():
        raise PayoutError("batch_schedule_invalid", "The time zone is not known")
    if len(plan.cron.split()) != 5:
        raise PayoutError("batch_schedule_invalid", "A cron line has five fields")
    try:
        next(CronSim(plan.cron, datetime(2026, 1, 1, tzinfo=UTC)))
    except (CronSimError, StopIteration):
        raise PayoutError("batch_schedule_invalid", "The cron line never fires") from None


def _hang_doorbell(row: BatchSchedule) -> None:
    """Let beat say at the minute what the poller would find a moment later."""
    name = f"batch {row.name}"
    if not PLAIN.fullmatch(row.cron):
        PeriodicTask.objects.filter(name=name).update(enabled=False)
        return
    minute, hour, day, month, weekday = row.cron.split()
    crontab, _ = CrontabSchedule.objects.get_or_create(
        minute=minute, hour=hour, day_of_month=day, month_of_year=month, day_of_week=weekday,
        timezone=row.time_zone,
    )  # fmt: skip
    wanted: dict[str, Any] = {"task": TASK, "crontab": crontab, "enabled": row.enabled}
    PeriodicTask.objects.update_or_create(name=name, defaults=wanted)


# --- fire times -------------------------------------------------------------------------------------


def last_fire(schedule: BatchSchedule, moment: datetime) -> datetime:
    """The last fire at or before a moment."""
    local = (moment.replace(second=0, microsecond=0) + timedelta(minutes=1)).astimezone(
        ZoneInfo(schedule.time_zone)
    )
    return next(CronSim(schedule.cron, local, reverse=True)).astimezone(UTC)


def next_fire(schedule: BatchSchedule, moment: datetime) -> datetime:
    """The first fire after a moment."""
    local = moment.astimezone(ZoneInfo(schedule.time_zone))
    return next(CronSim(schedule.cron, local)).astimezone(UTC)


def due(now: datetime) -> list[Fire]:
    """Fires that nobody has run: of each schedule the last one, which collects what earlier ones missed.

    Of two that are due together the more specific one comes first: what waited for it fits the other one too.
    """
    fires = _unrun(BatchSchedule.objects.filter(enabled=True).order_by("name"), now)
    return sorted(fires, key=lambda fire: _rank(fire.schedule), reverse=True)


def before(fire: Fire, now: datetime) -> list[Fire]:
    """Fires that are due, nobody has run, and that must collect before this one does."""
    ahead = (other for other in due(now) if _rank(other.schedule) > _rank(fire.schedule))
    return [other for other in ahead if other.at <= fire.at]


def _unrun(schedules: Iterable[BatchSchedule], now: datetime) -> Iterator[Fire]:
    for schedule in schedules:
        at = last_fire(schedule, now)
        if at > schedule.active_from and (
            schedule.last_fired_at is None or at > schedule.last_fired_at
        ):
            yield Fire(schedule=schedule, at=at)


# --- whose schedule ---------------------------------------------------------------------------------


def enabled() -> list[BatchSchedule]:
    return list(BatchSchedule.objects.filter(enabled=True))


def planned_fire(
    schedules: Sequence[BatchSchedule],
    *,
    tenant_id: UUID,
    currency: str,
    rail: str,
    after: datetime,
) -> datetime | None:
    """When a payout that waits for its batch is collected: the most specific schedule's next fire.

    Merchant before currency before rail; of two that are as specific, the one that fires first.
    """

    def fits(row: BatchSchedule) -> bool:
        return (
            row.tenant_id in (None, tenant_id)
            and row.currency in (None, currency)
            and row.rail in (None, rail)
        )

    fitting = [row for row in schedules if fits(row)]
    best = max(map(_rank, fitting), default=None)
    fires = (next_fire(row, after) for row in fitting if _rank(row) == best)
    return min(fires, default=None)


def _rank(row: BatchSchedule) -> tuple[bool, bool, bool]:
    """How specific a schedule is."""
    return row.tenant_id is not None, row.currency is not None, row.rail is not None
