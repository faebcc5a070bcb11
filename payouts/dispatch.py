"""How a bank is told exactly once: claim (T1), prepare (T1b), call with nothing open, record (T2).

The intent, the reference and the exact bytes are committed before the first byte leaves. A lease gives the
right to send; the right to record what a bank said never ends. What may have been sent and was not answered
is `doubt`'s business: nothing here ever sends it under another reference.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID, uuid4

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection, transaction
from uuid_utils.compat import uuid7

from payouts import (
    banks,
    bulk,
    clock,
    crypto,
    doorbell,
    due,
    evidence,
    failover,
    funds,
    instructions,
    metrics,
    outcomes,
    payees,
    states,
)
from payouts.audit import engine
from payouts.banks import BankLine, MaySend, Outcome, OutcomeKind
from payouts.evidence import Statement
from payouts.outcomes import Member
from payouts.states import LockedPayout, Move

log = logging.getLogger(__name__)
ACTOR = engine("dispatch")
# What claiming one order and writing its bytes may take. A file of 10,000 would else outlive its lease on
# the way to the bank, be given back, and be built again for ever.
PREPARE_S = 0.003
TURN_S = 60.0  # Then somebody else goes on: a task that lasts for minutes is killed in the middle of a call.


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A transmission this process may prepare and send until its lease ends."""

    transmission_id: UUID
    lease_token: UUID
    payout_ids: tuple[UUID, ...]
    call_by: float  # The last moment (monotonic) at which the lease still covers a whole call.


def dispatch_due() -> int:
    """Tell banks about everything that is due, one transmission at a time. Returns how many payouts moved."""
    told, until = 0, time.monotonic() + TURN_S
    _let_others_take_over()
    for bank in banks.lines():
        try:
            told += _tell(bank, until=until)
        except (OperationalError, InterfaceError):
            raise
        except (
            Exception
        ) as error:  # One bank that cannot be used must not keep others from being told.
            log.exception("%s cannot be told", bank.key)
            metrics.worker_failed("dispatch")
            banks.note_broken(bank.id, type(error).__name__)
    return told


def _let_others_take_over() -> None:
    """What goes wrong here must not keep anything from being told where it is."""
    try:
        failover.reroute_due()
    except (OperationalError, InterfaceError):
        raise
    except Exception:
        log.exception("no other bank could be looked for")


def _tell(bank: BankLine, *, until: float) -> int:
    told = 0
    while time.monotonic() < until and (claim := claim_due(bank)) is not None:
        doorbell.ring_now("dispatch")  # Somebody else can take the next while we wait for the bank.
        told += len(claim.payout_ids)
        carry(bank, claim)
    return told


def carry(bank: BankLine, claim: Claim) -> None:
    """Take a claimed transmission through prepare, call and record."""
    payees.verify_before_first_use(bank, claim.payout_ids)
    if not prepare(bank, claim):
        return
    outgoing = begin_call(claim)
    if outgoing is None:
        return  # The lease is gone or too short: recovery finds it, and nothing was sent.
    tell(bank, claim, outgoing)


def tell(bank: BankLine, claim: Claim, outgoing: banks.Transmission) -> None:
    """Send stored bytes, record what was heard (T2), and only then let the breaker learn from it."""
    began = time.monotonic()
    if began > claim.call_by:  # We were held up: somebody else may be sending these very bytes.
        outcome = Outcome(kind=OutcomeKind.NOT_SENT, code="lease_over")
        outcomes.record_outcome(bank, claim.transmission_id, outcome, lease_token=claim.lease_token)
        return
    outcome = call(bank, outgoing)
    outcomes.record_outcome(bank, claim.transmission_id, outcome, lease_token=claim.lease_token)
    banks.note_call(bank, outcome, asked_s_ago=time.monotonic() - began)


# --- T1: claim ------------------------------------------------------------------------------------


def claim_due(bank: BankLine) -> Claim | None:
    """Choose due payouts of one bank and commit the intent to send them. None when nothing is due."""
    call_by = last_call()
    with transaction.atomic(durable=True):
        allowed = banks.may_send(bank.id)
        ids = [] if allowed == MaySend.NO else due.ids_due(bank)
        if not ids:
            return None
        payouts = list(states.lock_payouts(ids).values())
        payouts = [p for p in payouts if p.currency == payouts[0].currency and not p.live_attempt]
        payouts = _without_suspects(payouts)
        if not payouts or (allowed == MaySend.PROBE and not banks.take_probe(bank.id)):
            return None
        claim = Claim(
            transmission_id=uuid7(),
            lease_token=uuid4(),
            payout_ids=tuple(p.id for p in payouts),
            call_by=call_by,
        )
        _insert_transmission(bank, claim, payouts)
        _write_intents(bank, claim, payouts)
        funds.end_expiry(claim.payout_ids)
        moves = [Move(payout=p, to="processing", columns={"next_retry_at": None}) for p in payouts]
        states.transition(moves, actor=ACTOR, at=clock.now())
    return claim


