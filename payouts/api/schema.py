"""What the OpenAPI document says about each address: bodies in and out, headers, refusals."""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, inline_serializer
from rest_framework import serializers as drf

from payouts.api import serializers
from payouts.models import Priority, Status


class GatewayScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # registers
    """The three identity headers, needed together."""

    target_class = "payouts.api.auth.GatewayAuthentication"
    name = ["userId", "tenantId", "userRole"]

    def get_security_definition(self, auto_schema: Any) -> list[dict[str, str]]:
        return [
            {"type": "apiKey", "in": "header", "name": header}
            for header in ("X-User-Id", "X-Tenant-Id", "X-User-Role")
        ]


def _body(name: str, **fields: Any) -> Any:
    return inline_serializer(name, {"success": drf.BooleanField(), **fields})


PROBLEM = inline_serializer(
    "Problem",
    {
        "success": drf.BooleanField(default=False),
        "type": drf.CharField(),
        "title": drf.CharField(),
        "status": drf.IntegerField(),
        "detail": drf.CharField(),
        "code": drf.CharField(help_text="Stable: programs decide by it."),
        "param": drf.CharField(required=False),
        "request_id": drf.CharField(),
    },
)
ONE_PAYOUT = _body("OnePayout", payout=serializers.PayoutOutput())
MANY_PAYOUTS = _body(
    "ManyPayouts",
    payouts=serializers.PayoutOutput(many=True),
    total=drf.IntegerField(),
    limit=drf.IntegerField(),
    offset=drf.IntegerField(),
)
CARRIED_OUT = _body(
    "CarriedOut", message=drf.CharField(), status=drf.ChoiceField(choices=Status.choices)
)


def _account() -> Any:
    text = drf.CharField
    return inline_serializer(
        "Account",
        {
            "id": drf.UUIDField(),
            "type": text(),
            "last4": text(),
            "currency": text(),
            "country": text(),
            "institution": text(),
            "status": text(),
        },
        many=True,
    )


ONE_BENEFICIARY = _body(
    "OneBeneficiary",
    beneficiary=inline_serializer(
        "Beneficiary",
        {
            "id": drf.UUIDField(),
            "name": drf.CharField(),
            "beneficiary_type": drf.CharField(),
            "country": drf.CharField(),
            "accounts": _account(),
        },
    ),
)
ONE_DEPOSIT = _body(
    "OneDeposit",
    deposit=inline_serializer(
        "Deposit",
        {
            "id": drf.UUIDField(),
            "tenant_id": drf.UUIDField(),
            "amount": drf.CharField(),
            "currency": drf.CharField(),
            "reference": drf.CharField(),
        },
    ),
)
BALANCES = _body(
    "Balances",
    balances=inline_serializer(
        "Balance",
        {"currency": drf.CharField(), "available": drf.CharField(), "held": drf.CharField()},
        many=True,
    ),
)


def _figures() -> dict[str, Any]:
    counts = ("total_payouts", "pending_count", "settled_count", "failed_count", "dlq_count")
    return {
        **{name: drf.IntegerField() for name in counts},
        "total_amount": drf.CharField(
            allow_null=True, help_text="Null when there are several currencies."
        ),
        "avg_settlement_hours": drf.FloatField(allow_null=True),
    }


STATISTICS = _body(
    "Statistics",
    stats=inline_serializer(
        "Figures",
        {
            **_figures(),
            "by_currency": drf.DictField(
                child=inline_serializer("FiguresOfOneCurrency", _figures())
            ),
        },
    ),
)


def _key(*, required: bool) -> OpenApiParameter:
    return OpenApiParameter(
        "Idempotency-Key",
        OpenApiTypes.STR,
        OpenApiParameter.HEADER,
        required=required,
        description="1 to 255 printable ASCII characters, unique for ever within the merchant.",
    )


def _query(name: str, kind: Any = OpenApiTypes.STR, about: str = "", **more: Any) -> Any:
    return OpenApiParameter(name, kind, OpenApiParameter.QUERY, description=about, **more)


FILTERS = [
    _query("status", about="One status or several, separated by commas."),
    _query("currency"),
    _query("rail"),
    _query("priority", enum=Priority.values),
    _query("external_id", about="The Idempotency-Key that it was created with."),
    _query("beneficiary_id", OpenApiTypes.UUID),
    _query("created_after", OpenApiTypes.DATETIME, "From this moment on."),
    _query("created_before", OpenApiTypes.DATETIME, "Before this moment."),
    _query("limit", OpenApiTypes.INT, "50 unless told; at most 200."),
    _query("offset", OpenApiTypes.INT, "At most 1000000."),
]


def _answers(good: dict[int, Any], *refused: int) -> dict[Any, Any]:
    problems = {(status, "application/problem+json"): PROBLEM for status in (401, 403, *refused)}
    return {**good, **problems}


creates_a_payout = extend_schema(
    operation_id="create_payout",
    summary="Create a payout, exactly once for its key",
    parameters=[_key(required=True)],
    request=serializers.PayoutInput,
    responses=_answers({201: ONE_PAYOUT, 200: ONE_PAYOUT}, 400, 404, 409, 413, 415, 422, 503),
)
lists_payouts = extend_schema(
    operation_id="list_payouts",
    summary="List payouts, newest first",
    parameters=FILTERS,
    responses=_answers({200: MANY_PAYOUTS}, 422, 503),
)
shows_a_payout = extend_schema(
    operation_id="get_payout",
    summary="Show a payout",
    responses=_answers({200: ONE_PAYOUT}, 404, 422, 503),
)
cancels = extend_schema(
    operation_id="cancel_payout",
    summary="Cancel: at once (200), or as soon as the bank says that it has nothing (202)",
    parameters=[_key(required=False)],
    request=serializers.ReasonInput,
    responses=_answers({200: CARRIED_OUT, 202: CARRIED_OUT}, 400, 404, 409, 415, 422, 503),
)
retries = extend_schema(
    operation_id="retry_payout",
    summary="Try again what failed",
    parameters=[_key(required=False)],
    request=serializers.OptionalReasonInput,
    responses=_answers({200: CARRIED_OUT}, 400, 404, 409, 415, 422, 503),
)
approves = extend_schema(
    operation_id="approve_payout",
    summary="Approve, as another person than the one who created it",
    parameters=[_key(required=False)],
    request=None,
    responses=_answers({200: CARRIED_OUT}, 400, 404, 409, 422, 503),
)
shows_statistics = extend_schema(
    operation_id="payout_statistics",
    summary="Figures over all payouts, and by currency",
    responses=_answers({200: STATISTICS}, 422, 503),
)
creates_a_beneficiary = extend_schema(
    operation_id="create_beneficiary",
    summary="Add somebody to pay, with one account",
    parameters=[_key(required=False)],
    request=serializers.BeneficiaryInput,
    responses=_answers({201: ONE_BENEFICIARY, 200: ONE_BENEFICIARY}, 400, 404, 409, 415, 422, 503),
)
deposits = extend_schema(
    operation_id="deposit",
    summary="Credit a merchant, once for each reference",
    parameters=[_key(required=False)],
    request=serializers.DepositInput,
    responses=_answers({201: ONE_DEPOSIT, 200: ONE_DEPOSIT}, 400, 404, 409, 415, 422, 503),
)
shows_balances = extend_schema(
    operation_id="balances",
    summary="A merchant's money by currency",
    responses=_answers({200: BALANCES}, 404, 422, 503),
)
