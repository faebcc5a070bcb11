"""What a receiving bank corrects: the next payout goes there, the last one keeps what it was paid to."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from django.db import ProgrammingError, transaction

from connectors.base import EventKind
from payouts import banks, beneficiaries, corrections, evidence, inbound, invariants, tenancy
from payouts.audit import engine
from payouts.banks import StatusEvent
from payouts.models import (
    AccountCorrection,
    BankEvidence,
    BeneficiaryAccount,
    Payout,
    PayoutAlert,
    PayoutAuditLog,
)
from tests.api_client import acting_as, merchant
from tests.database import run
from tests.test_dispatch import sepa
from tests.test_evidence import say
from tests.world import IBAN, US_ACCOUNT, World

NEW_NUMBER, NEW_ROUTING = "998877665544", "011000015"
NUMBER = {"account_number": NEW_NUMBER}


@pytest.fixture
def paid(sandbox: World, settings: Any) -> Payout:
    settings.FILE_WINDOW_SECONDS = 0
    return sandbox.reach(sandbox.create("us_bank", "20.00"), "sent")


def named(world: World) -> UUID:
    """The account as the merchant knows it."""
    return world.accounts["us_bank"][1]


def number_of(account_id: UUID) -> dict[str, str]:
    return dict(beneficiaries.open_accounts([account_id])[account_id].details)


def test_the_next_payout_goes_to_the_corrected_account_and_the_last_one_shows_the_old(
    sandbox: World, paid: Payout
) -> None:
    status, attempt = sandbox.status(paid), sandbox.attempts(paid)[-1].state
    assert say(sandbox, paid, "correction", code="C01", corrected=NUMBER)["noted"] == 1
    assert (sandbox.status(paid), sandbox.attempts(paid)[-1].state) == (status, attempt)
    following = sandbox.create("us_bank", "30.00")
    assert number_of(following.beneficiary_account_id) == US_ACCOUNT | NUMBER
    paid.refresh_from_db()
    assert number_of(paid.beneficiary_account_id) == US_ACCOUNT
    sandbox.reach(following, "sent")
    assert [r["account_last4"] for r in sandbox.bank.records(following.id)] == [NEW_NUMBER[-4:]]
    assert [verdict.name for verdict in invariants.ask() if verdict.broken] == []


def test_a_notice_from_the_real_bank_corrects_the_account_and_the_next_payout_arrives_there(
    sandbox: World, settings: Any
) -> None:
    """The simulator corrects accounts that end in 301 to 123456789012, a banking day after settlement."""
    settings.FILE_WINDOW_SECONDS = 0
    sandbox.pay_to("moved", **US_ACCOUNT | {"account_number": "900000000301"})
    payout = sandbox.settle(sandbox.create("moved", "20.00"))
    for _ in range(6):
        if AccountCorrection.objects.exists():
            break
        sandbox.bank.advance(days=1)
        sandbox._work_for(1.0)
    assert AccountCorrection.objects.get().code == "C01"
    assert sandbox.status(payout) == "settled"
    following = sandbox.reach(sandbox.create("moved", "30.00"), "sent")
    told = [row["account_last4"] for row in sandbox.bank.records(following.id)]
    assert told == [US_ACCOUNT["account_number"][-4:]]


@pytest.mark.parametrize(
    ("code", "corrected", "kept"),
    [
        ("C01", NUMBER, US_ACCOUNT | NUMBER),
        ("C02", {"routing_number": NEW_ROUTING}, US_ACCOUNT | {"routing_number": NEW_ROUTING}),
        ("C03", {"routing_number": NEW_ROUTING, **NUMBER}, US_ACCOUNT | {"routing_number": NEW_ROUTING, **NUMBER}),
        ("C05", {"account_type": "savings"}, US_ACCOUNT | {"account_type": "savings"}),
        ("C06", {"account_type": "savings", **NUMBER}, US_ACCOUNT | {"account_type": "savings", **NUMBER}),
    ],
)  # fmt: skip
def test_each_code_corrects_what_it_names_and_nothing_else(
    sandbox: World, paid: Payout, code: str, corrected: dict[str, str], kept: dict[str, str]
) -> None:
    say(sandbox, paid, "correction", code=code, corrected=corrected)
    today = corrections.current([named(sandbox)])[named(sandbox)]
    account = BeneficiaryAccount.objects.get(pk=today)
    assert number_of(today) == kept
    assert (account.institution, account.last4) == (
        kept["routing_number"],
        kept["account_number"][-4:],
    )
    assert bytes(account.blind_index) == beneficiaries.index_of(kept)
    assert (account.tenant_id, account.status) == (sandbox.tenant_id, "active")


def test_a_corrected_holder_keeps_the_number(sandbox: World, paid: Payout) -> None:
    say(sandbox, paid, "correction", code="C04", corrected={"holder_name": "Anna Schmitt"})
    today = corrections.current([named(sandbox)])[named(sandbox)]
    opened = beneficiaries.open_accounts([today])[today]
    assert (opened.holder_name, dict(opened.details)) == ("Anna Schmitt", US_ACCOUNT)


def test_a_correction_said_again_corrects_nothing(sandbox: World, paid: Payout) -> None:
    for _ in range(3):  # In documents of their own.
        say(sandbox, paid, "correction", code="C01", corrected=NUMBER)
    again = sandbox.reach(sandbox.create("us_bank", "30.00"), "sent")
    # Another payout to an account that is so already: the bank had it before it knew.
    assert say(sandbox, again, "correction", code="C01", corrected=NUMBER)["nothing_new"] == 1
    assert AccountCorrection.objects.count() == 1


def test_corrections_of_two_payouts_add_up(sandbox: World, settings: Any, paid: Payout) -> None:
    other = sandbox.reach(sandbox.create("us_bank", "30.00"), "sent")
    say(sandbox, paid, "correction", code="C01", corrected=NUMBER)
    say(sandbox, other, "correction", code="C02", corrected={"routing_number": NEW_ROUTING})
    say(sandbox, paid, "correction", code="C01", corrected=NUMBER)  # Late, and said before.
    today = corrections.current([named(sandbox)])[named(sandbox)]
    assert number_of(today) == US_ACCOUNT | NUMBER | {"routing_number": NEW_ROUTING}
    assert AccountCorrection.objects.count() == 2


def test_what_was_said_before_does_not_undo_what_was_said_since(
    sandbox: World, settings: Any, paid: Payout
) -> None:
    other = sandbox.reach(sandbox.create("us_bank", "30.00"), "sent")
    say(sandbox, paid, "correction", code="C01", corrected=NUMBER)
    say(sandbox, other, "correction", code="C01", corrected={"account_number": "112233445566"})
    assert say(sandbox, paid, "correction", code="C01", corrected=NUMBER)["nothing_new"] == 1
    today = corrections.current([named(sandbox)])[named(sandbox)]
    assert number_of(today)["account_number"] == "112233445566"


def test_no_request_leads_payments_to_another_account(sandbox: World, paid: Payout) -> None:
    with (
        acting_as("payouts_web"),
        tenancy.within(tenancy.PLATFORM),
        pytest.raises(ProgrammingError, match="denied for table account_corrections"),
    ):
        say(sandbox, paid, "correction", code="C01", corrected=NUMBER)


@pytest.mark.parametrize(
    "corrected",
    [
        {},
        {"account_number": ""},
        {"routing_number": "123456789"},
        {"iban": IBAN},
        {"holder_name": "...."},
    ],
)
def test_what_makes_no_account_corrects_nothing_and_calls_a_person(
    sandbox: World, paid: Payout, corrected: dict[str, str]
) -> None:
    from payouts import alerts

    assert say(sandbox, paid, "correction", code="C02", corrected=corrected)["unusable"] == 1
    assert not AccountCorrection.objects.exists()
    alerts.sweep("bank_contradiction")
    assert PayoutAlert.objects.get(alert_type="bank_contradiction").message == (
        "The bank says correction: unusable"
    )


def test_a_merchant_sees_that_its_account_was_corrected_and_never_the_number(
    sandbox: World, paid: Payout
) -> None:
    say(sandbox, paid, "correction", code="C01", corrected=NUMBER, detail=f"now {NEW_NUMBER}")
    beneficiary = beneficiaries.get_beneficiary(
        sandbox.accounts["us_bank"][0], tenant_id=sandbox.tenant_id
    )
    from payouts.api.payee_shapes import present_beneficiary

    old, new = present_beneficiary(beneficiary, to=sandbox.operator)["accounts"]
    assert (old["id"], old["last4"]) == (str(named(sandbox)), US_ACCOUNT["account_number"][-4:])
    assert (old["corrected"]["code"], old["corrected"]["account_id"]) == ("C01", new["id"])
    assert (new["last4"], new["corrected"]) == (NEW_NUMBER[-4:], None)
    timeline = merchant(sandbox).get(f"/api/payouts/{paid.id}/timeline").body["events"]
    assert "bank.correction" in [event["what"] for event in timeline]
    kept = run("SELECT string_agg(t::text, '') FROM bank_evidence t") + run(
        "SELECT string_agg(t::text, '') FROM payout_audit_log t"
    )
    assert NEW_NUMBER not in str(kept) + str(timeline)
    row = PayoutAuditLog.objects.get(action="beneficiary.account_corrected")
    assert (row.actor, row.data["code"]) == ("engine:test", "C01")


def test_a_correction_travels_from_a_banks_document_to_the_account(
    sandbox: World, paid: Payout
) -> None:
    attempt = sandbox.attempts(paid)[-1]
    bank = banks.line(attempt.bank_connector_id)
    event = StatusEvent(
        kind=EventKind.CORRECTION, reference=attempt.reference, code="C01", corrected=NUMBER
    )
    assert NEW_NUMBER not in repr(event)
    statements = inbound.statements_of_events(bank, [event], source_key="document:1")
    assert NEW_NUMBER not in repr(statements)
    for _ in range(2):
        with transaction.atomic():
            evidence.record(statements, actor=engine("inbound"))
    assert AccountCorrection.objects.get().code == "C01"
    assert BankEvidence.objects.filter(kind="correction", payout_id=paid.pk).count() == 1


def test_a_corrected_iban_leaves_the_old_banks_bic_behind(sandbox: World) -> None:
    sandbox.pay_to("paris", iban="FR1420041010050500013M02606", bic="PSSTFRPPPAR")
    payout = sandbox.reach(sandbox.create("paris"), "sent")
    assert payout.bank_connector_id == sepa().id
    say(sandbox, payout, "correction", code="AC01", corrected={"iban": IBAN})
    today = corrections.current([payout.beneficiary_account_id])[payout.beneficiary_account_id]
    assert number_of(today)["iban"] == IBAN
    assert BeneficiaryAccount.objects.get(pk=today).institution.startswith("COBADEFF")


def test_a_key_that_is_used_again_shows_the_payout_of_then(sandbox: World, paid: Payout) -> None:
    """What was asked for is compared as it was asked for, whatever its account became."""
    from tests.api_client import payout_body

    body = payout_body(sandbox, "us_bank", amount="1", currency="USD")
    first = merchant(sandbox).post("/api/payouts", body, key="same")
    say(sandbox, paid, "correction", code="C01", corrected=NUMBER)
    again = merchant(sandbox).post("/api/payouts", body, key="same")
    assert (first.status, again.status) == (201, 200)
    shown = [a.body["payout"]["beneficiary_account_id"] for a in (first, again)]
    assert shown == [str(named(sandbox))] * 2
