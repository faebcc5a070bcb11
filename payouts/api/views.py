"""HTTP skins over the verbs. A view reads, calls one verb and shows its result; it holds no rule."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, ClassVar
from uuid import UUID

from django.conf import settings
from django.db import connection
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from payouts import admission, beneficiaries, creation, funds, idempotency, keycache, lifecycle, money
from payouts.api import filters, serializers
from payouts.api.auth import actor_of, writing_tenant
from payouts.api.requests import idempotency_key, key_use
from payouts.errors import PayoutError
from payouts.models import Payout


class PayoutsView(APIView):
    """`/api/payouts`: create one, list many."""

    route: ClassVar[str] = "payouts"

    def post(self, request: Request) -> Response:
        tenant_id = writing_tenant(request)
        key = idempotency_key(request, required=True)
        wish = _payout_request(tenant_id, key, serializers.PayoutInput(data=request.data).checked())
        result = creation.create_payouts([wish], actor=actor_of(request))[0]
        if (
            isinstance(result, creation.Replayed)
            and not Payout.objects.filter(pk=result.payout_id).exists()
        ):
            keycache.forget(
                wish
            )  # The cache remembers what the database (restored?) does not have.
            result = creation.create_payouts([wish], actor=actor_of(request))[0]
        if isinstance(result, creation.Refused):
            raise result.error
        payout = Payout.objects.get(pk=result.payout_id)
        replayed = isinstance(result, creation.Replayed)
        response = Response(
            {"success": True, "payout": serializers.PayoutOutput(payout).data},
            status=200 if replayed else 201,
        )
        response["Idempotent-Replayed"] = "true" if replayed else "false"
        response["Location"] = f"/api/payouts/{payout.pk}"
        return response

    def get(self, request: Request) -> Response:
        query = request.query_params
        found = filters.narrow(query, _visible(request))
        limit = filters.whole_number(
            query, "limit", default=50, low=1, high=settings.LIST_LIMIT_MAX
        )
        offset = filters.whole_number(query, "offset", default=0, low=0, high=10_000)
        page = found.order_by("-id")[offset : offset + limit]
        return Response(
            {
                "success": True,
                "payouts": serializers.PayoutOutput(page, many=True).data,
                "total": found.count(),
                "limit": limit,
                "offset": offset,
            }
        )


def _payout_request(tenant_id: UUID, key: str, values: dict[str, Any]) -> admission.PayoutRequest:
    return admission.PayoutRequest(
        tenant_id=tenant_id,
        external_id=key,
        fingerprint=idempotency.fingerprint("POST /api/payouts", values),
        origin_module=values["originModule"],
        origin_entity_type=values["originEntityType"],
        origin_entity_id=values["originEntityId"],
        beneficiary_type=values["beneficiaryType"],
        beneficiary_id=values["beneficiaryId"],
        beneficiary_account_id=values["beneficiaryAccountId"],
        amount=values["amount"],
        currency=values["currency"],
        payout_method=values["payoutMethod"],
        priority=values["priority"],
        description=values["description"] or "",
        metadata=values["metadata"],
        scheduled_at=values["scheduledAt"],
    )


def _visible(request: Request) -> Any:
    """The payouts that this caller may see: a tenant's own, or all for an operator who names none."""
    tenant_id = actor_of(request).tenant_id
    return Payout.objects.all() if tenant_id is None else Payout.objects.filter(tenant_id=tenant_id)


class PayoutView(APIView):
    """`/api/payouts/{id}`."""

    route: ClassVar[str] = "payout"

    def get(self, request: Request, payout_id: UUID) -> Response:
        _refuse_parameters(request)
        payout = _visible(request).filter(pk=payout_id).first()
        if payout is None:
            raise PayoutError("not_found")
        return Response({"success": True, "payout": serializers.PayoutOutput(payout).data})


class CancelView(APIView):
    """`/api/payouts/{id}/cancel`: 200 cancelled, 202 asked for."""

    route: ClassVar[str] = "payout-cancel"

    def post(self, request: Request, payout_id: UUID) -> Response:
        tenant_id = writing_tenant(request)
        values = serializers.ReasonInput(data=request.data).checked()
        use = _verb_key(request, tenant_id, "cancel", payout_id, values)
        result = lifecycle.cancel_payouts(
            [payout_id],
            actor=actor_of(request),
            reason=values["reason"],
            tenant_id=tenant_id,
            key=use,
        )[0]
        return _answer(result, "Payout cancelled successfully")


class RetryView(APIView):
    """`/api/payouts/{id}/retry`."""

    route: ClassVar[str] = "payout-retry"

    def post(self, request: Request, payout_id: UUID) -> Response:
        tenant_id = writing_tenant(request)
        values = serializers.OptionalReasonInput(data=request.data).checked()
        use = _verb_key(request, tenant_id, "retry", payout_id, values)
        result = lifecycle.retry_payouts(
            [payout_id],
            actor=actor_of(request),
            reason=values["reason"],
            tenant_id=tenant_id,
            key=use,
        )[0]
        return _answer(result, "Payout reset and will be retried")


class ApproveView(APIView):
    """`/api/payouts/{id}/approve`: by another person than the one who created it."""

    route: ClassVar[str] = "payout-approve"

    def post(self, request: Request, payout_id: UUID) -> Response:
        tenant_id = writing_tenant(request)
        values = serializers.Strict(data=request.data).checked()
        use = _verb_key(request, tenant_id, "approve", payout_id, values)
        result = lifecycle.approve_payouts(
            [payout_id], actor=actor_of(request), tenant_id=tenant_id, key=use
        )[0]
        return _answer(result, "Payout approved")


