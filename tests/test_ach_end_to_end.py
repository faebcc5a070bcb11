"""ACH through the whole engine: a payout recalled, one that is kept, one whose account is corrected, one for today."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Any

import pytest

from connectors.formats.nacha import read_nacha
from connectors.schemes.ach_dates import ZONE, next_fed_day
from payouts import beneficiaries, clock, creation, invariants, outcomes, poller, recalls
from payouts.models import BankRecall, Payout
from tests.api_client import operator
from tests.world import US_ACCOUNT, World

pytestmark = pytest.mark.django_db


def to(world: World, number: str, **changes: Any) -> Payout:
    """A payout to that account, not yet sent."""
    world.pay_to(number, **{**US_ACCOUNT, "account_number": number})
    return world.create(number, "250.00", **changes)


def days_pass(world: World, payout: Payout, *states: tuple[str, str]) -> None:
    """Let days pass at the bank until status and recall of a payout are among these."""
    for _ in range(8):
        world.bank.advance(days=1)
        end = datetime.now(ZONE) + timedelta(seconds=1.2)
        while datetime.now(ZONE) < end:
            world.work()
            payout.refresh_from_db()
            if (payout.status, payout.recall_status) in states:
                return
    pytest.fail(f"{payout.status}, {payout.recall_status}")


def recall(world: World, payout: Payout) -> None:
    answer = operator(world).post(
        f"/api/payouts/{payout.id}/recall", {"reason": "duplicate", "detail": "Paid twice"}
    )
    assert answer.status == 202, answer.body
    assert recalls.ask_due() == 1
    assert BankRecall.objects.get(payout_id=payout.id).state == "sent"


def test_a_recalled_payout_comes_back_and_the_merchant_has_its_money(sandbox: World) -> None:
    before = sandbox.balance("USD")
    payout = sandbox.settle(to(sandbox, "123456789012"))
    recall(sandbox, payout)
    days_pass(sandbox, payout, ("returned", "returned"))
    assert payout.return_code == "R06"
    assert sandbox.balance("USD") == before
    assert [row["state"] for row in sandbox.bank.records(payout.id)] == ["booked", "returned"]
    assert [verdict.name for verdict in invariants.ask() if verdict.broken] == []


def test_a_recall_that_the_receivers_bank_returns_is_refused_and_the_payout_stays(
    sandbox: World,
) -> None:
    payout = sandbox.settle(to(sandbox, "900000000501"))
    recall(sandbox, payout)
    days_pass(sandbox, payout, ("settled", "refused"))
    assert BankRecall.objects.get(payout_id=payout.id).code == "R02"
    assert [row["state"] for row in sandbox.bank.records(payout.id)] == ["booked"]


def test_the_next_payout_goes_to_what_the_bank_says_the_account_is_now(sandbox: World) -> None:
    payout = sandbox.settle(to(sandbox, "900000000301"))
    assert payout.return_code == ""
    for _ in range(6):
        sandbox.bank.advance(days=1)
        sandbox._work_for(0.6)
    following = sandbox.create("900000000301", "10.00")
    opened = beneficiaries.open_accounts([following.beneficiary_account_id])
    assert opened[following.beneficiary_account_id].details["account_number"] == "123456789012"
    payout.refresh_from_db()
    assert payout.status == "settled"


def test_an_urgent_payout_goes_into_todays_window_and_settles_today(sandbox: World) -> None:
    local = clock.now().astimezone(ZONE)
    morning = datetime.combine(next_fed_day(local.date()), time(9), tzinfo=ZONE)
    sandbox.bank.advance(seconds=(morning - local).total_seconds())
    poller.follow_simulator_clock()
    wish = sandbox.request("us_bank", "250.00", priority="priority")
    (made,) = creation.create_payouts([wish], actor=sandbox.operator)  # Not a merchant's to ask.
    assert isinstance(made, creation.Created), made
    urgent = Payout.objects.get(pk=made.payout_id)
    assert urgent.rail == "ach"
    patient = sandbox.create("us_bank", "10.00")
    sandbox.reach(urgent, "sent")
    sandbox.reach(patient, "sent")
    (attempt,) = sandbox.attempts(urgent)
    body = outcomes.stored_transmission(attempt.transmission_id).body
    dates = {
        entry.individual_id: (batch.effective_on, batch.descriptive_date)
        for batch in read_nacha(body).batches
        for entry in batch.entries
    }
    assert dates[attempt.reference] == (morning.date(), "SD1300")
    sandbox.bank.advance(seconds=4 * 3600)
    sandbox.reach(urgent, "settled")
    assert sandbox.status(patient) == "sent"
