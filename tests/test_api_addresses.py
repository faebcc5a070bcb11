"""Addresses, query strings, methods and headers that are none: refused with a stable code, never a 500."""

from __future__ import annotations

import re
from typing import Any
from uuid import uuid4

import pytest

from tests.api_client import Api, create, merchant, operator, snapshot
from tests.bad_input import QUERIES
from tests.test_api_input import assert_refused
from tests.world import World


def test_every_bad_query_is_refused(sandbox: World) -> None:
    create(sandbox)
    before = snapshot()
    for name, (query, (status, code)) in QUERIES.items():
        answer = merchant(sandbox).get(f"/api/payouts?{query}")
        assert (answer.status, answer.code) == (status, code), (name, answer.body)
        assert_refused(answer, status, code, before)


def test_a_query_that_only_looks_like_sql_finds_nothing(sandbox: World) -> None:
    """B85, B87."""
    create(sandbox)
    for query in (
        "external_id=' OR 1=1--", "external_id=%25", "external_id=_", "currency=EUR'--", "rail=%FF%FE",
        "limit=" + "9" * 50,
        "created_after=0001-01-02T00:00:00%2B14:00", "created_before=9999-12-30T23:59:59-14:00", "offset=1000000",
        "currency=" + "x" * 4000,
    ):  # fmt: skip
        answer = merchant(sandbox).get(f"/api/payouts?{query}")
        assert answer.status == 200, (query, answer.body)
        expected = 1 if query.startswith(("limit", "created")) else 0
        assert len(answer.body["payouts"]) == expected, query


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/payouts/{id}"), ("GET", "/api/payouts/stats/summary"), ("GET", "/api/ledger/balances"),
        ("POST", "/api/payouts/{id}/cancel"), ("POST", "/api/payouts/{id}/retry"),
        ("POST", "/api/payouts/{id}/approve"), ("POST", "/api/payouts/{id}/recall"),
        ("GET", "/api/payouts/{id}/timeline"),
        ("POST", "/api/payouts/bulk"), ("POST", "/api/payouts/quote"), ("GET", "/api/payouts/connectors/health"),
        ("POST", "/api/payouts/ops/alerts/{id}/resolve"),
        ("POST", "/api/payouts"), ("POST", "/api/beneficiaries"), ("POST", "/api/ledger/deposits"),
    ],
)  # fmt: skip
def test_an_unknown_query_parameter_is_refused_everywhere(
    sandbox: World, method: str, path: str
) -> None:
    """B89."""
    path = path.replace("{id}", create(sandbox))
    role = "treasury_ops" if "deposits" in path else "finance_ops"
    if path in ("/api/ledger/balances", "/api/payouts"):
        role = "merchant_admin"
    before = snapshot()
    caller = Api(sandbox.tenant_id, role)
    answer = caller.send(method, f"{path}?limit=5", {} if method == "POST" else b"")
    assert_refused(answer, 422, "unknown_parameter", before)


@pytest.mark.parametrize(
    "path",
    [
        "/api/payouts/not-a-uuid", "/api/payouts/{id}%00", "/api/payouts/{id}/", "/api/payouts/",
        "/api//payouts", "/api/",
        "/api/payouts/../admin", "/api/payouts/%7B{id}%7D", "/api/payouts/urn:uuid:{id}",
        "/api/payouts/{id};x", "/api/PAYOUTS",
        "/api/payouts/{id}/settle", "/api/%ff", "/api/payouts/{id}.json", "/api/payouts.json", "/api/payouts/\u0661",
    ],
)  # fmt: skip
def test_an_address_that_is_none_is_a_problem(db: None, path: str) -> None:
    """B56, B57."""
    payout_id = str(uuid4())
    before = snapshot()
    answer = Api(uuid4()).get(path.replace("{id}", payout_id))
    assert_refused(answer, 404, "not_found", before)


@pytest.mark.parametrize(
    "method", ["PUT", "PATCH", "DELETE", "TRACE", "OPTIONS", "CONNECT", "get", "FOO"]
)
def test_an_unknown_method_is_answered_with_the_known_ones(sandbox: World, method: str) -> None:
    """B90."""
    path = f"/api/payouts/{create(sandbox)}"
    before = snapshot()
    for address, allowed in [
        (path, "GET, HEAD"),
        ("/api/payouts", "GET, HEAD, POST"),
        (f"{path}/cancel", "POST"),
    ]:
        headers = {"X-HTTP-Method-Override": "GET"}
        answer = operator(sandbox).send(method, address, headers=headers)
        if method == "get" and answer.status == 200:
            continue
        assert_refused(answer, 405, "method_not_allowed", before)
        assert answer.headers["Allow"] == allowed


def test_a_method_in_a_header_is_not_the_method(sandbox: World) -> None:
    """B90."""
    path = f"/api/payouts/{create(sandbox)}"
    before = snapshot()
    assert merchant(sandbox).get(path, **{"X-HTTP-Method-Override": "DELETE"}).status == 200
    assert snapshot() == before


@pytest.mark.parametrize(
    "accept", ["application/xml", "text/html", "", "nonsense", "application/json;q=0"]
)
def test_an_answer_is_json_whatever_is_accepted(db: None, accept: str) -> None:
    """B91."""
    answer = Api(uuid4()).get("/api/payouts", Accept=accept)
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")


def test_head_answers_as_get_does_without_a_body(sandbox: World) -> None:
    answer = merchant(sandbox).send("HEAD", f"/api/payouts/{create(sandbox)}")
    assert (answer.status, answer.body) == (200, b"")
    assert merchant(sandbox).send("HEAD", f"/api/payouts/{uuid4()}").status == 404


@pytest.mark.parametrize(
    "given_id",
    ["good_id-1", "", "x" * 65, "a b", "\u00e9", "a\\nb", "<script>", "a\r\nSet-Cookie: x=1"],
)
def test_a_request_id_is_taken_over_only_when_it_is_harmless(db: None, given_id: str) -> None:
    """B52."""
    answer = Api(uuid4()).get("/api/payouts", **{"X-Request-Id": given_id})
    taken = answer.headers["X-Request-Id"]
    assert (taken == given_id) == (given_id == "good_id-1")
    assert re.fullmatch(r"[\w-]{1,64}", taken, re.ASCII)


def test_a_bad_host_is_a_problem_too(db: None, settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["payouts.example"]
    answer = Api(uuid4()).get("/api/payouts", Host="evil.example")
    assert (answer.status, answer.code) == (400, "bad_request")


@pytest.mark.parametrize("length", ["-1", "abc", "1_0", "9" * 5000, "\u00b2"])
def test_a_length_that_is_none_is_refused(db: None, length: str) -> None:
    """B32."""
    from django.test import RequestFactory

    from payouts.api.requests import RequestMiddleware

    request = RequestFactory().generic("POST", "/api/payouts", b"{}", "application/json")
    request.META["CONTENT_LENGTH"] = length
    answer = RequestMiddleware(lambda _: pytest.fail("the view was reached"))(request)
    assert answer.status_code in (400, 413)
