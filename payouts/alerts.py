"""What people are told to look at: a registry of rules, swept by beat. A new rule is a function and a test.

A rule yields findings; each is open at most once (by its key). A person resolves it with a reason, or it
resolves itself when its rule no longer finds it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from uuid_utils.compat import uuid7

from payouts import audit, bulk, clock, idempotency
from payouts.audit import Actor, engine
from payouts.errors import PayoutError

ACTOR = engine("alerts")
GONE = "the cause is gone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that a rule found. `key` says what makes it the same thing next time."""

    key: str
    message: str
    payout_id: UUID | None = None
    tenant_id: UUID | None = None


Rule = Callable[[datetime], Iterable[Finding]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    alert_type: str
    severity: str
    find: Rule
    resolves_itself: bool


RULES: dict[str, Registered] = {}


def rule(alert_type: str, *, severity: str, resolves_itself: bool) -> Callable[[Rule], Rule]:
    """Register a rule under the type of its alerts."""

    def register(find: Rule) -> Rule:
        RULES[alert_type] = Registered(
            alert_type=alert_type, severity=severity, find=find, resolves_itself=resolves_itself
        )
        return find

    return register


def sweep(*alert_types: str) -> int:
    """Run rules (all, or those named) and raise what they find. Returns how many alerts are new."""
    now = clock.now()
    raised = 0
    for name in alert_types or tuple(RULES):
        registered = RULES[name]
        with transaction.atomic(durable=True):
            findings = list(registered.find(now))
            raised += raise_new(registered, findings)
            if registered.resolves_itself:
                _settle(registered, findings)
    return raised


def raise_new(registered: Registered, findings: list[Finding]) -> int:
    """Alerts for what is not told of yet, each with its audit row. Returns how many."""
    rows = [
        {
            "id": uuid7(), "payout_id": f.payout_id, "tenant_id": f.tenant_id,
            "alert_type": registered.alert_type, "severity": registered.severity, "message": f.message,
            "dedupe_key": f"{registered.alert_type}:{f.key}", "resolved": False, "resolved_by": "",
            "resolution": "",
        }
        for f in findings
    ]  # fmt: skip
    fresh = bulk.insert_returning_ids(
        "payout_alerts", ALERT_TYPES, rows, conflict="(dedupe_key) WHERE NOT resolved"
    )
    raised = [row for row in rows if row["id"] in fresh]
    audit.record([_as_raised(row) for row in raised], actor=ACTOR)
    return len(raised)


def _as_raised(row: Mapping[str, Any]) -> audit.AuditRow:
    data = {"alert_id": str(row["id"]), "alert_type": row["alert_type"]}
    if row["payout_id"]:
        data["payout_id"] = str(row["payout_id"])
    return audit.AuditRow(action="alert.raised", tenant_id=row["tenant_id"], data=data)


ALERT_TYPES = {
    "id": "uuid", "payout_id": "uuid", "tenant_id": "uuid", "alert_type": "text", "severity": "text",
    "message": "text", "dedupe_key": "text", "resolved": "bool", "resolved_by": "text", "resolution": "text",
}  # fmt: skip


def _settle(registered: Registered, findings: list[Finding]) -> None:
    """Resolve open alerts whose cause is gone."""
    still = [f"{registered.alert_type}:{f.key}" for f in findings]
    audit.by_verb()
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE payout_alerts SET resolved = true, resolved_at = clock_timestamp(), resolved_by = %s,"
            " resolution = %s WHERE alert_type = %s AND NOT resolved AND NOT dedupe_key = ANY(%s)"
            " RETURNING id, tenant_id, alert_type",
            [ACTOR.id, GONE, registered.alert_type, still],
        )
        _note_resolved(cursor.fetchall(), actor=ACTOR, reason=GONE)


def _note_resolved(
    rows: Iterable[tuple[UUID, UUID | None, str]], *, actor: Actor, reason: str
) -> None:
    noted = [
        audit.AuditRow(
            action="alert.resolved",
            tenant_id=tenant_id,
            reason=reason,
            data={"alert_id": str(alert_id), "alert_type": alert_type},
        )
        for alert_id, tenant_id, alert_type in rows
    ]
    audit.record(noted, actor=actor)


@dataclass(frozen=True, slots=True)
class Resolved:
    """It is resolved: `replayed` when this very request had resolved it before."""

    alert_id: UUID
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    alert_id: UUID
    error: PayoutError


def resolve_alerts(
    ids: Sequence[UUID],
    *,
    actor: Actor,
    reason: str,
    tenant_id: UUID | None = None,
    key: idempotency.KeyUse | None = None,
) -> list[Resolved | Refused]:
    """People resolve alerts, with a reason. One result per id, in order.

    `tenant_id` None acts across tenants; otherwise an alert of another merchant is not found.
    """
    with transaction.atomic(durable=True):
        known = idempotency.claim(key, resource_id=ids[0])
        fresh = [] if known else _resolve(ids, tenant_id, actor=actor, reason=reason)
        seen = _seen(ids, tenant_id)
        if known is None and not fresh:
            transaction.set_rollback(True)  # Refusals alone use up no key.
    return [_verdict(alert_id, seen, fresh, replayed=known is not None) for alert_id in ids]


def _seen(ids: Sequence[UUID], tenant_id: UUID | None) -> set[UUID]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM payout_alerts WHERE id = ANY(%s) AND (%s::uuid IS NULL OR tenant_id = %s)",
            [list(ids), tenant_id, tenant_id],
        )
        return {row[0] for row in cursor.fetchall()}


def _resolve(
    ids: Sequence[UUID], tenant_id: UUID | None, *, actor: Actor, reason: str
) -> list[UUID]:
    """Resolve those that are open. Returns which."""
    audit.by_verb()
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE payout_alerts SET resolved = true, resolved_at = clock_timestamp(), resolved_by = %s,"
            " resolution = %s WHERE id = ANY(%s) AND NOT resolved AND (%s::uuid IS NULL OR tenant_id = %s)"
            " RETURNING id, tenant_id, alert_type",
            [actor.id, audit.without_personal_data(reason), list(ids), tenant_id, tenant_id],
        )
        rows = cursor.fetchall()
    _note_resolved(rows, actor=actor, reason=reason)
    return [row[0] for row in rows]


def _verdict(
    alert_id: UUID, seen: set[UUID], fresh: Sequence[UUID], *, replayed: bool
) -> Resolved | Refused:
    if alert_id not in seen:
        return Refused(alert_id, PayoutError("not_found"))
    if alert_id not in fresh and not replayed:
        return Refused(alert_id, PayoutError("alert_already_resolved"))
    return Resolved(alert_id, replayed)
