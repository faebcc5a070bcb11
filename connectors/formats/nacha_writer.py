"""Writes NACHA files. Deterministic: equal files give equal bytes. Source: see nacha_records."""

from __future__ import annotations

import re
from datetime import date

from connectors.formats.nacha_records import (
    BLOCKING_FACTOR,
    COUNTING_CLASSES,
    MODIFIERS,
    RECORD_LENGTH,
    Addenda,
    Batch,
    Entry,
    FileHeader,
    NachaFile,
    PaymentNote,
    control_totals,
    to_cents,
)
from connectors.formats.nacha_rules import check_file

_PRINTABLE = re.compile(r"[\x20-\x7e]*")


def write_nacha(file: NachaFile) -> bytes:
    """Write the file in ASCII, one record a line, padded with 9-records to full blocks of ten.

    Only originations can be written (see nacha_rules). Raises ValueError naming the rule that would
    be broken, or the field that does not fit its place.
    """
    check_file(file)
    records = [_file_header(file.header)]
    for batch in file.batches:
        records.append(_batch_header(batch))
        for entry in batch.entries:
            records.extend(_entry(entry, counts=batch.standard_entry_class in COUNTING_CLASSES))
        records.append(_batch_control(batch))
    blocks = -(-(len(records) + 1) // BLOCKING_FACTOR)
    records.append(_file_control(file, blocks))
    records.extend(["9" * RECORD_LENGTH] * (blocks * BLOCKING_FACTOR - len(records)))
    for record in records:
        if len(record) != RECORD_LENGTH:
            raise ValueError(f"record {record[0]} is not {RECORD_LENGTH} characters")
    return "".join(record + "\n" for record in records).encode("ascii")


def _text(value: str, width: int, name: str) -> str:
    if len(value) > width or not _PRINTABLE.fullmatch(value) or value != value.strip():
        raise ValueError(f"{name} does not fit")
    return value.ljust(width)


def _digits(value: int | str, width: int, name: str) -> str:
    text = str(value).rjust(width, "0")
    if not re.fullmatch(rf"[0-9]{{{width}}}", text):
        raise ValueError(f"{name} does not fit")
    return text


def _day(day: date | None) -> str:
    return f"{day:%y%m%d}" if day is not None else " " * 6


def _file_header(header: FileHeader) -> str:
    if len(header.modifier) != 1 or header.modifier not in MODIFIERS:
        raise ValueError("file id modifier does not fit")
    return "".join(
        (
            "101",
            # Ten places, right-justified: a routing number stands behind one blank.
            _text(header.immediate_destination, 10, "immediate destination").strip().rjust(10),
            _text(header.immediate_origin, 10, "immediate origin").strip().rjust(10),
            _day(header.created_on),
            _text(header.created_at_time, 4, "creation time"),
            header.modifier,
            "094101",
            _text(header.destination_name, 23, "destination name"),
            _text(header.origin_name, 23, "origin name"),
            _text(header.reference_code, 8, "reference code"),
        )
    )


def _batch_header(batch: Batch) -> str:
    return "".join(
        (
            "5",
            _digits(batch.service_class, 3, "service class"),
            _text(batch.company_name, 16, "company name"),
            _text(batch.company_data, 20, "company data"),
            _text(batch.company_id, 10, "company id"),
            _text(batch.standard_entry_class, 3, "entry class"),
            _text(batch.entry_description, 10, "entry description"),
            _text(batch.descriptive_date, 6, "descriptive date"),
            _day(batch.effective_on),
            "   ",  # Settlement date (Julian): the operator fills it in.
            "1",
            _digits(batch.odfi, 8, "ODFI"),
            _digits(batch.number, 7, "batch number"),
        )
    )


def _entry(entry: Entry, *, counts: bool) -> list[str]:
    name = _text(entry.name, 22, "name")
    if counts:
        number = _digits(len(entry.addenda), 4, "number of addenda")
        name = f"{number}{_text(entry.name, 16, 'name')}  "
    record = "".join(
        (
            "6",
            _digits(entry.transaction_code, 2, "transaction code"),
            _digits(entry.routing_number, 9, "routing number"),
            _text(entry.account_number, 17, "account number"),
            _digits(to_cents(entry.amount), 10, "amount"),
            _text(entry.individual_id, 15, "individual id"),
            name,
            _text(entry.discretionary, 2, "discretionary data"),
            "1" if entry.addenda else "0",
            _digits(entry.trace, 15, "trace number"),
        )
    )
    numbered = enumerate(entry.addenda, start=1)
    return [record, *(_addenda(addenda, number, entry) for number, addenda in numbered)]


def _addenda(addenda: Addenda, number: int, entry: Entry) -> str:
    if not isinstance(addenda, PaymentNote):
        raise ValueError("only addenda 05 are written")
    text = _text(addenda.text, 80, "payment information")
    return f"705{text}{_digits(number, 4, 'addenda number')}{entry.trace[-7:]}"


def _totals(entries: tuple[Entry, ...], count_width: int) -> str:
    totals = control_totals(entries)
    return "".join(
        (
            _digits(totals.count, count_width, "entry count"),
            _digits(totals.entry_hash, 10, "entry hash"),
            _digits(totals.debit_cents, 12, "total debit"),
            _digits(totals.credit_cents, 12, "total credit"),
        )
    )


def _batch_control(batch: Batch) -> str:
    return "".join(
        (
            "8",
            _digits(batch.service_class, 3, "service class"),
            _totals(batch.entries, 6),
            _text(batch.company_id, 10, "company id"),
            " " * 25,  # Message authentication code and reserved.
            _digits(batch.odfi, 8, "ODFI"),
            _digits(batch.number, 7, "batch number"),
        )
    )


def _file_control(file: NachaFile, blocks: int) -> str:
    return "".join(
        (
            "9",
            _digits(len(file.batches), 6, "batch count"),
            _digits(blocks, 6, "block count"),
            _totals(file.entries, 8),
            " " * 39,
        )
    )
