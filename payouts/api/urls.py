"""Addresses under /api/."""

from __future__ import annotations

from uuid import UUID

from django.urls import path, register_converter
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from payouts.api import (
    accounts,
    bank_events,
    figures,
    many,
    operators,
    payees,
    quotes,
    recalling,
    timeline,
    views,
)


class AnyCaseUuid:
    """A UUID with hyphens, in either case."""

    regex = "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"

    def to_python(self, value: str) -> UUID:
        return UUID(value)

    def to_url(self, value: UUID) -> str:
        return str(value)


register_converter(AnyCaseUuid, "id")

urlpatterns = [
    path("payouts", views.PayoutsView.as_view(), name="payouts"),
    path("payouts/stats/summary", figures.StatsView.as_view(), name="payouts-stats"),
    path("payouts/bulk", many.BulkView.as_view(), name="payouts-bulk"),
    path("payouts/quote", quotes.QuoteView.as_view(), name="payouts-quote"),
    path("payouts/ops/alerts", operators.AlertsView.as_view(), name="payouts-alerts"),
    path(
        "payouts/ops/alerts/<id:alert_id>/resolve",
        operators.ResolveAlertView.as_view(),
        name="payouts-alert-resolve",
    ),
    path(
        "payouts/connectors/health",
        operators.ConnectorsHealthView.as_view(),
        name="connectors-health",
    ),
    path("payouts/<id:payout_id>", views.PayoutView.as_view(), name="payout"),
    path(
        "payouts/<id:payout_id>/timeline", timeline.TimelineView.as_view(), name="payout-timeline"
    ),
    path("payouts/<id:payout_id>/cancel", views.CancelView.as_view(), name="payout-cancel"),
    path("payouts/<id:payout_id>/retry", views.RetryView.as_view(), name="payout-retry"),
    path("payouts/<id:payout_id>/approve", views.ApproveView.as_view(), name="payout-approve"),
    path("payouts/<id:payout_id>/recall", recalling.RecallView.as_view(), name="payout-recall"),
    path("beneficiaries", accounts.BeneficiariesView.as_view(), name="beneficiaries"),
    path(
        "beneficiaries/<id:beneficiary_id>", accounts.BeneficiaryView.as_view(), name="beneficiary"
    ),
    path(
        "beneficiaries/<id:beneficiary_id>/verify",
        payees.VerifyPayeeView.as_view(),
        name="beneficiary-verify",
    ),
    path(
        "beneficiaries/<id:beneficiary_id>/accept-mismatch",
        payees.AcceptMismatchView.as_view(),
        name="beneficiary-accept",
    ),
    path("ledger/deposits", accounts.DepositsView.as_view(), name="ledger-deposits"),
    path("ledger/balances", accounts.BalancesView.as_view(), name="ledger-balances"),
    path("bank-events/<str:connector>", bank_events.bank_event, name="bank-events"),
    path("schema/", SpectacularAPIView.as_view(), name="schema"),
    path("docs/", SpectacularSwaggerSplitView.as_view(url_name="schema"), name="docs"),
]
