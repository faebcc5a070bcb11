"""`POST /api/payouts/{id}/recall`: ask the bank for the money of a payout."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from rest_framework.request import Request
from rest_framework.response import Response

from payouts import recalls
from payouts.api import schema, serializers
from payouts.api.auth import actor_of, writing_tenant
from payouts.api.door import Door
from payouts.api.requests import body_of, key_use

TOLD = "The bank is asked: the money is back when the payout is returned"
REPLAYED = "This request was carried out before: the status is what it led to since"


class RecallView(Door):
    """`/api/payouts/{id}/recall`: 202, the answer follows."""

    route: ClassVar[str] = "payout-recall"

    @schema.recalls
    def post(self, request: Request, payout_id: UUID) -> Response:
        tenant_id = writing_tenant(request)
        values = serializers.RecallInput(data=body_of(request)).checked()
        use = key_use(
            request,
            tenant_id=tenant_id,
            route="POST /api/payouts/{id}/recall",
            values={"payout_id": str(payout_id), **values},
        )
        (result,) = recalls.recall_payouts(
            [payout_id],
            actor=actor_of(request),
            reason=values["reason"],
            detail=values["detail"] or "",
            tenant_id=tenant_id,
            key=use,
        )
        if isinstance(result, recalls.Refused):
            raise result.error
        body = {
            "success": True,
            "message": REPLAYED if result.replayed else TOLD,
            "status": result.status,
            "recall_status": result.recall_status,
        }
        response = Response(body, status=200 if result.replayed else 202)
        response["Idempotent-Replayed"] = "true" if result.replayed else "false"
        return response
