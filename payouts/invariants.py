"""What must be true of the tables at any instant: one query each, whose rows are the violations.

All are asked in one snapshot (REPEATABLE READ, read only). The names are those of the reliability notes:
conservation, holds, one live attempt, evidence, approval, tenants, audit.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from django.db import connection, transaction

from payouts import funds, seals, tenancy

OPEN = "('requires_approval', 'scheduled', 'pending', 'processing', 'in_doubt', 'sent', 'failed', 'dlq')"
LIVE = "('intent', 'unknown', 'accepted', 'settled')"
SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One invariant: what it says, and the first rows that break it (none: it holds)."""

    name: str
    says: str
    broken: tuple[str, ...]


# name: (what holds, query for what does not; its first column says where)
INVARIANTS: dict[str, tuple[str, str]] = {
    "held_is_in_flight": (
        "what a merchant has on hold is what its open payouts come to",
        f"""SELECT coalesce(b.tenant_id, p.tenant_id) || ' ' || coalesce(b.currency, p.currency)
        FROM ledger_balances b FULL JOIN (SELECT tenant_id, currency, sum(amount) AS total FROM payouts
          WHERE status IN {OPEN} GROUP BY 1, 2) p ON (p.tenant_id, p.currency) = (b.tenant_id, b.currency)
        WHERE coalesce(b.held, 0) <> coalesce(p.total, 0)""",
    ),
    "one_hold_each": (
        "every payout has one hold, equal in money and merchant",
        """SELECT p.id::text FROM payouts p LEFT JOIN payout_holds h ON h.payout_id = p.id WHERE h.id IS NULL
        OR (h.hold_amount, h.currency, h.tenant_id, h.id)
           IS DISTINCT FROM (p.amount, p.currency::varchar, p.tenant_id, p.ledger_hold_id)""",
    ),
    "holds_are_booked": (
        "each hold is a transfer of its amount, and one that ended a second transfer of the same",
        """SELECT coalesce('hold ' || h.id, 'transfers of ' || b.payout_id) FROM payout_holds h FULL JOIN (
          SELECT t.payout_id, min(t.id::text) FILTER (WHERE t.kind = 'hold') AS transfer,
            min(e.currency) || max(e.currency) AS currencies,
            sum(e.amount) FILTER (WHERE t.kind = 'hold') AS held,
            coalesce(sum(e.amount) FILTER (WHERE t.kind = 'capture'), 0) AS captured,
            coalesce(sum(e.amount) FILTER (WHERE t.kind = 'reversal'), 0) AS reversed
          FROM ledger_transfers t JOIN ledger_entries e ON e.transfer_id = t.id AND e.amount > 0
          WHERE t.kind IN ('hold', 'capture', 'reversal') GROUP BY t.payout_id) b ON b.payout_id = h.payout_id
        WHERE (h.ledger_transfer_id::text, h.currency || h.currency, h.hold_amount,
            CASE h.status WHEN 'released' THEN h.hold_amount ELSE 0 END,
            CASE h.status WHEN 'reversed' THEN h.hold_amount ELSE 0 END)
          IS DISTINCT FROM (b.transfer, b.currencies, b.held, b.captured, b.reversed)""",
    ),
    "fees_are_booked": (
        "what a route cost is booked once for what was paid, and for nothing else",
        """SELECT p.id || ': fee of ' || coalesce(f.fee, 0) FROM payouts p LEFT JOIN (
          SELECT t.payout_id, sum(e.amount) AS fee, min(e.currency) || max(e.currency) AS currencies
          FROM ledger_transfers t JOIN ledger_entries e ON e.transfer_id = t.id AND e.amount > 0
          WHERE t.kind = 'fee' GROUP BY t.payout_id) f ON f.payout_id = p.id
        WHERE coalesce(f.fee, 0) <> CASE WHEN p.status IN ('settled', 'returned') THEN p.fee_amount ELSE 0 END
          OR f.currencies <> p.fee_currency || p.fee_currency""",
    ),
    "hold_follows_status": (
        "a hold is active while its payout is open, captured when it was paid, given back when it was not",
        f"""SELECT p.id || ': ' || p.status || ', hold ' || h.status FROM payouts p
        JOIN payout_holds h ON h.payout_id = p.id WHERE h.status <> CASE WHEN p.status IN {OPEN} THEN 'active'
          WHEN p.status IN ('settled', 'returned') THEN 'released' ELSE 'reversed' END""",
    ),
    "one_live_attempt": (
        "at most one attempt of a payout may be at a bank",
        f"""SELECT payout_id::text FROM payout_retry_log WHERE state IN {LIVE}
        GROUP BY payout_id HAVING count(*) > 1""",
    ),
    "closed_is_nowhere": (
        "no refused or cancelled payout has an attempt that may be at a bank",
        f"""SELECT p.id::text FROM payouts p JOIN payout_retry_log a ON a.payout_id = p.id
        WHERE p.status IN ('cancelled', 'rejected') AND a.state IN {LIVE}""",
    ),
    "paid_was_said": (
        "what is sent, settled or returned has an attempt that a bank has, and the bank's word for it",
        """SELECT p.id || ' ' || p.status FROM payouts p WHERE p.status IN ('sent', 'settled', 'returned')
        AND NOT EXISTS (SELECT FROM payout_retry_log a JOIN bank_evidence e ON e.attempt_id = a.id
          WHERE a.payout_id = p.id AND a.state IN ('accepted', 'settled')
          AND e.kind IN ('accepted', 'settled', 'returned'))""",
    ),
    "a_bank_that_contradicts_itself_is_told_of": (
        "where a bank both refused and settled one attempt, a person was told within five minutes",
        """SELECT 'attempt ' || e.attempt_id FROM bank_evidence e WHERE e.attempt_id IS NOT NULL
        GROUP BY e.attempt_id HAVING bool_or(e.kind = 'settled') AND bool_or(e.kind = 'rejected')
          AND max(e.recorded_at) < clock_timestamp() - interval '5 minutes'
          AND NOT EXISTS (SELECT FROM payout_alerts a WHERE a.dedupe_key = ANY (
            array_agg('bank_contradiction:' || e.id)))""",
    ),
    "nothing_is_forgotten": (
        "what waits for a retry has a time for it, and what was claimed has somebody who answers for it",
        f"""SELECT p.id || ' ' || p.status FROM payouts p WHERE
        (p.status = 'failed' AND p.next_retry_at IS NULL)
        OR (p.status IN ('processing', 'in_doubt') AND NOT EXISTS (
          SELECT FROM payout_retry_log a WHERE a.payout_id = p.id AND a.state IN {LIVE}))""",
    ),
    "tenants_apart": (
        "attempts, holds, evidence and alerts of a payout belong to its merchant",
        """SELECT p.id::text FROM payouts p JOIN payout_retry_log a ON a.payout_id = p.id
          WHERE a.tenant_id <> p.tenant_id
        UNION ALL SELECT p.id::text FROM payouts p JOIN bank_evidence e ON e.payout_id = p.id
          WHERE e.tenant_id <> p.tenant_id
        UNION ALL SELECT p.id::text FROM payouts p JOIN payout_alerts l ON l.payout_id = p.id
          WHERE l.tenant_id <> p.tenant_id""",
    ),
    "recall_is_told": (
        "a payout shows where its last recall stands, and one shown as returned has come back",
        """SELECT p.id || ' ' || p.status || ', recall ' || p.recall_status FROM payouts p LEFT JOIN LATERAL (
          SELECT state FROM bank_recalls r WHERE r.payout_id = p.id ORDER BY r.id DESC LIMIT 1) r ON true
        WHERE (p.recall_status = 'returned' AND p.status <> 'returned') OR p.recall_status <>
          CASE r.state WHEN 'unknown' THEN 'requested' WHEN 'sent' THEN 'asked' ELSE coalesce(r.state, 'none') END""",
    ),
    "approved_by_another": (
        "nobody approved a payout of their own, and above the limit somebody did",
        """SELECT id::text FROM payouts WHERE (approved_by <> '' AND approved_by = created_by)
        OR (above_limit AND approved_by = '' AND status NOT IN ('requires_approval', 'cancelled'))""",
    ),
    "every_change_has_an_author": (
        "a payout's audit rows number as many as its record says, and the last one is its status",
        """SELECT p.id::text FROM payouts p LEFT JOIN LATERAL (
          SELECT count(*) AS n FROM payout_audit_log l WHERE l.payout_id = p.id) l ON true
        LEFT JOIN LATERAL (SELECT to_status FROM payout_audit_log l WHERE l.payout_id = p.id
          AND l.to_status <> '' ORDER BY sequence DESC LIMIT 1) s ON true
        WHERE l.n <> p.audit_sequence OR s.to_status IS DISTINCT FROM p.status""",
    ),
    "audit_chain_unbroken": (
        "no audit row was changed, removed or inserted since it was sealed (the last seals; verify_audit: all)",
        seals.BROKEN_CHAIN,
    ),
    "audit_is_sealed": (
        "no audit row waits for its seal longer than five minutes",
        seals.UNSEALED,
    ),
    "batches_add_up": (
        "a batch counts its payouts, all in its own currency",
        """SELECT b.id::text FROM payout_batches b LEFT JOIN payout_batch_items i ON i.batch_id = b.id
        LEFT JOIN payouts p ON p.id = i.payout_id GROUP BY b.id
        HAVING b.total_payouts <> count(p.id) OR b.total_amount <> coalesce(sum(p.amount), 0)
            OR bool_or(p.currency <> b.currency)""",
    ),
}
# What holds between the book and the holds: with the book itself, all of the money.
OF_MONEY = ("holds_are_booked", "held_is_in_flight", "fees_are_booked")
BOOK = ("book", "the ledger balances: transfers, currencies, balances against their entries")
NAMES = (BOOK[0], *INVARIANTS)


