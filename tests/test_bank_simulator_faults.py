"""Each fault of the simulated bank: what it does to the client, and what it does to the record."""

from __future__ import annotations

import http.client
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from lxml import etree

from connectors.bank_simulator.faults import FaultBoard
from tests.bank_simulator_client import (
    Credit,
    LocalBank,
    Pay,
    local_bank,
    nacha,
    pain001,
    read_statuses,
    until,
)

NO_ANSWER = (http.client.RemoteDisconnected, ConnectionResetError)
RETURNED = "DE56370400440000000701"


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[LocalBank]:
    with local_bank(tmp_path) as running:
        yield running


def is_accepted(bank: LocalBank, message: str = "MSG-1") -> bool:
    answer = bank.call("GET", f"/sepa/default/payment-orders/{message}")
    return answer.status == 200 and read_statuses(answer.body)[""][0] == "ACCP"


class TestBeforeTheBooking:
    def test_busy_says_503_and_books_nothing(self, bank: LocalBank) -> None:
        bank.fault("busy", count=1)
        answer = bank.sepa(pain001(Pay("A")))
        assert (answer.status, answer.json, answer.headers["Retry-After"]) == (
            503,
            {"code": "BUSY"},
            "1",
        )
        assert bank.records() == []
        assert bank.sepa(pain001(Pay("A"))).status == 200
        assert bank.hits() == [1]

    def test_reject_refuses_one_payment_for_each_hit(self, bank: LocalBank) -> None:
        bank.fault("reject", count=2)
        told = read_statuses(bank.sepa(pain001(Pay("A"), Pay("B"), Pay("C"))).body)
        assert [told[name][:2] for name in "ABC"] == [
            *(("RJCT", "AC04"), ("RJCT", "AC04")),
            ("ACCP", ""),
        ]
        assert bank.states() == [("A", "rejected"), ("B", "rejected"), ("C", "booked")]

    def test_reject_uses_the_given_code_or_the_rails_own(self, bank: LocalBank) -> None:
        bank.fault("reject", rail="ach", count=1)
        bank.fault("reject", code="R32", count=1)
        ack = bank.ach(nacha(Credit("A"), Credit("B"), Credit("C"))).json
        assert [entry["code"] for entry in ack["entries"]] == ["R04", "R32", ""]

    def test_a_repeat_of_what_was_accepted_is_not_rejected(self, bank: LocalBank) -> None:
        bank.sepa(pain001(Pay("A")))
        bank.fault("reject")
        bank.sepa(pain001(Pay("A")))
        bank.sepa(pain001(Pay("A"), message="MSG-2"))
        assert (bank.states(), bank.hits()) == ([("A", "booked")], [0])


