"""What a bank is to do, built from payouts and opened accounts; what must not be built says why.

The bytes are made from the accounts as they are at this moment. So it is here that an approval is compared
with what it was given for: what changed in between is not paid.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from uuid import UUID

from django.db import connection

from payouts import banks, beneficiaries, clock, deadlines, payees
from payouts.banks import BankLine
from payouts.outcomes import Member

UNREADABLE = "account_unreadable"  # A key is missing from the ring: only an operator can help.
STALE = "approval_stale"  # A second person must look at it again.


def build(bank: BankLine, members: Sequence[Member]) -> banks.Prepared:
    """The bytes for these orders, and an error for each that is left out of them."""
    moment = clock.now()
    accounts = beneficiaries.open_accounts(m.account_id for m in members)
    left_out = _left_out(members, opened=accounts)
    days = deadlines.execution_dates(bank, moment, [(m.amount, m.priority) for m in members])
    instructions = [
        banks.PayoutInstruction(
            payout_id=m.payout_id,
            reference=m.reference,
            amount=m.amount,
            currency=m.currency,
            account=accounts[m.account_id],
            description=m.description,
            execution_date=day,
        )
        for m, day in zip(members, days, strict=True)
        if m.reference not in left_out
    ]
    if not instructions:
        return banks.Prepared(reference="", body=b"", content_type="", errors=left_out)
    prepared = banks.prepare(bank, instructions, moment=moment)
    return replace(prepared, errors={**prepared.errors, **left_out})


def _left_out(
    members: Sequence[Member], *, opened: Collection[UUID]
) -> dict[str, banks.FieldError]:
    """Asked after the accounts were opened: an approval that still fits them fits what was opened."""
    stale = _stale([m.payout_id for m in members])
    held = payees.held({m.account_id for m in members})
    errors = {}
    for m in members:
        if m.payout_id in stale:
            errors[m.reference] = banks.FieldError(
                field="account", code=STALE, detail="it is not what was approved"
            )
        elif m.account_id in held:
            errors[m.reference] = banks.FieldError(
                field="account",
                code=held[m.account_id],
                detail="whose account it is must be settled first",
            )
        elif m.account_id not in opened:
            errors[m.reference] = banks.FieldError(
                field="account", code=UNREADABLE, detail="it does not open"
            )
    return errors


def _stale(payout_ids: Sequence[UUID]) -> set[UUID]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM payouts WHERE id = ANY(%s) AND above_limit AND approval_hash <> ''"
            " AND approval_hash IS DISTINCT FROM approval_content(id)",
            [list(payout_ids)],
        )
        return {row[0] for row in cursor.fetchall()}
