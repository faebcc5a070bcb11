"""Scheduled runs: a batch says what and when. How the bank is told is a transmission's business."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from uuid_utils.compat import uuid7


class BatchSchedule(models.Model):
    """When payouts of priority batch are collected, and which. Written by `payouts.schedules`."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    name = models.TextField()
    batch_type = models.TextField()
    tenant_id = models.UUIDField(null=True)  # NULL in a filter means any.
    currency = models.TextField(null=True)  # noqa: DJ001
    rail = models.TextField(null=True)  # noqa: DJ001
    cron = models.TextField()
    time_zone = models.TextField()
    enabled = models.BooleanField(default=True)
    # Business time. Fires up to here are not caught up; the last one that was run.
    active_from = models.DateTimeField()
    last_fired_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "batch_schedules"
        constraints = [models.UniqueConstraint(fields=["name"], name="batch_schedules_name")]

    def __str__(self) -> str:
        return f"{self.name}: {self.cron} {self.time_zone}"


class BatchStatus(models.TextChoices):
    OPEN = "open", "collecting"
    RUNNING = "running", "running"
    COMPLETED = "completed", "all paid"
    COMPLETED_WITH_FAILURES = "completed_with_failures", "ended, not all paid"


class PayoutBatch(models.Model):
    """One run of a schedule, in one currency."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    tenant_id = models.UUIDField(null=True)
    batch_name = models.TextField()
    batch_type = models.TextField()  # daily_settlements, weekly_settlements, …
    currency = models.CharField(max_length=3)
    schedule_cron = models.TextField(default="", blank=True)
    time_zone = models.TextField(default="UTC")
    scheduled_at = models.DateTimeField()
    status = models.TextField(choices=BatchStatus.choices, default=BatchStatus.OPEN)
    total_payouts = models.IntegerField(default=0)
    total_amount = models.DecimalField(max_digits=18, decimal_places=3, default=0)
    started_at = models.DateTimeField(null=True)
    completed_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "payout_batches"
        verbose_name_plural = "payout batches"
        constraints = [
            # Two beats, one run: a fire time exists once per schedule and currency.
            models.UniqueConstraint(
                fields=["batch_name", "currency", "scheduled_at"],
                name="payout_batches_one_run_per_fire_time",
            ),
            models.CheckConstraint(
                condition=Q(status__in=BatchStatus.values), name="payout_batches_status_known"
            ),
        ]
        indexes = [
            models.Index(
                fields=["scheduled_at"],
                condition=Q(status__in=["open", "running"]),
                name="payout_batches_unfinished",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.batch_name} {self.scheduled_at:%Y-%m-%d}"


class PayoutBatchItem(models.Model):
    """A payout's place in a run, followed to its end."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    batch = models.ForeignKey(PayoutBatch, on_delete=models.DO_NOTHING, db_index=False)
    payout = models.ForeignKey("payouts.Payout", on_delete=models.DO_NOTHING, db_index=False)
    tenant_id = models.UUIDField()
    position = models.IntegerField()
    # The payout's status, but "waiting" while it is pending and "paid" once it is settled.
    status = models.TextField(default="waiting")
    error_code = models.TextField(default="", blank=True)
    error_message = models.TextField(default="", blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "payout_batch_items"
        constraints = [
            models.UniqueConstraint(
                fields=["batch", "position"], name="payout_batch_items_position"
            ),
            models.UniqueConstraint(
                fields=["payout"], name="payout_batch_items_one_batch_per_payout"
            ),
        ]
        indexes = [
            models.Index(
                fields=["batch"],
                condition=~Q(status__in=["paid", "rejected", "cancelled", "returned"]),
                name="payout_batch_items_unfinished",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.batch_id} #{self.position}"
