"""The shapes of answers."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import inline_serializer
from rest_framework import serializers as drf

from payouts.api import serializers
from payouts.models import Status


def body(name: str, **fields: Any) -> Any:
    return inline_serializer(name, {"success": drf.BooleanField(), **fields})


def _pages() -> dict[str, Any]:
    return {
        "total": drf.IntegerField(required=False, help_text="Left out behind a cursor."),
        "limit": drf.IntegerField(),
        "offset": drf.IntegerField(required=False, help_text="Left out behind a cursor."),
        "next_cursor": drf.CharField(allow_null=True, help_text="Null on the last page."),
    }


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
ONE_PAYOUT = body("OnePayout", payout=serializers.PayoutOutput())
MANY_PAYOUTS = body(
    "ManyPayouts",
    payouts=serializers.PayoutOutput(many=True),
    **_pages(),
)
CARRIED_OUT = body(
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


ONE_BENEFICIARY = body(
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
ONE_DEPOSIT = body(
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
BALANCES = body(
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


STATISTICS = body(
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
ALERTS = body("Alerts", alerts=serializers.AlertOutput(many=True), **_pages())
RESOLVED = body("Resolved", message=drf.CharField(), alert=serializers.AlertOutput())
HEALTH = body(
    "Health",
    connectors=drf.DictField(
        child=inline_serializer(
            "ConnectorHealth",
            {
                "healthy": drf.BooleanField(),
                "message": drf.CharField(
                    required=False, help_text="When it is unhealthy or paused."
                ),
                "paused": drf.BooleanField(),
                "breaker": drf.ChoiceField(choices=["closed", "open", "half_open"]),
                "open_until": drf.DateTimeField(required=False),
                "in_flight": drf.IntegerField(),
                "checked_at": drf.DateTimeField(allow_null=True),
            },
        )
    ),
)
