"""Writes what a SEPA bank says: pain.002.001.10 and camt.054.001.08.

Built as text from escaped values: a report may carry a thousand payments and is written while the
book is locked. The tests hold every kind against the official schemas.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from itertools import groupby
from xml.sax.saxutils import escape

from connectors.bank_simulator.payments import Line, Payment, Reply, State, money

PAIN_002 = "pain.002.001.10"
CAMT_054 = "camt.054.001.08"
_PROLOGUE = '<?xml version="1.0" encoding="UTF-8"?>\n'
_TODAY = {
    State.ACCEPTED: "ACCP",
    State.REJECTED: "RJCT",
    State.SETTLED: "ACSC",
    State.RETURNED: "ACSC",  # It was carried out; that it came back is told by camt.054.
}


def status_report(
    message_id: str,
    lines: Sequence[Line],
    *,
    report_id: str,
    now: datetime,
    today: bool,
    instant: bool = False,
) -> bytes:
    """A pain.002 on a whole message: first verdicts, or with `today` present statuses.

    `instant` payments are settled when they are accepted, and their answer says so.
    """
    told = [(line, _status(line.payment, today=today, instant=instant)) for line in lines]
    refused = sum(status == "RJCT" for _, status in told)
    group_status = "ACCP" if not refused else "RJCT" if refused == len(told) else "PART"
    if all(status == "ACSC" for _, status in told):
        group_status = "ACSC" if instant else "ACCP"
    groups = "".join(
        f"<OrgnlPmtInfAndSts><OrgnlPmtInfId>{escape(group)}</OrgnlPmtInfId>"
        f"{''.join(_transaction(line, status) for line, status in members)}</OrgnlPmtInfAndSts>"
        for group, members in groupby(told, key=lambda pair: pair[0].group)
    )
    return _pain_002(message_id, group_status, "", groups, report_id=report_id, now=now)


def group_refusal(
    message_id: str, *, code: str, detail: str, report_id: str, now: datetime
) -> bytes:
    """A pain.002 that refuses a message as a whole."""
    text = f"<AddtlInf>{escape(detail[:105])}</AddtlInf>"
    reason = f"<StsRsnInf><Rsn><Cd>{code}</Cd></Rsn>{text}</StsRsnInf>"
    return _pain_002(message_id or "NOTPROVIDED", "RJCT", reason, "", report_id=report_id, now=now)


def _pain_002(
    message_id: str, status: str, reason: str, groups: str, *, report_id: str, now: datetime
) -> bytes:
    text = (
        f'{_PROLOGUE}<Document xmlns="urn:iso:std:iso:20022:tech:xsd:{PAIN_002}"><CstmrPmtStsRpt>'
        f"<GrpHdr><MsgId>{report_id}</MsgId><CreDtTm>{date_time(now)}</CreDtTm></GrpHdr>"
        f"<OrgnlGrpInfAndSts><OrgnlMsgId>{escape(message_id)}</OrgnlMsgId>"
        f"<OrgnlMsgNmId>pain.001.001.09</OrgnlMsgNmId><GrpSts>{status}</GrpSts>{reason}</OrgnlGrpInfAndSts>"
        f"{groups}</CstmrPmtStsRpt></Document>\n"
    )
    return text.encode("utf-8")


def _status(payment: Payment, *, today: bool, instant: bool) -> str:
    state = payment.state if today else payment.verdict
    if instant and state is State.ACCEPTED:
        # Without a time of settlement it is not decided yet: a refusal by report will follow.
        return "ACSC" if payment.settles_at else "ACSP"
    return _TODAY[state]


def _transaction(line: Line, status: str) -> str:
    payment = line.payment
    instruction = f"<OrgnlInstrId>{escape(line.position)}</OrgnlInstrId>" if line.position else ""
    reason, reference = "", ""
    if status == "RJCT":
        reason = f"<StsRsnInf><Rsn><Cd>{payment.code}</Cd></Rsn></StsRsnInf>"
    else:
        reference = f"<AcctSvcrRef>{payment.bank_reference}</AcctSvcrRef>"
    return (
        f"<TxInfAndSts>{instruction}<OrgnlEndToEndId>{escape(payment.reference)}</OrgnlEndToEndId>"
        f"<TxSts>{status}</TxSts>{reason}{reference}"
        f'<OrgnlTxRef><Amt><InstdAmt Ccy="{payment.currency}">{money(line.shown_amount)}</InstdAmt>'
        "</Amt></OrgnlTxRef>"
        "</TxInfAndSts>"
    )


def notification(
    payments: Iterable[Payment], *, report_id: str, now: datetime, value_date: date, returned: bool
) -> bytes:
    """A camt.054: what was debited, or with `returned` what came back, by debtor's account."""
    ordered = sorted(payments, key=lambda payment: (_debtor(payment), payment.id))
    entry = _returned_entry if returned else _debited_entry
    notices = "".join(
        f"<Ntfctn><Id>{report_id}-{number}</Id><CreDtTm>{date_time(now)}</CreDtTm>"
        f"<Acct><Id>{account}</Id><Ccy>{currency}</Ccy></Acct>"
        f"{''.join(entry(payment, value_date) for payment in members)}</Ntfctn>"
        for number, ((account, currency), members) in enumerate(
            groupby(ordered, key=_debtor), start=1
        )
    )
    text = (
        f'{_PROLOGUE}<Document xmlns="urn:iso:std:iso:20022:tech:xsd:{CAMT_054}">'
        "<BkToCstmrDbtCdtNtfctn>"
        f"<GrpHdr><MsgId>{report_id}</MsgId><CreDtTm>{date_time(now)}</CreDtTm></GrpHdr>"
        f"{notices}</BkToCstmrDbtCdtNtfctn></Document>\n"
    )
    return text.encode("utf-8")


