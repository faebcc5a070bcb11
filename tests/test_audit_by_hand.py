"""What SQL by hand changes beside the verbs leaves a row that says so; what a verb changes leaves its own only."""

from __future__ import annotations

import json
from typing import Any

import pytest

from payouts import alerts, bankstate
from payouts.audit import LEFT_OUT
from payouts.models import BankConnectorState, PayoutAlert
from tests.api_client import acting_as, raise_alert
from tests.database import one, run
from tests.test_dispatch import sepa
from tests.world import IBAN, World

# statement: (action, columns that the row names)
BY_HAND = {
    "UPDATE payout_alerts SET resolved = true, resolved_by = 'somebody'":
        ("alert.changed", ["resolved", "resolved_by"]),
    "UPDATE bank_connector_state SET paused = true WHERE bank_connector_id = %(bank)s":
        ("connector.changed", ["paused"]),
    "UPDATE bank_connectors SET config = '{}' WHERE id = %(bank)s": ("connector.changed", ["config"]),
    "UPDATE payout_sla_rules SET settlement_days = 9 WHERE id = (SELECT min(id::text)::uuid FROM payout_sla_rules)":
        ("sla_rule.changed", ["settlement_days"]),
    "UPDATE tenants SET settings = '{\"limit\": 1}' WHERE id = %(tenant)s": ("tenant.changed", ["settings"]),
}  # fmt: skip


def rows_by_hand() -> list[tuple[Any, ...]]:
    found = run(
        "SELECT action, actor, data FROM payout_audit_log WHERE actor_role = 'sql' ORDER BY id"
    )
    return [(action, actor, json.loads(data)) for action, actor, data in found]


@pytest.fixture
def hand(sandbox: World) -> World:
    """A person with psql: no verb has spoken in this transaction (those of the fixture share it)."""
    raise_alert(sandbox.tenant_id)
    bankstate.resume([sepa().id], actor=sandbox.operator, reason="x")
    run("SELECT set_config('app.verb', '', true)")
    return sandbox


@pytest.mark.parametrize("statement", BY_HAND)
@pytest.mark.parametrize("role", ["", "payouts_worker"])
def test_what_is_changed_by_hand_is_on_record(hand: World, statement: str, role: str) -> None:
    before = len(rows_by_hand())
    params = {"bank": sepa().id, "tenant": hand.tenant_id}
    if role:
        with acting_as(role):
            run(statement, params)
    else:
        run(statement, params)
    action, columns = BY_HAND[statement]
    (row,) = rows_by_hand()[before:]
    assert row[0] == action
    assert row[1] == "sql:" + one("SELECT session_user")
    assert row[2]["did"] == "update"
    assert set(columns) <= set(row[2]["columns"])
    assert "somebody" not in str(row[2])


def test_what_the_engine_writes_all_the_time_is_no_change_by_hand(hand: World) -> None:
    before = len(rows_by_hand())
    run("UPDATE payout_alerts SET message = 'x'")
    run("UPDATE bank_connector_state SET healthy = false, checked_at = now()")
    assert len(rows_by_hand()) == before


def test_a_verb_leaves_its_own_row_only(hand: World) -> None:
    before = len(rows_by_hand())
    bankstate.pause([sepa().id], actor=hand.operator, reason="x")
    run("SELECT set_config('app.verb', '', true)")
    alert = PayoutAlert.objects.latest("created_at")
    alerts.resolve_alerts([alert.pk], actor=hand.operator, reason="x")
    assert len(rows_by_hand()) == before


def test_an_alert_is_on_record_from_its_first_to_its_last(hand: World) -> None:
    """Also those that come and go by themselves."""
    last = one("SELECT max(id) FROM payout_audit_log")
    payout = hand.create()
    for status in ("processing", "dlq"):
        run("UPDATE payouts SET status = %(s)s WHERE id = %(id)s", {"s": status, "id": payout.pk})
    alerts.sweep("dlq")
    run("UPDATE payouts SET status = 'pending' WHERE id = %(id)s", {"id": payout.pk})
    alerts.sweep("dlq")
    alerts.sweep("dlq")
    found = run(
        "SELECT action, actor, data->>'alert_type', tenant_id FROM payout_audit_log"
        " WHERE id > %(last)s AND action LIKE 'alert.%%' ORDER BY id",
        {"last": last},
    )
    assert found == [
        (action, "engine:alerts", "dlq", hand.tenant_id)
        for action in ("alert.raised", "alert.resolved")
    ]


def test_reasons_are_kept_without_an_account_number(hand: World) -> None:
    alert = PayoutAlert.objects.latest("created_at")
    told = f"paid to {IBAN} instead"
    alerts.resolve_alerts([alert.pk], actor=hand.operator, reason=told)
    bankstate.pause([sepa().id], actor=hand.operator, reason=told)
    kept = f"paid to {LEFT_OUT} instead"
    assert PayoutAlert.objects.get(pk=alert.pk).resolution == kept
    assert BankConnectorState.objects.get(bank_connector_id=sepa().id).paused_reason == kept
