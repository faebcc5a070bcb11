"""The dead-letter queue: what waits for a person, grouped by the bank's code and the bank, with what helps."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.db import connection
from django.urls import reverse

from ops import bank_words, looks
from ops.actions import Action

SQL = """
SELECT p.last_error_code, p.bank_connector_id, c.name || ':' || c.rail, p.currency, count(*), sum(p.amount),
       min(p.updated_at), max(p.last_error), count(*) FILTER (WHERE EXISTS (
         SELECT FROM payout_retry_log a WHERE a.payout_id = p.id
         AND a.state IN ('intent', 'unknown', 'accepted', 'settled')))
FROM payouts p JOIN bank_connectors c ON c.id = p.bank_connector_id
WHERE p.status = 'dlq' GROUP BY 1, 2, 3, 4
"""
NO_CODE = "none"  # In an address, where a code would be.


@dataclass(slots=True, kw_only=True)
class Group:
    code: str
    connector: str
    query: str  # the filter of its list
    words: str
    remedy: str
    oldest: datetime
    count: int = 0
    in_doubt: int = 0  # They may be at the bank: a retry is refused until it has answered.
    amounts: list[Any] = field(default_factory=list)
    acts: list[tuple[Action, str]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"{reverse('admin:payouts_payout_changelist')}?{self.query}"


def groups() -> list[Group]:
    """Largest first, then the one that has waited longest."""
    with connection.cursor() as cursor:
        cursor.execute(SQL)
        rows = cursor.fetchall()
    found: dict[tuple[str, Any], Group] = {}
    sums: dict[tuple[str, Any], list[tuple[str, Any]]] = defaultdict(list)
    for code, bank, key, currency, count, amount, oldest, message, live in rows:
        query = {"status": "dlq", "connector": str(bank), "error": code or NO_CODE}
        group = found.setdefault(
            (code, bank),
            Group(
                code=code, connector=key, query=urlencode(query), oldest=oldest,
                words=bank_words.meaning(code, bank=bank) or message, remedy=bank_words.remedy(code, bank=bank),
            ),
        )  # fmt: skip
        group.count += count
        group.in_doubt += live
        group.oldest = min(group.oldest, oldest)
        sums[code, bank].append((currency, amount))
    for place, group in found.items():
        group.amounts = [looks.amount(amount, currency) for currency, amount in sorted(sums[place])]
    return sorted(found.values(), key=lambda group: (-group.count, group.oldest))
