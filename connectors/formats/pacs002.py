"""pacs.002, FIToFIPaymentStatusReport: what a clearing system or a bank says about a pacs.008.

Source: ISO 20022 message definition, version .10 and its neighbours. RTP wraps the message into its
own envelope; the first pacs.002 inside is read.
"""

from __future__ import annotations

from connectors.formats.pain002 import PaymentStatus, StatusReport, TransactionStatus
from connectors.formats.safe_xml import (
    Element,
    need,
    need_text,
    parse_amount,
    parse_message,
    parse_moment,
    text_at,
)

_NAME = "pacs.002"
_BODY = "FIToFIPmtStsRpt"


def read_pacs002(body: bytes) -> StatusReport:
    """Read a pacs.002, bare or in an envelope. Raises UnreadableDocument."""
    report, name = parse_message(body, _NAME, _BODY)
    header = need(report, "GrpHdr", _NAME)
    group = need(report, "OrgnlGrpInfAndSts", _NAME)
    reason, reason_text = _reason(group)
    transactions = tuple(_read_transaction(tx) for tx in report.findall("TxInfAndSts"))
    return StatusReport(
        message_name=name,
        message_id=need_text(header, "MsgId", _NAME),
        created_at=parse_moment(need_text(header, "CreDtTm", _NAME), f"{_NAME} CreDtTm"),
        original_message_id=need_text(group, "OrgnlMsgId", _NAME),
        original_message_name=text_at(group, "OrgnlMsgNmId"),
        group_status=text_at(group, "GrpSts"),
        group_reason=reason,
        group_reason_text=reason_text,
        payments=(
            PaymentStatus(
                payment_information_id="", status="", reason="", transactions=transactions
            ),
        ),
    )


def _read_transaction(block: Element) -> TransactionStatus:
    reason, reason_text = _reason(block)
    amount = block.find("OrgnlTxRef/IntrBkSttlmAmt")
    return TransactionStatus(
        instruction_id=text_at(block, "OrgnlInstrId"),
        # RTP names its own identifier only; ours are the same text.
        end_to_end_id=text_at(block, "OrgnlEndToEndId") or text_at(block, "OrgnlTxId"),
        status=text_at(block, "TxSts"),
        reason=reason,
        reason_text=reason_text,
        bank_reference=text_at(block, "AcctSvcrRef") or text_at(block, "ClrSysRef"),
        amount=None
        if amount is None
        else parse_amount((amount.text or "").strip(), f"{_NAME} IntrBkSttlmAmt"),
        currency="" if amount is None else amount.get("Ccy", ""),
    )


def _reason(block: Element) -> tuple[str, str]:
    info = block.find("StsRsnInf")
    code = text_at(info, "Rsn/Cd") or text_at(info, "Rsn/Prtry")
    return code, text_at(info, "AddtlInf")
