"""Where a recall stands: the only writer of `bank_recalls` and of a payout's `recall_status`.

A recall is a request to have money back. It stands beside the payout's status, which only the money itself
changes (`returned`). Everything here runs in the caller's transaction, under the payout's lock; taking a
recall to be asked (`take_due`) locks the recall alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection

from payouts import audit, bulk, states
from payouts.audit import Actor
from payouts.states import LockedPayout

# State of a recall -> what its payout shows. `unknown`: the bank may have been asked; it is asked again.
STATUS_OF = {
    "requested": "requested", "unknown": "requested", "sent": "asked", "accepted": "accepted",
    "refused": "refused", "returned": "returned",
}  # fmt: skip
OPEN = ("requested", "asked", "accepted")  # Statuses: the money may still come back by it.
OPEN_STATES = ["requested", "unknown", "sent", "accepted"]
# What a bank says -> the state that it leads to, and from where. A later or doubled answer says nothing new.
ANSWERS = {
    "recall_asked": ("sent", ["requested", "unknown"]),
    "recall_accepted": ("accepted", ["requested", "unknown", "sent"]),
    "recall_refused": ("refused", ["requested", "unknown", "sent"]),
}
TYPES = {
    "id": "uuid", "tenant_id": "uuid", "payout_id": "uuid", "attempt_id": "uuid", "bank_connector_id": "uuid",
    "reference": "text", "reason": "text", "detail": "text", "state": "text", "requested_by": "text",
    "requested_by_role": "text", "requested_at": "timestamptz",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A recall to be. `at` is business time."""

    id: UUID
    attempt_id: UUID
    bank_connector_id: UUID
    reference: str
    reason: str
    detail: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """A recall that this process asks for now, with what the order is made of."""

    id: UUID
    bank_connector_id: UUID
    payout_id: UUID
    reference: str
    reason: str
    detail: str
    requested_at: datetime
    asks: int
    payment_reference: str
    transmission_id: UUID
    bank_reference: str
    amount: Decimal
    currency: str


def is_open(payout: LockedPayout) -> bool:
    """Whether the money was asked back and may still come."""
    return payout.recall_status in OPEN


def begin(wishes: Sequence[tuple[LockedPayout, Wish]], *, actor: Actor) -> None:
    """Write the intent to ask for the money of locked payouts, for one reason, before any bank hears of it."""
    rows = [
        {
            "id": wish.id, "tenant_id": payout.tenant_id, "payout_id": payout.id, "attempt_id": wish.attempt_id,
            "bank_connector_id": wish.bank_connector_id, "reference": wish.reference, "reason": wish.reason,
            "detail": wish.detail, "state": "requested", "requested_by": actor.id,
            "requested_by_role": actor.role, "requested_at": wish.at,
        }
        for payout, wish in wishes
    ]  # fmt: skip
    bulk.insert("bank_recalls", TYPES, rows)
    payouts = [payout for payout, _ in wishes]
    _show(payouts, "requested")
    told = {p.id: {"recall": wish.reference, "because": wish.reason} for p, wish in wishes}
    why = next((wish.detail or wish.reason for _, wish in wishes), "")
    states.note(payouts, "payout.recall_requested", actor=actor, reason=why, data=told)


def answer(payout: LockedPayout, *, kind: str, code: str, reference: str, actor: Actor) -> bool:
    """Take a bank's answer to the open recall of a locked payout. Returns whether it said anything new.

    `reference` is the recall that is answered; "" where the bank does not say, which means the open one.
    """
    state, before = ANSWERS[kind]
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE bank_recalls SET state = %s, code = %s, answered_at = clock_timestamp()"
            " WHERE payout_id = %s AND state = ANY(%s) AND (%s = '' OR reference = %s) RETURNING reference",
            [state, code, payout.id, before, reference, reference],
        )
        row = cursor.fetchone()
    if row is None:
        return False
    _show([payout], STATUS_OF[state])
    data = {payout.id: {"recall": row[0], "code": code}}
    action = f"payout.recall_{STATUS_OF[state]}"
    states.note([payout], action, actor=actor, reason=code, data=data)
    return True


def end(payout: LockedPayout, *, state: str, code: str) -> dict[str, Any]:
    """End the open recall of a locked payout. Returns the columns that the payout's own move must write."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE bank_recalls SET state = %s, code = %s, answered_at = clock_timestamp()"
            " WHERE payout_id = %s AND state = ANY(%s)",
            [state, code, payout.id, OPEN_STATES],
        )
    payout.recall_status = STATUS_OF[state]
    return {"recall_status": payout.recall_status}


def _show(payouts: Sequence[LockedPayout], status: str) -> None:
    audit.by_verb()
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE payouts SET recall_status = %s WHERE id = ANY(%s)",
            [status, [payout.id for payout in payouts]],
        )
    for payout in payouts:
        payout.recall_status = status


def take_due(*, again_in_s: float) -> Due | None:
    """Take the recall that waits longest. From now on the bank may have been asked; the next time is the lease."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, asks FROM bank_recalls WHERE state IN ('requested', 'unknown')"
            " AND next_ask_at <= clock_timestamp() ORDER BY next_ask_at LIMIT 1"
            " FOR NO KEY UPDATE SKIP LOCKED"
        )
        row = cursor.fetchone()
        if row is None:
            return None
        cursor.execute(
            "UPDATE bank_recalls r SET state = 'unknown', asks = r.asks + 1, asked_at = clock_timestamp(),"
            " next_ask_at = clock_timestamp() + make_interval(secs => %s)"
            " FROM payout_retry_log a, payouts p WHERE r.id = %s AND a.id = r.attempt_id AND p.id = r.payout_id"
            " RETURNING r.id, r.bank_connector_id, r.payout_id, r.reference, r.reason, r.detail, r.requested_at,"
            " r.asks, a.reference, a.transmission_id,"
            " CASE WHEN a.bank_reference = '' THEN p.bank_reference ELSE a.bank_reference END,"
            " p.amount, p.currency",
            [again_in_s, row[0]],
        )
        return Due(**dict(zip(Due.__slots__, cursor.fetchone(), strict=True)))


def put_off(recall_id: UUID, *, code: str, wait_s: float) -> None:
    """Nobody answered: ask again later, under the same reference."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE bank_recalls SET code = %s,"
            " next_ask_at = clock_timestamp() + make_interval(secs => %s)"
            " WHERE id = %s AND state = 'unknown'",
            [code, wait_s, recall_id],
        )
