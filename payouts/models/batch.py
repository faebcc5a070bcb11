"""Scheduled runs: a batch says what and when. How the bank is told is a transmission's business."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from uuid_utils.compat import uuid7


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
    status = models.TextField(default="open")
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

    def __str__(self) -> str:
        return f"{self.batch_id} #{self.position}"
