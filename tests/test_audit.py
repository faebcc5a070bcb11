"""Every verb leaves its row in the audit log: who, what, why; and none says who was paid, or where."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from ops import demo_data
from payouts import (
    alerts,
    audit,
    banks,
    bankstate,
    beneficiaries,
    configuring,
    creation,
    dispatch,
    letters,
    lifecycle,
    recalls,
    reconciliation,
    rotation,
)
from payouts.audit import LEFT_OUT
from payouts.models import BankConnector, Payout, PayoutAuditLog
from tests.api_client import raise_alert
from tests.database import run
from tests.test_dispatch import sepa
from tests.world import IBAN, US_ACCOUNT, World

REASON = "The merchant asked for it by telephone"


def dead(world: World) -> Payout:
    payout = world.create()
    for status in ("processing", "dlq"):
        run("UPDATE payouts SET status = %(s)s WHERE id = %(id)s", {"s": status, "id": payout.pk})
    return payout


def change(world: World, verb: Callable[..., Any], payout: Payout) -> None:
    verb([payout.pk], actor=world.operator, reason=REASON, tenant_id=None)


def cancel_at_the_bank(world: World) -> None:
    payout = world.create()
    assert dispatch.claim_due(sepa()) is not None
    change(world, lifecycle.cancel_payouts, payout)


def approve(world: World) -> None:
    """Above the limit a second person must say yes."""
    lifecycle.deposit(
        tenant_id=world.tenant_id, currency="EUR", amount=Decimal(20_000), reference="more", actor=world.operator
    )  # fmt: skip
    payout = world.create(amount="10001.00")
    assert payout.status == "requires_approval"
    change(world, lifecycle.approve_payouts, payout)


def attest(world: World) -> None:
    """A bank may have it, nobody asks any more, and a person knows what it wrote."""
    payout = world.create()
    assert dispatch.claim_due(sepa()) is not None
    run("UPDATE payouts SET status = 'dlq' WHERE id = %(id)s", {"id": payout.pk})
    letters.attest(
        [payout.pk], actor=world.operator, says="settled", document="LETTER-1", reason=REASON, tenant_id=None
    )  # fmt: skip


def resolve(world: World) -> None:
    alert = raise_alert(world.tenant_id)
    alerts.resolve_alerts([alert.pk], actor=world.operator, reason=REASON)


def deposit(world: World) -> None:
    lifecycle.deposit(
        tenant_id=world.tenant_id, currency="EUR", amount=Decimal(1), reference=str(uuid4()),
        actor=world.operator,
    )  # fmt: skip


def switch(world: World, verb: Callable[..., Any]) -> None:
    if verb is bankstate.resume:
        bankstate.pause([sepa().id], actor=world.operator, reason=REASON)
    verb([sepa().id], actor=world.operator, reason=REASON)


def configure(world: World) -> None:
    row = BankConnector.objects.get(name="default", rail="sepa")
    wanted = banks.Connection(
        name=row.name,
        rail=row.rail,
        driver=row.driver,
        config=row.config,
        credentials={"api_key": "x"},
    )
    banks.configure([wanted], actor=world.operator)


def take_in(world: World) -> None:
    reconciliation.take_in(sepa(), b"<a/>", name="statement.xml", actor=world.operator)


def recall(world: World) -> None:
    world.pay_to("wave", msisdn="+2250700000001", operator="wave")
    paid = world.reach(world.create("wave", amount="1000", payout_method="mobile_money"), "settled")
    recalls.recall_payouts(
        [paid.id], actor=world.operator, reason="duplicate", detail=REASON, tenant_id=None
    )


# verb: (what does it, the row it leaves)
VERBS: dict[str, tuple[Callable[[World], Any], str]] = {
    "creation.create_payouts": (lambda w: w.create(), "payout.created"),
    "lifecycle.cancel_payouts": (lambda w: change(w, lifecycle.cancel_payouts, w.create()), "payout.cancelled"),
    "lifecycle.retry_payouts": (lambda w: change(w, lifecycle.retry_payouts, dead(w)), "payout.pending"),
    "lifecycle.approve_payouts": (approve, "payout.pending"),
    "recalls.recall_payouts": (recall, "payout.recall_requested"),
    "letters.attest": (attest, "payout.attested"),
    "lifecycle.deposit": (deposit, "ledger.deposit"),
    "beneficiaries.create_beneficiary": (lambda w: w.pay_to("new", iban=IBAN), "beneficiary.created"),
    "alerts.resolve_alerts": (resolve, "alert.resolved"),
    "bankstate.pause": (lambda w: switch(w, bankstate.pause), "connector.paused"),
    "bankstate.resume": (lambda w: switch(w, bankstate.resume), "connector.resumed"),
    "configuring.configure": (configure, "connector.configured"),
    "reconciliation.take_in": (take_in, "document.taken_in"),
}  # fmt: skip
# Verbs that change nothing, and one that is proven with its own test (tests/test_crypto.py).
ELSEWHERE = {"lifecycle.foresee", "letters.foresee", "creation.quote_payouts", "rotation.rotate"}
MODULES = (
    creation,
    letters,
    lifecycle,
    beneficiaries,
    alerts,
    bankstate,
    configuring,
    recalls,
    reconciliation,
    rotation,
)


def test_every_verb_of_a_person_is_in_the_table() -> None:
    found = {
        f"{module.__name__.rpartition('.')[2]}.{name}"
        for module in MODULES
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if not name.startswith("_")
        and function.__module__ == module.__name__
        and "actor" in inspect.signature(function).parameters
    }
    assert found - ELSEWHERE == set(VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_leaves_a_row_with_its_author(sandbox: World, verb: str) -> None:
    act, action = VERBS[verb]
    last = PayoutAuditLog.objects.latest("id").pk
    act(sandbox)
    row = PayoutAuditLog.objects.filter(pk__gt=last, action=action).latest("id")
    assert (row.actor, row.actor_role) in {
        (who.id, who.role) for who in (sandbox.operator, sandbox.merchant)
    }
    if "reason" in inspect.signature(_function(verb)).parameters:
        assert row.reason == REASON


def _function(verb: str) -> Callable[..., Any]:
    module, _, name = verb.partition(".")
    found: Callable[..., Any] = next(
        getattr(m, name) for m in MODULES if m.__name__.endswith(f".{module}")
    )
    return found


def test_a_wish_to_cancel_is_on_record_before_it_is_honoured(sandbox: World) -> None:
    cancel_at_the_bank(sandbox)
    row = PayoutAuditLog.objects.latest("id")
    assert (row.action, row.actor, row.reason) == (
        "payout.cancel_requested", sandbox.operator.id, REASON,
    )  # fmt: skip


# --- no personal data ---------------------------------------------------------------------------------

SECRETS = (
    "Anna",
    "Schmidt",
    IBAN,
    IBAN[4:],
    US_ACCOUNT["account_number"],
    "3704 0044",
    "anna@example.org",
)


def test_no_row_of_a_whole_life_names_a_person_or_an_account(sandbox: World) -> None:
    settled = sandbox.create(description="Anna Schmidt, DE89370400440532013000")
    sandbox.settle(settled)
    sandbox.bank.fault("reject", rail="sepa", code="AC04", count=1)
    sandbox.reach(sandbox.create("iban", "7.00"), "rejected")
    told = f"Wants it at {IBAN[:4]} {IBAN[4:8]} {IBAN[8:]}, write to anna@example.org"
    stuck = dead(sandbox)
    for payout in (sandbox.create("us_bank"), stuck):
        lifecycle.retry_payouts(
            [payout.pk], actor=sandbox.operator, reason=told, tenant_id=sandbox.tenant_id
        )
        lifecycle.cancel_payouts(
            [payout.pk], actor=sandbox.operator, reason=told, tenant_id=sandbox.tenant_id
        )
    demo_data.configure_banks()
    rows = run("SELECT l::text FROM payout_audit_log l")
    assert len(rows) > 12
    for (row,) in rows:
        assert not [secret for secret in SECRETS if secret in row], row


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        (IBAN, LEFT_OUT), (f"to {IBAN.lower()}.", f"to {LEFT_OUT}."), ("GB29 NWBK 6016 1331 9268 19", LEFT_OUT),
        ("account 123456789012", f"account {LEFT_OUT}"), ("66374958", LEFT_OUT), ("+2250700000001", LEFT_OUT),
        ("4111 1111 1111 1111", LEFT_OUT), ("ask anna@example.org", f"ask {LEFT_OUT}"),
        # What is no account stays readable.
        ("AC04 means that the account is closed", "AC04 means that the account is closed"),
        ("ED05 bank back", "ED05 bank back"), ("on 2026-11-24 at 10:30", "on 2026-11-24 at 10:30"),
        ("1000.00 EUR", "1000.00 EUR"), ("R03", "R03"),
        ("see 11111111-1111-4111-8111-111111111111", "see 11111111-1111-4111-8111-111111111111"),
        ("see 01a20f50-6e97-71d0-881d-92a819a17132", "see 01a20f50-6e97-71d0-881d-92a819a17132"),
    ],
)  # fmt: skip
def test_a_reason_keeps_its_sense_and_no_account(typed: str, kept: str) -> None:
    assert audit.without_personal_data(typed) == kept
