"""`manage.py verify_audit`: whether every audit row is still what it was when it was sealed."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import IO, Any, cast

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.dateparse import parse_datetime
from rich.console import Console
from rich.progress import Progress

from payouts import seals


class Command(BaseCommand):
    help = (
        "Check the audit rows against the chain of seals, and the chain against seals that were kept outside."
        " Names the first row that was changed, removed or inserted."
        " Exit code 0: all is as it was sealed; 1: something is not; 2: the command cannot be understood."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--since", help="only what was sealed since (ISO 8601, with a zone)")
        parser.add_argument(
            "--anchor",
            type=Path,
            metavar="FILE",
            help="seals kept outside, as seal_audit wrote them",
        )
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        since = _moment(options["since"])
        anchors = _anchors(options["anchor"]) if options["anchor"] else []
        found = self._check(since, anchors, quiet=options["json"])
        if options["json"]:
            self.stdout.write(json.dumps(_told(found)))
        else:
            self._say(found)
        sys.exit(1 if found.bad else 0)

    def _check(
        self, since: datetime | None, anchors: list[seals.Anchor], *, quiet: bool
    ) -> seals.Verified:
        found, done = seals.Verified(), 0
        with Progress(disable=quiet or not self.stdout.isatty()) as progress:
            task = progress.add_task("checking", total=seals.sealed_rows(since=since))
            for found in seals.verify_in_steps(since=since, anchors=anchors):
                progress.advance(task, found.rows - done)
                done = found.rows
        return found

    def _say(self, found: seals.Verified) -> None:
        console = Console(file=cast(IO[str], self.stdout), highlight=False)
        if found.bad:
            console.print(f"[red]✗[/] {found.bad}")
            console.print(
                "    docs/runbook.md, “verify_audit fails”, says what to do now", markup=False
            )
        else:
            console.print(
                f"[green]✓[/] {found.rows} audit rows under {found.seals} seals are as sealed"
            )
        if found.oldest_unsealed:
            console.print(
                f"  {found.unsealed} are not sealed yet, the oldest of {found.oldest_unsealed:%H:%M:%S} UTC"
            )


def _told(found: seals.Verified) -> dict[str, Any]:
    oldest = found.oldest_unsealed
    return {
        "ok": found.bad is None,
        "bad": {**asdict(found.bad), "says": str(found.bad)} if found.bad else None,
        "seals": found.seals,
        "rows": found.rows,
        "unsealed": found.unsealed,
        "oldest_unsealed": oldest.isoformat() if oldest else None,
    }


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = parse_datetime(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise CommandError("--since must be like 2026-11-24T10:00:00+00:00", returncode=2)
    return moment


def _anchors(path: Path) -> list[seals.Anchor]:
    """The seals in a file of JSON lines. Raises CommandError: an anchor that cannot be read proves nothing."""
    try:
        lines = [line for line in path.read_text().splitlines() if line.strip()]
        found = [seals.Anchor(**json.loads(line)) for line in lines]
    except (OSError, UnicodeDecodeError, ValueError, TypeError) as error:
        raise CommandError(f"{path} cannot be read: {error}", returncode=2) from None
    if not found or not all(isinstance(anchor.number, int) for anchor in found):
        raise CommandError(f"{path} has no seal in it", returncode=2)
    return found
