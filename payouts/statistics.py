"""What routing learns: counted from `bank_evidence` by a job, never while a payout is created or told to a bank.

What counts as the route's success or failure: a settlement is a success. A refusal or a return counts as a
failure only if its reason is the route's fault (it leads to `retry` or `retry_other_rail`): a closed account
or wrong details say nothing about the bank that reported them. What never left, or is in doubt, is the
breaker's business and counts nothing until the bank has spoken.

Each row counts once, whoever runs the job and however often it is killed: counting and moving the cursor
are one transaction. Ids are drawn before a commit, so the job first notes how far the table reaches and
counts up to there only when every transaction that was open then is over: nobody can slip in behind it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from uuid import UUID

from django.db import connection, transaction

PRIOR = Decimal("0.95")  # What an unknown route is believed to manage…
WEIGHT = 5  # … and how many payouts of experience that belief weighs.
ENOUGH = 20  # Fewer settlements than this say nothing about time.
AT_ONCE = 50_000  # Rows of evidence counted in one transaction.
MINUTE, HOUR, DAY = 60, 3600, 86400
# How many seconds after its promise (before it: negative) something settled, in steps.
LATENESS_EDGES_S = (
    -3 * DAY, -2 * DAY, -DAY, -18 * HOUR, -12 * HOUR, -9 * HOUR, -6 * HOUR, -3 * HOUR, -HOUR, -30 * MINUTE,
    -10 * MINUTE, -3 * MINUTE, -MINUTE, -30, -20, -10, -8, -6, -4, -2, 0, 2, 5, 10, 30, MINUTE, 3 * MINUTE,
    10 * MINUTE, 30 * MINUTE, HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 2 * DAY, 3 * DAY, 5 * DAY, 10 * DAY,
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """A row of `routing_statistics`. `institution` "": all of a bank's together."""

    bank_connector_id: UUID
    institution: str
    measure: str  # success | failure | lateness
    bucket: int
    seen: int


@dataclass(slots=True)
class Seen:
    """What was seen, ready to be asked: pure, built once for a list of payouts."""

    rails: Mapping[UUID, str]
    outcomes: dict[tuple[object, str], list[int]] = field(default_factory=dict)
    times: dict[tuple[UUID, str], dict[int, int]] = field(default_factory=dict)
    _known: dict[tuple[UUID, str], Decimal] = field(default_factory=dict)

    @classmethod
    def of(cls, counts: Iterable[Count], *, rails: Mapping[UUID, str]) -> Seen:
        """`rails` names the rail of each connection, so that one without experience learns from its rail."""
        seen = cls(rails)
        for count in counts:
            key = (count.bank_connector_id, count.institution)
            if count.measure == "lateness":
                seen.times.setdefault(key, {})[count.bucket] = count.seen
                continue
            seen._add(key, count)
            if not count.institution and count.bank_connector_id in rails:
                seen._add((rails[count.bank_connector_id], ""), count)
        return seen

    def _add(self, key: tuple[object, str], count: Count) -> None:
        tally = self.outcomes.setdefault(key, [0, 0])
        tally[0 if count.measure == "success" else 1] += count.seen

    def tally(self, connector_id: UUID, institution: str) -> tuple[int, int]:
        """Successes and failures of a connection at an institution."""
        good, bad = self.outcomes.get((connector_id, institution), (0, 0))
        return good, bad

    def success(self, connector_id: UUID, institution: str) -> Decimal:
        """The probability that a payout over this connection to this institution succeeds.

        Shrunk three times: what was seen at the institution counts against what the connection manages
        elsewhere, that against its rail, and that against PRIOR; each belief weighs as much as WEIGHT
        payouts. So something new is neither 0 nor 1, and experience prevails as it grows.
        """
        if (connector_id, institution) in self._known:
            return self._known[connector_id, institution]
        p = PRIOR
        for key in (
            (self.rails.get(connector_id), ""),
            (connector_id, ""),
            (connector_id, institution),
        ):
            good, bad = self.outcomes.get(key, (0, 0))
            p = (good + WEIGHT * p) / (good + bad + WEIGHT)
        self._known[connector_id, institution] = p.quantize(Decimal("0.0001"))
        return self._known[connector_id, institution]

    def lateness_s(self, connector_id: UUID, institution: str) -> int:
        """By how many seconds half of what settled here missed its promise (negative: was early).

        The institution's own median if it was seen often enough, else the connection's, else 0: then the
        rule's promise is the best guess.
        """
        for key in ((connector_id, institution), (connector_id, "")):
            buckets = self.times.get(key, {})
            if sum(buckets.values()) >= ENOUGH:
                return _median(buckets)
        return 0


def _median(buckets: Mapping[int, int]) -> int:
    """The upper edge of the step in which the middle one lies."""
    half, passed = sum(buckets.values()) / 2, 0
    for bucket in sorted(buckets):
        passed += buckets[bucket]
        if passed >= half:
            break
    return LATENESS_EDGES_S[min(bucket, len(LATENESS_EDGES_S) - 1)]


