"""What banks say, applied by rank: doubled, late and contradicting statements move nothing that they should not."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction

from payouts import alerts, dispatch, evidence, outcomes
from payouts.audit import engine
from payouts.banks import Outcome, OutcomeKind
from payouts.evidence import Statement
from payouts.models import BankEvidence, Payout, PayoutAlert, PayoutHold
from tests.database import run
from tests.test_dispatch import sepa
from tests.world import World


def say(world: World, payout: Payout, kind: str, **more: Any) -> dict[str, int]:
    """A bank's statement about the payout's last attempt."""
    attempt = world.attempts(payout)[-1]
    statement = Statement(
        source="report", source_key=f"test:{BankEvidence.objects.count()}", position=0,
        bank_connector_id=attempt.bank_connector_id, reference=attempt.reference, kind=kind, **more,
    )  # fmt: skip
    with transaction.atomic():
        return evidence.record([statement], actor=engine("test"))


def killed_during_the_call(world: World) -> tuple[Payout, dispatch.Claim]:
    """Its bytes are out, as far as anybody can tell, and nobody waits for the answer."""
    payout, bank = world.create(), sepa()
    claim = dispatch.claim_due(bank)
    assert claim is not None
    assert dispatch.prepare(bank, claim)
    assert dispatch.begin_call(claim) is not None
    return payout, claim


@pytest.fixture
def sent(sandbox: World) -> Payout:
    payout = sandbox.create()
    dispatch.dispatch_due()
    assert sandbox.status(payout) == "sent"
    return payout


@pytest.mark.parametrize(
    ("told", "ends", "hold", "available"),
    [
        (["settled"], "settled", "released", 9900),
        (["settled", "accepted"], "settled", "released", 9900),  # Out of order.
        (["settled", "settled"], "settled", "released", 9900),
        (["returned"], "returned", "released", 10_000),  # Before any settlement.
        (["settled", "returned"], "returned", "released", 10_000),
        (["settled", "returned", "returned"], "returned", "released", 10_000),
        (["returned", "settled"], "returned", "released", 10_000),
        (["rejected"], "rejected", "reversed", 10_000),
        (["unknown"], "sent", "active", 9900),  # Says less than what is known.
    ],
)
def test_statements_move_a_payout_once_and_never_back(
    sandbox: World, sent: Payout, told: list[str], ends: str, hold: str, available: int
) -> None:
    for kind in told:
        say(sandbox, sent, kind, reaction="refuse")
    assert sandbox.status(sent) == ends
    assert PayoutHold.objects.get(payout=sent).status == hold
    assert sandbox.balance()[0] == available


@pytest.mark.parametrize("kind", ["accepted", "settled"])
def test_payment_of_a_refused_payout_changes_nothing_and_calls_a_person(
    sandbox: World, sent: Payout, kind: str
) -> None:
    say(sandbox, sent, "rejected", reaction="refuse", code="AC04")
    assert say(sandbox, sent, kind)["contradiction"] == 1
    assert sandbox.status(sent) == "rejected"
    assert sandbox.balance() == (Decimal(10_000), Decimal(0))
    assert alerts.sweep("bank_contradiction") == 1
    assert alerts.sweep("bank_contradiction") == 0
    alert = PayoutAlert.objects.get(alert_type="bank_contradiction")
    assert (alert.severity, alert.payout_id) == ("critical", sent.id)


@pytest.mark.parametrize("kind", ["rejected", "returned"])
def test_an_account_number_in_a_banks_text_is_kept_nowhere(
    sandbox: World, sent: Payout, kind: str
) -> None:
    text = "ACCT 4417123456789 CLOSED, DE89 3704 0044 0532 0130 00, see DE89370400440532013000"
    say(sandbox, sent, kind, code="AC04", detail=text, reaction="refuse")
    for table in ("bank_evidence", "payouts", "payout_retry_log", "payout_audit_log"):
        kept = run(f"SELECT r::text FROM {table} r")
        for secret in ("4417123456789", "0532 0130", "0532013000"):
            assert not [row for (row,) in kept if secret in row]
    sent.refresh_from_db()
    assert sent.last_error.startswith("ACCT [left out] CLOSED")


def test_a_return_that_our_bank_does_not_take_calls_a_person(sandbox: World, sent: Payout) -> None:
    say(sandbox, sent, "returned", code="R03")
    assert say(sandbox, sent, "settled")["nothing_new"] == 1  # A report that was slow.
    # Dishonoured: the payee keeps the money, and the merchant has it too.
    assert say(sandbox, sent, "settled", code="R68")["contradiction"] == 1
    assert sandbox.status(sent) == "returned"
    assert alerts.sweep("bank_contradiction") == 1


@pytest.mark.parametrize(
    "money", [{"amount": Decimal("100.01")}, {"amount": Decimal(100), "currency": "USD"}]
)
def test_a_bank_that_names_other_money_freezes_the_payout(
    sandbox: World, sent: Payout, money: dict[str, Any]
) -> None:
    assert say(sandbox, sent, "settled", **money)["mismatch"] == 1
    assert sandbox.status(sent) == "dlq"
    assert PayoutHold.objects.get(payout=sent).status == "active"
    say(sandbox, sent, "settled", amount=Decimal(100), currency="EUR")  # Corrected by the bank.
    assert sandbox.status(sent) == "settled"


@pytest.mark.parametrize("kind", ["accepted", "settled"])
def test_a_frozen_payout_stays_frozen_until_a_bank_names_the_right_money(
    sandbox: World, kind: str
) -> None:
    """A word that names no money does not take back that other money was named."""
    payout = killed_during_the_call(sandbox)[0]
    assert say(sandbox, payout, "accepted", amount=Decimal("99.99"), currency="EUR")["mismatch"]
    assert sandbox.status(payout) == "dlq"
    say(sandbox, payout, kind)
    assert (sandbox.status(payout), sandbox.attempts(payout)[0].state) == ("dlq", "unknown")
    assert PayoutHold.objects.get(payout=payout).status == "active"
    say(sandbox, payout, kind, amount=Decimal(100), currency="EUR")
    assert sandbox.status(payout) == ("sent" if kind == "accepted" else kind)


def test_a_statement_about_nobody_is_kept(sandbox: World, sent: Payout) -> None:
    attempt = sandbox.attempts(sent)[0]
    statement = Statement(
        source="report", source_key="x", position=0, bank_connector_id=attempt.bank_connector_id,
        reference="NOT-OURS", kind="settled",
    )  # fmt: skip
    with transaction.atomic():
        assert evidence.record([statement], actor=engine("test"))["unmatched"] == 1
    assert BankEvidence.objects.get(reference="NOT-OURS").payout_id is None


def test_the_same_statement_twice_is_stored_once(sandbox: World, sent: Payout) -> None:
    attempt = sandbox.attempts(sent)[0]
    statement = Statement(
        source="report", source_key="x", position=0, bank_connector_id=attempt.bank_connector_id,
        reference=attempt.reference, kind="settled",
    )  # fmt: skip
    for _ in range(2):
        with transaction.atomic():
            effects = evidence.record([statement], actor=engine("test"))
    assert effects == {"replayed": 1}
    assert BankEvidence.objects.filter(source_key="x").count() == 1


def test_what_two_workers_heard_about_two_sends_is_both_recorded(sandbox: World) -> None:
    """A worker stopped during its call comes back after the bytes were sent again, and says: no answer."""
    payout = sandbox.create()
    bank = sepa()
    claim = dispatch.claim_due(bank)
    assert claim is not None
    dispatch.prepare(bank, claim)
    outgoing = dispatch.begin_call(claim)
    assert outgoing is not None
    outcomes.record_outcome(
        bank, claim.transmission_id, Outcome(kind=OutcomeKind.UNKNOWN, code="time_out")
    )
    assert sandbox.status(payout) == "in_doubt"
    outcomes.record_outcome(bank, claim.transmission_id, dispatch.call(bank, outgoing))
    assert sandbox.status(payout) == "sent"


def test_a_bank_that_has_what_we_were_sure_not_to_have_sent_is_believed(
    sandbox: World, settings: Any
) -> None:
    settings.BANK_URL = "http://127.0.0.1:1"
    payout = sandbox.create()
    dispatch.dispatch_due()
    assert sandbox.status(payout) == "failed"
    say(sandbox, payout, "settled")
    assert sandbox.status(payout) == "settled"
