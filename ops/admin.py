"""The workbench's pages about payouts, and what goes around all pages. `records` and `books` have the other tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.conf import settings
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import F, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from ops import (
    actions,
    bank_pages,
    batch_schedules,
    books,
    dead_letters,
    looks,
    overview,
    people,
    records,
    search,
    service_levels,
    story,
    timeline,
)
from ops.acting import ActingAdmin, Offer, Subject
from ops.counts import counts
from ops.filters import (
    AmountFilter,
    ConnectorFilter,
    CreatedFilter,
    CurrencyFilter,
    ErrorFilter,
    MerchantFilter,
    RailFilter,
    StatusFilter,
    ViewFilter,
)
from ops.listing import Tab
from ops.navigation import PAYOUTS, navigation, payout_tabs
from ops.pages import (
    SECTION_ROWS,
    RecordAdmin,
    Section,
    connector_name,
    leading,
    may_view,
    pair,
    sla_rule_name,
    tenant_name,
)
from ops.roles import actor_of, may
from payouts import clock
from payouts.models import (
    Payout,
    PayoutAttempt,
    PayoutAuditLog,
    PayoutBatch,
    PayoutBatchItem,
    PayoutHold,
)

__all__ = [
    "bank_pages",
    "books",
    "environment_badge",
    "navigation",
    "overview",
    "people",
    "batch_schedules",
    "records",
    "service_levels",
]


def environment_badge(request: HttpRequest) -> list[str]:
    """On every page, so that nobody takes one for the other."""
    return ["sandbox", "warning"] if settings.SANDBOX else ["live", "danger"]


@admin.register(Payout)
class PayoutAdmin(ActingAdmin):
    change_form_template = "admin/payout.html"
    acts = (actions.RETRY, actions.APPROVE, actions.CANCEL, actions.RECALL)
    follow = ("beneficiary", "beneficiary_account", "hold")
    ordering = ("-id",)  # Time-ordered, and the primary key: the newest without a sort.
    list_display = (
        "what", "account", looks.money_column(), "state", "way", "tries", "promise", "created",
    )  # fmt: skip
    list_filter = (
        StatusFilter, ViewFilter, RailFilter, ConnectorFilter, CurrencyFilter, "priority", MerchantFilter,
        AmountFilter, CreatedFilter, ErrorFilter,
    )  # fmt: skip
    also_by = ("status", "sla_violated")
    search_fields = ("id",)
    search_help_text = "Id or its first 8, key, our or the bank's reference, last 4"
    empty = "No payouts yet. The first one comes by POST /api/payouts."
    facts = (
        ("Money", (
            "amount", "fee_amount", "payout_method", "priority", "beneficiary", "beneficiary_account",
            "institution", "tenant_id", "description", "metadata",
        )),
        ("Route and reason", (
            "rail", "bank_connector_id", "routing_decision_id", "sira_routing_score",
            "predicted_settlement_at", "batch_id", "bank_reference",
        )),
        ("Promise", (
            "sla_rule_id", "sla_target_settlement_date", "sla_target_at", "sla_violated", "sla_violated_at",
        )),
        ("Life", (
            "created_at", "created_by", "created_by_role", "approved_by", "approved_at", "approval_hash",
            "scheduled_at",
            "processing_started_at", "sent_at", "settled_at", "settlement_final_at", "failed_at",
            "cancel_requested_at", "give_up_requested_by", "give_up_requested_at", "given_up_by", "cancel_reason",
            "cancelled_at", "rejected_at", "returned_at", "recall_status",
            "reconciliation_status", "reconciled_at", "updated_at",
        )),
        ("Error", (
            "last_error_code", "last_error", "return_code", "retries", "next_retry_at",
        )),
        ("Record", (
            "id", "external_id", "origin_module", "origin_entity_type", "origin_entity_id",
            "ledger_hold_id", "version",
        )),
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        named = {
            "connector": connector_name(),
            "tenant": tenant_name(),
            "sla_rule": sla_rule_name(),
        }
        rows: QuerySet[Any] = super().get_queryset(request).annotate(**named)
        return rows

    def search_condition(self, term: str) -> Q:
        return Q(pk__in=search.payout_ids(term))

    def tabs(self, request: HttpRequest) -> list[Tab]:
        return payout_tabs(request)

    def prepare(self, rows: Sequence[Any]) -> None:
        now = clock.now()
        for row in rows:
            row.now = now

    @admin.display(description="payout")
    def what(self, payout: Any) -> SafeString:
        more = format_html(
            "{} · {}", payout.tenant or looks.short(payout.tenant_id), looks.key(payout.id)
        )
        return pair(payout.beneficiary.name, more)

    @admin.display(description="account")
    def account(self, payout: Any) -> SafeString:
        account = payout.beneficiary_account
        return pair(f"…{account.last4}", f"{account.type} {account.country}")

    @admin.display(description="status")
    def state(self, payout: Any) -> SafeString:
        return pair(looks.badge(payout.status, payout.get_status_display()), story.why(payout))

    @admin.display(description="rail")
    def way(self, payout: Any) -> SafeString:
        return pair(payout.rail, f"{payout.priority} · {payout.connector or ''}")

    @admin.display(description="created")
    def created(self, payout: Any) -> SafeString:
        return looks.moment(payout.created_at)

    @admin.display(description="tries")
    def tries(self, payout: Any) -> str:
        return f"{payout.retry_count}/{payout.max_retries}" if payout.retry_count else ""

    @admin.display(description="SLA")
    def promise(self, payout: Any) -> SafeString:
        return story.promise(payout, payout.now)

    def fact_fee_amount(self, payout: Payout) -> SafeString | None:
        fee = payout.fee_amount
        return looks.amount(fee, payout.fee_currency) if fee else None

    def fact_sira_routing_score(self, payout: Payout) -> str | None:
        score = payout.sira_routing_score
        return None if score is None else f"{score:.1%} likely to succeed"

    def fact_retries(self, payout: Payout) -> str | None:
        return f"{payout.retry_count} of {payout.max_retries}" if payout.retry_count else None

    def fact_institution(self, payout: Payout) -> SafeString:
        return looks.code(payout.beneficiary_account.institution)

    def fact_sla_rule_id(self, payout: Any) -> SafeString | None:
        if payout.sla_rule_id is None:
            return None
        return looks.reference("sla_rule_id", payout.sla_rule_id, payout.sla_rule or "")

    def fact_tenant_id(self, payout: Any) -> SafeString:
        return looks.reference("tenant_id", payout.tenant_id, payout.tenant)

    def fact_bank_connector_id(self, payout: Any) -> SafeString:
        return looks.reference("bank_connector_id", payout.bank_connector_id, payout.connector)

    def headline(self, row: Any) -> SafeString:
        return story.headline(row)

    def more(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        told, note = timeline.chapters(row) if may_view(request, PayoutAuditLog) else ([], "")
        return {"steps": story.steps(row), "chapters": told, "timeline_note": note}

    def repeated(self, row: Any) -> SafeString:
        money = looks.amount(row.amount, row.currency)
        return format_html(
            "{} to {}<br>{}", money, row.beneficiary.name, story.why(row) or row.rail
        )

    def offers(self, request: HttpRequest, row: Any) -> list[Offer]:
        allowed = [action for action in self.acts if may(request, action.roles)]
        if not allowed:
            return []
        return [
            self.offer(action, row.pk, outcome)
            for action, outcome in actions.foresee_one(allowed, row.pk, actor_of(request))
            if not outcome.code
        ]

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.dead_letters)
        return [path("needs-a-person/", view, name="dead_letters"), *super().get_urls()]

    def dead_letters(self, request: HttpRequest) -> HttpResponse:
        if not may_view(request, Payout):
            raise PermissionDenied
        found = dead_letters.groups()
        acts = [a for a in (actions.RETRY, actions.CANCEL) if may(request, a.roles)]
        for group in found:
            matching = urlencode({"matching": group.query})
            group.acts = [(action, self.act_url(action, matching)) for action in acts]
        context = {
            **self.admin_site.each_context(request),
            "title": "Needs a person",
            "groups": found,
            "total": sum(group.count for group in found),
            "acting": bool(acts),
            "in_doubt": counts(request).number("in_doubt"),
            "doubt_url": reverse(PAYOUTS, query={"status": "in_doubt"}),
        }
        return TemplateResponse(request, "admin/dead_letters.html", context)

    def subjects(self, ids: Sequence[UUID]) -> list[Subject]:
        rows = Payout.objects.filter(pk__in=ids).order_by("-id")
        told = rows.values_list("id", "beneficiary__name", "amount", "currency")
        return [
            Subject(id=key, text=pair(name, looks.key(key)), amount=amount, currency=currency)
            for key, name, amount, currency in told
        ]

    def sections(self, row: Any) -> Iterable[Section]:
        return story.sections(row)


@admin.register(PayoutHold)
class PayoutHoldAdmin(RecordAdmin):
    ordering = ("-id",)
    list_display = (
        looks.id_column(title="hold"), looks.link_column("payout_id"),
        looks.money_column("hold_amount", title="amount"), looks.badge_column("status"),
        looks.when_column("created_at"), looks.when_column("resolved_at"),
        looks.when_column("expires_at"),
    )  # fmt: skip
    list_filter = ("status", CurrencyFilter, "created_at")
    search_fields = ("id", "payout__id", "ledger_transfer_id")
    search_help_text = "The id of a hold, a payout or a transfer"


@admin.register(PayoutAttempt)
class PayoutAttemptAdmin(RecordAdmin):
    ordering = ("-id",)
    list_display = (
        looks.text_column("reference", "our reference"), looks.link_column("payout_id"), "attempt_number",
        looks.badge_column("state"), "bank", looks.text_column("error_code", "error"),
        looks.when_column("updated_at"),
    )  # fmt: skip
    list_filter = ("state", RailFilter, "updated_at")
    search_fields = ("id", "reference", "bank_reference", "payout__id")
    search_help_text = "Our reference, the bank's, or an id"

    @admin.display(description="bank", ordering="connector")
    def bank(self, row: PayoutAttempt) -> str:
        return f"{row.connector}:{row.rail}"


@admin.register(PayoutBatch)
class PayoutBatchAdmin(RecordAdmin):
    ordering = ("-scheduled_at",)
    list_display = (
        "batch_name", "batch_type", looks.badge_column("status"), looks.money_column("total_amount"),
        "total_payouts", looks.when_column("scheduled_at"), looks.when_column("completed_at"),
    )  # fmt: skip
    list_filter = ("status", CurrencyFilter, "scheduled_at")
    search_fields = ("id", "batch_name")

    def sections(self, row: Any) -> Iterable[Section]:
        items = PayoutBatchItem.objects.filter(batch=row).order_by("position")
        shown, note = leading(items.annotate(amount=F("payout__amount"))[: SECTION_ROWS + 1])
        yield Section(
            title="Payouts",
            model=PayoutBatchItem,
            headers=("#", "payout", "amount", "status", "error"),
            rows=[
                (
                    item.position,
                    looks.reference("payout_id", item.payout_id),
                    looks.amount(item.amount, row.currency),
                    looks.badge(item.status),
                    story.error(item.error_code, item.error_message),
                )
                for item in shown
            ],
            note=note,
        )


@admin.register(PayoutBatchItem)
class PayoutBatchItemAdmin(RecordAdmin):
    ordering = ("-id",)
    list_display = (
        looks.id_column(title="item"), looks.link_column("batch_id"), "position",
        looks.link_column("payout_id"), looks.badge_column("status"),
        looks.text_column("error_code", "error"), looks.when_column("created_at"),
    )  # fmt: skip
    list_filter = ("status",)
    search_fields = ("id", "payout__id", "batch__id")


records.register_the_others()
