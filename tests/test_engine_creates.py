"""Fifty creates at once at the whole engine, over real HTTP: its processes, its pool, its cache.

The same races in one process, each with its lock taken away, are in `test_api_races`.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from ops.http_client import Answer, Client
from tests.running_engine import Running

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("engine")]

MANY = 50
# No bank shall take the money away before it is counted.
LATER = (datetime.now(UTC) + timedelta(days=200)).isoformat()


class Shop:
    """A merchant of its own with 9,000 euros and somebody to pay."""

    def __init__(self, engine: Running) -> None:
        self.engine, self.tenant = engine, str(uuid4())
        url = f"http://127.0.0.1:{engine.port}"
        self.client = Client(base_url=url, tenant_id=self.tenant)
        treasury = Client(base_url=url, tenant_id=self.tenant, role="treasury_ops")
        money = {"tenantId": self.tenant, "amount": "9000", "currency": "EUR", "reference": "r"}
        assert treasury.call("POST", "/api/ledger/deposits", money).status == 201
        account = {"type": "iban", "currency": "EUR", "iban": "DE89370400440532013000"}
        wish = {"name": "A", "beneficiaryType": "user", "country": "DE", "account": account}
        made = self.client.call("POST", "/api/beneficiaries", wish)
        self.person = made.body["beneficiary"]

    def order(self, key: str, amount: str) -> Callable[[], Answer]:
        """One create; asked again while its twin is still running."""
        body = {
            "originModule": "connect", "originEntityType": "merchant", "originEntityId": self.tenant,
            "beneficiaryType": "user", "beneficiaryId": self.person["id"],
            "beneficiaryAccountId": self.person["accounts"][0]["id"], "amount": amount, "currency": "EUR",
            "payoutMethod": "bank_transfer", "scheduledAt": LATER,
        }  # fmt: skip

        def ask() -> Answer:
            for _ in range(50):
                answer = self.client.call("POST", "/api/payouts", body, key=key)
                if answer.status != 409:
                    break
                time.sleep(0.1)
            return answer

        return ask

    def holds(self) -> list[Any]:
        rows = self.engine.query(
            "SELECT h.hold_amount FROM payout_holds h JOIN payouts p ON p.id = h.payout_id"
            " WHERE p.tenant_id = %s AND h.status = 'active'",
            self.tenant,
        )
        return [amount for (amount,) in rows]


def at_once(calls: Sequence[Callable[[], Answer]]) -> list[Answer]:
    barrier = threading.Barrier(len(calls))

    def run(call: Callable[[], Answer]) -> Answer:
        barrier.wait(30)
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def said(answers: Sequence[Answer]) -> Counter[Any]:
    return Counter(a.status if a.status < 300 else (a.status, a.body["code"]) for a in answers)


def test_one_key_fifty_times_is_one_payout(engine: Running) -> None:
    """F04."""
    shop = Shop(engine)
    answers = at_once([shop.order("k", "1000")] * MANY)
    assert said(answers) == {201: 1, 200: MANY - 1}
    assert len({answer.body["payout"]["id"] for answer in answers}) == 1
    assert shop.holds() == [1000]


def test_one_key_with_fifty_bodies_is_the_first_of_them(engine: Running) -> None:
    """F05."""
    shop = Shop(engine)
    answers = at_once([shop.order("k", str(n)) for n in range(1, MANY + 1)])
    assert said(answers) == {201: 1, (422, "idempotency_key_reused"): MANY - 1}
    (made,) = [answer for answer in answers if answer.status == 201]
    assert [str(amount) for amount in shop.holds()] == [f"{made.body['payout']['amount']}0"]


def test_money_for_three_pays_three_of_fifty(engine: Running) -> None:
    """F06."""
    shop = Shop(engine)
    answers = at_once([shop.order(str(n), "3000") for n in range(MANY)])
    assert said(answers) == {201: 3, (422, "insufficient_funds"): MANY - 3}
    assert shop.holds() == [3000] * 3
    balances = shop.client.call("GET", "/api/ledger/balances").body["balances"]
    assert balances == [{"currency": "EUR", "available": "0.00", "held": "9000.00"}]
