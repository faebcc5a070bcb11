"""The engine as it runs: real processes, killed while payouts flow, and everything ends where it should."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
import time
from collections import Counter
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from ops import rail_tour
from ops.scenario import Scenario
from tests.running_engine import ROOT, TENANT, Running

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("engine")]


def scenario_of(engine: Running) -> Scenario:
    return Scenario(
        engine=engine.merchant,
        bank=engine.bank,
        beneficiaries=engine.beneficiaries,
        say=lambda line: None,
    )


def example(engine: Running, kind: str = "us_bank") -> dict[str, Any]:
    """The body of the specification's POST example, with ids that exist."""
    beneficiary = engine.beneficiaries[kind]
    return {
        "originModule": "connect", "originEntityType": "merchant", "originEntityId": TENANT,
        "beneficiaryType": "user", "beneficiaryId": beneficiary["id"],
        "beneficiaryAccountId": beneficiary["account_id"], "amount": 1000.00, "currency": beneficiary["currency"],
        "payoutMethod": "bank_transfer", "priority": "standard", "description": "Weekly settlement",
        "metadata": {"invoice_id": "inv-123"},
    }  # fmt: skip


def test_the_specifications_example_is_answered(engine: Running) -> None:
    key, body = str(uuid4()), example(engine)
    first = engine.merchant.call("POST", "/api/payouts", body, key=key)
    assert first.status == 201
    payout = first.body["payout"]
    assert first.body["success"] is True
    assert payout["external_id"] == key
    assert payout["status"] == "pending"
    assert re.fullmatch(r"[0-9a-f-]{36}", payout["ledger_hold_id"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", payout["sla_target_settlement_date"])
    again = engine.merchant.call("POST", "/api/payouts", body, key=key)
    assert (again.status, again.body["payout"]["id"]) == (200, payout["id"])
    other = engine.merchant.call("POST", "/api/payouts", body | {"amount": 1000.01}, key=key)
    assert (other.status, other.body["code"]) == (422, "idempotency_key_reused")


def test_the_demo_scenario_holds(engine: Running) -> None:
    scenario = scenario_of(engine)
    assert scenario.run(rails=rail_tour.STEPS), [step for step in scenario.steps if not step.ok]


class Flow(threading.Thread):
    """A merchant who pays steadily and, when there is no answer, says the same again under the same key."""

    def __init__(self, engine: Running, count: int, pause_s: float) -> None:
        super().__init__(daemon=True)
        self.engine, self.count, self.pause_s = engine, count, pause_s
        self.payouts: dict[str, Decimal] = {}
        self.unanswered = 0

    def run(self) -> None:
        for n in range(self.count):
            kind = "iban" if n % 3 else "us_bank"
            amount = Decimal(10) + Decimal(n) / 100
            self._pay(example(self.engine, kind) | {"amount": str(amount)}, amount)
            time.sleep(self.pause_s)

    def _pay(self, body: dict[str, Any], amount: Decimal) -> None:
        key = str(uuid4())
        for _ in range(200):
            try:
                answer = self.engine.merchant.call("POST", "/api/payouts", body, key=key)
            except (OSError, ValueError):
                answer = None
            if answer is not None and answer.status in (200, 201):
                self.payouts[answer.body["payout"]["id"]] = amount
                return
            self.unanswered += 1
            time.sleep(0.1)
        raise AssertionError("no answer in two hundred tries")


def drain(engine: Running, payouts: dict[str, Decimal], *, seconds: float = 90) -> None:
    """Let time pass at the bank until every payout is settled, with nobody's help."""
    deadline = time.monotonic() + seconds
    while True:
        rows = engine.query(
            "SELECT status, count(*) FROM payouts WHERE id::text = ANY(%s) GROUP BY 1",
            list(payouts),
        )
        if dict(rows) == {"settled": len(payouts)}:
            return
        assert time.monotonic() < deadline, f"after {seconds} s: {rows}"
        engine.bank.call("POST", "/_sim/clock", {"advance_seconds": 86_400})
        time.sleep(2)


def assert_paid_once(engine: Running, payouts: dict[str, Decimal]) -> None:
    """The bank's own record: each payout booked exactly once, under our reference, for the right money."""
    records = [
        r for r in engine.bank.call("GET", "/_sim/records").body if r["payout_id"] in payouts
    ]
    booked = [r for r in records if r["state"] == "booked"]
    assert Counter(r["payout_id"] for r in booked) == Counter(list(payouts))
    assert all(Decimal(r["amount"]) == payouts[r["payout_id"]] for r in booked)
    ours = engine.query(
        "SELECT p.id::text, l.reference, a.last4, p.currency FROM payouts p"
        " JOIN payout_retry_log l ON l.payout_id = p.id"
        " JOIN beneficiary_accounts a ON a.id = p.beneficiary_account_id"
        " WHERE l.state = 'settled' AND p.id::text = ANY(%s)",
        list(payouts),
    )
    told = {(r["payout_id"], r["reference"], r["account_last4"], r["currency"]) for r in booked}
    assert told == set(ours)


# What the short check leaves to `./dev prove`; the short form of `./dev chaos` kills all of them, together.
LATER = ("beat", "web", "poller", "bank_simulator")
IN_PROVE = [pytest.param(name, marks=pytest.mark.long) for name in LATER]


@pytest.mark.parametrize("victim", ["worker", "valkey", "postgres", *IN_PROVE])
def test_payouts_end_where_they_should_though_a_process_is_killed(
    engine: Running, victim: str
) -> None:
    flow = Flow(engine, count=24, pause_s=0.1)
    flow.start()
    time.sleep(1.0)
    killed = engine.kill(victim)
    took = engine.wait_replaced(victim, killed)
    flow.join(60)
    assert not flow.is_alive()
    assert len(flow.payouts) == 24
    drain(engine, flow.payouts)
    assert_paid_once(engine, flow.payouts)
    assert took < 1.5  # Half a second is the promise; the machine of a test run may be busy.
    engine.wait_ready()


def wait_for_row(engine: Running, sql: str, *params: Any) -> None:
    deadline = time.monotonic() + 10
    while not engine.query(sql, *params):
        assert time.monotonic() < deadline, sql
        time.sleep(0.02)


def test_a_worker_that_is_told_to_stop_finishes_what_it_submits(engine: Running) -> None:
    # Whichever rail is taken; reports are held back, so that the answer which the worker waits for speaks first.
    for fault in (
        {"fault": "late_answer", "count": 1, "seconds": 2},
        {"fault": "silent", "seconds": 60},
    ):
        assert engine.bank.call("POST", "/_sim/faults", fault).status < 300
    body = example(engine, "iban") | {"amount": "77.00"}
    payout_id = engine.merchant.call("POST", "/api/payouts", body).body["payout"]["id"]
    wait_for_row(engine, "SELECT 1 FROM bank_transmissions WHERE state = 'sending'")
    old = engine.kill("worker", signal.SIGTERM)
    engine.wait_replaced("worker", old)
    wait_for_row(
        engine, "SELECT 1 FROM payouts WHERE id::text = %s AND status <> 'processing'", payout_id
    )
    assert engine.bank.call("DELETE", "/_sim/faults").status < 300
    drain(engine, {payout_id: Decimal(77)})
    steps = engine.query(
        "SELECT to_status FROM payout_audit_log WHERE payout_id::text = %s ORDER BY sequence",
        payout_id,
    )
    # Never in doubt; where the bank is an instant one, its answer settles. That the booking was found on a
    # report of the bank may follow as a row of its own.
    told = list(dict.fromkeys(step[0] for step in steps if step[0] != "sent"))
    assert told == ["pending", "processing", "settled"]
    engine.wait_ready()


def test_the_book_is_sound_after_all_this(engine: Running) -> None:
    assert (
        engine.query(
            "SELECT currency FROM ledger_entries GROUP BY currency HAVING sum(amount) <> 0"
        )
        == []
    )
    apart = engine.query(
        "SELECT b.tenant_id, b.currency FROM ledger_balances b"
        " WHERE held <> coalesce((SELECT sum(amount) FROM payouts p"
        " WHERE p.tenant_id = b.tenant_id AND p.currency = b.currency AND p.status NOT IN"
        " ('settled', 'rejected', 'cancelled', 'returned')), 0)"
    )
    assert apart == []


def test_the_readmes_payout_in_one_minute_works(engine: Running) -> None:
    text = (ROOT / "README.md").read_text()
    (block,) = re.findall(r"## A payout in one minute.*?```sh\n(.*?)```", text, re.DOTALL)
    block = block.replace(":8000", f":{engine.port}").replace(":9900", f":{engine.bank_port}")
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert '"external_id":"my-first-payout"' in done.stdout.replace(": ", ":")
    assert done.stdout.count('"success":true') == 3


def test_every_process_leads_a_group_of_its_own(engine: Running) -> None:
    # That stopping it leaves none of them behind is seen where the tests' engine is stopped (tests/conftest.py).
    pids = engine.pids()
    servers = {"bank_simulator", "postgres", "valkey"}
    assert set(pids) == {"web", "worker", "beat", "poller", *servers}
    assert all(os.getpgid(pid) == pid for pid in pids.values())
