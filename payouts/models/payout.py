"""A payout and the hold that covers it: exactly one for life, equal in amount and currency.

Amounts are exact decimals in units of `currency`, never rounded. Times are UTC. `status` is written by
`payouts.states` only; a trigger refuses a change that the table of transitions does not know.
"""

from __future__ import annotations

from django.db import models
from django.db.models import F, Func, Q
from django.db.models.functions import Now
from uuid_utils.compat import uuid7


class Status(models.TextChoices):
    REQUIRES_APPROVAL = "requires_approval", "requires approval"
    SCHEDULED = "scheduled", "scheduled"
    PENDING = "pending", "pending"
    PROCESSING = "processing", "processing"
    IN_DOUBT = "in_doubt", "in doubt"
    SENT = "sent", "sent"
    FAILED = "failed", "failed, will retry"
    DLQ = "dlq", "needs a person"
    SETTLED = "settled", "settled"
    REJECTED = "rejected", "rejected"
    CANCELLED = "cancelled", "cancelled"
    RETURNED = "returned", "returned"


class HoldStatus(models.TextChoices):
    ACTIVE = "active", "active"
    RELEASED = "released", "captured"
    REVERSED = "reversed", "given back"


class RecallStatus(models.TextChoices):
    """Whether the money was asked back. What became of the money is `Status`: only `returned` moves it."""

    NONE = "none", "not recalled"
    REQUESTED = "requested", "to be asked back"
    ASKED = "asked", "the bank was asked"
    ACCEPTED = "accepted", "the bank agreed"
    REFUSED = "refused", "not given back"
    RETURNED = "returned", "came back"


class Priority(models.TextChoices):
    PRIORITY = "priority", "priority (operators)"
    INSTANT = "instant", "instant"
    STANDARD = "standard", "standard"
    BATCH = "batch", "batch"


class PriorityRank(Func):
    """The SQL function `priority_rank(text)`: order of service, lowest first."""

    function = "priority_rank"
    output_field = models.SmallIntegerField()


