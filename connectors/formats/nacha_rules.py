"""What an origination must keep to before we write it: reading is lenient, writing is strict.

Source: Nacha Operating Rules, appendix two (file edits by which operators refuse) and three (entry
classes, transaction codes, addenda of each class).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from connectors.formats.nacha_records import (
    Batch,
    ControlTotals,
    Entry,
    NachaFile,
    PaymentNote,
    control_totals,
)

# Addenda 05 of one entry. Credits and the debits that reverse them; no prenotes, no zero dollars.
MOST_ADDENDA: Mapping[str, int] = {"PPD": 1, "CCD": 1, "CTX": 9_999}
TRANSACTION_CODES = frozenset({"22", "32", "27", "37"})
_MIXED, _CREDITS, _DEBITS = "200", "220", "225"
_ROUTING = re.compile(r"[0-9]{9}")
_WEIGHTS = (3, 7, 1) * 3


def check_file(file: NachaFile) -> None:
    """Hold a file against the rules of originations. Raises ValueError naming what is broken."""
    if not file.batches:
        raise ValueError("a file needs a batch")
    if not is_routing_number(file.header.immediate_destination):
        raise ValueError("immediate destination is not a routing number")
    numbers = [batch.number for batch in file.batches]
    if numbers != sorted(set(numbers)):
        raise ValueError("batch numbers must ascend")
    traces = [entry.trace for entry in file.entries]
    if len(set(traces)) != len(traces):
        raise ValueError("a trace number stands in the file twice")
    for batch in file.batches:
        _check_batch(batch)


def is_routing_number(text: str) -> bool:
    """Whether these are nine digits of which the last fits the others (weights 3 7 1)."""
    if not _ROUTING.fullmatch(text):
        return False
    return sum(int(d) * w for d, w in zip(text, _WEIGHTS, strict=True)) % 10 == 0


def _check_batch(batch: Batch) -> None:
    if batch.standard_entry_class not in MOST_ADDENDA:
        raise ValueError("entry class is not one that is originated here")
    if not batch.entries:
        raise ValueError("a batch needs an entry")
    if batch.effective_on is None:
        raise ValueError("an origination has an effective date")
    for text in (batch.company_name, batch.company_id, batch.entry_description):
        if not text.strip():
            raise ValueError("company name, id and description must not be blank")
    for entry in batch.entries:
        _check_entry(entry, batch)
    _check_service_class(batch.service_class, control_totals(batch.entries))
    traces = [entry.trace for entry in batch.entries]
    if traces != sorted(traces):
        raise ValueError("trace numbers must ascend within a batch")


def _check_service_class(service_class: str, totals: ControlTotals) -> None:
    if service_class not in (_MIXED, _CREDITS, _DEBITS):
        raise ValueError("service class is none of an origination")
    if service_class == _CREDITS and totals.debit_cents:
        raise ValueError("a batch of credits holds a debit")
    if service_class == _DEBITS and totals.credit_cents:
        raise ValueError("a batch of debits holds a credit")


def _check_entry(entry: Entry, batch: Batch) -> None:
    if entry.transaction_code not in TRANSACTION_CODES:
        raise ValueError("transaction code is not one that is originated here")
    if not is_routing_number(entry.routing_number):
        raise ValueError("routing number does not fit its check digit")
    if entry.amount <= 0:
        raise ValueError("amount must be above zero")
    if not entry.account_number.strip() or not entry.name.strip():
        raise ValueError("account number and name must not be blank")
    if not entry.trace.startswith(batch.odfi):
        raise ValueError("a trace number begins with the ODFI")
    if len(entry.addenda) > MOST_ADDENDA[batch.standard_entry_class]:
        raise ValueError("more addenda than the entry class may have")
    for note in entry.addenda:
        if not isinstance(note, PaymentNote) or not note.text.strip():
            raise ValueError("only addenda 05 with a text are written")
