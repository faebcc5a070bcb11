"""`manage.py capabilities`: what each configured connection carries where, from when on, at which hours."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from dataclasses import asdict
from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.table import Table

from ops import capability_rows
from payouts import banks, clock


class Command(BaseCommand):
    help = (
        "List what each connection carries: amounts, hours, repetition, recall and finality per rail, operator,"
        " country and currency, with the days that each row is in force. Exit code 2: the day cannot be read."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--on", metavar="DATE", help="in force on this day (default: today)")
        parser.add_argument("--history", action="store_true", help="past and coming rows too")
        form = parser.add_mutually_exclusive_group()
        form.add_argument("--json", action="store_true", help="print JSON")
        form.add_argument("--markdown", action="store_true", help="the table of docs/rails.md")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            on = date.fromisoformat(options["on"]) if options["on"] else clock.now().date()
        except ValueError as error:
            raise CommandError(f"--on: {error}", returncode=2) from None
        rows = capability_rows.of(banks.lines(), on=on, history=options["history"])
        if options["json"]:
            self.stdout.write(json.dumps([asdict(row) for row in rows], default=str))
        elif options["markdown"]:
            self.stdout.write(capability_rows.markdown(rows))
        else:
            self._draw(rows)

    def _draw(self, rows: Iterable[capability_rows.Row]) -> None:
        table = Table(box=None)
        for title in capability_rows.TITLES:
            table.add_column(title, overflow="fold")
        for row in rows:
            table.add_row(*row.cells())
        drawn = io.StringIO()
        Console(file=drawn, width=200).print(table)
        self.stdout.write(drawn.getvalue())
