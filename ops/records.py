"""What banks are told and say, and what everybody leaves behind: connectors, messages, alerts, audit rows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.db.models import F
from django.utils.safestring import SafeString

from ops import looks, story
from ops.pages import (
    CONNECTOR,
    MERCHANT,
    PAYOUT,
    SECTION_ROWS,
    CurrencyFilter,
    NamedAdmin,
    RailFilter,
    RecordAdmin,
    Section,
    leading,
)
from payouts.models import (
    BankConnector,
    BankConnectorState,
    BankDocument,
    BankEvidence,
    BankSequence,
    BankTransmission,
    IdempotencyKey,
    PayoutAlert,
    PayoutAttempt,
    PayoutAuditLog,
    RoutingCursor,
    RoutingDecision,
    RoutingStatistic,
    SandboxClock,
)

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


@admin.register(RoutingStatistic)
class RoutingStatisticAdmin(NamedAdmin):
    ordering = ("-id",)
    list_display = (CONNECTOR, "institution", "measure", "bucket", "seen")
    list_filter = ("measure",)
    search_fields = ("institution", "bank_connector_id")


@admin.register(RoutingCursor)
class RoutingCursorAdmin(RecordAdmin):
    list_display = ("__str__",)


@admin.register(SandboxClock)
class SandboxClockAdmin(RecordAdmin):
    list_display = ("__str__",)
