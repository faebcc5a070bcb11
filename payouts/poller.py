"""The poller finds what no doorbell announced, and does the work itself while the broker is away or nobody hears.

Every WORKER_POLL_INTERVAL_MS it looks for due payouts, lost leases and open questions; every REPORT_POLL_S
for what banks report, every HEALTH_CHECK_S for how they are, every five seconds for instant payouts that
are late; every second it seals audit rows. In the sandbox it also lets business time follow the bank
simulator's clock.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from django.conf import settings
from django.db import Error, connection

from payouts import (
    alert_rules,
    banks,
    batches,
    clock,
    dispatch,
    doorbell,
    doubt,
    inbound,
    measures,
    metrics,
    payees,
    recalls,
    reconciliation,
    seals,
    statistics,
)

log = logging.getLogger(__name__)
TICK_S = 0.2
UNHEARD_S = 5.0
INSTANT_PROMISES_S = 5.0
SEALS_S = 1.0


@dataclass(slots=True)
class Duty:
    """Something done every `interval_s` seconds."""

    name: str
    interval_s: float
    act: Callable[[], object]
    next_at: float = 0.0


def duties() -> list[Duty]:
    poll_s = settings.WORKER_POLL_INTERVAL_MS / 1000
    found = [
        Duty("schedule", min(poll_s, 1.0), batches.release_due),
        Duty("batches", poll_s, batches.follow),
        Duty("dispatch", poll_s, _dispatch),
        Duty("resolve", min(poll_s, settings.INQUIRY_FIRST_S), _resolve),
        Duty("reports", settings.REPORT_POLL_S, _reports),
        Duty("match", max(settings.REPORT_POLL_S, 1.0), reconciliation.match),
        Duty("health", settings.HEALTH_CHECK_S, _health),
        Duty("payees", poll_s, _payees),
        Duty("measures", 5.0, _measure),
        Duty("seals", SEALS_S, seals.Sealer().turn),
        Duty("statistics", settings.STATISTICS_S, statistics.count_evidence),
    ]
    if settings.WORKER_ENABLE_SLA_MONITORING:
        found.append(Duty("promises", INSTANT_PROMISES_S, alert_rules.sweep_instant_promises))
    if settings.SANDBOX:
        found.append(Duty("clock", 0.4, follow_simulator_clock))
    return found


def run(stopped: Callable[[], bool]) -> None:
    """Do every duty when it is due, until told to stop. A duty that fails is tried again at its next turn."""
    todo = duties()
    while not stopped():
        for duty in todo:
            if time.monotonic() >= duty.next_at and not stopped():
                _do(duty)
        time.sleep(TICK_S)


def _do(duty: Duty) -> None:
    try:
        duty.act()
    except Error as error:
        metrics.worker_failed("poller")
        log.warning("%s: the database does not answer (%s)", duty.name, type(error).__name__)
        connection.close()
    except Exception:
        metrics.worker_failed("poller")
        log.exception("%s failed", duty.name)
    duty.next_at = time.monotonic() + duty.interval_s


def _dispatch() -> None:
    if _exists(
        "SELECT 1 FROM v_payouts_ready_for_processing UNION ALL SELECT 1 FROM v_payouts_retry_queue LIMIT 1"
    ):
        _ring_or("dispatch", dispatch.dispatch_due)


def _resolve() -> None:
    if _exists(
        "SELECT 1 FROM bank_transmissions WHERE state = 'in_doubt' AND next_inquiry_at <= clock_timestamp()"
        " UNION ALL SELECT 1 FROM bank_transmissions WHERE state IN ('claimed', 'prepared', 'sending')"
        " AND lease_until < clock_timestamp()"
        " UNION ALL SELECT 1 FROM bank_recalls WHERE state IN ('requested', 'unknown')"
        " AND next_ask_at <= clock_timestamp() LIMIT 1"
    ):
        _ring_or("resolve", _ask_banks)


def _ask_banks() -> int:
    return doubt.recover_expired() + doubt.resolve_in_doubt() + recalls.ask_due()


def _reports() -> None:
    _ring_or("reports", inbound.poll_reports)


def _health() -> None:
    _ring_or("health", banks.check_banks)


def _payees() -> None:
    if payees.is_anybody_waiting():
        _ring_or("payees", payees.ask_waiting)


def _ring_or(queue: str, act: Callable[[], object]) -> None:
    """Ring; when nobody can hear it, or for a while nobody has, do it here."""
    if not doorbell.ring_now(queue) or _is_unheard(queue):
        act()


# queue -> the last word of a listener, and since when it has been the last.
_words: dict[str, tuple[str | None, float]] = {}


def _is_unheard(queue: str) -> bool:
    """Whether rings are taken by the broker and by nobody after it.

    A worker that starts, hangs or is suspended; one whose clock is ahead, which takes each ring for stale.
    """
    word, now = doorbell.last_heard(queue), time.monotonic()
    known, since = _words.get(queue, (None, now))
    if queue not in _words or word != known:
        _words[queue] = (word, now)
        return False
    return now - since >= UNHEARD_S


def _measure() -> None:
    """Keep what a scrape must add up short, and the series of every bank in existence."""
    metrics.start_at_zero(measures.connector_names())
    measures.fold()


def _exists(sql: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchone() is not None


def follow_simulator_clock() -> None:
    """Business time runs as far ahead as the bank's does."""
    try:
        offset = banks.sandbox_clock_offset()
    except banks.ConnectorError:
        return  # The simulator is being restarted: the last offset stands.
    clock.follow(offset)
