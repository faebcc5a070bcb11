"""A bank that answers for some of the orders in a message: each goes its own way, and none is lost."""

from __future__ import annotations

from collections import Counter
from typing import Any

from payouts import creation, dispatch
from payouts.models import BankTransmission, Payout, PayoutAttempt, PayoutHold
from tests.test_faults_outcomes import only_default_sepa
from tests.world import World

CLOSED = "DE08370400440000000401"


def statuses(payouts: list[Payout]) -> Counter[str]:
    found = Payout.objects.filter(pk__in=[payout.pk for payout in payouts])
    return Counter(found.values_list("status", flat=True))


def create(world: World, *kinds: str) -> list[Payout]:
    made = creation.create_payouts(
        [world.request(kind, "1.00") for kind in kinds], actor=world.merchant
    )
    assert all(isinstance(one, creation.Created) for one in made)
    return list(Payout.objects.filter(pk__in=[one.payout_id for one in made]))


def test_of_a_hundred_orders_97_are_sent_and_3_refused_by_code_and_none_is_lost(
    sandbox: World, settings: Any
) -> None:
    only_default_sepa()
    settings.WORKER_BATCH_SIZE = 100
    sandbox.pay_to("closed", iban=CLOSED)
    before = sandbox.balance()
    payouts = create(sandbox, *["iban"] * 97, *["closed"] * 3)
    sandbox.bank.fault("unmentioned", rail="sepa", count=2)
    dispatch.dispatch_due()
    assert BankTransmission.objects.count() == 1
    # What the answer does not speak of is in doubt: neither sent nor failed, its money still held.
    told = statuses(payouts)
    assert (told["in_doubt"], told["failed"], sum(told.values())) == (2, 0, 100)
    assert told["sent"] + told["rejected"] == 98
    doubtful = Payout.objects.filter(pk__in=[p.pk for p in payouts], status="in_doubt")
    holds = PayoutHold.objects.filter(payout__in=doubtful).values_list("status", flat=True)
    assert set(holds) == {"active"}
    sandbox.work_until(lambda: not statuses(payouts)["in_doubt"])
    assert statuses(payouts) == {"sent": 97, "rejected": 3}
    refused = Payout.objects.filter(pk__in=[p.pk for p in payouts], status="rejected")
    assert {payout.last_error_code for payout in refused} == {"AC04"}
    rows = [
        row
        for row in sandbox.bank.call("GET", "/_sim/records")
        if row["payout_id"] in {str(payout.pk) for payout in payouts}
    ]
    assert Counter(row["state"] for row in rows) == {"booked": 97, "rejected": 3}
    assert len({row["reference"] for row in rows}) == 100
    assert PayoutAttempt.objects.filter(payout__in=payouts).count() == 100
    assert sandbox.balance() == (before[0] - 97, 97)
