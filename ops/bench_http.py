"""One create for each request, through every middleware: the engine's view beside a plain one, in turn.

Both get the same body and headers from the same in-process client on one connection, so what differs is what
they do. Sockets, servers and other processes are left out of both.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from uuid import UUID, uuid4

from django.conf import settings
from django.db import connection
from django.test import Client, override_settings

from ops import bench_plain
from ops.bench_plain import PlainBalance


@dataclass(slots=True)
class Sample:
    """One variant: per payout, seconds, processor seconds of Python and of PostgreSQL, a value a round."""

    variant: str
    seconds: list[float] = field(default_factory=list)
    python: list[float] = field(default_factory=list)
    postgres: list[float] = field(default_factory=list)


class Contest:
    """The engine's API against the plain view, for one merchant of the benchmark."""

    def __init__(
        self,
        *,
        tenant_id: UUID,
        account: tuple[UUID, UUID],
        backend: int,
        say: Callable[[str], None],
    ) -> None:
        self.tenant_id, self.backend, self.say = tenant_id, backend, say
        self.body = json.dumps(
            {
                "originModule": "bench", "originEntityType": "merchant", "originEntityId": str(tenant_id),
                "beneficiaryType": "user", "beneficiaryId": str(account[0]),
                "beneficiaryAccountId": str(account[1]), "amount": "10.00", "currency": "EUR",
                "payoutMethod": "bank_transfer", "priority": "standard", "description": "Weekly settlement",
                "metadata": {"invoice_id": "inv-123"},
            }
        )  # fmt: skip
        self.plain_body = json.dumps(
            {
                "beneficiary_id": str(account[0]), "beneficiary_account_id": str(account[1]), "amount": "10.00",
                "currency": "EUR", "payout_method": "bank_transfer", "priority": "standard",
                "description": "Weekly settlement", "metadata": {"invoice_id": "inv-123"},
            }
        )  # fmt: skip

    def run(self, *, rounds: int, seconds: float) -> list[Sample]:
        settings.STATIC_ROOT.mkdir(parents=True, exist_ok=True)
        bench_plain.make_tables()
        PlainBalance._default_manager.create(
            tenant_id=self.tenant_id, currency="EUR", available=Decimal(10) ** 12, held=Decimal(0)
        )
        samples = [Sample("POST /api/payouts"), Sample("plain DRF + ORM")]
        for number in range(rounds):
            self.say(f"HTTP round {number + 1} of {rounds}")
            for sample in samples:
                self._round(sample, seconds)
        return samples

    def _round(self, sample: Sample, seconds: float) -> None:
        plain = sample.variant.startswith("plain")
        where: AbstractContextManager[object] = (
            override_settings(ROOT_URLCONF="ops.bench_plain") if plain else nullcontext()
        )
        with where:
            client = Client()
            for _ in range(5):
                self._create(client, plain)
            done, python, postgres = 0, time.process_time(), self._postgres()
            started = time.perf_counter()
            while (spent := time.perf_counter() - started) < seconds:
                self._create(client, plain)
                done += 1
        sample.seconds.append(spent / done)
        sample.python.append((time.process_time() - python) / done)
        sample.postgres.append((self._postgres() - postgres) / done)

    def _create(self, client: Client, plain: bool) -> None:
        headers = {
            "X-User-Id": "99999999-9999-4999-8999-999999999999", "X-Tenant-Id": str(self.tenant_id),
            "X-User-Role": "merchant_admin", "Idempotency-Key": str(uuid4()),
        }  # fmt: skip
        answer = client.post(
            "/api/payouts",
            self.plain_body if plain else self.body,
            content_type="application/json",
            headers=headers,
        )
        if answer.status_code != 201:
            raise RuntimeError(f"a benchmark's create was answered {answer.status_code}")

    def _postgres(self) -> float:
        connection.ensure_connection()
        return int(Path(f"/proc/{self.backend}/schedstat").read_text().split()[0]) / 1e9


def as_rows(samples: list[Sample]) -> list[dict[str, float | int | str]]:
    """Figures per payout, and how many times the plain view's rate each variant reaches."""
    plain = statistics.median(samples[-1].seconds)
    return [
        {
            "variant": s.variant,
            "payouts_per_s": round(1 / statistics.median(s.seconds), 1),
            "python_cpu_us": round(statistics.median(s.python) * 1e6),
            "postgres_cpu_us": round(statistics.median(s.postgres) * 1e6),
            "times_plain": round(plain / statistics.median(s.seconds), 2),
        }
        for s in samples
    ]
