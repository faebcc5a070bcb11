"""`GET /api/payouts/{id}/timeline`: everything dated about a payout, in order, and what happens next.

It joins what is kept apart: the audit, attempts, what banks said, alerts, the hold and the choices of a
route. Merchants read the same story without operators' names, banks' own words and alerts about the inside.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from rest_framework.request import Request
from rest_framework.response import Response

from payouts import clock, lifecycle, money, reasons
from payouts.api import schema
from payouts.api.auth import actor_of
from payouts.api.door import Door
from payouts.api.views import visible
from payouts.audit import Actor
from payouts.errors import PayoutError
from payouts.models import (
    BankEvidence,
    BankTransmission,
    Payout,
    PayoutAlert,
    PayoutAttempt,
    PayoutAuditLog,
    PayoutHold,
    RoutingDecision,
)
from payouts.models.bank import LIVE_ATTEMPT_STATES

ENGINE = "system"
OPERATORS = "finance_ops or treasury_ops"
# Statuses, states of an attempt and kinds of evidence that tell of trouble.
RECALLED = ("requested", "asked", "accepted")  # Asked back, and not yet ended.
WRONG = frozenset({"in_doubt", "unknown", "not_sent", "failed", "dlq", "rejected", "returned"})


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads: operators see all, merchants what concerns them."""

    actor: Actor
    bank: UUID  # Of the payout as it is now; attempts and statements name their own.

    @property
    def inside(self) -> bool:
        return not self.actor.is_merchant

    def person(self, identity: str, role: str) -> dict[str, str]:
        """Who did it. Merchants know their own people; operators and the engine by their role."""
        known = self.inside or role == "merchant_admin"
        return {"role": role or ENGINE, **({"id": identity} if known else {})}

    def trouble(
        self, code: str, text: str = "", *, wrong: bool, bank: UUID | None = None
    ) -> dict[str, str]:
        """What a bank said: its own words, and what helps, for operators; to merchants ours, where it went wrong."""
        if not code and not text:
            return {}
        row = reasons.find(code or "unsaid", bank=bank or self.bank)
        if self.inside:
            told = {"code": code, "text": text}
            return told | ({"explained": row.operator} if row.listed and wrong else {})
        return {"code": row.merchant_code, "text": row.merchant} if wrong else {}


class TimelineView(Door):
    """`/api/payouts/{id}/timeline`."""

    route: ClassVar[str] = "payout-timeline"

    @schema.shows_a_timeline
    def get(self, request: Request, payout_id: UUID) -> Response:
        payout = visible(request).filter(pk=payout_id).first()
        if payout is None:
            raise PayoutError("not_found")
        attempts = list(PayoutAttempt.objects.filter(payout=payout).order_by("attempt_number"))
        live = any(attempt.state in LIVE_ATTEMPT_STATES for attempt in attempts)
        reader = Reader(actor_of(request), payout.bank_connector_id)
        return Response(
            {
                "success": True,
                "payout_id": payout.id,
                "status": payout.status,
                "cancelable": lifecycle.is_cancellable(
                    payout.status, live_attempt=live, above_limit=payout.above_limit
                ),
                "sla_target_at": payout.sla_target_at,
                "sla_violated": payout.sla_violated,
                "next": _next(payout, attempts),
                "events": _events(payout, attempts, reader),
            }
        )


def _events(payout: Payout, attempts: list[PayoutAttempt], reader: Reader) -> list[dict[str, Any]]:
    told = [
        *_decided(payout, reader),
        *_done(payout, reader),
        *_tried(attempts, reader),
        *_said(payout, reader),
        *_held(payout),
        *_noticed(payout, reader),
    ]
    # The sort is stable: what one transaction wrote at one moment stays in the order above.
    return sorted(told, key=lambda event: event["at"])


def _event(at: datetime, kind: str, what: str, **more: Any) -> dict[str, Any]:
    return {"at": at, "kind": kind, "what": what, **{k: v for k, v in more.items() if v}}


def _done(payout: Payout, reader: Reader) -> Iterator[dict[str, Any]]:
    """The audit: who moved it, from where to where, why."""
    for row in PayoutAuditLog.objects.filter(payout_id=payout.id).order_by("sequence"):
        by_engine = row.actor_role == ENGINE
        yield _event(
            row.created_at,
            "status" if row.from_status != row.to_status else "note",
            row.action,
            from_status=row.from_status,
            to_status=row.to_status,
            by=reader.person(row.actor, row.actor_role),
            # The engine's reason is a bank's code; a person's is what they wrote.
            reason="" if by_engine else row.reason,
            trouble=reader.trouble(row.reason, wrong=row.to_status in WRONG) if by_engine else {},
        )


