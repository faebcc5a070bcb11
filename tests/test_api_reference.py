"""The specification's API reference, block by block, over real HTTP against a running engine.

Each block's request is sent as it stands there; only ids and identity headers are put in. Expected keys,
types and statuses are written by hand from its answers; amounts are strings, and nothing else differs.
"""

from __future__ import annotations

import re
import time
from typing import Any
from uuid import uuid4

import pytest
from celery import Celery

from ops.http_client import Answer, Client
from tests.running_engine import Running

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("engine")]

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
DAY = re.compile(r"\d{4}-\d\d-\d\d")
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
AMOUNT = re.compile(r"\d+\.\d\d")
KEY = "client-generated-unique-key"

PAYOUT = {
    "id": UUID,
    "external_id": KEY,
    "status": str,
    "ledger_hold_id": UUID,
    "sla_target_settlement_date": DAY,
    # The columns of its table that it shows elsewhere.
    "origin_module": "connect",
    "beneficiary_id": UUID,
    "amount": AMOUNT,
    "currency": "USD",
    "payout_method": "bank_transfer",
    "priority": "standard",
    "retry_count": int,
    "max_retries": int,
    "sira_routing_score": (str, type(None)),
    "description": "Weekly settlement",
    "metadata": {"invoice_id": "inv-123"},
}
ALERT = {
    "id": UUID,
    "payout_id": UUID,
    "alert_type": str,
    "severity": ("low", "medium", "high", "critical"),
    "message": str,
    "resolved": bool,
    "created_at": MOMENT,
}
STATS = {
    "total_payouts": int,
    "total_amount": AMOUNT,
    "pending_count": int,
    "settled_count": int,
    "failed_count": int,
    "dlq_count": int,
    "avg_settlement_hours": (float, type(None)),  # Nothing has settled yet.
}
HEALTHY = {"healthy": bool}


def misfits(expected: Any, got: Any, at: str = "$") -> list[str]:
    """Where an answer is not as expected. A name that is not expected may be there beside the others."""
    if isinstance(expected, dict):
        if not isinstance(got, dict):
            return [f"{at} is no object"]
        return [
            fault
            for name, inner in expected.items()
            for fault in (
                misfits(inner, got[name], f"{at}.{name}")
                if name in got
                else [f"{at}.{name} missing"]
            )
        ]
    if isinstance(expected, list):
        if not isinstance(got, list):
            return [f"{at} is no list"]
        return [f for n, one in enumerate(got) for f in misfits(expected[0], one, f"{at}[{n}]")]
    if isinstance(expected, tuple):
        return [] if any(not misfits(one, got) for one in expected) else [f"{at}: {got!r}"]
    if isinstance(expected, re.Pattern):
        fits = isinstance(got, str) and expected.fullmatch(got) is not None
    elif isinstance(expected, type):
        fits = type(got) is expected
    else:
        fits = got == expected
    return [] if fits else [f"{at}: {got!r}"]


def answers(answer: Answer, status: int, expected: dict[str, Any]) -> Any:
    """The body, which must be the block's."""
    assert answer.status == status, answer.body
    assert misfits({"success": True, **expected}, answer.body) == []
    return answer.body


class Reference:
    """A merchant of its own on the running engine, and operators beside it."""

    def __init__(self, engine: Running) -> None:
        self.engine, self.tenant = engine, str(uuid4())
        account = {
            "type": "us_bank", "currency": "USD", "routingNumber": "021000021", "accountNumber": "123456789012",
            "accountType": "checking",
        }  # fmt: skip
        person = {"name": "Ann", "beneficiaryType": "user", "country": "US", "account": account}
        made = self.as_("merchant_admin").call("POST", "/api/beneficiaries", person)
        self.person = made.body["beneficiary"]
        money = {
            "tenantId": self.tenant, "amount": "9000.00", "currency": "USD", "reference": "first",
        }  # fmt: skip
        assert self.as_("treasury_ops").call("POST", "/api/ledger/deposits", money).status == 201

    def as_(self, role: str, *, named: bool = True) -> Client:
        tenant = self.tenant if named else ""
        return Client(base_url=f"http://127.0.0.1:{self.engine.port}", tenant_id=tenant, role=role)

    def create(self, key: str, **changes: Any) -> Answer:
        body = {
            "originModule": "connect",
            "originEntityType": "merchant",
            "originEntityId": self.tenant,
            "beneficiaryType": "user",
            "beneficiaryId": self.person["id"],
            "beneficiaryAccountId": self.person["accounts"][0]["id"],
            "amount": 1000.00,
            "currency": "USD",
            "payoutMethod": "bank_transfer",
            "priority": "standard",
            "description": "Weekly settlement",
            "metadata": {"invoice_id": "inv-123"},
            **changes,
        }
        return self.as_("merchant_admin").call("POST", "/api/payouts", body, key=key)

    def dead(self) -> str:
        """A payout that needs a person: the bank refuses its file for a reason that one must look at."""
        fault = {"fault": "reject", "rail": "ach", "code": "R17", "count": 1}
        self.engine.bank.call("POST", "/_sim/faults", fault)
        try:
            payout_id: str = self.create("dead").body["payout"]["id"]
            self.wait(lambda: self.as_("merchant_admin").get_payout(payout_id)["status"] == "dlq")
        finally:
            self.engine.bank.call("DELETE", "/_sim/faults")
        return payout_id

    def wait(self, done: Any, *, seconds: float = 40) -> None:
        deadline = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < deadline, "it did not come to pass"
            time.sleep(0.2)

    def sweep(self) -> None:
        """What beat does every minute, now."""
        lines = (self.engine.state / "env").read_text().splitlines()
        url = next(line for line in lines if line.startswith("REDIS_URL=")).partition("=")[2]
        with Celery(broker=url) as broker:
            broker.send_task("payouts.tasks.sweep_alerts", queue="payouts")


