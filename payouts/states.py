"""The life of a payout as one table, and the only place that writes a status.

`transition` moves locked payouts, lets their holds follow, and writes the audit rows, all in the caller's
transaction. A trigger holds the same table (`transition_allowed` in migrations) against everybody else.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection

from payouts import audit, funds
from payouts.audit import Actor
from payouts.errors import IllegalTransition

TRANSITIONS: dict[str, frozenset[str]] = {
    "requires_approval": frozenset({"pending", "scheduled", "cancelled"}),
    "scheduled": frozenset({"pending", "cancelled"}),
    "pending": frozenset({"processing", "cancelled"}),
    "processing": frozenset(
        {"sent", "settled", "in_doubt", "failed", "dlq", "rejected", "returned"}
    ),
    "in_doubt": frozenset(
        {"sent", "settled", "failed", "rejected", "returned", "processing", "dlq"}
    ),
    "sent": frozenset({"settled", "returned", "rejected", "failed", "dlq"}),
    "failed": frozenset({"processing", "dlq", "cancelled"}),
    "dlq": frozenset({"pending", "cancelled", "sent", "settled", "rejected", "returned"}),
    "settled": frozenset({"returned"}),
    "rejected": frozenset(),
    "cancelled": frozenset(),
    "returned": frozenset(),
}
# Which column remembers when a status was reached (business time).
REACHED_AT = {
    "processing": "processing_started_at",
    "sent": "sent_at",
    "settled": "settled_at",
    "failed": "failed_at",
    "rejected": "rejected_at",
    "cancelled": "cancelled_at",
    "returned": "returned_at",
}
# What a move may write beside the status, with the columns' types.
COLUMN_TYPES = {
    "next_retry_at": "timestamptz", "retry_count": "int", "max_retries": "int", "last_error": "text",
    "last_error_code": "text", "return_code": "text", "bank_reference": "text", "cancel_reason": "text",
    "approved_by": "text", "approved_at": "timestamptz", "approval_hash": "text",
    "given_up_by": "text",
    "settlement_final_at": "timestamptz",
    "scheduled_at": "timestamptz", "batch_id": "uuid", "bank_connector_id": "uuid", "rail": "text",
    "recall_status": "text",
}  # fmt: skip
# Who asked for giving it up, and what stands there when nobody did.
ASKED = (("give_up_requested_by", "''"), ("give_up_requested_at", "NULL"))


@dataclass(slots=True, kw_only=True)
class LockedPayout:
    """What deciding about a payout needs, read under its row lock. `status` follows each transition."""

    id: UUID
    tenant_id: UUID
    status: str
    amount: Decimal
    currency: str
    fee_amount: Decimal
    rail: str
    bank_connector_id: UUID
    connector: str
    retry_count: int
    max_retries: int
    cancel_requested: bool
    created_by: str
    scheduled_at: datetime | None
    live_attempt: bool
    in_flight: bool  # Bytes of it are being sent just now, whatever was heard of an earlier send.
    audit_sequence: int
    above_limit: bool
    give_up_requested_by: str
    revived_by: (
        str  # Who retried it when it was dead, above the limit, and nobody has taken it up since.
    )
    frozen: bool  # A bank named other money for it, and has not named the right money since.
    content_hash: str | None  # What it pays, and to whom, now; read where two people decide.
    expires_at: datetime | None  # When a waiting approval comes too late.
    recall_status: str
    settled_at: datetime | None

    def cover(self) -> funds.Cover:
        return funds.Cover(
            payout_id=self.id,
            tenant_id=self.tenant_id,
            amount=self.amount,
            currency=self.currency,
            connector=self.connector,
            fee=self.fee_amount,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One payout's change of status, with why and with what else is written."""

    payout: LockedPayout
    to: str
    reason: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
    columns: Mapping[str, Any] = field(default_factory=dict)


def lock_payouts(ids: Iterable[UUID], *, tenant_id: UUID | None = None) -> dict[UUID, LockedPayout]:
    """Lock payouts in the order of their ids (everybody's order), and read what deciding needs."""
    assert connection.in_atomic_block, "a lock without a transaction locks nothing"  # noqa: S101
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM payouts WHERE id = ANY(%s) AND (%s::uuid IS NULL OR tenant_id = %s)"
            " ORDER BY id FOR NO KEY UPDATE",
            [sorted(set(ids)), tenant_id, tenant_id],
        )
        locked = [row[0] for row in cursor.fetchall()]
    # A second statement: only now, with the locks held, does a fresh snapshot tell the truth.
    return {row.id: row for row in read_payouts(locked)}


def lock_for_two(ids: Iterable[UUID], *, tenant_id: UUID | None = None) -> dict[UUID, LockedPayout]:
    """The same for people's decisions: above the limit, whom they pay stays as it is until the transaction ends."""
    locked = lock_payouts(ids, tenant_id=tenant_id)
    for_two = [payout.id for payout in locked.values() if payout.above_limit]
    if not for_two:
        return locked
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT FROM payouts p JOIN beneficiary_accounts a ON a.id = p.beneficiary_account_id"
            " JOIN beneficiaries b ON b.id = a.beneficiary_id WHERE p.id = ANY(%s) ORDER BY a.id"
            " FOR SHARE OF a, b",
            [for_two],
        )
    return locked | {payout.id: payout for payout in read_payouts(for_two)}


