"""The columns that the specification names, and what stands in them through a payout's life."""

from __future__ import annotations

from decimal import Decimal

import pytest

from payouts import dispatch
from payouts.models import Payout, PayoutHold
from tests.database import run
from tests.test_dispatch import sepa
from tests.world import IBAN, World

pytestmark = pytest.mark.django_db
# NUMERIC is one decimal wider than specified: there are currencies with three.
COLUMNS = {
    "payouts.origin_module": ("text", True),
    "payouts.beneficiary_id": ("uuid", True),
    "payouts.amount": ("numeric(18,3)", True),
    "payouts.currency": ("character varying(3)", True),
    "payouts.payout_method": ("text", True),
    "payouts.priority": ("text", True),
    "payouts.status": ("text", True),
    "payouts.retry_count": ("integer", True),
    "payouts.max_retries": ("integer", True),
    "payouts.ledger_hold_id": ("uuid", True),
    "payout_holds.payout_id": ("uuid", True),
    "payout_holds.hold_amount": ("numeric(18,3)", True),
    "payout_holds.debit_account": ("text", True),
    "payout_holds.credit_account": ("text", True),
    "payout_holds.expires_at": ("timestamp with time zone", False),
    "payout_alerts.alert_type": ("text", True),
    "payout_alerts.severity": ("text", True),
    "payout_alerts.message": ("text", True),
    "payout_alerts.resolved": ("boolean", True),
}


@pytest.mark.parametrize("column", COLUMNS)
def test_a_column_is_as_specified(column: str) -> None:
    table, _, name = column.partition(".")
    found = run(
        "SELECT format_type(atttypid, atttypmod), attnotnull FROM pg_attribute"
        " WHERE attrelid = %(table)s::regclass AND attname = %(name)s",
        {"table": table, "name": name},
    )
    assert found == [COLUMNS[column]]


def test_a_new_payout_begins_as_specified(sandbox: World) -> None:
    payout = sandbox.create(amount="12.34")
    assert (payout.status, payout.priority) == ("pending", "standard")
    assert (payout.retry_count, payout.max_retries) == (0, 3)
    hold = PayoutHold.objects.get(payout_id=payout.pk)
    assert payout.ledger_hold_id == hold.pk
    assert (hold.hold_amount, hold.status) == (Decimal("12.34"), "active")
    assert hold.debit_account == f"merchant:{sandbox.tenant_id}:available_balance"
    assert hold.credit_account == f"payouts:pending:{sandbox.tenant_id}"


def test_a_hold_says_nothing_about_who_is_paid(sandbox: World) -> None:
    """It is summed and stands in clear: what is in it are ids, accounts of ours and money."""
    payout = sandbox.create(description="Anna Schmidt")
    ((row,),) = run(
        "SELECT h::text FROM payout_holds h WHERE payout_id = %(id)s", {"id": payout.pk}
    )
    assert not [word for word in ("Anna", "Schmidt", IBAN, IBAN[-4:]) if word in row]


def test_an_attempt_stands_in_the_log_before_the_bank_is_called(sandbox: World) -> None:
    payout = sandbox.create()
    claim = dispatch.claim_due(sepa())
    assert claim is not None
    (attempt,) = sandbox.attempts(payout)
    assert (attempt.state, attempt.transmission_id) == ("intent", claim.transmission_id)
    assert sandbox.bank.records(payout.pk) == []
    dispatch.carry(sepa(), claim)
    (booked,) = sandbox.bank.records(payout.pk)
    assert booked["reference"] == attempt.reference


def test_a_payout_that_a_bank_has_keeps_its_hold_until_it_is_settled(sandbox: World) -> None:
    payout = sandbox.create()
    dispatch.dispatch_due()
    assert sandbox.status(payout) == "sent"
    assert PayoutHold.objects.get(payout=payout).status == "active"
    assert sandbox.balance() == (Decimal(9900), Decimal(100))
    sandbox.settle(payout)
    assert PayoutHold.objects.get(payout=payout).status == "released"
    assert sandbox.balance() == (Decimal(9900), Decimal(0))


def test_every_try_is_in_the_log_with_what_the_bank_said_and_when_the_next_is(
    sandbox: World,
) -> None:
    payout = sandbox.create()
    sandbox.bank.fault("reject", rail="sepa", code="ED05", count=1)
    dispatch.dispatch_due()
    (attempt,) = sandbox.attempts(payout)
    assert (attempt.attempt_number, attempt.connector, attempt.rail) == (1, "default", "sepa")
    assert (attempt.state, attempt.error_class, attempt.error_code) == (
        "rejected",
        "rejected",
        "ED05",
    )
    assert attempt.actor == "engine:dispatch"
    assert attempt.next_retry_at is not None
    assert attempt.next_retry_at == Payout.objects.get(pk=payout.pk).next_retry_at
