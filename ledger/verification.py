"""What the book promises, looked for in its rows: whole, or merchant by merchant for whoever wants to watch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection

SHOWN = 5  # Rows named for each rule that does not hold.


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A part of the check: how many of how many accounts are done, and what does not hold, in words."""

    done: int
    total: int
    problems: tuple[str, ...] = ()


TRANSFERS = {
    "entries of a transfer do not sum to zero": "SELECT transfer_id::text FROM ledger_entries"
    " GROUP BY transfer_id, currency HAVING sum(amount) <> 0",
    "a transfer has no entries": "SELECT id::text FROM ledger_transfers t"
    " WHERE NOT EXISTS (SELECT FROM ledger_entries e WHERE e.transfer_id = t.id)",
    "a currency does not sum to zero": "SELECT currency FROM ledger_entries"
    " GROUP BY currency HAVING sum(amount) <> 0",
}
BALANCES = "a balance differs from its entries"
# %(tenants)s: whose, or NULL for everybody's.
BALANCES_SQL = """
SELECT tenant_id || ' ' || currency FROM (
  SELECT * FROM ledger_balances WHERE %(tenants)s::uuid[] IS NULL OR tenant_id = ANY(%(tenants)s::uuid[])) b
FULL JOIN (
  SELECT a.tenant_id, a.currency,
         coalesce(sum(e.amount) FILTER (WHERE a.name LIKE 'merchant:%%'), 0) AS available,
         coalesce(sum(e.amount) FILTER (WHERE a.name LIKE 'payouts:pending:%%'), 0) AS held
  FROM ledger_accounts a JOIN ledger_entries e ON e.account_id = a.id
  WHERE a.tenant_id IS NOT NULL AND (%(tenants)s::uuid[] IS NULL OR a.tenant_id = ANY(%(tenants)s::uuid[]))
  GROUP BY a.tenant_id, a.currency) s USING (tenant_id, currency)
WHERE (b.available, b.held) IS DISTINCT FROM (coalesce(s.available, 0), coalesce(s.held, 0))
"""


def verify_book() -> list[str]:
    """Every rule of the book that does not hold, in words; an empty list is a healthy book."""
    return _transfers() + _balances(None)


def verify_in_steps(*, merchants_at_once: int = 100) -> Iterator[Step]:
    """The same, account by account. Whoever wants one instant opens a snapshot around it."""
    accounts = _accounts()
    total = sum(accounts.values())
    yield Step(done=0, total=total, problems=tuple(_transfers()))
    done, tenants = 0, sorted(accounts)
    for start in range(0, len(tenants), merchants_at_once):
        some = tenants[start : start + merchants_at_once]
        done += sum(accounts[tenant] for tenant in some)
        yield Step(done=done, total=total, problems=tuple(_balances(some)))


def _accounts() -> dict[UUID, int]:
    """How many accounts each merchant has; one that has but a balance counts for one."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tenant_id, greatest(count(*) FILTER (WHERE of_account), 1) FROM ("
            " SELECT tenant_id, true AS of_account FROM ledger_accounts WHERE tenant_id IS NOT NULL"
            " UNION ALL SELECT tenant_id, false FROM ledger_balances) found GROUP BY tenant_id"
        )
        return dict(cursor.fetchall())


def _transfers() -> list[str]:
    return [problem for what, sql in TRANSFERS.items() for problem in _ask(what, sql)]


def _balances(tenants: list[UUID] | None) -> list[str]:
    return _ask(BALANCES, BALANCES_SQL, tenants=tenants)


def _ask(what: str, sql: str, **params: Any) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(f"{sql} LIMIT {SHOWN}", params or None)
        return [f"{what}: {row[0]}" for row in cursor.fetchall()]
