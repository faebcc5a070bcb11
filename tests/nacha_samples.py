"""NACHA files to begin from: a plain one, the same with a field changed, and one that came back."""

from __future__ import annotations

import dataclasses
from datetime import date
from decimal import Decimal
from typing import Any

from connectors.formats.nacha import (
    Batch,
    Entry,
    FileHeader,
    NachaFile,
    PaymentNote,
    read_nacha,
    write_nacha,
)

ODFI = "02100002"
TWO_NOTES = (PaymentNote(text="one"), PaymentNote(text="two"))


def header(**changes: str) -> FileHeader:
    plain = {
        "immediate_destination": "021000021",
        "immediate_origin": "1234567890",
        "created_at_time": "0930",
        "modifier": "A",
        "destination_name": "Bank",
        "origin_name": "Molam",
    }
    return FileHeader(created_on=date(2026, 11, 24), **{**plain, **changes})


def plain_file() -> NachaFile:
    entry = Entry(
        transaction_code="22",
        routing_number="021000021",
        account_number="123456789012",
        amount=Decimal("12.34"),
        individual_id="000000000000001",
        name="Awa Ndiaye",
        trace="021000020000001",
        addenda=(PaymentNote(text="note"),),
    )
    batch = Batch(
        service_class="220",
        company_name="Molam",
        company_id="1123456789",
        standard_entry_class="PPD",
        entry_description="PAYOUT",
        effective_on=date(2026, 11, 30),
        odfi="02100002",
        number=1,
        entries=(entry,),
    )
    return NachaFile(header=header(), batches=(batch,))


def changed(*, entry: dict[str, Any] | None = None, **batch: Any) -> NachaFile:
    """The plain file with another batch or entry."""
    file = plain_file()
    plain = file.batches[0]
    entries = (dataclasses.replace(plain.entries[0], **(entry or {})),)
    return dataclasses.replace(
        file, batches=(dataclasses.replace(plain, **{"entries": entries, **batch}),)
    )


def returned_file(addenda: str) -> bytes:
    """The plain file with another addenda, whose record 7 begins like this; its controls are right."""
    lines = write_nacha(changed(entry={"addenda": TWO_NOTES[:1]})).decode().splitlines()
    lines[3] = f"{addenda:79}021000020000009"
    return "\n".join(lines).encode()


def returned_with(addenda: str) -> Any:
    """What is read of an addenda whose record 7 begins like this."""
    (note,) = read_nacha(returned_file(addenda)).entries[0].addenda
    return note
