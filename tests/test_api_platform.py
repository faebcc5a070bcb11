"""What machines ask about the engine, what the documents say about it, and what happens when a part is away."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import call_command
from django.db import connection
from django.test import override_settings
from drf_spectacular.generators import SchemaGenerator

from tests.api_client import Api, Reply, create, merchant, operator, payout_body, snapshot
from tests.test_api_roles import PATHS, TABLE
from tests.world import World

ANYBODY = Api(None)


def look(path: str, method: str = "GET") -> Reply:
    return ANYBODY.send(method, path, identity=False)


@contextmanager
def database_away() -> Iterator[None]:
    """The database does not answer, as after its machine was switched off."""
    known = dict(connection.settings_dict)
    connection.close()
    connection.settings_dict |= {"HOST": "127.0.0.1", "PORT": "1"}
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict |= known


# --- Health -----------------------------------------------------------------------------------------


def test_the_process_says_that_it_lives() -> None:
    alive = look("/healthz")
    assert (alive.status, alive.body) == (200, {"status": "ok"})


def test_ready_is_who_has_its_data_its_worker_and_its_bank(
    sandbox: World, settings: Any, tmp_path: Path
) -> None:
    settings.STATE_DIR = tmp_path
    settings.BANK_SIMULATOR_PORT = int(sandbox.bank.url.rpartition(":")[2])
    waiting = look("/readyz")
    assert (waiting.status, waiting.body["status"]) == (503, "not ready")
    assert waiting.body["checks"]["worker"] == "not running"
    (tmp_path / "worker.pid").write_text(str(os.getpid()))
    ready = look("/readyz")
    assert (ready.status, ready.body["status"]) == (200, "ready")
    assert set(ready.body["checks"].values()) == {"ok"}
    settings.BANK_SIMULATOR_PORT = 1
    assert look("/readyz").status == 503


def test_outside_the_sandbox_ready_asks_for_the_database_only(
    sandbox: World, settings: Any
) -> None:
    settings.SANDBOX = False
    ready = look("/readyz")
    assert (ready.status, set(ready.body["checks"])) == (200, {"database", "broker"})


def test_a_broker_that_is_away_is_told_and_decides_nothing(sandbox: World, settings: Any) -> None:
    settings.SANDBOX = False
    away = {"default": settings.CACHES["default"] | {"LOCATION": "redis://:x@127.0.0.1:1/0"}}
    with override_settings(CACHES=away):
        ready = look("/readyz")
    assert (ready.status, ready.body["checks"]["broker"]) == (200, "does not answer")


@pytest.mark.parametrize("in_sandbox", [True, False])
def test_without_its_database_the_engine_is_not_ready(
    transactional_db: None, settings: Any, in_sandbox: bool
) -> None:
    settings.SANDBOX = in_sandbox
    with database_away():
        waiting = look("/readyz")
        alive = look("/healthz")
    assert (waiting.status, waiting.body["checks"]["database"]) == (503, "does not answer")
    assert alive.status == 200


def test_metrics_are_there_to_be_read(sandbox: World) -> None:
    merchant(sandbox).get("/api/payouts")
    said = look("/metrics")
    assert said.status == 200
    assert b"django_http_requests_total" in said.body
    assert str(sandbox.tenant_id).encode() not in said.body


# --- A database that is away ------------------------------------------------------------------------


def test_without_the_database_every_request_is_asked_to_come_again(real_sandbox: World) -> None:
    payout_id = create(real_sandbox)
    before = snapshot()
    boss = operator(real_sandbox)
    with database_away():
        answers = [
            merchant(real_sandbox).post("/api/payouts", payout_body(real_sandbox), key="k"),
            merchant(real_sandbox).get("/api/payouts"),
            merchant(real_sandbox).get(f"/api/payouts/{payout_id}"),
            merchant(real_sandbox).get("/api/payouts/stats/summary"),
            merchant(real_sandbox).get("/api/ledger/balances"),
            boss.post(f"/api/payouts/{payout_id}/cancel", {"reason": "x"}),
            boss.post(f"/api/payouts/{payout_id}/retry"),
            boss.get(f"/api/payouts/{payout_id}/timeline"),
            boss.get("/api/payouts/ops/alerts"),
            boss.post(f"/api/payouts/ops/alerts/{payout_id}/resolve", {"reason": "x"}),
            boss.get("/api/payouts/connectors/health"),
            boss.post("/api/payouts/quote", payout_body(real_sandbox)),
            boss.post("/api/payouts/bulk", [payout_body(real_sandbox) | {"idempotencyKey": "k"}]),
        ]
        refused = merchant(real_sandbox).post("/api/payouts", payout_body(real_sandbox))
    for answer in answers:
        assert (answer.status, answer.code) == (503, "service_unavailable")
        assert answer.headers["Retry-After"].isdecimal()
    assert refused.code == "idempotency_key_required"  # What needs no database is told at once.
    assert snapshot() == before
    assert (
        merchant(real_sandbox).post("/api/payouts", payout_body(real_sandbox), key="k").status
        == 201
    )


def test_a_commit_that_fails_leaves_nothing(
    real_sandbox: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F01, F03: the answer is 503 and never "failed"; the key then makes the payout."""
    before = snapshot()

    def lost() -> None:
        connection.connection.close()
        raise connection.Database.OperationalError("server closed the connection unexpectedly")

    with monkeypatch.context() as patch:
        patch.setattr(connection, "_commit", lost)
        answer = merchant(real_sandbox).post("/api/payouts", payout_body(real_sandbox), key="k")
    connection.close()
    assert (answer.status, answer.code) == (503, "service_unavailable")
    assert snapshot() == before
    assert (
        merchant(real_sandbox).post("/api/payouts", payout_body(real_sandbox), key="k").status
        == 201
    )


