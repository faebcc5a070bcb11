"""From what an ODFI sends back (JSON acknowledgements, settlements, NACHA returns) to our terms.

There is no "paid" message in ACH itself: the bank's settlement report says that the settlement date
was reached, and a return may still come within the return window. A notification of change (addenda
98) says that a payment went through and what to write from now on. A return that our bank dishonours
(R61 to R70) leaves the payment standing; one that the other bank contests with success (R71 to R77)
does not. A returned reversal (a debit) is the refusal of a recall.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from connectors.base import (
    EventKind,
    InboundDocument,
    Outcome,
    OutcomeKind,
    StatusEvent,
    Transmission,
    UnreadableDocument,
)
from connectors.formats.nacha import (
    Addenda,
    Batch,
    ChangeNotice,
    ContestedReturn,
    DishonoredReturn,
    Entry,
    ReturnNotice,
    corrected_details,
    read_nacha,
)
from connectors.http import HttpAnswer
from connectors.rails.ach_files import REVERSAL
from connectors.rails.bank_api import read_json, unreadable_answer
from connectors.schemes.reasons import is_duplicate

_AMOUNT = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,2})?")
_ENTRY_KINDS: Mapping[str, EventKind] = {
    "accepted": EventKind.ACCEPTED,
    "rejected": EventKind.REJECTED,
    "settled": EventKind.SETTLED,
    "returned": EventKind.RETURNED,
}
_RETURN_KINDS: Mapping[type[Addenda], EventKind] = {
    ReturnNotice: EventKind.RETURNED,
    DishonoredReturn: EventKind.SETTLED,
    ContestedReturn: EventKind.RETURNED,
}
_FILE_STATUSES = frozenset({"accepted", "partial", "rejected"})


def answer_to_outcome(answer: HttpAnswer, transmission: Transmission) -> Outcome:
    """Read a 2xx answer to a submission or an inquiry about `transmission`. Never raises."""
    try:
        ack = _read_ack(answer.body)
    except UnreadableDocument as error:
        return unreadable_answer(answer, "answer_unreadable", error.code)
    if ack["file_reference"] != transmission.reference:
        return unreadable_answer(answer, "answer_mismatch", "speaks of another file")
    ours = frozenset(transmission.instruction_references)
    events = [event for event in _ack_events(ack) if event.reference in ours]
    kind, partial = _judge(ack, events, ours)
    return Outcome(
        kind=kind,
        code=ack["code"],
        detail=ack["detail"][:200],
        events=events,
        partial=partial,
        bank_reference=ack["file_reference"],
        document=answer.body,
        content_type=answer.headers.get("content-type", ""),
    )


def _judge(
    ack: Mapping[str, Any], events: list[StatusEvent], ours: frozenset[str]
) -> tuple[OutcomeKind, bool]:
    if ack["status"] == "rejected":
        contradicted = any(event.kind is not EventKind.REJECTED for event in events)
        if is_duplicate(ack["code"]) or contradicted:
            return OutcomeKind.UNKNOWN, True
        return OutcomeKind.REJECTED, len(events) < len(ack["entries"])
    if ack["status"] == "partial":
        return OutcomeKind.ACCEPTED, True
    unmentioned = {event.reference for event in events} != ours
    return OutcomeKind.ACCEPTED, bool(ack["entries"]) and unmentioned


def read_reversal_answer(answer: HttpAnswer, payment_reference: str) -> Outcome:
    """Read a 2xx answer to a reversing entry for one payment. Never raises."""
    try:
        ack = _read_ack(answer.body)
    except UnreadableDocument as error:
        return unreadable_answer(answer, "answer_unreadable", error.code)
    told = {entry["individual_id"]: entry for entry in ack["entries"]}
    own = told.get(payment_reference, {})
    verdict = _text(own, "status") or (ack["status"] if not told else "")
    kinds = {"accepted": OutcomeKind.ACCEPTED, "rejected": OutcomeKind.REJECTED}
    if verdict not in kinds:
        return unreadable_answer(answer, "answer_mismatch", "does not say what became of it")
    return Outcome(
        kind=kinds[verdict],
        code=_text(own, "code") or ack["code"],
        detail=ack["detail"][:200],
        bank_reference=_text(own, "bank_reference"),
        document=answer.body,
        content_type=answer.headers.get("content-type", ""),
    )


def read_report(document: InboundDocument) -> list[StatusEvent]:
    """Read a fetched ach.ack, ach.settlement, ach.return or ach.noc. Raises UnreadableDocument."""
    if document.document_type == "ach.ack":
        return _report_of_ack(_read_ack(document.body))
    if document.document_type == "ach.settlement":
        return list(_settlement_events(read_json(document.body)))
    if document.document_type in ("ach.return", "ach.noc"):  # Banks send both in either.
        return list(_file_events(document.body))
    raise UnreadableDocument("document_type_unknown", document.document_type[:40])


def _read_ack(body: bytes) -> Mapping[str, Any]:
    ack = read_json(body)
    if ack.get("type") != "ack" or ack.get("status") not in _FILE_STATUSES:
        raise UnreadableDocument("ack_incomplete", "type or status is missing")
    for name in ("file_reference", "code", "detail"):
        _text(ack, name)
    if not ack["file_reference"]:
        raise UnreadableDocument("ack_incomplete", "file_reference is missing")
    return {**ack, "entries": _entries(ack)}


def _report_of_ack(ack: Mapping[str, Any]) -> list[StatusEvent]:
    if ack["entries"]:
        return list(_ack_events(ack))
    refused = ack["status"] == "rejected"
    if ack["status"] == "partial" or (refused and is_duplicate(ack["code"])):
        return []
    return [
        StatusEvent(
            kind=EventKind.REJECTED if refused else EventKind.ACCEPTED,
            transmission_reference=ack["file_reference"],
            code=ack["code"],
            detail=ack["detail"][:200],
        )
    ]


def _ack_events(ack: Mapping[str, Any]) -> Iterator[StatusEvent]:
    for entry in ack["entries"]:
        kind = _ENTRY_KINDS.get(_text(entry, "status"))
        code = _text(entry, "code")
        if kind is None or (kind is EventKind.REJECTED and is_duplicate(code)):
            continue
        yield StatusEvent(
            kind=kind,
            reference=_text(entry, "individual_id"),
            transmission_reference=ack["file_reference"],
            code=code,
            amount=_amount(entry),
            currency="USD",
            bank_reference=_text(entry, "bank_reference"),
        )


def _settlement_events(report: Mapping[str, Any]) -> Iterator[StatusEvent]:
    if report.get("type") != "settlement":
        raise UnreadableDocument("settlement_incomplete", "type is missing")
    try:
        day = date.fromisoformat(_text(report, "settlement_date"))
    except ValueError:
        raise UnreadableDocument("settlement_incomplete", "settlement_date is no date") from None
    for entry in _entries(report):
        yield StatusEvent(
            kind=EventKind.SETTLED,
            reference=_text(entry, "individual_id"),
            amount=_amount(entry),
            currency=_text(entry, "currency"),
            value_date=day,
            bank_reference=_text(entry, "bank_reference"),
        )


def _file_events(body: bytes) -> Iterator[StatusEvent]:
    for batch in read_nacha(body).batches:
        for entry in batch.entries:
            for addenda in entry.addenda:
                event = _event(addenda, entry, batch)
                if event is not None:
                    yield event


def _event(addenda: Addenda, entry: Entry, batch: Batch) -> StatusEvent | None:
    if isinstance(addenda, ChangeNotice):
        return _correction(addenda, entry)
    if entry.is_debit:
        # Our debits take payments back. Any other returned debit is nothing of ours: payouts are credits.
        reversal = batch.entry_description.upper() == REVERSAL
        if not reversal or not isinstance(addenda, ReturnNotice):
            return None
        return StatusEvent(
            kind=EventKind.RECALL_REFUSED,
            reference=entry.individual_id,
            code=addenda.code,
            detail=addenda.information,
            bank_reference=entry.trace,
        )
    kind = _RETURN_KINDS.get(type(addenda))
    if kind is None or not isinstance(addenda, ReturnNotice | DishonoredReturn | ContestedReturn):
        return None
    return StatusEvent(
        kind=kind,
        reference=entry.individual_id,
        code=addenda.code,
        detail="" if isinstance(addenda, ContestedReturn) else addenda.information,
        amount=entry.amount,
        currency="USD",
        value_date=batch.effective_on if kind is EventKind.RETURNED else None,
        bank_reference=entry.trace,
    )


def _correction(notice: ChangeNotice, entry: Entry) -> StatusEvent:
    corrected = corrected_details(notice)
    return StatusEvent(
        kind=EventKind.CORRECTION,
        reference=entry.individual_id,
        code=notice.code,
        detail="corrected data cannot be read" if corrected is None else "",
        bank_reference=entry.trace,
        corrected=corrected or {},
    )


def _entries(report: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    entries = report.get("entries")
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise UnreadableDocument("json_incomplete", "entries is not a list of objects")
    for entry in entries:
        if not _text(entry, "individual_id"):
            raise UnreadableDocument("json_incomplete", "an entry has no individual_id")
        for name in ("status", "code", "bank_reference", "currency"):
            _text(entry, name)
        _amount(entry)
    return entries


def _text(item: Mapping[str, Any], name: str) -> str:
    value = item.get(name, "")
    if not isinstance(value, str):
        raise UnreadableDocument("json_incomplete", f"{name} is not a text")
    return value


def _amount(entry: Mapping[str, Any]) -> Decimal | None:
    text = entry.get("amount")
    if text is None:
        return None
    if not isinstance(text, str) or not _AMOUNT.fullmatch(text):
        raise UnreadableDocument("json_incomplete", "amount is not a decimal string")
    return Decimal(text)
