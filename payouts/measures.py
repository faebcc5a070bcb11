"""What the database itself counts, exactly, whoever was killed meanwhile.

Every change of a status is an audit row written in the same transaction, so payouts created, processed and
present in each status, and how long they took, are sums over those rows. `fold` adds final rows to
`metric_totals`; a reader adds the few rows after the cursor to them, in one statement and thus one snapshot.
Nothing is written by T0 to T2, no row is hot, and a fold that never runs costs speed, not truth.

Ids are drawn before transactions commit, so a row may appear below one that is there already. A fold
therefore notes the highest id together with the next transaction id, and takes rows up to it only when every
transaction before that one has ended (a status is written before its audit row, so whoever drew an id had a
transaction id).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import connection, transaction

from payouts import banks, clock
from payouts.banks import BankHealth
from payouts.models import Status

FOLD_ROWS = 50_000
PROCESSING_S = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
SETTLEMENT_H = (
    0.001, 0.01, 0.1, 0.5, 1, 4, 8, 12, 24, 36, 48, 72, 96, 120, 168, 240,
)  # fmt: skip
CREATED = ""  # The status that a payout comes from when it is created.
OPEN = (
    "requires_approval", "scheduled", "pending", "processing", "in_doubt", "sent", "failed", "dlq",
)  # fmt: skip
REACHED = ("in_doubt", "sent", "failed", "dlq", "settled", "rejected", "cancelled", "returned")

# Sums over audit rows after %(after)s and up to %(upto)s: (metric, label, bucket, observations, total).
# `moves`: changes of status. `processing`: seconds from a claim to what came of it. `settlement`: hours of
# business time from creation to settlement.
SUMS = """
WITH fresh AS MATERIALIZED (
  SELECT payout_id, sequence, from_status, to_status, created_at FROM payout_audit_log
  WHERE id > %(after)s AND id <= %(upto)s AND payout_id IS NOT NULL AND from_status <> to_status)
SELECT 'moves' AS metric, from_status || '>' || to_status AS label, 0 AS bucket, count(*) AS observations,
  0::numeric AS total FROM fresh GROUP BY label
UNION ALL
SELECT 'processing', p.rail, width_bucket(d.took, %(seconds)s::float8[]), count(*), sum(d.took)::numeric
FROM fresh f JOIN payouts p ON p.id = f.payout_id CROSS JOIN LATERAL (
  SELECT extract(epoch FROM f.created_at - b.created_at)::float8 AS took FROM payout_audit_log b
  WHERE b.payout_id = f.payout_id AND b.sequence < f.sequence AND b.to_status = 'processing'
    AND b.from_status <> 'processing' ORDER BY b.sequence DESC LIMIT 1) d
WHERE f.from_status = 'processing' GROUP BY 2, 3
UNION ALL
SELECT 'settlement', rail, width_bucket(took, %(hours)s::float8[]), count(*), sum(took)::numeric FROM (
  SELECT p.rail, extract(epoch FROM p.settled_at - p.created_at)::float8 / 3600 AS took
  FROM fresh f JOIN payouts p ON p.id = f.payout_id WHERE f.to_status = 'settled') s GROUP BY 2, 3
"""
BOUNDS = {
    name: "{" + ",".join(str(bound) for bound in bounds) + "}"  # an array, as PostgreSQL writes it
    for name, bounds in (("seconds", PROCESSING_S), ("hours", SETTLEMENT_H))
}


@dataclass(slots=True)
class Distribution:
    """How many observations fell below each bound (not cumulated), and their sum."""

    counts: list[int]
    total: float = 0


@dataclass(slots=True)
class Counted:
    """What audit rows add up to."""

    created: int = 0
    reached: dict[str, int] = field(default_factory=dict)  # status -> how often
    present: dict[str, int] = field(default_factory=dict)  # status -> payouts in it now
    processing_s: dict[str, Distribution] = field(default_factory=dict)  # by rail
    settlement_h: dict[str, Distribution] = field(default_factory=dict)


# --- folding --------------------------------------------------------------------------------------------


def fold(*, limit: int = 20) -> int:
    """Add audit rows that are final to the totals, in short transactions. Returns how many ids were passed."""
    passed = 0
    for _ in range(limit):
        step = _fold_once()
        passed += step
        if not step:
            break
    return passed


def _fold_once() -> int:
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO metric_cursor (id, audit_id, seen_id, seen_xid) VALUES (1, 0, 0, 0) ON CONFLICT DO NOTHING"
        )
        cursor.execute(
            "SELECT audit_id, seen_id, seen_xid <= pg_snapshot_xmin(pg_current_snapshot())::text::bigint,"
            " pg_snapshot_xmax(pg_current_snapshot())::text::bigint,"
            " coalesce((SELECT max(id) FROM payout_audit_log), 0) FROM metric_cursor"
        )
        after, seen, final, next_xid, highest = cursor.fetchone()
        if seen <= after:
            if highest > after:
                cursor.execute(
                    "UPDATE metric_cursor SET seen_id = %s, seen_xid = %s WHERE audit_id = %s",
                    [highest, next_xid, after],
                )
            return 0
        if not final:
            return 0
        upto: int = min(seen, after + FOLD_ROWS)
        cursor.execute(
            f"INSERT INTO metric_totals AS t (metric, label, bucket, observations, total) {SUMS}"
            " ON CONFLICT (metric, label, bucket) DO UPDATE SET observations = t.observations + excluded.observations,"
            " total = t.total + excluded.total",
            {"after": after, "upto": upto, **BOUNDS},
        )
        cursor.execute("UPDATE metric_cursor SET audit_id = %s WHERE audit_id = %s", [upto, after])
        if cursor.rowcount != 1:  # Another process folded the same rows.
            transaction.set_rollback(True)
            return 0
        return upto - int(after)


def counted() -> Counted:
    """The totals as of now: what is folded, and the rows after it."""
    with connection.cursor() as cursor:
        cursor.execute(
            "WITH c AS (SELECT coalesce(max(audit_id), 0) AS audit_id FROM metric_cursor)"
            " SELECT metric, label, bucket, observations, total::float8 FROM metric_totals"
            f" UNION ALL SELECT metric, label, bucket, observations, total::float8 FROM ({SUMS}) fresh"
            % _quoted(),
            BOUNDS,
        )
        return _add_up(cursor.fetchall())


def _quoted() -> dict[str, str]:
    """The reader's bounds of rows are expressions; the arrays stay parameters."""
    names = {name: f"%({name})s" for name in BOUNDS}
    return {"after": "(SELECT audit_id FROM c)", "upto": "9223372036854775807", **names}


