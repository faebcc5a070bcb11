"""Moments of a few milliseconds, drawn out: what one process decides while another is in the middle of the same."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection, connections

from payouts import clock, dispatch, doubt, lifecycle, outcomes
from payouts.audit import Actor
from payouts.banks import Outcome, OutcomeKind
from payouts.models import BankTransmission, Payout, PayoutHold
from tests.api_client import Api, Reply
from tests.database import run
from tests.test_attacks import due_now
from tests.test_dispatch import booked, expire_leases, sepa
from tests.test_evidence import killed_during_the_call
from tests.world import World

REFUSED = Outcome(kind=OutcomeKind.REJECTED, code="AM04")  # Worth another try.


def while_it_is_sent_again(world: World, act: Callable[[Payout, dispatch.Claim], None]) -> Payout:
    """A worker is lost during its call; while another sends the same bytes again, something happens."""
    payout, claim = killed_during_the_call(world)
    expire_leases()
    doubt.recover_expired()
    with pytest.MonkeyPatch.context() as patched:
        call = dispatch.call

        def calling(*args: Any) -> Outcome:
            act(payout, claim)
            return call(*args)

        patched.setattr(dispatch, "call", calling)
        world.work_until(lambda: BankTransmission.objects.get(pk=claim.transmission_id).sends > 1)
    return payout


def state_of(transmission_id: UUID) -> str:
    return str(BankTransmission.objects.get(pk=transmission_id).state)


@pytest.mark.parametrize("source", ["answer", "inquiry"])
def test_a_late_answer_does_not_say_that_nobody_sends_any_more(sandbox: World, source: str) -> None:
    """The first send was refused; while the second one is under way, no third goes out under a new reference."""
    claims: list[Any] = []

    def late(payout: Payout, first: dispatch.Claim) -> None:
        token = first.lease_token if source == "answer" else None
        outcomes.record_outcome(
            sepa(), first.transmission_id, REFUSED, source=source, lease_token=token
        )
        assert sandbox.status(payout) == "failed"
        due_now()
        claims.append(dispatch.claim_due(sepa()))
        assert state_of(first.transmission_id) == "sending"

    payout = while_it_is_sent_again(sandbox, late)
    assert claims == [None]
    assert state_of(sandbox.attempts(payout)[0].transmission_id) == "answered"  # type: ignore[arg-type]


def test_what_is_being_sent_again_is_not_cancelled_meanwhile(sandbox: World) -> None:
    said: list[lifecycle.Result] = []

    def cancel(payout: Payout, first: dispatch.Claim) -> None:
        outcomes.record_outcome(sepa(), first.transmission_id, REFUSED, source="inquiry")
        said.extend(_cancel(sandbox, payout))

    payout = while_it_is_sent_again(sandbox, cancel)
    (result,) = said
    assert isinstance(result, lifecycle.Refused)
    assert result.error.code == "outcome_unknown"
    assert PayoutHold.objects.get(payout=payout).status == "active"


def test_a_slow_question_does_not_lead_to_a_second_send_on_the_heels_of_anothers(
    sandbox: World,
) -> None:
    """Two workers ask; while the first one waits for its "not found", the second has sent again."""
    payout, claim = killed_during_the_call(sandbox)
    expire_leases()
    doubt.recover_expired()
    question = doubt._next_question()
    assert question is not None
    run("UPDATE bank_transmissions SET last_sent_at = clock_timestamp(), sends = sends + 1")
    assert doubt._resend(sepa(), question) is False
    assert (state_of(claim.transmission_id), sandbox.status(payout)) == ("in_doubt", "in_doubt")
    assert booked(sandbox, payout) == []


def _cancel(world: World, payout: Payout) -> list[lifecycle.Result]:
    return lifecycle.cancel_payouts(
        [payout.id], actor=world.operator, reason="x", tenant_id=world.tenant_id
    )


def test_a_worker_that_was_held_up_looks_at_its_lease_right_before_it_sends(
    sandbox: World, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the commit that it will send and the call lies a read: a slow database may take the whole lease."""
    settings.LEASE_S, settings.CALL_DEADLINE_S = 1.3, 0.2
    payout = sandbox.create()
    read = outcomes.stored_transmission

    def slowly(transmission_id: UUID) -> Any:
        time.sleep(1.5)
        return read(transmission_id)

    monkeypatch.setattr(outcomes, "stored_transmission", slowly)
    bank = sepa()
    claim = dispatch.claim_due(bank)
    assert claim is not None
    dispatch.carry(bank, claim)
    assert booked(sandbox, payout) == []
    (attempt,) = sandbox.attempts(payout)
    assert (attempt.state, attempt.error_code) == ("not_sent", "lease_over")


