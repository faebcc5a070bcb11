"""How banks are while they run: paused by people, healthy or not, left alone by their breaker.

`banks` shows these verbs to everybody else; health is what was last seen and stored, so that a page or
an endpoint that shows it never waits for a bank.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction

from payouts import audit, breaker, doorbell
from payouts.audit import Actor
from payouts.breaker import STATE_SQL, Breaker
from payouts.errors import PayoutError


@dataclass(frozen=True, slots=True, kw_only=True)
class BankHealth:
    """How one connection is. A paused one keeps its health; `healthy` is False while its breaker is open."""

    connector_id: UUID
    key: str  # "name:rail"
    rail: str
    healthy: bool
    message: str
    paused: bool
    paused_reason: str
    breaker: str  # closed | open | half_open
    open_until: datetime | None
    checked_at: datetime | None
    in_flight: int  # payouts that are being told to it just now


@dataclass(frozen=True, slots=True)
class Switched:
    """A connection is as was asked; `changed` is False when it was so before."""

    connector_id: UUID
    paused: bool
    changed: bool


@dataclass(frozen=True, slots=True)
class Refused:
    connector_id: UUID
    error: PayoutError


@dataclass(frozen=True, slots=True, kw_only=True)
class FundsWanted:
    """What waits because our account at a bank lacks money: refused for it, and sent again until there is some."""

    connector_id: UUID
    key: str  # "name:rail"
    currency: str
    amount: Decimal
    payouts: int


def funds_wanted() -> list[FundsWanted]:
    """Every connection that needs funds, by key and currency."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.id, c.name || ':' || c.rail, p.currency, sum(p.amount), count(*) FROM payouts p"
            " JOIN bank_connectors c ON c.id = p.bank_connector_id"
            " WHERE p.status IN ('failed', 'processing') AND EXISTS (SELECT FROM bank_evidence e"
            "   WHERE e.payout_id = p.id AND e.bank_connector_id = p.bank_connector_id"
            "   AND e.reaction = 'fund_first' AND e.code = p.last_error_code)"
            " GROUP BY 1, 2, 3 ORDER BY 2, 3"
        )
        return [
            FundsWanted(connector_id=i, key=key, currency=currency, amount=amount, payouts=payouts)
            for i, key, currency, amount, payouts in cursor.fetchall()
        ]


def health_report() -> list[BankHealth]:
    """Every connection that is in use, by key, as it was last seen."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.id, c.name || ':' || c.rail, c.rail, coalesce(s.healthy, true), coalesce(s.health_message, ''),"
            f" coalesce(s.paused, false), coalesce(s.paused_reason, ''), {STATE_SQL}, s.breaker_open_until,"
            " s.breaker_reason, s.checked_at, coalesce(f.payouts, 0) FROM bank_connectors c"
            " LEFT JOIN bank_connector_state s ON s.bank_connector_id = c.id"
            " LEFT JOIN (SELECT bank_connector_id, sum(instruction_count) AS payouts FROM bank_transmissions"
            "   WHERE state IN ('claimed', 'prepared', 'sending') GROUP BY 1) f ON f.bank_connector_id = c.id"
            " WHERE c.enabled ORDER BY 2"
        )
        return [_health(row) for row in cursor.fetchall()]


def _health(row: tuple[Any, ...]) -> BankHealth:
    key, rail, well, message, paused, why, state, until, reason, checked_at, payouts = row[1:]
    if well and state == "open":
        message = f"Left alone after failures: {said(reason)}"
    return BankHealth(
        connector_id=row[0],
        key=key,
        rail=rail,
        healthy=well and state != "open",
        message=message,
        paused=paused,
        paused_reason=why,
        breaker=state,
        open_until=until if state == "open" else None,
        checked_at=checked_at,
        in_flight=int(payouts),
    )


SAID = {
    "connection_refused": "Connection refused",
    "connect_timeout": "Connection timeout",
    "deadline": "Connection timeout",
    "deadline_before_send": "Connection timeout",
    "dns_failed": "Name not found",
    "tls_failed": "No secure connection",
    "bank_auth": "Our credentials were refused",
    "bank_busy": "The bank is busy",
    "answer_unreadable": "The answer cannot be read",
}


def said(code: str) -> str:
    """A connector's code as people read it."""
    return SAID.get(code, code.replace("_", " ").capitalize())


# --- people -----------------------------------------------------------------------------------------


