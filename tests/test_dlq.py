"""What waits for a person: how it gets there, and how it leaves: retried, given up, or by a bank's letter."""

from __future__ import annotations

import io
import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.core.management import CommandError, call_command

from payouts import clock, dispatch, doubt, evidence, letters, lifecycle, outcomes, sla
from payouts.audit import Actor
from payouts.models import (
    BankEvidence,
    BankLetter,
    BankTransmission,
    Payout,
    PayoutAttempt,
    PayoutAuditLog,
    PayoutHold,
)
from tests.api_client import in_state, snapshot
from tests.test_attacks import due_now
from tests.test_dispatch import expire_leases, sepa
from tests.world import World

SECOND = Actor(id="second", role="treasury_ops")


def person(name: str, group: str = "finance_ops") -> str:
    made = User.objects.create_user(name, password="only-for-tests", is_staff=True)
    made.groups.add(Group.objects.get(name=group))
    return name


def dlq(*options: str) -> tuple[int, Any]:
    out = io.StringIO()
    try:
        call_command("dlq", *options, "--json", stdout=out)
    except SystemExit as ended:
        return int(ended.code or 0), json.loads(out.getvalue())
    return 0, json.loads(out.getvalue())


def refused(world: World, *amounts: str, code: str = "BE01") -> list[Payout]:
    world.bank.fault("reject", rail="sepa", code=code)
    made = [world.create(amount=amount) for amount in amounts]
    world.work_until(lambda: {world.status(p) for p in made} == {"dlq"})
    world.bank.heal()
    return made


# --- how it gets there ------------------------------------------------------------------------------------


def kill_whoever_takes(world: World, poison: Payout, *, rounds: int) -> list[int]:
    """Work; a worker that takes the poison is gone before it has built anything. Returns how many went with it."""
    company = []
    for _ in range(rounds):
        due_now()
        claim = dispatch.claim_due(sepa())
        if claim is None:
            break
        if poison.id in claim.payout_ids:
            company.append(len(claim.payout_ids))
            expire_leases()
            doubt.recover_expired()
        else:
            dispatch.carry(sepa(), claim)
    return company


def test_F52_what_kills_workers_is_found_alone_and_its_neighbours_are_paid(sandbox: World) -> None:
    """Retries, inquiries and crashes are counted apart."""
    payouts = [sandbox.create(amount=f"{n + 1}.00") for n in range(6)]
    poison = payouts[2]
    company = kill_whoever_takes(sandbox, poison, rounds=40)
    assert company == [6, 6, *company[2:]]  # One crash is anybody's.
    assert company[2:] == sorted(company[2:], reverse=True)
    assert company[-1] == 1
    assert len(company) == evidence.POISON_TRIES
    found = {p.id: p for p in Payout.objects.all()}
    assert {found[p.id].status for p in payouts if p != poison} == {"sent"}
    assert (found[poison.id].status, found[poison.id].last_error_code) == ("dlq", "claim_lost")
    assert (found[poison.id].retry_count, found[poison.id].max_retries) == (0, 3)
    attempt = PayoutAttempt.objects.get(payout=poison)
    assert (attempt.crashes, attempt.state) == (8, "not_sent")
    assert (attempt.error_class, attempt.error_code, attempt.actor) == (
        "not_sent", "claim_lost", "engine:dispatch",
    )  # fmt: skip
    assert sandbox.bank.records(poison.id) == []


