"""HTTP skins over the verbs. A view reads, calls one verb and shows its result; it holds no rule."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar
from uuid import UUID

from rest_framework.request import Request
from rest_framework.response import Response

from payouts import creation, lifecycle
from payouts.api import creating, filters, paging, schema, serializers
from payouts.api.auth import actor_of, writing_tenant
from payouts.api.door import Door, fresh_or_replayed
from payouts.api.requests import body_of, idempotency_key, key_use
from payouts.errors import PayoutError
from payouts.models import Payout

# Ids are time-ordered.
NEWEST_FIRST: paging.Order[Payout] = paging.Order(
    name="payouts",
    by=("-id",),
    place=lambda payout: [str(payout.id)],
    after=lambda rows, place: rows.filter(id__lt=place[0]),
)


class PayoutsView(Door):
    """`/api/payouts`: create one, list many."""

    route: ClassVar[str] = "payouts"
    parameters = filters.PARAMETERS

    @schema.creates_a_payout
    def post(self, request: Request) -> Response:
        tenant_id = writing_tenant(request)
        key = idempotency_key(request, required=True)
        values = serializers.PayoutInput(data=body_of(request)).checked()
        wish = creating.payout_request(tenant_id, key, values)
        result, payout = creating.create([wish], actor=actor_of(request))[0]
        if isinstance(result, creation.Refused):
            raise result.error
        assert payout is not None  # noqa: S101  (what is not refused is there)
        (shown,) = serializers.present_payouts([payout], actor_of(request))
        body = {"success": True, "payout": creating.as_created(result, shown)}
        response = fresh_or_replayed(body, fresh=isinstance(result, creation.Created))
        response["Location"] = f"/api/payouts/{payout.pk}"
        return response

    @schema.lists_payouts
    def get(self, request: Request) -> Response:
        query = request.query_params
        found = filters.narrow(query, visible(request), by=filters.PayoutFilter)
        tenant_id = actor_of(request).tenant_id
        page = paging.read(found, query, order=NEWEST_FIRST, tenant_id=tenant_id)
        shown = serializers.present_payouts(page.rows, actor_of(request))
        return Response({"success": True, "payouts": shown, **page.fields})


def visible(request: Request) -> Any:
    """The payouts that this caller may see: a tenant's own, or all for an operator who names none."""
    tenant_id = actor_of(request).tenant_id
    return Payout.objects.all() if tenant_id is None else Payout.objects.filter(tenant_id=tenant_id)


class PayoutView(Door):
    """`/api/payouts/{id}`."""

    route: ClassVar[str] = "payout"

    @schema.shows_a_payout
    def get(self, request: Request, payout_id: UUID) -> Response:
        payout = visible(request).filter(pk=payout_id).first()
        if payout is None:
            raise PayoutError("not_found")
        (shown,) = serializers.present_payouts([payout], actor_of(request))
        return Response({"success": True, "payout": shown})


class CancelView(Door):
    """`/api/payouts/{id}/cancel`: 200 cancelled, 202 asked for."""

    route: ClassVar[str] = "payout-cancel"

    @schema.cancels
    def post(self, request: Request, payout_id: UUID) -> Response:
        return _carry_out(request, payout_id, "cancel", serializers.ReasonInput)


class RetryView(Door):
    """`/api/payouts/{id}/retry`."""

    route: ClassVar[str] = "payout-retry"

    @schema.retries
    def post(self, request: Request, payout_id: UUID) -> Response:
        return _carry_out(request, payout_id, "retry", serializers.OptionalReasonInput)


class ApproveView(Door):
    """`/api/payouts/{id}/approve`: by another person than the one who created it, as they saw it."""

    route: ClassVar[str] = "payout-approve"

    @schema.approves
    def post(self, request: Request, payout_id: UUID) -> Response:
        return _carry_out(request, payout_id, "approve", serializers.ApprovalInput)


# verb: what carries it out, and what it then says.
VERBS: dict[str, tuple[Callable[..., list[lifecycle.Result]], str]] = {
    "cancel": (lifecycle.cancel_payouts, "Payout cancelled successfully"),
    "retry": (lifecycle.retry_payouts, "Payout reset and will be retried"),
    "approve": (lifecycle.approve_payouts, "Payout approved"),
}


# Whose word a noted wish waits for: what is answered.
AWAITS = {
    "bank": "Cancellation requested: it follows if the bank has not taken the payout",
    "person": "Noted: above the approval limit another person must ask for it, too",
}


def _carry_out(
    request: Request, payout_id: UUID, verb: str, reads: type[serializers.Strict]
) -> Response:
    """One verb on one payout of a named merchant, once for its key."""
    tenant_id = writing_tenant(request)
    values = reads(data=body_of(request, optional=True)).checked()
    use = key_use(
        request,
        tenant_id=tenant_id,
        route=f"POST /api/payouts/{{id}}/{verb}",
        values={"payout_id": str(payout_id), **values},
    )
    carry_out, message = VERBS[verb]
    if (seen := values.pop("contentHash", None)) is not None:
        values["seen"] = {payout_id: seen}
    results = carry_out(
        [payout_id], actor=actor_of(request), tenant_id=tenant_id, key=use, **values
    )
    return _answer(results[0], message)


def _answer(result: lifecycle.Result, message: str) -> Response:
    if isinstance(result, lifecycle.Refused):
        raise result.error
    if isinstance(result, lifecycle.Requested):
        body = {"success": True, "message": AWAITS[result.awaits], "status": result.status}
        return Response(body, status=202)
    if result.replayed:
        message = "This request was carried out before: the status is what it led to since"
    response = Response({"success": True, "message": message, "status": result.status})
    response["Idempotent-Replayed"] = "true" if result.replayed else "false"
    return response
