"""The records of a NACHA file as an ODFI reads them: by its own code, trusting nothing.

Source: Nacha Operating Rules, appendix three (record formats) and appendix two (file edits): 94
character records, blocking factor ten, records 1 5 6 7 8 9, every control right. A file that fails
one of them is refused as a whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date

RECORD_LENGTH = 94
BLOCKING_FACTOR = 10
FILLER = "9" * RECORD_LENGTH
HASH_MODULUS = 10**10
# How many 05 addenda an entry of each class may have. What is not here is not taken.
MOST_ADDENDA = {"PPD": 1, "CCD": 1, "CTX": 9999}

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What a door takes: one service class, its transaction codes, and perhaps one description."""

    service: str
    codes: tuple[str, ...]
    description: str = ""

    @property
    def debits(self) -> bool:
        return self.service == "225"


CREDITS = Kind(service="220", codes=("22", "32"))  # To a checking and to a savings account.
REVERSALS = Kind(service="225", codes=("27", "37"), description="REVERSAL")


@dataclass(frozen=True, slots=True, kw_only=True)
class RawEntry:
    """An entry with what it stands under, as texts. `information` is that of its addenda, in order."""

    fields: re.Match[str]
    batch: re.Match[str]
    file: re.Match[str]
    information: Sequence[str]

    @property
    def name(self) -> str:
        """The receiver's; a CTX entry has the number of its addenda before it."""
        whole = self.fields["name"]
        return (whole[4:20] if self.batch["entry_class"] == "CTX" else whole).strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class RawFile:
    """A file's entries; or, with `invalid`, why it is refused as a whole: never what stands in it."""

    key: str  # Creation date, modifier and origin; empty when there is no header to read.
    entries: Sequence[RawEntry] = ()
    invalid: str = ""


class _FileInvalid(Exception):
    """The file is refused as a whole."""


@dataclass(slots=True)
class _Totals:
    """What is counted while reading, to be held against the control records."""

    count: int = 0
    hash: int = 0
    cents: int = 0

    def add(self, other: _Totals) -> None:
        self.count += other.count
        self.hash += other.hash
        self.cents += other.cents

    def check(self, control: re.Match[str], where: str, *, debits: bool) -> None:
        claimed = tuple(int(control[name]) for name in ("count", "hash", "debit", "credit"))
        money = (self.cents, 0) if debits else (0, self.cents)
        if claimed != (self.count, self.hash % HASH_MODULUS, *money):
            raise _FileInvalid(f"{where}: count, hash or totals do not add up")


@dataclass(slots=True)
class _Reader:
    """Walks through the records in their only legal order."""

    lines: list[str]
    kind: Kind
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
            raise _FileInvalid(f"record {self.at + 1} is not a well formed {name}")
        self.at += 1
        return match


def read_file(body: bytes, kind: Kind) -> RawFile:
    """Read a file and hold it against its controls. Never raises: what is wrong stands in `invalid`."""
    key = ""
    try:
        reader = _Reader(_lines(body), kind)
        header = reader.take(_FILE_HEADER, "file header")
        key = f"{header['created']}-{header['modifier']}-{header['origin'].strip()}"
        _check_file_header(header)
        entries = list(_batches(reader, header))
        _check_file_control(reader)
        _check_unique(entries)
    except _FileInvalid as invalid:
        return RawFile(key=key, invalid=str(invalid))
    return RawFile(key=key, entries=entries)


def _lines(body: bytes) -> list[str]:
    """Records of 94 printable ASCII characters, in whole blocks of ten."""
    try:
        text = body.decode("ascii")
    except UnicodeDecodeError:
        raise _FileInvalid("the file is not ASCII") from None
    lines = text.replace("\r\n", "\n").removesuffix("\n").split("\n")
    for number, line in enumerate(lines, start=1):
        if len(line) != RECORD_LENGTH or not line.isprintable():
            raise _FileInvalid(f"record {number} is not {RECORD_LENGTH} printable characters")
    if len(lines) % BLOCKING_FACTOR:
        raise _FileInvalid(f"{len(lines)} records are not whole blocks of {BLOCKING_FACTOR}")
    return lines


def routing_check_digit(first_eight: str) -> str:
    """The ninth digit of an ABA routing number: weights 3 7 1."""
    total = sum(
        int(digit) * weight for digit, weight in zip(first_eight, (3, 7, 1) * 3, strict=False)
    )
    return str(-total % 10)


def day(text: str) -> date | None:
    """YYMMDD as a date."""
    if not re.fullmatch(r"\d{6}", text):
        return None
    try:
        return date(2000 + int(text[:2]), int(text[2:4]), int(text[4:]))
    except ValueError:
        return None


def _check_file_header(header: re.Match[str]) -> None:
    destination = header["destination"].strip()
    if len(destination) != 9 or routing_check_digit(destination[:8]) != destination[8]:
        raise _FileInvalid("file header: the immediate destination is not a routing number")
    if day(header["created"]) is None:
        raise _FileInvalid("file header: the creation date does not exist")


