"""The scenario of create_payouts.js for locust, where k6 is not to be had.

Locust is no dependency of the project; give it an environment of its own, with ./dev up running:

    python3 -m venv /tmp/locust && /tmp/locust/bin/pip install locust==2.47.0
    /tmp/locust/bin/locust -f tests/load/locustfile.py --headless --host http://127.0.0.1:8000

RATE (1000) is the rate in requests a second that the load rises to; locust exits 1 when a threshold is missed.
"""

from __future__ import annotations

import os
from uuid import uuid4

from locust import FastHttpUser, LoadTestShape, constant_throughput, events, task

TENANT_ID = os.environ.get("TENANT_ID", "11111111-1111-4111-8111-111111111111")
USER_ID = "99999999-9999-4999-8999-999999999999"
RATE = int(os.environ.get("RATE", "1000"))
PER_USER = 5  # requests a second
STAGES = [
    (20, RATE / 10),
    (60, RATE / 2),
    (120, RATE),
    (180, RATE),
]  # until second, requests a second


def headers(key: str) -> dict[str, str]:
    return {
        "X-User-Id": USER_ID,
        "X-Tenant-Id": TENANT_ID,
        "X-User-Role": "merchant_admin",
        "Idempotency-Key": key,
    }


class Merchant(FastHttpUser):
    wait_time = constant_throughput(PER_USER)

    def on_start(self) -> None:
        wish = {
            "name": "Anna Schmidt", "beneficiaryType": "user", "country": "DE",
            "account": {"type": "iban", "currency": "EUR", "iban": "DE89370400440532013000"},
        }  # fmt: skip
        made = self.client.post(
            "/api/beneficiaries", json=wish, headers=headers(str(uuid4()))
        ).json()
        self.payee = made["beneficiary"]

    @task
    def create_payout(self) -> None:
        payout = {
            "originModule": "connect", "originEntityType": "merchant", "originEntityId": TENANT_ID,
            "beneficiaryType": "user", "beneficiaryId": self.payee["id"],
            "beneficiaryAccountId": self.payee["accounts"][0]["id"], "amount": "1.00", "currency": "EUR",
            "payoutMethod": "bank_transfer", "priority": "standard", "description": "Load test",
            "metadata": {"invoice_id": "inv-123"},
        }  # fmt: skip
        with self.client.post(
            "/api/payouts", json=payout, headers=headers(f"load-{uuid4()}"), catch_response=True
        ) as answer:
            if answer.status_code != 201:
                answer.failure(f"{answer.status_code}")


class Rising(LoadTestShape):
    def tick(self) -> tuple[int, float] | None:
        second, before = self.get_run_time(), (0, RATE / 20)
        for until, rate in STAGES:
            if second < until:
                share = (second - before[0]) / (until - before[0])
                return max(1, round((before[1] + share * (rate - before[1])) / PER_USER)), 100
            before = (until, rate)
        return None


@events.quitting.add_listener
def judge(environment: object, **_: object) -> None:
    """The thresholds of create_payouts.js."""
    total = environment.stats.total
    late = total.get_response_time_percentile(0.95) > 300
    environment.process_exit_code = 1 if late or total.fail_ratio > 0.001 else 0
