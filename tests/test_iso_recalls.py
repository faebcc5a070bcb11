"""SEPA, wire and RTP ask for money back, held against the bank: accepted, refused, and asked once however often."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

import pytest

from connectors.abilities import RecallOrder, RecallReason, Recalls
from connectors.base import (
    Connector,
    EventKind,
    OutcomeKind,
    PayoutInstruction,
    StatusEvent,
    Transmission,
)
from connectors.registry import build
from connectors.schemes.reasons import is_duplicate
from tests.bank_simulator_client import LocalBank, assert_valid, local_bank, until
from tests.bank_stub import NUMBERS, account, config, instruction, transmission

ISO = ("rtp", "sepa", "sepa_instant", "wire")
every = pytest.mark.parametrize("driver", ISO)

US = {"routing_number": "021000021", "account_type": "checking"}
# driver -> an account whose holder does not give money back, and the code that says so.
REFUSES = {
    "sepa": ({"iban": "DE24370400440000000501"}, "CUST"),
    "sepa_instant": ({"iban": "DE24370400440000000501"}, "CUST"),
    "wire": ({**US, "account_number": "900000000501"}, "CUST"),
    "rtp": ({**US, "account_number": "900000000501"}, "CUST"),
}
_numbers = count(1)


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalBank]:
    with local_bank(tmp_path_factory.mktemp("bank")) as running:
        yield running


@dataclass
class Paid:
    """A payment that a bank carried out."""

    bank: LocalBank
    connector: Connector
    sent: Transmission
    payout: PayoutInstruction

    def events(self) -> list[StatusEvent]:
        """What every report says about it so far."""
        page = self.connector.fetch_reports("")
        assert not page.more
        told = [
            event for document in page.documents for event in self.connector.parse_report(document)
        ]
        return [event for event in told if event.reference == self.payout.reference]

    def kinds(self) -> list[EventKind]:
        return [event.kind for event in self.events()]

    def states(self) -> list[str]:
        rows = self.bank.records()
        return [row["state"] for row in rows if row["payout_id"] == str(self.payout.payout_id)]

    def recall(self, **changes: Any) -> Any:
        """Ask for it back."""
        order = self.order(**changes)
        assert isinstance(self.connector, Recalls)
        return self.connector.recall(order)

    def order(self, **changes: Any) -> RecallOrder:
        plain: dict[str, Any] = {
            "reference": f"RCL{self.payout.reference[-20:].replace('-', '')}",
            "payment_reference": self.payout.reference,
            "transmission": self.sent,
            "bank_reference": "",
            "amount": self.payout.amount,
            "currency": self.payout.currency,
            "reason": RecallReason.DUPLICATE,
            "detail": "it was paid twice",
            "created_at": NUMBERS.created_at,
        }
        return RecallOrder(**{**plain, **changes})


def connector_at(bank: LocalBank, driver: str) -> Connector:
    return build(driver, config(driver, f"http://127.0.0.1:{bank.port}"))


def pay(bank: LocalBank, driver: str, details: dict[str, str] | None = None) -> Paid:
    number, now = next(_numbers), bank.now()
    connector = connector_at(bank, driver)
    to = account(driver, details=details) if details else account(driver)
    payout = instruction(driver, 7000 + number, account=to, execution_date=now.date())
    numbers = dataclasses.replace(
        NUMBERS, file_number=number % 36, first_trace=number, created_at=now
    )
    sent = transmission(connector.prepare([payout], numbers), payout.reference)
    assert connector.submit(sent).kind is OutcomeKind.ACCEPTED
    return Paid(bank, connector, sent, payout)


def settle(bank: LocalBank, driver: str, details: dict[str, str] | None = None) -> Paid:
    paid = pay(bank, driver, details)
    for _ in range(6):
        if EventKind.SETTLED in paid.kinds():
            return paid
        bank.advance(days=1)
        until(lambda: paid.kinds() or True)
    until(lambda: EventKind.SETTLED in paid.kinds())
    return paid


@every
def test_money_that_is_given_back_returns_once_however_often_it_is_asked_for(
    bank: LocalBank, driver: str
) -> None:
    paid = settle(bank, driver)
    first = paid.recall()
    assert first.kind is OutcomeKind.ACCEPTED
    assert paid.recall().kind is OutcomeKind.ACCEPTED
    until(lambda: EventKind.RETURNED in paid.kinds())
    assert paid.recall().kind is OutcomeKind.ACCEPTED
    assert paid.states() == ["booked", "returned"]
    assert paid.kinds().count(EventKind.RETURNED) == 1
    (said,) = [event for event in paid.events() if event.kind is EventKind.RECALL_ACCEPTED]
    assert said.transmission_reference == paid.order().reference
    (returned,) = [event for event in paid.events() if event.kind is EventKind.RETURNED]
    assert (returned.code, returned.amount) == ("FOCR", paid.payout.amount)


@every
def test_a_receiver_may_refuse_and_says_why(bank: LocalBank, driver: str) -> None:
    details, code = REFUSES[driver]
    paid = settle(bank, driver, details)
    outcome = paid.recall()
    assert outcome.kind is OutcomeKind.ACCEPTED
    until(lambda: EventKind.RECALL_REFUSED in paid.kinds())
    (refused,) = [event for event in paid.events() if event.kind is EventKind.RECALL_REFUSED]
    assert (refused.code, refused.transmission_reference) == (code, paid.order().reference)
    assert paid.states() == ["booked"]
    assert EventKind.RETURNED not in paid.kinds()


@every
def test_an_answer_that_is_lost_is_asked_for_again_under_the_same_name(
    bank: LocalBank, driver: str
) -> None:
    paid = settle(bank, driver)
    bank.fault("cut", rail=paid.connector.capabilities().rail, count=1)
    try:
        lost = paid.recall()
        assert bank.hits() == [1]
    finally:
        bank.heal()
    assert lost.kind is OutcomeKind.UNKNOWN
    assert paid.recall().kind is OutcomeKind.ACCEPTED
    until(lambda: EventKind.RETURNED in paid.kinds())
    assert paid.states() == ["booked", "returned"]


@every
def test_what_was_never_paid_cannot_be_asked_back(bank: LocalBank, driver: str) -> None:
    paid = pay(bank, driver)
    unknown = instruction(driver, 999_999).reference
    outcome = paid.recall(payment_reference=unknown, reference="RCLNEVER")
    assert outcome.kind is OutcomeKind.REJECTED
    assert paid.states() == ["booked"]


@every
@pytest.mark.parametrize(
    ("what", "changes", "code"),
    [
        ("another amount", {"amount": Decimal("0.01")}, "NOOR"),
        ("another currency", {"currency": "SEK"}, "NOOR"),
    ],
)
def test_a_recall_that_is_not_about_its_payment_is_refused(
    bank: LocalBank, driver: str, what: str, changes: dict[str, Any], code: str
) -> None:
    paid = pay(bank, driver)
    outcome = paid.recall(**changes)
    assert (outcome.kind, outcome.code) == (OutcomeKind.REJECTED, code), what


@every
def test_a_payment_is_asked_back_by_one_case_at_a_time(bank: LocalBank, driver: str) -> None:
    paid = settle(bank, driver)
    assert paid.recall().kind is OutcomeKind.ACCEPTED
    other = paid.recall(reference="RCLOTHER")
    assert (other.kind, other.code) == (OutcomeKind.REJECTED, "ARDT")
    same_name = paid.recall(reason=RecallReason.FRAUD)
    assert same_name.kind is OutcomeKind.REJECTED
    assert is_duplicate(same_name.code)


def test_a_receiver_that_never_answers_leaves_the_recall_open(bank: LocalBank) -> None:
    paid = settle(bank, "sepa", {"iban": "DE45370400440000000511"})
    assert paid.recall().kind is OutcomeKind.ACCEPTED
    other = settle(bank, "sepa")
    assert other.recall().kind is OutcomeKind.ACCEPTED
    until(lambda: EventKind.RETURNED in other.kinds())  # Decided later than the first would be.
    assert not {EventKind.RECALL_ACCEPTED, EventKind.RECALL_REFUSED} & set(paid.kinds())


def test_a_recall_survives_a_restart_of_the_bank(bank: LocalBank) -> None:
    paid = settle(bank, "sepa")
    assert paid.recall().kind is OutcomeKind.ACCEPTED
    bank.restart()
    paid.connector = connector_at(bank, "sepa")
    until(lambda: EventKind.RETURNED in paid.kinds())
    assert paid.recall().kind is OutcomeKind.ACCEPTED
    assert paid.states() == ["booked", "returned"]


def test_every_answer_to_a_recall_is_valid_by_the_official_schema(bank: LocalBank) -> None:
    documents = [
        document
        for name in ("sepa/default", "rtp/default", "wire/default")
        for _, kind, document in bank.reports(name, limit=1000)
        if kind.startswith("camt.029")
    ]
    assert len(documents) >= 6
    paid = pay(bank, "sepa")
    documents += [paid.recall().document, paid.recall(reference="RCLX").document]
    for document in documents:
        assert_valid(document)


def test_the_names_of_recalls_fit_whatever_they_are_drawn_from(bank: LocalBank) -> None:
    paid = settle(bank, "sepa")
    uuid = "0193a5c7-8a50-7cc0-8123-0123456789ab"
    assert paid.recall(reference=uuid, created_at=moment()).kind is OutcomeKind.ACCEPTED
    assert paid.recall(reference=uuid, created_at=moment()).kind is OutcomeKind.ACCEPTED


def moment() -> datetime:
    return NUMBERS.created_at + timedelta(days=1)


# Executed on a Monday: ten banking days later is the Monday two weeks on, unless a holiday is between.
@pytest.mark.parametrize(
    ("reason", "days", "kind"),
    [
        (RecallReason.DUPLICATE, 13, OutcomeKind.ACCEPTED),
        (RecallReason.TECHNICAL, 24, OutcomeKind.REJECTED),
        (RecallReason.FRAUD, 24, OutcomeKind.ACCEPTED),
        (RecallReason.CUSTOMER, 420, OutcomeKind.REJECTED),
    ],
)
def test_a_recall_comes_in_time_for_its_reason(
    bank: LocalBank, reason: RecallReason, days: int, kind: OutcomeKind
) -> None:
    paid = settle(bank, "sepa")
    bank.advance(days=days)
    outcome = paid.recall(reason=reason)
    assert (outcome.kind, outcome.code) == (
        kind,
        "TOO_LATE" if kind is OutcomeKind.REJECTED else "",
    )
