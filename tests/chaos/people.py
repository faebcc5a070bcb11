"""Whom the load pays: the demo's beneficiaries and some more, for both of its merchants."""

from __future__ import annotations

from typing import Any

import psycopg

from tests.chaos.load import Account
from tests.running_engine import Running

TENANTS = ("11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222")
INSTANT = {"method": "instant_transfer", "priority": "instant"}
# kind -> type of account in the demo, and how it is paid.
DEMO: dict[str, tuple[str, dict[str, str]]] = {
    "iban": ("iban", {}),
    "iban_instant": ("iban", INSTANT),
    "us_bank": ("us_bank", {}),
    "us_instant": ("us_bank", INSTANT),
    "uk_bank": ("uk_bank", {}),
    "swift": ("swift", {"method": "wire"}),
    "orange": ("mobile_money", {"method": "mobile_money"}),
}
# The other two operators, and accounts that refuse, hesitate or send back whatever the faults are.
MORE: dict[str, tuple[str, dict[str, str], dict[str, str]]] = {
    "mtn": ("CI", {"type": "mobile_money", "currency": "XOF", "msisdn": "+2250500000002"},
            {"method": "mobile_money"}),
    "wave": ("SN", {"type": "mobile_money", "currency": "XOF", "msisdn": "+221770000002", "operator": "wave"},
             {"method": "mobile_money"}),
    "iban_closed": ("DE", {"type": "iban", "currency": "EUR", "iban": "DE08370400440000000401"}, {}),
    "iban_once": ("DE", {"type": "iban", "currency": "EUR", "iban": "DE40370400440000000601"}, {}),
    "iban_back": ("DE", {"type": "iban", "currency": "EUR", "iban": "DE56370400440000000701"}, {}),
    "uk_closed": ("GB", {"type": "uk_bank", "currency": "GBP", "sortCode": "089999",
                         "accountNumber": "90004401"}, {}),
}  # fmt: skip


def settle_in(engine: Running, dsn: str) -> list[Account]:
    """Every account that the load pays, for both merchants."""
    return [
        account
        for tenant in TENANTS
        for account in (*_of_demo(dsn, tenant), *_more(engine, tenant))
    ]


def _of_demo(dsn: str, tenant: str) -> list[Account]:
    with psycopg.connect(dsn) as connection:
        rows = connection.execute(
            "SELECT type, beneficiary_id::text, id::text, currency FROM beneficiary_accounts"
            " WHERE tenant_id = %s ORDER BY created_at",
            [tenant],
        ).fetchall()
    found = {row[0]: row for row in rows}
    return [
        Account(tenant, kind, found[of][1], found[of][2], found[of][3], **how)
        for kind, (of, how) in DEMO.items()
    ]


def _more(engine: Running, tenant: str) -> list[Account]:
    made = []
    for kind, (country, account, how) in MORE.items():
        body: dict[str, Any] = {
            "name": f"Chaos {kind.replace('_', ' ').title()}", "beneficiaryType": "user", "country": country,
            "account": account,
        }  # fmt: skip
        client = engine.merchant.__class__(base_url=engine.merchant.base_url, tenant_id=tenant)
        answer = client.call("POST", "/api/beneficiaries", body)
        assert answer.status == 201, f"{kind}: {answer.body}"
        one = answer.body["beneficiary"]
        made.append(
            Account(tenant, kind, one["id"], one["accounts"][0]["id"], account["currency"], **how)
        )
    return made
