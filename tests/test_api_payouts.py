"""What the API does: create once, show, list, cancel, retry, approve, count; and what it never shows."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import IntegrityError, transaction

from payouts import clock, creation
from payouts.models import Payout, PayoutHold
from tests.api_client import (
    Api,
    acting_as,
    create,
    merchant,
    operator,
    payout_body,
    send,
    snapshot,
)
from tests.world import IBAN, World

# The specification's example, letter for letter; only the four ids are put in.
EXAMPLE = """{
  "originModule": "connect",
  "originEntityType": "merchant",
  "originEntityId": "merchant-uuid",
  "beneficiaryType": "user",
  "beneficiaryId": "user-uuid",
  "beneficiaryAccountId": "account-uuid",
  "amount": 1000.00,
  "currency": "USD",
  "payoutMethod": "bank_transfer",
  "priority": "standard",
  "description": "Weekly settlement",
  "metadata": {
    "invoice_id": "inv-123"
  }
}"""


def example(world: World) -> bytes:
    beneficiary_id, account_id = world.accounts["us_bank"]
    text = EXAMPLE.replace("merchant-uuid", str(world.tenant_id))
    return (
        text.replace("user-uuid", str(beneficiary_id))
        .replace("account-uuid", str(account_id))
        .encode()
    )


def post_example(world: World, body: bytes, key: str = "client-generated-unique-key") -> Any:
    headers = {
        "Idempotency-Key": key,
        "X-User-Id": str(uuid4()),
        "X-Tenant-Id": str(world.tenant_id),
        "X-User-Role": "merchant_admin",
    }
    return send("POST", "/api/payouts", body, content_type="application/json", headers=headers)


# --- Create -----------------------------------------------------------------------------------------


def test_the_first_answer_says_what_was_created_however_quick_a_worker_is(
    sandbox: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = creation.create_payouts

    def taken_up_at_once(*args: Any, **kwargs: Any) -> list[creation.Result]:
        results = written(*args, **kwargs)
        with acting_as("payouts_worker"):
            sandbox.work_until(lambda: not Payout.objects.filter(status="pending").exists())
        return results

    monkeypatch.setattr(creation, "create_payouts", taken_up_at_once)
    made = post_example(sandbox, example(sandbox))
    assert (made.status, made.body["payout"]["status"]) == (201, "pending")
    assert made.body["payout"]["version"] == 1  # The version that was pending.
    again = post_example(sandbox, example(sandbox))
    assert (again.status, again.body["payout"]["status"] == "pending") == (200, False)


def test_the_specifications_own_example_creates_a_payout(sandbox: World) -> None:
    made = post_example(sandbox, example(sandbox))
    assert made.status == 201
    assert made.headers["Idempotent-Replayed"] == "false"
    assert set(made.body) == {"success", "payout"}
    payout = made.body["payout"]
    assert made.body["success"] is True
    assert payout["external_id"] == "client-generated-unique-key"
    assert payout["status"] == "pending"
    hold = PayoutHold.objects.get(payout_id=payout["id"])
    assert payout["ledger_hold_id"] == str(hold.id)
    assert (hold.hold_amount, hold.status) == (Decimal(1000), "active")
    assert payout["sla_target_settlement_date"] >= f"{clock.now():%Y-%m-%d}"
    assert (payout["amount"], payout["currency"], payout["rail"]) == ("1000.00", "USD", "ach")
    assert payout["metadata"] == {"invoice_id": "inv-123"}
    assert payout["tenant_id"] == str(sandbox.tenant_id)
    assert made.headers["Location"] == f"/api/payouts/{payout['id']}"
    assert sandbox.balance("USD") == (Decimal(9000), Decimal(1000))


def test_the_same_request_again_shows_the_payout_as_it_is_now(sandbox: World) -> None:
    first = post_example(sandbox, example(sandbox))
    payout_id = first.body["payout"]["id"]
    operator(sandbox).post(f"/api/payouts/{payout_id}/cancel", {"reason": "no more"})
    before = snapshot()
    again = post_example(sandbox, example(sandbox))
    assert (again.status, again.headers["Idempotent-Replayed"]) == (200, "true")
    assert again.body["payout"]["id"] == payout_id
    assert again.body["payout"]["status"] == "cancelled"
    assert snapshot() == before


@pytest.mark.parametrize(
    "change",
    [
        {"amount": 1000}, {"amount": "1000"}, {"amount": "1000.0"}, {"amount": "1000.00"},
    ],
)  # fmt: skip
def test_the_same_meaning_written_otherwise_is_the_same_request(
    sandbox: World, change: dict[str, Any]
) -> None:
    """B47: order, spaces, the amount's decimals and an explicit default make no difference."""
    post_example(sandbox, example(sandbox))
    body = json.loads(example(sandbox)) | change | {"scheduledAt": None}
    other = json.dumps(dict(sorted(body.items())), indent=7).encode()
    before = snapshot()
    assert post_example(sandbox, other).status == 200
    body.pop("priority")
    assert post_example(sandbox, json.dumps(body).encode()).status == 200
    assert snapshot() == before


