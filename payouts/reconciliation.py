"""Did the money really move? Banks' bookings against our payouts, apart from their status.

A payout is *settled* by whatever a bank says with authority; it is *reconciled* when a document of the bank
states the booking itself, under our reference, in the same amount and currency. `match` finds that in
`bank_evidence`, where every document ends, however it arrived; running it again changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from django.db import connection, transaction

from payouts import audit, banks, clock, outcomes, states
from payouts.audit import Actor, engine
from payouts.banks import BankLine, InboundDocument, StatusEvent

ACTOR = engine("reconciliation")
BATCH = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One booking of a statement beside what we know. Amounts in units of their currency; None: not stated."""

    verdict: str  # matched | different | unmatched
    kind: str  # settled | returned | …, as the bank says
    reference: str
    amount: Decimal | None
    currency: str
    payout_id: UUID | None
    expected: Decimal | None
    expected_currency: str
    payout_status: str
    detail: str


def compare(bank: BankLine, body: bytes) -> list[Line]:
    """Read a statement (camt.053) or a returns file (NACHA) and set each booking beside its payout.

    Changes nothing. Raises UnreadableDocument.
    """
    document = InboundDocument(remote_id="", document_type=document_type(body), body=body)
    events = bank.connector.parse_report(document)
    known = _payouts_by_reference(bank, [event.reference for event in events])
    lines, booked = [], set()
    for event in events:
        # The same money booked again is money that left twice, or a line that needs a person's eyes.
        again = (event.kind, event.reference) in booked
        booked.add((event.kind, event.reference))
        lines.append(_line(event, known.get(event.reference), again=again))
    return lines


def document_type(body: bytes) -> str:
    """What a file is by its first byte: XML, or the record type of a NACHA file header."""
    return "camt.053" if body.lstrip()[:1] == b"<" else "ach.return"


@dataclass(frozen=True, slots=True)
class _Known:
    payout_id: UUID
    amount: Decimal
    currency: str
    status: str


def _payouts_by_reference(bank: BankLine, references: Sequence[str]) -> dict[str, _Known]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT a.reference, p.id, p.amount, p.currency, p.status FROM payout_retry_log a"
            " JOIN payouts p ON p.id = a.payout_id"
            " WHERE a.bank_connector_id = %s AND a.reference = ANY(%s)",
            [bank.id, list(references)],
        )
        return {row[0]: _Known(*row[1:]) for row in cursor.fetchall()}


def _line(event: StatusEvent, known: _Known | None, *, again: bool) -> Line:
    verdict, detail = "unmatched", "no payout has this reference"
    if known is not None:
        verdict, detail = "matched", ""
        if event.amount is not None and event.amount != known.amount:
            verdict, detail = "different", "another amount"
        elif event.currency and event.currency != known.currency:
            verdict, detail = "different", "another currency"
        elif known.status in ("cancelled", "rejected"):
            verdict, detail = "different", f"the payout is {known.status}"
        elif again:
            verdict, detail = "different", "twice in this file"
    return Line(
        verdict=verdict,
        kind=event.kind.value,
        reference=event.reference,
        amount=event.amount,
        currency=event.currency,
        payout_id=known.payout_id if known else None,
        expected=known.amount if known else None,
        expected_currency=known.currency if known else "",
        payout_status=known.status if known else "",
        detail=detail,
    )


def take_in(bank: BankLine, body: bytes, *, name: str, actor: Actor) -> UUID | None:
    """Keep a file as a document of the bank, to be read like any other. None: it was taken in before."""
    with transaction.atomic(durable=True):
        document_id = outcomes.store_document(
            bank, body, document_type=document_type(body), remote_id=f"file:{name}"[:200]
        )
        if document_id is not None:
            data = {"document_id": str(document_id), "connector": bank.key}
            audit.record([audit.AuditRow(action="document.taken_in", data=data)], actor=actor)
    return document_id


MATCHED = """
SELECT p.id, bool_or(e.effect = 'mismatch') FROM payouts p JOIN bank_evidence e ON e.payout_id = p.id
WHERE p.reconciliation_status = 'unreconciled' AND p.status IN ('settled', 'returned', 'dlq', 'cancelled', 'rejected')
  AND e.source IN ('report', 'answer', 'inquiry') AND e.kind IN ('settled', 'returned')
  AND e.effect <> 'contradiction'
  AND ((e.amount = p.amount AND e.currency = p.currency AND p.status IN ('settled', 'returned'))
       OR e.effect = 'mismatch')
GROUP BY p.id ORDER BY p.id LIMIT %s
"""


def match() -> int:
    """Mark payouts whose booking a bank has stated: reconciled, or different. Returns how many."""
    done = 0
    while found := _match_some():
        done += found
        if found < BATCH:
            break
    return done


def _match_some() -> int:
    with transaction.atomic(durable=True):
        with connection.cursor() as cursor:
            cursor.execute(MATCHED, [BATCH])
            differs = dict(cursor.fetchall())
        for verdict in ("reconciled", "different"):
            ids = [pk for pk, differ in differs.items() if differ is (verdict == "different")]
            _mark(ids, verdict, actor=ACTOR)
    return len(differs)


def _mark(ids: Sequence[UUID], verdict: str, *, actor: Actor) -> None:
    """Under the payouts' locks, and only those that nobody marked meanwhile."""
    locked = states.lock_payouts(ids)
    audit.by_verb()
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE payouts SET reconciliation_status = %s, reconciled_at = %s"
            " WHERE id = ANY(%s) AND reconciliation_status = 'unreconciled' RETURNING id",
            [verdict, clock.now(), list(locked)],
        )
        marked = [locked[row[0]] for row in cursor.fetchall()]
    states.note(marked, f"payout.{verdict}", actor=actor)


def bank_of(key: str) -> BankLine:
    """The bank connection called `name:rail`. Raises LookupError."""
    for bank in banks.lines():
        if bank.key == key:
            return bank
    raise LookupError(f"no bank connection is called {key}")
