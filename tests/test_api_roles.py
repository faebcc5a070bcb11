"""Who may do what: a table written by hand, compared with the addresses that exist, and every row tried out."""

from __future__ import annotations

import json
import time
from typing import Any
from uuid import uuid4

import pytest
from django.urls import URLPattern, URLResolver, get_resolver

from payouts.api.auth import signature
from tests.api_client import Api, Reply, about, create, payout_body, raise_alert, send, snapshot
from tests.world import IBAN, World

M, F, T, B, S = "merchant_admin", "finance_ops", "treasury_ops", "billing_ops", "system"
ROLES = (M, F, T, B, S)
# Route name: method: roles. The specification's table, and DESIGN's for the rest.
TABLE: dict[str, dict[str, set[str]]] = {
    "payouts": {"POST": {M, F, T}, "GET": {M, F, T, B}},
    "payout": {"GET": {M, F, T, B}},
    "payout-cancel": {"POST": {F, T}},
    "payout-retry": {"POST": {F, T}},
    "payout-approve": {"POST": {F, T}},
    "payout-recall": {"POST": {F, T}},
    "payouts-bulk": {"POST": {M, F, T}},
    "payouts-quote": {"POST": {M, F, T}},
    "payout-timeline": {"GET": {M, F, T, B}},
    "payouts-stats": {"GET": {M, F, T, B}},
    "payouts-alerts": {"GET": {F, T, B}},
    "payouts-alert-resolve": {"POST": {F, T}},
    "connectors-health": {"GET": {F, T, S}},
    "beneficiaries": {"POST": {M, F, T}},
    "beneficiary": {"GET": {M, F, T, B}},
    "beneficiary-verify": {"POST": {M, F, T}},
    "beneficiary-accept": {"POST": {F, T}},
    "ledger-deposits": {"POST": {T}},
    "ledger-balances": {"GET": {M, F, T, B}},
}
OPEN = {"healthz", "readyz", "bank-events"}  # Banks prove themselves: tests/test_bank_events.py.
OPEN_IN_SANDBOX = {"metrics", "schema", "docs"}
PATHS = {
    "payouts": "/api/payouts",
    "payout": "/api/payouts/{id}",
    "payout-cancel": "/api/payouts/{id}/cancel",
    "payout-retry": "/api/payouts/{id}/retry",
    "payout-approve": "/api/payouts/{id}/approve",
    "payout-recall": "/api/payouts/{id}/recall",
    "payouts-stats": "/api/payouts/stats/summary",
    "payouts-bulk": "/api/payouts/bulk",
    "payouts-quote": "/api/payouts/quote",
    "payout-timeline": "/api/payouts/{id}/timeline",
    "payouts-alerts": "/api/payouts/ops/alerts",
    "payouts-alert-resolve": "/api/payouts/ops/alerts/{id}/resolve",
    "connectors-health": "/api/payouts/connectors/health",
    "beneficiaries": "/api/beneficiaries",
    "beneficiary": "/api/beneficiaries/{id}",
    "beneficiary-verify": "/api/beneficiaries/{id}/verify",
    "beneficiary-accept": "/api/beneficiaries/{id}/accept-mismatch",
    "ledger-deposits": "/api/ledger/deposits",
    "ledger-balances": "/api/ledger/balances",
    "bank-events": "/api/bank-events/{connector}",
    "healthz": "/healthz", "readyz": "/readyz", "metrics": "/metrics", "schema": "/api/schema/", "docs": "/api/docs/",
}  # fmt: skip
SECRET = "shared-with-the-gateway"
# What each row answers to a good request for a pending payout.
GOOD = {
    ("payouts", "POST"): 201, ("payouts", "GET"): 200, ("payout", "GET"): 200, ("payout-cancel", "POST"): 200,
    ("payout-retry", "POST"): 409, ("payout-approve", "POST"): 409, ("payout-recall", "POST"): 409,
    ("payouts-stats", "GET"): 200, ("payouts-bulk", "POST"): 200, ("payouts-quote", "POST"): 200,
    ("payout-timeline", "GET"): 200, ("payouts-alerts", "GET"): 200, ("payouts-alert-resolve", "POST"): 200,
    ("connectors-health", "GET"): 200, ("beneficiaries", "POST"): 201, ("beneficiary", "GET"): 200,
    ("beneficiary-verify", "POST"): 200, ("beneficiary-accept", "POST"): 409,
    ("ledger-deposits", "POST"): 201, ("ledger-balances", "GET"): 200,
}  # fmt: skip


