"""Asking for money back: what people decide (list in, one result each), and how a bank is asked.

The wish is written first, with a reference that is unique for ever. The bank is then asked with nothing open;
while it has not answered it is asked again, under that reference only, at ever longer intervals. Its answer,
and the money itself when it comes back, are evidence like everything that banks say.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection, transaction
from uuid_utils.compat import uuid7

from payouts import (
    audit,
    banks,
    clock,
    doorbell,
    evidence,
    idempotency,
    metrics,
    outcomes,
    recall_states,
    sla,
    states,
)
from payouts.audit import Actor, engine
from payouts.backoff import inquiry_delay_s
from payouts.banks import BankLine, Outcome, OutcomeKind, RecallOrder, RecallReason
from payouts.errors import PayoutError
from payouts.evidence import Statement
from payouts.recall_states import Due, Wish
from payouts.states import LockedPayout

log = logging.getLogger(__name__)
ACTOR = engine("recall")
REASONS = tuple(reason.value for reason in RecallReason)
RECALLABLE = ("sent", "settled")
RECORD_TRIES = 6


@dataclass(frozen=True, slots=True)
class Recalled:
    """The bank is being asked, or (`replayed`: by this very request) has been."""

    payout_id: UUID
    status: str
    recall_status: str
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    payout_id: UUID
    error: PayoutError


Result = Recalled | Refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Paid:
    """The attempt that a bank has, and what that bank can do."""

    attempt_id: UUID
    bank: BankLine


# --- what people decide -------------------------------------------------------------------------------


def recall_payouts(
    ids: Sequence[UUID],
    *,
    actor: Actor,
    reason: str,
    detail: str = "",
    tenant_id: UUID | None,
    key: idempotency.KeyUse | None = None,
) -> list[Result]:
    """Ask the banks for the money of these payouts. `reason` is one of REASONS.

    Raises PayoutError for all of them: validation_error, and what a key is refused for.
    """
    if reason not in REASONS:
        raise PayoutError("validation_error", f"One of {', '.join(REASONS)}", param="reason")
    detail = audit.without_personal_data(detail)
    with transaction.atomic(durable=True):
        known = idempotency.claim(key, resource_id=ids[0])
        locked = states.lock_payouts(ids, tenant_id=tenant_id)
        if known is not None:
            return [_as_it_stands(one, locked) for one in ids]
        paid = _paid(locked)
        now = clock.now()
        verdicts = {
            p.id: _judge(p, paid.get(p.id), reason=reason, now=now) for p in locked.values()
        }
        wishes = [
            (locked[one], _wish(paid[one], reason, detail, at=now))
            for one, refused in verdicts.items()
            if refused is None
        ]
        if wishes:
            recall_states.begin(wishes, actor=actor)
            doorbell.ring("resolve")
        else:
            transaction.set_rollback(True)  # Refusals alone use up no key.
    return [_result(one, locked, verdicts) for one in ids]


def foresee(ids: Sequence[UUID], *, tenant_id: UUID | None = None) -> list[Result]:
    """What `recall_payouts` would answer as things stand. Locks nothing, changes nothing."""
    found = {p.id: p for p in states.read_payouts(ids, tenant_id=tenant_id)}
    paid, now = _paid(found), clock.now()
    verdicts = {p.id: _judge(p, paid.get(p.id), reason=None, now=now) for p in found.values()}
    return [_result(one, found, verdicts) for one in ids]


def _as_it_stands(payout_id: UUID, locked: Mapping[UUID, LockedPayout]) -> Result:
    payout = locked.get(payout_id)
    if payout is None:
        return Refused(payout_id, PayoutError("not_found"))
    return Recalled(payout_id, payout.status, payout.recall_status, replayed=True)


def _result(
    payout_id: UUID,
    found: Mapping[UUID, LockedPayout],
    verdicts: Mapping[UUID, PayoutError | None],
) -> Result:
    if payout_id not in found:
        return Refused(payout_id, PayoutError("not_found"))
    error = verdicts[payout_id]
    if error is not None:
        return Refused(payout_id, error)
    return Recalled(payout_id, found[payout_id].status, found[payout_id].recall_status)


def _judge(
    payout: LockedPayout, paid: Paid | None, *, reason: str | None, now: datetime
) -> PayoutError | None:
    """Why the money of a payout cannot be asked back; None: it can (`reason` None: for one reason at least)."""
    if payout.status not in RECALLABLE or paid is None:
        return PayoutError("not_recallable")
    if not paid.bank.capabilities.can_recall:
        return PayoutError("recall_not_supported")
    if recall_states.is_open(payout):
        return PayoutError("recall_in_progress")
    last = last_day(paid.bank, payout.settled_at, reason=reason)
    if last is not None and now.astimezone(_zone(paid.bank)).date() > last:
        return PayoutError("recall_too_late", f"It could be asked for until {last.isoformat()}")
    return None


def last_day(bank: BankLine, settled_at: datetime | None, *, reason: str | None) -> date | None:
    """The last day on which a bank may be asked for a reason (None: for whichever leaves most time).

    None while the payment is on its way: then there is no end.
    """
    if settled_at is None:
        return None
    able = bank.capabilities
    settled_on = settled_at.astimezone(_zone(bank)).date()
    days = sla.add_banking_days(settled_on, able.recall_days, able.calendar)
    longest = max(able.recall_months.values(), default=0)
    months = longest if reason is None else able.recall_months.get(reason, 0)
    return max(days, sla.add_months(settled_on, months))


def _zone(bank: BankLine) -> ZoneInfo:
    """Where a bank's days begin: as its scheme's windows have it."""
    try:
        return ZoneInfo(next((window.time_zone for window in bank.windows), "UTC"))
    except banks.ConnectorMisconfigured:  # It is not asked about its windows here.
        return ZoneInfo("UTC")


def _paid(payouts: Mapping[UUID, LockedPayout]) -> dict[UUID, Paid]:
    line = cache(banks.line)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT payout_id, id, bank_connector_id FROM payout_retry_log"
            " WHERE payout_id = ANY(%s) AND state IN ('accepted', 'settled')",
            [list(payouts)],
        )
        return {row[0]: Paid(attempt_id=row[1], bank=line(row[2])) for row in cursor.fetchall()}


def draw_reference() -> str:
    """A new reference for a recall, never used again: 30 characters that every rail carries."""
    return "RC" + "".join(secrets.choice(banks.REFERENCE_ALPHABET) for _ in range(28))


def _wish(paid: Paid, reason: str, detail: str, *, at: datetime) -> Wish:
    return Wish(
        id=uuid7(),
        attempt_id=paid.attempt_id,
        bank_connector_id=paid.bank.id,
        reference=draw_reference(),
        reason=reason,
        detail=detail,
        at=at,
    )


# --- how a bank is asked ------------------------------------------------------------------------------


def ask_due() -> int:
    """Ask banks for everything that is due to be asked. Returns how many were asked."""
    asked = 0
    while (due := _take()) is not None:
        asked += 1
        try:
            bank = banks.line(due.bank_connector_id)
            _record(bank, due, _ask(bank, due))
        except (OperationalError, InterfaceError):
            raise
        except Exception:  # One that breaks us must not keep all others from being asked.
            log.exception("recall %s could not be asked for", due.reference)
            metrics.worker_failed("resolve")
    return asked


def _take() -> Due | None:
    """Commit that a bank is about to be asked. Two calls' time is ours: a bank may have to be searched first."""
    with transaction.atomic(durable=True):
        return recall_states.take_due(again_in_s=2 * settings.CALL_DEADLINE_S + 1)


