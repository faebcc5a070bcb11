"""T0: payouts come into being, with their holds and audit rows, in one transaction for a whole list.

A single create is a list of one. Each request gets one result, in order; a request that is refused never
spoils its neighbours. Order: keys are looked up (a replay writes nothing), requests are judged and routes
chosen (`admission`), then everything is written with the balances last.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import OperationalError, connection, transaction

from payouts import (
    admission,
    audit,
    beneficiaries,
    bulk,
    clock,
    contention,
    decisions,
    doorbell,
    funds,
    keycache,
)
from payouts.admission import Draft, PayoutRequest
from payouts.audit import Actor
from payouts.errors import PayoutError
from payouts.models import Status


@dataclass(frozen=True, slots=True)
class Created:
    payout_id: UUID
    status: str  # As it was created: a worker may have taken it up before anybody reads it.


@dataclass(frozen=True, slots=True)
class Replayed:
    payout_id: UUID


@dataclass(frozen=True, slots=True)
class Refused:
    error: PayoutError


Result = Created | Replayed | Refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """What a request would become, were it made now. `available` is what the merchant has before it."""

    draft: Draft
    approval_limit: Decimal | None
    available: Decimal


def create_payouts(requests: Sequence[PayoutRequest], *, actor: Actor) -> list[Result]:
    """Create payouts, each exactly once for its tenant and key. Returns one result per request, in order.

    Raises PayoutError service_unavailable or idempotency_in_progress for the list as a whole, when the
    database makes us wait for too long; then nothing was created.
    """
    results: dict[int, Result] = _replays(enumerate(requests))
    new = [(n, r) for n, r in enumerate(requests) if n not in results]
    drafts, refusals = admission.judge(new, actor=actor)
    results |= {n: Refused(error) for n, error in refusals.items()}
    later = _repeated_keys(drafts)  # The same key twice in one list: the first one is created.
    drafts = [draft for draft in drafts if draft.index not in later]
    if drafts:
        beneficiaries.ensure_tenants({draft.request.tenant_id for draft in drafts})
        created = _write(drafts, actor=actor)
        results |= {draft.index: Created(draft.payout_id, draft.status) for draft in created}
        keycache.remember([(d.request, d.payout_id) for d in created])
    left = [(n, r) for n, r in enumerate(requests) if n not in results]
    results |= _replays(left)
    # What was found good, was not written and is nobody's replay could not be paid for.
    unpaid = Refused(PayoutError("insufficient_funds", param="amount"))
    return [results.get(n, unpaid) for n in range(len(requests))]


def quote_payouts(requests: Sequence[PayoutRequest], *, actor: Actor) -> list[Quote | Refused]:
    """Say what would become of requests, each as if it stood alone: judged as a create is, and without any effect."""
    drafts, refusals = admission.judge(list(enumerate(requests)), actor=actor)
    quotes: dict[int, Quote | Refused] = {n: Refused(error) for n, error in refusals.items()}
    balances = {
        (tenant_id, balance.currency): balance.available
        for tenant_id in {draft.request.tenant_id for draft in drafts}
        for balance in funds.balances(tenant_id)
    }
    for draft in drafts:
        money = (draft.request.tenant_id, draft.request.currency)
        quotes[draft.index] = Quote(
            draft=draft,
            approval_limit=admission.approval_limit(draft.tenant, draft.request.currency),
            available=balances.get(money, Decimal(0)),
        )
    return [quotes[n] for n in range(len(requests))]


def _replays(requests: Iterable[tuple[int, PayoutRequest]]) -> dict[int, Result]:
    """Requests whose key is known: nothing is written for them, and the fingerprint must be the same."""
    wanted = list(requests)
    known = keycache.recall([r for _, r in wanted])
    # The cache may be wrong about another meaning; only the database may say so.
    missing = [
        r
        for _, r in wanted
        if known.get((r.tenant_id, r.external_id), (None, b""))[1] != r.fingerprint
    ]
    for r in missing:
        known.pop((r.tenant_id, r.external_id), None)
    if missing:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT p.tenant_id, p.external_id, p.id, p.request_fingerprint FROM payouts p"
                " JOIN unnest(%s::uuid[], %s::text[]) AS w (tenant_id, external_id)"
                " ON p.tenant_id = w.tenant_id AND p.external_id = w.external_id",
                [[r.tenant_id for r in missing], [r.external_id for r in missing]],
            )
            known |= {(row[0], row[1]): (row[2], bytes(row[3])) for row in cursor.fetchall()}
    results: dict[int, Result] = {}
    for n, request in wanted:
        if (request.tenant_id, request.external_id) in known:
            payout_id, seen = known[request.tenant_id, request.external_id]
            same = seen == request.fingerprint
            results[n] = (
                Replayed(payout_id) if same else Refused(PayoutError("idempotency_key_reused"))
            )
    return results


def _repeated_keys(drafts: Sequence[Draft]) -> set[int]:
    seen: set[tuple[UUID, str]] = set()
    repeated = set()
    for draft in drafts:
        key = (draft.request.tenant_id, draft.request.external_id)
        if key in seen:
            repeated.add(draft.index)
        seen.add(key)
    return repeated


def _write(drafts: list[Draft], *, actor: Actor) -> list[Draft]:
    """T0. Returns the drafts that became payouts; others are somebody's replay or not covered."""
    drafts = sorted(drafts, key=lambda d: (d.request.tenant_id, d.request.external_id))
    try:
        # A twin that holds a key of ours may wait for the balance that we hold: one of the two gives way.
        return contention.again(lambda: _write_once(drafts, actor=actor))
    except OperationalError as error:
        raise _waited_too_long(error) from error


