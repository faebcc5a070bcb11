"""How many payouts are open, where, and how much money that is: asked once for each page.

One statement over two partial indexes that hold open payouts only, so that it costs the same after years.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import connection
from django.http import HttpRequest

OPEN = (
    "requires_approval",
    "scheduled",
    "pending",
    "processing",
    "in_doubt",
    "sent",
    "failed",
    "dlq",
)
IN_FLIGHT = ("processing", "in_doubt", "sent")
ATTENTION = ("dlq", "in_doubt", "requires_approval")  # As v_payouts_needing_attention.
_OPEN = ", ".join(f"'{status}'" for status in OPEN)
_COLUMNS = "SELECT status, currency, amount, updated_at, sla_violated FROM payouts"
SQL = (
    "SELECT status, currency, sla_violated, count(*), sum(amount), min(updated_at) FROM ("  # noqa: S608
    f" {_COLUMNS} WHERE NOT sla_violated AND status IN ({_OPEN})"
    f" UNION ALL {_COLUMNS} WHERE sla_violated AND status IN ({_OPEN})) open GROUP BY 1, 2, 3"
    " UNION ALL SELECT 'alerts', '', false, count(*), NULL, min(created_at) FROM payout_alerts WHERE NOT resolved"
)


@dataclass(frozen=True, slots=True)
class Row:
    status: str
    currency: str
    late: bool
    count: int
    amount: Decimal | None
    oldest: datetime | None


@dataclass(frozen=True, slots=True)
class Counts:
    rows: tuple[Row, ...]

    def number(self, *statuses: str) -> int:
        return sum(row.count for row in self.rows if row.status in statuses)

    @property
    def alerts(self) -> int:
        return self.number("alerts")

    @property
    def late(self) -> int:
        return sum(row.count for row in self.rows if row.late)

    def oldest(self, *statuses: str) -> datetime | None:
        found = [row.oldest for row in self.rows if row.status in statuses and row.oldest]
        return min(found, default=None)

    def amounts(self, statuses: Iterable[str]) -> dict[str, Decimal]:
        """Per currency; amounts of two currencies are never added."""
        sums: dict[str, Decimal] = defaultdict(Decimal)
        for row in self.rows:
            if row.status in tuple(statuses) and row.amount is not None:
                sums[row.currency] += row.amount
        return dict(sums)


def counts(request: HttpRequest) -> Counts:
    found: Any = getattr(request, "open_counts", None)
    if found is None:
        with connection.cursor() as cursor:
            cursor.execute(SQL)
            found = Counts(tuple(Row(*row) for row in cursor.fetchall()))
        request.open_counts = found  # type: ignore[attr-defined]
    counted: Counts = found
    return counted
