"""A double-entry book: accounts, transfers between them, entries that never change, and cached balances.

Amounts are exact decimals in units of their currency, at most three places. An entry's amount is signed:
positive credits the account's owner, negative debits. The entries of a transfer sum to zero per currency;
triggers refuse anything else (`migrations/0002_book_rules.py`).
"""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now


class Account(models.Model):
    """A named account in one currency. Its id is derived from both, so that nobody has to look it up."""

    id = models.UUIDField(primary_key=True)
    name = models.TextField()
    tenant_id = models.UUIDField(null=True)  # None: an account of the platform itself.
    currency = models.CharField(max_length=3)

    class Meta:
        db_table = "ledger_accounts"
        constraints = [
            models.UniqueConstraint(
                fields=["name", "currency"], name="ledger_accounts_name_currency"
            ),
            # What a composite foreign key from the entries points at: an entry cannot change currency.
            models.UniqueConstraint(fields=["id", "currency"], name="ledger_accounts_id_currency"),
        ]
        indexes = [models.Index(fields=["tenant_id", "currency"], name="ledger_accounts_of_tenant")]

    def __str__(self) -> str:
        return f"{self.name} ({self.currency})"


class Balance(models.Model):
    """What a merchant has in one currency: free, and held for payouts. Nothing may reference this row.

    A foreign key to a row that every payout updates makes look-ups of it decay; the book's own checks
    (`verify_book`) hold it equal to the sums of the two accounts' entries.
    """

    tenant_id = models.UUIDField()
    currency = models.CharField(max_length=3)
    available = models.DecimalField(max_digits=18, decimal_places=3, default=0)
    held = models.DecimalField(max_digits=18, decimal_places=3, default=0)

    class Meta:
        db_table = "ledger_balances"
        constraints = [
            models.UniqueConstraint(
                fields=["tenant_id", "currency"], name="ledger_balances_one_each"
            ),
            models.CheckConstraint(
                condition=Q(available__gte=0), name="ledger_balances_available_not_negative"
            ),
            models.CheckConstraint(
                condition=Q(held__gte=0), name="ledger_balances_held_not_negative"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.tenant_id} {self.currency}"


class TransferKind(models.TextChoices):
    DEPOSIT = "deposit", "deposit"
    HOLD = "hold", "hold"
    CAPTURE = "capture", "capture"  # held money leaves through a bank
    REVERSAL = "reversal", "reversal"  # held money goes back to the merchant
    RETURN = "return", "return"  # money that came back from a bank
    FEE = "fee", "fee"  # what a route cost the platform


class Transfer(models.Model):
    """One movement of money with all its legs. Never changed, never deleted: mistakes are corrected by more."""

    id = models.UUIDField(primary_key=True)
    kind = models.TextField(choices=TransferKind.choices)
    tenant_id = models.UUIDField(null=True)
    payout_id = models.UUIDField(null=True)
    reference = models.TextField(default="", blank=True)  # The depositor's own; "" for payouts.
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "ledger_transfers"
        constraints = [
            models.UniqueConstraint(
                fields=["payout_id", "kind"],
                condition=Q(payout_id__isnull=False),
                name="ledger_transfers_once_per_payout",
            ),
            models.UniqueConstraint(
                fields=["payout_id"],
                condition=Q(kind__in=["capture", "reversal"]),
                name="ledger_transfers_hold_resolved_once",
            ),
            models.UniqueConstraint(
                fields=["tenant_id", "reference"],
                condition=Q(kind="deposit"),
                name="ledger_transfers_deposit_reference",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"


class Entry(models.Model):
    """One leg of a transfer: so much to or from one account."""

    id = models.BigAutoField(primary_key=True)
    transfer = models.ForeignKey(Transfer, on_delete=models.DO_NOTHING, db_index=False)
    # The database's own constraint is (account_id, currency) -> ledger_accounts (id, currency).
    account = models.ForeignKey(
        Account, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False
    )
    amount = models.DecimalField(max_digits=18, decimal_places=3)
    currency = models.CharField(max_length=3)

    class Meta:
        db_table = "ledger_entries"
        verbose_name_plural = "entries"
        constraints = [
            models.CheckConstraint(condition=~Q(amount=0), name="ledger_entries_amount_not_zero"),
        ]
        indexes = [
            models.Index(fields=["transfer"], name="ledger_entries_of_transfer"),
            models.Index(fields=["account", "id"], name="ledger_entries_of_account"),
        ]

    def __str__(self) -> str:
        return f"{self.amount} {self.currency}"
