"""Reads pain.001.001.09 as a bank would: by its own code, trusting nothing.

Sources: ISO 20022 pain.001.001.09 (order and number of elements, text lengths), EPC132-08 SEPA
Credit Transfer Customer-to-PSP Implementation Guidelines (what of it may be used), ISO 20022
external status reason codes (what a refusal is called). A message that is wrong as a whole
(structure, totals) is refused as a whole; a payment that is wrong is refused alone.
"""

from __future__ import annotations

import hashlib
import re
from datetime import date, datetime
from decimal import Decimal

from lxml import etree

from connectors.bank_simulator import sepa_rules
from connectors.bank_simulator.payments import Order, Submission, as_uuid
from connectors.bank_simulator.strict_xml import (
    GroupRefused,
    Shape,
    check_structure,
    localise,
    parse,
)

NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"
MAX_TRANSACTIONS = 100_000

# Allowed children, in the order of the schema's sequence. What is not listed is not looked into.
_CHILDREN: dict[str, tuple[str, ...]] = {
    "Document": ("CstmrCdtTrfInitn",),
    "CstmrCdtTrfInitn": ("GrpHdr", "PmtInf"),
    "GrpHdr": ("MsgId", "CreDtTm", "NbOfTxs", "CtrlSum", "InitgPty"),
    "PmtInf": (
        *(
            "PmtInfId",
            "PmtMtd",
            "BtchBookg",
            "NbOfTxs",
            "CtrlSum",
            "PmtTpInf",
            "ReqdExctnDt",
            "Dbtr",
        ),
        *("DbtrAcct", "DbtrAgt", "UltmtDbtr", "ChrgBr", "ChrgsAcct", "CdtTrfTxInf"),
    ),
    "PmtTpInf": ("InstrPrty", "SvcLvl", "LclInstrm", "CtgyPurp"),
    "SvcLvl": ("Cd",),
    "ReqdExctnDt": ("Dt", "DtTm"),
    "CdtTrfTxInf": (
        *("PmtId", "PmtTpInf", "Amt", "ChrgBr", "UltmtDbtr", "CdtrAgt", "Cdtr", "CdtrAcct"),
        *("UltmtCdtr", "Purp", "RmtInf"),
    ),
    "PmtId": ("InstrId", "EndToEndId", "UETR"),
    "Amt": ("InstdAmt",),
    "InitgPty": ("Nm", "PstlAdr", "Id", "CtryOfRes", "CtctDtls"),
    "Dbtr": ("Nm", "PstlAdr", "Id", "CtryOfRes", "CtctDtls"),
    "Cdtr": ("Nm", "PstlAdr", "Id", "CtryOfRes", "CtctDtls"),
    "DbtrAcct": ("Id", "Tp", "Ccy", "Nm", "Prxy"),
    "CdtrAcct": ("Id", "Tp", "Ccy", "Nm", "Prxy"),
    "PstlAdr": (
        *(
            "AdrTp",
            "Dept",
            "SubDept",
            "StrtNm",
            "BldgNb",
            "BldgNm",
            "Flr",
            "PstBx",
            "Room",
            "PstCd",
        ),
        *("TwnNm", "TwnLctnNm", "DstrctNm", "CtrySubDvsn", "Ctry", "AdrLine"),
    ),
    "RmtInf": ("Ustrd", "Strd"),
}
_REQUIRED: dict[str, tuple[str, ...]] = {
    "Document": ("CstmrCdtTrfInitn",),
    "CstmrCdtTrfInitn": ("GrpHdr", "PmtInf"),
    "GrpHdr": ("MsgId", "CreDtTm", "NbOfTxs", "InitgPty"),
    "PmtInf": ("PmtInfId", "PmtMtd", "ReqdExctnDt", "Dbtr", "DbtrAcct", "DbtrAgt", "CdtTrfTxInf"),
    "CdtTrfTxInf": ("PmtId", "Amt"),
    "PmtId": ("EndToEndId",),
    "Amt": ("InstdAmt",),
}
_SHAPE = Shape(
    children=_CHILDREN,
    required=_REQUIRED,
    repeatable=frozenset({"PmtInf", "CdtTrfTxInf", "AdrLine", "Ustrd", "Strd", "SvcLvl"}),
    identifiers=frozenset({"MsgId", "PmtInfId", "InstrId", "EndToEndId"}),
)
_DECIMAL = re.compile(r"[0-9]{1,18}(\.[0-9]{1,17})?\Z")
_AMOUNT = re.compile(r"[0-9]{1,13}(\.[0-9]{1,5})?\Z")  # 18 digits, 5 of them decimals at most.
_CURRENCY = re.compile(r"[A-Z]{3}\Z")