def _ask(bank: BankLine, due: Due) -> Outcome:
    """Ask, with nothing open; whatever happens here is an outcome."""
    if not bank.capabilities.can_recall:  # It could when it was asked for.
        return Outcome(kind=OutcomeKind.REJECTED, code="recall_not_supported")
    try:
        return banks.recall(bank, _order(due))
    except banks.ConnectorMisconfigured as error:  # Raised before anything is sent.
        return Outcome(kind=OutcomeKind.NOT_SENT, code=error.code, detail=error.detail)
    except Exception as error:  # noqa: BLE001  (a broken connector is an unknown outcome)
        log.exception("recalling %s broke", due.reference)
        metrics.worker_failed("resolve")
        return Outcome(
            kind=OutcomeKind.UNKNOWN, code="connector_broke", detail=type(error).__name__
        )


def _order(due: Due) -> RecallOrder:
    """The same order every time: all of it is stored."""
    return RecallOrder(
        reference=due.reference,
        payment_reference=due.payment_reference,
        transmission=outcomes.stored_transmission(due.transmission_id),
        bank_reference=due.bank_reference,
        amount=due.amount,
        currency=due.currency,
        reason=RecallReason(due.reason),
        detail=due.detail,
        created_at=due.requested_at,
    )


def _record(bank: BankLine, due: Due, outcome: Outcome) -> None:
    """Record what was heard, kept up while the database is away; the key is drawn once (see `outcomes`)."""
    key = f"answer:recall:{due.id}:{uuid4()}"
    for attempt in range(RECORD_TRIES):
        try:
            with transaction.atomic(durable=True):
                _record_once(bank, due, outcome, key=key)
            return
        except OperationalError:
            if attempt == RECORD_TRIES - 1:
                raise
            connection.close()
            time.sleep(0.2 * 2**attempt)


def _record_once(bank: BankLine, due: Due, outcome: Outcome, *, key: str) -> None:
    states.lock_payouts([due.payout_id])  # Before its recall, as everybody does.
    if outcome.document:
        outcomes.store_document(
            bank, outcome.document, document_type=outcome.content_type, remote_id=key
        )
    statements = _statements(bank, due, outcome, key=key)
    if statements:
        evidence.record(statements, actor=ACTOR)
    if outcome.kind not in (OutcomeKind.ACCEPTED, OutcomeKind.REJECTED):
        wait_s = inquiry_delay_s(
            first_s=settings.INQUIRY_FIRST_S, cap_s=settings.RETRY_CAP_S, asked=due.asks - 1
        )
        recall_states.put_off(
            due.id,
            code=evidence.clean(outcome.code),
            wait_s=max(wait_s, outcome.retry_after_s or 0.0),
        )


def _statements(bank: BankLine, due: Due, outcome: Outcome, *, key: str) -> list[Statement]:
    """What an answer says: that the bank took the request or refuses it, then what it says of the payment."""
    kind = {OutcomeKind.ACCEPTED: "recall_asked", OutcomeKind.REJECTED: "recall_refused"}
    said = []
    if outcome.kind in kind:
        said.append(
            Statement(
                source="answer", source_key=key, position=0, bank_connector_id=bank.id,
                reference=due.payment_reference, kind=kind[outcome.kind], code=outcome.code,
                detail=outcome.detail, bank_reference=outcome.bank_reference, recall_reference=due.reference,
            )
        )  # fmt: skip
    events = [event for event in outcome.events if event.reference == due.payment_reference]
    return said + [
        outcomes.statement_of(bank, event, source="answer", source_key=key, position=n)
        for n, event in enumerate(events, start=1)
    ]
