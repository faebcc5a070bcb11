"""The other messages of a sponsor bank on Fedwire or RTP: pacs.028 in, pacs.002 and pacs.004 out.

Sources: ISO 20022 pacs.028.001.03, pacs.002.001.10, pacs.004.001.10. Written as text from escaped
values, as the SEPA reports are; the tests hold every kind against the official schemas.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from xml.sax.saxutils import escape

from connectors.bank_simulator.payments import Line, Payment, State, UnreadableSubmission, money
from connectors.bank_simulator.sepa_reports import date_time
from connectors.bank_simulator.strict_xml import (
    GroupRefused,
    Shape,
    check_structure,
    localise,
    parse,
)

PACS_002 = "pacs.002.001.10"
PACS_004 = "pacs.004.001.10"
PACS_028 = "pacs.028.001.03"
_PROLOGUE = '<?xml version="1.0" encoding="UTF-8"?>\n'

_QUESTION = Shape(
    children={
        "Document": ("FIToFIPmtStsReq",),
        "FIToFIPmtStsReq": ("GrpHdr", "OrgnlGrpInf", "TxInf"),
        "GrpHdr": ("MsgId", "CreDtTm", "InstgAgt", "InstdAgt"),
        "TxInf": (
            *("StsReqId", "OrgnlGrpInf", "OrgnlInstrId", "OrgnlEndToEndId", "OrgnlTxId"),
            *("OrgnlUETR", "AccptncDtTm", "ClrSysRef", "InstgAgt", "InstdAgt", "OrgnlTxRef"),
        ),
        "OrgnlGrpInf": ("OrgnlMsgId", "OrgnlMsgNmId", "OrgnlCreDtTm"),
    },
    required={
        "Document": ("FIToFIPmtStsReq",),
        "FIToFIPmtStsReq": ("GrpHdr", "TxInf"),
        "GrpHdr": ("MsgId", "CreDtTm"),
        "TxInf": ("OrgnlGrpInf",),
        "OrgnlGrpInf": ("OrgnlMsgId", "OrgnlMsgNmId"),
    },
    repeatable=frozenset(),
    identifiers=frozenset({"MsgId", "OrgnlMsgId"}),
)


def read_question(body: bytes) -> str:
    """The MsgId that a pacs.028 asks about. Raises UnreadableSubmission."""
    root = parse(body)
    try:
        localise(root, f"urn:iso:std:iso:20022:tech:xsd:{PACS_028}")
        check_structure(root, _QUESTION)
    except GroupRefused as refused:
        raise UnreadableSubmission(refused.detail) from None
    return root.findtext("FIToFIPmtStsReq/TxInf/OrgnlGrpInf/OrgnlMsgId") or ""


def status_report(
    key: str, lines: Sequence[Line], *, report_id: str, now: datetime, today: bool
) -> bytes:
    """A pacs.002 about the payments of a message."""
    told = "".join(_status(line, now=now, today=today) for line in lines)
    return _pacs_002(key, "", told, report_id=report_id, now=now)


def group_refusal(key: str, *, code: str, detail: str, report_id: str, now: datetime) -> bytes:
    """A pacs.002 that refuses a message as a whole."""
    text = f"<AddtlInf>{escape(detail[:105])}</AddtlInf>"
    reason = f"<GrpSts>RJCT</GrpSts><StsRsnInf><Rsn><Cd>{code}</Cd></Rsn>{text}</StsRsnInf>"
    return _pacs_002(key or "NOTPROVIDED", reason, "", report_id=report_id, now=now)


def _status(line: Line, *, now: datetime, today: bool) -> str:
    payment = line.payment
    status, reason = _word(payment, now=now, today=today), ""
    reference = f"<AcctSvcrRef>{payment.bank_reference}</AcctSvcrRef>"
    if status == "RJCT":
        reference = ""
        reason = f"<StsRsnInf><Rsn><Cd>{payment.code}</Cd></Rsn></StsRsnInf>"
    original = f"<OrgnlInstrId>{escape(line.position)}</OrgnlInstrId>" if line.position else ""
    return (
        f"<TxInfAndSts>{original}<OrgnlEndToEndId>{escape(payment.reference)}</OrgnlEndToEndId>"
        f"<OrgnlTxId>{escape(payment.details['transaction_id'])}</OrgnlTxId>"
        f"<TxSts>{status}</TxSts>{reason}<AccptncDtTm>{date_time(now)}</AccptncDtTm>{reference}"
        f'<OrgnlTxRef><IntrBkSttlmAmt Ccy="{payment.currency}">{money(line.shown_amount)}'
        "</IntrBkSttlmAmt></OrgnlTxRef></TxInfAndSts>"
    )


def _word(payment: Payment, *, now: datetime, today: bool) -> str:
    """ISO 20022 ExternalPaymentTransactionStatus1Code of a payment."""
    state = payment.state if today else payment.verdict
    if state is State.REJECTED:
        return "RJCT"
    if "unposted" in payment.details and state is State.ACCEPTED:
        # Settled between the banks, not yet on the receiver's account.
        return "PDNG" if today and payment.pending_told else "ACWP"
    if state is State.ACCEPTED and not (payment.settles_at and payment.settles_at <= now):
        return "ACSP"
    return "ACSC"


def _pacs_002(message_id: str, group: str, told: str, *, report_id: str, now: datetime) -> bytes:
    return (
        f'{_PROLOGUE}<Document xmlns="urn:iso:std:iso:20022:tech:xsd:{PACS_002}"><FIToFIPmtStsRpt>'
        f"<GrpHdr><MsgId>{report_id}</MsgId><CreDtTm>{date_time(now)}</CreDtTm></GrpHdr>"
        f"<OrgnlGrpInfAndSts><OrgnlMsgId>{escape(message_id)}</OrgnlMsgId>"
        f"<OrgnlMsgNmId>pacs.008.001.08</OrgnlMsgNmId>{group}</OrgnlGrpInfAndSts>"
        f"{told}</FIToFIPmtStsRpt></Document>\n"
    ).encode()


def payment_return(
    payments: Sequence[Payment], *, report_id: str, now: datetime, day: date, clearing_system: str
) -> bytes:
    """A pacs.004: money that the receiver's bank sends back."""
    told = "".join(_returned(payment, day) for payment in payments)
    return (
        f'{_PROLOGUE}<Document xmlns="urn:iso:std:iso:20022:tech:xsd:{PACS_004}"><PmtRtr>'
        f"<GrpHdr><MsgId>{report_id}</MsgId><CreDtTm>{date_time(now)}</CreDtTm>"
        f"<NbOfTxs>{len(payments)}</NbOfTxs><SttlmInf><SttlmMtd>CLRG</SttlmMtd>"
        f"<ClrSys><Cd>{clearing_system}</Cd></ClrSys></SttlmInf></GrpHdr>{told}</PmtRtr></Document>\n"
    ).encode()