def addresses() -> dict[str, URLPattern]:
    """Every address that is ours: all but the admin's own."""
    found: dict[str, URLPattern] = {}

    def walk(patterns: list[Any], prefix: str) -> None:
        for pattern in patterns:
            path = prefix + str(pattern.pattern)
            if path.startswith("admin/"):
                continue
            if isinstance(pattern, URLResolver):
                walk(pattern.url_patterns, path)
            else:
                found[str(pattern.name)] = pattern

    walk(get_resolver().url_patterns, "")
    return found


def attempt(world: World, caller: Api, name: str, method: str, payout_id: str) -> Reply:
    """A request of this row that is good in all but, perhaps, who sends it."""
    account = {"type": "iban", "currency": "EUR", "iban": IBAN}
    deposit = {
        "tenantId": str(world.tenant_id), "amount": "1", "currency": "EUR", "reference": str(uuid4()),
    }  # fmt: skip
    bodies: dict[str, Any] = {
        "payouts": payout_body(world, amount="1"),
        "payouts-bulk": [payout_body(world, amount="1") | {"idempotencyKey": str(uuid4())}],
        "payouts-quote": payout_body(world, amount="1"),
        "payout-cancel": {"reason": "no"},
        "payout-recall": {"reason": "duplicate"},
        "payouts-alert-resolve": {"reason": "seen"},
        "beneficiaries": {"name": "A", "beneficiaryType": "user", "country": "DE", "account": account},
        "beneficiary-accept": {"accountId": about("account", payout_id), "reason": "known to the merchant"},
        "ledger-deposits": deposit,
    }  # fmt: skip
    body = bodies.get(name, b"") if method == "POST" else b""
    headers = {"Idempotency-Key": str(uuid4())}
    path = PATHS[name].replace("{id}", about(name, payout_id))
    if caller.role == "system":  # Believed only when a gateway signs it.
        headers |= signed(caller)
    return caller.send(method, path, body, headers=headers)


def noticed(world: World, **changes: Any) -> str:
    """A payout that an alert is open about."""
    payout_id = create(world, **changes)
    raise_alert(world.tenant_id, payout_id=payout_id)
    return payout_id


def signed(caller: Api, *, at: int | None = None, secret: str = SECRET) -> dict[str, str]:
    at = int(time.time()) if at is None else at
    tenant = str(caller.tenant_id) if caller.tenant_id else ""
    proof = signature(secret, at=at, user=caller.user_id, tenant=tenant, role=caller.role)
    return {"X-Gateway-Signature": f"t={at},v1={proof}"}


# --- The table --------------------------------------------------------------------------------------


def test_every_address_has_a_row_and_every_row_an_address() -> None:
    assert set(addresses()) == set(TABLE) | OPEN | OPEN_IN_SANDBOX == set(PATHS)


def test_every_method_of_every_view_has_a_row() -> None:
    for name, row in TABLE.items():
        view: Any = addresses()[name].callback.view_class  # type: ignore[attr-defined]
        methods = {m.upper() for m in view.http_method_names if hasattr(view, m)} - {"HEAD"}
        assert methods == set(row), name
        assert view.route == name


def test_the_engine_keeps_the_same_table() -> None:
    from payouts.api import auth

    assert {n: {m: set(r) for m, r in row.items()} for n, row in auth.ROLES.items()} == TABLE


@pytest.mark.parametrize("role", ROLES)
def test_a_role_does_what_its_rows_say_and_nothing_else(
    sandbox: World, settings: Any, role: str
) -> None:
    """R29, R30, R32."""
    for name, row in TABLE.items():
        payout_id = noticed(sandbox, amount="1")
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"):
            if role == "system":
                settings.GATEWAY_SECRET = SECRET
            before = snapshot()
            answer = attempt(sandbox, Api(sandbox.tenant_id, role), name, method, payout_id)
            settings.GATEWAY_SECRET = ""
            what = (name, method, role)
            known = "GET" if method == "HEAD" else method
            if known not in row:
                assert answer.status == 405, what
            elif role not in row[known]:
                assert answer.status == 403, what
                assert method == "HEAD" or answer.code == "forbidden", what
            else:
                assert answer.status == GOOD[name, known], (what, answer.body)
                continue
            assert snapshot() == before, what


def test_without_identity_every_row_is_closed(sandbox: World) -> None:
    """R01: even for methods that do not exist."""
    payout_id = create(sandbox)
    before = snapshot()
    for name in TABLE:
        for method in ("GET", "POST", "DELETE", "OPTIONS"):
            path = PATHS[name].replace("{id}", payout_id)
            answer = Api(None).send(method, path, {}, identity=False)
            assert (answer.status, answer.code) == (401, "unauthenticated"), (name, method)
            assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert snapshot() == before


