"""T2: what a bank's answer says about each attempt of a transmission, recorded in one transaction.

A worker that lost its lease may no longer send, but what it heard is recorded all the same.
"""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID, uuid4

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection, transaction
from uuid_utils.compat import uuid7

from payouts import banks, crypto, deadlines, evidence, metrics, states
from payouts.audit import Actor, engine
from payouts.banks import BankLine, Outcome, OutcomeKind
from payouts.evidence import Statement

log = logging.getLogger(__name__)
ACTOR = engine("dispatch")
RECORD_TRIES = (
    6  # T2 is retried while the database is away; then the lease runs out and the bank is asked.
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One attempt of a transmission, with what its instruction is made of."""

    attempt_id: UUID
    payout_id: UUID
    reference: str
    amount: Decimal
    currency: str
    account_id: UUID
    description: str
    priority: str


def members_of(transmission_id: UUID) -> list[Member]:
    """The attempts whose orders are in a transmission (not those left out of it), in the order of the claim."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT a.id, p.id, a.reference, p.amount, p.currency, p.beneficiary_account_id, p.description,"
            " p.priority"
            " FROM payout_retry_log a JOIN payouts p ON p.id = a.payout_id"
            " WHERE a.transmission_id = %s AND a.state <> 'not_sent' ORDER BY a.id",
            [transmission_id],
        )
        names = list(Member.__slots__)
        return [Member(**dict(zip(names, row, strict=True))) for row in cursor.fetchall()]


def note_crash(members: Sequence[Member]) -> None:
    """A worker broke on these orders, or did not come back from them. Payouts are locked first, as everywhere."""
    states.lock_payouts(m.payout_id for m in members)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE payout_retry_log SET crashes = crashes + 1, updated_at = clock_timestamp()"
            " WHERE id = ANY(%s)",
            [[m.attempt_id for m in members]],
        )


def crashes_of(transmission_id: UUID) -> int:
    """How many workers one of these orders has cost."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT coalesce(max(crashes), 0) FROM payout_retry_log WHERE transmission_id = %s",
            [transmission_id],
        )
        crashes: int = cursor.fetchone()[0]
        return crashes


def stored_transmission(transmission_id: UUID) -> banks.Transmission:
    """The bytes exactly as they were stored."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT reference, content_type, body FROM bank_transmissions WHERE id = %s",
            [transmission_id],
        )
        reference, content_type, body = cursor.fetchone()
    plain = crypto.open_sealed(body, table="bank_transmissions", column="body", row=transmission_id)
    return banks.Transmission(
        reference=reference,
        body=plain,
        content_type=content_type,
        instruction_references=[m.reference for m in members_of(transmission_id)],
    )


def record_outcome(
    bank: BankLine,
    transmission_id: UUID,
    outcome: Outcome,
    *,
    source: str = "answer",
    lease_token: UUID | None = None,
) -> None:
    """Record what was heard. Kept up while the database is away; a lost lease does not matter here.

    The key is drawn once: a commit whose own answer was lost is not recorded twice, and what two workers
    heard about two sends is never taken for one statement. `lease_token` is that of the send which was answered:
    while another send of the same bytes is under way, its own end is still to be written down.
    """
    key = f"{source}:{transmission_id}:{uuid4()}"
    for attempt in range(RECORD_TRIES):
        try:
            _record_once(
                bank, transmission_id, outcome, source=source, key=key, lease_token=lease_token
            )
            return
        except OperationalError:
            if attempt == RECORD_TRIES - 1:
                raise
            connection.close()
            time.sleep(0.2 * 2**attempt)


def _record_once(
    bank: BankLine,
    transmission_id: UUID,
    outcome: Outcome,
    *,
    source: str,
    key: str,
    lease_token: UUID | None,
) -> None:
    with transaction.atomic(durable=True):
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT sends, state = 'sending' AND lease_token IS DISTINCT FROM %s FROM bank_transmissions"
                " WHERE id = %s FOR NO KEY UPDATE",
                [lease_token, transmission_id],
            )
            sends, others_send = cursor.fetchone()
        if outcome.document:
            store_document(
                bank, outcome.document, document_type=outcome.content_type, remote_id=key
            )
        members = members_of(transmission_id)
        statements = statements_of(bank, members, outcome, source=source, source_key=key)
        lost = record_apart(statements, actor=ACTOR)
        # Where one of them could not be written down, the lease runs out and the bank is asked again.
        if not others_send and not lost:
            _close_transmission(transmission_id, outcome, sends=sends)