def _write_once(drafts: list[Draft], *, actor: Actor) -> list[Draft]:
    with transaction.atomic(durable=True):
        _limit_waiting()
        at = clock.now()
        try:
            with transaction.atomic():
                created = _insert(drafts, actor=actor, at=at)
        except funds.NotCovered:
            # Lock the balances first, see what fits in the order of the list, write exactly that.
            in_order = sorted(drafts, key=lambda d: d.index)
            verdicts = funds.covered([draft.cover() for draft in in_order])
            unfit = {d.index for d, fits in zip(in_order, verdicts, strict=True) if not fits}
            fitting = [draft for draft in drafts if draft.index not in unfit]
            created = _insert(fitting, actor=actor, at=at)
        if any(draft.status == Status.PENDING for draft in created):
            doorbell.ring("dispatch")
    return created


def _limit_waiting() -> None:
    """A twin with the same key is waited for briefly, not for ever."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('lock_timeout', %s, true)", [f"{settings.LOCK_TIMEOUT_MS}ms"]
        )


def _waited_too_long(error: OperationalError) -> PayoutError:
    if contention.sqlstate(error) == "55P03":  # lock_not_available
        return PayoutError("idempotency_in_progress", retry_after_s=1)
    return PayoutError("service_unavailable", retry_after_s=2)


def _insert(drafts: list[Draft], *, actor: Actor, at: datetime) -> list[Draft]:
    """Write rows for drafts whose key is still free. Raises funds.NotCovered."""
    rows = [_payout_row(draft, actor, at) for draft in drafts]
    written = bulk.insert_returning_ids(
        "payouts", PAYOUT_TYPES, rows, conflict="(tenant_id, external_id)"
    )
    created = [draft for draft in drafts if draft.payout_id in written]
    if not created:
        return []
    decisions.record([_decision(draft) for draft in created])
    audit.record([_audit_row(draft) for draft in created], actor=actor)
    funds.place_holds(
        [draft.cover() for draft in created],
        hold_ids={draft.payout_id: draft.hold_id for draft in created},
        expires_at={
            draft.payout_id: at + timedelta(hours=settings.APPROVAL_TTL_H)
            for draft in created
            if draft.status == Status.REQUIRES_APPROVAL
        },
    )
    return created


PAYOUT_TYPES = {
    "id": "uuid", "tenant_id": "uuid", "external_id": "text", "request_fingerprint": "bytea", "origin_module": "text",
    "origin_entity_type": "text", "origin_entity_id": "uuid", "beneficiary_type": "text", "beneficiary_id": "uuid",
    "beneficiary_account_id": "uuid", "amount": "numeric", "currency": "text", "fee_amount": "numeric",
    "fee_currency": "text", "payout_method": "text", "priority": "text", "description": "text", "metadata": "jsonb",
    "status": "text", "rail": "text", "bank_connector_id": "uuid", "routing_decision_id": "uuid",
    "sla_rule_id": "uuid", "sla_target_settlement_date": "date", "sla_target_at": "timestamptz",
    "sira_routing_score": "numeric", "predicted_settlement_at": "timestamptz", "ledger_hold_id": "uuid",
    "scheduled_at": "timestamptz",
    "created_by": "text", "created_by_role": "text", "created_at": "timestamptz", "above_limit": "bool",
    # Columns that start out the same for every payout.
    "sla_violated": "bool", "retry_count": "int", "max_retries": "int", "last_error": "text",
    "last_error_code": "text", "return_code": "text", "bank_reference": "text", "cancel_reason": "text",
    "approved_by": "text", "reconciliation_status": "text", "audit_sequence": "int", "version": "int",
}  # fmt: skip
FIRST_VERSION = 1  # Of what a payout was created as; every change of status raises it.
NEW_PAYOUT = {
    "sla_violated": False, "retry_count": 0, "last_error": "", "last_error_code": "",
    "return_code": "", "bank_reference": "", "cancel_reason": "", "approved_by": "",
    "reconciliation_status": "unreconciled", "audit_sequence": 1, "version": FIRST_VERSION,
}  # fmt: skip


def _payout_row(draft: Draft, actor: Actor, at: datetime) -> dict[str, Any]:
    request, promise = draft.request, draft.promise
    return NEW_PAYOUT | {
        "id": draft.payout_id,
        "tenant_id": request.tenant_id,
        "external_id": request.external_id,
        "request_fingerprint": request.fingerprint,
        "origin_module": request.origin_module,
        "origin_entity_type": request.origin_entity_type,
        "origin_entity_id": request.origin_entity_id,
        "beneficiary_type": request.beneficiary_type,
        "beneficiary_id": request.beneficiary_id,
        "beneficiary_account_id": draft.account.id,
        "amount": request.amount,
        "currency": request.currency,
        "fee_amount": promise.fee,
        "fee_currency": request.currency,
        "payout_method": request.payout_method,
        "priority": request.priority,
        "description": request.description,
        "metadata": json.dumps(request.metadata or {}),
        "status": draft.status,
        "max_retries": settings.RETRY_POLICIES[draft.route.bank.rail].limit,
        "rail": draft.route.bank.rail,
        "bank_connector_id": draft.route.bank.id,
        "routing_decision_id": draft.decision_id,
        "sla_rule_id": promise.rule_id,
        "sla_target_settlement_date": promise.target_date,
        "sla_target_at": promise.target_at,
        "sira_routing_score": draft.route.score,
        "predicted_settlement_at": draft.route.predicted_at,
        "ledger_hold_id": draft.hold_id,
        "scheduled_at": draft.scheduled_at,
        "created_by": actor.id,
        "created_by_role": actor.role,
        "created_at": at,
        "above_limit": draft.status == Status.REQUIRES_APPROVAL,
    }


def _decision(draft: Draft) -> decisions.Decision:
    return decisions.Decision(
        id=draft.decision_id,
        payout_id=draft.payout_id,
        tenant_id=draft.request.tenant_id,
        route=draft.route,
    )


def _audit_row(draft: Draft) -> audit.AuditRow:
    return audit.AuditRow(
        action="payout.created",
        payout_id=draft.payout_id,
        tenant_id=draft.request.tenant_id,
        sequence=1,
        to_status=draft.status,
        data={"amount": str(draft.request.amount), "currency": draft.request.currency},
    )
