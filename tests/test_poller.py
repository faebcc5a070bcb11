"""The poller: it finds what no doorbell announced, as often as it is told to, and ends when it is told to."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import pytest

from payouts import clock, dispatch, doorbell, poller
from payouts.backoff import RetryPolicy
from payouts.models import Payout
from payouts_project import startup
from tests.world import World


def _intervals() -> dict[str, float]:
    return {duty.name: duty.interval_s for duty in poller.duties()}


def test_it_looks_as_often_as_the_setting_says(settings: Any) -> None:
    for milliseconds in (5000, 300):
        settings.WORKER_POLL_INTERVAL_MS = milliseconds
        assert _intervals()["dispatch"] == milliseconds / 1000
        assert _intervals()["schedule"] <= 1  # What is due at a moment goes at that moment.


def test_as_many_workers_run_as_the_setting_says() -> None:
    environment = {"WORKER_CONCURRENCY": "7", "PORT": "1"}
    (worker,) = [p for p in startup.programs(environment) if p.name == "worker"]
    command = list(worker.command)
    assert command[command.index("-c") + 1] == "7"
    assert worker.stop_seconds >= 25  # A call to a bank may last that long.


@pytest.mark.django_db
def test_what_no_doorbell_announced_is_found(
    sandbox: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doorbell, "_ringer", [])  # Nobody hears a ring.
    due, later = sandbox.create(), sandbox.create(scheduled_at=clock.now() + timedelta(hours=1))
    duties = {duty.name: duty for duty in poller.duties()}
    duties["schedule"].act()
    duties["dispatch"].act()
    assert [sandbox.status(p) for p in (due, later)] == ["sent", "scheduled"]
    Payout.objects.filter(pk=later.pk).update(scheduled_at=clock.now())
    duties["schedule"].act()
    duties["dispatch"].act()
    assert sandbox.status(later) == "sent"


def test_told_to_stop_it_ends_the_duty_at_hand_and_begins_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done: list[str] = []
    stopped: list[bool] = []

    def told_meanwhile() -> None:
        stopped.append(True)
        done.append("at hand")

    monkeypatch.setattr(
        poller,
        "duties",
        lambda: [
            poller.Duty("at hand", 1.0, told_meanwhile),
            poller.Duty("the next", 1.0, lambda: done.append("the next")),
        ],
    )
    poller.run(lambda: bool(stopped))
    assert done == ["at hand"]


def test_a_duty_that_fails_stops_no_other_and_is_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done: list[str] = []

    def fails() -> None:
        done.append("fails")
        raise RuntimeError("on purpose")

    monkeypatch.setattr(poller, "TICK_S", 0.01)
    monkeypatch.setattr(
        poller,
        "duties",
        lambda: [
            poller.Duty("one", 0.0, fails),
            poller.Duty("two", 0.0, lambda: done.append("two")),
        ],
    )
    poller.run(lambda: len(done) >= 4)
    assert done == ["fails", "two", "fails", "two"]


@pytest.mark.django_db
def test_retries_go_in_the_order_of_priority_then_of_their_time(
    sandbox: World, settings: Any
) -> None:
    settings.WORKER_BATCH_SIZE = 1
    slow = RetryPolicy(base_s=3600, factor=2, cap_s=3600)
    settings.RETRY_POLICIES = dict.fromkeys(settings.RETRY_POLICIES, slow)
    payouts = [sandbox.create(priority=p) for p in ("standard", "standard", "instant", "standard")]
    bank = next(line for line in dispatch.banks.lines() if line.id == payouts[0].bank_connector_id)
    Payout.objects.update(bank_connector_id=bank.id, rail=bank.rail)
    sandbox.bank.fault("reject", rail=bank.rail, code="ED05", count=4)
    for _ in payouts:
        claim = dispatch.claim_due(bank)
        assert claim is not None
        dispatch.carry(bank, claim)
    assert {sandbox.status(p) for p in payouts} == {"failed"}
    now = clock.technical_now()
    for payout, seconds in zip(
        payouts, (1, 3, 2, -60), strict=True
    ):  # The last one is not due yet.
        Payout.objects.filter(pk=payout.pk).update(next_retry_at=now - timedelta(seconds=seconds))
    order = []
    while (claim := dispatch.claim_due(bank)) is not None:
        order += claim.payout_ids
        dispatch.carry(bank, claim)
    instant, oldest, younger = payouts[2], payouts[1], payouts[0]
    assert order == [instant.id, oldest.id, younger.id]


@pytest.mark.django_db
def test_f48_rings_that_the_broker_takes_and_nobody_hears_are_worked_on_by_the_poller(
    sandbox: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker whose clock is a day ahead takes every ring for stale and drops it."""
    rings: list[str] = []
    monkeypatch.setattr(doorbell, "_ringer", [lambda queue, delay_s: rings.append(queue)])
    monkeypatch.setattr(poller, "UNHEARD_S", 0.2)
    poller._words.clear()
    due = sandbox.create()
    dispatch_duty = next(duty for duty in poller.duties() if duty.name == "dispatch")
    rings.clear()
    dispatch_duty.act()
    assert (rings, sandbox.status(due)) == (["dispatch"], "pending")  # Somebody may be on the way.
    time.sleep(0.25)
    doorbell.note_heard("dispatch")
    dispatch_duty.act()
    assert (len(rings), sandbox.status(due)) == (2, "pending")  # Heard: it is being worked on.
    time.sleep(0.25)
    dispatch_duty.act()
    assert sandbox.status(due) == "sent"
