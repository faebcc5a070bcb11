"""What banks are told and what they said: connectors, transmissions, attempts, documents, evidence."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from uuid_utils.compat import uuid7


class AttemptState(models.TextChoices):
    INTENT = "intent", "intent"
    UNKNOWN = "unknown", "unknown"
    ACCEPTED = "accepted", "accepted"
    REJECTED = "rejected", "rejected"
    NOT_SENT = "not_sent", "not sent"
    SETTLED = "settled", "settled"


LIVE_ATTEMPT_STATES = ("intent", "unknown", "accepted", "settled")  # It may be, or is, at the bank.


class TransmissionState(models.TextChoices):
    CLAIMED = (
        "claimed",
        "claimed",
    )  # Payouts are chosen; no bytes exist, so nothing can have been sent.
    PREPARED = "prepared", "prepared"  # The bytes are stored.
    SENDING = "sending", "sending"
    ANSWERED = "answered", "answered"
    IN_DOUBT = "in_doubt", "in doubt"  # Sent, perhaps: the bank is asked under our reference.
    UNSENT = "unsent", "certainly not sent"


class BankConnector(models.Model):
    """One bank on one rail, as configured. What changes in operation is in BankConnectorState."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    name = models.TextField()
    rail = models.TextField()
    driver = models.TextField()
    config = models.JSONField(default=dict, blank=True)
    credentials = models.BinaryField()  # Encrypted JSON object.
    preference = models.SmallIntegerField(default=100)  # Lower is chosen first among equals.
    min_amount = models.DecimalField(max_digits=18, decimal_places=3, null=True, blank=True)
    max_amount = models.DecimalField(max_digits=18, decimal_places=3, null=True, blank=True)
    enabled = models.BooleanField(default=True)
    effective_from = models.DateField(null=True, blank=True)
    effective_until = models.DateField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "bank_connectors"
        constraints = [
            models.UniqueConstraint(fields=["name", "rail"], name="bank_connectors_name_rail"),
        ]

    def __str__(self) -> str:
        return f"{self.name}:{self.rail}"


class BankConnectorState(models.Model):
    """What changes about a connector while it runs; written on change, never per call. Nothing references it."""

    bank_connector_id = models.UUIDField(primary_key=True)
    paused = models.BooleanField(default=False)
    paused_reason = models.TextField(default="", blank=True)
    paused_by = models.TextField(default="", blank=True)
    report_cursor = models.TextField(default="", blank=True)
    report_lease_until = models.DateTimeField(null=True)
    reports_read_at = models.DateTimeField(null=True)
    reports_error = models.TextField(db_default="", blank=True)  # Why reports cannot be fetched.
    healthy = models.BooleanField(default=True)
    health_message = models.TextField(default="", blank=True)
    checked_at = models.DateTimeField(null=True)
    latency_ms = models.IntegerField(null=True)
    health_lease_until = models.DateTimeField(null=True)
    # The breaker (`payouts.breaker`): closed or open; open and past `breaker_open_until` is half open.
    breaker = models.TextField(db_default="closed")
    breaker_open_until = models.DateTimeField(null=True)
    breaker_probe_until = models.DateTimeField(null=True)  # Somebody is trying it just now.
    breaker_failures = models.IntegerField(db_default=0)
    breaker_since = models.DateTimeField(null=True)  # The first of these failures.
    breaker_reason = models.TextField(db_default="", blank=True)
    breaker_reopened = models.IntegerField(db_default=0)  # Probes that failed since it opened.

    class Meta:
        db_table = "bank_connector_state"

    def __str__(self) -> str:
        return str(self.bank_connector_id)


