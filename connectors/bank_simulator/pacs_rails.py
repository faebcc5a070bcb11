"""Fedwire and RTP at the simulated bank: pacs.008 in, pacs.002 and camt.054 out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import ClassVar
from xml.sax.saxutils import escape

from connectors.bank_simulator import magic, pacs008, scheme_clock, sepa_reports
from connectors.bank_simulator.magic import Magic
from connectors.bank_simulator.payments import (
    Document,
    Line,
    Order,
    Payment,
    Reply,
    State,
    Submission,
    money,
)
from connectors.bank_simulator.rail import Incoming, Rail
from connectors.bank_simulator.sepa_reports import camt_id, date_time, xml_reply

PACS_002 = "pacs.002.001.10"


class PacsRail(Rail):
    """What the two have in common."""

    resource: ClassVar[str] = "credit-transfers"
    banks: ClassVar[tuple[str, ...]] = ("default",)
    duplicate_code: ClassVar[str] = "DUPL"
    scheme: ClassVar[pacs008.Scheme]

    def read(self, request: Incoming, now: datetime) -> Submission:
        return pacs008.read(request.body, now, self.scheme)

    def magic(self, order: Order) -> Magic | None:
        return magic.for_us_account(order.details["routing"], order.account, iso=True)

    def answer(
        self, key: str, lines: Sequence[Line], *, report_id: str, now: datetime, today: bool
    ) -> Reply:
        return xml_reply(_status_report(key, lines, report_id=report_id, now=now, today=today))

    def refusal(self, key: str, *, code: str, detail: str, report_id: str, now: datetime) -> Reply:
        text = f"<AddtlInf>{escape(detail[:105])}</AddtlInf>"
        reason = f"<GrpSts>RJCT</GrpSts><StsRsnInf><Rsn><Cd>{code}</Cd></Rsn>{text}</StsRsnInf>"
        return xml_reply(_pacs_002(key or "NOTPROVIDED", reason, "", report_id=report_id, now=now))

    def settlement(
        self, payments: Sequence[Payment], *, number: int, now: datetime, day: date
    ) -> Document:
        content = sepa_reports.notification(
            payments, report_id=camt_id(number, now), now=now, value_date=day, returned=False
        )
        return Document.of(sepa_reports.CAMT_054, content)

    def returned(
        self, payments: Sequence[Payment], *, number: int, now: datetime, day: date
    ) -> Document:
        content = sepa_reports.notification(
            payments, report_id=camt_id(number, now), now=now, value_date=day, returned=True
        )
        return Document.of(sepa_reports.CAMT_054, content)

    def late_refusal(
        self, key: str, lines: Sequence[Line], *, number: int, now: datetime
    ) -> Document:
        report_id = f"LATE-{now:%Y%m%d}-{number:08d}"
        return Document.of(
            PACS_002, _status_report(key, lines, report_id=report_id, now=now, today=True)
        )


class WireRail(PacsRail):
    """Fedwire: settles at once while it is open, else when it opens."""

    name: ClassVar[str] = "wire"
    scheme: ClassVar[pacs008.Scheme] = pacs008.FEDWIRE

    def settles_at(self, accepted_at: datetime, wanted_on: date) -> datetime:
        return scheme_clock.fedwire_settlement(accepted_at, wanted_on)

    def returns_at(self, settled_at: datetime) -> datetime:
        return scheme_clock.fedwire_return(settled_at)


class RtpRail(PacsRail):
    """RTP: settled before the answer is given, every day."""

    name: ClassVar[str] = "rtp"
    scheme: ClassVar[pacs008.Scheme] = pacs008.RTP

    def settles_at(self, accepted_at: datetime, wanted_on: date) -> datetime:
        return accepted_at

    def returns_at(self, settled_at: datetime) -> datetime:
        return settled_at + timedelta(days=1)


def _status_report(
    key: str, lines: Sequence[Line], *, report_id: str, now: datetime, today: bool
) -> bytes:
    told = "".join(_transaction(line, now=now, today=today) for line in lines)
    return _pacs_002(key, "", told, report_id=report_id, now=now)


def _transaction(line: Line, *, now: datetime, today: bool) -> str:
    payment = line.payment
    state = payment.state if today else payment.verdict
    status, reason = "ACSC", ""
    reference = f"<AcctSvcrRef>{payment.bank_reference}</AcctSvcrRef>"
    if state is State.REJECTED:
        status, reference = "RJCT", ""
        reason = f"<StsRsnInf><Rsn><Cd>{payment.code}</Cd></Rsn></StsRsnInf>"
    elif state is State.ACCEPTED and not (payment.settles_at and payment.settles_at <= now):
        status = "ACSP"
    original = f"<OrgnlInstrId>{escape(line.position)}</OrgnlInstrId>" if line.position else ""
    return (
        f"<TxInfAndSts>{original}<OrgnlEndToEndId>{escape(payment.reference)}</OrgnlEndToEndId>"
        f"<OrgnlTxId>{escape(payment.details['transaction_id'])}</OrgnlTxId>"
        f"<TxSts>{status}</TxSts>{reason}<AccptncDtTm>{date_time(now)}</AccptncDtTm>{reference}"
        f'<OrgnlTxRef><IntrBkSttlmAmt Ccy="{payment.currency}">{money(line.shown_amount)}'
        "</IntrBkSttlmAmt></OrgnlTxRef></TxInfAndSts>"
    )


def _pacs_002(message_id: str, group: str, told: str, *, report_id: str, now: datetime) -> bytes:
    text = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<Document xmlns="urn:iso:std:iso:20022:tech:xsd:{PACS_002}"><FIToFIPmtStsRpt>'
        f"<GrpHdr><MsgId>{report_id}</MsgId><CreDtTm>{date_time(now)}</CreDtTm></GrpHdr>"
        f"<OrgnlGrpInfAndSts><OrgnlMsgId>{escape(message_id)}</OrgnlMsgId>"
        f"<OrgnlMsgNmId>pacs.008.001.08</OrgnlMsgNmId>{group}</OrgnlGrpInfAndSts>"
        f"{told}</FIToFIPmtStsRpt></Document>\n"
    )
    return text.encode("utf-8")