def read(body: bytes, now: datetime, *, instant: bool = False) -> Submission:
    """A message, each payment with the first rule it breaks. Not XML: UnreadableSubmission.

    `instant` is the door for SEPA Instant Credit Transfer: local instrument INST, executed today.
    """
    root = parse(body)
    digest = hashlib.sha256(body).hexdigest()
    key = ""
    try:
        nodes = localise(root, NAMESPACE)
        key = _message_id(root)
        check_structure(root, _SHAPE)
        _check_totals(root)
        orders = [
            order
            for payment_information in root.iterfind("CstmrCdtTrfInitn/PmtInf")
            for order in _orders(payment_information, now, instant=instant)
        ]
        _check_unique([order.reference for order in orders])
        nodes.clear()
    except GroupRefused as refused:
        return Submission(key=key, digest=digest, refusal=refused.code, detail=refused.detail)
    return Submission(key=key, digest=digest, orders=orders)


def _message_id(root: etree._Element) -> str:
    """The MsgId if an answer can use it; the structure check complains about it otherwise."""
    found = root.findtext("CstmrCdtTrfInitn/GrpHdr/MsgId") or ""
    return found if sepa_rules.is_identifier(found) else ""


def _check_totals(root: etree._Element) -> None:
    """Counts (AM18) and control sums (AM10), for the message and for each payment information."""
    message = root.find("CstmrCdtTrfInitn")
    assert message is not None
    header = message.find("GrpHdr")
    assert header is not None
    if not sepa_rules.is_date_time(header.findtext("CreDtTm") or ""):
        raise GroupRefused("FF01", "CreDtTm is not a date and time")
    if header.find("CtrlSum") is None:
        raise GroupRefused("AM10", "CtrlSum is missing in GrpHdr")
    count, total = 0, Decimal(0)
    for payment_information in message.iterfind("PmtInf"):
        if payment_information.findtext("PmtMtd") != "TRF":
            raise GroupRefused("FF01", "PmtMtd must be TRF")
        amounts = [
            _amount(node) for node in payment_information.iterfind("CdtTrfTxInf/Amt/InstdAmt")
        ]
        _compare(payment_information, len(amounts), sum(amounts, Decimal(0)))
        count += len(amounts)
        total += sum(amounts, Decimal(0))
    _compare(header, count, total)
    if count > MAX_TRANSACTIONS:
        raise GroupRefused("AM18", f"more than {MAX_TRANSACTIONS} transactions")


def _compare(node: etree._Element, count: int, total: Decimal) -> None:
    """Hold the totals that a header claims against what was counted."""
    claimed_count = node.findtext("NbOfTxs")
    if claimed_count is not None and not (
        re.fullmatch(r"[0-9]{1,15}", claimed_count) and int(claimed_count) == count
    ):
        raise GroupRefused("AM18", f"NbOfTxs in {node.tag} is not the {count} transactions sent")
    claimed_total = node.findtext("CtrlSum")
    if claimed_total is not None and not (
        _DECIMAL.match(claimed_total) and Decimal(claimed_total) == total
    ):
        raise GroupRefused("AM10", f"CtrlSum in {node.tag} is not the {total} sent")


def _amount(node: etree._Element) -> Decimal:
    """An amount as the schema allows it; what SEPA allows of that is looked at for each payment."""
    text = node.text or ""
    if not _AMOUNT.match(text) or not _CURRENCY.match(node.get("Ccy") or ""):
        raise GroupRefused("FF01", "InstdAmt is not an amount with a currency")
    return Decimal(text)


def _orders(payment_information: etree._Element, now: datetime, *, instant: bool) -> list[Order]:
    """The payments under one payment information; its mistakes are those of each of them."""
    wanted_on = _execution_date(payment_information)
    shared_refusal = sepa_rules.check_payment_information(
        payment_information, wanted_on, now, instant=instant
    )
    group = payment_information.findtext("PmtInfId") or ""
    debtor_iban = payment_information.findtext("DbtrAcct/Id/IBAN") or ""
    return [
        _order(
            node, group=group, debtor_iban=debtor_iban, wanted_on=wanted_on, refusal=shared_refusal
        )
        for node in payment_information.iterfind("CdtTrfTxInf")
    ]


def _order(
    node: etree._Element, *, group: str, debtor_iban: str, wanted_on: date | None, refusal: str
) -> Order:
    instructed = node.find("Amt/InstdAmt")
    assert instructed is not None
    instruction_id = node.findtext("PmtId/InstrId") or ""
    return Order(
        reference=node.findtext("PmtId/EndToEndId") or "",
        payout_id=as_uuid(instruction_id),
        amount=_amount(instructed),
        currency=instructed.get("Ccy") or "",
        account=node.findtext("CdtrAcct/Id/IBAN") or "",
        wanted_on=wanted_on,
        group=group,
        position=instruction_id,
        details={"debtor_iban": debtor_iban},
        refusal=refusal or sepa_rules.check_transaction(node),
    )


def _execution_date(payment_information: etree._Element) -> date | None:
    """The requested execution date, or None when it cannot be read."""
    text = payment_information.findtext("ReqdExctnDt/Dt")
    if text is None:
        text = (payment_information.findtext("ReqdExctnDt/DtTm") or "")[:10]
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _check_unique(references: list[str]) -> None:
    """One EndToEndId for each payment: two in one message could not be told apart in any answer."""
    if len(set(references)) != len(references):
        raise GroupRefused("AM05", "an EndToEndId stands in the message twice")
