"""The breaker of a bank, shared by all workers: a bank that fails again and again is left alone for a while.

Closed: it is used. BREAKER_FAILURES failed calls within BREAKER_WINDOW_S, none of them followed by a good
one, open it: nothing new is claimed for the bank, and what waits keeps its hold. After BREAKER_PAUSE_S it
is half open: one transmission at a time tries, a good answer closes it, another failure doubles the pause
(up to BREAKER_PAUSE_MAX_S). A refusal is a good answer: the bank works. Failed health checks count as
failures; good ones close nothing, because a bank that answers questions may still not take orders.

The row is written when a call fails and when something changes, never by a call that simply went well.
"""

from __future__ import annotations

from enum import StrEnum
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction

from payouts import audit
from payouts.audit import engine

ACTOR = engine("breaker")


class Breaker(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


def ensure_rows() -> None:
    """Every configured bank has its row of `bank_connector_state`."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO bank_connector_state (bank_connector_id, paused, paused_reason, paused_by,"
            " report_cursor, healthy, health_message) SELECT c.id, false, '', '', '', true, ''"
            " FROM bank_connectors c WHERE NOT EXISTS (SELECT FROM bank_connector_state s"
            " WHERE s.bank_connector_id = c.id) ON CONFLICT DO NOTHING"
        )


# An answer to a call from before the pause was over is no try of a half-open bank.
TRIED_SQL = "clock_timestamp() - make_interval(secs => %(ago)s) >= s.breaker_open_until"

# As SQL, for whoever reads the state anyway; an open breaker whose pause is over is half open.
STATE_SQL = (
    "CASE WHEN s.breaker = 'open' AND s.breaker_open_until > clock_timestamp() THEN 'open'"
    " WHEN s.breaker = 'open' THEN 'half_open' ELSE 'closed' END"
)


def take_probe(connector_id: UUID) -> bool:
    """Take the right to try a half-open bank, for the length of a lease. One at a time gets it."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE bank_connector_state SET breaker_probe_until ="
            " clock_timestamp() + make_interval(secs => %s) WHERE bank_connector_id = %s"
            " AND breaker = 'open' AND breaker_open_until <= clock_timestamp()"
            " AND (breaker_probe_until IS NULL OR breaker_probe_until < clock_timestamp())",
            [settings.LEASE_S, connector_id],
        )
        return bool(cursor.rowcount == 1)


def note_failure(connector_id: UUID, *, reason: str, asked_s_ago: float = 0.0) -> None:
    """A call failed: count it, open the breaker when it was one too many, or leave the bank alone longer.

    `asked_s_ago`: how long ago the call began.
    """
    with transaction.atomic():
        ensure_rows()
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE bank_connector_state s SET"
                f" breaker_failures = CASE WHEN {RECENT} THEN s.breaker_failures + 1 ELSE 1 END,"
                f" breaker_since = CASE WHEN {RECENT} THEN s.breaker_since ELSE clock_timestamp() END,"
                " breaker_reason = %(reason)s WHERE s.bank_connector_id = %(id)s"
                f" RETURNING {STATE_SQL}, s.breaker_failures, s.breaker_reopened, {TRIED_SQL}",
                {
                    "id": connector_id, "reason": reason[:200], "ago": asked_s_ago,
                    "window": settings.BREAKER_WINDOW_S,
                },
            )  # fmt: skip
            row = cursor.fetchone()
        if row is None:
            return  # Somebody has just removed the connection.
        state, failures, reopened, tried = row
        if state == Breaker.CLOSED and failures >= settings.BREAKER_FAILURES:
            _open(connector_id, pauses=0)
            _say("connector.breaker_opened", connector_id, reason, failures=failures)
        elif state == Breaker.HALF_OPEN and tried:
            _open(connector_id, pauses=reopened + 1)


RECENT = "s.breaker_since > clock_timestamp() - make_interval(secs => %(window)s)"


def _open(connector_id: UUID, *, pauses: int) -> None:
    pause_s = min(settings.BREAKER_PAUSE_S * 2 ** min(pauses, 16), settings.BREAKER_PAUSE_MAX_S)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE bank_connector_state SET breaker = 'open', breaker_reopened = %s, breaker_probe_until = NULL,"
            " breaker_open_until = clock_timestamp() + make_interval(secs => %s) WHERE bank_connector_id = %s",
            [pauses, pause_s, connector_id],
        )


def note_success(connector_id: UUID, *, asked_s_ago: float = 0.0) -> None:
    """A bank took or refused an order: forget its failures. Mostly there are none, and nothing is written."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {STATE_SQL}, s.breaker_failures, {TRIED_SQL} FROM bank_connector_state s"
            " WHERE s.bank_connector_id = %(id)s",
            {"id": connector_id, "ago": asked_s_ago},
        )
        state, failures, tried = cursor.fetchone() or (Breaker.CLOSED, 0, False)
    early = state == Breaker.OPEN or (state == Breaker.HALF_OPEN and not tried)
    if early or (state == Breaker.CLOSED and not failures):
        return  # An answer to a call from before it opened says nothing: a probe will tell.
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE bank_connector_state SET breaker = 'closed', breaker_failures = 0, breaker_since = NULL,"
                " breaker_open_until = NULL, breaker_probe_until = NULL, breaker_reopened = 0, breaker_reason = ''"
                " WHERE bank_connector_id = %s AND breaker = %s AND breaker_failures > 0",
                [connector_id, "closed" if state == Breaker.CLOSED else "open"],
            )
            changed = cursor.rowcount == 1
        if changed and state == Breaker.HALF_OPEN:
            _say("connector.breaker_closed", connector_id, "it took an order", failures=0)


def _say(action: str, connector_id: UUID, reason: str, *, failures: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT name || ':' || rail FROM bank_connectors WHERE id = %s", [connector_id]
        )
        key = (cursor.fetchone() or ("",))[0]
    data = {"bank_connector_id": str(connector_id), "connector": key, "failures": failures}
    audit.record([audit.AuditRow(action=action, reason=reason[:200], data=data)], actor=ACTOR)
