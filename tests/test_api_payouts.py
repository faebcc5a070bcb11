"""What the API does: create once, show, list, cancel, retry, approve, count; and what it never shows."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest

from payouts import clock
from payouts.models import Payout, PayoutHold, Status
from tests.api_client import (
    STATES,
    Api,
    create,
    in_state,
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


# --- Cancel, retry, approve -------------------------------------------------------------------------

# state: (status, code or payout's status afterwards, hold afterwards)
CANCEL: dict[str, tuple[int, str, str]] = {
    "requires_approval": (200, "cancelled", "reversed"),
    "scheduled": (200, "cancelled", "reversed"),
    "pending": (200, "cancelled", "reversed"),
    "processing": (202, "processing", "active"),
    "in_doubt": (202, "in_doubt", "active"),
    "sent": (409, "cancel_too_late", "active"),
    "failed": (200, "cancelled", "reversed"),
    "dlq": (200, "cancelled", "reversed"),
    "dlq live": (202, "dlq", "active"),
    "settled": (409, "cancel_too_late", "released"),
    "rejected": (409, "not_cancellable", "reversed"),
    "cancelled": (200, "cancelled", "reversed"),
    "returned": (409, "cancel_too_late", "released"),
}
RETRY: dict[str, tuple[int, str, str]] = {
    "requires_approval": (409, "not_retryable", "active"),
    "scheduled": (409, "not_retryable", "active"),
    "pending": (409, "not_retryable", "active"),
    "processing": (409, "outcome_unknown", "active"),
    "in_doubt": (409, "outcome_unknown", "active"),
    "sent": (409, "outcome_unknown", "active"),
    "failed": (200, "failed", "active"),
    "dlq": (200, "pending", "active"),
    "dlq live": (409, "outcome_unknown", "active"),
    "settled": (409, "outcome_unknown", "released"),
    "rejected": (409, "not_retryable", "reversed"),
    "cancelled": (409, "not_retryable", "reversed"),
    "returned": (409, "outcome_unknown", "released"),
}


def test_every_state_has_a_row() -> None:
    assert set(CANCEL) == set(RETRY) == set(STATES)
    assert {state.removesuffix(" live") for state in STATES} == set(Status.values)


@pytest.mark.parametrize("state", STATES)
def test_cancelling_and_retrying_by_state(sandbox: World, settings: Any, state: str) -> None:
    """One drive into the state serves both verbs: a refused one has changed nothing."""
    payout = in_state(sandbox, state, settings)
    assert sandbox.status(payout) == state.removesuffix(" live")
    refused_first = sorted(
        [("retry", RETRY), ("cancel", CANCEL)], key=lambda v: v[1][state][0] < 400
    )
    for verb, table in refused_first:
        status, outcome, hold = table[state]
        before = snapshot()
        answer = operator(sandbox).post(f"/api/payouts/{payout.id}/{verb}", {"reason": "because"})
        assert answer.status == status, answer.body
        assert PayoutHold.objects.get(payout=payout).status == hold or status < 300
        if status >= 400:
            assert answer.code == outcome
            assert snapshot() == before
            continue
        assert answer.body["status"] == sandbox.status(payout) == outcome
        assert PayoutHold.objects.get(payout=payout).status == hold
        return


def test_a_cancellation_has_the_specifications_envelope(sandbox: World) -> None:
    payout_id = create(sandbox)
    body = {"reason": "Duplicate payment request"}
    answer = operator(sandbox).post(f"/api/payouts/{payout_id}/cancel", body)
    assert answer.body == {
        "success": True, "message": "Payout cancelled successfully", "status": "cancelled",
    }  # fmt: skip
    shown = merchant(sandbox).get(f"/api/payouts/{payout_id}").body["payout"]
    assert (shown["status"], shown["cancel_reason"]) == ("cancelled", "Duplicate payment request")
    assert sandbox.balance() == (Decimal(10_000), Decimal(0))


@pytest.mark.parametrize("body", [b"", {}, {"reason": ""}, {"reason": None}, {"reason": "x" * 501}])
def test_a_cancellation_needs_a_reason(sandbox: World, body: Any) -> None:
    """B92."""
    payout_id = create(sandbox)
    before = snapshot()
    answer = operator(sandbox).send("POST", f"/api/payouts/{payout_id}/cancel", body)
    assert (answer.status, answer.code, answer.body["param"]) == (422, "validation_error", "reason")
    assert snapshot() == before


def test_a_retry_needs_no_body_and_is_due_at_once(sandbox: World, settings: Any) -> None:
    payout = in_state(sandbox, "failed", settings)
    answer = operator(sandbox).send(
        "POST", f"/api/payouts/{payout.id}/retry", content_type="application/x-www-form-urlencoded"
    )
    assert (answer.status, answer.body["message"]) == (200, "Payout reset and will be retried")
    sandbox.work()
    assert sandbox.status(payout) in ("sent", "settled")
    assert len(sandbox.bank.records(payout.id)) == 1


def test_a_key_on_a_retry_makes_it_happen_once(sandbox: World, settings: Any) -> None:
    payout = in_state(sandbox, "dlq", settings)
    path = f"/api/payouts/{payout.id}/retry"
    assert operator(sandbox).post(path, key="again").status == 200
    sandbox.work()
    now = sandbox.status(payout)
    before = snapshot()
    twin = operator(sandbox).post(path, key="again")
    assert (twin.status, twin.body["status"], twin.headers["Idempotent-Replayed"]) == (
        200,
        now,
        "true",
    )
    other = operator(sandbox).post(path, {"reason": "another"}, key="again")
    assert (other.status, other.code) == (422, "idempotency_key_reused")
    assert snapshot() == before


@pytest.mark.parametrize("verb", ["cancel", "retry", "approve"])
def test_a_refused_verb_uses_up_no_key(sandbox: World, settings: Any, verb: str) -> None:
    payout = in_state(sandbox, "sent", settings)
    before = snapshot()
    body = {} if verb == "approve" else {"reason": "one"}
    for path in (f"/api/payouts/{payout.id}/{verb}", f"/api/payouts/{uuid4()}/{verb}"):
        answer = operator(sandbox).post(path, body, key="k")
        assert answer.status in (404, 409)
        assert snapshot() == before


def test_a_key_may_serve_a_create_and_a_verb(sandbox: World) -> None:
    """The scope of a key is its route (DESIGN; B48 would refuse it)."""
    payout_id = create(sandbox, key="k")
    path = f"/api/payouts/{payout_id}/cancel"
    assert operator(sandbox).post(path, {"reason": "x"}, key="k").status == 200


def test_above_the_limit_a_second_person_approves(sandbox: World) -> None:
    treasury = operator(sandbox, "treasury_ops")
    more = {
        "tenantId": str(sandbox.tenant_id),
        "amount": "90000",
        "currency": "EUR",
        "reference": "more",
    }
    assert treasury.post("/api/ledger/deposits", more).status == 201
    assert Payout.objects.get(pk=create(sandbox, amount="10000")).status == "pending"
    payout_id = create(sandbox, amount="10000.01")
    path = f"/api/payouts/{payout_id}/approve"
    assert Payout.objects.get(pk=payout_id).status == "requires_approval"
    sandbox.work()
    assert Payout.objects.get(pk=payout_id).status == "requires_approval"

    before = snapshot()
    own = Api(sandbox.tenant_id, "finance_ops", user_id=sandbox.merchant.id).post(path)
    assert (own.status, own.code) == (403, "self_approval_forbidden")
    assert merchant(sandbox).post(path).code == "forbidden"
    assert snapshot() == before

    done = operator(sandbox).post(path)
    assert (done.status, done.body["status"]) == (200, "pending")
    payout = Payout.objects.get(pk=payout_id)
    assert (payout.approved_by, payout.status) == (sandbox.operator.id, "pending")
    again = treasury.post(path)
    assert (again.status, again.code) == (409, "not_approvable")


def test_a_creator_is_the_same_person_in_capitals(sandbox: World, settings: Any) -> None:
    """R35: the spelling of a user id makes no second person."""
    payout = in_state(sandbox, "requires_approval", settings)
    own = Api(sandbox.tenant_id, "finance_ops", user_id=sandbox.merchant.id.upper())
    assert own.post(f"/api/payouts/{payout.id}/approve").code == "self_approval_forbidden"


# --- Figures, money, beneficiaries ------------------------------------------------------------------


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


def test_balances_show_what_is_there_and_what_is_held(sandbox: World) -> None:
    create(sandbox, amount="12.34")
    assert merchant(sandbox).get("/api/ledger/balances").body == {
        "success": True,
        "balances": [
            {"currency": "EUR", "available": "9987.66", "held": "12.34"},
            {"currency": "USD", "available": "10000.00", "held": "0.00"},
        ],
    }


def test_a_deposit_is_made_once_for_its_reference(sandbox: World) -> None:
    treasury = operator(sandbox, "treasury_ops")
    body = {
        "tenantId": str(sandbox.tenant_id),
        "amount": "50.5",
        "currency": "GBP",
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
    assert sandbox.balance("GBP") == (Decimal("50.5"), Decimal(0))


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
    most = {"tenantId": str(sandbox.tenant_id), "amount": "9" * 15, "currency": "GBP"}
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
