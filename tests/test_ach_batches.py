"""A run over ACH: the fewest files that a bank takes, in seconds, and every return finds its payout."""

from __future__ import annotations

import sys
import time
from collections import Counter
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from django.conf import settings as configuration

from payouts import (
    banks,
    batches,
    clock,
    creation,
    dispatch,
    doubt,
    due,
    inbound,
    lifecycle,
    poller,
    schedules,
)
from payouts.models import BankTransmission, Payout, PayoutAttempt
from tests.batch_runs import configured
from tests.world import US_ACCOUNT, World

LIST = 1000  # What one create takes.
BACK_EVERY = 50  # One in so many goes to the account whose payments come back.


class Stopwatch:
    """Seconds by step."""

    def __init__(self) -> None:
        self.steps: dict[str, float] = {}
        self.last = time.monotonic()

    def note(self, step: str) -> None:
        now = time.monotonic()
        self.steps[step], self.last = now - self.last, now

    def __str__(self) -> str:
        return ", ".join(f"{step} {seconds:.1f} s" for step, seconds in self.steps.items())


def create_waiting(world: World, count: int) -> dict[UUID, bool]:
    """So many payouts of a run that has fired; which of them will come back."""
    world.pay_to("back", **{**US_ACCOUNT, "account_number": "900000000701"})
    lifecycle.deposit(
        tenant_id=world.tenant_id,
        currency="USD",
        amount=Decimal(10 * count),
        reference="run",
        actor=world.operator,
    )
    kinds = ["us_bank" if n % BACK_EVERY else "back" for n in range(count)]
    made: dict[UUID, bool] = {}
    for start in range(0, count, LIST):
        part = kinds[start : start + LIST]
        requests = [
            world.request(kind, f"{1 + n % 700 / 100:.2f}", priority="batch")
            for n, kind in enumerate(part)
        ]
        results = creation.create_payouts(requests, actor=world.merchant)
        for kind, result in zip(part, results, strict=True):
            assert isinstance(result, creation.Created), result
            made[result.payout_id] = kind == "back"
    fired = clock.now() - timedelta(minutes=2)
    Payout.objects.filter(id__in=made).update(scheduled_at=fired)
    return made


def count_statuses(made: dict[UUID, bool]) -> Counter[str]:
    return Counter(Payout.objects.filter(id__in=made).values_list("status", flat=True))


def files_of(made: dict[UUID, bool]) -> int:
    attempts = PayoutAttempt.objects.filter(payout_id__in=made)
    return attempts.values("transmission_id").distinct().count()


@pytest.mark.django_db
def test_a_file_waits_for_the_rest_of_a_run_that_is_being_released(
    sandbox: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    configured()
    made = create_waiting(sandbox, 30)
    monkeypatch.setattr(batches, "STEP", 10)
    (fire,) = schedules.due(clock.now())
    for _ in range(3):
        assert batches._step(fire, currency=None, actor=batches.ACTOR) == (10, False)
        time.sleep(2 * configuration.FILE_WINDOW_SECONDS)
        dispatch.dispatch_due()
        assert "sent" not in count_statuses(made)
    assert batches.run_due(clock.now()) == 0  # Nothing is left: the run is released.
    dispatch.dispatch_due()
    assert (count_statuses(made), files_of(made)) == ({"sent": 30}, 1)


@pytest.mark.django_db
def test_a_file_does_not_wait_for_ever_for_a_run_that_nobody_ends(
    sandbox: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    configured()
    made = create_waiting(sandbox, 3)
    (fire,) = schedules.due(clock.now())
    batches._step(fire, currency=None, actor=batches.ACTOR)
    time.sleep(2 * configuration.FILE_WINDOW_SECONDS)
    dispatch.dispatch_due()
    assert count_statuses(made) == {"pending": 3}
    monkeypatch.setattr(due, "RUN_WAIT_S", 0)
    dispatch.dispatch_due()
    assert count_statuses(made) == {"sent": 3}


@pytest.mark.django_db
def test_a_large_file_has_as_much_longer_to_be_built(
    sandbox: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    configured()
    made = create_waiting(sandbox, 20)
    batches.run_due(clock.now())
    time.sleep(2 * configuration.FILE_WINDOW_SECONDS)
    monkeypatch.setattr(dispatch, "PREPARE_S", 10)
    (bank,) = [bank for bank in banks.lines() if bank.rail == "ach"]
    claim = dispatch.claim_due(bank)
    assert claim is not None
    assert set(claim.payout_ids) == set(made)
    lease_until = BankTransmission.objects.get(pk=claim.transmission_id).lease_until
    assert lease_until is not None
    left_s = (lease_until - clock.technical_now()).total_seconds()
    assert configuration.LEASE_S + 190 < left_s < configuration.LEASE_S + 201


@pytest.mark.django_db
@pytest.mark.parametrize("count", [500, pytest.param(10_000, marks=pytest.mark.long)])
def test_a_run_is_one_file_and_its_returns_find_their_payouts(
    sandbox: World, count: int, settings: Any
) -> None:
    settings.CALL_DEADLINE_S, settings.LEASE_S = 4, 10  # As in the sandbox.
    configured()
    watch = Stopwatch()
    made = create_waiting(sandbox, count)
    watch.note("created")
    assert batches.run_due(clock.now()) == count
    watch.note("released")
    deadline = time.monotonic() + 120
    while count_statuses(made) != {"sent": count}:
        assert time.monotonic() < deadline, count_statuses(made)
        dispatch.dispatch_due()
        doubt.recover_expired()
    watch.note("sent")
    files = files_of(made)

    back = sum(made.values())
    for _ in range(8):
        sandbox.bank.advance(days=1)
        poller.follow_simulator_clock()
        time.sleep(0.2)
        inbound.poll_reports()
        if count_statuses(made) == {"settled": count - back, "returned": back}:
            break
    watch.note("settled and returned")
    sys.stdout.write(f"\n{count} payouts, {files} file(s): {watch}\n")

    assert files == 1
    assert count_statuses(made) == {"settled": count - back, "returned": back}
    returned = Payout.objects.filter(id__in=made, status="returned")
    assert {p.id for p in returned} == {key for key, comes_back in made.items() if comes_back}
    assert {p.return_code for p in returned} == {"R03"}
    booked = Counter(
        row["payout_id"]
        for row in sandbox.bank.call("GET", "/_sim/records")
        if row["state"] == "booked"
    )
    assert [booked[str(key)] for key in made] == [1] * count