def _add_up(rows: Sequence[tuple[Any, ...]]) -> Counted:
    found = Counted(reached=dict.fromkeys(REACHED, 0), present=dict.fromkeys(Status.values, 0))
    for metric, label, bucket, observations, total in rows:
        if metric == "moves":
            came, _, went = label.partition(">")
            if came == CREATED:
                found.created += observations
            else:
                found.present[came] -= observations
            if went in found.reached:
                found.reached[went] += observations
            found.present[went] += observations
        else:
            bounds, by_rail = (
                (PROCESSING_S, found.processing_s)
                if metric == "processing"
                else (SETTLEMENT_H, found.settlement_h)
            )
            one = by_rail.setdefault(label, Distribution([0] * (len(bounds) + 1)))
            one.counts[bucket] += observations
            one.total += total
    return found


# --- how things stand -------------------------------------------------------------------------------------

QUEUES = """
SELECT 'ready', count(*), extract(epoch FROM clock_timestamp() - min(updated_at))::float8
FROM v_payouts_ready_for_processing
UNION ALL SELECT 'retry', count(*), extract(epoch FROM clock_timestamp() - min(next_retry_at))::float8
FROM v_payouts_retry_queue
UNION ALL SELECT 'inquiry', count(*), extract(epoch FROM clock_timestamp() - min(next_inquiry_at))::float8
FROM bank_transmissions WHERE state = 'in_doubt' AND next_inquiry_at <= clock_timestamp()
UNION ALL SELECT 'documents', count(*), extract(epoch FROM clock_timestamp() - min(received_at))::float8
FROM bank_documents WHERE read_at IS NULL
"""
OLDEST = " UNION ALL ".join(
    f"SELECT '{status}', extract(epoch FROM clock_timestamp() - min(updated_at))::float8"
    f" FROM payouts WHERE status = '{status}'"
    for status in ("requires_approval", "pending", "processing", "in_doubt", "failed", "dlq")
)
LATE = """
SELECT rail, count(*) FROM (
  SELECT rail FROM payouts WHERE NOT sla_violated AND sla_target_at < %(now)s AND status IN
    ('requires_approval', 'scheduled', 'pending', 'processing', 'in_doubt', 'sent', 'failed', 'dlq')
  UNION ALL SELECT rail FROM payouts WHERE sla_violated AND status IN
    ('requires_approval', 'scheduled', 'pending', 'processing', 'in_doubt', 'sent', 'failed', 'dlq')) late
GROUP BY rail
"""
VIOLATED = "SELECT rail, count(*) FROM payouts WHERE sla_violated GROUP BY rail"
ALERTS = "SELECT alert_type, severity, count(*) FROM payout_alerts WHERE NOT resolved GROUP BY 1, 2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How things stand now: rows of counts and ages (seconds), read by indexes."""

    queues: list[tuple[str, int, float | None]]
    oldest: list[tuple[str, float | None]]
    late: list[tuple[str, int]]
    violated: list[tuple[str, int]]
    alerts: list[tuple[str, str, int]]
    connectors: list[BankHealth]
    rails: list[str]
    clock_ahead_s: float


def standing() -> Standing:
    """Read it all. What is late is late by business time."""
    now = clock.now()
    connectors = banks.health_report()
    return Standing(
        queues=list(_rows(QUEUES)),
        oldest=list(_rows(OLDEST)),
        late=list(_rows(LATE, now=now)),
        violated=list(_rows(VIOLATED)),
        alerts=list(_rows(ALERTS)),
        connectors=connectors,
        rails=sorted({bank.rail for bank in connectors}),
        clock_ahead_s=(now - clock.technical_now()).total_seconds(),
    )


def connector_names() -> list[tuple[str, str]]:
    """(name, rail) of every bank in use."""
    return [(bank.key.partition(":")[0], bank.rail) for bank in banks.health_report()]


def _rows(sql: str, **params: Any) -> Iterator[Any]:
    with connection.cursor() as cursor:
        cursor.execute(sql, params or None)
        yield from cursor.fetchall()
