"""A payout's story: whole and in order for operators, without names and banks' own words for merchants."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any
from uuid import uuid4

import pytest

from connectors.schemes.reason_topics import TOPICS
from payouts.models import Payout, PayoutAttempt
from tests.api_client import Api, create, in_state, merchant, operator, raise_alert, snapshot
from tests.world import World


def story(caller: Api, payout: Payout | str) -> dict[str, Any]:
    answer = caller.get(f"/api/payouts/{getattr(payout, 'id', payout)}/timeline")
    assert answer.status == 200, answer.body
    told: dict[str, Any] = answer.body
    times = [datetime.fromisoformat(event["at"]) for event in told["events"]]
    assert times == sorted(times)
    return told


def whats(told: dict[str, Any]) -> list[str]:
    return [event["what"] for event in told["events"]]


def one(told: dict[str, Any], what: str) -> dict[str, Any]:
    (found,) = [event for event in told["events"] if event["what"] == what]
    event: dict[str, Any] = found
    return event


def test_the_whole_life_of_a_payout_is_told_in_order(sandbox: World) -> None:
    payout = sandbox.settle(sandbox.create())
    told = story(operator(sandbox), payout)
    steps = [w for w in whats(told) if w.startswith("payout.")]
    once = list(dict.fromkeys(step for step in steps if step != "payout.failed"))
    assert once == ["payout.created", "payout.processing", "payout.sent", "payout.settled"]
    assert [w for w in whats(told) if w.startswith("hold.")] == ["hold.placed", "hold.released"]
    assert (told["status"], told["next"], told["cancelable"]) == ("settled", None, False)
    attempt = PayoutAttempt.objects.get(payout=payout, attempt_number=1)
    tried = next(event for event in told["events"] if event["what"] == "attempt.started")
    assert (tried["number"], tried["reference"]) == (1, attempt.reference)
    assert tried["connector"] == attempt.connector
    assert one(told, "hold.placed")["amount"] == "100.00"
    assert one(told, "bank.settled")["effect"] == "moved"
    assert one(told, "route.chosen")["reason"]
    created = one(told, "payout.created")
    assert created["by"] == {"role": "merchant_admin", "id": sandbox.merchant.id}
    assert (created["to_status"], "from_status" in created) == ("pending", False)


def test_a_merchant_reads_the_same_story_without_what_is_ours(sandbox: World) -> None:
    sandbox.bank.fault("reject", rail="sepa", code="BE01", count=1)
    payout = sandbox.reach(sandbox.create(), "dlq")
    boss = operator(sandbox)
    raise_alert(sandbox.tenant_id, payout_id=payout.id, alert_type="dlq", message="inside")
    raise_alert(sandbox.tenant_id, payout_id=payout.id, message="inside")
    boss.post(f"/api/payouts/{payout.id}/cancel", {"reason": "Details cannot be mended"})
    inside, outside = story(boss, payout), story(merchant(sandbox), payout)
    assert one(inside, "payout.dlq")["trouble"]["code"] == "BE01"
    assert one(inside, "payout.cancelled")["by"] == {"role": "finance_ops", "id": boss.user_id}
    assert one(inside, "alert.dlq")["message"] == "inside"
    assert one(outside, "payout.dlq")["trouble"] == {
        "code": "details_mismatch",
        "text": TOPICS["name"].merchant,
    }
    gone = one(outside, "payout.cancelled")
    assert (gone["by"], gone["reason"]) == ({"role": "finance_ops"}, "Details cannot be mended")
    assert "alert.sla_violation" in whats(outside)
    text = json.dumps(outside)
    for ours in ("BE01", boss.user_id, "inside", "default", "engine:", "alert.dlq", "effect"):
        assert ours not in text, ours
    assert set(whats(outside)) <= set(whats(inside))


def test_a_merchants_payout_holds_no_banks_words_either(sandbox: World) -> None:
    sandbox.bank.fault("reject", rail="sepa", code="BE01", count=1)
    payout = sandbox.reach(sandbox.create(), "dlq")
    path = f"/api/payouts/{payout.id}"
    inside = operator(sandbox).get(path).body["payout"]
    assert inside["last_error_code"] == "BE01"
    assert inside["status_reason"] == {
        "code": "details_mismatch",
        "message": TOPICS["name"].merchant,
        "bank_code": "BE01",
        "operator_message": f"The name does not fit the account. {TOPICS['name'].remedy}",
    }
    for shown in (
        merchant(sandbox).get(path).body["payout"],
        merchant(sandbox).get("/api/payouts").body["payouts"][0],
    ):
        assert shown["last_error_code"] == "details_mismatch"
        assert shown["last_error"] == TOPICS["name"].merchant
        assert shown["status_reason"] == {
            "code": "details_mismatch",
            "message": TOPICS["name"].merchant,
        }
        assert "BE01" not in json.dumps(shown)
        assert shown["created_by"] == sandbox.merchant.id


# state: (what happens next, whether it is known by when, who must act, can be cancelled at once)
NEXT: dict[str, tuple[str, bool, str, bool]] = {
    "requires_approval": ("approve", True, "finance_ops or treasury_ops", True),
    "scheduled": ("release", True, "engine", True),
    "pending": ("send", True, "engine", True),
    "processing": ("answer", True, "bank", False),
    "in_doubt": ("ask_bank", True, "engine", False),
    "sent": ("settle", True, "bank", False),
    "failed": ("retry", True, "engine", True),
    "dlq": ("repair", False, "finance_ops or treasury_ops", True),
    "dlq live": ("repair", False, "finance_ops or treasury_ops", False),
}


@pytest.mark.parametrize("state", [*NEXT, "rejected", "cancelled"])
def test_it_says_what_comes_next_by_when_and_by_whom(
    sandbox: World, settings: Any, state: str
) -> None:
    payout = in_state(sandbox, state, settings)
    before = snapshot()
    told = story(merchant(sandbox), payout)
    assert snapshot() == before
    assert told["status"] == state.removesuffix(" live")
    if state not in NEXT:
        assert (told["next"], told["cancelable"]) == (None, False)
        return
    step = told["next"]
    found = (step["action"], step["at"] is not None, step["who"], told["cancelable"])
    assert found == NEXT[state]


def test_a_timeline_belongs_to_its_merchant(sandbox: World) -> None:
    path = f"/api/payouts/{create(sandbox)}/timeline"
    assert Api(uuid4()).get(path).code == "not_found"
    assert Api(None, "billing_ops").get(path).status == 200
    assert merchant(sandbox).get(f"{path}?limit=1").code == "unknown_parameter"
