"""Sequences that once paid twice, refunded what was paid, or left a payout waiting for ever."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection

from connectors.base import EventKind, StatusEvent
from connectors.rails.ach import AchConnector
from connectors.rails.sepa import SepaConnector
from payouts import alerts, banks, dispatch, doubt, inbound, lifecycle, outcomes
from payouts.banks import Outcome, OutcomeKind
from payouts.models import BankTransmission, PayoutAlert
from tests.test_dispatch import _rename, booked, expire_leases, sepa
from tests.test_evidence import killed_during_the_call, say
from tests.world import IBAN, World


def due_now() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE payouts SET next_retry_at = clock_timestamp() WHERE status = 'failed'"
        )


def spin(seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        dispatch.dispatch_due()
        doubt.recover_expired()
        doubt.resolve_in_doubt()
        time.sleep(0.05)


@pytest.mark.parametrize(("reaction", "bookings"), [("refuse", 0), ("retry", 1)])
def test_an_order_refused_meanwhile_is_never_sent_again(
    sandbox: World, reaction: str, bookings: int
) -> None:
    payout, _ = killed_during_the_call(sandbox)
    expire_leases()
    doubt.recover_expired()
    say(sandbox, payout, "rejected", reaction=reaction, code="AC04")
    due_now()
    spin(3)
    assert len(booked(sandbox, payout)) == bookings


def test_an_order_reported_as_settled_is_never_sent_again(sandbox: World) -> None:
    payout, claim = killed_during_the_call(sandbox)
    say(sandbox, payout, "settled")
    expire_leases()
    spin(2)
    transmission = BankTransmission.objects.get(pk=claim.transmission_id)
    assert (transmission.state, transmission.sends) == ("answered", 1)
    assert sandbox.status(payout) == "settled"


@pytest.mark.parametrize("then", ["retry", "cancel"])
def test_settled_outranks_refused_whatever_comes_next(sandbox: World, then: str) -> None:
    payout = sandbox.create()
    dispatch.dispatch_due()
    say(sandbox, payout, "rejected", reaction="retry", code="ED05")
    say(sandbox, payout, "settled")
    assert sandbox.status(payout) == "settled"
    due_now()
    if then == "cancel":
        (result,) = lifecycle.cancel_payouts(
            [payout.id], actor=sandbox.operator, reason="x", tenant_id=sandbox.tenant_id
        )
        assert isinstance(result, lifecycle.Refused)
    spin(0.5)
    assert len(sandbox.attempts(payout)) == 1
    assert sandbox.balance() == (Decimal(9900), Decimal(0))


@pytest.mark.parametrize("by_report", [False, True])
def test_an_order_left_out_of_a_message_is_not_accepted_with_it(
    sandbox: World, monkeypatch: pytest.MonkeyPatch, by_report: bool
) -> None:
    monkeypatch.setattr(SepaConnector, "submit", lambda s, t: Outcome(kind=OutcomeKind.ACCEPTED))
    good = sandbox.create()
    sandbox.pay_to("bad", iban=IBAN)
    bad = sandbox.create("bad")
    _rename(sandbox.accounts["bad"][1], "")
    dispatch.dispatch_due()
    if by_report:
        reference = BankTransmission.objects.get().reference or ""
        event = StatusEvent(kind=EventKind.ACCEPTED, transmission_reference=reference)
        (statement,) = inbound.statements_of_events(sepa(), [event], source_key="x")
        assert statement.reference == sandbox.attempts(good)[0].reference
    assert (sandbox.status(good), sandbox.status(bad)) == ("sent", "dlq")
    assert sandbox.attempts(bad)[0].state == "not_sent"


def test_other_money_for_an_order_believed_unsent_closes_retry_and_cancel(
    sandbox: World, settings: Any
) -> None:
    settings.BANK_URL = "http://127.0.0.1:1"
    payout = sandbox.create()
    dispatch.dispatch_due()
    say(sandbox, payout, "settled", amount=Decimal("99.00"), currency="EUR")
    assert sandbox.status(payout) == "dlq"
    for verb in (lifecycle.cancel_payouts, lifecycle.retry_payouts):
        (result,) = verb(
            [payout.id], actor=sandbox.operator, reason="x", tenant_id=sandbox.tenant_id
        )
        assert not isinstance(result, lifecycle.Done)
    assert sandbox.balance() == (Decimal(9900), Decimal(100))


def test_no_answer_about_an_old_attempt_says_nothing_about_the_new_one(sandbox: World) -> None:
    payout, first = killed_during_the_call(sandbox)
    silence = Outcome(kind=OutcomeKind.UNKNOWN, code="timeout")
    say(sandbox, payout, "rejected", reaction="retry", code="ED05")
    due_now()
    outcomes.record_outcome(sepa(), first.transmission_id, silence, lease_token=first.lease_token)
    assert sandbox.status(payout) == "failed"
    second = dispatch.claim_due(sepa())
    assert second is not None
    outcomes.record_outcome(sepa(), first.transmission_id, silence, lease_token=first.lease_token)
    assert sandbox.status(payout) == "processing"
    expire_leases()
    spin(2)
    assert sandbox.status(payout) in ("sent", "settled")
    assert len(booked(sandbox, payout)) == 1


def test_an_answer_with_a_nul_is_an_answer(sandbox: World, monkeypatch: pytest.MonkeyPatch) -> None:
    odd = Outcome(kind=OutcomeKind.ACCEPTED, detail="ok\x00\ud800", bank_reference="b\x00")
    monkeypatch.setattr(AchConnector, "submit", lambda s, t: odd)
    payout = sandbox.create("us_bank")
    sandbox.reach(payout, "sent")


def test_an_answer_that_breaks_us_still_reaches_a_person(
    sandbox: World, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.INQUIRY_HORIZON_S = 0
    payout, _ = killed_during_the_call(sandbox)
    expire_leases()
    monkeypatch.setattr(outcomes, "record_outcome", lambda *a, **k: 1 / 0)
    monkeypatch.setattr(SepaConnector, "inquire", lambda s, t: Outcome(kind=OutcomeKind.ACCEPTED))
    spin(1)
    assert sandbox.status(payout) == "dlq"


def test_payment_of_a_payout_that_waits_for_its_retry_settles_it_and_blocks_nobody(
    sandbox: World, settings: Any
) -> None:
    settings.WORKER_BATCH_SIZE = 1
    sandbox.pay_to("bad", iban=IBAN)
    bad = sandbox.create("bad")
    _rename(sandbox.accounts["bad"][1], "")
    dispatch.dispatch_due()
    assert sandbox.status(bad) == "dlq"
    lifecycle.retry_payouts(
        [bad.id], actor=sandbox.operator, reason="x", tenant_id=sandbox.tenant_id
    )
    say(sandbox, bad, "settled")
    good = sandbox.create()
    dispatch.dispatch_due()
    assert (sandbox.status(bad), sandbox.status(good)) == ("settled", "sent")


def test_a_bank_that_cannot_be_used_stops_only_itself(sandbox: World) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE bank_connectors SET credentials = '\\x00' WHERE rail = 'ach'")
    payout = sandbox.create()
    dispatch.dispatch_due()
    inbound.poll_reports()
    assert sandbox.status(payout) == "sent"
    alerts.sweep("connector_down")
    assert PayoutAlert.objects.get(alert_type="connector_down").message.startswith("default:ach")


def test_an_account_that_does_not_open_waits_and_takes_nobody_along(sandbox: World) -> None:
    sandbox.pay_to("closed", iban=IBAN)
    good, closed = sandbox.create(), sandbox.create("closed")
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE beneficiary_accounts SET details = '\\x00' WHERE id = %s",
            [sandbox.accounts["closed"][1]],
        )
    dispatch.dispatch_due()
    assert (sandbox.status(good), sandbox.status(closed)) == ("sent", "failed")


def test_a_bank_long_away_does_not_make_one_lost_worker_a_poison(
    sandbox: World, settings: Any
) -> None:
    settings.BREAKER_FAILURES = 99  # What would leave it alone is another subject.
    url, settings.BANK_URL = settings.BANK_URL, "http://127.0.0.1:1"
    payout = sandbox.create()
    for _ in range(8):
        dispatch.dispatch_due()
        due_now()
    settings.BANK_URL = url
    assert dispatch.claim_due(sepa()) is not None
    expire_leases()
    doubt.recover_expired()
    assert sandbox.status(payout) == "failed"


def test_what_kills_every_worker_reaches_a_person(sandbox: World) -> None:
    payout = sandbox.create()
    for _ in range(8):
        due_now()
        assert dispatch.claim_due(sepa()) is not None
        expire_leases()
        doubt.recover_expired()
    assert sandbox.status(payout) == "dlq"


def test_a_pause_acts_before_the_next_message(sandbox: World, settings: Any) -> None:
    settings.WORKER_BATCH_SIZE = 1
    payouts = [sandbox.create() for _ in range(3)]
    inbound.poll_reports()  # Makes the row that the workbench pauses.
    told: list[banks.Transmission] = []
    submit = SepaConnector.submit

    def pausing(self: SepaConnector, transmission: banks.Transmission) -> Outcome:
        told.append(transmission)
        with connection.cursor() as cursor:
            cursor.execute("UPDATE bank_connector_state SET paused = true")
        return submit(self, transmission)

    SepaConnector.submit = pausing  # type: ignore[method-assign]
    try:
        dispatch.dispatch_due()
    finally:
        SepaConnector.submit = submit  # type: ignore[method-assign]
    assert len(told) == 1
    assert sorted(sandbox.status(p) for p in payouts) == ["pending", "pending", "sent"]
