"""`manage.py retry_payouts`: try again what failed, many at a time, through the verb that people use one by one."""

from __future__ import annotations

import getpass
import sys
from collections import Counter
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from ops import selection
from payouts import lifecycle
from payouts.audit import Actor


class Command(BaseCommand):
    help = (
        "Retry payouts that are in the dead-letter queue (a new budget of retries) or failed (due now)."
        " Stop it at any time: what was retried is no longer found, so the same command goes on."
        " Above the approval limit a person must do it: manage.py dlq retry."
        " Exit code 0: all were retried; 1: some were refused; 2: the command cannot be understood."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--status", choices=("dlq", "failed"), default="dlq")
        selection.add_filters(parser)
        parser.add_argument("--reason", help="why, for the audit log (required but for --dry-run)")
        parser.add_argument("--actor", help="who, for the audit log (default: the system's user)")
        parser.add_argument("--dry-run", action="store_true", help="count, change nothing")
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        actor = Actor(id=f"command:{options['actor'] or getpass.getuser()}", role="operator")
        reason = "" if options["dry_run"] else selection.reason(options)
        found = selection.found(options, status=options["status"])
        ids = list(found.values_list("id", flat=True))
        outcomes: Counter[str] = Counter()
        if options["dry_run"]:
            outcomes = selection.count(
                lifecycle.foresee(["retry"], ids, actor=actor)["retry"], "would_retry"
            )
        else:
            for chunk in selection.chunks(
                ids, label="retrying", out=self.stdout, quiet=options["json"]
            ):
                results = lifecycle.retry_payouts(chunk, actor=actor, reason=reason, tenant_id=None)
                outcomes += selection.count(results, "retried")
        done = "would_retry" if options["dry_run"] else "retried"
        counts = {done: outcomes.pop(done, 0), "refused": dict(outcomes)}
        selection.tell(counts, out=self.stdout, as_json=options["json"])
        if not options["dry_run"]:
            sys.exit(1 if outcomes else 0)
