"""Whom a merchant pays, and the money it has."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from rest_framework.request import Request
from rest_framework.response import Response

from payouts import beneficiaries, funds, lifecycle, money
from payouts.api import payee_shapes, schema, serializers
from payouts.api.auth import actor_of, writing_tenant
from payouts.api.door import Door, fresh_or_replayed
from payouts.api.requests import body_of, key_use
from payouts.errors import PayoutError


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
        shown = payee_shapes.present_beneficiary(beneficiary, to=actor_of(request))
        return fresh_or_replayed({"success": True, "beneficiary": shown}, fresh=fresh)


class BeneficiaryView(Door):
    """`/api/beneficiaries/{id}`: with what banks have corrected since."""

    route: ClassVar[str] = "beneficiary"

    @schema.shows_a_beneficiary
    def get(self, request: Request, beneficiary_id: UUID) -> Response:
        found = beneficiaries.get_beneficiary(beneficiary_id, tenant_id=actor_of(request).tenant_id)
        shown = payee_shapes.present_beneficiary(found, to=actor_of(request))
        return Response({"success": True, "beneficiary": shown})


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
        return fresh_or_replayed({"success": True, "deposit": deposit}, fresh=fresh)


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
