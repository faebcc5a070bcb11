"""How a bank is told: one transmission, one reference, whatever the network does in between."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from django.db import connection

from payouts import banks, clock, dispatch, lifecycle
from payouts.models import BankTransmission, Payout, PayoutAttempt, PayoutHold
from tests.database import lift
from tests.world import World


def booked(world: World, payout: Payout) -> list[dict[str, Any]]:
    return [r for r in world.bank.records(payout.id) if r["state"] == "booked"]


def sepa(name: str = "default") -> banks.BankLine:
    return next(bank for bank in banks.lines() if (bank.name, bank.rail) == (name, "sepa"))


def expire_leases() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE bank_transmissions SET lease_until = clock_timestamp() - interval '1 s'"
        )


def test_a_message_rail_claims_a_batch_at_a_time(sandbox: World, settings: Any) -> None:
    settings.WORKER_BATCH_SIZE = 2
    for _ in range(5):
        sandbox.create()
    claim = dispatch.claim_due(sepa())
    assert claim is not None
    assert len(claim.payout_ids) == 2
    assert Payout.objects.filter(status="processing").count() == 2
    assert set(PayoutAttempt.objects.values_list("state", flat=True)) == {"intent"}


@pytest.mark.parametrize(
    ("by_priority", "expected"), [(True, ["instant", "standard"]), (False, ["standard", "instant"])]
)
def test_priority_goes_first_if_enabled(
    sandbox: World, settings: Any, by_priority: bool, expected: list[str]
) -> None:
    settings.WORKER_ENABLE_PRIORITY = by_priority
    settings.WORKER_BATCH_SIZE = 1
    with connection.cursor() as cursor:  # Else what is instant goes there.
        cursor.execute("UPDATE bank_connectors SET enabled = false WHERE rail = 'sepa_instant'")
    sandbox.create(priority="standard")
    sandbox.create(priority="instant")
    order = []
    while (claim := dispatch.claim_due(sepa())) is not None:
        order.append(Payout.objects.get(pk=claim.payout_ids[0]).priority)
    assert order == expected


def test_a_file_rail_collects_until_its_window_closes(sandbox: World, settings: Any) -> None:
    settings.FILE_WINDOW_SECONDS = 30
    first, second = sandbox.create("us_bank"), sandbox.create("us_bank")
    assert dispatch.dispatch_due() == 0
    assert {sandbox.status(first), sandbox.status(second)} == {"pending"}
    settings.FILE_WINDOW_SECONDS = 0
    assert dispatch.dispatch_due() == 2
    assert BankTransmission.objects.filter(rail="ach").count() == 1
    assert {sandbox.status(first), sandbox.status(second)} == {"sent"}


def test_a_rail_without_files_left_today_waits(sandbox: World) -> None:
    payout = sandbox.create("us_bank")
    ach = next(bank for bank in banks.lines() if bank.rail == "ach")
    banks.draw(ach.id, f"file:{clock.now():%Y-%m-%d}", ach.capabilities.transmissions_per_day or 0)
    sandbox.work()
    assert sandbox.status(payout) == "pending"
    assert not PayoutAttempt.objects.exists()


def test_two_claims_never_take_the_same_payout(sandbox: World) -> None:
    sandbox.create()
    assert dispatch.claim_due(sepa()) is not None
    assert dispatch.claim_due(sepa()) is None


def test_a_busy_bank_is_told_later_under_the_same_reference(sandbox: World) -> None:
    sandbox.bank.fault("busy", rail="sepa", count=1)
    payout = sandbox.create()
    dispatch.dispatch_due()
    assert sandbox.status(payout) == "failed"
    reference = sandbox.attempts(payout)[0].reference
    sandbox.reach(payout, "sent", "settled")
    (attempt,) = sandbox.attempts(payout)
    assert (attempt.reference, attempt.sends) == (reference, 2)
    assert Payout.objects.get(pk=payout.pk).retry_count == 0  # It was never refused.
    assert len(booked(sandbox, payout)) == 1


def test_a_refused_connection_is_certainly_not_sent(sandbox: World, settings: Any) -> None:
    url, settings.BANK_URL = settings.BANK_URL, "http://127.0.0.1:1"
    payout = sandbox.create()
    dispatch.dispatch_due()
    assert sandbox.status(payout) == "failed"
    assert sandbox.attempts(payout)[0].state == "not_sent"
    settings.BANK_URL = url
    sandbox.reach(payout, "sent", "settled")
    assert len(booked(sandbox, payout)) == 1
    assert len(sandbox.attempts(payout)) == 1


def test_a_refusal_worth_another_try_gets_a_new_reference(sandbox: World) -> None:
    sandbox.bank.fault("reject", rail="sepa", code="ED05", count=1)
    payout = sandbox.create()
    ended = sandbox.settle(payout)
    first, second = sandbox.attempts(payout)
    assert (first.state, first.error_code, second.state) == ("rejected", "ED05", "settled")
    assert first.reference != second.reference
    assert ended.retry_count == 1
    assert [r["reference"] for r in booked(sandbox, payout)] == [second.reference]


def test_a_refusal_for_good_gives_the_money_back(sandbox: World) -> None:
    before = sandbox.balance()
    sandbox.bank.fault("reject", rail="sepa", code="AC04", count=1)
    payout = sandbox.create()
    ended = sandbox.reach(payout, "rejected")
    assert (ended.last_error_code, sandbox.balance()) == ("AC04", before)
    assert PayoutHold.objects.get(payout=payout).status == "reversed"
    assert booked(sandbox, payout) == []


def test_after_the_last_retry_a_person_decides(sandbox: World) -> None:
    sandbox.bank.fault("reject", rail="sepa", code="ED05")
    payout = sandbox.create()
    dead = sandbox.reach(payout, "dlq", seconds=30)
    assert len(sandbox.attempts(payout)) == dead.max_retries + 1 == 4
    assert PayoutHold.objects.get(payout=payout).status == "active"
    sandbox.bank.heal()
    (result,) = lifecycle.retry_payouts(
        [payout.id], actor=sandbox.operator, reason="bank is back", tenant_id=sandbox.tenant_id
    )
    assert result == lifecycle.Done(payout.id, "pending")
    sandbox.settle(payout)
    assert len(booked(sandbox, payout)) == 1


@pytest.mark.parametrize("fault", ["late_answer", "cut", "garbage"])
@pytest.mark.parametrize("kind", ["iban", "us_bank"])
def test_an_order_that_was_booked_but_not_answered_is_found_by_asking(
    sandbox: World, fault: str, kind: str
) -> None:
    sandbox.bank.fault(fault, count=1, seconds=2)
    payout = sandbox.create(kind)
    while sandbox.status(payout) == "pending":  # A file rail collects for a moment.
        dispatch.dispatch_due()
    assert sandbox.status(payout) == "in_doubt"
    assert sandbox.attempts(payout)[0].state == "unknown"
    sandbox.reach(payout, "sent", "settled")
    assert len(sandbox.attempts(payout)) == 1
    assert len(booked(sandbox, payout)) == 1
    assert BankTransmission.objects.get(rail=payout.rail).sends == 1


@pytest.mark.parametrize("kind", ["iban", "us_bank"])
def test_an_order_booked_late_is_sent_again_under_the_same_reference(
    sandbox: World, kind: str
) -> None:
    sandbox.bank.fault("late_booking", count=1, seconds=4)
    payout = sandbox.create(kind)
    sandbox.reach(payout, "sent", "settled", seconds=20)
    sandbox._work_for(4)  # Until the first one, still under way, has arrived as well.
    assert BankTransmission.objects.get(rail=payout.rail).sends == 2
    assert len(sandbox.attempts(payout)) == 1
    assert len(booked(sandbox, payout)) == 1


def test_a_worker_lost_before_the_bytes_were_stored_sent_nothing(sandbox: World) -> None:
    payout = sandbox.create()
    dispatch.claim_due(sepa())
    expire_leases()
    sandbox.reach(payout, "sent", "settled")
    (attempt,) = sandbox.attempts(payout)
    assert attempt.sends == 2
    assert len(booked(sandbox, payout)) == 1


@pytest.mark.parametrize("reached", ["prepared", "sending", "booked"])
def test_a_worker_lost_afterwards_leaves_a_doubt_that_asking_resolves(
    sandbox: World, reached: str
) -> None:
    payout = sandbox.create()
    bank = sepa()
    claim = dispatch.claim_due(bank)
    assert claim is not None
    assert dispatch.prepare(bank, claim)
    if reached != "prepared":
        outgoing = dispatch.begin_call(claim)
        assert outgoing is not None
        if reached == "booked":
            dispatch.call(bank, outgoing)
    reference = sandbox.attempts(payout)[0].reference
    expire_leases()
    sandbox.reach(payout, "in_doubt", "sent", "settled")
    sandbox.reach(payout, "sent", "settled")
    assert [r["reference"] for r in booked(sandbox, payout)] == [reference]


def test_a_worker_without_its_lease_may_not_send(sandbox: World) -> None:
    payout = sandbox.create()
    bank = sepa()
    claim = dispatch.claim_due(bank)
    assert claim is not None
    assert dispatch.prepare(bank, claim)
    expire_leases()
    assert dispatch.begin_call(claim) is None
    assert booked(sandbox, payout) == []


def test_what_a_worker_without_its_lease_heard_is_recorded(sandbox: World) -> None:
    from payouts import doubt, outcomes

    payout = sandbox.create()
    bank = sepa()
    claim = dispatch.claim_due(bank)
    assert claim is not None
    dispatch.prepare(bank, claim)
    outgoing = dispatch.begin_call(claim)
    assert outgoing is not None
    heard = dispatch.call(bank, outgoing)
    expire_leases()
    doubt.recover_expired()
    assert sandbox.status(payout) == "in_doubt"
    outcomes.record_outcome(bank, claim.transmission_id, heard)
    assert sandbox.status(payout) == "sent"


def test_without_an_answer_the_payout_goes_to_a_person_with_its_hold(
    sandbox: World, settings: Any
) -> None:
    settings.INQUIRY_HORIZON_S = 0
    sandbox.bank.fault("cut", count=1)
    payout = sandbox.create()
    dispatch.dispatch_due()
    settings.BANK_URL = "http://127.0.0.1:1"
    dead = sandbox.reach(payout, "dlq")
    assert dead.last_error_code == "outcome_unknown"
    assert PayoutHold.objects.get(payout=payout).status == "active"
    (refused,) = lifecycle.retry_payouts(
        [payout.id], actor=sandbox.operator, reason="", tenant_id=sandbox.tenant_id
    )
    assert isinstance(refused, lifecycle.Refused)
    assert refused.error.code == "outcome_unknown"
    settings.BANK_URL = sandbox.bank.url
    sandbox.reach(payout, "sent", "settled")  # Late evidence is believed.


def test_a_name_that_cannot_be_written_fails_its_own_payout_only(sandbox: World) -> None:
    good = sandbox.create()
    sandbox.pay_to("bad", iban="DE89370400440532013000")
    bad = sandbox.create("bad")
    _rename(sandbox.accounts["bad"][1], "")
    dispatch.dispatch_due()
    assert sandbox.status(good) in ("sent", "settled")
    assert sandbox.status(bad) == "dlq"
    assert sandbox.attempts(bad)[0].state == "not_sent"
    assert booked(sandbox, bad) == []


def _rename(account_id: UUID, name: str) -> None:
    """Seal the account again with another holder, as no API would let anybody do."""
    import json

    from payouts import crypto
    from payouts.models import BeneficiaryAccount

    row = BeneficiaryAccount.objects.get(pk=account_id)
    place: dict[str, Any] = {"table": "beneficiary_accounts", "column": "details", "row": row.id}
    details = json.loads(crypto.open_sealed(row.details, **place)) | {"holder": name}
    row.details = crypto.seal(json.dumps(details).encode(), **place)
    row.save()


def test_a_wish_to_cancel_is_honoured_when_the_order_never_left(
    sandbox: World, settings: Any
) -> None:
    payout = sandbox.create()
    bank = sepa()
    claim = dispatch.claim_due(bank)
    assert claim is not None
    (asked,) = lifecycle.cancel_payouts(
        [payout.id], actor=sandbox.operator, reason="duplicate", tenant_id=sandbox.tenant_id
    )
    assert asked == lifecycle.Requested(payout.id, "processing")
    settings.BANK_URL = "http://127.0.0.1:1"
    bank = sepa()
    dispatch.carry(bank, claim)
    assert sandbox.status(payout) == "cancelled"
    assert PayoutHold.objects.get(payout=payout).status == "reversed"


def test_a_wish_to_cancel_comes_too_late_when_the_bank_has_it(sandbox: World) -> None:
    payout = sandbox.create()
    claim = dispatch.claim_due(sepa())
    assert claim is not None
    lifecycle.cancel_payouts(
        [payout.id], actor=sandbox.operator, reason="duplicate", tenant_id=sandbox.tenant_id
    )
    dispatch.carry(sepa(), claim)
    assert sandbox.status(payout) == "sent"
    (late,) = lifecycle.cancel_payouts(
        [payout.id], actor=sandbox.operator, reason="duplicate", tenant_id=sandbox.tenant_id
    )
    assert isinstance(late, lifecycle.Refused)
    assert late.error.code == "cancel_too_late"


def test_a_scheduled_payout_waits_for_its_time(sandbox: World) -> None:
    later = clock.now() + timedelta(days=2)
    payout = sandbox.create(scheduled_at=later)
    sandbox.work()
    assert (payout.status, sandbox.status(payout)) == ("scheduled", "scheduled")
    sandbox.bank.advance(days=2, seconds=60)
    sandbox.reach(payout, "sent", "settled")


def test_a_hold_expires_only_while_no_attempt_exists(sandbox: World) -> None:
    claimed = sandbox.create()
    assert dispatch.claim_due(sepa()) is not None
    waiting = sandbox.create()
    lift("payout_holds.hold_rules")  # It would refuse a time for what was claimed.
    PayoutHold.objects.update(expires_at=clock.now() - timedelta(hours=1))
    assert lifecycle.expire_payouts() == 1
    assert (sandbox.status(waiting), sandbox.status(claimed)) == ("cancelled", "processing")
    assert sandbox.balance() == (Decimal(9_900), Decimal(100))