def check(only: Collection[str] = ()) -> list[Verdict]:
    """Ask them all, or those named, in one snapshot. Raises KeyError for an unknown name."""
    with snapshot():
        return ask(only)


@contextlib.contextmanager
def snapshot() -> Iterator[None]:
    """What is asked within sees one instant, everybody's rows (whatever the login), and writes nothing."""
    with tenancy.within(tenancy.PLATFORM), transaction.atomic(durable=True):
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerStep:
    """How many of how many accounts are checked; the last step has the verdicts."""

    done: int
    total: int
    verdicts: tuple[Verdict, ...] = ()


def check_ledger() -> Iterator[LedgerStep]:
    """The money alone, account by account in one snapshot."""
    with snapshot():
        problems: list[str] = []
        for step in funds.check_book():
            problems += step.problems
            yield LedgerStep(done=step.done, total=step.total)
        book = Verdict(name=BOOK[0], says=BOOK[1], broken=tuple(problems[:SHOWN]))
        yield LedgerStep(done=step.done, total=step.total, verdicts=(book, *ask(OF_MONEY)))


def ask(only: Collection[str] = ()) -> list[Verdict]:
    """The same without a snapshot over all of them: each is one statement, so each is true of an instant."""
    return [_ask(name) for name in only or NAMES]


def _ask(name: str) -> Verdict:
    if name == BOOK[0]:
        return Verdict(name=name, says=BOOK[1], broken=tuple(funds.problems()[:SHOWN]))
    says, sql = INVARIANTS[name]
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM ({sql}) broken LIMIT {SHOWN}")
        return Verdict(name=name, says=says, broken=tuple(row[0] for row in cursor.fetchall()))
