"""Another bank takes over only where nothing can be paid twice."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection

from payouts import banks, dispatch, doubt, failover
from payouts.models import BankTransmission, Payout, PayoutAuditLog, RoutingDecision
from tests.test_breaker import NOWHERE, due_now, health, run
from tests.test_dispatch import booked, expire_leases, sepa
from tests.world import World


@pytest.fixture
def down(sandbox: World, settings: Any) -> World:
    """`default` refuses every connection, `backup` works; no other rail carries SEPA money."""
    run("UPDATE bank_connectors SET enabled = false WHERE rail = 'sepa_instant'")
    settings.BREAKER_FAILURES, settings.BREAKER_PAUSE_S = 2, 60
    settings.BANK_URLS = {"sepa_default": NOWHERE}
    return sandbox


def open_breaker() -> None:
    """As it would open by failed health checks."""
    for _ in range(2):
        banks.check_banks()
    assert health().breaker == "open"


def connector(payout: Payout) -> str:
    return banks.line(Payout.objects.get(pk=payout.pk).bank_connector_id).key


def test_what_was_never_sent_goes_to_the_backup(down: World) -> None:
    payout = down.create()
    promised = Payout.objects.get(pk=payout.pk).sla_target_at
    open_breaker()
    dispatch.dispatch_due()
    now = Payout.objects.get(pk=payout.pk)
    assert (connector(payout), now.status) == ("backup:sepa", "sent")
    assert now.sla_target_at == promised
    (attempt,) = down.attempts(payout)
    assert [r["reference"] for r in booked(down, payout)] == [attempt.reference]
    first, second = RoutingDecision.objects.filter(payout_id=payout.id).order_by("id")
    assert (first.reason.split(":")[0], second.id) == ("default", now.routing_decision_id)
    row = PayoutAuditLog.objects.get(payout_id=payout.id, action="payout.rerouted")
    assert row.data == {"from": "default:sepa", "to": "backup:sepa"}


def test_an_attempt_that_certainly_never_left_gets_a_new_reference_at_the_backup(
    down: World,
) -> None:
    payout = down.create()
    for _ in range(3):
        dispatch.dispatch_due()
        due_now()
    never, taken = down.attempts(payout)
    assert (never.state, never.connector) == ("not_sent", "default")
    assert (taken.state, taken.connector) == ("accepted", "backup")
    assert never.reference != taken.reference
    assert [r["reference"] for r in booked(down, payout)] == [taken.reference]


@pytest.mark.parametrize("fault", ["late_answer", "late_booking", "cut", "garbage"])
def test_what_may_be_at_a_bank_never_goes_to_another(
    sandbox: World, settings: Any, fault: str
) -> None:
    run("UPDATE bank_connectors SET enabled = false WHERE rail = 'sepa_instant'")
    settings.BREAKER_FAILURES, settings.BREAKER_PAUSE_S, settings.CALL_DEADLINE_S = 1, 60, 0.3
    sandbox.bank.fault(fault, rail="sepa", count=1, seconds=0.8)
    payout = sandbox.create()
    dispatch.dispatch_due()
    assert (sandbox.status(payout), health().breaker) == ("in_doubt", "open")
    settings.BANK_URLS = {"sepa_default": NOWHERE}  # And now it cannot even be asked.
    for _ in range(5):
        sandbox.work()
        assert failover.reroute_due() == 0
    assert connector(payout) == "default:sepa"
    assert len(sandbox.attempts(payout)) == 1
    assert len(booked(sandbox, payout)) <= 1


def test_a_lost_worker_that_may_have_sent_is_not_taken_over(down: World, settings: Any) -> None:
    payout = down.create()
    claim = dispatch.claim_due(sepa())
    assert claim is not None
    assert dispatch.prepare(sepa(), claim)
    assert dispatch.begin_call(claim) is not None
    expire_leases()
    doubt.recover_expired()
    open_breaker()
    assert failover.reroute_due() == 0
    assert (down.status(payout), connector(payout)) == ("in_doubt", "default:sepa")


def test_while_a_call_is_under_way_nobody_takes_its_payouts(down: World) -> None:
    """A call that outlives its lease: the attempt is believed unsent, but the bytes may still be leaving."""
    payout = down.create()
    dispatch.dispatch_due()
    assert down.attempts(payout)[0].state == "not_sent"
    BankTransmission.objects.update(state="sending")
    open_breaker()
    due_now()
    assert failover.reroute_due() == 0
    BankTransmission.objects.update(state="unsent")
    assert failover.reroute_due() == 1


def test_a_paused_bank_keeps_its_payouts_even_when_it_fails(down: World) -> None:
    payout = down.create()
    banks.pause([sepa().id], actor=down.operator, reason="maintenance")
    open_breaker()
    dispatch.dispatch_due()
    assert (down.status(payout), connector(payout)) == ("pending", "default:sepa")


def test_without_a_ready_backup_a_payout_waits_with_its_hold(down: World, settings: Any) -> None:
    payout = down.create()
    settings.BANK_URLS = {"sepa_default": NOWHERE, "sepa_backup": NOWHERE}
    open_breaker()
    dispatch.dispatch_due()
    assert (down.status(payout), down.attempts(payout)) == ("pending", [])
    assert RoutingDecision.objects.count() == 1


def _add_another_rail() -> None:
    """A second way for SEPA accounts, on another rail of the same simulated bank."""
    line = sepa("backup")
    run("UPDATE bank_connectors SET enabled = false WHERE rail = 'sepa_instant'")
    other = banks.Connection(
        name="other", rail="faster_payments", driver="sepa", config=line.config,
        credentials={"api_key": "only-for-tests"}, preference=500,
    )  # fmt: skip
    banks.configure([other])


def test_a_refusal_of_the_rail_is_tried_on_another_rail(sandbox: World) -> None:
    _add_another_rail()
    sandbox.bank.fault("reject", rail="sepa", code="AB05", count=1)
    payout = sandbox.create()
    dispatch.dispatch_due()
    assert (sandbox.status(payout), connector(payout)) == ("failed", "default:sepa")
    due_now()
    dispatch.dispatch_due()
    refused, second = sandbox.attempts(payout)
    assert (refused.state, second.state) == ("rejected", "accepted")
    assert (refused.rail, second.rail) == ("sepa", "faster_payments")
    assert [r["reference"] for r in booked(sandbox, payout)] == [second.reference]


def test_a_refusal_worth_another_try_stays_where_it_is(sandbox: World) -> None:
    _add_another_rail()
    sandbox.bank.fault("reject", rail="sepa", code="ED05", count=1)
    payout = sandbox.create()
    dispatch.dispatch_due()
    due_now()
    dispatch.dispatch_due()
    assert [a.rail for a in sandbox.attempts(payout)] == ["sepa", "sepa"]


def test_where_no_other_rail_is_the_same_one_is_tried_again(sandbox: World) -> None:
    run("UPDATE bank_connectors SET enabled = false WHERE rail = 'sepa_instant'")
    sandbox.bank.fault("reject", rail="sepa", code="AB05", count=1)
    payout = sandbox.create()
    dispatch.dispatch_due()
    due_now()
    dispatch.dispatch_due()
    assert [a.state for a in sandbox.attempts(payout)] == ["rejected", "accepted"]


def test_asking_for_work_looks_for_the_stranded_cheaply(sandbox: World) -> None:
    from django.test.utils import CaptureQueriesContext

    sandbox.create()
    with CaptureQueriesContext(connection) as captured:
        assert failover.reroute_due() == 0
    assert len(captured) == 2