# Bank transaction codes (ISO 20022): issued credit transfers, real-time ones of a family of their own.
_FAMILIES = {
    "sepa": ("ICDT", "ESCT"),
    "sepa_instant": ("IRCT", "ESCT"),
    "wire": ("ICDT", "DMCT"),
    "rtp": ("IRCT", "DMCT"),
}


def _debtor(payment: Payment) -> tuple[str, str]:
    """The account that was debited, as it is written, and its currency."""
    iban = payment.details.get("debtor_iban")
    if iban is not None:
        return f"<IBAN>{escape(iban)}</IBAN>", "EUR"
    return f"<Othr><Id>{escape(payment.details['debtor_account'])}</Id></Othr>", "USD"


def _debited_entry(payment: Payment, value_date: date) -> str:
    return _entry(payment, value_date, side="DBIT", return_information="")


def _returned_entry(payment: Payment, value_date: date) -> str:
    reason = f"<RtrInf><Rsn><Cd>{payment.return_code}</Cd></Rsn></RtrInf>"
    return _entry(payment, value_date, side="CRDT", return_information=reason)


def _entry(payment: Payment, value_date: date, *, side: str, return_information: str) -> str:
    family, sub_family = _FAMILIES[payment.rail]
    if side == "CRDT":
        sub_family = "RRTN"  # It came back.
    group = f"<PmtInfId>{escape(payment.group)}</PmtInfId>" if payment.group else ""
    amount = (
        f'<Amt Ccy="{payment.currency}">{money(payment.amount)}</Amt><CdtDbtInd>{side}</CdtDbtInd>'
    )
    reference = payment.bank_reference + ("R" if side == "CRDT" else "")
    instruction = f"<InstrId>{escape(payment.position)}</InstrId>" if payment.position else ""
    day = value_date.isoformat()
    return (
        f"<Ntry>{amount}<Sts><Cd>BOOK</Cd></Sts><BookgDt><Dt>{day}</Dt></BookgDt><ValDt><Dt>{day}</Dt></ValDt>"
        f"<AcctSvcrRef>{reference}</AcctSvcrRef>"
        f"<BkTxCd><Domn><Cd>PMNT</Cd><Fmly><Cd>{family}</Cd><SubFmlyCd>{sub_family}</SubFmlyCd></Fmly></Domn></BkTxCd>"
        f"<NtryDtls><TxDtls><Refs><MsgId>{escape(payment.message_key)}</MsgId>"
        f"<AcctSvcrRef>{payment.bank_reference}</AcctSvcrRef>{group}"
        f"{instruction}<EndToEndId>{escape(payment.reference)}</EndToEndId></Refs>"
        f"{amount}{return_information}</TxDtls></NtryDtls></Ntry>"
    )


def date_time(moment: datetime) -> str:
    """An ISO date and time in UTC, to the second."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def camt_id(number: int, now: datetime) -> str:
    """At most 35 characters with the account's number behind it."""
    return f"CAMT-{now:%Y%m%d}-{number:08d}"


def xml_reply(body: bytes) -> Reply:
    """An XML answer."""
    return Reply(status=200, content_type="application/xml", body=body)
