"""Reads camt.056.001.08 as a bank would, by its own code, and writes camt.029.001.09.

Sources: ISO 20022 camt.056.001.08 and camt.029.001.09; EPC125-05 (SCT rulebook): reasons of a
refusal CUST, LEGL, AC04, AM04, NOAS, NOOR (no such payment), ARDT (returned already).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from xml.sax.saxutils import escape

from connectors.bank_simulator.payments import RecallWish, money
from connectors.bank_simulator.strict_xml import (
    GroupRefused,
    Shape,
    check_structure,
    localise,
    parse,
)

__all__ = ["ANSWER", "MESSAGE", "URGENT_REASONS", "Told", "money", "read", "write"]

MESSAGE = "camt.056.001.08"
ANSWER = "camt.029.001.09"
URGENT_REASONS = frozenset({"DUPL", "TECH"})

_SHAPE = Shape(
    children={
        "Document": ("FIToFIPmtCxlReq",),
        "FIToFIPmtCxlReq": ("Assgnmt", "Case", "CtrlData", "Undrlyg"),
        "Assgnmt": ("Id", "Assgnr", "Assgne", "CreDtTm"),
        "CtrlData": ("NbOfTxs", "CtrlSum"),
        "Undrlyg": ("OrgnlGrpInfAndCxl", "TxInf"),
        "TxInf": (
            *("CxlId", "Case", "OrgnlGrpInf", "OrgnlInstrId", "OrgnlEndToEndId", "OrgnlTxId"),
            *("OrgnlUETR", "OrgnlClrSysRef", "OrgnlIntrBkSttlmAmt", "OrgnlIntrBkSttlmDt"),
            *("Assgnr", "Assgne", "CxlRsnInf", "OrgnlTxRef"),
        ),
        "OrgnlGrpInf": ("OrgnlMsgId", "OrgnlMsgNmId", "OrgnlCreDtTm"),
        "CxlRsnInf": ("Orgtr", "Rsn", "AddtlInf"),
        "Rsn": ("Cd", "Prtry"),
    },
    required={
        "Document": ("FIToFIPmtCxlReq",),
        "FIToFIPmtCxlReq": ("Assgnmt", "Case", "Undrlyg"),
        "Assgnmt": ("Id", "Assgnr", "Assgne", "CreDtTm"),
        "Undrlyg": ("TxInf",),
        "TxInf": ("OrgnlGrpInf", "OrgnlEndToEndId", "OrgnlIntrBkSttlmAmt", "CxlRsnInf"),
        "OrgnlGrpInf": ("OrgnlMsgId", "OrgnlMsgNmId"),
        "CxlRsnInf": ("Rsn",),
    },
    repeatable=frozenset({"AddtlInf"}),
    identifiers=frozenset({"CxlId", "OrgnlMsgId", "OrgnlEndToEndId"}),
)
_AMOUNT = re.compile(r"[0-9]{1,13}(\.[0-9]{1,5})?\Z")
_CODE = re.compile(r"[A-Z0-9]{1,4}\Z")
# CancellationIndividualStatus1Code, and the case's own word for it.
_CONFIRMATIONS = {"PDCR": "PDCR", "ACCR": "CNCL", "RJCR": "RJCR"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What is said to one recall. `names`: recall, message, message_name, reference, amount, currency."""

    names: Mapping[str, str]
    status: str
    code: str
    detail: str


