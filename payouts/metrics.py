"""What a process counts itself: calls to banks and errors of workers.

Each process writes to files of its own under PROMETHEUS_MULTIPROC_DIR (set and emptied by the supervisor
when everything starts), and a scrape adds them up: Celery's and gunicorn's children count like any other
process, and what a dead one had counted stays. A process that is killed between a call and its count loses
that one count, which is why whatever must equal the database is not here but in `payouts.measures`.

A connector's request is a `success` when the bank answered, a refusal and "not found" included: a closed
account says nothing about the health of a bank. It is an `error` when there was no answer to go by.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any

from prometheus_client import Counter, Histogram

CALLS = ("submit", "inquire", "recall", "verify_payee", "fetch_reports", "check_health")
TASKS = (
    "dispatch",
    "resolve",
    "reports",
    "health",
    "payees",
    "expire",
    "alerts",
    "poller",
    "other",
)
LATENCY_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

REQUESTS = Counter(
    "connector_requests_total",
    "Calls to a bank: success (it answered, a refusal included) or error (no answer to go by).",
    ("connector", "rail", "operation", "status"),
)
ERRORS = Counter(
    "connector_errors_total",
    "Calls to a bank without an answer to go by, by what went wrong.",
    ("connector", "rail", "error"),
)
LATENCY = Histogram(
    "connector_latency_seconds",
    "How long calls to a bank took, whatever came of them.",
    ("connector", "rail", "operation"),
    buckets=LATENCY_S,
)
WORKER_ERRORS = Counter(
    "worker_errors_total",
    "What broke in a worker or in the poller, by the task at hand.",
    ("task",),
)
NO_ANSWER = ("unknown", "not_sent")  # kinds of outcome
ASKED = "asked"  # A question that was taken and will be answered by a call is an answer, too.
ERROR_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")


def worker_failed(task: str) -> None:
    """Something broke that the engine went on from; a log has the story."""
    WORKER_ERRORS.labels(task if task in TASKS else "other").inc()


def start_at_zero(connectors: Iterable[tuple[str, str]] = ()) -> None:
    """Make every series exist before its first event, which `increase()` would not see otherwise."""
    for task in TASKS:
        WORKER_ERRORS.labels(task)
    for name, rail in connectors:
        for call in CALLS:
            LATENCY.labels(name, rail, call)
            for status in ("success", "error"):
                REQUESTS.labels(name, rail, call, status)
        for error in ("deadline", "connection_refused", "bank_busy", "cut"):
            ERRORS.labels(name, rail, error)


class Metered:
    """Stands for a connector: whatever it is asked goes through, and calls to the bank are counted."""

    def __init__(self, connector: object, *, name: str, rail: str) -> None:
        self._connector, self._name, self._rail = connector, name, rail

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._connector, name)
        return self._counted(name, found) if name in CALLS else found

    def _counted(self, operation: str, call: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(call)
        def counted(*args: Any) -> Any:
            started, error = time.perf_counter(), ""
            try:
                answer = call(*args)
                error = _error_of(answer)
            except Exception as broken:
                error = str(getattr(broken, "code", "")) or "connector_broke"
                raise
            else:
                return answer
            finally:
                self._note(operation, time.perf_counter() - started, error)

        return counted

    def _note(self, operation: str, seconds: float, error: str) -> None:
        status = "error" if error else "success"
        REQUESTS.labels(self._name, self._rail, operation, status).inc()
        LATENCY.labels(self._name, self._rail, operation).observe(seconds)
        if error:
            # A bank must not be able to make up series: what is not one of our own words is "other".
            known = error if ERROR_NAME.fullmatch(error) else "other"
            ERRORS.labels(self._name, self._rail, known).inc()


def _error_of(answer: Any) -> str:
    """What went wrong, from an Outcome or a Health; nothing for a page of reports."""
    if getattr(answer, "kind", None) in NO_ANSWER and answer.code != ASKED:
        return str(answer.code) or "unknown"
    return "unhealthy" if getattr(answer, "healthy", True) is False else ""