class TestAfterTheBooking:
    def test_cut_books_and_drops_the_connection(self, bank: LocalBank) -> None:
        bank.fault("cut", count=1)
        order = pain001(Pay("A"))
        with pytest.raises(NO_ANSWER):
            bank.sepa(order)
        assert bank.states() == [("A", "booked")]
        assert is_accepted(bank)
        assert read_statuses(bank.sepa(order).body)["A"][0] == "ACCP"
        assert bank.states() == [("A", "booked")]

    def test_late_answer_books_at_once_and_answers_later(self, bank: LocalBank) -> None:
        bank.fault("late_answer", seconds=1, count=1)
        order, started = pain001(Pay("A")), time.monotonic()
        with pytest.raises(TimeoutError):
            bank.sepa(order, timeout=0.3)
        assert bank.states() == [("A", "booked")]
        assert bank.sepa(order).status == 200
        assert time.monotonic() - started < 1
        bank.fault("late_answer", seconds=0.5, count=1)
        assert bank.sepa(order).status == 200

    def test_late_booking_books_after_the_client_has_gone(self, bank: LocalBank) -> None:
        bank.fault("late_booking", seconds=0.8, count=1)
        with pytest.raises(TimeoutError):
            bank.sepa(pain001(Pay("A")), timeout=0.2)
        assert bank.records() == []
        assert bank.call("GET", "/sepa/default/payment-orders/MSG-1").status == 404
        until(lambda: bank.states() == [("A", "booked")])
        assert is_accepted(bank)

    def test_late_booking_recognises_what_came_meanwhile(self, bank: LocalBank) -> None:
        bank.fault("late_booking", seconds=0.5, count=1)
        order = pain001(Pay("A"))
        with pytest.raises(TimeoutError):
            bank.sepa(order, timeout=0.1)
        assert bank.sepa(order).status == 200
        time.sleep(0.8)
        assert bank.states() == [("A", "booked")]

    def test_late_booking_never_answers(self, bank: LocalBank) -> None:
        bank.fault("late_booking", seconds=0.2, count=1)
        with pytest.raises(NO_ANSWER):
            bank.sepa(pain001(Pay("A")))
        assert bank.states() == [("A", "booked")]

    def test_garbage_books_and_answers_rubbish(self, bank: LocalBank) -> None:
        bank.fault("garbage", count=1)
        answer = bank.sepa(pain001(Pay("A")))
        assert answer.status == 200
        with pytest.raises(etree.XMLSyntaxError):
            etree.fromstring(answer.body)
        assert bank.states() == [("A", "booked")]
        assert is_accepted(bank)

    def test_wrong_amount_books_right_and_acknowledges_wrong(self, bank: LocalBank) -> None:
        bank.fault("wrong_amount", count=2)
        told = read_statuses(bank.sepa(pain001(Pay("A"), Pay("B"), message="M1")).body)
        assert (told["A"], told["B"]) == (("ACCP", "", "13.30"), ("ACCP", "", "13.30"))
        told = read_statuses(bank.call("GET", "/sepa/default/payment-orders/M1").body)
        assert told["A"] == ("ACCP", "", "12.30")
        assert [row["amount"] for row in bank.records()] == ["12.30", "12.30"]

    def test_wrong_amount_on_ach(self, bank: LocalBank) -> None:
        bank.fault("wrong_amount", rail="ach")
        ack = bank.ach(nacha(Credit("A"))).json
        assert (ack["entries"][0]["amount"], bank.records()[0]["amount"]) == ("13.30", "12.30")

    def test_no_dedup_books_a_repeat_again(self, bank: LocalBank) -> None:
        order = pain001(Pay("A"), Pay("B"))
        bank.sepa(order)
        bank.fault("no_dedup", count=1)
        bank.sepa(order)
        assert Counter(bank.states()) == {("A", "booked"): 2, ("B", "booked"): 2}
        bank.sepa(order)
        assert len(bank.states()) == 4

    def test_no_dedup_books_a_payment_of_another_message_again(self, bank: LocalBank) -> None:
        bank.ach(nacha(Credit("A")))
        bank.fault("no_dedup", rail="ach")
        bank.ach(nacha(Credit("A"), modifier="B"))
        assert bank.states() == [("A", "booked"), ("A", "booked")]

    def test_return_sends_back_after_the_settlement(self, bank: LocalBank) -> None:
        bank.fault("return", rail="sepa", code="MD07", count=1)
        bank.sepa(pain001(Pay("A"), Pay("B")))
        bank.advance(days=12)
        until(lambda: ("A", "returned") in bank.states())
        assert bank.states() == [("A", "booked"), ("B", "booked"), ("A", "returned")]
        assert b"<Cd>MD07</Cd>" in bank.reports()[1][2]

    def test_return_on_ach_uses_the_rails_own_code(self, bank: LocalBank) -> None:
        bank.fault("return")
        bank.ach(nacha(Credit("A")))
        bank.advance(days=12)
        until(lambda: ("A", "returned") in bank.states())
        assert b"799R04021000020000001" in bank.reports("ach/default")[1][2]


