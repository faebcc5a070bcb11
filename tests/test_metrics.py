"""What /metrics says equals what the database holds, and says it whoever dies."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from django.db import connection

from payouts import alerts, lifecycle, measures, metrics, poller
from tests.api_client import Api, Reply
from tests.database import one, run
from tests.prometheus_text import Scrape, read
from tests.test_api_platform import database_away
from tests.world import World

SPECIFIED = {  # name -> type, as the specification lists them
    "payouts_created_total": "counter",
    "payouts_processed_total": "counter",
    "payout_processing_duration_seconds": "histogram",
    "payout_settlement_duration_hours": "histogram",
    "worker_queue_size": "gauge",
    "worker_processing_count": "gauge",
    "worker_errors_total": "counter",
    "connector_requests_total": "counter",
    "connector_errors_total": "counter",
    "connector_latency_seconds": "histogram",
    "sla_violations_total": "counter",
    "payouts_past_target_date": "gauge",
}


def ask(**headers: str) -> Reply:
    return Api(None).send("GET", "/metrics", headers=headers, identity=False)


def scrape() -> Scrape:
    said = ask()
    assert said.status == 200
    return read(said.body.decode())


def equals_the_database(seen: Scrape) -> None:
    """Each figure that is derived from rows, against a plain query over all of them."""
    assert seen.value("payouts_created_total") == one("SELECT count(*) FROM payouts")
    there = {k: v for k, v in seen.by("status", "payouts_in_status").items() if v}
    assert there == dict(run("SELECT status, count(*) FROM payouts GROUP BY 1"))
    reached = {k: v for k, v in seen.by("status", "payouts_processed_total").items() if v}
    assert reached == dict(
        run(
            "SELECT to_status, count(*) FROM payout_audit_log WHERE from_status NOT IN ('', to_status)"
            " AND to_status NOT IN ('pending', 'processing', 'scheduled') GROUP BY 1"
        )
    )
    holds = {k: v for k, v in seen.by("state", "payouts_holds").items() if v}
    assert holds == dict(run("SELECT status, count(*) FROM payout_holds GROUP BY 1"))
    settled, hours = run(
        "SELECT count(*), coalesce(extract(epoch FROM sum(settled_at - created_at)) / 3600, 0)::float8"
        " FROM payouts WHERE settled_at IS NOT NULL"
    )[0]
    assert seen.value("payout_settlement_duration_hours_count") == settled
    assert seen.value("payout_settlement_duration_hours_sum") == pytest.approx(hours, rel=1e-6)
    ended = one("SELECT count(*) FROM payout_audit_log WHERE from_status = 'processing'")
    assert seen.value("payout_processing_duration_seconds_count") == ended


def live_a_little(world: World) -> None:
    """Payouts that end in every way a short test allows."""
    world.pay_to("closed", iban="DE08370400440000000401")
    settled, refused = world.create(), world.create("closed")
    world.settle(settled)
    world.reach(refused, "rejected")
    cancelled, waiting = world.create(), world.create()
    lifecycle.cancel_payouts([cancelled.id], actor=world.operator, reason="test", tenant_id=None)
    assert waiting.status == "pending"


def test_the_twelve_of_the_specification_are_there_with_their_types_and_start_at_zero(
    sandbox: World,
) -> None:
    metrics.start_at_zero(measures.connector_names())
    seen = scrape()
    assert {name: seen.types.get(name) for name in SPECIFIED} == SPECIFIED
    assert seen.value("payouts_created_total") == 0
    assert seen.value("payouts_processed_total", status="dlq") == 0
    assert seen.value("sla_violations_total", rail="sepa") == 0
    assert seen.value("payouts_past_target_date", rail="ach") == 0
    assert seen.value("worker_queue_size", queue="ready") == 0
    assert seen.value("payout_settlement_duration_hours_bucket", rail="ach", le="240") == 0


def test_counters_equal_the_database_before_and_after_folding(real_sandbox: World) -> None:
    live_a_little(real_sandbox)
    before = scrape()
    equals_the_database(before)
    while measures.fold() or one("SELECT audit_id < seen_id FROM metric_cursor"):
        pass
    assert one("SELECT sum(observations) FROM metric_totals WHERE metric = 'moves'") > 0
    after = scrape()
    equals_the_database(after)
    assert after.value("payout_settlement_duration_hours_count", rail="sepa") == 1
    assert measures.fold() == 0
    real_sandbox.create()
    equals_the_database(scrape())


def test_a_row_that_is_committed_late_is_not_passed_over(real_sandbox: World) -> None:
    payout = real_sandbox.create()
    settings = connection.get_connection_params()
    late = psycopg.connect(
        **{k: settings[k] for k in ("dbname", "user", "password", "host", "port")}
    )
    with late:  # Draws its id now, commits after others with higher ids.
        late.execute("UPDATE payouts SET status = 'processing' WHERE id = %s", [payout.id])
        real_sandbox.create()
        for _ in range(3):
            measures.fold()
        assert scrape().value("worker_processing_count") == 0
        late.commit()
    for _ in range(3):
        measures.fold()
    assert one("SELECT audit_id = (SELECT max(id) FROM payout_audit_log) FROM metric_cursor")
    seen = scrape()
    equals_the_database(seen)
    assert seen.value("worker_processing_count") == 1


def test_broken_promises_are_counted_once_and_late_ones_for_as_long_as_they_wait(
    sandbox: World,
) -> None:
    payout = sandbox.create()
    sandbox.bank.advance(days=12)
    poller.follow_simulator_clock()
    late = scrape()
    assert late.value("payouts_past_target_date", rail="sepa") == 1
    assert late.value("sla_violations_total", rail="sepa") == 0
    for _ in range(2):
        alerts.sweep("sla_violation")
    marked = scrape()
    assert marked.value("payouts_past_target_date", rail="sepa") == 1
    assert marked.value("sla_violations_total", rail="sepa") == 1
    assert marked.value("payouts_open_alerts", alert_type="sla_violation", severity="high") == 1
    lifecycle.cancel_payouts([payout.id], actor=sandbox.operator, reason="test", tenant_id=None)
    ended = scrape()
    assert ended.value("payouts_past_target_date", rail="sepa") == 0
    assert ended.value("sla_violations_total", rail="sepa") == 1


def test_calls_to_a_bank_are_counted_by_what_came_of_them(sandbox: World) -> None:
    metrics.start_at_zero(measures.connector_names())
    before = scrape()
    sandbox.reach(sandbox.create(), "sent")
    sandbox.bank.fault("busy", rail="sepa", count=1)
    sandbox.reach(sandbox.create(), "failed", "sent")
    after = scrape()
    banks = {"connector": "default", "rail": "sepa"}

    def rose(name: str, **labels: str) -> float:
        return after.value(name, **banks, **labels) - before.value(name, **banks, **labels)

    assert rose("connector_requests_total", operation="submit", status="success") >= 1
    assert rose("connector_requests_total", status="error") == 1
    assert rose("connector_errors_total", error="bank_busy") == 1
    assert rose("connector_latency_seconds_count") == rose("connector_requests_total")


def test_errors_of_workers_are_counted_by_the_task_at_hand() -> None:
    before = metrics.WORKER_ERRORS.labels("reports")._value.get()
    from payouts import tasks  # noqa: PLC0415

    tasks.note_failure(sender=tasks.poll_reports)
    assert metrics.WORKER_ERRORS.labels("reports")._value.get() == before + 1


def test_a_bank_cannot_make_up_series() -> None:
    class Loud:
        def submit(self) -> None:
            error: Any = RuntimeError("x")
            error.code = "<b>Account DE89370400440532013000</b>"
            raise error

    with pytest.raises(RuntimeError):
        metrics.Metered(Loud(), name="default", rail="loud").submit()
    seen = {labels for labels in metrics.ERRORS._metrics if labels[1] == "loud"}
    assert seen == {("default", "loud", "other")}


def test_outside_the_sandbox_metrics_need_the_token(db: None, settings: Any) -> None:
    settings.SANDBOX, settings.METRICS_TOKEN = False, "only-for-prometheus"
    assert ask().status == 401
    assert ask(authorization="Bearer wrong").status == 401
    assert ask(authorization="Bearer only-for-prometheus").status == 200
    settings.METRICS_TOKEN = ""
    assert ask(authorization="Bearer ").status == 401


def test_without_the_database_a_scrape_says_so_and_still_has_what_processes_counted(
    transactional_db: None,
) -> None:
    with database_away():
        seen = scrape()
    assert seen.value("payouts_database_up") == 0
    assert "connector_requests_total" in seen.types
    with pytest.raises(KeyError):
        seen.value("payouts_created_total")


def test_a_queue_is_as_long_as_what_is_due(sandbox: World) -> None:
    for _ in range(2):
        sandbox.create()
    seen = scrape()
    assert seen.value("worker_queue_size", queue="ready") == 2
    assert seen.value("worker_queue_size", queue="retry") == 0
    assert 0 <= seen.value("worker_queue_oldest_seconds", queue="ready") < 60
