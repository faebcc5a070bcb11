"""ISO 20022 codecs: samples of others are read, ours come back as they went, damage is refused."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
import sepaxml
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from connectors.base import UnreadableDocument
from connectors.formats.iso20022 import (
    CreditTransfer,
    CreditTransferInitiation,
    PaymentInformation,
    read_camt,
    read_pain001,
    read_pain002,
    write_pain001,
)
from connectors.formats.latin import is_payable_name, nacha_text, sepa_text
from connectors.formats.safe_xml import parse_document
from tests.fixtures_folder import assert_all_named, fixture

# file -> (kind, version, entries, transactions, first amount, currency, credit, end-to-end ids)
CAMT = {
    "camt052.v8.xml": ("camt.052.001.08", 1, 0, "200000", "SEK", False, []),
    "camt053.v2.minimal.xml": ("camt.053.001.02", 1, 1, "8.85", "EUR", True, [""]),
    "camt053.v8.xml": ("camt.053.001.08", 1, 1, "8.85", "EUR", True, ["MUELL/FINP/RA12345"]),
    "camt054.v8-with-UETR.xml": ("camt.054.001.08", 1, 1, "200000", "SEK", False, [""]),
    "camt054.v8.xml": (
        "camt.054.001.08",
        1,
        3,
        "200000",
        "SEK",
        False,
        [f"UXC06170000006PI00001EE0000{number}" for number in (1, 2, 2)],
    ),
    "statement_ac04.xml": (
        "camt.053.001.14",
        3,
        2,
        "1500.00",
        "EUR",
        True,
        ["E2E-0001", "E2E-0002"],
    ),
}


@pytest.mark.parametrize("name", CAMT)
def test_a_camt_of_others_is_read(name: str) -> None:
    version, entry_count, transaction_count, amount, currency, credit, ids = CAMT[name]
    report = read_camt(fixture(f"camt/{name}"))
    entries = [entry for account in report.reports for entry in account.entries]
    transactions = [tx for entry in entries for tx in entry.transactions]
    assert report.message_name == version
    assert (len(entries), len(transactions)) == (entry_count, transaction_count)
    assert (entries[0].amount, entries[0].currency) == (Decimal(amount), currency)
    assert entries[0].credit is credit
    assert [tx.end_to_end_id for tx in transactions] == ids
    assert {entry.status for entry in entries} == {"BOOK"}
    assert not any(entry.reversal for entry in entries)


def test_every_camt_sample_is_in_the_table() -> None:
    assert_all_named("camt", {*CAMT, "camt053.v2.wrong.xml"})


def test_a_return_reason_and_its_details_are_read() -> None:
    (statement,) = read_camt(fixture("camt/statement_ac04.xml")).reports
    first, second, third = statement.entries
    assert (first.transactions[0].return_reason, first.value_date) == ("AC04", date(2026, 6, 15))
    assert first.transactions[0].return_text == "Beneficiary account closed"
    assert first.transactions[0].amount == Decimal("1500.00")
    assert (second.transactions[0].return_reason, second.transactions[0].amount) == ("AC06", None)
    assert (third.credit, third.transactions) == (False, ())
    assert "GB29NWBK60161331926819" not in repr(statement)


def test_details_of_a_notification_are_read() -> None:
    report = read_camt(fixture("camt/camt054.v8.xml"))
    (entry,) = report.reports[0].entries
    assert report.created_at == datetime(2007, 10, 18, 11, 30, tzinfo=UTC)
    assert [tx.amount for tx in entry.transactions] == [Decimal(x) for x in ("3.1", "3.2", "3.2")]
    assert entry.transactions[0].instruction_id == "UXC06170000006PI00001II00001"
    assert entry.bank_reference == "ACSR160617103200001"
    assert all(tx.credit is True for tx in entry.transactions)
    uetr = read_camt(fixture("camt/camt054.v8-with-UETR.xml")).reports[0].entries[0]
    assert uetr.transactions[0].uetr == "255ae394-9965-4438-ac86-f406feada396"


def test_the_deliberately_wrong_camt_is_refused_and_says_why() -> None:
    with pytest.raises(UnreadableDocument, match="BkToCstmrStmt/Stmt is missing"):
        read_camt(fixture("camt/camt053.v2.wrong.xml"))


PAIN001 = {
    "de.sepa.sct-inst.pain.001.001.09.xml": ("MSTR-INST-20260921-01", "INST"),
    "de.sepa.sct-salary.pain.001.001.09.xml": ("MSTR-SAL-2026-09", ""),
    "es.sepa.sct-single.pain.001.001.09.xml": ("BDE-SCT-20260921", ""),
    "nl.sepa.sct-supplier.pain.001.001.09.xml": ("MTB-SCT-20260921", ""),
}


@pytest.mark.parametrize("name", PAIN001)
def test_a_pain001_of_others_is_read(name: str) -> None:
    message_id, local_instrument = PAIN001[name]
    body = fixture(f"pain001/{name}")
    message = read_pain001(body)
    assert message.message_id == message_id
    assert {payment.local_instrument for payment in message.payments} == {local_instrument}
    assert {payment.service_level for payment in message.payments} == {"SEPA"}
    transfers = [transfer for payment in message.payments for transfer in payment.transfers]
    assert [t.end_to_end_id.encode() for t in transfers] == re.findall(
        rb"<EndToEndId>([^<]+)<", body
    )
    assert [str(t.amount).encode() for t in transfers] == re.findall(
        rb"<InstdAmt Ccy=\"EUR\">([^<]+)<", body
    )


def test_every_pain001_sample_is_in_the_table() -> None:
    assert_all_named("pain001", set(PAIN001))


def test_the_swiss_status_report_is_read() -> None:
    name = "pain002-epo_p_0_0_0_2018031510491259.xml"
    assert_all_named("pain002", {name})
    report = read_pain002(fixture(f"pain002/{name}"))
    assert (report.message_name, report.group_status) == ("pain.002.001.03", "ACTC")
    assert (report.original_message_id, report.transactions) == ("MsgId-001", ())
    assert report.created_at == datetime(2018, 3, 15, 10, 49, 10, tzinfo=UTC)


ATTACKS = {
    "a document type": b'<!DOCTYPE d SYSTEM "http://127.0.0.1/x"><d/>',
    "an entity bomb": b'<!DOCTYPE d [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><d>&b;</d>',
    "a file entity": b'<!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/passwd">]><d>&x;</d>',
    "an entity in an attribute": b'<!DOCTYPE d [<!ENTITY x "y">]><d a="&x;"/>',
    "UTF-16": '<?xml version="1.0" encoding="UTF-16"?><!DOCTYPE d><d/>'.encode("utf-16"),
    "UTF-16 without a mark": "<!DOCTYPE d><d/>".encode("utf-16-le"),
    "UTF-7": b'<?xml version="1.0" encoding="UTF-7"?>+ADwAIQ-DOCTYPE d><d/>',
    "an encoding nobody uses": b'<?xml version="1.0" encoding="cp037"?><d/>',
    "an undefined entity": b"<d>&nope;</d>",
    "depth": b"<a>" * 5000 + b"</a>" * 5000,
    "nothing": b"",
    "text": b"hello",
    "two roots": b"<a/><b/>",
    "cut": b"<Document><a>",
    "broken UTF-8": b"<d>\xff\xfe</d>",
}


@pytest.mark.parametrize("what", ATTACKS)
def test_hostile_xml_is_refused(what: str) -> None:
    with pytest.raises(UnreadableDocument):
        parse_document(ATTACKS[what])


def test_xml_above_the_cap_is_refused() -> None:
    with pytest.raises(UnreadableDocument, match="xml_too_large"):
        parse_document(b"<d/>" + b" " * 100, max_bytes=50)


@pytest.mark.parametrize("bad", ["", "-1.00", "1e5", "NaN", "1,00", "\u0661", "1" * 19, "1 0"])
def test_an_amount_that_is_none_is_refused(bad: str) -> None:
    body = write_pain001(SAMPLE).replace(b"1.00", bad.encode())
    with pytest.raises(UnreadableDocument):
        read_pain001(body)


def transfer(number: int = 1) -> CreditTransfer:
    return CreditTransfer(
        instruction_id=f"{number:032x}",
        end_to_end_id=f"E{number}",
        amount=Decimal("1.00"),
        currency="EUR",
        creditor_name="Awa",
        creditor_iban="DE89370400440532013000",
    )


def payment(
    *transfers: CreditTransfer, number: int = 1, day: date = date(2026, 11, 30)
) -> PaymentInformation:
    return PaymentInformation(
        payment_information_id=f"P{number}",
        execution_date=day,
        debtor_name="Molam",
        debtor_iban="FR1420041010050500013M02606",
        debtor_bic="PSSTFRPPXXX",
        service_level="SEPA",
        transfers=transfers,
    )


SAMPLE = CreditTransferInitiation(
    message_id="M1",
    created_at=datetime(2026, 11, 24, 9, 30, tzinfo=UTC),
    initiating_party="Molam",
    payments=(payment(transfer()),),
)

names = st.text(max_size=200).map(lambda text: sepa_text(text, 70)).filter(bool)
transfers_drawn = st.builds(
    CreditTransfer,
    instruction_id=st.uuids().map(lambda value: value.hex),
    end_to_end_id=st.from_regex(r"[A-Z0-9]{1,35}", fullmatch=True),
    amount=st.decimals("0.01", "999999999.99", places=2),
    currency=st.just("EUR"),
    creditor_name=names,
    creditor_iban=st.sampled_from(["DE89370400440532013000", "GB29NWBK60161331926819"]),
    creditor_bic=st.sampled_from(["", "COBADEFFXXX", "NWBKGB2L"]),
    remittance=st.text(max_size=300).map(lambda text: sepa_text(text, 140)),
)
messages = st.builds(
    CreditTransferInitiation,
    message_id=st.from_regex(r"[A-Z0-9]{1,35}", fullmatch=True),
    created_at=st.integers(1_600_000_000, 3_000_000_000).map(
        lambda seconds: datetime.fromtimestamp(seconds, UTC)
    ),
    initiating_party=names,
    payments=st.lists(
        st.builds(
            PaymentInformation,
            payment_information_id=st.from_regex(r"[A-Z0-9-]{1,35}", fullmatch=True),
            execution_date=st.dates(date(2020, 1, 1), date(2090, 1, 1)),
            debtor_name=names,
            debtor_iban=st.just("FR1420041010050500013M02606"),
            debtor_bic=st.just("PSSTFRPPXXX"),
            service_level=st.just("SEPA"),
            local_instrument=st.sampled_from(["", "INST"]),
            transfers=st.lists(transfers_drawn, min_size=1, max_size=4).map(tuple),
        ),
        min_size=1,
        max_size=3,
    ).map(tuple),
)
SCHEMA = etree.XMLSchema(
    etree.parse(Path(sepaxml.__file__).parent / "schemas" / "pain.001.001.09.xsd")
)


@settings(max_examples=40, deadline=None)
@given(messages)
def test_what_we_write_is_valid_and_comes_back_equal(message: CreditTransferInitiation) -> None:
    body = write_pain001(message)
    SCHEMA.assertValid(etree.fromstring(body))
    assert read_pain001(body) == message
    assert write_pain001(message) == body


@settings(max_examples=40, deadline=None)
@given(messages, st.data())
def test_one_changed_control_digit_is_refused(
    message: CreditTransferInitiation, data: st.DataObject
) -> None:
    body = write_pain001(message)
    controls = list(re.finditer(rb"<(?:NbOfTxs|CtrlSum)>([0-9.]+)<", body))
    spot = data.draw(st.sampled_from(controls))
    position = data.draw(st.integers(spot.start(1), spot.end(1) - 1))
    other = data.draw(st.sampled_from([d for d in b"0123456789" if d != body[position]]))
    damaged = body[:position] + bytes([other]) + body[position + 1 :]
    with pytest.raises(UnreadableDocument):
        read_pain001(damaged)


def test_the_namespace_decides_what_a_document_is() -> None:
    body = write_pain001(SAMPLE)
    for read in (read_pain002, read_camt):
        with pytest.raises(UnreadableDocument, match="namespace"):
            read(body)
    with pytest.raises(UnreadableDocument, match="namespace"):
        read_pain001(body.replace(b"pain.001.001.09", b"other"))


LATIN = [
    ("Müller & Söhne", "Muller + Sohne"),
    ("Société Générale", "Societe Generale"),
    ("Ångström Œuvre ß", "Angstrom OEuvre ss"),
    ("Владимир", "Vladimir"),
    ("a_b@c;d", "a-b(at)c,d"),
    ("/ //x// /", "x"),
    ("/ " * 40 + "Smith", "Smith"),
    ("\u202eevil\u202c", "evil"),
    ("<script>", "script"),
    ("€5", "EUR5"),
    ("  a \t b  ", "a b"),
    ("\U0001f600", ""),
]


@pytest.mark.parametrize(("text", "expected"), LATIN)
def test_text_is_brought_into_the_sepa_character_set(text: str, expected: str) -> None:
    assert sepa_text(text, 70) == expected


@given(st.text(), st.integers(1, 140))
def test_sepa_text_always_fits(text: str, limit: int) -> None:
    written = sepa_text(text, limit)
    assert len(written) <= limit
    assert re.fullmatch(r"[A-Za-z0-9/?:().,'+ -]*", written)
    assert not written.startswith("/")
    assert not written.endswith("/")
    assert "//" not in written
    assert re.fullmatch(r"[\x20-\x7e]*", nacha_text(text, limit))


@given(st.text())
def test_a_payable_name_is_never_written_as_nothing(text: str) -> None:
    if is_payable_name(text):
        assert sepa_text(text, 70)
        assert nacha_text(text, 22)
