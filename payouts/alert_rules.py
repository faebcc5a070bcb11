"""The rules that people are told by. A new one is a function here and a test.

A rule that marks or reads many rows takes a limited number at a time: the next sweep finds the rest.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction

from payouts import banks, bankstate, batches, clock, invariants, money
from payouts.alerts import RULES, Finding, raise_new, rule

MANY = 5000
LOOKED_BACK = timedelta(days=1)


# Swept at times of their own: promises every five minutes, invariants more seldom than they cost.
ON_THEIR_OWN = ("sla_violation", "invariant_broken")


def _rows(sql: str, params: list[Any]) -> Iterator[tuple[UUID, UUID, str]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        yield from cursor.fetchall()


@rule("sla_violation", severity="high", resolves_itself=False)
def late_payouts(now: datetime) -> Iterator[Finding]:
    """Payouts past their promise, marked once and for good."""
    yield from _mark_late(now)
    yield from _mark_settled_late(now)


def sweep_instant_promises() -> int:
    """The same within seconds, for promises that were made in seconds. Returns how many alerts are new."""
    now = clock.now()
    in_seconds = (
        " AND sla_rule_id IN (SELECT id FROM payout_sla_rules WHERE target_seconds IS NOT NULL)"
    )
    with transaction.atomic(durable=True):
        return raise_new(RULES["sla_violation"], list(_mark_late(now, only=in_seconds)))


def _mark_late(now: datetime, *, only: str = "") -> Iterator[Finding]:
    """Two sweeps at once share the work: a row that another one has locked is left to it, or to the next."""
    sql = (
        "UPDATE payouts SET sla_violated = true, sla_violated_at = %s WHERE NOT sla_violated AND id IN"
        " (SELECT id FROM v_payouts_sla_at_risk WHERE sla_target_at < %s"
        f"{only} ORDER BY sla_target_at LIMIT 5000 FOR NO KEY UPDATE SKIP LOCKED)"
        " RETURNING id, tenant_id, sla_target_settlement_date::text"
    )
    for payout_id, tenant_id, target in _rows(sql, [now, now]):
        message = f"Promised for {target} and not settled"
        yield Finding(key=str(payout_id), message=message, payout_id=payout_id, tenant_id=tenant_id)


def _mark_settled_late(now: datetime) -> Iterator[Finding]:
    """What was settled late between two looks. A bank that paid in time and reported late kept the promise."""
    sql = (
        "UPDATE payouts SET sla_violated = true, sla_violated_at = %s WHERE id IN (SELECT p.id FROM payouts p"
        " WHERE NOT p.sla_violated AND p.settled_at > p.sla_target_at AND p.settled_at > %s"
        " AND (NOT EXISTS (SELECT FROM bank_evidence e WHERE e.payout_id = p.id AND e.kind = 'settled'"
        "   AND e.value_date <= p.sla_target_settlement_date)"
        "  OR EXISTS (SELECT FROM payout_sla_rules r WHERE r.id = p.sla_rule_id AND r.target_seconds > 0))"
        " ORDER BY p.settled_at LIMIT 5000 FOR NO KEY UPDATE SKIP LOCKED)"
        " RETURNING id, tenant_id, sla_target_settlement_date::text"
    )
    for payout_id, tenant_id, target in _rows(sql, [now, now - LOOKED_BACK]):
        message = f"Promised for {target} and settled later"
        yield Finding(key=str(payout_id), message=message, payout_id=payout_id, tenant_id=tenant_id)


@rule("dlq", severity="high", resolves_itself=True)
def dead_payouts(now: datetime) -> Iterator[Finding]:
    """Payouts that wait for a person."""
    sql = (
        "SELECT id, tenant_id, last_error_code FROM payouts WHERE status = 'dlq'"
        f" ORDER BY updated_at LIMIT {MANY}"
    )
    for payout_id, tenant_id, code in _rows(sql, []):
        message = f"Needs a person: {code or 'no code'}"
        yield Finding(key=str(payout_id), message=message, payout_id=payout_id, tenant_id=tenant_id)


@rule("bank_contradiction", severity="critical", resolves_itself=False)
def contradictions(now: datetime) -> Iterator[Finding]:
    """A bank says that it paid what we hold for refused, names other money than we asked for, or an account
    that is none."""
    sql = (
        "SELECT e.id, e.payout_id, e.tenant_id, e.kind, e.effect FROM bank_evidence e"
        " WHERE (e.effect IN ('contradiction', 'mismatch', 'unusable') OR e.id IN ("
        # It had refused the very same attempt; the payout is settled, and a person is to ask which is true.
        "  SELECT s.id FROM bank_evidence r JOIN bank_evidence s ON s.attempt_id = r.attempt_id AND s.id > r.id"
        "  WHERE r.kind = 'rejected' AND s.kind = 'settled' AND s.effect = 'moved'))"
        " AND e.recorded_at > clock_timestamp() - interval '7 days'"
        " AND NOT EXISTS (SELECT FROM payout_alerts a WHERE a.dedupe_key = 'bank_contradiction:' || e.id)"
        " LIMIT 500"
    )
    with connection.cursor() as cursor:
        cursor.execute(sql)
        for evidence_id, payout_id, tenant_id, kind, effect in cursor.fetchall():
            what = "it had refused the same attempt" if effect == "moved" else effect
            message = f"The bank says {kind}: {what}"
            yield Finding(
                key=str(evidence_id), message=message, payout_id=payout_id, tenant_id=tenant_id
            )


@rule("unreadable_document", severity="high", resolves_itself=False)
def unreadable_documents(now: datetime) -> Iterator[Finding]:
    """Documents from banks that our readers refuse."""
    sql = (
        "SELECT d.id, d.document_type, d.error FROM bank_documents d WHERE d.error <> ''"
        " AND NOT EXISTS (SELECT FROM payout_alerts a WHERE a.dedupe_key = 'unreadable_document:' || d.id)"
        " LIMIT 500"
    )
    with connection.cursor() as cursor:
        cursor.execute(sql)
        for document_id, document_type, error in cursor.fetchall():
            yield Finding(key=str(document_id), message=f"{document_type}: {error}"[:500])


@rule("connector_down", severity="critical", resolves_itself=True)
def broken_connectors(now: datetime) -> Iterator[Finding]:
    """Banks that do not answer, that cannot be used as configured, or whose breaker is open."""
    for bank in banks.health_report():
        if not bank.healthy:
            yield Finding(
                key=str(bank.connector_id), message=f"{bank.key} is not healthy: {bank.message}"
            )


@rule("fund_first", severity="critical", resolves_itself=True)
def empty_purses(now: datetime) -> Iterator[Finding]:
    """Banks at which our own account lacks money: somebody must fund it, and what waits goes out by itself."""
    for wanted in bankstate.funds_wanted():
        sum_ = money.display(wanted.amount, wanted.currency)
        yield Finding(
            key=f"{wanted.connector_id}:{wanted.currency}",
            message=f"Fund first: {wanted.key} lacks money for {wanted.payouts} payouts over {sum_} {wanted.currency}",
        )


def _of_payouts(sql: str, params: list[Any], message: str) -> Iterator[Finding]:
    """A finding for each payout that a query (id, tenant_id, detail) returns."""
    for payout_id, tenant_id, detail in _rows(sql, params):
        yield Finding(
            key=str(payout_id),
            message=message.format(detail),
            payout_id=payout_id,
            tenant_id=tenant_id,
        )


@rule("sla_at_risk", severity="medium", resolves_itself=True)
def promises_at_risk(now: datetime) -> Iterator[Finding]:
    """Promises that end soon although no bank has the payout yet: there is still time to do something.

    Soon is within AT_RISK_MINUTES, and in the last quarter of the time that was promised: what is promised
    within seconds is not at risk from its first moment.
    """
    sql = (
        "SELECT id, tenant_id, to_char(sla_target_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI')"
        " FROM v_payouts_sla_at_risk v WHERE sla_target_at BETWEEN %s AND %s"
        " AND status IN ('requires_approval', 'pending', 'processing', 'in_doubt', 'failed', 'dlq')"
        " AND %s > sla_target_at - (SELECT (p.sla_target_at - p.created_at) / 4 FROM payouts p WHERE p.id = v.id)"
        f" ORDER BY sla_target_at LIMIT {MANY}"
    )
    soon = now + timedelta(minutes=settings.AT_RISK_MINUTES)
    return _of_payouts(sql, [now, soon, now], "Promised by {} UTC, and no bank has it yet")


@rule("in_doubt", severity="high", resolves_itself=True)
def long_in_doubt(now: datetime) -> Iterator[Finding]:
    """Banks that were asked for long and did not say whether they have a payout."""
    sql = (
        "SELECT id, tenant_id, last_error_code FROM payouts WHERE status = 'in_doubt'"
        " AND updated_at < clock_timestamp() - make_interval(secs => %s)"
        f" ORDER BY updated_at LIMIT {MANY}"
    )
    return _of_payouts(
        sql, [settings.IN_DOUBT_ALERT_S], "The bank does not say whether it has it: {}"
    )


@rule("retrying_long", severity="medium", resolves_itself=True)
def long_failed(now: datetime) -> Iterator[Finding]:
    """Payouts that are tried again and again for hours, because their bank is away."""
    sql = (
        "SELECT id, tenant_id, last_error_code FROM payouts p WHERE status = 'failed' AND EXISTS ("
        " SELECT FROM payout_retry_log a WHERE a.payout_id = p.id"
        " AND a.created_at < clock_timestamp() - interval '4 hours')"
        f" ORDER BY next_retry_at LIMIT {MANY}"
    )
    return _of_payouts(sql, [], "Not at a bank after four hours of trying: {}")


@rule("unmatched_evidence", severity="high", resolves_itself=False)
def unmatched_evidence(now: datetime) -> Iterator[Finding]:
    """A bank speaks of a payment that we did not make."""
    sql = (
        "SELECT e.id, e.kind FROM bank_evidence e WHERE e.effect = 'unmatched'"
        " AND e.recorded_at > clock_timestamp() - interval '7 days' AND NOT EXISTS ("
        " SELECT FROM payout_alerts a WHERE a.dedupe_key = 'unmatched_evidence:' || e.id) LIMIT 500"
    )
    with connection.cursor() as cursor:
        cursor.execute(sql)
        for evidence_id, kind in cursor.fetchall():
            message = (
                f"A bank says {kind} of a payment that no payout knows (evidence {evidence_id})"
            )
            yield Finding(key=str(evidence_id), message=message)


@rule("invariant_broken", severity="critical", resolves_itself=True)
def broken_invariants(now: datetime) -> Iterator[Finding]:
    """What must always be true of money is not: nothing is more urgent. Swept on its own, it reads much."""
    for verdict in invariants.ask():
        if verdict.broken:
            yield Finding(key=verdict.name, message=f"Not so: {verdict.says} ({verdict.broken[0]})")


@rule("batch_missed", severity="high", resolves_itself=True)
def missed_batches(now: datetime) -> Iterator[Finding]:
    """Runs of a schedule whose time is over and that nobody has made."""
    for run in batches.missed_runs(now):
        yield Finding(
            key=f"{run.schedule_id}:{run.fire_time.isoformat()}",
            message=f"The batch {run.name} of {run.fire_time:%Y-%m-%d %H:%M} UTC was not run",
        )