def test_what_is_open_is_open_and_in_the_sandbox_only(sandbox: World, settings: Any) -> None:
    def status(name: str) -> int:
        return Api(None).send("GET", PATHS[name], identity=False).status

    assert {name: status(name) for name in OPEN_IN_SANDBOX} == dict.fromkeys(OPEN_IN_SANDBOX, 200)
    settings.SANDBOX = False
    for name in OPEN_IN_SANDBOX:
        assert status(name) in (401, 403), name
    assert status("healthz") == 200


# --- Tenants ----------------------------------------------------------------------------------------


def without_id(answer: Reply) -> dict[str, Any]:
    return {name: value for name, value in answer.body.items() if name != "request_id"}


@pytest.mark.parametrize("role", [M, F, T, B])
def test_another_merchants_payout_does_not_exist(sandbox: World, role: str) -> None:
    """R17, R18: the answer is that for an id which nobody has."""
    payout_id = noticed(sandbox)
    before = snapshot()
    stranger = Api(uuid4(), role)
    for name in (name for name, path in PATHS.items() if "{id}" in path):
        (method,) = TABLE[name]
        if role not in TABLE[name][method]:
            continue
        foreign = attempt(sandbox, stranger, name, method, payout_id)
        unknown = attempt(sandbox, stranger, name, method, str(uuid4()))
        assert (foreign.status, foreign.code) == (404, "not_found"), name
        assert without_id(foreign) == without_id(unknown)
    assert snapshot() == before


@pytest.mark.parametrize("role", [M, F, T, B])
def test_lists_and_figures_hold_nothing_of_another_merchant(sandbox: World, role: str) -> None:
    """R19, R23."""
    payout_id = create(sandbox, key="theirs")
    stranger = Api(uuid4(), role)
    for path in ("/api/payouts", "/api/payouts?external_id=theirs", "/api/payouts?limit=1"):
        listed = stranger.get(path).body
        assert (listed["payouts"], listed["total"]) == ([], 0)
    assert stranger.get("/api/payouts/stats/summary").body["stats"]["total_payouts"] == 0
    assert stranger.get("/api/ledger/balances").body["balances"] == []
    assert payout_id not in json.dumps(stranger.get("/api/payouts").body)
    assert stranger.get(f"/api/payouts?tenant_id={sandbox.tenant_id}").code == "unknown_parameter"


def test_treasury_credits_the_merchant_that_it_names(sandbox: World) -> None:
    before = snapshot()
    elsewhere = attempt(sandbox, Api(uuid4(), T), "ledger-deposits", "POST", "")
    assert (elsewhere.status, elsewhere.code) == (404, "not_found")
    assert snapshot() == before


@pytest.mark.parametrize("role", [F, T, B])
def test_an_operator_without_a_merchant_reads_across_all_and_writes_in_none(
    sandbox: World, role: str
) -> None:
    """R33."""
    payout_id = noticed(sandbox)
    everywhere = Api(None, role)
    assert [p["id"] for p in everywhere.get("/api/payouts").body["payouts"]] == [payout_id]
    assert everywhere.get(f"/api/payouts/{payout_id}").status == 200
    assert everywhere.get("/api/payouts/stats/summary").body["stats"]["total_payouts"] == 1
    before = snapshot()
    for name in (
        name for name, row in TABLE.items() if "POST" in row and name != "ledger-deposits"
    ):
        answer = attempt(sandbox, everywhere, name, "POST", payout_id)
        allowed = role in TABLE[name]["POST"]
        assert answer.status == (404 if allowed else 403), name
    assert everywhere.get("/api/ledger/balances").status == 404
    assert snapshot() == before


def test_a_merchant_without_a_merchant_is_nobody(db: None) -> None:
    assert Api(None, M).get("/api/payouts").code == "unauthenticated"


# --- Identity headers -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "role",
    [
        "", "merchant_admin,finance_ops", "finance_ops,finance_ops", "merchant_admin, finance_ops", "FINANCE_OPS",
        "finance-ops", "finance_ops;", "*", "null", "admin", "root", "system", "finance_ops\t", "f\u00efnance_ops",
    ],
)  # fmt: skip
def test_anything_but_one_known_role_is_nobody(db: None, role: str) -> None:
    """R05, R06, R07; `system` is never believed from bare headers."""
    before = snapshot()
    caller = Api(uuid4(), role)
    for method, path in (("GET", "/api/payouts"), ("POST", f"/api/payouts/{uuid4()}/cancel")):
        answer = caller.send(method, path, {"reason": "x"} if method == "POST" else b"")
        if role.strip() == "finance_ops":  # A server takes spaces around a value away.
            continue
        assert (answer.status, answer.code) == (401, "unauthenticated")
        assert snapshot() == before


