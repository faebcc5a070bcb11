"""What a create costs: payouts per second and PostgreSQL CPU, with and without triggers, beside a bare insert.

Every figure has its baseline in the same run, and rounds alternate, so that a ratio holds even where the
machine is shared. CPU is that of this connection's PostgreSQL backend, read from /proc (Linux only).
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from uuid import UUID, uuid4

from django.db import connection, transaction

from ops import demo_data
from payouts import creation, lifecycle
from payouts.admission import PayoutRequest
from payouts.audit import Actor

# What one create writes, in the order in which it does.
TABLES = (
    ("payouts", "id"),
    ("routing_decisions", "payout_id"),
    ("payout_audit_log", "payout_id"),
    ("payout_holds", "payout_id"),
    ("ledger_transfers", "payout_id"),
)
TRIGGERED = (
    "payouts",
    "payout_holds",
    "payout_audit_log",
    "routing_decisions",
    "ledger_transfers",
    "ledger_entries",
)


@dataclass(slots=True)
class Measure:
    """One variant at one size: seconds and backend CPU seconds per payout, a value for each round."""

    variant: str
    size: int
    seconds: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    def per_second(self) -> float:
        return 1 / statistics.median(self.seconds)

    def cpu_us(self) -> float:
        return statistics.median(self.cpu) * 1e6


class Bench:
    """Creates payouts of one merchant against the database that settings name."""

    def __init__(self, *, say: Callable[[str], None]) -> None:
        self.say = say
        self.tenant_id = uuid4()
        self.actor = Actor(id=str(uuid4()), role="finance_ops", tenant_id=self.tenant_id)
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            self.backend: int = cursor.fetchone()[0]

    def run(self, *, sizes: list[int], rounds: int, seconds: float) -> list[Measure]:
        """Alternate the variants for `rounds` rounds of about `seconds` each."""
        self._prepare()
        measures = [
            Measure(variant, n)
            for n in sizes
            for variant in ("create", "no triggers", "bare insert")
        ]
        for number in range(rounds):
            self.say(f"round {number + 1} of {rounds}")
            for measure in measures:
                self._round(measure, seconds)
        return measures

    def _prepare(self) -> None:
        demo_data.configure_banks()
        made = demo_data.load_tenant(self.tenant_id, "bench")
        iban = made["beneficiaries"]["iban"]
        self.account = (UUID(iban["id"]), UUID(iban["account_id"]))
        lifecycle.deposit(
            tenant_id=self.tenant_id,
            currency="EUR",
            amount=Decimal(10) ** 12,
            reference="bench",
            actor=self.actor,
        )
        with connection.cursor() as cursor:
            for table in ("ledger_entries", *(name for name, _ in TABLES)):
                cursor.execute(f"DROP TABLE IF EXISTS bench_{table}")  # noqa: S608
                cursor.execute(f"CREATE TABLE bench_{table} (LIKE {table} INCLUDING INDEXES)")  # noqa: S608

    def _round(self, measure: Measure, seconds: float) -> None:
        done, spent, cpu = 0, 0.0, 0.0
        while spent < seconds:
            used = self._once(measure)
            done, spent, cpu = done + measure.size, spent + used[0], cpu + used[1]
        measure.seconds.append(spent / done)
        measure.cpu.append(cpu / done)

    def _once(self, measure: Measure) -> tuple[float, float]:
        requests = [self._request() for _ in range(measure.size)]
        if measure.variant == "create":
            return self._timed(lambda: self._create(requests))
        if measure.variant == "no triggers":
            with self._without_triggers():
                return self._timed(lambda: self._create(requests))
        ids = self._create(requests)
        return self._timed(lambda: self._insert_bare(ids))

    def _timed(self, act: Callable[[], object]) -> tuple[float, float]:
        cpu, started = self._backend_cpu(), time.perf_counter()
        act()
        return time.perf_counter() - started, self._backend_cpu() - cpu

    def _backend_cpu(self) -> float:
        """Seconds of processor time of our backend, from the scheduler's own account in nanoseconds."""
        return int(Path(f"/proc/{self.backend}/schedstat").read_text().split()[0]) / 1e9

    def _create(self, requests: list[PayoutRequest]) -> list[UUID]:
        results = creation.create_payouts(requests, actor=self.actor)
        created = [r.payout_id for r in results if isinstance(r, creation.Created)]
        if len(created) != len(requests):
            raise RuntimeError("the benchmark's own payouts were refused")
        return created

    @contextmanager
    def _without_triggers(self) -> Iterator[None]:
        self._triggers("DISABLE")
        try:
            yield
        finally:
            self._triggers("ENABLE")

    def _triggers(self, verb: str) -> None:
        with connection.cursor() as cursor:
            for table in TRIGGERED:
                cursor.execute(f"ALTER TABLE {table} {verb} TRIGGER USER")

    def _insert_bare(self, ids: list[UUID]) -> None:
        """The same rows into tables with the same indexes, and nothing else: no check, no balance, no key."""
        with transaction.atomic(), connection.cursor() as cursor:
            for table, column in TABLES:
                cursor.execute(
                    f"INSERT INTO bench_{table} SELECT * FROM {table} WHERE {column} = ANY(%s)",  # noqa: S608
                    [ids],
                )
            cursor.execute(
                "INSERT INTO bench_ledger_entries SELECT e.* FROM ledger_entries e"
                " JOIN ledger_transfers t ON t.id = e.transfer_id WHERE t.payout_id = ANY(%s)",
                [ids],
            )

    def _request(self) -> PayoutRequest:
        return PayoutRequest(
            tenant_id=self.tenant_id,
            external_id=str(uuid4()),
            fingerprint=os.urandom(32),
            origin_module="bench",
            origin_entity_type="merchant",
            origin_entity_id=self.tenant_id,
            beneficiary_type="user",
            beneficiary_id=self.account[0],
            beneficiary_account_id=self.account[1],
            amount=Decimal("10.00"),
            currency="EUR",
            payout_method="bank_transfer",
        )


def as_rows(measures: list[Measure]) -> list[dict[str, float | int | str]]:
    """The figures with their ratios to the same run's bare insert and to the run without triggers."""
    by_key = {(m.size, m.variant): m for m in measures}
    return [
        {
            "requests": m.size,
            "variant": m.variant,
            "payouts_per_s": round(m.per_second(), 1),
            "postgres_cpu_us": round(m.cpu_us(), 1),
            "cpu_to_bare_insert": round(m.cpu_us() / by_key[m.size, "bare insert"].cpu_us(), 2),
            "cpu_to_no_triggers": round(m.cpu_us() / by_key[m.size, "no triggers"].cpu_us(), 2),
        }
        for m in measures
    ]