# --- Addresses that are none ------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/api/nothing", "/api/payouts/x/y", "/nothing", "/api"])
def test_an_unknown_address_is_a_problem(path: str) -> None:
    answer = look(path)
    assert (answer.status, answer.code) == (404, "not_found")
    assert answer.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("path", ["/api/schema/", "/api/docs/"])
def test_a_document_is_only_read(path: str) -> None:
    answer = look(path, "POST")
    assert (answer.status, answer.code) == (405, "method_not_allowed")
    assert "GET" in answer.headers["Allow"]


# --- Documents --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    found: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)
    return found


def test_the_document_is_made_without_a_warning(tmp_path: Path) -> None:
    call_command("spectacular", "--validate", "--fail-on-warn", file=str(tmp_path / "schema.yml"))
    assert "openapi" in yaml.safe_load((tmp_path / "schema.yml").read_text())


def test_the_document_is_served() -> None:
    answer = look("/api/schema/")
    assert answer.status == 200
    assert "/api/payouts" in yaml.safe_load(answer.body)["paths"]


def test_every_row_of_the_table_is_documented_with_its_bodies(document: dict[str, Any]) -> None:
    documented = {
        (re.sub(r"\{\w+\}", "{id}", path), method.upper()): operation
        for path, item in document["paths"].items()
        for method, operation in item.items()
    }
    rows = {(PATHS[name], method) for name, row in TABLE.items() for method in row}
    assert set(documented) == rows
    for (path, method), operation in documented.items():
        good = [status for status in operation["responses"] if status.startswith("2")]
        assert good, path
        for status, answer in operation["responses"].items():
            kind = "application/json" if status in good else "application/problem+json"
            assert answer["content"][kind]["schema"]["$ref"].startswith("#/components/schemas/")
        assert {"401", "403", "503"} <= set(operation["responses"])
        assert operation["security"], path
        if method == "POST" and not path.endswith(("approve", "verify")):  # Theirs may be absent.
            assert "application/json" in operation["requestBody"]["content"], path


def test_the_document_names_the_key_and_every_filter(document: dict[str, Any]) -> None:
    from payouts.api.filters import PARAMETERS

    listing = document["paths"]["/api/payouts"]
    (key,) = [p for p in listing["post"]["parameters"] if p["in"] == "header"]
    assert (key["name"], key["required"]) == ("Idempotency-Key", True)
    assert {p["name"] for p in listing["get"]["parameters"]} == PARAMETERS


def test_a_payout_is_shown_with_the_fields_that_are_documented(
    sandbox: World, document: dict[str, Any]
) -> None:
    fields = set(document["components"]["schemas"]["PayoutOutput"]["properties"])
    assert set(merchant(sandbox).get(f"/api/payouts/{create(sandbox)}").body["payout"]) == fields
    required = document["components"]["schemas"]["PayoutInputRequest"]["required"]
    assert {"amount", "currency", "beneficiaryAccountId"} <= set(required)


@pytest.mark.parametrize("path", ["/api/docs/", "/api/docs/?script="])
def test_the_documents_pages_need_no_other_host(path: str) -> None:
    answer = look(path)
    assert answer.status == 200
    page = answer.body.decode()
    assert not re.search(r"""["'(](https?:)?//""", page)


def test_what_the_documents_page_asks_for_is_served_here() -> None:
    page = look("/api/docs/").body.decode()
    files = re.findall(r"""(?:src|href)="(/static/[^"]+)""", page)
    assert len(files) >= 3
    for file in files:
        assert look(file).status == 200, file
