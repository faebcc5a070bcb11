"""Many at once: one key is one payout, money is spent once, a cancelled payout is at no bank.

Each race comes with its twin: the same run with the lock taken away, where the check must fail.
"""

from __future__ import annotations

import fcntl
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection, connections

from ledger import book
from payouts import bulk, doorbell, funds, keycache
from payouts.models import Payout, PayoutAttempt, PayoutHold
from tests.api_client import Api, Reply, create, merchant, operator, payout_body, sepa_claim
from tests.world import World

MANY = 50


@pytest.fixture(autouse=True)
def _alone() -> Iterator[None]:
    """One race at a time on this machine: each takes half of the connections that PostgreSQL has."""
    with (Path(tempfile.gettempdir()) / "payouts-races.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture(autouse=True)
def _no_outages() -> Iterator[None]:
    """The key cache and the doorbell rest after a failure; the next test starts afresh."""
    yield
    keycache._quiet_until[0] = doorbell._quiet_until[0] = 0.0


def at_once(calls: Sequence[Callable[[], Any]]) -> list[Any]:
    """Run all calls at the same time, each with a connection of its own. Results in order."""
    barrier = threading.Barrier(len(calls))

    def run(call: Callable[[], Any]) -> Any:
        try:
            connection.ensure_connection()
            barrier.wait(30)
            return call()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(calls)) as pool:
        return [future.result(60) for future in [pool.submit(run, call) for call in calls]]


def patiently(api: Api, body: Any, key: str) -> Reply:
    """Create; ask again while the first request with the key is still running."""
    for _ in range(20):
        answer = api.post("/api/payouts", body, key=key)
        if answer.status != 409:
            break
        assert answer.code == "idempotency_in_progress"
        assert answer.headers["Retry-After"] == "1"
        time.sleep(0.1)
    return answer


def race(world: World, keys: Sequence[str], bodies: Sequence[Any]) -> list[Reply]:
    api = merchant(world)
    calls = [
        lambda key=key, body=body: patiently(api, body, key)
        for key, body in zip(keys, bodies, strict=True)
    ]  # fmt: skip
    replies: list[Reply] = at_once(calls)
    return replies


def outcomes(replies: Sequence[Reply]) -> dict[str, int]:
    return dict(Counter(str(r.status) if r.status < 300 else r.code for r in replies))


# --- One key ----------------------------------------------------------------------------------------


def test_fifty_creates_with_one_key_make_one_payout(real_sandbox: World) -> None:
    """F04."""
    replies = race(real_sandbox, ["k"] * MANY, [payout_body(real_sandbox)] * MANY)
    assert outcomes(replies) == {"201": 1, "200": MANY - 1}
    assert len({r.body["payout"]["id"] for r in replies}) == 1
    assert (Payout.objects.count(), PayoutHold.objects.count()) == (1, 1)
    assert real_sandbox.balance() == (Decimal(9900), Decimal(100))
    assert book.verify_book() == []


