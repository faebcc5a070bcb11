"""Monitoring and load: S15, S94, S111 to S126."""

from tests.specification import Cut, Row

COUNTED = "tests/test_metrics.py::test_counters_equal_the_database_before_and_after_folding"
CALLS = "tests/test_metrics.py::test_calls_to_a_bank_are_counted_by_what_came_of_them"
THERE = (
    "tests/test_metrics.py::"
    "test_the_twelve_of_the_specification_are_there_with_their_types_and_start_at_zero"
)
PROMISES = (
    "tests/test_metrics.py::"
    "test_broken_promises_are_counted_once_and_late_ones_for_as_long_as_they_wait"
)
RULES = "tests/test_prometheus.py::test_the_rules_do_what_their_own_tests_say"
BOARDS = "tests/test_prometheus.py::test_every_query_of_the_dashboards_is_one"
SCRAPE = "payouts/api/scrape.py"
MEASURES = "payouts/measures.py"
METRICS = "payouts/metrics.py"
RECORDING = "deploy/prometheus/recording.yml"

ROWS = [
    Row(
        id="S15", says="Prometheus metrics and Grafana dashboards", test=BOARDS,
        lives="payouts/api/scrape.py, deploy/prometheus, deploy/grafana",
        cut=Cut(path="deploy/grafana/dashboards/payouts-overview.json",
                old='"expr": "payouts:dlq:count"', new='"expr": "payouts:dlq:count("'),
    ),
    Row(
        id="S94", says="a k6 script creates payouts at up to 1,000 requests a second",
        lives="tests/load/create_payouts.js",
        test="tests/test_load_scripts.py::test_the_request_of_a_load_script_makes_a_payout",
        cut=Cut(path="tests/load/create_payouts.js",
                old='    payoutMethod: "bank_transfer",', new='    payoutMethod: "carrier_pigeon",'),
    ),
    Row(
        id="S111", says="payouts_created_total counts payouts created", lives=MEASURES, test=COUNTED,
        cut=Cut(path=MEASURES, old="found.created += observations", new="found.created += 1"),
    ),
    Row(
        id="S112", says="payouts_processed_total counts by status", lives=MEASURES, test=COUNTED,
        cut=Cut(path=MEASURES, old="found.reached[went] += observations", new="found.reached[went] += 0"),
    ),
    Row(
        id="S113", says="payout_processing_duration_seconds is a histogram", lives=MEASURES, test=COUNTED,
        cut=Cut(path=MEASURES, old="WHERE f.from_status = 'processing' GROUP BY 2, 3",
                new="WHERE f.from_status = 'sent' GROUP BY 2, 3"),
    ),
    Row(
        id="S114", says="payout_settlement_duration_hours is a histogram, in hours", lives=MEASURES, test=COUNTED,
        cut=Cut(path=MEASURES, old="::float8 / 3600 AS took", new="::float8 / 60 AS took"),
    ),
    Row(
        id="S115", says="worker_queue_size is a gauge", lives=SCRAPE,
        test="tests/test_metrics.py::test_a_queue_is_as_long_as_what_is_due",
        cut=Cut(path=MEASURES, old="SELECT 'ready', count(*),", new="SELECT 'ready', 0,"),
    ),
    Row(
        id="S116", says="worker_processing_count is a gauge", lives=SCRAPE,
        test="tests/test_metrics.py::test_a_row_that_is_committed_late_is_not_passed_over",
        cut=Cut(path=SCRAPE, old='[([], counted.present["processing"])]', new='[([], 0)]'),
    ),
    Row(
        id="S117", says="worker_errors_total counts errors of workers", lives="payouts/metrics.py, payouts/tasks.py",
        test="tests/test_metrics.py::test_errors_of_workers_are_counted_by_the_task_at_hand",
        cut=Cut(path=METRICS, old='WORKER_ERRORS.labels(task if task in TASKS else "other").inc()',
                new='WORKER_ERRORS.labels(task if task in TASKS else "other")'),
    ),
    Row(
        id="S118", says="connector_requests_total by connector and rail, with a status", lives=METRICS, test=CALLS,
        cut=Cut(path=METRICS, old='status = "error" if error else "success"', new='status = "success"'),
    ),
    Row(
        id="S119", says="connector_errors_total by error type", lives=METRICS, test=CALLS,
        cut=Cut(path=METRICS, old="ERRORS.labels(self._name, self._rail, known).inc()",
                new="ERRORS.labels(self._name, self._rail, known)"),
    ),
    Row(
        id="S120", says="connector_latency_seconds is a histogram", lives=METRICS, test=CALLS,
        cut=Cut(path=METRICS, old="LATENCY.labels(self._name, self._rail, operation).observe(seconds)",
                new="LATENCY.labels(self._name, self._rail, operation)"),
    ),
    Row(
        id="S121", says="sla_violations_total counts broken promises", lives=MEASURES, test=PROMISES,
        cut=Cut(path=MEASURES, old="WHERE sla_violated GROUP BY rail", new="WHERE NOT sla_violated GROUP BY rail"),
    ),
    Row(
        id="S122", says="payouts_past_target_date counts unfinished late payouts", lives=MEASURES, test=PROMISES,
        cut=Cut(path=MEASURES, old="NOT sla_violated AND sla_target_at < %(now)s",
                new="NOT sla_violated AND sla_target_at > %(now)s"),
    ),
    Row(
        id="S123", says="success rate of the last hour, over final outcomes", lives=RECORDING, test=RULES,
        cut=Cut(path=RECORDING, old='status=~"settled|rejected|returned|dlq"', new='status=~".+"'),
    ),
    Row(
        id="S124", says="settlement time of the last 24 h: average and 95th percentile", lives=RECORDING, test=RULES,
        cut=Cut(path=RECORDING, old="histogram_quantile(0.95, sum by (le) (rate(payout_settlement",
                new="histogram_quantile(0.5, sum by (le) (rate(payout_settlement"),
    ),
    Row(
        id="S125", says="size of the dead-letter queue", lives=RECORDING, test=RULES,
        cut=Cut(path=RECORDING, old='sum(payouts_in_status{status="dlq"})',
                new='count(payouts_in_status{status="dlq"})'),
    ),
    Row(
        id="S126", says="health of a connector from its requests", lives=RECORDING, test=RULES,
        cut=Cut(path=RECORDING, old='(rate(connector_requests_total{status="success"}[5m]))',
                new='(connector_requests_total{status="success"})'),
    ),
]  # fmt: skip
