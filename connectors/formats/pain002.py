"""pain.002, CustomerPaymentStatusReport: what a bank says about a pain.001.

Source: ISO 20022 message definition, versions .03 to .14; national dialects (the Swiss one) differ
by namespace only. Statuses: group, payment information and transaction level, each optional below.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from connectors.base import UnreadableDocument
from connectors.formats.safe_xml import (
    Element,
    need,
    need_text,
    parse_amount,
    parse_document,
    parse_moment,
    text_at,
)

_NAME = "pain.002"


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionStatus:
    """The status of one payment (TxInfAndSts). `amount`, when stated, is in units of `currency`."""

    instruction_id: str
    end_to_end_id: str
    status: str
    reason: str
    reason_text: str
    bank_reference: str
    amount: Decimal | None
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentStatus:
    """The status of one PmtInf; `status` is "" when only its transactions have one."""

    payment_information_id: str
    status: str
    reason: str
    transactions: tuple[TransactionStatus, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusReport:
    """A whole report. `group_status` is "" when the bank states none."""

    message_name: str
    message_id: str
    created_at: datetime
    original_message_id: str
    original_message_name: str
    group_status: str
    group_reason: str
    group_reason_text: str
    payments: tuple[PaymentStatus, ...]

    @property
    def transactions(self) -> tuple[TransactionStatus, ...]:
        """Every transaction that the report names, in its order."""
        return tuple(tx for payment in self.payments for tx in payment.transactions)


def read_pain002(body: bytes) -> StatusReport:
    """Read a pain.002 of any version. Raises UnreadableDocument."""
    root, name = parse_document(body)
    if not name.startswith(_NAME):
        raise UnreadableDocument("not_pain002", "the namespace is not one of pain.002")
    report = need(root, "CstmrPmtStsRpt", _NAME)
    header = need(report, "GrpHdr", _NAME)
    group = need(report, "OrgnlGrpInfAndSts", _NAME)
    reason, reason_text = _reason(group)
    return StatusReport(
        message_name=name,
        message_id=need_text(header, "MsgId", _NAME),
        created_at=parse_moment(need_text(header, "CreDtTm", _NAME), f"{_NAME} CreDtTm"),
        original_message_id=need_text(group, "OrgnlMsgId", _NAME),
        original_message_name=text_at(group, "OrgnlMsgNmId"),
        group_status=text_at(group, "GrpSts"),
        group_reason=reason,
        group_reason_text=reason_text,
        payments=tuple(_read_payment(block) for block in report.findall("OrgnlPmtInfAndSts")),
    )


def _read_payment(block: Element) -> PaymentStatus:
    status = text_at(block, "PmtInfSts")
    reason, _ = _reason(block)
    return PaymentStatus(
        payment_information_id=text_at(block, "OrgnlPmtInfId"),
        status=status,
        reason=reason,
        transactions=tuple(_read_transaction(tx, status) for tx in block.findall("TxInfAndSts")),
    )


def _read_transaction(block: Element, inherited: str) -> TransactionStatus:
    reason, reason_text = _reason(block)
    amount = block.find("OrgnlTxRef/Amt/InstdAmt")
    return TransactionStatus(
        instruction_id=text_at(block, "OrgnlInstrId"),
        end_to_end_id=text_at(block, "OrgnlEndToEndId"),
        status=text_at(block, "TxSts") or inherited,
        reason=reason,
        reason_text=reason_text,
        bank_reference=text_at(block, "AcctSvcrRef"),
        amount=None
        if amount is None
        else parse_amount((amount.text or "").strip(), f"{_NAME} InstdAmt"),
        currency="" if amount is None else amount.get("Ccy", ""),
    )


def _reason(block: Element) -> tuple[str, str]:
    info = block.find("StsRsnInf")
    code = text_at(info, "Rsn/Cd") or text_at(info, "Rsn/Prtry")
    return code, text_at(info, "AddtlInf")
