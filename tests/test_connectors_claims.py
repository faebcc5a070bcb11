"""What each connector claims of its bank, held against the bank: repetitions, inquiries, "busy" before booking.

One suite for every driver, over real HTTP. What is claimed decides what the engine dares (`payouts.doubt`).
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from http import HTTPStatus
from uuid import UUID, uuid4

import pytest

from connectors.abilities import RecallOrder, RecallReason
from connectors.base import Dedup, Outcome, OutcomeKind, PayoutInstruction, Transmission
from connectors.registry import CONNECTORS
from payouts import banks, clock, deadlines, recalls
from payouts.banks import BankLine
from tests.bank_stub import ASKS_BY_POST, account, transmission
from tests.world import World

pytestmark = pytest.mark.parametrize("driver", sorted(CONNECTORS))


def line_of(driver: str) -> BankLine:
    return next(bank for bank in banks.lines() if bank.driver == driver)


def order(bank: BankLine, payout_id: UUID) -> Transmission:
    """A message with one order, as the engine would store it."""
    moment = clock.now()
    to = account(bank.driver)
    (day,) = deadlines.execution_dates(bank, moment, [(Decimal(1000), "standard")])
    (reference,) = banks.draw_references(bank, 1)
    instruction = PayoutInstruction(
        payout_id=payout_id, reference=reference, amount=Decimal(1000), currency=to.currency, account=to,
        description="Claims", execution_date=day,
    )  # fmt: skip
    prepared = banks.prepare(bank, [instruction], moment=moment)
    assert prepared.errors == {}
    return transmission(prepared, reference)


def has_it(outcome: Outcome) -> bool:
    """Whether an answer says that the bank has the order."""
    kinds = {event.kind.value for event in outcome.events}
    return outcome.kind is OutcomeKind.ACCEPTED or bool(kinds & {"accepted", "settled"})


def bookings(world: World, payout_id: UUID) -> int:
    return len([row for row in world.bank.records(payout_id) if row["state"] == "booked"])


def test_the_same_bytes_twice_are_one_booking_if_that_is_claimed(
    sandbox: World, driver: str
) -> None:
    bank, payout_id = line_of(driver), uuid4()
    message = order(bank, payout_id)
    assert has_it(bank.connector.submit(message))
    assert bookings(sandbox, payout_id) == 1
    again = bank.connector.submit(message)
    claimed = bank.capabilities.dedup is not Dedup.NONE
    assert bookings(sandbox, payout_id) == (1 if claimed else 2)
    # A repetition is never taken for a refusal.
    assert again.kind is not OutcomeKind.REJECTED
    if bank.capabilities.dedup is Dedup.WINDOW:
        assert bank.capabilities.dedup_window is not None
        assert bank.capabilities.dedup_window > timedelta(hours=1)  # More than the engine's margin.
    before = bookings(sandbox, payout_id)
    sandbox.bank.fault("no_dedup", rail=bank.rail)  # This suite would see a bank that forgets.
    bank.connector.submit(message)
    assert bookings(sandbox, payout_id) == before + 1


def test_an_order_is_found_under_our_reference_if_that_is_claimed(
    sandbox: World, driver: str
) -> None:
    bank, payout_id = line_of(driver), uuid4()
    message = order(bank, payout_id)
    assert bank.capabilities.can_inquire
    if driver in ASKS_BY_POST:  # Found by the call that follows: tests/test_bank_callbacks.py.
        assert bank.connector.inquire(message).code == "asked"
        return
    assert bank.connector.inquire(message).kind is OutcomeKind.NOT_FOUND
    sandbox.bank.fault("cut", rail=bank.rail, count=1)
    assert bank.connector.submit(message).kind is OutcomeKind.UNKNOWN
    assert bookings(sandbox, payout_id) == 1
    assert has_it(bank.connector.inquire(message))


def test_busy_is_said_before_anything_is_booked_if_that_is_claimed(
    sandbox: World, driver: str
) -> None:
    bank, payout_id = line_of(driver), uuid4()
    message = order(bank, payout_id)
    sandbox.bank.fault("busy", rail=bank.rail, count=1)
    outcome = bank.connector.submit(message)
    claimed = HTTPStatus.SERVICE_UNAVAILABLE in bank.capabilities.refuses_before_booking
    assert outcome.kind is (OutcomeKind.NOT_SENT if claimed else OutcomeKind.UNKNOWN)
    assert bookings(sandbox, payout_id) == 0
    assert not has_it(bank.connector.inquire(message))
    assert has_it(bank.connector.submit(message))  # The same bytes, a moment later.
    assert bookings(sandbox, payout_id) == 1
    # What is settled is final, or has a day on which it becomes so.
    today = clock.now().date()
    final = deadlines.end_of_return_window(bank, today)
    assert final is None if bank.capabilities.provisional_days == 0 else final and final > today


def test_money_is_asked_back_once_under_one_reference_if_that_is_claimed(
    sandbox: World, driver: str
) -> None:
    bank, payout_id = line_of(driver), uuid4()
    able = bank.capabilities
    assert not able.can_recall or hasattr(CONNECTORS[driver], "recall")
    assert (able.recall_days > 0) == able.can_recall
    if not able.can_recall:
        return
    message = order(bank, payout_id)
    sent = bank.connector.submit(message)
    (reference,) = message.instruction_references
    named = [event.bank_reference for event in sent.events if event.reference == reference]
    recall = RecallOrder(
        reference=recalls.draw_reference(), payment_reference=reference, transmission=message,
        bank_reference=next(iter(named), sent.bank_reference), amount=Decimal(1000),
        currency=account(driver).currency, reason=RecallReason.FRAUD, detail="Claims", created_at=clock.now(),
    )  # fmt: skip
    sandbox.bank.fault("busy", rail=bank.rail, count=1)
    assert banks.recall(bank, recall).kind in (OutcomeKind.NOT_SENT, OutcomeKind.UNKNOWN)
    assert banks.recall(bank, recall).kind is OutcomeKind.ACCEPTED
    assert banks.recall(bank, recall).kind is OutcomeKind.ACCEPTED
    back = [row for row in sandbox.bank.records(payout_id) if row["state"] == "returned"]
    assert len(back) <= 1
