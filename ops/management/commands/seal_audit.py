"""`manage.py seal_audit`: the newest seals of the audit rows, to be kept where nobody of this database can reach."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from payouts import seals


class Command(BaseCommand):
    help = (
        "Write the newest seals as JSON lines. Keep them outside (another host, write-once storage, a daily mail to"
        " auditors): `verify_audit --anchor FILE` then finds a chain that was cut short or made anew."
        " Exit code 0: written; 1: there is no seal yet; 2: the file cannot be written."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--now", action="store_true", help="first seal what can be sealed now")
        parser.add_argument("--last", type=int, default=1, metavar="N", help="how many seals (1)")
        parser.add_argument(
            "--output",
            type=Path,
            metavar="FILE",
            help="add them to this file (default: print them)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["last"] < 1:
            raise CommandError("--last must be at least 1", returncode=2)
        if options["now"]:
            while seals.seal(patience_s=2.0):
                pass
        found = seals.newest(options["last"])
        if not found:
            raise CommandError("nothing is sealed yet: is the poller running?")
        lines = "".join(json.dumps(asdict(anchor)) + "\n" for anchor in found)
        if options["output"] is None:
            self.stdout.write(lines, ending="")
            return
        try:
            _append(options["output"], lines.encode())
        except OSError as error:
            raise CommandError(
                f"{options['output']} cannot be written: {error}", returncode=2
            ) from None


def _append(path: Path, data: bytes) -> None:
    """All of it or nothing: half a line on a full disk would be no seal."""
    with path.open("ab", buffering=0) as file:
        start = file.tell()
        try:
            if file.write(data) != len(data):
                raise OSError("there is no space left for it")
        except OSError:
            file.truncate(start)
            raise
