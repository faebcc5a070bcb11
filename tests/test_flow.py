"""A payout's whole life, on both rails, against a real bank over HTTP."""

from __future__ import annotations

from decimal import Decimal

import pytest

from ledger import book
from payouts.models import PayoutAuditLog, PayoutHold
from tests.world import World


@pytest.mark.parametrize(("kind", "currency"), [("iban", "EUR"), ("us_bank", "USD")])
def test_a_payout_goes_all_the_way(sandbox: World, kind: str, currency: str) -> None:
    payout = sandbox.create(kind, "120.50")
    assert payout.status == "pending"
    assert sandbox.balance(currency) == (Decimal("9879.5"), Decimal("120.5"))

    settled = sandbox.settle(payout)

    attempt = sandbox.attempts(payout)[0]
    (booked,) = sandbox.bank.records(payout.id)
    assert booked["state"] == "booked"
    assert booked["reference"] == attempt.reference
    assert (Decimal(booked["amount"]), booked["currency"]) == (Decimal("120.50"), currency)
    assert booked["account_last4"] == ("3000" if kind == "iban" else "9012")
    assert PayoutHold.objects.get(payout=payout).status == "released"
    assert sandbox.balance(currency) == (Decimal("9879.5"), Decimal(0))
    assert attempt.state == "settled"
    assert settled.sent_at is not None
    assert book.verify_book() == []
    statuses = PayoutAuditLog.objects.filter(payout_id=payout.id).order_by("sequence")
    assert [row.to_status for row in statuses] == ["pending", "processing", "sent", "settled"]
