"""Figures, balances, deposits and beneficiaries through the API; and the numbers that it never shows."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest

from payouts.models import Payout, Status
from tests.api_client import Api, create, in_state, merchant, operator, payout_body, snapshot
from tests.world import World


def test_statistics_add_up_one_currency_and_never_two(sandbox: World, settings: Any) -> None:
    empty = merchant(sandbox).get("/api/payouts/stats/summary").body["stats"]
    assert (empty["total_payouts"], empty["avg_settlement_hours"]) == (0, None)
    in_state(sandbox, "settled", settings)
    create(sandbox, amount="0.50")
    stats = merchant(sandbox).get("/api/payouts/stats/summary").body["stats"]
    assert {k: stats[k] for k in ("total_payouts", "total_amount", "pending_count", "settled_count")} == {
        "total_payouts": 2, "total_amount": "100.50", "pending_count": 1, "settled_count": 1,
    }  # fmt: skip
    assert stats["failed_count"] == stats["dlq_count"] == 0
    assert stats["avg_settlement_hours"] > 0
    create(sandbox, kind="us_bank", amount="3")
    stats = merchant(sandbox).get("/api/payouts/stats/summary").body["stats"]
    assert (stats["total_payouts"], stats["total_amount"]) == (3, None)
    assert stats["by_currency"]["EUR"]["total_amount"] == "100.50"
    assert stats["by_currency"]["USD"]["total_amount"] == "3.00"
    other = Api(uuid4()).get("/api/payouts/stats/summary").body["stats"]
    assert (other["total_payouts"], other["by_currency"]) == (0, {})


def test_every_payout_is_counted_once_under_its_own_status(sandbox: World, settings: Any) -> None:
    for state in (
        "settled",
        "scheduled",
        "cancelled",
        "failed",
    ):  # The last one stays away from work.
        in_state(sandbox, state, settings)
    create(sandbox)
    stats = merchant(sandbox).get("/api/payouts/stats/summary").body["stats"]
    counted = {status: count for status, count in stats["by_status"].items() if count}
    assert counted == dict.fromkeys(("settled", "scheduled", "cancelled", "failed", "pending"), 1)
    assert set(stats["by_status"]) == set(Status.values)
    for name in ("pending", "settled", "failed"):
        assert stats[f"{name}_count"] == 1
    assert (stats["total_payouts"], stats["dlq_count"]) == (5, 0)
    settled = Payout.objects.get(status="settled")
    assert settled.settled_at is not None
    hours = (settled.settled_at - settled.created_at).total_seconds() / 3600
    assert stats["avg_settlement_hours"] == pytest.approx(hours, abs=0.0001)


def test_balances_show_what_is_there_and_what_is_held(sandbox: World) -> None:
    create(sandbox, amount="12.34")
    assert merchant(sandbox).get("/api/ledger/balances").body == {
        "success": True,
        "balances": [
            {"currency": "EUR", "available": "9987.66", "held": "12.34"},
            {"currency": "GBP", "available": "10000.00", "held": "0.00"},
            {"currency": "USD", "available": "10000.00", "held": "0.00"},
            {"currency": "XOF", "available": "10000", "held": "0"},
        ],
    }


def test_a_deposit_is_made_once_for_its_reference(sandbox: World) -> None:
    treasury = operator(sandbox, "treasury_ops")
    body = {
        "tenantId": str(sandbox.tenant_id),
        "amount": "50.5",
        "currency": "CHF",
        "reference": "wire 7",
    }
    made = treasury.post("/api/ledger/deposits", body)
    assert (made.status, made.body["deposit"]["amount"]) == (201, "50.50")
    before = snapshot()
    again = treasury.post("/api/ledger/deposits", body | {"amount": 50.50})
    assert (again.status, again.body["deposit"]) == (200, made.body["deposit"])
    for change in ({"amount": "51"}, {"currency": "USD"}):
        other = treasury.post("/api/ledger/deposits", body | change)
        assert (other.status, other.code) == (422, "deposit_reference_reused")
    assert snapshot() == before
    assert sandbox.balance("CHF") == (Decimal("50.5"), Decimal(0))


def test_a_refused_deposit_changes_nothing(sandbox: World) -> None:
    treasury = operator(sandbox, "treasury_ops")
    good = {"tenantId": str(sandbox.tenant_id), "amount": "1", "currency": "EUR", "reference": "r"}
    before = snapshot()
    for change, code in [
        ({"amount": "0"}, "amount_invalid"),
        ({"amount": "-1"}, "amount_invalid"),
        ({"amount": "1.001"}, "amount_precision"),
        ({"amount": "1" + "0" * 15}, "amount_out_of_range"),
        ({"currency": "eur"}, "currency_unsupported"),
        ({"reference": ""}, "validation_error"),
        ({"tenantId": "me"}, "validation_error"),
        ({"from": "me"}, "unknown_field"),
    ]:
        answer = treasury.post("/api/ledger/deposits", good | change, key="k")
        assert (answer.status, answer.code) == (422, code), change
    assert snapshot() == before


def test_a_balance_that_would_not_fit_is_refused(sandbox: World) -> None:
    treasury = operator(sandbox, "treasury_ops")
    most = {"tenantId": str(sandbox.tenant_id), "amount": "9" * 15, "currency": "CHF"}
    assert treasury.post("/api/ledger/deposits", most | {"reference": "1"}).status == 201
    before = snapshot()
    over = treasury.post("/api/ledger/deposits", most | {"reference": "2"})
    assert (over.status, over.code) == (422, "amount_out_of_range")
    assert snapshot() == before


ACCOUNTS: dict[str, dict[str, str]] = {
    "iban": {"currency": "EUR", "iban": "DE89 3704 0044 0532 0130 00", "bic": "COBADEFF"},
    "us_bank": {
        "currency": "USD", "routingNumber": "021000021", "accountNumber": "123456789012", "accountType": "checking",
    },
    "uk_bank": {"currency": "GBP", "sortCode": "08-99-99", "accountNumber": "66374958"},
    "mobile_money": {"currency": "XOF", "msisdn": "+225 07 00 00 00 01", "operator": "orange"},
    "swift": {"currency": "USD", "bic": "COBADEFFXXX", "accountNumber": "0532013000"},
}  # fmt: skip
SECRET_PARTS = ("370400440532013", "12345678901", "6637495", "22507000000", "053201300")


def wish(kind: str) -> dict[str, Any]:
    account = {"type": kind, **ACCOUNTS[kind]}
    return {"name": "Anna Schmidt", "beneficiaryType": "user", "country": "DE", "account": account}


@pytest.mark.parametrize("kind", ACCOUNTS)
def test_a_beneficiary_never_shows_its_number(
    sandbox: World, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    made = merchant(sandbox).post("/api/beneficiaries", wish(kind))
    assert made.status == 201, made.body
    shown = made.body["beneficiary"]
    (account,) = shown["accounts"]
    assert (shown["name"], account["type"]) == ("Anna Schmidt", kind)
    assert account["currency"] == ACCOUNTS[kind]["currency"]
    number = [v for k, v in ACCOUNTS[kind].items() if k in ("iban", "accountNumber", "msisdn")][0]
    assert account["last4"] == number.replace(" ", "")[-4:]
    said = json.dumps(made.body) + caplog.text
    assert not any(part in said for part in SECRET_PARTS)


def test_a_payout_never_shows_the_number_it_goes_to(sandbox: World) -> None:
    for kind in ("iban", "us_bank"):
        shown = merchant(sandbox).get(f"/api/payouts/{create(sandbox, kind=kind)}")
        assert not any(part in json.dumps(shown.body) for part in SECRET_PARTS)
        assert "request_fingerprint" not in shown.body["payout"]


def test_two_beneficiaries_may_share_an_account(sandbox: World) -> None:
    first = merchant(sandbox).post("/api/beneficiaries", wish("iban"))
    second = merchant(sandbox).post("/api/beneficiaries", wish("iban"))
    assert (first.status, second.status) == (201, 201)
    assert first.body["beneficiary"]["id"] != second.body["beneficiary"]["id"]


def test_a_key_on_a_beneficiary_makes_it_once(sandbox: World) -> None:
    first = merchant(sandbox).post("/api/beneficiaries", wish("iban"), key="k")
    before = snapshot()
    again = merchant(sandbox).post("/api/beneficiaries", wish("iban"), key="k")
    assert (again.status, again.headers["Idempotent-Replayed"]) == (200, "true")
    assert again.body == first.body
    other = merchant(sandbox).post("/api/beneficiaries", wish("uk_bank"), key="k")
    assert (other.status, other.code) == (422, "idempotency_key_reused")
    assert snapshot() == before
    stranger = Api(uuid4()).post("/api/beneficiaries", wish("iban"), key="k")
    assert (stranger.status, stranger.headers["Idempotent-Replayed"]) == (201, "false")


def test_a_key_on_a_deposit_binds_it(sandbox: World) -> None:
    treasury = operator(sandbox, "treasury_ops")
    body = {"tenantId": str(sandbox.tenant_id), "amount": "5", "currency": "GBP", "reference": "a"}
    assert treasury.post("/api/ledger/deposits", body, key="k").status == 201
    before = snapshot()
    other = treasury.post("/api/ledger/deposits", body | {"reference": "b"}, key="k")
    assert (other.status, other.code) == (422, "idempotency_key_reused")
    assert treasury.post("/api/ledger/deposits", body, key="k").status == 200
    assert snapshot() == before


def test_a_beneficiary_of_another_merchant_cannot_be_paid(sandbox: World) -> None:
    """B58, R20: foreign and unknown are told apart by nobody."""
    stranger = Api(uuid4())
    theirs = stranger.post("/api/beneficiaries", wish("iban")).body["beneficiary"]
    before = snapshot()

    def refused(beneficiary: str, account: str) -> dict[str, Any]:
        body = payout_body(sandbox, beneficiaryId=beneficiary, beneficiaryAccountId=account)
        answer = merchant(sandbox).post("/api/payouts", body, key="k")
        return {k: v for k, v in answer.body.items() if k != "request_id"}

    foreign = refused(theirs["id"], theirs["accounts"][0]["id"])
    assert (foreign["status"], foreign["code"]) == (404, "beneficiary_not_found")
    assert foreign == refused(str(uuid4()), str(uuid4()))
    mismatch = refused(str(UUID(int=1)), str(sandbox.accounts["iban"][1]))
    assert (mismatch["status"], mismatch["code"]) == (422, "beneficiary_mismatch")
    assert snapshot() == before
