"""`POST /api/payouts/quote`: what a payout would cost, how it would go and when it would arrive. Nothing is done."""

from __future__ import annotations

from typing import Any, ClassVar

from rest_framework.request import Request
from rest_framework.response import Response

from payouts import creation, money
from payouts.api import creating, schema, serializers
from payouts.api.auth import actor_of, writing_tenant
from payouts.api.door import Door
from payouts.api.requests import body_of
from payouts.models import Status

# What an obstacle of routing says to a merchant; any other concerns operators only.
PLAIN = {
    "account_type": "Does not reach this kind of account",
    "currency": "Does not carry this currency",
    "amount": "The amount is outside its limits",
}
ELSEWISE = "Not available now"


class QuoteView(Door):
    """`/api/payouts/quote`: the body of a create, without a key."""

    route: ClassVar[str] = "payouts-quote"

    @schema.quotes
    def post(self, request: Request) -> Response:
        tenant_id, actor = writing_tenant(request), actor_of(request)
        values = serializers.PayoutInput(data=body_of(request)).checked()
        wish = creating.payout_request(tenant_id, "", values)
        quote = creation.quote_payouts([wish], actor=actor)[0]
        if isinstance(quote, creation.Refused):
            raise quote.error
        shown = _shown(quote)
        shown |= {} if actor.is_merchant else _for_operators(quote)
        return Response({"success": True, "quote": shown})


def _shown(quote: creation.Quote) -> dict[str, Any]:
    draft, wish = quote.draft, quote.draft.request
    after = quote.available - wish.amount
    limit = quote.approval_limit
    return {
        "amount": money.display(wish.amount, wish.currency),
        "currency": wish.currency,
        "fee_amount": money.display(draft.promise.fee, wish.currency),
        "fee_currency": wish.currency,
        "rail": draft.route.bank.rail,
        "status": draft.status,
        "scheduled_at": draft.scheduled_at,
        "sla_target_settlement_date": draft.promise.target_date,
        "sla_target_at": draft.promise.target_at,
        "predicted_settlement_at": draft.route.predicted_at,
        "approval": {
            "required": draft.status == Status.REQUIRES_APPROVAL,
            "above": None if limit is None else money.display(limit, wish.currency),
        },
        "funds": {
            "available": money.display(quote.available, wish.currency),
            "available_after": money.display(after, wish.currency),
            "enough": after >= 0,
        },
        "candidates": _rails(quote),
    }


def _rails(quote: creation.Quote) -> list[dict[str, Any]]:
    """The ways there are, without naming banks: one for each rail, with why it is not the way."""
    chosen = quote.draft.route.bank.rail
    ways: dict[str, str] = {}
    for candidate in quote.draft.route.candidates:
        rail, refused = _rail_of(candidate), str(candidate["refused"])
        if not ways.get(rail, "-") or not refused:
            ways[rail] = ""  # One bank that can is enough.
        else:
            ways[rail] = PLAIN.get(refused, ELSEWISE)
    return [
        {"rail": rail, "chosen": rail == chosen, "refused": refused}
        for rail, refused in ways.items()
    ]


def _rail_of(candidate: dict[str, Any]) -> str:
    return str(candidate["connector"]).rpartition(":")[2]


def _for_operators(quote: creation.Quote) -> dict[str, Any]:
    route = quote.draft.route
    return {
        "connector": route.bank.key,
        "routing_reason": route.reason,
        "candidates": [
            {"rail": _rail_of(c), "chosen": c["connector"] == route.bank.key, **c}
            for c in route.candidates
        ],
    }
