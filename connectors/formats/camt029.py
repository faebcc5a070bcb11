"""camt.029, ResolutionOfInvestigation: what became of a recall (camt.056).

Source: ISO 20022 message definition, version .09 and its neighbours; EPC115-06 (a negative answer
names one of CUST, LEGL, AC04, AM04, NOAS, NOOR, ARDT; a positive one is the money itself). Status of
the case: CNCL accepted, PDCR still being looked into, RJCR refused. A transaction's own status says
the same as ACCR, PDCR, RJCR.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from connectors.formats.safe_xml import (
    Element,
    need,
    need_text,
    parse_amount,
    parse_message,
    parse_moment,
    text_at,
)

_NAME = "camt.029"


@dataclass(frozen=True, slots=True, kw_only=True)
class CancellationStatus:
    """What became of the recall of one payment. `amount`, when stated, is in units of `currency`."""

    status_id: str
    case_id: str
    original_message_id: str
    original_instruction_id: str
    original_end_to_end_id: str
    original_transaction_id: str
    status: str
    reason: str
    reason_text: str
    amount: Decimal | None
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InvestigationResolution:
    """A whole answer. `confirmation` is the status of the case; `case_id` may be ""."""

    message_id: str
    created_at: datetime
    case_id: str
    confirmation: str
    transactions: tuple[CancellationStatus, ...]


def read_camt029(body: bytes) -> InvestigationResolution:
    """Read a camt.029, bare or in an envelope. Raises UnreadableDocument."""
    message, _ = parse_message(body, _NAME, "RsltnOfInvstgtn")
    assignment = need(message, "Assgnmt", _NAME)
    case_id = text_at(message, "RslvdCase/Id")
    return InvestigationResolution(
        message_id=need_text(assignment, "Id", _NAME),
        created_at=parse_moment(need_text(assignment, "CreDtTm", _NAME), f"{_NAME} CreDtTm"),
        case_id=case_id,
        confirmation=text_at(need(message, "Sts", _NAME), "Conf"),
        transactions=tuple(
            _read_transaction(block, details, case_id)
            for details in message.findall("CxlDtls")
            for block in details.findall("TxInfAndSts")
        ),
    )


def _read_transaction(block: Element, details: Element, case_id: str) -> CancellationStatus:
    info = block.find("CxlStsRsnInf")
    amount = block.find("OrgnlIntrBkSttlmAmt")
    return CancellationStatus(
        status_id=text_at(block, "CxlStsId"),
        case_id=text_at(block, "RslvdCase/Id") or case_id,
        original_message_id=text_at(block, "OrgnlGrpInf/OrgnlMsgId")
        or text_at(details, "OrgnlGrpInfAndSts/OrgnlMsgId"),
        original_instruction_id=text_at(block, "OrgnlInstrId"),
        original_end_to_end_id=text_at(block, "OrgnlEndToEndId") or text_at(block, "OrgnlTxId"),
        original_transaction_id=text_at(block, "OrgnlTxId"),
        status=text_at(block, "TxCxlSts"),
        reason=text_at(info, "Rsn/Cd") or text_at(info, "Rsn/Prtry"),
        reason_text=text_at(info, "AddtlInf"),
        amount=None
        if amount is None
        else parse_amount((amount.text or "").strip(), f"{_NAME} OrgnlIntrBkSttlmAmt"),
        currency="" if amount is None else amount.get("Ccy", ""),
    )
