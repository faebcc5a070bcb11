"""Celery's side of the doorbell: thin wrappers around verbs. The only module that speaks Celery.

A task carries no data: it says "look now", and the rows say what is to be done.
"""

from __future__ import annotations

import os
from functools import cache
from typing import Any

from celery import current_app, shared_task
from celery.signals import task_failure, worker_ready
from django.conf import settings
from kombu import Connection
from kombu.pools import producers

from payouts import (
    alert_rules,
    alerts,
    banks,
    batches,
    dispatch,
    doorbell,
    doubt,
    inbound,
    lifecycle,
    metrics,
    payees,
    recalls,
)

QUEUES = {
    "dispatch": "payouts.tasks.dispatch_due",
    "resolve": "payouts.tasks.resolve_in_doubt",
    "reports": "payouts.tasks.poll_reports",
    "documents": "payouts.tasks.read_documents",
    "health": "payouts.tasks.check_banks",
    "payees": "payouts.tasks.ask_about_payees",
}
# Rings pile up while no worker runs; the first fresh one finds everything that they meant.
STALE_AFTER_S = 30.0
PATIENCE_S = 0.5


def install_ringer() -> None:
    """Let doorbells ring through Celery."""
    doorbell.install(_ring)


def _ring(queue: str, delay_s: float) -> None:
    with producers[_door()].acquire(block=True, timeout=PATIENCE_S) as producer:
        current_app.send_task(
            QUEUES[queue],
            countdown=delay_s or None,
            expires=delay_s + STALE_AFTER_S,
            retry=False,
            producer=producer,
        )


@cache
def _door() -> Connection:
    """Whoever rings waits for a broker that hangs for a moment only; workers that listen are patient."""
    return current_app.connection_for_write(transport_options={"socket_timeout": PATIENCE_S})


@worker_ready.connect
def note_worker(**_: Any) -> None:
    """Leave the pid where `/readyz` looks, and catch up on what was due while no worker ran."""
    settings.STATE_DIR.mkdir(parents=True, exist_ok=True)
    (settings.STATE_DIR / "worker.pid").write_text(str(os.getpid()))
    for queue in QUEUES:
        doorbell.ring_now(queue)


JOBS = {
    "dispatch_due": "dispatch",
    "resolve_in_doubt": "resolve",
    "poll_reports": "reports",
    "read_documents": "reports",
    "check_banks": "health",
    "ask_about_payees": "payees",
    "expire_payouts": "expire",
    "sweep_alerts": "alerts",
    "sweep_sla": "alerts",
}


@task_failure.connect
def note_failure(sender: Any = None, **_: Any) -> None:
    """Raised in a worker, or a worker that was lost: counted by whoever noticed."""
    metrics.worker_failed(JOBS.get(str(getattr(sender, "name", "")).rpartition(".")[2], "other"))


@shared_task(name="payouts.tasks.dispatch_due")
def dispatch_due() -> int:
    doorbell.note_heard("dispatch")
    return dispatch.dispatch_due()


@shared_task(name="payouts.tasks.resolve_in_doubt")
def resolve_in_doubt() -> int:
    doorbell.note_heard("resolve")
    return doubt.recover_expired() + doubt.resolve_in_doubt() + recalls.ask_due()


@shared_task(name="payouts.tasks.poll_reports")
def poll_reports() -> int:
    doorbell.note_heard("reports")
    return inbound.poll_reports()


@shared_task(name="payouts.tasks.read_documents")
def read_documents() -> int:
    return inbound.read_waiting()


@shared_task(name="payouts.tasks.check_banks")
def check_banks() -> int:
    doorbell.note_heard("health")
    return banks.check_banks()


@shared_task(name="payouts.tasks.ask_about_payees")
def ask_about_payees() -> int:
    doorbell.note_heard("payees")
    return payees.ask_waiting()


@shared_task(name="payouts.tasks.release_due")
def release_due() -> int:
    return batches.release_due()


@shared_task(name="payouts.tasks.expire_payouts")
def expire_payouts() -> int:
    return lifecycle.expire_payouts()


@shared_task(name="payouts.tasks.sweep_alerts")
def sweep_alerts() -> int:
    return alerts.sweep(*(set(alerts.RULES) - set(alert_rules.ON_THEIR_OWN)))


@shared_task(name="payouts.tasks.sweep_sla")
def sweep_sla() -> int:
    if not settings.WORKER_ENABLE_SLA_MONITORING:
        return 0  # Beat keeps its entry of the time when this was on.
    return alerts.sweep("sla_violation")


@shared_task(name="payouts.tasks.check_invariants")
def check_invariants() -> int:
    return alerts.sweep("invariant_broken")
