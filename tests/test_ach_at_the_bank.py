"""ACH, connector and bank together over HTTP: same-day windows, corrected accounts, reversed payments."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from connectors.abilities import Recalls
from connectors.base import (
    ConnectorMisconfigured,
    EventKind,
    Finality,
    InboundDocument,
    Outcome,
    OutcomeKind,
    PayoutInstruction,
    StatusEvent,
    Transmission,
)
from connectors.formats.nacha import read_nacha
from connectors.rails.ach import AchConnector
from connectors.schemes.ach_dates import ZONE as NEW_YORK
from connectors.schemes.ach_dates import next_fed_day
from tests.ach_recalls import recall_order, reversal_of
from tests.bank_simulator_client import Credit, LocalBank, local_bank, nacha, until
from tests.bank_stub import (
    NUMBERS,
    account,
    config,
    instruction,
    transmission,
)

CLOSED, CORRECTED, KEPT, BACK = "900000000401", "900000000301", "900000000501", "900000000701"


class AchAtTheBank:
    """The connector at a bank of its own, whose clock begins at nine in New York on a banking day."""

    def __init__(self, bank: LocalBank) -> None:
        self.bank = bank
        self.files = 0
        self.today = next_fed_day(bank.now().astimezone(NEW_YORK).date())
        self.advance_to(self.today, time(9))

    @property
    def connector(self) -> AchConnector:
        return AchConnector(config("ach", f"http://127.0.0.1:{self.bank.port}"))

    def advance_to(self, day: date, at: time) -> None:
        target = datetime.combine(day, at, tzinfo=NEW_YORK)
        self.bank.advance(seconds=(target - self.bank.now()).total_seconds() + 1)

    def next_day(self) -> date:
        """Move the clock to nine on the next banking day."""
        day = next_fed_day(self.bank.now().astimezone(NEW_YORK).date())
        self.advance_to(day, time(9))
        return day

    def tomorrow(self, payout: PayoutInstruction) -> PayoutInstruction:
        return dataclasses.replace(payout, execution_date=next_fed_day(self.today))

    def send(self, *payouts: PayoutInstruction) -> Transmission:
        """Send payouts for the next banking day."""
        return self.send_dated(*(self.tomorrow(payout) for payout in payouts))

    def send_dated(self, *payouts: PayoutInstruction) -> Transmission:
        """Send payouts for the days that stand on them."""
        numbers = dataclasses.replace(
            NUMBERS,
            created_at=self.bank.now(),
            file_number=self.files,
            first_trace=self.files * 99 + 1,
        )
        self.files += 1
        prepared = self.connector.prepare(payouts, numbers)
        assert prepared.errors == {}
        sent = transmission(prepared, *(payout.reference for payout in payouts))
        outcome = self.connector.submit(sent)
        assert (outcome.kind, outcome.partial) == (OutcomeKind.ACCEPTED, False)
        return sent

    def events(self, kind: EventKind) -> list[StatusEvent]:
        """Everything of that kind that the bank has ever reported."""
        documents: Sequence[InboundDocument] = self.connector.fetch_reports("").documents
        told = [event for document in documents for event in self.connector.parse_report(document)]
        return [event for event in told if event.kind is kind]

    def settled(self) -> set[str]:
        return {event.reference for event in self.events(EventKind.SETTLED)}

    def recall(self, payout: PayoutInstruction, sent: Transmission, **changes: Any) -> Outcome:
        order = recall_order(payout, sent, created_at=self.bank.now())
        return self.connector.recall(dataclasses.replace(order, **changes))


@pytest.fixture
def ach(tmp_path: Path) -> Iterator[AchAtTheBank]:
    with local_bank(tmp_path) as running:
        yield AchAtTheBank(running)


def to(number: str, payout: int = 1, **changes: Any) -> PayoutInstruction:
    details = {**account("ach").details, "account_number": number}
    return instruction("ach", payout, account=account("ach", details=details), **changes)


class TestSameDay:
    def test_what_is_wanted_today_settles_in_its_window_and_the_rest_tomorrow(
        self, ach: AchAtTheBank
    ) -> None:
        urgent = instruction("ach", 1, amount=Decimal("1000000.00"))
        too_much = instruction("ach", 2, amount=Decimal("1000000.01"))
        patient = instruction("ach", 3, execution_date=next_fed_day(ach.today))
        urgent, too_much = (
            dataclasses.replace(payout, execution_date=ach.today) for payout in (urgent, too_much)
        )
        sent = ach.send_dated(urgent, too_much, patient)
        told = [(b.effective_on, b.descriptive_date) for b in read_nacha(sent.body).batches]
        tomorrow = next_fed_day(ach.today)
        assert told == [(ach.today, "SD1300"), (tomorrow, "")]
        ach.advance_to(ach.today, time(12, 59))
        assert ach.settled() == set()
        ach.advance_to(ach.today, time(13, 0))
        assert until(ach.settled) == {urgent.reference}
        assert ach.events(EventKind.SETTLED)[0].value_date == ach.today
        ach.advance_to(tomorrow, time(8, 30))
        everything = {urgent.reference, too_much.reference, patient.reference}
        until(lambda: ach.settled() == everything)

    @pytest.mark.parametrize(
        ("hour", "minute", "cents", "window"),
        [
            (9, 1, 100_000_000, time(13)),
            (10, 15, 100, time(17)),
            (14, 30, 100, time(18)),
            (9, 1, 100_000_001, None),  # Above the cap: as a bank does, on the next day.
            (16, 30, 100, None),  # After the last window.
        ],
    )
    def test_the_bank_settles_what_is_dated_today_in_the_first_open_window(
        self, ach: AchAtTheBank, hour: int, minute: int, cents: int, window: time | None
    ) -> None:
        ach.advance_to(ach.today, time(hour, minute))
        body = nacha(Credit("A", cents=cents), effective=f"{ach.today:%y%m%d}")
        assert ach.bank.ach(body).json["status"] == "accepted"
        ach.advance_to(ach.today, window or time(23, 59))
        if window is None:
            assert ach.settled() == set()
            ach.advance_to(next_fed_day(ach.today), time(8, 30))
        until(lambda: ach.settled() == {"A"})

    def test_the_banks_own_hours_stand_in_the_connections_configuration(self) -> None:
        moment = datetime(2026, 11, 24, 10, 29, tzinfo=NEW_YORK)
        numbers = dataclasses.replace(NUMBERS, created_at=moment)
        payout = instruction("ach", 1, execution_date=moment.date())
        for cutoffs, dates in (
            ([], (24, "SD1300")),
            ([{"window": "*", "lead_minutes": 5}], (24, "SD1700")),
            ([{"window": "*", "offered": False}], (25, "")),
        ):
            connector = AchConnector(config("ach", cutoffs=cutoffs))
            (batch,) = read_nacha(connector.prepare([payout], numbers).body).batches
            assert (batch.effective_on, batch.descriptive_date) == (
                date(2026, 11, dates[0]),
                dates[1],
            )
        with pytest.raises(ConnectorMisconfigured, match="cutoffs"):
            AchConnector(config("ach", cutoffs="soon")).prepare([payout], numbers)


class TestCorrections:
    def test_a_payment_to_an_old_account_settles_and_names_the_new_one(
        self, ach: AchAtTheBank
    ) -> None:
        payout = to(CORRECTED)
        ach.send(payout, instruction("ach", 2))
        ach.next_day()
        until(lambda: len(ach.settled()) == 2)
        assert ach.events(EventKind.CORRECTION) == []
        ach.next_day()
        (event,) = until(lambda: ach.events(EventKind.CORRECTION))
        assert (event.reference, event.code) == (payout.reference, "C01")
        assert event.corrected == {"account_number": "123456789012"}
        assert "123456789012" not in repr(event)
        assert ach.events(EventKind.RETURNED) == []
        assert [row["state"] for row in ach.bank.records()] == ["booked", "booked"]

    def test_a_restarted_bank_does_not_say_it_again(self, ach: AchAtTheBank) -> None:
        ach.send(to(CORRECTED))
        ach.next_day()
        ach.next_day()
        until(lambda: ach.events(EventKind.CORRECTION))
        ach.bank.restart()
        ach.next_day()
        assert len(ach.events(EventKind.CORRECTION)) == 1


class TestReversals:
    def test_a_payment_that_is_asked_back_comes_back(self, ach: AchAtTheBank) -> None:
        payout, other = to("123456789012"), instruction("ach", 2)
        sent = ach.send(payout, other)
        ach.next_day()
        until(lambda: len(ach.settled()) == 2)
        assert ach.recall(payout, sent).kind is OutcomeKind.ACCEPTED
        assert ach.events(EventKind.RETURNED) == []
        ach.next_day()
        (event,) = until(lambda: ach.events(EventKind.RETURNED))
        assert (event.reference, event.code, event.amount) == (
            payout.reference,
            "R06",
            payout.amount,
        )
        states = ach.bank.states()
        assert states[2:] == [(payout.reference, "returned")]

    def test_asked_again_under_its_reference_it_is_reversed_once(self, ach: AchAtTheBank) -> None:
        payout = to("123456789012")
        sent = ach.send(payout)
        ach.next_day()
        until(ach.settled)
        created_at = ach.bank.now()
        ach.bank.fault("cut", rail="ach", count=1)
        assert ach.recall(payout, sent, created_at=created_at).kind is OutcomeKind.UNKNOWN
        ach.bank.restart()
        for _ in range(2):
            assert ach.recall(payout, sent, created_at=created_at).kind is OutcomeKind.ACCEPTED
        ach.next_day()
        until(lambda: ach.events(EventKind.RETURNED))
        ach.next_day()
        assert len(ach.events(EventKind.RETURNED)) == 1
        assert [state for _, state in ach.bank.states()] == ["booked", "returned"]

    def test_before_it_has_settled_it_comes_back_after_it_has(self, ach: AchAtTheBank) -> None:
        payout = to("123456789012")
        sent = ach.send(payout)
        assert ach.recall(payout, sent).kind is OutcomeKind.ACCEPTED
        ach.next_day()
        until(ach.settled)
        ach.next_day()
        until(lambda: ach.events(EventKind.RETURNED))

    def test_a_bank_that_does_not_give_it_back_returns_the_reversal(
        self, ach: AchAtTheBank
    ) -> None:
        payout = to(KEPT)
        sent = ach.send(payout)
        ach.next_day()
        until(ach.settled)
        assert ach.recall(payout, sent).kind is OutcomeKind.ACCEPTED
        ach.next_day()
        (event,) = until(lambda: ach.events(EventKind.RECALL_REFUSED))
        assert (event.reference, event.code) == (payout.reference, "R02")
        assert ach.events(EventKind.RETURNED) == []
        again = ach.recall(payout, sent, reference="000000000000778")
        assert (again.kind, again.code) == (OutcomeKind.REJECTED, "REVERSED_BEFORE")

    def test_what_cannot_be_asked_back_is_refused_at_once(self, ach: AchAtTheBank) -> None:
        payout, back = to("123456789012"), to(BACK, 2)
        sent = ach.send(payout, back)
        unsent = transmission(ach.connector.prepare([to("123456789012", 9)], NUMBERS), f"{9:015d}")
        settled_on = ach.next_day()
        until(lambda: len(ach.settled()) == 2)
        told = {
            "never sent": ach.recall(to("123456789012", 9), unsent),
            "came back": ach.recall(back, sent, reference="000000000000778"),
            "not in the file": ach.recall(to("123456789012", 9), sent),
            "a part of it": ach.recall(payout, sent, amount=Decimal("1.00")),
        }
        day = settled_on
        for _ in range(6):
            day = next_fed_day(day)
        ach.advance_to(day, time(9))
        told["too late"] = ach.recall(payout, sent)
        assert {what: (outcome.kind, outcome.code) for what, outcome in told.items()} == {
            "never sent": (OutcomeKind.REJECTED, "ENTRY_UNKNOWN"),
            "came back": (OutcomeKind.REJECTED, "ENTRY_RETURNED"),
            "not in the file": (OutcomeKind.REJECTED, "payment_unknown"),
            "a part of it": (OutcomeKind.REJECTED, "payment_unknown"),
            "too late": (OutcomeKind.REJECTED, "TOO_LATE"),
        }

    def test_on_the_fifth_banking_day_it_is_not_too_late(self, ach: AchAtTheBank) -> None:
        payout = to("123456789012")
        sent = ach.send(payout)
        day = ach.next_day()
        until(ach.settled)
        for _ in range(5):
            day = next_fed_day(day)
        ach.advance_to(day, time(23, 0))
        assert ach.recall(payout, sent).kind is OutcomeKind.ACCEPTED

    def test_a_bank_that_is_busy_has_reversed_nothing(self, ach: AchAtTheBank) -> None:
        payout = to("123456789012")
        sent = ach.send(payout)
        ach.bank.fault("busy", rail="ach", count=1)
        assert ach.recall(payout, sent).kind is OutcomeKind.NOT_SENT
        assert ach.recall(payout, sent).kind is OutcomeKind.ACCEPTED

    def test_a_reversal_with_a_wrong_control_is_refused(self, ach: AchAtTheBank) -> None:
        payout = to("123456789012")
        sent = ach.send(payout)
        body = reversal_of(payout, sent)
        for old, new in ((b"000000001001", b"000000001002"), (b"REVERSAL", b"REFUND  ")):
            broken = body.replace(old, new)
            answer = ach.bank.call("POST", "/ach/default/reversals", broken).json
            assert (answer["status"], answer["code"]) == ("rejected", "FILE_INVALID")

    def test_the_contract_knows_that_it_can(self) -> None:
        connector = AchConnector(config("ach"))
        can = connector.capabilities()
        assert isinstance(connector, Recalls)
        assert (can.can_recall, can.recall_days) == (True, 5)
        assert (can.finality, can.provisional_days) == (Finality.PROVISIONAL, 2)
