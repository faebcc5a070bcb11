"""NACHA files in one place. Pure: bytes and dataclasses, no I/O."""

from connectors.formats.nacha_notices import corrected_details
from connectors.formats.nacha_reader import read_nacha
from connectors.formats.nacha_records import (
    MODIFIERS,
    Addenda,
    Batch,
    ChangeNotice,
    ContestedReturn,
    DishonoredReturn,
    Entry,
    FileHeader,
    NachaFile,
    OtherAddenda,
    PaymentNote,
    ReturnNotice,
    control_totals,
    to_cents,
)
from connectors.formats.nacha_writer import write_nacha

__all__ = [
    "MODIFIERS",
    "Addenda",
    "Batch",
    "ChangeNotice",
    "ContestedReturn",
    "DishonoredReturn",
    "Entry",
    "FileHeader",
    "NachaFile",
    "OtherAddenda",
    "PaymentNote",
    "ReturnNotice",
    "control_totals",
    "corrected_details",
    "read_nacha",
    "to_cents",
    "write_nacha",
]
