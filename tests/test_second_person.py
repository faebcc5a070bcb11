"""Above the limit no one decides alone: approvals bound to what was seen, giving up, and what a bank wrote."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User

from ops.roles import actor_for
from payouts import clock, dispatch, lifecycle
from payouts.models import Payout, PayoutAttempt, PayoutAuditLog, PayoutHold
from tests.api_client import Api, merchant, operator, snapshot
from tests.database import CHECK, RESTRICT, Refusal, refusal, run
from tests.test_evidence import say as heard
from tests.world import World


@pytest.fixture(autouse=True)
def _low_limit(settings: Any) -> None:
    settings.APPROVAL_LIMITS = {"*": 50}


def somebody(world: World) -> Api:
    """Another person each time."""
    return Api(world.tenant_id, "treasury_ops")


def say(world: World, payout: Payout, verb: str, who: Api, **body: str) -> tuple[int, str]:
    """What was answered, and the refusal's code or the status that it led to."""
    answer = who.post(f"/api/payouts/{payout.id}/{verb}", body or {"reason": "because"})
    return answer.status, answer.body.get("code") or answer.body["status"]


def approve(world: World, payout: Payout, who: Api | None = None) -> tuple[int, str]:
    answer = (who or somebody(world)).post(f"/api/payouts/{payout.id}/approve")
    return answer.status, answer.body.get("code") or answer.body["status"]


def swap_the_account(payout: Payout) -> None:
    """As somebody with the database in their hands could: the same row now leads to another account."""
    run(
        "UPDATE beneficiary_accounts SET blind_index = decode('00', 'hex') WHERE id = %(id)s",
        {"id": payout.beneficiary_account_id},
    )


def dead(world: World) -> Payout:
    """Above the limit, approved, and refused by the bank with what a person has to look at."""
    payout = world.create()
    assert approve(world, payout) == (200, "pending")
    world.bank.fault("reject", rail="sepa", code="BE01", count=1)
    return world.reach(payout, "dlq")


def shown(who: Api, payout: Payout) -> dict[str, Any]:
    found: dict[str, Any] = who.get(f"/api/payouts/{payout.id}").body["payout"]
    return found


# --- approvals ------------------------------------------------------------------------------------------


def test_R36_what_changed_since_it_was_seen_is_not_approved(sandbox: World) -> None:
    payout = sandbox.create()
    seen = shown(operator(sandbox), payout)
    swap_the_account(payout)
    before = snapshot()
    first = say(sandbox, payout, "approve", operator(sandbox), contentHash=seen["content_hash"])
    assert first == (409, "stale_version")
    assert snapshot() == before
    now = shown(operator(sandbox), payout)["content_hash"]
    assert say(sandbox, payout, "approve", operator(sandbox), contentHash=now) == (200, "pending")
    assert shown(operator(sandbox), payout)["content_hash"] == now  # What was approved stays told.


def test_F56_what_changed_after_the_approval_is_not_paid_until_somebody_looks_again(
    sandbox: World,
) -> None:
    payout = sandbox.create()
    assert approve(sandbox, payout) == (200, "pending")
    small = sandbox.create(amount="20.00", kind="us_bank")
    swap_the_account(payout)
    dispatch.dispatch_due()
    stopped = Payout.objects.get(pk=payout.pk)
    assert (stopped.status, stopped.last_error_code) == ("dlq", "approval_stale")
    assert sandbox.bank.records(payout.id) == []
    assert PayoutHold.objects.get(payout=payout).status == "active"
    assert sandbox.status(small) != "dlq"
    # R39: not the one who created it; whoever retries it approves it as it is now.
    own = Api(sandbox.tenant_id, "finance_ops", user_id=sandbox.merchant.id)
    assert say(sandbox, payout, "retry", own) == (403, "second_person_required")
    assert say(sandbox, payout, "retry", operator(sandbox)) == (200, "pending")
    sandbox.reach(payout, "sent", "settled")
    assert len(sandbox.bank.records(payout.id)) == 1


