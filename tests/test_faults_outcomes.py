"""What a bank answers, or does not, or says in any order: what becomes of the payout, of its hold, of the next try."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest
from django.db import connection, transaction

from payouts import alerts, clock, creation, dispatch, doubt, evidence, lifecycle, outcomes
from payouts.audit import engine
from payouts.evidence import Statement
from payouts.models import BankEvidence, BankTransmission, Payout, PayoutAlert, PayoutHold
from tests.bank_stub import Canned, bank_stub, canned_json
from tests.test_attacks import due_now, killed_during_the_call
from tests.test_dispatch import booked, expire_leases, sepa
from tests.test_evidence import say
from tests.world import World

NOWHERE = "http://127.0.0.1:1"


def hold_of(payout: Payout) -> str:
    return str(PayoutHold.objects.get(payout=payout).status)


def only_default_sepa() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE bank_connectors SET enabled = false WHERE rail = 'sepa_instant'"
            " OR (rail = 'sepa' AND name <> 'default')"
        )


def test_F21_what_certainly_was_not_sent_costs_no_retry_and_may_go_elsewhere(
    sandbox: World, settings: Any
) -> None:
    settings.BANK_URLS = {"sepa_default": NOWHERE}
    payout = sandbox.create()
    dispatch.dispatch_due()
    failed = Payout.objects.get(pk=payout.pk)
    assert (failed.status, failed.retry_count, hold_of(payout)) == ("failed", 0, "active")
    (attempt,) = sandbox.attempts(payout)
    assert (attempt.state, attempt.error_code) == ("not_sent", "connection_refused")
    settings.BANK_URLS = {}
    sandbox.reach(payout, "sent", "settled")
    assert [r["reference"] for r in booked(sandbox, payout)] == [attempt.reference]


@pytest.mark.parametrize("status", [500, 502, 504])
def test_F22_a_server_error_says_nothing_about_the_order(
    sandbox: World, settings: Any, status: int
) -> None:
    only_default_sepa()
    payout = sandbox.create()
    with bank_stub(canned_json({"code": "INTERNAL"}, status)) as broken:
        settings.BANK_URLS = {"sepa_default": broken.url}
        dispatch.dispatch_due()
        assert (sandbox.status(payout), hold_of(payout)) == ("in_doubt", "active")
        doubt.resolve_in_doubt()  # The inquiry fails as well: that is no answer either.
        assert sandbox.status(payout) == "in_doubt"
        assert [a.method for a in broken.asked].count("POST") == 1
    settings.BANK_URLS = {}
    sandbox.reach(payout, "sent", "settled")
    (attempt,) = sandbox.attempts(payout)
    assert [r["reference"] for r in booked(sandbox, payout)] == [attempt.reference]


def test_F24_a_bank_that_asks_for_patience_gets_it_and_the_others_are_told(
    sandbox: World, settings: Any
) -> None:
    only_default_sepa()
    settings.FILE_WINDOW_SECONDS = 0
    patient, other = sandbox.create(), sandbox.create("us_bank")
    with bank_stub(Canned(429, headers={"Retry-After": "30"})) as busy:
        settings.BANK_URLS = {"sepa_default": busy.url}
        dispatch.dispatch_due()
        dispatch.dispatch_due()
    waits = Payout.objects.get(pk=patient.pk)
    assert (waits.status, waits.retry_count) == ("failed", 0)
    assert waits.next_retry_at is not None
    assert waits.next_retry_at > clock.technical_now() + timedelta(seconds=25)
    assert len([a for a in busy.asked if a.method == "POST"]) == 1
    assert sandbox.status(other) == "sent"


def test_F26_a_bank_that_names_another_amount_stops_the_payout_and_calls_a_person(
    sandbox: World,
) -> None:
    only_default_sepa()
    sandbox.bank.fault("wrong_amount", rail="sepa", count=1)
    payout = sandbox.create()
    dispatch.dispatch_due()
    frozen = Payout.objects.get(pk=payout.pk)
    assert (frozen.status, frozen.last_error_code) == ("dlq", "bank_mismatch")
    assert hold_of(payout) == "active"
    alerts.sweep("bank_contradiction")
    alert = PayoutAlert.objects.get(alert_type="bank_contradiction", payout_id=payout.id)
    assert alert.severity == "critical"
    assert _refused_retry(sandbox, payout) == "outcome_unknown"


def _refused_retry(world: World, payout: Payout) -> str:
    (result,) = lifecycle.retry_payouts(
        [payout.id], actor=world.operator, reason="x", tenant_id=world.tenant_id
    )
    assert isinstance(result, lifecycle.Refused)
    return result.error.code


def test_F27_a_bank_that_pays_a_repetition_again_is_told_once(
    sandbox: World, settings: Any
) -> None:
    """It books late, knows nothing when it is asked, and would pay again."""
    settings.INQUIRY_HORIZON_S, settings.CALL_DEADLINE_S = 1, 0.5
    sandbox.pay_to("wallet", msisdn="+2250700000001")
    payout = sandbox.create("wallet", "1000", payout_method="mobile_money")
    sandbox.bank.fault("late_booking", count=1, seconds=2.5)
    dispatch.dispatch_due()
    sandbox.reach(payout, "dlq")
    assert hold_of(payout) == "active"
    assert BankTransmission.objects.get().sends == 1
    sandbox.reach(payout, "sent", "settled")  # Asking goes on: what was late is found.
    assert len(booked(sandbox, payout)) == 1


def test_F28_after_the_window_in_which_repetitions_are_known_nothing_is_repeated(
    sandbox: World, settings: Any
) -> None:
    settings.CALL_DEADLINE_S = 0.3
    payout, claim = killed_during_the_call(sandbox)
    expire_leases()
    doubt.recover_expired()
    window = sepa().capabilities.dedup_window
    assert window is not None
    long_ago = clock.technical_now() - window + doubt.WINDOW_MARGIN - timedelta(minutes=1)
    BankTransmission.objects.filter(id=claim.transmission_id).update(
        first_sent_at=long_ago, last_sent_at=long_ago
    )
    sandbox.reach(payout, "dlq")
    assert booked(sandbox, payout) == []
    assert BankTransmission.objects.get().sends == 1
    assert (hold_of(payout), _refused_retry(sandbox, payout)) == ("active", "outcome_unknown")


def test_F30_settled_before_our_own_answer_is_written_down_moves_everything_at_once(
    sandbox: World,
) -> None:
    payout, bank = sandbox.create(), sepa()
    claim = dispatch.claim_due(bank)
    assert claim is not None
    assert dispatch.prepare(bank, claim)
    outgoing = dispatch.begin_call(claim)
    assert outgoing is not None
    heard = dispatch.call(bank, outgoing)
    assert say(sandbox, payout, "settled") == {"replayed": 0, "moved": 1}
    outcomes.record_outcome(bank, claim.transmission_id, heard, lease_token=claim.lease_token)
    assert (sandbox.status(payout), hold_of(payout)) == ("settled", "released")
    assert BankTransmission.objects.get().state == "answered"
    assert BankEvidence.objects.filter(payout_id=payout.id).count() == 2


KINDS = ("accepted", "settled", "returned", "rejected")
ORDERS = [order for n in range(1, 5) for order in permutations(KINDS, n)]
STATUS = {"accepted": "sent", "rejected": "failed", "settled": "settled", "returned": "returned"}


def test_F31_reports_in_any_order_end_in_the_same_state(sandbox: World, settings: Any) -> None:
    """Every order of every set of reports, each told twice: the highest rank decides, whenever it came."""
    settings.WORKER_BATCH_SIZE = 100
    ends = _ends(sandbox, reaction="retry")
    ranked = ("returned", "settled", "rejected", "accepted")
    wanted = {
        order: STATUS[next(kind for kind in ranked if kind in order)] for order in ORDERS
    }  # fmt: skip
    assert ends == wanted


def test_F31_money_that_was_given_back_is_not_taken_again_and_a_person_is_called(
    sandbox: World, settings: Any
) -> None:
    """Refused for good and paid: the first of the two decides, and nobody learns of it by chance."""
    settings.WORKER_BATCH_SIZE = 100
    ends = _ends(sandbox, reaction="refuse")
    for order, end in ends.items():
        paid = [n for n, kind in enumerate(order) if kind in ("settled", "returned")]
        refused = order.index("rejected") if "rejected" in order else 9
        first_paid = paid[0] if paid else 9
        highest = "returned" if "returned" in order else "settled"
        wanted = "rejected" if refused < first_paid else highest if paid else "sent"
        assert end == wanted, order
    contradicted = BankEvidence.objects.filter(effect="contradiction").values_list("payout_id")
    both = [o for o in ORDERS if "rejected" in o and {"settled", "returned"} & set(o)]
    assert len({row[0] for row in contradicted}) >= len(both)
    assert alerts.sweep("bank_contradiction") >= len(both)


def _ends(world: World, *, reaction: str) -> dict[Sequence[str], str]:
    """How a payout ends to which these reports are made, for every order."""
    only_default_sepa()
    wishes = [world.request(amount="1.00") for _ in ORDERS]
    made = creation.create_payouts(wishes, actor=world.merchant)
    payouts = {
        order: Payout.objects.get(pk=result.payout_id)
        for order, result in zip(ORDERS, made, strict=True)
        if isinstance(result, creation.Created)
    }
    dispatch.dispatch_due()
    attempts = {order: world.attempts(payout)[0] for order, payout in payouts.items()}
    for n in range(2 * len(KINDS)):  # The n-th report about each of them, in one document.
        reports = [
            Statement(
                source="report", source_key=f"document {n}", position=position, code="ED05", reaction=reaction,
                bank_connector_id=attempts[order].bank_connector_id, reference=attempts[order].reference,
                kind=(order * 2)[n],
            )
            for position, order in enumerate(ORDERS) if n < 2 * len(order)
        ]  # fmt: skip
        with transaction.atomic():
            evidence.record(reports, actor=engine("test"))
    return {order: world.status(payout) for order, payout in payouts.items()}


def test_F35_refused_after_it_was_sent_the_hold_is_still_there_for_a_new_attempt(
    sandbox: World,
) -> None:
    payout = sandbox.create()
    dispatch.dispatch_due()
    assert (sandbox.status(payout), hold_of(payout)) == ("sent", "active")
    say(sandbox, payout, "rejected", reaction="retry", code="AC06")
    assert (sandbox.status(payout), hold_of(payout)) == ("failed", "active")
    due_now()
    dispatch.dispatch_due()
    first, second = sandbox.attempts(payout)
    assert (first.state, sandbox.status(payout)) == ("rejected", "sent")
    assert first.reference != second.reference


def test_F36_what_comes_back_is_credited_once_and_not_paid_again(sandbox: World) -> None:
    before = sandbox.balance()
    payout = sandbox.create()
    dispatch.dispatch_due()
    for kind in ("settled", "returned", "returned"):
        say(sandbox, payout, kind, code="AC04")
    assert (sandbox.status(payout), hold_of(payout)) == ("returned", "released")
    assert sandbox.balance() == before
    assert _refused_retry(sandbox, payout) == "outcome_unknown"  # Its attempt was paid.
    sandbox._work_for(0.3)
    assert len(sandbox.attempts(payout)) == 1


@pytest.mark.parametrize(("then", "ends"), [("rejected", "cancelled"), ("accepted", "sent")])
def test_F54_a_wish_to_cancel_waits_for_what_the_bank_says(
    sandbox: World, then: str, ends: str
) -> None:
    payout, _ = killed_during_the_call(sandbox)
    expire_leases()
    doubt.recover_expired()
    cancel = {"actor": sandbox.operator, "reason": "x", "tenant_id": sandbox.tenant_id}
    (asked,) = lifecycle.cancel_payouts([payout.id], **cancel)
    assert asked == lifecycle.Requested(payout.id, "in_doubt")
    assert (sandbox.status(payout), hold_of(payout)) == ("in_doubt", "active")
    say(sandbox, payout, then, reaction="retry", code="AC06")
    assert sandbox.status(payout) == ends
    assert hold_of(payout) == ("reversed" if ends == "cancelled" else "active")
    (again,) = lifecycle.cancel_payouts([payout.id], **cancel)
    if ends == "sent":
        assert isinstance(again, lifecycle.Refused)
        assert again.error.code == "cancel_too_late"
    assert len(sandbox.attempts(payout)) == 1