class TestReports:
    def test_silent_holds_the_feed_back_until_healed(self, bank: LocalBank) -> None:
        bank.fault("silent")
        bank.sepa(pain001(Pay("A")))
        bank.advance(days=5)
        until(lambda: read_statuses(self._inquire(bank))["A"][0] == "ACSC")
        page = bank.call("GET", "/sepa/default/reports?after=0").json
        assert page == {"documents": [], "last": 0, "more": False}
        assert bank.hits()[0] >= 1
        bank.heal()
        assert [number for number, _, _ in bank.reports()] == [1]

    @staticmethod
    def _inquire(bank: LocalBank) -> bytes:
        return bank.call("GET", "/sepa/default/payment-orders/MSG-1").body

    def test_duplicate_report_says_it_twice_under_two_ids(self, bank: LocalBank) -> None:
        bank.fault("duplicate_report", count=1)
        bank.sepa(pain001(Pay("A")))
        bank.advance(days=5)
        first, second = until(bank.reports)
        assert (first[0], second[0]) == (1, 2)
        assert first[2] == second[2]
        bank.restart()
        assert len(bank.reports()) == 2

    def test_reordered_reports_tell_the_return_before_the_settlement(self, bank: LocalBank) -> None:
        bank.fault("reordered_reports", seconds=60, count=1)
        bank.sepa(pain001(Pay("A", iban=RETURNED)))
        bank.advance(days=12)
        until(lambda: len(bank.reports()) == 2)
        (_, _, first), (_, _, second) = bank.reports()
        assert (b"RtrInf" in first, b"RtrInf" in second) == (True, False)

    def test_a_report_held_back_comes_out_when_healed(self, bank: LocalBank) -> None:
        bank.fault("reordered_reports", seconds=60)
        bank.sepa(pain001(Pay("A")))
        bank.advance(days=5)
        until(lambda: bank.hits() == [1])
        assert bank.reports() == []
        bank.heal()
        assert len(until(bank.reports)) == 1

    def test_a_report_held_back_survives_a_restart(self, bank: LocalBank) -> None:
        bank.fault("reordered_reports", seconds=60)
        bank.sepa(pain001(Pay("A")))
        bank.advance(days=5)
        until(lambda: bank.hits() == [1])
        bank.restart()
        assert len(until(bank.reports)) == 1


class TestFilters:
    def test_a_fault_of_one_rail_leaves_the_other_alone(self, bank: LocalBank) -> None:
        bank.fault("busy", rail="ach")
        assert bank.sepa(pain001(Pay("A"))).status == 200
        assert bank.ach(nacha(Credit("B"))).status == 503

    def test_a_fault_without_rail_is_everywhere(self, bank: LocalBank) -> None:
        bank.fault("busy")
        statuses = (
            bank.sepa(pain001(Pay("A"))).status,
            bank.sepa(pain001(Pay("A")), bank="backup").status,
            bank.ach(nacha(Credit("B"))).status,
        )
        assert statuses == (503, 503, 503)

    def test_a_used_up_fault_stays_listed(self, bank: LocalBank) -> None:
        bank.fault("busy", count=2)
        statuses = [bank.sepa(pain001(Pay("A"))).status for _ in range(3)]
        assert statuses == [503, 503, 200]
        (fault,) = bank.call("GET", "/_sim/faults", key=None).json
        assert (fault["hits"], fault["active"]) == (2, False)

    def test_a_probability_fires_about_as_often_as_it_says(self) -> None:
        board = FaultBoard(seed=7)
        board.add({"fault": "busy", "probability": 0.25})
        hits = sum(board.take("busy", "sepa") is not None for _ in range(2000))
        assert 400 < hits < 600
        assert board.listing()[0]["hits"] == hits

    def test_a_probability_of_nothing_never_fires(self) -> None:
        board = FaultBoard()
        board.add({"fault": "busy", "probability": 0})
        assert board.take("busy", "sepa") is None

    def test_a_count_is_kept_by_many_at_once(self, bank: LocalBank) -> None:
        bank.fault("busy", count=5)
        statuses: list[int] = []

        def send(number: int) -> None:
            statuses.append(bank.sepa(pain001(Pay(f"R{number}"), message=f"M{number}")).status)

        threads = [threading.Thread(target=send, args=(number,)) for number in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert Counter(statuses) == {503: 5, 200: 7}

    def test_a_restarted_bank_is_a_healthy_one(self, bank: LocalBank) -> None:
        bank.fault("busy")
        bank.restart()
        assert bank.sepa(pain001(Pay("A"))).status == 200
