"""What the checker knows: the bank's record, the clients' log, and one snapshot of the database.

The order in which they are read is what keeps a rule from failing by timing alone. An engine that works
only ever adds to all three, so

* the bank's record and the log (`before`) are read first: whatever they hold had already happened, so the
  snapshot behind them must agree ("the bank booked it, so the payout exists and is not cancelled");
* the log is read again after the snapshot (`after`): whatever the snapshot holds that somebody must have asked
  for was written down before it was sent, so it stands in there.

Nothing is asked the other way round while the engine runs ("settled here, so the bank's record has it" is
asked only after the drain): the record would be the older of the two.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

import psycopg

from tests.chaos.clients_log import Call

# The life of a payout, written by hand from the design: status -> where it may go.
WAYS: dict[str, tuple[str, ...]] = {
    "": ("requires_approval", "scheduled", "pending"),
    "requires_approval": ("pending", "scheduled", "cancelled"),
    "scheduled": ("pending", "cancelled"),
    "pending": ("processing", "cancelled"),
    "processing": ("sent", "settled", "in_doubt", "failed", "dlq", "rejected", "returned"),
    "in_doubt": ("sent", "settled", "failed", "rejected", "returned", "processing", "dlq"),
    "sent": ("settled", "returned", "rejected", "failed", "dlq"),
    "failed": ("processing", "dlq", "cancelled"),
    "dlq": ("pending", "cancelled", "sent", "settled", "rejected", "returned"),
    "settled": ("returned",),
    "rejected": (),
    "cancelled": (),
    "returned": (),
}
ENDS = ("settled", "rejected", "cancelled", "returned")


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule, named by its invariant, and what breaks it."""

    invariant: str
    subject: str
    says: str

    def __str__(self) -> str:
        return f"{self.invariant} {self.subject}: {self.says}"


@dataclass(frozen=True, slots=True)
class Payout:
    id: str
    tenant: str
    key: str
    amount: Decimal
    currency: str
    status: str
    account_id: str
    last4: str
    cancel_requested: bool


@dataclass(frozen=True, slots=True)
class Deposit:
    tenant: str
    reference: str
    amount: Decimal
    currency: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    records: Sequence[dict[str, Any]]
    before: Sequence[Call]
    after: Sequence[Call]
    payouts: dict[str, Payout]
    references: dict[str, set[str]]  # payout -> the references of its attempts
    deposits: Sequence[Deposit]
    balances: dict[tuple[str, str], tuple[Decimal, Decimal]]  # (tenant, currency) -> free, held
    cleared: dict[str, Decimal]  # currency -> what left through the clearing accounts
    drained: bool
    by_key: dict[tuple[str, str], list[Payout]] = field(default_factory=dict)


def gather(
    connection: psycopg.Connection[Any],
    *,
    records: Sequence[dict[str, Any]],
    before: Sequence[Call],
    after: Sequence[Call],
    drained: bool,
) -> Facts:
    """The facts, with the snapshot taken from an open transaction."""
    payouts = {row[0]: Payout(*row) for row in connection.execute(PAYOUTS).fetchall()}
    references: dict[str, set[str]] = defaultdict(set)
    for payout_id, reference in connection.execute(REFERENCES).fetchall():
        references[payout_id].add(reference)
    by_key: dict[tuple[str, str], list[Payout]] = defaultdict(list)
    for payout in payouts.values():
        by_key[payout.tenant, payout.key].append(payout)
    return Facts(
        records=records,
        before=before,
        after=after,
        payouts=payouts,
        references=references,
        deposits=[Deposit(*row) for row in connection.execute(DEPOSITS).fetchall()],
        balances={(row[0], row[1]): (row[2], row[3]) for row in connection.execute(BALANCES)},
        cleared=dict(connection.execute(CLEARED).fetchall()),
        drained=drained,
        by_key=by_key,
    )


PAYOUTS = """
SELECT p.id::text, p.tenant_id::text, p.external_id, p.amount, p.currency, p.status, p.beneficiary_account_id::text,
       coalesce(a.last4, ''), p.cancel_requested_at IS NOT NULL
FROM payouts p LEFT JOIN beneficiary_accounts a ON a.id = p.beneficiary_account_id"""
REFERENCES = "SELECT payout_id::text, reference FROM payout_retry_log"
DEPOSITS = """
SELECT t.tenant_id::text, t.reference, e.amount, e.currency, t.created_at FROM ledger_transfers t
JOIN ledger_entries e ON e.transfer_id = t.id JOIN ledger_accounts a ON a.id = e.account_id
WHERE t.kind = 'deposit' AND a.name LIKE 'merchant:%'"""
BALANCES = "SELECT tenant_id::text, currency, available, held FROM ledger_balances"
CLEARED = """
SELECT e.currency, sum(e.amount) FROM ledger_entries e JOIN ledger_accounts a ON a.id = e.account_id
WHERE a.name LIKE 'clearing:%' GROUP BY 1"""
