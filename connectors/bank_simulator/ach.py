"""Reads a NACHA origination file as an ODFI would: by its own code, trusting nothing.

Source: Nacha Operating Rules, appendix three (record formats) and appendix two of the file edits:
94 character records, blocking factor ten, records 1 5 6 7 8 9. A file that fails a control is
refused as a whole (`FILE_INVALID`); an entry that is wrong on its own is refused alone, with the
return code that would name it. Accepted here: credits (service class 220, codes 22 and 32) of PPD
and CCD batches.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal

from connectors.bank_simulator.payments import Order, Submission, as_uuid
from connectors.bank_simulator.scheme_clock import NEW_YORK

RECORD_LENGTH = 94
BLOCKING_FACTOR = 10
FILLER = "9" * RECORD_LENGTH
CREDITS_ONLY = "220"
CREDIT_CODES = ("22", "32")  # To a checking and to a savings account.
ENTRY_CLASSES = ("PPD", "CCD")
HASH_MODULUS = 10**10
MAX_DAYS_LATE = (
    7  # An older effective date is a mistake; a younger one settles on the next banking day.
)
MAX_DAYS_AHEAD = 366

_FILE_HEADER = re.compile(
    r"101(?P<destination>[ 0-9]\d{9})(?P<origin>[ 0-9A-Z]\d{9})"
    r"(?P<created>\d{6})(?P<time>\d{4}|    )"
    r"(?P<modifier>[A-Z0-9])094101(?P<destination_name>.{23})(?P<origin_name>.{23}).{8}\Z"
)
_BATCH_HEADER = re.compile(
    r"5(?P<service>\d{3})(?P<company>.{16}).{20}(?P<company_id>.{10})(?P<entry_class>[A-Z]{3})"
    r"(?P<description>.{10}).{6}(?P<effective>.{6})   1(?P<odfi>\d{8})(?P<number>\d{7})\Z"
)
_ENTRY = re.compile(
    r"6(?P<code>\d{2})(?P<rdfi>\d{8})(?P<check>\d)(?P<account>.{17})(?P<cents>\d{10})"
    r"(?P<individual_id>.{15})(?P<name>.{22})(?P<discretionary>.{2})(?P<addenda>[01])(?P<trace>\d{15})\Z"
)
_ADDENDA = re.compile(r"705(?P<information>.{80})(?P<sequence>\d{4})(?P<entry>\d{7})\Z")
_BATCH_CONTROL = re.compile(
    r"8(?P<service>\d{3})(?P<count>\d{6})(?P<hash>\d{10})(?P<debit>\d{12})(?P<credit>\d{12})"
    r"(?P<company_id>.{10}).{19} {6}(?P<odfi>\d{8})(?P<number>\d{7})\Z"
)
_FILE_CONTROL = re.compile(
    r"9(?P<batches>\d{6})(?P<blocks>\d{6})(?P<count>\d{8})(?P<hash>\d{10})(?P<debit>\d{12})"
    r"(?P<credit>\d{12}) {39}\Z"
)


class FileInvalid(Exception):
    """The file is refused as a whole. The message names the record, never what stands in it."""


@dataclass(slots=True)
class _Totals:
    """What is counted while reading, to be held against the control records."""

    count: int = 0
    hash: int = 0
    credit: int = 0

    def add(self, other: _Totals) -> None:
        self.count += other.count
        self.hash += other.hash
        self.credit += other.credit

    def check(self, control: re.Match[str], where: str) -> None:
        claimed = (
            int(control["count"]),
            int(control["hash"]),
            int(control["debit"]),
            int(control["credit"]),
        )
        if claimed != (self.count, self.hash % HASH_MODULUS, 0, self.credit):
            raise FileInvalid(f"{where}: count, hash or totals do not add up")


@dataclass(slots=True)
class _Reader:
    """Walks through the records in their only legal order."""

    lines: list[str]
    at: int = 0
    totals: _Totals = field(default_factory=_Totals)
    batches: int = 0
    last_trace: str = ""

    def peek(self) -> str:
        return self.lines[self.at][0] if self.at < len(self.lines) else ""

    def take(self, pattern: re.Pattern[str], name: str) -> re.Match[str]:
        """The next record, which must be of that kind."""
        line = self.lines[self.at] if self.at < len(self.lines) else ""
        match = pattern.match(line)
        if match is None:
            raise FileInvalid(f"record {self.at + 1} is not a well formed {name}")
        self.at += 1
        return match


def read(body: bytes, now: datetime) -> Submission:
    """A file's entries, each with the first rule it breaks; or the file refused as a whole."""
    digest = hashlib.sha256(body).hexdigest()
    key = ""
    try:
        reader = _Reader(_lines(body))
        header = reader.take(_FILE_HEADER, "file header")
        key = f"{header['created']}-{header['modifier']}-{header['origin'].strip()}"
        _check_file_header(header)
        orders = list(_batches(reader, header, now))
        _check_file_control(reader)
        _check_unique(orders)
    except FileInvalid as invalid:
        return Submission(key=key, digest=digest, refusal="FILE_INVALID", detail=str(invalid))
    return Submission(key=key, digest=digest, orders=orders)


