"""Recalls as SEPA, wire and RTP know them: a camt.056 out, a camt.029 back.

The bank's first answer says whether it passed the request on. Whether the receiver gives the money
back is told days later by a report; the money itself comes as a return of its own. The same recall
sent again has the same bytes, and the bank recognises its case: an answer that was lost costs one
more question.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from connectors.abilities import RecallOrder
from connectors.base import (
    ConnectorError,
    EventKind,
    InboundDocument,
    Outcome,
    OutcomeKind,
    StatusEvent,
    UnreadableDocument,
)
from connectors.formats.iso20022 import (
    CancellationStatus,
    CaseParty,
    InvestigationResolution,
    PaymentCancellationRequest,
    read_camt029,
    write_camt056,
)
from connectors.formats.latin import sepa_text
from connectors.http import HttpAnswer
from connectors.rails.bank_api import BankApi, unreadable_answer
from connectors.schemes.recalls import ISO_RECALL_CODES

_RECALLS = "/recalls"
_CASE = re.compile(r"[A-Za-z0-9-]{1,35}", re.ASCII)

# ISO 20022 ExternalInvestigationExecutionConfirmation1Code, and CancellationIndividualStatus1Code.
_ACCEPTED = frozenset({"CNCL", "ACCR"})
_REFUSED = "RJCR"
_PENDING = "PDCR"


def cancellation_request(
    order: RecallOrder,
    *,
    message_name: str,
    assigner: CaseParty,
    assignee: CaseParty,
    uetr: str = "",
) -> PaymentCancellationRequest:
    """The camt.056 of an order, the same for the same order. Raises ConnectorError."""
    # A UUID with its hyphens is one character too long.
    case_id = order.reference if len(order.reference) <= 35 else order.reference.replace("-", "")
    if not _CASE.fullmatch(case_id):
        raise ConnectorError("invalid_reference", "a recall is named by 1 to 35 characters")
    return PaymentCancellationRequest(
        case_id=case_id,
        created_at=order.created_at.replace(microsecond=0),
        assigner=assigner,
        assignee=assignee,
        original_message_id=order.transmission.reference,
        original_message_name=message_name,
        original_instruction_id="",
        original_end_to_end_id=order.payment_reference,
        original_transaction_id="",
        original_uetr=uetr,
        amount=order.amount,
        currency=order.currency,
        reason=ISO_RECALL_CODES[order.reason],
        reason_text=sepa_text(order.detail, 105),
    )


def ask_back(api: BankApi, request: PaymentCancellationRequest) -> Outcome:
    """Send a recall once and read the bank's first answer. Raises ConnectorMisconfigured only."""
    answer = api.submit(_RECALLS, body=write_camt056(request), content_type="application/xml")
    return _read_answer(answer, request) if isinstance(answer, HttpAnswer) else answer


def _read_answer(answer: HttpAnswer, request: PaymentCancellationRequest) -> Outcome:
    try:
        told = read_camt029(answer.body)
    except UnreadableDocument as error:
        return unreadable_answer(answer, "answer_unreadable", error.code)
    first = told.transactions[0] if told.transactions else None
    if (first.case_id if first else told.case_id) != request.case_id:
        return unreadable_answer(answer, "answer_mismatch", "speaks of another recall")
    kind = OutcomeKind.UNKNOWN
    if told.confirmation in _ACCEPTED or told.confirmation == _PENDING:
        kind = OutcomeKind.ACCEPTED
    elif told.confirmation == _REFUSED:
        kind = OutcomeKind.REJECTED
    events = tuple(_events(told)) if kind is OutcomeKind.ACCEPTED else ()
    return Outcome(
        kind=kind,
        code=first.reason if first else "",
        detail=first.reason_text[:200] if first else "",
        events=events,
        bank_reference=told.message_id,
        document=answer.body,
        content_type=answer.headers.get("content-type", ""),
    )


def read_recall_report(document: InboundDocument) -> list[StatusEvent]:
    """Read a fetched camt.029. Raises UnreadableDocument."""
    return list(_events(read_camt029(document.body)))


def _events(told: InvestigationResolution) -> Iterator[StatusEvent]:
    for transaction in told.transactions:
        event = _event(transaction, told)
        if event is not None:
            yield event


def _event(tx: CancellationStatus, told: InvestigationResolution) -> StatusEvent | None:
    status = tx.status or told.confirmation
    if not tx.original_end_to_end_id or not (status in _ACCEPTED or status == _REFUSED):
        return None  # Still being looked into, or a word that we do not know.
    accepted = status in _ACCEPTED
    return StatusEvent(
        kind=EventKind.RECALL_ACCEPTED if accepted else EventKind.RECALL_REFUSED,
        reference=tx.original_end_to_end_id,
        transmission_reference=tx.case_id,
        code=tx.reason,
        detail=tx.reason_text[:200],
        amount=tx.amount,
        currency=tx.currency,
        bank_reference=tx.status_id or told.message_id,
        occurred_at=told.created_at,
    )
