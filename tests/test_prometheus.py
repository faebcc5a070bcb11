"""Rules, alerts and dashboards: accepted by Prometheus' own tools, and answered by a real scrape of a real engine."""

from __future__ import annotations

import json
import math
import re
import shutil
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from payouts import alerts
from tests.running_engine import ROOT, TENANT, Running, free_port

RULES = ROOT / "deploy" / "prometheus"
BOARDS = sorted((ROOT / "deploy" / "grafana" / "dashboards").glob("*.json"))
RUNBOOK = ROOT / "docs" / "runbook.md"
ABSENT = "{} is not installed (Debian: apt-get install prometheus)"


def tool(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        pytest.skip(ABSENT.format(name))
    return path


def promtool(*arguments: str | Path) -> str:
    command = [tool("promtool"), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def queries() -> list[tuple[str, str]]:
    """Every panel's title and query, with a range that a short run fills."""
    return [
        (f"{board['title']}: {panel['title']}", target["expr"].replace("$__rate_interval", "1m"))
        for board in map(json.loads, (path.read_text() for path in BOARDS))
        for panel in board["panels"]
        for target in panel.get("targets", ())
    ]


# --- what can be said without running -----------------------------------------------------------------


def test_the_rules_do_what_their_own_tests_say() -> None:
    said = promtool("check", "rules", RULES / "recording.yml", RULES / "alerts.yml")
    assert "7 rules found" in said
    assert "16 rules found" in said
    promtool("check", "config", "--syntax-only", RULES / "prometheus.yml")
    for name in ("recording_test.yml", "alerts_test.yml"):
        assert "SUCCESS" in promtool("test", "rules", RULES / name)


def test_every_alert_has_its_test_and_its_page_in_the_runbook() -> None:
    text, tests = (RULES / "alerts.yml").read_text(), (RULES / "alerts_test.yml").read_text()
    named = re.findall(r"- alert: (\w+)", text)
    assert len(named) == 16
    sections = {line[4:].strip() for line in RUNBOOK.read_text().splitlines() if line[:4] == "### "}
    for name in named:
        assert name in sections
        assert f"runbook: docs/runbook.md#{name.lower()}\n" in text
        assert f'alertname="{name}"' in tests
    assert set(alerts.RULES) <= {name.strip("`") for name in sections}


def test_every_query_of_the_dashboards_is_one(tmp_path: Path) -> None:
    found = queries()
    assert len(BOARDS) == 2
    assert len(found) > 30
    rules = [{"record": f"q:{n}", "expr": expr} for n, (_, expr) in enumerate(found)]
    (tmp_path / "all.yml").write_text(json.dumps({"groups": [{"name": "all", "rules": rules}]}))
    assert f"{len(found)} rules found" in promtool("check", "rules", tmp_path / "all.yml")


def test_dashboards_name_their_data_source_by_variable_and_keep_their_address() -> None:
    boards = {path.stem: json.loads(path.read_text()) for path in BOARDS}
    assert {name: board["uid"] for name, board in boards.items()} == {
        "payouts-banks": "payouts-banks",
        "payouts-overview": "payouts-overview",
    }
    for board in boards.values():
        assert board["templating"]["list"][0]["type"] == "datasource"
        sources = {t["datasource"]["uid"] for p in board["panels"] for t in p.get("targets", ())}
        assert sources == {"${datasource}"}
        ids = [panel["id"] for panel in board["panels"]]
        assert len(ids) == len(set(ids))


# --- a real Prometheus beside a real engine --------------------------------------------------------------


class Prometheus:
    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/api/v1/query?"

    def ask(self, expr: str) -> list[tuple[dict[str, str], float]]:
        url = self.url + urllib.parse.urlencode({"query": expr})
        with urllib.request.urlopen(url, timeout=5) as answer:
            found = json.loads(answer.read())["data"]["result"]
        return [(row["metric"], float(row["value"][1])) for row in found]

    def number(self, expr: str) -> float:
        found = self.ask(expr)
        return found[0][1] if found else math.nan

    def wait_scraped(self, *, seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while True:
            try:
                if self.number("sum(count_over_time(up[1m]))") >= 3:
                    return
            except OSError:
                pass
            assert time.monotonic() < deadline, "Prometheus does not scrape"
            time.sleep(0.2)


@pytest.fixture
def prometheus(engine: Running, tmp_path: Path) -> Iterator[Prometheus]:
    """Scrapes the engine every two seconds, with our rules."""
    port = free_port()
    config = {
        "global": {"scrape_interval": "2s", "evaluation_interval": "2s"},
        "rule_files": [str(RULES / "recording.yml"), str(RULES / "alerts.yml")],
        "scrape_configs": [
            {"job_name": "payouts", "static_configs": [{"targets": [f"127.0.0.1:{engine.port}"]}]}
        ],
    }
    (tmp_path / "prometheus.yml").write_text(json.dumps(config))
    process = subprocess.Popen(
        [
            tool("prometheus"), f"--config.file={tmp_path}/prometheus.yml", f"--storage.tsdb.path={tmp_path}/data",
            f"--web.listen-address=127.0.0.1:{port}", "--log.level=error",
        ]
    )  # fmt: skip
    try:
        started = Prometheus(port)
        started.wait_scraped()
        yield started
    finally:
        process.terminate()
        process.wait(20)


def pay(engine: Running, *, count: int) -> list[str]:
    """Payouts to a European, now."""
    payee = engine.beneficiaries["iban"]
    body = {
        "originModule": "connect", "originEntityType": "merchant", "originEntityId": TENANT,
        "beneficiaryType": "user", "beneficiaryId": payee["id"], "beneficiaryAccountId": payee["account_id"],
        "amount": "12.00", "currency": payee["currency"], "payoutMethod": "bank_transfer", "priority": "standard",
    }  # fmt: skip
    made = []
    for _ in range(count):
        answer = engine.merchant.call("POST", "/api/payouts", body, key=str(uuid4()))
        assert answer.status == 201, answer.body
        made.append(answer.body["payout"]["id"])
    return made


def settle(engine: Running, ids: list[str], *, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    sql = "SELECT count(*) FROM payouts WHERE id::text = ANY(%s) AND status = 'settled'"
    while engine.query(sql, ids) != [(len(ids),)]:
        assert time.monotonic() < deadline, "they do not settle"
        engine.bank.call("POST", "/_sim/clock", {"advance_seconds": 86_400})
        time.sleep(1.5)


# What a scrape says, and what the database holds: name -> (query, SQL).
EXACT: dict[str, tuple[str, str]] = {
    "created": ("sum(payouts_created_total)", "SELECT count(*) FROM payouts"),
    **{
        status: (
            f'sum(payouts_processed_total{{status="{status}"}})',
            f"SELECT count(*) FROM payout_audit_log WHERE to_status = '{status}' AND from_status <> to_status",
        )
        for status in ("sent", "settled", "failed", "dlq", "rejected", "cancelled", "returned")
    },
    "settled now": (
        'sum(payouts_in_status{status="settled"})',
        "SELECT count(*) FROM payouts WHERE status = 'settled'",
    ),
    "settlement times": (
        "sum(payout_settlement_duration_hours_count)",
        "SELECT count(*) FROM payouts WHERE settled_at IS NOT NULL",
    ),
    "broken promises": (
        "sum(sla_violations_total)",
        "SELECT count(*) FROM payouts WHERE sla_violated",
    ),
}


def told(prometheus: Prometheus) -> dict[str, float]:
    return {name: prometheus.number(query) for name, (query, _) in EXACT.items()}


def held(engine: Running) -> dict[str, int]:
    return {name: engine.query(sql)[0][0] for name, (_, sql) in EXACT.items()}


@pytest.mark.processes
@pytest.mark.xdist_group("engine")
def test_a_real_scrape_answers_every_query_and_equals_the_database(
    engine: Running, prometheus: Prometheus
) -> None:
    calls = 'sum(connector_requests_total{operation="submit"})'
    sends = "SELECT coalesce(sum(sends), 0)::int FROM bank_transmissions"
    assert _until_equal(engine, prometheus)
    calls_before, sends_before = prometheus.number(calls), engine.query(sends)[0][0]
    settle(engine, pay(engine, count=12))
    assert _until_equal(engine, prometheus)
    assert _silent(prometheus) == []
    # Counted by several processes, in Celery's children and in the poller, and added up.
    assert prometheus.number(calls) - calls_before == engine.query(sends)[0][0] - sends_before > 0


def _silent(prometheus: Prometheus, *, seconds: float = 20) -> list[tuple[str, str]]:
    """Queries without an answer. On a busy machine a scrape may fail; the next one counts."""
    left, deadline = queries(), time.monotonic() + seconds
    while True:
        left = [
            (title, expr)
            for title, expr in left
            if all(math.isnan(value) for _, value in prometheus.ask(expr))
        ]
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(1)


def _until_equal(engine: Running, prometheus: Prometheus, *, seconds: float = 60) -> bool:
    """Whether a scrape of a moment in which nothing moved says what the database holds."""
    deadline = time.monotonic() + seconds
    said, before, after = {}, {}, {}
    while time.monotonic() < deadline:
        before = held(engine)
        time.sleep(3)
        said, after = told(prometheus), held(engine)
        if said == before == after:
            return True
    assert said == after, before
    return False
