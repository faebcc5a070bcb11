"""What machines ask about the engine itself: is it alive, is it ready."""

from __future__ import annotations

import os
import urllib.request
from urllib.error import URLError

from django.conf import settings
from django.core.cache import cache
from django.db import Error as DatabaseError
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse
from redis.exceptions import RedisError

from payouts import tenancy


def healthz(request: HttpRequest) -> JsonResponse:
    """The process answers."""
    return JsonResponse({"status": "ok"})


def readyz(request: HttpRequest) -> JsonResponse:
    """The database answers and is migrated; in the sandbox the demo data is there and the processes run.

    The broker is reported and never decides: without it the poller does the work.
    """
    checks = {"database": _database(), "broker": _broker()}
    if settings.SANDBOX and checks["database"] == "ok":
        checks["demo"] = _demo_loaded()
        checks["worker"] = _worker_seen()
        checks["bank_simulator"] = _simulator()
    ready = all(state == "ok" for name, state in checks.items() if name != "broker")
    response = JsonResponse({"status": "ready" if ready else "not ready", "checks": checks})
    response.status_code = 200 if ready else 503
    return response


def _database() -> str:
    try:
        executor = MigrationExecutor(connection)
        pending = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError:
        return "does not answer"
    return f"{len(pending)} migrations to apply" if pending else "ok"


def _broker() -> str:
    try:
        cache.get("payouts:ready")
    except (RedisError, OSError):
        return "does not answer"
    return "ok"


def _demo_loaded() -> str:
    try:
        with tenancy.within(tenancy.PLATFORM), connection.cursor() as cursor:
            cursor.execute(
                "SELECT EXISTS (SELECT FROM bank_connectors), EXISTS (SELECT FROM beneficiaries)"
            )
            return "ok" if all(cursor.fetchone()) else "not loaded"
    except DatabaseError:
        return "does not answer"


def _worker_seen() -> str:
    """A worker notes its pid once it takes tasks (`payouts.tasks`)."""
    try:
        os.kill(int((settings.STATE_DIR / "worker.pid").read_text()), 0)
    except (OSError, ValueError):
        return "not running"
    return "ok"


def _simulator() -> str:
    url = f"http://127.0.0.1:{settings.BANK_SIMULATOR_PORT}/_sim/clock"
    try:
        with urllib.request.urlopen(url, timeout=1) as answer:  # noqa: S310  (our own address)
            return "ok" if answer.status == 200 else "does not answer"
    except (URLError, OSError):
        return "does not answer"
