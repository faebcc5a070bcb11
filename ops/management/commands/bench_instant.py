"""`./dev bench instant`: seconds from request to settled on each instant rail of a running sandbox."""

from __future__ import annotations

import json
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from rich.console import Console
from rich.table import Table

from ops import demo_data
from ops.bench_instant import InstantBench, as_rows
from ops.http_client import Client

LIMIT_S = 10.0


class Command(BaseCommand):
    help = (
        "Pay over every instant rail through the API of a running sandbox, and print p50 and p99 from"
        " request to settled. Exit code 1: a p99 of 10 seconds or more, or a payout that never settled."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print the figures as JSON")
        parser.add_argument("--count", type=int, default=300, help="payouts for each rail (300)")
        parser.add_argument(
            "--rate", type=float, default=12.0, help="requests a second over all rails (12)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        tenant_id = next(iter(demo_data.load()["tenants"]))
        bench = InstantBench(
            engine=Client(base_url=f"http://127.0.0.1:{settings.PORT}", tenant_id=tenant_id),
            bank=Client(base_url=f"http://127.0.0.1:{settings.BANK_SIMULATOR_PORT}"),
            count=options["count"],
            rate=options["rate"],
            say=(lambda line: None) if options["json"] else (lambda line: self.stderr.write(line)),
        )
        baseline = bench.baseline()
        rows = as_rows(bench.run(), baseline)
        if options["json"]:
            self.stdout.write(json.dumps(rows))
        else:
            _print(rows)
        sys.exit(1 if any(row["unsettled"] or row["p99_s"] >= LIMIT_S for row in rows) else 0)


def _print(rows: list[dict[str, Any]]) -> None:
    table = Table(title="From request to settled, seconds")
    for name in rows[0]:
        table.add_column(name.replace("_", " "), justify="left" if name == "rail" else "right")
    for row in rows:
        table.add_row(*(str(value) for value in row.values()))
    Console().print(table)
