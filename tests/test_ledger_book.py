"""The book: what each verb moves, to the last digit, and what it refuses."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection, connections, transaction

from ledger import book
from ledger.book import Movement
from tests.database import settle_constraints

pytestmark = pytest.mark.django_db
D = Decimal


def run(sql: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, list(params))
        return list(cursor.fetchall()) if cursor.description else []


@pytest.fixture
def tenant() -> UUID:
    """A merchant with 1,000.00 EUR."""
    tenant_id = uuid4()
    book.deposit(tenant_id=tenant_id, currency="EUR", amount=D("1000.00"), reference="first")
    return tenant_id


def movement(tenant_id: UUID, amount: str, currency: str = "EUR", **changes: Any) -> Movement:
    values = {
        "payout_id": uuid4(),
        "tenant_id": tenant_id,
        "amount": D(amount),
        "currency": currency,
    }
    return Movement(**{**values, "connector": "default", **changes})


def hold(*movements: Movement) -> None:
    book.place_holds(movements, transfer_ids={m.payout_id: uuid4() for m in movements})


def money(tenant_id: UUID, currency: str = "EUR") -> tuple[Decimal, Decimal]:
    """Available and held."""
    return next(
        (b.available, b.held) for b in book.get_balances(tenant_id) if b.currency == currency
    )


def accounts(currency: str = "EUR") -> dict[str, Decimal]:
    """What each account sums to; accounts without entries are left out."""
    found = run(
        "SELECT a.name, sum(e.amount) FROM ledger_entries e JOIN ledger_accounts a ON a.id = e.account_id"
        " WHERE e.currency = %s GROUP BY a.name",
        [currency],
    )
    return dict(found)


def legs(payout_id: UUID) -> list[tuple[str, str, Decimal]]:
    """Kind, account and amount of everything that was booked for a payout, in order."""
    return run(
        "SELECT t.kind, a.name, e.amount FROM ledger_entries e JOIN ledger_transfers t ON t.id = e.transfer_id"
        " JOIN ledger_accounts a ON a.id = e.account_id WHERE t.payout_id = %s ORDER BY e.id",
        [payout_id],
    )


def counts() -> tuple[int, int]:
    """Transfers and entries."""
    return (
        run("SELECT count(*) FROM ledger_transfers")[0][0],
        run("SELECT count(*) FROM ledger_entries")[0][0],
    )


# --- deposits ---------------------------------------------------------------------------------------


def test_a_deposit_credits_the_merchant_and_debits_the_funding_account(tenant: UUID) -> None:
    assert money(tenant) == (D("1000.000"), D("0.000"))
    assert accounts() == {"funding": D(-1000), f"merchant:{tenant}:available_balance": D(1000)}


def test_the_same_deposit_again_is_the_same_transfer(tenant: UUID) -> None:
    first, fresh = book.deposit(tenant_id=tenant, currency="EUR", amount=D("5.50"), reference="r")
    again, repeated = book.deposit(tenant_id=tenant, currency="EUR", amount=D("5.5"), reference="r")
    assert (first, fresh, repeated) == (again, True, False)
    assert money(tenant) == (D("1005.500"), D("0.000"))
    assert counts() == (2, 4)


@pytest.mark.parametrize(("amount", "currency"), [("6.00", "EUR"), ("5.50", "USD")])
def test_a_reference_that_was_used_for_other_money_is_refused(
    tenant: UUID, amount: str, currency: str
) -> None:
    book.deposit(tenant_id=tenant, currency="EUR", amount=D("5.50"), reference="r")
    with pytest.raises(book.LedgerError):
        book.deposit(tenant_id=tenant, currency=currency, amount=D(amount), reference="r")
    assert money(tenant) == (D("1005.500"), D("0.000"))
    assert counts() == (2, 4)


def test_two_merchants_may_use_the_same_reference(tenant: UUID) -> None:
    other = uuid4()
    _, fresh = book.deposit(tenant_id=other, currency="EUR", amount=D(7), reference="first")
    assert fresh
    assert (money(tenant)[0], money(other)[0]) == (D(1000), D(7))


@pytest.mark.parametrize("amount", ["0", "-1"])
def test_a_deposit_is_above_zero(tenant: UUID, amount: str) -> None:
    with pytest.raises(book.LedgerError):
        book.deposit(tenant_id=tenant, currency="EUR", amount=D(amount), reference="r")
    assert counts() == (1, 2)


# --- one payout's life, with exact figures --------------------------------------------------------------


def test_the_whole_life_of_a_payout_that_settles_and_comes_back(tenant: UUID) -> None:
    available, pending = f"merchant:{tenant}:available_balance", f"payouts:pending:{tenant}"
    one = movement(tenant, "250.25", fee=D("0.15"))
    hold(one)
    assert money(tenant) == (D("749.750"), D("250.250"))
    book.release_holds([one])
    assert money(tenant) == (D("749.750"), D("0.000"))
    book.credit_returns([one])
    assert money(tenant) == (D("1000.000"), D("0.000"))
    assert legs(one.payout_id) == [
        ("hold", available, D("-250.25")),
        ("hold", pending, D("250.25")),
        ("capture", pending, D("-250.25")),
        ("capture", "clearing:default", D("250.25")),
        ("fee", "fees", D("-0.15")),
        ("fee", "funding", D("0.15")),
        ("return", "clearing:default", D("-250.25")),
        ("return", available, D("250.25")),
    ]
    assert accounts() == {
        "funding": D("-999.85"), "fees": D("-0.15"), "clearing:default": D(0), available: D(1000), pending: D(0),
    }  # fmt: skip
    assert book.verify_book() == []


def test_a_reversed_hold_gives_exactly_the_money_back(tenant: UUID) -> None:
    one = movement(tenant, "999.999")
    hold(one)
    assert money(tenant) == (D("0.001"), D("999.999"))
    book.reverse_holds([one])
    assert money(tenant) == (D("1000.000"), D("0.000"))
    assert [kind for kind, _, _ in legs(one.payout_id)] == ["hold", "hold", "reversal", "reversal"]
    assert book.verify_book() == []


def test_a_capture_without_a_fee_books_none(tenant: UUID) -> None:
    one = movement(tenant, "10")
    hold(one)
    book.release_holds([one])
    assert [kind for kind, _, _ in legs(one.payout_id)] == ["hold", "hold", "capture", "capture"]


@pytest.mark.parametrize(
    "verbs", [("release", "release"), ("release", "reverse"), ("reverse", "release")]
)
def test_a_hold_is_resolved_once(tenant: UUID, verbs: tuple[str, str]) -> None:
    does = {"release": book.release_holds, "reverse": book.reverse_holds}
    one, other = (
        movement(tenant, "100"),
        movement(tenant, "100"),
    )  # The other's money could pay for it.
    hold(one, other)
    does[verbs[0]]([one])
    before = money(tenant), counts()
    with (
        pytest.raises(Exception, match="ledger_transfers_hold_resolved_once|_once_per_payout"),
        transaction.atomic(),
    ):
        does[verbs[1]]([one])
    assert (money(tenant), counts()) == before


# --- what does not fit ----------------------------------------------------------------------------------


def test_an_overdrawn_list_writes_nothing_that_stays(tenant: UUID) -> None:
    before = counts()
    with pytest.raises(book.Overdrawn), transaction.atomic():
        hold(movement(tenant, "600"), movement(tenant, "400.001"))
    assert money(tenant) == (D("1000.000"), D("0.000"))
    assert counts() == before


def test_the_last_unit_can_be_held(tenant: UUID) -> None:
    hold(movement(tenant, "600"), movement(tenant, "400.000"))
    assert money(tenant) == (D("0.000"), D("1000.000"))


def test_a_currency_that_was_never_deposited_is_overdrawn(tenant: UUID) -> None:
    before = counts()
    with pytest.raises(book.Overdrawn), transaction.atomic():
        hold(movement(tenant, "1"), movement(tenant, "1", "USD"))
    assert counts() == before


def test_more_than_is_held_cannot_be_resolved(tenant: UUID) -> None:
    hold(movement(tenant, "10"))
    for verb in (book.release_holds, book.reverse_holds):
        with pytest.raises(book.Overdrawn), transaction.atomic():
            verb([movement(tenant, "10.001")])
    assert money(tenant) == (D("990.000"), D("10.000"))


def test_a_hold_that_is_too_large_is_passed_over(tenant: UUID) -> None:
    wanted = [movement(tenant, amount) for amount in ("600", "500", "400", "0.001")]
    wanted.insert(1, movement(tenant, "1", "USD"))
    assert book.affordable(wanted) == [True, False, False, True, False]
    assert money(tenant) == (D("1000.000"), D("0.000"))
    hold(wanted[0], wanted[3])
    assert money(tenant) == (D("0.000"), D("1000.000"))


def test_nothing_is_affordable_for_a_merchant_that_is_not_known() -> None:
    assert book.affordable([movement(uuid4(), "1")]) == [False]


# --- lists ------------------------------------------------------------------------------------------------


def test_one_call_moves_the_money_of_many_merchants_and_currencies(tenant: UUID) -> None:
    other = uuid4()
    book.deposit(tenant_id=tenant, currency="USD", amount=D(50), reference="usd")
    book.deposit(tenant_id=other, currency="EUR", amount=D(70), reference="eur")
    moves = [
        movement(tenant, "1.10"), movement(other, "2.20"), movement(tenant, "3.30", "USD"),
        movement(tenant, "4.40"), movement(other, "5.50", connector="backup", fee=D("0.10")),
    ]  # fmt: skip
    hold(*moves)
    assert money(tenant) == (D("994.500"), D("5.500"))
    assert money(tenant, "USD") == (D("46.700"), D("3.300"))
    assert money(other) == (D("62.300"), D("7.700"))
    book.release_holds(moves[2:])
    book.reverse_holds(moves[:2])
    assert money(tenant) == (D("995.600"), D("0.000"))
    assert money(tenant, "USD") == (D("46.700"), D("0.000"))
    assert money(other) == (D("64.500"), D("0.000"))
    assert (accounts()["clearing:default"], accounts()["clearing:backup"]) == (D("4.40"), D("5.50"))
    assert (accounts("USD")["clearing:default"], accounts()["fees"]) == (D("3.30"), D("-0.10"))
    assert book.verify_book() == []


def test_one_merchant_cannot_spend_what_another_has(tenant: UUID) -> None:
    poor = uuid4()
    book.deposit(tenant_id=poor, currency="EUR", amount=D(1), reference="one")
    with pytest.raises(book.Overdrawn), transaction.atomic():
        hold(movement(tenant, "1"), movement(poor, "1.01"))
    assert (money(tenant), money(poor)) == ((D(1000), D(0)), (D(1), D(0)))


def test_balances_come_by_currency(tenant: UUID) -> None:
    book.deposit(tenant_id=tenant, currency="CHF", amount=D("0.05"), reference="chf")
    assert [(b.currency, b.available, b.held) for b in book.get_balances(tenant)] == [
        ("CHF", D("0.050"), D(0)),
        ("EUR", D("1000.000"), D(0)),
    ]
    assert book.get_balances(uuid4()) == []


def test_an_account_is_opened_once_and_known_without_looking(tenant: UUID) -> None:
    first = book.open_account("clearing:new", "EUR")
    assert (
        first == book.open_account("clearing:new", "EUR") == book.account_id("clearing:new", "EUR")
    )
    assert first != book.account_id("clearing:new", "USD")
    assert run("SELECT count(*) FROM ledger_accounts WHERE name = 'clearing:new'") == [(1,)]


# --- looking after the book ---------------------------------------------------------------------------------


def test_an_entry_that_is_out_of_balance_is_found(tenant: UUID) -> None:
    (transfer,) = run("SELECT id FROM ledger_transfers")[0]
    settle_constraints()
    run("ALTER TABLE ledger_entries DISABLE TRIGGER USER")
    run("UPDATE ledger_entries SET amount = amount - 0.001 WHERE amount < 0")
    assert book.verify_book() == [
        f"entries of a transfer do not sum to zero: {transfer}",
        "a currency does not sum to zero: EUR",
    ]


@pytest.mark.parametrize("column", ["available", "held"])
def test_a_balance_that_differs_from_its_entries_is_found(tenant: UUID, column: str) -> None:
    assert book.verify_book() == []
    run(f"UPDATE ledger_balances SET {column} = {column} + 0.001 WHERE tenant_id = %s", [tenant])
    assert book.verify_book() == [f"a balance differs from its entries: {tenant} EUR"]


def test_entries_without_a_balance_row_are_found(tenant: UUID) -> None:
    run("DELETE FROM ledger_balances WHERE tenant_id = %s", [tenant])
    assert book.verify_book() == [f"a balance differs from its entries: {tenant} EUR"]


def test_the_book_is_written_inside_a_transaction_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections["default"], "in_atomic_block", False)
    one = movement(uuid4(), "1")
    for act in (
        lambda: book.deposit(tenant_id=one.tenant_id, currency="EUR", amount=D(1), reference="r"),
        lambda: hold(one),
        lambda: book.release_holds([one]),
        lambda: book.reverse_holds([one]),
        lambda: book.credit_returns([one]),
        lambda: book.affordable([one]),
        lambda: book.open_account("x", "EUR"),
    ):
        with pytest.raises(AssertionError):
            act()
    assert counts() == (0, 0)
