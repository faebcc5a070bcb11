"""Who pays and who is paid: tenants (merchants), beneficiaries and their accounts."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now
from uuid_utils.compat import uuid7


class Tenant(models.Model):
    """A merchant, made on first use: Molam ID is the authority on who exists."""

    id = models.UUIDField(primary_key=True)
    name = models.TextField(default="", blank=True)
    status = models.TextField(default="active")
    # e.g. {"approval_limits": {"EUR": "2500"}, "merchant_fee": …}; a change raises `version`.
    settings = models.JSONField(default=dict, blank=True)
    version = models.IntegerField(default=1)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "tenants"

    def __str__(self) -> str:
        return self.name or str(self.id)


class Beneficiary(models.Model):
    """Somebody whom a merchant pays."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    tenant = models.ForeignKey(Tenant, on_delete=models.DO_NOTHING, db_index=False)
    name = models.TextField()
    beneficiary_type = models.TextField()  # user | merchant | business
    country = models.CharField(max_length=2)
    created_by = models.TextField()
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "beneficiaries"
        verbose_name_plural = "beneficiaries"
        indexes = [models.Index(fields=["tenant", "-created_at"], name="beneficiaries_of_tenant")]

    def __str__(self) -> str:
        return self.name


class BeneficiaryAccount(models.Model):
    """Where a beneficiary is paid. The number is encrypted; its last four and its institution stand in clear."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    tenant_id = models.UUIDField()
    beneficiary = models.ForeignKey(
        Beneficiary, on_delete=models.DO_NOTHING, related_name="accounts", db_index=False
    )
    type = models.TextField()
    currency = models.CharField(max_length=3)
    country = models.CharField(max_length=2)
    institution = (
        models.TextField()
    )  # BIC, routing number, sort code or operator: what routing learns about.
    last4 = models.CharField(max_length=4)
    details = models.BinaryField()
    # HMAC of the canonical number: finds an account without opening any. Two beneficiaries may share one.
    blind_index = models.BinaryField()
    status = models.TextField(default="active")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "beneficiary_accounts"
        indexes = [
            models.Index(fields=["beneficiary"], name="accounts_of_beneficiary"),
            models.Index(fields=["tenant_id", "blind_index"], name="accounts_by_number"),
            # The workbench asks across merchants, so the four digits come first.
            models.Index(fields=["last4", "tenant_id"], name="accounts_by_last4"),
        ]

    def __str__(self) -> str:
        return f"{self.type} …{self.last4} {self.currency}"


class AccountCorrection(models.Model):
    """A receiving bank's correction of an account: from one row to the next. Append-only."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    tenant_id = models.UUIDField()
    account_id = models.UUIDField()
    corrected_account_id = models.UUIDField()
    payout_id = models.UUIDField()
    attempt_id = models.UUIDField()
    code = models.TextField()  # The bank's, e.g. C01.
    content = models.BinaryField()  # HMAC of what was said: the same word twice is one.
    corrected_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "account_corrections"
        constraints = [
            # A chain, never a fork: what an account was corrected to is corrected in its turn.
            models.UniqueConstraint(fields=["account_id"], name="account_corrections_of_account"),
            models.UniqueConstraint(
                fields=["attempt_id", "content"], name="account_corrections_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.code} {self.account_id}"
