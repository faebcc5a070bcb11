"""`manage.py reconcile FILE`: a bank's statement or returns file beside our payouts."""

from __future__ import annotations

import getpass
import json
import sys
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any, cast

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from payouts import inbound, reconciliation
from payouts.audit import Actor
from payouts.banks import UnreadableDocument
from payouts.reconciliation import Line

BANKS = {"camt.053": "default:sepa", "ach.return": "default:ach"}
COLOURS = {"matched": "green", "different": "red", "unmatched": "yellow"}


class Command(BaseCommand):
    help = (
        "Read a camt.053 statement or a NACHA returns file, set each booking beside its payout, and let the"
        " bookings count as the bank's word. The same file again changes nothing."
        " Exit code 0: all matched; 1: some are unmatched or different; 2: the file cannot be read."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE")
        parser.add_argument(
            "--connector", metavar="NAME:RAIL", help="default:sepa for camt, default:ach for NACHA"
        )
        parser.add_argument("--actor", help="who, for the audit log (default: the system's user)")
        parser.add_argument("--dry-run", action="store_true", help="compare only, change nothing")
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            body = options["file"].read_bytes()
            bank = reconciliation.bank_of(
                options["connector"] or BANKS[reconciliation.document_type(body)]
            )
            lines = reconciliation.compare(bank, body)
        except OSError as error:
            raise CommandError(
                f"{options['file']}: {error.strerror or error}", returncode=2
            ) from None
        except (LookupError, UnreadableDocument) as error:
            raise CommandError(str(error), returncode=2) from None
        state = "not taken in (dry run)"
        if not options["dry_run"]:
            actor = Actor(id=f"command:{options['actor'] or getpass.getuser()}", role="operator")
            stored = reconciliation.take_in(bank, body, name=options["file"].name, actor=actor)
            state = "taken in" if stored else "was taken in before: nothing changed"
            inbound.read_waiting()
            reconciliation.match()
        self._show(lines, state, as_json=options["json"])
        sys.exit(0 if all(line.verdict == "matched" for line in lines) else 1)

    def _show(self, lines: list[Line], state: str, *, as_json: bool) -> None:
        counts = {name: Counter(line.verdict for line in lines)[name] for name in COLOURS}
        if as_json:
            shown = {"state": state, "counts": counts, "lines": [asdict(line) for line in lines]}
            self.stdout.write(json.dumps(shown, default=str))
            return
        table = Table("", "reference", "bank says", "payout", "we know", "", box=None)
        for line in sorted(lines, key=lambda line: list(COLOURS)[::-1].index(line.verdict)):
            table.add_row(
                f"[{COLOURS[line.verdict]}]{line.verdict}[/]", escape(line.reference),
                f"{line.kind} {line.amount or ''} {line.currency}".strip(),
                str(line.payout_id or "—"),
                f"{line.payout_status} {line.expected or ''} {line.expected_currency}".strip(), line.detail,
            )  # fmt: skip
        console = Console(file=cast(IO[str], self.stdout))
        console.print(table)
        console.print(", ".join(f"{count} {name}" for name, count in counts.items()) + f"; {state}")
