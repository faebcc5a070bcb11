"""What one snapshot of the database must be by itself: one query for each rule, whose rows break it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import psycopg

from tests.chaos.facts import WAYS, Violation

SHOWN = 10
OPEN = "('requires_approval', 'scheduled', 'pending', 'processing', 'in_doubt', 'sent', 'failed', 'dlq')"
LIVE = "('intent', 'unknown', 'accepted', 'settled')"
STEPS = ", ".join(f"('{old}', '{new}')" for old, ways in WAYS.items() for new in ways)
# Above which amount a second person must agree, where the merchant has no limit of its own.
LIMIT = """coalesce((t.settings #>> ARRAY['approval_limits', p.currency])::numeric,
  CASE p.currency WHEN 'XOF' THEN 5000000 ELSE 10000 END)"""


@dataclass(frozen=True, slots=True)
class Rule:
    """`sql` selects what is wrong: whose (text) and how (text)."""

    invariant: str
    says: str
    sql: str


ALWAYS = (
    Rule(
        "I01",
        "the entries of a currency do not sum to zero",
        "SELECT currency::text, sum(amount)::text FROM ledger_entries GROUP BY 1 HAVING sum(amount) <> 0",
    ),
    Rule(
        "I02",
        "a transfer is not balanced, or has no two legs",
        """SELECT t.id::text, t.kind || ' of ' || coalesce(t.payout_id::text, 'nobody') FROM ledger_transfers t
        LEFT JOIN ledger_entries e ON e.transfer_id = t.id GROUP BY t.id, e.currency
        HAVING count(e.id) < 2 OR sum(e.amount) <> 0
        UNION ALL SELECT e.transfer_id::text, 'there is no such transfer' FROM ledger_entries e
        WHERE NOT EXISTS (SELECT FROM ledger_transfers t WHERE t.id = e.transfer_id)""",
    ),
    Rule(
        "I03",
        "a balance is not what its entries come to, or is below zero",
        """SELECT coalesce(b.tenant_id, s.tenant_id)::text, coalesce(b.currency, s.currency) || ': '
          || coalesce(b.available::text, '-') || ' and ' || coalesce(b.held::text, '-') || ', entries say '
          || coalesce(s.available::text, '-') || ' and ' || coalesce(s.held::text, '-')
        FROM ledger_balances b FULL JOIN (
          SELECT a.tenant_id, a.currency,
            coalesce(sum(e.amount) FILTER (WHERE a.name = 'merchant:' || a.tenant_id || ':available_balance'), 0)
              AS available,
            coalesce(sum(e.amount) FILTER (WHERE a.name = 'payouts:pending:' || a.tenant_id), 0) AS held
          FROM ledger_accounts a LEFT JOIN ledger_entries e ON e.account_id = a.id
          WHERE a.tenant_id IS NOT NULL GROUP BY 1, 2) s
          ON s.tenant_id = b.tenant_id AND s.currency = b.currency
        WHERE (coalesce(b.available, 0), coalesce(b.held, 0))
              IS DISTINCT FROM (coalesce(s.available, 0), coalesce(s.held, 0))
           OR b.available < 0 OR b.held < 0""",
    ),
    Rule(
        "I04",
        "what is held is not what the open payouts come to",
        f"""SELECT coalesce(b.tenant_id, p.tenant_id)::text, coalesce(b.currency, p.currency) || ': held '
          || coalesce(b.held, 0) || ', open ' || coalesce(p.total, 0)
        FROM ledger_balances b FULL JOIN (SELECT tenant_id, currency, sum(amount) AS total FROM payouts
          WHERE status IN {OPEN} GROUP BY 1, 2) p ON (p.tenant_id, p.currency) = (b.tenant_id, b.currency)
        WHERE coalesce(b.held, 0) <> coalesce(p.total, 0)""",
    ),
    Rule(
        "I05",
        "a hold is not resolved as its payout ended, or money moved for it otherwise",
        f"""SELECT p.id::text, p.status || ': ' || coalesce(h.n, 0) || ' holds, ' || coalesce(h.states, '')
          || '; transfers ' || coalesce(t.kinds, '')
        FROM payouts p
        LEFT JOIN (SELECT payout_id, count(*) AS n, string_agg(status, ',') AS states
          FROM payout_holds GROUP BY 1) h ON h.payout_id = p.id
        LEFT JOIN (SELECT payout_id, string_agg(kind, ',' ORDER BY kind) AS kinds FROM ledger_transfers
          WHERE payout_id IS NOT NULL AND kind <> 'fee' GROUP BY 1) t ON t.payout_id = p.id
        WHERE coalesce(h.n, 0) <> 1
          OR h.states IS DISTINCT FROM (CASE WHEN p.status IN {OPEN} THEN 'active'
            WHEN p.status IN ('settled', 'returned') THEN 'released' ELSE 'reversed' END)
          OR t.kinds IS DISTINCT FROM (CASE WHEN p.status IN {OPEN} THEN 'hold'
            WHEN p.status = 'settled' THEN 'capture,hold' WHEN p.status = 'returned' THEN 'capture,hold,return'
            ELSE 'hold,reversal' END)""",
    ),
    Rule(
        "I05",
        "what the route cost is not booked once for what was paid, or is for what was not",
        """SELECT p.id::text, p.status || ': cost ' || p.fee_amount || ', booked ' || coalesce(f.fee, 0) FROM payouts p
        LEFT JOIN (SELECT t.payout_id, sum(e.amount) AS fee FROM ledger_transfers t JOIN ledger_entries e
          ON e.transfer_id = t.id AND e.amount > 0 WHERE t.kind = 'fee' GROUP BY 1) f ON f.payout_id = p.id
        WHERE coalesce(f.fee, 0) <> CASE WHEN p.status IN ('settled', 'returned') THEN p.fee_amount ELSE 0 END""",
    ),
    Rule(
        "I06",
        "more than one attempt may be at a bank, or two carry one reference",
        f"""SELECT payout_id::text, string_agg(reference || ' ' || state, ', ') FROM payout_retry_log
        WHERE state IN {LIVE} GROUP BY payout_id HAVING count(*) > 1
        UNION ALL SELECT min(payout_id::text), reference FROM payout_retry_log
        GROUP BY bank_connector_id, reference HAVING count(*) > 1""",
    ),
    Rule(
        "I07",
        "a bank is believed to have settled and refused one order",
        """SELECT payout_id::text, attempt_id::text FROM bank_evidence WHERE attempt_id IS NOT NULL
        GROUP BY 1, 2 HAVING bool_or(kind = 'settled') AND bool_or(kind = 'rejected')""",
    ),
    Rule(
        "I08",
        "closed, and yet an attempt may be at a bank",
        f"""SELECT p.id::text, p.status || ', attempt ' || a.attempt_number || ' ' || a.state
        FROM payouts p JOIN payout_retry_log a ON a.payout_id = p.id
        WHERE p.status IN ('cancelled', 'rejected') AND a.state IN {LIVE}""",
    ),
    Rule(
        "I09",
        "nobody's word says that a bank has it",
        """SELECT p.id::text, p.status FROM payouts p WHERE p.status IN ('sent', 'settled', 'returned')
        AND NOT EXISTS (SELECT FROM payout_retry_log a JOIN bank_evidence e ON e.attempt_id = a.id
          WHERE a.payout_id = p.id AND a.state = ANY (CASE p.status WHEN 'sent' THEN ARRAY['accepted', 'settled']
            ELSE ARRAY['settled'] END)
          AND e.kind = ANY (CASE p.status WHEN 'sent' THEN ARRAY['accepted', 'settled']
            WHEN 'settled' THEN ARRAY['settled'] ELSE ARRAY['returned'] END))""",
    ),
    Rule(
        "I11",
        "money or records of one merchant stand with another, or in another currency",
        """SELECT t.payout_id::text, a.name FROM ledger_entries e JOIN ledger_accounts a ON a.id = e.account_id
          JOIN ledger_transfers t ON t.id = e.transfer_id
          WHERE a.currency <> e.currency OR (a.tenant_id IS NOT NULL AND a.tenant_id IS DISTINCT FROM t.tenant_id)
        UNION ALL SELECT p.id::text, 'transfer ' || t.kind FROM ledger_transfers t JOIN payouts p ON p.id = t.payout_id
          WHERE t.tenant_id IS DISTINCT FROM p.tenant_id
        UNION ALL SELECT p.id::text, 'attempt' FROM payout_retry_log a JOIN payouts p ON p.id = a.payout_id
          WHERE a.tenant_id <> p.tenant_id
        UNION ALL SELECT p.id::text, 'evidence' FROM bank_evidence e JOIN payouts p ON p.id = e.payout_id
          WHERE e.tenant_id IS DISTINCT FROM p.tenant_id
        UNION ALL SELECT p.id::text, 'audit' FROM payout_audit_log l JOIN payouts p ON p.id = l.payout_id
          WHERE l.tenant_id IS DISTINCT FROM p.tenant_id
        UNION ALL SELECT p.id::text, 'account' FROM beneficiary_accounts a JOIN payouts p
          ON p.beneficiary_account_id = a.id WHERE a.tenant_id <> p.tenant_id""",
    ),
    Rule(
        "I12",
        "a hold, or a transfer for it, is not the payout's own money",
        """SELECT p.id::text, 'hold of ' || h.hold_amount || ' ' || h.currency || ' for ' || p.amount
          FROM payouts p JOIN payout_holds h ON h.payout_id = p.id
          WHERE (h.hold_amount, h.currency, h.tenant_id, h.id)
            IS DISTINCT FROM (p.amount, p.currency::varchar, p.tenant_id, p.ledger_hold_id)
        UNION ALL SELECT p.id::text, t.kind || ' of ' || e.amount || ' ' || e.currency || ' for ' || p.amount
          FROM payouts p JOIN ledger_transfers t ON t.payout_id = p.id AND t.kind <> 'fee'
          JOIN ledger_entries e ON e.transfer_id = t.id
          WHERE abs(e.amount) <> p.amount OR e.currency <> p.currency""",
    ),
    Rule(
        "I13",
        "a seal does not follow the one before it, or has other audit rows than there are",
        """SELECT number::text, octet_length(members) / 40 || ' rows up to ' || upto FROM (
          SELECT *, lag(hash) OVER w AS earlier, lag(upto) OVER w AS since, row_number() OVER w AS place
          FROM audit_seals WINDOW w AS (ORDER BY number)) s
        WHERE number <> place OR previous <> coalesce(earlier, decode(repeat('00', 32), 'hex'))
          OR octet_length(members) / 40 <> (SELECT count(*) FROM payout_audit_log l
            WHERE l.id <= s.upto AND (s.since IS NULL OR l.id > s.since))""",
    ),
    Rule(
        "I14",
        "a change has no audit row by somebody with a name",
        """SELECT p.id::text, 'status ' || p.status || ', the last audit row says ' || coalesce(l.last, 'nothing')
          || '; ' || coalesce(l.n, 0) || ' rows of ' || p.audit_sequence
          FROM payouts p LEFT JOIN (SELECT payout_id, count(*) AS n, max(sequence) AS top, min(sequence) AS first,
            (array_agg(to_status ORDER BY sequence DESC) FILTER (WHERE to_status <> ''))[1] AS last
            FROM payout_audit_log GROUP BY 1) l ON l.payout_id = p.id
          WHERE (l.n, l.top, l.first, l.last) IS DISTINCT FROM (p.audit_sequence::bigint, p.audit_sequence, 1, p.status)
        UNION ALL SELECT payout_id::text, 'row ' || sequence || ' by "' || actor || '" comes from ' || from_status
          || ' after ' || earlier FROM (SELECT *, lag(to_status, 1, '') OVER
            (PARTITION BY payout_id ORDER BY sequence) AS earlier FROM payout_audit_log
            WHERE payout_id IS NOT NULL AND to_status <> '') l
          WHERE from_status <> earlier OR actor = '' OR actor LIKE 'sql:%'
        UNION ALL SELECT l.payout_id::text, 'there is no such payout' FROM payout_audit_log l
          WHERE l.action = 'payout.created' AND NOT EXISTS (SELECT FROM payouts p WHERE p.id = l.payout_id)""",
    ),
    Rule(
        "I15",
        "above the limit, and no second person agreed",
        f"""SELECT p.id::text, p.amount || ' ' || p.currency || ' is ' || p.status || ', approved by "'
          || p.approved_by || '"' FROM payouts p JOIN tenants t ON t.id = p.tenant_id
          WHERE (p.approved_by <> '' AND p.approved_by = p.created_by)
          OR (p.amount > {LIMIT} AND p.status NOT IN ('requires_approval', 'cancelled') AND p.approved_by = '')
        UNION ALL SELECT l.payout_id::text, l.actor || ' let go what was theirs' FROM payout_audit_log l
          JOIN payout_audit_log c ON c.payout_id = l.payout_id AND c.sequence = 1
          WHERE l.from_status = 'requires_approval' AND l.to_status IN ('pending', 'scheduled')
          AND l.actor = c.actor""",
    ),
    Rule(
        "I25",
        "one key, several payouts",
        """SELECT min(id::text), tenant_id || ' ' || external_id || ': ' || string_agg(id::text, ', ') FROM payouts
        GROUP BY tenant_id, external_id HAVING count(*) > 1""",
    ),
    Rule(
        "I28",
        "went where no way leads",
        f"""SELECT payout_id::text, from_status || ' -> ' || to_status || ' by ' || actor FROM payout_audit_log
        WHERE payout_id IS NOT NULL AND to_status <> '' AND from_status <> to_status
        AND (from_status, to_status) NOT IN ({STEPS})""",
    ),
)
# What nobody comes back for is forgotten, and so is what is still not done when everything had its time.
DRAINED = (
    Rule(
        "I10",
        "is not finished",
        """SELECT id::text, status FROM payouts WHERE status IN ('pending', 'processing', 'in_doubt', 'failed')
        UNION ALL SELECT id::text, status || ' for ' || scheduled_at FROM payouts WHERE status = 'scheduled'
          AND batch_id IS NULL AND scheduled_at < clock_timestamp() + make_interval(secs =>
            coalesce((SELECT offset_seconds FROM sandbox_clock LIMIT 1), 0)) - interval '30 seconds'""",
    ),
)


# Whoever called a bank and lives writes down how it ended, the lease being theirs or not. (A process that dies
# takes what it heard with it: then the bank is asked again, and this cannot be asked.)
UNHEARD = Rule(
    "I18",
    "a bank was called more often than somebody wrote down how that ended",
    """SELECT t.id::text, t.rail || ': ' || t.sends || ' calls, ' || count(DISTINCT e.source_key) || ' answers'
    FROM bank_transmissions t LEFT JOIN bank_evidence e ON e.source = 'answer'
      AND e.source_key LIKE 'answer:' || t.id || ':%'
    GROUP BY t.id HAVING t.sends > count(DISTINCT e.source_key)""",
)


def broken(connection: psycopg.Connection[Any], *, drained: bool) -> list[Violation]:
    """What the snapshot of an open transaction breaks; of each rule the first rows."""
    return _ask(connection, *ALWAYS, *(DRAINED if drained else ()))


def unheard(connection: psycopg.Connection[Any]) -> list[Violation]:
    """Calls at rest that left no word behind, where nobody died."""
    return _ask(connection, UNHEARD)


def _ask(connection: psycopg.Connection[Any], *rules: Rule) -> list[Violation]:
    found = []
    for rule in rules:
        rows = connection.execute(f"SELECT * FROM ({rule.sql}) wrong LIMIT {SHOWN}").fetchall()
        found += [
            Violation(rule.invariant, subject or "-", f"{rule.says} ({how})")
            for subject, how in rows
        ]
    return found
