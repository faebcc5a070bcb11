"""What may be decided about a payout as it stands: pure judgements about a locked row, and what verbs answer.

Above its approval limit a payout is two people's business: another than its creator approves it and retries
it when it is dead, and two who are not the same give it up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from payouts.audit import Actor
from payouts.errors import PayoutError
from payouts.states import LockedPayout, Move

CANCELLABLE = ("requires_approval", "scheduled", "pending", "failed", "dlq")
CANCEL_LATER = ("processing", "in_doubt")
DECIDERS = frozenset({"finance_ops", "treasury_ops"})  # Whom we know as a person with that role.
EXTRA_RETRIES = 3  # What a person's retry adds to the budget.


@dataclass(frozen=True, slots=True)
class Done:
    """The verb took effect, or had before: `replayed` when this very request had asked for it."""

    payout_id: UUID
    status: str
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class Requested:
    """Asked for: it follows when the bank's answer allows it, or when another `person` asks for it too."""

    payout_id: UUID
    status: str
    awaits: str = "bank"


@dataclass(frozen=True, slots=True)
class Refused:
    payout_id: UUID
    error: PayoutError


Result = Done | Requested | Refused


def is_cancellable(status: str, *, live_attempt: bool, above_limit: bool) -> bool:
    """Whether one person can cancel a payout at once: no bank has it, and none may have it."""
    for_two = status == "dlq" and above_limit
    return status in CANCELLABLE and not live_attempt and not for_two


def judge_cancel(
    payout: LockedPayout, *, actor: Actor, reason: str, now: datetime
) -> Result | Move:
    if payout.status == "cancelled":
        return Done(payout.id, payout.status)
    if payout.in_flight and payout.status in CANCELLABLE and not payout.live_attempt:
        return Refused(payout.id, PayoutError("outcome_unknown"))
    if payout.revived_by == actor.id:  # That would be giving up alone, in two steps.
        return Refused(payout.id, PayoutError("second_person_required"))
    if is_cancellable(
        payout.status, live_attempt=payout.live_attempt, above_limit=payout.above_limit
    ):
        columns = {"cancel_reason": reason}
        return Move(payout=payout, to="cancelled", reason=reason, columns=columns)
    if payout.status in CANCEL_LATER or (payout.status == "dlq" and payout.live_attempt):
        return Requested(payout.id, payout.status)
    if payout.status == "dlq":
        return _judge_give_up(payout, actor=actor, reason=reason)
    if payout.status == "rejected":
        return Refused(payout.id, PayoutError("not_cancellable"))
    return Refused(payout.id, PayoutError("cancel_too_late"))


def _judge_give_up(payout: LockedPayout, *, actor: Actor, reason: str) -> Result | Move:
    """No bank has it, as each bank's word or our own call says; two people must say that it ends here."""
    asked = payout.give_up_requested_by
    if actor.role not in DECIDERS:
        return Refused(payout.id, PayoutError("second_person_required"))
    if asked in ("", actor.id):
        return Requested(payout.id, payout.status, awaits="person")
    if payout.created_by == actor.id:
        return Refused(payout.id, PayoutError("second_person_required"))
    return Move(
        payout=payout,
        to="cancelled",
        reason=reason,
        data={"asked_by": asked},
        columns={"cancel_reason": reason, "given_up_by": actor.id},
    )


def judge_retry(payout: LockedPayout, *, actor: Actor, reason: str, now: datetime) -> Result | Move:
    if payout.live_attempt:
        return Refused(payout.id, PayoutError("outcome_unknown"))
    if payout.status == "dlq":
        return _judge_revival(payout, actor=actor, reason=reason, now=now)
    if payout.status == "failed":
        return Done(payout.id, payout.status)
    return Refused(payout.id, PayoutError("not_retryable"))


def _judge_revival(
    payout: LockedPayout, *, actor: Actor, reason: str, now: datetime
) -> Result | Move:
    """A dead one gets a new budget. Above the limit that is somebody else's decision, and approves it anew."""
    columns: dict[str, Any] = {"max_retries": payout.retry_count + EXTRA_RETRIES}
    if payout.above_limit:
        if payout.created_by == actor.id or actor.role not in DECIDERS:
            return Refused(payout.id, PayoutError("second_person_required"))
        columns |= _approval(payout, actor=actor, now=now)
    return Move(payout=payout, to="pending", reason=reason, columns=columns)


def judge_approval(
    payout: LockedPayout,
    *,
    actor: Actor,
    reason: str,
    now: datetime,
    seen: Mapping[UUID, str],
) -> Result | Move:
    if payout.status != "requires_approval":
        return Refused(payout.id, PayoutError("not_approvable"))
    if payout.created_by == actor.id:
        return Refused(payout.id, PayoutError("self_approval_forbidden"))
    if payout.expires_at is not None and payout.expires_at <= now:
        return Refused(payout.id, PayoutError("approval_expired"))
    if seen.get(payout.id, payout.content_hash) != payout.content_hash:
        return Refused(payout.id, PayoutError("stale_version", param="contentHash"))
    waits = payout.scheduled_at is not None and payout.scheduled_at > now
    to = "scheduled" if waits else "pending"
    columns = _approval(payout, actor=actor, now=now)
    return Move(payout=payout, to=to, reason=reason, columns=columns)


def _approval(payout: LockedPayout, *, actor: Actor, now: datetime) -> dict[str, Any]:
    return {"approved_by": actor.id, "approved_at": now, "approval_hash": payout.content_hash}
