"""What was counted of the audit rows so far, and up to which of them. Written by `payouts.measures` only."""

from __future__ import annotations

from django.db import models


class MetricTotal(models.Model):
    """A sum over audit rows: how many (`observations`) and how much (`total`), in one bucket of one series."""

    metric = models.TextField()
    label = models.TextField()
    bucket = models.IntegerField()
    observations = models.BigIntegerField()
    total = models.DecimalField(max_digits=24, decimal_places=6)

    class Meta:
        db_table = "metric_totals"
        constraints = [
            models.UniqueConstraint(
                fields=["metric", "label", "bucket"], name="metric_totals_one_each"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.metric} {self.label} {self.observations}"


class MetricCursor(models.Model):
    """Rows up to `audit_id` are in the totals; up to `seen_id` they are final once `seen_xid` is in the past."""

    id = models.SmallIntegerField(primary_key=True, default=1)
    audit_id = models.BigIntegerField(default=0)
    seen_id = models.BigIntegerField(default=0)
    seen_xid = models.BigIntegerField(default=0)

    class Meta:
        db_table = "metric_cursor"
        constraints = [
            models.CheckConstraint(condition=models.Q(id=1), name="metric_cursor_one_row")
        ]

    def __str__(self) -> str:
        return f"up to {self.audit_id}"
