"""The only door to the ledger. A hold follows its payout's status: nobody else resolves one.

Amounts are exact decimals in units of the payout's currency; `hold_amount` equals `amount` always.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.db import connection
from uuid_utils.compat import uuid7

from ledger import book
from payouts import bulk
from payouts.errors import PayoutError


class NotCovered(Exception):
    """At least one payout of the list cannot be paid for; roll back and ask `covered`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cover:
    """Money that one payout needs, or has."""

    payout_id: UUID
    tenant_id: UUID
    amount: Decimal
    currency: str
    connector: str = ""  # "name" of the bank connection, for captures and returns
    fee: Decimal = Decimal(0)

    def movement(self) -> book.Movement:
        return book.Movement(
            payout_id=self.payout_id,
            tenant_id=self.tenant_id,
            amount=self.amount,
            currency=self.currency,
            connector=self.connector,
            fee=self.fee,
        )


HOLD_TYPES = {
    "id": "uuid", "payout_id": "uuid", "tenant_id": "uuid", "hold_amount": "numeric", "currency": "text",
    "debit_account": "text", "credit_account": "text", "status": "text", "ledger_transfer_id": "uuid",
    "expires_at": "timestamptz",
}  # fmt: skip


def place_holds(
    covers: Sequence[Cover], *, hold_ids: dict[UUID, UUID], expires_at: dict[UUID, datetime | None]
) -> None:
    """Hold money for payouts just written in this transaction. Raises NotCovered."""
    _assert_transaction()
    transfer_ids = {cover.payout_id: uuid7() for cover in covers}
    bulk.insert(
        "payout_holds",
        HOLD_TYPES,
        [
            {
                "id": hold_ids[cover.payout_id],
                "payout_id": cover.payout_id,
                "tenant_id": cover.tenant_id,
                "hold_amount": cover.amount,
                "currency": cover.currency,
                "debit_account": book.available_account(cover.tenant_id),
                "credit_account": book.pending_account(cover.tenant_id),
                "status": "active",
                "ledger_transfer_id": transfer_ids[cover.payout_id],
                "expires_at": expires_at.get(cover.payout_id),
            }
            for cover in covers
        ],
    )
    try:
        # Last, because it locks the merchant's balance row until the commit.
        book.place_holds([cover.movement() for cover in covers], transfer_ids=transfer_ids)
    except book.Overdrawn:
        raise NotCovered from None


def covered(covers: Sequence[Cover]) -> list[bool]:
    """Say in order which payouts can be paid for, with the balances locked until the transaction ends."""
    return book.affordable([cover.movement() for cover in covers])


def follow_status(changes: Sequence[tuple[Cover, str, str]]) -> None:
    """Let holds and ledger follow status changes (cover, from, to), inside the transaction of the change.

    settled captures; rejected and cancelled give back; returned captures first if nothing settled before,
    then credits the merchant.
    """
    _assert_transaction()
    capture = [
        c for c, old, new in changes if new == "settled" or (new == "returned" and old != "settled")
    ]
    reverse = [c for c, _, new in changes if new in ("rejected", "cancelled")]
    credit = [c for c, _, new in changes if new == "returned"]
    approved = [c for c, old, new in changes if old == "requires_approval" and new != "cancelled"]
    if approved:
        end_expiry([cover.payout_id for cover in approved])  # It was the approval that had a time.
    if capture:
        _resolve(capture, "released")
        book.release_holds([cover.movement() for cover in capture])
    if reverse:
        _resolve(reverse, "reversed")
        book.reverse_holds([cover.movement() for cover in reverse])
    if credit:
        book.credit_returns([cover.movement() for cover in credit])


def end_expiry(payout_ids: Sequence[UUID]) -> None:
    """Once an attempt exists, time alone never gives a hold back."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE payout_holds SET expires_at = NULL WHERE payout_id = ANY(%s) AND expires_at IS NOT NULL",
            [list(payout_ids)],
        )


def deposit(
    *, tenant_id: UUID, currency: str, amount: Decimal, reference: str
) -> tuple[UUID, bool]:
    """Credit a merchant. Returns the transfer's id and whether it is new. Raises PayoutError."""
    try:
        return book.deposit(
            tenant_id=tenant_id, currency=currency, amount=amount, reference=reference
        )
    except book.LedgerError:
        raise PayoutError("deposit_reference_reused", param="reference") from None


def balances(tenant_id: UUID) -> list[book.BalanceView]:
    """A merchant's money by currency: available and held."""
    return book.get_balances(tenant_id)


def problems() -> list[str]:
    """What does not add up in the ledger, in words; empty when all of it does."""
    return book.verify_book()


def check_book() -> Iterator[book.Step]:
    """The same in steps, account by account."""
    return book.verify_in_steps()


def _resolve(covers: Sequence[Cover], status: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE payout_holds SET status = %s, resolved_at = clock_timestamp()"
            " WHERE payout_id = ANY(%s) AND status = 'active'",
            [status, [cover.payout_id for cover in covers]],
        )
        if cursor.rowcount != len(covers):
            raise RuntimeError("a hold was resolved before its payout: the transaction is given up")


def _assert_transaction() -> None:
    assert connection.in_atomic_block, "money moves inside the transaction of a verb"  # noqa: S101