def _tried(attempts: list[PayoutAttempt], reader: Reader) -> Iterator[dict[str, Any]]:
    for attempt in attempts:
        yield _event(
            attempt.created_at,
            "attempt",
            "attempt.started",
            number=attempt.attempt_number,
            state=attempt.state,
            rail=attempt.rail,
            reference=attempt.reference,
            connector=attempt.connector if reader.inside else "",
            trouble=reader.trouble(
                attempt.error_code,
                attempt.error_message,
                wrong=attempt.state in WRONG,
                bank=attempt.bank_connector_id,
            ),
        )


def _said(payout: Payout, reader: Reader) -> Iterator[dict[str, Any]]:
    """What banks said. What contradicts or repeats is for operators to weigh."""
    for said in BankEvidence.objects.filter(payout_id=payout.id).order_by("id"):
        if said.effect not in ("moved", "noted") and not reader.inside:
            continue
        yield _event(
            said.recorded_at,
            "bank",
            f"bank.{said.kind}",
            bank_reference=said.bank_reference,
            value_date=said.value_date,
            source=said.source if reader.inside else "",
            effect=said.effect if reader.inside else "",
            trouble=reader.trouble(
                said.code, said.detail, wrong=said.kind in WRONG, bank=said.bank_connector_id
            ),
        )


def _held(payout: Payout) -> Iterator[dict[str, Any]]:
    for hold in PayoutHold.objects.filter(payout=payout):
        amount = money.display(hold.hold_amount, hold.currency)
        held = {"amount": amount, "currency": hold.currency}
        yield _event(hold.created_at, "hold", "hold.placed", **held)
        if hold.resolved_at is not None:
            yield _event(hold.resolved_at, "hold", f"hold.{hold.status}", **held)


def _noticed(payout: Payout, reader: Reader) -> Iterator[dict[str, Any]]:
    """Alerts. A merchant is told that a promise was missed, and nothing of our inside."""
    for alert in PayoutAlert.objects.filter(payout_id=payout.id):
        if not reader.inside:
            if alert.alert_type == "sla_violation":
                yield _event(alert.created_at, "alert", "alert.sla_violation")
            continue
        yield _event(
            alert.created_at,
            "alert",
            f"alert.{alert.alert_type}",
            severity=alert.severity,
            message=alert.message,
        )
        if alert.resolved_at is not None:
            yield _event(
                alert.resolved_at,
                "alert",
                "alert.resolved",
                by={"id": alert.resolved_by},
                reason=alert.resolution,
            )


def _decided(payout: Payout, reader: Reader) -> Iterator[dict[str, Any]]:
    for decision in RoutingDecision.objects.filter(payout_id=payout.id).order_by("decided_at"):
        yield _event(
            decision.decided_at,
            "route",
            "route.chosen",
            rail=decision.rail,
            reason=decision.reason if reader.inside else "",
        )


def _next(payout: Payout, attempts: list[PayoutAttempt]) -> dict[str, Any] | None:
    """What happens next, at the latest when (null: nobody knows), and who must act. None at the end."""
    at: datetime | None
    match payout.status:
        case "requires_approval":
            action, at, who = "approve", _approval_ends(payout), OPERATORS
        case "scheduled":
            action, at, who = "release", payout.scheduled_at, "engine"
        case "pending":
            action, at, who = "send", payout.sla_target_at, "engine"
        case "processing":
            action, at, who = "answer", _transmission_time(attempts, "lease_until"), "bank"
        case "in_doubt":
            action, at, who = "ask_bank", _transmission_time(attempts, "next_inquiry_at"), "engine"
        case "sent":
            at = payout.predicted_settlement_at or payout.sla_target_at
            action, who = "settle", "bank"
        case "failed":
            action, at, who = "retry", payout.next_retry_at, "engine"
        case "dlq":
            action, at, who = "repair", None, OPERATORS
        case "settled" if payout.recall_status in RECALLED:
            action, at, who = "give_back", None, "bank"
        case "settled" if payout.settlement_final_at and payout.settlement_final_at > clock.now():
            action, at, who = "become_final", payout.settlement_final_at, "bank"
        case _:
            return None
    return {"action": action, "at": at, "who": who}


def _approval_ends(payout: Payout) -> datetime | None:
    """Nobody approved it until then: it is cancelled."""
    held = PayoutHold.objects.filter(payout=payout).values_list("expires_at", flat=True)
    return held.first()


def _transmission_time(attempts: list[PayoutAttempt], column: str) -> datetime | None:
    if not attempts:
        return None
    found: datetime | None = (
        BankTransmission.objects.filter(pk=attempts[-1].transmission_id)
        .values_list(column, flat=True)
        .first()
    )
    return found