def test_what_was_approved_in_time_does_not_expire_behind_it(
    real_sandbox: World, settings: Any
) -> None:
    """Both begin before the other ends: the approval in time, the look for what is overdue a moment later."""
    settings.APPROVAL_LIMITS = {"*": 50}
    payout = real_sandbox.create()
    end = clock.now() + timedelta(seconds=2)
    PayoutHold.objects.filter(payout=payout).update(expires_at=end)
    decided, looks, expired = threading.Event(), threading.Event(), list[int]()

    def looking_slowly(run_: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if "h.expires_at <= %s" in sql:  # Its snapshot is taken, its locks are not.
            looks.set()
            sql = sql.replace(
                "FROM payouts p", "FROM (SELECT pg_sleep(2) OFFSET 0) s, payouts p", 1
            )
        return run_(sql, params, many, context)

    def expire() -> None:
        decided.wait(20)
        while clock.now() <= end:
            time.sleep(0.1)
        with connection.execute_wrapper(looking_slowly):
            expired.append(lifecycle.expire_payouts())
        connections.close_all()

    def deciding_slowly(run_: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if "INSERT INTO payout_audit_log" in sql:
            decided.set()
            looks.wait(20)
            time.sleep(0.5)
        return run_(sql, params, many, context)

    looking = threading.Thread(target=expire)
    looking.start()
    with connection.execute_wrapper(deciding_slowly):
        (result,) = lifecycle.approve_payouts(
            [payout.id], actor=Actor(id="second", role="treasury_ops"), tenant_id=None
        )
    looking.join(20)
    assert isinstance(result, lifecycle.Done)
    assert (expired, real_sandbox.status(payout)) == ([0], "pending")


@pytest.mark.parametrize("verb", ["approve", "retry"])
def test_an_account_that_changes_during_an_approval_waits_for_it(
    real_sandbox: World, settings: Any, verb: str
) -> None:
    """A bank's correction comes in between what is read and what is written: no 500, and it is not paid unseen."""
    settings.APPROVAL_LIMITS = {"*": 50}
    payout = real_sandbox.create()
    if verb == "retry":
        assert _decide(real_sandbox, payout, "approve").status == 200
        real_sandbox.bank.fault("reject", rail="sepa", code="BE01", count=1)
        real_sandbox.reach(payout, "dlq")

    read, corrected = threading.Event(), threading.Event()

    def correct() -> None:
        read.wait(20)
        run(
            "UPDATE beneficiary_accounts SET blind_index = decode('00', 'hex') WHERE id = %(id)s",
            {"id": payout.beneficiary_account_id},
        )
        corrected.set()
        connections.close_all()

    def in_between(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if "UPDATE payouts p SET status" in sql:
            read.set()
            corrected.wait(1)
        return execute(sql, params, many, context)

    correcting = threading.Thread(target=correct)
    correcting.start()
    with connection.execute_wrapper(in_between):
        answer = _decide(real_sandbox, payout, verb)
    correcting.join(20)
    assert (answer.status, answer.body["status"]) == (200, "pending")
    dead = real_sandbox.reach(payout, "dlq")
    assert dead.last_error_code == "approval_stale"


def _decide(world: World, payout: Payout, verb: str) -> Reply:
    return Api(world.tenant_id, "treasury_ops").post(f"/api/payouts/{payout.id}/{verb}")
