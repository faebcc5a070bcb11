"""`./dev bench create`: what a create costs on this machine, beside its own baselines."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from rich.console import Console
from rich.table import Table

from ops import bench_http
from ops.bench import Bench, as_rows


class Command(BaseCommand):
    help = (
        "Measure creation.create_payouts with 1, 100 and 1,000 requests, with and without triggers,"
        " and POST /api/payouts beside a plain view of Django REST framework and the ORM."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print the figures as JSON")
        parser.add_argument("--rounds", type=int, default=3, help="rounds of every variant (3)")
        parser.add_argument(
            "--seconds", type=float, default=2.0, help="length of a round in seconds (2)"
        )
        parser.add_argument("--sizes", default="1,100,1000", help="requests per call (1,100,1000)")

    def handle(self, *args: Any, **options: Any) -> None:
        say = (lambda line: None) if options["json"] else (lambda line: self.stderr.write(line))
        bench = Bench(say=say)
        sizes = [int(size) for size in options["sizes"].split(",")]
        rows = as_rows(bench.run(sizes=sizes, rounds=options["rounds"], seconds=options["seconds"]))
        contest = bench_http.Contest(
            tenant_id=bench.tenant_id, account=bench.account, backend=bench.backend, say=say
        )
        samples = contest.run(rounds=options["rounds"], seconds=options["seconds"])
        over_http = bench_http.as_rows(samples)
        if options["json"]:
            self.stdout.write(json.dumps([*rows, *({"requests": 1, **row} for row in over_http)]))
            return
        _print("creation.create_payouts, one merchant, one connection", rows)
        _print("One create a request, through every middleware, one connection", over_http)


def _print(title: str, rows: list[dict[str, float | int | str]]) -> None:
    table = Table(title=title)
    for name in rows[0]:
        table.add_column(name.replace("_", " "), justify="right" if name != "variant" else "left")
    for row in rows:
        table.add_row(*(str(value) for value in row.values()))
    Console().print(table)
