"""Whose money it is: the ledger, merchants, and whom they pay."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.utils.html import format_html
from django.utils.safestring import SafeString

from ledger.models import Account, Balance, Entry, Transfer
from ops import looks
from ops.acting import ActingAdmin
from ops.filters import CurrencyFilter
from ops.pages import (
    MERCHANT,
    PAYOUT,
    SECTION_ROWS,
    NamedAdmin,
    RecordAdmin,
    Section,
    leading,
)
from ops.payee_actions import ACCEPT_NAME
from payouts import corrections, payee_records
from payouts.models import AccountCorrection, Beneficiary, BeneficiaryAccount, Tenant
from payouts.models.payee import Verdict

# --- the ledger -------------------------------------------------------------------------------------------


@admin.register(Account)
class AccountAdmin(NamedAdmin):
    ordering = ("name", "currency")
    list_display = ("name", "currency", MERCHANT)
    list_filter = (CurrencyFilter,)
    search_fields = ("id", "name", "tenant_id")

    def sections(self, row: Any) -> Iterable[Section]:
        legs = Entry.objects.filter(account=row).select_related("transfer").order_by("-id")
        shown, note = leading(legs[: SECTION_ROWS + 1])
        yield Section(
            title="Latest entries",
            model=Entry,
            headers=("when", "transfer", "payout", "amount"),
            rows=[
                (
                    looks.when(leg.transfer.created_at),
                    looks.reference("transfer_id", leg.transfer_id, looks.badge(leg.transfer.kind)),
                    looks.reference("payout_id", leg.transfer.payout_id),
                    looks.amount(leg.amount, row.currency),
                )
                for leg in shown
            ],
            note=note,
        )


@admin.register(Balance)
class BalanceAdmin(NamedAdmin):
    ordering = ("tenant_id", "currency")
    list_display = (
        "currency", MERCHANT, looks.money_column("available"), looks.money_column("held"),
    )  # fmt: skip
    list_filter = (CurrencyFilter,)
    search_fields = ("tenant_id",)


@admin.register(Transfer)
class TransferAdmin(NamedAdmin):
    ordering = ("-created_at", "-id")
    list_display = (
        looks.id_column(title="transfer"), looks.badge_column("kind"), MERCHANT, PAYOUT,
        looks.text_column("reference"), looks.when_column("created_at"),
    )  # fmt: skip
    list_filter = ("kind", "created_at")
    search_fields = ("id", "payout_id", "reference")

    def sections(self, row: Any) -> Iterable[Section]:
        legs = Entry.objects.filter(transfer=row).select_related("account").order_by("id")
        yield Section(
            title="Entries",
            model=Entry,
            headers=("account", "amount"),
            rows=[
                (
                    looks.reference("account_id", leg.account_id, looks.code(leg.account.name)),
                    looks.amount(leg.amount, leg.currency),
                )
                for leg in legs
            ],
        )


@admin.register(Entry)
class EntryAdmin(RecordAdmin):
    follow = ("account", "transfer")
    ordering = ("-id",)
    list_display = (
        "id", "booked", looks.link_column("transfer_id"), "account", looks.money_column(),
    )  # fmt: skip
    list_filter = (CurrencyFilter, "transfer__kind")
    search_fields = ("transfer__id", "transfer__payout_id", "account__name")

    @admin.display(description="when")
    def booked(self, row: Entry) -> SafeString:
        return looks.when(row.transfer.created_at)


# --- merchants and whom they pay -----------------------------------------------------------------------------


@admin.register(Tenant)
class TenantAdmin(RecordAdmin):
    ordering = ("-created_at", "id")
    list_display = (
        "merchant",
        looks.badge_column("status"),
        "version",
        looks.when_column("created_at"),
    )
    list_filter = ("status",)
    search_fields = ("id", "name")

    @admin.display(description="merchant", ordering="name")
    def merchant(self, row: Tenant) -> str:
        return str(row)

    def sections(self, row: Any) -> Iterable[Section]:
        balances = Balance.objects.filter(tenant_id=row.pk).order_by("currency")
        yield Section(
            title="Balances",
            model=Balance,
            headers=("currency", "available", "held"),
            right=("available", "held"),
            rows=[
                (
                    b.currency,
                    looks.amount(b.available, b.currency),
                    looks.amount(b.held, b.currency),
                )
                for b in balances
            ],
        )


@admin.register(Beneficiary)
class BeneficiaryAdmin(RecordAdmin):
    follow = ("tenant",)
    ordering = ("-id",)
    list_display = (
        "name", looks.link_column("tenant_id", "merchant", name="tenant"), "beneficiary_type", "country",
        looks.when_column("created_at"),
    )  # fmt: skip
    list_filter = ("beneficiary_type",)
    search_fields = ("id", "name", "tenant__id")

    def sections(self, row: Any) -> Iterable[Section]:
        accounts = list(
            BeneficiaryAccount.objects.filter(beneficiary=row)
            .order_by("id")
            .defer("details", "blind_index")
        )
        corrected = corrections.of_accounts([account.pk for account in accounts])
        holders = payee_records.standing([account.pk for account in accounts])
        yield Section(
            title="Accounts",
            model=BeneficiaryAccount,
            headers=(
                "account",
                "currency",
                "country",
                "institution",
                "status",
                "holder",
                "corrected",
                "created",
            ),
            rows=[
                (
                    looks.reference("beneficiary_account_id", a.pk, f"{a.type} …{a.last4}"),
                    a.currency,
                    a.country,
                    looks.code(a.institution),
                    looks.badge(a.status),
                    _holder(holders.get(a.pk)),
                    _correction(corrected.get(a.pk)),
                    looks.when(a.created_at),
                )
                for a in accounts
            ],
        )


def _holder(standing: payee_records.Standing | None) -> SafeString:
    """What its bank says to the name. The name of a similar account is told by the API, to who may pay it."""
    if standing is None or not standing.verdict:
        return looks.NOTHING
    accepted = " accepted" if standing.accepted_by else ""
    return format_html(
        "{} {} {}{}",
        Verdict(standing.verdict).label,
        looks.code(standing.code),
        looks.when(standing.verified_at),
        accepted,
    )


def _correction(correction: AccountCorrection | None) -> SafeString:
    """What its bank said, when, and what is paid instead."""
    if correction is None:
        return looks.NOTHING
    instead = looks.reference(
        "beneficiary_account_id", correction.corrected_account_id, "paid instead"
    )
    return format_html(
        "{} {} {}", looks.code(correction.code), looks.when(correction.corrected_at), instead
    )


@admin.register(BeneficiaryAccount)
class BeneficiaryAccountAdmin(ActingAdmin):
    """An account by its last four and its institution; the number itself is nowhere to be seen."""

    acts = (ACCEPT_NAME,)
    follow = ("beneficiary",)
    ordering = ("-id",)
    list_display = (
        "account", "beneficiary", MERCHANT, "currency", "country", "institution",
        looks.badge_column("status"), looks.when_column("created_at"),
    )  # fmt: skip
    list_filter = ("type", "status", "currency")
    search_fields = ("id", "last4", "institution", "beneficiary__id")
    search_help_text = "An id, the last four, a BIC or routing number"

    @admin.display(description="account", ordering="last4")
    def account(self, row: BeneficiaryAccount) -> str:
        return f"{row.type} …{row.last4}"