def _batches(reader: _Reader, file_header: re.Match[str]) -> Iterator[RawEntry]:
    last_number = 0
    while reader.peek() == "5":
        header = reader.take(_BATCH_HEADER, "batch header")
        _check_batch_header(header, reader.kind, last_number)
        last_number = int(header["number"])
        totals = _Totals()
        while reader.peek() == "6":
            yield _entry(reader, header, file_header, totals)
        control = reader.take(_BATCH_CONTROL, "batch control")
        if not totals.count:
            raise _FileInvalid(f"batch {header['number']} has no entries")
        for name in ("service", "company_id", "odfi", "number"):
            if control[name] != header[name]:
                raise _FileInvalid(
                    f"batch {header['number']}: {name} differs between header and control"
                )
        totals.check(control, f"batch {header['number']}", debits=reader.kind.debits)
        reader.totals.add(totals)
        reader.batches += 1


def _check_batch_header(header: re.Match[str], kind: Kind, last_number: int) -> None:
    number = header["number"]
    if header["service"] != kind.service:
        raise _FileInvalid(f"batch {number}: only service class {kind.service} is accepted")
    if header["entry_class"] not in MOST_ADDENDA:
        raise _FileInvalid(f"batch {number}: only {', '.join(MOST_ADDENDA)} are accepted")
    if int(number) <= last_number:
        raise _FileInvalid(f"batch {number}: batch numbers must ascend")
    for name in ("company", "company_id", "description"):
        if not header[name].strip():
            raise _FileInvalid(f"batch {number}: {name} is blank")
    if kind.description and header["description"].strip() != kind.description:
        raise _FileInvalid(f"batch {number}: the description is not {kind.description}")


def _entry(
    reader: _Reader, batch: re.Match[str], file_header: re.Match[str], totals: _Totals
) -> RawEntry:
    """One entry with its addenda, counted."""
    entry = reader.take(_ENTRY, "entry")
    trace = entry["trace"]
    if entry["code"] not in reader.kind.codes:
        codes = " and ".join(reader.kind.codes)
        raise _FileInvalid(f"entry {trace}: only transaction codes {codes} are accepted")
    if trace[:8] != batch["odfi"] or trace <= reader.last_trace:
        raise _FileInvalid(f"entry {trace}: trace numbers must begin with the ODFI and ascend")
    reader.last_trace = trace
    information = _addenda(reader, entry)
    _check_addenda(entry, batch, len(information))
    totals.add(_Totals(1 + len(information), int(entry["rdfi"]), int(entry["cents"])))
    return RawEntry(fields=entry, batch=batch, file=file_header, information=information)


def _addenda(reader: _Reader, entry: re.Match[str]) -> list[str]:
    """The payment related information of an entry's 05 addenda, numbered from one."""
    information: list[str] = []
    while reader.peek() == "7":
        addenda = reader.take(_ADDENDA, "05 addenda")
        numbered = int(addenda["sequence"]) == len(information) + 1
        if not numbered or addenda["entry"] != entry["trace"][-7:]:
            raise _FileInvalid(f"entry {entry['trace']}: an addenda does not belong to it")
        information.append(addenda["information"])
    return information


def _check_addenda(entry: re.Match[str], batch: re.Match[str], number: int) -> None:
    trace = entry["trace"]
    if entry["addenda"] != ("1" if number else "0"):
        raise _FileInvalid(f"entry {trace}: the addenda indicator is wrong")
    if number > MOST_ADDENDA[batch["entry_class"]]:
        raise _FileInvalid(f"entry {trace}: more addenda than {batch['entry_class']} may have")
    if batch["entry_class"] == "CTX" and entry["name"][:4] != f"{number:04d}":
        raise _FileInvalid(f"entry {trace}: the number of addenda is wrong")


def _check_file_control(reader: _Reader) -> None:
    control = reader.take(_FILE_CONTROL, "file control")
    if int(control["batches"]) != reader.batches or not reader.batches:
        raise _FileInvalid("file control: the number of batches does not add up")
    if int(control["blocks"]) * BLOCKING_FACTOR != len(reader.lines):
        raise _FileInvalid("file control: the number of blocks does not add up")
    reader.totals.check(control, "file control", debits=reader.kind.debits)
    if any(line != FILLER for line in reader.lines[reader.at :]):
        raise _FileInvalid(f"record {reader.at + 1} stands after the file control")


def _check_unique(entries: Sequence[RawEntry]) -> None:
    """One identification number for each entry: no answer could tell two of them apart."""
    references = [entry.fields["individual_id"].strip() for entry in entries]
    named = [reference for reference in references if reference]
    if len(set(named)) != len(named):
        raise _FileInvalid("an individual identification number stands in the file twice")
