"""The simulated bank as a process: its record, its memory over kills, its control API."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import threading
import uuid
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from connectors.bank_simulator.journal import Journal, JournalDamaged
from tests.bank_simulator_client import (
    BankProcess,
    Credit,
    LocalBank,
    Pay,
    local_bank,
    nacha,
    pain001,
    read_statuses,
    until,
)


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[LocalBank]:
    with local_bank(tmp_path) as running:
        yield running


@pytest.fixture
def process(tmp_path: Path) -> Iterator[BankProcess]:
    running = BankProcess(tmp_path)
    try:
        yield running
    finally:
        if running.process.poll() is None:
            running.end(signal.SIGKILL)


class TestRecord:
    def test_it_has_exactly_the_promised_fields(self, bank: LocalBank) -> None:
        payout = uuid.uuid4()
        bank.sepa(pain001(Pay("REF-1", amount="1234.50", instruction=payout.hex)))
        (row,) = bank.records()
        at = row.pop("at")
        assert at.endswith("+00:00")
        assert row == {
            "seq": 1,
            "rail": "sepa",
            "reference": "REF-1",
            "payout_id": str(payout),
            "amount": "1234.50",
            "currency": "EUR",
            "account_last4": "3000",
            "state": "booked",
        }

    def test_since_is_exclusive(self, bank: LocalBank) -> None:
        bank.sepa(pain001(Pay("A"), Pay("B"), Pay("C")))
        assert [row["seq"] for row in bank.records(since=1)] == [2, 3]
        assert bank.records(since=3) == []
        assert bank.records(since=99) == []

    def test_a_since_that_is_no_number_is_refused(self, bank: LocalBank) -> None:
        answer = bank.call("GET", "/_sim/records?since=-1", key=None)
        assert (answer.status, answer.json["code"]) == (400, "BAD_REQUEST")

    def test_both_rails_and_both_sepa_banks_write_one_record(self, bank: LocalBank) -> None:
        bank.sepa(pain001(Pay("A")))
        bank.sepa(pain001(Pay("B")), bank="backup")
        bank.ach(nacha(Credit("C")))
        assert [(row["seq"], row["rail"]) for row in bank.records()] == [
            (1, "sepa"),
            (2, "sepa"),
            (3, "ach"),
        ]

    def test_an_instruction_id_that_is_no_uuid_leaves_the_payout_open(
        self, bank: LocalBank
    ) -> None:
        bank.sepa(pain001(Pay("A", instruction="ORDER-7")))
        assert bank.records()[0]["payout_id"] == ""

    def test_no_account_number_is_written_to_disk_or_log(self, process: BankProcess) -> None:
        process.sepa(pain001(Pay("A")))
        process.ach(nacha(Credit("B")))
        process.end()
        written = b"".join(path.read_bytes() for path in process.state_dir.rglob("*.*"))
        assert b"POST /sepa/default/payment-orders 200" in written
        assert b"DE89370400440532013000" not in written
        assert b"123456789012" not in written


class TestCredentials:
    @pytest.mark.parametrize("key", [None, "wrong", ""])
    @pytest.mark.parametrize("path", ["/sepa/default/health", "/ach/default/reports"])
    def test_the_banks_doors_need_the_key(
        self, bank: LocalBank, key: str | None, path: str
    ) -> None:
        answer = bank.call("GET", path, key=key)
        assert (answer.status, answer.json) == (401, {"code": "UNAUTHORIZED"})

    def test_nothing_is_booked_without_the_key(self, bank: LocalBank) -> None:
        answer = bank.call("POST", "/sepa/default/payment-orders", pain001(Pay("A")), key="no")
        assert answer.status == 401
        assert bank.records() == []

    @pytest.mark.parametrize(
        "path", ["/", "/sepa/third/health", "/ach/backup/health", "/sepa/default/files", "/x/y/z"]
    )
    def test_what_does_not_exist_is_404(self, bank: LocalBank, path: str) -> None:
        assert bank.call("GET", path).status == 404

    def test_health_answers(self, bank: LocalBank) -> None:
        for path in ("/sepa/default/health", "/sepa/backup/health", "/ach/default/health"):
            assert bank.call("GET", path).json == {"status": "ok"}


class TestRestart:
    def test_everything_is_as_it_was(self, bank: LocalBank) -> None:
        sepa, ach = pain001(Pay("A"), Pay("B", iban="DE00BAD")), nacha(Credit("C"))
        first = [bank.sepa(sepa).body, bank.ach(ach).body]
        bank.advance(days=5)
        until(lambda: bank.reports() and bank.reports("ach/default"))
        before = (bank.records(), bank.reports(), bank.reports("ach/default"))
        clock = bank.now()
        bank.restart()
        assert (bank.records(), bank.reports(), bank.reports("ach/default")) == before
        assert 0 <= (bank.now() - clock).total_seconds() < 60
        assert [bank.sepa(sepa).body, bank.ach(ach).body] == first
        assert bank.sepa(pain001(Pay("A"), message="OTHER")).status == 200
        assert bank.records() == before[0]

    def test_what_was_due_still_happens(self, bank: LocalBank) -> None:
        returned = "DE56370400440000000701"
        bank.sepa(pain001(Pay("A", iban=returned)))
        bank.restart()
        bank.advance(days=5)
        until(lambda: bank.reports())
        bank.restart()
        bank.advance(days=6)
        until(lambda: ("A", "returned") in bank.states())
        assert len(bank.reports()) == 2

    def test_a_refusal_is_not_forgotten_by_the_account_that_refuses_once(
        self, bank: LocalBank
    ) -> None:
        payout = uuid.uuid4().hex
        once = "DE40370400440000000601"
        bank.sepa(pain001(Pay("A1", iban=once, instruction=payout), message="M1"))
        bank.restart()
        bank.sepa(pain001(Pay("A2", iban=once, instruction=payout), message="M2"))
        assert bank.states() == [("A1", "rejected"), ("A2", "booked")]


class TestJournal:
    def test_a_torn_last_line_is_cut_off(self, bank: LocalBank) -> None:
        bank.sepa(pain001(Pay("A"), message="M1"))
        bank.stop()
        path = bank.state_dir / "bank_simulator" / "journal.jsonl"
        with path.open("ab") as file:
            file.write(b'{"event":"answered","bank":"se')
        bank.port = bank._start()
        bank.sepa(pain001(Pay("B"), message="M2"))
        bank.restart()
        assert bank.states() == [("A", "booked"), ("B", "booked")]

    def test_a_damaged_line_in_the_middle_stops_the_start(self, tmp_path: Path) -> None:
        (tmp_path / "journal.jsonl").write_bytes(b"not json\n{}\n")
        journal = Journal(tmp_path)
        with contextlib.closing(journal), pytest.raises(JournalDamaged):
            list(journal.replay())


@pytest.mark.processes
class TestProcess:
    def test_killed_right_after_the_answer_it_keeps_the_booking(self, process: BankProcess) -> None:
        order = pain001(Pay("A"))
        first = process.sepa(order)
        process.end(signal.SIGKILL)
        process.start()
        assert process.states() == [("A", "booked")]
        assert process.sepa(order).body == first.body
        assert process.states() == [("A", "booked")]

    def test_killed_at_any_point_it_books_once_what_is_sent_until_answered(
        self, process: BankProcess
    ) -> None:
        answered: list[str] = []

        def send_all() -> None:
            for number in range(60):
                order = pain001(Pay(f"REF-{number}"), message=f"MSG-{number}")
                until(partial(self._sent, process, order), seconds=20)
                answered.append(f"REF-{number}")

        def reached(number: int) -> bool:
            return len(answered) >= number

        sender = threading.Thread(target=send_all)
        sender.start()
        for _ in range(4):
            target = min(len(answered) + 8, 60)
            until(partial(reached, target), seconds=20)
            process.end(signal.SIGKILL)
            process.start()
        sender.join(30)
        assert sorted(process.states()) == sorted((reference, "booked") for reference in answered)
        assert len(answered) == 60

    @staticmethod
    def _sent(process: BankProcess, order: bytes) -> bool:
        with contextlib.suppress(OSError):
            return process.sepa(order).status == 200
        return False

    def test_sigterm_ends_it_with_0_while_an_answer_is_held_up(self, process: BankProcess) -> None:
        process.fault("late_answer", seconds=60)
        held = threading.Thread(target=self._sent, args=(process, pain001(Pay("A"))))
        held.start()
        until(process.records)
        assert process.end(signal.SIGTERM) == 0
        held.join(5)
        process.start()
        assert process.states() == [("A", "booked")]

    def test_a_taken_port_is_an_error(self, tmp_path: Path) -> None:
        process = BankProcess(tmp_path)
        other = tmp_path / "other"
        other.mkdir()
        second = BankProcess.__new__(BankProcess)
        second.port, second.state_dir = process.port, other
        second.start()
        assert second.process.wait(10) == 1
        second.log.close()
        process.end()


class TestControl:
    @pytest.mark.parametrize(
        ("body", "status"),
        [
            (b"", 400),
            (b"[]", 400),
            (b"{", 400),
            (b'{"fault": 1}', 400),
            (b'{"rail": "ach"}', 400),
            (b'{"fault": "busy", "probability": 2}', 400),
            (b'{"fault": "busy", "count": 0}', 400),
            (b'{"fault": "busy", "count": true}', 400),
            (b'{"fault": "busy", "seconds": -1}', 400),
            (b'{"fault": "busy", "seconds": NaN}', 400),
            (b'{"fault": "reject", "code": "ac 4"}', 400),
            (b'{"fault": "busy", "colour": "red"}', 400),
            (b'{"fault": "earthquake"}', 422),
            (b'{"fault": "busy", "rail": "pigeon"}', 422),
        ],
    )
    def test_a_fault_that_cannot_be_is_refused(
        self, bank: LocalBank, body: bytes, status: int
    ) -> None:
        answer = bank.call("POST", "/_sim/faults", body, key=None)
        assert answer.status == status
        assert answer.json["code"]
        assert bank.call("GET", "/_sim/faults", key=None).json == []

    def test_faults_are_listed_with_their_hits_until_healed(self, bank: LocalBank) -> None:
        bank.fault("busy", rail="ach", count=2)
        bank.fault("reject", code="AC06")
        bank.ach(nacha(Credit("A")))
        (busy, reject) = bank.call("GET", "/_sim/faults", key=None).json
        assert (busy["rail"], busy["fault"], busy["hits"], busy["active"]) == (
            *("ach", "busy"),
            *(1, True),
        )
        assert (reject["rail"], reject["code"], reject["hits"]) == (None, "AC06", 0)
        assert [fault["fault"] for fault in bank.heal()] == ["busy", "reject"]
        assert bank.call("GET", "/_sim/faults", key=None).json == []

    @pytest.mark.parametrize("value", ["-1", "true", '"5"', "null", "1e400", "99999999999"])
    def test_the_clock_moves_only_forward_and_not_too_far(
        self, bank: LocalBank, value: str
    ) -> None:
        body = f'{{"advance_seconds": {value}}}'.encode()
        assert bank.call("POST", "/_sim/clock", body, key=None).status == 400
        assert bank.call("GET", "/_sim/clock", key=None).json["offset_seconds"] == 0

    def test_the_clock_adds_up(self, bank: LocalBank) -> None:
        bank.advance(hours=1)
        assert bank.advance(seconds=0.5).json["offset_seconds"] == 3600.5

    def test_a_body_that_breaks_off_books_nothing(self, bank: LocalBank) -> None:
        order = pain001(Pay("A"))
        head = (
            f"POST /sepa/default/payment-orders HTTP/1.1\r\nHost: x\r\nContent-Length: {len(order)}"
            "\r\nAuthorization: Bearer sandbox-bank-key\r\n\r\n"
        )
        with socket.create_connection(("127.0.0.1", bank.port)) as raw:
            raw.sendall(head.encode() + order[:-1])
        assert bank.sepa(pain001(Pay("B"), message="M2")).status == 200
        assert bank.states() == [("B", "booked")]

    def test_concurrent_repeats_book_once(self, bank: LocalBank) -> None:
        order, answers = pain001(Pay("A")), []
        threads = [
            threading.Thread(target=lambda: answers.append(bank.sepa(order).body)) for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(answers) == 8
        assert len(set(answers)) == 1
        assert read_statuses(answers[0])["A"][0] == "ACCP"
        assert bank.states() == [("A", "booked")]

    def test_answers_are_json_with_a_code(self, bank: LocalBank) -> None:
        answer = bank.call("GET", "/_sim/nothing", key=None)
        assert (answer.status, json.loads(answer.body)["code"]) == (404, "NOT_FOUND")
