"""The only writer of the ledger. Every verb takes a list, asserts an open transaction and moves money once.

Amounts are `Decimal` in units of the currency named beside them. Accounts: `merchant:<tenant>:available_balance`
and `payouts:pending:<tenant>` (the two that a balance row sums), and the platform's `clearing:<connector>`,
`funding` and `fees`, which have no balance row, may be negative and are locked by nobody.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID, uuid5

from django.db import connection
from uuid_utils.compat import uuid7

from ledger.verification import Step, verify_book, verify_in_steps

__all__ = [
    "BalanceView", "LedgerError", "Movement", "Overdrawn", "Step", "account_id", "affordable", "available_account",
    "clearing_account", "credit_returns", "deposit", "get_balances", "open_account", "pending_account",
    "place_holds", "release_holds", "reverse_holds", "verify_book", "verify_in_steps",
]  # fmt: skip

# Account ids are derived (uuid5) from this namespace, so that a hot path needs no look-up.
ACCOUNT_NAMESPACE = UUID("9a1d1f7e-3c7b-5d43-9d5e-0a5c0f7f1c84")
ZERO = Decimal(0)

Purse = tuple[UUID, str]  # A tenant and a currency: what one balance row stands for.


class LedgerError(Exception):
    """A movement that the book refuses."""


class Overdrawn(LedgerError):
    """At least one merchant has less than the holds of this call need; nothing was written that may stay."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """One payout's money: whose, how much, and (for captures) through which connector and at what cost to us."""

    payout_id: UUID
    tenant_id: UUID
    amount: Decimal
    currency: str
    connector: str = ""
    fee: Decimal = ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceView:
    """What a merchant has in one currency."""

    currency: str
    available: Decimal
    held: Decimal


@dataclass(frozen=True, slots=True)
class _Posting:
    transfer_id: UUID
    kind: str
    movement: Movement
    debit: UUID  # the account that loses
    credit: UUID  # the account that gains
    amount: Decimal


def available_account(tenant_id: UUID) -> str:
    return f"merchant:{tenant_id}:available_balance"


def pending_account(tenant_id: UUID) -> str:
    return f"payouts:pending:{tenant_id}"


def clearing_account(connector: str) -> str:
    return f"clearing:{connector}"


def account_id(name: str, currency: str) -> UUID:
    """The id of an account, known without looking."""
    return uuid5(ACCOUNT_NAMESPACE, f"{name}|{currency}")


def open_account(name: str, currency: str, *, tenant_id: UUID | None = None) -> UUID:
    """Make sure that an account exists; opening it again changes nothing."""
    _assert_transaction()
    _open([(name, currency, tenant_id)])
    return account_id(name, currency)


def deposit(
    *, tenant_id: UUID, currency: str, amount: Decimal, reference: str
) -> tuple[UUID, bool]:
    """Credit a merchant with money that reached the platform. Returns the transfer and whether it is new.

    Idempotent by (tenant, reference). Raises LedgerError when the reference was used for another amount.
    """
    _assert_transaction()
    if amount <= 0:
        raise LedgerError("a deposit is above zero")
    _open(
        [
            ("funding", currency, None),
            (available_account(tenant_id), currency, tenant_id),
            (pending_account(tenant_id), currency, tenant_id),
        ]
    )
    transfer_id = uuid7()
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO ledger_balances (tenant_id, currency, available, held) VALUES (%s, %s, 0, 0)"
            " ON CONFLICT (tenant_id, currency) DO NOTHING",
            [tenant_id, currency],
        )
        cursor.execute(
            "INSERT INTO ledger_transfers (id, kind, tenant_id, reference) VALUES (%s, 'deposit', %s, %s)"
            " ON CONFLICT (tenant_id, reference) WHERE kind = 'deposit' DO NOTHING RETURNING id",
            [transfer_id, tenant_id, reference],
        )
        if cursor.fetchone() is None:
            return _earlier_deposit(tenant_id, currency, amount, reference), False
        _insert_entries(
            [
                (transfer_id, account_id("funding", currency), -amount, currency),
                (transfer_id, account_id(available_account(tenant_id), currency), amount, currency),
            ]
        )
    _move({(tenant_id, currency): (amount, ZERO)})
    return transfer_id, True