def pause(ids: Sequence[UUID], *, actor: Actor, reason: str) -> list[Switched | Refused]:
    """Send nothing to these banks any more; what is routed to them waits. What they say is still heard."""
    return _switch(ids, to=True, action="connector.paused", actor=actor, reason=reason)


def resume(ids: Sequence[UUID], *, actor: Actor, reason: str) -> list[Switched | Refused]:
    """Use these banks again."""
    return _switch(ids, to=False, action="connector.resumed", actor=actor, reason=reason)


def _switch(
    ids: Sequence[UUID], *, to: bool, action: str, actor: Actor, reason: str
) -> list[Switched | Refused]:
    """One result per id, in order. What is already so stays as it is, with its first reason."""
    wanted, kept = sorted(set(ids)), audit.without_personal_data(reason)
    with transaction.atomic(durable=True):
        breaker.ensure_rows()
        audit.by_verb()
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT c.id, c.name || ':' || c.rail FROM bank_connectors c WHERE c.id = ANY(%s)",
                [wanted],
            )
            known = dict(cursor.fetchall())
            cursor.execute(
                "UPDATE bank_connector_state SET paused = %s, paused_reason = %s, paused_by = %s"
                " WHERE bank_connector_id = ANY(%s) AND paused <> %s RETURNING bank_connector_id",
                [to, kept if to else "", actor.id if to else "", list(known), to],
            )
            changed = {row[0] for row in cursor.fetchall()}
        data = {i: {"bank_connector_id": str(i), "connector": known[i]} for i in sorted(changed)}
        rows = [audit.AuditRow(action=action, reason=reason, data=data[i]) for i in sorted(changed)]
        audit.record(rows, actor=actor)
        if changed and not to:
            doorbell.ring("dispatch")
    return [
        Switched(i, to, i in changed) if i in known else Refused(i, PayoutError("not_found"))
        for i in ids
    ]


class MaySend(StrEnum):
    YES = "yes"
    PROBE = "probe"  # Whoever takes the probe (`breaker.take_probe`) may.
    NO = "no"


def may_send(connector_id: UUID) -> MaySend:
    """Whether something new may be told to this bank, as of now: neither paused nor left alone."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT s.paused, {STATE_SQL}, coalesce(s.breaker_probe_until > clock_timestamp(), false)"
            " FROM bank_connector_state s WHERE s.bank_connector_id = %s",
            [connector_id],
        )
        paused, state, probed = cursor.fetchone() or (False, Breaker.CLOSED, False)
    if paused or state == Breaker.OPEN or (state == Breaker.HALF_OPEN and probed):
        return MaySend.NO
    return MaySend.YES if state == Breaker.CLOSED else MaySend.PROBE


# --- what was seen ----------------------------------------------------------------------------------


def note_broken(connector_id: UUID, message: str) -> None:
    """Say that a bank cannot be used as it is configured; the workbench and an alert show it."""
    breaker.ensure_rows()
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE bank_connector_state SET healthy = false, health_message = %s,"
            " checked_at = clock_timestamp() WHERE bank_connector_id = %s",
            [message, connector_id],
        )


def take_checks() -> set[UUID]:
    """The connections to be checked now; whoever takes one has it for the length of a check."""
    breaker.ensure_rows()
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE bank_connector_state s SET health_lease_until = clock_timestamp() + make_interval(secs => %s)"
            " FROM bank_connectors c WHERE c.id = s.bank_connector_id AND c.enabled"
            " AND (s.health_lease_until IS NULL OR s.health_lease_until < clock_timestamp())"
            " RETURNING s.bank_connector_id",
            [settings.HEALTH_DEADLINE_S + 1],
        )
        return {row[0] for row in cursor.fetchall()}


def note_health(connector_id: UUID, *, healthy: bool, code: str, latency_ms: int) -> None:
    """Store what a check saw. A bank whose reports cannot be fetched is not healthy either."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE bank_connector_state SET healthy = %(well)s AND reports_error = '', health_message ="
            " CASE WHEN NOT %(well)s THEN %(said)s WHEN reports_error <> '' THEN 'Reports: ' || reports_error"
            " ELSE 'ok' END, latency_ms = %(latency)s, checked_at = clock_timestamp(), health_lease_until = NULL"
            " WHERE bank_connector_id = %(id)s",
            {"well": healthy, "said": said(code), "latency": latency_ms, "id": connector_id},
        )
    if not healthy:
        breaker.note_failure(connector_id, reason=code)
