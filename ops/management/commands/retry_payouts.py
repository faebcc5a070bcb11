"""`manage.py retry_payouts`: try again what failed, many at a time, through the verb that people use one by one."""

from __future__ import annotations

import getpass
import json
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import QuerySet
from django.utils.dateparse import parse_datetime
from rich.progress import Progress

from payouts import lifecycle
from payouts.audit import Actor
from payouts.models import BankConnector, Payout

CHUNK = 100


class Command(BaseCommand):
    help = (
        "Retry payouts that are in the dead-letter queue (a new budget of retries) or failed (due now)."
        " Stop it at any time: what was retried is no longer found, so the same command goes on."
        " Exit code 0: all were retried; 1: some were refused; 2: the command cannot be understood."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--status", choices=("dlq", "failed"), default="dlq")
        parser.add_argument("--code", help="only with this last error code")
        parser.add_argument("--rail")
        parser.add_argument("--connector", metavar="NAME:RAIL")
        parser.add_argument("--tenant", type=UUID)
        parser.add_argument("--ids", type=UUID, nargs="+")
        parser.add_argument("--since", help="only those that changed since (ISO 8601, with a zone)")
        parser.add_argument("--limit", type=int, default=0, help="at most so many (0: all)")
        parser.add_argument("--reason", help="why, for the audit log (required but for --dry-run)")
        parser.add_argument("--actor", help="who, for the audit log (default: the system's user)")
        parser.add_argument("--dry-run", action="store_true", help="count, change nothing")
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        if not options["dry_run"] and not (options["reason"] or "").strip():
            raise CommandError("--reason is required: the audit log keeps it", returncode=2)
        ids = list(_found(options).values_list("id", flat=True))
        if options["dry_run"]:
            self._say(_foreseen(ids), options)
            return
        actor = Actor(id=f"command:{options['actor'] or getpass.getuser()}", role="operator")
        outcomes: Counter[str] = Counter()
        for chunk in self._chunks(ids, quiet=options["json"]):
            results = lifecycle.retry_payouts(
                chunk, actor=actor, reason=options["reason"], tenant_id=None
            )
            outcomes.update(_word(result) for result in results)
        self._say({"retried": outcomes.pop("retried", 0), "refused": dict(outcomes)}, options)
        sys.exit(1 if outcomes else 0)

    def _chunks(self, ids: list[UUID], *, quiet: bool) -> Iterator[list[UUID]]:
        with Progress(disable=quiet or not self.stdout.isatty()) as progress:
            task = progress.add_task("retrying", total=len(ids))
            for start in range(0, len(ids), CHUNK):
                yield ids[start : start + CHUNK]
                progress.advance(task, CHUNK)

    def _say(self, counts: dict[str, Any], options: dict[str, Any]) -> None:
        if options["json"]:
            self.stdout.write(json.dumps(counts))
            return
        for name, count in counts.items():
            for word, number in count.items() if isinstance(count, dict) else ((name, count),):
                self.stdout.write(f"{number} {word.replace('_', ' ')}")


def _found(options: dict[str, Any]) -> QuerySet[Payout]:
    """The payouts that the filters leave, oldest first. Raises CommandError."""
    named = {
        "last_error_code": options["code"], "rail": options["rail"], "tenant_id": options["tenant"],
        "pk__in": options["ids"],
    }  # fmt: skip
    found = Payout.objects.filter(
        status=options["status"], **{k: v for k, v in named.items() if v is not None}
    ).order_by("id")
    if options["connector"]:
        name, _, rail = options["connector"].partition(":")
        bank = BankConnector.objects.filter(name=name, rail=rail).first()
        if bank is None:
            raise CommandError(f"no bank connection is called {options['connector']}", returncode=2)
        found = found.filter(bank_connector_id=bank.id)
    if options["since"]:
        since = parse_datetime(options["since"])
        if since is None or since.tzinfo is None:
            raise CommandError("--since must be like 2026-11-24T10:00:00+00:00", returncode=2)
        found = found.filter(updated_at__gte=since)
    if options["limit"] < 0:
        raise CommandError("--limit cannot be negative", returncode=2)
    return found[: options["limit"]] if options["limit"] else found


def _foreseen(ids: list[UUID]) -> dict[str, Any]:
    """What the verb would answer as things stand."""
    asked = Actor(id="command:retry_payouts", role="operator")
    found = lifecycle.foresee(["retry"], ids, actor=asked)["retry"]
    outcomes = Counter(_word(result) for result in found)
    return {"would_retry": outcomes.pop("retried", 0), "refused": dict(outcomes)}


def _word(result: lifecycle.Result) -> str:
    return result.error.code if isinstance(result, lifecycle.Refused) else "retried"
