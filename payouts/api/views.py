"""HTTP skins over the verbs. A view reads, calls one verb and shows its result; it holds no rule."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, ClassVar
from uuid import UUID

from django.conf import settings
from django.db import connection
from rest_framework.request import Request
from rest_framework.response import Response

from payouts import (
    admission,
    beneficiaries,
    creation,
    funds,
    idempotency,
    keycache,
    lifecycle,
    money,
)
from payouts.api import filters, schema, serializers
from payouts.api.auth import actor_of, writing_tenant
from payouts.api.door import Door
from payouts.api.requests import body_of, idempotency_key, key_use
from payouts.audit import Actor
from payouts.errors import PayoutError
from payouts.models import Payout

OFFSET_MAX = 1_000_000


class PayoutsView(Door):
    """`/api/payouts`: create one, list many."""

    route: ClassVar[str] = "payouts"
    parameters = filters.PARAMETERS

    @schema.creates_a_payout
    def post(self, request: Request) -> Response:
        tenant_id = writing_tenant(request)
        key = idempotency_key(request, required=True)
        values = serializers.PayoutInput(data=body_of(request)).checked()
        wish = _payout_request(tenant_id, key, values)
        result, payout = _create(wish, actor_of(request))
        if payout is None:
            keycache.forget(wish)  # It remembers what the (restored?) database does not have.
            result, payout = _create(wish, actor_of(request))
        if payout is None:
            raise PayoutError("service_unavailable", retry_after_s=2)
        shown = {"success": True, "payout": serializers.PayoutOutput(payout).data}
        response = _fresh_or_replayed(shown, fresh=isinstance(result, creation.Created))
        response["Location"] = f"/api/payouts/{payout.pk}"
        return response

    @schema.lists_payouts
    def get(self, request: Request) -> Response:
        query = request.query_params
        found = filters.narrow(query, _visible(request))
        most = settings.LIST_LIMIT_MAX
        limit = filters.whole_number(query, "limit", default=50, low=1, high=most, cap=True)
        # Further down, a list is narrowed by `created_before`, which costs the same anywhere.
        offset = filters.whole_number(query, "offset", default=0, low=0, high=OFFSET_MAX, cap=False)
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


def _create(wish: admission.PayoutRequest, actor: Actor) -> tuple[creation.Result, Payout | None]:
    result = creation.create_payouts([wish], actor=actor)[0]
    if isinstance(result, creation.Refused):
        raise result.error
    return result, Payout.objects.filter(pk=result.payout_id).first()


def _fresh_or_replayed(body: dict[str, Any], *, fresh: bool) -> Response:
    """201 for what is new, 200 for what was there."""
    response = Response(body, status=201 if fresh else 200)
    response["Idempotent-Replayed"] = "false" if fresh else "true"
    return response


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


class PayoutView(Door):
    """`/api/payouts/{id}`."""

    route: ClassVar[str] = "payout"

    @schema.shows_a_payout
    def get(self, request: Request, payout_id: UUID) -> Response:
        payout = _visible(request).filter(pk=payout_id).first()
        if payout is None:
            raise PayoutError("not_found")
        return Response({"success": True, "payout": serializers.PayoutOutput(payout).data})


class CancelView(Door):
    """`/api/payouts/{id}/cancel`: 200 cancelled, 202 asked for."""

    route: ClassVar[str] = "payout-cancel"

    @schema.cancels
    def post(self, request: Request, payout_id: UUID) -> Response:
        tenant_id = writing_tenant(request)
        values = serializers.ReasonInput(data=body_of(request, optional=True)).checked()
        use = _verb_key(request, tenant_id, "cancel", payout_id, values)
        result = lifecycle.cancel_payouts(
            [payout_id],
            actor=actor_of(request),
            reason=values["reason"],
            tenant_id=tenant_id,
            key=use,
        )[0]
        return _answer(result, "Payout cancelled successfully")


class RetryView(Door):
    """`/api/payouts/{id}/retry`."""

    route: ClassVar[str] = "payout-retry"

    @schema.retries
    def post(self, request: Request, payout_id: UUID) -> Response:
        tenant_id = writing_tenant(request)
        values = serializers.OptionalReasonInput(data=body_of(request, optional=True)).checked()
        use = _verb_key(request, tenant_id, "retry", payout_id, values)
        result = lifecycle.retry_payouts(
            [payout_id],
            actor=actor_of(request),
            reason=values["reason"],
            tenant_id=tenant_id,
            key=use,
        )[0]
        return _answer(result, "Payout reset and will be retried")


class ApproveView(Door):
    """`/api/payouts/{id}/approve`: by another person than the one who created it."""

    route: ClassVar[str] = "payout-approve"

    @schema.approves
    def post(self, request: Request, payout_id: UUID) -> Response:
        tenant_id = writing_tenant(request)
        values = serializers.Strict(data=body_of(request, optional=True)).checked()
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
    if result.replayed:
        message = "This request was carried out before: the status is what it led to since"
    response = Response({"success": True, "message": message, "status": result.status})
    response["Idempotent-Replayed"] = "true" if result.replayed else "false"
    return response


class StatsView(Door):
    """`/api/payouts/stats/summary`: one currency as in the specification, always `by_currency` beside it."""

    route: ClassVar[str] = "payouts-stats"

    @schema.shows_statistics
    def get(self, request: Request) -> Response:
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


class BeneficiariesView(Door):
    """`/api/beneficiaries`."""

    route: ClassVar[str] = "beneficiaries"

    @schema.creates_a_beneficiary
    def post(self, request: Request) -> Response:
        tenant_id = writing_tenant(request)
        values = serializers.BeneficiaryInput(data=body_of(request)).checked()
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
        return _fresh_or_replayed({"success": True, "beneficiary": shown}, fresh=fresh)


class DepositsView(Door):
    """`/api/ledger/deposits`: idempotent by the tenant's reference."""

    route: ClassVar[str] = "ledger-deposits"

    @schema.deposits
    def post(self, request: Request) -> Response:
        values = serializers.DepositInput(data=body_of(request)).checked()
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
        return _fresh_or_replayed({"success": True, "deposit": deposit}, fresh=fresh)


class BalancesView(Door):
    """`/api/ledger/balances`: a merchant's money by currency."""

    route: ClassVar[str] = "ledger-balances"

    @schema.shows_balances
    def get(self, request: Request) -> Response:
        balances = [
            {
                "currency": b.currency,
                "available": money.display(b.available, b.currency),
                "held": money.display(b.held, b.currency),
            }
            for b in funds.balances(writing_tenant(request))
        ]
        return Response({"success": True, "balances": balances})