@pytest.mark.parametrize(
    "change",
    [
        {"amount": "1000.01"}, {"description": "other"}, {"metadata": {"invoice_id": "inv-124"}}, {"metadata": None},
        {"priority": "instant"}, {"originModule": "other"},
    ],
)  # fmt: skip
def test_a_key_belongs_to_one_request(sandbox: World, change: dict[str, Any]) -> None:
    post_example(sandbox, example(sandbox))
    before = snapshot()
    body = json.loads(example(sandbox)) | change
    other = post_example(sandbox, json.dumps(body).encode())
    assert (other.status, other.code) == (422, "idempotency_key_reused")
    assert snapshot() == before


def test_a_number_and_a_text_in_the_metadata_are_two_requests(sandbox: World) -> None:
    create(sandbox, key="k", metadata={"n": "1"})
    other = merchant(sandbox).post("/api/payouts", payout_body(sandbox, metadata={"n": 1}), key="k")
    assert other.code == "idempotency_key_reused"


def test_a_refused_request_uses_up_no_key(sandbox: World) -> None:
    """B51."""
    before = snapshot()
    refused = merchant(sandbox).post("/api/payouts", payout_body(sandbox, amount="20000"), key="k")
    assert (refused.status, refused.code) == (422, "insufficient_funds")
    assert refused.body["param"] == "amount"
    assert snapshot() == before
    made = merchant(sandbox).post("/api/payouts", payout_body(sandbox, amount="200"), key="k")
    assert made.status == 201


def test_the_same_key_in_two_tenants_is_two_payouts(sandbox: World) -> None:
    """B49, R21: nobody learns that somebody else used a key."""
    other = Api(uuid4())
    treasury = Api(other.tenant_id, "treasury_ops")
    deposit = {
        "tenantId": str(other.tenant_id),
        "amount": "500",
        "currency": "EUR",
        "reference": "r",
    }
    assert treasury.post("/api/ledger/deposits", deposit).status == 201
    account = {"type": "iban", "currency": "EUR", "iban": IBAN}
    wish = {"name": "Anna Schmidt", "beneficiaryType": "user", "country": "DE", "account": account}
    paid = other.post("/api/beneficiaries", wish).body["beneficiary"]
    mine = create(sandbox, key="shared")
    body = payout_body(
        sandbox, originEntityId=str(other.tenant_id), beneficiaryId=paid["id"],
        beneficiaryAccountId=paid["accounts"][0]["id"], amount="7",
    )  # fmt: skip
    made = other.post("/api/payouts", body, key="shared")
    assert made.status == 201
    assert made.body["payout"]["id"] != mine
    assert Payout.objects.filter(external_id="shared").count() == 2


def test_the_id_of_a_payout_is_the_engines_choice(sandbox: World) -> None:
    assert UUID(create(sandbox)).version == 7
    before = snapshot()
    chosen = payout_body(sandbox, id=str(uuid4()))
    refused = merchant(sandbox).post("/api/payouts", chosen, key="k")
    assert (refused.status, refused.code, refused.body["param"]) == (422, "unknown_field", "id")
    assert snapshot() == before


def test_the_database_itself_refuses_a_key_twice_in_one_tenant(sandbox: World) -> None:
    """Rows put there by hand, past all of the code."""

    def insert(tenant_id: UUID) -> None:
        beneficiary_id, account_id = sandbox.accounts["iban"]
        Payout.objects.create(
            tenant_id=tenant_id, external_id="test-key-1", request_fingerprint=b"x", origin_module="connect",
            origin_entity_type="merchant", origin_entity_id=tenant_id, beneficiary_type="user",
            beneficiary_id=beneficiary_id, beneficiary_account_id=account_id, amount=1, currency="EUR",
            fee_currency="EUR", payout_method="bank_transfer", rail="sepa", bank_connector_id=uuid4(),
            sla_target_settlement_date=clock.now().date(), sla_target_at=clock.now(), ledger_hold_id=uuid4(),
            created_by="test", created_by_role="system",
        )  # fmt: skip

    insert(sandbox.tenant_id)
    with transaction.atomic(), pytest.raises(IntegrityError, match="payouts_idempotency_key"):
        insert(sandbox.tenant_id)
    insert(uuid4())
    assert Payout.objects.filter(external_id="test-key-1").count() == 2


