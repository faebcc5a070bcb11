"""The workbench's pages about payouts, and what goes around all pages. `records` and `books` have the other tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import admin
from django.db.models import F, Q, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from ops import (
    actions,
    batch_schedules,
    books,
    looks,
    overview,
    people,
    records,
    service_levels,
    story,
)
from ops.acting import ActingAdmin, Offer, Subject
from ops.navigation import navigation
from ops.pages import (
    SECTION_ROWS,
    CurrencyFilter,
    RailFilter,
    RecordAdmin,
    Section,
    as_uuid,
    connector_name,
    leading,
    pair,
    sla_rule_name,
    tenant_name,
)
from ops.roles import actor_of, may
from payouts.models import (
    Payout,
    PayoutAttempt,
    PayoutBatch,
    PayoutBatchItem,
    PayoutHold,
)

__all__ = [
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
    acts = (actions.RETRY, actions.APPROVE, actions.CANCEL)
    follow = ("beneficiary", "beneficiary_account")
    ordering = ("-id",)  # Time-ordered, and the primary key: the newest without a sort.
    list_display = (
        "what", "who", looks.money_column(), looks.badge_column("status"), "way", "priority",
        "promise", looks.when_column("created_at"),
    )  # fmt: skip
    list_filter = (
        "status", RailFilter, CurrencyFilter, "priority", "sla_violated", "created_at",
    )  # fmt: skip
    search_fields = ("id", "external_id", "bank_reference", "beneficiary_account__last4")
    search_help_text = "An id or its start, a key, a reference (ours or the bank's), the last four"
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
            "created_at", "created_by", "created_by_role", "approved_by", "approved_at", "scheduled_at",
            "processing_started_at", "sent_at", "settled_at", "settlement_final_at", "failed_at",
            "cancel_requested_at", "cancel_reason", "cancelled_at", "rejected_at", "returned_at",
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
        """Beside its own columns: the start of an id, and the reference of any attempt."""
        tries = PayoutAttempt.objects.filter(Q(reference=term) | Q(bank_reference=term))
        condition = super().search_condition(term) | Q(pk__in=tries.values("payout_id"))
        if not as_uuid(term) and (between := ids_that_begin(term)):
            condition |= Q(pk__range=between)
        return condition

    @admin.display(description="payout", ordering="id")
    def what(self, payout: Any) -> SafeString:
        return pair(looks.key(payout.id), payout.tenant or "")

    @admin.display(description="beneficiary")
    def who(self, payout: Any) -> SafeString:
        account = payout.beneficiary_account
        return pair(payout.beneficiary.name, f"{account.type} …{account.last4}")

    @admin.display(description="rail", ordering="rail")
    def way(self, payout: Any) -> SafeString:
        return pair(payout.rail, payout.connector or "")

    @admin.display(description="promised", ordering="sla_target_at")
    def promise(self, payout: Any) -> SafeString:
        late = looks.badge("late") if payout.sla_violated else ""
        return pair(looks.when(payout.sla_target_settlement_date), late)

    def fact_fee_amount(self, payout: Payout) -> SafeString | None:
        fee = payout.fee_amount
        return looks.amount(fee, payout.fee_currency) if fee else None

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

    def offers(self, request: HttpRequest, row: Any) -> list[Offer]:
        allowed = [action for action in self.acts if may(request, action.roles)]
        if not allowed:
            return []
        return [
            Offer(action=action, url=self.act_url(action), ids=str(row.pk), word=outcome.word)
            for action, outcome in actions.foresee_one(allowed, row.pk, actor_of(request))
            if not outcome.code
        ]

    def subjects(self, ids: Sequence[UUID]) -> list[Subject]:
        rows = Payout.objects.filter(pk__in=ids).order_by("-id")
        told = rows.values_list("id", "beneficiary__name", "amount", "currency")
        return [
            Subject(id=key, text=pair(name, looks.key(key)), amount=amount, currency=currency)
            for key, name, amount, currency in told
        ]

    def sections(self, row: Any) -> Iterable[Section]:
        return story.sections(row)


def ids_that_begin(term: str) -> tuple[UUID, UUID] | None:
    """The lowest and highest id that begins like this; a range is served by the primary key."""
    digits = term.replace("-", "").lower()
    if not 8 <= len(digits) < 32 or set(digits) - set("0123456789abcdef"):
        return None
    return UUID(digits.ljust(32, "0")), UUID(digits.ljust(32, "f"))


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
