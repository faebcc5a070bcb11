"""What a NACHA file is made of, as dataclasses.

Source: NACHA Operating Rules, appendix three (ACH record format specifications). Records are 94
characters; amounts are dollars here (Decimal) and ten or twelve digits of cents on the wire.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

RECORD_LENGTH = 94
BLOCKING_FACTOR = 10
MODIFIERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
PREFIX = "101"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileHeader:
    """Record 1. `created_at_time` is "HHMM" or ""; destination and origin without outer spaces."""

    immediate_destination: str
    immediate_origin: str
    created_on: date
    created_at_time: str
    modifier: str
    destination_name: str
    origin_name: str
    reference_code: str = ""

    @property
    def file_reference(self) -> str:
        """The bank's name of this file: YYMMDD, modifier, origin; unique by the scheme's rules."""
        return f"{self.created_on:%y%m%d}-{self.modifier}-{self.immediate_origin}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentNote:
    """Addenda 05: free text to the receiver, at most 80 characters."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeNotice:
    """Addenda 98 (notification of change): the payment went through, its details are outdated.

    What stands where in `corrected_data` (29 characters, blanks at the end left away) differs by code:
    see `corrected_details`.
    """

    code: str
    original_trace: str
    original_rdfi: str
    corrected_data: str = field(repr=False)
    trace: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnNotice:
    """Addenda 99: the entry came back. `code` is R01 to R85, without the two ranges below."""

    code: str
    original_trace: str
    date_of_death: str
    original_rdfi: str
    information: str
    trace: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DishonoredReturn:
    """Addenda 99 with R61 to R70: the originator's bank does not take a return; the payment stands."""

    code: str
    original_trace: str
    original_rdfi: str
    return_trace: str
    return_settled_on: str  # The day of the year, three digits.
    return_code: str
    information: str
    trace: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ContestedReturn:
    """Addenda 99 with R71 to R77: the receiver's bank insists on its return; the money is back."""

    code: str
    original_trace: str
    returned_on: str  # YYMMDD
    original_rdfi: str
    return_trace: str
    return_code: str
    dishonored_trace: str
    dishonored_code: str
    trace: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherAddenda:
    """An addenda of another type, kept as it is."""

    type_code: str
    text: str = field(repr=False)


Addenda = (
    PaymentNote | ChangeNotice | ReturnNotice | DishonoredReturn | ContestedReturn | OtherAddenda
)
# Classes whose entries say in places 55 to 58 how many addenda follow; the name has 16 places there.
COUNTING_CLASSES = frozenset({"CTX", "ATX"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Record 6 with its addenda. `amount` is in dollars; `trace` has 15 digits.

    In an ACK or ATX entry (an acknowledgement) `individual_id` is the acknowledged entry's trace.
    """

    transaction_code: str
    routing_number: str
    account_number: str = field(repr=False)
    amount: Decimal
    individual_id: str
    name: str
    discretionary: str = ""
    trace: str
    addenda: tuple[Addenda, ...] = ()

    @property
    def is_debit(self) -> bool:
        """Debits end in 5 to 9 (27, 37, 26), credits in 0 to 4 (22, 32, 21)."""
        return self.transaction_code[1] >= "5"


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Records 5 to 8. `effective_on` is None where the field holds no date (notices, returns)."""

    service_class: str
    company_name: str
    company_data: str = ""
    company_id: str
    standard_entry_class: str
    entry_description: str
    descriptive_date: str = ""
    effective_on: date | None
    odfi: str
    number: int
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NachaFile:
    """Records 1 to 9."""

    header: FileHeader
    batches: tuple[Batch, ...]

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Every entry of every batch, in file order."""
        return tuple(entry for batch in self.batches for entry in batch.entries)


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlTotals:
    """What records 8 and 9 must say. Cents as integers; the hash is modulo 10^10."""

    count: int
    entry_hash: int
    debit_cents: int
    credit_cents: int


def control_totals(entries: tuple[Entry, ...]) -> ControlTotals:
    """Compute the totals of a batch or a whole file (entries and addenda are counted alike)."""
    debit = sum(to_cents(entry.amount) for entry in entries if entry.is_debit)
    credit = sum(to_cents(entry.amount) for entry in entries if not entry.is_debit)
    return ControlTotals(
        count=sum(1 + len(entry.addenda) for entry in entries),
        entry_hash=sum(int(entry.routing_number[:8]) for entry in entries) % 10**10,
        debit_cents=debit,
        credit_cents=credit,
    )


def to_cents(amount: Decimal) -> int:
    """Dollars to whole cents. Raises ValueError for a fraction of a cent."""
    cents = amount * 100
    if cents != int(cents):
        raise ValueError("fraction of a cent")
    return int(cents)
