"""What people decide about payouts: approve, cancel, retry; and what time decides: release, expire.

Every verb takes a list of ids and returns one result per id, in order. `tenant_id` None means an operator
who acts across tenants; otherwise a payout of another tenant is not found.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

from django.db import DataError, connection, transaction

from payouts import (
    audit,
    beneficiaries,
    clock,
    doorbell,
    funds,
    idempotency,
    money,
    states,
    verdicts,
)
from payouts.audit import Actor, engine
from payouts.errors import PayoutError
from payouts.states import LockedPayout, Move
from payouts.verdicts import Done, Refused, Requested, Result, is_cancellable

__all__ = ["Done", "Refused", "Requested", "Result", "is_cancellable"]  # What verbs answer.

Decide = Callable[[LockedPayout], Result | Move]


def cancel_payouts(
    ids: Sequence[UUID],
    *,
    actor: Actor,
    reason: str,
    tenant_id: UUID | None,
    key: idempotency.KeyUse | None = None,
) -> list[Result]:
    """Cancel where no bank can have it; where one may, note the wish: it follows if the bank says no.

    A dead one above the approval limit is given up by two people: the first one's wish is noted.
    """
    reason = audit.without_personal_data(reason)  # The merchant reads it with the payout.
    decide = partial(verdicts.judge_cancel, actor=actor, reason=reason, now=clock.now())
    return _act(ids, decide, actor=actor, reason=reason, tenant_id=tenant_id, key=key)


def retry_payouts(
    ids: Sequence[UUID],
    *,
    actor: Actor,
    reason: str,
    tenant_id: UUID | None,
    key: idempotency.KeyUse | None = None,
) -> list[Result]:
    """Try again what failed: dead ones get a new budget, waiting ones are due at once."""
    decide = partial(verdicts.judge_retry, actor=actor, reason=reason, now=clock.now())
    return _act(ids, decide, actor=actor, reason=reason, tenant_id=tenant_id, key=key)


def approve_payouts(
    ids: Sequence[UUID],
    *,
    actor: Actor,
    tenant_id: UUID | None,
    reason: str = "",
    seen: Mapping[UUID, str] | None = None,
    key: idempotency.KeyUse | None = None,
) -> list[Result]:
    """Let payouts go that waited for a second person. Never the one who created it.

    `seen` says what the approver looked at, by payout: what has changed since is not approved.
    """
    decide = partial(
        verdicts.judge_approval, actor=actor, reason=reason, now=clock.now(), seen=seen or {}
    )
    return _act(ids, decide, actor=actor, reason=reason, tenant_id=tenant_id, key=key)


def foresee(
    verbs: Sequence[str], ids: Sequence[UUID], *, actor: Actor, tenant_id: UUID | None = None
) -> dict[str, list[Result]]:
    """What "retry", "cancel" or "approve" would answer as things stand. Locks nothing, changes nothing."""
    now = clock.now()
    judges: dict[str, Decide] = {
        "retry": partial(verdicts.judge_retry, actor=actor, reason="", now=now),
        "cancel": partial(verdicts.judge_cancel, actor=actor, reason="", now=now),
        "approve": partial(verdicts.judge_approval, actor=actor, reason="", now=now, seen={}),
    }
    found = {payout.id: payout for payout in states.read_payouts(ids, tenant_id=tenant_id)}
    return {
        verb: [_foreseen(one, judges[verb](found[one]) if one in found else None) for one in ids]
        for verb in verbs
    }


def _foreseen(payout_id: UUID, verdict: Result | Move | None) -> Result:
    if verdict is None:
        return Refused(payout_id, PayoutError("not_found"))
    if isinstance(verdict, Move):
        return Done(payout_id, verdict.to)
    if isinstance(verdict, Done) and verdict.status == "cancelled":
        return Done(payout_id, verdict.status, replayed=True)
    return verdict


def deposit(
    *,
    tenant_id: UUID,
    currency: str,
    amount: Decimal,
    reference: str,
    actor: Actor,
    key: idempotency.KeyUse | None = None,
) -> tuple[UUID, bool]:
    """Credit a merchant with money that reached us. Returns the transfer and whether it is new."""
    money.check_currency(currency)
    money.check_precision(amount, currency)
    with transaction.atomic(durable=True):
        beneficiaries.ensure_tenants([tenant_id])
        idempotency.claim(key, resource_id=tenant_id)
        try:
            transfer_id, fresh = funds.deposit(
                tenant_id=tenant_id, currency=currency, amount=amount, reference=reference
            )
        except DataError:  # The sum has more digits than a balance holds.
            raise PayoutError("amount_out_of_range", param="amount") from None
        if fresh:
            data = {"transfer_id": str(transfer_id), "amount": str(amount), "currency": currency}
            audit.record(
                [audit.AuditRow(action="ledger.deposit", tenant_id=tenant_id, data=data)],
                actor=actor,
            )
    return transfer_id, fresh


def _act(
    ids: Sequence[UUID],
    decide: Decide,
    *,
    actor: Actor,
    reason: str,
    tenant_id: UUID | None,
    key: idempotency.KeyUse | None,
) -> list[Result]:
    """Lock, decide each, move together, ring. One transaction; a refused payout is left as it was.

    A key that was used before changes nothing: it shows how things stand. Refusals alone use up no key.
    """
    with transaction.atomic(durable=True):
        known = idempotency.claim(key, resource_id=ids[0])
        locked = states.lock_for_two(ids, tenant_id=tenant_id)
        if known is not None:
            return [_as_it_stands(payout_id, locked) for payout_id in ids]
        found: dict[UUID, Result | Move] = {payout.id: decide(payout) for payout in locked.values()}
        moves = [verdict for verdict in found.values() if isinstance(verdict, Move)]
        if moves:
            states.transition(moves, actor=actor, at=clock.now())
        wishes = [verdict for verdict in found.values() if isinstance(verdict, Requested)]
        _wish([locked[v.payout_id] for v in wishes if v.awaits == "bank"], actor, reason)
        _ask_another([locked[v.payout_id] for v in wishes if v.awaits == "person"], actor, reason)
        _hasten([locked[v.payout_id] for v in found.values() if isinstance(v, Done)], actor, reason)
        if all(isinstance(verdict, Refused) for verdict in found.values()):
            transaction.set_rollback(True)
        else:
            doorbell.ring("dispatch")
    results: list[Result] = []
    for payout_id in ids:
        verdict = found.get(payout_id)
        if verdict is None:
            results.append(Refused(payout_id, PayoutError("not_found")))
        elif isinstance(verdict, Move):
            results.append(Done(payout_id, verdict.to))
        else:
            results.append(verdict)
    return results


def _as_it_stands(payout_id: UUID, locked: dict[UUID, LockedPayout]) -> Result:
    if payout_id not in locked:
        return Refused(payout_id, PayoutError("not_found"))
    return Done(payout_id, locked[payout_id].status, replayed=True)


def _wish(payouts: Sequence[LockedPayout], actor: Actor, reason: str) -> None:
    """Note that a cancellation was asked for; `evidence` honours it when the attempt is finally refused."""
    fresh = [payout for payout in payouts if not payout.cancel_requested]
    if not fresh:
        return
    audit.by_verb()
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE payouts SET cancel_requested_at = clock_timestamp(), cancel_reason = %s WHERE id = ANY(%s)",
            [reason, [payout.id for payout in fresh]],
        )
    states.note(fresh, "payout.cancel_requested", actor=actor, reason=reason)


def _ask_another(payouts: Sequence[LockedPayout], actor: Actor, reason: str) -> None:
    """Note who wants to give it up: another person's word ends it."""
    fresh = [payout for payout in payouts if not payout.give_up_requested_by]
    if not fresh:
        return
    audit.by_verb()
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE payouts SET give_up_requested_by = %s, give_up_requested_at = clock_timestamp()"
            " WHERE id = ANY(%s)",
            [actor.id, [payout.id for payout in fresh]],
        )
    states.note(fresh, "payout.give_up_requested", actor=actor, reason=reason)


