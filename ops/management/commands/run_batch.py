"""`manage.py run_batch NAME`: run a schedule's batch, or see what it would collect."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error
from rich.console import Console
from rich.table import Table

from payouts import batches
from payouts.audit import Actor
from payouts.errors import PayoutError
from payouts.models import BatchSchedule

OPERATOR = Actor(id="command:run_batch", role="system")


class Command(BaseCommand):
    help = (
        "Run a batch schedule's fire at or before --at (now): each currency's waiting payouts become one run. "
        "Running it again changes nothing. Exit code 0: ran, or had been run; 1: it failed; 2: unknown name or time."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="the schedule's name")
        parser.add_argument(
            "--at", metavar="ISO", help="a moment; without an offset in the schedule's time zone"
        )
        parser.add_argument("--currency", help="this currency only")
        parser.add_argument(
            "--preview",
            "--dry-run",
            action="store_true",
            help="say what it would collect, change nothing",
        )
        parser.add_argument("--json", action="store_true", help="print rows as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        name, currency = options["name"], options["currency"] and options["currency"].upper()
        try:
            at = self._moment(name, options["at"])
            fire = batches.find_fire(name, at=at)
            rows: list[Any]
            if options["preview"]:
                rows = list(batches.preview(fire, currency=currency))
            else:
                rows = list(batches.run_batches(name, at=at, actor=OPERATOR, currency=currency))
        except PayoutError as error:
            known = ", ".join(BatchSchedule.objects.order_by("name").values_list("name", flat=True))
            hint = (
                f" Known are: {known or 'none'}." if error.code == "batch_schedule_unknown" else ""
            )
            raise CommandError(f"{error.code}: {error.detail}.{hint}", returncode=2) from None
        except Error as error:
            raise CommandError(f"the batch was not finished: {error}", returncode=1) from error
        if options["json"]:
            self.stdout.write(json.dumps([_plain(asdict(row)) for row in rows]))
            return
        title = f"{name}, {fire.at.astimezone(ZoneInfo(fire.schedule.time_zone)):%Y-%m-%d %H:%M %Z}"
        console = Console()
        with console.capture() as captured:
            console.print(_table(title, rows, preview=options["preview"]))
        self.stdout.write(captured.get())

    def _moment(self, name: str, given: str | None) -> datetime | None:
        if given is None:
            return None
        try:
            moment = datetime.fromisoformat(given)
        except ValueError:
            raise CommandError(f"--at {given}: not a moment in ISO 8601", returncode=2) from None
        if moment.tzinfo is None:
            zone = (
                BatchSchedule.objects.filter(name=name).values_list("time_zone", flat=True).first()
            )
            moment = moment.replace(tzinfo=ZoneInfo(zone or "UTC"))
        return moment


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {
        k: v
        if isinstance(v, int | str | bool)
        else v.isoformat()
        if isinstance(v, datetime)
        else str(v)
        for k, v in row.items()
    }


def _table(title: str, rows: list[Any], *, preview: bool) -> Table:
    table = Table(
        title=title, caption=None if rows else "nothing waits" if preview else "nothing waited"
    )
    columns = (
        ("currency", "payouts", "amount", "merchants")
        if preview
        else ("currency", "payouts", "amount", "status", "run")
    )
    for column in columns:
        table.add_column(
            column, justify="right" if column in ("payouts", "amount", "merchants") else "left"
        )
    for row in rows:
        cells = asdict(row)
        if not preview:
            cells["run"] = "new" if row.fresh else "had been run"
        table.add_row(
            *(f"{cells[c]:,f}" if isinstance(cells[c], Decimal) else str(cells[c]) for c in columns)
        )
    return table