def test_a_scheduled_payout_waits_and_a_past_one_is_refused(sandbox: World) -> None:
    later = (clock.now() + timedelta(days=3)).isoformat()
    payout = Payout.objects.get(pk=create(sandbox, scheduledAt=later))
    assert payout.status == "scheduled"
    for when, code in [
        (clock.now() - timedelta(days=1), "schedule_in_past"),
        (clock.now() + timedelta(days=400), "schedule_invalid"),
    ]:
        before = snapshot()
        body = payout_body(sandbox, scheduledAt=when.isoformat())
        refused = merchant(sandbox).post("/api/payouts", body, key=str(uuid4()))
        assert (refused.status, refused.code) == (422, code)
        assert snapshot() == before


def test_one_moment_written_in_two_time_zones_is_one_request(sandbox: World) -> None:
    create(sandbox, key="k", scheduledAt=f"{clock.now() + timedelta(days=3):%Y-%m-%d}T12:00:00Z")
    body = payout_body(
        sandbox, scheduledAt=f"{clock.now() + timedelta(days=3):%Y-%m-%d}T14:00:00+02:00"
    )
    assert merchant(sandbox).post("/api/payouts", body, key="k").status == 200


def test_an_amount_as_a_json_number_touches_no_float(sandbox: World) -> None:
    """B10, B11: what binary fractions cannot hold arrives, is stored and leaves exactly."""
    treasury = operator(sandbox, "treasury_ops")
    huge = {"tenantId": str(sandbox.tenant_id), "amount": "?", "currency": "EUR", "reference": "h"}
    raw = json.dumps(huge).replace('"?"', "900719925474099.37").encode()
    made = treasury.send("POST", "/api/ledger/deposits", raw)
    assert (made.status, made.body["deposit"]["amount"]) == (201, "900719925474099.37")
    assert sandbox.balance() == (Decimal("900719925474099.37") + 10_000, Decimal(0))
    raw = json.dumps(payout_body(sandbox, amount="?")).replace('"?"', "999999999.99").encode()
    paid = merchant(sandbox).send("POST", "/api/payouts", raw, headers={"Idempotency-Key": "k"})
    assert (paid.status, paid.body["payout"]["amount"]) == (201, "999999999.99")
    assert PayoutHold.objects.get().hold_amount == Decimal("999999999.99")


# --- Show and list ----------------------------------------------------------------------------------


def test_a_payout_is_shown_by_its_id_in_either_case(sandbox: World) -> None:
    payout_id = create(sandbox)
    for spelling in (payout_id, payout_id.upper()):
        shown = merchant(sandbox).get(f"/api/payouts/{spelling}")
        assert (shown.status, shown.body["payout"]["id"]) == (200, payout_id)


def test_a_list_has_the_specifications_envelope_newest_first(sandbox: World) -> None:
    ids = [create(sandbox, amount=str(n)) for n in (1, 2, 3)]
    listed = merchant(sandbox).get("/api/payouts")
    assert listed.status == 200
    assert {k: listed.body[k] for k in ("success", "total", "limit", "offset")} == {
        "success": True, "total": 3, "limit": 50, "offset": 0,
    }  # fmt: skip
    assert [p["id"] for p in listed.body["payouts"]] == ids[::-1]


def test_pages_cover_a_list_without_gap_or_repeat(sandbox: World) -> None:
    ids = [create(sandbox, amount=str(n)) for n in range(1, 6)]
    seen = []
    for offset in (0, 2, 4, 6):
        page = merchant(sandbox).get(f"/api/payouts?limit=2&offset={offset}").body
        assert (page["total"], page["limit"], page["offset"]) == (5, 2, offset)
        seen += [p["id"] for p in page["payouts"]]
    assert seen == ids[::-1]
    assert merchant(sandbox).get("/api/payouts?limit=100000").body["limit"] == 200


def test_a_list_is_narrowed_by_its_filters(sandbox: World) -> None:
    euro, dollar = create(sandbox, key="first"), create(sandbox, kind="us_bank")
    gone = create(sandbox)
    operator(sandbox).post(f"/api/payouts/{gone}/cancel", {"reason": "no"})

    def found(query: str) -> set[str]:
        listed = merchant(sandbox).get(f"/api/payouts?{query}")
        assert listed.status == 200, listed.body
        assert listed.body["total"] == len(listed.body["payouts"])
        return {p["id"] for p in listed.body["payouts"]}

    assert found("status=pending") == {euro, dollar}
    assert found("status=cancelled,pending") == {euro, dollar, gone}
    assert found("status=settled") == set()
    assert found("currency=USD") == found("rail=ach") == {dollar}
    assert found("external_id=first") == {euro}
    assert found("priority=standard") == {euro, dollar, gone}
    assert found(f"beneficiary_id={sandbox.accounts['iban'][0]}") == {euro, gone}
    moment = Payout.objects.get(pk=dollar).created_at.isoformat().replace("+", "%2B")
    assert found(f"created_after={moment}") == {dollar, gone}
    assert found(f"created_before={moment}") == {euro}