def _verb_key(
    request: Request, tenant_id: UUID, verb: str, payout_id: UUID, values: dict[str, Any]
) -> idempotency.KeyUse | None:
    route = f"POST /api/payouts/{{id}}/{verb}"
    named = {"payout_id": str(payout_id), **values}
    return key_use(request, tenant_id=tenant_id, route=route, values=named)


def _answer(result: lifecycle.Result, message: str) -> Response:
    if isinstance(result, lifecycle.Refused):
        raise result.error
    if isinstance(result, lifecycle.Requested):
        text = "Cancellation requested: it follows if the bank has not taken the payout"
        return Response({"success": True, "message": text, "status": result.status}, status=202)
    return Response({"success": True, "message": message, "status": result.status})


class StatsView(APIView):
    """`/api/payouts/stats/summary`: one currency as in the specification, always `by_currency` beside it."""

    route: ClassVar[str] = "payouts-stats"

    def get(self, request: Request) -> Response:
        _refuse_parameters(request)
        tenant_id = actor_of(request).tenant_id
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT currency, status, payouts, amount, settlement_hours FROM v_payouts_by_status"
                " WHERE %s::uuid IS NULL OR tenant_id = %s",
                [tenant_id, tenant_id],
            )
            rows = cursor.fetchall()
        by_currency = {
            currency: _summary([row for row in rows if row[0] == currency], currency)
            for currency in sorted({row[0] for row in rows})
        }
        total = _summary(rows, next(iter(by_currency), "USD") if len(by_currency) < 2 else "")
        return Response({"success": True, "stats": {**total, "by_currency": by_currency}})


def _summary(rows: list[Any], currency: str) -> dict[str, Any]:
    """The specification's seven figures. Amounts of several currencies are not added up: null then."""

    def count(*statuses: str) -> int:
        return sum(row[2] for row in rows if row[1] in statuses)

    hours = sum(row[4] or 0 for row in rows)
    settled = count("settled", "returned")
    return {
        "total_payouts": sum(row[2] for row in rows),
        "total_amount": money.display(sum((row[3] for row in rows), Decimal(0)), currency)
        if currency
        else None,
        "pending_count": count("pending", "scheduled", "requires_approval"),
        "settled_count": count("settled"),
        "failed_count": count("failed"),
        "dlq_count": count("dlq"),
        "avg_settlement_hours": round(float(hours) / settled, 2) if settled else None,
    }


class BeneficiariesView(APIView):
    """`/api/beneficiaries`."""

    route: ClassVar[str] = "beneficiaries"

    def post(self, request: Request) -> Response:
        tenant_id = writing_tenant(request)
        serializer = serializers.BeneficiaryInput(data=request.data)
        values = serializer.checked()
        money.check_currency(values["account"]["currency"], param="account.currency")
        wish = beneficiaries.NewBeneficiary(
            tenant_id=tenant_id,
            name=values["name"],
            beneficiary_type=values["beneficiaryType"],
            country=values["country"],
            account_type=values["account"]["type"],
            currency=values["account"]["currency"],
            details=serializers.AccountInput().details(values["account"]),
        )
        use = key_use(request, tenant_id=tenant_id, route="POST /api/beneficiaries", values=values)
        beneficiary, fresh = beneficiaries.create_beneficiary(
            wish, actor=actor_of(request), key=use
        )
        shown = serializers.present_beneficiary(beneficiary)
        return Response({"success": True, "beneficiary": shown}, status=201 if fresh else 200)


class DepositsView(APIView):
    """`/api/ledger/deposits`: idempotent by the tenant's reference."""

    route: ClassVar[str] = "ledger-deposits"

    def post(self, request: Request) -> Response:
        values = serializers.DepositInput(data=request.data).checked()
        tenant_id = values["tenantId"]
        if actor_of(request).tenant_id not in (None, tenant_id):
            raise PayoutError("not_found")
        use = key_use(
            request, tenant_id=tenant_id, route="POST /api/ledger/deposits", values=values
        )
        transfer_id, fresh = lifecycle.deposit(
            tenant_id=tenant_id,
            currency=values["currency"],
            amount=values["amount"],
            reference=values["reference"],
            actor=actor_of(request),
            key=use,
        )
        deposit = {
            "id": str(transfer_id),
            "tenant_id": str(tenant_id),
            "amount": money.display(values["amount"], values["currency"]),
            "currency": values["currency"],
            "reference": values["reference"],
        }
        return Response({"success": True, "deposit": deposit}, status=201 if fresh else 200)


class BalancesView(APIView):
    """`/api/ledger/balances`: a merchant's money by currency."""

    route: ClassVar[str] = "ledger-balances"

    def get(self, request: Request) -> Response:
        _refuse_parameters(request)
        balances = [
            {
                "currency": b.currency,
                "available": money.display(b.available, b.currency),
                "held": money.display(b.held, b.currency),
            }
            for b in funds.balances(writing_tenant(request))
        ]
        return Response({"success": True, "balances": balances})


def _refuse_parameters(request: Request) -> None:
    for name in request.query_params:
        raise PayoutError("unknown_parameter", param=name[:100])