@pytest.fixture(scope="module")
def ours(engine: Running) -> Reference:
    return Reference(engine)


def test_the_operators_blocks_of_the_reference_are_answered(ours: Reference) -> None:
    finance = ours.as_("finance_ops")
    dead = ours.dead()

    # Ops: List Alerts, and resolve one (of the table of roles).
    ours.sweep()
    ours.wait(lambda: finance.call("GET", "/api/payouts/ops/alerts").body["alerts"])
    listed = answers(finance.call("GET", "/api/payouts/ops/alerts"), 200, {"alerts": [ALERT]})
    (alert,) = [alert for alert in listed["alerts"] if alert["payout_id"] == dead]
    assert (alert["severity"], alert["resolved"]) == ("high", False)
    everywhere = ours.as_("finance_ops", named=False).call("GET", "/api/payouts/ops/alerts")
    assert alert["id"] in [one["id"] for one in everywhere.body["alerts"]]
    path = f"/api/payouts/ops/alerts/{alert['id']}/resolve"
    answers(finance.call("POST", path, {"reason": "seen"}), 200, {"message": str})
    left = finance.call("GET", "/api/payouts/ops/alerts?resolved=false").body["alerts"]
    assert alert["id"] not in [one["id"] for one in left]

    # Retry Failed Payout (Ops).
    retried = finance.call("POST", f"/api/payouts/{dead}/retry")
    answers(retried, 200, {"message": "Payout reset and will be retried"})

    # Cancel Payout (Ops).
    later = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 9 * 86400))
    waiting = ours.create("waits", scheduledAt=later).body["payout"]["id"]
    reason = {"reason": "Duplicate payment request"}
    cancelled = finance.call("POST", f"/api/payouts/{waiting}/cancel", reason)
    answers(cancelled, 200, {"message": "Payout cancelled successfully"})

    # Ops: Connector Health.
    told = ours.as_("finance_ops", named=False).call("GET", "/api/payouts/connectors/health")
    banks = answers(told, 200, {"connectors": {"default:ach": HEALTHY, "default:sepa": HEALTHY}})
    for name, bank in banks["connectors"].items():
        assert re.fullmatch(r"[a-z-]+:[a-z_]+", name)
        assert misfits(HEALTHY | ({} if bank["healthy"] else {"message": str}), bank) == []


def test_the_merchants_blocks_of_the_reference_are_answered(ours: Reference) -> None:
    merchant = ours.as_("merchant_admin")

    # Create Payout (Idempotent): no match 201, a match 200 with the existing payout.
    body = answers(ours.create(KEY), 201, {"payout": {**PAYOUT, "status": "pending"}})
    payout_id = body["payout"]["id"]
    again = answers(ours.create(KEY), 200, {"payout": PAYOUT})
    assert again["payout"]["id"] == payout_id

    # List Payouts.
    listed = merchant.call("GET", "/api/payouts?status=pending&limit=50&offset=0")
    anybodys = {**PAYOUT, "external_id": str}
    answers(listed, 200, {"payouts": [anybodys], "total": int, "limit": 50, "offset": 0})
    every = merchant.call("GET", f"/api/payouts?external_id={KEY}")
    answers(every, 200, {"payouts": [PAYOUT], "total": 1, "limit": 50, "offset": 0})
    assert [p["id"] for p in every.body["payouts"]] == [payout_id]

    # Get Payout by ID.
    shown = merchant.call("GET", f"/api/payouts/{payout_id}")
    assert answers(shown, 200, {"payout": PAYOUT})["payout"]["id"] == payout_id

    # Get Statistics.
    stats = answers(merchant.call("GET", "/api/payouts/stats/summary"), 200, {"stats": STATS})
    count = len(merchant.call("GET", "/api/payouts").body["payouts"])
    assert stats["stats"]["total_payouts"] == count
    assert stats["stats"]["total_amount"] == f"{count * 1000}.00"


@pytest.mark.parametrize(
    ("expected", "got", "faults"),
    [
        ({"a": int}, {"a": 1, "b": 2}, 0), ({"a": int}, {"a": "1"}, 1), ({"a": int}, {"a": True}, 1),
        ({"a": AMOUNT}, {"a": 1.0}, 1), ({"a": [{"b": UUID}]}, {"a": [{"b": "x"}, {}]}, 2), ({"a": int}, {}, 1),
        ({"a": (str, type(None))}, {"a": None}, 0), ({"a": "x"}, {"a": "y"}, 1),
    ],
)  # fmt: skip
def test_the_comparison_sees_what_is_missing_or_of_another_type(
    expected: Any, got: Any, faults: int
) -> None:
    assert len(misfits(expected, got)) == faults
