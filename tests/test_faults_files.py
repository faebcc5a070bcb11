"""Files and messages with many payments: accepted in part, or acknowledged to nobody."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from connectors.base import EventKind
from payouts import creation, dispatch, doubt, outcomes
from payouts.banks import Outcome, OutcomeKind, StatusEvent, line_of_key
from payouts.models import BankTransmission, Payout, PayoutHold
from tests.test_faults_outcomes import only_default_sepa
from tests.world import World

CLOSED = "DE08370400440000000401"


def batch(world: World, kinds: list[str]) -> list[Payout]:
    wishes = [world.request(kind, "1.00") for kind in kinds]
    made = creation.create_payouts(wishes, actor=world.merchant)
    return [Payout.objects.get(pk=m.payout_id) for m in made if isinstance(m, creation.Created)]


def statuses(payouts: list[Payout]) -> Counter[str]:
    ids = [payout.pk for payout in payouts]
    return Counter(Payout.objects.filter(pk__in=ids).values_list("status", flat=True))


def booked(world: World, payouts: list[Payout]) -> list[int]:
    """How often the bank booked each."""
    return [
        sum(row["state"] == "booked" for row in world.bank.records(payout.pk)) for payout in payouts
    ]


def test_F57_three_of_a_hundred_are_refused_and_ninety_seven_are_sent(
    sandbox: World, settings: Any
) -> None:
    settings.WORKER_BATCH_SIZE = 100
    only_default_sepa()
    sandbox.pay_to("closed", iban=CLOSED)
    payouts = batch(sandbox, ["closed" if n in (0, 50, 99) else "iban" for n in range(100)])
    dispatch.dispatch_due()
    assert BankTransmission.objects.count() == 1
    assert statuses(payouts) == {"sent": 97, "rejected": 3}
    refused = [payouts[n] for n in (0, 50, 99)]
    for payout in refused:
        assert Payout.objects.get(pk=payout.pk).last_error_code == "AC04"
    holds = PayoutHold.objects.filter(payout__in=payouts)
    assert Counter(holds.values_list("status", flat=True)) == {"active": 97, "reversed": 3}
    assert booked(sandbox, payouts[1:4]) == [1, 1, 1]
    assert booked(sandbox, refused) == [0, 0, 0]


def test_F57_whom_a_partial_answer_does_not_mention_is_in_doubt_and_not_failed(
    sandbox: World, settings: Any
) -> None:
    settings.WORKER_BATCH_SIZE = 100
    only_default_sepa()
    payouts, bank = batch(sandbox, ["iban"] * 3), line_of_key("default:sepa")
    claim = dispatch.claim_due(bank)
    assert claim is not None
    assert dispatch.prepare(bank, claim)
    assert dispatch.begin_call(claim) is not None
    good, bad, silent = (sandbox.attempts(payout)[0].reference for payout in payouts)
    events = [
        StatusEvent(kind=EventKind.ACCEPTED, reference=good),
        StatusEvent(kind=EventKind.REJECTED, reference=bad, code="AC04"),
    ]
    heard = Outcome(kind=OutcomeKind.ACCEPTED, events=events, partial=True)
    outcomes.record_outcome(bank, claim.transmission_id, heard, lease_token=claim.lease_token)
    assert [sandbox.status(payout) for payout in payouts] == ["sent", "rejected", "in_doubt"]
    assert BankTransmission.objects.get().state == "in_doubt"  # And it will be asked about.
    assert PayoutHold.objects.get(payout=payouts[2]).status == "active"
    assert silent


@pytest.mark.parametrize("rail", ["sepa", "ach"])
def test_F58_a_file_that_was_acknowledged_to_nobody_is_found_by_its_name_and_known_when_it_comes_again(
    sandbox: World, settings: Any, rail: str
) -> None:
    settings.WORKER_BATCH_SIZE, settings.FILE_WINDOW_SECONDS = 100, 0
    only_default_sepa()
    sandbox.bank.fault("cut", rail=rail, count=1)
    payouts = batch(sandbox, [{"sepa": "iban", "ach": "us_bank"}[rail]] * 3)
    dispatch.dispatch_due()
    assert statuses(payouts) == {"in_doubt": 3}
    sent = BankTransmission.objects.get()
    again = line_of_key(f"default:{rail}").connector.submit(outcomes.stored_transmission(sent.pk))
    assert again.kind is not OutcomeKind.REJECTED
    assert booked(sandbox, payouts) == [1, 1, 1]
    sandbox.work_until(lambda: statuses(payouts) == {"sent": 3})
    doubt.resolve_in_doubt()
    assert booked(sandbox, payouts) == [1, 1, 1]
    assert [len(sandbox.attempts(payout)) for payout in payouts] == [1, 1, 1]
