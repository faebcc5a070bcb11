"""Each rule speaks when it should, only then, and once; what resolves itself does when its cause is gone."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction

from payouts import alert_rules, alerts, batches, clock, dispatch, evidence
from payouts.audit import engine
from payouts.evidence import Statement
from payouts.models import BankConnector, Payout, PayoutAlert
from tests.batch_runs import configured
from tests.world import World

SEVERITY = {
    "sla_violation": "high", "sla_at_risk": "medium", "dlq": "high", "in_doubt": "high",
    "retrying_long": "medium", "unmatched_evidence": "high", "bank_contradiction": "critical",
    "unreadable_document": "high", "connector_down": "critical", "batch_missed": "high",
    "invariant_broken": "critical", "fund_first": "critical",
}  # fmt: skip


def test_every_rule_has_its_severity() -> None:
    assert {name: found.severity for name, found in alerts.RULES.items()} == SEVERITY


def set_columns(payout: Payout, **columns: Any) -> None:
    sets = ", ".join(f"{name} = %s" for name in columns)
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE payouts SET {sets} WHERE id = %s", [*columns.values(), payout.pk])


def at_risk(world: World) -> Payout:
    payout = world.create()
    hour = timedelta(hours=1)
    set_columns(
        payout, sla_target_at=clock.now() + hour / 12, created_at=clock.technical_now() - hour
    )
    return payout


def in_doubt(world: World) -> Payout:
    payout = world.create()
    world.bank.fault("cut", rail="sepa")
    dispatch.dispatch_due()
    world.bank.heal()
    assert world.status(payout) == "in_doubt"
    set_columns(payout, updated_at=clock.technical_now() - timedelta(days=1))
    return payout


def failed_for_hours(world: World) -> Payout:
    payout = world.create()
    world.bank.fault("reject", rail="sepa", code="ED05", count=1)
    dispatch.dispatch_due()
    assert world.status(payout) == "failed"
    with connection.cursor() as cursor:
        cursor.execute("UPDATE payout_retry_log SET created_at = created_at - interval '5 hours'")
    return payout


@pytest.mark.parametrize(
    ("name", "arrange", "cure"),
    [
        ("sla_at_risk", at_risk, {"sla_target_at": None}),
        ("in_doubt", in_doubt, {"updated_at": None}),
        ("retrying_long", failed_for_hours, {}),
    ],
)
def test_a_rule_about_payouts_speaks_once_and_falls_silent(
    sandbox: World, name: str, arrange: Callable[[World], Payout], cure: dict[str, None]
) -> None:
    assert alerts.sweep(name) == 0
    payout = arrange(sandbox)
    assert (alerts.sweep(name), alerts.sweep(name)) == (1, 0)
    alert = PayoutAlert.objects.get(alert_type=name)
    assert (alert.payout_id, alert.tenant_id) == (payout.pk, sandbox.tenant_id)
    if cure:
        set_columns(payout, **dict.fromkeys(cure, clock.now() + timedelta(days=9)))
    else:
        sandbox.reach(payout, "sent", "settled")
    alerts.sweep(name)
    assert PayoutAlert.objects.get(alert_type=name).resolved


def test_a_payment_that_nobody_knows_is_told_once_even_after_a_person_resolved_it(
    sandbox: World,
) -> None:
    sepa = BankConnector.objects.get(name="default", rail="sepa")
    unknown = Statement(
        source="report", source_key="test", position=0, bank_connector_id=sepa.id,
        reference="NOT-OURS", kind="settled",
    )  # fmt: skip
    with transaction.atomic():
        evidence.record([unknown], actor=engine("test"))
    assert alerts.sweep("unmatched_evidence") == 1
    alert = PayoutAlert.objects.get(alert_type="unmatched_evidence")
    alerts.resolve_alerts([alert.pk], actor=sandbox.operator, reason="Another system's payment")
    assert alerts.sweep("unmatched_evidence") == 0


def test_a_promise_of_seconds_is_not_at_risk_from_its_first_moment(sandbox: World) -> None:
    payout = sandbox.create()
    set_columns(payout, sla_target_at=clock.now() + timedelta(seconds=60))
    assert alerts.sweep("sla_at_risk") == 0


def test_a_run_that_nobody_made_is_told_until_it_is_made(
    sandbox: World,
) -> None:
    fire = clock.now() - timedelta(minutes=15)
    configured("daily", f"{fire.minute} {fire.hour} * * *", time_zone="UTC")
    assert (alerts.sweep("batch_missed"), alerts.sweep("batch_missed")) == (1, 0)
    alert = PayoutAlert.objects.get(alert_type="batch_missed")
    assert alert.message == f"The batch daily of {fire:%Y-%m-%d %H:%M} UTC was not run"
    batches.run_due(clock.now())
    assert alerts.sweep("batch_missed") == 0
    assert not PayoutAlert.objects.filter(alert_type="batch_missed", resolved=False).exists()


def test_two_sweeps_at_once_raise_one_alert(real_sandbox: World) -> None:
    at_risk(real_sandbox)
    told: list[int] = []

    def sweep() -> None:
        told.append(alerts.sweep("sla_at_risk"))
        connection.close()

    threads = [threading.Thread(target=sweep) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(told) == [0, 0, 0, 1]
    assert PayoutAlert.objects.filter(alert_type="sla_at_risk").count() == 1


def test_rules_with_times_of_their_own_exist() -> None:
    assert set(alert_rules.ON_THEIR_OWN) <= set(alerts.RULES)