def test_an_approval_expires_and_the_money_comes_back(sandbox: World) -> None:
    payout = sandbox.create()
    at_once = sandbox.create(amount="50.00")  # Not above the limit: nothing expires.
    ends = shown(merchant(sandbox), payout)["approval_expires_at"]
    assert ends == (payout.created_at + timedelta(hours=72)).isoformat().replace("+00:00", "Z")
    assert shown(merchant(sandbox), at_once)["approval_expires_at"] is None
    assert lifecycle.expire_payouts() == 0
    PayoutHold.objects.filter(payout=payout).update(expires_at=clock.now() - timedelta(seconds=1))
    assert approve(sandbox, payout) == (409, "approval_expired")  # Even before anybody swept.
    assert lifecycle.expire_payouts() == 1
    assert (sandbox.status(payout), sandbox.status(at_once)) == ("cancelled", "pending")
    assert PayoutHold.objects.get(payout=payout).status == "reversed"
    assert sandbox.balance() == (Decimal(9_950), Decimal(50))
    row = PayoutAuditLog.objects.filter(payout_id=payout.pk).latest("sequence")
    assert (row.to_status, row.actor, row.reason) == ("cancelled", "engine:expiry", "expired")


def test_an_approved_payout_waits_for_its_time_as_long_as_that_is(sandbox: World) -> None:
    payout = sandbox.create(scheduled_at=clock.now() + timedelta(days=9))
    assert approve(sandbox, payout) == (200, "scheduled")
    assert PayoutHold.objects.get(payout=payout).expires_at is None


# --- giving up ------------------------------------------------------------------------------------------


def test_giving_up_above_the_limit_takes_two_who_are_not_the_same(sandbox: World) -> None:
    payout = dead(sandbox)
    first = operator(sandbox)
    assert say(sandbox, payout, "cancel", first) == (202, "dlq")
    assert say(sandbox, payout, "cancel", first) == (202, "dlq")
    noted = shown(first, payout)
    assert noted["give_up_requested_by"] == first.user_id
    assert shown(merchant(sandbox), payout)["give_up_requested_by"] == "operator"
    asked = PayoutAuditLog.objects.filter(payout_id=payout.pk, action="payout.give_up_requested")
    assert [row.actor for row in asked] == [first.user_id]
    before = snapshot()
    creator = Api(sandbox.tenant_id, "finance_ops", user_id=sandbox.merchant.id)
    assert say(sandbox, payout, "cancel", creator) == (403, "second_person_required")
    assert snapshot() == before
    assert say(sandbox, payout, "cancel", somebody(sandbox)) == (200, "cancelled")
    assert PayoutHold.objects.get(payout=payout).status == "reversed"
    row = PayoutAuditLog.objects.filter(payout_id=payout.pk).latest("sequence")
    assert (row.to_status, row.data) == ("cancelled", {"asked_by": first.user_id})


def test_up_to_the_limit_one_person_gives_up(sandbox: World, settings: Any) -> None:
    settings.APPROVAL_LIMITS = {"*": 100}
    sandbox.bank.fault("reject", rail="sepa", code="BE01", count=1)
    payout = sandbox.reach(sandbox.create(), "dlq")
    assert say(sandbox, payout, "cancel", operator(sandbox)) == (200, "cancelled")


def test_a_retry_forgets_the_wish_to_give_up(sandbox: World) -> None:
    payout = dead(sandbox)
    first = operator(sandbox)
    assert say(sandbox, payout, "cancel", first) == (202, "dlq")
    assert say(sandbox, payout, "retry", somebody(sandbox)) == (200, "pending")
    sandbox.bank.fault("reject", rail="sepa", code="BE01", count=1)
    sandbox.reach(payout, "dlq")
    assert say(sandbox, payout, "cancel", somebody(sandbox)) == (202, "dlq")


def test_a_wish_to_give_up_ends_when_the_bank_has_it_after_all(sandbox: World) -> None:
    """What one person asked for then is not half of what another asks for now."""
    payout = dead(sandbox)
    assert say(sandbox, payout, "cancel", operator(sandbox)) == (202, "dlq")
    heard(sandbox, payout, "settled")
    assert sandbox.status(payout) == "settled"
    assert shown(operator(sandbox), payout)["give_up_requested_by"] == ""


def test_whoever_retries_above_the_limit_does_not_cancel_it_alone(sandbox: World) -> None:
    """That would be giving up by one person, in two steps."""
    payout = dead(sandbox)
    retries = somebody(sandbox)
    assert say(sandbox, payout, "retry", retries) == (200, "pending")
    before = snapshot()
    assert say(sandbox, payout, "cancel", retries) == (403, "second_person_required")
    assert snapshot() == before
    assert say(sandbox, payout, "cancel", somebody(sandbox)) == (200, "cancelled")


