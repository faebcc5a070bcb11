"""`/api/beneficiaries/{id}/verify` and `/accept-mismatch`: whose account it is, asked again and decided."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from rest_framework.request import Request
from rest_framework.response import Response

from payouts import payees
from payouts.api import payee_shapes, schema
from payouts.api.auth import actor_of, writing_tenant
from payouts.api.door import Door
from payouts.api.requests import body_of, key_use


class VerifyPayeeView(Door):
    """`/api/beneficiaries/{id}/verify`: 200 with what the banks say now."""

    route: ClassVar[str] = "beneficiary-verify"

    @schema.verifies_a_payee
    def post(self, request: Request, beneficiary_id: UUID) -> Response:
        tenant_id = writing_tenant(request)
        payee_shapes.RecheckInput(data=body_of(request, optional=True)).checked()
        use = key_use(
            request,
            tenant_id=tenant_id,
            route="POST /api/beneficiaries/{id}/verify",
            values={"beneficiary_id": str(beneficiary_id)},
        )
        found = payees.recheck(
            beneficiary_id, tenant_id=tenant_id, actor=actor_of(request), key=use
        )
        return _shown(payee_shapes.present_beneficiary(found, to=actor_of(request)))


class AcceptMismatchView(Door):
    """`/api/beneficiaries/{id}/accept-mismatch`: 200, and the account may be paid."""

    route: ClassVar[str] = "beneficiary-accept"

    @schema.accepts_a_mismatch
    def post(self, request: Request, beneficiary_id: UUID) -> Response:
        tenant_id = writing_tenant(request)
        values = payee_shapes.AcceptanceInput(data=body_of(request)).checked()
        use = key_use(
            request,
            tenant_id=tenant_id,
            route="POST /api/beneficiaries/{id}/accept-mismatch",
            values={"beneficiary_id": str(beneficiary_id), **values},
        )
        found = payees.accept_mismatch(
            beneficiary_id,
            values["accountId"],
            tenant_id=tenant_id,
            actor=actor_of(request),
            reason=values["reason"],
            key=use,
        )
        return _shown(payee_shapes.present_beneficiary(found, to=actor_of(request)))


def _shown(beneficiary: object) -> Response:
    return Response({"success": True, "beneficiary": beneficiary})