def _hasten(payouts: Sequence[LockedPayout], actor: Actor, reason: str) -> None:
    """A retry of a waiting payout makes it due at once."""
    waiting = [payout for payout in payouts if payout.status == "failed"]
    if not waiting:
        return
    audit.by_verb()
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE payouts SET next_retry_at = clock_timestamp() WHERE id = ANY(%s)",
            [[payout.id for payout in waiting]],
        )
    states.note(waiting, "payout.retry_requested", actor=actor, reason=reason)


def release_scheduled(*, now: datetime | None = None, limit: int = 1000) -> int:
    """Make payouts pending whose time has come. Returns how many."""
    now = now or clock.now()
    return _move_by_time(
        "SELECT id FROM payouts WHERE status = 'scheduled' AND scheduled_at <= %s"
        " ORDER BY scheduled_at LIMIT %s FOR NO KEY UPDATE SKIP LOCKED",
        [now, limit],
        to="pending",
        now=now,
        part="schedule",
    )


def expire_payouts(*, limit: int = 1000) -> int:
    """Cancel payouts whose hold expired before any attempt existed. Returns how many.

    That is what happens to those that nobody approved in time.
    """
    now = clock.now()
    return _move_by_time(
        "SELECT p.id FROM payouts p JOIN payout_holds h ON h.payout_id = p.id"
        " WHERE h.status = 'active' AND h.expires_at <= %s"
        " AND p.status IN ('requires_approval', 'scheduled', 'pending')"
        " AND NOT EXISTS (SELECT FROM payout_retry_log a WHERE a.payout_id = p.id)"
        # The hold as well: an approval that was committed meanwhile has ended its expiry.
        " ORDER BY p.id LIMIT %s FOR NO KEY UPDATE OF p, h SKIP LOCKED",
        [now, limit],
        to="cancelled",
        now=now,
        part="expiry",
        reason="expired",
    )


def _move_by_time(
    sql: str, params: list[Any], *, to: str, now: datetime, part: str, reason: str = ""
) -> int:
    with transaction.atomic(durable=True):
        with connection.cursor() as cursor:
            cursor.execute(sql, params)
            ids = [row[0] for row in cursor.fetchall()]
        if ids:
            columns = {"cancel_reason": reason} if reason else {}
            moves = [
                Move(payout=p, to=to, reason=reason, columns=columns)
                for p in states.lock_payouts(ids).values()
            ]
            states.transition(moves, actor=engine(part), at=now)
            doorbell.ring("dispatch")
    return len(ids)