def look(institutions: Sequence[str], *, rails: Mapping[UUID, str]) -> Seen:
    """What was seen at these institutions, and at every connection as a whole. One query."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT bank_connector_id, institution, measure, bucket, seen FROM routing_statistics"
            " WHERE institution = ANY(%s)",
            [["", *sorted(set(institutions))]],
        )
        names = tuple(Count.__slots__)
        counts = [Count(**dict(zip(names, row, strict=True))) for row in cursor.fetchall()]
    return Seen.of(counts, rails=rails)


# --- the job ----------------------------------------------------------------------------------------


def count_evidence() -> int:
    """Count what became countable, then note how far to count next time. Returns how many rows were read."""
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute("INSERT INTO routing_cursor (id) VALUES (1) ON CONFLICT DO NOTHING")
        # The update is the lock: a second job waits here, and then finds nothing left to do.
        cursor.execute(
            "UPDATE routing_cursor SET counted_to = counted_to WHERE id = 1"
            " RETURNING counted_to, pending_to, pending_xid"
        )
        low, high, xid = cursor.fetchone()
        cursor.execute(
            # One statement, one snapshot: who drew an id below `reach` has a number below `newest`.
            "SELECT pg_snapshot_xmin(s)::text::bigint, pg_snapshot_xmax(s)::text::bigint,"
            " (SELECT coalesce(max(id), 0) FROM bank_evidence) FROM pg_current_snapshot() s"
        )
        oldest, newest, reach = cursor.fetchone()
        read = 0
        if high is not None and xid <= oldest:
            stop = min(high, low + AT_ONCE)
            read = _count(low, stop)
            low, high = stop, high if stop < high else None
        if high is None or xid > newest:  # Numbers began anew (a restored copy): wait once more.
            high, xid = reach, newest
        cursor.execute(
            "UPDATE routing_cursor SET counted_to = %s, pending_to = %s, pending_xid = %s WHERE id = 1",
            [low, high, xid],
        )
    return read


def forget() -> None:
    """Start from nothing; the job then counts everything again, to the same numbers."""
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute("INSERT INTO routing_cursor (id) VALUES (1) ON CONFLICT DO NOTHING")
        cursor.execute(
            "UPDATE routing_cursor SET counted_to = 0, pending_to = NULL, pending_xid = NULL WHERE id = 1"
        )
        cursor.execute("DELETE FROM routing_statistics")


ROUTES_FAULT = "e.reaction IN ('retry', 'retry_other_rail')"
COUNT = (
    "WITH said AS ("
    " SELECT e.bank_connector_id, e.kind, b.institution, CASE WHEN e.kind = 'settled' AND a.attempt_number = 1"
    "   AND p.approved_at IS NULL THEN width_bucket(extract(epoch FROM p.settled_at - d.arrives_at)::numeric,"
    "   %(edges)s::numeric[]) END AS bucket"
    " FROM bank_evidence e JOIN payouts p ON p.id = e.payout_id JOIN payout_retry_log a ON a.id = e.attempt_id"
    " JOIN beneficiary_accounts b ON b.id = p.beneficiary_account_id"
    # Time is measured against what this route promised; a payout that changed its route measures nothing.
    " LEFT JOIN routing_decisions d ON d.id = p.routing_decision_id AND d.bank_connector_id = e.bank_connector_id"
    " WHERE e.id > %(low)s AND e.id <= %(high)s AND e.effect = 'moved' AND (e.kind = 'settled'"
    f"  OR (e.kind IN ('rejected', 'returned') AND {ROUTES_FAULT}))),"
    " counted AS ("
    " SELECT bank_connector_id, institution, CASE kind WHEN 'settled' THEN 'success' ELSE 'failure' END AS measure,"
    "   0 AS bucket FROM said UNION ALL"
    " SELECT bank_connector_id, institution, 'lateness', bucket FROM said WHERE bucket IS NOT NULL)"
    " INSERT INTO routing_statistics AS r (bank_connector_id, institution, measure, bucket, seen)"
    " SELECT c.bank_connector_id, i.institution, c.measure, c.bucket, count(*) FROM counted c"
    " CROSS JOIN LATERAL (SELECT DISTINCT unnest(ARRAY[c.institution, '']) AS institution) i GROUP BY 1, 2, 3, 4"
    " ON CONFLICT (institution, bank_connector_id, measure, bucket) DO UPDATE SET seen = r.seen + excluded.seen"
)


def _count(low: int, high: int) -> int:
    """Count the rows after `low` up to `high`, in the open transaction."""
    with connection.cursor() as cursor:
        cursor.execute(COUNT, {"low": low, "high": high, "edges": list(LATENESS_EDGES_S)})
    return high - low
