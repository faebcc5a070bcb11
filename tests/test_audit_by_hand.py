"""What SQL by hand changes beside the verbs leaves a row that says so; what a verb changes leaves its own only."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings
from django.db import transaction
from django.test import override_settings

from payouts import (
    alerts,
    bankstate,
    dispatch,
    failover,
    lifecycle,
    recall_states,
    reconciliation,
    rotation,
    states,
    tenancy,
)
from payouts.audit import LEFT_OUT
from payouts.models import BankConnectorState, Payout, PayoutAlert
from tests.api_client import acting_as, raise_alert
from tests.database import one, run
from tests.test_crypto import NEW
from tests.test_dispatch import sepa
from tests.test_evidence import say
from tests.world import IBAN, World

CORRECTED = (
    "INSERT INTO account_corrections (id, tenant_id, account_id, corrected_account_id, payout_id, attempt_id, code,"
    " content) VALUES (gen_random_uuid(), %(tenant)s, %(account)s, %(other)s, gen_random_uuid(), gen_random_uuid(),"
    " 'C01', 'x')"
)
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
    # Whom money goes to.
    "UPDATE beneficiaries SET name = 'somebody' WHERE id = %(beneficiary)s": ("beneficiary.changed", ["name"]),
    "UPDATE beneficiary_accounts SET details = 'somebody', last4 = 'ZZZZ' WHERE id = %(account)s":
        ("beneficiary.changed", ["details", "last4"]),
    CORRECTED: ("beneficiary.changed", ["account_id", "corrected_account_id"]),
}  # fmt: skip


def rows_by_hand() -> list[tuple[Any, ...]]:
    found = run(
        "SELECT action, actor, data FROM payout_audit_log WHERE actor_role = 'sql' ORDER BY id"
    )
    return [(action, actor, json.loads(data)) for action, actor, data in found]


# What a payout does next, where its status stays.
OF_A_PAYOUT = {
    "priority": "'instant'", "scheduled_at": "now()", "next_retry_at": "now()", "retry_count": "9",
    "max_retries": "9", "cancel_requested_at": "now()", "approved_by": "'somebody'", "approval_hash": "'x'",
    "give_up_requested_by": "'somebody'", "given_up_by": "'another'", "rail": "'wire'", "fee_amount": "9",
    "bank_connector_id": "gen_random_uuid()", "last_error_code": "'x'", "recall_status": "'refused'",
    "reconciliation_status": "'reconciled'",
}  # fmt: skip


@pytest.fixture
def hand(sandbox: World) -> World:
    """A person with psql: no verb has spoken in this transaction (those of the fixture share it)."""
    raise_alert(sandbox.tenant_id)
    bankstate.resume([sepa().id], actor=sandbox.operator, reason="x")
    run("SELECT set_config('app.verb', '', true)")
    return sandbox


@pytest.mark.parametrize(
    ("role", "statement"),
    [
        (role, statement)
        for role in ("", "payouts_web", "payouts_worker")
        for statement in BY_HAND
        if (role, statement) != ("payouts_web", CORRECTED)  # which the web may not add
    ],
)
def test_what_is_changed_by_hand_is_on_record(hand: World, statement: str, role: str) -> None:
    before = len(rows_by_hand())
    beneficiary, account = hand.accounts["iban"]
    params = {
        "bank": sepa().id, "tenant": hand.tenant_id, "beneficiary": beneficiary, "account": account,
        "other": hand.accounts["us_bank"][1],
    }  # fmt: skip
    if role:
        with acting_as(role), tenancy.within(tenancy.PLATFORM):
            run(statement, params)
    else:
        run(statement, params)
    action, columns = BY_HAND[statement]
    (row,) = rows_by_hand()[before:]
    assert row[0] == action
    assert row[1] == "sql:" + one("SELECT session_user")
    assert row[2]["did"] == statement.split()[0].lower()
    assert set(columns) <= set(row[2]["columns"])
    assert "somebody" not in str(row[2])
    assert "ZZZZ" not in str(row[2])
    assert set(row[2]) == {"table", "did", "id", "columns"}


@pytest.mark.parametrize("role", ["payouts_web", "payouts_worker"])
def test_what_a_payout_waits_for_is_not_changed_by_hand_in_silence(hand: World, role: str) -> None:
    payout = hand.create()
    run("SELECT set_config('app.verb', '', true)")
    before = len(rows_by_hand())
    with acting_as(role), tenancy.within(tenancy.PLATFORM):
        for column, value in OF_A_PAYOUT.items():
            run(f"UPDATE payouts SET {column} = {value} WHERE id = %(id)s", {"id": payout.pk})
            run(f"UPDATE payouts SET {column} = {column} WHERE id = %(id)s", {"id": payout.pk})
    found = rows_by_hand()[before:]
    assert {(action, data["id"]) for action, _, data in found} == {
        ("payout.changed", str(payout.pk))
    }
    changed = [
        [column for column in data["columns"] if column != "priority_rank"] for *_, data in found
    ]
    assert changed == [[column] for column in OF_A_PAYOUT]
    assert "somebody" not in str(found)


def test_whoever_deletes_an_account_by_hand_is_on_record(hand: World) -> None:
    beneficiary, account = hand.accounts["us_bank"]
    run("DELETE FROM beneficiary_accounts WHERE id = %(id)s", {"id": account})
    run("DELETE FROM beneficiaries WHERE id = %(id)s", {"id": beneficiary})
    found = [(action, data["did"], data["id"]) for action, _, data in rows_by_hand()[-2:]]
    assert found == [
        ("beneficiary.changed", "delete", str(account)),
        ("beneficiary.changed", "delete", str(beneficiary)),
    ]


def test_what_the_engine_writes_all_the_time_is_no_change_by_hand(hand: World) -> None:
    before = len(rows_by_hand())
    run("UPDATE payout_alerts SET message = 'x'")
    run("UPDATE bank_connector_state SET healthy = false, checked_at = now()")
    run("UPDATE payouts SET updated_at = now(), sla_violated = true")
    assert len(rows_by_hand()) == before


def test_a_verb_leaves_its_own_row_only(hand: World) -> None:
    before = len(rows_by_hand())
    bankstate.pause([sepa().id], actor=hand.operator, reason="x")
    run("SELECT set_config('app.verb', '', true)")
    alert = PayoutAlert.objects.latest("created_at")
    alerts.resolve_alerts([alert.pk], actor=hand.operator, reason="x")
    assert len(rows_by_hand()) == before


# --- verbs that leave the status, and those that change whom money goes to ----------------------------


def _rotate(world: World) -> None:
    with override_settings(ENCRYPTION_KEYS=f"{NEW},{settings.ENCRYPTION_KEYS}"):
        done = {step.table for step in rotation.rotate(actor=world.operator) if step.resealed}
    assert {"beneficiary_accounts", "bank_transmissions"} <= done


def _fail(world: World, *statuses: str) -> Payout:
    payout = world.create()
    if payout.status == "requires_approval":
        _decide(world, lifecycle.approve_payouts, payout)
    for status in ("processing", *statuses):
        run("UPDATE payouts SET status = %(s)s WHERE id = %(id)s", {"s": status, "id": payout.pk})
    return payout


def _decide(world: World, verb: Callable[..., Any], payout: Payout) -> None:
    verb([payout.pk], actor=world.operator, reason="x", tenant_id=None)


def _take_elsewhere(world: World, payout: Payout) -> None:
    run(
        "UPDATE bank_connector_state SET breaker = 'open', breaker_open_until = now() + interval '1 h'"
        " WHERE bank_connector_id = %(id)s",
        {"id": sepa().id},
    )
    assert failover.reroute_due() == 1


def _mark(world: World, payout: Payout) -> None:
    with transaction.atomic():
        reconciliation._mark([payout.pk], "reconciled", actor=world.operator)


def _show(world: World, payout: Payout) -> None:
    with transaction.atomic():
        recall_states._show(list(states.lock_payouts([payout.pk]).values()), "requested")


def _correct(world: World, payout: Payout) -> None:
    said = say(
        world, payout, "correction", code="C01", corrected={"iban": "DE02120300000000202051"}
    )
    assert said["noted"] == 1


def _prepared(world: World) -> Payout:
    payout, bank = world.create(), sepa()
    claim = dispatch.claim_due(bank)
    assert claim is not None
    assert dispatch.prepare(bank, claim)
    return payout


# action of the verb's own row: (what comes before, the verb)
LEAVING = {
    "payout.retry_requested": (lambda w: _fail(w, "failed"), lambda w, p: _decide(w, lifecycle.retry_payouts, p)),
    "payout.cancel_requested": (_prepared, lambda w, p: _decide(w, lifecycle.cancel_payouts, p)),
    "payout.give_up_requested": (lambda w: _fail(w, "dlq"), lambda w, p: _decide(w, lifecycle.cancel_payouts, p)),
    "payout.rerouted": (lambda w: w.create(), _take_elsewhere),
    "payout.reconciled": (lambda w: w.create(), _mark),
    "": (lambda w: w.create(), _show),  # Its caller leaves the row.
    "beneficiary.account_corrected": (_prepared, _correct),
    "keys.rotated": (_prepared, lambda w, p: _rotate(w)),
}  # fmt: skip


@pytest.mark.parametrize("action", LEAVING)
def test_a_verb_that_leaves_the_status_leaves_its_own_row_only(
    hand: World, action: str, settings: Any
) -> None:
    before, verb = LEAVING[action]
    if "give_up" in action:
        settings.APPROVAL_LIMITS = {"*": 50}
    payout = before(hand)
    run("SELECT set_config('app.verb', '', true)")
    count = len(rows_by_hand())
    verb(hand, payout)
    assert rows_by_hand()[count:] == []
    if action:
        assert run("SELECT id FROM payout_audit_log WHERE action = %(a)s", {"a": action})


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
