"""Our own account at a bank lacks money: the payout waits, people are told to fund it, and then it goes out."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse

from payouts import alerts, dispatch
from payouts.models import BankConnector, BankEvidence, Payout, PayoutAlert
from tests.api_client import merchant, operator
from tests.workbench import browsers
from tests.world import World


@pytest.fixture
def refused(sandbox: World, settings: Any) -> Payout:
    """One that waits for funds, and is not due again during the test."""
    settings.FUND_RETRY_S = 3600
    sandbox.bank.fault("reject", rail="sepa", code="AM04", count=1)
    payout = sandbox.create(amount="250.00")
    dispatch.dispatch_due()
    return Payout.objects.get(pk=payout.pk)


@pytest.mark.django_db
def test_it_is_sent_again_until_there_is_money_and_no_retry_is_spent(
    sandbox: World, settings: Any
) -> None:
    settings.FUND_RETRY_S = 0.05
    refusals = 5  # More than the retries that a payout has.
    sandbox.bank.fault("reject", rail="sepa", code="AM04", count=refusals)
    before = sandbox.balance()
    payout = sandbox.create()
    assert payout.max_retries < refusals
    sent = sandbox.reach(payout, "sent", "settled", "dlq")
    assert (sent.status in ("sent", "settled"), sent.retry_count) == (True, 0)
    tries = sandbox.attempts(payout)
    assert [attempt.state for attempt in tries[:-1]] == ["rejected"] * refusals
    assert len([row for row in sandbox.bank.records(payout.id) if row["state"] == "booked"]) == 1
    assert sandbox.balance()[1] in (payout.amount, 0)
    assert before[0] - sandbox.balance()[0] == payout.amount


@pytest.mark.django_db
def test_it_keeps_its_hold_and_waits(sandbox: World, refused: Payout) -> None:
    assert (refused.status, refused.retry_count, refused.last_error_code) == ("failed", 0, "AM04")
    assert refused.next_retry_at is not None
    assert (refused.next_retry_at - refused.updated_at).total_seconds() > 3000
    assert sandbox.balance()[1] == refused.amount
    said = BankEvidence.objects.get(payout_id=refused.id, kind="rejected")
    assert (said.reaction, said.code) == ("fund_first", "AM04")


@pytest.mark.django_db
def test_people_are_told_to_fund_it_until_it_went_out(sandbox: World, refused: Payout) -> None:
    assert (alerts.sweep("fund_first"), alerts.sweep("fund_first")) == (1, 0)
    alert = PayoutAlert.objects.get(alert_type="fund_first")
    assert (alert.severity, alert.resolved) == ("critical", False)
    assert alert.message == "Fund first: default:sepa lacks money for 1 payouts over 250.00 EUR"
    pressed = operator(sandbox).post(f"/api/payouts/{refused.id}/retry", {"reason": "Funded"})
    assert pressed.status == 200, pressed.body
    sandbox.reach(refused, "sent", "settled")
    alerts.sweep("fund_first")
    assert PayoutAlert.objects.get(alert_type="fund_first").resolved


@pytest.mark.django_db
def test_merchants_read_that_it_waits_and_operators_why(sandbox: World, refused: Payout) -> None:
    path = f"/api/payouts/{refused.id}"
    outside = merchant(sandbox).get(path).body["payout"]["status_reason"]
    assert outside == {
        "code": "bank_unavailable",
        "message": "The payment waits on our side and goes out by itself. You need not do anything.",
    }
    inside = operator(sandbox).get(path).body["payout"]["status_reason"]
    assert inside["bank_code"] == "AM04"
    assert inside["operator_message"].startswith("Our account had too little money. Fund first: ")
    told = operator(sandbox).get(f"{path}/timeline").body["events"]
    (failed,) = [event for event in told if event["what"] == "payout.failed"]
    assert failed["trouble"]["explained"] == inside["operator_message"]


@pytest.mark.django_db
def test_one_that_is_well_has_no_reason(sandbox: World) -> None:
    payout = sandbox.create()
    for caller in (merchant(sandbox), operator(sandbox)):
        assert caller.get(f"/api/payouts/{payout.id}").body["payout"]["status_reason"] is None


@pytest.mark.django_db
def test_the_workbench_shows_a_bank_that_needs_funds(sandbox: World, refused: Payout) -> None:
    treasury = browsers()["treasury"]
    bank = BankConnector.objects.get(pk=refused.bank_connector_id)
    for address in (
        reverse("admin:payouts_bankconnector_changelist"),
        reverse("admin:payouts_bankconnector_change", args=[bank.pk]),
        reverse("admin:index"),
    ):
        assert b"needs 250.00 EUR" in treasury.get(address).content, address
    page = treasury.get(reverse("admin:payouts_payout_change", args=[refused.pk])).content.decode()
    assert "Fund first: put money into our account" in page


@pytest.mark.django_db
def test_it_can_be_cancelled_meanwhile(sandbox: World, refused: Payout) -> None:
    answer = operator(sandbox).post(f"/api/payouts/{refused.id}/cancel", {"reason": "Not today"})
    assert answer.status == 200
    assert (sandbox.status(refused), sandbox.balance()[1]) == ("cancelled", 0)
    assert alerts.sweep("fund_first") == 0


@pytest.mark.django_db
def test_a_bank_needs_no_funds_for_what_is_refused_for_another_reason(
    sandbox: World, refused: Payout
) -> None:
    sandbox.bank.fault("reject", rail="sepa", code="ED05", count=1)
    operator(sandbox).post(f"/api/payouts/{refused.id}/retry", {"reason": "Funded"})
    dispatch.dispatch_due()
    now = Payout.objects.get(pk=refused.pk)
    assert (now.status, now.last_error_code, now.retry_count) == ("failed", "ED05", 1)
    assert alerts.sweep("fund_first") == 0
