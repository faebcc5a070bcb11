"""NACHA codec: samples of others are read, ours come back as they went, damage is refused."""

from __future__ import annotations

import dataclasses
import re
from decimal import Decimal

import pytest

from connectors.base import UnreadableDocument
from connectors.formats.nacha import (
    ChangeNotice,
    NachaFile,
    PaymentNote,
    ReturnNotice,
    read_nacha,
    write_nacha,
)
from tests.fixtures_folder import assert_all_named, fixture
from tests.nacha_samples import TWO_NOTES, changed, plain_file

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


def test_a_ctx_entry_says_how_many_addenda_follow() -> None:
    notes = tuple(PaymentNote(text=f"invoice {n}") for n in range(1, 4))
    body = write_nacha(changed(standard_entry_class="CTX", entry={"addenda": notes})).decode()
    entry = body.splitlines()[2]
    assert (entry[54:58], entry[58:74].strip(), entry[78]) == ("0003", "Awa Ndiaye", "1")
    assert [line[83:94] for line in body.splitlines()[3:6]] == (
        ["00010000001", "00020000001", "00030000001"]
    )
    with pytest.raises(UnreadableDocument, match="number of addenda"):
        read_nacha(body.replace("0003Awa", "0002Awa").encode())


# What Nacha's operators refuse, and is therefore never written.
BROKEN_RULES = [
    ("needs a batch", dataclasses.replace(changed(), batches=())),
    ("needs an entry", changed(entries=())),
    ("entry class", changed(standard_entry_class="WEB")),
    ("service class", changed(service_class="280")),
    ("holds a debit", changed(entry={"transaction_code": "27"})),
    ("holds a credit", changed(service_class="225")),
    ("transaction code", changed(entry={"transaction_code": "23"})),
    ("check digit", changed(entry={"routing_number": "021000022"})),
    ("above zero", changed(entry={"amount": Decimal(0)})),
    ("blank", changed(entry={"account_number": ""})),
    ("blank", changed(company_id="")),
    ("begins with the ODFI", changed(odfi="03100002")),
    ("more addenda", changed(entry={"addenda": TWO_NOTES})),
    ("more addenda", changed(standard_entry_class="CCD", entry={"addenda": TWO_NOTES})),
    ("addenda 05", changed(entry={"addenda": (PaymentNote(text=""),)})),
    ("effective date", changed(effective_on=None)),
    ("twice", changed(entries=plain_file().entries * 2)),
    (
        "batch numbers",
        dataclasses.replace(
            changed(), batches=(*changed().batches, *changed(entry={"trace": "021000020000002"}).batches)
        ),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "file"), BROKEN_RULES)
def test_what_breaks_a_rule_is_never_written(rule: str, file: NachaFile) -> None:
    with pytest.raises(ValueError, match=rule):
        write_nacha(file)


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
        ("name", " x"),
        ("individual_id", "1 "),
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
    with pytest.raises(ValueError, match=r"does not fit|fraction|begins with|check digit"):
        write_nacha(dataclasses.replace(file, batches=(batch,)))
