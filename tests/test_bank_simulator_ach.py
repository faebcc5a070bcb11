"""The simulated ODFI: which NACHA files it takes, which it refuses, what it settles and returns."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from connectors.bank_simulator import ach
from connectors.formats.nacha import Entry, PaymentNote, read_nacha, write_nacha
from tests.bank_simulator_client import Credit, LocalBank, fixture, local_bank, nacha, until

REFERENCE = "261124-A-1234567890"


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[LocalBank]:
    with local_bank(tmp_path) as running:
        yield running


def entries(ack: Any) -> dict[str, tuple[str, str]]:
    return {entry["individual_id"]: (entry["status"], entry["code"]) for entry in ack["entries"]}


def inquire(bank: LocalBank, reference: str = REFERENCE) -> Any:
    return bank.call("GET", f"/ach/default/files/{reference}").json


def feed(bank: LocalBank, kind: str) -> list[bytes]:
    return [content for _, type_, content in bank.reports("ach/default") if type_ == kind]


def ctx(number: int) -> bytes:
    """A file of one CTX entry with so many addenda."""
    payout = "2d2f4c9e-0b5a-4d8e-9a3f-1c2b3a4d5e6f"
    notes = [PaymentNote(text=f"{payout} {n}") for n in range(number)]
    entry = Entry(
        transaction_code="22",
        routing_number="021000021",
        account_number="123456789012",
        amount=Decimal("12.30"),
        individual_id="A",
        name="ACME",
        trace="021000020000001",
        addenda=tuple(notes),
    )
    file = read_nacha(nacha(Credit("A"), entry_class="CCD"))
    (batch,) = file.batches
    batch = replace(batch, standard_entry_class="CTX", entries=(entry,))
    return write_nacha(replace(file, batches=(batch,)))


class TestAccepting:
    def test_a_file_is_acknowledged_entry_by_entry(self, bank: LocalBank) -> None:
        ack = bank.ach(nacha(Credit("A", cents=1), Credit("B", cents=123456, code="32"))).json
        assert ack == {
            "type": "ack",
            "file_reference": REFERENCE,
            "status": "accepted",
            "code": "",
            "detail": "",
            "total_credit": "1234.57",
            "entries": [
                {
                    "individual_id": "A",
                    "trace_number": "021000020000001",
                    "amount": "0.01",
                    "status": "accepted",
                    "code": "",
                    "bank_reference": ack["entries"][0]["bank_reference"],
                },
                {
                    "individual_id": "B",
                    "trace_number": "021000020000002",
                    "amount": "1234.56",
                    "status": "accepted",
                    "code": "",
                    "bank_reference": ack["entries"][1]["bank_reference"],
                },
            ],
        }
        assert ack["entries"][0]["bank_reference"] != ack["entries"][1]["bank_reference"]
        assert [(row["amount"], row["account_last4"]) for row in bank.records()] == [
            ("0.01", "9012"),
            ("1234.56", "9012"),
        ]

    def test_the_payouts_id_is_read_from_the_head_of_the_addenda(self, bank: LocalBank) -> None:
        payout = "2d2f4c9e-0b5a-4d8e-9a3f-1c2b3a4d5e6f"
        bank.ach(nacha(Credit("A", information=f"{payout} March"), Credit("B", information="no")))
        assert [row["payout_id"] for row in bank.records()] == [payout, ""]

    def test_the_same_file_again_hears_the_first_acknowledgement(self, bank: LocalBank) -> None:
        body = nacha(Credit("A"))
        first = bank.ach(body)
        assert bank.ach(body).body == first.body
        assert bank.states() == [("A", "booked")]

    def test_the_same_key_with_other_content_is_refused(self, bank: LocalBank) -> None:
        bank.ach(nacha(Credit("A")))
        ack = bank.ach(nacha(Credit("B"))).json
        assert (ack["status"], ack["code"], ack["entries"]) == ("rejected", "DUPLICATE_FILE", [])
        assert bank.states() == [("A", "booked")]

    def test_an_entry_known_from_another_file_is_answered_as_then(self, bank: LocalBank) -> None:
        bank.ach(nacha(Credit("A"), Credit("B", account="900000000401")))
        ack = bank.ach(nacha(Credit("B"), Credit("A"), Credit("C"), modifier="B")).json
        assert ack["status"] == "partial"
        assert entries(ack) == {
            "A": ("accepted", ""),
            "B": ("rejected", "R16"),
            "C": ("accepted", ""),
        }
        assert bank.states() == [("A", "booked"), ("B", "rejected"), ("C", "booked")]

    def test_a_file_with_crlf_and_company_entries_is_taken(self, bank: LocalBank) -> None:
        body = nacha(Credit("A"), entry_class="CCD").replace(b"\n", b"\r\n")
        assert bank.ach(body).json["status"] == "accepted"

    @pytest.mark.parametrize("number", [1, 2, 30])
    def test_a_ctx_entry_has_as_many_addenda_as_it_says(self, bank: LocalBank, number: int) -> None:
        assert bank.ach(ctx(number)).json["status"] == "accepted"
        (row,) = bank.records()
        assert row["payout_id"] == "2d2f4c9e-0b5a-4d8e-9a3f-1c2b3a4d5e6f"

    def test_a_ctx_entry_with_another_number_of_addenda_is_refused(self, bank: LocalBank) -> None:
        body = ctx(3).replace(b"0003ACME", b"0002ACME")
        ack = bank.ach(body).json
        assert (ack["code"], bank.records()) == ("FILE_INVALID", [])
        assert "number of addenda" in ack["detail"]

    def test_a_file_of_others_is_read(self, bank: LocalBank) -> None:
        body = fixture("nacha/ppd-credit.ach")
        submission = ach.read(body, datetime(2019, 8, 16, 12, tzinfo=UTC))
        assert (submission.refusal, submission.key) == ("", "190816-A-0231380104")
        (order,) = submission.orders
        assert (str(order.amount), order.account, order.position) == (
            *("1000000.00", "987654321"),
            "121042880000002",
        )
        assert (
            order.refusal == "R26"
        )  # It carries no identification number: we could not answer it.

    @pytest.mark.parametrize(
        "path",
        ["ccd-debit.ach", "ack-read.ach", "web-credit.ach", "return-WEB.ach", "cor-example.ach"],
    )
    def test_a_file_that_is_no_credit_of_ours_is_refused(self, bank: LocalBank, path: str) -> None:
        ack = bank.ach(fixture(f"nacha/{path}")).json
        assert (ack["status"], ack["code"]) == ("rejected", "FILE_INVALID")
        assert bank.records() == []


def broken(old: str, new: str) -> bytes:
    return nacha(Credit("A"), Credit("B"), changes=((old, new),))


class TestRefusingAFile:
    @pytest.mark.parametrize(
        ("body", "detail"),
        [
            (b"", "record 1"),
            (b"hello", "record 1"),
            ("é".encode(), "ASCII"),
            (nacha(Credit("A")).replace(b"9" * 94 + b"\n", b"", 1), "blocks of 10"),
            (nacha(Credit("A"))[:-2], "record 10"),
            (broken("094101", "094102"), "file header"),
            (broken("101 021000021", "101 021000022"), "routing number"),
            (nacha(Credit("A"), created="261332"), "creation date"),
            (nacha(Credit("A"), service="200"), "service class"),
            (nacha(Credit("A"), entry_class="WEB"), "PPD, CCD, CTX"),
            (broken("5220MOLAM", "5220     "), "company"),
            (nacha(Credit("A", code="27")), "transaction codes"),
            (broken("02100002" + "0000002\n705", "02100002" + "0000001\n705"), "ascend"),
            (broken("02100002" + "0000001\n705", "03100002" + "0000001\n705"), "ODFI"),
            (broken("00010000001", "00020000001"), "addenda"),
            (broken("00010000001", "00010000009"), "addenda"),
            (broken("  1021000020000001\n705", "  0021000020000001\n705"), "addenda indicator"),
            (broken("8220000004", "8220000003"), "do not add up"),
            (broken("000000002460", "000000002461"), "do not add up"),
            (nacha(Credit("A"), Credit("A")), "twice"),
            (broken("9000001000001", "9000002000001"), "batches"),
            (broken("9000001000001", "9000001000002"), "blocks"),
            (broken("9" * 94, "8" * 94), "after the file control"),
        ],
    )
    def test_it_is_refused_whole_and_nothing_is_booked(
        self, bank: LocalBank, body: bytes, detail: str
    ) -> None:
        answer = bank.ach(body)
        ack = answer.json
        assert answer.status == 200
        assert (ack["status"], ack["code"], ack["entries"]) == ("rejected", "FILE_INVALID", [])
        assert detail in ack["detail"]
        assert bank.records() == []

    @pytest.mark.parametrize("place", range(0, 94 * 7, 7))
    def test_no_changed_digit_in_a_control_field_gets_through(self, place: int) -> None:
        body = nacha(Credit("A"), Credit("B"))
        lines = body.decode().split("\n")
        record, column = 6 + (place % 2), (place // 2) % 55
        changed = lines[record][column]
        if not changed.isdigit():
            return
        digit = str((int(changed) + 1) % 10)
        lines[record] = lines[record][:column] + digit + lines[record][column + 1 :]
        submission = ach.read("\n".join(lines).encode(), datetime.now(UTC))
        assert submission.refusal == "FILE_INVALID"

    def test_its_key_is_used_up_and_an_inquiry_repeats_the_refusal(self, bank: LocalBank) -> None:
        bank.ach(broken("8220000004", "8220000003"))
        assert inquire(bank)["code"] == "FILE_INVALID"
        assert bank.ach(nacha(Credit("A"))).json["code"] == "DUPLICATE_FILE"


class TestRefusingAnEntry:
    @pytest.mark.parametrize(
        ("credit", "code"),
        [
            (Credit("B", rdfi="021000022"), "R28"),
            (Credit("B", rdfi="000000000"), "R28"),
            (Credit("B", cents=0), "R19"),
            (Credit("B", account=""), "R04"),
            (Credit("B", account="12 34"), "R04"),
            (Credit("B", name=""), "R26"),
            (Credit(""), "R26"),
            (Credit("B", account="900000000101"), "R04"),
            (Credit("B", account="900000000401"), "R16"),
        ],
    )
    def test_it_is_refused_alone_and_never_booked(
        self, bank: LocalBank, credit: Credit, code: str
    ) -> None:
        ack = bank.ach(nacha(Credit("A"), credit, Credit("C"))).json
        assert ack["status"] == "partial"
        assert entries(ack)[credit.reference] == ("rejected", code)
        assert bank.states() == [("A", "booked"), (credit.reference, "rejected"), ("C", "booked")]

    @pytest.mark.parametrize("effective", ["261332", "      ", "200101", "991231"])
    def test_an_effective_date_that_cannot_be_is_refused(
        self, bank: LocalBank, effective: str
    ) -> None:
        ack = bank.ach(nacha(Credit("A"), effective=effective)).json
        assert (ack["status"], entries(ack)) == ("rejected", {"A": ("rejected", "R18")})

    def test_a_magic_account_elsewhere_is_an_ordinary_one(self, bank: LocalBank) -> None:
        ack = bank.ach(nacha(Credit("A", account="900000000401", rdfi="031300012"))).json
        assert ack["status"] == "accepted"


class TestAfterAccepting:
    def test_an_unknown_file_is_404(self, bank: LocalBank) -> None:
        answer = bank.call("GET", f"/ach/default/files/{REFERENCE}")
        assert (answer.status, answer.json) == (404, {"code": "NOT_FOUND"})

    def test_what_is_due_settles_and_is_told(self, bank: LocalBank) -> None:
        bank.ach(nacha(Credit("A"), Credit("B", account="900000000401")))
        assert entries(inquire(bank))["A"] == ("accepted", "")
        bank.advance(days=5)
        report = json.loads(until(lambda: feed(bank, "ach.settlement"))[0])
        assert report["type"] == "settlement"
        assert re.fullmatch(r"\d{4}-\d\d-\d\d", report["settlement_date"])
        (entry,) = report["entries"]
        assert entry["bank_reference"]
        assert entry == {
            "individual_id": "A",
            "trace_number": "021000020000001",
            "amount": "12.30",
            "currency": "USD",
            "bank_reference": entry["bank_reference"],
        }
        assert entries(inquire(bank)) == {"A": ("settled", ""), "B": ("rejected", "R16")}

    def test_a_later_effective_date_waits_for_its_day(self, bank: LocalBank) -> None:
        effective = f"{datetime.now(UTC) + timedelta(days=30):%y%m%d}"
        bank.ach(nacha(Credit("A"), effective=effective))
        bank.ach(nacha(Credit("B"), modifier="B"))
        bank.advance(days=10)
        until(lambda: feed(bank, "ach.settlement"))
        assert entries(inquire(bank)) == {"A": ("accepted", "")}
        bank.advance(days=30)
        until(lambda: entries(inquire(bank)) == {"A": ("settled", "")})

    def test_a_return_is_a_file_with_the_original_trace(self, bank: LocalBank) -> None:
        bank.ach(
            nacha(
                Credit("A", account="900000000701", cents=4565),
                Credit("B"),
                Credit("C", account="900000000701", cents=100, code="32"),
            )
        )
        bank.advance(days=12)
        (returned,) = until(lambda: feed(bank, "ach.return"))
        lines = returned.decode("ascii").removesuffix("\n").split("\n")
        assert {len(line) for line in lines} == {94}
        assert len(lines) % 10 == 0
        assert [line[:3] for line in lines[:8]] == (
            ["101", "520", "621", "799", "631", "799", "820", "900"]
        )
        assert lines[2][3:12] == "021000021"  # Back to the bank that originated it.
        assert (lines[2][29:39], lines[2][39:54].strip()) == ("0000004565", "A")
        assert lines[3][3:21] == "R03021000020000001"
        assert (lines[4][39:54].strip(), lines[5][3:21]) == ("C", "R03021000020000003")
        assert lines[6][4:44] == "000004" + "0004200004" + "0" * 12 + f"{4665:012d}"
        assert lines[7][1:55] == (
            "000001" + "000001" + "00000004" + "0004200004" + "0" * 12 + f"{4665:012d}"
        )
        assert bank.states()[3:] == [("A", "returned"), ("C", "returned")]
        assert entries(inquire(bank))["A"] == ("returned", "R03")

    def test_our_return_file_has_the_shape_of_one_of_others(self, bank: LocalBank) -> None:
        bank.ach(nacha(Credit("A", account="900000000701")))
        bank.advance(days=12)
        (returned,) = until(lambda: feed(bank, "ach.return"))
        ours = returned.decode("ascii").split("\n")
        theirs = fixture("nacha/return-WEB.ach").decode("ascii").split("\n")
        for kind in "16789":
            mine = next(line for line in ours if line.startswith(kind))
            other = next(line for line in theirs if line.startswith(kind))
            fixed = {"1": (0, 3), "6": (78, 79), "7": (0, 4), "8": (0, 10), "9": (0, 1)}[kind]
            assert mine[slice(*fixed)] == other[slice(*fixed)]

    def test_a_second_reader_reads_our_return_file(self, bank: LocalBank) -> None:
        achkit = pytest.importorskip("achkit", reason="achkit is a development dependency")
        bank.ach(nacha(Credit("A", account="900000000701"), Credit("B")))
        bank.advance(days=12)
        (returned,) = until(lambda: feed(bank, "ach.return"))
        text = returned.decode("ascii")
        # It leaves returned entries out of the totals, and so complains about everyone's returns.
        complaints = {error["code"] for error in achkit.validate(text)["errors"]}
        assert complaints <= {"BAD_BATCH_CREDIT", "BAD_FILE_CREDIT"}
        (entry,) = achkit.parse(text)["batches"][0]["entries"]
        assert (entry["txn_code"], entry["id_number"], entry["amount_cents"]) == (21, "A", 1230)
        assert entry["addenda"][0]["info"].startswith("R03021000020000001")

    def test_a_late_refusal_is_told_by_a_new_acknowledgement(self, bank: LocalBank) -> None:
        first = bank.ach(nacha(Credit("A", account="900000000801"), Credit("B"))).json
        assert entries(first) == {"A": ("accepted", ""), "B": ("accepted", "")}
        (late,) = until(lambda: feed(bank, "ach.ack"))
        ack = json.loads(late)
        assert (ack["file_reference"], ack["status"]) == (REFERENCE, "partial")
        assert entries(ack)["A"] == ("rejected", "R32")
        assert bank.states() == [("B", "booked"), ("A", "rejected")]

    def test_the_account_that_refuses_once_accepts_the_second_try(self, bank: LocalBank) -> None:
        told = []
        for reference, modifier in (("A1", "A"), ("A2", "B")):
            information = "2d2f4c9e-0b5a-4d8e-9a3f-1c2b3a4d5e6f payout"
            credit = Credit(reference, account="900000000601", information=information)
            told.append(entries(bank.ach(nacha(credit, modifier=modifier)).json)[reference])
        assert told == [("rejected", "R31"), ("accepted", "")]

    def test_the_account_that_stays_silent_is_found_by_inquiry(self, bank: LocalBank) -> None:
        body = nacha(Credit("A", account="900000000901"), Credit("B"))
        with pytest.raises(TimeoutError):
            bank.ach(body, timeout=0.3)
        assert entries(inquire(bank)) == {"A": ("accepted", ""), "B": ("accepted", "")}
        assert bank.ach(body).json["status"] == "accepted"
        assert bank.states() == [("A", "booked"), ("B", "booked")]
