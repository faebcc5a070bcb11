"""Whether a name belongs to an account: what banks said to that, and whom to ask next."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from uuid_utils.compat import uuid7


class Verdict(models.TextChoices):
    MATCH = "match", "matches"
    CLOSE_MATCH = "close_match", "similar"
    NO_MATCH = "no_match", "another name"
    NOT_POSSIBLE = "not_possible", "cannot be said"


class Occasion(models.TextChoices):
    CREATION = "creation", "the account was made"
    FIRST_USE = "first_use", "before it was first paid"
    RECHECK = "recheck", "a person asked again"
    ACCEPTANCE = "acceptance", "a person accepted it"


class PayeeVerification(models.Model):
    """What one check of an account said, or that a person accepts what the last one said. Append-only."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    tenant_id = models.UUIDField()
    account_id = models.UUIDField()
    bank_connector_id = models.UUIDField(null=True)  # Who was asked; nobody where nobody can be.
    occasion = models.TextField(choices=Occasion.choices)
    verdict = models.TextField(choices=Verdict.choices)
    code = models.TextField()  # The scheme's (MTCH, ANNM, …), or ours: no_answer, not_offered.
    asked_name = models.BinaryField()  # HMAC of the name that was asked about.
    actor = models.TextField()
    actor_role = models.TextField()
    reason = models.TextField(default="", blank=True)
    verified_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "payee_verifications"
        constraints = [
            models.CheckConstraint(
                condition=Q(verdict__in=Verdict.values), name="payee_verifications_verdict"
            ),
            models.CheckConstraint(
                condition=Q(occasion__in=Occasion.values), name="payee_verifications_occasion"
            ),
            models.CheckConstraint(
                condition=~Q(occasion="acceptance") | (~Q(actor="") & ~Q(reason="")),
                name="payee_verifications_accepted_by_somebody",
            ),
        ]
        indexes = [models.Index(fields=["account_id", "-id"], name="payee_verifications_last")]

    def __str__(self) -> str:
        return f"{self.verdict} {self.code}"


class PayeeCheck(models.Model):
    """Where the check of one account stands: whether its bank is still to be asked, and who is asking."""

    id = models.UUIDField(primary_key=True)  # The account's.
    tenant_id = models.UUIDField()
    open = models.BooleanField(db_default=True)
    occasion = models.TextField(choices=Occasion.choices)
    lease_until = models.DateTimeField(null=True)  # Somebody is asking.
    # Encrypted: what a similar account is called. Personal data, shown to those who may pay it.
    name = models.BinaryField(null=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "payee_checks"
        indexes = [
            models.Index(fields=["created_at"], condition=Q(open=True), name="payee_checks_open")
        ]

    def __str__(self) -> str:
        return str(self.id)
