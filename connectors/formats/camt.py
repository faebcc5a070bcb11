"""camt.052, .053 and .054: what a bank says moved on our account, versions 2 to 14.

Source: ISO 20022 message definitions BankToCustomerAccountReport, BankToCustomerStatement and
BankToCustomerDebitCreditNotification. They share their entries. Differences by version that matter:
`Sts` holds the code itself up to version 7 and `Sts/Cd` from 8; BIC became BICFI.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

from connectors.base import UnreadableDocument
from connectors.formats.safe_xml import (
    Element,
    need,
    need_text,
    parse_amount,
    parse_date,
    parse_document,
    parse_moment,
    text_at,
)

# Message -> (body element, element that repeats per account).
_SHAPES = {
    "camt.052": ("BkToCstmrAcctRpt", "Rpt"),
    "camt.053": ("BkToCstmrStmt", "Stmt"),
    "camt.054": ("BkToCstmrDbtCdtNtfctn", "Ntfctn"),
}
_NOT_PROVIDED = "NOTPROVIDED"


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionDetail:
    """One payment inside an entry (TxDtls). `amount` is None when the bank states none."""

    instruction_id: str
    end_to_end_id: str
    transaction_id: str
    uetr: str
    bank_reference: str
    amount: Decimal | None
    currency: str
    credit: bool | None
    return_reason: str
    return_text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One booking (Ntry). `amount` is in units of `currency`, unsigned; `credit` says which way."""

    reference: str
    amount: Decimal
    currency: str
    credit: bool
    reversal: bool
    status: str
    booking_date: date | None
    value_date: date | None
    bank_reference: str
    transactions: tuple[TransactionDetail, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountReport:
    """The entries of one account (Rpt, Stmt or Ntfctn)."""

    report_id: str
    account: str = field(repr=False)
    currency: str
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BankReport:
    """A whole message; `kind` is camt.052, camt.053 or camt.054."""

    kind: str
    message_name: str
    message_id: str
    created_at: datetime
    reports: tuple[AccountReport, ...]


def read_camt(body: bytes) -> BankReport:
    """Read a camt.052, .053 or .054. Raises UnreadableDocument naming what is missing."""
    root, name = parse_document(body)
    kind = name[:8]
    if kind not in _SHAPES:
        raise UnreadableDocument("not_camt", "the namespace is not one of camt.052, .053 or .054")
    body_name, repeated = _SHAPES[kind]
    message = need(root, body_name, kind)
    header = need(message, "GrpHdr", kind)
    reports = tuple(_read_report(block, kind) for block in message.findall(repeated))
    if not reports:
        raise UnreadableDocument("xml_incomplete", f"{kind}: {body_name}/{repeated} is missing")
    return BankReport(
        kind=kind,
        message_name=name,
        message_id=need_text(header, "MsgId", kind),
        created_at=parse_moment(need_text(header, "CreDtTm", kind), f"{kind} CreDtTm"),
        reports=reports,
    )


def _read_report(block: Element, kind: str) -> AccountReport:
    account = block.find("Acct")
    return AccountReport(
        report_id=need_text(block, "Id", kind),
        account=text_at(account, "Id/IBAN") or text_at(account, "Id/Othr/Id"),
        currency=text_at(account, "Ccy"),
        entries=tuple(_read_entry(entry, kind) for entry in block.findall("Ntry")),
    )


def _read_entry(block: Element, kind: str) -> Entry:
    amount = need(block, "Amt", f"{kind} Ntry")
    credit = _direction(need_text(block, "CdtDbtInd", f"{kind} Ntry"), kind)
    return Entry(
        reference=text_at(block, "NtryRef"),
        amount=parse_amount((amount.text or "").strip(), f"{kind} Ntry/Amt"),
        currency=amount.get("Ccy", ""),
        credit=credit,
        reversal=text_at(block, "RvslInd") in ("true", "1"),
        status=text_at(block, "Sts/Cd") or text_at(block, "Sts"),
        booking_date=_read_day(block, "BookgDt", kind),
        value_date=_read_day(block, "ValDt", kind),
        bank_reference=text_at(block, "AcctSvcrRef"),
        transactions=tuple(_read_detail(tx, kind) for tx in block.findall("NtryDtls/TxDtls")),
    )


def _read_detail(block: Element, kind: str) -> TransactionDetail:
    references = block.find("Refs")
    amount = _detail_amount(block)
    direction = text_at(block, "CdtDbtInd")
    end_to_end_id = text_at(references, "EndToEndId")
    return TransactionDetail(
        instruction_id=text_at(references, "InstrId"),
        end_to_end_id="" if end_to_end_id == _NOT_PROVIDED else end_to_end_id,
        transaction_id=text_at(references, "TxId"),
        uetr=text_at(references, "UETR"),
        bank_reference=text_at(references, "AcctSvcrRef"),
        amount=None
        if amount is None
        else parse_amount((amount.text or "").strip(), f"{kind} TxDtls/Amt"),
        currency="" if amount is None else amount.get("Ccy", ""),
        credit=_direction(direction, kind) if direction else None,
        return_reason=text_at(block, "RtrInf/Rsn/Cd") or text_at(block, "RtrInf/Rsn/Prtry"),
        return_text=text_at(block, "RtrInf/AddtlInf"),
    )


def _detail_amount(block: Element) -> Element | None:
    # Up to version 2 the amount stands only below AmtDtls.
    for path in ("Amt", "AmtDtls/TxAmt/Amt", "AmtDtls/InstdAmt/Amt"):
        found = block.find(path)
        if found is not None:
            return found
    return None


def _direction(text: str, kind: str) -> bool:
    if text not in ("CRDT", "DBIT"):
        raise UnreadableDocument("xml_direction", f"{kind}: CdtDbtInd is neither CRDT nor DBIT")
    return text == "CRDT"


def _read_day(block: Element, name: str, kind: str) -> date | None:
    text = text_at(block, f"{name}/Dt") or text_at(block, f"{name}/DtTm")
    return parse_date(text, f"{kind} {name}") if text else None