def test_without_the_unique_key_that_race_is_lost(
    real_sandbox: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def insert_anyway(table: str, types: Any, rows: Any, *, conflict: str) -> set[Any]:
        return {row[0] for row in bulk.insert(table, types, rows, suffix="RETURNING id")}

    _sql("ALTER TABLE payouts DROP CONSTRAINT payouts_idempotency_key")
    try:
        monkeypatch.setattr(bulk, "insert_returning_ids", insert_anyway)
        replies = race(real_sandbox, ["k"] * MANY, [payout_body(real_sandbox)] * MANY)
        assert outcomes(replies)["201"] > 1
        assert Payout.objects.count() > 1
    finally:
        _sql(
            "SET session_replication_role = replica",
            "TRUNCATE payouts CASCADE",
            "SET session_replication_role = origin",
            "ALTER TABLE payouts ADD CONSTRAINT payouts_idempotency_key UNIQUE (tenant_id, external_id)",
        )


def _sql(*statements: str) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def test_fifty_requests_with_one_key_make_the_first_one(real_sandbox: World) -> None:
    """F05."""
    bodies = [payout_body(real_sandbox, amount=str(n)) for n in range(1, MANY + 1)]
    replies = race(real_sandbox, ["k"] * MANY, bodies)
    assert outcomes(replies) == {"201": 1, "idempotency_key_reused": MANY - 1}
    (payout,) = Payout.objects.all()
    (winner,) = [n for n, r in enumerate(replies) if r.status == 201]
    assert payout.amount == winner + 1
    assert real_sandbox.balance() == (10_000 - payout.amount, payout.amount)


def test_a_twin_waits_no_longer_than_it_should(real_sandbox: World, settings: Any) -> None:
    settings.LOCK_TIMEOUT_MS = 200
    inside, go_on = threading.Event(), threading.Event()
    first_holds = funds.place_holds

    def slowly(*args: Any, **kwargs: Any) -> None:
        inside.set()
        assert go_on.wait(20)
        first_holds(*args, **kwargs)

    body, api = payout_body(real_sandbox), merchant(real_sandbox)
    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(1) as pool:
        patch.setattr(funds, "place_holds", slowly)
        first = pool.submit(_and_close, lambda: api.post("/api/payouts", body, key="k"))
        assert inside.wait(20)
        second = api.post("/api/payouts", body, key="k")
        go_on.set()
        assert first.result(20).status == 201
    assert (second.status, second.code) == (409, "idempotency_in_progress")
    assert second.headers["Retry-After"] == "1"
    assert api.post("/api/payouts", body, key="k").status == 200
    assert Payout.objects.count() == 1


def _and_close(call: Callable[[], Any]) -> Any:
    try:
        return call()
    finally:
        connections.close_all()


def test_a_twin_of_one_that_broke_becomes_the_first(real_sandbox: World) -> None:
    """F07: whoever waits behind a request that is rolled back takes its place."""
    inside = threading.Event()
    first_holds = funds.place_holds

    def breaks_once(*args: Any, **kwargs: Any) -> None:
        if not inside.is_set():
            inside.set()
            time.sleep(0.5)
            raise connection.Database.OperationalError("the server went away")
        first_holds(*args, **kwargs)

    body, api = payout_body(real_sandbox), merchant(real_sandbox)
    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(1) as pool:
        patch.setattr(funds, "place_holds", breaks_once)
        first = pool.submit(_and_close, lambda: api.post("/api/payouts", body, key="k"))
        assert inside.wait(20)
        second = api.post("/api/payouts", body, key="k")
        assert first.result(20).status >= 500
    assert second.status == 201
    assert (Payout.objects.count(), PayoutHold.objects.count()) == (1, 1)


def test_a_key_on_a_beneficiary_makes_one_of_fifty(real_sandbox: World) -> None:
    account = {"type": "iban", "currency": "EUR", "iban": "DE89370400440532013000"}
    body = {"name": "A", "beneficiaryType": "user", "country": "DE", "account": account}
    api = merchant(real_sandbox)
    replies: list[Reply] = at_once([lambda: api.post("/api/beneficiaries", body, key="k")] * MANY)
    assert Counter(r.status for r in replies) == {201: 1, 200: MANY - 1}
    assert len({r.body["beneficiary"]["id"] for r in replies}) == 1


def test_a_deposit_is_credited_once_of_fifty(real_sandbox: World) -> None:
    body = {
        "tenantId": str(real_sandbox.tenant_id),
        "amount": "7",
        "currency": "CHF",
        "reference": "r",
    }
    api = operator(real_sandbox, "treasury_ops")
    replies: list[Reply] = at_once([lambda: api.post("/api/ledger/deposits", body)] * MANY)
    assert Counter(r.status for r in replies) == {201: 1, 200: MANY - 1}
    assert real_sandbox.balance("CHF") == (Decimal(7), Decimal(0))


# --- One balance ------------------------------------------------------------------------------------


def three_thousand_each(world: World) -> dict[str, int]:
    """Fifty payouts of 3,000 at once, on a balance of 10,000."""
    keys = [str(uuid4()) for _ in range(MANY)]
    return outcomes(race(world, keys, [payout_body(world, amount="3000")] * MANY))


def test_money_for_three_pays_exactly_three_of_fifty(real_sandbox: World) -> None:
    """F06."""
    assert three_thousand_each(real_sandbox) == {"201": 3, "insufficient_funds": MANY - 3}
    assert (Payout.objects.count(), PayoutHold.objects.count()) == (3, 3)
    assert real_sandbox.balance() == (Decimal(1000), Decimal(9000))
    assert book.verify_book() == []


def test_without_the_condition_on_the_balance_more_are_paid(
    real_sandbox: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_then_write(deltas: dict[book.Purse, tuple[Decimal, Decimal]]) -> None:
        for (tenant, currency), (available, held) in deltas.items():
            had = book._existing_balances([(tenant, currency)])[tenant, currency]
            if had + available < 0:
                raise book.Overdrawn
            time.sleep(0.05)
            with connection.cursor() as cursor:
                cursor.execute(
                    "UPDATE ledger_balances SET available = %s, held = held + %s"
                    " WHERE tenant_id = %s AND currency = %s",
                    [had + available, held, tenant, currency],
                )

    monkeypatch.setattr(book, "_move", read_then_write)
    assert three_thousand_each(real_sandbox)["201"] > 3
    assert book.verify_book() != []


# --- Cancel against claim ---------------------------------------------------------------------------


def test_a_cancelled_payout_is_never_at_a_bank(real_sandbox: World, settings: Any) -> None:
    """F53: whoever locks the row first decides."""
    settings.WORKER_BATCH_SIZE = 3
    ids = [create(real_sandbox, amount="1") for _ in range(24)]
    boss = operator(real_sandbox)

    def claim_all() -> None:
        while sepa_claim() is not None:
            pass

    cancels = [
        lambda i=i: [boss.post(f"/api/payouts/{p}/cancel", {"reason": "x"}) for p in ids[i::8]]
        for i in range(8)
    ]  # fmt: skip
    replies: list[Any] = at_once([*cancels, claim_all, claim_all])
    claim_all()
    answers = {str(r.status) for replied in replies[:8] for r in replied}
    assert answers <= {"200", "202"}
    _assert_cancelled_or_claimed([UUID(i) for i in ids])
    assert book.verify_book() == []


def _assert_cancelled_or_claimed(ids: list[UUID]) -> None:
    for payout in Payout.objects.filter(id__in=ids):
        attempts = PayoutAttempt.objects.filter(payout=payout).count()
        hold = PayoutHold.objects.get(payout=payout).status
        found = (payout.status, attempts, hold)
        assert found in (("cancelled", 0, "reversed"), ("processing", 1, "active"))


def _cancel_while_claimed(world: World, payout_id: str, *, locks: bool) -> Reply:
    """Cancel while a claim is between its writes and its commit; `locks` False reads without the lock."""
    inside, go_on = threading.Event(), threading.Event()

    def hold_on(payout_ids: Any) -> None:
        inside.set()
        assert go_on.wait(20)

    def without_lock(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        return execute(
            sql if locks else sql.replace(" FOR NO KEY UPDATE", ""), params, many, context
        )

    def cancel() -> Reply:
        with connection.execute_wrapper(without_lock):
            return operator(world).post(f"/api/payouts/{payout_id}/cancel", {"reason": "x"})

    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(2) as pool:
        patch.setattr(funds, "end_expiry", hold_on)
        claim = pool.submit(_and_close, sepa_claim)
        assert inside.wait(20)
        answer = pool.submit(_and_close, cancel)
        time.sleep(0.3)
        go_on.set()
        assert claim.result(20) is not None
        reply: Reply = answer.result(20)
        return reply


def test_a_cancellation_waits_for_a_claim_that_is_under_way(real_sandbox: World) -> None:
    payout_id = create(real_sandbox)
    reply = _cancel_while_claimed(real_sandbox, payout_id, locks=True)
    assert (reply.status, reply.body["status"]) == (202, "processing")
    payout = Payout.objects.get(pk=payout_id)
    assert (payout.status, payout.cancel_requested_at is not None) == ("processing", True)
    _assert_cancelled_or_claimed([payout.id])


def test_without_the_row_lock_only_the_database_stops_it(real_sandbox: World) -> None:
    """The twin: the verb decides on what is no longer true, and the trigger is the second wall."""
    payout_id = create(real_sandbox)
    reply = _cancel_while_claimed(real_sandbox, payout_id, locks=False)
    assert reply.status == 500
    _assert_cancelled_or_claimed([UUID(payout_id)])


def test_a_double_click_has_one_effect(real_sandbox: World) -> None:
    """F55."""
    payout_id = create(real_sandbox)
    boss = operator(real_sandbox)
    click = lambda: boss.post(f"/api/payouts/{payout_id}/cancel", {"reason": "x"})  # noqa: E731
    replies: list[Reply] = at_once([click] * 8)
    assert {r.status for r in replies} == {200}
    assert real_sandbox.balance() == (Decimal(10_000), Decimal(0))
    assert book.verify_book() == []
