"""The tables around the payouts: banks, ledger, merchants, and what everybody leaves behind."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.db.models import F, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from ledger.models import Account, Balance, Entry, Transfer
from ops import looks, story
from ops.pages import (
    SECTION_ROWS,
    CurrencyFilter,
    RailFilter,
    RecordAdmin,
    Section,
    connector_key,
    leading,
    tenant_name,
)
from payouts.models import (
    BankConnector,
    BankConnectorState,
    BankDocument,
    BankEvidence,
    BankSequence,
    BankTransmission,
    Beneficiary,
    BeneficiaryAccount,
    IdempotencyKey,
    PayoutAlert,
    PayoutAttempt,
    PayoutAuditLog,
    RoutingDecision,
    SandboxClock,
    Tenant,
)

MERCHANT = looks.link_column("tenant_id", "merchant", name="tenant_name")
CONNECTOR = looks.link_column("bank_connector_id", "connector", name="connector_name")
PAYOUT = looks.link_column("payout_id")


class NamedAdmin(RecordAdmin):
    """Ids of merchants and connectors come with their names: subqueries, since they are no foreign keys."""

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows = super().get_queryset(request)
        columns = {field.attname for field in self.model._meta.concrete_fields}
        if "tenant_id" in columns:
            rows = rows.annotate(tenant_name=tenant_name())
        if "bank_connector_id" in columns:
            rows = rows.annotate(connector_name=connector_key())
        return rows


# --- banks ----------------------------------------------------------------------------------------------


@admin.register(BankConnector)
class BankConnectorAdmin(RecordAdmin):
    """Credentials are no fact of this page, and our own account numbers are cut."""

    ordering = ("rail", "preference", "name")
    list_display = (
        "name", "rail", "driver", "preference", "min_amount", "max_amount", "in_service",
        "effective_from", "effective_until",
    )  # fmt: skip
    list_filter = ("rail", "enabled")
    search_fields = ("id", "name")

    @admin.display(description="enabled", ordering="enabled")
    def in_service(self, row: BankConnector) -> SafeString:
        return looks.badge("active", "enabled") if row.enabled else looks.badge("disabled")

    def fact_config(self, row: BankConnector) -> SafeString:
        return looks.structure(looks.without_account_numbers(row.config))

    def sections(self, row: Any) -> Iterable[Section]:
        states = BankConnectorState.objects.filter(pk=row.pk)
        yield Section(
            title="State",
            model=BankConnectorState,
            headers=("state", "reason", "by", "checked", "reports read", "report cursor"),
            rows=[
                (
                    connector_badge(s.paused, s.healthy),
                    s.paused_reason or s.health_message or looks.NOTHING,
                    s.paused_by or looks.NOTHING,
                    looks.when(s.checked_at),
                    looks.when(s.reports_read_at),
                    looks.code(s.report_cursor) if s.report_cursor else looks.NOTHING,
                )
                for s in states
            ],
            empty="Never used",
        )


def connector_badge(paused: bool, healthy: bool) -> SafeString:
    if paused:
        return looks.badge("paused")
    return looks.badge("healthy") if healthy else looks.badge("unhealthy")


@admin.register(BankConnectorState)
class BankConnectorStateAdmin(NamedAdmin):
    ordering = ("bank_connector_id",)
    list_display = (
        looks.id_column("bank_connector_id", "connector"), "connector_name", "state",
        looks.text_column("paused_reason"), "paused_by", looks.text_column("health_message"),
        looks.when_column("checked_at"), looks.when_column("reports_read_at"),
    )  # fmt: skip
    list_filter = ("paused", "healthy")

    @admin.display(description="name")
    def connector_name(self, row: Any) -> str:
        return row.connector_name or ""

    @admin.display(description="state")
    def state(self, row: BankConnectorState) -> SafeString:
        return connector_badge(row.paused, row.healthy)


@admin.register(BankSequence)
class BankSequenceAdmin(NamedAdmin):
    ordering = ("bank_connector_id", "name")
    list_display = (looks.text_column("name"), CONNECTOR, "next_value")
    search_fields = ("bank_connector_id", "name")


@admin.register(BankTransmission)
class BankTransmissionAdmin(NamedAdmin):
    ordering = ("-id",)
    list_display = (
        looks.text_column("reference"), CONNECTOR, "rail", looks.badge_column("state"),
        looks.money_column("total_amount"), looks.text_column("instruction_count", "payouts"), "sends",
        looks.when_column("created_at"),
    )  # fmt: skip
    list_filter = ("state", RailFilter, CurrencyFilter, "created_at")
    search_fields = ("id", "reference", "bank_reference")
    search_help_text = "An id, our reference or the bank's"

    def sections(self, row: Any) -> Iterable[Section]:
        tries = PayoutAttempt.objects.filter(transmission=row).order_by("id")
        tries = tries.annotate(amount=F("payout__amount"), currency=F("payout__currency"))
        shown, note = leading(tries[: SECTION_ROWS + 1])
        yield Section(
            title="Attempts in it",
            model=PayoutAttempt,
            headers=("our reference", "payout", "amount", "state", "error"),
            rows=[
                (
                    looks.reference("attempt_id", a.id, looks.code(a.reference)),
                    looks.reference("payout_id", a.payout_id),
                    looks.amount(a.amount, a.currency),
                    looks.badge(a.state, a.get_state_display()),
                    story.error(a.error_code, a.error_message),
                )
                for a in shown
            ],
            note=note,
        )


@admin.register(BankDocument)
class BankDocumentAdmin(NamedAdmin):
    """What a bank sent is encrypted and stays so; the page says what came of it."""

    ordering = ("-id",)
    list_display = (
        looks.text_column("remote_id", "bank's name for it"), CONNECTOR, "document_type", "event_count",
        looks.text_column("error"), looks.when_column("received_at"), looks.when_column("read_at"),
    )  # fmt: skip
    list_display_links = ("remote_id", "document_type")
    list_filter = ("document_type", "received_at")
    search_fields = ("id", "remote_id")

    def sections(self, row: Any) -> Iterable[Section]:
        said = BankEvidence.objects.filter(source_key=str(row.pk)).order_by("position")
        shown, note = leading(said[: SECTION_ROWS + 1])
        yield Section(
            title="What it says",
            model=BankEvidence,
            headers=("#", "payout", "kind", "code", "amount", "effect", "detail"),
            rows=[
                (
                    looks.link("payouts_bankevidence", e.pk, e.position),
                    looks.reference("payout_id", e.payout_id),
                    looks.badge(e.kind),
                    e.code or looks.NOTHING,
                    looks.amount(e.amount, e.currency),
                    looks.badge(e.effect, e.effect.replace("_", " ")),
                    e.detail or looks.NOTHING,
                )
                for e in shown
            ],
            note=note,
        )


@admin.register(BankEvidence)
class BankEvidenceAdmin(NamedAdmin):
    ordering = ("-id",)
    list_display = (
        "id", looks.when_column("recorded_at"), "source", CONNECTOR, looks.badge_column("kind"),
        "code", looks.money_column(), looks.badge_column("effect"), PAYOUT,
    )  # fmt: skip
    list_filter = ("source", "kind", "effect", "recorded_at")
    search_fields = ("payout_id", "attempt_id", "reference", "bank_reference", "source_key")


@admin.register(RoutingDecision)
class RoutingDecisionAdmin(NamedAdmin):
    ordering = ("-id",)
    list_display = (
        looks.id_column(title="decision"), PAYOUT, "rail", CONNECTOR, looks.text_column("reason"),
        looks.when_column("decided_at"),
    )  # fmt: skip
    list_filter = (RailFilter, "decided_at")
    search_fields = ("id", "payout_id")

    def fact_candidates(self, row: RoutingDecision) -> SafeString:
        return story.candidates(row.candidates)


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
        accounts = BeneficiaryAccount.objects.filter(beneficiary=row).order_by("id")
        yield Section(
            title="Accounts",
            model=BeneficiaryAccount,
            headers=("account", "currency", "country", "institution", "status", "created"),
            rows=[
                (
                    looks.reference("beneficiary_account_id", a.pk, f"{a.type} …{a.last4}"),
                    a.currency,
                    a.country,
                    looks.code(a.institution),
                    looks.badge(a.status),
                    looks.when(a.created_at),
                )
                for a in accounts.defer("details", "blind_index")
            ],
        )


@admin.register(BeneficiaryAccount)
class BeneficiaryAccountAdmin(NamedAdmin):
    """An account by its last four and its institution; the number itself is nowhere to be seen."""

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


# --- what is left behind -------------------------------------------------------------------------------------


@admin.register(PayoutAlert)
class PayoutAlertAdmin(NamedAdmin):
    ordering = ("resolved", "-created_at", "-id")  # Open ones first.
    list_display = (
        "alert_type", looks.badge_column("severity"), "is_open", looks.text_column("message"), PAYOUT,
        MERCHANT, looks.when_column("created_at"),
    )  # fmt: skip
    list_filter = ("resolved", "severity", "alert_type", "created_at")
    search_fields = ("id", "payout_id", "dedupe_key")

    @admin.display(description="state", ordering="resolved")
    def is_open(self, row: PayoutAlert) -> SafeString:
        return looks.badge("resolved") if row.resolved else looks.badge("late", "open")


@admin.register(PayoutAuditLog)
class PayoutAuditLogAdmin(NamedAdmin):
    ordering = ("-id",)
    list_display = (
        "id", looks.when_column("created_at", "when"), "action", looks.badge_column("from_status", "from"),
        looks.badge_column("to_status", "to"), PAYOUT, looks.text_column("actor", "who", length=40),
        looks.text_column("reason", "why"),
    )  # fmt: skip
    list_filter = ("to_status", "actor_role", "created_at")
    search_fields = ("payout_id", "actor", "action", "request_id")
    search_help_text = "A payout's id, who acted, an action or a request's id"


@admin.register(IdempotencyKey)
class IdempotencyKeyAdmin(NamedAdmin):
    ordering = ("-id",)
    list_display = (
        looks.text_column("key"), "route", MERCHANT, looks.id_column("resource_id", "made"),
        looks.when_column("created_at"),
    )  # fmt: skip
    search_fields = ("key", "resource_id")


@admin.register(SandboxClock)
class SandboxClockAdmin(RecordAdmin):
    list_display = ("__str__",)