@pytest.mark.parametrize(
    "value",
    [
        "", "me", "1", "{11111111-1111-4111-8111-111111111111}", "urn:uuid:11111111-1111-4111-8111-111111111111",
        "11111111111141118111111111111111", "11111111-1111-4111-8111-11111111111g",
        "1111_111-1111-4111-8111-111111111111", "'; drop table payouts; --", "\u00e9",
        "11111111-1111-4111-8111-111111111111,22222222-2222-4222-8222-222222222222",
    ],
)  # fmt: skip
@pytest.mark.parametrize("header", ["X-User-Id", "X-Tenant-Id"])
def test_what_is_no_uuid_identifies_nobody(db: None, header: str, value: str) -> None:
    before = snapshot()
    answer = Api(uuid4()).get("/api/payouts", **{header: value})
    assert (answer.status, answer.code) == (401, "unauthenticated")
    assert len(value) < 3 or value not in json.dumps(answer.body)
    assert snapshot() == before


def test_a_tenant_may_be_written_in_capitals(sandbox: World) -> None:
    create(sandbox)
    listed = Api(sandbox.tenant_id).get(
        "/api/payouts", **{"X-Tenant-Id": str(sandbox.tenant_id).upper()}
    )
    assert listed.body["total"] == 1


def test_headers_are_believed_only_behind_the_switch(sandbox: World, settings: Any) -> None:
    """R02."""
    settings.TRUST_GATEWAY_HEADERS = False
    before = snapshot()
    for role in ROLES:
        caller = Api(sandbox.tenant_id, role)
        for name, row in TABLE.items():
            for method in row:
                answer = attempt(sandbox, caller, name, method, str(uuid4()))
                assert (answer.status, answer.code) == (401, "unauthenticated")
    assert snapshot() == before


@pytest.mark.parametrize(
    "header",
    [
        "", "t=,v1=", "t=now,v1=00", "v1=00", "t=1", "nonsense", "t=" + "9" * 5000 + ",v1=00", "t=\u00b2,v1=\u00e9",
        "=,=,=", "t=-1,v1=x",
    ],
)  # fmt: skip
def test_a_signature_that_is_none_proves_nothing(db: None, settings: Any, header: str) -> None:
    settings.GATEWAY_SECRET = SECRET
    answer = Api(uuid4()).get("/api/payouts", **{"X-Gateway-Signature": header})
    assert (answer.status, answer.code) == (401, "unauthenticated")


def test_a_signature_proves_what_it_covers_for_a_minute(db: None, settings: Any) -> None:
    """R03, R16."""
    settings.GATEWAY_SECRET = SECRET
    caller = Api(uuid4(), F)
    now = int(time.time())

    def status(proof: dict[str, str], **changed: str) -> int:
        headers = caller.headers() | {n.replace("_", "-"): v for n, v in changed.items()} | proof
        return send("GET", "/api/payouts", content_type="", headers=headers).status

    right = signed(caller)
    assert status(right) == 200
    assert status(signed(caller, at=now - 50)) == 200
    assert status({}) == 401
    assert status(signed(caller, secret="guessed")) == 401
    assert status(signed(caller, at=now - 70)) == 401
    assert status(signed(caller, at=now + 70)) == 401
    assert status(right, X_User_Role=T) == 401
    assert status(right, X_Tenant_Id=str(uuid4())) == 401
    assert status(right, X_Tenant_Id="") == 401
    assert status(right, X_User_Id=str(uuid4())) == 401
    system = Api(None, S)
    proof = system.headers() | signed(system)
    assert (
        send("GET", "/api/payouts", content_type="", headers=proof).status == 403
    )  # Known, not allowed.


def test_no_answer_may_be_kept_by_a_cache(db: None) -> None:
    """R25."""
    for path in ("/api/payouts", f"/api/payouts/{uuid4()}", "/api/nothing", "/api/ledger/balances"):
        assert Api(uuid4()).get(path).headers["Cache-Control"] == "no-store"


def test_a_session_of_the_workbench_opens_no_api(sandbox: World, django_user_model: Any) -> None:
    """R50: the API knows no cookies, so no foreign page can use them."""
    from django.test import Client

    root = django_user_model.objects.create_superuser("root")
    client = Client(enforce_csrf_checks=True)
    client.force_login(root)
    path = f"/api/payouts/{create(sandbox)}/cancel"
    before = snapshot()
    answer = client.post(path, {"reason": "x"}, content_type="application/json")
    assert answer.status_code == 401
    assert snapshot() == before
