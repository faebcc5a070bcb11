"""pain.001.001.09, CustomerCreditTransferInitiation: what a customer tells its bank to pay.

Source: ISO 20022 message definition, and the EPC's SEPA Credit Transfer customer-to-bank
implementation guidelines (EPC132-08). Writer and reader are inverse; the writer is deterministic.
Addresses are optional and structured; what of a creditor is not known is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

from connectors.base import UnreadableDocument
from connectors.formats.parties import PostalAddress, add_address, read_address
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
from connectors.formats.write_xml import add, add_amount, date_time, new_document, to_bytes

MESSAGE = "pain.001.001.09"
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
    creditor_address: PostalAddress | None = None
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
    debtor_address: PostalAddress | None = None
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
    root = new_document(MESSAGE)
    initiation = add(root, "CstmrCdtTrfInitn")
    transfers = [transfer for payment in message.payments for transfer in payment.transfers]
    header = add(initiation, "GrpHdr")
    add(header, "MsgId", message.message_id)
    add(header, "CreDtTm", date_time(message.created_at))
    _add_totals(header, transfers)
    add(add(header, "InitgPty"), "Nm", message.initiating_party)
    for payment in message.payments:
        _write_payment(initiation, payment)
    return to_bytes(root)


def _write_payment(parent: Element, payment: PaymentInformation) -> None:
    block = add(parent, "PmtInf")
    add(block, "PmtInfId", payment.payment_information_id)
    add(block, "PmtMtd", "TRF")
    add(block, "BtchBookg", "false")
    _add_totals(block, payment.transfers)
    kind = add(block, "PmtTpInf")
    add(add(kind, "SvcLvl"), "Cd", payment.service_level)
    if payment.local_instrument:
        add(add(kind, "LclInstrm"), "Cd", payment.local_instrument)
    wanted = add(block, "ReqdExctnDt")
    if payment.execution_moment is None:
        add(wanted, "Dt", payment.execution_date.isoformat())
    else:
        add(wanted, "DtTm", date_time(payment.execution_moment))
    _write_party(block, "Dbtr", payment.debtor_name, payment.debtor_address)
    add(add(add(block, "DbtrAcct"), "Id"), "IBAN", payment.debtor_iban)
    add(add(add(block, "DbtrAgt"), "FinInstnId"), "BICFI", payment.debtor_bic)
    add(block, "ChrgBr", "SLEV")
    for transfer in payment.transfers:
        _write_transfer(block, transfer)


def _write_transfer(parent: Element, transfer: CreditTransfer) -> None:
    block = add(parent, "CdtTrfTxInf")
    ids = add(block, "PmtId")
    add(ids, "InstrId", transfer.instruction_id)
    add(ids, "EndToEndId", transfer.end_to_end_id)
    add_amount(add(block, "Amt"), "InstdAmt", transfer.amount, transfer.currency)
    if transfer.creditor_bic:
        add(add(add(block, "CdtrAgt"), "FinInstnId"), "BICFI", transfer.creditor_bic)
    _write_party(block, "Cdtr", transfer.creditor_name, transfer.creditor_address)
    add(add(add(block, "CdtrAcct"), "Id"), "IBAN", transfer.creditor_iban)
    if transfer.remittance:
        add(add(block, "RmtInf"), "Ustrd", transfer.remittance)


def _write_party(parent: Element, tag: str, name: str, address: PostalAddress | None) -> None:
    block = add(parent, tag)
    add(block, "Nm", name)
    if address is not None:
        add_address(block, address)


def _add_totals(parent: Element, transfers: Sequence[CreditTransfer]) -> None:
    add(parent, "NbOfTxs", str(len(transfers)))
    add(parent, "CtrlSum", _amount(_total(transfers)))


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
        debtor_address=read_address(block.find("Dbtr")),
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
        creditor_address=read_address(block.find("Cdtr")),
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
