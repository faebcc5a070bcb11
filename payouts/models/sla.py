"""What is promised per connector, rail, country and priority; the most specific rule wins."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from uuid_utils.compat import uuid7


class Weekend(models.TextChoices):
    CLOSED = "closed", "Saturday and Sunday are closed"
    SATURDAY = "saturday", "only Saturday is closed"
    OPEN = "open", "open every day"


class PayoutSlaRule(models.Model):
    """A service level. Days are banking days of `calendar`; fees are what the route costs the platform.

    `processing_days` run from acceptance to submission, `settlement_days` from submission to settlement.
    `target_seconds` replaces both on instant rails.
    """

    id = models.UUIDField(primary_key=True, default=uuid7)
    name = models.TextField(default="", blank=True)
    bank_connector_id = models.UUIDField(null=True, blank=True)
    rail = models.TextField(null=True, blank=True)  # noqa: DJ001  (NULL means "any", as in the specification)
    country = models.TextField(null=True, blank=True)  # noqa: DJ001
    priority = models.TextField(null=True, blank=True)  # noqa: DJ001
    cutoff_time = models.TimeField(null=True, blank=True)
    time_zone = models.TextField(default="UTC")
    calendar = models.TextField(default="", blank=True)  # XFED, XECB, GB-ENG; "" has no holidays.
    # Which days of the week are closed beside the calendar's holidays.
    weekend = models.TextField(choices=Weekend.choices, default=Weekend.CLOSED)
    processing_days = models.IntegerField(default=1)
    settlement_days = models.IntegerField(default=2)
    target_seconds = models.IntegerField(null=True, blank=True)
    base_fee = models.DecimalField(max_digits=18, decimal_places=3, default=0)
    percentage_fee = models.DecimalField(max_digits=5, decimal_places=4, default=0)
    effective_from = models.DateField(null=True, blank=True)
    effective_until = models.DateField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "payout_sla_rules"
        constraints = [
            models.CheckConstraint(
                condition=Q(processing_days__gte=0, settlement_days__gte=0),
                name="payout_sla_rules_days",
            ),
            models.CheckConstraint(
                condition=Q(weekend__in=Weekend.values), name="payout_sla_rules_weekend"
            ),
            models.CheckConstraint(
                condition=Q(base_fee__gte=0, percentage_fee__gte=0), name="payout_sla_rules_fees"
            ),
        ]
        indexes = [
            models.Index(fields=["rail", "country", "priority"], name="payout_sla_rules_by_route")
        ]

    def __str__(self) -> str:
        return (
            self.name or f"{self.rail or 'any'} {self.country or ''} {self.priority or ''}".strip()
        )
