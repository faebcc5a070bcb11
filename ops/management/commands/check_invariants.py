"""`manage.py check_invariants`: what must be true of money, asked in one snapshot."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import IO, Any, cast

from django.core.management.base import BaseCommand, CommandParser

from ops.management.commands.check_ledger import show
from payouts import invariants


class Command(BaseCommand):
    help = "Ask every invariant in one snapshot. Exit code 0: all hold; 1: one is broken."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--only", nargs="+", choices=invariants.NAMES, default=[])
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        verdicts = invariants.check(options["only"])
        broken = [verdict for verdict in verdicts if verdict.broken]
        if options["json"]:
            self.stdout.write(
                json.dumps({"ok": not broken, "checks": [asdict(v) for v in verdicts]})
            )
        else:
            show(cast(IO[str], self.stdout), verdicts)
        sys.exit(1 if broken else 0)