def _lines(body: bytes) -> list[str]:
    """Records of 94 printable ASCII characters, in whole blocks of ten."""
    try:
        text = body.decode("ascii")
    except UnicodeDecodeError:
        raise FileInvalid("the file is not ASCII") from None
    lines = text.replace("\r\n", "\n").removesuffix("\n").split("\n")
    for number, line in enumerate(lines, start=1):
        if len(line) != RECORD_LENGTH or not line.isprintable():
            raise FileInvalid(f"record {number} is not {RECORD_LENGTH} printable characters")
    if len(lines) % BLOCKING_FACTOR:
        raise FileInvalid(f"{len(lines)} records are not whole blocks of {BLOCKING_FACTOR}")
    return lines


def routing_check_digit(first_eight: str) -> str:
    """The ninth digit of an ABA routing number: weights 3 7 1."""
    total = sum(
        int(digit) * weight for digit, weight in zip(first_eight, (3, 7, 1) * 3, strict=False)
    )
    return str(-total % 10)


def _check_file_header(header: re.Match[str]) -> None:
    destination = header["destination"].strip()
    if len(destination) != 9 or routing_check_digit(destination[:8]) != destination[8]:
        raise FileInvalid("file header: the immediate destination is not a routing number")
    if _day(header["created"]) is None:
        raise FileInvalid("file header: the creation date does not exist")


def _day(text: str) -> date | None:
    """YYMMDD as a date."""
    if not re.fullmatch(r"\d{6}", text):
        return None
    try:
        return date(2000 + int(text[:2]), int(text[2:4]), int(text[4:]))
    except ValueError:
        return None


def _batches(reader: _Reader, file_header: re.Match[str], now: datetime) -> Iterator[Order]:
    last_number = 0
    while reader.peek() == "5":
        header = reader.take(_BATCH_HEADER, "batch header")
        _check_batch_header(header, last_number)
        last_number = int(header["number"])
        totals = _Totals()
        while reader.peek() == "6":
            yield _entry(reader, header, file_header, totals, now)
        control = reader.take(_BATCH_CONTROL, "batch control")
        if not totals.count:
            raise FileInvalid(f"batch {header['number']} has no entries")
        for name in ("service", "company_id", "odfi", "number"):
            if control[name] != header[name]:
                raise FileInvalid(
                    f"batch {header['number']}: {name} differs between header and control"
                )
        totals.check(control, f"batch {header['number']}")
        reader.totals.add(totals)
        reader.batches += 1


def _check_batch_header(header: re.Match[str], last_number: int) -> None:
    number = header["number"]
    if header["service"] != CREDITS_ONLY:
        raise FileInvalid(f"batch {number}: only service class {CREDITS_ONLY} is accepted")
    if header["entry_class"] not in ENTRY_CLASSES:
        raise FileInvalid(f"batch {number}: only {' and '.join(ENTRY_CLASSES)} are accepted")
    if int(number) <= last_number:
        raise FileInvalid(f"batch {number}: batch numbers must ascend")
    for name in ("company", "company_id", "description"):
        if not header[name].strip():
            raise FileInvalid(f"batch {number}: {name} is blank")


