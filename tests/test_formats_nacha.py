"""NACHA codec: samples of others are read, ours come back as they went, damage is refused."""

from __future__ import annotations

import dataclasses
import re
from datetime import date
from decimal import Decimal

import achkit
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.base import UnreadableDocument
from connectors.formats.nacha import (
    MODIFIERS,
    Batch,
    ChangeNotice,
    Entry,
    FileHeader,
    NachaFile,
    PaymentNote,
    ReturnNotice,
    read_nacha,
    write_nacha,
)
from tests.fixtures_folder import assert_all_named, fixture

# file -> (reference, entry classes, entries, addenda, credits, debits)
SAMPLES = {
    "ack-read.ach": ("190816-A-231380104", ["ACK"], 2, 0, "0", "0"),
    "ccd-debit.ach": ("190816-A-0231380104", ["CCD"], 2, 0, "0", "5001.25"),
    "cor-example.ach": ("190829-A-0121042882", ["COR"], 1, 1, "0", "0"),
    "flattenBatchesMultipleBatchHeaders.ach": (
        "190826-A-121042882",
        ["PPD"] * 4,
        12,
        12,
        "12000.00",
        "0",
    ),
    "ppd-credit.ach": ("190816-A-0231380104", ["PPD"], 1, 0, "1000000.00", "0"),
    "return-WEB.ach": ("181017-A-691000134", ["WEB", "WEB"], 2, 2, "45.65", "123.54"),
    "same-day-ach-ppd-credit.ach": ("190108-A-121042882", ["PPD"], 1, 0, "1000000.00", "0"),
    "web-credit.ach": ("190816-A-0231380104", ["WEB"], 1, 1, "100.00", "0"),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_a_file_of_others_is_read(name: str) -> None:
    reference, classes, entries, addenda, credits, debits = SAMPLES[name]
    file = read_nacha(fixture(f"nacha/{name}"))
    assert file.header.file_reference == reference
    assert [batch.standard_entry_class for batch in file.batches] == classes
    assert len(file.entries) == entries
    assert sum(len(entry.addenda) for entry in file.entries) == addenda
    assert sum(e.amount for e in file.entries if not e.is_debit) == Decimal(credits)
    assert sum(e.amount for e in file.entries if e.is_debit) == Decimal(debits)


def test_every_sample_is_in_the_table() -> None:
    assert_all_named("nacha", set(SAMPLES))


def test_a_return_is_read() -> None:
    debit, credit = read_nacha(fixture("nacha/return-WEB.ach")).entries
    assert (debit.transaction_code, credit.transaction_code) == ("26", "21")
    assert credit.individual_id == "NmRjZTJmMzItMGN"
    assert credit.addenda == (
        ReturnNotice(
            code="R03",
            original_trace="091400600000003",
            date_of_death="",
            original_rdfi="02100002",
            information="",
            trace="021000029461242",
        ),
    )


def test_a_notification_of_change_is_read_and_its_data_is_not_shown() -> None:
    (entry,) = read_nacha(fixture("nacha/cor-example.ach")).entries
    (notice,) = entry.addenda
    assert isinstance(notice, ChangeNotice)
    assert (notice.code, notice.original_trace) == ("C01", "121042880000001")
    assert notice.corrected_data == "1918171614"
    assert "1918171614" not in repr(entry)
    assert "744-5678-99" not in repr(entry)


@pytest.mark.parametrize("name", SAMPLES)
def test_line_ends_and_padding_do_not_matter(name: str) -> None:
    body = fixture(f"nacha/{name}").replace(b"\r\n", b"\n").rstrip(b"\n")
    file = read_nacha(body)
    assert read_nacha(body.replace(b"\n", b"\r\n") + b"\r\n") == file
    assert read_nacha(body.replace(b"\n", b"")) == file
    assert read_nacha(re.sub(rb" +\n", b"\n", body)) == file
    assert read_nacha(re.sub(rb"(\n9{94})+$", b"", body)) == file


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


texts = st.from_regex(r"[!-~]{1,3}( [!-~]{1,3})?", fullmatch=True)
entries_drawn = st.builds(
    Entry,
    transaction_code=st.sampled_from(["22", "32"]),
    routing_number=st.sampled_from(["021000021", "231380104", "091400606"]),
    account_number=st.from_regex(r"[0-9A-Z]{1,17}", fullmatch=True),
    amount=st.decimals("0.01", "99999999.99", places=2),
    individual_id=st.from_regex(r"[0-9]{15}", fullmatch=True),
    name=texts,
    trace=st.from_regex(r"[0-9]{15}", fullmatch=True),
    addenda=st.one_of(st.just(()), st.builds(PaymentNote, text=texts).map(lambda note: (note,))),
)
batches_drawn = st.builds(
    Batch,
    service_class=st.just("220"),
    company_name=texts,
    company_id=st.from_regex(r"[0-9]{10}", fullmatch=True),
    standard_entry_class=st.sampled_from(["PPD", "CCD"]),
    entry_description=st.just("PAYOUT"),
    effective_on=st.dates(date(2000, 1, 1), date(2099, 12, 31)),
    odfi=st.just("02100002"),
    number=st.integers(1, 9_999_999),
    entries=st.lists(entries_drawn, min_size=1, max_size=5).map(tuple),
)
files_drawn = st.builds(
    NachaFile,
    header=st.sampled_from(MODIFIERS).map(lambda modifier: header(modifier=modifier)),
    batches=st.lists(batches_drawn, min_size=1, max_size=4).map(tuple),
)


@settings(max_examples=50, deadline=None)
@given(files_drawn)
def test_what_we_write_comes_back_equal(file: NachaFile) -> None:
    body = write_nacha(file)
    lines = body.decode("ascii").splitlines()
    assert {len(line) for line in lines} == {94}
    assert len(lines) % 10 == 0
    assert read_nacha(body) == file
    assert write_nacha(file) == body


# Where the controls stand in records 8 and 9 (0-based, end exclusive).
_CONTROLS = {"8": [(1, 54), (79, 94)], "9": [(1, 55)]}


@settings(max_examples=80, deadline=None)
@given(files_drawn, st.data())
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


def test_our_plain_file_is_accepted_by_achkit_too() -> None:
    assert achkit.validate(write_nacha(plain_file()).decode())["ok"]


DAMAGES = {
    "a record is missing": lambda lines: lines[:2] + lines[3:],
    "a record stands twice": lambda lines: [*lines[:3], lines[2], *lines[3:]],
    "the header is missing": lambda lines: lines[1:],
    "the file control is missing": lambda lines: lines[:5],
    "two records are exchanged": lambda lines: [lines[0], lines[2], lines[1], *lines[3:]],
    "an addenda is missing": lambda lines: lines[:3] + lines[4:],
    "a record is too long": lambda lines: [lines[0] + "x", *lines[1:]],
    "a line is empty": lambda lines: [lines[0], "", *lines[1:]],
    "an amount has a letter": lambda lines: [
        *lines[:2],
        lines[2][:35] + "x" + lines[2][36:],
        *lines[3:],
    ],
    "an amount is another": lambda lines: [
        *lines[:2],
        lines[2].replace("0000001234", "0000001235"),
        *lines[3:],
    ],
    "something follows the end": lambda lines: [*lines[:6], lines[1], *lines[6:]],
    "a block too much": lambda lines: [*lines, *["9" * 94] * 10],
    "the record size is another": lambda lines: [lines[0].replace("094101", "095101"), *lines[1:]],
    "the date is none": lambda lines: [lines[0].replace("261124", "261324"), *lines[1:]],
}


@pytest.mark.parametrize("what", DAMAGES)
def test_a_damaged_file_is_refused(what: str) -> None:
    lines = write_nacha(plain_file()).decode().splitlines()
    damaged = DAMAGES[what](lines)
    with pytest.raises(UnreadableDocument, match=r"record|nacha") as refusal:
        read_nacha("\n".join(damaged).encode())
    assert "123456789012" not in str(refusal.value)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("account_number", "1" * 18),
        ("amount", Decimal("100000000.00")),
        ("amount", Decimal("0.001")),
        ("name", "é"),
        ("name", "x" * 23),
        ("trace", "1"),
        ("routing_number", "1234"),
    ],
)
def test_what_does_not_fit_is_never_written_cut(field: str, value: object) -> None:
    file = plain_file()
    if field == "trace":
        value = "x" * 15
    if field == "routing_number":
        value = "x" * 9
    entry = dataclasses.replace(file.entries[0], **{field: value})
    batch = dataclasses.replace(file.batches[0], entries=(entry,))
    with pytest.raises(ValueError, match=r"does not fit|fraction"):
        write_nacha(dataclasses.replace(file, batches=(batch,)))
