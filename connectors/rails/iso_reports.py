"""From what banks write in ISO 20022 (pain.002, pacs.002, pacs.004, camt.05x) to outcomes and status events.

Three rules. "Duplicate" (AM05 and its like) is never a rejection. An answer that does not speak of
our message is no answer. A status we do not know is left out, which makes its payment unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from connectors.base import (
    EventKind,
    InboundDocument,
    Outcome,
    OutcomeKind,
    StatusEvent,
    Transmission,
    UnreadableDocument,
)
from connectors.formats.iso20022 import (
    BankReport,
    Entry,
    PaymentReturn,
    StatusReport,
    TransactionDetail,
    TransactionStatus,
    read_camt,
    read_pacs002,
    read_pacs004,
    read_pain002,
)
from connectors.http import HttpAnswer
from connectors.rails.bank_api import unreadable_answer
from connectors.schemes.reasons import is_duplicate

# ISO 20022 ExternalPaymentGroupStatus1Code / ExternalPaymentTransactionStatus1Code. PDNG and RCVD
# mean that the bank has it, no more.
_HAS_IT = frozenset({"RCVD", "PDNG", "ACTC", "ACCP", "ACSP", "ACWC", "ACWP", "ACFC", "PATC"})
_SETTLED = frozenset({"ACSC", "ACCC"})
_TRANSACTION_KINDS: Mapping[str, EventKind] = {
    **dict.fromkeys(_HAS_IT, EventKind.ACCEPTED),
    **dict.fromkeys(_SETTLED, EventKind.SETTLED),
    "RJCT": EventKind.REJECTED,
}
# What we call a return whose entry gives no ISO reason: a reversed booking.
_REVERSED = "RVSL"


def answer_to_outcome(
    answer: HttpAnswer,
    transmission: Transmission,
    *,
    read: Callable[[bytes], StatusReport] = read_pain002,
) -> Outcome:
    """Read a 2xx answer to a submission or an inquiry about `transmission`. Never raises."""
    try:
        report = read(answer.body)
    except UnreadableDocument as error:
        return unreadable_answer(answer, "answer_unreadable", error.code)
    if report.original_message_id != transmission.reference:
        return unreadable_answer(answer, "answer_mismatch", "speaks of another message")
    outcome = _judge(report, transmission)
    return replace(
        outcome,
        bank_reference=report.message_id,
        document=answer.body,
        content_type=answer.headers.get("content-type", ""),
    )


def _judge(report: StatusReport, transmission: Transmission) -> Outcome:
    ours = frozenset(transmission.instruction_references)
    events = [event for event in _transaction_events(report) if event.reference in ours]
    partial = bool(report.transactions) and {event.reference for event in events} != ours
    code, detail = report.group_reason, report.group_reason_text[:200]
    status = report.group_status
    if status == "RJCT":
        contradicted = any(event.kind is not EventKind.REJECTED for event in events)
        if is_duplicate(code) or contradicted:
            return Outcome(
                kind=OutcomeKind.UNKNOWN, code=code, detail=detail, events=events, partial=True
            )
        # A group refusal holds for every payment in it, named or not; a duplicate among them does
        # not.
        spared = any(is_duplicate(tx.reason) for tx in report.transactions)
        return Outcome(
            kind=OutcomeKind.REJECTED, code=code, detail=detail, events=events, partial=spared
        )
    if status == "PART" or (not status and report.transactions):
        return Outcome(kind=OutcomeKind.ACCEPTED, code=code, events=events, partial=True)
    if status in _HAS_IT or status in _SETTLED:
        return Outcome(kind=OutcomeKind.ACCEPTED, code=code, events=events, partial=partial)
    return Outcome(
        kind=OutcomeKind.UNKNOWN, code="status_unknown", detail=status, events=events, partial=True
    )


def _transaction_events(report: StatusReport) -> Iterator[StatusEvent]:
    for transaction in report.transactions:
        event = _transaction_event(transaction, report)
        if event is not None:
            yield event


def _transaction_event(tx: TransactionStatus, report: StatusReport) -> StatusEvent | None:
    kind = _TRANSACTION_KINDS.get(tx.status or report.group_status)
    if kind is None or not tx.end_to_end_id:
        return None
    code = tx.reason or (report.group_reason if kind is EventKind.REJECTED else "")
    if kind is EventKind.REJECTED and is_duplicate(code):
        return None
    return StatusEvent(
        kind=kind,
        reference=tx.end_to_end_id,
        transmission_reference=report.original_message_id,
        code=code,
        detail=tx.reason_text[:200],
        amount=tx.amount,
        currency=tx.currency,
        bank_reference=tx.bank_reference,
        occurred_at=report.created_at,
    )


def read_report(document: InboundDocument) -> list[StatusEvent]:
    """Read a fetched pain.002, pacs.002, pacs.004 or camt.05x into events. Raises UnreadableDocument."""
    if document.document_type.startswith("pacs.004"):
        return list(_return_events(read_pacs004(document.body)))
    if document.document_type.startswith("pain.002"):
        return _report_events(read_pain002(document.body))
    if document.document_type.startswith("pacs.002"):
        return _report_events(read_pacs002(document.body))
    return list(_camt_events(read_camt(document.body)))


def _report_events(report: StatusReport) -> list[StatusEvent]:
    if report.transactions:
        return list(_transaction_events(report))
    kind = _TRANSACTION_KINDS.get(report.group_status)
    if kind is None or (kind is EventKind.REJECTED and is_duplicate(report.group_reason)):
        return []
    return [
        StatusEvent(
            kind=kind,
            transmission_reference=report.original_message_id,
            code=report.group_reason,
            detail=report.group_reason_text[:200],
            bank_reference=report.message_id,
            occurred_at=report.created_at,
        )
    ]


def _return_events(message: PaymentReturn) -> Iterator[StatusEvent]:
    for payment in message.payments:
        if payment.original_end_to_end_id:
            yield StatusEvent(
                kind=EventKind.RETURNED,
                reference=payment.original_end_to_end_id,
                transmission_reference=payment.original_message_id,
                code=payment.reason or _REVERSED,
                detail=payment.reason_text[:200],
                amount=payment.amount,
                currency=payment.currency,
                value_date=payment.settlement_date,
                bank_reference=payment.return_id or message.message_id,
                occurred_at=message.created_at,
            )


def _camt_events(report: BankReport) -> Iterator[StatusEvent]:
    for account in report.reports:
        for entry in account.entries:
            # Only a booked entry moved money; PDNG may vanish and INFO never moves any.
            if entry.status == "BOOK":
                for detail in entry.transactions:
                    event = _camt_event(entry, detail, report)
                    if event is not None:
                        yield event


def _camt_event(entry: Entry, detail: TransactionDetail, report: BankReport) -> StatusEvent | None:
    if not detail.end_to_end_id:
        return None
    if detail.credit is not None and detail.credit != entry.credit:
        return None  # Contradicts its own entry: reconciliation's business, not evidence.
    if entry.credit:
        code = detail.return_reason or (_REVERSED if entry.reversal else "")
        if not code:
            return None  # Somebody paid us.
        kind = EventKind.RETURNED
    elif entry.reversal or detail.return_reason:
        return None  # A return taken back, or a debit that is not a payout of ours.
    else:
        code, kind = "", EventKind.SETTLED
    alone = len(entry.transactions) == 1 and detail.amount is None
    return StatusEvent(
        kind=kind,
        reference=detail.end_to_end_id,
        code=code,
        detail=detail.return_text[:200],
        amount=entry.amount if alone else detail.amount,
        currency=entry.currency if alone else detail.currency,
        value_date=entry.value_date or entry.booking_date,
        bank_reference=detail.bank_reference or entry.bank_reference,
        occurred_at=report.created_at,
    )
