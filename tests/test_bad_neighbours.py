"""What a bank says of many at once reaches all of them, though one can make nothing of it; and no check is fooled."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from connectors.base import EventKind, StatusEvent
from connectors.rails.sepa import SepaConnector
from payouts import dispatch, inbound, invariants, outcomes
from payouts.banks import Outcome, OutcomeKind
from payouts.models import BankDocument, BankEvidence, BankTransmission, Payout
from tests.api_client import acting_as
from tests.database import lift, run
from tests.test_dispatch import expire_leases, sepa
from tests.world import World


def event_of(world: World, payout: Payout, **more: Any) -> StatusEvent:
    (attempt,) = world.attempts(payout)
    named = {"kind": EventKind.SETTLED, "amount": payout.amount, "currency": "EUR"}
    return StatusEvent(**named | {"reference": attempt.reference} | more)  # type: ignore[arg-type]


def spoil(payout: Payout) -> None:
    """As somebody with the database in their hands could: its hold is gone, so that it cannot be settled."""
    lift("payout_holds.never_deleted")
    run("DELETE FROM payout_holds WHERE payout_id = %(id)s", {"id": payout.id})


def told(events: list[StatusEvent], monkeypatch: pytest.MonkeyPatch) -> BankDocument:
    """The bank sends a report about all of them."""
    monkeypatch.setattr(SepaConnector, "parse_report", lambda s, d: events)
    stored = outcomes.store_document(sepa(), b"<x/>", document_type="camt.054", remote_id="x")
    inbound.read_waiting()
    return BankDocument.objects.get(pk=stored)


def test_one_payout_that_cannot_follow_does_not_keep_a_report_from_the_others(
    sandbox: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    payouts = [sandbox.create() for _ in range(3)]
    dispatch.dispatch_due()
    events = [event_of(sandbox, payout) for payout in payouts]
    spoil(payouts[1])
    document = told(events, monkeypatch)
    assert [sandbox.status(payout) for payout in payouts] == ["settled", "sent", "settled"]
    assert document.error == "not_all_applied: 1 of 3 statements"  # An alert: a person looks at it.


def test_nor_an_answer_and_the_bank_is_asked_again_about_that_one(sandbox: World) -> None:
    payouts = [sandbox.create() for _ in range(2)]
    bank = sepa()
    claim = dispatch.claim_due(bank)
    assert claim is not None
    assert dispatch.prepare(bank, claim)
    assert dispatch.begin_call(claim) is not None
    events = [event_of(sandbox, payout) for payout in payouts]
    spoil(payouts[0])
    answer = Outcome(kind=OutcomeKind.ACCEPTED, events=events)
    outcomes.record_outcome(bank, claim.transmission_id, answer, lease_token=claim.lease_token)
    assert [sandbox.status(payout) for payout in payouts] == ["processing", "settled"]
    assert (
        BankTransmission.objects.get().state == "sending"
    )  # Until its lease ends: then it is in doubt.
    expire_leases()
    sandbox.work_until(lambda: sandbox.status(payouts[0]) == "in_doubt")


@pytest.mark.parametrize("amount", ["123456789012345678", "100.00000000000000001", "100.0001"])
def test_money_that_no_column_holds_is_other_money_and_is_written_down(
    sandbox: World, monkeypatch: pytest.MonkeyPatch, amount: str
) -> None:
    """ISO 20022 writes up to eighteen digits before the point, and seventeen behind it."""
    wrong, right = sandbox.create(), sandbox.create()
    dispatch.dispatch_due()
    events = [event_of(sandbox, wrong, amount=Decimal(amount)), event_of(sandbox, right)]
    assert told(events, monkeypatch).error == ""
    assert (sandbox.status(wrong), sandbox.status(right)) == ("dlq", "settled")
    kept = BankEvidence.objects.get(payout_id=wrong.id, effect="mismatch")
    assert (kept.amount, amount in kept.detail) == (None, True)


def test_whoever_may_see_nothing_does_not_find_everything_in_order(real_sandbox: World) -> None:
    """As the web's own login without a merchant, an invariant would be asked of no rows at all."""
    real_sandbox.create()
    run("UPDATE ledger_balances SET held = held + 1 WHERE currency = 'EUR'")
    with acting_as("payouts_web"):
        broken = {verdict.name for verdict in invariants.check() if verdict.broken}
        *_, last = invariants.check_ledger()
    assert "held_is_in_flight" in broken
    assert any(verdict.broken for verdict in last.verdicts)
