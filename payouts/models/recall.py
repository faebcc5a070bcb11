"""Money asked back from a bank."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from uuid_utils.compat import uuid7


class RecallState(models.TextChoices):
    REQUESTED = "requested", "to be asked"
    UNKNOWN = "unknown", "perhaps asked"
    SENT = "sent", "asked"
    ACCEPTED = "accepted", "agreed"
    REFUSED = "refused", "refused"
    RETURNED = "returned", "came back"


class BankRecall(models.Model):
    """One request for the money of one payout. Its reference is kept for ever and asked under again."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    tenant_id = models.UUIDField()
    payout_id = models.UUIDField()
    attempt_id = models.UUIDField()
    bank_connector_id = models.UUIDField()
    reference = models.TextField()
    reason = models.TextField()
    detail = models.TextField(default="", blank=True)
    state = models.TextField(choices=RecallState.choices, default=RecallState.REQUESTED)
    code = models.TextField(
        db_default="", blank=True
    )  # The bank's last word, or why there was none.
    asks = models.IntegerField(db_default=0)  # Counted before the bank is called.
    next_ask_at = models.DateTimeField(db_default=Now())
    asked_at = models.DateTimeField(null=True)
    answered_at = models.DateTimeField(null=True)
    requested_by = models.TextField()
    requested_by_role = models.TextField()
    requested_at = models.DateTimeField()  # Business time.
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "bank_recalls"
        constraints = [
            models.UniqueConstraint(fields=["reference"], name="bank_recalls_reference"),
            models.UniqueConstraint(
                fields=["payout_id"],
                condition=Q(state__in=["requested", "unknown", "sent", "accepted"]),
                name="bank_recalls_one_open",
            ),
            models.CheckConstraint(
                condition=Q(state__in=RecallState.values), name="bank_recalls_state_known"
            ),
        ]
        indexes = [
            models.Index(fields=["payout_id", "-id"], name="bank_recalls_of_payout"),
            models.Index(
                fields=["next_ask_at"],
                condition=Q(state__in=["requested", "unknown"]),
                name="bank_recalls_to_ask",
            ),
        ]

    def __str__(self) -> str:
        return self.reference