def _entry(
    reader: _Reader,
    batch: re.Match[str],
    file_header: re.Match[str],
    totals: _Totals,
    now: datetime,
) -> Order:
    """One entry with its addenda, counted; its own mistakes become its refusal."""
    entry = reader.take(_ENTRY, "entry")
    trace = entry["trace"]
    if entry["code"] not in CREDIT_CODES:
        raise FileInvalid(f"entry {trace}: only transaction codes 22 and 32 are accepted")
    if trace[:8] != batch["odfi"] or trace <= reader.last_trace:
        raise FileInvalid(f"entry {trace}: trace numbers must begin with the ODFI and ascend")
    reader.last_trace = trace
    information = _addenda(reader, entry)
    totals.add(_Totals(1 + int(entry["addenda"]), int(entry["rdfi"]), int(entry["cents"])))
    effective = _day(batch["effective"])
    return Order(
        reference=entry["individual_id"].strip(),
        payout_id=as_uuid(information[:36]),
        amount=Decimal(entry["cents"]).scaleb(-2),
        currency="USD",
        account=entry["account"].strip(),
        wanted_on=effective,
        group=batch["number"],
        position=trace,
        details=_kept(entry, batch, file_header),
        refusal=_check_entry(entry, effective, now),
    )


def _addenda(reader: _Reader, entry: re.Match[str]) -> str:
    """The payment related information of an entry's one 05 addenda, if it announced one."""
    if entry["addenda"] == "0":
        return ""
    addenda = reader.take(_ADDENDA, "05 addenda")
    if addenda["sequence"] != "0001" or addenda["entry"] != entry["trace"][-7:]:
        raise FileInvalid(f"entry {entry['trace']}: its addenda does not belong to it")
    return addenda["information"]


def _kept(entry: re.Match[str], batch: re.Match[str], file_header: re.Match[str]) -> dict[str, str]:
    """What a return of this entry will need."""
    return {
        "code": entry["code"],
        "rdfi": entry["rdfi"] + entry["check"],
        "name": entry["name"],
        "entry_class": batch["entry_class"],
        "company": batch["company"],
        "company_id": batch["company_id"],
        "description": batch["description"],
        "odfi": batch["odfi"],
        "origin": file_header["origin"],
        "destination": file_header["destination"],
    }


def _check_entry(entry: re.Match[str], effective: date | None, now: datetime) -> str:
    """The return code that names the first mistake in an entry, or an empty text."""
    today = now.astimezone(NEW_YORK).date()
    if effective is None or effective < today - timedelta(days=MAX_DAYS_LATE):
        return "R18"
    if effective > today + timedelta(days=MAX_DAYS_AHEAD):
        return "R18"
    if routing_check_digit(entry["rdfi"]) != entry["check"] or entry["rdfi"] == "00000000":
        return "R28"
    if int(entry["cents"]) == 0:
        return "R19"
    if not re.fullmatch(r"[A-Z0-9a-z\-]{1,17}", entry["account"].strip()):
        return "R04"
    return "" if entry["individual_id"].strip() and entry["name"].strip() else "R26"


def _check_file_control(reader: _Reader) -> None:
    control = reader.take(_FILE_CONTROL, "file control")
    if int(control["batches"]) != reader.batches or not reader.batches:
        raise FileInvalid("file control: the number of batches does not add up")
    if int(control["blocks"]) * BLOCKING_FACTOR != len(reader.lines):
        raise FileInvalid("file control: the number of blocks does not add up")
    reader.totals.check(control, "file control")
    if any(line != FILLER for line in reader.lines[reader.at :]):
        raise FileInvalid(f"record {reader.at + 1} stands after the file control")


def _check_unique(orders: list[Order]) -> None:
    """One identification number for each entry: no answer could tell two of them apart."""
    references = [order.reference for order in orders if order.reference]
    if len(set(references)) != len(references):
        raise FileInvalid("an individual identification number stands in the file twice")
