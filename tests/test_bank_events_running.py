"""The running engine hears its banks: the simulator's own messages, through gunicorn, to a worker."""

from __future__ import annotations

from uuid import uuid4

import pytest

from tests.bank_simulator_client import until
from tests.running_engine import TENANT, Running

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("engine")]

ACCOUNTS = {
    "default:faster_payments": (
        "GB", {"type": "uk_bank", "currency": "GBP", "sortCode": "089999", "accountNumber": "66374958"},
        "bank_transfer",
    ),
    "mtn:mobile_money": (
        "CI", {"type": "mobile_money", "currency": "XOF", "msisdn": "+2250500000001"}, "mobile_money",
    ),
    "mpesa:mobile_money": (
        "KE", {"type": "mobile_money", "currency": "KES", "msisdn": "+254700000001"}, "mobile_money",
    ),
}  # fmt: skip


def pay(engine: Running, address: str) -> str:
    country, account, method = ACCOUNTS[address]
    whom = {
        "name": "Anna Example",
        "beneficiaryType": "user",
        "country": country,
        "account": account,
    }
    made = engine.merchant.call("POST", "/api/beneficiaries", whom).body["beneficiary"]
    body = {
        "originModule": "connect", "originEntityType": "merchant", "originEntityId": TENANT,
        "beneficiaryType": "user", "beneficiaryId": made["id"], "beneficiaryAccountId": made["accounts"][0]["id"],
        "amount": "1000", "currency": account["currency"], "payoutMethod": method, "description": "By message",
    }  # fmt: skip
    answer = engine.merchant.call("POST", "/api/payouts", body, key=str(uuid4()))
    assert answer.status == 201, answer.body
    payout_id: str = answer.body["payout"]["id"]
    return payout_id


@pytest.mark.parametrize("address", ACCOUNTS)
def test_a_bank_tells_the_running_engine_by_itself(engine: Running, address: str) -> None:
    name, _, rail = address.partition(":")
    payout_id = pay(engine, address)
    until(lambda: engine.merchant.get_payout(payout_id)["status"] == "settled", seconds=10)

    def told() -> list[str]:
        rows = engine.query(
            "SELECT d.error FROM bank_documents d JOIN bank_connectors c ON c.id = d.bank_connector_id"
            " JOIN bank_evidence e ON e.source_key = 'document:' || d.id WHERE e.payout_id = %s"
            " AND c.name = %s AND c.rail = %s AND d.remote_id LIKE 'webhook %%'",
            payout_id, name, rail,
        )  # fmt: skip
        return [row[0] for row in rows]

    assert until(told) == [""]