class Payout(models.Model):
    """An outbound payment a merchant asked for."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    tenant_id = models.UUIDField()
    external_id = (
        models.TextField()
    )  # The merchant's Idempotency-Key, unique for ever within the tenant.
    request_fingerprint = models.BinaryField()
    origin_module = models.TextField()
    origin_entity_type = models.TextField()
    origin_entity_id = models.UUIDField()
    beneficiary_type = models.TextField()
    beneficiary = models.ForeignKey(
        "payouts.Beneficiary", on_delete=models.DO_NOTHING, db_index=False
    )
    beneficiary_account = models.ForeignKey(
        "payouts.BeneficiaryAccount", on_delete=models.DO_NOTHING, db_index=False
    )
    amount = models.DecimalField(max_digits=18, decimal_places=3)
    currency = models.CharField(max_length=3)
    fee_amount = models.DecimalField(
        max_digits=18, decimal_places=3, default=0
    )  # What the route costs us.
    fee_currency = models.CharField(max_length=3)
    payout_method = models.TextField()
    priority = models.TextField(choices=Priority.choices, default=Priority.STANDARD)
    priority_rank = models.GeneratedField(
        expression=PriorityRank(F("priority")),
        output_field=models.SmallIntegerField(),
        db_persist=True,
    )
    description = models.TextField(default="", blank=True)
    metadata = models.JSONField(default=dict, blank=True)
    status = models.TextField(choices=Status.choices, default=Status.PENDING)
    # Route. No foreign keys: these rows may change, and a share lock on them would be paid by every payout.
    rail = models.TextField()
    bank_connector_id = models.UUIDField()
    routing_decision_id = models.UUIDField(null=True)
    sira_routing_score = models.DecimalField(max_digits=5, decimal_places=4, null=True)
    predicted_settlement_at = models.DateTimeField(null=True)
    batch_id = models.UUIDField(null=True)
    # Promise.
    sla_rule_id = models.UUIDField(null=True)
    sla_target_settlement_date = models.DateField()
    sla_target_at = models.DateTimeField()
    sla_violated = models.BooleanField(default=False)
    sla_violated_at = models.DateTimeField(null=True)
    # Money.
    ledger_hold_id = models.UUIDField()
    # Life.
    scheduled_at = models.DateTimeField(null=True)
    next_retry_at = models.DateTimeField(null=True)
    retry_count = models.IntegerField(default=0)
    max_retries = models.IntegerField(default=3)
    last_error = models.TextField(default="", blank=True)
    last_error_code = models.TextField(default="", blank=True)
    return_code = models.TextField(default="", blank=True)
    bank_reference = models.TextField(default="", blank=True)
    cancel_requested_at = models.DateTimeField(null=True)
    cancel_reason = models.TextField(default="", blank=True)
    approved_by = models.TextField(default="", blank=True)
    approved_at = models.DateTimeField(null=True)
    # More than one person may decide alone: true from the beginning, or never.
    above_limit = models.BooleanField(db_default=False)
    approval_hash = models.TextField(db_default="", blank=True)  # `approval_content` as approved.
    give_up_requested_by = models.TextField(db_default="", blank=True)
    give_up_requested_at = models.DateTimeField(null=True)
    given_up_by = models.TextField(db_default="", blank=True)
    processing_started_at = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)
    settled_at = models.DateTimeField(null=True)
    settlement_final_at = models.DateTimeField(null=True)  # End of the rail's return window.
    failed_at = models.DateTimeField(null=True)
    cancelled_at = models.DateTimeField(null=True)
    rejected_at = models.DateTimeField(null=True)
    returned_at = models.DateTimeField(null=True)
    recall_status = models.TextField(choices=RecallStatus.choices, db_default=RecallStatus.NONE)
    reconciliation_status = models.TextField(default="unreconciled")
    reconciled_at = models.DateTimeField(null=True)
    # Record.
    created_by = models.TextField()
    created_by_role = models.TextField()
    audit_sequence = models.IntegerField(
        default=1
    )  # Last sequence in payout_audit_log; a verb raises it.
    version = models.IntegerField(default=1)
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "payouts"
        constraints = [
            models.UniqueConstraint(
                fields=["tenant_id", "external_id"], name="payouts_idempotency_key"
            ),
            models.CheckConstraint(condition=Q(amount__gt=0), name="payouts_amount_above_zero"),
            models.CheckConstraint(
                condition=Q(status__in=Status.values), name="payouts_status_known"
            ),
            models.CheckConstraint(
                condition=Q(priority__in=Priority.values), name="payouts_priority_known"
            ),
            models.CheckConstraint(
                condition=Q(approved_by="") | ~Q(approved_by=F("created_by")),
                name="payouts_approved_by_another",
            ),
            models.CheckConstraint(
                condition=Q(given_up_by="") | ~Q(given_up_by=F("give_up_requested_by")),
                name="payouts_given_up_by_another",
            ),
            models.CheckConstraint(
                condition=~Q(status="settled") | Q(settled_at__isnull=False),
                name="payouts_settled_has_time",
            ),
            models.CheckConstraint(
                condition=Q(recall_status__in=["none", "requested", "asked", "accepted", "refused"])
                | Q(recall_status="returned", status="returned"),
                name="payouts_recall_status",
            ),
        ]
        indexes = [
            # A merchant's list, newest first (ids are time-ordered).
            models.Index(fields=["tenant_id", "-id"], name="payouts_of_tenant"),
            # Queues: partial, so that a payout is in one only while it waits there.
            models.Index(
                fields=["bank_connector_id", "priority_rank", "created_at"],
                condition=Q(status="pending"),
                name="payouts_ready",
            ),
            models.Index(
                fields=["bank_connector_id", "next_retry_at"],
                condition=Q(status="failed"),
                name="payouts_to_retry",
            ),
            models.Index(
                fields=["scheduled_at"], condition=Q(status="scheduled"), name="payouts_scheduled"
            ),
            models.Index(
                fields=["tenant_id", "created_at"],
                condition=Q(status="requires_approval"),
                name="payouts_to_approve",
            ),
            models.Index(fields=["updated_at"], condition=Q(status="dlq"), name="payouts_dead"),
            models.Index(
                fields=["updated_at"], condition=Q(status="in_doubt"), name="payouts_in_doubt"
            ),
            models.Index(
                fields=["updated_at"], condition=Q(status="processing"), name="payouts_processing"
            ),
            models.Index(
                fields=["sla_target_at"],
                condition=Q(
                    sla_violated=False,
                    status__in=[
                        "requires_approval",
                        "scheduled",
                        "pending",
                        "processing",
                        "in_doubt",
                        "sent",
                        "failed",
                        "dlq",
                    ],
                ),
                name="payouts_with_a_promise",
            ),
            models.Index(
                fields=["settled_at"],
                condition=Q(sla_violated=False, settled_at__gt=F("sla_target_at")),
                name="payouts_settled_late",
            ),
            models.Index(
                fields=["batch_id"], condition=Q(batch_id__isnull=False), name="payouts_of_batch"
            ),
            models.Index(
                fields=["id"],
                condition=Q(
                    reconciliation_status="unreconciled",
                    status__in=["settled", "returned", "dlq", "cancelled", "rejected"],
                ),
                name="payouts_to_reconcile",
            ),
            # Late and still open: few rows, and none of them on the way of a payout in time.
            models.Index(
                fields=["sla_target_at"],
                condition=Q(
                    sla_violated=True,
                    status__in=[
                        "requires_approval",
                        "scheduled",
                        "pending",
                        "processing",
                        "in_doubt",
                        "sent",
                        "failed",
                        "dlq",
                    ],
                ),
                name="payouts_late_open",
            ),
            # "Was this account paid?": people hold the last four of an account number.
            models.Index(fields=["beneficiary_account", "-id"], name="payouts_of_account"),
            models.Index(fields=["rail"], condition=Q(sla_violated=True), name="payouts_late"),
            models.Index(
                fields=["returned_at"],
                condition=Q(status="returned", batch_id__isnull=False),
                name="payouts_returned_of_batch",
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)


class PayoutHold(models.Model):
    """Money set aside for one payout. `released` means captured by a bank's clearing account."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    payout = models.OneToOneField(Payout, on_delete=models.DO_NOTHING, related_name="hold")
    tenant_id = models.UUIDField()
    hold_amount = models.DecimalField(max_digits=18, decimal_places=3)
    currency = models.CharField(max_length=3)
    debit_account = models.TextField()
    credit_account = models.TextField()
    status = models.TextField(choices=HoldStatus.choices, default=HoldStatus.ACTIVE)
    ledger_transfer_id = models.UUIDField()
    # Acts only while no attempt exists: then the payout is cancelled, in one transaction.
    expires_at = models.DateTimeField(null=True)
    resolved_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "payout_holds"
        constraints = [
            models.CheckConstraint(
                condition=Q(hold_amount__gt=0), name="payout_holds_amount_above_zero"
            ),
            models.CheckConstraint(
                condition=Q(status="active", resolved_at__isnull=True)
                | Q(status__in=["released", "reversed"], resolved_at__isnull=False),
                name="payout_holds_resolved_has_time",
            ),
        ]
        indexes = [
            models.Index(
                fields=["expires_at"],
                condition=Q(status="active", expires_at__isnull=False),
                name="payout_holds_expiring",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.hold_amount} {self.currency} {self.status}"
