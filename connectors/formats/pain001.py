"""pain.001.001.09, CustomerCreditTransferInitiation: what a customer tells its bank to pay.

Source: ISO 20022 message definition, and the EPC's SEPA Credit Transfer customer-to-bank
implementation guidelines (EPC132-08). Writer and reader are inverse; the writer is deterministic.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal

from lxml import etree

from connectors.base import UnreadableDocument
from connectors.formats.safe_xml import (
    Element,
    need,
    need_text,
    parse_amount,
    parse_count,
    parse_date,
    parse_document,
    parse_moment,
    text_at,
)

NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"
_NAME = "pain.001"


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditTransfer:
    """One payment (CdtTrfTxInf). `amount` is exact, in units of `currency`."""

    instruction_id: str
    end_to_end_id: str
    amount: Decimal
    currency: str
    creditor_name: str
    creditor_iban: str = field(repr=False)
    creditor_bic: str = ""
    remittance: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentInformation:
    """Payments of one debtor account on one date (PmtInf)."""

    payment_information_id: str
    execution_date: date
    execution_moment: datetime | None = None  # Of instant payments: aware UTC, to the second.
    debtor_name: str
    debtor_iban: str = field(repr=False)
    debtor_bic: str
    service_level: str
    local_instrument: str = ""
    transfers: tuple[CreditTransfer, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditTransferInitiation:
    """A whole message. `created_at` is aware UTC, to the second."""

    message_id: str
    created_at: datetime
    initiating_party: str
    payments: tuple[PaymentInformation, ...]


def write_pain001(message: CreditTransferInitiation) -> bytes:
    """Write the message as UTF-8. Two equal messages give the same bytes."""
    root = etree.Element(f"{{{NAMESPACE}}}Document", nsmap={None: NAMESPACE})  # type: ignore[dict-item]
    initiation = _add(root, "CstmrCdtTrfInitn")
    transfers = [transfer for payment in message.payments for transfer in payment.transfers]
    header = _add(initiation, "GrpHdr")
    _add(header, "MsgId", message.message_id)
    _add(header, "CreDtTm", _moment(message.created_at))
    _add_totals(header, transfers)
    _add(_add(header, "InitgPty"), "Nm", message.initiating_party)
    for payment in message.payments:
        _write_payment(initiation, payment)
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8")


def _write_payment(parent: Element, payment: PaymentInformation) -> None:
    block = _add(parent, "PmtInf")
    _add(block, "PmtInfId", payment.payment_information_id)
    _add(block, "PmtMtd", "TRF")
    _add(block, "BtchBookg", "false")
    _add_totals(block, payment.transfers)
    kind = _add(block, "PmtTpInf")
    _add(_add(kind, "SvcLvl"), "Cd", payment.service_level)
    if payment.local_instrument:
        _add(_add(kind, "LclInstrm"), "Cd", payment.local_instrument)
    wanted = _add(block, "ReqdExctnDt")
    if payment.execution_moment is None:
        _add(wanted, "Dt", payment.execution_date.isoformat())
    else:
        _add(wanted, "DtTm", _moment(payment.execution_moment))
    _add(_add(block, "Dbtr"), "Nm", payment.debtor_name)
    _add(_add(_add(block, "DbtrAcct"), "Id"), "IBAN", payment.debtor_iban)
    _add(_add(_add(block, "DbtrAgt"), "FinInstnId"), "BICFI", payment.debtor_bic)
    _add(block, "ChrgBr", "SLEV")
    for transfer in payment.transfers:
        _write_transfer(block, transfer)


def _write_transfer(parent: Element, transfer: CreditTransfer) -> None:
    block = _add(parent, "CdtTrfTxInf")
    ids = _add(block, "PmtId")
    _add(ids, "InstrId", transfer.instruction_id)
    _add(ids, "EndToEndId", transfer.end_to_end_id)
    amount = _add(_add(block, "Amt"), "InstdAmt", _amount(transfer.amount))
    amount.set("Ccy", transfer.currency)
    if transfer.creditor_bic:
        _add(_add(_add(block, "CdtrAgt"), "FinInstnId"), "BICFI", transfer.creditor_bic)
    # No PstlAdr: since 14 November 2026 one must name a town, which we do not know; it is optional.
    _add(_add(block, "Cdtr"), "Nm", transfer.creditor_name)
    _add(_add(_add(block, "CdtrAcct"), "Id"), "IBAN", transfer.creditor_iban)
    if transfer.remittance:
        _add(_add(block, "RmtInf"), "Ustrd", transfer.remittance)


def _add(parent: Element, name: str, text: str | None = None) -> Element:
    child = etree.SubElement(parent, f"{{{NAMESPACE}}}{name}")
    child.text = text
    return child


def _add_totals(parent: Element, transfers: Sequence[CreditTransfer]) -> None:
    _add(parent, "NbOfTxs", str(len(transfers)))
    _add(parent, "CtrlSum", _amount(_total(transfers)))


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _amount(amount: Decimal) -> str:
    return f"{amount:.2f}"


def _total(transfers: Iterable[CreditTransfer]) -> Decimal:
    return sum((transfer.amount for transfer in transfers), Decimal(0))


def read_pain001(body: bytes) -> CreditTransferInitiation:
    """Read a pain.001 of any version and hold it against its own totals.

    Raises UnreadableDocument, naming the element that is missing or does not add up.
    """
    root, name = parse_document(body)
    if not name.startswith(_NAME):
        raise UnreadableDocument("not_pain001", "the namespace is not one of pain.001")
    initiation = need(root, "CstmrCdtTrfInitn", _NAME)
    header = need(initiation, "GrpHdr", _NAME)
    payments = tuple(_read_payment(block) for block in initiation.findall("PmtInf"))
    if not payments:
        raise UnreadableDocument("xml_incomplete", f"{_NAME}: PmtInf is missing")
    _check_totals(header, [t for payment in payments for t in payment.transfers], "GrpHdr")
    return CreditTransferInitiation(
        message_id=need_text(header, "MsgId", _NAME),
        created_at=parse_moment(need_text(header, "CreDtTm", _NAME), _NAME),
        initiating_party=text_at(header, "InitgPty/Nm"),
        payments=payments,
    )


def _read_payment(block: Element) -> PaymentInformation:
    moment = text_at(block, "ReqdExctnDt/DtTm")
    day = text_at(block, "ReqdExctnDt/Dt") or moment
    transfers = tuple(_read_transfer(transfer) for transfer in block.findall("CdtTrfTxInf"))
    _check_totals(block, transfers, "PmtInf")
    agent = block.find("DbtrAgt/FinInstnId")
    return PaymentInformation(
        payment_information_id=need_text(block, "PmtInfId", _NAME),
        execution_date=parse_date(day or text_at(block, "ReqdExctnDt"), f"{_NAME} ReqdExctnDt"),
        execution_moment=parse_moment(moment, f"{_NAME} ReqdExctnDt") if moment else None,
        debtor_name=text_at(block, "Dbtr/Nm"),
        debtor_iban=text_at(block, "DbtrAcct/Id/IBAN"),
        debtor_bic=text_at(agent, "BICFI") or text_at(agent, "BIC"),
        service_level=text_at(block, "PmtTpInf/SvcLvl/Cd"),
        local_instrument=text_at(block, "PmtTpInf/LclInstrm/Cd"),
        transfers=transfers,
    )


def _read_transfer(block: Element) -> CreditTransfer:
    amount = need(block, "Amt/InstdAmt", _NAME)
    agent = block.find("CdtrAgt/FinInstnId")
    return CreditTransfer(
        instruction_id=text_at(block, "PmtId/InstrId"),
        end_to_end_id=need_text(block, "PmtId/EndToEndId", _NAME),
        amount=parse_amount((amount.text or "").strip(), f"{_NAME} InstdAmt"),
        currency=amount.get("Ccy", ""),
        creditor_name=text_at(block, "Cdtr/Nm"),
        creditor_iban=text_at(block, "CdtrAcct/Id/IBAN"),
        creditor_bic=text_at(agent, "BICFI") or text_at(agent, "BIC"),
        remittance=text_at(block, "RmtInf/Ustrd"),
    )


def _check_totals(block: Element, transfers: Sequence[CreditTransfer], where: str) -> None:
    count, total = text_at(block, "NbOfTxs"), text_at(block, "CtrlSum")
    # Optional in PmtInf and CtrlSum optional everywhere: what is stated must be right.
    if count and parse_count(count, f"{_NAME} {where}/NbOfTxs") != len(transfers):
        raise UnreadableDocument("control_mismatch", f"{_NAME}: {where}/NbOfTxs is wrong")
    if total and parse_amount(total, f"{_NAME} {where}/CtrlSum") != _total(transfers):
        raise UnreadableDocument("control_mismatch", f"{_NAME}: {where}/CtrlSum is wrong")
