"""Runs: at each fire of a schedule its waiting payouts go from scheduled to pending, one run per currency.

A run is found by schedule, currency and fire time, so it is opened once whoever opens it. Payouts are moved
a thousand at a time; a process that dies in between leaves a run open, and the next look goes on with it.
How a bank is told is not decided here. `follow` then writes down what became of a run's payouts.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from uuid_utils.compat import uuid7

from payouts import bulk, clock, doorbell, lifecycle, schedules, states
from payouts.audit import Actor, engine
from payouts.errors import PayoutError
from payouts.models import BatchSchedule, PayoutBatch
from payouts.schedules import Fire
from payouts.states import LockedPayout, Move

log = logging.getLogger(__name__)
ACTOR = engine("batches")
STEP = 1000  # Payouts moved in one transaction.
MISSED_AFTER = timedelta(minutes=10)
RETURNS_FOLLOWED = timedelta(days=100)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """A run as it stands. `fresh`: this call opened it."""

    batch_id: UUID
    name: str
    currency: str
    fire_time: datetime
    payouts: int
    amount: Decimal
    status: str
    fresh: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """What a run would collect in one currency."""

    currency: str
    payouts: int
    amount: Decimal
    merchants: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MissedRun:
    """A fire that nobody has run although its time is over."""

    schedule_id: UUID
    name: str
    fire_time: datetime


# --- what time decides --------------------------------------------------------------------------------


def release_due() -> int:
    """Everything whose time has come: runs first, then payouts with a time of their own. Returns how many.

    One "now" for both: a payout that waits for a batch is released by itself only when no run took it.
    """
    now = clock.now()
    return run_due(now) + lifecycle.release_scheduled(now=now)


def run_due(now: datetime) -> int:
    """Run every fire that nobody has run. Returns how many payouts moved."""
    moved = 0
    for fire in schedules.due(now):
        try:
            moved += _run(fire, currency=None, actor=ACTOR)
        except Exception:
            # Its payouts are released by their own time; the others' runs go on.
            log.exception("batch %s of %s cannot be run", fire.schedule.name, fire.at)
    return moved


def missed_runs(now: datetime) -> list[MissedRun]:
    """Fires that are overdue: neither the poller nor beat nor a person has run them."""
    return [
        MissedRun(schedule_id=fire.schedule.id, name=fire.schedule.name, fire_time=fire.at)
        for fire in schedules.due(now)
        if fire.at <= now - MISSED_AFTER
    ]


# --- what a person may ask for ------------------------------------------------------------------------


def run_batches(
    name: str, *, at: datetime | None, actor: Actor, currency: str | None = None
) -> list[RunResult]:
    """Run a schedule's fire at or before `at` (now), or find that it was run. One result per currency.

    Raises PayoutError batch_schedule_unknown or batch_not_due.
    """
    fire = find_fire(name, at=at)
    before = {run.id for run in _runs(fire, currency)}
    for other in schedules.before(fire, clock.now()):  # What waits for those is not for this one.
        _run(other, currency=None, actor=ACTOR)
    _run(fire, currency=currency, actor=actor)
    return [
        RunResult(
            batch_id=run.id, name=run.batch_name, currency=run.currency, fire_time=run.scheduled_at,
            payouts=run.total_payouts, amount=run.total_amount, status=run.status, fresh=run.id not in before,
        )
        for run in _runs(fire, currency)
    ]  # fmt: skip


def find_fire(name: str, *, at: datetime | None) -> Fire:
    """A schedule's fire at or before a moment, by default now."""
    schedule = BatchSchedule.objects.filter(name=name).first()
    if schedule is None:
        raise PayoutError("batch_schedule_unknown")
    now = clock.now()
    fire = Fire(schedule=schedule, at=schedules.last_fire(schedule, at or now))
    if (at is not None and at > now) or (at is None and fire.at <= schedule.active_from):
        following = schedules.next_fire(schedule, now)
        raise PayoutError("batch_not_due", f"It fires next at {following.isoformat()}")
    return fire