def _earlier_deposit(tenant_id: UUID, currency: str, amount: Decimal, reference: str) -> UUID:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT t.id, e.amount, e.currency FROM ledger_transfers t JOIN ledger_entries e ON e.transfer_id = t.id"
            " WHERE t.kind = 'deposit' AND t.tenant_id = %s AND t.reference = %s AND e.amount > 0",
            [tenant_id, reference],
        )
        transfer_id, was, was_currency = cursor.fetchone()
    if (was, was_currency) != (amount, currency):
        raise LedgerError("this reference was used for another amount")
    return UUID(str(transfer_id))


def get_balances(tenant_id: UUID) -> list[BalanceView]:
    """A merchant's balances, by currency."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT currency, available, held FROM ledger_balances WHERE tenant_id = %s ORDER BY currency",
            [tenant_id],
        )
        return [BalanceView(currency=c, available=a, held=h) for c, a, h in cursor.fetchall()]


def affordable(movements: Sequence[Movement]) -> list[bool]:
    """Say for each hold, in order, whether the merchant can pay for it. Locks the balance rows it looked at.

    A hold that is too large is passed over; smaller ones behind it may still fit.
    """
    _assert_transaction()
    left = _lock_balances({(m.tenant_id, m.currency) for m in movements})
    verdicts = []
    for m in movements:
        fits = left.get((m.tenant_id, m.currency), ZERO) >= m.amount
        if fits:
            left[m.tenant_id, m.currency] -= m.amount
        verdicts.append(fits)
    return verdicts


def place_holds(movements: Sequence[Movement], *, transfer_ids: Mapping[UUID, UUID]) -> None:
    """Move money from available to held, under the caller's transfer ids (payout id -> transfer id).

    The balances are updated last and on condition, so that a hot merchant's row is locked for as short as
    possible. Raises Overdrawn when a merchant cannot pay for all of them: the caller rolls back to before the
    call, asks `affordable` and comes again with what fits.
    """
    _assert_transaction()
    postings = [
        _posting(
            "hold",
            m,
            debit=available_account(m.tenant_id),
            credit=pending_account(m.tenant_id),
            transfer_id=transfer_ids[m.payout_id],
        )
        for m in movements
    ]
    needed = _sums(movements)
    if len(_existing_balances(needed)) < len(needed):
        raise Overdrawn("no money was ever deposited in one of these currencies")
    _post(postings)
    _move({purse: (-total, total) for purse, total in needed.items()})


def release_holds(movements: Sequence[Movement]) -> None:
    """Capture: held money leaves through a connector's clearing account; what the route cost us is booked."""
    _assert_transaction()
    _open({(clearing_account(m.connector), m.currency, None) for m in movements})
    postings = [
        _posting(
            "capture", m, debit=pending_account(m.tenant_id), credit=clearing_account(m.connector)
        )
        for m in movements
    ]
    charged = [m for m in movements if m.fee > 0]
    if charged:
        _open({(name, m.currency, None) for m in charged for name in ("fees", "funding")})
        postings += [
            _posting("fee", m, debit="fees", credit="funding", amount=m.fee) for m in charged
        ]
    _post(postings)
    _move({purse: (ZERO, -total) for purse, total in _sums(movements).items()})


def reverse_holds(movements: Sequence[Movement]) -> None:
    """Give held money back to the merchant."""
    _assert_transaction()
    _post(
        [
            _posting(
                "reversal",
                m,
                debit=pending_account(m.tenant_id),
                credit=available_account(m.tenant_id),
            )
            for m in movements
        ]
    )
    _move({purse: (total, -total) for purse, total in _sums(movements).items()})


def credit_returns(movements: Sequence[Movement]) -> None:
    """Credit the merchant with money that left and came back: a new transfer, the capture stays as it was."""
    _assert_transaction()
    _open({(clearing_account(m.connector), m.currency, None) for m in movements})
    _post(
        [
            _posting(
                "return",
                m,
                debit=clearing_account(m.connector),
                credit=available_account(m.tenant_id),
            )
            for m in movements
        ]
    )
    _move({purse: (total, ZERO) for purse, total in _sums(movements).items()})


def _posting(
    kind: str,
    m: Movement,
    *,
    debit: str,
    credit: str,
    amount: Decimal | None = None,
    transfer_id: UUID | None = None,
) -> _Posting:
    return _Posting(
        transfer_id=transfer_id or uuid7(),
        kind=kind,
        movement=m,
        debit=account_id(debit, m.currency),
        credit=account_id(credit, m.currency),
        amount=m.amount if amount is None else amount,
    )


