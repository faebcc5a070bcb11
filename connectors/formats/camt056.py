"""camt.056.001.08, FIToFIPaymentCancellationRequest: asking the receiver's bank for money back.

Source: ISO 20022 message definition; EPC inter-PSP guidelines (EPC115-06, recall and request for
recall by the originator); RTP uses it as "request for return of funds" in an envelope of its own,
which the reader takes as well. One payment in each message. The case's id is the message's too: it
is what an answer (camt.029) names.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from connectors.formats.parties import CaseParty, add_case_party, read_case_party
from connectors.formats.safe_xml import (
    Element,
    need,
    need_text,
    parse_amount,
    parse_message,
    parse_moment,
    text_at,
)
from connectors.formats.write_xml import (
    add,
    add_amount,
    add_some,
    date_time,
    new_document,
    to_bytes,
)

MESSAGE = "camt.056.001.08"
_NAME = "camt.056"


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentCancellationRequest:
    """One payment asked back. `created_at` is aware UTC, to the second; `amount` in `currency`."""

    case_id: str
    created_at: datetime
    assigner: CaseParty
    assignee: CaseParty
    original_message_id: str
    original_message_name: str
    original_instruction_id: str
    original_end_to_end_id: str
    original_transaction_id: str
    original_uetr: str
    amount: Decimal
    currency: str
    reason: str
    reason_text: str = ""


def write_camt056(request: PaymentCancellationRequest) -> bytes:
    """Write the message as UTF-8. Two equal requests give the same bytes."""
    root = new_document(MESSAGE)
    message = add(root, "FIToFIPmtCxlReq")
    assignment = add(message, "Assgnmt")
    add(assignment, "Id", request.case_id)
    add_case_party(assignment, "Assgnr", request.assigner)
    add_case_party(assignment, "Assgne", request.assignee)
    add(assignment, "CreDtTm", date_time(request.created_at))
    case = add(message, "Case")
    add(case, "Id", request.case_id)
    add_case_party(case, "Cretr", request.assigner)
    add(add(message, "CtrlData"), "NbOfTxs", "1")
    _write_transaction(add(add(message, "Undrlyg"), "TxInf"), request)
    return to_bytes(root)


def _write_transaction(block: Element, request: PaymentCancellationRequest) -> None:
    add(block, "CxlId", request.case_id)
    group = add(block, "OrgnlGrpInf")
    add(group, "OrgnlMsgId", request.original_message_id)
    add(group, "OrgnlMsgNmId", request.original_message_name)
    add_some(block, "OrgnlInstrId", request.original_instruction_id)
    add(block, "OrgnlEndToEndId", request.original_end_to_end_id)
    add_some(block, "OrgnlTxId", request.original_transaction_id)
    add_some(block, "OrgnlUETR", request.original_uetr)
    add_amount(block, "OrgnlIntrBkSttlmAmt", request.amount, request.currency)
    why = add(block, "CxlRsnInf")
    add(add(why, "Rsn"), "Cd", request.reason)
    add_some(why, "AddtlInf", request.reason_text)


def read_camt056(body: bytes) -> PaymentCancellationRequest:
    """Read a camt.056 about one payment, bare or in an envelope. Raises UnreadableDocument."""
    message, _ = parse_message(body, _NAME, "FIToFIPmtCxlReq")
    assignment = need(message, "Assgnmt", _NAME)
    transaction = need(message, "Undrlyg/TxInf", _NAME)
    # The group stands with the transaction, or once for all of them.
    group = transaction.find("OrgnlGrpInf")
    if group is None:
        group = need(message, "Undrlyg/OrgnlGrpInfAndCxl", _NAME)
    amount = need(transaction, "OrgnlIntrBkSttlmAmt", _NAME)
    why = transaction.find("CxlRsnInf")
    return PaymentCancellationRequest(
        case_id=text_at(message, "Case/Id") or need_text(assignment, "Id", _NAME),
        created_at=parse_moment(need_text(assignment, "CreDtTm", _NAME), f"{_NAME} CreDtTm"),
        assigner=read_case_party(assignment.find("Assgnr")),
        assignee=read_case_party(assignment.find("Assgne")),
        original_message_id=need_text(group, "OrgnlMsgId", _NAME),
        original_message_name=text_at(group, "OrgnlMsgNmId"),
        original_instruction_id=text_at(transaction, "OrgnlInstrId"),
        original_end_to_end_id=text_at(transaction, "OrgnlEndToEndId"),
        original_transaction_id=text_at(transaction, "OrgnlTxId"),
        original_uetr=text_at(transaction, "OrgnlUETR"),
        amount=parse_amount((amount.text or "").strip(), f"{_NAME} OrgnlIntrBkSttlmAmt"),
        currency=amount.get("Ccy", ""),
        reason=text_at(why, "Rsn/Cd") or text_at(why, "Rsn/Prtry"),
        reason_text=text_at(why, "AddtlInf"),
    )
