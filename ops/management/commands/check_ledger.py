"""`manage.py check_ledger`: does the money add up? The book and the holds alone, in one snapshot."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from dataclasses import asdict
from typing import IO, Any, cast

from django.core.management.base import BaseCommand, CommandParser
from rich.console import Console
from rich.progress import Progress

from payouts import invariants
from payouts.invariants import Verdict


class Command(BaseCommand):
    help = (
        "Check the ledger: transfers and currencies sum to zero, every balance equals its entries, every hold its"
        " transfers. Names the first bad rows. Exit code 0: it adds up; 1: it does not."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        accounts, verdicts = self._check(quiet=options["json"])
        broken = [verdict for verdict in verdicts if verdict.broken]
        if options["json"]:
            checks = [asdict(verdict) for verdict in verdicts]
            self.stdout.write(
                json.dumps({"ok": not broken, "accounts": accounts, "checks": checks})
            )
        else:
            show(cast(IO[str], self.stdout), verdicts)
        sys.exit(1 if broken else 0)

    def _check(self, *, quiet: bool) -> tuple[int, tuple[Verdict, ...]]:
        with Progress(disable=quiet or not self.stdout.isatty()) as progress:
            task = progress.add_task("accounts", total=None)
            for step in invariants.check_ledger():
                progress.reset(task, total=step.total, completed=step.done)
        return step.total, step.verdicts


def show(out: IO[str], verdicts: Iterable[Verdict]) -> None:
    """A green line for each that holds; for each that does not, its first bad rows."""
    console = Console(file=out, highlight=False)
    for verdict in verdicts:
        mark = "[red]✗" if verdict.broken else "[green]✓"
        console.print(f"{mark} {verdict.name}[/]  {verdict.says}")
        for row in verdict.broken:
            console.print(f"    {row}", markup=False)
