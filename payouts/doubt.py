"""What may be at a bank without our knowing: expired leases, inquiries by our reference, and resending.

"Not found" proves nothing while a request may be in flight. Only the same bytes are ever sent again, under
the same references, only to a bank that is declared (and tested) to recognise a repetition, and only inside
its window. Otherwise a person decides, with the hold kept.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection, transaction

from payouts import banks, clock, dispatch, doorbell, evidence, metrics, outcomes, states
from payouts.audit import engine
from payouts.backoff import inquiry_delay_s
from payouts.banks import BankLine, MaySend, Outcome, OutcomeKind
from payouts.evidence import Statement
from payouts.states import Move

log = logging.getLogger(__name__)
ACTOR = engine("doubt")
WINDOW_MARGIN = timedelta(hours=1)  # A bank's clock and ours may differ.


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A transmission that a bank is asked about."""

    transmission_id: UUID
    bank_connector_id: UUID
    first_sent_at: datetime
    last_sent_at: datetime
    inquiries: int


def recover_expired(*, limit: int = 50) -> int:
    """Take up transmissions whose worker is gone, each in its own transaction. Returns how many.

    Without stored bytes nothing can have been sent: the payouts are due again. With stored bytes the bank
    may have them: in doubt.
    """
    recovered = 0
    while recovered < limit and _recover_next():
        recovered += 1
    return recovered


def _recover_next() -> bool:
    with transaction.atomic(durable=True):
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT id, bank_connector_id, state FROM bank_transmissions"
                " WHERE state IN ('claimed', 'prepared', 'sending') AND lease_until < clock_timestamp()"
                " ORDER BY lease_until LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED"
            )
            row = cursor.fetchone()
        if row is None:
            return False
        transmission_id, connector_id, state = row
        try:
            with transaction.atomic():
                _recover_one(transmission_id, connector_id, stored=state != "claimed")
        except (OperationalError, InterfaceError):
            raise
        except Exception:  # One that cannot be recovered must not keep all others from it.
            log.exception("transmission %s cannot be recovered yet", transmission_id)
            metrics.worker_failed("resolve")
            with connection.cursor() as cursor:
                cursor.execute(
                    "UPDATE bank_transmissions SET lease_until = clock_timestamp() + interval '1 min'"
                    " WHERE id = %s",
                    [transmission_id],
                )
        doorbell.ring("dispatch")
        doorbell.ring("resolve")
    return True


def _recover_one(transmission_id: UUID, connector_id: UUID, *, stored: bool) -> None:
    members = outcomes.members_of(transmission_id)
    outcomes.note_crash(members)
    kind, code = ("unknown", "worker_lost") if stored else ("not_sent", "claim_lost")
    statements = [
        Statement(
            source="engine", source_key=f"lost:{transmission_id}:{n}:{uuid4()}", position=0,
            bank_connector_id=connector_id, reference=member.reference, kind=kind, code=code,
            detail="the worker did not come back",
        )
        for n, member in enumerate(members)
    ]  # fmt: skip
    evidence.record(statements, actor=ACTOR)
    state = "unsent" if not stored else "in_doubt" if _unknown(transmission_id) else "answered"
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE bank_transmissions SET state = %s, lease_token = NULL, lease_until = NULL,"
            " first_sent_at = coalesce(first_sent_at, clock_timestamp()),"
            " last_sent_at = coalesce(last_sent_at, clock_timestamp()),"
            " next_inquiry_at = CASE WHEN %s THEN clock_timestamp() END WHERE id = %s",
            [state, state == "in_doubt", transmission_id],
        )


