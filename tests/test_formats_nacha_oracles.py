"""NACHA: what we write is what others read, and no control of it can be another."""

from __future__ import annotations

import dataclasses
from datetime import date
from typing import Any

import achkit
import pytest
from achlens.server.tools import validate_ach_file
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.base import UnreadableDocument
from connectors.formats.nacha import (
    MODIFIERS,
    Batch,
    Entry,
    NachaFile,
    PaymentNote,
    read_nacha,
    write_nacha,
)
from tests.nacha_samples import ODFI, header, plain_file

CODES = {"220": ["22", "32"], "225": ["27", "37"], "200": ["22", "27", "32", "37"]}
texts = st.from_regex(r"[!-~]{1,3}( [!-~]{1,3})?", fullmatch=True)


@st.composite
def batches_drawn(draw: st.DrawFn, number: int, first_trace: int) -> Batch:
    """A batch as strict as we write it: traces that rise from `first_trace`, codes of its class."""
    service_class = draw(st.sampled_from(sorted(CODES)))
    entry_class = draw(st.sampled_from(["PPD", "CCD", "CTX"]))
    notes = st.lists(
        st.builds(PaymentNote, text=texts), max_size=4 if entry_class == "CTX" else 1
    ).map(tuple)
    entry = st.builds(
        Entry,
        transaction_code=st.sampled_from(CODES[service_class]),
        routing_number=st.sampled_from(["021000021", "231380104", "091400606"]),
        account_number=st.from_regex(r"[0-9A-Z]{1,17}", fullmatch=True),
        amount=st.decimals("0.01", "99999999.99", places=2),
        individual_id=st.from_regex(r"[0-9]{15}", fullmatch=True),
        name=texts,
        trace=st.just(""),
        addenda=notes,
    )
    entries = draw(st.lists(entry, min_size=1, max_size=4))
    return Batch(
        service_class=service_class,
        company_name=draw(texts),
        company_data=draw(st.one_of(st.just(""), texts)),
        company_id=draw(st.from_regex(r"[0-9]{10}", fullmatch=True)),
        standard_entry_class=entry_class,
        entry_description=draw(st.sampled_from(["PAYOUT", "REVERSAL", "PAYROLL"])),
        descriptive_date=draw(st.sampled_from(["", "SD1300", "SD1800"])),
        effective_on=draw(st.sampled_from([date(2026, 11, 24), date(2028, 2, 29)])),
        odfi=ODFI,
        number=number,
        entries=tuple(
            dataclasses.replace(entry, trace=f"{ODFI}{first_trace + n:07d}")
            for n, entry in enumerate(entries)
        ),
    )


@st.composite
def files_drawn(draw: st.DrawFn) -> NachaFile:
    """A file of one to three batches."""
    start = draw(st.integers(1, 9_999_000))
    batches = [
        draw(batches_drawn(number, start + 10 * number))
        for number in range(1, draw(st.integers(1, 3)) + 1)
    ]
    modifier = draw(st.sampled_from(MODIFIERS))
    return NachaFile(header=header(modifier=modifier), batches=tuple(batches))


@settings(max_examples=100, deadline=None)
@given(files_drawn())
def test_what_we_write_comes_back_equal_and_both_oracles_take_it(file: NachaFile) -> None:
    body = write_nacha(file)
    text = body.decode("ascii")
    assert {len(line) for line in text.splitlines()} == {94}
    assert len(text.splitlines()) % 10 == 0
    assert read_nacha(body) == file
    assert write_nacha(file) == body
    assert achkit.validate(text) == {"ok": True, "errors": []}
    assert complaints_of_achlens(text) == {}
    assert achkit_reads(text) == as_achkit_says(file)


def complaints_of_achlens(text: str) -> dict[str, int]:
    """Its findings by rule. That CTX is none of its three classes is a warning of version 1."""
    told: Any = validate_ach_file(content=text)
    assert told["valid"], told
    return {rule: n for rule, n in told["counts_by_rule"].items() if rule != "BH004"}


def achkit_reads(text: str) -> list[Any]:
    """What achkit's parser finds in a file, batch by batch and entry by entry."""
    read = achkit.parse(text)
    assert read["file_id_modifier"] == text[33]
    return [
        [
            batch["service_class"], batch["company_name"], batch["company_id"], batch["sec"],
            batch["description"], batch["effective_date"], batch["origin_dfi"], batch["batch_number"],
            [
                [
                    entry["txn_code"], entry["routing"], entry["account"], entry["amount_cents"],
                    entry["id_number"], entry["name"], entry["trace_number"],
                    [(note["type"], note["info"], note["sequence"]) for note in entry["addenda"]],
                ]
                for entry in batch["entries"]
            ],
        ]
        for batch in read["batches"]
    ]  # fmt: skip


def as_achkit_says(file: NachaFile) -> list[Any]:
    """The same from what was to be written. It reads the count of a CTX entry as part of the name."""
    return [
        [
            int(batch.service_class), batch.company_name, batch.company_id, batch.standard_entry_class,
            batch.entry_description, f"{batch.effective_on:%y%m%d}", batch.odfi, batch.number,
            [
                [
                    int(entry.transaction_code), entry.routing_number, entry.account_number,
                    int(entry.amount * 100), entry.individual_id,
                    f"{len(entry.addenda):04d}{entry.name}"
                    if batch.standard_entry_class == "CTX" else entry.name,
                    entry.trace,
                    [("05", note.text, n) for n, note in enumerate(notes_of(entry), start=1)],
                ]
                for entry in batch.entries
            ],
        ]
        for batch in file.batches
    ]  # fmt: skip


def notes_of(entry: Entry) -> list[PaymentNote]:
    return [note for note in entry.addenda if isinstance(note, PaymentNote)]


# Where the controls stand in records 8 and 9 (0-based, end exclusive).
_CONTROLS = {"8": [(1, 54), (79, 94)], "9": [(1, 55)]}


@settings(max_examples=60, deadline=None)
@given(files_drawn(), st.data())
def test_one_changed_control_digit_is_refused_and_the_record_is_named(
    file: NachaFile, data: st.DataObject
) -> None:
    lines = write_nacha(file).decode().splitlines()
    controls = [n for n, line in enumerate(lines) if line[0] in "89" and line != "9" * 94]
    number = data.draw(st.sampled_from(controls))
    line = lines[number]
    start, end = data.draw(st.sampled_from(_CONTROLS[line[0]]))
    position = data.draw(st.sampled_from([at for at in range(start, end) if line[at].isdigit()]))
    other = data.draw(st.sampled_from([d for d in "0123456789" if d != line[position]]))
    lines[number] = line[:position] + other + line[position + 1 :]
    with pytest.raises(UnreadableDocument, match=f"record {number + 1} "):
        read_nacha("\n".join(lines).encode())


# Every place of a control that is compared with what it counts, and bytes that could stand there.
@pytest.mark.parametrize("kind", "89")
def test_no_byte_of_a_control_field_can_be_another(kind: str) -> None:
    lines = write_nacha(plain_file()).decode().splitlines()
    number = next(n for n, line in enumerate(lines) if line[0] == kind)
    line = lines[number]
    places = [at for start, end in _CONTROLS[kind] for at in range(start, end) if line[at] != " "]
    for at in places:
        for other in {*"0123456789xX -.", chr(ord(line[at]) ^ 1), chr(ord(line[at]) ^ 64)}:
            if other == line[at]:
                continue
            lines[number] = line[:at] + other + line[at + 1 :]
            with pytest.raises(UnreadableDocument, match=f"record {number + 1} "):
                read_nacha("\n".join(lines).encode())