def last_call() -> float:
    """Until when (monotonic) a call may begin under a lease that is taken now or later."""
    return time.monotonic() + settings.LEASE_S - settings.CALL_DEADLINE_S


def _without_suspects(payouts: list[LockedPayout]) -> list[LockedPayout]:
    """What broke workers goes after the others and in ever smaller company, until it is found alone.

    One crash is anybody's: a worker may be killed. From the second on it may be one of those that it held.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT payout_id, max(crashes) FROM payout_retry_log WHERE payout_id = ANY(%s)"
            " AND state = 'not_sent' AND crashes > 1 GROUP BY 1",
            [[p.id for p in payouts]],
        )
        crashes = dict(cursor.fetchall())
    if not crashes:
        return payouts
    fewest = min(crashes.get(p.id, 0) for p in payouts)
    chosen = [p for p in payouts if crashes.get(p.id, 0) == fewest]
    return chosen[: max(1, len(chosen) // 4)] if fewest else chosen


def _insert_transmission(bank: BankLine, claim: Claim, payouts: Sequence[LockedPayout]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO bank_transmissions (id, bank_connector_id, rail, state, content_type, instruction_count,"
            " total_amount, currency, lease_token, lease_until, sends, inquiries, bank_reference)"
            " VALUES (%s, %s, %s, 'claimed', '', %s, %s, %s, %s,"
            " clock_timestamp() + make_interval(secs => %s), 0, 0, '')",
            [
                claim.transmission_id, bank.id, bank.rail, len(payouts), sum(p.amount for p in payouts),
                payouts[0].currency, claim.lease_token, settings.LEASE_S + PREPARE_S * len(payouts),
            ],
        )  # fmt: skip


def _write_intents(bank: BankLine, claim: Claim, payouts: Sequence[LockedPayout]) -> None:
    """An attempt that certainly never left keeps its reference; every other payout gets a new attempt."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE payout_retry_log a SET state = 'intent', transmission_id = %s, sends = sends + 1,"
            " updated_at = clock_timestamp() WHERE payout_id = ANY(%s) AND state = 'not_sent'"
            " AND bank_connector_id = %s AND attempt_number = (SELECT max(b.attempt_number)"
            " FROM payout_retry_log b WHERE b.payout_id = a.payout_id) RETURNING payout_id",
            [claim.transmission_id, list(claim.payout_ids), bank.id],
        )
        reused = {row[0] for row in cursor.fetchall()}
        cursor.execute(
            "SELECT payout_id, max(attempt_number) FROM payout_retry_log WHERE payout_id = ANY(%s) GROUP BY 1",
            [list(claim.payout_ids)],
        )
        last = dict(cursor.fetchall())
    new = [p for p in payouts if p.id not in reused]
    references = banks.draw_references(bank, len(new)) if new else []
    rows = [
        {
            "id": uuid7(), "payout_id": p.id, "tenant_id": p.tenant_id,
            "attempt_number": last.get(p.id, 0) + 1, "connector": bank.name, "bank_connector_id": bank.id,
            "rail": bank.rail, "reference": reference, "transmission_id": claim.transmission_id,
            "state": "intent", "sends": 1, "error_class": "", "error_code": "", "error_message": "",
            "bank_reference": "", "actor": ACTOR.id,
        }
        for p, reference in zip(new, references, strict=True)
    ]  # fmt: skip
    bulk.insert("payout_retry_log", ATTEMPT_TYPES, rows)


ATTEMPT_TYPES = {
    "id": "uuid", "payout_id": "uuid", "tenant_id": "uuid", "attempt_number": "int", "connector": "text",
    "bank_connector_id": "uuid", "rail": "text", "reference": "text", "transmission_id": "uuid", "state": "text",
    "sends": "int", "error_class": "text", "error_code": "text", "error_message": "text",
    "bank_reference": "text", "actor": "text",
}  # fmt: skip


# --- T1b: prepare -----------------------------------------------------------------------------------


