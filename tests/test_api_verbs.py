"""Cancel, retry and approve through the API, in every state a payout can have."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from payouts.models import Payout, PayoutHold, Status
from tests.api_client import STATES, Api, create, in_state, merchant, operator, snapshot
from tests.world import World

# state: (status, code or payout's status afterwards, hold afterwards)
CANCEL: dict[str, tuple[int, str, str]] = {
    "requires_approval": (200, "cancelled", "reversed"),
    "scheduled": (200, "cancelled", "reversed"),
    "pending": (200, "cancelled", "reversed"),
    "processing": (202, "processing", "active"),
    "in_doubt": (202, "in_doubt", "active"),
    "sent": (409, "cancel_too_late", "active"),
    "failed": (200, "cancelled", "reversed"),
    "dlq": (200, "cancelled", "reversed"),
    "dlq live": (202, "dlq", "active"),
    "settled": (409, "cancel_too_late", "released"),
    "rejected": (409, "not_cancellable", "reversed"),
    "cancelled": (200, "cancelled", "reversed"),
    "returned": (409, "cancel_too_late", "released"),
}
RETRY: dict[str, tuple[int, str, str]] = {
    "requires_approval": (409, "not_retryable", "active"),
    "scheduled": (409, "not_retryable", "active"),
    "pending": (409, "not_retryable", "active"),
    "processing": (409, "outcome_unknown", "active"),
    "in_doubt": (409, "outcome_unknown", "active"),
    "sent": (409, "outcome_unknown", "active"),
    "failed": (200, "failed", "active"),
    "dlq": (200, "pending", "active"),
    "dlq live": (409, "outcome_unknown", "active"),
    "settled": (409, "outcome_unknown", "released"),
    "rejected": (409, "not_retryable", "reversed"),
    "cancelled": (409, "not_retryable", "reversed"),
    "returned": (409, "outcome_unknown", "released"),
}


def test_every_state_has_a_row() -> None:
    assert set(CANCEL) == set(RETRY) == set(STATES)
    assert {state.removesuffix(" live") for state in STATES} == set(Status.values)


@pytest.mark.parametrize("state", STATES)
def test_cancelling_and_retrying_by_state(sandbox: World, settings: Any, state: str) -> None:
    """One drive into the state serves both verbs: a refused one has changed nothing."""
    payout = in_state(sandbox, state, settings)
    assert sandbox.status(payout) == state.removesuffix(" live")
    refused_first = sorted(
        [("retry", RETRY), ("cancel", CANCEL)], key=lambda v: v[1][state][0] < 400
    )
    for verb, table in refused_first:
        status, outcome, hold = table[state]
        before = snapshot()
        answer = operator(sandbox).post(f"/api/payouts/{payout.id}/{verb}", {"reason": "because"})
        assert answer.status == status, answer.body
        assert PayoutHold.objects.get(payout=payout).status == hold or status < 300
        if status >= 400:
            assert answer.code == outcome
            assert snapshot() == before
            continue
        assert answer.body["status"] == sandbox.status(payout) == outcome
        assert PayoutHold.objects.get(payout=payout).status == hold
        return


def test_a_cancellation_has_the_specifications_envelope(sandbox: World) -> None:
    payout_id = create(sandbox)
    body = {"reason": "Duplicate payment request"}
    answer = operator(sandbox).post(f"/api/payouts/{payout_id}/cancel", body)
    assert answer.body == {
        "success": True, "message": "Payout cancelled successfully", "status": "cancelled",
    }  # fmt: skip
    shown = merchant(sandbox).get(f"/api/payouts/{payout_id}").body["payout"]
    assert (shown["status"], shown["cancel_reason"]) == ("cancelled", "Duplicate payment request")
    assert sandbox.balance() == (Decimal(10_000), Decimal(0))


@pytest.mark.parametrize("body", [b"", {}, {"reason": ""}, {"reason": None}, {"reason": "x" * 501}])
def test_a_cancellation_needs_a_reason(sandbox: World, body: Any) -> None:
    """B92."""
    payout_id = create(sandbox)
    before = snapshot()
    answer = operator(sandbox).send("POST", f"/api/payouts/{payout_id}/cancel", body)
    assert (answer.status, answer.code, answer.body["param"]) == (422, "validation_error", "reason")
    assert snapshot() == before


def test_a_retry_needs_no_body_and_is_due_at_once(sandbox: World, settings: Any) -> None:
    payout = in_state(sandbox, "failed", settings)
    answer = operator(sandbox).send(
        "POST", f"/api/payouts/{payout.id}/retry", content_type="application/x-www-form-urlencoded"
    )
    assert (answer.status, answer.body["message"]) == (200, "Payout reset and will be retried")
    sandbox.work()
    assert sandbox.status(payout) in ("sent", "settled")
    assert len(sandbox.bank.records(payout.id)) == 1


def test_a_key_on_a_retry_makes_it_happen_once(sandbox: World, settings: Any) -> None:
    payout = in_state(sandbox, "dlq", settings)
    path = f"/api/payouts/{payout.id}/retry"
    assert operator(sandbox).post(path, key="again").status == 200
    sandbox.work()
    now = sandbox.status(payout)
    before = snapshot()
    twin = operator(sandbox).post(path, key="again")
    assert (twin.status, twin.body["status"], twin.headers["Idempotent-Replayed"]) == (
        200,
        now,
        "true",
    )
    other = operator(sandbox).post(path, {"reason": "another"}, key="again")
    assert (other.status, other.code) == (422, "idempotency_key_reused")
    assert snapshot() == before


@pytest.mark.parametrize("verb", ["cancel", "retry", "approve"])
def test_a_refused_verb_uses_up_no_key(sandbox: World, settings: Any, verb: str) -> None:
    payout = in_state(sandbox, "sent", settings)
    before = snapshot()
    body = {} if verb == "approve" else {"reason": "one"}
    for path in (f"/api/payouts/{payout.id}/{verb}", f"/api/payouts/{uuid4()}/{verb}"):
        answer = operator(sandbox).post(path, body, key="k")
        assert answer.status in (404, 409)
        assert snapshot() == before


def test_a_key_may_serve_a_create_and_a_verb(sandbox: World) -> None:
    """The scope of a key is its route (DESIGN; B48 would refuse it)."""
    payout_id = create(sandbox, key="k")
    path = f"/api/payouts/{payout_id}/cancel"
    assert operator(sandbox).post(path, {"reason": "x"}, key="k").status == 200


def test_above_the_limit_a_second_person_approves(sandbox: World) -> None:
    treasury = operator(sandbox, "treasury_ops")
    more = {
        "tenantId": str(sandbox.tenant_id),
        "amount": "90000",
        "currency": "EUR",
        "reference": "more",
    }
    assert treasury.post("/api/ledger/deposits", more).status == 201
    assert Payout.objects.get(pk=create(sandbox, amount="10000")).status == "pending"
    payout_id = create(sandbox, amount="10000.01")
    path = f"/api/payouts/{payout_id}/approve"
    assert Payout.objects.get(pk=payout_id).status == "requires_approval"
    sandbox.work()
    assert Payout.objects.get(pk=payout_id).status == "requires_approval"

    before = snapshot()
    own = Api(sandbox.tenant_id, "finance_ops", user_id=sandbox.merchant.id).post(path)
    assert (own.status, own.code) == (403, "self_approval_forbidden")
    assert merchant(sandbox).post(path).code == "forbidden"
    assert snapshot() == before

    done = operator(sandbox).post(path)
    assert (done.status, done.body["status"]) == (200, "pending")
    payout = Payout.objects.get(pk=payout_id)
    assert (payout.approved_by, payout.status) == (sandbox.operator.id, "pending")
    again = treasury.post(path)
    assert (again.status, again.code) == (409, "not_approvable")


def test_a_creator_is_the_same_person_in_capitals(sandbox: World, settings: Any) -> None:
    """R35: the spelling of a user id makes no second person."""
    payout = in_state(sandbox, "requires_approval", settings)
    own = Api(sandbox.tenant_id, "finance_ops", user_id=sandbox.merchant.id.upper())
    assert own.post(f"/api/payouts/{payout.id}/approve").code == "self_approval_forbidden"
