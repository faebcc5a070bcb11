"""What people and clients leave behind: audit rows, alerts, used keys, choices of a route."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from uuid_utils.compat import uuid7


class PayoutAuditLog(models.Model):
    """One row per change, written in the same transaction as the change. Append-only, no personal data."""

    id = models.BigAutoField(primary_key=True)
    payout_id = models.UUIDField(null=True)
    tenant_id = models.UUIDField(null=True)
    sequence = models.IntegerField(
        default=0
    )  # Rises by one within a payout; 0 for rows about no payout.
    action = models.TextField()
    from_status = models.TextField(default="", blank=True)
    to_status = models.TextField(default="", blank=True)
    actor = models.TextField()
    actor_role = models.TextField(default="", blank=True)
    reason = models.TextField(default="", blank=True)
    data = models.JSONField(default=dict, blank=True)
    request_id = models.TextField(default="", blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "payout_audit_log"
        constraints = [
            models.UniqueConstraint(
                fields=["payout_id", "sequence"],
                condition=Q(payout_id__isnull=False),
                name="payout_audit_log_sequence",
            ),
            models.CheckConstraint(condition=~Q(actor=""), name="payout_audit_log_has_actor"),
        ]
        indexes = [models.Index(fields=["tenant_id", "-id"], name="payout_audit_log_of_tenant")]

    def __str__(self) -> str:
        return f"{self.action} by {self.actor}"


class AuditSeal(models.Model):
    """One link of the chain over the audit rows (`payouts.seals` says what is in it). Append-only."""

    number = models.BigIntegerField(primary_key=True)  # 1, 2, 3, … without a gap.
    upto = models.BigIntegerField()  # Every audit row after the last seal's, up to this one.
    members = models.BinaryField()  # Of each such row its id and its hash.
    previous = models.BinaryField()
    hash = models.BinaryField()
    sealed_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "audit_seals"

    def __str__(self) -> str:
        return f"seal {self.number}, up to audit row {self.upto}"


class PayoutAlert(models.Model):
    """Something a person should look at; open once per subject, resolved by a person or by itself."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    payout_id = models.UUIDField(null=True)
    tenant_id = models.UUIDField(null=True)
    alert_type = models.TextField()
    severity = models.TextField()
    message = models.TextField()
    dedupe_key = models.TextField()
    resolved = models.BooleanField(default=False)
    resolved_by = models.TextField(default="", blank=True)
    resolved_at = models.DateTimeField(null=True)
    resolution = models.TextField(default="", blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "payout_alerts"
        constraints = [
            models.UniqueConstraint(
                fields=["dedupe_key"], condition=Q(resolved=False), name="payout_alerts_open_once"
            ),
        ]
        indexes = [
            models.Index(
                fields=["-created_at"], condition=Q(resolved=False), name="payout_alerts_open"
            ),
            models.Index(fields=["payout_id"], name="payout_alerts_of_payout"),
        ]

    def __str__(self) -> str:
        return f"{self.alert_type}: {self.message}"


class IdempotencyKey(models.Model):
    """A key used on a POST other than create (whose key is a column of the payout)."""

    id = models.BigAutoField(primary_key=True)
    tenant_id = models.UUIDField()
    route = models.TextField()
    key = models.TextField()
    fingerprint = models.BinaryField()
    resource_id = models.UUIDField(null=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "idempotency_keys"
        constraints = [
            models.UniqueConstraint(
                fields=["tenant_id", "route", "key"], name="idempotency_keys_for_ever"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.route} {self.key}"


class RoutingDecision(models.Model):
    """Why a payout goes this way. Append-only: a new choice is a new row."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    payout_id = models.UUIDField()
    tenant_id = models.UUIDField()
    bank_connector_id = models.UUIDField()
    rail = models.TextField()
    reason = models.TextField()
    # Each connection that was looked at: connector, refused, cost, success, score, arrives_at.
    candidates = models.JSONField()
    source = models.TextField(db_default="rules")  # rules | sira | fallback (SIRA did not say)
    score = models.DecimalField(
        max_digits=5, decimal_places=4, null=True
    )  # Probability of success.
    arrives_at = models.DateTimeField(null=True)  # What the route's own rule promises.
    predicted_settlement_at = models.DateTimeField(null=True)  # The same, with what was seen.
    decided_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "routing_decisions"
        indexes = [models.Index(fields=["payout_id"], name="routing_decisions_of_payout")]

    def __str__(self) -> str:
        return f"{self.rail}: {self.reason}"


class SandboxClock(models.Model):
    """How far business time runs ahead of technical time. One row, 0 outside the sandbox."""

    id = models.SmallIntegerField(primary_key=True, default=1)
    offset_seconds = models.FloatField(default=0)

    class Meta:
        db_table = "sandbox_clock"
        constraints = [models.CheckConstraint(condition=Q(id=1), name="sandbox_clock_one_row")]

    def __str__(self) -> str:
        return f"{self.offset_seconds:+.0f} s"