def _post(postings: Sequence[_Posting]) -> None:
    """Write transfers and, in a single INSERT, all their legs (the balance trigger looks at one statement)."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO ledger_transfers (id, kind, tenant_id, payout_id, reference)"
            " SELECT *, '' FROM unnest(%s::uuid[], %s::text[], %s::uuid[], %s::uuid[])",
            [
                [p.transfer_id for p in postings],
                [p.kind for p in postings],
                [p.movement.tenant_id for p in postings],
                [p.movement.payout_id for p in postings],
            ],
        )
    _insert_entries(
        [
            leg
            for p in postings
            for leg in (
                (p.transfer_id, p.debit, -p.amount, p.movement.currency),
                (p.transfer_id, p.credit, p.amount, p.movement.currency),
            )
        ]
    )


def _insert_entries(legs: Sequence[tuple[UUID, UUID, Decimal, str]]) -> None:
    transfers, accounts, amounts, currencies = (list(column) for column in zip(*legs, strict=True))
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO ledger_entries (transfer_id, account_id, amount, currency)"
            " SELECT * FROM unnest(%s::uuid[], %s::uuid[], %s::numeric[], %s::text[])",
            [transfers, accounts, amounts, currencies],
        )


def _move(deltas: dict[Purse, tuple[Decimal, Decimal]]) -> None:
    """Change balances. Raises Overdrawn when one would fall below zero (or was never opened)."""
    if len(deltas) > 1:
        _lock_balances(
            set(deltas)
        )  # In one order for everybody: two lists never wait for each other.
    purses = sorted(deltas)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE ledger_balances b SET available = b.available + d.available, held = b.held + d.held"
            " FROM unnest(%s::uuid[], %s::text[], %s::numeric[], %s::numeric[])"
            " AS d (tenant_id, currency, available, held)"
            " WHERE b.tenant_id = d.tenant_id AND b.currency = d.currency"
            " AND b.available + d.available >= 0 AND b.held + d.held >= 0",
            [
                [tenant for tenant, _ in purses],
                [currency for _, currency in purses],
                [deltas[purse][0] for purse in purses],
                [deltas[purse][1] for purse in purses],
            ],
        )
        if cursor.rowcount != len(purses):
            raise Overdrawn("a balance would fall below zero")


def _existing_balances(purses: Iterable[Purse]) -> dict[Purse, Decimal]:
    return _read_balances(purses, lock=False)


def _lock_balances(purses: Iterable[Purse]) -> dict[Purse, Decimal]:
    return _read_balances(purses, lock=True)


def _read_balances(purses: Iterable[Purse], *, lock: bool) -> dict[Purse, Decimal]:
    wanted = sorted(purses)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT b.tenant_id, b.currency, b.available FROM ledger_balances b"
            " JOIN unnest(%s::uuid[], %s::text[]) AS w (tenant_id, currency)"
            " ON w.tenant_id = b.tenant_id AND w.currency = b.currency"
            " ORDER BY b.tenant_id, b.currency" + (" FOR NO KEY UPDATE OF b" if lock else ""),
            [[tenant for tenant, _ in wanted], [currency for _, currency in wanted]],
        )
        return {(tenant, currency): available for tenant, currency, available in cursor.fetchall()}


def _open(accounts: Iterable[tuple[str, str, UUID | None]]) -> None:
    rows = sorted(accounts, key=lambda row: row[:2])
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO ledger_accounts (id, name, currency, tenant_id)"
            " SELECT * FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::uuid[]) ON CONFLICT DO NOTHING",
            [
                [account_id(name, currency) for name, currency, _ in rows],
                [name for name, _, _ in rows],
                [currency for _, currency, _ in rows],
                [tenant_id for _, _, tenant_id in rows],
            ],
        )


def _sums(movements: Iterable[Movement]) -> dict[Purse, Decimal]:
    totals: dict[Purse, Decimal] = defaultdict(lambda: ZERO)
    for m in movements:
        totals[m.tenant_id, m.currency] += m.amount
    return dict(totals)


def _assert_transaction() -> None:
    assert connection.in_atomic_block, "the book is written inside the transaction of a verb"  # noqa: S101
