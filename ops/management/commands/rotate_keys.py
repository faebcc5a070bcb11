"""`manage.py rotate_keys`: seal everything under the first key of ENCRYPTION_KEYS."""

from __future__ import annotations

import json
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.progress import Progress as Bar

from payouts import crypto, rotation
from payouts.audit import Actor


class Command(BaseCommand):
    help = (
        "Re-encrypt account details, credentials and documents under the first key of ENCRYPTION_KEYS. "
        "Committed in small steps: stop it whenever you like, run it again to go on. Exit code 1: a value "
        "does not open (a key is missing from the ring)."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="open and count, write nothing")
        parser.add_argument("--json", action="store_true", help="print the counts as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        seen = resealed = 0
        actor = Actor(id="command:rotate_keys", role="system")
        try:
            with Bar(disable=options["json"] or not sys.stdout.isatty()) as bar:
                task = bar.add_task("sealing", total=rotation.count_sealed())
                for step in rotation.rotate(actor=actor, dry_run=options["dry_run"]):
                    seen, resealed = seen + step.seen, resealed + step.resealed
                    bar.advance(task, step.seen)
        except crypto.CannotOpen as error:
            raise CommandError(
                f"{error}; {resealed} of {seen} values were sealed anew before"
            ) from error
        result = {
            "key": crypto.ring().primary,
            "seen": seen,
            "resealed": resealed,
            "dry_run": options["dry_run"],
        }
        done = "would be" if options["dry_run"] else "were"
        text = f"{resealed} of {seen} values {done} sealed anew under {result['key']}"
        self.stdout.write(json.dumps(result) if options["json"] else text)
