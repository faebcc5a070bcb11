"""Reads NACHA files: originations, returns, notifications of change, acknowledgements.

Lenient where senders are careless and nothing is lost (line ends, trimmed or missing padding),
strict where a damaged file would be believed: record order, every control total, every count. Each
refusal names the record by its line. Source: see nacha_records.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal

from connectors.base import UnreadableDocument
from connectors.formats.nacha_records import (
    BLOCKING_FACTOR,
    COUNTING_CLASSES,
    MODIFIERS,
    PREFIX,
    RECORD_LENGTH,
    Addenda,
    Batch,
    ChangeNotice,
    ContestedReturn,
    ControlTotals,
    DishonoredReturn,
    Entry,
    FileHeader,
    NachaFile,
    OtherAddenda,
    PaymentNote,
    ReturnNotice,
    control_totals,
)

MAX_NACHA_BYTES = 32 * 1024 * 1024
_FILLER = "9" * RECORD_LENGTH


class _Record:
    """One line of 94 characters, read by the 1-based positions of the rules."""

    def __init__(self, line: str, number: int) -> None:
        self.line = line
        self.number = number
        self.type = line[0]

    def text(self, start: int, end: int) -> str:
        return self.line[start - 1 : end].strip()

    def digits(self, start: int, end: int, name: str) -> str:
        value = self.line[start - 1 : end]
        if not re.fullmatch(r"[0-9]+", value):
            raise self.refuse(f"{name} is not numeric")
        return value

    def number_at(self, start: int, end: int, name: str) -> int:
        return int(self.digits(start, end, name))

    def refuse(self, what: str) -> UnreadableDocument:
        return UnreadableDocument("nacha_damaged", f"record {self.number} ({self.type}): {what}")


class _Records:
    """The records still to be read."""

    def __init__(self, records: list[_Record]) -> None:
        self._records = records
        self._next = 0

    def peek_type(self) -> str:
        return self._records[self._next].type if self._next < len(self._records) else ""

    def take(self, record_type: str) -> _Record:
        if self._next >= len(self._records):
            raise UnreadableDocument("nacha_damaged", f"record {record_type} is missing at the end")
        record = self._records[self._next]
        if record.type != record_type:
            raise record.refuse(f"a record {record_type} is expected here")
        self._next += 1
        return record


def read_nacha(body: bytes) -> NachaFile:
    """Read a file and hold it against its own controls. Raises UnreadableDocument."""
    lines = _split(body)
    padded = len(lines)
    while len(lines) > 1 and lines[-1] == _FILLER:
        lines.pop()
    records = _Records([_Record(line, number) for number, line in enumerate(lines, start=1)])
    header = _read_header(records.take("1"))
    batches: list[Batch] = []
    while records.peek_type() == "5":
        batches.append(_read_batch(records))
    control = records.take("9")
    if records.peek_type():
        raise control.refuse("something follows the file control")
    file = NachaFile(header=header, batches=tuple(batches))
    _check_file(control, file, len(lines), padded)
    return file


def _split(body: bytes) -> list[str]:
    if len(body) > MAX_NACHA_BYTES:
        raise UnreadableDocument("nacha_too_large", f"more than {MAX_NACHA_BYTES} bytes")
    try:
        text = body.decode("ascii")
    except UnicodeDecodeError:
        raise UnreadableDocument("nacha_damaged", "not ASCII") from None
    lines = text.replace("\r\n", "\n").rstrip("\n\x1a ").split("\n")
    if len(lines) == 1 and len(text) > RECORD_LENGTH:
        whole = lines[0]
        lines = [whole[at : at + RECORD_LENGTH] for at in range(0, len(whole), RECORD_LENGTH)]
    for number, line in enumerate(lines, start=1):
        if not 0 < len(line) <= RECORD_LENGTH or re.search(r"[^\x20-\x7e]", line):
            raise UnreadableDocument("nacha_damaged", f"record {number}: not 94 characters")
    return [line.ljust(RECORD_LENGTH) for line in lines]


def _read_header(record: _Record) -> FileHeader:
    if record.text(1, 3) != PREFIX or record.text(35, 40) != "094101":
        raise record.refuse("priority, record size, blocking factor or format is wrong")
    modifier = record.line[33]
    if modifier not in MODIFIERS:
        raise record.refuse("file id modifier is neither A-Z nor 0-9")
    created_on = _day(record.text(24, 29))
    if created_on is None:
        raise record.refuse("creation date is not a date")
    return FileHeader(
        immediate_destination=record.text(4, 13),
        immediate_origin=record.text(14, 23),
        created_on=created_on,
        created_at_time=record.text(30, 33),
        modifier=modifier,
        destination_name=record.text(41, 63),
        origin_name=record.text(64, 86),
        reference_code=record.text(87, 94),
    )


def _read_batch(records: _Records) -> Batch:
    header = records.take("5")
    entries: list[Entry] = []
    entry_class = header.text(51, 53)
    while records.peek_type() == "6":
        entries.append(_read_entry(records, counts=entry_class in COUNTING_CLASSES))
    batch = Batch(
        service_class=header.digits(2, 4, "service class"),
        company_name=header.text(5, 20),
        company_data=header.text(21, 40),
        company_id=header.text(41, 50),
        standard_entry_class=entry_class,
        entry_description=header.text(54, 63),
        descriptive_date=header.text(64, 69),
        effective_on=_day(header.text(70, 75)),
        odfi=header.digits(80, 87, "ODFI"),
        number=header.number_at(88, 94, "batch number"),
        entries=tuple(entries),
    )
    _check_batch(records.take("8"), batch)
    return batch


def _read_entry(records: _Records, *, counts: bool) -> Entry:
    record = records.take("6")
    addenda: list[Addenda] = []
    while records.peek_type() == "7":
        addenda.append(_read_addenda(records.take("7")))
    if record.line[78] != ("1" if addenda else "0"):
        raise record.refuse("addenda indicator does not fit the addenda that follow")
    # A returned entry keeps the number of its original: only one that goes forward must be right.
    goes_forward = all(isinstance(note, PaymentNote) for note in addenda)
    if counts and goes_forward and record.number_at(55, 58, "number of addenda") != len(addenda):
        raise record.refuse("number of addenda does not fit the addenda that follow")
    return Entry(
        transaction_code=record.digits(2, 3, "transaction code"),
        routing_number=record.digits(4, 12, "routing number"),
        account_number=record.text(13, 29),
        amount=Decimal(record.number_at(30, 39, "amount")).scaleb(-2),
        individual_id=record.text(40, 54),
        name=record.text(59, 74) if counts else record.text(55, 76),
        discretionary=record.text(77, 78),
        trace=record.digits(80, 94, "trace number"),
        addenda=tuple(addenda),
    )


def _read_addenda(record: _Record) -> Addenda:
    reader = _ADDENDA.get(record.text(2, 3))
    if reader is None:
        return OtherAddenda(type_code=record.text(2, 3), text=record.text(4, 94))
    return reader(record)


def _read_note(record: _Record) -> PaymentNote:
    record.digits(84, 87, "addenda sequence number")
    record.digits(88, 94, "entry sequence number")
    return PaymentNote(text=record.text(4, 83))


def _read_change(record: _Record) -> ChangeNotice:
    return ChangeNotice(
        code=_reason(record, "C"),
        original_trace=record.digits(7, 21, "original trace number"),
        original_rdfi=record.text(28, 35),
        corrected_data=record.line[35:64].rstrip(),  # Its parts have their places.
        trace=record.digits(80, 94, "trace number"),
    )


def _read_return(record: _Record) -> ReturnNotice | DishonoredReturn | ContestedReturn:
    code = _reason(record, "R")
    if "R61" <= code <= "R70":
        return _read_dishonored(record, code)
    if "R71" <= code <= "R77":
        return _read_contested(record, code)
    return ReturnNotice(
        code=code,
        original_trace=record.digits(7, 21, "original trace number"),
        date_of_death=record.text(22, 27),
        original_rdfi=record.text(28, 35),
        information=record.text(36, 79),
        trace=record.digits(80, 94, "trace number"),
    )


def _read_dishonored(record: _Record, code: str) -> DishonoredReturn:
    return DishonoredReturn(
        code=code,
        original_trace=record.digits(7, 21, "original trace number"),
        original_rdfi=record.text(28, 35),
        return_trace=record.text(39, 53),
        return_settled_on=record.text(54, 56),
        return_code=_short_reason(record, 57),
        information=record.text(59, 79),
        trace=record.digits(80, 94, "trace number"),
    )


def _read_contested(record: _Record, code: str) -> ContestedReturn:
    return ContestedReturn(
        code=code,
        original_trace=record.digits(7, 21, "original trace number"),
        returned_on=record.text(22, 27),
        original_rdfi=record.text(28, 35),
        return_trace=record.text(39, 53),
        return_code=_short_reason(record, 57),
        dishonored_trace=record.text(59, 73),
        dishonored_code=_short_reason(record, 77),
        trace=record.digits(80, 94, "trace number"),
    )


def _short_reason(record: _Record, start: int) -> str:
    """Two digits of a return code whose R is left away; "" where they are not filled in."""
    digits = record.text(start, start + 1)
    return f"R{digits}" if digits else ""


_ADDENDA: Mapping[str, Callable[[_Record], Addenda]] = {
    "05": _read_note,
    "98": _read_change,
    "99": _read_return,
}


def _reason(record: _Record, letter: str) -> str:
    code = record.text(4, 6)
    if not re.fullmatch(rf"{letter}[0-9]{{2}}", code):
        raise record.refuse(f"reason code is not {letter} and two digits")
    return code


def _check_batch(control: _Record, batch: Batch) -> None:
    if control.text(2, 4) != batch.service_class:
        raise control.refuse("service class is not the batch header's")
    _check_totals(control, control_totals(batch.entries), count_end=10)
    # Compared without outer spaces: banks justify this field either way.
    if control.text(45, 54) != batch.company_id:
        raise control.refuse("company id is not the batch header's")
    if control.text(80, 87) != batch.odfi:
        raise control.refuse("ODFI is not the batch header's")
    if control.number_at(88, 94, "batch number") != batch.number:
        raise control.refuse("batch number is not the batch header's")


def _check_file(control: _Record, file: NachaFile, records: int, padded: int) -> None:
    if control.number_at(2, 7, "batch count") != len(file.batches):
        raise control.refuse("batch count is wrong")
    blocks = -(-records // BLOCKING_FACTOR)
    if control.number_at(8, 13, "block count") != blocks or padded > blocks * BLOCKING_FACTOR:
        raise control.refuse("block count is wrong")
    _check_totals(control, control_totals(file.entries), count_end=21)


def _check_totals(control: _Record, totals: ControlTotals, *, count_end: int) -> None:
    start = 5 if control.type == "8" else 14
    at = count_end + 1
    for name, begin, end, expected in (
        ("entry and addenda count", start, count_end, totals.count),
        ("entry hash", at, at + 9, totals.entry_hash),
        ("total debit", at + 10, at + 21, totals.debit_cents),
        ("total credit", at + 22, at + 33, totals.credit_cents),
    ):
        if control.number_at(begin, end, name) != expected:
            raise control.refuse(f"{name} is wrong")


def _day(text: str) -> date | None:
    if not re.fullmatch(r"[0-9]{6}", text):
        return None
    try:
        return date(2000 + int(text[:2]), int(text[2:4]), int(text[4:]))
    except ValueError:
        return None
