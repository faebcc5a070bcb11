"""`./dev bench create`: what a create costs on this machine, beside its own baselines."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from rich.console import Console
from rich.table import Table

from ops.bench import Bench, as_rows


class Command(BaseCommand):
    help = (
        "Measure creation.create_payouts with 1, 100 and 1,000 requests, with and without triggers."
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
        if options["json"]:
            self.stdout.write(json.dumps(rows))
            return
        table = Table(title="creation.create_payouts, one merchant, one connection")
        for name in rows[0]:
            table.add_column(
                name.replace("_", " "), justify="right" if name != "variant" else "left"
            )
        for row in rows:
            table.add_row(*(str(value) for value in row.values()))
        Console().print(table)