def prepare(bank: BankLine, claim: Claim) -> bool:
    """Build and store the bytes under the lease. Returns whether there is something to send.

    A payout whose bytes cannot be built goes its own way before any byte of the others has left.
    """
    members = outcomes.members_of(claim.transmission_id)
    try:
        prepared = instructions.build(bank, members)
    except Exception as error:  # noqa: BLE001  (whatever a codec does, nothing was sent: say so and go on)
        log.exception("transmission %s could not be prepared", claim.transmission_id)
        metrics.worker_failed("dispatch")
        code = getattr(error, "code", "prepare_failed")
        _give_back(bank, claim.transmission_id, members, code=code, detail=type(error).__name__)
        return False
    left_out = [
        _engine_statement(
            bank, claim.transmission_id, n, m, code=prepared.errors[m.reference].code,
            detail=prepared.errors[m.reference].detail,
            reaction="retry" if prepared.errors[m.reference].code == instructions.UNREADABLE else "repair",
        )
        for n, m in enumerate(members)
        if m.reference in prepared.errors
    ]  # fmt: skip
    with transaction.atomic(durable=True):
        if not _store_bytes(claim, prepared, remaining=len(members) - len(left_out)):
            return False
        evidence.record(left_out, actor=ACTOR) if left_out else None
    return len(left_out) < len(members)


def _store_bytes(claim: Claim, prepared: banks.Prepared, *, remaining: int) -> bool:
    """Store what will be sent, exactly once, while the lease is ours."""
    body = crypto.seal(
        prepared.body, table="bank_transmissions", column="body", row=claim.transmission_id
    )
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE bank_transmissions SET state = %s, reference = %s, content_type = %s, sha256 = %s, body = %s,"
            " instruction_count = %s WHERE id = %s AND lease_token = %s AND state = 'claimed'"
            " AND lease_until > clock_timestamp()",
            [
                "prepared" if remaining else "unsent", prepared.reference or None, prepared.content_type,
                evidence.digest(prepared.body), body, remaining, claim.transmission_id, claim.lease_token,
            ],
        )  # fmt: skip
        return bool(cursor.rowcount == 1)


def _give_back(
    bank: BankLine, transmission_id: UUID, members: Sequence[Member], *, code: str, detail: str
) -> None:
    """Nothing was built, so nothing was sent: every payout is free again, after a pause."""
    statements = [
        _engine_statement(bank, transmission_id, n, m, code=code, detail=detail, reaction="retry")
        for n, m in enumerate(members)
    ]
    with transaction.atomic(durable=True):
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE bank_transmissions SET state = 'unsent' WHERE id = %s AND state = 'claimed'",
                [transmission_id],
            )
            if cursor.rowcount != 1:
                return  # Recovery was faster and said the same.
        if code == "prepare_failed":
            outcomes.note_crash(members)
        evidence.record(statements, actor=ACTOR)


def _engine_statement(
    bank: BankLine,
    transmission_id: UUID,
    position: int,
    member: Member,
    *,
    code: str,
    detail: str,
    reaction: str,
) -> Statement:
    return Statement(
        source="engine",
        source_key=f"unsent:{transmission_id}",
        position=position,
        bank_connector_id=bank.id,
        reference=member.reference,
        kind="not_sent",
        code=code,
        detail=detail,
        reaction=reaction,
    )


# --- The call -----------------------------------------------------------------------------------------


def begin_call(claim: Claim) -> banks.Transmission | None:
    """Commit that bytes are about to leave. None when the lease does not cover a whole call any more."""
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute(
            "UPDATE bank_transmissions SET state = 'sending', sends = sends + 1,"
            " first_sent_at = coalesce(first_sent_at, clock_timestamp()), last_sent_at = clock_timestamp()"
            " WHERE id = %s AND lease_token = %s AND state = 'prepared'"
            " AND lease_until > clock_timestamp() + make_interval(secs => %s)",
            [claim.transmission_id, claim.lease_token, settings.CALL_DEADLINE_S],
        )
        if cursor.rowcount != 1:
            return None
    return outcomes.stored_transmission(claim.transmission_id)


def call(bank: BankLine, outgoing: banks.Transmission) -> Outcome:
    """Tell the bank; whatever happens here is an outcome.

    Nothing is open: what came before (`begin_call`, a resend) committed as a durable transaction, which
    refuses to run inside anybody else's.
    """
    try:
        return bank.connector.submit(outgoing)
    except banks.ConnectorMisconfigured as error:  # Raised before anything is sent.
        return Outcome(kind=OutcomeKind.NOT_SENT, code=error.code, detail=error.detail)
    except Exception as error:  # noqa: BLE001  (a broken connector is an unknown outcome, not a lost payout)
        log.exception("submitting %s broke", outgoing.reference)
        return Outcome(
            kind=OutcomeKind.UNKNOWN, code="connector_broke", detail=type(error).__name__
        )
