"""pacs.004, PaymentReturn: money that comes back from bank to bank.

Source: ISO 20022 message definition, versions .09 (RTP, SEPA) and .10 (FedNow, Fedwire), which differ
in nothing that is read here. A reason of the whole message holds for each payment that names none.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from connectors.base import UnreadableDocument
from connectors.formats.safe_xml import (
    Element,
    need,
    need_text,
    parse_amount,
    parse_count,
    parse_date,
    parse_message,
    parse_moment,
    text_at,
)

_NAME = "pacs.004"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnedPayment:
    """One payment that came back (TxInf). `amount` is exact, in units of `currency`."""

    return_id: str
    original_message_id: str
    original_instruction_id: str
    original_end_to_end_id: str
    original_transaction_id: str
    original_uetr: str
    amount: Decimal
    currency: str
    settlement_date: date | None
    reason: str
    reason_text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentReturn:
    """A whole message."""

    message_name: str
    message_id: str
    created_at: datetime
    payments: tuple[ReturnedPayment, ...]


def read_pacs004(body: bytes) -> PaymentReturn:
    """Read a pacs.004, bare or in an envelope, and hold it against its own count and sum.

    Raises UnreadableDocument.
    """
    message, name = parse_message(body, _NAME, "PmtRtr")
    header = need(message, "GrpHdr", _NAME)
    payments = tuple(_read_payment(block, message) for block in message.findall("TxInf"))
    count = parse_count(need_text(header, "NbOfTxs", _NAME), f"{_NAME} NbOfTxs")
    total = text_at(header, "CtrlSum")
    if count != len(payments) or (
        total
        and parse_amount(total, f"{_NAME} CtrlSum") != sum(payment.amount for payment in payments)
    ):
        raise UnreadableDocument("control_mismatch", f"{_NAME}: NbOfTxs or CtrlSum is wrong")
    return PaymentReturn(
        message_name=name,
        message_id=need_text(header, "MsgId", _NAME),
        created_at=parse_moment(need_text(header, "CreDtTm", _NAME), f"{_NAME} CreDtTm"),
        payments=payments,
    )


def _read_payment(block: Element, message: Element) -> ReturnedPayment:
    amount = need(block, "RtrdIntrBkSttlmAmt", _NAME)
    day = text_at(block, "IntrBkSttlmDt") or text_at(message, "GrpHdr/IntrBkSttlmDt")
    why = block.find("RtrRsnInf")
    if why is None:
        why = message.find("OrgnlGrpInf/RtrRsnInf")
    return ReturnedPayment(
        return_id=text_at(block, "RtrId"),
        original_message_id=text_at(block, "OrgnlGrpInf/OrgnlMsgId")
        or text_at(message, "OrgnlGrpInf/OrgnlMsgId"),
        original_instruction_id=text_at(block, "OrgnlInstrId"),
        original_end_to_end_id=text_at(block, "OrgnlEndToEndId") or text_at(block, "OrgnlTxId"),
        original_transaction_id=text_at(block, "OrgnlTxId"),
        original_uetr=text_at(block, "OrgnlUETR"),
        amount=parse_amount((amount.text or "").strip(), f"{_NAME} RtrdIntrBkSttlmAmt"),
        currency=amount.get("Ccy", ""),
        settlement_date=parse_date(day, f"{_NAME} IntrBkSttlmDt") if day else None,
        reason=text_at(why, "Rsn/Cd") or text_at(why, "Rsn/Prtry"),
        reason_text=text_at(why, "AddtlInf"),
    )