def read(body: bytes) -> RecallWish:
    """A recall of one payment; its `refusal` is set where it is no camt.056 as a bank wants it.

    Not XML: UnreadableSubmission.
    """
    root = parse(body)
    digest = hashlib.sha256(body).hexdigest()
    key = ""
    try:
        localise(root, f"urn:iso:std:iso:20022:tech:xsd:{MESSAGE}")
        key = root.findtext("FIToFIPmtCxlReq/Case/Id") or ""
        check_structure(root, _SHAPE)
        if not re.fullmatch(r"[A-Za-z0-9-]{1,35}", key):
            raise GroupRefused("FF01", "Case/Id is missing or not of a bank's form")
        transaction = root.find("FIToFIPmtCxlReq/Undrlyg/TxInf")
        assert transaction is not None
        amount = transaction.find("OrgnlIntrBkSttlmAmt")
        assert amount is not None
        if not _AMOUNT.match(amount.text or ""):
            raise GroupRefused("FF01", "OrgnlIntrBkSttlmAmt is not an amount")
        reason = transaction.findtext("CxlRsnInf/Rsn/Cd") or ""
        if not _CODE.match(reason):
            raise GroupRefused("FF01", "a recall needs a reason code")
    except GroupRefused as refused:
        details = {"recall": key} if re.fullmatch(r"[A-Za-z0-9-]{1,35}", key) else {}
        return RecallWish(
            key=key, digest=digest, details=details, refusal=refused.code, detail=refused.detail
        )
    return RecallWish(
        key=key,
        digest=digest,
        reference=transaction.findtext("OrgnlEndToEndId") or "",
        amount=Decimal(amount.text or ""),
        currency=amount.get("Ccy") or "",
        details={
            "recall": key,
            "reason": reason,
            "message": transaction.findtext("OrgnlGrpInf/OrgnlMsgId") or "",
            "message_name": transaction.findtext("OrgnlGrpInf/OrgnlMsgNmId") or "",
        },
    )


def write(told: Sequence[Told], *, report_id: str, now: datetime) -> bytes:
    """A camt.029 about recalls that hear the same."""
    moment = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    confirmation = _CONFIRMATIONS[told[0].status]
    listed = "".join(_transaction(one) for one in told)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<Document xmlns="urn:iso:std:iso:20022:tech:xsd:{ANSWER}"><RsltnOfInvstgtn>'
        f"<Assgnmt><Id>{report_id}</Id><Assgnr>{_BANK}</Assgnr><Assgne>{_CUSTOMER}</Assgne>"
        f"<CreDtTm>{moment}</CreDtTm></Assgnmt><Sts><Conf>{confirmation}</Conf></Sts>"
        f"<CxlDtls>{listed}</CxlDtls></RsltnOfInvstgtn></Document>\n"
    ).encode()


_BANK = "<Agt><FinInstnId><Nm>Simulated Bank</Nm></FinInstnId></Agt>"
_CUSTOMER = "<Pty><Nm>Molam</Nm></Pty>"


def _transaction(told: Told) -> str:
    names = {name: escape(value) for name, value in told.names.items()}
    why = ""
    if told.code:
        # What is no code of the ISO list is proprietary.
        kind = "Cd" if len(told.code) == 4 else "Prtry"
        text = f"<AddtlInf>{escape(told.detail[:105])}</AddtlInf>" if told.detail else ""
        why = f"<CxlStsRsnInf><Rsn><{kind}>{escape(told.code)}</{kind}></Rsn>{text}</CxlStsRsnInf>"
    case = names.get("recall") or "NOTPROVIDED"
    group, reference, amount = "", "", ""
    if names.get("message"):
        group = (
            f"<OrgnlGrpInf><OrgnlMsgId>{names['message']}</OrgnlMsgId>"
            f"<OrgnlMsgNmId>{names['message_name']}</OrgnlMsgNmId></OrgnlGrpInf>"
        )
    if names.get("reference"):
        reference = f"<OrgnlEndToEndId>{names['reference']}</OrgnlEndToEndId>"
    if names.get("amount"):
        tag = "OrgnlIntrBkSttlmAmt"
        amount = f'<{tag} Ccy="{names["currency"]}">{names["amount"]}</{tag}>'
    return (
        f"<TxInfAndSts><RslvdCase><Id>{case}</Id><Cretr>{_CUSTOMER}</Cretr></RslvdCase>"
        f"{group}{reference}<TxCxlSts>{told.status}</TxCxlSts>{why}{amount}</TxInfAndSts>"
    )
