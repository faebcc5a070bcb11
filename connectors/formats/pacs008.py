"""pacs.008.001.08, FIToFICustomerCreditTransfer: one payment from bank to bank.

Source: ISO 20022 message definition; Fedwire Funds Service ISO 20022 implementation (clearing system
FDW, an UETR in every message) and RTP (clearing system TCH). One transaction in each message. The
writer is deterministic. No postal address of the creditor: since 16 November 2026 one must name town
and country, which we do not know; it is optional.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal

from lxml import etree

from connectors.formats.safe_xml import Element

NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:pacs.008.001.08"


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """A bank: a US routing number, or a BIC."""

    routing_number: str = ""
    bic: str = ""


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
    debtor_town: str
    debtor_country: str
    debtor_account: str = field(repr=False)
    creditor_name: str
    creditor_account: str = field(repr=False)
    creditor_agent: Agent
    remittance: str = ""


def write_pacs008(message: InterbankTransfer) -> bytes:
    """Write the message as UTF-8. Two equal messages give the same bytes."""
    root = etree.Element(f"{{{NAMESPACE}}}Document", nsmap={None: NAMESPACE})  # type: ignore[dict-item]
    transfer = _add(root, "FIToFICstmrCdtTrf")
    header = _add(transfer, "GrpHdr")
    _add(header, "MsgId", message.message_id)
    _add(header, "CreDtTm", message.created_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
    _add(header, "NbOfTxs", "1")
    settlement = _add(header, "SttlmInf")
    _add(settlement, "SttlmMtd", "CLRG")
    _add(_add(settlement, "ClrSys"), "Cd", message.clearing_system)
    _write_payment(_add(transfer, "CdtTrfTxInf"), message)
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8")


def _write_payment(block: Element, message: InterbankTransfer) -> None:
    ids = _add(block, "PmtId")
    _add(ids, "InstrId", message.instruction_id)
    _add(ids, "EndToEndId", message.end_to_end_id)
    _add(ids, "TxId", message.transaction_id)
    _add(ids, "UETR", message.uetr)
    _add(_add(_add(block, "PmtTpInf"), "LclInstrm"), "Prtry", message.local_instrument)
    amount = _add(block, "IntrBkSttlmAmt", f"{message.amount:.2f}")
    amount.set("Ccy", message.currency)
    _add(block, "IntrBkSttlmDt", message.settlement_date.isoformat())
    _add(block, "ChrgBr", "SLEV")
    _write_agent(block, "InstgAgt", message.sender)
    _write_agent(block, "InstdAgt", message.receiver)
    debtor = _add(block, "Dbtr")
    _add(debtor, "Nm", message.debtor_name)
    address = _add(debtor, "PstlAdr")
    _add(address, "TwnNm", message.debtor_town)
    _add(address, "Ctry", message.debtor_country)
    _write_account(block, "DbtrAcct", message.debtor_account)
    _write_agent(block, "DbtrAgt", message.sender)
    _write_agent(block, "CdtrAgt", message.creditor_agent)
    _add(_add(block, "Cdtr"), "Nm", message.creditor_name)
    _write_account(block, "CdtrAcct", message.creditor_account)
    if message.remittance:
        _add(_add(block, "RmtInf"), "Ustrd", message.remittance)


def _write_account(parent: Element, name: str, number: str) -> None:
    _add(_add(_add(_add(parent, name), "Id"), "Othr"), "Id", number)


def _write_agent(parent: Element, name: str, agent: Agent) -> None:
    institution = _add(_add(parent, name), "FinInstnId")
    if agent.bic:
        _add(institution, "BICFI", agent.bic)
        return
    member = _add(institution, "ClrSysMmbId")
    _add(_add(member, "ClrSysId"), "Cd", "USABA")
    _add(member, "MmbId", agent.routing_number)


def _add(parent: Element, name: str, text: str | None = None) -> Element:
    child = etree.SubElement(parent, f"{{{NAMESPACE}}}{name}")
    child.text = text
    return child
