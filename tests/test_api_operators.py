"""What operators watch over HTTP: alerts, resolving them, the banks' health."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from payouts import banks, bankstate
from payouts.models import PayoutAlert, PayoutAuditLog
from tests.api_client import Api, create, operator, raise_alert, snapshot
from tests.world import World

ALERTS = "/api/payouts/ops/alerts"


def ids(answer: Any) -> list[str]:
    assert answer.status == 200, answer.body
    return [alert["id"] for alert in answer.body["alerts"]]


def three(world: World) -> list[str]:
    """One that is resolved, then two that are open; newest last."""
    made = [raise_alert(world.tenant_id, message=str(n)) for n in range(3)]
    operator(world).post(f"{ALERTS}/{made[0].id}/resolve", {"reason": "seen"})
    return [str(alert.id) for alert in made]


def test_alerts_have_the_specifications_keys(sandbox: World) -> None:
    payout_id = create(sandbox)
    raise_alert(sandbox.tenant_id, payout_id=payout_id)
    listed = operator(sandbox).get(ALERTS)
    (alert,) = listed.body["alerts"]
    assert listed.body["success"] is True
    assert {name: alert[name] for name in ("payout_id", "alert_type", "severity", "resolved")} == {
        "payout_id": payout_id, "alert_type": "sla_violation", "severity": "high", "resolved": False,
    }  # fmt: skip
    assert alert["message"]
    assert alert["created_at"].endswith("Z")
    assert "dedupe_key" not in alert


def test_what_is_open_is_listed_first_and_nothing_is_left_out(sandbox: World) -> None:
    done, older, newer = three(sandbox)
    assert ids(operator(sandbox).get(ALERTS)) == [newer, older, done]
    assert ids(operator(sandbox).get(f"{ALERTS}?resolved=false")) == [newer, older]
    assert ids(operator(sandbox).get(f"{ALERTS}?resolved=true")) == [done]


def test_alerts_are_narrowed_by_their_filters(sandbox: World) -> None:
    payout_id = create(sandbox)
    late = str(raise_alert(sandbox.tenant_id, payout_id=payout_id).id)
    dead = str(raise_alert(sandbox.tenant_id, alert_type="dlq", severity="critical").id)
    moment = PayoutAlert.objects.get(pk=dead).created_at.isoformat().replace("+", "%2B")
    for query, found in {
        "alert_type=dlq": [dead], "severity=high": [late], f"payout_id={payout_id}": [late],
        f"created_after={moment}": [dead], f"created_before={moment}": [late], "alert_type=none": [],
    }.items():  # fmt: skip
        answer = operator(sandbox).get(f"{ALERTS}?{query}")
        assert ids(answer) == found, query
        assert answer.body["total"] == len(found)


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("resolved=yes", "parameter_invalid"), ("resolved=True", "parameter_invalid"),
        ("resolved=", "parameter_invalid"),
        ("severity=worst", "parameter_invalid"), ("payout_id=1", "parameter_invalid"),
        ("alert_type=%00", "parameter_invalid"), ("alert_type=dlq&alert_type=x", "parameter_invalid"),
        ("limit=-1", "parameter_invalid"), ("cursor=x", "parameter_invalid"), ("tenant_id=1", "unknown_parameter"),
    ],
)  # fmt: skip
def test_a_bad_query_about_alerts_is_refused(db: None, query: str, code: str) -> None:
    answer = Api(uuid4(), "finance_ops").get(f"{ALERTS}?{query}")
    assert (answer.status, answer.code) == (422, code)


def test_alerts_belong_to_their_merchant_and_the_platform_sees_all(sandbox: World) -> None:
    mine = str(raise_alert(sandbox.tenant_id).id)
    theirs = str(raise_alert(uuid4()).id)
    nobodys = str(raise_alert(None, alert_type="connector_down").id)
    assert ids(operator(sandbox).get(ALERTS)) == [mine]
    assert ids(Api(None, "billing_ops").get(ALERTS)) == [nobodys, theirs, mine]
    assert ids(Api(uuid4(), "finance_ops").get(ALERTS)) == []


def test_an_alert_is_resolved_once_with_a_reason_that_is_kept(sandbox: World) -> None:
    alert = raise_alert(sandbox.tenant_id)
    boss = operator(sandbox)
    answer = boss.post(f"{ALERTS}/{alert.id}/resolve", {"reason": "The bank is back"})
    assert (answer.status, answer.body["alert"]["resolved"]) == (200, True)
    assert answer.body["alert"]["resolved_by"] == boss.user_id
    row = PayoutAuditLog.objects.get(action="alert.resolved")
    assert (row.actor, row.actor_role, row.reason) == (
        boss.user_id, "finance_ops", "The bank is back",
    )  # fmt: skip
    assert (row.tenant_id, row.data["alert_id"]) == (sandbox.tenant_id, str(alert.id))
    before = snapshot()
    again = boss.post(f"{ALERTS}/{alert.id}/resolve", {"reason": "The bank is back"})
    assert (again.status, again.code) == (409, "alert_already_resolved")
    assert snapshot() == before


def test_a_key_on_a_resolve_makes_it_happen_once(sandbox: World) -> None:
    path = f"{ALERTS}/{raise_alert(sandbox.tenant_id).id}/resolve"
    assert operator(sandbox).post(path, {"reason": "one"}, key="k").status == 200
    before = snapshot()
    twin = operator(sandbox).post(path, {"reason": "one"}, key="k")
    assert (twin.status, twin.headers["Idempotent-Replayed"]) == (200, "true")
    other = operator(sandbox).post(path, {"reason": "two"}, key="k")
    assert (other.status, other.code) == (422, "idempotency_key_reused")
    assert snapshot() == before


@pytest.mark.parametrize("body", [b"", {}, {"reason": ""}, {"reason": 1}, {"reason": "x" * 501}])
def test_resolving_needs_a_reason(sandbox: World, body: Any) -> None:
    alert = raise_alert(sandbox.tenant_id)
    before = snapshot()
    answer = operator(sandbox).send("POST", f"{ALERTS}/{alert.id}/resolve", body)
    assert (answer.status, answer.code, answer.body["param"]) == (422, "validation_error", "reason")
    assert snapshot() == before
    assert not PayoutAlert.objects.get(pk=alert.pk).resolved


def test_what_belongs_to_nobody_is_resolved_by_who_names_nobody(sandbox: World) -> None:
    """A write in a merchant names it; a bank that is down is no merchant's."""
    bank, mine = raise_alert(None, alert_type="connector_down"), raise_alert(sandbox.tenant_id)
    platform = Api(None, "treasury_ops")
    for caller, alert, status in [
        (operator(sandbox), bank, 404), (platform, mine, 404), (Api(uuid4(), "finance_ops"), mine, 404),
        (platform, bank, 200), (operator(sandbox), mine, 200),
    ]:  # fmt: skip
        answer = caller.post(f"{ALERTS}/{alert.id}/resolve", {"reason": "seen"}, key="k")
        assert answer.status == status


def test_health_is_told_of_every_bank_in_the_specifications_shape(sandbox: World) -> None:
    first, second = banks.lines()[:2]
    bankstate.note_broken(first.id, "Connection timeout")
    told = Api(None, "finance_ops").get("/api/payouts/connectors/health")
    assert (told.status, set(told.body)) == (200, {"success", "connectors"})
    assert set(told.body["connectors"]) == {bank.key for bank in banks.lines()}
    ill, well = told.body["connectors"][first.key], told.body["connectors"][second.key]
    assert (ill["healthy"], ill["message"]) == (False, "Connection timeout")
    assert (well["healthy"], well["paused"]) == (True, False)
    assert "message" not in well


def test_a_paused_bank_keeps_its_health_and_says_why(sandbox: World) -> None:
    bank = banks.lines()[0]
    bankstate.pause([bank.id], actor=sandbox.operator, reason="moving")
    told = Api(None, "treasury_ops").get("/api/payouts/connectors/health")
    shown = told.body["connectors"][bank.key]
    assert (shown["healthy"], shown["paused"], shown["message"]) == (True, True, "Paused: moving")