def preview(fire: Fire, *, currency: str | None = None) -> list[Waiting]:
    """What the fire would collect now, per currency; nothing is changed."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT currency, count(*), sum(amount), count(DISTINCT tenant_id) FROM payouts"
            f"{WAITING} GROUP BY currency ORDER BY currency",
            _filter(fire, currency),
        )
        names = ("currency", "payouts", "amount", "merchants")
        return [Waiting(**dict(zip(names, row, strict=True))) for row in cursor.fetchall()]


def _runs(fire: Fire, currency: str | None) -> list[PayoutBatch]:
    runs = PayoutBatch.objects.filter(batch_name=fire.schedule.name, scheduled_at=fire.at)
    return list(runs.filter(currency=currency) if currency else runs.order_by("currency"))


# --- a run --------------------------------------------------------------------------------------------

# Who waits for a fire: planned for it or before. What was approved late, or given a later time, does not.
WAITING = (
    " WHERE status = 'scheduled' AND scheduled_at <= %(at)s AND priority = 'batch'"
    " AND (%(tenant)s::uuid IS NULL OR tenant_id = %(tenant)s)"
    " AND (%(rail)s::text IS NULL OR rail = %(rail)s)"
    " AND (%(currency)s::text IS NULL OR currency = %(currency)s)"
    " AND (%(only)s::text IS NULL OR currency = %(only)s)"
)


def _filter(fire: Fire, only: str | None) -> dict[str, Any]:
    schedule = fire.schedule
    return {
        "at": fire.at, "tenant": schedule.tenant_id, "rail": schedule.rail, "currency": schedule.currency,
        "only": only,
    }  # fmt: skip


def _run(fire: Fire, *, currency: str | None, actor: Actor) -> int:
    """Collect until nothing is left. Returns how many payouts this process moved."""
    total = 0
    while True:
        moved, finished = _step(fire, currency=currency, actor=actor)
        total += moved
        if finished:
            return total


def _step(fire: Fire, *, currency: str | None, actor: Actor) -> tuple[int, bool]:
    """One transaction: some payouts become items of their run and pending, or the fire is done."""
    with transaction.atomic(durable=True):
        # One process at a time collects for a schedule; the other one finds the fire done, or goes on.
        schedule = BatchSchedule.objects.select_for_update().get(pk=fire.schedule.pk)
        if schedule.last_fired_at is not None and schedule.last_fired_at >= fire.at:
            return 0, True
        now = clock.now()
        ids = _waiting_ids(fire, currency)
        if not ids:
            _close(fire, currency, now)
            return 0, True
        locked = [p for p in states.lock_payouts(ids).values() if p.status == "scheduled"]
        groups: dict[str, list[LockedPayout]] = defaultdict(list)
        for payout in locked:
            groups[payout.currency].append(payout)
        for code, payouts in groups.items():
            _collect(fire, code, payouts, now=now, actor=actor)
        doorbell.ring("dispatch")
    return len(locked), False


def _waiting_ids(fire: Fire, currency: str | None) -> list[UUID]:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT id FROM payouts{WAITING} ORDER BY scheduled_at, id LIMIT {STEP}",
            _filter(fire, currency),
        )
        return [row[0] for row in cursor.fetchall()]


def _collect(
    fire: Fire, currency: str, payouts: Sequence[LockedPayout], *, now: datetime, actor: Actor
) -> None:
    """Payouts of one currency become items of their run and are released."""
    batch_id, taken = _open_run(fire, currency, now)
    rows = [
        {
            "id": uuid7(), "batch_id": batch_id, "payout_id": p.id, "tenant_id": p.tenant_id,
            "position": taken + n, "status": "waiting", "error_code": "", "error_message": "",
        }
        for n, p in enumerate(payouts, 1)
    ]  # fmt: skip
    bulk.insert("payout_batch_items", ITEM_TYPES, rows)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE payout_batches SET total_payouts = total_payouts + %s, total_amount = total_amount + %s"
            " WHERE id = %s",
            [len(payouts), sum(p.amount for p in payouts), batch_id],
        )
    reason = f"batch {fire.schedule.name} of {fire.at.isoformat()}"
    moves = [
        Move(payout=p, to="pending", reason=reason, columns={"batch_id": batch_id}) for p in payouts
    ]
    states.transition(moves, actor=actor, at=now)


ITEM_TYPES = {
    "id": "uuid", "batch_id": "uuid", "payout_id": "uuid", "tenant_id": "uuid", "position": "int",
    "status": "text", "error_code": "text", "error_message": "text",
}  # fmt: skip


def _open_run(fire: Fire, currency: str, now: datetime) -> tuple[UUID, int]:
    """The run of a fire in a currency, and how many payouts it has. Opened when nobody has."""
    schedule = fire.schedule
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO payout_batches (id, tenant_id, batch_name, batch_type, currency, schedule_cron, time_zone,"
            " scheduled_at, status, total_payouts, total_amount, started_at)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, 'open', 0, 0, %s)"
            " ON CONFLICT (batch_name, currency, scheduled_at) DO NOTHING",
            [
                uuid7(), schedule.tenant_id, schedule.name, schedule.batch_type, currency, schedule.cron,
                schedule.time_zone, fire.at, now,
            ],
        )  # fmt: skip
        cursor.execute(
            "SELECT id, total_payouts FROM payout_batches WHERE batch_name = %s AND currency = %s"
            " AND scheduled_at = %s",
            [schedule.name, currency, fire.at],
        )
        batch_id, taken = cursor.fetchone()
    return batch_id, taken


def _close(fire: Fire, currency: str | None, now: datetime) -> None:
    """Everything is collected: runs are running; the fire is done, unless only one currency was asked for."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE payout_batches SET status = 'running' WHERE batch_name = %s AND scheduled_at = %s"
            " AND status = 'open' AND (%s::text IS NULL OR currency = %s)",
            [fire.schedule.name, fire.at, currency, currency],
        )
    if currency is None:
        BatchSchedule.objects.filter(pk=fire.schedule.pk).update(last_fired_at=fire.at)


