"""What stands in the NACHA files that we send: payments, and entries that reverse one.

Sources: Nacha Operating Rules 2026, appendix three (formats, entry classes), section 2.9 (reversing
entries: within five banking days of settlement, identical in amount, company and receiver, the word
REVERSAL in Company Entry Description); dates: connectors.schemes.ach_dates.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import groupby

from connectors.abilities import RecallOrder
from connectors.accounts import canonical_details
from connectors.base import DrawnNumbers, PayoutInstruction
from connectors.formats.latin import nacha_text
from connectors.formats.nacha import (
    MODIFIERS,
    Batch,
    Entry,
    NachaFile,
    PaymentNote,
    to_cents,
)
from connectors.schemes.ach_dates import ZONE, EntryDates, entry_dates, next_fed_day
from connectors.schemes.cutoffs import Window

CREDITS_ONLY, DEBITS_ONLY = "220", "225"
REVERSAL = "REVERSAL"
MAX_TRACE = 9_999_999
_TRANSACTION_CODES = {"checking": "22", "savings": "32"}
_REVERSING_CODES = {"22": "27", "32": "37"}
_NOTE = 80
_MAX_NOTES = 99  # The scheme takes 9,999; nobody describes a payout in more than 8,000 characters.


@dataclass(frozen=True, slots=True, kw_only=True)
class Originator:
    """Who originates, and how: in the names and numbers of the batch header.

    `windows` are the scheme's as this bank offers them; `long_texts`: whether a company's text that
    does not fit one addenda goes out as CTX.
    """

    company_name: str
    company_id: str
    description: str
    odfi: str
    windows: Sequence[Window]
    long_texts: bool


@dataclass(frozen=True, slots=True, order=True)
class _Group:
    """What the entries of a batch share. Same-day entries stand by themselves: they settle apart."""

    entry_class: str
    dates: EntryDates


def batches(
    instructions: Sequence[PayoutInstruction], numbers: DrawnNumbers, originator: Originator
) -> Iterator[Batch]:
    """PPD for persons, CCD (or CTX) for companies, a batch for each class and date."""
    grouped_by = {i.reference: _group(i, numbers.created_at, originator) for i in instructions}
    ordered = sorted(instructions, key=lambda i: grouped_by[i.reference])
    counted = list(enumerate(ordered, start=numbers.first_trace - 1))
    # Traces rise within a batch: where the seven digits start over, a new batch begins.
    grouped = groupby(
        counted, key=lambda item: (grouped_by[item[1].reference], item[0] // MAX_TRACE)
    )
    for number, ((group, _), items) in enumerate(grouped, start=1):
        yield Batch(
            service_class=CREDITS_ONLY,
            company_name=originator.company_name,
            company_id=originator.company_id,
            standard_entry_class=group.entry_class,
            entry_description=originator.description,
            descriptive_date=group.dates.descriptive,
            effective_on=group.dates.effective,
            odfi=originator.odfi,
            number=number,
            entries=tuple(
                _entry(instruction, group, f"{originator.odfi}{count % MAX_TRACE + 1:07d}")
                for count, instruction in items
            ),
        )


def _group(instruction: PayoutInstruction, moment: datetime, originator: Originator) -> _Group:
    dates = entry_dates(
        instruction.execution_date,
        moment=moment,
        amount=instruction.amount,
        windows=originator.windows,
    )
    # PPD is for consumers, CCD and CTX for everybody else (section 8, SEC codes).
    entry_class = "PPD" if instruction.account.holder_type == "user" else "CCD"
    if entry_class == "CCD" and originator.long_texts and len(_text(instruction)) > _NOTE:
        entry_class = "CTX"
    return _Group(entry_class, dates)


def _text(instruction: PayoutInstruction) -> str:
    """The payout's id and what the receiver may read; all of it fits CTX only."""
    text = nacha_text(instruction.description, _NOTE * _MAX_NOTES)
    return f"{instruction.payout_id} {text}".rstrip()


def _entry(instruction: PayoutInstruction, group: _Group, trace: str) -> Entry:
    account = instruction.account
    details = canonical_details(account.type, account.details, account.country).details
    is_ctx = group.entry_class == "CTX"
    text = _text(instruction)
    most = _NOTE * (_MAX_NOTES if is_ctx else 1)
    notes = [text[at : at + _NOTE].strip() for at in range(0, min(len(text), most), _NOTE)]
    return Entry(
        transaction_code=_TRANSACTION_CODES[details["account_type"]],
        routing_number=details["routing_number"],
        account_number=details["account_number"],
        amount=instruction.amount,
        individual_id=instruction.reference,
        name=nacha_text(account.holder_name, 16 if is_ctx else 22),
        trace=trace,
        addenda=tuple(PaymentNote(text=note) for note in notes if note),
    )


def find_payment(file: NachaFile, reference: str) -> tuple[Batch, Entry] | None:
    """The entry that carries our reference, and its batch."""
    for batch in file.batches:
        for entry in batch.entries:
            if entry.individual_id == reference:
                return batch, entry
    return None


def reversal(file: NachaFile, batch: Batch, entry: Entry, order: RecallOrder) -> NachaFile:
    """The file that takes one entry of `file` back: a debit like it. Deterministic by the order.

    No number can be drawn for a recall, so trace and modifier come out of its reference, which is
    unique: a sequence's last seven digits, or of any other shape as many digits of its hash.
    """
    number = _number_of(order.reference)
    effective_on = next_fed_day(order.created_at.astimezone(ZONE).date())
    created = order.created_at.astimezone(UTC)
    reversing = replace(
        entry,
        transaction_code=_REVERSING_CODES[entry.transaction_code],
        trace=f"{batch.odfi}{number:07d}",
        addenda=(PaymentNote(text=f"{REVERSAL} OF {entry.trace} {order.reason.value.upper()}"),),
    )
    header = replace(
        file.header,
        created_on=created.date(),
        created_at_time=f"{created:%H%M}",
        modifier=MODIFIERS[number % len(MODIFIERS)],
    )
    undone = replace(
        batch,
        service_class=DEBITS_ONLY,
        entry_description=REVERSAL,
        descriptive_date="",
        effective_on=effective_on,
        number=1,
        entries=(reversing,),
    )
    return NachaFile(header=header, batches=(undone,))


def is_whole_payment(entry: Entry, order: RecallOrder) -> bool:
    """Whether the order is for just this entry's money; reversals of a part are forbidden."""
    return order.currency == "USD" and to_cents(entry.amount) == order.amount * 100


def _number_of(reference: str) -> int:
    if re.fullmatch(r"[0-9]{7,}", reference, re.ASCII):
        return int(reference[-7:]) % MAX_TRACE + 1
    digest = hashlib.sha256(reference.encode()).digest()
    return int.from_bytes(digest[:8]) % MAX_TRACE + 1
