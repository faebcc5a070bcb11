"""The shapes of answers."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import inline_serializer
from rest_framework import serializers as drf

from payouts.api import serializers
from payouts.models import RecallStatus, Status


def body(name: str, **fields: Any) -> Any:
    return inline_serializer(name, {"success": drf.BooleanField(), **fields})


def _pages() -> dict[str, Any]:
    return {
        "total": drf.IntegerField(required=False, help_text="Left out behind a cursor."),
        "limit": drf.IntegerField(),
        "offset": drf.IntegerField(required=False, help_text="Left out behind a cursor."),
        "next_cursor": drf.CharField(allow_null=True, help_text="Null on the last page."),
    }


class Problem(drf.Serializer[Any]):
    """Every refusal."""

    success = drf.BooleanField(default=False)
    type = drf.CharField()
    title = drf.CharField()
    status = drf.IntegerField()
    detail = drf.CharField()
    code = drf.CharField(help_text="Stable: programs decide by it.")
    param = drf.CharField(required=False)
    request_id = drf.CharField()


ONE_PAYOUT = body("OnePayout", payout=serializers.PayoutOutput())
MANY_PAYOUTS = body(
    "ManyPayouts",
    payouts=serializers.PayoutOutput(many=True),
    **_pages(),
)
CARRIED_OUT = body(
    "CarriedOut", message=drf.CharField(), status=drf.ChoiceField(choices=Status.choices)
)

RECALLED = body(
    "Recalled",
    message=drf.CharField(),
    status=drf.ChoiceField(choices=Status.choices),
    recall_status=drf.ChoiceField(choices=RecallStatus.choices),
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
            "verification": inline_serializer(
                "Verification",
                {
                    "match": text(
                        help_text="pending, match, close_match, no_match or not_possible."
                    ),
                    "code": text(help_text="The scheme's, such as MTCH or ANNM."),
                    "name": text(help_text="What a similar account is called."),
                    "accepted": drf.BooleanField(
                        help_text="A person lets it be paid all the same."
                    ),
                    "verified_at": drf.DateTimeField(allow_null=True),
                },
                allow_null=True,
            ),
            "corrected": inline_serializer(
                "Correction",
                {
                    "code": text(help_text="The receiving bank's, such as C01."),
                    "at": drf.DateTimeField(),
                    "account_id": drf.UUIDField(help_text="What is paid instead from then on."),
                },
                allow_null=True,
            ),
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
        "avg_settlement_hours": drf.FloatField(
            allow_null=True, help_text="From creation to settlement, of what has settled."
        ),
        "by_status": drf.DictField(child=drf.IntegerField()),
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


def _item() -> Any:
    return inline_serializer(
        "BulkResult",
        {
            "index": drf.IntegerField(),
            "status": drf.IntegerField(help_text="What a create of its own would have answered."),
            "payout": serializers.PayoutOutput(required=False),
            "error": Problem(required=False),
        },
        many=True,
    )


class BulkItem(serializers.PayoutInput):
    """A create with its key."""

    idempotencyKey = serializers.Text(max_length=255)  # noqa: N815


BULK_REQUEST = inline_serializer("BulkRequest", {"payouts": BulkItem(many=True)})
BULK = body(
    "Bulk",
    total=drf.IntegerField(),
    created=drf.IntegerField(),
    replayed=drf.IntegerField(),
    refused=drf.IntegerField(),
    results=_item(),
)
QUOTE = body(
    "Quoted",
    quote=inline_serializer(
        "Quote",
        {
            "amount": drf.CharField(),
            "currency": drf.CharField(),
            "fee_amount": drf.CharField(),
            "fee_currency": drf.CharField(),
            "rail": drf.CharField(),
            "connector": drf.CharField(required=False, help_text="Operators only."),
            "routing_reason": drf.CharField(required=False, help_text="Operators only."),
            "status": drf.ChoiceField(choices=Status.choices),
            "scheduled_at": drf.DateTimeField(allow_null=True),
            "sla_target_settlement_date": drf.DateField(),
            "sla_target_at": drf.DateTimeField(),
            "predicted_settlement_at": drf.DateTimeField(),
            "approval": inline_serializer(
                "QuotedApproval",
                {"required": drf.BooleanField(), "above": drf.CharField(allow_null=True)},
            ),
            "funds": inline_serializer(
                "QuotedFunds",
                {
                    "available": drf.CharField(),
                    "available_after": drf.CharField(),
                    "enough": drf.BooleanField(),
                },
            ),
            "candidates": inline_serializer(
                "QuotedCandidate",
                {
                    "rail": drf.CharField(),
                    "chosen": drf.BooleanField(),
                    "refused": drf.CharField(
                        allow_blank=True, help_text="Why it is not the way; empty when it could be."
                    ),
                    **{
                        name: drf.CharField(required=False, help_text="Operators only.")
                        for name in ("connector", "detail", "fee", "cost", "score", "success")
                    },
                    "arrives_at": drf.DateTimeField(required=False, help_text="Operators only."),
                    "predicted_at": drf.DateTimeField(required=False, help_text="Operators only."),
                },
                many=True,
            ),
        },
    ),
)


def _event() -> Any:
    text = drf.CharField
    trouble = inline_serializer(
        "Trouble",
        {
            "code": text(),
            "text": text(),
            "explained": drf.CharField(required=False, help_text="For operators."),
        },
        required=False,
    )
    return inline_serializer(
        "TimelineEvent",
        {
            "at": drf.DateTimeField(),
            "kind": drf.ChoiceField(
                choices=["route", "status", "note", "attempt", "bank", "hold", "alert"]
            ),
            "what": text(help_text="For instance payout.sent, bank.settled, hold.released."),
            "from_status": text(required=False),
            "to_status": text(required=False),
            "by": inline_serializer(
                "TimelinePerson",
                {
                    "role": text(required=False),
                    "id": text(required=False, help_text="Operators' and the engine's: for operators."),
                },
                required=False,
            ),
            "reason": text(required=False),
            "trouble": trouble,
            **{
                name: text(required=False)
                for name in (
                    "state", "rail", "reference", "connector", "bank_reference", "source", "effect", "amount",
                    "currency", "severity", "message",
                )
            },
            "number": drf.IntegerField(required=False),
            "value_date": drf.DateField(required=False),
        },
        many=True,
    )  # fmt: skip


TIMELINE = body(
    "Timeline",
    payout_id=drf.UUIDField(),
    status=drf.ChoiceField(choices=Status.choices),
    cancelable=drf.BooleanField(
        help_text="At once. Otherwise a cancellation can only be asked for."
    ),
    sla_target_at=drf.DateTimeField(),
    sla_violated=drf.BooleanField(),
    next=inline_serializer(
        "NextStep",
        {
            "action": drf.CharField(),
            "at": drf.DateTimeField(
                allow_null=True, help_text="At the latest; null: nobody knows."
            ),
            "who": drf.CharField(),
        },
        allow_null=True,
    ),
    events=_event(),
)