# --- following ----------------------------------------------------------------------------------------

ENDED = "('paid', 'rejected', 'cancelled', 'returned', 'dlq')"  # A person may still move what is in dlq.
FAILURES = "('rejected', 'cancelled', 'returned', 'dlq')"
# In an item's words; "failed" is tried again and has not ended.
AS_ITEM = "CASE p.status WHEN 'pending' THEN 'waiting' WHEN 'settled' THEN 'paid' ELSE p.status END"
TROUBLE = (
    " error_code = CASE WHEN p.status IN ('failed', 'dlq', 'rejected', 'returned')"
    " THEN coalesce(nullif(p.return_code, ''), p.last_error_code) ELSE '' END,"
    " error_message = CASE WHEN p.status IN ('failed', 'dlq', 'rejected', 'returned') THEN p.last_error ELSE '' END"
)


def follow() -> int:
    """Write down what became of runs' payouts, and complete runs that ended. Returns how many items changed.

    Idempotent and set-based; one process does it at a time, the others leave it to that one.
    """
    now = clock.now()
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtextextended('batches.follow', 84))")
        if not cursor.fetchone()[0]:
            return 0
        cursor.execute(
            f"UPDATE payout_batch_items i SET status = {AS_ITEM},{TROUBLE} FROM payouts p"
            " WHERE p.id = i.payout_id AND i.status NOT IN ('paid', 'rejected', 'cancelled', 'returned')"
            f" AND i.status <> {AS_ITEM} RETURNING i.batch_id"
        )
        touched = [row[0] for row in cursor.fetchall()]
        cursor.execute(  # What was paid may come back, days later.
            f"UPDATE payout_batch_items i SET status = 'returned',{TROUBLE} FROM payouts p"
            " WHERE p.id = i.payout_id AND i.status = 'paid' AND p.status = 'returned'"
            " AND p.batch_id IS NOT NULL AND p.returned_at > %s RETURNING i.batch_id",
            [now - RETURNS_FOLLOWED],
        )
        touched += [row[0] for row in cursor.fetchall()]
        cursor.execute(
            "UPDATE payout_batches b SET completed_at = coalesce(completed_at, %(now)s), status = CASE WHEN EXISTS"
            f" (SELECT FROM payout_batch_items f WHERE f.batch_id = b.id AND f.status IN {FAILURES})"
            " THEN 'completed_with_failures' ELSE 'completed' END"
            " WHERE (b.status = 'running' OR (b.id = ANY(%(touched)s) AND b.status <> 'open'))"
            f" AND NOT EXISTS (SELECT FROM payout_batch_items i WHERE i.batch_id = b.id AND i.status NOT IN {ENDED})",
            {"now": now, "touched": list(set(touched))},
        )
    return len(touched)