class BankSequence(models.Model):
    """A counter that a bank must see rise: references, trace numbers, file modifiers of a day."""

    bank_connector_id = models.UUIDField()
    name = models.TextField()
    next_value = models.BigIntegerField(default=0)

    class Meta:
        db_table = "bank_sequences"
        constraints = [
            models.UniqueConstraint(
                fields=["bank_connector_id", "name"], name="bank_sequences_one_each"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.bank_connector_id} {self.name}"


class BankTransmission(models.Model):
    """One message or file to a bank: its reference, its exact bytes, and who may send it until when."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    bank_connector_id = models.UUIDField()
    rail = models.TextField()
    reference = models.TextField(null=True)  # noqa: DJ001  (unknown until the bytes are built)
    state = models.TextField(choices=TransmissionState.choices, default=TransmissionState.CLAIMED)
    content_type = models.TextField(default="", blank=True)
    sha256 = models.BinaryField(null=True)
    body = models.BinaryField(null=True)  # Encrypted.
    instruction_count = models.IntegerField(default=0)
    total_amount = models.DecimalField(max_digits=20, decimal_places=3, default=0)
    currency = models.CharField(max_length=3)
    lease_token = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)
    sends = models.IntegerField(default=0)
    inquiries = models.IntegerField(default=0)
    next_inquiry_at = models.DateTimeField(null=True)
    first_sent_at = models.DateTimeField(null=True)
    last_sent_at = models.DateTimeField(null=True)
    answered_at = models.DateTimeField(null=True)
    bank_reference = models.TextField(default="", blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "bank_transmissions"
        constraints = [
            models.UniqueConstraint(
                fields=["bank_connector_id", "reference"], name="bank_transmissions_reference"
            ),
        ]
        indexes = [
            models.Index(
                fields=["lease_until"],
                condition=Q(state__in=["claimed", "prepared", "sending"]),
                name="bank_transmissions_leased",
            ),
            models.Index(
                fields=["next_inquiry_at"],
                condition=Q(state="in_doubt"),
                name="bank_transmissions_in_doubt",
            ),
            models.Index(fields=["bank_connector_id", "-id"], name="bank_transmissions_of_bank"),
        ]

    def __str__(self) -> str:
        return self.reference or str(self.id)


class PayoutAttempt(models.Model):
    """One payout's place in one transmission, with its own reference: the log of every try."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    payout = models.ForeignKey("payouts.Payout", on_delete=models.DO_NOTHING, db_index=False)
    tenant_id = models.UUIDField()
    attempt_number = models.IntegerField()
    connector = models.TextField()
    bank_connector_id = models.UUIDField()
    rail = models.TextField()
    reference = models.TextField()
    transmission = models.ForeignKey(
        BankTransmission, on_delete=models.DO_NOTHING, db_index=False, db_constraint=False
    )
    state = models.TextField(choices=AttemptState.choices, default=AttemptState.INTENT)
    sends = models.IntegerField(default=0)  # Times this reference was claimed for sending.
    crashes = models.IntegerField(db_default=0)  # Times a worker broke on it, or did not come back.
    error_class = models.TextField(default="", blank=True)
    error_code = models.TextField(default="", blank=True)
    error_message = models.TextField(default="", blank=True)
    next_retry_at = models.DateTimeField(null=True)
    bank_reference = models.TextField(default="", blank=True)
    actor = models.TextField()
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "payout_retry_log"
        constraints = [
            # The heart of it: at most one attempt per payout may be, or is, at a bank.
            models.UniqueConstraint(
                fields=["payout"],
                condition=Q(state__in=["intent", "unknown", "accepted", "settled"]),
                name="payout_retry_log_one_live_attempt",
            ),
            models.UniqueConstraint(
                fields=["payout", "attempt_number"], name="payout_retry_log_number"
            ),
            models.UniqueConstraint(
                fields=["bank_connector_id", "reference"], name="payout_retry_log_reference"
            ),
            models.CheckConstraint(
                condition=Q(state__in=AttemptState.values), name="payout_retry_log_state_known"
            ),
        ]
        indexes = [
            models.Index(fields=["transmission"], name="payout_retry_log_transmission"),
            # A bank calls and names its own reference.
            models.Index(
                fields=["bank_reference"],
                condition=~Q(bank_reference=""),
                name="payout_retry_log_bank_ref",
            ),
        ]

    def __str__(self) -> str:
        return f"#{self.attempt_number} {self.reference}"


class BankDocument(models.Model):
    """A document as a bank gave it, stored before it is read."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    bank_connector_id = models.UUIDField()
    remote_id = models.TextField(default="", blank=True)
    document_type = models.TextField()
    sha256 = models.BinaryField()
    body = models.BinaryField()  # Encrypted.
    received_at = models.DateTimeField(db_default=Now())
    reads = models.IntegerField(db_default=0)  # Counted before reading begins.
    read_at = models.DateTimeField(null=True)
    error = models.TextField(default="", blank=True)
    event_count = models.IntegerField(default=0)

    class Meta:
        db_table = "bank_documents"
        constraints = [
            models.UniqueConstraint(
                fields=["bank_connector_id", "sha256"], name="bank_documents_once"
            ),
        ]
        indexes = [
            models.Index(
                fields=["received_at"],
                condition=Q(read_at__isnull=True),
                name="bank_documents_unread",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.document_type} {self.remote_id}"


class BankLetter(models.Model):
    """What one person says that a bank wrote about an attempt. Two who say the same make it evidence. Append-only."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    tenant_id = models.UUIDField()
    payout_id = models.UUIDField()
    attempt_id = models.UUIDField()
    says = models.TextField(choices=[("settled", "paid"), ("rejected", "not paid")])
    document = models.TextField()  # Where the letter is kept: a reference, never its text.
    reason = models.TextField()
    stated_by = models.TextField()
    stated_by_role = models.TextField()
    stated_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "bank_letters"
        constraints = [
            # Who was wrong once cannot take it back: two others must agree.
            models.UniqueConstraint(
                fields=["attempt_id", "stated_by"], name="bank_letters_once_each"
            ),
            models.CheckConstraint(
                condition=Q(says__in=["settled", "rejected"]), name="bank_letters_says"
            ),
            models.CheckConstraint(
                condition=~Q(stated_by="") & ~Q(document=""), name="bank_letters_by_somebody"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.says}: {self.document}"


class BankEvidence(models.Model):
    """One statement of a bank about one payment, from wherever it came. Append-only."""

    id = models.BigAutoField(primary_key=True)
    source = models.TextField()  # answer | inquiry | report | engine | letter
    source_key = models.TextField()  # Document, or transmission and number of the call.
    position = models.IntegerField()
    bank_connector_id = models.UUIDField()
    attempt_id = models.UUIDField(null=True)
    payout_id = models.UUIDField(null=True)
    tenant_id = models.UUIDField(null=True)
    reference = models.TextField(default="", blank=True)
    kind = models.TextField()
    code = models.TextField(default="", blank=True)
    detail = models.TextField(default="", blank=True)
    amount = models.DecimalField(max_digits=18, decimal_places=3, null=True)
    currency = models.TextField(default="", blank=True)
    value_date = models.DateField(null=True)
    bank_reference = models.TextField(default="", blank=True)
    # rejected, returned: what the code led to (`Reaction`), so that counting it anew gives the same.
    reaction = models.TextField(db_default="", blank=True)
    # moved | nothing_new | contradiction | mismatch | unmatched | noted | unusable
    effect = models.TextField()
    recorded_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "bank_evidence"
        verbose_name_plural = "bank evidence"
        constraints = [
            models.UniqueConstraint(fields=["source_key", "position"], name="bank_evidence_once"),
            models.CheckConstraint(
                condition=Q(
                    reaction__in=["", "retry", "retry_other_rail", "fund_first", "repair", "refuse"]
                ),
                name="bank_evidence_reaction_known",
            ),
        ]
        indexes = [
            models.Index(fields=["payout_id", "id"], name="bank_evidence_of_payout"),
            models.Index(
                fields=["bank_connector_id", "id"],
                condition=Q(effect="unmatched"),
                name="bank_evidence_unmatched",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.reference}"