def read_payouts(ids: Iterable[UUID], *, tenant_id: UUID | None = None) -> list[LockedPayout]:
    """What deciding needs, in the order of ids. True for as long as nobody acts, unless they are locked."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT p.id, p.tenant_id, p.status, p.amount, p.currency, p.fee_amount, p.rail,"
            " p.bank_connector_id, c.name, p.retry_count, p.max_retries, p.cancel_requested_at IS NOT NULL,"
            " p.created_by, p.scheduled_at, EXISTS (SELECT FROM payout_retry_log a WHERE a.payout_id = p.id"
            " AND a.state IN ('intent', 'unknown', 'accepted', 'settled')), EXISTS (SELECT FROM payout_retry_log a"
            " JOIN bank_transmissions t ON t.id = a.transmission_id WHERE a.payout_id = p.id AND t.state = 'sending'),"
            " p.audit_sequence, p.above_limit, p.give_up_requested_by, CASE WHEN p.above_limit AND p.status = 'pending'"
            " AND p.approved_at > p.processing_started_at THEN p.approved_by ELSE '' END,"
            " p.status = 'dlq' AND p.last_error_code = 'bank_mismatch',"
            " CASE WHEN p.above_limit THEN approval_content(p.id) END,"
            " CASE WHEN p.status = 'requires_approval' THEN"
            " (SELECT h.expires_at FROM payout_holds h WHERE h.payout_id = p.id) END, p.recall_status, p.settled_at"
            " FROM payouts p JOIN bank_connectors c ON c.id = p.bank_connector_id WHERE p.id = ANY(%s)"
            " AND (%s::uuid IS NULL OR p.tenant_id = %s)",
            [list(ids), tenant_id, tenant_id],
        )
        names = list(LockedPayout.__slots__)
        rows = [LockedPayout(**dict(zip(names, row, strict=True))) for row in cursor.fetchall()]
    return sorted(rows, key=lambda row: row.id)


def transition(moves: Sequence[Move], *, actor: Actor, at: datetime) -> None:
    """Move locked payouts. `at` is business time. Raises IllegalTransition before anything is written."""
    assert connection.in_atomic_block, (
        "transition belongs inside the transaction that locked the rows"
    )  # noqa: S101
    for move in moves:
        if move.to not in TRANSITIONS[move.payout.status]:
            raise IllegalTransition(f"{move.payout.id}: {move.payout.status} -> {move.to}")
    groups: dict[tuple[str, tuple[str, ...]], list[Move]] = defaultdict(list)
    for move in moves:
        groups[move.to, tuple(sorted(move.columns))].append(move)
    for (to, columns), members in groups.items():
        _write(to, columns, members, at=at)
    funds.follow_status([(m.payout.cover(), m.payout.status, m.to) for m in moves])
    for move in moves:
        move.payout.audit_sequence += 1
    audit.record([_audit_row(move) for move in moves], actor=actor)
    for move in moves:
        move.payout.status = move.to


def give_back_to(payout: LockedPayout, bank: tuple[UUID, str, str]) -> dict[str, Any]:
    """Let a locked payout belong to a bank (id, name, rail). Returns the columns that its next move must write."""
    if payout.bank_connector_id == bank[0]:
        return {}
    payout.bank_connector_id, payout.connector, payout.rail = bank
    return {"bank_connector_id": bank[0], "rail": bank[2]}


def _write(to: str, columns: Sequence[str], moves: Sequence[Move], *, at: datetime) -> None:
    """One UPDATE for all moves that write the same columns; audit_sequence rises, so the trigger adds no row."""
    sets = [f"{name} = v.{name}" for name in columns]
    if to != "cancelled":  # One person's wish to give it up is about the dead one that they saw.
        sets += [
            f"{name} = CASE v.old WHEN 'dlq' THEN {none} ELSE p.{name} END" for name, none in ASKED
        ]
    if to in REACHED_AT:
        sets.append(f"{REACHED_AT[to]} = %(at)s")
    arrays = "".join(f", %({name})s::{COLUMN_TYPES[name]}[]" for name in columns)
    aliases = "".join(f", {name}" for name in columns)
    sql = (
        "UPDATE payouts p SET status = %(to)s, version = p.version + 1, updated_at = clock_timestamp(),"  # noqa: S608
        f" audit_sequence = p.audit_sequence + 1{''.join(', ' + part for part in sets)}"
        f" FROM unnest(%(ids)s::uuid[], %(olds)s::text[]{arrays}) AS v (id, old{aliases})"
        " WHERE p.id = v.id AND p.status = v.old"
    )
    values: dict[str, Any] = {name: [m.columns[name] for m in moves] for name in columns}
    values |= {
        "to": to, "at": at, "ids": [m.payout.id for m in moves], "olds": [m.payout.status for m in moves],
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        if cursor.rowcount != len(moves):
            raise IllegalTransition(
                f"{len(moves) - cursor.rowcount} payouts were not locked before -> {to}"
            )


def _audit_row(move: Move) -> audit.AuditRow:
    return audit.AuditRow(
        action=f"payout.{move.to}",
        payout_id=move.payout.id,
        tenant_id=move.payout.tenant_id,
        sequence=move.payout.audit_sequence,
        from_status=move.payout.status,
        to_status=move.to,
        reason=move.reason,
        data=dict(move.data),
    )


def note(
    payouts: Sequence[LockedPayout],
    action: str,
    *,
    actor: Actor,
    reason: str = "",
    data: Mapping[UUID, dict[str, Any]] | None = None,
) -> None:
    """Write an audit row for locked payouts whose status stays, e.g. a cancellation that was asked for."""
    ids = [payout.id for payout in payouts]
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE payouts SET audit_sequence = audit_sequence + 1 WHERE id = ANY(%s)", [ids]
        )
    for payout in payouts:
        payout.audit_sequence += 1
    audit.record(
        [
            audit.AuditRow(
                action=action,
                payout_id=payout.id,
                tenant_id=payout.tenant_id,
                sequence=payout.audit_sequence,
                from_status=payout.status,
                to_status=payout.status,
                reason=reason,
                data=(data or {}).get(payout.id, {}),
            )
            for payout in payouts
        ],
        actor=actor,
    )
