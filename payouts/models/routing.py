"""What routing learns from what banks said: counts, and how far they have been counted."""

from __future__ import annotations

from django.db import models
from django.db.models import Q


class RoutingStatistic(models.Model):
    """How often something was seen at one bank for one institution ("": all of them together).

    `measure` is success, failure or lateness; `bucket` is the latter's place among
    `statistics.LATENESS_EDGES_S`, 0 for the others.
    """

    id = models.BigAutoField(primary_key=True)
    bank_connector_id = models.UUIDField()
    institution = models.TextField(blank=True)
    measure = models.TextField()
    bucket = models.SmallIntegerField(db_default=0)
    seen = models.BigIntegerField()

    class Meta:
        db_table = "routing_statistics"
        constraints = [
            models.UniqueConstraint(
                fields=["institution", "bank_connector_id", "measure", "bucket"],
                name="routing_statistics_one_each",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.bank_connector_id} {self.institution} {self.measure}: {self.seen}"


class RoutingCursor(models.Model):
    """Up to which row of `bank_evidence` everything has been counted. One row.

    `pending_to` is the next stop: it may be counted once every transaction below `pending_xid` is over,
    because then nobody can still commit a row with a smaller id.
    """

    id = models.SmallIntegerField(primary_key=True, default=1)
    counted_to = models.BigIntegerField(db_default=0)
    pending_to = models.BigIntegerField(null=True)
    pending_xid = models.BigIntegerField(null=True)

    class Meta:
        db_table = "routing_cursor"
        constraints = [models.CheckConstraint(condition=Q(id=1), name="routing_cursor_one_row")]

    def __str__(self) -> str:
        return f"counted to {self.counted_to}"
