"""The simulated SEPA banks: what they accept, refuse, settle and return, told in valid messages."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from lxml import etree

from connectors.bank_simulator import sepa
from tests.bank_simulator_client import (
    LocalBank,
    Pay,
    assert_valid,
    fixture,
    local_bank,
    pain001,
    read_statuses,
    until,
)

# The magic accounts of the README, written out.
CLOSED = "DE08370400440000000401"
ONCE = "DE40370400440000000601"
RETURNED = "DE56370400440000000701"
UNUSABLE = "DE57370400440000000101"
LATE = "DE72370400440000000801"
SILENT = "DE88370400440000000901"


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[LocalBank]:
    with local_bank(tmp_path) as running:
        yield running


def in_days(days: int) -> str:
    """A date as the bank counts: in Brussels."""
    today = datetime.now(ZoneInfo("Europe/Brussels")).date()
    return (today + timedelta(days=days)).isoformat()


def entries(document: bytes) -> list[tuple[str, str, str, str]]:
    """A camt.054 as (EndToEndId, side, amount, return code)."""
    root = etree.fromstring(document)
    for node in root.iter():
        node.tag = etree.QName(node).localname
    return [
        (
            node.findtext("NtryDtls/TxDtls/Refs/EndToEndId") or "",
            node.findtext("CdtDbtInd") or "",
            node.findtext("Amt") or "",
            node.findtext("NtryDtls/TxDtls/RtrInf/Rsn/Cd") or "",
        )
        for node in root.iter("Ntry")
    ]


class TestAccepting:
    def test_every_payment_is_acknowledged_and_booked(self, bank: LocalBank) -> None:
        answer = bank.sepa(pain001(Pay("A", amount="0.01"), Pay("B", amount="999999999.99")))
        assert (answer.status, answer.headers["Content-Type"]) == (200, "application/xml")
        assert_valid(answer.body)
        assert read_statuses(answer.body) == {
            "": ("ACCP", "", "MSG-1"),
            "A": ("ACCP", "", "0.01"),
            "B": ("ACCP", "", "999999999.99"),
        }
        assert [row["amount"] for row in bank.records()] == ["0.01", "999999999.99"]

    def test_the_same_bytes_again_hear_the_first_answer(self, bank: LocalBank) -> None:
        order = pain001(Pay("A"), Pay("B", iban=CLOSED))
        first = bank.sepa(order)
        assert bank.sepa(order).body == first.body
        assert bank.states() == [("A", "booked"), ("B", "rejected")]

    def test_the_same_message_id_with_other_content_is_refused(self, bank: LocalBank) -> None:
        bank.sepa(pain001(Pay("A")))
        answer = bank.sepa(pain001(Pay("B")))
        assert_valid(answer.body)
        assert read_statuses(answer.body) == {"": ("RJCT", "AM05", "MSG-1")}
        assert bank.states() == [("A", "booked")]

    def test_a_payment_known_from_another_message_is_answered_as_then(
        self, bank: LocalBank
    ) -> None:
        bank.sepa(pain001(Pay("A"), Pay("B", iban=CLOSED)))
        again = pain001(Pay("A"), Pay("B"), Pay("C"), message="MSG-2")
        assert read_statuses(bank.sepa(again).body) == {
            "": ("PART", "", "MSG-2"),
            "A": ("ACCP", "", "12.30"),
            "B": ("RJCT", "AC04", "12.30"),
            "C": ("ACCP", "", "12.30"),
        }
        assert bank.states() == [("A", "booked"), ("B", "rejected"), ("C", "booked")]

    def test_the_two_banks_do_not_know_each_other(self, bank: LocalBank) -> None:
        bank.sepa(pain001(Pay("A")))
        bank.sepa(pain001(Pay("A")), bank="backup")
        assert bank.states() == [("A", "booked"), ("A", "booked")]

    @pytest.mark.parametrize(
        ("path", "date"),
        [
            ("pain001/de.sepa.sct-salary.pain.001.001.09.xml", "2026-09-28"),
            ("pain001/es.sepa.sct-single.pain.001.001.09.xml", "2026-09-22"),
            ("pain001/nl.sepa.sct-supplier.pain.001.001.09.xml", "2026-09-22"),
        ],
    )
    def test_messages_of_others_are_accepted(self, bank: LocalBank, path: str, date: str) -> None:
        order = fixture(path).replace(date.encode(), in_days(1).encode())
        answer = bank.sepa(order)
        assert_valid(answer.body)
        assert read_statuses(answer.body)[""][0] == "ACCP"
        assert {row["state"] for row in bank.records()} == {"booked"}

    def test_an_instant_payment_is_not_taken_for_a_plain_one(self, bank: LocalBank) -> None:
        order = fixture("pain001/de.sepa.sct-inst.pain.001.001.09.xml")
        told = read_statuses(bank.sepa(order).body)
        assert told["MSTR-INST-2026-0921-01"][:2] == ("RJCT", "FF05")

    def test_our_samples_are_valid_themselves(self) -> None:
        assert_valid(pain001(Pay("A"), Pay("B")))


class TestRefusingAMessage:
    @pytest.mark.parametrize(
        ("order", "code"),
        [
            (pain001(Pay("A"), count="2"), "AM18"),
            (pain001(Pay("A"), total="12.31"), "AM10"),
            (pain001(Pay("A"), Pay("A")), "AM05"),
            (pain001(Pay("A"), changes=(("TRF", "CHK"),)), "FF01"),
            (pain001(Pay("A"), changes=((".001.09", ".001.03"),)), "FF01"),
            (pain001(Pay("A"), changes=(("<Dbtr><Nm>Molam</Nm></Dbtr>", ""),)), "FF01"),
            (pain001(Pay("A"), changes=(("<ChrgBr>SLEV</ChrgBr>", "<Bad/>"),)), "FF01"),
            (pain001(Pay("A"), changes=(("12.30<", "12,30<"),)), "FF01"),
            (pain001(Pay("A"), changes=(("12.30<", "-12.30<"),)), "FF01"),
            (pain001(Pay("A"), changes=(("12.30<", "1e1<"),)), "FF01"),
            (pain001(Pay("A" * 36)), "FF01"),
            (pain001(Pay("A"), changes=(("T10:00:00", ""),)), "FF01"),
        ],
    )
    def test_it_is_refused_whole_and_nothing_is_booked(
        self, bank: LocalBank, order: bytes, code: str
    ) -> None:
        answer = bank.sepa(order)
        assert answer.status == 200
        assert_valid(answer.body)
        assert read_statuses(answer.body)[""][:2] == ("RJCT", code)
        assert len(read_statuses(answer.body)) == 1
        assert bank.records() == []

    def test_its_id_is_used_up_and_an_inquiry_repeats_the_refusal(self, bank: LocalBank) -> None:
        refused = bank.sepa(pain001(Pay("A"), count="2"))
        found = bank.call("GET", "/sepa/default/payment-orders/MSG-1")
        assert found.body == refused.body
        assert read_statuses(bank.sepa(pain001(Pay("A"))).body)[""][1] == "AM05"

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"hello",
            b"<Document>",
            b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
            '<?xml version="1.0" encoding="UTF-16"?><!DOCTYPE a><a/>'.encode("utf-16"),
        ],
    )
    def test_what_is_not_plain_xml_is_400(self, bank: LocalBank, body: bytes) -> None:
        answer = bank.sepa(body)
        assert (answer.status, answer.json["code"]) == (400, "BAD_REQUEST")
        assert bank.records() == []


HYBRID = "<PstlAdr><TwnNm>Bonn</TwnNm><Ctry>DE</Ctry><AdrLine>Weg 1</AdrLine></PstlAdr>"
UNSTRUCTURED = "<PstlAdr><AdrLine>Weg 1</AdrLine><AdrLine>Bonn</AdrLine></PstlAdr>"


class TestRefusingAPayment:
    @pytest.mark.parametrize(
        ("payment", "code"),
        [
            (Pay("B", iban="DE88370400440532013000"), "AC01"),
            (Pay("B", iban="DE8937040044053201300"), "AC01"),
            (Pay("B", iban="US64SVBKUS6S3300958879"), "AC01"),
            (Pay("B", iban=""), "AC01"),
            (Pay("B", iban=CLOSED), "AC04"),
            (Pay("B", iban=UNUSABLE), "AC01"),
            (Pay("B", currency="USD"), "AM03"),
            (Pay("B", amount="0.00"), "AM01"),
            (Pay("B", amount="1000000000.00"), "AM02"),
            (Pay("B", name=" "), "BE22"),
            (Pay("B", name="x" * 71), "BE20"),
            (Pay("B", name="Zoë"), "RR10"),
            (Pay("B", text="x" * 141), "RR07"),
            (Pay("B", text="50 €"), "RR10"),
            (Pay("B", address=UNSTRUCTURED), "BE04"),
        ],
    )
    def test_it_is_refused_alone_and_never_booked(
        self, bank: LocalBank, payment: Pay, code: str
    ) -> None:
        answer = bank.sepa(pain001(Pay("A"), payment, Pay("C")))
        assert_valid(answer.body)
        told = read_statuses(answer.body)
        assert told[""][0] == "PART"
        assert (told["A"][0], told["B"][:2], told["C"][0]) == ("ACCP", ("RJCT", code), "ACCP")
        assert bank.states() == [("A", "booked"), ("B", "rejected"), ("C", "booked")]

    def test_more_decimals_than_a_cent_are_refused(self, bank: LocalBank) -> None:
        order = pain001(Pay("A"), total="12.305", changes=((">12.30<", ">12.305<"),))
        assert read_statuses(bank.sepa(order).body)["A"] == ("RJCT", "AM12", "12.305")

    def test_a_hybrid_address_is_accepted(self, bank: LocalBank) -> None:
        told = read_statuses(bank.sepa(pain001(Pay("A", address=HYBRID))).body)
        assert told["A"][0] == "ACCP"

    @pytest.mark.parametrize(
        ("order", "code"),
        [
            (pain001(Pay("A"), date=in_days(-4)), "DT01"),
            (pain001(Pay("A"), date=in_days(370)), "DT01"),
            (pain001(Pay("A"), date="2026-02-30"), "DT01"),
            (pain001(Pay("A"), changes=(("<Cd>SEPA</Cd>", "<Cd>URGP</Cd>"),)), "FF04"),
            (pain001(Pay("A"), changes=(("SLEV", "DEBT"),)), "BE19"),
            (pain001(Pay("A"), changes=(("NL58", "NL59"),)), "AC02"),
        ],
    )
    def test_what_is_wrong_with_a_group_is_wrong_with_each_payment(
        self, bank: LocalBank, order: bytes, code: str
    ) -> None:
        answer = bank.sepa(order)
        assert_valid(answer.body)
        told = read_statuses(answer.body)
        assert (told[""][0], told["A"][:2]) == ("RJCT", ("RJCT", code))
        assert bank.states() == [("A", "rejected")]

    def test_yesterday_is_still_today(self, bank: LocalBank) -> None:
        told = read_statuses(bank.sepa(pain001(Pay("A"), date=in_days(-1))).body)
        assert told["A"][0] == "ACCP"


class TestAfterAccepting:
    def test_an_unknown_message_is_404(self, bank: LocalBank) -> None:
        answer = bank.call("GET", "/sepa/default/payment-orders/NOBODY")
        assert (answer.status, answer.json) == (404, {"code": "NOT_FOUND"})

    def test_what_is_due_is_debited_and_told_by_camt_054(self, bank: LocalBank) -> None:
        bank.sepa(pain001(Pay("A"), Pay("B", amount="7.00"), Pay("X", iban=CLOSED)))
        bank.advance(days=5)
        ((number, kind, document),) = until(bank.reports)
        assert (number, kind) == (1, "camt.054.001.08")
        assert_valid(document)
        assert entries(document) == [("A", "DBIT", "12.30", ""), ("B", "DBIT", "7.00", "")]
        found = bank.call("GET", "/sepa/default/payment-orders/MSG-1")
        assert_valid(found.body)
        told = read_statuses(found.body)
        assert [told[name][0] for name in ("", "A", "B", "X")] == ["PART", "ACSC", "ACSC", "RJCT"]

    def test_a_later_date_waits_for_its_day(self, bank: LocalBank) -> None:
        bank.sepa(pain001(Pay("A"), message="M1"))
        bank.sepa(pain001(Pay("B"), message="M2", date=in_days(30)))
        bank.advance(days=5)
        until(bank.reports)
        assert [entries(document) for _, _, document in bank.reports()] == [
            [("A", "DBIT", "12.30", "")]
        ]
        bank.advance(days=30)
        ((_, _, second),) = until(lambda: bank.reports(after=1))
        assert entries(second) == [("B", "DBIT", "12.30", "")]

    def test_a_return_follows_the_settlement_with_one_more_record(self, bank: LocalBank) -> None:
        bank.sepa(pain001(Pay("A", iban=RETURNED), Pay("B")))
        bank.advance(days=12)
        until(lambda: len(bank.reports()) == 2)
        (_, _, settled), (_, _, returned) = bank.reports()
        assert [entry[0] for entry in entries(settled)] == ["A", "B"]
        assert_valid(returned)
        assert entries(returned) == [("A", "CRDT", "12.30", "AC04")]
        assert bank.states() == [("A", "booked"), ("B", "booked"), ("A", "returned")]
        found = bank.call("GET", "/sepa/default/payment-orders/MSG-1").body
        assert read_statuses(found)["A"][0] == "ACSC"

    def test_a_late_refusal_is_told_by_pain_002_and_never_booked(self, bank: LocalBank) -> None:
        first = bank.sepa(pain001(Pay("A", iban=LATE), Pay("B")))
        assert read_statuses(first.body)["A"][0] == "ACCP"
        assert bank.states() == [("B", "booked")]
        documents = until(lambda: [d for d in bank.reports() if d[1] == "pain.002.001.10"])
        assert_valid(documents[0][2])
        told = read_statuses(documents[0][2])
        assert (told["A"][:2], told[""][2]) == (("RJCT", "ED05"), "MSG-1")
        assert bank.states() == [("B", "booked"), ("A", "rejected")]

    def test_the_account_that_refuses_once_accepts_the_second_try(self, bank: LocalBank) -> None:
        for number, status in ((1, ("RJCT", "ED05")), (2, ("ACCP", "")), (3, ("ACCP", ""))):
            payment = Pay(f"A{number}", iban=ONCE, instruction="0" * 31 + "1")
            told = read_statuses(bank.sepa(pain001(payment, message=f"M{number}")).body)
            assert told[f"A{number}"][:2] == status

    def test_the_account_that_stays_silent_is_found_by_inquiry(self, bank: LocalBank) -> None:
        order = pain001(Pay("A", iban=SILENT))
        with pytest.raises(TimeoutError):
            bank.sepa(order, timeout=0.3)
        found = bank.call("GET", "/sepa/default/payment-orders/MSG-1").body
        assert read_statuses(found)["A"][0] == "ACCP"
        assert read_statuses(bank.sepa(order).body)["A"][0] == "ACCP"
        assert bank.states() == [("A", "booked")]

    def test_the_feed_is_paged(self, bank: LocalBank) -> None:
        for number in range(3):
            date = in_days(10 * (number + 1))
            bank.sepa(pain001(Pay(f"A{number}"), message=f"M{number}", date=date))
        bank.advance(days=40)
        until(lambda: len(bank.reports()) == 3)
        page = bank.call("GET", "/sepa/default/reports?after=1&limit=1").json
        assert ([d["id"] for d in page["documents"]], page["last"], page["more"]) == ([2], 2, True)
        end = bank.call("GET", "/sepa/default/reports?after=3").json
        assert end == {"documents": [], "last": 3, "more": False}
        assert bank.call("GET", "/sepa/default/reports?after=x").status == 400

    def test_many_payments_due_together_share_reports_of_a_thousand(self, bank: LocalBank) -> None:
        bank.sepa(pain001(*(Pay(f"REF-{number}") for number in range(1500))))
        bank.advance(days=5)
        until(lambda: len(bank.reports()) == 2)
        assert [len(entries(document)) for _, _, document in bank.reports()] == [1000, 500]


def test_the_reader_keeps_what_the_record_needs() -> None:
    order = pain001(Pay("A", instruction="2d2f4c9e0b5a4d8e9a3f1c2b3a4d5e6f"))
    submission = sepa.read(order, datetime.now(UTC))
    assert (submission.key, submission.digest) == ("MSG-1", hashlib.sha256(order).hexdigest())
    assert submission.orders[0].payout_id == "2d2f4c9e-0b5a-4d8e-9a3f-1c2b3a4d5e6f"