def record_apart(statements: Sequence[Statement], *, actor: Actor) -> int:
    """Record evidence; what cannot be written about one order is left out and keeps nothing from the others.

    Returns how many statements were left out. Raises what is wrong with the database itself.
    """
    orders: dict[tuple[UUID, str], list[Statement]] = defaultdict(list)
    for statement in statements:
        orders[statement.bank_connector_id, statement.reference].append(statement)
    if len(orders) < 2:
        evidence.record(statements, actor=actor)
        return 0
    if _is_recorded(statements, actor=actor):
        return 0
    return sum(len(some) for some in orders.values() if not _is_recorded(some, actor=actor))


def _is_recorded(statements: Sequence[Statement], *, actor: Actor) -> bool:
    try:
        with transaction.atomic():
            evidence.record(statements, actor=actor)
    except (OperationalError, InterfaceError):
        raise
    except Exception:
        log.exception("%s statements cannot be recorded together", len(statements))
        metrics.worker_failed("other")
        return False
    return True


def statements_of(
    bank: BankLine, members: Sequence[Member], outcome: Outcome, *, source: str, source_key: str
) -> list[Statement]:
    """What an outcome says about each attempt. Whom a partial answer does not mention is in doubt."""
    mentioned = {event.reference: event for event in outcome.events}
    statements = []
    for n, member in enumerate(members):
        event = mentioned.get(member.reference)
        if event is not None:
            statements.append(
                statement_of(bank, event, source=source, source_key=source_key, position=n)
            )
            continue
        kind = "unknown" if outcome.partial else outcome.kind.value
        statements.append(
            Statement(
                source=source, source_key=source_key, position=n, bank_connector_id=bank.id,
                reference=member.reference, kind=kind, code=outcome.code, detail=outcome.detail,
                bank_reference=outcome.bank_reference, retry_after_s=outcome.retry_after_s,
                reaction=bank.connector.reaction(outcome.code).value if kind == "rejected" else "retry",
            )
        )  # fmt: skip
    return statements


def statement_of(
    bank: BankLine, event: banks.StatusEvent, *, source: str, source_key: str, position: int
) -> Statement:
    """A bank's event in the engine's words, with what its code leads to."""
    final_on = None
    if event.kind == "settled" and event.value_date is not None:
        final_on = deadlines.end_of_return_window(bank, event.value_date)
    return Statement(
        source=source,
        source_key=source_key,
        position=position,
        bank_connector_id=bank.id,
        reference=event.reference,
        kind=event.kind.value,
        code=event.code,
        detail=event.detail,
        amount=event.amount,
        currency=event.currency,
        value_date=event.value_date,
        bank_reference=event.bank_reference,
        reaction=(
            bank.connector.reaction(event.code).value
            if event.kind in ("rejected", "returned")
            else "retry"
        ),
        final_on=final_on,
        recall_reference=event.transmission_reference if event.reference else "",
        corrected=event.corrected,
    )


def _close_transmission(transmission_id: UUID, outcome: Outcome, *, sends: int) -> None:
    """Where the transmission stands now: answered, certainly unsent, or to be asked about."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM payout_retry_log WHERE transmission_id = %s AND state = 'unknown'",
            [transmission_id],
        )
        unknown = cursor.fetchone()[0]
        state = "answered"
        if unknown:
            state = "in_doubt"
        elif outcome.kind == OutcomeKind.NOT_SENT and sends <= 1:
            state = "unsent"
        cursor.execute(
            "UPDATE bank_transmissions SET state = %(state)s, answered_at = clock_timestamp(),"
            " bank_reference = CASE WHEN %(ref)s = '' THEN bank_reference ELSE %(ref)s END,"
            " next_inquiry_at = CASE WHEN %(state)s = 'in_doubt' THEN greatest(next_inquiry_at,"
            " clock_timestamp() + make_interval(secs => %(first)s)) END,"
            " lease_token = NULL, lease_until = NULL WHERE id = %(id)s",
            {
                "state": state, "ref": evidence.clean(outcome.bank_reference), "first": settings.INQUIRY_FIRST_S,
                "id": transmission_id,
            },
        )  # fmt: skip


def store_document(
    bank: BankLine, body: bytes, *, document_type: str, remote_id: str
) -> UUID | None:
    """Keep a bank's document as received, encrypted. Returns its id, or None when it was stored before."""
    document_id = uuid7()
    sealed = crypto.seal(body, table="bank_documents", column="body", row=document_id)
    answered = remote_id.partition(":")[0] in ("answer", "inquiry")  # Read while it was received.
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO bank_documents (id, bank_connector_id, remote_id, document_type, sha256, body, error,"
            " event_count, read_at) VALUES (%s, %s, %s, %s, %s, %s, '', 0,"
            " CASE WHEN %s THEN clock_timestamp() END)"
            " ON CONFLICT (bank_connector_id, sha256) DO NOTHING RETURNING id",
            [
                document_id,
                bank.id,
                remote_id,
                document_type,
                evidence.digest(body),
                sealed,
                answered,
            ],
        )
        row = cursor.fetchone()
    return row[0] if row else None
