"""Reads pacs.008.001.08 as a sponsor bank on Fedwire or RTP would: by its own code.

Sources: ISO 20022 pacs.008.001.08 (order and number of elements), Fedwire and RTP usage of it (one
transaction, clearing system, an UETR, US routing numbers), ISO 20022 external status reason codes.
Routing numbers: weights 3 7 1.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from lxml import etree

from connectors.bank_simulator.payments import Order, Submission, as_uuid
from connectors.bank_simulator.scheme_clock import NEW_YORK
from connectors.bank_simulator.sepa_rules import is_address
from connectors.bank_simulator.strict_xml import (
    GroupRefused,
    Shape,
    check_structure,
    localise,
    parse,
)

NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:pacs.008.001.08"
MAX_DAYS_AHEAD = 366

_AGENT = ("FinInstnId", "BrnchId")
_PARTY = ("Nm", "PstlAdr", "Id", "CtryOfRes", "CtctDtls")
_SHAPE = Shape(
    children={
        "Document": ("FIToFICstmrCdtTrf",),
        "FIToFICstmrCdtTrf": ("GrpHdr", "CdtTrfTxInf"),
        "GrpHdr": (
            *("MsgId", "CreDtTm", "BtchBookg", "NbOfTxs", "CtrlSum", "TtlIntrBkSttlmAmt"),
            *("IntrBkSttlmDt", "SttlmInf", "PmtTpInf", "InstgAgt", "InstdAgt"),
        ),
        "SttlmInf": ("SttlmMtd", "SttlmAcct", "ClrSys"),
        "ClrSys": ("Cd", "Prtry"),
        "CdtTrfTxInf": (
            *("PmtId", "PmtTpInf", "IntrBkSttlmAmt", "IntrBkSttlmDt", "InstdAmt", "ChrgBr"),
            *("InstgAgt", "InstdAgt", "IntrmyAgt1", "Dbtr", "DbtrAcct", "DbtrAgt"),
            *("CdtrAgt", "Cdtr", "CdtrAcct", "Purp", "RmtInf"),
        ),
        "PmtId": ("InstrId", "EndToEndId", "TxId", "UETR", "ClrSysRef"),
        "InstgAgt": _AGENT,
        "InstdAgt": _AGENT,
        "DbtrAgt": _AGENT,
        "CdtrAgt": _AGENT,
        "Dbtr": _PARTY,
        "Cdtr": _PARTY,
        "RmtInf": ("Ustrd", "Strd"),
    },
    required={
        "Document": ("FIToFICstmrCdtTrf",),
        "FIToFICstmrCdtTrf": ("GrpHdr", "CdtTrfTxInf"),
        "GrpHdr": ("MsgId", "CreDtTm", "NbOfTxs", "SttlmInf"),
        "SttlmInf": ("SttlmMtd", "ClrSys"),
        "CdtTrfTxInf": (
            *("PmtId", "IntrBkSttlmAmt", "IntrBkSttlmDt", "ChrgBr", "InstgAgt", "InstdAgt"),
            *("Dbtr", "DbtrAcct", "DbtrAgt", "CdtrAgt", "Cdtr", "CdtrAcct"),
        ),
        "PmtId": ("EndToEndId", "TxId", "UETR"),
    },
    repeatable=frozenset({"Ustrd", "Strd"}),
    identifiers=frozenset({"MsgId", "InstrId", "EndToEndId", "TxId"}),
)
_AMOUNT = re.compile(r"[0-9]{1,14}(\.[0-9]{1,5})?\Z")
_BIC = re.compile(r"[A-Z]{6}[A-Z0-9]{2}([A-Z0-9]{3})?\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheme:
    """What one clearing system asks for."""

    clearing_system: str
    message_id: re.Pattern[str]
    max_amount: Decimal
    foreign_banks: bool


FEDWIRE = Scheme(
    clearing_system="FDW",
    message_id=re.compile(r"[0-9]{8}[A-Z0-9]{8}[0-9]{6}\Z"),
    max_amount=Decimal("9999999999.99"),
    foreign_banks=True,
)
RTP = Scheme(
    clearing_system="TCH",
    message_id=re.compile(r"M[0-9]{8}[A-Z0-9]{11}B[A-Z0-9]{14}\Z"),
    max_amount=Decimal("10000000.00"),
    foreign_banks=False,
)


def read(body: bytes, now: datetime, scheme: Scheme) -> Submission:
    """A message of one payment. Not XML: UnreadableSubmission."""
    root = parse(body)
    digest = hashlib.sha256(body).hexdigest()
    key = ""
    try:
        localise(root, NAMESPACE)
        found = root.findtext("FIToFICstmrCdtTrf/GrpHdr/MsgId") or ""
        key = found if scheme.message_id.match(found) else ""
        check_structure(root, _SHAPE)
        if not key:
            raise GroupRefused("FF01", "MsgId is not of this scheme's form")
        _check_header(root, scheme)
        node = root.find("FIToFICstmrCdtTrf/CdtTrfTxInf")
        assert node is not None
        order = _order(node, now, scheme)
    except GroupRefused as refused:
        return Submission(key=key, digest=digest, refusal=refused.code, detail=refused.detail)
    return Submission(key=key, digest=digest, orders=[order])


def _check_header(root: etree._Element, scheme: Scheme) -> None:
    header = root.find("FIToFICstmrCdtTrf/GrpHdr")
    assert header is not None
    if header.findtext("NbOfTxs") != "1":
        raise GroupRefused("AM18", "one transaction in each message")
    _check_sum(root, header)
    if header.findtext("SttlmInf/SttlmMtd") != "CLRG":
        raise GroupRefused("FF01", "SttlmMtd must be CLRG")
    if header.findtext("SttlmInf/ClrSys/Cd") != scheme.clearing_system:
        raise GroupRefused("FF01", "not a message of this clearing system")


def _check_sum(root: etree._Element, header: etree._Element) -> None:
    amount = root.findtext("FIToFICstmrCdtTrf/CdtTrfTxInf/IntrBkSttlmAmt") or ""
    for name in ("CtrlSum", "TtlIntrBkSttlmAmt"):
        claimed = header.findtext(name)
        if claimed is None:
            continue
        if not (_AMOUNT.match(claimed) and _AMOUNT.match(amount)) or Decimal(claimed) != Decimal(
            amount
        ):
            raise GroupRefused("AM10", f"{name} is not the amount sent")


def _order(node: etree._Element, now: datetime, scheme: Scheme) -> Order:
    amount = node.find("IntrBkSttlmAmt")
    assert amount is not None
    text = amount.text or ""
    if not _AMOUNT.match(text):
        raise GroupRefused("FF01", "IntrBkSttlmAmt is not an amount")
    instruction_id = node.findtext("PmtId/InstrId") or ""
    wanted_on = _day(node.findtext("IntrBkSttlmDt") or "")
    return Order(
        reference=node.findtext("PmtId/EndToEndId") or "",
        payout_id=as_uuid(instruction_id),
        amount=Decimal(text),
        currency=amount.get("Ccy") or "",
        account=node.findtext("CdtrAcct/Id/Othr/Id") or "",
        wanted_on=wanted_on,
        group="",
        position=instruction_id,
        details={
            "debtor_account": node.findtext("DbtrAcct/Id/Othr/Id") or "",
            "routing": node.findtext("CdtrAgt/FinInstnId/ClrSysMmbId/MmbId") or "",
            "transaction_id": node.findtext("PmtId/TxId") or "",
            "uetr": node.findtext("PmtId/UETR") or "",
        },
        refusal=_refusal(node, Decimal(text), wanted_on, now, scheme),
    )


def _refusal(
    node: etree._Element, amount: Decimal, wanted_on: date | None, now: datetime, scheme: Scheme
) -> str:
    """The code of the first rule that the payment breaks, or an empty text."""
    currency = node.find("IntrBkSttlmAmt")
    if currency is None or currency.get("Ccy") != "USD":
        return "AM03"
    if amount <= 0 or amount != amount.quantize(Decimal("0.01")):
        return "AM12"
    if amount > scheme.max_amount:
        return "AM02"
    today = now.astimezone(NEW_YORK).date()
    if wanted_on is None or wanted_on < today - timedelta(days=1):
        return "DT01"
    if wanted_on > today + timedelta(days=MAX_DAYS_AHEAD):
        return "DT01"
    if not _is_uuid4(node.findtext("PmtId/UETR") or ""):
        return "FF01"
    return _party_refusal(node, scheme)


def _party_refusal(node: etree._Element, scheme: Scheme) -> str:
    for name in ("InstgAgt", "InstdAgt", "DbtrAgt"):
        if not _is_routing(node.findtext(f"{name}/FinInstnId/ClrSysMmbId/MmbId") or ""):
            return "RC04"
    bic = node.findtext("CdtrAgt/FinInstnId/BICFI") or ""
    by_bic = scheme.foreign_banks and bool(_BIC.match(bic))
    if not by_bic and not _is_routing(node.findtext("CdtrAgt/FinInstnId/ClrSysMmbId/MmbId") or ""):
        return "RC04"
    if not re.fullmatch(r"[A-Za-z0-9-]{1,34}", node.findtext("CdtrAcct/Id/Othr/Id") or ""):
        return "AC01"
    name = (node.findtext("Cdtr/Nm") or "").strip()
    if not 1 <= len(name) <= 140:
        return "BE22"
    if not (node.findtext("Dbtr/Nm") or "").strip():
        return "BE08"
    debtor = node.find("Dbtr/PstlAdr")
    if debtor is None or not is_address(debtor):
        return "BE07"
    return "" if is_address(node.find("Cdtr/PstlAdr")) else "BE04"


def _is_routing(number: str) -> bool:
    if not re.fullmatch(r"[0-9]{9}", number) or number == "0" * 9:
        return False
    return sum(int(d) * w for d, w in zip(number, (3, 7, 1) * 3, strict=True)) % 10 == 0


def _is_uuid4(text: str) -> bool:
    try:
        return UUID(text).version == 4 and str(UUID(text)) == text
    except ValueError:
        return False


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if len(text) == 10 else None
    except ValueError:
        return None
