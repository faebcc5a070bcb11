"""What banks are told and say, and what everybody leaves behind: connectors, messages, alerts, audit rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from django.apps import apps
from django.contrib import admin
from django.db.models import BinaryField, F
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from ops import actions, looks, story
from ops.acting import ActingAdmin, Offer, Subject
from ops.bank_pages import connector_badge
from ops.counts import counts
from ops.filters import CurrencyFilter, RailFilter
from ops.listing import Tab
from ops.pages import (
    CONNECTOR,
    MERCHANT,
    PAYOUT,
    SECTION_ROWS,
    NamedAdmin,
    RecordAdmin,
    Section,
    leading,
    pair,
)
from payouts.models import (
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
class PayoutAlertAdmin(ActingAdmin):
    acts = (actions.RESOLVE,)
    ordering = ("-created_at", "-id")
    list_display = (
        "what", looks.badge_column("severity"), looks.text_column("message"), PAYOUT, MERCHANT,
        looks.when_column("created_at", "raised"), "state",
    )  # fmt: skip
    list_filter = ("resolved", "severity", "alert_type", "created_at")
    search_fields = ("id", "payout_id", "dedupe_key")
    search_help_text = "The id of an alert or a payout"
    empty = "No alerts. Rules look for causes every minute."

    @admin.display(description="alert")
    def what(self, row: PayoutAlert) -> str:
        return row.alert_type.replace("_", " ")

    @admin.display(description="state")
    def state(self, row: PayoutAlert) -> SafeString:
        return story.resolution(row)

    def headline(self, row: Any) -> SafeString:
        return format_html(
            '<p class="ops-head"><span class="ops-sum">{}</span> {}</p><p>{}</p>',
            row.alert_type.replace("_", " ").capitalize(),
            looks.badge(row.severity),
            row.message,
        )

    def subjects(self, ids: Sequence[UUID]) -> list[Subject]:
        rows = PayoutAlert.objects.filter(pk__in=ids).order_by("-created_at")
        return [
            Subject(id=r.pk, text=pair(r.alert_type.replace("_", " "), r.message)) for r in rows
        ]

    def bulk(self, request: HttpRequest) -> list[Offer]:
        return [] if request.GET.get("resolved__exact") == "1" else super().bulk(request)

    def tabs(self, request: HttpRequest) -> list[Tab]:
        url, asked = (
            reverse("admin:payouts_payoutalert_changelist"),
            request.GET.get("resolved__exact"),
        )
        views = (
            ("Open", "0", counts(request).alerts),
            ("Resolved", "1", None),
            ("All", None, None),
        )
        return [
            Tab(title=title, url=f"{url}?resolved__exact={value}" if value else url, count=number,
                active=asked == value, alarm=True)
            for title, value, number in views
        ]  # fmt: skip


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


def register_the_others() -> None:
    """Tables that count and keep time have no page of their own: they are read as they are."""
    for app in ("payouts", "ledger"):
        for model in apps.get_app_config(app).get_models():
            if not admin.site.is_registered(model):
                names = [
                    f.attname for f in model._meta.concrete_fields if not isinstance(f, BinaryField)
                ]
                page = type(
                    f"{model.__name__}Admin",
                    (NamedAdmin,),
                    {"list_display": names[:8], "ordering": ("pk",)},
                )
                admin.site.register(model, page)