def test_F51_what_cannot_be_built_is_found_alone_too(
    sandbox: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    payouts = [sandbox.create(amount=f"{n + 1}.00") for n in range(3)]
    build = dispatch.instructions.build

    def breaks(bank: Any, members: Any) -> Any:
        if any(m.payout_id == payouts[0].id for m in members):
            raise ValueError("what nobody foresaw")
        return build(bank, members)

    monkeypatch.setattr(dispatch.instructions, "build", breaks)
    for _ in range(14):
        due_now()
        dispatch.dispatch_due()
    assert [sandbox.status(p) for p in payouts] == ["dlq", "sent", "sent"]
    assert PayoutAttempt.objects.get(payout=payouts[0]).crashes == 8


def test_F52_what_kills_whoever_tells_it_reaches_a_person_with_its_hold(sandbox: World) -> None:
    """Its bytes are stored each time, so it is in doubt, and it is not told for ever."""
    payout = sandbox.create()
    claim = dispatch.claim_due(sepa())
    assert claim is not None
    assert dispatch.prepare(sepa(), claim)
    assert dispatch.begin_call(claim) is not None
    for _ in range(evidence.POISON_TRIES):
        expire_leases()
        doubt.recover_expired()
        BankTransmission.objects.update(  # As a resend that killed its worker leaves it.
            state="sending", lease_until=clock.technical_now()
        )
    BankTransmission.objects.update(
        state="in_doubt", next_inquiry_at=clock.technical_now(), last_sent_at=clock.technical_now() - timedelta(hours=1)
    )  # fmt: skip
    assert outcomes.crashes_of(claim.transmission_id) >= evidence.POISON_TRIES
    sends = BankTransmission.objects.get(pk=claim.transmission_id).sends
    doubt.resolve_in_doubt()
    transmission = BankTransmission.objects.get(pk=claim.transmission_id)
    assert (sandbox.status(payout), transmission.sends) == ("dlq", sends)
    assert transmission.inquiries == 1
    assert PayoutHold.objects.get(payout=payout).status == "active"


def test_a_wait_ends_before_the_cut_off_of_what_was_promised(
    sandbox: World, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.RETRY_POLICIES = {
        rail: type(policy)(base_s=86_400, factor=1, cap_s=86_400, limit=3)
        for rail, policy in settings.RETRY_POLICIES.items()
    }
    monkeypatch.setattr(sla, "seconds_left", lambda *_, **__: 90.0 if __["cutoff"] else None)
    from payouts.models import PayoutSlaRule

    PayoutSlaRule.objects.update(cutoff_time="17:00")
    payout = in_state(sandbox, "failed", settings)
    due = Payout.objects.get(pk=payout.pk).next_retry_at
    assert due is not None
    assert due <= clock.technical_now() + timedelta(
        seconds=30
    )  # 90 s are left, less the way to the bank.
    assert PayoutAttempt.objects.get(payout=payout).next_retry_at == due


# --- how it leaves: the command ---------------------------------------------------------------------------


def test_the_queue_is_listed_by_cause(sandbox: World) -> None:
    refused(sandbox, "10.00", "20.00")
    refused(sandbox, "5.00", code="RC01")
    code, groups = dlq("list")
    assert code == 0
    assert [(g["code"], g["connector"], g["count"], g["amount"], g["currency"]) for g in groups] == [
        ("BE01", "default:sepa", 2, "30.00", "EUR"), ("RC01", "default:sepa", 1, "5.00", "EUR"),
    ]  # fmt: skip
    assert dlq("list", "--code", "RC01")[1] == groups[1:]
    assert dlq("list", "--older-than", "1") == (0, [])
    out = io.StringIO()
    call_command("dlq", "list", stdout=out)
    assert "BE01" in out.getvalue()


def test_a_person_retries_and_gives_up_by_name(sandbox: World) -> None:
    first, second = refused(sandbox, "10.00", "20.00")
    person("lena")
    before = snapshot()
    asked = ("--actor", "lena", "--ids", str(first.id))
    assert dlq("give-up", *asked, "--dry-run") == (
        0,
        {"would_be_given_up": 1, "noted": {}, "refused": {}},
    )
    assert snapshot() == before
    why = ("--reason", "the merchant withdrew it")
    assert dlq("give-up", *asked, *why) == (0, {"given_up": 1, "noted": {}, "refused": {}})
    assert sandbox.status(first) == "cancelled"
    row = PayoutAuditLog.objects.filter(payout_id=first.pk).latest("sequence")
    assert (row.actor, row.actor_role, row.reason) == ("user:lena", "finance_ops", why[1])
    assert dlq("give-up", *asked, *why)[0] == 1  # No longer there.
    assert dlq("retry", "--actor", "lena", *why)[1]["retried"] == 1
    assert sandbox.status(second) == "pending"


@pytest.mark.parametrize("options", [
    ("retry", "--actor", "nobody", "--reason", "x"), ("retry", "--actor", "bill", "--reason", "x"),
    ("retry", "--actor", "lena"), ("retry", "--actor", "lena", "--reason", " "),
    ("attest", "--actor", "lena", "--reason", "x", "--says", "settled", "--document", "LETTER-1"),
    ("give-up", "--actor", "lena", "--reason", "x", "--older-than", "-1"),
    ("give-up", "--actor", "lena", "--reason", "x", "--connector", "no:body"),
])  # fmt: skip
def test_what_cannot_be_understood_changes_nothing(
    sandbox: World, options: tuple[str, ...]
) -> None:
    person("lena")
    person("bill", "billing_ops")
    refused(sandbox, "10.00")
    before = snapshot()
    with pytest.raises(CommandError) as stopped:
        call_command("dlq", *options)
    assert stopped.value.returncode == 2
    assert snapshot() == before


def test_R39_a_command_without_a_person_retries_nothing_above_the_limit(
    sandbox: World, settings: Any
) -> None:
    settings.APPROVAL_LIMITS = {"*": 5}
    payout = sandbox.create(amount="10.00")
    lifecycle.approve_payouts([payout.id], actor=sandbox.operator, tenant_id=None)
    sandbox.bank.fault("reject", rail="sepa", code="BE01", count=1)
    sandbox.reach(payout, "dlq")
    with pytest.raises(SystemExit) as ended:
        call_command("retry_payouts", "--reason", "x", "--json", stdout=io.StringIO())
    assert ended.value.code == 1
    assert sandbox.status(payout) == "dlq"
    person("lena")
    person("omar", "treasury_ops")
    why = ("--reason", "the merchant withdrew it")
    assert dlq("give-up", "--actor", "lena", *why)[1]["noted"] == {"waits_for_person": 1}
    assert dlq("give-up", "--actor", "omar", *why)[1]["given_up"] == 1


# --- how it leaves: a letter ------------------------------------------------------------------------------

LETTER = ("--document", "LETTER-2026/118", "--reason", "the bank answered by letter")


@pytest.fixture
def doubtful(sandbox: World, settings: Any) -> Payout:
    return in_state(sandbox, "dlq live", settings)


def test_two_people_state_that_the_bank_refused_and_then_it_may_be_retried(
    sandbox: World, doubtful: Payout
) -> None:
    for name in ("lena", "omar"):
        person(name)
    asked = ("attest", "--ids", str(doubtful.id), "--says", "rejected", *LETTER)
    noted = {"moved": 0, "noted": {"waits_for_person": 1}, "refused": {}}
    assert dlq(*asked, "--actor", "lena") == (0, noted)
    assert dlq(*asked, "--actor", "lena") == (0, noted)  # One person is one person.
    assert BankLetter.objects.count() == 1
    result = lifecycle.retry_payouts([doubtful.id], actor=SECOND, reason="x", tenant_id=None)[0]
    assert isinstance(result, lifecycle.Refused)
    assert result.error.code == "outcome_unknown"
    other = ("attest", "--ids", str(doubtful.id), "--says", "settled", *LETTER, "--actor", "lena")
    assert dlq(*other)[1]["refused"] == {"letter_contradicts": 1}
    assert dlq(*asked, "--actor", "omar") == (0, {"moved": 1, "noted": {}, "refused": {}})
    attempt = PayoutAttempt.objects.get(payout=doubtful)
    assert (attempt.state, attempt.error_code, sandbox.status(doubtful)) == (
        "rejected",
        "letter",
        "dlq",
    )
    assert PayoutHold.objects.get(payout=doubtful).status == "active"
    said = BankEvidence.objects.get(payout_id=doubtful.pk, source="letter")
    assert (said.kind, said.detail, said.effect) == ("rejected", "LETTER-2026/118", "moved")
    rows = PayoutAuditLog.objects.filter(payout_id=doubtful.pk, action="payout.attested")
    assert [(row.actor, row.data["says"]) for row in rows.order_by("id")] == [
        ("user:lena", "rejected"), ("user:omar", "rejected"),
    ]  # fmt: skip
    retried = lifecycle.retry_payouts([doubtful.id], actor=SECOND, reason="x", tenant_id=None)[0]
    assert retried == lifecycle.Done(doubtful.id, "pending")
    assert dlq(*asked, "--actor", "omar")[0] == 1  # It waits for no letter any more.


def test_two_people_state_that_the_bank_paid(sandbox: World, doubtful: Payout) -> None:
    values = {"says": "settled", "document": "LETTER-7", "reason": "x", "tenant_id": None}
    first = letters.attest([doubtful.id], actor=sandbox.operator, **values)  # type: ignore[arg-type]
    assert first == [lifecycle.Requested(doubtful.id, "dlq", awaits="person")]
    assert sandbox.balance() == (Decimal(9_900), Decimal(100))
    another = values | {"document": "LETTER-8"}
    said = letters.attest([doubtful.id], actor=SECOND, **another)  # type: ignore[arg-type]
    assert said == first  # Another letter is another word.
    third = Actor(id="third", role="finance_ops")
    assert letters.foresee([doubtful.id], actor=third, says="settled", document="LETTER-8") == [
        lifecycle.Done(doubtful.id, "settled")
    ]
    assert letters.attest([doubtful.id], actor=third, **another) == [  # type: ignore[arg-type]
        lifecycle.Done(doubtful.id, "settled")
    ]
    assert PayoutHold.objects.get(payout=doubtful).status == "released"
    assert sandbox.balance() == (Decimal(9_900), Decimal(0))


def test_a_refusal_by_letter_carries_out_the_wish_to_cancel(
    sandbox: World, doubtful: Payout
) -> None:
    lifecycle.cancel_payouts([doubtful.id], actor=SECOND, reason="x", tenant_id=None)
    for actor in (sandbox.operator, SECOND):
        result = letters.attest(
            [doubtful.id], actor=actor, says="rejected", document="LETTER-7", reason="x", tenant_id=None
        )  # fmt: skip
    assert result == [lifecycle.Done(doubtful.id, "cancelled")]
    assert sandbox.balance() == (Decimal(10_000), Decimal(0))