def _unknown(transmission_id: UUID) -> int:
    """How many of its orders the bank has not answered for."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM payout_retry_log WHERE transmission_id = %s AND state = 'unknown'",
            [transmission_id],
        )
        count: int = cursor.fetchone()[0]
        return count


def resolve_in_doubt() -> int:
    """Ask banks about everything that is due to be asked. Returns how many questions were put."""
    asked = 0
    while (question := _next_question()) is not None:
        asked += 1
        try:
            bank = banks.line(question.bank_connector_id)
            _resolve(bank, question)
        except (OperationalError, InterfaceError):
            raise
        except Exception:  # An answer that breaks us must not keep the horizon from being reached.
            log.exception("transmission %s could not be resolved", question.transmission_id)
            metrics.worker_failed("resolve")
            _give_up_waiting(question)
    return asked


def _resolve(bank: BankLine, question: Question) -> None:
    if not _unknown(question.transmission_id):
        _close(question.transmission_id)  # A report was faster than we are.
        return
    if question.inquiries > 3 and _is_past_horizon(question, times=2):
        _give_up_waiting(
            question
        )  # Before it is asked: the question itself may be what kills workers.
    outcome = _ask(bank, question)
    if outcome.kind in (OutcomeKind.ACCEPTED, OutcomeKind.REJECTED):
        outcomes.record_outcome(bank, question.transmission_id, outcome, source="inquiry")
    elif (
        outcome.kind != OutcomeKind.NOT_FOUND
        or not _may_resend(bank, question)
        or not _resend(bank, question)
    ):
        _give_up_waiting(question)


def _close(transmission_id: UUID) -> None:
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute(
            "UPDATE bank_transmissions SET state = 'answered', next_inquiry_at = NULL"
            " WHERE id = %s AND state = 'in_doubt'",
            [transmission_id],
        )


def _next_question() -> Question | None:
    """Take the transmission that waits longest; moving its next inquiry forward is the lease."""
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, bank_connector_id, first_sent_at, last_sent_at, inquiries FROM bank_transmissions"
            " WHERE state = 'in_doubt' AND next_inquiry_at <= clock_timestamp()"
            " ORDER BY next_inquiry_at LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED"
        )
        row = cursor.fetchone()
        if row is None:
            return None
        question = Question(**dict(zip(Question.__slots__, row, strict=True)))
        wait_s = max(
            inquiry_delay_s(
                first_s=settings.INQUIRY_FIRST_S,
                cap_s=settings.RETRY_CAP_S,
                asked=question.inquiries,
            ),
            settings.CALL_DEADLINE_S,
        )
        cursor.execute(
            "UPDATE bank_transmissions SET inquiries = inquiries + 1,"
            " next_inquiry_at = clock_timestamp() + make_interval(secs => %s) WHERE id = %s",
            [wait_s, question.transmission_id],
        )
    return question


def _ask(bank: BankLine, question: Question) -> Outcome:
    """Ask under our reference, with nothing open."""
    if not bank.capabilities.can_inquire:
        return Outcome(kind=OutcomeKind.UNKNOWN, code="inquiry_unsupported")
    try:
        return bank.connector.inquire(outcomes.stored_transmission(question.transmission_id))
    except Exception as error:  # noqa: BLE001  (a broken inquiry is an unknown outcome)
        log.exception("inquiring about %s broke", question.transmission_id)
        return Outcome(
            kind=OutcomeKind.UNKNOWN, code="connector_broke", detail=type(error).__name__
        )


def _may_resend(bank: BankLine, question: Question) -> bool:
    """Only to a bank that recognises a repetition, inside its window, and not on the heels of the last send."""
    able, now = bank.capabilities, clock.technical_now()
    if able.dedup == "none" or _is_poison(question):
        return False
    if able.dedup == "window":
        window = able.dedup_window or timedelta(0)
        if now > question.first_sent_at + window - WINDOW_MARGIN:
            return False
    # An instant scheme may still be working on it until its own clock has run out.
    quiet = max(timedelta(seconds=settings.CALL_DEADLINE_S), able.answers_within or timedelta(0))
    return now >= question.last_sent_at + quiet


def _resend(bank: BankLine, question: Question) -> bool:
    """Send the same bytes again; the attempts stay `unknown` until the bank has answered for them.

    Returns False, with nothing sent, where that would not be right: the bank is paused or left alone, somebody has
    sent them again since the question, or the bank has answered for one of the orders meanwhile (a refused one
    would be paid by being sent again).
    """
    lease_token, call_by = uuid4(), dispatch.last_call()
    with transaction.atomic(durable=True):
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE bank_transmissions SET state = 'sending', sends = sends + 1, lease_token = %s,"
                " last_sent_at = clock_timestamp(), lease_until = clock_timestamp() + make_interval(secs => %s)"
                " WHERE id = %s AND state = 'in_doubt' AND last_sent_at = %s",
                [lease_token, settings.LEASE_S, question.transmission_id, question.last_sent_at],
            )
            taken = cursor.rowcount == 1
        members = outcomes.members_of(question.transmission_id)
        waiting = _waiting_payouts(question.transmission_id)
        all_wait = len(waiting) == len(members) > 0
        if not taken or not all_wait or not _may_send(bank):
            transaction.set_rollback(True)
            return False
        moves = [Move(payout=p, to="processing", reason="resend") for p in waiting]
        states.transition(moves, actor=ACTOR, at=clock.now())
    outgoing = outcomes.stored_transmission(question.transmission_id)
    claim = dispatch.Claim(
        transmission_id=question.transmission_id,
        lease_token=lease_token,
        payout_ids=tuple(p.id for p in waiting),
        call_by=call_by,
    )
    dispatch.tell(bank, claim, outgoing)
    return True


def _may_send(bank: BankLine) -> bool:
    allowed = banks.may_send(bank.id)
    return allowed == MaySend.YES or (allowed == MaySend.PROBE and banks.take_probe(bank.id))


def _waiting_payouts(transmission_id: UUID) -> list[states.LockedPayout]:
    """Payouts of a transmission that are in doubt because of it, locked."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT a.payout_id FROM payout_retry_log a WHERE a.transmission_id = %s AND a.state = 'unknown'",
            [transmission_id],
        )
        ids = [row[0] for row in cursor.fetchall()]
    return [p for p in states.lock_payouts(ids).values() if p.status == "in_doubt"]


def _is_past_horizon(question: Question, *, times: int = 1) -> bool:
    age = clock.technical_now() - question.first_sent_at
    return age >= times * timedelta(seconds=settings.INQUIRY_HORIZON_S)


def _is_poison(question: Question) -> bool:
    """Telling it cost one worker after the other."""
    return outcomes.crashes_of(question.transmission_id) >= evidence.POISON_TRIES


def _give_up_waiting(question: Question) -> None:
    """After the horizon, or where no repetition is allowed and the bank knows nothing: a person, hold kept."""
    if not _is_past_horizon(question) and not _is_poison(question):
        return
    error = {
        "last_error_code": "outcome_unknown",
        "last_error": "the bank has not said what became of it",
    }
    with transaction.atomic(durable=True):
        waiting = _waiting_payouts(question.transmission_id)
        moves = [Move(payout=p, to="dlq", reason="outcome_unknown", columns=error) for p in waiting]
        if moves:
            states.transition(moves, actor=ACTOR, at=clock.now())