def _returned(payment: Payment, day: date) -> str:
    instruction = (
        f"<OrgnlInstrId>{escape(payment.position)}</OrgnlInstrId>" if payment.position else ""
    )
    amount = f'Ccy="{payment.currency}">{money(payment.amount)}'
    return (
        f"<TxInf><RtrId>{payment.bank_reference}R</RtrId><OrgnlGrpInf>"
        f"<OrgnlMsgId>{escape(payment.message_key)}</OrgnlMsgId>"
        f"<OrgnlMsgNmId>pacs.008.001.08</OrgnlMsgNmId></OrgnlGrpInf>{instruction}"
        f"<OrgnlEndToEndId>{escape(payment.reference)}</OrgnlEndToEndId>"
        f"<OrgnlTxId>{escape(payment.details['transaction_id'])}</OrgnlTxId>"
        f"<OrgnlUETR>{escape(payment.details['uetr'])}</OrgnlUETR>"
        f"<OrgnlIntrBkSttlmAmt {amount}</OrgnlIntrBkSttlmAmt>"
        f"<RtrdIntrBkSttlmAmt {amount}</RtrdIntrBkSttlmAmt>"
        f"<IntrBkSttlmDt>{day.isoformat()}</IntrBkSttlmDt>"
        f"<RtrRsnInf><Rsn><Cd>{payment.return_code}</Cd></Rsn></RtrRsnInf></TxInf>"
    )
