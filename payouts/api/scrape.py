"""One scrape: what the database counts, what processes counted, and django-prometheus' HTTP metrics.

Nothing is cached: two web processes with answers of different age would make a counter fall, which
Prometheus takes for a restart and counts again. The database's part costs a few indexed reads, and sums over
the audit rows that are not folded yet.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate

from django.conf import settings
from django.db import InterfaceError, OperationalError, transaction
from django.http import HttpRequest, HttpResponse
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Metric,
    generate_latest,
    multiprocess,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from payouts import measures, tenancy
from payouts.banks import BankHealth
from payouts.measures import PROCESSING_S, SETTLEMENT_H, Counted, Distribution, Standing


def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus' view: open in the sandbox; elsewhere for who knows METRICS_TOKEN, and closed without one."""
    if not _may_read(request):
        refused = HttpResponse(status=401)
        refused["WWW-Authenticate"] = "Bearer"
        return refused
    return HttpResponse(generate_latest(_registry()), content_type=CONTENT_TYPE_LATEST)


def _may_read(request: HttpRequest) -> bool:
    if settings.SANDBOX:
        return True
    wanted = f"Bearer {settings.METRICS_TOKEN}".encode()
    given = request.headers.get("Authorization", "").encode()
    return bool(settings.METRICS_TOKEN) and hmac.compare_digest(given, wanted)


def _registry() -> CollectorRegistry:
    """What all processes counted (or this one, when it runs alone), and the database's part."""
    registry = CollectorRegistry()
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    else:
        registry.register(_ThisProcess())
    registry.register(FromDatabase())
    return registry


class _ThisProcess(Collector):
    def collect(self) -> Iterable[Metric]:
        return REGISTRY.collect()


class FromDatabase(Collector):
    """The families that are read from the database at every scrape; without it, only that it is away."""

    def describe(self) -> Iterable[Metric]:
        return []  # Asked for at registration; that is no time to read a database.

    def collect(self) -> Iterator[Metric]:
        try:
            with tenancy.within(tenancy.PLATFORM), transaction.atomic():
                counted, standing = measures.counted(), measures.standing()
        except (OperationalError, InterfaceError):
            yield _gauge(
                "payouts_database_up", "Whether the database answered this scrape.", [], [([], 0)]
            )
            return
        yield _gauge(
            "payouts_database_up", "Whether the database answered this scrape.", [], [([], 1)]
        )
        yield from _payout_families(counted, standing)
        yield from _work_families(counted, standing)
        yield from _watch_families(standing)


Samples = Iterable[tuple[Sequence[str], float]]


def _gauge(name: str, says: str, labels: Sequence[str], samples: Samples) -> Metric:
    family = GaugeMetricFamily(name, says, labels=labels)
    for values, number in samples:
        family.add_metric(values, number)
    return family


def _counter(name: str, says: str, labels: Sequence[str], samples: Samples) -> Metric:
    family = CounterMetricFamily(name, says, labels=labels)
    for values, number in samples:
        family.add_metric(values, number)
    return family


def _histogram(
    name: str,
    says: str,
    bounds: Sequence[float],
    rails: Sequence[str],
    seen: dict[str, Distribution],
) -> Metric:
    """By rail. Every configured rail is there from the start."""
    family = HistogramMetricFamily(name, says, labels=["rail"])
    for rail in sorted({*rails, *seen}):
        one = seen.get(rail) or Distribution([0] * (len(bounds) + 1))
        ends = [*(str(bound) for bound in bounds), "+Inf"]
        buckets = list(zip(ends, accumulate(one.counts), strict=True))
        family.add_metric([rail], buckets=buckets, sum_value=one.total)
    return family


def _payout_families(counted: Counted, standing: Standing) -> Iterator[Metric]:
    yield _counter("payouts_created", "Payouts created.", [], [([], counted.created)])
    yield _counter(
        "payouts_processed", "Times that a payout reached a status.", ["status"],
        [([status], n) for status, n in counted.reached.items()],
    )  # fmt: skip
    yield _gauge(
        "payouts_in_status", "Payouts that are in a status now.", ["status"],
        [([status], n) for status, n in counted.present.items()],
    )  # fmt: skip
    yield _gauge(
        "payouts_oldest_age_seconds", "Since when the payout that is longest in a status is in it.",
        ["status"], [([status], age or 0) for status, age in standing.oldest],
    )  # fmt: skip
    yield _gauge(
        "payouts_holds", "Holds by their state, which follows the payout's.", ["state"],
        [(["active"], sum(counted.present[s] for s in measures.OPEN)),
         (["released"], counted.present["settled"] + counted.present["returned"]),
         (["reversed"], counted.present["rejected"] + counted.present["cancelled"])],
    )  # fmt: skip
    yield _histogram(
        "payout_processing_duration_seconds", "From a worker's claim to what came of it.",
        PROCESSING_S, standing.rails, counted.processing_s,
    )  # fmt: skip
    yield _histogram(
        "payout_settlement_duration_hours", "From creation to settlement, in business time.",
        SETTLEMENT_H, standing.rails, counted.settlement_h,
    )  # fmt: skip
    yield _counter(
        "sla_violations", "Payouts whose promise was broken.", ["rail"],
        _by_rail(standing.rails, standing.violated),
    )  # fmt: skip
    yield _gauge(
        "payouts_past_target_date", "Unfinished payouts whose promise is over.", ["rail"],
        _by_rail(standing.rails, standing.late),
    )  # fmt: skip


def _by_rail(rails: Sequence[str], found: Sequence[tuple[str, int]]) -> Samples:
    return [([rail], n) for rail, n in sorted((dict.fromkeys(rails, 0) | dict(found)).items())]


def _work_families(counted: Counted, standing: Standing) -> Iterator[Metric]:
    yield _gauge(
        "worker_queue_size", "What is due and waits for a worker.", ["queue"],
        [([queue], n) for queue, n, _ in standing.queues],
    )  # fmt: skip
    yield _gauge(
        "worker_queue_oldest_seconds", "How long the first in a queue has been due.", ["queue"],
        [([queue], age or 0) for queue, _, age in standing.queues],
    )  # fmt: skip
    yield _gauge(
        "worker_processing_count", "Payouts that a worker has in hand.", [],
        [([], counted.present["processing"])],
    )  # fmt: skip


def _watch_families(standing: Standing) -> Iterator[Metric]:
    yield _gauge(
        "payouts_open_alerts", "Alerts that nobody has resolved.", ["alert_type", "severity"],
        [([kind, severity], n) for kind, severity, n in standing.alerts],
    )  # fmt: skip
    figures: list[tuple[str, str, Callable[[BankHealth], float]]] = [
        ("connector_up", "Whether a bank was well when last seen.", lambda b: b.healthy),
        ("connector_paused", "Whether operators have stopped a bank.", lambda b: b.paused),
        ("connector_breaker_open", "Whether a bank is left alone.", lambda b: b.breaker == "open"),
        ("connector_in_flight", "Payouts being told to a bank.", lambda b: b.in_flight),
    ]
    for name, says, figure in figures:
        samples = [([b.key.partition(":")[0], b.rail], figure(b)) for b in standing.connectors]
        yield _gauge(name, says, ["connector", "rail"], samples)
    yield _gauge(
        "payouts_business_clock_ahead_seconds", "Business time less technical time (sandbox only).", [],
        [([], round(standing.clock_ahead_s, 1))],
    )  # fmt: skip