@pytest.mark.django_db
def test_a_login_named_by_a_molam_id_is_that_person_however_it_is_written() -> None:
    """R35: nobody approves at the workbench, as ABC, what they asked for at the API, as abc."""
    person = uuid4()
    for written in (str(person), str(person).upper()):
        login = User.objects.create_user(written)
        assert actor_for(login).id == str(person)


# --- the same in the database, whoever writes ------------------------------------------------------------

MOVE = "UPDATE payouts SET status = %(to)s WHERE id = %(id)s"


def test_R35_no_superuser_approves_their_own_or_without_approving(sandbox: World) -> None:
    payout = sandbox.create()
    refused = Refusal(CHECK, "payout_rules")
    assert refusal(MOVE, {"to": "pending", "id": payout.id}) == refused
    own = MOVE.replace(
        "WHERE", ", approved_by = created_by, approval_hash = approval_content(id) WHERE"
    )
    assert refusal(own, {"to": "pending", "id": payout.id}) == Refusal(
        CHECK, "payouts_approved_by_another"
    )
    blind = MOVE.replace("WHERE", ", approved_by = 'x', approval_hash = 'x' WHERE")
    assert refusal(blind, {"to": "pending", "id": payout.id}) == refused
    lower = "UPDATE payouts SET above_limit = false WHERE id = %(id)s"
    assert refusal(lower, {"id": payout.id}) == Refusal(RESTRICT, "payout_rules")
    assert approve(sandbox, payout) == (200, "pending")
    anew = "UPDATE payouts SET approval_hash = 'x' WHERE id = %(id)s"
    assert refusal(anew, {"id": payout.id}) == Refusal(RESTRICT, "payout_rules")


def test_R39_the_database_lets_nobody_give_up_alone(sandbox: World) -> None:
    payout = dead(sandbox)
    alone = (
        "UPDATE payout_holds SET status = 'reversed', resolved_at = now() WHERE payout_id = %(id)s;"
        "UPDATE payouts SET status = 'cancelled'{} WHERE id = %(id)s"
    )
    values = {"id": payout.id, "one": "one", "two": "two"}
    for more in ("", ", given_up_by = %(one)s", ", give_up_requested_by = %(one)s"):
        assert refusal(alone.format(more), values) == Refusal(CHECK, "payout_rules"), more
    same = ", given_up_by = %(one)s, give_up_requested_by = %(one)s"
    assert refusal(alone.format(same), values) == Refusal(CHECK, "payouts_given_up_by_another")
    both = ", given_up_by = %(one)s, give_up_requested_by = %(two)s"
    # Two may; that the money must move with it is another rule.
    assert refusal(alone.format(both), values) == Refusal(CHECK, "hold_payout_follows")


def test_no_time_ends_a_hold_once_an_attempt_exists(sandbox: World) -> None:
    """Whoever writes the attempt, and whoever writes the time."""
    payout = sandbox.create(amount="20.00")
    soon = "UPDATE payout_holds SET expires_at = now() WHERE payout_id = %(id)s"
    assert refusal(soon, {"id": payout.id}) is None
    dispatch.claim_due(next(b for b in dispatch.banks.lines() if b.id == payout.bank_connector_id))
    assert PayoutAttempt.objects.filter(payout=payout).exists()
    assert PayoutHold.objects.get(payout=payout).expires_at is None
    assert refusal(soon, {"id": payout.id}) == Refusal(CHECK, "hold_rules")
    other = sandbox.create(amount="20.00")
    assert refusal(soon, {"id": other.id}) is None
    run(
        "INSERT INTO payout_retry_log (id, payout_id, tenant_id, attempt_number, connector, bank_connector_id, rail,"
        " reference, transmission_id, state, sends, error_class, error_code, error_message, bank_reference, actor)"
        " SELECT gen_random_uuid(), id, tenant_id, 1, 'x', bank_connector_id, rail, %(reference)s,"
        " gen_random_uuid(), 'not_sent', 0, '', '', '', '', 'sql' FROM payouts WHERE id = %(id)s",
        {"id": other.id, "reference": str(uuid4())},
    )
    assert PayoutHold.objects.get(payout=other).expires_at is None
