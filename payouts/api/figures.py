"""How many payouts there are, and how much money."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, ClassVar

from django.db import connection
from rest_framework.request import Request
from rest_framework.response import Response

from payouts import money
from payouts.api import schema
from payouts.api.auth import actor_of
from payouts.api.door import Door
from payouts.models import Status


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
    """The specification's seven figures, and every status. Amounts of several currencies are not added up."""

    def count(status: str) -> int:
        return sum(row[2] for row in rows if row[1] == status)

    # Hours from creation to settlement, of what has settled and stayed so.
    hours = sum(row[4] or 0 for row in rows if row[1] == Status.SETTLED)
    settled = count(Status.SETTLED)
    amount = sum((row[3] for row in rows), Decimal(0))
    return {
        "total_payouts": sum(row[2] for row in rows),
        "total_amount": money.display(amount, currency) if currency else None,
        "pending_count": count(Status.PENDING),
        "settled_count": settled,
        "failed_count": count(Status.FAILED),
        "dlq_count": count(Status.DLQ),
        "avg_settlement_hours": round(float(hours) / settled, 4) if settled else None,
        "by_status": {status: count(status) for status in Status.values},
    }
