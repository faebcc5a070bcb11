"""A quote: what a create would do, by the same code, with no effect whatever."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from django.db import connection

from payouts import banks, bankstate
from payouts.models import Payout
from tests.api_client import Api, create, merchant, operator, payout_body
from tests.bad_input import AMOUNTS, TEXTS
from tests.test_api_input import raw_body
from tests.world import World

QUOTE = "/api/payouts/quote"


def everything() -> dict[str, int]:
    """How many rows each table has, whatever it is."""
    tables = connection.introspection.table_names()
    with connection.cursor() as cursor:
        counts = {}
        for table in tables:
            cursor.execute(f'SELECT count(*) FROM "{table}"')
            counts[table] = cursor.fetchone()[0]
        return counts


def quoted(caller: Api, body: Any) -> dict[str, Any]:
    """A quote, which must leave every table as it was."""
    before = everything()
    answer = caller.post(QUOTE, body)
    assert answer.status == 200, answer.body
    assert everything() == before
    found: dict[str, Any] = answer.body["quote"]
    return found


@pytest.mark.parametrize(
    "changes",
    [
        {}, {"kind": "us_bank"}, {"amount": "0.01"}, {"priority": "batch"}, {"priority": "instant"},
        {"scheduledAt": "later"}, {"amount": "9999.99", "settings": 500},
    ],
)  # fmt: skip
def test_a_quote_says_what_a_create_then_does(
    sandbox: World, settings: Any, changes: dict[str, Any]
) -> None:
    if limit := changes.pop("settings", None):
        settings.APPROVAL_LIMITS = {"*": limit}
    if changes.get("scheduledAt"):
        from datetime import timedelta

        from payouts import clock

        changes = {"scheduledAt": (clock.now() + timedelta(days=2)).isoformat()}
    quote = quoted(operator(sandbox), payout_body(sandbox, **changes))
    payout = Payout.objects.get(pk=create(sandbox, **changes))
    shown = merchant(sandbox).get(f"/api/payouts/{payout.id}").body["payout"]
    for name in ("amount", "currency", "fee_amount", "fee_currency", "rail", "status"):
        assert quote[name] == shown[name], name
    assert quote["sla_target_settlement_date"] == shown["sla_target_settlement_date"]
    bank = banks.line(payout.bank_connector_id)
    assert quote["connector"] == bank.key
    assert quote["approval"]["required"] == (payout.status == "requires_approval")
    assert quote["funds"]["enough"] is True
    left = sandbox.balance(payout.currency)[0]
    assert quote["funds"]["available_after"] == f"{left:.2f}"
    assert (quote["scheduled_at"] is None) == (payout.scheduled_at is None)


def test_too_little_money_is_told_and_is_no_refusal(sandbox: World) -> None:
    quote = quoted(merchant(sandbox), payout_body(sandbox, amount="10000.01"))
    assert quote["funds"] == {"available": "10000.00", "available_after": "-0.01", "enough": False}
    assert quote["approval"] == {"required": True, "above": "10000.00"}


def test_merchants_are_told_ways_and_operators_banks(sandbox: World) -> None:
    plain = quoted(merchant(sandbox), payout_body(sandbox, kind="us_bank"))
    assert not {"connector", "routing_reason"} & set(plain)
    ways = {way["rail"]: way for way in plain["candidates"]}
    assert ways["ach"] == {"rail": "ach", "chosen": True, "refused": ""}
    assert ways["sepa"]["refused"] == "Does not reach this kind of account"
    assert "default" not in str(plain)
    inside = quoted(operator(sandbox), payout_body(sandbox, kind="us_bank"))
    chosen = [way["connector"] for way in inside["candidates"] if way["chosen"]]
    assert chosen == [inside["connector"]] == ["default:ach"]
    assert inside["routing_reason"]
    refused = {way["connector"]: way["refused"] for way in inside["candidates"]}
    assert refused["default:sepa"]


def test_what_is_wrong_inside_is_not_told_to_a_merchant(sandbox: World) -> None:
    sepa = [bank for bank in banks.lines() if bank.rail == "sepa"]
    bankstate.pause([bank.id for bank in sepa], actor=sandbox.operator, reason="secret")
    quote = quoted(merchant(sandbox), payout_body(sandbox))
    assert "secret" not in str(quote)
    assert "paused" not in str(quote)


def test_every_bad_request_is_refused_as_a_create_is(sandbox: World) -> None:
    before = everything()
    rows = {name: ({"amount": literal}, why) for name, (literal, why) in AMOUNTS.items()} | TEXTS
    for name, (literals, why) in rows.items():
        answer = merchant(sandbox).send("POST", QUOTE, raw_body(sandbox, **literals))
        assert (answer.status, answer.code) == why, name
    assert everything() == before


def test_a_merchant_that_nobody_knows_yet_stays_unknown(db: None) -> None:
    tenant = uuid4()
    before = everything()
    body = {
        "originModule": "connect", "originEntityType": "merchant", "originEntityId": str(tenant),
        "beneficiaryType": "user", "beneficiaryId": str(uuid4()), "beneficiaryAccountId": str(uuid4()),
        "amount": "1", "currency": "EUR", "payoutMethod": "bank_transfer",
    }  # fmt: skip
    answer = Api(tenant).post(QUOTE, body)
    assert (answer.status, answer.code) == (404, "beneficiary_not_found")
    refused = Api(tenant).post("/api/payouts", body, key="k")
    assert (refused.status, refused.code) == (404, "beneficiary_not_found")
    assert everything() == before
    assert Api(None, "treasury_ops").post(QUOTE, body).code == "not_found"
