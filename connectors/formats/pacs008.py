"""pacs.008.001.08, FIToFICustomerCreditTransfer: one payment from bank to bank.

Source: ISO 20022 message definition; Fedwire Funds Service ISO 20022 implementation (clearing system
FDW, an UETR in every message) and RTP (clearing system TCH, an envelope of its own, which the reader
takes as well). One transaction in each message. Writer and reader are inverse; the writer is
deterministic. No postal address of the creditor: since 16 November 2026 one must name town and
country, which we do not know; it is optional.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

from connectors.base import UnreadableDocument
from connectors.formats.parties import (
    Agent,
    PostalAddress,
    add_address,
    add_agent,
    read_address,
    read_agent,
)
from connectors.formats.safe_xml import (
    Element,
    need,
    need_text,
    parse_amount,
    parse_date,
    parse_message,
    parse_moment,
    text_at,
)
from connectors.formats.write_xml import (
    add,
    add_amount,
    add_some,
    date_time,
    new_document,
    to_bytes,
)

MESSAGE = "pacs.008.001.08"
_NAME = "pacs.008"


@dataclass(frozen=True, slots=True, kw_only=True)
class InterbankTransfer:
    """A whole message. `created_at` is aware UTC, to the second; `amount` in units of `currency`."""

    message_id: str
    created_at: datetime
    settlement_date: date
    clearing_system: str
    local_instrument: str
    instruction_id: str
    end_to_end_id: str
    transaction_id: str
    uetr: str
    amount: Decimal
    currency: str
    sender: Agent
    receiver: Agent
    debtor_name: str
    debtor_address: PostalAddress | None
    debtor_account: str = field(repr=False)
    creditor_name: str
    creditor_address: PostalAddress | None = None
    creditor_account: str = field(repr=False)
    creditor_agent: Agent
    remittance: str = ""


def write_pacs008(message: InterbankTransfer) -> bytes:
    """Write the message as UTF-8. Two equal messages give the same bytes.

    Raises ConnectorError for an address that is not structured.
    """
    root = new_document(MESSAGE)
    transfer = add(root, "FIToFICstmrCdtTrf")
    header = add(transfer, "GrpHdr")
    add(header, "MsgId", message.message_id)
    add(header, "CreDtTm", date_time(message.created_at))
    add(header, "NbOfTxs", "1")
    settlement = add(header, "SttlmInf")
    add(settlement, "SttlmMtd", "CLRG")
    add(add(settlement, "ClrSys"), "Cd", message.clearing_system)
    _write_payment(add(transfer, "CdtTrfTxInf"), message)
    return to_bytes(root)


def _write_payment(block: Element, message: InterbankTransfer) -> None:
    ids = add(block, "PmtId")
    add_some(ids, "InstrId", message.instruction_id)
    add(ids, "EndToEndId", message.end_to_end_id)
    add_some(ids, "TxId", message.transaction_id)
    add_some(ids, "UETR", message.uetr)
    add(add(add(block, "PmtTpInf"), "LclInstrm"), "Prtry", message.local_instrument)
    add_amount(block, "IntrBkSttlmAmt", message.amount, message.currency)
    add(block, "IntrBkSttlmDt", message.settlement_date.isoformat())
    add(block, "ChrgBr", "SLEV")
    add_agent(block, "InstgAgt", message.sender)
    add_agent(block, "InstdAgt", message.receiver)
    _write_party(block, "Dbtr", message.debtor_name, message.debtor_address)
    _write_account(block, "DbtrAcct", message.debtor_account)
    add_agent(block, "DbtrAgt", message.sender)
    add_agent(block, "CdtrAgt", message.creditor_agent)
    _write_party(block, "Cdtr", message.creditor_name, message.creditor_address)
    _write_account(block, "CdtrAcct", message.creditor_account)
    if message.remittance:
        add(add(block, "RmtInf"), "Ustrd", message.remittance)


def _write_party(parent: Element, tag: str, name: str, address: PostalAddress | None) -> None:
    block = add(parent, tag)
    add(block, "Nm", name)
    if address is not None:
        add_address(block, address)


def _write_account(parent: Element, name: str, number: str) -> None:
    add(add(add(add(parent, name), "Id"), "Othr"), "Id", number)


def read_pacs008(body: bytes) -> InterbankTransfer:
    """Read a pacs.008 of one payment, bare or in an envelope. Raises UnreadableDocument."""
    message, _ = parse_message(body, _NAME, "FIToFICstmrCdtTrf")
    header = need(message, "GrpHdr", _NAME)
    payments = message.findall("CdtTrfTxInf")
    if text_at(header, "NbOfTxs") != "1" or len(payments) != 1:
        raise UnreadableDocument("control_mismatch", f"{_NAME}: not one payment")
    payment = payments[0]
    amount = need(payment, "IntrBkSttlmAmt", _NAME)
    # The day stands with the payment, or once for all of them.
    day = text_at(payment, "IntrBkSttlmDt") or need_text(header, "IntrBkSttlmDt", _NAME)
    return InterbankTransfer(
        message_id=need_text(header, "MsgId", _NAME),
        created_at=parse_moment(need_text(header, "CreDtTm", _NAME), f"{_NAME} CreDtTm"),
        settlement_date=parse_date(day, f"{_NAME} IntrBkSttlmDt"),
        clearing_system=text_at(header, "SttlmInf/ClrSys/Cd"),
        local_instrument=text_at(payment, "PmtTpInf/LclInstrm/Prtry"),
        instruction_id=text_at(payment, "PmtId/InstrId"),
        end_to_end_id=need_text(payment, "PmtId/EndToEndId", _NAME),
        transaction_id=text_at(payment, "PmtId/TxId"),
        uetr=text_at(payment, "PmtId/UETR"),
        amount=parse_amount((amount.text or "").strip(), f"{_NAME} IntrBkSttlmAmt"),
        currency=amount.get("Ccy", ""),
        sender=read_agent(payment.find("InstgAgt")),
        receiver=read_agent(payment.find("InstdAgt")),
        debtor_name=text_at(payment, "Dbtr/Nm"),
        debtor_address=read_address(payment.find("Dbtr")),
        debtor_account=_read_account(payment, "DbtrAcct"),
        creditor_name=text_at(payment, "Cdtr/Nm"),
        creditor_address=read_address(payment.find("Cdtr")),
        creditor_account=_read_account(payment, "CdtrAcct"),
        creditor_agent=read_agent(payment.find("CdtrAgt")),
        remittance=text_at(payment, "RmtInf/Ustrd"),
    )


def _read_account(payment: Element, name: str) -> str:
    return text_at(payment, f"{name}/Id/Othr/Id") or text_at(payment, f"{name}/Id/IBAN")
