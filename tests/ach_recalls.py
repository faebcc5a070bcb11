"""ACH payments asked back, for tests: the order, and the bytes that it becomes."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from typing import Any

from connectors.abilities import RecallOrder, RecallReason
from connectors.base import OutcomeKind, PayoutInstruction, Transmission
from connectors.rails.ach import AchConnector
from tests.bank_stub import bank_stub, canned_json, config


def recall_order(payout: PayoutInstruction, sent: Transmission, **changes: Any) -> RecallOrder:
    """The wish to have a payout back that was sent in this file."""
    plain = RecallOrder(
        reference="000000000000777",
        payment_reference=payout.reference,
        transmission=sent,
        bank_reference="",
        amount=payout.amount,
        currency="USD",
        reason=RecallReason.DUPLICATE,
        detail="",
        created_at=datetime(2026, 11, 25, 20, tzinfo=UTC),
    )
    return dataclasses.replace(plain, **changes)


def reversal_of(payout: PayoutInstruction, sent: Transmission) -> bytes:
    """The bytes with which a payout is asked back: the same ones whenever it is."""
    order = recall_order(payout, sent)
    with bank_stub(canned_json({})) as bank:
        connector = AchConnector(config("ach", bank.url))
        assert connector.recall(order).kind is OutcomeKind.UNKNOWN
        assert connector.recall(order).kind is OutcomeKind.UNKNOWN
        first, second = bank.asked
    assert first.body == second.body
    return first.body
